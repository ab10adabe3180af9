"""Intervals: a percentile bootstrap over clusters that is paired across recommenders.

A replicate gives every cluster a Poisson(1) weight (the streaming form of drawing clusters with
replacement; Oza & Russell 2001) that is a function of (seed, publisher, cluster, replicate) and nothing
else. Its statistic is a ratio of weighted sums, each added up by one thread in the order of the clusters:
intervals are the same bytes for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from newsreplay.kernels.compiling import compiled, int64
from newsreplay.kernels.mixing import draw, key_of
from newsreplay.log.rows import Column
from newsreplay.machine import cores

REPLICATES = 1000
BLOCK = 125  #: replicates computed at a time, so that their sums stay in the cache
LEVELS = (2.5, 97.5)  #: percentiles

_32 = np.uint64(32)
_HALF = 1 << 31  # signed numbers of 32 bits are compared in vector registers, twice as many at a time as of 64


def _poisson_steps() -> Column:
    """Where the distribution function of Poisson(1) steps up, as 32-bit words less 2^31: int32[steps]."""
    steps = np.rint(np.cumsum([math.exp(-1) / math.factorial(n) for n in range(13)]) * 2**32)
    return np.asarray(steps[steps < 2**32] - _HALF, np.int32)  # no word lies beyond


def resample(
    tables: Sequence[Column],
    units: Column,
    *,
    seed: int,
    publisher: str,
    replicates: int = REPLICATES,
    threads: int | None = None,
    block: int = BLOCK,
) -> list[Column]:
    """The weighted column sums of some tables in every replicate.

    Each table is float64[groups, columns], `units` (int64[groups]) names the groups; all tables are weighted
    alike. Returns float64[columns, replicates] for each, the same for any number of `threads` (None = one a core),
    which compute `block` replicates at a time.
    """
    key = key_of(seed, publisher, "bootstrap")
    steps = _poisson_steps()
    totals = [np.zeros((table.shape[1], replicates)) for table in tables]

    def compute(begin: int) -> None:
        weights = np.empty((len(units), min(block, replicates - begin)), np.uint8)
        _weigh(key, units, begin, steps, np.empty((2, weights.shape[1]), np.int32), weights)
        for table, total in zip(tables, totals, strict=True):
            sums = np.zeros((table.shape[1], weights.shape[1]))
            _add(weights, table, sums)
            total[:, begin : begin + weights.shape[1]] = sums

    with ThreadPoolExecutor(threads or cores()) as pool:
        list(pool.map(compute, range(0, replicates, block)))
    return totals


def ratios(above: Column, below: Column) -> Column:
    """Quotients, NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient = above / below
    quotient[~np.isfinite(quotient)] = np.nan
    return quotient


def percentiles(statistics: Column) -> tuple[Column, Column]:
    """Lower and upper bounds, linear percentiles of each row (float64[rows, replicates]).

    Replicates without a value are left out; NaN where there is none with one.
    """
    low, high = np.full((2, len(statistics)), np.nan)
    whole = ~np.isnan(statistics).any(axis=1)
    low[whole], high[whole] = np.percentile(statistics[whole], LEVELS, axis=1)
    for row in np.flatnonzero(~whole):
        some = statistics[row][~np.isnan(statistics[row])]
        if some.size:
            low[row], high[row] = np.percentile(some, LEVELS)
    return low, high


@compiled
def _weigh(key: np.uint64, units: Any, first: int, steps: Any, room: Any, weights: Any) -> None:
    """The weights of all groups in the replicates from `first` on; `room` is int32[2, replicates] to work in."""
    words, counts = room[0], room[1]
    for group in range(units.size):
        for i in range(words.size):
            words[i] = int64(draw(key, units[group], first + i) >> _32) - _HALF
            counts[i] = 0
        for n in range(steps.size):  # step by step, without an early end: this way it runs in vector registers
            step = steps[n]
            for i in range(words.size):
                counts[i] += words[i] >= step
        for i in range(words.size):
            weights[group, i] = counts[i]


@compiled
def _add(weights: Any, columns: Any, totals: Any) -> None:
    """Add up weight times value; most values are zero, since most sessions have few hits."""
    for group in range(columns.shape[0]):
        for column in range(columns.shape[1]):
            value = columns[group, column]
            if value != 0.0:
                for i in range(weights.shape[1]):
                    totals[column, i] += weights[group, i] * value
