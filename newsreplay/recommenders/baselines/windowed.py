"""Scores that weigh a read by its age: the shared kernels of popularity and trend.

A score is the sum over an article's reads of a weight that depends on the read's age only, through bins:
bin b holds the reads whose age reached `edge[b - 1]` but not yet `edge[b]`; past the last edge a read
counts nothing. So a read changes its article's score when it happens and each time it crosses an edge, and
at no other moment.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.kernels.topk import UNRANKED, Top, best, raise_key, top
from newsreplay.log.growing import ring_with_room
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Sizes


class WindowedState(NamedTuple):
    """Scores of the articles read in the window, and the reads that will still change them."""

    entry: int  #: weight of a read in the first bin
    unread: float  #: what an article without a read in the window scores in a pool
    edge: Column  #: int64[bins], ms
    step: Column  #: int64[bins], what crossing an edge adds to the score
    read_time: Column  #: int64[capacity, a power of two], ms: the reads of the window, as a ring
    read_item: Column  #: int32[capacity]
    ends: Column  #: int64[1 + bins]: reads so far; then per edge, how many have crossed it
    reads: Column  #: int32[articles], reads in the window
    top: Top


def windowed(sizes: Sizes, weights: list[int], edges: list[int], unread: float) -> WindowedState:
    """Empty scores: a read weighs `weights[b]` between `edges[b - 1]` and `edges[b]` (ms).

    With one weight and no edge, reads count for ever. A candidate without any scores `unread`.
    """
    after = [*weights[1:], 0]
    steps = [later - earlier for earlier, later in zip(weights, after, strict=True)][: len(edges)]
    return WindowedState(
        weights[0],
        unread,
        np.array(edges, np.int64),
        np.array(steps, np.int64),
        np.empty(1, np.int64),
        np.empty(1, np.int32),
        np.zeros(1 + len(edges), np.int64),
        np.zeros(sizes.articles, np.int32),
        top(sizes.articles, sizes.k),
    )


def room(state: WindowedState, reads: int) -> WindowedState:
    """The state with room for `reads` more reads in the ring."""
    if not state.edge.size:
        return state
    begin, end = int(state.ends[-1]), int(state.ends[0])
    return state._replace(
        read_time=ring_with_room(state.read_time, begin, end, reads),
        read_item=ring_with_room(state.read_item, begin, end, reads),
    )


@kernel
def advance(state: Any, now: int) -> None:
    """Let every read cross the edges that its age has reached."""
    mask = state.read_time.size - 1
    last = state.edge.size - 1
    for edge in range(state.edge.size):
        step = state.step[edge] << 32
        number = state.ends[1 + edge]
        while number < state.ends[0] and now - state.read_time[number & mask] >= state.edge[edge]:
            item = int64(state.read_item[number & mask])
            if edge < last:
                state.top.key[item] += step
            else:
                state.reads[item] -= 1
                if state.reads[item] == 0:
                    state.top.key[item] = UNRANKED
                else:
                    raise_key(state.top, item, state.top.key[item] + step)
            number += 1
        state.ends[1 + edge] = number


@kernel
def learn(state: Any, event: Any) -> None:
    """Count a read."""
    if event.kind < READ:
        return
    advance(state, event.time)
    item = event.item
    score = int64(0)
    if state.reads[item] > 0:
        score = state.top.key[item] >> 32
    raise_key(state.top, item, ((score + state.entry) << 32) | event.row)
    state.reads[item] += 1
    if state.edge.size > 0:
        slot = state.ends[0] & (state.read_time.size - 1)
        state.read_time[slot] = event.time
        state.read_item[slot] = item
        state.ends[0] += 1


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles with the highest scores in the window that ends now."""
    advance(state, request.time)
    best(state.top, request.exclude, slate)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The scores in the window that ends now."""
    advance(state, request.time)
    for i in range(out.size):
        item = request.pool[i]
        out[i] = state.top.key[item] >> 32 if state.reads[item] > 0 else state.unread
