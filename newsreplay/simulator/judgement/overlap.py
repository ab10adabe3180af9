"""How much the slates of two recommenders overlap: rank-biased overlap, Jaccard, identical ones.

Rank-biased overlap (Webber, Moffat & Zobel 2010, "A similarity measure for indefinite rankings") is the mean agreement
of two lists, the share of their first d articles that they have in common, over depths d that a reader who goes on
with chance p at each place would reach. What lies below the end of a list is extrapolated (RBO_EXT, equation 32):
agreement stays as it is at the end. With p = 0.9 the first ten places have 86 % of the weight.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, kernel
from newsreplay.log.rows import Column

PERSISTENCE = 0.9  #: p


class Overlap(NamedTuple):
    """Means over the requests at which one of two recommenders offered something at least; NaN where there are none."""

    rbo: float  #: 0 = nothing in common, 1 = the same lists
    jaccard: float  #: distinct articles that both offered, over those that either did
    identical: float  #: share of requests with the same articles in the same order
    requests: int


class OverlapSums:
    """The overlap of some pairs of recommenders, added up stretch by stretch.

    `pairs` is int[pairs, 2], rows of the slates that `add` is handed.
    """

    def __init__(self, pairs: Column, p: float = PERSISTENCE):
        self.pairs = pairs
        self.p = p
        self._sums = np.zeros((len(pairs), 4))
        self._marks = np.zeros((2, 0), np.bool_)  # of the articles of the slates at hand; False between requests

    def add(self, slates: list[Column]) -> None:
        """Add a stretch: the slates of every recommender, int32[requests, k], distinct articles padded with -1."""
        articles = 1 + max((int(each.max(initial=-1)) for each in slates), default=-1)
        if articles > self._marks.shape[1]:
            self._marks = np.zeros((2, articles), np.bool_)
        powers = self.p ** np.arange(1.0 + max((each.shape[1] for each in slates), default=0))
        for pair, (a, b) in enumerate(self.pairs):
            _add(slates[a], slates[b], powers, self._marks[0], self._marks[1], self._sums[pair])

    def means(self) -> list[Overlap]:
        """One of every pair."""
        found = []
        for *sums, requests in self._sums.tolist():
            rbo, jaccard, identical = (total / requests if requests else math.nan for total in sums)
            found.append(Overlap(rbo, jaccard, identical, int(requests)))
        return found


@compiled
def _add(mine: Any, others: Any, powers: Any, in_mine: Any, in_others: Any, sums: Any) -> None:
    """Add RBO_EXT, Jaccard and identity of each row of slates, and how many rows are not empty on both sides."""
    for row in range(mine.shape[0]):
        a, b = mine[row], others[row]
        long_a, long_b = _length(a), _length(b)
        short, long = min(long_a, long_b), max(long_a, long_b)
        if long == 0:
            continue
        common, common_at_short, alike, rbo = 0, 0, 0, 0.0
        for place in range(long):
            depth = place + 1
            if place < short and a[place] == b[place]:
                common += 1
                alike += 1
            else:
                if place < long_a:
                    in_mine[a[place]] = True
                    common += in_others[a[place]]
                if place < long_b:
                    in_others[b[place]] = True
                    common += in_mine[b[place]]
            agreement = common / depth
            if depth <= short:
                common_at_short = common
            elif short > 0:  # the shorter list goes on as it agreed so far
                agreement += common_at_short * (depth - short) / (short * depth)
            rbo += (powers[place] - powers[depth]) * agreement
            if depth == long:
                rbo += powers[long] * agreement
        for place in range(long):
            if place < long_a:
                in_mine[a[place]] = False
            if place < long_b:
                in_others[b[place]] = False
        sums[0] += rbo
        sums[1] += common / (long_a + long_b - common)
        sums[2] += alike == long_a and alike == long_b
        sums[3] += 1


@kernel
def _length(slate: Any) -> int:
    """How many articles a slate has."""
    length = 0
    while length < slate.size and slate[length] >= 0:
        length += 1
    return length
