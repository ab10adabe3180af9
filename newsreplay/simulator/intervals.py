"""Intervals: a percentile bootstrap over sessions that is paired across recommenders.

A replicate gives every session a Poisson(1) weight (the streaming form of drawing sessions with
replacement; Oza & Russell 2001) that is a function of (seed, publisher, session, replicate) and nothing
else. Its statistic is the ratio of weighted sums. The sums are rounded to multiples of 2^-24 first, so that
adding them up is exact in any order: intervals are the same bytes for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from newsreplay.simulator.kernels import compiled
from newsreplay.simulator.log import Column
from newsreplay.simulator.mixing import draw, key_of

REPLICATES = 1000
BLOCK = 2048  #: groups whose weights are held at a time
LEVELS = (2.5, 97.5)  #: percentiles

_UNIT = 2.0**-24
_32 = np.uint64(32)


def _poisson_steps() -> Column:
    """Where the distribution function of Poisson(1) steps up, as 32-bit words; beyond 2^32 it has ended."""
    steps = np.cumsum([math.exp(-1) / math.factorial(n) for n in range(13)])
    return np.asarray(np.rint(steps * 2**32), np.int64)


def bounds(
    sums: Column,
    over: Mapping[str, Column],
    kinds: Sequence[str],
    *,
    seed: int,
    publisher: str,
    units: Column,
    replicates: int = REPLICATES,
) -> tuple[Column, Column]:
    """The interval of every column of `sums` (float64[groups, columns]) divided by `over[kinds[column]]`.

    `over` holds int64[groups] denominators. Returns the lower and upper bounds, float64[columns]; NaN where
    no replicate has a denominator.
    """
    key = key_of(seed, publisher, "bootstrap")
    denominators = list(over)
    columns = np.column_stack([sums, *(over[name] for name in denominators)])
    columns = np.rint(columns / _UNIT) * _UNIT
    totals = np.zeros((replicates, columns.shape[1]))
    steps = _poisson_steps()
    for begin in range(0, len(units), BLOCK):
        block = columns[begin : begin + BLOCK]
        weights = np.empty((replicates, len(block)))
        _weigh(key, units[begin : begin + BLOCK], steps, weights)
        totals += weights @ block
    below = {name: totals[:, sums.shape[1] + i] for i, name in enumerate(denominators)}
    with np.errstate(invalid="ignore", divide="ignore"):
        statistics = totals[:, : sums.shape[1]] / np.column_stack([below[kind] for kind in kinds])
    statistics[~np.isfinite(statistics)] = np.nan
    return _percentiles(statistics)


def _percentiles(statistics: Column) -> tuple[Column, Column]:
    """Linear percentiles of each column, replicates without a denominator left out."""
    low, high = np.full((2, statistics.shape[1]), np.nan)
    some = ~np.isnan(statistics).all(axis=0)
    if some.any():
        low[some], high[some] = np.nanpercentile(statistics[:, some], LEVELS, axis=0)
    return low, high


@compiled
def _weigh(key: np.uint64, units: Any, steps: Any, weights: Any) -> None:
    for i in range(units.size):
        for replicate in range(weights.shape[0]):
            word = np.int64(draw(key, units[i], replicate) >> _32)
            weight = 0
            while weight < steps.size and word >= steps[weight]:
                weight += 1
            weights[replicate, i] = weight
