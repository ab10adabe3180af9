"""Columns of EB-NeRD's Parquet files, checked and converted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.arrow import to_numpy
from newsreplay.datasets.base import EARLIEST, LATEST
from newsreplay.errors import DataError
from newsreplay.log.rows import Column

PAGE = "https://recsys.eb.dk/"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@contextmanager
def named(file: Path) -> Iterator[None]:
    """Arrow's errors about a damaged file, as `DataError` that names it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}; is it complete? Get it again from {PAGE}") from error


def read_columns(file: Path, names: list[str]) -> dict[str, pa.Array]:
    """Some columns of a file, by name. Raises `DataError` if it is damaged."""
    with named(file), pq.ParquetFile(file) as parquet:
        table = parquet.read(columns=names)
        return {name: table[name].combine_chunks() for name in names}


def batches(file: Path, size: int, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, at most `size` rows at a time. Raises `DataError` if it is damaged."""
    with named(file), pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(size, columns=names)


def without_empty(text: pa.Array) -> pa.Array:
    """Texts, null where they are empty."""
    return pc.if_else(pc.equal(text, ""), None, text)


def whole_numbers(values: pa.Array) -> pa.Array:
    """Ids as int64; null where a number is not whole, or larger than any id."""
    if pa.types.is_floating(values.type):
        numbers = to_numpy(values.cast(pa.float64()), np.nan)
        whole = (np.abs(numbers) < 2**53) & (numbers == np.floor(numbers))
        return pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole)
    if pa.types.is_uint64(values.type):
        values = pc.if_else(pc.greater(values, 2**63 - 1), None, values)
    return values.cast(pa.int64())


def is_given(values: pa.Array) -> Column:
    """Which values are not null: bool[n]."""
    return to_numpy(values.is_valid())


def codes_of(values: pa.Array) -> Column:
    """Equal numbers of 32 bits for equal ids."""
    span = pc.min_max(values).as_py()
    if len(values) and span["min"] is not None and not 0 <= span["min"] <= span["max"] < 1 << 32:
        values = values.dictionary_encode().indices
    return to_numpy(values, 0).astype(np.int64)


def list_lengths(lists: pa.Array) -> Column:
    """The length of every list, 0 for null: int64[n]."""
    return to_numpy(lists.value_lengths(), 0).astype(np.int64)


def entries(lists: pa.Array) -> tuple[Column, pa.Array, int]:
    """How many ids each list has, all ids, and how many places were without one."""
    sizes, values = list_lengths(lists), lists.flatten()
    if pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type) and not values.null_count:
        return sizes, values, 0
    values = whole_numbers(values)
    given = is_given(values)
    owners = np.repeat(np.arange(sizes.size), sizes)
    return np.bincount(owners[given], minlength=sizes.size), values.drop_null(), int((~given).sum())


def to_times(values: pa.Array) -> tuple[Column, Column]:
    """Timestamps as ms UTC, and which of them can be used."""
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    rate = _PER_SECOND[values.type.unit]
    numbers = to_numpy(values.cast(pa.int64()), 0)
    usable = (numbers >= EARLIEST // 1_000 * rate) & (numbers < LATEST // 1_000 * rate)
    time = np.where(usable, numbers, 0) * 1_000 if rate == 1 else numbers // (rate // 1_000)
    return time, usable


def no_time(column: str, value: pa.Scalar) -> str:
    """Why a timestamp cannot be used."""
    if not value.is_valid:
        return f"{column} is null"
    unit = value.type.unit
    return f"{column} {value.cast(pa.int64()).as_py()} {unit} since 1970 is outside 1990 to 2100"
