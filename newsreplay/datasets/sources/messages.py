"""A file of messages: what a topic carried, one a line, in the order in which it came (`newsreplay.datasets.messages`).

`newsreplay live` writes such a file. On each line stands a message, with where it stood in its topic as `at`; or one
that could not be used, with what is wrong as `refused` and its `text`, which is a reject.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa

from newsreplay.datasets.base import FACTS, Block, Part, Plan, Reject
from newsreplay.datasets.messages import MessageError, TopicMessage, message_text, read_message
from newsreplay.log.rows import IMPRESSION, READ

LINES = 100_000  #: of a block
SHORT = 500  #: characters of a reject's text
_LISTS = {"pool": pa.list_(pa.string()), "clicked": pa.list_(pa.bool_()), "dwell": pa.list_(pa.float32())}
_PLAIN = {"active": pa.float32(), "recommendable": pa.bool_()}
_IDS = ("user", "session", "item")


def plan_messages(path: Path, *, publisher: str | None = None, lines: int = LINES) -> Plan:
    """How a file of messages is read, `lines` at a time.

    `publisher` is where a message names none, by default the name of the file without its extension.
    """
    path = Path(path)
    return Plan(
        parts=[Part(path, path.name, weight=path.stat().st_size)],
        read=partial(_read, publisher=publisher or path.name.split(".")[0], lines=lines),
        unit="message",
        source=f"messages of {publisher or path.name}",
        impressions=True,
    )


def _read(part: Part, publisher: str, lines: int) -> Iterator[Block]:
    with part.path.open("rb") as file:
        while some := list(islice(file, lines)):
            yield block_of(some, part.name, publisher)


def block_of(lines: list[bytes], name: str, publisher: str) -> Block:
    """The rows of some lines."""
    block = Block(file=name, lines=len(lines), records=len(lines))
    messages: list[TopicMessage] = []
    for number, line in enumerate(lines, 1):
        reason, text = refused(line)
        try:
            if not reason:
                messages.append(read_message(line, publisher))
        except MessageError as error:
            reason, text = str(error), line.decode(errors="backslashreplace").rstrip("\n")
        if reason:
            block.rejects.append(Reject(name, number, reason, text[:SHORT]))
    block.kept = len(messages)
    block.rows = table_of(messages) if messages else None
    return block


def refused(line: bytes) -> tuple[str, str]:
    """Why a message was refused when it came, and its text; of any other line ("", "")."""
    if b'"refused"' not in line:
        return "", ""
    try:
        record = json.loads(line)
        reason, text, at = record["refused"], record["text"], record["at"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""  # read as a message, which says what is wrong with it
    return f"{reason} (at {at})", str(text)


def accepted_line(message: TopicMessage, at: str) -> str:
    """The line of a message that was taken in."""
    return f'{{"at":{json.dumps(at)},{message_text(message)[1:]}\n'


def refused_line(reason: str, text: bytes, at: str) -> str:
    """The line of one that was not."""
    shown = text.decode(errors="backslashreplace")[:SHORT]
    return json.dumps({"at": at, "refused": reason, "text": shown}, ensure_ascii=False) + "\n"


def table_of(messages: list[TopicMessage]) -> pa.Table:
    """Messages as the rows of a block, in their order; columns that are null throughout are left out."""
    columns: dict[str, pa.Array] = {
        "kind": pa.array([message.kind for message in messages], pa.uint8()),
        "time": pa.array([message.time for message in messages], pa.int64()),
        "publisher": _coded([message.publisher for message in messages]),
    }
    optional = {name: _coded([getattr(message, name) for message in messages]) for name in _IDS}
    facts = [dict(message.facts) for message in messages]
    optional |= {name: _coded([told.get(name) for told in facts]) for name in FACTS}
    values = {
        "pool": [message.pool if message.kind == IMPRESSION else None for message in messages],
        "clicked": [message.clicked for message in messages],
        "dwell": _dwell(messages),
        "active": [message.dwell[0] if message.kind == READ and message.dwell else None for message in messages],
        "recommendable": [message.recommendable for message in messages],
    }
    optional |= {name: pa.array(values[name], kind) for name, kind in (_LISTS | _PLAIN).items()}
    must = {"item": optional["item"]}
    return pa.table(columns | must | {name: array for name, array in optional.items() if array.null_count < len(array)})


def _dwell(messages: list[TopicMessage]) -> list[tuple[float | None, ...] | None]:
    """The seconds of each click; where one impression has some, those of all have, measured or not."""
    shown = [message if message.kind == IMPRESSION else None for message in messages]
    if not any(message and message.dwell for message in shown):
        return [None] * len(messages)
    return [
        None if message is None else message.dwell or (None,) * len(message.clicks) if message.clicked else None
        for message in shown
    ]


def _coded(values: list[str | None] | list[str]) -> pa.DictionaryArray:
    return pa.array(values, pa.string()).dictionary_encode()
