"""What is served: a recommender of its own for every publisher that messages come from."""

from __future__ import annotations

import math
from collections import Counter
from typing import TypeAlias

from newsreplay.log.rows import IMPRESSION, READ, Event
from newsreplay.recommenders.base import Setting, Sizes
from newsreplay.recommenders.registry import Entry
from newsreplay.serving.feeds import SMALLEST, feed_of
from newsreplay.serving.served_log import ServedLog
from newsreplay.serving.told import Ask, Start, Told, ToldRow, UnclearMessageError
from newsreplay.simulator.replay.walk import can_score

PUBLISHERS = 1000  #: as many are served at once

Answer: TypeAlias = list[str] | list[float | None]  #: the ids of a slate, or scores, None = not ranked


class PublisherFeed:
    """One publisher's rows, and the recommender that learns them."""

    def __init__(self, entry: Entry, setting: Setting, smallest: Sizes = SMALLEST):
        """`smallest`: of compiled states. Raises `NewsreplayError` where the recommender cannot be made, or fed."""
        recommender = entry.make()
        self.label, self.setting, self.ranks = entry.label, setting, can_score(recommender)
        self.growing = ServedLog(setting.exclude)
        self.feed = feed_of(recommender, entry.label, setting, self.growing, smallest)
        self.last: tuple[ToldRow, Event] | None = None  # the read learned last

    def learn(self, row: ToldRow) -> None:
        """Learn a row."""
        for event in self.growing.learn(row):
            self.feed.learn(event)
        self.last = (row, event) if row.kind == READ else None

    def answer(self, ask: Ask) -> Answer:
        """What is answered to a question; of unknown candidates none is ranked."""
        if not ask.scores:
            slate = self.feed.recommend(self._request(ask.row), ask.k or self.setting.k)
            return list(map(self.growing.catalog.id, slate))
        if not self.ranks:
            raise UnclearMessageError(f"{self.label} has no scores")
        request = self.growing.request(ask.row)
        scores = dict(zip(request.pool, self.feed.score(request), strict=True))
        codes = self.growing.catalog.codes
        found = (scores.get(codes.get(item, -1), -math.inf) for item in ask.row.pool)
        return [None if score == -math.inf else score for score in found]

    def _request(self, row: ToldRow) -> Event:
        """The row that asks: the read learned last, if it is that one, else one that is not learned yet."""
        if self.last is not None:
            read, event = self.last
            same = (read.user, read.session, read.item) == (row.user, row.session, row.item)
            if same and row.time in (None, read.time):
                return event
        return self.growing.request(row._replace(kind=IMPRESSION, pool=()))


class Serving:
    """A recommender for every publisher."""

    def __init__(self, entry: Entry, setting: Setting, smallest: Sizes = SMALLEST):
        """As of `PublisherFeed`."""
        self.entry, self.setting, self.smallest = entry, setting, smallest
        self.feeds: dict[str, PublisherFeed] = {}
        self.ready: PublisherFeed | None = PublisherFeed(entry, setting, smallest)  # made before anybody waits for it
        self.counts: Counter[str] = Counter()

    def take(self, told: Told) -> Answer | None:
        """Learn what a message tells, and answer what it asks; None where it asks nothing.

        Raises `UnclearMessageError`, and whatever a recommender raises.
        """
        if told.error:
            self.counts["errors"] += 1
            return None
        feed = self._feed(told.publisher, told.start)
        for row in told.rows:
            feed.learn(row)
        self.counts["rows"] += len(told.rows)
        if told.ask is None:
            return None
        self.counts["requests"] += 1
        return feed.answer(told.ask)

    def _feed(self, publisher: str, start: Start | None) -> PublisherFeed:
        if start is None and publisher in self.feeds:
            return self.feeds[publisher]
        if publisher not in self.feeds and len(self.feeds) >= PUBLISHERS:
            raise UnclearMessageError(f"there are {PUBLISHERS:,} publishers already")
        setting = self.setting._replace(publisher=publisher)
        if start is not None:
            setting = setting._replace(**{name: value for name, value in start._asdict().items() if value is not None})
        unused, self.ready = self.ready, None
        usable = unused is not None and setting._replace(publisher="") == self.setting
        feed = unused if usable and unused is not None else PublisherFeed(self.entry, setting, self.smallest)
        self.feeds[publisher] = feed
        return feed
