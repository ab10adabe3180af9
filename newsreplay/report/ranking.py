"""The order of recommenders over publishers: one mean rank for tables, pictures and pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.comparisons import Ranks, mean_ranks

#: How mean ranks are made, for notes.
RULE = "equal values share the mean of their places, and a recommender without a value comes last"


class MeanRank(NamedTuple):
    """The mean rank of a recommender over publishers."""

    rank: float
    low: float  #: the mean of the low ends of its ranges
    high: float  #: the mean of the high ends


def by_mean_rank(
    names: Sequence[str], leaking: Collection[str], publishers: Sequence[tuple[Column, Ranks]]
) -> tuple[list[str], dict[str, MeanRank]]:
    """The names by mean rank, best first, and the mean ranks of those that can be ranked.

    Each of `publishers` has the values (float64[names], NaN = none), and the ranks of the names that are not `leaking`.
    On a publisher equal values share the mean of their places, and names without a value come last; publishers on which
    no name has a value are left out. `leaking` names were given the future: they are not ranked, and stand where their
    values would place them. Names without a value on any publisher are last and have no mean rank.
    """
    fair = [row for row, name in enumerate(names) if name not in leaking]
    order: list[int] = []
    ranks: dict[str, MeanRank] = {}
    if fair:
        used = [ranked for values, ranked in publishers if not np.isnan(values[fair]).all()] or [publishers[0][1]]
        means = mean_ranks(used)
        order = [fair[place] for place in np.argsort(means.rank, kind="stable").tolist()]
        without = np.all([np.isnan(values[fair]) for values, _ in publishers], axis=0)
        ranks = {
            names[row]: MeanRank(float(means.rank[place]), float(means.low[place]), float(means.high[place]))
            for place, row in enumerate(fair)
            if not without[place]
        }
    places = {row: float(place) for place, row in enumerate(order)}
    for row, name in enumerate(names):
        if name in leaking:
            others = [(values[order], values[row]) for values, _ in publishers]
            better = [np.count_nonzero(~(ranked <= own) & ~np.isnan(ranked)) for ranked, own in others]
            places[row] = float(np.mean(better)) - 0.5
    return [names[row] for row in sorted(places, key=lambda row: places[row])], ranks
