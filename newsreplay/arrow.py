"""Columns: from Arrow to NumPy without pandas, and appended to files that NumPy can map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from newsreplay.log.rows import Column


def numbers(table: Any, name: str | None = None) -> Column:
    """A column of numbers without nulls as NumPy sees it; `Array.to_numpy` would import pandas first."""
    array = table if name is None else table.column(name)
    dtype = array.type.to_pandas_dtype()
    values: Column = np.frombuffer(array.buffers()[1] or b"", dtype)
    return values[array.offset : array.offset + len(array)]


def bits(array: Any) -> Column:
    """A column of booleans without nulls."""
    packed = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return np.unpackbits(packed, bitorder="little", count=array.offset + len(array))[array.offset :].astype(bool)


def filled(table: Any, name: str) -> Column:
    """Numbers or codes with -1 for null."""
    column = table.column(name)
    column = column.indices if pa.types.is_dictionary(column.type) else column
    return numbers(column.fill_null(-1) if column.null_count else column)
