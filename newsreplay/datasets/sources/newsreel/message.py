"""One NewsREEL message: its type, ids, lists and time."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

from newsreplay.datasets.base import EARLIEST, LATEST

BERLIN = ZoneInfo("Europe/Berlin")
BLANK = "blank line"
ERROR = "error notification"
OTHER = "event that is neither a page view nor a click"
NO_ARTICLE = "page without an article (item 0 or none)"
VIEWS = ("impression", "recommendation_request", "recommendation", "impression_empty")
_TYPES = (*VIEWS, "click", "item_update", "error_notification")
UNSURE, NOTHING, VIEW, CLICK, UPDATE = range(5)  # what a line is
FACTS = {"title": "title", "body": "text", "image": "img"}
_LONGEST_ID = 100
_CLOCK = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:,([0-9]{3}))?")


# ---- one message, exactly ----------------------------------------------------------------------------------------


Id = int | str  #: a number where it is a plain one, else text as it stands
Facts = dict[str, str | bool | None]  #: of an article, and whether it is `recommendable`
Json = dict[str, Any]  # an object of a message


class Message(NamedTuple):
    """A page view, a click or an update of an article."""

    what: int
    time: int
    publisher: str
    item: str | None = None
    user: str | None = None
    widget: str | None = None
    pool: tuple[str, ...] = ()  # of a click: what was clicked
    number: str | None = None  # the message id
    facts: Facts | None = None


def parse_message(line: bytes, counts: Counter[str]) -> Message | str:
    """The message of a line, or the rule that leaves it out; `ValueError` where it cannot be used, with the reason."""
    if not line.strip():
        return BLANK
    column, number, own, text = _framed(line)
    try:
        body = json.loads(text, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("the message is no JSON, or nested too deeply") from None
    if not isinstance(body, dict):
        raise ValueError("the message is no JSON object")
    kind = _type_of(column, body)
    if kind == "error_notification":
        return ERROR
    if kind == "item_update":
        return _update(body, number, own)
    if kind not in _TYPES:
        return OTHER
    return _event(kind == "click", body, number, own, counts)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _framed(line: bytes) -> tuple[str | None, str | None, int | None, str]:
    """Type, message id and time (ms) of a line, each if its form has it, and its message."""
    try:
        text = line.decode().strip(" \r\n")
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
    if text.startswith("{"):
        return None, None, None, text
    cells = text.removesuffix("\t").split("\t", 5)
    if len(cells) == 3 and cells[1].startswith("{"):
        return cells[0], None, _clock(cells[2]), cells[1]
    if len(cells) == 5:
        return cells[0], None if cells[1] in ("", "0") else cells[1], _ms(cells[2]), cells[3]
    raise ValueError(
        "expected are type, message id, ms, message and entities, or type, message and time, separated by tabs, or "
        f"a message alone; the line begins {text[:50]!r}"
    )


def _type_of(column: str | None, body: Json) -> str:
    """What kind of message it is: its own word, else the line's, else what it holds."""
    named = body.get("event_type")
    if named is None and column not in (None, "event_notification"):
        named = column
    if named is None:
        named = body.get("type", body.get("notification_type"))
    if named is not None:
        if isinstance(named, str):
            return named
        raise ValueError(f"the type {_quoted(named)} is no text")
    if "context" in body:
        return "impression"
    if "domainid" in body:
        return "item_update"
    if "code" in body:
        return "error_notification"
    raise ValueError("the message has no type, context, domainid or code")


def _event(click: bool, body: Json, number: str | None, own: int | None, counts: Counter[str]) -> Message | str:
    simple = _inside(body, "context", "simple")
    stamp = body.get("timestamp")
    if stamp is None or isinstance(stamp, bool):
        time = own
    else:
        time = _ms(stamp)
        if time is None:
            raise ValueError(f"timestamp {_quoted(stamp)} is no time: ms since 1970 are expected, 1990 to 2100")
    if time is None:
        raise ValueError("timestamp is missing")
    publisher = _id(simple.get("27"), "publisher (27)")
    if publisher is None:
        raise ValueError("the publisher (27) is missing")
    listed = _inside(body, "recs", "ints").get("3")
    try:
        user = _id(simple.get("57"), "user")
    except ValueError:
        counts["user"] += 1
        user = None
    if click:
        pool = _list(listed)
        return Message(CLICK, time, publisher, None, user, None, pool, number) if pool else NO_ARTICLE
    item = _id(simple.get("25"), "item (25)")
    if item is None:
        return NO_ARTICLE
    try:
        pool = _list(listed)
    except ValueError:
        counts["list"] += 1
        pool = ()
    try:
        widget = _id(simple.get("39"), "widget")
    except ValueError:
        widget = None
    return Message(VIEW, time, publisher, item, user, widget, pool, number)


def _update(body: Json, number: str | None, own: int | None) -> Message | str:
    times = (own, _clock(body.get("updated_at")), _clock(body.get("created_at")))
    time = next((time for time in times if time is not None), None)
    if time is None:
        raise ValueError("no time: neither the line, updated_at nor created_at tells a usable one")
    publisher = _id(body.get("domainid"), "domainid")
    if publisher is None:
        raise ValueError("domainid is missing")
    item = _id(body.get("id"), "id")
    if item is None:
        return NO_ARTICLE
    facts: Facts = {name: _fact(body.get(key)) for name, key in FACTS.items()}
    return Message(UPDATE, time, publisher, item, number=number, facts={**facts, "recommendable": _flag(body)})


def _flag(body: Json) -> bool | None:
    flag = body.get("flag")
    if isinstance(flag, bool):  # PHP's false is 0
        return not flag
    return not flag.strip("-0") if isinstance(flag, str) and re.fullmatch("-?[0-9]+", flag) else None


def _inside(body: Json, *keys: str) -> Json:
    value: object = body
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _id(value: object, name: str) -> str | None:
    """An id as it stands, whether a number or a string; null, booleans, 0 and empty strings are none."""
    if value is None or isinstance(value, bool) or value in ("", "0"):
        return None
    if not isinstance(value, str) or value[0] == "-" or len(value) > _LONGEST_ID or not value.isprintable():
        raise ValueError(f"{name} {_quoted(value)} is no id: a whole number or a short text is expected")
    return value


def _list(value: object) -> tuple[str, ...]:
    """The ids of a list in its order, each once, those that are none left out."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"recs.ints.3 {_quoted(value)} is no list")
    return tuple(
        dict.fromkeys(item for item in (_id(entry, "item in recs.ints.3") for entry in value) if item is not None)
    )


def _fact(value: object) -> str | None:
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) and value else None


def _ms(value: object) -> int | None:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{12,13}", value):
        return None
    return int(value) if EARLIEST <= int(value) < LATEST else None


def _clock(value: object) -> int | None:
    """German clock time, `yyyy-MM-dd HH:mm:ss` with or without `,SSS`, in ms UTC; None if it is none."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    *clock, fraction = map(int, match.groups("0"))
    try:
        ms = int(datetime(*clock, tzinfo=BERLIN).timestamp()) * 1000 + fraction  # type: ignore[arg-type,misc]
    except (ValueError, OverflowError):
        return None
    return ms if EARLIEST <= ms < LATEST else None


def _quoted(value: object) -> str:
    return "(nested)" if isinstance(value, dict | list) else repr(value)[:50]
