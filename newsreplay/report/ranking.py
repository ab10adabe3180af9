"""The order of recommenders over publishers: one mean rank for tables, pictures and pages; and how far orders agree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Asks, Column
from newsreplay.report.headings import HEADLINE, heading, is_of_slates
from newsreplay.simulator.judgement.comparisons import Ranks, mean_ranks
from newsreplay.simulator.judgement.measures import Reward

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


def other_question(metric: str) -> str:
    """The metric whose order is set beside that of another: AUC beside metrics of slates, E@1 beside all else.

    Which articles are read next is another question than which of the articles shown is clicked.
    """
    return "auc" if is_of_slates(metric) else HEADLINE


def kendall_tau(a: Column, b: Column) -> float:
    """Kendall's τ-b (Kendall 1945) of two float64[rows], 1 = the same order; NaN where one of them holds one value.

    >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.3333333333333333
    """
    signs = [np.sign(values[:, None] - values) for values in (a, b)]
    untied = [float(np.abs(sign).sum()) for sign in signs]
    return float((signs[0] * signs[1]).sum()) / (untied[0] * untied[1]) ** 0.5 if all(untied) else float("nan")


def agreement(
    publisher: str,
    names: Sequence[str],
    metrics: Sequence[tuple[str, Column]],
    asks: Asks,
    reward: Reward | None = None,
) -> str | None:
    """What is said of a publisher on which two metrics order recommenders; None where fewer than two have both.

    `metrics` are two names with their values, float64[names], NaN = none.
    """
    (first, a), (second, b) = metrics
    both = np.flatnonzero(~np.isnan(a) & ~np.isnan(b))
    if len(both) < 2:
        return None
    tau = kendall_tau(a[both], b[both])
    if np.isnan(tau):
        return None
    heads = [heading(metric, asks, reward).text for metric in (first, second)]
    found = f"{publisher}: {' and '.join(heads)} order {len(both)} recommenders"
    if tau == 1:
        return f"{found} alike (Kendall's τ 1.00)"
    best = [names[both[np.argmax(values[both])]] for values in (a, b)]
    told = (
        f"first by both {best[0]}" if best[0] == best[1] else f"first by {heads[0]} {best[0]}, by {heads[1]} {best[1]}"
    )
    return f"{found} differently (Kendall's τ {tau:.2f}); {told}"
