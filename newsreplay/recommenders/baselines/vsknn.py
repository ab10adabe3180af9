"""V-SkNN and VMIS-kNN: what the sessions most like this one read (Ludewig & Jannach 2018; Kersbergen et al. 2022)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import neighbours, session_index
from newsreplay.recommenders.baselines.neighbours import COMMON, SCALE, SIMILARITY, Neighbours, decay_table
from newsreplay.recommenders.baselines.options import IndexOptions, yes_or_no
from newsreplay.recommenders.baselines.session_index import LOG_SCALE, SessionIndex
from newsreplay.spec import whole


class VSkNNState(NamedTuple):
    """The index of sessions, and how neighbours are weighed."""

    sessions: SessionIndex
    near: Neighbours
    neighbours: int  #: how many of the nearest sessions count
    idf: bool  #: whether a score is multiplied by log(sessions / sessions that hold the article)
    repeats: bool  #: whether articles that the session has read may be recommended
    decay: Column  #: int64[length, length], see `decay_table`: of the articles of the evolving session
    match: Column  #: int64[length, length]: of a neighbour, by the most recent article that it shares


@routine
def _search(state: Any, request: Any) -> int:
    """Score what the nearest sessions hold; returns how many articles have a score."""
    index, near = state.sessions, state.near
    session_index.advance(index, request.time)
    count = neighbours.evolving(index, near, request)
    if count == 0:
        return 0
    for back in range(count):
        near.weight[back] = state.decay[count - 1, back]
    # Sessions that share the one article there is are equally near: the most recent ones are the nearest.
    limit = int64(min(state.neighbours, near.met.size)) if count == 1 else int64(near.met.size)
    met = neighbours.nearest(near, neighbours.sample(index, near, request.session, count, limit), state.neighbours)
    seen = int64(0)
    for i in range(met):
        slot = near.met[i]
        weight = near.tally[slot, SIMILARITY] * state.match[count - 1, near.tally[slot, COMMON]]
        for place in range(index.size[slot]):
            seen = neighbours.add(near, int64(index.articles[slot, place]), weight, seen)
    if not state.repeats:
        neighbours.leave_out(near, count)
    return seen


@kernel
def _value(state: Any, item: int) -> float:
    """The score of an article, in units of a neighbour that shares the last article alone."""
    value = float(state.near.score[item]) / (SCALE * SCALE)
    if state.idf and value > 0.0:
        index = state.sessions
        everybody = session_index.log_of(index.ends[1] - index.ends[0])
        value *= float(everybody - index.log_holders[item]) / LOG_SCALE
    return value


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles with the highest scores, the more recently read among equals."""
    seen = _search(state, request)
    filled = int64(0)
    for i in range(seen):
        item = state.near.seen[i]
        value = _value(state, item)
        state.near.score[item] = 0
        if value > 0.0 and item != request.exclude:
            filled = neighbours.rank(state.sessions, state.near, slate, filled, item, value)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The scores; 0 for what no neighbour holds."""
    seen = _search(state, request)
    for i in range(out.size):
        out[i] = _value(state, request.pool[i])
    neighbours.clear(state.near, seen)


class VSkNN(Compiled[VSkNNState]):
    """What the sessions most similar to this one read; similarity is of its latest articles above all.

    Of the `sample` sessions that read one of its articles last, the `neighbours` most similar count: each article that
    a session shares adds its weight (`decay`, by its place in this session), and each article of a neighbour scores
    the neighbour's similarity, times its `match` (by the place of the latest article shared) and, with `idf`,
    log(sessions / sessions that hold the article).
    """

    learn = neighbours.learn
    recommend = recommend
    score = score
    extends = True

    def __init__(
        self,
        neighbours: int = 100,
        sample: int = 1000,
        hours: int = 48,
        decay: str = "div",
        match: str = "div",
        idf: bool = False,
        repeats: bool = False,
        length: int = 16,
    ):
        self.options = IndexOptions.of(sample, hours, length)
        self.neighbours = whole("neighbours", neighbours, at_least=1)
        self.idf, self.repeats = yes_or_no("idf", idf), yes_or_no("repeats", repeats)
        self.decay, self.match = decay_table("decay", decay, length), decay_table("match", match, length)

    def state(self, sizes: Sizes, key: np.uint64) -> VSkNNState:
        """See `Compiled.state`."""
        return VSkNNState(
            self.options.empty_index(sizes),
            self.options.scratch(sizes),
            self.neighbours,
            self.idf,
            self.repeats,
            self.decay,
            self.match,
        )

    def room(self, state: VSkNNState, reads: int) -> VSkNNState:
        """See `Compiled.room`."""
        index, near = neighbours.with_room(state.sessions, state.near, reads)
        return state._replace(sessions=index, near=near)


class VMISkNN(VSkNN):
    """V-SkNN as VMIS-kNN scores it: neighbours by their latest match, articles by how few sessions hold them.

    Both walk the index of Kersbergen et al., lists of each article's most recent sessions, and stop early.
    """

    def __init__(
        self,
        neighbours: int = 100,
        sample: int = 500,
        hours: int = 48,
        decay: str = "linear",
        match: str = "linear",
        idf: bool = True,
        repeats: bool = False,
        length: int = 16,
    ):
        super().__init__(neighbours, sample, hours, decay, match, idf, repeats, length)
