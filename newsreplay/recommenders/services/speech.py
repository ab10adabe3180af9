"""The JSON that services are spoken to in, the same over HTTP and over standard input: docs/services.md.

A message is one object. Rows of the log are told as they are (`type`: start, publish, impression, outcome, read or
history); `recommend` and `score` are questions.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from newsreplay.log.rows import IMPRESSION, KIND_NAMES, OUTCOME, PUBLISH, Event
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.services.faults import Fault, ServiceFault, quoted

if TYPE_CHECKING:
    from newsreplay.log.catalog import Catalog

Object: TypeAlias = dict[str, Any]  # of JSON
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Speech(Protocol):
    """How rows and requests become messages, and what an answer says. It sees every row once, in order."""

    content_type: str

    def start(self, catalog: Catalog, setting: Setting) -> list[bytes]:
        """What is said before the first row."""

    def learn(self, event: Event) -> list[bytes]:
        """What tells of a row."""

    def recommend(self, request: Event, k: int) -> list[bytes]:
        """What asks for a slate; the last message is the question."""

    def score(self, request: Event) -> list[bytes]:
        """What asks for scores; the last message is the question."""

    def complain(self, what: str, kind: Fault) -> bytes | None:
        """What tells the service that its answer was of no use; None where there is no such message."""

    def items(self, answer: Object) -> list[str]:
        """The ids of a slate. Raises `ServiceFault`."""

    def notes(self, name: str) -> list[str]:
        """What stands below tables, of the service `name`."""


def encoded(message: Object) -> bytes:
    """A message as UTF-8 text in one line; half surrogates, which UTF-8 lacks, become question marks."""
    return _encode(message).encode("utf-8", "replace")


def decoded(text: bytes) -> Object:
    """The object that an answer is. Raises `ServiceFault`."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise ServiceFault(Fault.NOT_JSON, f"not JSON: {quoted(text)}") from None
    if not isinstance(answer, dict):
        raise ServiceFault(Fault.FORM, f"no JSON object: {quoted(text)}")
    return answer


def id_text(value: object) -> str:
    """An id as text: it may come as a number. Raises `ServiceFault` where it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ServiceFault(Fault.FORM, f"{quoted(repr(value))} is no id; ids are texts or whole numbers")


def listed(answer: Object, *keys: str) -> list[object]:
    """The list that lies under the keys. Raises `ServiceFault`."""
    value: object = answer
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, list):
        raise ServiceFault(Fault.FORM, f"no list under {'.'.join(keys)}: {quoted(repr(answer))}")
    return value


def scores(answer: Object, candidates: int) -> list[float]:
    """The scores of an answer, null = not ranked. Raises `ServiceFault`."""
    found = [-math.inf if score is None else score for score in listed(answer, "scores")]
    if len(found) != candidates:
        raise ServiceFault(Fault.FORM, f"{len(found)} scores for {candidates} candidates")
    for score in found:
        if isinstance(score, bool) or not isinstance(score, int | float) or not score < math.inf:
            raise ServiceFault(Fault.FORM, f"{quoted(repr(score))} is no score; scores are numbers, or null")
    try:
        return [float(score) for score in found]  # type: ignore[arg-type]
    except OverflowError:
        raise ServiceFault(Fault.FORM, "a score too large for a number of 64 bits") from None


class JsonSpeech:
    """One object for each row, and one for each question."""

    content_type = "application/json"

    def start(self, catalog: Catalog, setting: Setting) -> list[bytes]:
        """See `Speech.start`."""
        self.catalog, self.publisher = catalog, setting.publisher
        self.seen: set[int] = set()  # articles that a row has told of
        names = {"k": setting.k, "seed": setting.seed, "warmup": setting.warmup, "exclude": setting.exclude}
        return [encoded({"type": "start", "publisher": self.publisher, **names})]

    def learn(self, event: Event) -> list[bytes]:
        """See `Speech.learn`."""
        message = self._row(KIND_NAMES[event.kind], event)
        if event.kind == PUBLISH or (event.item >= 0 and event.item not in self.seen):
            message["title"] = self.catalog.title(event.item) if event.item >= 0 else None
            self.seen.add(event.item)
        if event.kind in (IMPRESSION, OUTCOME):
            message["pool"] = event.pool_ids
        if event.kind == OUTCOME:
            message["clicked"] = event.clicked
        return [encoded(message)]

    def recommend(self, request: Event, k: int) -> list[bytes]:
        """See `Speech.recommend`."""
        message = {**self._row("recommend", request), "k": k}
        if request.exclude != "current":
            message["exclude"] = request.exclude
        return [encoded(message)]

    def score(self, request: Event) -> list[bytes]:
        """See `Speech.score`."""
        return [encoded({**self._row("score", request), "pool": request.pool_ids})]

    def complain(self, what: str, kind: Fault) -> bytes | None:
        """See `Speech.complain`."""
        return None

    def items(self, answer: Object) -> list[str]:
        """See `Speech.items`."""
        return list(map(id_text, listed(answer, "items")))

    def notes(self, name: str) -> list[str]:
        """See `Speech.notes`."""
        return []

    def _row(self, what: str, event: Event) -> Object:
        message: Object = {"type": what, "publisher": self.publisher, "time": event.time}
        if event.user >= 0:
            message["user"] = event.user_id
        if event.session >= 0:
            message["session"] = event.session
        if event.item >= 0:
            message["item"] = event.item_id
        if event.category >= 0 and event.item < self.catalog.known:
            message["category"] = self.catalog.category(event.item)
        return message
