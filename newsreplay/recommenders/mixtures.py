"""Mixtures: recommenders made of others' answers.

In a replay no answer changes the log, so each part is replayed by itself, as it would be alone, compiled or deferred as
it may be, and a mixture is worked out of the answers: `newsreplay.simulator.replay.replay`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.rows import Column
from newsreplay.recommenders.registry import Entry, start_list
from newsreplay.spec import Spec, number, whole


class Mixture:
    """Base class of recommenders made of others; a subclass says how their answers become one."""

    fewest: ClassVar[int] = 2  #: parts that it is made of

    def __init__(self, parts: Sequence[str | Spec | object]):
        """`parts`: specs or objects. Raises `SpecError` where there are too few, or one cannot be made."""
        if len(parts) < self.fewest:
            raise SpecError(f"it is made of two recommenders or more, not {len(parts)}; name them: (trend, popular)")
        self.entries: list[Entry] = [_entry(part) for part in parts]
        self.parts: list[Any] = [entry.make() for entry in self.entries]

    @property
    def uses_pool_order(self) -> bool:
        """Whether a part says so of itself."""
        return any(getattr(part, "uses_pool_order", False) for part in self.parts)

    def depth(self, k: int) -> int:
        """How long the parts' slates must be for slates of k."""
        return k

    def recommend(self, slates: Column, out: Column) -> None:
        """Make slates of the parts' slates.

        `slates`: int32[parts, requests, depth], padded with -1; `out`: int32[requests, k], filled with -1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no recommend(slates, out)")

    def score(self, scorers: Sequence[int], scores: Column, at: Column, out: Column) -> None:
        """Make scores of the parts' scores.

        `scorers`: the numbers of the parts that can score; `scores`: float64[scorers, places], -inf = not ranked;
        `at`: int64[impressions + 1], as in `Pools`; `out`: float64[places].
        """
        raise NotImplementedError(f"{type(self).__name__} has no score(scorers, scores, at, out)")


def _entry(part: str | Spec | object) -> Entry:
    entries = start_list([part])
    if len(entries) > 1:
        raise SpecError(f"{part} is {len(entries)} recommenders; name them one by one")
    return entries[0]


class Blend(Mixture):
    """Several recommenders' lists in one: articles by the weighted sum of their ranks in them.

    `blend('trend(hours=2)', nrms, weights=[.7, .3])`. Scores of different recommenders (slopes, counts, probabilities)
    have no common scale, ranks have. Of each part the first `depth` articles count (k, if that is more): the first 1,
    the next 1 - 1 / depth …, articles beyond them 0; times the part's weight (all equal, if none are given). Among
    equal sums the order is that of the first part that lists one, then the next's. In a pool a candidate's rank is the
    share of the others that the part scores lower, equal ones half; one that no part ranks stays unranked. Parts that
    cannot score are left out there.
    """

    def __init__(self, *parts: str, weights: Sequence[float] | None = None, depth: int = 50):
        super().__init__(parts)
        self.deep = whole("depth", depth, at_least=1)
        given = [1.0] * len(parts) if weights is None else weights
        if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != len(parts):
            raise SpecError(
                f"weights must be a list of {len(parts)} numbers, one for each recommender, not {weights!r}"
            )
        self.weights = np.array([number("weights", weight, at_least=0) for weight in given])

    def depth(self, k: int) -> int:
        """See `Mixture.depth`."""
        return max(k, self.deep)

    def recommend(self, slates: Column, out: Column) -> None:
        """See `Mixture.recommend`."""
        listed = slates.shape[0] * slates.shape[2]
        _blend_slates(slates, self.weights, np.empty(listed, np.int32), np.empty(listed), out)

    def score(self, scorers: Sequence[int], scores: Column, at: Column, out: Column) -> None:
        """See `Mixture.score`."""
        _blend_scores(scores, self.weights[list(scorers)], at, out)


class Fallback(Mixture):
    """The first recommender's list, filled up with the next one's articles where it is too short.

    `fallback(sequences, 'trend(hours=2)')`. In a pool the candidates that the first part ranks stand before all others,
    which are ranked by the next. Scores are 0 for the best, then minus the number of candidates that are better. Parts
    that cannot score are left out there.
    """

    def __init__(self, *parts: str):
        super().__init__(parts)

    def recommend(self, slates: Column, out: Column) -> None:
        """See `Mixture.recommend`."""
        _fill_slates(slates, out)

    def score(self, scorers: Sequence[int], scores: Column, at: Column, out: Column) -> None:
        """See `Mixture.score`."""
        _fill_scores(scores, at, out)


@compiled
def _blend_slates(slates: Any, weights: Any, item: Any, total: Any, out: Any) -> None:
    """`item` and `total` are scratch for the articles of all parts and their sums."""
    parts, requests, depth = slates.shape
    for request in range(requests):
        count = int64(0)
        for part in range(parts):
            for rank in range(depth):
                article = slates[part, request, rank]
                if article < 0:
                    break
                place = int64(0)
                while place < count and item[place] != article:
                    place += 1
                if place == count:
                    item[place] = article
                    total[place] = 0.0
                    count += 1
                total[place] += weights[part] * (depth - rank) / depth
        for filled in range(min(out.shape[1], count)):
            best = int64(0)
            for place in range(1, count):
                if total[place] > total[best]:
                    best = place
            out[request, filled] = item[best]
            total[best] = -1.0


@compiled
def _blend_scores(scores: Any, weights: Any, at: Any, out: Any) -> None:
    for impression in range(at.size - 1):
        begin, end = at[impression], at[impression + 1]
        for i in range(begin, end):
            total, ranked = 0.0, False
            for part in range(scores.shape[0]):
                own = scores[part, i]
                ranked = ranked or own > -np.inf
                lower = 0.0
                for j in range(begin, end):
                    if j != i and scores[part, j] <= own:
                        lower += 1.0 if scores[part, j] < own else 0.5
                total += weights[part] * lower / max(1, end - begin - 1)
            out[i] = total if ranked else -np.inf


@compiled
def _fill_slates(slates: Any, out: Any) -> None:
    parts, requests, depth = slates.shape
    for request in range(requests):
        filled = int64(0)
        for part in range(parts):
            for rank in range(depth):
                article = slates[part, request, rank]
                new = article >= 0 and filled < out.shape[1]
                for place in range(filled):
                    new = new and out[request, place] != article
                if new:
                    out[request, filled] = article
                    filled += 1


@kernel
def _level(scores: Any, place: int) -> int:
    """The first part that ranks a candidate; their number if none does."""
    part = int64(0)
    while part < scores.shape[0] and scores[part, place] == -np.inf:
        part += 1
    return part


@compiled
def _fill_scores(scores: Any, at: Any, out: Any) -> None:
    for impression in range(at.size - 1):
        begin, end = at[impression], at[impression + 1]
        for i in range(begin, end):
            level = _level(scores, i)
            better = int64(0)
            for j in range(begin, end):
                other = _level(scores, j)
                if other < level or (
                    other == level and level < scores.shape[0] and scores[level, j] > scores[level, i]
                ):
                    better += 1
            out[i] = -better if level < scores.shape[0] else -np.inf
