"""Plain-Python recommenders in the replay loop."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from newsreplay.durations import Delays, duration_text
from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import rebound
from newsreplay.log.catalog import Articles, Catalog, Revealed, bare_articles, shown_events
from newsreplay.log.rows import ASKING, Asks, Column, Event, Excludes, Log
from newsreplay.recommenders.base import Deferred, SelfReport, Setting, Slate
from newsreplay.recommenders.protocols import (
    SupportsForesee,
    SupportsSelfReport,
    SupportsSettle,
    SupportsStateDict,
)
from newsreplay.simulator.replay.answers import (
    Answer,
    AnswerError,
    Codes,
    Collected,
    collected,
    frozen_scores,
    frozen_slate,
)
from newsreplay.simulator.replay.checkpoints import Kept, Lap
from newsreplay.simulator.replay.clock import Times, clock_calls
from newsreplay.simulator.replay.delaying import Waiting
from newsreplay.simulator.replay.events import events
from newsreplay.simulator.replay.excluding import Trimming
from newsreplay.simulator.replay.foresight import foresight_of
from newsreplay.simulator.replay.plain_data import packed, unpacked
from newsreplay.simulator.replay.scores import fill as fill_scores
from newsreplay.simulator.replay.sizes import state_bytes
from newsreplay.simulator.replay.slates import NO_DROPS, Drops, Tidied, Writing
from newsreplay.simulator.replay.tuples import Data
from newsreplay.simulator.replay.walk import ASKING_AT, AnswerArrays, Replayed, stretches, walk
from newsreplay.simulator.replay.watching import Method, at_row, limited, told_by_time


class MethodTimes(NamedTuple):
    """How long each call of a method took, ns."""

    learn: array[int]
    recommend: array[int]
    score: array[int]


class PlainRecommender(Protocol):
    """What every plain-Python recommender has; `newsreplay.recommenders.base.Recommender` has the rest, too.

    `start` and `learn` are called where there are such methods.
    """

    def recommend(self, request: Event, k: int) -> Slate:
        """See `Recommender.recommend`."""


class _Late(NamedTuple):
    """An answer that is worked out later."""

    answer: Deferred
    request: Event


class PlainState:
    """A plain-Python recommender as the state of a walk: moves the catalog along and collects answers."""

    __slots__ = (
        *("ends", "entries", "k", "late", "lengths", "name", "rec_learn", "rec_recommend", "rec_score", "revealed"),
        *("scores", "settles"),
    )

    def __init__(self, recommender: PlainRecommender, revealed: Revealed, k: int, scores: bool):
        self.name = type(recommender).__name__
        self.settles = isinstance(recommender, SupportsSettle)
        self.rec_learn: Method = getattr(recommender, "learn", _learn_nothing)
        self.rec_recommend: Method = recommender.recommend
        self.rec_score: Method | None = getattr(recommender, "score") if scores else None  # noqa: B009
        self.revealed = revealed
        self.k = k
        self.lengths: Sequence[int] = ()  #: of each request's answer, where they differ
        self.entries: list[Answer] = []  #: of all slates, as `Collected` has them
        self.ends: list[int] = []
        self.late: dict[int, _Late] = {}  #: by place among the slates, where these are empty for now
        self.scores: list[array[float] | _Late] = []

    def score(self, request: Event, places: range) -> None:
        """Collect the scores of an impression."""
        if self.rec_score is not None:
            self.revealed.row = request.row
            answer = self.rec_score(request, request.pool)
            late = isinstance(answer, Deferred)
            self.scores.append(self._late(answer, request) if late else self._frozen_scores(answer, request))

    def learn(self, event: Event) -> None:
        """Make the event's article known, and have the recommender learn the event."""
        # Written out rather than called: this runs at every row, and a call costs as much as the rest.
        revealed = self.revealed
        revealed.row = event.row
        if event.item >= revealed.known:
            revealed.known = event.item + 1
        self.rec_learn(event)

    def recommend(self, request: Event, slate: int) -> None:
        """Collect the slate that answers a request."""
        self.revealed.row = request.row
        answer = self.rec_recommend(request, self.k)
        kind = type(answer)
        entries = self.entries
        if kind is list or kind is tuple:  # what most give, and the soonest copied
            entries += answer[: self.k]
        elif kind is np.ndarray and answer.ndim == 1:
            entries += answer[: self.k].tolist()
        elif isinstance(answer, Deferred):
            self.late[len(self.ends)] = self._late(answer, request)
        else:
            entries += self._frozen_slate(answer, request)
        self.ends.append(len(entries))

    def recommend_more(self, request: Event, slate: int) -> None:
        """The same with as many articles more as the request excludes besides the one on screen."""
        self.k = self.lengths[slate]
        self.recommend(request, slate)

    def unwrap(self) -> tuple[Collected, list[array[float]]]:
        """The slates and scores collected, deferred ones settled by now; none are left here."""
        slates = Collected(self.entries, self.ends)
        if self.late:
            late = {place: self._frozen_slate(*_told(one)) for place, one in self.late.items()}
            slates = collected(late.get(place, answer) for place, answer in enumerate(slates.each()))
        scores = [self._frozen_scores(*_told(one)) if isinstance(one, _Late) else one for one in self.scores]
        self.entries, self.ends, self.late, self.scores = [], [], {}, []
        return slates, scores

    def _late(self, answer: Deferred, request: Event) -> _Late:
        if not self.settles:
            raise RecommenderError(
                f"{self.name} gave a late answer at row {request.row}, but has no settle(); "
                "there its answer would be worked out"
            )
        return _Late(answer, request)

    def _frozen_slate(self, answer: Answer, request: Event) -> list[Answer]:
        try:
            return frozen_slate(answer, self.k)
        except AnswerError as error:
            raise self._error("recommend", error, request) from None

    def _frozen_scores(self, answer: Answer, request: Event) -> array[float]:
        try:
            return frozen_scores(answer, len(request.pool))
        except AnswerError as error:
            raise self._error("score", error, request) from None

    def _error(self, method: str, error: AnswerError, request: Event) -> RecommenderError:
        return RecommenderError(f"{self.name}.{method} returned {error.what} at row {request.row}; {error.wanted}")

    def limit(self, timeout: int | None) -> list[int]:
        """Give answers up after `timeout` ms, None = never; returns where the rows of those are going to stand."""
        given_up: list[int] = []
        if timeout is not None:
            self.rec_recommend = limited(self.rec_recommend, timeout, given_up, lambda request, k: ())
            if self.rec_score is not None:
                self.rec_score = limited(
                    self.rec_score, timeout, given_up, lambda request, pool: [-math.inf] * len(pool)
                )
        return given_up

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


def _learn_nothing(event: Event) -> None:
    """What a recommender without `learn` does."""


def _told(late: _Late) -> tuple[Answer, Event]:
    return late.answer.answer, late.request


def _bare(event: Event) -> Event:
    """An impression as a request for a slate: without its candidates."""
    return event._replace(pool=())


class HoldingState(PlainState):
    """The same where feedback is learned late: an event that waits makes its article known, no more."""

    __slots__ = ("waiting",)
    waiting: Waiting

    def score(self, request: Event, places: range) -> None:
        """Have learned what is due, then collect the scores of an impression."""
        self.waiting.release(request.time, self.rec_learn)
        super().score(request, places)

    def learn(self, event: Event) -> None:
        """Have learned what is due, then the event, unless it waits."""
        self.waiting.release(event.time, self.rec_learn)
        if self.waiting.holds(event):
            self.revealed.row = event.row
            self.revealed.known = max(self.revealed.known, event.item + 1)
        else:
            super().learn(event)


@cache
def _plain_walk(delayed: bool, requests: Asks, exclude: Excludes) -> Callable[..., tuple[int, int]]:
    """`walk` over a `PlainState`, or a `HoldingState` where feedback is learned late."""
    state = HoldingState if delayed else PlainState
    return rebound(
        walk,
        "plain",
        reveal=next,  # rows come from an iterator; it ignores its second argument
        bare=_bare,
        score=state.score,
        learn=state.learn,
        recommend=state.recommend_more if exclude == "session" else state.recommend,
        **ASKING_AT[requests]._asdict(),
    )


def _state(recommender: PlainRecommender, revealed: Revealed, k: int, scores: bool, delays: Delays) -> PlainState:
    if not any(delays):
        return PlainState(recommender, revealed, k, scores)
    state = HoldingState(recommender, revealed, k, scores)
    state.waiting = Waiting(delays)
    return state


class PlainReplay:
    """A replay before a plain-Python recommender, as far as it has come; between two steps the log may grow."""

    def __init__(
        self,
        recommender: PlainRecommender,
        setting: Setting,
        log: Log,
        articles: Articles | None,
        *,
        k: int,
        scores: bool,
        kind: type[Catalog] = Catalog,
    ):
        """Starts the recommender; `scores`: whether impressions are scored, `kind`: of catalog."""
        self.recommender, self.setting, self.k = recommender, setting, k
        self.articles = bare_articles(log) if articles is None else articles
        self.revealed = Revealed()
        self.catalog = catalog = kind(self.articles, self.revealed, log.user)
        self.settle = recommender.settle if isinstance(recommender, SupportsSettle) else None
        self.codes = codes_of(recommender, catalog)
        with at_row(self.revealed, recommender):
            _prepare(recommender, setting, log._replace(extra=()), self.articles, catalog)
        self.state = _state(recommender, self.revealed, k, scores, setting.feedback_delay)
        self.given_up = self.state.limit(setting.answer_timeout)
        self.times = self.state.clock(self.settle) if setting.timed else None
        self.event = shown_events(catalog, bool(log.extra))
        self.walk = _plain_walk(any(setting.feedback_delay), setting.requests, setting.exclude)
        self.drops = NO_DROPS
        self.known = self.answered = self.placed = self.scored = self.learning = 0
        self.see(log)

    def see(self, log: Log) -> None:
        """Go on with a log, the one so far or a longer one."""
        self.extra, self.log = log.extra, log._replace(extra=())
        told = self.log, ASKING[self.setting.requests], self.k, self.codes, self.state.name
        self.writing = Writing(*told, self.setting.exclude)
        if self.setting.exclude == "session":
            self.writing = trimming = Trimming(*told)
            self.state.lengths = trimming.lengths

    def step(self, first: int, end: int, slates: Column, scores: Column | None) -> None:
        """Show rows first … end - 1, the next ones; all that was answered stands in `slates` and `scores` then."""
        log, before = self.log, self.answered
        rows = events(self.event, log, self.extra, first, end, self.setting.exclude)
        # A plain recommender's slate is its number; answers are filled in by the stretch. So with scores.
        self.answered, self.placed = self.walk(
            rows, first, end, self.state, range(len(slates)), range(len(log.pools.item)), before, self.placed
        )
        if self.settle is not None:
            self.settle()
        self.state.k = self.writing.longest(before, self.answered)  # what late answers are cut to
        answers, scored = self.state.unwrap()
        if scores is not None:
            fill_scores(log, scores, self.scored, scored, self.state.name)
        self.scored += len(scored)
        if self.times is not None:
            self.learning += sum(self.times.learn)
            del self.times.learn[:]
        tidied, self.known = self.writing.write(first, end, before, answers, slates, self.known)
        if tidied.unknown_row >= 0:
            raise _unknown(self.state.name, tidied, self.known, self.catalog)
        self.drops = Drops(self.drops.current + tidied.current, self.drops.repeated + tidied.repeated)

    def kept(self) -> tuple[Data, dict[str, Data]]:
        """The recommender's state and the replay's. Raises `KeepingError` where the first is no plain data."""
        assert isinstance(self.recommender, SupportsStateDict)
        arrays: dict[str, Column] = {}
        state = packed(self.recommender.state_dict(), arrays)
        held = self.state.waiting.rows() if isinstance(self.state, HoldingState) else []
        counted = [*map(int, (self.revealed.row, self.revealed.known, self.known, self.scored, *self.drops))]
        return {"state": state, "held": held, "counted": counted, "given_up": self.given_up}, arrays

    def refuse(self, told: Data) -> str:
        """Nothing: a `state_dict` is of no size."""
        return ""

    def go_on(self, kept: Kept) -> None:
        """Go on from what was `kept`."""
        assert isinstance(self.recommender, SupportsStateDict)
        self.revealed.row, self.revealed.known, self.known, self.scored, *drops = kept.told["counted"]
        self.drops = Drops(*drops)
        self.answered, self.placed = kept.reached.answered, kept.reached.placed
        self.given_up += kept.told["given_up"]
        if isinstance(self.state, HoldingState):
            for row in kept.told["held"]:
                [event] = events(self.event, self.log, self.extra, row, row + 1, self.setting.exclude)
                self.state.waiting.holds(event)
        self.recommender.load_state_dict(unpacked(kept.told["state"], kept.arrays))

    def done(self, slates: Column, scores: Column | None, seconds: float) -> Replayed:
        """What was answered, after the last row."""
        times, setting, log = self.times, self.setting, self.log
        report = _noting(_self_report(self.recommender), self.given_up, setting)
        lent = [self.catalog, self.revealed, self.articles, setting, setting.report, log, *log, *log.pools]
        size = state_bytes(self.recommender, without=lent)
        measured = None if times is None else Times(np.array(times.recommend), np.array(times.score), self.learning)
        foresight = foresight_of(self.recommender, report)
        return Replayed(slates, scores, self.drops, size, measured, seconds, report, foresight)


def plain(
    log: Log,
    recommender: PlainRecommender,
    arrays: AnswerArrays,
    articles: Articles | None,
    setting: Setting,
    progress: Callable[[int], None],
    stretch: int,
) -> Replayed:
    """Replay a log before a plain-Python recommender, `stretch` rows at a time."""
    slates, scores = arrays.slates, arrays.scores
    replaying = PlainReplay(recommender, setting, log, articles, k=slates.shape[1], scores=scores is not None)
    with at_row(replaying.revealed, recommender), told_by_time(progress, replaying.revealed):
        goes_on = isinstance(recommender, SupportsStateDict) and not setting.timed
        lap = Lap(arrays.checkpoints if goes_on else None, replaying, slates, scores)
        for first, end in stretches(log, stretch, lap.begin):
            replaying.step(first, end, slates, scores)
            progress(end)
            lap.ended(end, whole=end % stretch == 0)
    return replaying.done(slates, scores, lap.seconds())


def codes_of(recommender: PlainRecommender, catalog: Catalog) -> Codes:
    """How the entries of a recommender's slates become codes. Raises `RecommenderError` where it says neither."""
    answers: object = getattr(recommender, "answers", "codes")
    if isinstance(answers, str) and answers not in ("codes", "ids"):
        raise RecommenderError(f"{type(recommender).__name__}.answers is {answers!r}; slates are 'codes' or 'ids'")
    return Codes(catalog, isinstance(answers, str) and answers == "ids")  # a class may call something else so


def _unknown(name: str, tidied: Tidied, known: int, catalog: Catalog) -> RecommenderError:
    item = tidied.unknown_item
    named = f" ({catalog.id(item)!r})" if item < catalog.known else ""  # by the end of the stretch
    return RecommenderError(
        f"{name} recommended {item}{named} at row {tidied.unknown_row}, where only the article codes 0 to {known - 1} "
        'are known; recommend codes seen in learn(), or say that slates have ids: answers = "ids"'
    )


def _noting(report: SelfReport | None, given_up: list[int], setting: Setting) -> SelfReport | None:
    """The report with a note on answers that were given up."""
    if not given_up:
        return report
    report = report or SelfReport()
    answers = "1 answer" if len(given_up) == 1 else f"{len(given_up):,} answers"
    note = (
        f"{answers} took more than {duration_text(setting.answer_timeout or 0)} (--answer-timeout), the first at row "
        f"{given_up[0]:,}: misses that depend on the machine"
    )
    return report._replace(notes=(*report.notes, note))


def _prepare(recommender: PlainRecommender, setting: Setting, log: Log, articles: Articles, catalog: Catalog) -> None:
    """Hand a recommender its setting, the whole log if it foresees, and the catalog."""
    if isinstance(getattr(recommender, "setting", None), Setting):  # else it is none or means something of its own
        recommender.setting = setting  # type: ignore[attr-defined]
    if isinstance(recommender, SupportsForesee):
        recommender.foresee(log, articles)
    if hasattr(recommender, "start"):
        recommender.start(catalog)


def _self_report(recommender: PlainRecommender) -> SelfReport | None:
    if not isinstance(recommender, SupportsSelfReport):
        return None
    report: object = recommender.self_report()  # a stranger's may return anything
    if not isinstance(report, SelfReport):
        raise RecommenderError(f"{type(recommender).__name__}.self_report returned {report!r}; return a SelfReport")
    return report


def _settled(method: Method, settle: Method) -> Method:
    """A method whose deferred answers are settled, each at once."""

    def call(*arguments: object) -> Answer:
        answer = method(*arguments)
        if isinstance(answer, Deferred):
            settle()
            return answer.answer
        return answer

    return call
