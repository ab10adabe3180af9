"""Comparisons of recommenders on one publisher: paired differences, p-values, ranks and how far they can be trusted.

All of it is read off paired bootstrap replicates of one metric: replicate i weighs the sessions alike for every
recommender (`newsreplay.simulator.judgement.intervals`), so differences and ranks are taken within a replicate. Rows
are recommenders, and higher is better: negate a metric of which less is better. NaN says that a row, or a row in one
replicate, has no value; a pair is judged by the replicates in which both rows have one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column

STABLE = 0.95  #: share of the replicates in which a stable rank is the same

#: Standard errors that a true difference must be away from nothing to be found, at 5 % two-sided, with 80 % power.
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
    resolvable: Column  #: float64[pairs], the smallest true difference that this log finds 4 times in 5


class Ranks(NamedTuple):
    """Where rows stand, 1 = best; one entry per row."""

    rank: Column  #: float64[rows], equal values share the mean of their ranks; rows without a value come last
    low: Column  #: float64[rows], 2.5 percentile of the rank over the replicates, a rank that occurred
    high: Column  #: float64[rows], 97.5 percentile
    stable: Column  #: bool[rows], the rank is the same in at least 95 % of the replicates


def compare(
    values: Column, replicates: Column, pairs: Column | Sequence[tuple[int, int]] | None = None, block: int = BLOCK
) -> Differences:
    """Compare rows pair by pair; Holm's correction counts all pairs handed over.

    `values` is float64[rows], `replicates` float64[rows, replicates], `pairs` int[pairs, 2] (a, b); by default all
    pairs a < b; `block` of them are compared at a time.

    p counts the replicates on the other side of nothing, 2 (min(#(d <= 0), #(d >= 0)) + 1) / (replicates + 1), at
    most 1 (Davison & Hinkley 1997, section 4.2, for the + 1). If not one lies there, counting gives no more than "below
    2 / (replicates + 1)", which no correction for 25 or more pairs survives; then p is what a normal distribution of
    the replicates' standard deviation gives, if that is less. Replicates that never differ from one another keep the
    counted p: they hold nothing about chance.

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
        drawn = np.sort(replicates[a[part]] - replicates[b[part]], axis=1)  # NaN last
        count = (~np.isnan(drawn)).sum(axis=1)
        low[part], high[part] = (_percentile(drawn, count, level) for level in _LEVELS)
        error[part] = _deviation(drawn, count)
        p[part] = _p_values(difference[part], drawn, count, error[part])
    p[np.isnan(difference)] = np.nan
    return Differences(a, b, difference, low, high, p, holm(p), RESOLVABLE * error)


def against_best(values: Column, replicates: Column) -> Differences:
    """Every other row (a) against the row with the highest value (b; of equals the first), a family of its own.

    Without any value there is no best row and no pair.
    """
    if np.isnan(values).all():
        return compare(values, replicates, [])
    best = int(np.nanargmax(values))
    return compare(values, replicates, [(row, best) for row in range(len(values)) if row != best])


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


def ranks(values: Column, replicates: Column) -> Ranks:
    """Rank rows by value (float64[rows]), and by each of `replicates` (float64[rows, replicates]).

    Percentiles are of the inverted distribution function: ranks that occurred, nothing in between. Replicates in
    which no row has a value count for nothing; if there is no other, low and high are NaN and nothing is stable.
    """
    drawn = _places(replicates.T[~np.isnan(replicates).all(axis=0)])
    return _spread(_places(values), drawn, _places(values), drawn)


def mean_ranks(values: Sequence[Column], replicates: Sequence[Column]) -> Ranks:
    """The mean over publishers of the ranks on each, and how it varies.

    Every publisher has the same rows in the same order, NaN where one is missing: there it ranks last. Replicate i
    of one publisher goes with replicate i of the others. Publishers without any value are left out, and so are
    replicates in which another has none. `rank`, `low` and `high` are mean ranks; `stable` says that the row's place
    in the order of mean ranks is the same in at least 95 % of the replicates. Raises `ValueError` if the
    publishers differ in rows or replicates.
    """
    if len({table.shape for table in replicates}) != 1:
        raise ValueError(f"publishers differ in rows or replicates: {[table.shape for table in replicates]}")
    used = [number for number, column in enumerate(values) if not np.isnan(column).all()] or [0]
    whole = ~np.any([np.isnan(replicates[number]).all(axis=0) for number in used], axis=0)
    mean = np.mean([_places(values[number]) for number in used], axis=0)
    drawn = np.mean([_places(replicates[number].T[whole]) for number in used], axis=0)
    return _spread(mean, drawn, _places(-mean), _places(-drawn))


def _spread(rank: Column, drawn: Column, place: Column, places: Column) -> Ranks:
    """Percentiles of the drawn ranks (float64[replicates, rows]), and whether places stay as they are."""
    if not drawn.size:
        nothing = np.full(len(rank), np.nan)
        return Ranks(rank, nothing, nothing, np.zeros(len(rank), bool))
    low, high = np.quantile(drawn, _LEVELS, axis=0, method="inverted_cdf")
    return Ranks(rank, low, high, (places == place).mean(axis=0) >= STABLE)


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
    least, most = drawn[:, 0], drawn[np.arange(len(drawn)), np.maximum(count - 1, 0)]
    deviation[least == most] = 0
    deviation[count < 2] = np.nan
    return deviation


def _p_values(difference: Column, drawn: Column, count: Column, error: Column) -> Column:
    other_side = np.minimum((drawn <= 0).sum(axis=1), (drawn >= 0).sum(axis=1))
    p: Column = np.minimum(2 * (other_side + 1) / (count + 1), 1)
    for pair in np.flatnonzero((other_side == 0) & (error > 0)):
        p[pair] = min(p[pair], math.erfc(abs(difference[pair]) / error[pair] / math.sqrt(2)))
    p[count == 0] = np.nan
    return p
