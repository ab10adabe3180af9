"""Comparisons the slow and obvious way: one pair, one replicate, one rank at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist, stdev
from typing import NamedTuple

Row = Sequence[float]  #: one recommender's replicates


class Difference(NamedTuple):
    difference: float
    low: float
    high: float
    p: float
    resolvable: float


def percentile(sample: Sequence[float], level: Fraction) -> float:
    """Linear: between the two order statistics around place level * (n - 1), counted from 0."""
    ordered = sorted(sample)
    place = level * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + float(place - below) * (ordered[above] - ordered[below])


def compare(value_a: float, value_b: float, a: Row, b: Row) -> Difference:
    nan = math.nan
    difference = value_a - value_b
    drawn = [x - y for x, y in zip(a, b, strict=True) if not math.isnan(x) and not math.isnan(y)]
    if not drawn:
        return Difference(difference, nan, nan, nan, nan)
    not_above = len([d for d in drawn if d <= 0])
    not_below = len([d for d in drawn if d >= 0])
    p = min(1.0, 2 * (min(not_above, not_below) + 1) / (len(drawn) + 1))
    error = nan if len(drawn) < 2 else 0.0 if len(set(drawn)) == 1 else stdev(drawn)
    if min(not_above, not_below) == 0 and error > 0:
        p = min(p, 2 * NormalDist().cdf(-abs(difference) / error))
    if math.isnan(difference):
        p = nan
    low, high = percentile(drawn, Fraction(25, 1000)), percentile(drawn, Fraction(975, 1000))
    return Difference(difference, low, high, p, (1.959963984540054 + 0.8416212335729143) * error)


def holm(p: Sequence[float]) -> list[float]:
    """Each hypothesis by definition: the largest of (tests left) * p over those with a p no larger."""
    tests = sorted(each for each in p if not math.isnan(each))
    corrected = []
    for own in p:
        steps = [(len(tests) - place) * each for place, each in enumerate(tests) if each <= own]
        corrected.append(math.nan if math.isnan(own) else min(1.0, max(steps)))
    return corrected


def rank(values: Sequence[float]) -> list[float]:
    """1 + how many are better + half of how many others are equal; NaN is worse than all and equal to NaN."""
    key = [-math.inf if math.isnan(value) else value for value in values]
    return [1 + sum(other > own for other in key) + (key.count(own) - 1) / 2 for own in key]


def occurred(sample: Sequence[float], level: Fraction) -> float:
    """The smallest entry that at least `level` of the sample does not exceed."""
    return min(x for x in sample if Fraction(sum(y <= x for y in sample), len(sample)) >= level)


class Ranked(NamedTuple):
    rank: float
    low: float
    high: float
    stable: bool


def mean_ranks(values: Sequence[Sequence[float]], replicates: Sequence[Sequence[Row]]) -> list[Ranked]:
    """Over publishers; of one publisher these are its ranks, but for what stable means."""
    rows = len(values[0])
    used = [p for p in range(len(values)) if not all(math.isnan(v) for v in values[p])] or [0]

    def mean(of: Sequence[Sequence[float]]) -> list[float]:
        each = [rank(column) for column in of]
        return [sum(one[row] for one in each) / len(each) for row in range(rows)]

    drawn = []
    for i in range(len(replicates[0][0])):
        columns = [[replicates[p][row][i] for row in range(rows)] for p in used]
        if not any(all(math.isnan(v) for v in column) for column in columns):
            drawn.append(mean(columns))
    means = mean([values[p] for p in used])
    places = rank([-m for m in means])
    result = []
    for row in range(rows):
        mine = [each[row] for each in drawn]
        same = [rank([-m for m in each])[row] == places[row] for each in drawn]
        if mine:
            low, high = occurred(mine, Fraction(25, 1000)), occurred(mine, Fraction(975, 1000))
            result.append(Ranked(means[row], low, high, Fraction(sum(same), len(same)) >= Fraction(95, 100)))
        else:
            result.append(Ranked(means[row], math.nan, math.nan, False))
    return result
