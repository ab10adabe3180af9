"""Columns of EB-NeRD's Parquet files, checked and converted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.arrow import to_numpy
from newsreplay.datasets.base import EARLIEST, EXTRA, LATEST
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


def sessions_of(session: pa.Array, split: str) -> pa.DictionaryArray:
    """Ids of sessions (int64) as coded text; `split` goes before them unless it is empty."""
    encoded = session.dictionary_encode()
    names = encoded.dictionary.cast(pa.string())
    names = pc.binary_join_element_wise(split, names, ":") if split else names
    return pa.DictionaryArray.from_arrays(encoded.indices, names)


def texts_of(file: Path, names: Sequence[str]) -> dict[str, pa.Array]:
    """Columns of a file that are kept, as coded text, by the names that blocks give them. Raises `DataError`."""
    if not names:
        return {}
    columns = read_columns(file, list(names))
    return {f"{EXTRA}{name}": values.cast(pa.string()).dictionary_encode() for name, values in columns.items()}


def batches(file: Path, size: int, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, at most `size` rows at a time. Raises `DataError` if it is damaged."""
    with named(file), pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(size, columns=names)


def without_empty(text: pa.Array) -> pa.Array:
    """Texts, null where they are empty."""
    return pc.if_else(pc.equal(text, ""), None, text)


def whole_numbers(values: pa.Array) -> pa.Array:
    """Ids as int64; null where a number is not whole, or larger than any id, and where a text is none."""
    if is_text(values.type):
        values = pc.if_else(pc.match_substring_regex(values, r"^(0|[1-9][0-9]{0,17})$"), values, None)
        return values.cast(pa.int64())
    if pa.types.is_floating(values.type):
        numbers = to_numpy(values.cast(pa.float64()), np.nan)
        whole = (np.abs(numbers) < 2**53) & (numbers == np.floor(numbers))
        return pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole)
    if pa.types.is_uint64(values.type):
        values = pc.if_else(pc.greater(values, 2**63 - 1), None, values)
    return values.cast(pa.int64())


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def readers(values: pa.Array) -> pa.Array:
    """Readers as int64, or as the text they are; null where there is none."""
    return without_empty(values.cast(pa.string())) if is_text(values.type) else whole_numbers(values)


def as_lists(values: pa.Array) -> pa.Array:
    """Lists of any length, also of such as are all of one length or written as text, as `[9000, 9001]`."""
    if pa.types.is_fixed_size_list(values.type):
        return values.cast(pa.large_list(values.type.value_type))
    if not is_text(values.type):
        return values
    split = pc.split_pattern_regex(values.cast(pa.large_string()), r"[][()\s,'\"]+")
    words, owners = pc.list_flatten(split), to_numpy(pc.list_parent_indices(split))
    given = to_numpy(pc.not_equal(words, ""))
    ends = np.concatenate([[0], np.cumsum(np.bincount(owners[given], minlength=len(values)))]).astype(np.int64)
    words = words.filter(pa.array(given))
    return pa.LargeListArray.from_arrays(pa.array(ends), words, mask=values.is_null())


def is_given(values: pa.Array) -> Column:
    """Which values are not null, and no empty text: bool[n]."""
    return to_numpy((without_empty(values) if is_text(values.type) else values).is_valid())


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
