"""Arrays that grow."""

from __future__ import annotations

import numpy as np

from newsreplay.log.rows import Column


def enlarged(array: Column, rows: int, fill: int | None = 0) -> Column:
    """The array if it has so many rows already, else a copy of it with so many; new ones hold `fill`.

    With `fill=None` nobody writes to new rows, so that they take up no memory before they are used.
    """
    if rows <= len(array):
        return array
    shape = (rows, *array.shape[1:])
    larger: Column = np.empty(shape, array.dtype) if fill is None else np.full(shape, fill, array.dtype)
    larger[: len(array)] = array
    return larger


def with_room(array: Column, rows: int, fill: int | None = 0) -> Column:
    """The array if it has so many rows, else one at least twice as long, so that row by row growth is linear."""
    return array if rows <= len(array) else enlarged(array, max(rows, 2 * len(array)), fill)
