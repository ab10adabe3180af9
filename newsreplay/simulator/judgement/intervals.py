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
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, int64
from newsreplay.kernels.mixing import draw, key_of
from newsreplay.log.rows import Column
from newsreplay.machine import cores

REPLICATES = 1000
BLOCK = 128  #: replicates computed at a time
STRETCH = 512  #: groups, whose weights in a block stay in the cache while all columns are added up
LEVELS = (2.5, 97.5)  #: percentiles

AT_ONCE = 4  #: entries that are added to a sum before it is written back

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
    stretch: int = STRETCH,
) -> list[Column]:
    """The weighted column sums of some tables in every replicate.

    Each table is float64[groups, columns], `units` (int64[groups]) names the groups; all tables are weighted
    alike. Returns float64[columns, replicates] for each, the same bytes beside any other tables and for any number of
    `threads` (None = one a core), which compute `block` replicates of `stretch` groups at a time.
    """
    if not tables:
        return []
    key = key_of(seed, publisher, "bootstrap")
    steps = _poisson_steps()
    exact = np.concatenate([_exact_in_single(table, len(steps)) for table in tables])
    sorts = (np.flatnonzero(exact), np.float32), (np.flatnonzero(~exact), np.float64)
    blocks, lanes = -(-replicates // block), threads or cores()
    sums = [np.zeros((blocks, len(columns), block), kind) for columns, kind in sorts]
    weights = [[np.empty((stretch, block), kind) for _, kind in sorts] for _ in range(lanes)]
    most = len(exact), stretch + AT_ONCE
    entries = _Entries(np.empty(most[0], np.int64), np.empty(most, np.int32), np.empty(most))

    def compute(groups: Column, lane: int) -> None:
        for number in range(lane, blocks, lanes):
            _weigh(key, groups, number * block, steps, np.empty((2, block), np.int32), *weights[lane])
            for (columns, _), weight, total in zip(sorts, weights[lane], sums, strict=True):
                _add(weight, columns, entries, total[number])

    with ThreadPoolExecutor(lanes) as pool:
        for begin in range(0, len(units), stretch):
            end = begin + stretch
            _find_all([table[begin:end] for table in tables], entries)
            list(pool.map(partial(compute, units[begin:end]), range(lanes)))
    totals = np.empty((len(exact), blocks, block))
    for (columns, _), total in zip(sorts, sums, strict=True):
        totals[columns] = total.transpose(1, 0, 2)
    ends = np.cumsum([table.shape[1] for table in tables[:-1]])
    return np.split(totals.reshape(len(exact), -1)[:, :replicates], ends)


class _Entries(NamedTuple):
    """What is not zero in a stretch of groups, column by column; most is zero, since most sessions have few hits."""

    filled: Column  # int64[columns], how many
    group: Column  # int32[columns, groups and some], number in the stretch, rising
    value: Column  # float64[columns, groups and some]


def _find_all(parts: Sequence[Column], entries: _Entries) -> None:
    """Fill in the entries of the same groups in all tables."""
    column = 0
    for part in parts:
        end = column + part.shape[1]
        _find(part, _Entries(*(field[column:end] for field in entries)))
        column = end


def _exact_in_single(table: Column, most: int) -> Column:
    """Which columns single precision adds up without rounding, weighted up to `most`: bool[columns].

    They hold whole numbers whose sum is small enough. There registers have twice as many as of others.
    """
    size, whole = np.zeros(table.shape[1]), np.ones(table.shape[1], np.bool_)
    _measure(table, size, whole)
    exact: Column = whole & (most * size <= 1 << 24)
    return exact


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
def _weigh(key: np.uint64, units: Any, first: int, steps: Any, room: Any, single: Any, double: Any) -> None:
    """The weights of all groups in the replicates from `first` on, as single and as double precision has them."""
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
            single[group, i] = counts[i]
            double[group, i] = counts[i]


@compiled
def _measure(table: Any, size: Any, whole: Any) -> None:
    """Of each column, what its values add up to without their signs, and whether all are whole numbers."""
    for group in range(table.shape[0]):
        for column in range(table.shape[1]):
            value = table[group, column]
            size[column] += abs(value)
            whole[column] &= value == np.floor(value)


@compiled
def _find(table: Any, entries: Any) -> None:
    """Fill in the entries of a table's columns, padded with zeros to a multiple of `AT_ONCE`."""
    entries.filled[:] = 0
    for group in range(table.shape[0]):
        for column in range(table.shape[1]):
            value = table[group, column]
            if value != 0.0:
                free = entries.filled[column]
                entries.group[column, free], entries.value[column, free] = group, value
                entries.filled[column] += 1
    for column in range(table.shape[1]):
        free = entries.filled[column]
        entries.group[column, free : free + AT_ONCE - 1] = 0
        entries.value[column, free : free + AT_ONCE - 1] = 0


@compiled
def _add(weights: Any, columns: Any, entries: Any, sums: Any) -> None:
    """Add up weight times value of some columns, each in the order of its groups."""
    exactly = sums.dtype.type
    for number in range(columns.size):
        total = sums[number]
        groups, values = entries.group[columns[number]], entries.value[columns[number]]
        for at in range(0, entries.filled[columns[number]], AT_ONCE):
            a, b, c, d = exactly(values[at]), exactly(values[at + 1]), exactly(values[at + 2]), exactly(values[at + 3])
            of_a, of_b, of_c, of_d = (
                weights[groups[at]],
                weights[groups[at + 1]],
                weights[groups[at + 2]],
                weights[groups[at + 3]],
            )
            for i in range(total.size):
                total[i] = total[i] + of_a[i] * a + of_b[i] * b + of_c[i] * c + of_d[i] * d
