"""Association and sequential rules of size two, over recent sessions (Ludewig & Jannach 2018, section 3.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import neighbours, session_index
from newsreplay.recommenders.baselines.neighbours import SCALE, Neighbours
from newsreplay.recommenders.baselines.options import IndexOptions, yes_or_no
from newsreplay.recommenders.baselines.session_index import SessionIndex

DECAYS = ("div", "same")


class AssociationState(NamedTuple):
    """The index of sessions, and what a pair of articles weighs."""

    sessions: SessionIndex
    near: Neighbours
    ordered: bool  #: whether only articles after the one in view count
    repeats: bool  #: whether articles that the session has read may be recommended
    decay: Column  #: int64[length], the weight of a pair by its distance, in units of 1 / `SCALE`; 0 at distance 0


@routine
def _search(state: Any, request: Any) -> int:
    """Score what sessions read with the article in view; returns how many articles have a score."""
    index, near = state.sessions, state.near
    session_index.advance(index, request.time)
    count = neighbours.evolving(index, near, request)
    if count == 0:
        return 0
    view = near.own[0]
    seen = int64(0)
    for i in range(neighbours.sample(index, near, request.session, int64(1), int64(near.met.size))):
        slot = near.met[i]
        middle = int64(0)
        while index.articles[slot, middle] != view:
            middle += 1
        for place in range(middle + 1 if state.ordered else 0, index.size[slot]):
            if place != middle:
                weight = state.decay[abs(place - middle)]
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
        value = state.near.score[item] / float(SCALE)
        state.near.score[item] = 0
        if value > 0.0:
            filled = neighbours.rank(state.sessions, state.near, slate, filled, item, value)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The scores; 0 for what no session read with the article in view."""
    seen = _search(state, request)
    for i in range(out.size):
        out[i] = state.near.score[request.pool[i]] / float(SCALE)
    neighbours.clear(state.near, seen)


class Association(Compiled[AssociationState]):
    """The articles read after the current one in recent sessions, the sooner the better.

    Each of the last `sample` sessions that read the current article adds 1 / distance (`decay=div`) or 1 (`same`) to
    each article that it read later; with `ordered=false`, to those before as well. Sequential rules are the default,
    association rules `association(ordered=false, decay=same)`.
    """

    learn = neighbours.learn
    recommend = recommend
    score = score
    extends = True

    def __init__(
        self,
        sample: int = 1000,
        hours: int = 48,
        ordered: bool = True,
        decay: str = "div",
        repeats: bool = False,
        length: int = 16,
    ):
        self.options = IndexOptions.of(sample, hours, length)
        self.ordered, self.repeats = yes_or_no("ordered", ordered), yes_or_no("repeats", repeats)
        if decay not in DECAYS:
            raise SpecError(f"decay must be one of {', '.join(DECAYS)}, not {decay!r}")
        self.decay = decay

    def state(self, sizes: Sizes, key: np.uint64) -> AssociationState:
        """See `Compiled.state`."""
        distance = np.arange(self.options.length)
        weights = SCALE // np.maximum(distance, 1) if self.decay == "div" else np.full(distance.size, SCALE)
        return AssociationState(
            self.options.empty_index(sizes),
            self.options.scratch(sizes),
            self.ordered,
            self.repeats,
            np.where(distance > 0, weights, 0).astype(np.int64),
        )

    def room(self, state: AssociationState, reads: int) -> AssociationState:
        """See `Compiled.room`."""
        index, near = neighbours.with_room(state.sessions, state.near, reads)
        return state._replace(sessions=index, near=near)
