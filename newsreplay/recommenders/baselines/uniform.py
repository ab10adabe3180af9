"""Uniform choices: random among known articles (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.kernels.mixing import draw, sample, unit
from newsreplay.log.rows import HOUR, Column
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.spec import whole

FOREVER = np.int64(2**62)  #: ms; no log is that long


class UniformState(NamedTuple):
    """When articles became known, and where the window over them begins."""

    key: np.uint64
    window: np.int64  #: ms
    known_at: Column  #: int64[articles], ms
    ends: Column  #: int64[2]: first code in the window, number of known articles
    moved: Column  #: int64[2, k], see `sample`


@kernel
def learn(state: Any, event: Any) -> None:
    """Note when an article became known."""
    if event.item >= state.ends[1]:
        state.known_at[event.item] = event.time
        state.ends[1] = event.item + 1


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """Draw from the articles published in (t - window, t], the current one excepted."""
    first, end = state.ends[0], state.ends[1]
    while first < end and state.known_at[first] <= request.time - state.window:
        first += 1
    state.ends[0] = first
    out = request.exclude
    inside = first <= out and out < end  # an impression may be the first row with its article
    count = sample(state.key, request.row, end - first - int64(inside), slate, state.moved)
    for place in range(count):
        item = first + slate[place]
        if inside and item >= out:
            item += 1
        slate[place] = item


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """A random number in [0, 1) for every candidate published in (t - window, t]; -inf for others."""
    for i in range(out.size):
        if state.known_at[request.pool[i]] > request.time - state.window:
            out[i] = unit(draw(state.key, request.row, i))
        else:
            out[i] = -np.inf


class Uniform(Compiled[UniformState]):
    """Random articles: all known ones, or those published in the last `hours` hours."""

    learn = learn
    recommend = recommend
    score = score
    extends = True
    uses_pool_order = True  # a candidate's chance is that of its place

    def __init__(self, hours: int | None = None):
        self.hours = None if hours is None else whole("hours", hours, at_least=1)

    def state(self, sizes: Sizes, key: np.uint64) -> UniformState:
        """See `Compiled.state`."""
        return UniformState(
            key,
            FOREVER if self.hours is None else np.int64(self.hours * HOUR),
            np.zeros(sizes.articles, np.int64),
            np.zeros(2, np.int64),
            np.zeros((2, sizes.k), np.int64),
        )
