"""Tables in memory: pandas frames, and whatever hands out an Arrow stream (polars, DuckDB, pyarrow)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn  # Any: frames of several libraries
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from newsreplay.datasets.sources.table.columns import TIMES, place
from newsreplay.datasets.sources.table.files import File, Found, printable
from newsreplay.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

NAME = "the frame"  #: what errors call it
FAULTS = (pa.ArrowException, TypeError, ValueError, OverflowError, ArithmeticError)


def is_frame(data: object) -> bool:
    """Whether data are a pandas frame, or can be read as an Arrow stream."""
    return _is_pandas(data) or hasattr(data, "__arrow_c_stream__")


def write_frame(frame: Any, folder: Path, names: Mapping[str, str]) -> Found:
    """Write the columns of a frame that are read (`names` of `with_kept`) to a Parquet file in `folder`.

    Raises `DataError` where a column is missing or holds no times, ids or texts; errors of the disk as they are.
    """
    file = File(folder / "frame.parquet", ".parquet", None, "frame", "reads", NAME, is_frame=True)
    if _is_pandas(frame):
        _write_pandas(frame, file, names)
    else:
        _write_stream(frame, file, names)
    return Found([file], [], "frame", "frame", [])


def _is_pandas(data: object) -> bool:
    return hasattr(data, "iloc") and hasattr(data, "to_parquet")


# ---- pandas


def _write_pandas(frame: pd.DataFrame, file: File, names: Mapping[str, str]) -> None:
    series = [frame.iloc[:, at] for at in range(frame.shape[1])]
    headings = [str(name) for name in frame.columns]
    for level in frame.index.names:
        if level is not None and str(level) not in headings:
            series.append(frame.index.get_level_values(level).to_series())
            headings.append(str(level))
    placed = place(file, headings, names)
    columns = {headings[at]: _array(name, headings[at], series[at]) for name, at in placed.places.items()}
    pq.write_table(pa.table(columns), file.path)


def _array(name: str, heading: str, series: pd.Series[Any]) -> pa.Array:
    try:
        array = pa.Array.from_pandas(series)
    except FAULTS:
        return _texts(name, heading, series)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _texts(name: str, heading: str, series: pd.Series[Any]) -> pa.Array:
    """Ids of several types as text: strings, whole numbers and UUIDs."""
    missing = series.isna().to_numpy()
    texts: list[str | None] = []
    for value, is_missing in zip(series, missing, strict=True):
        if is_missing:
            texts.append(None)
        elif name not in TIMES and isinstance(value, str | int | np.integer | UUID) and not isinstance(value, bool):
            texts.append(str(value))
        else:
            _refuse(name, heading, {type(each).__name__ for each in series[~missing]})
    return pa.array(texts, pa.string())


def _refuse(name: str, heading: str, types: set[str]) -> NoReturn:
    wanted = "datetimes, or epoch times as integers" if name in TIMES else "strings or integers"
    raise DataError(
        f"{NAME}: the column '{printable(heading)}' (for {name}) holds values of type {', '.join(sorted(types)[:5])}; "
        f"make all of them {wanted}"
    )


# ---- Arrow streams


def _write_stream(frame: Any, file: File, names: Mapping[str, str]) -> None:
    try:
        reader = pa.RecordBatchReader.from_stream(frame)
    except FAULTS as error:
        raise DataError(f"{NAME} cannot be read as an Arrow stream: {printable(str(error))}") from error
    placed = place(file, reader.schema.names, names)
    places = sorted(placed.places.values())
    fields = [pa.field(reader.schema.names[at], _storable(reader.schema.types[at])) for at in places]
    schema = pa.schema(fields, reader.schema.metadata)
    with pq.ParquetWriter(file.path, schema) as writer:
        while (batch := _next_batch(reader)) is not None:
            columns = [batch.column(at).cast(field.type) for at, field in zip(places, fields, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _next_batch(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except FAULTS as error:
        raise DataError(f"{NAME} cannot be read as an Arrow stream: {printable(str(error))}") from error


def _storable(kind: pa.DataType) -> pa.DataType:
    """A type that Parquet has: views of strings, as polars hands them out, become strings."""
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), _storable(kind.value_type))
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return views.get(kind, kind)
