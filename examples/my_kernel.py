"""`SameSection` of my_recommender.py once more, compiled: the same answers, many times as fast.

newsreplay run --recommenders "examples/my_kernel.py:SameSection(size=50),examples/my_recommender.py:SameSection"
"""

from typing import NamedTuple

import numpy as np

from newsreplay import READ
from newsreplay.kernels.compiling import kernel
from newsreplay.recommenders.base import Compiled


class SectionState(NamedTuple):
    latest: np.ndarray  #: int32[sections + 1, size], what each section read last; the last one is of no section
    reads: np.ndarray  #: int64[sections + 1]


@kernel
def learn(state, event):
    if event.kind >= READ:
        ring = state.latest[event.category]
        ring[state.reads[event.category] % ring.size] = event.item
        state.reads[event.category] += 1


@kernel
def stands_in(slate, item):
    found = False
    for place in range(slate.size):  # (slate == item).any() would make an array: kernels allocate nothing
        found = found or slate[place] == item
    return found


@kernel
def recommend(state, request, slate):
    ring, read = state.latest[request.category], state.reads[request.category]
    place = 0
    for back in range(1, min(read, ring.size) + 1):
        item = ring[(read - back) % ring.size]
        if place < slate.size and item != request.item and not stands_in(slate, item):
            slate[place] = item
            place += 1


class SameSection(Compiled):
    learn = learn
    recommend = recommend

    def __init__(self, size=100):
        self.size = size

    def state(self, sizes, key):
        return SectionState(
            np.zeros((sizes.categories + 1, self.size), np.int32), np.zeros(sizes.categories + 1, np.int64)
        )
