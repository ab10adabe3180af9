"""Comparisons of recommenders on one publisher: paired differences, p-values, ranks and how far they can be trusted.

Differences are read off paired bootstrap replicates of one metric: replicate i weighs the sessions alike for every
recommender (`newsreplay.simulator.judgement.intervals`), so they are taken within a replicate. Where few clusters
differ at all, a bootstrap cannot tell how they vary, and their signs are counted. Rows are recommenders, and higher is
better: negate a metric of which less is better. NaN says that a row, or a row in one replicate, has no value; a pair
is judged by the replicates in which both rows have one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column

ALPHA = 0.05  #: chance of one false finding among all pairs that are compared together
FEW_DIFFER = 10  #: clusters; where fewer differ, p is that of a sign test

#: Standard errors that a true difference must be away from nothing to be found, at 5 % two-sided, with 80 % power, if
#: differences were normal. Where sessions are skewed it is found in 50 to 80 % (docs/intervals.md).
RESOLVABLE = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.80)

_LEVELS = (0.025, 0.975)
BLOCK = 512  #: pairs at a time, so that all pairs of 1,000 rows need no gigabytes


class Differences(NamedTuple):
    """Paired differences, one entry per pair; NaN where a pair has no value or no replicate."""

    a: Column  #: int64[pairs], row
    b: Column  #: int64[pairs], row
    difference: Column  #: float64[pairs], value of a minus value of b
    low: Column  #: float64[pairs], linear 2.5 percentile of the paired differences of the replicates
    high: Column  #: float64[pairs], 97.5 percentile
    p: Column  #: float64[pairs], two-sided, of no difference
    p_holm: Column  #: float64[pairs], corrected for all pairs handed over together (Holm 1979)
    resolvable: (
        Column  #: float64[pairs], a true difference that logs of hundreds of sessions find half of the time or more
    )


class Ranks(NamedTuple):
    """Where rows stand, 1 = best; one entry per row."""

    rank: Column  #: float64[rows], equal values share the mean of their ranks; rows without a value come last
    low: Column  #: float64[rows], 1 + the rows that beat it
    high: Column  #: float64[rows], the number of rows - those that it beats


def compare(
    values: Column,
    replicates: Column,
    pairs: Column | Sequence[tuple[int, int]] | None = None,
    *,
    wins: Column | None = None,
    block: int = BLOCK,
) -> Differences:
    """Compare rows pair by pair; Holm's correction counts all pairs handed over.

    `values` is float64[rows], `replicates` float64[rows, replicates], `pairs` int[pairs, 2] (a, b); by default all
    pairs a < b; `block` of them are compared at a time. `wins` is int64[rows, rows] (`count_wins`); without it enough
    clusters differ for a bootstrap.

    p counts the replicates on the other side of nothing, 2 (min(#(d <= 0), #(d >= 0)) + 1) / (replicates + 1), at
    most 1 (Davison & Hinkley 1997, section 4.2, for the + 1), and is at least what a normal distribution of the
    replicates' standard deviation gives: those of a few weighty sessions lean the wrong way, and counting them alone
    finds too much. Where not one lies on the other side, counting says no more than "below 2 / (replicates + 1)", which
    no correction for 25 or more pairs survives; then the normal distribution's is p. Replicates that never differ keep
    the counted p: they hold nothing about chance. Where fewer than `FEW_DIFFER` clusters differ, p is that of an exact
    sign test: twice the chance that of so many coins as many or more fall to the row with the higher value, at most 1.

    `resolvable` is `RESOLVABLE` times the standard deviation of the paired differences.
    """
    if pairs is None:
        a, b = np.triu_indices(len(values), 1)
    else:
        a, b = np.asarray(pairs, np.int64).reshape(-1, 2).T
    difference = values[a] - values[b]
    low, high, p, error = np.full((4, len(a)), np.nan)
    for begin in range(0, len(a), block):
        part = slice(begin, begin + block)
        drawn = replicates[a[part]] - replicates[b[part]]
        count = (~np.isnan(drawn)).sum(axis=1)
        error[part] = _deviation(drawn, count)  # before they are sorted: b against a is the same to the bit
        drawn = np.sort(drawn, axis=1)  # NaN last
        low[part], high[part] = (_percentile(drawn, count, level) for level in _LEVELS)
        p[part] = _p_values(difference[part], drawn, count, error[part])
    if wins is not None:
        for pair in np.flatnonzero(wins[a, b] + wins[b, a] < FEW_DIFFER):
            p[pair] = _sign_test(difference[pair], int(wins[a[pair], b[pair]]), int(wins[b[pair], a[pair]]))
    p[np.isnan(difference)] = np.nan
    return Differences(a, b, difference, low, high, p, holm(p), RESOLVABLE * error)


def count_wins(sums: Sequence[Column], most: int = FEW_DIFFER) -> Column:
    """In how many clusters row a has more than row b: int64[rows, rows], counted up to the `most`-th that differs.

    `sums` are the rows' sums in the same clusters, number[clusters] each.
    """
    wins = np.zeros((len(sums), len(sums)), np.int64)
    for a, b in combinations(range(len(sums)), 2):
        begin, step, left = 0, 1 << 10, most
        while left and begin < len(sums[a]):  # mostly the first few clusters tell
            mine, others = (sums[row][begin : begin + step] for row in (a, b))
            at = np.flatnonzero(mine != others)[:left]
            above = int(np.count_nonzero(mine[at] > others[at]))
            wins[a, b] += above
            wins[b, a] += len(at) - above
            left -= len(at)
            begin, step = begin + step, 8 * step
    return wins


def holm(p: Column) -> Column:
    """Holm's step-down correction (1979): never falling with p, at most 1; NaN is no test and stays NaN.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]  # NaN last
    tests = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(tests * p[order]), 1)
    return corrected


def ranks(values: Column, differences: Differences) -> Ranks:
    """Rank rows by value (float64[rows]), with the ranges that the paired tests of all pairs (`compare`) leave.

    A row beats another if its value is higher and p, corrected for all pairs, is at most `ALPHA`. A row without a value
    is beaten, untested, by every row with one.
    """
    beats = np.zeros((len(values), len(values)), bool)
    certain = differences.p_holm <= ALPHA
    for better, worse, sign in ((differences.a, differences.b, 1), (differences.b, differences.a, -1)):
        some = certain & (sign * differences.difference > 0)
        beats[better[some], worse[some]] = True
    absent = np.isnan(values)
    beats[np.ix_(~absent, absent)] = True
    return Ranks(_places(values), 1.0 + beats.sum(axis=0), float(len(values)) - beats.sum(axis=1))


def mean_ranks(publishers: Sequence[Ranks]) -> Ranks:
    """The mean over publishers of the ranks on each, and of the low and the high ends of their ranges.

    Every publisher has the same rows in the same order.
    """
    return Ranks(*(np.mean([getattr(each, name) for each in publishers], axis=0) for name in Ranks._fields))


def _places(values: Column) -> Column:
    """Ranks along the last axis: 1 for the highest value, the mean rank for equal ones, NaN last."""
    falling = np.where(np.isnan(values), np.inf, -values)
    order = np.argsort(falling, axis=-1)
    ordered = np.take_along_axis(falling, order, axis=-1)
    n = values.shape[-1]
    at = np.broadcast_to(np.arange(n), ordered.shape)
    steps = ordered[..., 1:] != ordered[..., :-1]
    first, last = np.zeros(ordered.shape, np.int64), np.full(ordered.shape, n - 1)
    first[..., 1:] = np.where(steps, at[..., 1:], 0)
    last[..., :-1] = np.where(steps, at[..., :-1], n - 1)
    first = np.maximum.accumulate(first, axis=-1)
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    result = np.empty(values.shape)
    np.put_along_axis(result, order, (first + last) / 2 + 1, axis=-1)
    return result


def _percentile(drawn: Column, count: Column, level: float) -> Column:
    """Linear percentiles of sorted rows, of which the first `count` entries are no NaN."""
    at = level * (count - 1)
    below = np.clip(np.floor(at), 0, None).astype(np.int64)
    above = np.clip(below + 1, 0, np.maximum(count - 1, 0))
    rows = np.arange(len(drawn))
    low: Column = drawn[rows, below]
    return low + (drawn[rows, above] - low) * (at - below)


def _deviation(drawn: Column, count: Column) -> Column:
    """The standard deviation of each row; NaN below two entries, exactly 0 if all are equal."""
    known = ~np.isnan(drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = drawn - (np.where(known, drawn, 0).sum(axis=1) / count)[:, None]
        deviation: Column = np.sqrt(np.where(known, away**2, 0).sum(axis=1) / (count - 1))
    deviation[np.fmin.reduce(drawn, axis=1) == np.fmax.reduce(drawn, axis=1)] = 0
    deviation[count < 2] = np.nan
    return deviation


def _p_values(difference: Column, drawn: Column, count: Column, error: Column) -> Column:
    other_side = np.minimum((drawn <= 0).sum(axis=1), (drawn >= 0).sum(axis=1))
    p: Column = np.minimum(2 * (other_side + 1) / (count + 1), 1)
    for pair in np.flatnonzero(error > 0):
        normal = math.erfc(abs(difference[pair]) / error[pair] / math.sqrt(2))
        p[pair] = max(p[pair], normal) if other_side[pair] else normal
    p[count == 0] = np.nan
    return p


def _sign_test(difference: float, more: int, fewer: int) -> float:
    """The p of a difference: `more` clusters lie above nothing, `fewer` below."""
    if difference == 0:
        return 1.0
    tosses, heads = more + fewer, more if difference > 0 else fewer
    return min(1.0, sum(math.comb(tosses, n) for n in range(heads, tosses + 1)) / 2.0 ** (tosses - 1))
