"""A recommender of a plain class by the rule of the kernel `circular`."""

from __future__ import annotations

from collections.abc import Sequence

from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import READ, Event
from newsreplay.recommenders.base import Recommender


class Latest(Recommender):
    """The articles that were read last, newest first, without the one on screen."""

    def start(self, catalog: Catalog) -> None:
        self.latest: list[int] = []

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.latest = [event.item, *(item for item in self.latest if item != event.item)]

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        left_out = -1 if request.exclude == "nothing" else request.item
        return [item for item in self.latest if item != left_out][:k]
