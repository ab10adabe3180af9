"""Intervals: a percentile bootstrap over sessions that is paired across recommenders.

A replicate gives every session a Poisson(1) weight (the streaming form of drawing sessions with
replacement; Oza & Russell 2001) that is a function of (seed, publisher, session, replicate) and nothing
else. Its statistic is the ratio of weighted sums. The sums are rounded to multiples of 2^-24 first, so that
adding them up is exact in any order: intervals are the same bytes for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from newsreplay.simulator.kernels import compiled, int64
from newsreplay.simulator.log import Column
from newsreplay.simulator.mixing import draw, key_of

REPLICATES = 1000
BLOCK = 250  #: replicates computed at a time, so that their sums stay in the cache
LEVELS = (2.5, 97.5)  #: percentiles

_UNIT = 2.0**-24
_32 = np.uint64(32)


def _poisson_steps() -> Column:
    """Where the distribution function of Poisson(1) steps up, as 32-bit words; beyond 2^32 it has ended."""
    steps = np.cumsum([math.exp(-1) / math.factorial(n) for n in range(13)])
    return np.asarray(np.rint(steps * 2**32), np.int64)


def bounds(
    sums: Sequence[Column],
    over: Mapping[str, Column],
    kinds: Sequence[str],
    *,
    seed: int,
    publisher: str,
    units: Column,
    replicates: int = REPLICATES,
    threads: int = 2,
) -> tuple[Column, Column]:
    """The intervals of ratios of sums, for several recommenders at once.

    Each of `sums` is float64[groups, columns], a recommender's numerators by group; column i is divided by
    `over[kinds[i]]` (int64[groups]). `units` (int64[groups]) names the groups. Returns the lower and upper
    bounds, float64[recommenders, columns]; NaN where no replicate has a denominator.
    """
    key = key_of(seed, publisher, "bootstrap")
    steps = _poisson_steps()
    below = {name: np.ascontiguousarray(column[:, None], np.float64) for name, column in over.items()}
    statistics = np.empty((len(sums), len(kinds), replicates))

    def compute(begin: int) -> None:
        weights = np.empty((len(units), min(BLOCK, replicates - begin)), np.uint8)
        _weigh(key, units, begin, steps, weights)
        denominators = {name: _weighted(weights, column)[0] for name, column in below.items()}
        divisors = np.vstack([denominators[kind] for kind in kinds])
        for number, columns in enumerate(sums):
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios = _weighted(weights, columns) / divisors
            statistics[number, :, begin : begin + BLOCK] = ratios

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compute, range(0, replicates, BLOCK)))
    statistics[~np.isfinite(statistics)] = np.nan
    low, high = _percentiles(statistics.reshape(-1, replicates))
    return low.reshape(len(sums), -1), high.reshape(len(sums), -1)


def _weighted(weights: Column, columns: Column) -> Column:
    """Weighted sums, float64[columns, replicates]."""
    totals = np.zeros((columns.shape[1], weights.shape[1]))
    _add(weights, columns, totals)
    return totals


def _percentiles(statistics: Column) -> tuple[Column, Column]:
    """Linear percentiles of each row, replicates without a denominator left out."""
    low, high = np.full((2, len(statistics)), np.nan)
    whole = ~np.isnan(statistics).any(axis=1)
    low[whole], high[whole] = np.percentile(statistics[whole], LEVELS, axis=1)
    for row in np.flatnonzero(~whole):
        some = statistics[row][~np.isnan(statistics[row])]
        if some.size:
            low[row], high[row] = np.percentile(some, LEVELS)
    return low, high


@compiled
def _weigh(key: np.uint64, units: Any, first: int, steps: Any, weights: Any) -> None:
    """The weights of all groups in the replicates from `first` on."""
    for group in range(units.size):
        for i in range(weights.shape[1]):
            word = int64(draw(key, units[group], first + i) >> _32)
            weight = 0
            for n in range(steps.size):  # no early end: this way it runs in vector registers
                weight += word >= steps[n]
            weights[group, i] = weight


@compiled
def _add(weights: Any, columns: Any, totals: Any) -> None:
    """Add up weight times value; most values are zero, since most sessions have few hits."""
    for group in range(columns.shape[0]):
        for column in range(columns.shape[1]):
            if columns[group, column] != 0.0:
                value = np.rint(columns[group, column] / _UNIT) * _UNIT
                for i in range(weights.shape[1]):
                    totals[column, i] += weights[group, i] * value
