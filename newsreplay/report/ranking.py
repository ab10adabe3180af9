"""The order of recommenders over publishers: one mean rank for tables, pictures and pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.comparisons import mean_ranks

#: How mean ranks are made, for notes.
RULE = "equal values share the mean of their places, and a recommender without a value comes last"


class MeanRank(NamedTuple):
    """The mean rank of a recommender over publishers."""

    rank: float
    low: float  #: 2.5 percentile over the replicates; NaN without replicates
    high: float  #: 97.5 percentile
    stable: bool  #: its place in the order is the same in at least 95 % of the replicates


def by_mean_rank(
    names: Sequence[str], leaking: Collection[str], columns: Sequence[tuple[Column, Column]]
) -> tuple[list[str], dict[str, MeanRank]]:
    """The names by mean rank, best first, and the mean ranks of those that can be ranked.

    Each of `columns` has the values (float64[names]) and the replicates (float64[names, replicates]) of a publisher,
    NaN where there are none. On a publisher equal values share the mean of their places, and names without a value
    come last. `leaking` names were given the future: they are not ranked, and stand where their values would place
    them. Names without a value on any publisher are last and have no mean rank.
    """
    fair = [row for row, name in enumerate(names) if name not in leaking]
    order: list[int] = []
    ranks: dict[str, MeanRank] = {}
    if fair:
        means = mean_ranks([values[fair] for values, _ in columns], [drawn[fair] for _, drawn in columns])
        order = [fair[place] for place in np.argsort(means.rank, kind="stable").tolist()]
        without = np.all([np.isnan(values[fair]) for values, _ in columns], axis=0)
        ranks = {
            names[row]: MeanRank(
                float(means.rank[place]), float(means.low[place]), float(means.high[place]), bool(means.stable[place])
            )
            for place, row in enumerate(fair)
            if not without[place]
        }
    places = {row: float(place) for place, row in enumerate(order)}
    for row, name in enumerate(names):
        if name in leaking:
            others = [(values[order], values[row]) for values, _ in columns]
            better = [np.count_nonzero(~(ranked <= own) & ~np.isnan(ranked)) for ranked, own in others]
            places[row] = float(np.mean(better)) - 0.5
    return [names[row] for row in sorted(places, key=lambda row: places[row])], ranks
