"""Recommenders that are fed row by row, compiled ones too, whose arrays are sized for codes that nobody knows yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.kernels.compiling import bind
from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import IMPRESSION, Column, Event
from newsreplay.recommenders.base import Compiled, Deferred, Setting, Sizes
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.protocols import SupportsForesee, SupportsSettle
from newsreplay.recommenders.reranking import Reranking, given
from newsreplay.serving.served_log import ServedLog
from newsreplay.simulator.replay.answers import Answer, AnswerError, check_codes, frozen_scores, frozen_slate
from newsreplay.simulator.replay.compiled import kernels_of, name_of, pieces
from newsreplay.simulator.replay.foresight import foresight_of
from newsreplay.simulator.replay.plain import PlainRecommender, codes_of
from newsreplay.simulator.replay.walk import REVEAL, STRETCH, bare_event, can_score

SMALLEST = Sizes(articles=1 << 10, users=1 << 12, sessions=1 << 12, categories=1 << 6, k=0)  #: of states at first
READS = 1 << 10  #: reads that a state is given room for at a time


class Feed(Protocol):
    """A recommender that is fed a growing log, whose rows it is told of in order."""

    def learn(self, event: Event) -> None:
        """Learn the last row."""

    def recommend(self, request: Event, k: int) -> list[int]:
        """A slate of known codes, at most k, for the last row or for the one behind it."""

    def score(self, request: Event) -> list[float]:
        """Scores of the pool of the row behind the last one."""


def feed_of(recommender: object, name: str, setting: Setting, growing: ServedLog, smallest: Sizes = SMALLEST) -> Feed:
    """A feed of a fresh recommender. Raises `NewsreplayError` for one that nobody can feed."""
    if isinstance(recommender, Compiled):
        if isinstance(recommender, SupportsForesee):
            raise _foreseeing(recommender)
        return CompiledFeed(recommender, key_of(setting.seed, name), growing, smallest._replace(k=setting.k))
    if isinstance(recommender, Reranking):
        return RerankingFeed(recommender, setting, growing, smallest)
    if isinstance(recommender, Mixture):
        return MixtureFeed(recommender, setting, growing, smallest)
    if foresight_of(recommender):
        raise _foreseeing(recommender)
    return PlainFeed(cast(PlainRecommender, recommender), setting, growing)


def _foreseeing(recommender: object) -> NewsreplayError:
    return NewsreplayError(f"{type(recommender).__name__} is handed the whole log, and a service has none")


# --- compiled -------------------------------------------------------------------------------------------


def learn_rows(log: object, first: int, end: int, state: object) -> None:
    """Have rows first … end - 1 learned."""
    for row in range(first, end):
        learn(state, reveal(log, row))  # type: ignore[name-defined] # noqa: F821


def answer_rows(log: object, first: int, end: int, state: object, slate: object) -> None:
    """Have rows first … end - 1 answered, one or none; an impression is asked about without its pool."""
    for row in range(first, end):
        event = reveal(log, row)  # type: ignore[name-defined] # noqa: F821
        if event.kind == IMPRESSION:
            recommend(state, bare(event), slate)  # type: ignore[name-defined] # noqa: F821
        else:
            recommend(state, event, slate)  # type: ignore[name-defined] # noqa: F821


def score_rows(log: object, first: int, end: int, state: object, out: object) -> None:
    """Have the candidates of rows first … end - 1 scored, of one or none."""
    for row in range(first, end):
        score(state, reveal(log, row), out)  # type: ignore[name-defined] # noqa: F821


class CompiledFeed:
    """A compiled recommender. Where there are more codes than its state has places for, a state of twice the size
    learns the log anew: its own kernels alone know how to fill one.
    """

    def __init__(self, recommender: Compiled[Any], key: np.uint64, growing: ServedLog, sizes: Sizes):
        self.recommender, self.key, self.growing = recommender, key, growing
        kind = type(recommender)
        kernels = kernels_of(kind)
        name = name_of(kernels)
        name, reveal = f"{name}_{growing.exclude}", REVEAL[growing.exclude]
        self.learn_rows = bind(learn_rows, name, reveal=reveal, learn=kernels["learn"])
        self.answer_rows = bind(answer_rows, name, reveal=reveal, bare=bare_event, recommend=kernels["recommend"])
        self.score_rows = bind(score_rows, name, reveal=reveal, score=kernels["score"])
        self.sizes = sizes
        self.state = recommender.state(sizes, key)
        self.room = 0  # rows for which there is room
        # Over no row: they are compiled, or loaded, before anybody waits.
        self.learn_rows(growing.log, 0, 0, self.state)
        self.answer_rows(growing.log, 0, 0, self.state, np.empty(0, np.int32))
        self.score_rows(growing.log, 0, 0, self.state, np.empty(0))

    def learn(self, event: Event) -> None:
        """See `Feed.learn`."""
        log, every, row = self.growing.log, self.recommender.refit_every, event.row
        if self._grow():
            self._learn_anew(row)
        elif every and row and log.time[row] // every != log.time[row - 1] // every:
            self.recommender.refit(self.state)
        if not self.room:
            self.state = self.recommender.room(self.state, READS)
            self.room = READS
        self.room -= 1
        self.learn_rows(log, row, row + 1, self.state)

    def recommend(self, request: Event, k: int) -> list[int]:
        """See `Feed.recommend`."""
        if self._grow(k):
            self._learn_anew(self.growing.rows)
        slate = np.full(k, -1, np.int32)
        self.answer_rows(self.growing.log, request.row, request.row + 1, self.state, slate)
        return [code for code in slate.tolist() if code >= 0]

    def score(self, request: Event) -> list[float]:
        """See `Feed.score`."""
        if self._grow():
            self._learn_anew(self.growing.rows)
        out = np.full(len(request.pool), -np.inf)
        self.score_rows(self.growing.log, request.row, request.row + 1, self.state, out)
        return out.tolist()

    def _grow(self, k: int = 0) -> bool:
        """Whether the codes by now, or slates of k, want a larger state than there is; sizes are those of it then."""
        needed = self.growing.sizes._replace(k=k)
        if all(there >= wanted for there, wanted in zip(self.sizes, needed, strict=True)):
            return False
        self.sizes = Sizes(
            *(
                there if there >= wanted else max(2 * there, wanted)
                for there, wanted in zip(self.sizes, needed, strict=True)
            )
        )
        return True

    def _learn_anew(self, end: int) -> None:
        """Have a fresh state learn the rows before `end`."""
        log = self.growing.log
        state = self.recommender.state(self.sizes, self.key)
        for first, stop, due in pieces(log._replace(time=log.time[:end]), STRETCH, self.recommender.refit_every):
            if due:
                self.recommender.refit(state)
            state = self.recommender.room(state, stop - first)
            self.learn_rows(log, first, stop, state)
        self.state, self.room = state, 0


# --- plain ----------------------------------------------------------------------------------------------


class PlainFeed:
    """A plain-Python recommender."""

    def __init__(self, recommender: PlainRecommender, setting: Setting, growing: ServedLog):
        self.recommender = recommender
        self.settle = recommender.settle if isinstance(recommender, SupportsSettle) else None
        self.codes = codes_of(recommender, growing.catalog)
        self.rec_learn: Callable[[Event], None] | None = getattr(recommender, "learn", None)
        self.rec_score: Callable[[Event, Sequence[int]], Answer] | None = getattr(recommender, "score", None)
        if isinstance(getattr(recommender, "setting", None), Setting):
            recommender.setting = setting  # type: ignore[attr-defined]
        if hasattr(recommender, "start"):
            recommender.start(growing.catalog)

    def learn(self, event: Event) -> None:
        """See `Feed.learn`."""
        if self.rec_learn is not None:
            self.rec_learn(event)

    def recommend(self, request: Event, k: int) -> list[int]:
        """See `Feed.recommend`. Raises `AnswerError`."""
        bare = request._replace(pool=())
        answer = frozen_slate(self._settled(self.recommender.recommend(bare, k)), k)
        codes = self.codes.of(answer)
        check_codes(codes)
        known = self.codes.catalog.known
        for code in codes:
            if code >= known:
                raise AnswerError(f"{code} in a slate", f"known are the codes 0 to {known - 1}")
        left_out = -1 if request.exclude == "nothing" else request.item
        return [int(code) for code in dict.fromkeys(codes) if code != left_out]

    def score(self, request: Event) -> list[float]:
        """See `Feed.score`. Raises `AnswerError`."""
        assert self.rec_score is not None
        scores = self._settled(self.rec_score(request, request.pool))
        return frozen_scores(scores, len(request.pool)).tolist()

    def _settled(self, answer: Answer) -> Answer:
        if not isinstance(answer, Deferred):
            return answer
        if self.settle is not None:
            self.settle()
        return answer.answer


# --- mixtures -------------------------------------------------------------------------------------------


class MixtureFeed:
    """A mixture: its parts are fed, and their answers mixed."""

    def __init__(self, mixture: Mixture, setting: Setting, growing: ServedLog, smallest: Sizes):
        self.mixture = mixture
        depth = mixture.depth(setting.k)
        self.scorers = [part for part, recommender in enumerate(mixture.parts) if can_score(recommender)]
        self.feeds = [
            feed_of(recommender, entry.label, setting._replace(k=depth), growing, smallest)
            for recommender, entry in zip(mixture.parts, mixture.entries, strict=True)
        ]

    def learn(self, event: Event) -> None:
        """See `Feed.learn`."""
        for feed in self.feeds:
            feed.learn(event)

    def recommend(self, request: Event, k: int) -> list[int]:
        """See `Feed.recommend`."""
        depth = self.mixture.depth(k)
        listed = np.full((len(self.feeds), 1, depth), -1, np.int32)
        for part, feed in enumerate(self.feeds):
            slate = feed.recommend(request, depth)
            listed[part, 0, : len(slate)] = slate
        out = np.full((1, k), -1, np.int32)
        self.mixture.recommend(listed, out)
        return [code for code in out[0].tolist() if code >= 0]

    def score(self, request: Event) -> list[float]:
        """See `Feed.score`."""
        ranked = np.array([self.feeds[part].score(request) for part in self.scorers])
        out = np.full(len(request.pool), -np.inf)
        self.mixture.score(self.scorers, ranked, np.array([0, len(request.pool)]), out)
        return out.tolist()


class RerankingFeed:
    """A recommender whose answers are ranked anew: both it and what ranks them are fed."""

    def __init__(self, reranking: Reranking, setting: Setting, growing: ServedLog, smallest: Sizes):
        self.reranking, self.reranker = reranking, reranking.reranker()
        [part], [entry] = reranking.parts, reranking.entries
        self.part = feed_of(part, entry.label, setting._replace(k=reranking.depth(setting.k)), growing, smallest)
        self.again = CompiledFeed(self.reranker, np.uint64(0), growing, smallest._replace(k=setting.k))

    def learn(self, event: Event) -> None:
        """See `Feed.learn`."""
        self.part.learn(event)
        self.again.learn(event)

    def recommend(self, request: Event, k: int) -> list[int]:
        """See `Feed.recommend`."""
        listed = np.full((1, self.reranking.depth(k)), -1, np.int32)
        slate = self.part.recommend(request, listed.shape[1])
        listed[0, : len(slate)] = slate
        self._hand(listed, np.empty(0))
        return self.again.recommend(request, k)

    def score(self, request: Event) -> list[float]:
        """See `Feed.score`."""
        self._hand(np.empty((0, 1), np.int32), np.array(self.part.score(request)))
        return self.again.score(request)

    def _hand(self, listed: Column, ranked: Column) -> None:
        """Have one answer at hand, and no other; a state that is made anew takes it from the reranker."""
        self.reranker.answers = given(listed, ranked)
        self.again.state = self.again.state._replace(given=self.reranker.answers)
