"""NewsREEL's Open Recommendation Platform: form fields `type` and `body`, and whole numbers for ids.

A `recommendation_request` is a read: whoever gets one learns from it and answers it. So a read that is asked for is
told in this one message. What the protocol has no word for stands in keys of newsreplay's own beside the others, which
services may ignore: `session`, and `learn`, false where a request is no read that happens now.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import compress
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Event
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.services.faults import Fault
from newsreplay.recommenders.services.speech import Object, encoded, id_text, listed

if TYPE_CHECKING:
    from newsreplay.log.catalog import Catalog

#: Keys of a message's context.
ITEM, PUBLISHER, USER, CATEGORY = "25", "27", "57", "11"
BERLIN = ZoneInfo("Europe/Berlin")  #: NewsREEL's clock: times of articles are written in it
NUMBERED = 1 << 52  #: from here on stand numbers that were given; all stay exact in JavaScript
CODES = {Fault.LATE: 408, Fault.FORM: 440}  #: of error notifications; any other fault is 400
_NUMBER = re.compile("[1-9][0-9]{0,15}")


class Numbers:
    """Whole numbers for ids: an id that is one keeps it, others are numbered as they come.

    >>> numbers = Numbers()
    >>> [numbers.number(id) - NUMBERED for id in ("a17", "007", "a17")], numbers.number("17")
    ([0, 1, 0], 17)
    >>> numbers.id("4503599627370496"), numbers.id("17")
    ('a17', '17')
    """

    def __init__(self) -> None:
        self.given: dict[str, int] = {}
        self.ids: list[str] = []

    def number(self, id: str) -> int:
        """The number of an id."""
        if _NUMBER.fullmatch(id) and int(id) < NUMBERED:
            return int(id)
        if id not in self.given:
            self.given[id] = NUMBERED + len(self.ids)
            self.ids.append(id)
        return self.given[id]

    def id(self, number: str) -> str:
        """The id of a number; the number itself where it was not given."""
        given = int(number) - NUMBERED if _NUMBER.fullmatch(number) else -1
        return self.ids[given] if 0 <= given < len(self.ids) else number


class OrpSpeech:
    """The four types of messages."""

    content_type = "application/x-www-form-urlencoded"

    def start(self, catalog: Catalog, setting: Setting) -> list[bytes]:
        """See `Speech.start`; ORP has no word for it."""
        self.catalog = catalog
        self.asked_next = setting.requests == "reads"  # whether a read is asked for as soon as it is learned
        self.read: Event | None = None  # learned, and not told yet
        self.items_numbered, self.users, self.categories = Numbers(), Numbers(), Numbers()
        self.publisher = Numbers().number(setting.publisher or "1")
        return []

    def learn(self, event: Event) -> list[bytes]:
        """See `Speech.learn`."""
        messages = self._told()
        if event.kind == READ and self.asked_next:
            self.read = event
            return messages
        return [*messages, self._notification(event)]

    def recommend(self, request: Event, k: int) -> list[bytes]:
        """See `Speech.recommend`."""
        happens = self.read is not None and self.read.row == request.row
        if happens:
            self.read = None
        body = {**self._context(request, request.item), "limit": k}
        if not happens:
            body["learn"] = False
        return [*self._told(), _message("recommendation_request", body)]

    def score(self, request: Event) -> list[bytes]:
        """ORP has no scores, and nobody asks for them."""
        raise NotImplementedError

    def complain(self, what: str, kind: Fault) -> bytes | None:
        """See `Speech.complain`."""
        return _message("error_notification", {"code": CODES.get(kind, 400), "message": what})

    def items(self, answer: Object) -> list[str]:
        """See `Speech.items`."""
        return [self.items_numbered.id(id_text(item)) for item in listed(answer, "recs", "ints", "3")]

    def notes(self, name: str) -> list[str]:
        """See `Speech.notes`."""
        kinds = {"articles": self.items_numbered, "readers": self.users, "categories": self.categories}
        given = [f"{len(numbers.ids):,} {kind}" for kind, numbers in kinds.items() if numbers.ids]
        if not given:
            return []
        return [f"{name}: ids that are no whole numbers were numbered from {NUMBERED} on: {', '.join(given)}."]

    def _told(self) -> list[bytes]:
        """The read that was held back, if it was not asked for."""
        read, self.read = self.read, None
        return [] if read is None else [self._notification(read)]

    def _notification(self, event: Event) -> bytes:
        if event.kind == PUBLISH:
            return _message("item_update", self._update(event))
        shown = event.kind == IMPRESSION
        # Without an article in view nobody takes it for a read: those are rows of their own.
        body = self._context(event, -1 if shown else event.item)
        if shown or event.kind == OUTCOME:
            ids = event.pool_ids if shown else compress(event.pool_ids, event.clicked)
            body["recs"] = {"ints": {"3": list(map(self.items_numbered.number, ids))}}
        body["type"] = "click" if event.kind == OUTCOME else "impression"
        return _message("event_notification", body)

    def _context(self, event: Event, item: int) -> Object:
        simple = {PUBLISHER: self.publisher, USER: self.users.number(event.user_id) if event.user_id else 0}
        lists: dict[str, list[int]] = {}
        if item >= 0:
            simple[ITEM] = self.items_numbered.number(str(event.item_id))
            category = self.catalog.category(item) if event.category >= 0 and item < self.catalog.known else None
            if category is not None:
                lists[CATEGORY] = [self.categories.number(category)]
        context = {"simple": simple, "lists": lists, "clusters": {}}
        return {"context": context, "timestamp": event.time, "session": event.session}

    def _update(self, event: Event) -> Object:
        clock = datetime.fromtimestamp(event.time // 1000, BERLIN).strftime("%Y-%m-%d %H:%M:%S")
        return {
            "id": str(self.items_numbered.number(str(event.item_id))),
            "domainid": str(self.publisher),
            "created_at": clock,
            "updated_at": clock,
            "flag": 0 if self.catalog.recommendable(event.item) else 1,
            "title": self.catalog.title(event.item) or "",
            "text": self.catalog.text(event.item, "body") or "",
            "timestamp": event.time,
        }


def _message(kind: str, body: Object) -> bytes:
    return urlencode({"type": kind, "body": encoded(body)}).encode()
