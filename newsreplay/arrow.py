"""Between Arrow and NumPy without pandas, which `pa.array` and `Array.to_numpy` would import at every start."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from newsreplay.log.rows import Column


def to_numpy(column: pa.Array | pa.ChunkedArray, missing: float | None = None) -> Column:
    """A column of numbers or booleans, nulls as `missing`; of a dictionary-encoded column its codes.

    Numbers of a column in one piece share its memory and are read-only. Without `missing` there must be no null.
    """
    array = in_one_piece(column)
    if pa.types.is_dictionary(array.type):
        array = array.indices
    if missing is not None and array.null_count:
        array = array.fill_null(missing)
    buffer = array.buffers()[1] or b""
    if pa.types.is_boolean(array.type):
        end = array.offset + len(array)
        bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little", count=end)
        return bits[array.offset :].view(np.bool_)
    dtype = np.dtype(array.type.to_pandas_dtype())
    values: Column = np.frombuffer(buffer, dtype, len(array), dtype.itemsize * array.offset)
    return values


def to_arrow(
    values: Column, kind: pa.DataType | None = None, *, valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """A column as an Arrow array of its own type, or of `kind`, of the same width; null where it is not `valid`."""
    marks = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    if values.dtype == np.bool_:
        kind, buffer = pa.bool_(), pa.py_buffer(np.packbits(values, bitorder="little"))
    else:
        buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(values.dtype), len(values), [marks, buffer])


def room(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Column:
    """Room for numbers, without values, in memory that Arrow keeps for the next one; NumPy gives it back at once.

    Fresh memory costs a fault a page, which for large columns that are made again and again is more than their filling.
    """
    size, kind = math.prod(shape) if isinstance(shape, tuple) else shape, np.dtype(dtype)
    return np.frombuffer(pa.allocate_buffer(size * kind.itemsize), kind, size).reshape(shape)


def in_one_piece(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as one array; chunks that are dictionary-encoded must share their dictionary."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def dictionary_of(codes: Column, values: pa.Array, *, valid: npt.NDArray[np.bool_] | None = None) -> pa.DictionaryArray:
    """A dictionary-encoded column of codes into texts, unchecked; null where it is not `valid`."""
    return pa.DictionaryArray.from_arrays(to_arrow(codes, valid=valid), values, safe=False)


def lists_of(bounds: Column, values: pa.Array) -> pa.LargeListArray:
    """A column of lists: list i has the values from bounds[i] up to bounds[i + 1]."""
    return pa.LargeListArray.from_arrays(to_arrow(bounds.astype(np.int64, copy=False)), values)


def write_batch(path: Path, columns: Mapping[str, pa.Array]) -> None:
    """Write columns as an Arrow file of one record batch, so that every column can be mapped as one array."""
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def map_batch(path: Path | str) -> pa.RecordBatch:
    """The columns that `write_batch` wrote, memory-mapped. Raises `OSError` or `pa.ArrowInvalid`."""
    return pa.ipc.open_file(pa.memory_map(os.fspath(path))).get_batch(0)
