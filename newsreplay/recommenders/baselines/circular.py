"""The circular buffer of NewsREEL (Lommatzsch 2014; Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.chain import Chain, chain, put_before, take_out
from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.spec import whole


class CircularState(NamedTuple):
    """Articles by their last read; those last read within the newest `size` reads are in the buffer."""

    size: int
    chain: Chain  #: most recently read first
    read_at: Column  #: int64[articles], number of the article's last read, from 1; 0 = never read
    reads: Column  #: int64[1]


@kernel
def learn(state: Any, event: Any) -> None:
    """Write the article of a read into the buffer."""
    if event.kind < READ:
        return
    item = event.item
    if state.chain.first[0] != item:
        if state.read_at[item] > 0:
            take_out(state.chain, item)
        put_before(state.chain, item, state.chain.first[0])
    state.reads[0] += 1
    state.read_at[item] = state.reads[0]


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """Walk the buffer back from the newest read, each article once."""
    place = 0
    item = state.chain.first[0]
    while item >= 0 and place < slate.size and state.read_at[item] > state.reads[0] - state.size:
        if item != request.exclude:
            slate[place] = item
            place += 1
        item = state.chain.after[item]


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The place in the buffer, from 1 = oldest; -inf outside."""
    gone = state.reads[0] - state.size
    for i in range(out.size):
        place = state.read_at[request.pool[i]] - max(gone, int64(0))
        out[i] = place if place > 0 else -np.inf


class Circular(Compiled[CircularState]):
    """The articles of the last `size` reads, newest first.

    What counts is not how often an article stands in the buffer but where it stands last, so the buffer is
    kept as a chain of distinct articles: the same answers at a cost that does not grow with `size`.
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True

    def __init__(self, size: int = 100):
        self.size = whole("size", size, at_least=1)

    def state(self, sizes: Sizes, key: np.uint64) -> CircularState:
        """See `Compiled.state`."""
        return CircularState(
            self.size, chain(sizes.articles), np.zeros(sizes.articles, np.int64), np.zeros(1, np.int64)
        )
