"""Recency: the newest articles (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.chain import Chain, chain, put_before, take_out
from newsreplay.kernels.compiling import kernel
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Compiled, Sizes


class RecencyState(NamedTuple):
    """Known articles, newest first; of those published at one instant, the most recently read first."""

    chain: Chain
    known_at: Column  #: int64[articles], ms
    instant: Column  #: int32[articles], the first code published at the same instant
    front: Column  #: int32[articles], by `instant`: which of them stands first
    known: Column  #: int64[1], number of known articles


@kernel
def learn(state: Any, event: Any) -> None:
    """Put a new article first; move a read one to the front of its instant."""
    item = event.item
    if item >= state.known[0]:
        state.known[0] = item + 1
        state.known_at[item] = event.time
        same = item > 0 and state.known_at[item - 1] == event.time
        state.instant[item] = state.instant[item - 1] if same else item
        put_before(state.chain, item, state.chain.first[0])
        state.front[state.instant[item]] = item
    elif event.kind >= READ:
        instant = state.instant[item]
        front = state.front[instant]
        if front != item:
            take_out(state.chain, item)
            put_before(state.chain, item, front)
            state.front[instant] = item


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The newest articles but the current one."""
    place = 0
    item = state.chain.first[0]
    while item >= 0 and place < slate.size:
        if item != request.exclude:
            slate[place] = item
            place += 1
        item = state.chain.after[item]


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The publication time, ms since the epoch."""
    for i in range(out.size):
        out[i] = state.known_at[request.pool[i]]


class Recency(Compiled[RecencyState]):
    """The most recently published articles; an article's publication time is when it became known."""

    learn = learn
    recommend = recommend
    score = score
    extends = True

    def state(self, sizes: Sizes, key: np.uint64) -> RecencyState:
        """See `Compiled.state`."""
        n = sizes.articles
        return RecencyState(
            chain(n), np.zeros(n, np.int64), np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(1, np.int64)
        )
