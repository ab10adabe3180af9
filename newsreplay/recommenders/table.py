"""A hash table from 64-bit keys to whole numbers, for kernels: open addressing, linear probing.

Kernels cannot enlarge an array, so whoever owns a table asks for `room` between stretches of the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.simulator.kernels import compiled, kernel
from newsreplay.simulator.log import Column
from newsreplay.simulator.mixing import mix

EMPTY = np.uint64(0)


class Table(NamedTuple):
    """Keys (never 0) and their values."""

    key: Column  #: uint64[capacity, a power of two], 0 = free
    value: Column  #: int32[capacity]
    entries: Column  #: int64[1]


def table(capacity: int = 1024) -> Table:
    """An empty table."""
    return Table(np.zeros(capacity, np.uint64), np.empty(capacity, np.int32), np.zeros(1, np.int64))


def room(old: Table, entries: int) -> Table:
    """A table at most half full once it holds `entries` more."""
    needed = 2 * (int(old.entries[0]) + entries)
    if needed <= old.key.size:
        return old
    new = table(1 << (needed - 1).bit_length())
    _copy(old, new)
    return new


@kernel
def find(table: Any, key: np.uint64) -> int:
    """Where `key` stands, or the free place where it belongs."""
    mask = table.key.size - 1
    at = np.int64(mix(key) & np.uint64(mask))
    while table.key[at] != key and table.key[at] != EMPTY:
        at = (at + 1) & mask
    return at


@kernel
def put(table: Any, at: int, key: np.uint64, value: int) -> None:
    """Fill the free place `at` that `find` gave."""
    table.key[at] = key
    table.value[at] = value
    table.entries[0] += 1


@kernel
def remove(table: Any, at: int) -> None:
    """Free the place `at`, moving up the entries that were pushed past it."""
    mask = table.key.size - 1
    table.entries[0] -= 1
    hole, at = at, (at + 1) & mask
    while table.key[at] != EMPTY:
        home = np.int64(mix(table.key[at]) & np.uint64(mask))
        if ((at - home) & mask) >= ((at - hole) & mask):
            table.key[hole] = table.key[at]
            table.value[hole] = table.value[at]
            hole = at
        at = (at + 1) & mask
    table.key[hole] = EMPTY


@compiled
def _copy(old: Any, new: Any) -> None:
    for i in range(old.key.size):
        if old.key[i] != EMPTY:
            put(new, find(new, old.key[i]), old.key[i], old.value[i])
