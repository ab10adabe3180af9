"""What the live system showed: the list that the log has with a read, as a row of the leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from newsreplay.log.rows import IMPRESSION
from newsreplay.recommenders.base import Recommender

if TYPE_CHECKING:
    from newsreplay.log.catalog import Catalog
    from newsreplay.log.rows import Event


class Logged(Recommender):
    """Answers an impression with its list, a read with the one shown in its session at its very time, or nothing.

    Where several lists were shown at that time, as by the widgets of a page, they follow each other in log order.
    """

    uses_pool_order = True

    def start(self, catalog: Catalog) -> None:
        """See `Recommender.start`."""
        self.time = -1
        self.shown: Sequence[int] = ()  # the list of the impression that was scored last
        self.lists: dict[int, dict[int, None]] = {}  # session → articles shown at `time`, each once, in order

    def learn(self, event: Event) -> None:
        """Remember what an impression shows, until the clock goes on: impressions stand before reads of their time."""
        if event.kind != IMPRESSION:
            return
        if event.time != self.time:
            self.time = event.time
            self.lists = {}
        self.lists.setdefault(event.session, {}).update(dict.fromkeys(map(int, event.pool)))

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        """The articles shown with this request, in their order."""
        items: Iterable[int] = self.lists.get(request.session, {}) if request.time == self.time else {}
        if request.kind == IMPRESSION:
            items = dict.fromkeys(map(int, self.shown))
        left_out = None if request.exclude == "nothing" else request.item
        return [item for item in items if item != left_out][:k]

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        """The order in which the candidates are listed: 0, -1, -2 …"""
        self.shown = pool
        return range(0, -len(pool), -1)
