"""Feedback that comes late: reads and outcomes held back from learning (docs/design.md, section 3: `--feedback-delay`).

A row held for d > 0 is learned, in row order, before the first row after it with a time of at least its own plus d. Its
article is known at its row: a plain-Python recommender's catalog knows it, a compiled one is shown its publication.

Rows of one kind become due in the order in which they are held, so the next one of each kind is all there is to look
at. A compiled recommender is wrapped, kernel by kernel, and looks it up in the log; of a plain one, events wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from newsreplay.durations import Delays
from newsreplay.kernels.compiling import Function, int64, kernel, rebound, routine
from newsreplay.log.rows import HISTORY, OUTCOME, PUBLISH, READ, Column, Event, Log
from newsreplay.simulator.replay.walk import reveal_row

KINDS = (READ, OUTCOME)  #: of rows that are held, as `Delays` has them


class Waiting:
    """Events of a plain-Python recommender that are held."""

    __slots__ = ("delay", "queues")

    def __init__(self, delays: Delays):
        self.delay = {kind: delay for kind, delay in zip(KINDS, delays, strict=True) if delay}  #: ms, of kinds held
        self.queues: dict[int, deque[Event]] = {kind: deque() for kind in self.delay}

    def holds(self, event: Event) -> bool:
        """Whether an event is one that waits; then it does."""
        if event.kind not in self.delay:
            return False
        self.queues[event.kind].append(event)
        return True

    def rows(self) -> list[int]:
        """The rows that wait, in row order."""
        return sorted(event.row for queue in self.queues.values() for event in queue)

    def release(self, time: int, learn: Callable[[Event], object]) -> None:
        """Learn, in row order, what is due before a row of a time."""
        while True:
            due = [queue for kind, queue in self.queues.items() if queue and queue[0].time + self.delay[kind] <= time]
            if not due:
                return
            learn(min(due, key=lambda queue: queue[0].row).popleft())


# --- compiled -------------------------------------------------------------------------------------------------


class Held(NamedTuple):
    """A compiled recommender's state, and how far the rows of each kind that is held have been learned."""

    state: object
    log: Log | None
    delay: Column  #: int64[2], ms, by `KINDS`
    next: Column  #: int64[2], the rows before this one have been learned, those of the kind
    known: Column  #: int64[1], how many articles are known
    categorised: Column  #: bool[articles], whether its category is known
    latest: Column  #: int64[1], time of the last read from before the log, ms


def held(delays: Delays, articles: int) -> Held:
    """Nothing held yet; the state and the log are missing."""
    return Held(
        None,
        None,
        np.array(delays, np.int64),
        np.zeros(2, np.int64),
        np.zeros(1, np.int64),
        np.zeros(articles, np.bool_),
        np.full(1, np.iinfo(np.int64).min),
    )


def reads_waiting(held: Held, log: Log, row: int) -> int:
    """How many reads before a row of the log have not been learned."""
    if not held.delay[0]:
        return 0
    return int(np.count_nonzero(log.kind[held.next[0] : row] == READ))


@kernel
def _next_due(held: Any, which: int, kind: int, row: int, time: int) -> int:
    """The next row of a kind that is due before a row of a time; the row itself = none is."""
    if held.delay[which] == 0:
        return row
    step = held.next[which]
    while step < row and held.log.kind[step] != kind:
        step += 1
    held.next[which] = step
    due = step < row and held.log.time[step] + held.delay[which] <= time
    return int64(step) if due else row


@kernel
def _at(event: Any, time: int) -> Any:
    """An event at another time."""
    return Event(
        event.row,
        time,
        event.kind,
        event.session,
        event.user,
        event.item,
        event.category,
        event.pool,
        event.clicked,
        event.exclude,
    )


@kernel
def _published(event: Any) -> Any:
    """The publication of the article of a row."""
    return Event(
        event.row,
        event.time,
        int64(PUBLISH),
        int64(-1),
        int64(-1),
        event.item,
        event.category,
        event.pool[:0],
        event.clicked[:0],
        event.exclude,
    )


@kernel
def _take(state: Any, event: Any) -> None:
    learn(state, event)  # type: ignore[name-defined] # noqa: F821


@kernel
def _release(held: Any, row: int, time: int) -> None:
    """Learn what is due before a row of a time."""
    while True:
        read = _next_due(held, int64(0), int64(READ), row, time)
        outcome = _next_due(held, int64(1), int64(OUTCOME), row, time)
        first = min(read, outcome)
        if first == row:
            return
        held.next[0 if first == read else 1] = first + 1
        event = reveal_row(held.log, first)
        # Kernels count reads in the order of their times; one from before the log may have come in between.
        take(held.state, _at(event, max(event.time, held.latest[0])))  # type: ignore[name-defined] # noqa: F821


@kernel
def _learn(held: Any, event: Any) -> None:
    release(held, int64(event.row), event.time)  # type: ignore[name-defined] # noqa: F821
    waits = (event.kind == READ and held.delay[0] > 0) or (event.kind == OUTCOME and held.delay[1] > 0)
    item = event.item
    news = item >= held.known[0] or (item >= 0 and event.category >= 0 and not held.categorised[item])
    if item >= 0:
        held.known[0] = max(held.known[0], item + 1)
        held.categorised[item] = held.categorised[item] or event.category >= 0
    if event.kind == HISTORY:
        held.latest[0] = event.time
    if not waits:
        take(held.state, event)  # type: ignore[name-defined] # noqa: F821
    elif news:
        take(held.state, _published(event))  # type: ignore[name-defined] # noqa: F821


@kernel
def _recommend(held: Any, request: Any, slate: Any) -> None:
    recommend(held.state, request, slate)  # type: ignore[name-defined] # noqa: F821


@kernel
def _score(held: Any, request: Any, out: Any) -> None:
    release(held, int64(request.row), request.time)  # type: ignore[name-defined] # noqa: F821
    score(held.state, request, out)  # type: ignore[name-defined] # noqa: F821


@cache
def around(name: str, learn: Function, recommend: Function, score: Function) -> dict[str, Callable[..., None]]:
    """The kernels over a `Held` state; an impression is scored before it asks, so what is due by then is learned."""
    take = routine(rebound(_take, name, learn=learn))
    release = routine(rebound(_release, name, take=take))
    return {
        "learn": kernel(rebound(_learn, name, release=release, take=take)),
        "recommend": kernel(rebound(_recommend, name, recommend=recommend)),
        "score": kernel(rebound(_score, name, release=release, score=score)),
    }
