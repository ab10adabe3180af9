"""The replay: every row is shown to a recommender; a read asks it for a slate, an impression for scores.

`walk` is the whole loop. It is compiled with the kernels of a compiled recommender in place of `reveal`,
`score`, `learn` and `recommend`, and run as it stands with those of a plain-Python one.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.recommenders.base import Account, Compiled, Late, Setting, Sizes
from newsreplay.simulator.catalog import Articles, Catalog, bare_articles
from newsreplay.simulator.clock import Times, around, clock_calls, clocked
from newsreplay.simulator.kernels import bind, int64, interpreted, kernel, rebound
from newsreplay.simulator.log import IMPRESSION, LOG_DTYPES, OUTCOME, READ, Column, Event, Log
from newsreplay.simulator.mixing import key_of
from newsreplay.simulator.scores import check as check_scores
from newsreplay.simulator.scores import fill as fill_scores
from newsreplay.simulator.sizes import state_bytes
from newsreplay.simulator.slates import NO_DROPS, Drops, fill, tidy

STRETCH = 16_384  #: rows between two looks at progress and room


def walk(
    log: Any, first: int, end: int, state: Any, slates: Any, scores: Any, asked: int, placed: int
) -> tuple[int, int]:
    """Show rows first … end - 1; returns how many requests, and how many candidates, there have been."""
    for row in range(first, end):
        event = reveal(log, row)  # type: ignore[name-defined] # noqa: F821
        if event.kind == IMPRESSION:
            score(state, event, scores[placed : placed + len(event.pool)])  # type: ignore[name-defined] # noqa: F821
            placed += len(event.pool)
        learn(state, event)  # type: ignore[name-defined] # noqa: F821
        if event.kind == READ:
            recommend(state, event, slates[asked])  # type: ignore[name-defined] # noqa: F821
            asked += 1
    return asked, placed


class Replayed(NamedTuple):
    """What a recommender answered."""

    slates: Column  #: int32[requests, k], article codes best first, padded with -1
    scores: Column | None  #: float64[places of `log.pools.item`], -inf = not ranked; None = it cannot score
    drops: Drops  #: what was dropped from its slates
    state_bytes: int  #: size of its state after the last row
    times: Times | None  #: None = not timed
    seconds: float  #: wall time of the walk, without loading or compiling kernels
    account: Account | None = None  #: what a plain recommender told of itself after the last row
    foresaw: bool = False  #: it was handed the whole log before the first row


def replay(
    log: Log,
    recommender: Any,
    k: int = 10,
    *,
    articles: Articles | None = None,
    seed: int = 0,
    name: str = "",
    slates: Column | None = None,
    scores: Column | None = None,
    timed: bool = False,
    warmup: int = 0,
    tell: Callable[[str], None] = lambda line: None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Replayed:
    """Replay a log before a recommender, compiled or plain.

    `seed` and `name` (the spec as shown) key its random choices. `warmup` (ms from the first read on that are not
    scored) and `tell` (takes a line of progress) are handed to a plain one in its `setting`. `slates` and `scores`
    may give the arrays to write to, int32[requests, k] filled with -1 and float64[places of `log.pools.item`] filled
    with -inf. With `timed` every call is clocked, which slows the replay down by some 0.1 µs an event. `progress` is
    told the number of rows done, now and then.

    >>> from newsreplay.simulator.log import make_log, READ
    >>> from newsreplay.recommenders.circular import Circular
    >>> log = make_log(time=[1, 2, 3], kind=[READ] * 3, session=[0, 1, 0], user=[0, 1, 0],
    ...                item=[0, 1, 0], category=[-1] * 3)
    >>> replay(log, Circular(), k=1).slates.tolist()
    [[-1], [0], [1]]

    which is the same as doing it by hand:

    >>> latest, answers = [], []
    >>> for row, item in enumerate(log.item.tolist()):
    ...     latest = [item] + [other for other in latest if other != item]   # learn
    ...     answers.append((latest[1:] or [-1])[:1])                         # recommend
    >>> answers
    [[-1], [0], [1]]

    Raises `RecommenderError` where a plain recommender's answer is not a sequence of known article codes, where
    the scores of any are not a number below inf for each candidate, where late answers come from one that cannot
    settle them, and where its account is none.
    """
    if slates is None:
        slates = np.full((int(np.count_nonzero(log.kind == READ)), k), -1, np.int32)
    if not can_score(recommender):
        scores = None
    elif scores is None:
        scores = np.full(len(log.pools.item), -np.inf)
    if isinstance(recommender, Compiled):
        return _compiled(log, recommender, slates, scores, key_of(seed, name), timed, progress)
    setting = Setting(seed, slates.shape[1], warmup, timed, tell)
    return _plain(log, recommender, slates, scores, articles, setting, progress)


def can_score(recommender: Any) -> bool:
    """Whether a recommender has a score for the candidates of an impression."""
    return callable(getattr(recommender, "score", None))


def _stretches(log: Log) -> Iterator[tuple[int, int]]:
    rows = len(log.time)
    return ((first, min(first + STRETCH, rows)) for first in range(0, rows, STRETCH))


@kernel
def reveal_row(log: Any, row: int) -> Any:
    """Row `row` of a log as plain scalars, and its candidates; what a kernel does not look at costs nothing."""
    pools = log.pools
    begin = end = int64(0)
    if log.kind[row] == IMPRESSION or log.kind[row] == OUTCOME:  # so that reads need not look up their number
        begin, end = pools.at[log.impression[row]], pools.at[log.impression[row] + 1]
    return Event(
        row,
        log.time[row],
        int64(log.kind[row]),
        int64(log.session[row]),
        int64(log.user[row]),
        int64(log.item[row]),
        int64(log.category[row]),
        pools.item[begin:end],
        pools.clicked[begin : end if log.kind[row] == OUTCOME else begin],
    )


@kernel
def score_nothing(state: Any, request: Any, out: Any) -> None:
    """The score of a recommender that has none: all candidates stay unranked."""


def _kernels(recommender: type[Compiled]) -> dict[str, Callable[..., None]]:
    return {
        "learn": recommender.learn,
        "recommend": recommender.recommend,
        "score": score_nothing if recommender.score is None else recommender.score,
    }


def _name(kernels: dict[str, Callable[..., None]]) -> str:
    """A name that only these kernels together have."""
    names = [f"{interpreted(one).__module__}_{interpreted(one).__qualname__}" for one in kernels.values()]
    return f"{names[1]}_{int(key_of(*names)):016x}"


def compiled_walk(recommender: type[Compiled], timed: bool = False) -> Callable[..., tuple[int, int]]:
    """`walk` compiled for a recommender's kernels; if `timed`, it walks over a `Clocked` state."""
    kernels = _kernels(recommender)
    if not timed:
        return bind(walk, _name(kernels), reveal=reveal_row, **kernels)
    name = f"{_name(kernels)}_timed"
    clocked = {what: around(what, name, inner) for what, inner in kernels.items()}
    # Named though nobody calls them by these names: an edit of their files must be noticed.
    sources = {f"inner_{what}": inner for what, inner in kernels.items()}
    return bind(walk, name, reveal=reveal_row, **clocked, **sources)


def interpreted_walk(recommender: type[Compiled]) -> Callable[..., tuple[int, int]]:
    """`walk` for the same kernels without compiling it; slow, for tests."""
    # Interpreted too: compiled without reference counts it would hand out all pools in place of a stretch of them.
    reveal = interpreted(reveal_row)
    return rebound(walk, "interpreted", reveal=reveal, **_kernels(recommender))


def sizes_of(log: Log, k: int) -> Sizes:
    """How many codes of each sort a log has."""
    articles, users, sessions, categories = (
        int(column.max(initial=-1)) + 1 for column in (log.item, log.user, log.session, log.category)
    )
    return Sizes(articles, users, sessions, categories, k)


def _compiled(
    log: Log,
    recommender: Compiled,
    slates: Column,
    scores: Column | None,
    key: np.uint64,
    timed: bool,
    progress: Callable[[int], None],
) -> Replayed:
    loop = compiled_walk(type(recommender), timed)
    state = recommender.state(sizes_of(log, slates.shape[1]), key)
    clock = clocked(state, len(slates), len(log.pools.at) - 1) if timed else None
    out = np.empty(0) if scores is None else scores
    loop(log, 0, 0, state if clock is None else clock, slates, out, 0, 0)  # over no row: it is compiled, or loaded
    begun = time.perf_counter()
    asked = placed = 0
    for first, end in _stretches(log):
        before = placed
        state = recommender.room(state, end - first)
        walked = state if clock is None else clock._replace(state=state)
        asked, placed = loop(log, first, end, walked, slates, out, asked, placed)
        if scores is not None and placed > before:
            check_scores(log, scores, before, placed, type(recommender).__name__)
        progress(end)
    seconds = time.perf_counter() - begun
    times = None
    if clock is not None:
        times = Times(clock.recommend, clock.score if scores is not None else clock.score[:0], int(clock.learn[0]))
    return Replayed(slates, scores, NO_DROPS, state_bytes(state), times, seconds)


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
        self.answers = [one.answer if isinstance(one, Late) else one for one in self.answers]
        self.scores = [_numbers(one.answer) if isinstance(one, Late) else one for one in self.scores]

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


def _plain(
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
    foresees, settle, account = (_method(recommender, method) for method in ("foresee", "settle", "account"))
    if isinstance(getattr(recommender, "setting", None), Setting):  # else it is none or means something of its own
        recommender.setting = setting
    if foresees is not None:
        foresees(log, articles)
    recommender.start(catalog)
    requests, k = slates.shape
    seat = _Seat(recommender, catalog, k, scores is not None)
    name = type(recommender).__name__
    learned, recommended, scored = array("q"), array("q"), array("q")
    timed = setting.prompt
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
    for first, end in _stretches(log):
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
            if settle is None and any(isinstance(answer, Late) for answer in (*seat.answers, *seat.scores)):
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
    told = None if account is None else account()
    if account is not None and not isinstance(told, Account):
        raise RecommenderError(f"{name}.account returned {told!r}; return an Account")
    lent = [catalog, articles, setting, setting.tell, log, *log, *log.pools]
    size = state_bytes(recommender, without=lent)
    return Replayed(slates, scores, drops, size, times, seconds, told, foresees is not None)


def _method(recommender: Any, name: str) -> Callable[..., Any] | None:
    method = getattr(recommender, name, None)
    return method if callable(method) else None


def _settled(method: Callable[..., Any], settle: Callable[[], Any]) -> Callable[..., Any]:
    """A method whose late answers are settled, each at once."""

    def call(*arguments: Any) -> Any:
        answer = method(*arguments)
        if isinstance(answer, Late):
            settle()
            return answer.answer
        return answer

    return call
