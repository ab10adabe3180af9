"""Slates: what was answered, as one array, and as a Parquet file with the publisher's own ids."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from newsreplay.errors import RecommenderError
from newsreplay.simulator.kernels import compiled, int64
from newsreplay.simulator.log import READ, Column, Log

if TYPE_CHECKING:
    from newsreplay.datasets.store import Publisher


class Drops(NamedTuple):
    """Articles dropped from a plain recommender's answers because they may not stand there."""

    current: int  #: times the article on screen was recommended
    repeated: int  #: times an article stood in a slate again


NO_DROPS = Drops(0, 0)


class Tidied(NamedTuple):
    """What `tidy` dropped, and the first unknown article it met."""

    current: int
    repeated: int
    unknown_row: int  #: -1 = none
    unknown_item: int


def fill(slates: Column, asked: int, answers: list[Any], name: str) -> None:
    """Write answers (sequences of whole numbers) into `slates` from request `asked` on, cut to k."""
    k = slates.shape[1]
    try:
        lengths = np.fromiter(map(len, answers), np.int64, len(answers))
        if lengths.max(initial=0) > k:
            answers = [answer[:k] for answer in answers]
            lengths = np.minimum(lengths, k)
        flat = np.array(list(chain.from_iterable(answers)))
    except (TypeError, ValueError):
        bad = next((answer for answer in answers if not hasattr(answer, "__len__")), None)
        raise RecommenderError(
            f"{name}.recommend returned {bad!r}; return a sequence of article codes, empty for no answer"
        ) from None
    if not flat.size:
        return
    if flat.dtype.kind not in "iu" or flat.ndim != 1:
        bad = next((x for x in chain.from_iterable(answers) if not isinstance(x, int | np.integer)), flat[0])
        raise RecommenderError(f"{name}.recommend returned {bad!r} in a slate; article codes are whole numbers")
    outside = flat[(flat < 0) | (flat > np.iinfo(np.int32).max)]
    if outside.size:
        raise RecommenderError(f"{name}.recommend returned {outside[0]} in a slate; article codes count from 0")
    slates[asked : asked + len(answers)][np.arange(k) < lengths[:, None]] = flat


def tidy(log: Log, first: int, end: int, slates: Column, asked: int, known: int) -> tuple[Tidied, int]:
    """Drop the current article and repeated ones from the slates of rows first … end - 1, in place.

    `asked` is the number of requests before `first`, `known` that of known articles. Returns what was
    dropped and the number of articles known at the end, or at the row where an unknown one was recommended.
    """
    found = np.array([0, 0, -1, -1], np.int64)
    known = _tidy(log.kind, log.item, first, end, slates, asked, known, found)
    return Tidied(*found.tolist()), known


@compiled
def _tidy(kind: Any, item: Any, first: int, end: int, slates: Any, asked: int, known: int, found: Any) -> int:
    for row in range(first, end):
        known = max(known, int64(item[row]) + 1)
        if kind[row] != READ:
            continue
        slate = slates[asked]
        asked += 1
        kept = 0
        for place in range(slate.size):
            candidate = slate[place]
            if candidate < 0:
                break
            if candidate >= known:
                found[2], found[3] = row, candidate
                return known
            repeated = False
            for i in range(kept):
                repeated = repeated or slate[i] == candidate
            if candidate == item[row]:
                found[0] += 1
            elif repeated:
                found[1] += 1
            else:
                slate[kept] = candidate
                kept += 1
        slate[kept:] = -1
    return known


ROW_GROUP = 1 << 20  #: requests per row group of a slates file

_ID = pa.dictionary(pa.int32(), pa.string())  # in memory; in the file they are strings
# Nothing is ever null, and saying so spares the file and the writer a mark per value.
_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("session", _ID, nullable=False),
        pa.field("user", _ID, nullable=False),
        pa.field("item", _ID, nullable=False),
        pa.field("slate", pa.list_(pa.field("element", _ID, nullable=False)), nullable=False),
    ]
)


def write_slates(path: Path, publisher: Publisher, slates: Column) -> None:
    """Write slates with the publisher's own ids as Parquet, whole or not at all.

    One row per request in log order: row, time (ms UTC), session, user, item, slate (list, best first).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(path.name + ".part")
    with _parquet_writer(work) as writer:
        for begin in range(0, len(slates), ROW_GROUP):
            part = slice(begin, begin + ROW_GROUP)
            writer.write_table(_table(publisher, part, slates[part]), row_group_size=ROW_GROUP)
    work.replace(path)


def _table(publisher: Publisher, part: slice, slates: Column) -> pa.Table:
    log, items = publisher.log, publisher.articles.id
    rows = publisher.requests.row[part].astype(np.int64)
    columns = [
        _array(rows, _SCHEMA.field("row").type),
        _array(log.time[rows], _SCHEMA.field("time").type),
        _ids(log.session[rows], publisher.sessions.id),
        _ids(log.user[rows], publisher.users),
        _ids(log.item[rows], items),
        _lists(slates, items),
    ]
    return pa.table(columns, schema=_SCHEMA)


def _parquet_writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        _SCHEMA,
        compression="zstd",
        compression_level=1,
        use_dictionary=["session", "user", "item", "slate.list.element"],
        column_encoding={"row": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED"},
        write_statistics=["row", "time"],
        store_schema=False,
    )


def _array(values: Column, kind: pa.DataType) -> pa.Array:
    """An array as Arrow sees it; pa.array would do the same but import pandas first."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _ids(codes: Column, values: pa.Array) -> pa.DictionaryArray:
    """Ids by code, with the stretch of the dictionary that these codes need."""
    low, high = (int(codes.min()), int(codes.max()) + 1) if codes.size else (0, 0)
    return pa.DictionaryArray.from_arrays(_array(codes - low, pa.int32()), values[low:high].cast(pa.string()))


def _lists(slates: Column, items: pa.Array) -> pa.ListArray:
    answered = slates >= 0
    if answered.all():
        ends = np.arange(0, slates.size + 1, slates.shape[1])
        codes = slates.ravel()
    else:
        ends = np.concatenate([[0], np.cumsum(answered.sum(axis=1))])
        codes = slates[answered]
    return pa.ListArray.from_arrays(
        _array(ends.astype(np.int32), pa.int32()), _ids(codes, items), type=_SCHEMA.field("slate").type
    )
