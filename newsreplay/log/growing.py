"""Arrays that grow: kernels cannot enlarge one, so larger copies are made between stretches of the log."""

from __future__ import annotations

import numpy as np

from newsreplay.log.rows import Column


def enlarged(array: Column, rows: int, fill: float | None = 0) -> Column:
    """The array if it has so many rows already, else a copy of it with so many; new ones hold `fill`.

    With `fill=None` nobody writes to new rows, so that they take up no memory before they are used.
    """
    if rows <= len(array):
        return array
    shape = (rows, *array.shape[1:])
    larger: Column = np.empty(shape, array.dtype) if fill is None else np.full(shape, fill, array.dtype)
    larger[: len(array)] = array
    return larger


def with_room(array: Column, rows: int, fill: float | None = 0) -> Column:
    """The array if it has so many rows, else one at least twice as long, so that row by row growth is linear."""
    return array if rows <= len(array) else enlarged(array, max(rows, 2 * len(array)), fill)


def ring_with_room(ring: Column, begin: int, end: int, more: int) -> Column:
    """The ring if it has room for `more` entries behind entries begin … end - 1, else a larger one that holds these.

    Entry i stands at i modulo the length, a power of two.
    """
    length = len(ring)
    if end - begin + more <= length:
        return ring
    larger = 1 << (end - begin + more - 1).bit_length()
    numbers = np.arange(begin, end)
    entries = np.empty((larger, *ring.shape[1:]), ring.dtype)
    entries[numbers & (larger - 1)] = ring[numbers & (length - 1)]
    return entries
