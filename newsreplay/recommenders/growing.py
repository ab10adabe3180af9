"""Arrays that grow: kernels cannot enlarge one, so larger copies are made between stretches of the log."""

from __future__ import annotations

import numpy as np

from newsreplay.log.rows import Column


def room_for(array: Column, rows: int, fill: int = 0) -> Column:
    """The array if it has so many rows, else a copy at least twice as long, so that it seldom has to grow.

    New rows hold `fill`.
    """
    if rows <= len(array):
        return array
    larger = np.full((max(rows, 2 * len(array)), *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger


def lengthened(array: Column, length: int, used: int) -> Column:
    """A longer array with the same first `used` rows; the others hold anything, and are not touched."""
    longer = np.empty((length, *array.shape[1:]), array.dtype)
    longer[:used] = array[:used]
    return longer


def ring_for(ring: Column, begin: int, end: int, more: int) -> Column:
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
