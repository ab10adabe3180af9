"""Replays of a log that grows: the next rows are shown as they come, and all that was answered stays.

It is the replay that `newsreplay.simulator.replay.replay` makes of a whole log, a few rows at a time. What a compiled
recommender keeps has a place for each code; where codes outgrow the places, it learns all rows again with twice as
many.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Articles, GrowingCatalog
from newsreplay.log.growing import with_room
from newsreplay.log.rows import ASKING, Column, Log
from newsreplay.recommenders.base import Compiled, Setting, Sizes
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.reranking import Reranking, given
from newsreplay.simulator.replay.compiled import CompiledReplay, pieces, sizes_of
from newsreplay.simulator.replay.foresight import foresight_of
from newsreplay.simulator.replay.plain import PlainRecommender, PlainReplay
from newsreplay.simulator.replay.replay import mix, of_parts
from newsreplay.simulator.replay.walk import STRETCH, Replayed, can_score
from newsreplay.simulator.replay.watching import at_row

FIRST_SIZES = Sizes(articles=1 << 12, users=1 << 14, sessions=1 << 14, categories=1 << 6, k=0)


class GrowingReplay:
    """A recommender on a log that grows."""

    def __init__(self, setting: Setting, *, scores: bool):
        self.setting = setting
        self.rows = 0
        self.requests = 0
        self.seconds = 0.0
        self._slates: Column = np.empty((0, setting.k), np.int32)
        self._scores: Column | None = np.empty(0) if scores else None
        self.places = 0

    @property
    def slates(self) -> Column:
        """What was answered so far: int32[requests, k]."""
        return self._slates[: self.requests]

    @property
    def scores(self) -> Column | None:
        """Scores so far: float64[places]; None where it cannot score."""
        return None if self._scores is None else self._scores[: self.places]

    def advance(self, log: Log, articles: Articles) -> None:
        """Show the rows that have come; `articles` are those of the log as it is now."""
        begun = time.perf_counter()
        first, end = self.rows, len(log.time)
        self.requests += int(np.count_nonzero(log.kind[first:] == ASKING[self.setting.requests]))
        self.places = len(log.pools.item)
        self._slates = with_room(self._slates, self.requests, -1)
        if self._scores is not None:
            self._scores = with_room(self._scores, self.places, -np.inf)
        self._step(log, articles, first)
        self.rows = end
        self.seconds += time.perf_counter() - begun

    def _step(self, log: Log, articles: Articles, first: int) -> None:
        raise NotImplementedError

    def done(self) -> Replayed:
        """What was answered, after the last row."""
        raise NotImplementedError


def growing_replay(
    recommender: Compiled[Any] | Mixture | PlainRecommender,
    setting: Setting,
    name: str,
    log: Log,
    articles: Articles,
    sizes: Sizes = FIRST_SIZES,
) -> GrowingReplay:
    """A replay of a log that has no row yet; `sizes` are the places that compiled recommenders begin with.

    Raises `RecommenderError` for a recommender that is handed the whole log before it is replayed. Requests cannot
    exclude what their session has read.
    """
    if setting.exclude == "session":
        raise RecommenderError("while a log grows, requests cannot exclude what their session has read")
    if foresight_of(recommender) is not None:
        raise RecommenderError(f"{name} foresees the log, and this one is not over; leave it out")
    if isinstance(recommender, Reranking):
        return _GrowingReranking(recommender, setting, log, articles, sizes)
    if isinstance(recommender, Mixture):
        return _GrowingMixture(recommender, setting, log, articles, sizes)
    if isinstance(recommender, Compiled):
        return _GrowingCompiled(recommender, setting, name, log, sizes)
    return _GrowingPlain(recommender, setting, log, articles)


class _GrowingPlain(GrowingReplay):
    def __init__(self, recommender: PlainRecommender, setting: Setting, log: Log, articles: Articles):
        super().__init__(setting, scores=can_score(recommender))
        self.replay = PlainReplay(
            recommender, setting, log, articles, k=setting.k, scores=can_score(recommender), kind=GrowingCatalog
        )

    def _step(self, log: Log, articles: Articles, first: int) -> None:
        replay = self.replay
        replay.articles = articles
        replay.see(log)
        if isinstance(replay.catalog, GrowingCatalog):
            replay.catalog.grow(articles, log.user)
        with at_row(replay.revealed, replay.recommender):
            replay.step(first, len(log.time), self.slates, self.scores)

    def done(self) -> Replayed:
        return self.replay.done(self.slates, self.scores, self.seconds)


class _GrowingCompiled(GrowingReplay):
    def __init__(self, recommender: Compiled[Any], setting: Setting, name: str, log: Log, sizes: Sizes):
        super().__init__(setting, scores=can_score(recommender))
        self.recommender, self.key = recommender, key_of(setting.seed, name)
        self.replay = self._replay(sizes._replace(k=setting.k))
        self.replay.load(log, self.slates, self.scores)

    def _replay(self, sizes: Sizes) -> CompiledReplay:
        return CompiledReplay(self.recommender, self.setting, self.key, sizes)

    def _step(self, log: Log, articles: Articles, first: int) -> None:
        fresh = log._replace(**{name: getattr(log, name)[first:] for name in ("item", "user", "session", "category")})
        needed, sizes = sizes_of(fresh, self.setting.k), self.replay.sizes
        if any(more > places for more, places in zip(needed, sizes, strict=True)):
            self.replay = self._replay(Sizes(*map(_with_room, sizes, needed)))
            scores = None if self.scores is None else np.full(len(self.scores), -np.inf)
            self._walk(log._replace(time=log.time[:first]), log, 0, (np.full_like(self.slates, -1), scores))
        self._walk(log, log, first, (self.slates, self.scores))

    def _walk(self, part: Log, log: Log, first: int, answers: tuple[Column, Column | None]) -> None:
        """Show the rows of a part of the log from `first` on."""
        for begin, end, due in pieces(part, STRETCH, self.recommender.refit_every, first):
            self.replay.step(log, begin, end, due, *answers)

    def done(self) -> Replayed:
        return self.replay.done(self.slates, self.scores, self.seconds)


def _with_room(places: int, needed: int) -> int:
    return places if needed <= places else max(needed, 2 * places)


class _GrowingMixture(GrowingReplay):
    def __init__(self, mixture: Mixture, setting: Setting, log: Log, articles: Articles, sizes: Sizes):
        super().__init__(setting, scores=can_score(mixture))
        self.mixture = mixture
        deep = setting._replace(k=mixture.depth(setting.k))
        self.parts = [
            growing_replay(part, deep, entry.label, log, articles, sizes)
            for part, entry in zip(mixture.parts, mixture.entries, strict=True)
        ]
        self.scorers = [number for number, part in enumerate(mixture.parts) if can_score(part)]

    def _step(self, log: Log, articles: Articles, first: int) -> None:
        requests, places = self.parts[0].requests, self.parts[0].places
        for part in self.parts:
            part.advance(log, articles)
        listed = np.stack([part.slates[requests:] for part in self.parts])
        answers = [self.parts[number].scores for number in self.scorers]
        ranked = np.array([each[places:] for each in answers if each is not None])
        begin = int(np.searchsorted(log.pools.at, places, side="right")) - 1  # impressions without a candidate, too
        at = log.pools.at[begin:] - places
        scores = None if self.scores is None else self.scores[places:]
        mix(self.mixture, listed, self.slates[requests:], self.scorers, ranked, at, scores)

    def done(self) -> Replayed:
        done = [part.done() for part in self.parts]
        return of_parts(self.mixture, done, self.slates, self.scores, self.seconds)


class _GrowingReranking(GrowingReplay):
    def __init__(self, reranking: Reranking, setting: Setting, log: Log, articles: Articles, sizes: Sizes):
        super().__init__(setting, scores=can_score(reranking))
        self.reranking, [part] = reranking, reranking.parts
        deep = setting._replace(k=reranking.depth(setting.k))
        self.part = growing_replay(part, deep, reranking.entries[0].label, log, articles, sizes)
        self.reranker = reranking.reranker()
        self.again = _GrowingCompiled(self.reranker, setting, "", log, sizes)

    def _step(self, log: Log, articles: Articles, first: int) -> None:
        self.part.advance(log, articles)
        self.reranker.answers = given(self.part.slates, np.empty(0) if self.part.scores is None else self.part.scores)
        requests, places = self.again.requests, self.again.places
        self.again.advance(log, articles)
        self.slates[requests:] = self.again.slates[requests:]
        if self.scores is not None and self.again.scores is not None:
            self.scores[places:] = self.again.scores[places:]

    def done(self) -> Replayed:
        return of_parts(self.reranking, [self.part.done()], self.slates, self.scores, self.seconds)
