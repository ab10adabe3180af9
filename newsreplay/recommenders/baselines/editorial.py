"""The order of the newsroom: articles as the latest impressions listed them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.chain import Chain, chain, put_before, take_out
from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import IMPRESSION, Column
from newsreplay.recommenders.base import Compiled, Sizes


class EditorialState(NamedTuple):
    """Articles by the last list that held them: the latest list first, each in its order."""

    chain: Chain
    stamp: Column  #: int64[articles], the higher, the further in front; 0 = never listed
    stamps: Column  #: int64[1], how many were given


@kernel
def learn(state: Any, event: Any) -> None:
    """Put what an impression lists in front of all that was listed before."""
    if event.kind != IMPRESSION:
        return
    for place in range(len(event.pool) - 1, -1, -1):
        item = int64(event.pool[place])
        if state.chain.first[0] != item:
            if state.stamp[item] > 0:
                take_out(state.chain, item)
            put_before(state.chain, item, state.chain.first[0])
        state.stamps[0] += 1
        state.stamp[item] = state.stamps[0]


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles from the front on, without the current one."""
    place = 0
    item = state.chain.first[0]
    while item >= 0 and place < slate.size:
        if item != request.exclude:
            slate[place] = item
            place += 1
        item = state.chain.after[item]


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The further in front, the higher; -inf for what no list has held yet."""
    for i in range(out.size):
        stamp = state.stamp[request.pool[i]]
        out[i] = stamp if stamp > 0 else -np.inf


class Editorial(Compiled[EditorialState]):
    """The articles of the latest impression in its order, then those of the one before, and so on.

    Whoever they were shown to; each article once, at its latest place. Of a log without impressions, or whose pools
    are in no order (`newsreplay data describe` tells of pseudo-impressions), this is no editor's order. Unlike
    `logged` it does not know the list that a request itself comes with.
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True
    uses_pool_order = True

    def state(self, sizes: Sizes, key: np.uint64) -> EditorialState:
        """See `Compiled.state`."""
        return EditorialState(chain(sizes.articles), np.zeros(sizes.articles, np.int64), np.zeros(1, np.int64))
