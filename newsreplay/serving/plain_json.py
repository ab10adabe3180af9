"""Plain JSON, from the server's side: docs/services.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from newsreplay.datasets.base import FACTS
from newsreplay.log.rows import EXCLUDES, HISTORY, IMPRESSION, KIND_NAMES, OUTCOME, PUBLISH, READ
from newsreplay.recommenders.services.speech import Object
from newsreplay.serving.told import Ask, Start, Told, ToldRow, UnclearMessageError

KINDS = {name: kind for kind, name in KIND_NAMES.items()}
LONGEST = 1000  #: of slates
LONGEST_ID = 1000  #: characters
_LATEST = 1 << 52  # ms; a time beyond is none
_T = TypeVar("_T")


def told(body: object) -> Told:
    """What a JSON message says. Raises `UnclearMessageError`."""
    if not isinstance(body, dict):
        raise UnclearMessageError('a message is one JSON object, {"type": "read", …}')
    kind = body.get("type")
    publisher = _id(body, "publisher") or ""
    if kind == "start":
        k = _number(body, "k", 1, LONGEST)
        exclude = body.get("exclude")
        if exclude not in (None, *EXCLUDES):
            raise UnclearMessageError(f"exclude is {_short(exclude)}; there are {', '.join(EXCLUDES)}")
        return Told(publisher, Start(k, _number(body, "seed", 0), _number(body, "warmup", 0), exclude))
    if kind in ("recommend", "score"):
        k = _number(body, "k", 1, LONGEST) if kind == "recommend" else None
        return Told(publisher, ask=Ask(_row(IMPRESSION, body), k, kind == "score"))
    if not isinstance(kind, str) or kind not in KINDS:
        raise UnclearMessageError(f"type is {_short(kind)}; there are start, {', '.join(KINDS)}, recommend and score")
    return Told(publisher, rows=(_row(KINDS[kind], body),))


def _row(kind: int, body: Object) -> ToldRow:
    item, pool = _id(body, "item"), tuple(_ids(body, "pool"))
    if item is None and kind in (PUBLISH, READ, HISTORY):
        raise UnclearMessageError(f"a {KIND_NAMES[kind]} is of an item; name it")
    clicked = _list(body, "clicked", _flag) if kind == OUTCOME else None
    if clicked is not None and len(clicked) != len(pool):
        raise UnclearMessageError(f"clicked has {len(clicked)} values for a pool of {len(pool)}")
    facts = tuple((fact, text) for fact in FACTS if (text := _text(body, fact)))
    user, session = _id(body, "user"), _id(body, "session")
    recommendable = None if body.get("recommendable") is None else _flag(body["recommendable"], "recommendable")
    time = _number(body, "time", 0, _LATEST)
    return ToldRow(
        kind, time, user, session, item, facts, pool, None if clicked is None else tuple(clicked), (), recommendable
    )


def _number(body: Object, name: str, at_least: int, at_most: float = math.inf) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
        most = "" if at_most == math.inf else f" and at most {at_most:,}"
        raise UnclearMessageError(f"{name} is {_short(value)}; it must be a whole number of at least {at_least}{most}")
    return value


def _id(body: Object, name: str) -> str | None:
    value = body.get(name)
    return None if value is None or value == "" else _as_id(value, name)


def _ids(body: Object, name: str) -> list[str]:
    return _list(body, name, _as_id) or []


def _as_id(value: object, name: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID:
        return value
    raise UnclearMessageError(f"{name} is {_short(value)}; ids are text or whole numbers")


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise UnclearMessageError(f"{name} is {_short(value)}; it must be true or false")


def _text(body: Object, name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise UnclearMessageError(f"{name} is {_short(value)}; it must be text")


def _list(body: Object, name: str, entry: Callable[[object, str], _T]) -> list[_T] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list):
        raise UnclearMessageError(f"{name} is {_short(value)}; it must be a list")
    return [entry(one, name) for one in value]


def _short(value: object) -> str:
    return "(nested)" if isinstance(value, dict | list) else repr(value)[:50]
