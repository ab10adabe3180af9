"""Parquet and Arrow IPC: planned by row groups and record batches, of which only the needed columns are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.arrow import to_numpy
from newsreplay.datasets.base import EXTRA, Part
from newsreplay.datasets.reading.forms import CALENDAR, NUMBERS, FormTally
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.reading.times import chunk_times
from newsreplay.datasets.sources.table.columns import TIMES, place
from newsreplay.datasets.sources.table.files import BINARY, File, printable
from newsreplay.datasets.sources.table.ids import IDS
from newsreplay.datasets.sources.table.rows import EmptyError, TableRows, time_column
from newsreplay.errors import DataError
from newsreplay.machine import cores

BUFFER = 1 << 20  #: bytes of a column that are read at once


class _RowGroup(NamedTuple):
    """A row group or record batch."""

    first: int  # row of the file, from 0
    rows: int


class BinaryTable:
    """A table with typed columns; making one reads its schema, and looks for the unit of times without a type.

    Raises `DataError` if the file cannot be read, lacks a column, or should have rows and has none.
    """

    assumed = False

    def __init__(self, file: File, names: dict[str, str], sizes: ReadSizes) -> None:
        self.file = file
        self.sizes = sizes
        with _readable(file):
            self.schema = _schema(file)
        self.placed = place(file, self.schema.names, names)
        self.places = self.placed.places
        kinds = {name: _plain_type(self.schema.types[at]) for name, at in self.places.items() if name in TIMES}
        self.typed: Set[str] = {
            name for name, kind in kinds.items() if pa.types.is_timestamp(kind) or pa.types.is_date(kind)
        }
        self.floats: Set[str] = {
            name for name, at in self.places.items() if name in IDS and _is_floating(self.schema.types[at])
        }
        with _readable(file):
            self.groups = _groups(file, self.schema.names[self.places["item"]])
        if not sum(group.rows for group in self.groups) and file.role == "reads":
            raise EmptyError(f"{file.name} has columns but no rows; export it again")
        self.parts = self._parts()
        self.units = {name: CALENDAR if name in self.typed else self._unit(name) for name in kinds}

    def first_rows(self) -> TableRows | None:
        """The first row, with its columns of text."""
        text = [name for name, at in self.places.items() if name not in TIMES and _is_text(self.schema.types[at])]
        sources = [self.schema.names[self.places[name]] for name in text]
        with _readable(self.file):
            for batch in _batches(self.file, self.parts[0], sources, self.schema, 1) if text and self.parts else ():
                table = pa.Table.from_batches([batch]).select(sources).rename_columns(text)
                begin = np.arange(1, table.num_rows + 1)
                return TableRows({name: table[name] for name in text}, begin, begin + 1, table.num_rows)
        return None

    def rows(self, part: Part) -> Iterator[TableRows]:
        """The rows of a part, at most `sizes.rows` at a time."""
        first = self.groups[part.begin].first
        for table in self._tables(part, list(self.places)):
            columns = {
                name: _as_text(self.file, name, table[name], first) if name not in TIMES else table[name]
                for name in self.places
            }
            begin = np.arange(1, table.num_rows + 1)
            yield TableRows(columns, begin, begin + 1, table.num_rows)
            first += table.num_rows

    def _parts(self) -> list[Part]:
        begins, rows = [0], 0
        for number, group in enumerate(self.groups):
            if rows >= self.sizes.part_rows:
                begins.append(number)
                rows = 0
            rows += group.rows
        weight = self.file.path.stat().st_size // len(begins)
        return [
            Part(self.file.path, self.file.name, begin, end, weight, self.file.role)
            for begin, end in zip(begins, [*begins[1:], len(self.groups)], strict=True)
            if end
        ]

    def _unit(self, name: str) -> int:
        with _readable(self.file):
            extremes = _extremes(self.file, self.schema.field(self.places[name]))
        forms = {*chunk_times(extremes)[1].tolist()}
        if len(forms) == 1 and forms & NUMBERS:  # so are all values in between
            return int(forms.pop())
        tally = FormTally()
        with ThreadPoolExecutor(cores()) as pool:
            for more in pool.map(lambda part: self._tally(part, name), self.parts):
                tally.append(more)
        return tally.unit

    def _tally(self, part: Part, name: str) -> FormTally:
        tally = FormTally()
        for table in self._tables(part, [name]):
            for chunk in time_column(self.file, name, table[name]).chunks:
                tally.add(chunk_times(chunk)[1])
        return tally

    def _tables(self, part: Part, wanted: list[str]) -> Iterator[pa.Table]:
        """Some columns, by our names, at most `sizes.rows` at a time."""
        sources = [self.schema.names[self.places[name]] for name in wanted]
        with _readable(self.file):
            held: list[pa.RecordBatch] = []
            rows = 0
            for batch in _batches(self.file, part, sources, self.schema, self.sizes.rows):
                if held and rows + batch.num_rows > self.sizes.rows:
                    yield pa.Table.from_batches(held).select(sources).rename_columns(wanted)
                    held, rows = [], 0
                held.append(batch)
                rows += batch.num_rows
            if held:
                yield pa.Table.from_batches(held).select(sources).rename_columns(wanted)


@contextmanager
def _readable(file: File) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: names that are no text
        raise DataError(
            f"{file.name} cannot be read as {BINARY[file.ending]}: {printable(str(error))}; "
            "is it complete, and is the extension right? Copy or write it again"
        ) from error


# ---- the two formats


def _schema(file: File) -> pa.Schema:
    if file.ending == ".parquet":
        with pq.ParquetFile(file.path) as opened:
            return opened.schema_arrow
    with pa.memory_map(str(file.path)) as mapped:
        return _opened(mapped, None).schema


def _groups(file: File, column: str) -> list[_RowGroup]:
    """All row groups; or record batches, whose lengths only a column of theirs has."""
    if file.ending == ".parquet":
        with pq.ParquetFile(file.path) as opened:
            sizes = [opened.metadata.row_group(at).num_rows for at in range(opened.metadata.num_row_groups)]
    else:
        with pa.memory_map(str(file.path)) as mapped:
            reader = _opened(mapped, [column])
            if isinstance(reader, pa.RecordBatchFileReader):
                sizes = [reader.get_batch(at).num_rows for at in range(reader.num_record_batches)]
            else:
                sizes = [sum(batch.num_rows for batch in reader)]  # a stream can only be read from its start
    firsts = np.cumsum([0, *sizes]).tolist()
    return [_RowGroup(first, rows) for first, rows in zip(firsts, sizes, strict=False)]


def _extremes(file: File, column: pa.Field) -> pa.Array:
    """The least and the greatest whole number of each row group, as its statistics tell; none if one has none."""
    values: list[int] = []
    if file.ending == ".parquet" and pa.types.is_integer(column.type):
        with pq.ParquetFile(file.path) as opened:
            at = opened.schema_arrow.names.index(column.name)
            told = [opened.metadata.row_group(group).column(at) for group in range(opened.metadata.num_row_groups)]
        if all(one.path_in_schema == column.name and one.statistics and one.statistics.has_min_max for one in told):
            values = [value for one in told for value in (one.statistics.min, one.statistics.max)]
    return pa.array(values, pa.int64() if max(values, default=0) < 2**63 else pa.uint64())


def _opened(
    mapped: pa.MemoryMappedFile, columns: list[str] | None
) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    try:
        reader = pa.ipc.open_file(mapped)
        kind = pa.ipc.open_file
    except pa.ArrowInvalid:
        mapped.seek(0)
        reader = pa.ipc.open_stream(mapped)
        kind = pa.ipc.open_stream
    if columns is None:
        return reader
    mapped.seek(0)
    return kind(mapped, options=pa.ipc.IpcReadOptions(included_fields=[reader.schema.names.index(n) for n in columns]))


def _batches(file: File, part: Part, columns: list[str], schema: pa.Schema, most: int) -> Iterator[pa.RecordBatch]:
    """The record batches of a part, at most `most` rows each."""
    if file.ending == ".parquet":
        words = [name for name in columns if schema.field(name).type in (pa.string(), pa.large_string())]
        with pq.ParquetFile(file.path, read_dictionary=words, buffer_size=BUFFER) as opened:
            yield from opened.iter_batches(most, row_groups=list(range(part.begin, part.end or 0)), columns=columns)
        return
    with pa.memory_map(str(file.path)) as mapped:
        reader = _opened(mapped, columns)
        if isinstance(reader, pa.RecordBatchFileReader):
            held: Iterable[pa.RecordBatch] = (reader.get_batch(at) for at in range(part.begin, part.end or 0))
        else:
            held = reader
        for batch in held:
            tidy = pa.record_batch([_plain(column) for column in batch.columns], names=batch.schema.names)
            for begin in range(0, batch.num_rows, most):
                yield tidy.slice(begin, most)


# ---- columns of other hands


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_floating(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(_plain_type(kind)))


def _is_text(kind: pa.DataType) -> bool:
    kind = _plain_type(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(column: pa.Array) -> pa.Array:
    """A column as what it holds: dictionaries of other hands may hold nulls and the same word twice."""
    if pa.types.is_dictionary(column.type):
        column.indices.validate(full=True)
        known = pc.min_max(column.indices).as_py()
        if known["min"] is not None and not 0 <= known["min"] <= known["max"] < len(column.dictionary):
            raise pa.ArrowInvalid("a code is outside its dictionary")
        _check_bounds(column.dictionary)
        return column.cast(column.type.value_type)
    _check_bounds(column)
    return column


def _check_bounds(column: pa.Array) -> None:
    """Whether texts lie within their buffer; whether they are UTF-8 is judged row by row."""
    if pa.types.is_string(column.type):
        column = column.view(pa.binary())
    elif pa.types.is_large_string(column.type):
        column = column.view(pa.large_binary())
    column.validate(full=True)


def _as_text(file: File, name: str, column: pa.ChunkedArray, first: int) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):  # as arrow.uuid
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    kind = _plain_type(column.type)
    if pa.types.is_dictionary(column.type) and not pa.types.is_string(kind):
        column = column.cast(kind)
    if name == "dwell" or name.startswith(EXTRA):
        return _as_written(file, name, column)
    if pa.types.is_floating(kind):
        return _whole_numbers(file, name, column, first)
    if kind == pa.binary(16):
        return _uuids(column)
    if _is_text(kind) or kind in (pa.binary(), pa.large_binary()):
        return column
    try:
        if pa.types.is_fixed_size_binary(kind):
            raise pa.ArrowInvalid("bytes of any meaning")
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{file.name}: {name} is of type {kind}, which is no id; write it as strings") from error


def _as_written(file: File, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values that are no ids as text."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = f"the column '{printable(name.removeprefix(EXTRA))}' is of type {column.type}"
        raise DataError(f"{file.name}: {what}, which is no text and no number; write it as strings") from error


def _uuids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Sixteen bytes as the text of a UUID: 00000000-0000-0000-0000-000000000000."""
    encoded = column.dictionary_encode().unify_dictionaries()
    chunks = [
        pa.DictionaryArray.from_arrays(
            chunk.indices, pa.array([str(UUID(bytes=value)) for value in chunk.dictionary.to_pylist()], pa.string())
        )
        for chunk in encoded.chunks
    ]
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string()))


def _whole_numbers(file: File, name: str, column: pa.ChunkedArray, first: int) -> pa.ChunkedArray:
    """Ids that became floats, as pandas makes them of integers with a gap."""
    values = np.nan_to_num(to_numpy(column.cast(pa.float64()).combine_chunks(), 0.0), nan=0.0)
    wrong = (values != np.floor(values)) | (np.abs(values) > 2**53)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{file.name} row {first + row + 1}: {name} {values[row]} is a float, in which ids cannot be told apart "
            "beyond 2^53 or with a fraction; write the column as int64 or strings"
        )
    missing = pc.is_null(column, nan_is_null=True)
    return pc.if_else(missing, None, pa.array(values.astype(np.int64))).cast(pa.string())
