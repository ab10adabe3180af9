"""plista / CLEF NewsREEL logs read the slow, obvious way: one message at a time, plain loops and dicts."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from newsreplay.log.rows import IMPRESSION, PUBLISH, READ
from tests.reading import Row

VIEWS = ["impression", "recommendation_request", "recommendation", "impression_empty"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Found(NamedTuple):
    rows: list[Row]
    recommendable: list[bool | None]  #: one per publish row
    rejects: list[tuple[str, int]]  #: file and line from 1
    dropped: Counter[str]


class FaultyError(Exception):
    pass


class LeftOutError(Exception):
    pass


def read_files(files: list[tuple[str, bytes]]) -> Found:
    """The logs of these names and contents, in this order."""
    found = Found([], [], [], Counter())
    for name, data in files:
        _read_file(name, data, found)
    return found


def files_of(path: Path) -> list[tuple[str, bytes]]:
    """The files of a folder that begin like a log."""
    files = []
    for file in sorted(path.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            if data.startswith((b"{", b"impression\t", b"recommendation\t")):
                files.append((file.relative_to(path).as_posix(), data))
    return files


def _read_file(name: str, data: bytes, found: Found) -> None:
    sent: set[tuple[str, int]] = set()
    views: dict[tuple[str, str, str], list[Any]] = {}  # [time, widget, widget, …]
    place = 0
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        begin = place
        place += len(line) + 1
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        try:
            _read_line(line, f"message:{name}:", begin, sent, views, found)
        except FaultyError:
            found.rejects.append((name, number))
        except LeftOutError as rule:
            found.dropped[str(rule)] += 1


def _read_line(line: bytes, prefix: str, begin: int, sent: Any, views: Any, found: Found) -> None:
    if not line.strip():
        raise LeftOutError("blank line")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise FaultyError from None
    while text and text[-1] in " \r":
        text = text[:-1]
    while text and text[0] in " \r":
        text = text[1:]
    word, message_id, own, message = _split(text)
    try:
        body = json.loads(message, parse_int=lambda digits: ("int", digits), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FaultyError from None
    if type(body) is not dict:
        raise FaultyError
    kind = _kind(word, body)
    if kind == "error_notification":
        raise LeftOutError("error notification")
    if kind == "item_update":
        _item_update(body, message_id, own, sent, found)
        return
    if kind != "click" and kind not in VIEWS:
        raise LeftOutError("event that is neither a page view nor a click")

    context = body.get("context")
    simple = context.get("simple") if type(context) is dict else None
    if type(simple) is not dict:
        simple = {}
    time = own
    if type(body.get("timestamp")) not in (bool, type(None)):
        time = _milliseconds(_number_or_text(body["timestamp"]))
    if time is None:
        raise FaultyError
    publisher = _id(simple.get("27"))
    if publisher is None:
        raise FaultyError
    user = _id_or_none(simple.get("57"))
    recs = body.get("recs")
    ints = recs.get("ints") if type(recs) is dict else None
    listed = ints.get("3") if type(ints) is dict else None

    if kind == "click":
        clicked = _ids(listed)
        if not clicked:
            raise LeftOutError("page without an article (item 0 or none)")
        _once(message_id, time, sent)
        for nth, each in enumerate(clicked):
            if user is not None:
                views[publisher, user, each] = [time]
            session = prefix + str(begin + nth) if user is None else None
            found.rows.append(Row(READ, time, each, user, session, publisher))
        return

    item = _id(simple.get("25"))
    if item is None:
        raise LeftOutError("page without an article (item 0 or none)")
    try:
        pool = _ids(listed)
    except FaultyError:
        pool = []
    widget = _id_or_none(simple.get("39"))
    _once(message_id, time, sent)
    session = prefix + str(begin) if user is None else None
    read = True
    if user is not None:
        view = views.get((publisher, user, item))
        if view and abs(time - view[0]) < 5 * 60 * 1000 and widget not in view[1:] and len(view) <= 20:
            view.append(widget)
            read = False
        else:
            views[publisher, user, item] = [time, widget]
    if pool:
        found.rows.append(Row(IMPRESSION, time, item, user, session, publisher, tuple(pool)))
    if read:
        found.rows.append(Row(READ, time, item, user, session, publisher))
    if not pool and not read:
        raise LeftOutError("further widget of a page view, without a list")


def _item_update(body: dict[str, Any], message_id: str | None, own: int | None, sent: Any, found: Found) -> None:
    time = own
    for key in ("updated_at", "created_at"):
        if time is None:
            time = _german(body.get(key))
    if time is None:
        raise FaultyError
    publisher = _id(body.get("domainid"))
    if publisher is None:
        raise FaultyError
    item = _id(body.get("id"))
    if item is None:
        raise LeftOutError("page without an article (item 0 or none)")
    _once(message_id, time, sent)
    facts = []
    for name, key in (("body", "text"), ("image", "img"), ("title", "title")):
        value = _number_or_text(body.get(key))
        if value:
            facts.append((name, "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)))
    found.rows.append(Row(PUBLISH, time, item, publisher=publisher, facts=tuple(facts)))
    flag = _number_or_text(body.get("flag"))
    if type(body.get("flag")) is bool:
        found.recommendable.append(not body["flag"])
    elif flag is not None and flag.removeprefix("-").isascii() and flag.removeprefix("-").isdigit():
        found.recommendable.append(set(flag.removeprefix("-")) == {"0"})
    else:
        found.recommendable.append(None)


def _split(text: str) -> tuple[str | None, str | None, int | None, str]:
    if text.startswith("{"):
        return None, None, None, text
    cells = text.split("\t")
    if cells[-1] == "":
        cells.pop()
    if len(cells) == 3 and cells[1].startswith("{"):
        return cells[0], None, _german(cells[2]), cells[1]
    if len(cells) == 5:
        return cells[0], cells[1] if cells[1] not in ("", "0") else None, _milliseconds(cells[2]), cells[3]
    raise FaultyError


def _kind(word: str | None, body: dict[str, Any]) -> str:
    named = body.get("event_type")
    if named is None and word is not None and word != "event_notification":
        named = word
    if named is None:
        named = body["type"] if "type" in body else body.get("notification_type")
    if named is None:
        for key, kind in (("context", "impression"), ("domainid", "item_update"), ("code", "error_notification")):
            if key in body:
                return kind
        raise FaultyError
    text = _number_or_text(named)
    if text is None:
        raise FaultyError
    return text


def _once(message_id: str | None, time: int, sent: set[tuple[str, int]]) -> None:
    if message_id is not None:
        if (message_id, time) in sent:
            raise LeftOutError("message sent again (same message id and time)")
        sent.add((message_id, time))


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _number_or_text(value: Any) -> str | None:
    if type(value) is tuple:
        return str(value[1])
    return value if type(value) is str else None


def _id(value: Any) -> str | None:
    if value is None or type(value) is bool:
        return None
    text = _number_or_text(value)
    if text in ("", "0"):
        return None
    if text is None or text.startswith("-") or len(text) > 100 or not text.isprintable():
        raise FaultyError
    return text


def _id_or_none(value: Any) -> str | None:
    try:
        return _id(value)
    except FaultyError:
        return None


def _ids(value: Any) -> list[str]:
    if value is None:
        return []
    if type(value) is not list:
        raise FaultyError
    ids: list[str] = []
    for each in value:
        item = _id(each)
        if item is not None and item not in ids:
            ids.append(item)
    return ids


def _milliseconds(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) in (12, 13)):
        return None
    return int(text) if 631_152_000_000 <= int(text) < 4_102_444_800_000 else None


def _german(text: Any) -> int | None:
    """`yyyy-MM-dd HH:mm:ss`, perhaps with `,SSS`, on a German clock."""
    if type(text) is not str or not text.isascii() or len(text) not in (19, 23):
        return None
    shape = "".join("0" if c.isdigit() else c for c in text)
    if shape not in ("0000-00-00 00:00:00", "0000-00-00 00:00:00,000"):
        return None
    digits = [int(text[a:b]) for a, b in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))]
    try:
        moment = datetime(*digits, tzinfo=ZoneInfo("Europe/Berlin"))  # type: ignore[arg-type,misc]
        ms = (moment.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1) + int(text[20:] or "0")
    except (ValueError, OverflowError):
        return None
    return ms if 631_152_000_000 <= ms < 4_102_444_800_000 else None
