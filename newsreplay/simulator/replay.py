"""The replay: every row is shown to a recommender, and every read asks it for a slate.

`walk` is the whole loop. It is compiled with the kernels of a compiled recommender in place of `reveal`,
`learn` and `recommend`, and run as it stands with those of a plain-Python one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.simulator.catalog import Articles, Catalog, bare_articles
from newsreplay.simulator.kernels import bind, int64, interpreted, kernel, rebound
from newsreplay.simulator.log import LOG_DTYPES, OUTCOME, READ, Column, Event, Log
from newsreplay.simulator.mixing import key_of
from newsreplay.simulator.slates import NO_DROPS, Drops, fill, tidy

STRETCH = 16_384  #: rows between two looks at progress and room


def walk(log: Any, first: int, end: int, state: Any, slates: Any, asked: int) -> int:
    """Show rows first … end - 1, ask at every read; returns how many requests there have been."""
    for row in range(first, end):
        event = reveal(log, row)  # type: ignore[name-defined] # noqa: F821
        learn(state, event)  # type: ignore[name-defined] # noqa: F821
        if event.kind == READ:
            recommend(state, event, slates[asked])  # type: ignore[name-defined] # noqa: F821
            asked += 1
    return asked


class Replayed(NamedTuple):
    """What a recommender answered."""

    slates: Column  #: int32[requests, k], article codes best first, padded with -1
    drops: Drops  #: what was dropped from its answers


def replay(
    log: Log,
    recommender: Any,
    k: int = 10,
    *,
    articles: Articles | None = None,
    seed: int = 0,
    name: str = "",
    slates: Column | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Replayed:
    """Replay a log before a recommender, compiled or plain.

    `seed` and `name` (the spec as shown) key its random choices; `slates` may give the array to write to,
    int32[requests, k]; `progress` is told the number of rows done, now and then.

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

    Raises `RecommenderError` where a plain recommender's answer is not a sequence of known article codes.
    """
    if slates is None:
        slates = np.full((int(np.count_nonzero(log.kind == READ)), k), -1, np.int32)
    lane = _compiled if isinstance(recommender, Compiled) else _plain
    return Replayed(slates, lane(log, recommender, slates, articles, key_of(seed, name), progress))


def _stretches(log: Log) -> Iterator[tuple[int, int]]:
    rows = len(log.time)
    return ((first, min(first + STRETCH, rows)) for first in range(0, rows, STRETCH))


@kernel
def reveal_row(log: Any, row: int) -> Any:
    """Row `row` of a log as plain scalars, and its candidates; what a kernel does not look at costs nothing."""
    pools, impression = log.pools, log.impression[row]
    # Number -1 wraps around to an empty stretch.
    begin, end = pools.at[impression], pools.at[impression + 1]
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


def compiled_walk(recommender: type[Compiled]) -> Callable[..., int]:
    """`walk` compiled for a recommender's kernels."""
    name = f"{interpreted(recommender.recommend).__module__}_{interpreted(recommender.recommend).__qualname__}"
    return bind(walk, name, reveal=reveal_row, learn=recommender.learn, recommend=recommender.recommend)


def interpreted_walk(recommender: type[Compiled]) -> Callable[..., int]:
    """`walk` for the same kernels without compiling it; slow, for tests."""
    # Interpreted too: compiled without reference counts it would hand out all pools in place of a stretch of them.
    reveal = interpreted(reveal_row)
    return rebound(walk, "interpreted", reveal=reveal, learn=recommender.learn, recommend=recommender.recommend)


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
    articles: Articles | None,
    key: np.uint64,
    progress: Callable[[int], None],
) -> Drops:
    loop = compiled_walk(type(recommender))
    state = recommender.state(sizes_of(log, slates.shape[1]), key)
    asked = 0
    for first, end in _stretches(log):
        state = recommender.room(state, end - first)
        asked = loop(log, first, end, state, slates, asked)
        progress(end)
    return NO_DROPS


class _Seat:
    """A plain-Python recommender at its place: the catalog is kept up to date, answers are collected."""

    __slots__ = ("answers", "catalog", "k", "rec_learn", "rec_recommend")

    def __init__(self, recommender: Any, catalog: Catalog, k: int):
        self.rec_learn = recommender.learn
        self.rec_recommend = recommender.recommend
        self.catalog = catalog
        self.k = k
        self.answers: list[Any] = []

    def learn(self, event: Event) -> None:
        # Written out rather than called: this runs at every row, and a call costs as much as the rest.
        catalog = self.catalog
        catalog.row = event.row
        if event.item >= catalog.known:
            catalog.known = event.item + 1
        self.rec_learn(event)

    def recommend(self, request: Event, slate: int) -> None:
        self.answers.append(self.rec_recommend(request, self.k))


# Rows come from an iterator, so the next one is the one that is asked for; `next` ignores its second argument.
_plain_walk = rebound(walk, "plain", reveal=next, learn=_Seat.learn, recommend=_Seat.recommend)
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
    articles: Articles | None,
    key: np.uint64,
    progress: Callable[[int], None],
) -> Drops:
    catalog = Catalog(bare_articles(log) if articles is None else articles)
    recommender.start(catalog)
    requests, k = slates.shape
    seat = _Seat(recommender, catalog, k)
    drops = NO_DROPS
    known = asked = 0
    for first, end in _stretches(log):
        before = asked
        rows = map(_event, zip(range(first, end), *_columns(log, first, end), strict=False))
        # A plain recommender's slate is its number; what it answers is filled in by the stretch.
        asked = _plain_walk(rows, first, end, seat, range(requests), asked)
        fill(slates, before, seat.answers, type(recommender).__name__)
        seat.answers.clear()
        found, known = tidy(log, first, end, slates, before, known)
        if found.unknown_row >= 0:
            raise RecommenderError(
                f"{type(recommender).__name__} recommended {found.unknown_item} at row {found.unknown_row}, "
                f"where only the article codes 0 to {known - 1} are known; recommend codes seen in learn()"
            )
        drops = Drops(drops.current + found.current, drops.repeated + found.repeated)
        progress(end)
    return drops
