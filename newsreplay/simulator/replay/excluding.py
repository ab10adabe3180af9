"""What requests exclude of the reads of their session (docs/design.md, section 3: `--exclude session`).

A recommender is asked for as many articles more as its session has read besides the one on screen; what the session
has read is taken out of the answer, and the rest is cut to k. A compiled recommender is wrapped, kernel by kernel; the
answers of a plain one are trimmed a stretch at a time. Both follow `session_trail` back, which tells what has been
read up to a row and nothing of later rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, int64, kernel, rebound
from newsreplay.log.rows import READ, Column, Log
from newsreplay.simulator.replay.answers import Codes, Collected
from newsreplay.simulator.replay.slates import NO_DROPS, Drops, Tidied, Writing, fill, tidy

ROOM = 1 << 22  #: entries of answers, at most, that are trimmed at a time


class Trail(NamedTuple):
    """What the session of each row has read before it, each article once."""

    item: Column  #: int32[rows], of the log
    before: Column  #: int32[rows], the row before this one at which its session last read an article for the first
    #: time, -1 = none: from there on back, row by row, are all articles that the session has read by then
    mark: Column  #: int64[articles], scratch: the last of the numbers below under which an article was marked
    marks: Column  #: int64[1], how many numbers there have been


def session_trail(log: Log) -> Trail:
    """The trail of every row of a log."""
    articles, sessions = (int(column.max(initial=-1)) + 1 for column in (log.item, log.session))
    trail = Trail(log.item, np.full(len(log.time), -1, np.int32), np.zeros(articles, np.int64), np.zeros(1, np.int64))
    _lay(log.kind, log.session, trail, np.full(sessions, -1, np.int32))
    return trail


@compiled
def _lay(kind: Any, session: Any, trail: Any, newest: Any) -> None:
    for row in range(kind.size):
        if session[row] < 0:
            continue
        trail.before[row] = newest[session[row]]
        if kind[row] == READ:
            step = newest[session[row]]
            while step >= 0 and trail.item[step] != trail.item[row]:
                step = trail.before[step]
            if step < 0:
                newest[session[row]] = row


@kernel
def mark_read(trail: Any, row: int) -> int:
    """Mark what the session of a row has read before it; returns how many articles besides the one of the row."""
    trail.marks[0] += 1
    count = int64(0)
    step = int64(trail.before[row])
    while step >= 0:
        item = trail.item[step]
        trail.mark[item] = trail.marks[0]
        count += item != trail.item[row]
        step = int64(trail.before[step])
    return count


@kernel
def is_marked(trail: Any, item: int) -> bool:
    """Whether an article was marked for the row that was marked for last."""
    marked: bool = trail.mark[item] == trail.marks[0]
    return marked


@kernel
def keep_unread(trail: Any, answer: Any, slate: Any) -> None:
    """Fill a slate with what is in an answer and not marked, as far as there is room."""
    filled = 0
    for i in range(answer.size):
        if answer[i] < 0 or filled == slate.size:
            break
        if not is_marked(trail, answer[i]):
            slate[filled] = answer[i]
            filled += 1


@compiled
def _count(kind: Any, asking: int, trail: Any, more: Any) -> None:
    request = 0
    for row in range(kind.size):
        if kind[row] == asking:
            more[request] = mark_read(trail, row)
            request += 1


def count_excluded(log: Log, asking: int, trail: Trail) -> Column:
    """How many articles besides the one on screen each request excludes, int32[requests]; `asking` is their kind."""
    more = np.zeros(int(np.count_nonzero(log.kind == asking)), np.int32)
    _count(log.kind, asking, trail, more)
    return more


class Trimming(Writing):
    """Writes answers of a plain recommender without what the sessions of its requests have read.

    `room` is how many entries are trimmed at a time, so that a very long answer makes no others as long.
    """

    def __init__(self, log: Log, asking: int, k: int, codes: Codes, name: str, room: int = ROOM):
        super().__init__(log, asking, k, codes, name)
        self.space = room
        self.trail = session_trail(log)
        self.row = np.flatnonzero(log.kind == asking)
        self.counts = k + count_excluded(log, asking, self.trail)
        self.lengths: list[int] = self.counts.tolist()  #: how many articles each request asks for

    def longest(self, begin: int, end: int) -> int:
        """See `Writing.longest`."""
        return int(self.counts[begin:end].max(initial=self.k))

    def write(
        self, first: int, end: int, request: int, answers: Collected, slates: Column, known: int
    ) -> tuple[Tidied, int]:
        """See `Writing.write`."""
        last = request + len(answers.ends)
        step = max(1, self.space // self.longest(request, last))
        drops, tidied = NO_DROPS, Tidied(*NO_DROPS, -1, -1)
        for begin in range(request, max(last, request + 1), step):
            stop = min(begin + step, last)
            wide = np.full((stop - begin, self.longest(begin, stop)), -1, np.int32)
            given = answers.part(begin - request, stop - request)
            fill(self.log, self.asking, wide, begin, given, self.codes, self.name)
            rows = first if begin == request else int(self.row[begin]), end if stop == last else int(self.row[stop])
            tidied, known = tidy(self.log, self.asking, *rows, wide, known)
            drops = Drops(drops.current + tidied.current, drops.repeated + tidied.repeated)
            if tidied.unknown_row >= 0:
                break
            _trim(self.row[begin:stop], self.counts[begin:stop], wide, slates[begin:stop], self.trail)
        return Tidied(*drops, tidied.unknown_row, tidied.unknown_item), known


@compiled
def _trim(row: Any, lengths: Any, answers: Any, slates: Any, trail: Any) -> None:
    for request in range(row.size):
        mark_read(trail, row[request])
        keep_unread(trail, answers[request, : lengths[request]], slates[request])


# --- compiled -------------------------------------------------------------------------------------------------


class Unread(NamedTuple):
    """A compiled recommender's state, and what its answers are made of."""

    state: Any
    trail: Trail
    answer: Column  #: int32[the longest], scratch


@kernel
def _learn(unread: Any, event: Any) -> None:
    learn(unread.state, event)  # type: ignore[name-defined] # noqa: F821


@kernel
def _recommend(unread: Any, request: Any, slate: Any) -> None:
    answer = unread.answer[: slate.size + mark_read(unread.trail, request.row)]
    answer[:] = -1
    recommend(unread.state, request, answer)  # type: ignore[name-defined] # noqa: F821
    keep_unread(unread.trail, answer, slate)


@kernel
def _score(unread: Any, request: Any, out: Any) -> None:
    score(unread.state, request, out)  # type: ignore[name-defined] # noqa: F821


_AROUND: dict[str, Callable[..., None]] = {"learn": _learn, "recommend": _recommend, "score": _score}


@cache
def around(what: str, name: str, inner: Callable[..., None]) -> Callable[..., None]:
    """The kernel `inner` over an `Unread` state. `what` is learn, recommend or score."""
    return kernel(rebound(_AROUND[what], name, **{what: inner}))
