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
from newsreplay.log.rows import DAY, IMPRESSION, OUTCOME, READ, Column
from newsreplay.recommenders.neural.stream.alive import (
    Alive,
    chance_of,
    draw_others,
    expire,
    list_alive,
    revive,
    walk_alive,
)
from newsreplay.recommenders.neural.stream.counters import Counters, complete, count_row
from newsreplay.recommenders.neural.stream.graph import NEXT_READ, GraphState, ReadGraph, empty_graph, link
from newsreplay.recommenders.neural.stream.histories import (
    Histories,
    carry,
    empty_histories,
    newest,
    note_history,
    remember,
    with_readers,
)
from newsreplay.recommenders.neural.stream.published import Published
from newsreplay.recommenders.neural.stream.signals import Wanted, wanted, write
from newsreplay.recommenders.neural.stream.state import (
    AGE,
    ALIVE,
    ANCHOR,
    ASKED,
    CLOCK,
    LAST,
    NEXT,
    NONE,
    NOT_YET,
    OPEN,
    PER_CANDIDATE,
    SAMPLED,
    SEEN,
    SERIAL,
    SLATE,
    START,
    Captures,
    StreamOptions,
    StreamRows,
    midnight,
)
from newsreplay.recommenders.neural.stream.windows import Windows, empty_windows, forget, occur, with_room_for


class StreamState(NamedTuple):
    """All that a stream holds, as arrays."""

    # Kernels are given the parts that they need: compiling takes the longer, the more arrays they are handed.
    clock: Column  # int64[CLOCK]
    histories: Histories
    known: Column  # int64[articles], time of the first row that carried the article, NOT_YET = none yet
    counters: Counters
    alive: Alive
    published: Published
    wanted: Wanted
    graph: GraphState  # without room where no model has a graph
    last: Column  # int64[articles], time of the last read, NOT_YET = none
    reads_lately: Windows
    shown_lately: Windows
    clicked_lately: Windows
    scratch: Column  # float64[AGE], signals of completed buckets of one article


class Stream:
    """What is known so far, advanced a stretch of rows at a time.

    Unless `per_bucket`, an article not shown in the last buckets keeps its counts. With `sampled`, every read of a log
    without impressions is captured once more, before it is learned, beside articles that the reader might have read
    instead.

    With `published`, exposure, avoidance and clicks are looked up there; rate and age remain causal, with lag 0 if
    the lag is -1. Raises `ValueError` where the lag is below 0 otherwise.

    Every read, and every one from before the log, is linked in the `graph`, which others may look at in between.
    """

    def __init__(
        self,
        options: StreamOptions,
        read_signals: Sequence[str] = (),
        signals: Sequence[str] = (),
        published: Published | None = None,
        graph: ReadGraph | None = None,
    ) -> None:
        if options.lag < (0 if published is None else -1):
            raise ValueError(f"lag is {options.lag}, but only completed buckets may be read: it must be 0 or more")
        lag = max(options.lag, 0)
        self._options = options._replace(lag=lag, published=published is not None)
        which = wanted(read_signals, signals)
        which = which._replace(reads=which.reads or options.sampled > 0)  # some are drawn by reads
        self._state = _empty(self._options, which, published)
        self._graph = graph

    @property
    def impressions_seen(self) -> bool:
        """Whether there was an impression among the rows so far."""
        return bool(self._state.clock[SEEN])

    def ask(self, slates: int) -> None:
        """Rows of this kind ask for slates from now on; `NONE`: none do."""
        self._options = self._options._replace(slates=slates)

    def profile(self, user: int, items: Sequence[int] | Column) -> None:
        """Set what a reader read before their first row, oldest first: article codes or handles <= -2.

        What no row has carried yet is taken as known since a day before the first row. It is of another session.
        """
        kept = np.asarray(items, np.int32)[-self._options.history :]
        self._make_room(user + 1, 1 + int(kept.max(initial=-1)))
        histories = self._state.histories
        histories.item[user, : kept.size] = kept
        histories.reads[user] = kept.size
        if self._options.ages:
            histories.time[user, : kept.size] = NOT_YET
            histories.session[user, : kept.size] = NONE

    def advance(self, rows: StreamRows) -> Captures:
        """Walk the next rows; returns what was known at each of their requests."""
        options, size = self._options, rows.time.size
        if size and self._state.clock[START] == NOT_YET:
            self._begin(int(rows.time[0]))
        readers = rows.session if options.by_session else rows.user
        self._make_room(
            1 + int(readers.max(initial=-1)),
            1 + max(int(rows.item.max(initial=-1)), int(rows.pool.max(initial=-1))),
            size,
            rows.pool.size,
        )
        counts = {kind: int(np.count_nonzero(rows.kind == kind)) for kind in (IMPRESSION, READ, ASKED)}
        requests = counts[IMPRESSION]
        places = int(np.diff(rows.pool_at)[rows.kind == IMPRESSION].sum())
        if options.slates != NONE:
            asked = counts[options.slates]
            requests += asked
            places += asked * min(options.candidates, int(self._state.clock[ALIVE]) + size)
        if options.sampled and not self.impressions_seen:
            requests += counts[READ]
            places += counts[READ] * (1 + options.sampled)
        if options.drawn:
            places += counts[IMPRESSION] * options.sampled
        captures = _room_for(requests, places, options, self._state.wanted)
        made = int(_advance(rows, self._state, options, captures))
        last = int(captures.at[made])
        return Captures(
            **{
                name: column[:last] if name in PER_CANDIDATE else column[: made + (name == "at")]
                for name, column in captures._asdict().items()
            }
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

    def _make_room(self, readers: int, articles: int, reads: int = 0, shown: int = 0) -> None:
        state, counters, links = self._state, self._state.counters, self._state.alive.chain
        which = state.wanted
        if self._graph is not None:
            self._graph.make_room(articles)
            state = state._replace(graph=self._graph.state)
        if which.reads:
            state = state._replace(
                last=with_room(state.last, articles, NOT_YET),
                reads_lately=with_room_for(state.reads_lately, articles, reads),
            )
        if which.shown:
            state = state._replace(
                shown_lately=with_room_for(state.shown_lately, articles, shown),
                clicked_lately=with_room_for(state.clicked_lately, articles, shown),
            )
        self._state = state
        if readers <= state.histories.reads.size and articles <= state.known.size:
            return
        counted = articles if which.buckets or which.shown else 0
        self._state = state._replace(
            histories=with_readers(state.histories, readers),
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


def _empty(options: StreamOptions, which: Wanted, published: Published | None) -> StreamState:
    clock, places = np.zeros(CLOCK, np.int64), options.lag + 2
    clock[START], clock[LAST] = NOT_YET, -1
    none = np.empty(0, np.int64)
    if published is None:
        published = Published(0, 1, 0, np.zeros(1, np.int64), none, np.empty((0, 3), np.float32))
    return StreamState(
        clock,
        empty_histories(options.history, options.ages),
        none,
        Counters(
            none,
            np.empty((0, 3), np.float64),
            np.zeros(1),
            np.empty((0, places, 3), np.int32),
            np.empty((0, places), np.int32),
            np.zeros(places, np.int64),
            np.full(places, NOT_YET, np.int64),
            np.zeros(places, np.int64),
            np.zeros(places, np.int64),
        ),
        Alive(chain(0), none, np.empty(0, np.int32), np.empty(0, np.int32)),
        published,
        which,
        empty_graph(NEXT_READ, 0),
        none,
        empty_windows(),
        empty_windows(),
        empty_windows(),
        np.zeros(AGE, np.float64),
    )


def _room_for(requests: int, places: int, options: StreamOptions, which: Wanted) -> Captures:
    # Room for the slates of reads is seldom used up; pages that are never written are never occupied.
    history, aged = options.history, options.history * options.ages
    return Captures(
        row=np.empty(requests, np.int64),
        kind=np.empty(requests, np.uint8),
        time=np.empty(requests, np.int64),
        user=np.empty(requests, np.int32),
        history=np.full((requests, history), NONE, np.int32),
        length=np.empty(requests, np.int32),
        history_signals=np.zeros((requests, history, which.read.size), np.float32),
        history_age=np.zeros((requests, aged), np.float32),
        history_session=np.zeros((requests, aged), np.bool_),
        alive=np.empty(requests, np.int32),
        shown=np.empty(requests, np.int32),
        at=np.zeros(requests + 1, np.int64),
        item=np.empty(places, np.int32),
        chance=np.zeros(places, np.float32),
        signals=np.empty((places, which.offered.size), np.float32),
    )


@compiled
def _advance(rows: Any, state: Any, options: Any, captures: Any) -> int:
    """Walk the rows; returns how many captures were made."""
    clock, alive, which = state.clock, state.alive, state.wanted
    made = int64(0)  # one type for all whole numbers, lest kernels be compiled for each
    for i in range(rows.time.size):
        time, kind, item = rows.time[i], int64(rows.kind[i]), int64(rows.item[i])
        if time >= clock[NEXT]:
            complete(clock, state.counters, options, time)
        if which.reads:
            forget(state.reads_lately, time)
        if which.shown:
            forget(state.shown_lately, time)
            forget(state.clicked_lately, time)
        if item >= 0 and state.known[item] == NOT_YET:
            state.known[item] = time
        if kind == IMPRESSION:
            expire(clock, alive, options, time)
            begin = _open(rows, i, state, options, captures, made, int64(IMPRESSION))
            end = begin
            for j in range(rows.pool_at[i], rows.pool_at[i + 1]):
                captures.item[end] = rows.pool[j]
                end += 1
            made = _close(state, options, captures, made, end, end - begin)
            if options.slates == IMPRESSION:
                made = _capture_slate(rows, i, state, options, captures, made, int64(SLATE))
            clock[SEEN] = 1
        elif kind == ASKED:
            expire(clock, alive, options, time)
            made = _capture_slate(rows, i, state, options, captures, made, int64(READ))
        elif kind >= READ:
            expire(clock, alive, options, time)
            reader = _reader(rows, i, options)
            if kind == READ and options.sampled > 0 and clock[SEEN] == 0 and alive.place[item] >= 0:
                begin = _open(rows, i, state, options, captures, made, int64(SAMPLED))
                captures.item[begin] = item
                made = _close(state, options, captures, made, begin + 1, int64(1))
            link(state.graph, newest(state.histories, reader), int64(rows.user[i]), item)
            if options.keep_reads:
                remember(state.histories, reader, item, time, int64(rows.session[i]))
            revive(clock, alive, time, item)
            if which.reads:
                occur(state.reads_lately, time, item)
                state.last[item] = time
            if kind == READ and options.slates == READ:
                made = _capture_slate(rows, i, state, options, captures, made, kind)
        if which.buckets and kind != ASKED:
            count_row(clock, state.counters, rows, i, kind, item)
        if which.shown and IMPRESSION <= kind <= OUTCOME:
            clock[SERIAL] += 1
            for j in range(rows.pool_at[i], rows.pool_at[i + 1]):
                candidate = int64(rows.pool[j])
                # An article that a pool holds twice is counted once.
                if (kind == IMPRESSION or rows.clicked[j]) and state.counters.serial[candidate] != clock[SERIAL]:
                    state.counters.serial[candidate] = clock[SERIAL]
                    if kind == IMPRESSION:
                        occur(state.shown_lately, time, candidate)
                    else:
                        occur(state.clicked_lately, time, candidate)
    return made


@kernel
def _reader(rows: Any, i: int, options: Any) -> int:
    """Whose history a row belongs to; -1 = nobody's: a read from before the log is of no session."""
    if options.by_session:
        return int64(rows.session[i])
    return int64(rows.user[i])


@routine
def _open(rows: Any, i: int, state: Any, options: Any, captures: Any, made: int, kind: int) -> int:
    """Note a request and the history of its reader; returns the place of its first candidate."""
    captures.row[made] = rows.row[i]
    captures.kind[made] = kind
    captures.time[made] = rows.time[i]
    captures.user[made] = rows.user[i]
    captures.alive[made] = state.clock[ALIVE]
    session, before = int64(rows.session[i]), state.clock[START] - DAY
    note_history(state.histories, _reader(rows, i, options), session, before, captures, made)
    return int64(captures.at[made])


@kernel
def _capture_slate(rows: Any, i: int, state: Any, options: Any, captures: Any, made: int, kind: int) -> int:
    """Capture a row that asks for a slate, its candidates the articles alive; returns how many requests there are."""
    time, item = rows.time[i], int64(rows.item[i])
    begin = _open(rows, i, state, options, captures, made, kind)
    if rows.kind[i] == ASKED and options.keep_reads:
        carry(captures, made, item)
    left_out = item if options.leaves_out else int64(NONE)
    end = begin + walk_alive(state.alive, options, time, left_out, captures.item[begin:])
    return _close(state, options, captures, made, end, end - begin)


@routine
def _close(state: Any, options: Any, captures: Any, made: int, end: int, shown: int) -> int:
    """End the candidates of a request, and note the signals of all its articles; returns how many requests there are.

    To what was shown or read, candidates are drawn where they are to be trained on.
    """
    begin, kind, time = captures.at[made], captures.kind[made], captures.time[made]
    captures.shown[made] = shown
    if kind == SAMPLED or (kind == IMPRESSION and options.drawn):
        end = draw_others(state.clock, state.alive, state.reads_lately, options, captures, made, end)
        for place in range(begin, end):
            captures.chance[place] = chance_of(state.clock, state.reads_lately, int64(captures.item[place]))
    captures.at[made + 1] = end
    for i in range(captures.length[made]):
        item = int64(captures.history[made, i])
        write(state, options, time, item, state.wanted.read, captures.history_signals[made, i])
    for place in range(begin, end):
        write(state, options, time, int64(captures.item[place]), state.wanted.offered, captures.signals[place])
    return made + 1
