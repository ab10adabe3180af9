"""Another recommender's slates, made to hold more categories (MMR), or those that a reader reads (calibrated)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import READ, Column
from newsreplay.recommenders.base import Sizes
from newsreplay.recommenders.reranking import GivenAnswers, Reranker, Reranking, given, next_scores, next_slate
from newsreplay.spec import number, whole

SMOOTHING = 0.01  #: share of the wanted distribution in the offered one, so that none of its terms is infinite


class MMRState(NamedTuple):
    """What the part answered, and the categories of articles."""

    given: GivenAnswers
    relevance: float
    category: Column  #: int32[articles], -1 = none yet
    offered: Column  #: int32[categories], in the slate at hand; zeros between slates
    taken: Column  #: bool[depth], scratch


class CalibratedState(NamedTuple):
    """What the part answered, the categories of articles, and those that readers read."""

    given: GivenAnswers
    calibration: float
    category: Column  #: int32[articles], -1 = none yet
    read: Column  #: int32[users, history], categories of the newest reads, in a ring
    reads: Column  #: int64[users], of articles with a category
    wanted: Column  #: int32[categories], of the reader at hand; zeros between slates
    offered: Column  #: int32[categories], in the slate at hand; zeros between slates
    taken: Column  #: bool[depth], scratch


@kernel
def _relevance(rank: int, depth: int) -> float:
    """What an article's rank in the part's slate is worth: 1, 1 - 1 / depth …"""
    return 1.0 - rank / depth


@kernel
def _begin(listed: Any, taken: Any) -> int:
    """How many articles are listed, none of which is taken."""
    count = int64(0)
    while count < listed.size and listed[count] >= 0:
        taken[count] = False
        count += 1
    return count


@kernel
def _clear(offered: Any, category: Any, slate: Any) -> None:
    for place in range(slate.size):
        if slate[place] >= 0 and category[slate[place]] >= 0:
            offered[category[slate[place]]] = 0


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The part's scores as they are: a pool has no places to be filled."""
    begin = next_scores(state.given, int64(out.size))
    for i in range(out.size):
        out[i] = state.given.ranked[begin + i]


@kernel
def learn_categories(state: Any, event: Any) -> None:
    """Note what an article is about."""
    if event.item >= 0 and event.category >= 0:
        state.category[event.item] = event.category


@kernel
def recommend_mmr(state: Any, request: Any, slate: Any) -> None:
    """Place by place the article whose relevance, less its likeness to what the slate has, is largest."""
    listed = state.given.listed[next_slate(state.given)]
    count = _begin(listed, state.taken)
    for place in range(min(count, slate.size)):
        best, most = int64(-1), -np.inf
        for rank in range(count):
            if state.taken[rank]:
                continue
            category = int64(state.category[listed[rank]])
            alike = 1.0 if category >= 0 and state.offered[category] > 0 else 0.0
            value = state.relevance * _relevance(rank, listed.size) - (1.0 - state.relevance) * alike
            if value > most:
                best, most = int64(rank), value
        state.taken[best] = True
        slate[place] = listed[best]
        category = int64(state.category[listed[best]])
        if category >= 0:
            state.offered[category] += 1
    _clear(state.offered, state.category, slate)


@kernel
def learn_readers(state: Any, event: Any) -> None:
    """Note what an article is about, and what its reader reads."""
    if event.item < 0:
        return
    if event.category >= 0:
        state.category[event.item] = event.category
    category = int64(state.category[event.item])
    if event.kind >= READ and event.user >= 0 and category >= 0:
        state.read[event.user, state.reads[event.user] % state.read.shape[1]] = category
        state.reads[event.user] += 1


@kernel
def _distance(state: Any, read: Any, known: int, added: int, offered: int) -> float:
    """KL(wanted | offered) if an article of category `added` joined the `offered` ones; -1 = of none.

    `read` are the reader's categories, each so often as it was read: a term a read, divided by how many there are.
    """
    total = offered + (1 if added >= 0 else 0)
    distance = 0.0
    for place in range(known):
        category = int64(read[place])
        wanted = state.wanted[category] / known
        here = state.offered[category] + (1 if category == added else 0)
        share = here / total if total > 0 else 0.0
        distance += math.log(wanted / ((1.0 - SMOOTHING) * share + SMOOTHING * wanted)) / known
    return distance


@kernel
def recommend_calibrated(state: Any, request: Any, slate: Any) -> None:
    """Place by place the article that makes the slate's relevance, less its distance from the reader, largest."""
    listed = state.given.listed[next_slate(state.given)]
    count = _begin(listed, state.taken)
    known = int64(0)
    if request.user >= 0:
        known = min(int64(state.reads[request.user]), int64(state.read.shape[1]))
    read = state.read[max(int64(request.user), int64(0))]
    for place in range(known):
        state.wanted[read[place]] += 1
    offered = int64(0)
    for place in range(min(count, slate.size)):
        best, most = int64(-1), -np.inf
        for rank in range(count):
            if state.taken[rank]:
                continue
            category = int64(state.category[listed[rank]])
            value = (1.0 - state.calibration) * _relevance(rank, listed.size)
            if known > 0:
                value -= state.calibration * _distance(state, read, known, category, offered)
            if value > most:
                best, most = int64(rank), value
        state.taken[best] = True
        slate[place] = listed[best]
        category = int64(state.category[listed[best]])
        if category >= 0:
            state.offered[category] += 1
            offered += 1
    for place in range(known):
        state.wanted[read[place]] = 0
    _clear(state.offered, state.category, slate)


class MMRRanker(Reranker):
    """What `MMR` ranks anew by."""

    learn = learn_categories
    recommend = recommend_mmr
    score = score

    def __init__(self, relevance: float, deep: int):
        self.relevance, self.deep = relevance, deep

    def state(self, sizes: Sizes, key: np.uint64) -> MMRState:
        """See `Compiled.state`."""
        return MMRState(
            given(*self.answers[:2]),
            self.relevance,
            np.full(sizes.articles, -1, np.int32),
            np.zeros(sizes.categories, np.int32),
            np.empty(max(sizes.k, self.deep), np.bool_),
        )


class CalibratedRanker(Reranker):
    """What `Calibrated` ranks anew by."""

    learn = learn_readers
    recommend = recommend_calibrated
    score = score

    def __init__(self, calibration: float, history: int, deep: int):
        self.calibration, self.history, self.deep = calibration, history, deep

    def state(self, sizes: Sizes, key: np.uint64) -> CalibratedState:
        """See `Compiled.state`."""
        return CalibratedState(
            given(*self.answers[:2]),
            self.calibration,
            np.full(sizes.articles, -1, np.int32),
            np.zeros((max(sizes.users, 1), self.history), np.int32),
            np.zeros(max(sizes.users, 1), np.int64),
            np.zeros(sizes.categories, np.int32),
            np.zeros(sizes.categories, np.int32),
            np.empty(max(sizes.k, self.deep), np.bool_),
        )


class MMR(Reranking):
    """Another recommender's slates with more categories: maximal marginal relevance (Carbonell & Goldstein 1998).

    `mmr(nrms, relevance=.7)`. The slate is filled place by place with the article of the part's first `depth` (k, if
    that is more) for which

        relevance · r - (1 - relevance) · max over the slate's articles of their likeness

    is largest, in the part's order where equal. r is 1 for the part's first article, 1 - 1 / depth for the next …, as
    ranks are all that slates tell; two articles are alike (1) if both are known to be of the same category, else not
    (0). In pools scores are the part's.
    """

    def __init__(self, recommender: str, /, *, relevance: float = 0.7, depth: int = 50):
        super().__init__(recommender, whole("depth", depth, at_least=1))
        self.relevance = number("relevance", relevance, at_least=0, at_most=1)

    def reranker(self) -> MMRRanker:
        """See `Reranking.reranker`."""
        return MMRRanker(self.relevance, self.deep)


class Calibrated(Reranking):
    """Another recommender's slates in the proportions of what the reader reads (Steck 2018, RecSys, section 3).

    `calibrated(nrms, calibration=.5)`. The slate is filled place by place with the article of the part's first `depth`
    (k, if that is more) that makes

        (1 - calibration) · Σ r - calibration · Σ over categories g of p(g) log(p(g) / (.99 q(g) + .01 p(g)))

    largest, in the part's order where equal: p are the shares of categories in the reader's newest `history` reads, q
    those in the slate, each of articles whose category is known. r is 1 for the part's first article, 1 - 1 / depth for
    the next …, as ranks are all that slates tell. A reader without such reads gets the part's slate. In pools scores
    are the part's.
    """

    def __init__(self, recommender: str, /, *, calibration: float = 0.5, history: int = 20, depth: int = 50):
        super().__init__(recommender, whole("depth", depth, at_least=1))
        self.calibration = number("calibration", calibration, at_least=0, at_most=1)
        self.history = whole("history", history, at_least=1)

    def reranker(self) -> CalibratedRanker:
        """See `Reranking.reranker`."""
        return CalibratedRanker(self.calibration, self.history, self.deep)
