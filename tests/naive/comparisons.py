"""Comparisons the slow and obvious way: one pair, one replicate, one rank at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product
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


def sign_test(difference: float, a: Row, b: Row) -> float | None:
    """Twice the chance that so many coins fall the same way as the difference; None where ten clusters differ."""
    signs = [x > y for x, y in zip(a, b, strict=True) if x != y]
    if len(signs) >= 10:
        return None
    if difference == 0:
        return 1.0
    agreeing = sum(sign == (difference > 0) for sign in signs)
    tosses = list(product([False, True], repeat=len(signs)))
    return min(1.0, 2 * sum(sum(toss) >= agreeing for toss in tosses) / len(tosses))


def compare(
    value_a: float, value_b: float, a: Row, b: Row, sums_a: Row | None = None, sums_b: Row | None = None
) -> Difference:
    """By the replicates `a` and `b`; where few clusters differ in `sums_a` and `sums_b`, p is that of a sign test."""
    found = _bootstrapped(value_a, value_b, a, b)
    if sums_a is None or sums_b is None or math.isnan(found.difference):
        return found
    p = sign_test(found.difference, sums_a, sums_b)
    return found if p is None else found._replace(p=p)


def _bootstrapped(value_a: float, value_b: float, a: Row, b: Row) -> Difference:
    nan = math.nan
    difference = value_a - value_b
    drawn = [x - y for x, y in zip(a, b, strict=True) if not math.isnan(x) and not math.isnan(y)]
    if not drawn:
        return Difference(difference, nan, nan, nan, nan)
    not_above = len([d for d in drawn if d <= 0])
    not_below = len([d for d in drawn if d >= 0])
    p = min(1.0, 2 * (min(not_above, not_below) + 1) / (len(drawn) + 1))
    error = nan if len(drawn) < 2 else 0.0 if len(set(drawn)) == 1 else stdev(drawn)
    if error > 0:
        normal = 2 * NormalDist().cdf(-abs(difference) / error)
        p = normal if min(not_above, not_below) == 0 else max(p, normal)
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


class Ranked(NamedTuple):
    rank: float
    low: float
    high: float


def ranks(values: Sequence[float], replicates: Sequence[Row], sums: Sequence[Row] | None = None) -> list[Ranked]:
    """Ranks with their ranges: who beats whom, by the tests of all pairs, one pair at a time."""
    rows = range(len(values))
    pairs = list(combinations(rows, 2))
    clusters = sums or [None] * len(values)
    found = [compare(values[a], values[b], replicates[a], replicates[b], clusters[a], clusters[b]) for a, b in pairs]
    corrected = holm([each.p for each in found])
    beats = {
        (a, b) if each.difference > 0 else (b, a)
        for (a, b), each, p in zip(pairs, found, corrected, strict=True)
        if p <= 0.05 and each.difference != 0
    }
    beats |= {(a, b) for a in rows for b in rows if math.isnan(values[b]) and not math.isnan(values[a])}
    places = rank(values)
    return [
        Ranked(places[row], 1 + sum(b == row for _, b in beats), len(values) - sum(a == row for a, _ in beats))
        for row in rows
    ]
