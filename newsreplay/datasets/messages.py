"""Messages: one JSON object for each thing that happened, as a topic carries them and a file of them has on its lines.

    {"time": 1577865600000, "user": "ann", "item": "a1", "category": "sport", "title": "Ski"}
    {"kind": "publish", "time": "2020-01-01T08:00:00Z", "item": "a2", "recommendable": true}
    {"kind": "impression", "time": 1577865660000, "user": "ann", "pool": ["a1", "a2"], "clicked": [false, true]}

The keys are those of a table of reads, and few more:

- `kind`: read (the default), publish, impression, or history (a read from before the log);
- `time`: ISO 8601 (UTC without a zone), or epoch seconds, milli-, micro- or nanoseconds;
- `publisher` (the topic's name where it is missing), `user`, `session`, `item`: text or numbers, taken as they are
  written; blanks are nothing. Only an impression may be without an item, which is then the article on screen;
- `pool`: the candidates of an impression; `clicked`: a true or false for each, missing where the outcome is not known.
  Clicks are reads: they are not sent again;
- `category`, `title`, `subcategory`, `abstract`, `body`, `entities`, `image`, `sentiment`: facts of `item`, as text;
- `recommendable`: of a publish row, whether its article may be recommended from now on;
- `dwell`: seconds that were read, of an impression a list with as many as there are clicks.

Other keys are ignored. An article is known from the first message on that has it: a `published` in the past would make
an article known before anybody could know it.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from newsreplay.datasets.base import FACTS
from newsreplay.datasets.reading.forms import EMPTY, NANOS, OUTSIDE, UNREADABLE
from newsreplay.datasets.reading.times import parse_time
from newsreplay.log.rows import HISTORY, IMPRESSION, KIND_NAMES, PUBLISH, READ

KINDS = {KIND_NAMES[kind]: kind for kind in (READ, PUBLISH, IMPRESSION, HISTORY)}


class TopicMessage(NamedTuple):
    """What one message says."""

    kind: int  #: `PUBLISH`, `IMPRESSION`, `READ` or `HISTORY`
    time: int  #: ms since the epoch, UTC
    publisher: str
    user: str | None
    session: str | None
    item: str | None  #: None on impressions only
    pool: tuple[str, ...] = ()  #: of an impression
    clicked: tuple[bool, ...] | None = None  #: one for each candidate; None = the outcome is not known
    facts: tuple[tuple[str, str], ...] = ()  #: of `item`: name and text, in the order of `FACTS`
    recommendable: bool | None = None  #: of a publish row; None = not told
    dwell: tuple[float | None, ...] | None = None  #: seconds, of the read or of each click; None = not measured

    @property
    def clicks(self) -> list[str]:
        """The candidates that were clicked, in pool order."""
        return [item for item, click in zip(self.pool, self.clicked or (), strict=False) if click]


class MessageError(ValueError):
    """What is wrong with a message, in words."""


def read_message(text: bytes, publisher: str) -> TopicMessage:
    """A message; `publisher` is where it names none. Raises `MessageError`.

    >>> read_message(b'{"time": 1577865600, "user": "ann", "item": 7}', "gazette")[:6]
    (3, 1577865600000, 'gazette', 'ann', None, '7')
    """
    record = json_object(text)
    kind = KINDS.get(_text(record, "kind") or KIND_NAMES[READ])
    if kind is None:
        raise MessageError(f"kind is {record['kind']!r}; write {', '.join(KINDS)}")
    told = {name: _text(record, name) for name in ("publisher", "user", "session", "item")}
    item = told["item"]
    if item is None and kind != IMPRESSION:
        raise MessageError(f"a {KIND_NAMES[kind]} has no item; write the article's id")
    pool, clicked = _shown(record) if kind == IMPRESSION else ((), None)
    if kind == PUBLISH:
        told["user"] = told["session"] = None
    message = TopicMessage(
        kind,
        _time(record),
        told["publisher"] or publisher,
        told["user"],
        None if kind == HISTORY else told["session"],
        item,
        pool,
        clicked,
        tuple((name, value) for name in FACTS if item is not None and (value := _text(record, name)) is not None),
        _flag(record) if kind == PUBLISH else None,
    )
    return message._replace(dwell=_dwell(record, message))


def json_object(text: bytes) -> dict[str, object]:
    """The JSON object of a text, numbers as they are written. Raises `MessageError`."""
    try:
        record = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except UnicodeDecodeError:
        raise MessageError("it is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise MessageError(f"it is no JSON ({error})") from None
    if not isinstance(record, dict):
        raise MessageError("it is no JSON object; write {…}")
    return record


def _text(record: dict[str, object], name: str) -> str | None:
    return _is_text(record.get(name), name)


def _is_text(value: object, name: str) -> str | None:
    """A text that is more than blanks, or nothing."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise MessageError(f"{name} is {_shortly(value)}; write a string or a number")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MessageError(f"{name} holds half a surrogate pair, which is no character") from None
    return value if value.strip() else None


def _time(record: dict[str, object]) -> int:
    text = _text(record, "time")
    ms, form, _ = parse_time(text and text.strip())
    if form == EMPTY:
        raise MessageError("it has no time; write ISO 8601 or an epoch")
    if form == OUTSIDE:
        raise MessageError(f"time is {text!r}, which is not between 1990 and 2100")
    if form == UNREADABLE or form > NANOS:  # the order of day and month would be a guess
        raise MessageError(f"time is {text!r}; write ISO 8601 or an epoch")
    return ms


def _shown(record: dict[str, object]) -> tuple[tuple[str, ...], tuple[bool, ...] | None]:
    """The candidates of an impression and which of them were clicked."""
    values, marks = record.get("pool"), record.get("clicked")
    if not isinstance(values, list):
        raise MessageError(f"pool is {_shortly(values)}; an impression lists the articles that were shown")
    pool = tuple(item for value in values if (item := _is_text(value, "pool")) is not None)
    if len(pool) < len(values):
        raise MessageError("pool has a candidate without an id")
    if marks is None:
        return pool, None
    if not isinstance(marks, list) or not all(isinstance(mark, bool) for mark in marks):
        raise MessageError(f"clicked is {_shortly(marks)}; write a list of true and false")
    if len(marks) != len(pool):
        raise MessageError(f"clicked has {len(marks)} values for {len(pool)} candidates")
    return pool, tuple(marks)


def _flag(record: dict[str, object]) -> bool | None:
    flag = record.get("recommendable")
    if not isinstance(flag, bool | None):
        raise MessageError(f"recommendable is {_shortly(flag)}; write true or false")
    return flag


def _dwell(record: dict[str, object], message: TopicMessage) -> tuple[float | None, ...] | None:
    value = record.get("dwell")
    if value is None or message.kind in (PUBLISH, HISTORY):
        return None
    values = value if isinstance(value, list) else [value]
    wanted = len(message.clicks) if message.kind == IMPRESSION else 1
    if len(values) != wanted or (isinstance(value, list) and message.kind == READ):
        raise MessageError(f"dwell is {_shortly(value)}; write a number of seconds for each click or read")
    return tuple(map(_seconds, values))


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise MessageError(f"dwell is {_shortly(value)}; write a number of seconds")
    return seconds


def _shortly(value: object) -> str:
    """A value for an error, numbers as they were written."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else f"{text[:40]}…"


def message_text(message: TopicMessage) -> str:
    """A message as compact JSON; what is nothing is left out.

    >>> message_text(TopicMessage(READ, 1577865600000, "gazette", "ann", None, "7"))
    '{"time":1577865600000,"publisher":"gazette","user":"ann","item":"7"}'
    """
    record: dict[str, object] = {"kind": KIND_NAMES[message.kind]} if message.kind != READ else {}
    record |= {
        name: value
        for name in ("time", "publisher", "user", "session", "item")
        if (value := getattr(message, name)) is not None
    }
    if message.kind == IMPRESSION:
        record["pool"] = message.pool
        if message.clicked is not None:
            record["clicked"] = message.clicked
    record |= dict(message.facts)
    if message.recommendable is not None:
        record["recommendable"] = message.recommendable
    if message.dwell is not None:
        record["dwell"] = message.dwell if message.kind == IMPRESSION else message.dwell[0]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
