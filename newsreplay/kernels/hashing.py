"""A hash table of small records found by 64-bit keys, for kernels: open addressing, linear probing.

Kernels cannot enlarge an array, so the owner of a table calls `room` between stretches of the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.log.rows import Column

FREE = np.uint64(0)


class HashTable(NamedTuple):
    """Records with a field `key`: never 0, and scattered already, since its low bits are where it belongs."""

    record: Column  #: record[capacity, a power of two], key 0 = free
    entries: Column  #: int64[1]


def table(fields: npt.DTypeLike, capacity: int = 1024) -> HashTable:
    """An empty table of records with these fields."""
    return HashTable(np.zeros(capacity, fields), np.zeros(1, np.int64))


def room(old: HashTable, entries: int) -> HashTable:
    """A table at most half full once it holds `entries` more."""
    needed = 2 * (int(old.entries[0]) + entries)
    if needed <= old.record.size:
        return old
    new = table(old.record.dtype, 1 << (needed - 1).bit_length())
    _copy(old, new)
    return new


@kernel
def find(table: Any, key: np.uint64) -> int:
    """Where `key` stands, or the free place where it belongs."""
    mask = table.record.size - 1
    at = int64(key & np.uint64(mask))
    while table.record[at]["key"] != key and table.record[at]["key"] != FREE:
        at = (at + 1) & mask
    return at


@kernel
def add(table: Any, at: int, key: np.uint64) -> None:
    """Fill the free place `at` that `find` gave; the record's other fields are the caller's to set."""
    table.record[at]["key"] = key
    table.entries[0] += 1


@kernel
def remove(table: Any, at: int) -> None:
    """Free the place `at`, moving up the records that were pushed past it."""
    mask = table.record.size - 1
    table.entries[0] -= 1
    hole, at = at, (at + 1) & mask
    while table.record[at]["key"] != FREE:
        home = int64(table.record[at]["key"] & np.uint64(mask))
        if ((at - home) & mask) >= ((at - hole) & mask):
            table.record[hole] = table.record[at]
            hole = at
        at = (at + 1) & mask
    table.record[hole]["key"] = FREE


@compiled
def _copy(old: Any, new: Any) -> None:
    for i in range(old.record.size):
        key = old.record[i]["key"]
        if key != FREE:
            at = find(new, key)
            new.record[at] = old.record[i]
            new.entries[0] += 1
