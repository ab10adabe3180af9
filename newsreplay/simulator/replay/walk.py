"""The replay loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from newsreplay.kernels.compiling import int64, kernel, rebound
from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, Column, Event, Excludes, Log
from newsreplay.recommenders.base import SelfReport
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.recommenders.protocols import SupportsScore
from newsreplay.simulator.replay.checkpoints import Checkpoints
from newsreplay.simulator.replay.clock import Times
from newsreplay.simulator.replay.foresight import Foresight
from newsreplay.simulator.replay.slates import Drops

STRETCH = 16_384  #: rows between two reports of progress, and between two enlargements of a compiled state


class Asking(NamedTuple):
    """The kinds of rows that ask for slates, none or one each."""

    unlearned: int  #: before they are learned
    learned: int  #: once they are


ASKING_AT: dict[str, Asking] = {"reads": Asking(-1, READ), "impressions": Asking(IMPRESSION, -1)}


def walk(
    log: Any, first: int, end: int, state: Any, slates: Any, scores: Any, answered: int, placed: int
) -> tuple[int, int]:
    """Show rows first … end - 1; returns how many requests, and how many candidates, there have been."""
    for row in range(first, end):
        event = reveal(log, row)  # type: ignore[name-defined] # noqa: F821
        if event.kind == IMPRESSION:
            score(state, event, scores[placed : placed + len(event.pool)])  # type: ignore[name-defined] # noqa: F821
            placed += len(event.pool)
        if event.kind == unlearned:  # type: ignore[name-defined] # noqa: F821
            recommend(state, bare(event), slates[answered])  # type: ignore[name-defined] # noqa: F821
            answered += 1
        learn(state, event)  # type: ignore[name-defined] # noqa: F821
        if event.kind == learned:  # type: ignore[name-defined] # noqa: F821
            recommend(state, event, slates[answered])  # type: ignore[name-defined] # noqa: F821
            answered += 1
    return answered, placed


class AnswerArrays(NamedTuple):
    """Where answers are written, and where it is kept how far the replay has come."""

    slates: Column  #: int32[requests, k], filled with -1
    scores: Column | None  #: float64[places of `log.pools.item`], filled with -inf; None = it cannot score
    checkpoints: Checkpoints | None = None


class Replayed(NamedTuple):
    """What a recommender answered."""

    slates: Column  #: int32[requests, k], article codes best first, padded with -1
    scores: Column | None  #: float64[places of `log.pools.item`], -inf = not ranked; None = it cannot score
    drops: Drops  #: what was dropped from its slates
    state_bytes: int  #: size of its state after the last row
    times: Times | None  #: None = not timed
    seconds: float  #: wall time of the walk, without loading or compiling kernels
    self_report: SelfReport | None = None  #: of a plain recommender that has one, after the last row
    foresight: Foresight = None  #: what of the future it was given
    loading: float = 0.0  #: processor seconds of loading or compiling its kernels


def can_score(recommender: object) -> bool:
    """Whether a recommender has a score for the candidates of an impression."""
    if isinstance(recommender, Mixture):
        return any(map(can_score, recommender.parts))
    return isinstance(recommender, SupportsScore)


def stretches(log: Log, stretch: int = STRETCH, begin: int = 0) -> Iterator[tuple[int, int]]:
    """The log from row `begin` on in pieces of `stretch` rows: the first row of each, and the one after its last."""
    rows = len(log.time)
    return ((first, min(first + stretch, rows)) for first in range(begin, rows, stretch))


@kernel
def _reveal(log: Any, row: int) -> Any:
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
        int64(log.item[row]) if leaves_out else int64(-1),  # type: ignore[name-defined] # noqa: F821
    )


reveal_row: Callable[..., Any] = kernel(rebound(_reveal, "but_current", leaves_out=True))
#: The kernel that reveals rows, by what requests exclude; what they exclude besides is not the recommender's business.
REVEAL: dict[Excludes, Callable[..., Any]] = {
    "current": reveal_row,
    "session": reveal_row,
    "nothing": kernel(rebound(_reveal, "but_nothing", leaves_out=False)),
}


@kernel
def bare_event(event: Any) -> Any:
    """An impression as a request for a slate: without its candidates."""
    return Event(
        event.row,
        event.time,
        event.kind,
        event.session,
        event.user,
        event.item,
        event.category,
        event.pool[:0],
        event.clicked,
        event.exclude,
    )
