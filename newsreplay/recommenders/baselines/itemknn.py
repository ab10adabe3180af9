"""Item-based nearest neighbours: the cosine of articles over recent sessions (Ludewig & Jannach 2018, section 3.2)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import neighbours, session_index
from newsreplay.recommenders.baselines.neighbours import Neighbours
from newsreplay.recommenders.baselines.options import IndexOptions, yes_or_no
from newsreplay.recommenders.baselines.session_index import SessionIndex
from newsreplay.spec import whole

HALVINGS = 16  #: of a session's weight while it is in the index, at most; sums stay below 2^63


class ItemKNNState(NamedTuple):
    """The index of sessions, whose weights halve."""

    sessions: SessionIndex
    near: Neighbours
    shrink: float  #: sessions of full weight by which a similarity is shrunk by half
    repeats: bool  #: whether articles that the session has read may be recommended


@routine
def _search(state: Any, request: Any) -> int:
    """Sum the weights of the sessions that hold an article and the one in view; returns how many articles those are."""
    index, near = state.sessions, state.near
    session_index.advance(index, request.time)
    count = neighbours.evolving(index, near, request)
    if count == 0:
        return 0
    seen = int64(0)
    for i in range(neighbours.sample(index, near, request.session, int64(1), int64(near.met.size))):
        slot = near.met[i]
        for place in range(index.size[slot]):
            seen = neighbours.add(near, int64(index.articles[slot, place]), index.weight[slot], seen)
    near.score[near.own[0]] = 0
    if not state.repeats:
        neighbours.leave_out(near, count)
    return seen


@kernel
def _value(state: Any, now: int, item: int) -> float:
    """The cosine of an article and the one in view, shrunk where few sessions hold both."""
    index, near = state.sessions, state.near
    if near.score[item] == 0:
        return 0.0
    both = float(near.score[item])
    cosine = both / math.sqrt(float(index.mass[item]) * float(index.mass[near.own[0]]))
    shrunk: float = cosine * (both / (both + state.shrink * float(session_index.weight_of(index, now))))
    return shrunk


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles most similar to the one in view, the more recently read among equals."""
    seen = _search(state, request)
    filled = int64(0)
    for i in range(seen):
        item = state.near.seen[i]
        value = _value(state, request.time, item)
        state.near.score[item] = 0
        if value > 0.0:
            filled = neighbours.rank(state.sessions, state.near, slate, filled, item, value)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The similarities; 0 for what no session read with the article in view."""
    seen = _search(state, request)
    for i in range(out.size):
        out[i] = _value(state, request.time, request.pool[i])
    neighbours.clear(state.near, seen)


class ItemKNN(Compiled[ItemKNNState]):
    """The articles most often read in the sessions that read the current one, for how often they are read at all.

    The similarity of two articles is the cosine of their sessions, where a session that began h hours ago weighs
    2^(-h / half_life); with weight w in common it is multiplied by w / (w + shrink). The sessions in common are those
    among the last `sample` that read the current article.
    """

    learn = neighbours.learn
    recommend = recommend
    score = score
    extends = True

    def __init__(
        self,
        sample: int = 1000,
        hours: int = 48,
        half_life: int = 12,
        shrink: int = 20,
        repeats: bool = False,
        length: int = 16,
    ):
        self.options = IndexOptions.of(sample, hours, length)
        self.half_life, self.shrink = (
            whole("half_life", half_life, at_least=1),
            whole("shrink", shrink, at_least=0),
        )
        if hours > HALVINGS * self.half_life:
            raise SpecError(
                f"hours must be at most {HALVINGS} times half_life, not {hours} with half_life={half_life}; "
                "what is older weighs next to nothing"
            )
        self.repeats = yes_or_no("repeats", repeats)

    def state(self, sizes: Sizes, key: np.uint64) -> ItemKNNState:
        """See `Compiled.state`."""
        return ItemKNNState(
            self.options.empty_index(sizes, self.half_life),
            self.options.scratch(sizes),
            float(self.shrink),
            self.repeats,
        )

    def room(self, state: ItemKNNState, reads: int) -> ItemKNNState:
        """See `Compiled.room`."""
        index, near = neighbours.with_room(state.sessions, state.near, reads)
        return state._replace(sessions=index, near=near)
