"""Content: articles of the current article's category (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.kernels.mixing import sample
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Compiled, Sizes


class ContentState(NamedTuple):
    """The articles of each category in the order in which they became known, and what sessions read last."""

    key: np.uint64
    members: Column  #: int32[pool], the categories' lists, each in a stretch of its own
    start: Column  #: int64[categories], where its stretch begins
    size: Column  #: int64[categories]
    room: Column  #: int64[categories], length of its stretch
    used: Column  #: int64[1], how much of the pool is taken
    place: Column  #: int32[articles], 1 + position in its category's list; 0 = in none
    moved: Column  #: int64[2, k], see `sample`
    category: Column  #: int32[articles], -1 = none yet
    latest: Column  #: int32[sessions], 1 + the article a session read last; 0 = none yet


@kernel
def learn(state: Any, event: Any) -> None:
    """Enter an article into its category when that becomes known; note what the session reads."""
    if event.kind == READ:  # reads from before the log are in no session
        state.latest[event.session] = event.item + 1
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
    state.category[event.item] = category


@kernel
def _in_view(state: Any, request: Any) -> tuple[int, int]:
    """The article on screen, or the session's last read if there is none, and its category; -1 = none."""
    item, category = request.item, request.category
    if item < 0:
        item = int64(state.latest[request.session]) - 1
        category = int64(state.category[item]) if item >= 0 else int64(-1)
    return item, category


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """Draw from the known articles of the category in view; the article on screen is left out, if it is to be."""
    item, category = _in_view(state, request)
    if category < 0:
        return
    # An article on screen that is not listed yet has its category from the request, which is not learned.
    start, itself = state.start[category], int64(-1)
    if item == request.exclude:
        itself = int64(state.place[item]) - 1
    listed = int64(itself >= 0)
    count = sample(state.key, request.row, state.size[category] - listed, slate, state.moved)
    for place in range(count):
        chosen = slate[place]
        if listed and chosen >= itself:
            chosen += 1
        slate[place] = state.members[start + chosen]


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """1 in the category of the article on screen, or of the session's last read if there is none; else 0."""
    item, category = _in_view(state, request)
    for i in range(out.size):
        candidate = request.pool[i]
        # The request itself may be the first row with the category of its article.
        same = state.category[candidate] == category or candidate == item
        out[i] = 1.0 if category >= 0 and same else 0.0


class Content(Compiled[ContentState]):
    """Random articles of the current article's category; no answer without a category.

    Without a current article it is that of the session's last read.
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True

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
            np.full(n, -1, np.int32),
            np.zeros(sizes.sessions, np.int32),
        )
