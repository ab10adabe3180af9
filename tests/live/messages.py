"""Made-up messages, and the log that preparing them gives."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from newsreplay.datasets.messages import TopicMessage, message_text
from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.sources.messages import plan_messages
from newsreplay.datasets.store import Dataset
from newsreplay.log.rows import HISTORY, IMPRESSION, PUBLISH, READ
from tests.strategies import digits

START = 1_577_865_600_000
MINUTE = 60_000
GAPS = [0, 0, 1, MINUTE, 59 * MINUTE, 60 * MINUTE, 60 * MINUTE + 1]


def prepared(messages: list[TopicMessage], folder: Path) -> Dataset:
    """The data set that messages are, in the order in which they came."""
    folder.mkdir(exist_ok=True)
    path = folder / "messages.jsonl"
    path.write_text("".join(f"{message_text(message)}\n" for message in messages), "utf-8")
    return prepare(plan_messages(path), folder / "data", name="messages", kind="messages")


def message_of(drawn: bytes, time: int, *, unnamed: bool) -> TopicMessage:
    """A message as some bytes say."""
    kinds = [READ, READ, READ, IMPRESSION, IMPRESSION, PUBLISH, HISTORY]
    kind, item, user, session, told, *rest = digits(drawn, len(kinds), 6, 4, 4, 4, *([6] * 4), *([2] * 5))
    kind = kinds[kind]
    pool = tuple(f"a{code}" for code in rest[: 1 + rest[0] % 4]) if kind == IMPRESSION else ()
    marks = tuple(bool(mark) for mark in rest[4 : 4 + len(pool)])
    facts = [("category", f"c{item % 2}"), ("title", f"title of a{item}")]
    named = kind not in (PUBLISH, HISTORY)
    item_id = None if kind == IMPRESSION and item == 5 else f"a{item}"
    # Of two users under one id, no row is without a user, unless a test is about that.
    own = f"s{session}" if session and named else None
    return TopicMessage(
        kind,
        time,
        "gazette",
        None if kind == PUBLISH or (user == 3 and (unnamed or own is None)) else f"u{user}",
        own,
        item_id,
        pool,
        marks if kind == IMPRESSION and rest[8] else None,
        tuple(fact for fact, bit in zip(facts, (told & 1, told & 2), strict=True) if bit and item_id is not None),
        bool(rest[0] % 2) if kind == PUBLISH and rest[1] else None,
    )


@st.composite
def in_order(draw: st.DrawFn, *, unnamed: bool = False, most: int = 40) -> list[TopicMessage]:
    """Messages in event order, with a read at least."""
    drawn = draw(st.binary(min_size=6, max_size=6 * most))
    time, messages = START, [TopicMessage(READ, START, "gazette", "u0", None, "a0")]
    for at in range(0, len(drawn) - 5, 6):
        time += GAPS[drawn[at] % len(GAPS)]
        messages.append(message_of(drawn[at + 1 : at + 6], time, unnamed=unnamed))
    return messages


def temporary() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="newsreplay-tests-")
