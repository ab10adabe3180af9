"""NewsREEL's ORP, from the server's side: what its four types of messages mean.

A `recommendation_request` and an `impression` are reads of the article in their context (25; 0 or none is a page
without one), by the user (57; 0 or none is nobody known). What an impression lists was shown; a click is on something
listed before. The keys `session` and `learn` are newsreplay's own (`newsreplay.recommenders.services.orp`); without
`session` a reader's visits are parted by their pauses.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ
from newsreplay.recommenders.services.orp import CATEGORY, ITEM, PUBLISHER, USER
from newsreplay.recommenders.services.speech import Object
from newsreplay.serving.plain_json import LONGEST, LONGEST_ID
from newsreplay.serving.told import Ask, Told, ToldRow, UnclearMessageError

_FACTS = {"title": "title", "text": "body", "img": "image"}
_TIME = re.compile("[0-9]{12,13}")


def fields(form: bytes) -> tuple[str, bytes]:
    """The fields `type` and `body` of a form. Raises `UnclearMessageError`."""
    try:
        found = parse_qs(form.decode(), keep_blank_values=True, max_num_fields=100)
        return found["type"][0], found["body"][0].encode()
    except (ValueError, KeyError):
        raise UnclearMessageError("an ORP message is a form with the fields type and body") from None


def told(kind: str, body: Object) -> Told:
    """What a message says. Raises `UnclearMessageError`."""
    if kind == "error_notification":
        return Told(error=f"{body.get('code')}: {str(body.get('message'))[:200]}")
    if kind == "item_update":
        return _update(body)
    if kind not in ("recommendation_request", "event_notification"):
        raise UnclearMessageError(
            f"type is {kind[:50]!r}; there are item_update, recommendation_request, event_notification and "
            "error_notification"
        )
    simple = _inside(body, "context", "simple")
    publisher = _id(simple.get(PUBLISHER)) or ""
    read = _read(body, simple)
    if kind == "recommendation_request":
        rows = (read,) if read.item is not None and body.get("learn") is not False else ()
        limit = body.get("limit")
        k = min(limit, LONGEST) if isinstance(limit, int) and limit > 0 else None
        return Told(publisher, rows=rows, ask=Ask(read._replace(kind=IMPRESSION, facts=()), k))
    listed = tuple(filter(None, map(_id, _list(_inside(body, "recs", "ints").get("3")))))
    if body.get("type", body.get("notification_type")) == "click":
        return Told(publisher, rows=(read._replace(kind=OUTCOME, item=None, facts=(), clicks=listed),))
    shown = (read._replace(kind=IMPRESSION, facts=(), pool=listed),) if listed else ()
    return Told(publisher, rows=(*shown, read) if read.item is not None else shown)


def answer(ids: list[str]) -> Object:
    """The answer to a request: ids that are whole numbers, which is what ORP has; others are left out."""
    return {"recs": {"ints": {"3": [int(id) for id in ids if id.isascii() and id.isdigit()]}}}


def _read(body: Object, simple: Object) -> ToldRow:
    categories = _list(_inside(body, "context", "lists").get(CATEGORY))
    category = _id(categories[0]) if categories else None
    facts = (("category", category),) if category is not None else ()
    user, session = _id(simple.get(USER)), _id(body.get("session"), none=-1)
    return ToldRow(READ, _time(body.get("timestamp")), user, session, _id(simple.get(ITEM)), facts)


def _update(body: Object) -> Told:
    item = _id(body.get("id"))
    if item is None:
        raise UnclearMessageError("an item_update without an id")
    facts = tuple((fact, body[key]) for key, fact in _FACTS.items() if isinstance(body.get(key), str) and body[key])
    flag = body.get("flag")
    recommendable = None if flag is None else str(int(flag) if isinstance(flag, bool) else flag).strip("-0") == ""
    row = ToldRow(PUBLISH, _time(body.get("timestamp")), None, None, item, facts, recommendable=recommendable)
    return Told(_id(body.get("domainid")) or "", rows=(row,))


def _inside(body: Object, *keys: str) -> Object:
    value: object = body
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _id(value: object, none: int = 0) -> str | None:
    """An id, a number or text; null, booleans, `none` and blanks are none."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value in ("", none, str(none)):
        return None
    text = str(value) if isinstance(value, int) and abs(value) < 1 << 64 else value
    return text if isinstance(text, str) and len(text) <= LONGEST_ID else None


def _time(value: object) -> int | None:
    """Milliseconds, as a number or as text; None where it is none."""
    return int(str(value)) if isinstance(value, int | str) and _TIME.fullmatch(str(value)) else None
