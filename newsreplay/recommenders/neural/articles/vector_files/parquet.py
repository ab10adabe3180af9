"""Vectors in Parquet: a column of ids and a column of lists of floats, as EB-NeRD's embeddings have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.arrow import to_numpy
from newsreplay.errors import DataError
from newsreplay.recommenders.neural.articles.vector_files.base import VectorBlock, block_of, fault_of, shown

_ROWS = 1024  #: rows read at a time
_BUFFER = 1 << 20  #: bytes of a column that are read at once


def read_parquet(path: Path) -> Iterator[VectorBlock]:
    """The rows of a file, whatever the names of its two columns; other columns are not looked at.

    Ids are whole numbers or strings, vectors are lists of floats, of fixed size or not. A row whose list is null has no
    vector, and is no fault. The width is that of most vectors among the first rows.
    Raises `pyarrow.ArrowException`, `OSError` and, from names of columns, `UnicodeDecodeError` if the file cannot be
    read; `DataError` if there is no such column or more than one.
    """
    with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
        columns = [file.schema_arrow.names[at] for at in _places(path, file.schema_arrow)]
        width, row = 0, 1
        for batch in file.iter_batches(_ROWS, columns=columns):
            ids, lists = (batch.column(at) for at in _places(path, batch.schema))
            lengths = to_numpy(pc.list_value_length(lists), -1)
            if not width and (lengths > 0).any():
                width = int(np.bincount(lengths[lengths > 0]).argmax())
            if width:
                yield _block(ids, lists, lengths, width, row)
            row += len(batch)


def _places(path: Path, schema: pa.Schema) -> tuple[int, int]:
    """Where the column of ids is, and where that of vectors."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema]
    ids = [at for at, kind in enumerate(kinds) if _is_id(kind)]
    vectors = [at for at, kind in enumerate(kinds) if _is_vector(kind)]
    for what, found in (("ids (whole numbers or strings)", ids), ("vectors (lists of floats)", vectors)):
        if len(found) != 1:
            which = f"{len(found)} columns" if found else "no column"
            names = ", ".join(f"{schema.names[at]!r}: {schema.types[at]}" for at in found or range(len(kinds)))
            raise DataError(f"{path} has {which} of {what}, not one ({names}); write it with those two columns alone")
    return ids[0], vectors[0]


def _is_id(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def _is_vector(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests) and bool(pa.types.is_floating(kind.value_type))


def _block(ids: pa.Array, lists: pa.Array, lengths: npt.NDArray[np.int64], width: int, row: int) -> VectorBlock:
    """A batch, the first row of which is row `row` of the file."""
    told = lengths >= 0
    right = lengths == width
    numbers = to_numpy(pc.list_flatten(lists.filter(pa.array(right))), np.nan)
    vectors = np.full((len(lengths), width), np.nan, np.float32)
    with np.errstate(over="ignore"):  # to infinity
        vectors[right] = numbers.reshape(-1, width)
    names = ids.filter(pa.array(told)).cast(pa.string()).cast(pa.binary()).to_pylist()
    vectors, lengths, rows = vectors[told], lengths[told], np.flatnonzero(told) + row

    def fault(place: int) -> str:
        if names[place] and lengths[place] != width:
            said = f"is no vector: {shown(names[place])} has width {lengths[place]}, most rows have {width}"
        else:
            said = fault_of(names[place], vectors[place])
        return f"row {rows[place]} {said}"

    return block_of(names, vectors, fault)
