"""Reading sequences: what readers read next (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels import hashing
from newsreplay.kernels.compiling import int64, kernel
from newsreplay.kernels.hashing import HashTable, add, find
from newsreplay.kernels.mixing import mix
from newsreplay.log.growing import enlarged
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Compiled, Sizes

#: A known step, and the position of its successor among the article's.
STEP = np.dtype([("key", np.uint64), ("place", np.int64)])


class SequencesState(NamedTuple):
    """For every article its successors and how often each was read next, most frequent first."""

    latest: Column  #: int32[sessions], 1 + the article a session read last; 0 = none yet
    read_row: Column  #: int64[articles], row of the last read
    places: HashTable  #: `STEP` by (article, successor)
    successor: Column  #: int32[pool], the articles' lists, each in a stretch of its own
    times: Column  #: int32[pool], how often each was read next
    start: Column  #: int64[articles], where an article's stretch begins
    size: Column  #: int32[articles], number of successors
    used: Column  #: int64[1], how much of the pool is taken


@kernel
def _pair(item: int, successor: int) -> np.uint64:
    return mix((np.uint64(item) << np.uint64(32)) | np.uint64(successor + 1))


@kernel
def learn(state: Any, event: Any) -> None:
    """Count the step from the article the session read before."""
    if event.kind < READ:
        return
    state.read_row[event.item] = event.row
    if event.kind > READ:  # from before the log: in no session
        return
    before = int64(state.latest[event.session]) - 1
    state.latest[event.session] = event.item + 1
    if before < 0 or before == event.item:
        return
    pair = _pair(before, event.item)
    at = find(state.places, pair)
    if state.places.record[at]["key"] == pair:
        _count(state, before, event.item, at)
    else:
        add(state.places, at, pair)
        state.places.record[at]["place"] = _append(state, before, event.item)


@kernel
def _append(state: Any, item: int, successor: int) -> int:
    """A new successor goes last; stretches double when they are full."""
    size = int64(state.size[item])
    if size & (size - 1) == 0:  # 0, 1, 2, 4, 8 …: the sizes at which a stretch is full
        start = state.start[item]
        state.start[item] = state.used[0]
        for i in range(size):
            state.successor[state.used[0] + i] = state.successor[start + i]
            state.times[state.used[0] + i] = state.times[start + i]
        state.used[0] += max(int64(1), 2 * size)
    place = state.start[item] + size
    state.successor[place] = successor
    state.times[place] = 1
    state.size[item] = size + 1
    return size


@kernel
def _count(state: Any, item: int, successor: int, at: int) -> None:
    """Count a known step: the successor changes places with the first of those that were equally frequent."""
    start = state.start[item]
    place = state.places.record[at]["place"]
    count = state.times[start + place]
    low, high = int64(0), place
    while low < high:
        middle = (low + high) >> 1
        if state.times[start + middle] > count:
            low = middle + 1
        else:
            high = middle
    if low < place:
        other = state.successor[start + low]
        state.successor[start + place] = other
        state.successor[start + low] = successor
        state.places.record[find(state.places, _pair(item, other))]["place"] = place
        state.places.record[at]["place"] = low
    state.times[start + low] = count + 1


@kernel
def _in_view(state: Any, request: Any) -> int:
    """The article on screen, or the session's last read if there is none; -1 = neither."""
    return request.item if request.item >= 0 else int64(state.latest[request.session]) - 1


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The most frequent successors; among equally frequent ones the most recently read first."""
    current = _in_view(state, request)
    if current < 0:
        return
    start, size = state.start[current], int64(state.size[current])
    filled = int64(0)
    i = int64(0)
    while i < size and filled < slate.size:
        run, count = filled, state.times[start + i]
        while i < size and state.times[start + i] == count:
            item = state.successor[start + i]
            i += 1
            row = state.read_row[item]
            if filled == slate.size and row < state.read_row[slate[filled - 1]]:
                continue
            if filled < slate.size:
                filled += 1
            place = filled - 1
            while place > run and state.read_row[slate[place - 1]] < row:
                slate[place] = slate[place - 1]
                place -= 1
            slate[place] = item


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """How often a candidate was read directly after the article on screen, or after the session's last read."""
    item = _in_view(state, request)
    for i in range(out.size):
        out[i] = 0.0
        if item >= 0:
            pair = _pair(item, request.pool[i])
            step = state.places.record[find(state.places, pair)]
            if step["key"] == pair:
                out[i] = state.times[state.start[item] + step["place"]]


class Sequences(Compiled[SequencesState]):
    """The articles most often read directly after the current one, within a session.

    Without a current article they are those after the session's last read. A session that reloads its article makes no
    step.
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True

    def state(self, sizes: Sizes, key: np.uint64) -> SequencesState:
        """See `Compiled.state`."""
        return SequencesState(
            np.zeros(sizes.sessions, np.int32),
            np.zeros(sizes.articles, np.int64),
            hashing.table(STEP),
            np.empty(1, np.int32),
            np.empty(1, np.int32),
            np.zeros(sizes.articles, np.int64),
            np.zeros(sizes.articles, np.int32),
            np.zeros(1, np.int64),
        )

    def room(self, state: SequencesState, reads: int) -> SequencesState:
        """See `Compiled.room`."""
        # A list of n successors has used stretches of 1 + 2 + 4 + … < 4 n places.
        pool = 4 * (int(state.places.entries[0]) + reads)
        successor, times = state.successor, state.times
        if pool > successor.size:
            used = int(state.used[0])
            successor, times = enlarged(successor[:used], 2 * pool, None), enlarged(times[:used], 2 * pool, None)
        return state._replace(places=hashing.room(state.places, reads), successor=successor, times=times)
