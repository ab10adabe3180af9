"""Plain-Python recommenders in the replay loop."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import rebound
from newsreplay.log.catalog import Articles, Catalog, bare_articles
from newsreplay.log.rows import LOG_DTYPES, OUTCOME, Column, Event, Log
from newsreplay.recommenders.base import Deferred, SelfReport, Setting
from newsreplay.recommenders.protocols import SupportsForesee, SupportsSelfReport, SupportsSettle
from newsreplay.simulator.replay.clock import Times, clock_calls
from newsreplay.simulator.replay.scores import fill as fill_scores
from newsreplay.simulator.replay.sizes import state_bytes
from newsreplay.simulator.replay.slates import NO_DROPS, Drops, fill, tidy
from newsreplay.simulator.replay.walk import Replayed, stretches, walk

_MUTABLE = (list, np.ndarray)  # answers that may be written to again


class _Seat:
    """A plain-Python recommender at its place: the catalog is kept up to date, answers are collected."""

    __slots__ = ("answers", "catalog", "k", "rec_learn", "rec_recommend", "rec_score", "scores")

    def __init__(self, recommender: Any, catalog: Catalog, k: int, scores: bool):
        self.rec_learn = recommender.learn
        self.rec_recommend = recommender.recommend
        self.rec_score = recommender.score if scores else None
        self.catalog = catalog
        self.k = k
        self.answers: list[Any] = []
        self.scores: list[Any] = []

    def score(self, request: Event, places: range) -> None:
        if self.rec_score is not None:
            self.catalog.row = request.row
            answer = self.rec_score(request, request.pool)
            # A copy, and at once: an array or list may be the recommender's own, and be written to again.
            if isinstance(answer, list):
                answer = answer.copy()
            elif hasattr(answer, "tolist"):
                answer = answer.tolist()
            self.scores.append(answer)

    def unwrap(self) -> None:
        """Put the answers of late ones, settled by now, in their place."""
        self.answers = [one.answer if isinstance(one, Deferred) else one for one in self.answers]
        self.scores = [_numbers(one.answer) if isinstance(one, Deferred) else one for one in self.scores]

    def learn(self, event: Event) -> None:
        # Written out rather than called: this runs at every row, and a call costs as much as the rest.
        catalog = self.catalog
        catalog.row = event.row
        if event.item >= catalog.known:
            catalog.known = event.item + 1
        self.rec_learn(event)

    def recommend(self, request: Event, slate: int) -> None:
        answer = self.rec_recommend(request, self.k)
        # As above, a copy of what may be written to again.
        if isinstance(answer, _MUTABLE):
            answer = answer.copy()
        self.answers.append(answer)


def _numbers(answer: Any) -> Any:
    return answer.tolist() if hasattr(answer, "tolist") else answer


# Rows come from an iterator, so the next one is the one that is asked for; `next` ignores its second argument.
_plain_walk = rebound(walk, "plain", reveal=next, score=_Seat.score, learn=_Seat.learn, recommend=_Seat.recommend)
_event = partial(tuple.__new__, Event)  # Event._make, without its check of the length


def _columns(log: Log, first: int, end: int) -> Iterator[Iterable[Any]]:
    """The fields of the events of rows first … end - 1 after the first one, `row`."""
    for name in LOG_DTYPES:
        if name != "impression":
            yield getattr(log, name)[first:end].tolist()
    if len(log.pools.at) == 1:
        yield repeat(())
        yield repeat(())
        return
    impressions = log.impression[first:end].tolist()
    told = np.where(log.kind[first:end] == OUTCOME, log.impression[first:end], -1).tolist()
    yield map(partial(_stretch, log.pools.at, log.pools.item), impressions)
    yield map(partial(_stretch, log.pools.at, log.pools.clicked), told)


def _stretch(at: Column, values: Column, impression: int) -> tuple[Any, ...]:
    # A copy: a view would lead to the pools and clicks of all impressions.
    return tuple(values[at[impression] : at[impression + 1]].tolist()) if impression >= 0 else ()


def plain(
    log: Log,
    recommender: Any,
    slates: Column,
    scores: Column | None,
    articles: Articles | None,
    setting: Setting,
    progress: Callable[[int], None],
) -> Replayed:
    articles = bare_articles(log) if articles is None else articles
    catalog = Catalog(articles)
    settle = recommender.settle if isinstance(recommender, SupportsSettle) else None
    foresees = isinstance(recommender, SupportsForesee)
    if isinstance(getattr(recommender, "setting", None), Setting):  # else it is none or means something of its own
        recommender.setting = setting
    if foresees:
        recommender.foresee(log, articles)
    recommender.start(catalog)
    requests, k = slates.shape
    seat = _Seat(recommender, catalog, k, scores is not None)
    name = type(recommender).__name__
    learned, recommended, scored = array("q"), array("q"), array("q")
    timed = setting.timed
    if timed:
        if settle is not None:
            seat.rec_recommend = _settled(seat.rec_recommend, settle)
            seat.rec_score = None if seat.rec_score is None else _settled(seat.rec_score, settle)
        seat.rec_learn = clock_calls(seat.rec_learn, learned)
        seat.rec_recommend = clock_calls(seat.rec_recommend, recommended)
        if seat.rec_score is not None:
            seat.rec_score = clock_calls(seat.rec_score, scored)
    drops = NO_DROPS
    known = asked = placed = shown = learning = 0
    begun = time.perf_counter()
    for first, end in stretches(log):
        before = asked
        rows = map(_event, zip(range(first, end), *_columns(log, first, end), strict=False))
        # A plain recommender's slate is its number; what it answers is filled in by the stretch. So with scores.
        asked, placed = _plain_walk(rows, first, end, seat, range(requests), range(len(log.pools.item)), asked, placed)
        if settle is not None:
            settle()
            seat.unwrap()
        try:
            fill(slates, before, seat.answers, name)
            if scores is not None:
                fill_scores(log, scores, shown, seat.scores, name)
        except RecommenderError:
            if settle is None and any(isinstance(answer, Deferred) for answer in (*seat.answers, *seat.scores)):
                raise RecommenderError(
                    f"{name} gave a late answer, but has no settle(); there its answer would be worked out"
                ) from None
            raise
        shown += len(seat.scores)
        seat.answers.clear()
        seat.scores.clear()
        learning += sum(learned)
        del learned[:]
        found, known = tidy(log, first, end, slates, before, known)
        if found.unknown_row >= 0:
            raise RecommenderError(
                f"{name} recommended {found.unknown_item} at row {found.unknown_row}, "
                f"where only the article codes 0 to {known - 1} are known; recommend codes seen in learn()"
            )
        drops = Drops(drops.current + found.current, drops.repeated + found.repeated)
        progress(end)
    seconds = time.perf_counter() - begun
    times = Times(np.array(recommended), np.array(scored), learning) if timed else None
    self_report = recommender.self_report() if isinstance(recommender, SupportsSelfReport) else None
    if not isinstance(self_report, SelfReport | None):
        raise RecommenderError(f"{name}.self_report returned {self_report!r}; return a SelfReport")
    lent = [catalog, articles, setting, setting.report, log, *log, *log.pools]
    size = state_bytes(recommender, without=lent)
    return Replayed(slates, scores, drops, size, times, seconds, self_report, foresees)


def _settled(method: Callable[..., Any], settle: Callable[[], Any]) -> Callable[..., Any]:
    """A method whose late answers are settled, each at once."""

    def call(*arguments: Any) -> Any:
        answer = method(*arguments)
        if isinstance(answer, Deferred):
            settle()
            return answer.answer
        return answer

    return call
