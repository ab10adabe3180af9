"""Reading sequences: what readers read next (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.recommenders import table as hashing
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.table import Table, find, put
from newsreplay.simulator.kernels import kernel
from newsreplay.simulator.log import READ, Column


class SequencesState(NamedTuple):
    """For every article its successors and how often each was read next, most frequent first."""

    latest: Column  #: int32[sessions], 1 + the article a session read last; 0 = none yet
    read_row: Column  #: int64[articles], row of the last read
    places: Table  #: (article, successor) → position among the article's successors
    successor: Column  #: int32[pool], the articles' lists, each in a stretch of its own
    count: Column  #: int32[pool]
    start: Column  #: int64[articles], where an article's stretch begins
    size: Column  #: int32[articles], number of successors
    used: Column  #: int64[1], how much of the pool is taken


@kernel
def _pair(item: int, successor: int) -> np.uint64:
    return (np.uint64(item) << np.uint64(32)) | np.uint64(successor + 1)


@kernel
def learn(state: Any, event: Any) -> None:
    """Count the step from the article the session read before."""
    if event.kind != READ:
        return
    before = np.int64(state.latest[event.session]) - 1
    state.latest[event.session] = event.item + 1
    state.read_row[event.item] = event.row
    if before < 0 or before == event.item:
        return
    pair = _pair(before, event.item)
    at = find(state.places, pair)
    if state.places.key[at] != pair:
        put(state.places, at, pair, _append(state, before, event.item))
    else:
        _count(state, before, at)


@kernel
def _append(state: Any, item: int, successor: int) -> int:
    """A new successor goes last; stretches double when they are full."""
    size = np.int64(state.size[item])
    if size & (size - 1) == 0:  # 0, 1, 2, 4, 8 …: the sizes at which a stretch is full
        start = state.start[item]
        state.start[item] = state.used[0]
        for i in range(size):
            state.successor[state.used[0] + i] = state.successor[start + i]
            state.count[state.used[0] + i] = state.count[start + i]
        state.used[0] += max(np.int64(1), 2 * size)
    place = state.start[item] + size
    state.successor[place] = successor
    state.count[place] = 1
    state.size[item] = size + 1
    return size


@kernel
def _count(state: Any, item: int, at: int) -> None:
    """Count a known step: the successor changes places with the first of those that were equally frequent."""
    start = state.start[item]
    place = np.int64(state.places.value[at])
    count = state.count[start + place]
    low, high = np.int64(0), place
    while low < high:
        middle = (low + high) >> 1
        if state.count[start + middle] > count:
            low = middle + 1
        else:
            high = middle
    if low < place:
        other = state.successor[start + low]
        state.successor[start + place] = other
        state.successor[start + low] = state.places.key[at] - np.uint64(1) & np.uint64(0xFFFFFFFF)
        state.places.value[find(state.places, _pair(item, other))] = place
        state.places.value[at] = low
    state.count[start + low] = count + 1


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The most frequent successors; among equally frequent ones the most recently read first."""
    start, size = state.start[request.item], np.int64(state.size[request.item])
    filled = np.int64(0)
    i = np.int64(0)
    while i < size and filled < slate.size:
        run, count = filled, state.count[start + i]
        while i < size and state.count[start + i] == count:
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


class Sequences(Compiled):
    """The articles most often read directly after the current one, within a session.

    A session that reloads its article makes no step.
    """

    learn = learn
    recommend = recommend

    def state(self, sizes: Sizes, key: np.uint64) -> SequencesState:
        """See `Compiled.state`."""
        return SequencesState(
            np.zeros(sizes.sessions, np.int32),
            np.zeros(sizes.articles, np.int64),
            hashing.table(),
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
        successor, count = state.successor, state.count
        if pool > successor.size:
            used = int(state.used[0])
            successor, count = np.empty(2 * pool, np.int32), np.empty(2 * pool, np.int32)
            successor[:used] = state.successor[:used]
            count[:used] = state.count[:used]
        return state._replace(places=hashing.room(state.places, reads), successor=successor, count=count)
