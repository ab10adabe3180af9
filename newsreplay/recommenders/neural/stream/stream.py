"""What is known for a neural model at a moment: histories, counters of completed buckets, articles alive.

Nothing here sees the row after: histories hold what was read in earlier rows, and counters are read as of the last
completed bucket. They are what AWRS ("A Look Into News Avoidance Through AWRS", 2025: exposure, avoidance, clicks) and
PP-Rec (Qi et al. 2021: rate, age) need, made causal. Rows are walked a stretch at a time by one compiled kernel,
which notes for every request what a model needs to answer it, at the request's own moment; where the stretches are cut
changes nothing.

**Buckets** are `bucket_ms` wide and anchored at midnight UTC of the day of the first row. A request in bucket b reads
what was counted in buckets up to b - 1 - lag. What happens in a bucket is counted beside the totals, article by
article, and added to them when the bucket completes: only the articles that changed are touched, and empty buckets
cost nothing.

**Clicks** are those of outcomes, at the outcome's time, once per outcome. Until a first impression is met, reads
are counted in their place, so that logs without impressions have clicks, too; those stay in `CLICKS` but never enter
avoidance, which is of exposures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.chain import chain
from newsreplay.kernels.compiling import compiled, int64, kernel, routine
from newsreplay.log.growing import with_room
from newsreplay.log.rows import DAY, HOUR, IMPRESSION, READ, Column
from newsreplay.recommenders.neural.stream.alive import Alive, expire, list_alive, revive, sample, walk_alive
from newsreplay.recommenders.neural.stream.counters import Counters, complete, count_row, write_signals
from newsreplay.recommenders.neural.stream.published import Published, look_up
from newsreplay.recommenders.neural.stream.state import (
    AGE,
    ALIVE,
    ANCHOR,
    CLOCK,
    LAST,
    NEXT,
    NONE,
    NOT_YET,
    OPEN,
    SAMPLED,
    SEEN,
    START,
    WIDTH,
    Captures,
    StreamOptions,
    StreamRows,
    midnight,
)


class StreamState(NamedTuple):
    """All that a stream holds, as arrays."""

    # Kernels are given the parts that they need: compiling takes the longer, the more arrays they are handed.
    clock: Column  # int64[CLOCK]
    read: Column  # int32[users, H], a ring
    reads: Column  # int64[users], how many were put there so far
    known: Column  # int64[articles], time of the first row that carried the article, NOT_YET = none yet
    counters: Counters
    alive: Alive
    published: Published


class Stream:
    """What is known so far, advanced a stretch of rows at a time.

    Unless `per_bucket`, an article not shown in the last buckets keeps its counts. With `sampled`, every read of a log
    without impressions is captured once more, before it is learned, beside articles that the reader might have read
    instead.

    With `published`, exposure, avoidance and clicks are looked up there; rate and age remain causal, with lag 0 if
    the lag is -1. Raises `ValueError` where the lag is below 0 otherwise.
    """

    def __init__(self, options: StreamOptions, published: Published | None = None) -> None:
        if options.lag < (0 if published is None else -1):
            raise ValueError(f"lag is {options.lag}, but only completed buckets may be read: it must be 0 or more")
        lag = max(options.lag, 0)
        self._options = options._replace(lag=lag, published=published is not None)
        self._state = _empty(options.history, lag + 2, published)

    @property
    def impressions_seen(self) -> bool:
        """Whether there was an impression among the rows so far."""
        return bool(self._state.clock[SEEN])

    def ask_reads(self, slates: bool) -> None:
        """Whether reads are requests from now on."""
        self._options = self._options._replace(slates=slates)

    def profile(self, user: int, items: Sequence[int] | Column) -> None:
        """Set what a reader read before their first row, oldest first: article codes or handles <= -2.

        What no row has carried yet is taken as known since a day before the first row.
        """
        kept = np.asarray(items, np.int32)[-self._options.history :]
        self._make_room(user + 1, 1 + int(kept.max(initial=-1)))
        self._state.read[user, : kept.size] = kept
        self._state.reads[user] = kept.size

    def advance(self, rows: StreamRows) -> Captures:
        """Walk the next rows; returns what was known at each of their requests."""
        options = self._options
        if rows.time.size and self._state.clock[START] == NOT_YET:
            self._begin(int(rows.time[0]))
        self._make_room(
            1 + int(rows.user.max(initial=-1)),
            1 + max(int(rows.item.max(initial=-1)), int(rows.pool.max(initial=-1))),
        )
        impressions, reads = rows.kind == IMPRESSION, int(np.count_nonzero(rows.kind == READ))
        requests = int(np.count_nonzero(impressions))
        places = int(np.diff(rows.pool_at)[impressions].sum())
        if options.slates:
            requests += reads
            places += reads * min(options.candidates, int(self._state.clock[ALIVE]) + rows.time.size)
        if options.sampled and not self.impressions_seen:
            requests += reads
            places += reads * (1 + options.sampled)
        captures = _room_for(requests, places, options.history, WIDTH if options.signals else 0)
        made = int(_advance(rows, self._state, options, captures))
        last = int(captures.at[made])
        return Captures._make(
            [*(column[:made] for column in captures[:7]), captures.at[: made + 1]]
            + [column[:last] for column in captures[8:]]
        )

    def alive(self, time: int, but: int = NONE) -> Column:
        """The articles alive at `time`, int32, last read first: `candidates` at most, `but` left out."""
        out = np.empty(min(self._options.candidates, int(self._state.clock[ALIVE])), np.int32)
        return out[: list_alive(self._state.alive, self._options, time, but, out)]

    def _begin(self, time: int) -> None:
        clock, width = self._state.clock, self._options.bucket_ms
        clock[START], clock[ANCHOR] = time, midnight(time)
        clock[OPEN] = (time - clock[ANCHOR]) // width
        clock[NEXT] = clock[ANCHOR] + (clock[OPEN] + 1) * width

    def _make_room(self, users: int, articles: int) -> None:
        state, counters, links = self._state, self._state.counters, self._state.alive.chain
        if users <= state.reads.size and articles <= state.known.size:
            return
        counted = articles if self._options.signals else 0
        self._state = state._replace(
            read=with_room(state.read, users, NONE),
            reads=with_room(state.reads, users, 0),
            known=with_room(state.known, articles, NOT_YET),
            counters=counters._replace(
                serial=with_room(counters.serial, counted, 0),
                counts=with_room(counters.counts, counted, 0),
                counted=with_room(counters.counted, counted, 0),
                changed=with_room(counters.changed, counted, 0),
            ),
            alive=Alive(
                links._replace(
                    after=with_room(links.after, articles, -1), before=with_room(links.before, articles, -1)
                ),
                with_room(state.alive.read_at, articles, 0),
                with_room(state.alive.item, articles, 0),
                with_room(state.alive.place, articles, -1),
            ),
        )


def _empty(history: int, places: int, published: Published | None) -> StreamState:
    clock = np.zeros(CLOCK, np.int64)
    clock[START], clock[LAST] = NOT_YET, -1
    none = np.empty(0, np.int64)
    if published is None:
        published = Published(0, 1, 0, np.zeros(1, np.int64), none, np.empty((0, 3), np.float32))
    return StreamState(
        clock,
        np.empty((0, history), np.int32),
        none,
        none,
        Counters(
            none,
            np.empty((0, 3), np.int32),
            np.empty((0, places, 3), np.int32),
            np.empty((0, places), np.int32),
            np.zeros(places, np.int64),
            np.full(places, NOT_YET, np.int64),
            np.zeros(places, np.int64),
            np.zeros(places, np.int64),
        ),
        Alive(chain(0), none, np.empty(0, np.int32), np.empty(0, np.int32)),
        published,
    )


def _room_for(requests: int, places: int, history: int, width: int) -> Captures:
    # Room for the slates of reads is seldom used up; pages that are never written are never occupied.
    return Captures(
        np.empty(requests, np.int64),
        np.empty(requests, np.uint8),
        np.empty(requests, np.int64),
        np.empty(requests, np.int32),
        np.full((requests, history), NONE, np.int32),
        np.empty(requests, np.int32),
        np.zeros((requests, history, width), np.float32),
        np.zeros(requests + 1, np.int64),
        np.empty(places, np.int32),
        np.empty((places, width), np.float32),
    )


@compiled
def _advance(rows: Any, state: Any, options: Any, captures: Any) -> int:
    """Walk the rows; returns how many captures were made."""
    clock, alive = state.clock, state.alive
    made = int64(0)  # one type for all whole numbers, lest kernels be compiled for each
    for i in range(rows.time.size):
        time, kind, user, item = rows.time[i], int64(rows.kind[i]), int64(rows.user[i]), int64(rows.item[i])
        if time >= clock[NEXT]:
            complete(clock, state.counters, options, time)
        if item >= 0 and state.known[item] == NOT_YET:
            state.known[item] = time
        if kind == IMPRESSION:
            _open(state.read, state.reads, captures, made, rows.row[i], kind, time, user)
            end = captures.at[made]
            for j in range(rows.pool_at[i], rows.pool_at[i + 1]):
                captures.item[end] = rows.pool[j]
                end += 1
            _close(state, options, captures, made, end)
            made += 1
            clock[SEEN] = 1
        elif kind >= READ:
            expire(clock, alive, options, time)
            if kind == READ and options.sampled > 0 and clock[SEEN] == 0:
                _open(state.read, state.reads, captures, made, rows.row[i], int64(SAMPLED), time, user)
                _close(state, options, captures, made, sample(clock, alive, options, captures, made, item))
                made += 1
            if options.keep_reads:
                _remember(state.read, state.reads, user, item)
            revive(clock, alive, time, item)
            if kind == READ and options.slates:
                _open(state.read, state.reads, captures, made, rows.row[i], kind, time, user)
                begin = captures.at[made]
                end = begin + walk_alive(alive, options, time, item, captures.item[begin:])
                _close(state, options, captures, made, end)
                made += 1
        if options.signals:
            count_row(clock, state.counters, rows, i, kind, item)
    return made


@kernel
def _remember(read: Any, reads: Any, user: int, item: int) -> None:
    """Add a read to its reader's history, unless it is the newest there."""
    count, size = reads[user], read.shape[1]
    if count == 0 or read[user, (count - 1) % size] != item:
        read[user, count % size] = item
        reads[user] = count + 1


@routine
def _open(read: Any, reads: Any, captures: Any, made: int, row: int, kind: int, time: int, user: int) -> None:
    """Note a request and the history of its reader."""
    captures.row[made] = row
    captures.kind[made] = kind
    captures.time[made] = time
    captures.user[made] = user
    count, size = reads[user], read.shape[1]
    length = min(count, size)
    captures.length[made] = length
    for i in range(length):
        captures.history[made, i] = read[user, (count - length + i) % size]


@routine
def _close(state: Any, options: Any, captures: Any, made: int, end: int) -> None:
    """End the candidates of a request, and note the signals of all its articles."""
    begin, time, length = captures.at[made], captures.time[made], captures.length[made]
    captures.at[made + 1] = end
    if options.signals:
        for i in range(length + end - begin):
            if i < length:
                item, out = int64(captures.history[made, i]), captures.history_signals[made, i]
            else:
                place = begin + i - length
                item, out = int64(captures.item[place]), captures.signals[place]
            known = NOT_YET
            if item >= 0:
                known = state.known[item]
            if known == NOT_YET:
                known = state.clock[START] - DAY
            out[AGE] = max(1, (time - known + HOUR - 1) // HOUR)
            write_signals(state.clock, state.counters, options, item, out)
            if options.published:
                look_up(state.published, item, time, out)
