"""Plain-Python recommenders in the replay loop."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import rebound
from newsreplay.log.catalog import Articles, Catalog, bare_articles
from newsreplay.log.rows import LOG_DTYPES, OUTCOME, Column, Event, Log
from newsreplay.recommenders.base import Deferred, SelfReport, Setting
from newsreplay.recommenders.protocols import SupportsForesee, SupportsSelfReport, SupportsSettle
from newsreplay.simulator.replay.clock import Times, clock_calls
from newsreplay.simulator.replay.foresight import foresight_of
from newsreplay.simulator.replay.scores import fill as fill_scores
from newsreplay.simulator.replay.sizes import state_bytes
from newsreplay.simulator.replay.slates import NO_DROPS, Drops, fill, tidy
from newsreplay.simulator.replay.walk import Replayed, stretches, walk

_MUTABLE = (list, np.ndarray)  # answers that may be written to again

Answer: TypeAlias = Any  #: whatever a stranger's method returns; looked at before it is used
Method: TypeAlias = Callable[..., Answer]


class MethodTimes(NamedTuple):
    """How long each call of a method took, ns."""

    learn: array[int]
    recommend: array[int]
    score: array[int]


class PlainRecommender(Protocol):
    """What every plain-Python recommender has; `newsreplay.recommenders.base.Recommender` has the rest, too."""

    def start(self, catalog: Catalog) -> None:
        """See `Recommender.start`."""

    def learn(self, event: Event) -> None:
        """See `Recommender.learn`."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        """See `Recommender.recommend`."""


class PlainState:
    """A plain-Python recommender as the state of a walk: keeps the catalog up to date and collects answers."""

    __slots__ = ("answers", "catalog", "k", "rec_learn", "rec_recommend", "rec_score", "scores")

    def __init__(self, recommender: PlainRecommender, catalog: Catalog, k: int, scores: bool):
        self.rec_learn: Method = recommender.learn
        self.rec_recommend: Method = recommender.recommend
        self.rec_score: Method | None = getattr(recommender, "score") if scores else None  # noqa: B009
        self.catalog = catalog
        self.k = k
        self.answers: list[Answer] = []
        self.scores: list[Answer] = []

    def score(self, request: Event, places: range) -> None:
        """Collect the scores of an impression."""
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
        """Replace deferred answers, settled by now, by what they hold."""
        self.answers = [answer.answer if isinstance(answer, Deferred) else answer for answer in self.answers]
        self.scores = [_numbers(answer.answer) if isinstance(answer, Deferred) else answer for answer in self.scores]

    def learn(self, event: Event) -> None:
        """Make the event's article known, and have the recommender learn the event."""
        # Written out rather than called: this runs at every row, and a call costs as much as the rest.
        catalog = self.catalog
        catalog.row = event.row
        if event.item >= catalog.known:
            catalog.known = event.item + 1
        self.rec_learn(event)

    def recommend(self, request: Event, slate: int) -> None:
        """Collect the slate that answers a read."""
        answer = self.rec_recommend(request, self.k)
        # As above, a copy of what may be written to again.
        if isinstance(answer, _MUTABLE):
            answer = answer.copy()
        self.answers.append(answer)

    def clock(self, settle: Method | None) -> MethodTimes:
        """Time the recommender's methods from now on; deferred answers are settled inside the clock, each at once."""
        times = MethodTimes(array("q"), array("q"), array("q"))
        if settle is not None:
            self.rec_recommend = _settled(self.rec_recommend, settle)
            self.rec_score = None if self.rec_score is None else _settled(self.rec_score, settle)
        self.rec_learn = clock_calls(self.rec_learn, times.learn)
        self.rec_recommend = clock_calls(self.rec_recommend, times.recommend)
        if self.rec_score is not None:
            self.rec_score = clock_calls(self.rec_score, times.score)
        return times


def _numbers(answer: Answer) -> Answer:
    return answer.tolist() if hasattr(answer, "tolist") else answer


# Rows come from an iterator, so the next one is the one that is wanted; `next` ignores its second argument.
_plain_walk = rebound(
    walk, "plain", reveal=next, score=PlainState.score, learn=PlainState.learn, recommend=PlainState.recommend
)
_event = partial(tuple.__new__, Event)  # Event._make, without its check of the length


def _columns(log: Log, first: int, end: int) -> Iterator[Iterable[object]]:
    """The fields of the events of rows first … end - 1 after the first one, `row`."""
    for name in LOG_DTYPES:
        if name != "impression":
            yield getattr(log, name)[first:end].tolist()
    if len(log.pools.at) == 1:
        yield repeat(())
        yield repeat(())
        return
    impressions = log.impression[first:end].tolist()
    outcomes = np.where(log.kind[first:end] == OUTCOME, log.impression[first:end], -1).tolist()
    yield map(partial(_candidates, log.pools.at, log.pools.item), impressions)
    yield map(partial(_candidates, log.pools.at, log.pools.clicked), outcomes)


def _candidates(at: Column, values: Column, impression: int) -> tuple[int | bool, ...]:
    # A copy: a view would lead to the pools and clicks of all impressions.
    return tuple(values[at[impression] : at[impression + 1]].tolist()) if impression >= 0 else ()


def plain(
    log: Log,
    recommender: PlainRecommender,
    slates: Column,
    scores: Column | None,
    articles: Articles | None,
    setting: Setting,
    progress: Callable[[int], None],
    stretch: int,
) -> Replayed:
    """Replay a log before a plain-Python recommender, `stretch` rows at a time."""
    articles = bare_articles(log) if articles is None else articles
    catalog = Catalog(articles)
    settle = recommender.settle if isinstance(recommender, SupportsSettle) else None
    _prepare(recommender, setting, log, articles, catalog)
    requests, k = slates.shape
    state = PlainState(recommender, catalog, k, scores is not None)
    times = state.clock(settle) if setting.timed else None
    drops = NO_DROPS
    known = answered = placed = scored = learning = 0
    begun = time.perf_counter()
    for first, end in stretches(log, stretch):
        before = answered
        rows = map(_event, zip(range(first, end), *_columns(log, first, end), strict=False))
        # A plain recommender's slate is its number; answers are filled in by the stretch. So with scores.
        answered, placed = _plain_walk(
            rows, first, end, state, range(requests), range(len(log.pools.item)), answered, placed
        )
        _fill(log, state, settle, type(recommender).__name__, (slates, before), (scores, scored))
        scored += len(state.scores)
        state.answers.clear()
        state.scores.clear()
        if times is not None:
            learning += sum(times.learn)
            del times.learn[:]
        tidied, known = tidy(log, first, end, slates, before, known)
        if tidied.unknown_row >= 0:
            raise RecommenderError(
                f"{type(recommender).__name__} recommended {tidied.unknown_item} at row {tidied.unknown_row}, "
                f"where only the article codes 0 to {known - 1} are known; recommend codes seen in learn()"
            )
        drops = Drops(drops.current + tidied.current, drops.repeated + tidied.repeated)
        progress(end)
    seconds = time.perf_counter() - begun
    report = _self_report(recommender)
    lent = [catalog, articles, setting, setting.report, log, *log, *log.pools]
    size = state_bytes(recommender, without=lent)
    measured = None if times is None else Times(np.array(times.recommend), np.array(times.score), learning)
    return Replayed(slates, scores, drops, size, measured, seconds, report, foresight_of(recommender, report))


def _prepare(recommender: PlainRecommender, setting: Setting, log: Log, articles: Articles, catalog: Catalog) -> None:
    """Hand a recommender its setting, the whole log if it foresees, and the catalog."""
    if isinstance(getattr(recommender, "setting", None), Setting):  # else it is none or means something of its own
        recommender.setting = setting  # type: ignore[attr-defined]
    if isinstance(recommender, SupportsForesee):
        recommender.foresee(log, articles)
    recommender.start(catalog)


def _fill(
    log: Log,
    state: PlainState,
    settle: Method | None,
    name: str,
    slates: tuple[Column, int],
    scores: tuple[Column | None, int],
) -> None:
    """Write collected answers into slates and scores, from these numbers of requests and impressions on."""
    if settle is not None:
        settle()
        state.unwrap()
    try:
        fill(*slates, state.answers, name)
        if scores[0] is not None:
            fill_scores(log, scores[0], scores[1], state.scores, name)
    except RecommenderError:
        if settle is None and any(isinstance(answer, Deferred) for answer in (*state.answers, *state.scores)):
            raise RecommenderError(
                f"{name} gave a late answer, but has no settle(); there its answer would be worked out"
            ) from None
        raise


def _self_report(recommender: PlainRecommender) -> SelfReport | None:
    if not isinstance(recommender, SupportsSelfReport):
        return None
    report: object = recommender.self_report()  # a stranger's may return anything
    if not isinstance(report, SelfReport):
        raise RecommenderError(f"{type(recommender).__name__}.self_report returned {report!r}; return a SelfReport")
    return report


def _settled(method: Method, settle: Method) -> Method:
    """A method whose deferred answers are settled, each at once."""

    def call(*arguments: Any) -> Answer:
        answer = method(*arguments)
        if isinstance(answer, Deferred):
            settle()
            return answer.answer
        return answer

    return call
