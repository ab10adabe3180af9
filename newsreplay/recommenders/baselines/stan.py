"""STAN: session neighbours with three exponential decays (Garg et al. 2019, section 3)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import HOUR, Column
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import neighbours, session_index
from newsreplay.recommenders.baselines.neighbours import COMMON, SIMILARITY, Neighbours
from newsreplay.recommenders.baselines.options import IndexOptions, positive, yes_or_no
from newsreplay.recommenders.baselines.session_index import SessionIndex
from newsreplay.spec import whole

FINE = float(1 << 30)  #: similarities are rounded to multiples of 2^-30 …
COARSE = float(1 << 16)  #: … and the weights of a neighbour's articles to 2^-16: sums and ties are exact


class StanState(NamedTuple):
    """The index of sessions, and the decays."""

    sessions: SessionIndex
    near: Neighbours
    neighbours: int  #: how many of the nearest sessions count
    repeats: bool  #: whether articles that the session has read may be recommended
    lambda2: float  #: ms
    position: Column  #: int64[length], exp(-steps back / lambda1), times 2^30
    distance: Column  #: int64[length], exp(-steps / lambda3), times 2^16


@kernel
def _liken(state: Any, now: int, count: int, slot: int) -> None:
    """Make a sum of weights a similarity: by the lengths of both sessions, and by how long ago the other was read."""
    index, near = state.sessions, state.near
    shared = near.tally[slot, SIMILARITY] / math.sqrt(float(count * index.size[slot]))
    age = math.exp(-float(now - index.latest[slot]) / state.lambda2)
    near.tally[slot, SIMILARITY] = int64(np.rint(shared * age))


@routine
def _search(state: Any, request: Any) -> int:
    """Score what the nearest sessions hold; returns how many articles have a score."""
    index, near = state.sessions, state.near
    session_index.advance(index, request.time)
    count = neighbours.evolving(index, near, request)
    for back in range(count):
        near.weight[back] = state.position[back]
    met = neighbours.sample(index, near, request.session, count, int64(near.met.size))
    for i in range(met):
        _liken(state, request.time, count, near.met[i])
    seen = int64(0)
    for i in range(neighbours.nearest(near, met, state.neighbours)):
        slot = near.met[i]
        similarity, common = near.tally[slot, SIMILARITY], near.own[near.tally[slot, COMMON]]
        middle = int64(0)
        while index.articles[slot, middle] != common:
            middle += 1
        for place in range(index.size[slot]):
            weight = similarity * state.distance[abs(place - middle)]
            seen = neighbours.add(near, int64(index.articles[slot, place]), weight, seen)
    if not state.repeats:
        neighbours.leave_out(near, count)
    return seen


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles with the highest scores, the more recently read among equals."""
    seen = _search(state, request)
    filled = int64(0)
    for i in range(seen):
        item = state.near.seen[i]
        value = state.near.score[item] / (FINE * COARSE)
        state.near.score[item] = 0
        if value > 0.0 and item != request.exclude:
            filled = neighbours.rank(state.sessions, state.near, slate, filled, item, value)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The scores; 0 for what no neighbour holds."""
    seen = _search(state, request)
    for i in range(out.size):
        out[i] = state.near.score[request.pool[i]] / (FINE * COARSE)
    neighbours.clear(state.near, seen)


class STAN(Compiled[StanState]):
    """What similar sessions read, three exponential decays weighing positions, ages and distances.

    A session weighs exp(-steps back / lambda1) for each of its articles that another shares, by the root of both
    lengths and exp(-hours since the other's last read / lambda2); an article of a neighbour exp(-steps from the most
    recent shared article / lambda3).
    """

    learn = neighbours.learn
    recommend = recommend
    score = score
    extends = True

    def __init__(
        self,
        neighbours: int = 100,
        sample: int = 500,
        hours: int = 48,
        lambda1: float = 2.0,
        lambda2: float = 24.0,
        lambda3: float = 2.0,
        repeats: bool = False,
        length: int = 16,
    ):
        self.options = IndexOptions.of(sample, hours, length)
        self.neighbours = whole("neighbours", neighbours, at_least=1)
        self.lambda1, self.lambda2, self.lambda3 = (
            positive(name, value) for name, value in (("lambda1", lambda1), ("lambda2", lambda2), ("lambda3", lambda3))
        )
        self.repeats = yes_or_no("repeats", repeats)

    def state(self, sizes: Sizes, key: np.uint64) -> StanState:
        """See `Compiled.state`."""
        steps = range(self.options.length)
        return StanState(
            self.options.empty_index(sizes),
            self.options.scratch(sizes),
            self.neighbours,
            self.repeats,
            self.lambda2 * HOUR,
            np.array([round(FINE * math.exp(-back / self.lambda1)) for back in steps], np.int64),
            np.array([round(COARSE * math.exp(-step / self.lambda3)) for step in steps], np.int64),
        )

    def room(self, state: StanState, reads: int) -> StanState:
        """See `Compiled.room`."""
        index, near = neighbours.with_room(state.sessions, state.near, reads)
        return state._replace(sessions=index, near=near)
