"""Content: articles of the current article's category (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.uniform import sample
from newsreplay.simulator.kernels import kernel
from newsreplay.simulator.log import Column


class ContentState(NamedTuple):
    """The articles of each category in the order in which they became known."""

    key: np.uint64
    members: Column  #: int32[pool], the categories' lists, each in a stretch of its own
    start: Column  #: int64[categories], where its stretch begins
    size: Column  #: int64[categories]
    room: Column  #: int64[categories], length of its stretch
    used: Column  #: int64[1], how much of the pool is taken
    place: Column  #: int32[articles], 1 + position in its category's list; 0 = in none
    moved: Column  #: int64[2, k], see `sample`


@kernel
def learn(state: Any, event: Any) -> None:
    """Enter an article into its category when that becomes known."""
    category = event.category
    if category < 0 or state.place[event.item] > 0:
        return
    size = state.size[category]
    if size == state.room[category]:
        start, room = state.start[category], max(np.int64(4), 2 * size)
        state.start[category] = state.used[0]
        state.room[category] = room
        for i in range(size):
            state.members[state.used[0] + i] = state.members[start + i]
        state.used[0] += room
    state.members[state.start[category] + size] = event.item
    state.size[category] = size + 1
    state.place[event.item] = size + 1


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """Draw from the known articles of the current article's category, itself excepted."""
    category = request.category
    if category < 0:
        return
    start, itself = state.start[category], state.place[request.item] - 1
    count = sample(state.key, request.row, state.size[category] - 1, slate, state.moved)
    for place in range(count):
        chosen = slate[place]
        if chosen >= itself:
            chosen += 1
        slate[place] = state.members[start + chosen]


class Content(Compiled):
    """Random articles of the current article's category; no answer without a category."""

    learn = learn
    recommend = recommend

    def state(self, sizes: Sizes, key: np.uint64) -> ContentState:
        """See `Compiled.state`."""
        n, categories = sizes.articles, max(1, sizes.categories)
        return ContentState(
            key,
            # Stretches double from 4, so together they take less than 4 places an article and 4 a category.
            np.empty(4 * (n + categories), np.int32),
            np.zeros(categories, np.int64),
            np.zeros(categories, np.int64),
            np.zeros(categories, np.int64),
            np.zeros(1, np.int64),
            np.zeros(n, np.int32),
            np.zeros((2, sizes.k), np.int64),
        )
