"""The files of a run folder that hold columns; docs/run-folder.md is the format.

Everything is written under another name first and then renamed, so that a file that is there is whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.arrow import dictionary_of, in_one_piece, lists_of, to_arrow, to_numpy
from newsreplay.errors import RunError
from newsreplay.files import written_whole
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, Column
from newsreplay.simulator.judgement.judge import Outcomes
from newsreplay.simulator.judgement.measures import IMPRESSIONS
from newsreplay.simulator.judgement.rankings import Ranked
from newsreplay.simulator.judgement.scoring import Judgement, Scored
from newsreplay.simulator.runs.paths import PairFiles, publisher_files

# --- what is scored -------------------------------------------------------------------------------------


class Reads(NamedTuple):
    """The scored reads, session by session: a frame with what slices are made by."""

    row: Column  #: int64[reads], log row
    time: Column  #: int64[reads], ms UTC
    session: Column  #: int32[reads], session code
    cluster: Column  #: int64[reads], what the session is resampled with
    relevant: Column  #: int32[reads]
    reachable: Column  #: bool[reads]
    again: Column  #: bool[reads]
    age: Column  #: int64[reads], ms since the article became known
    returning: Column  #: bool[reads], the reader has read something before this session
    category: Column  #: int32[reads], -1 = none
    categories: list[str]


class Impressions(NamedTuple):
    """The scored impressions in log order, with what slices are made by."""

    row: Column  #: int64[n]
    time: Column  #: int64[n], ms UTC
    session: Column  #: int32[n]
    cluster: Column  #: int64[n]
    returning: Column  #: bool[n]
    candidates: Column  #: int32[n]


def write_scored(folder: Path, publisher: Publisher, scored: Scored) -> None:
    """Write what a run scores of a publisher."""
    log, frame = publisher.log, scored.frame
    files = publisher_files(folder, publisher.name)
    row = publisher.requests.row[frame.request].astype(np.int64)
    lengths = np.diff(frame.begin)
    returning = _returning(publisher)
    item, articles = log.item[row], publisher.articles
    category = np.where(articles.category_row[item] <= row, articles.category[item], -1)
    columns = {
        "row": row,
        "time": log.time[row],
        "session": np.repeat(frame.session, lengths),
        "cluster": np.repeat(scored.clusters.unit[scored.clusters.group], lengths),
        "relevant": frame.relevant,
        "reachable": frame.reachable,
        "again": frame.again,
        "age": log.time[row] - articles.published[item],
        "returning": np.repeat(returning[frame.session], lengths),
    }
    _write(
        files.frame,
        {name: to_arrow(values) for name, values in columns.items()}
        | {"category": dictionary_of(category.astype(np.int32), articles.categories, valid=category >= 0)},
    )
    impressions = scored.impressions
    if len(impressions.impression):
        at = log.pools.at
        columns = {
            "row": impressions.row,
            "time": impressions.time,
            "session": impressions.session,
            "cluster": scored.impression_clusters.unit[scored.impression_clusters.group],
            "returning": returning[impressions.session],
            "candidates": (at[impressions.impression + 1] - at[impressions.impression]).astype(np.int32),
        }
        _write(files.scored_impressions, {name: to_arrow(values) for name, values in columns.items()})
    else:
        files.scored_impressions.unlink(missing_ok=True)  # of an earlier scoring, with other options


#: The columns of files by what their types are called, or how that begins.
_READS = dict.fromkeys(("row", "time", "cluster", "age"), "int64") | {
    "session": "int32",
    "relevant": "int32",
    "reachable": "bool",
    "again": "bool",
    "returning": "bool",
    "category": "string",
}
_IMPRESSIONS = dict.fromkeys(("row", "time", "cluster"), "int64") | {
    "session": "int32",
    "returning": "bool",
    "candidates": "int32",
}


def _returning(publisher: Publisher) -> Column:
    """Whether the reader of each session has read something before its first row: bool[sessions]."""
    log = publisher.log
    row = np.flatnonzero(log.session >= 0)[::-1]
    first = np.zeros(int(log.session.max(initial=-1)) + 1, np.int64)
    first[log.session[row]] = row  # the last to be written is the first
    user = log.user[first]
    read = np.flatnonzero(log.kind >= READ)[::-1]
    since = np.full(int(log.user.max(initial=-1)) + 1, len(log.time), np.int64)
    since[log.user[read]] = read
    known: Column = since[user] < first
    return known


def read_reads(path: Path) -> Reads:
    """What `write_scored` wrote of reads. Raises `RunError`."""
    table = _read(path, _READS)
    category = in_one_piece(table.column("category")).dictionary_encode()
    return Reads(
        **{name: to_numpy(table.column(name)) for name in Reads._fields[:-2]},
        category=to_numpy(category, -1),
        categories=category.dictionary.to_pylist(),
    )


def read_impressions(path: Path) -> Impressions | None:
    """What `write_scored` wrote of impressions, if there were any. Raises `RunError`."""
    if not path.exists():
        return None
    table = _read(path, _IMPRESSIONS)
    return Impressions(**{name: to_numpy(table.column(name)) for name in Impressions._fields})


# --- what became of answers -----------------------------------------------------------------------------


def write_judgement(files: PairFiles, judgement: Judgement) -> None:
    """Write what became of a pair's answers."""
    relevant = judgement.outcomes.relevant
    packed = pa.Array.from_buffers(
        pa.binary(relevant.shape[1]), len(relevant), [None, pa.py_buffer(np.ascontiguousarray(relevant))]
    )
    _write(files.outcomes, {"place": to_arrow(judgement.outcomes.place), "relevant": packed})
    if judgement.ranked is not None:
        values = judgement.ranked.values
        _write(files.rankings, {name: to_arrow(values[:, m]) for m, name in enumerate(IMPRESSIONS)})
    else:
        files.rankings.unlink(missing_ok=True)  # of an earlier scoring, with other options


def read_places(path: Path) -> Column:
    """The places of the outcomes alone: int16[reads]. Raises `RunError`."""
    return to_numpy(_read(path, {"place": "int16"}).column("place"))


def read_outcomes(path: Path) -> Outcomes:
    """What `write_judgement` wrote of slates. Raises `RunError`."""
    table = _read(path, {"place": "int16", "relevant": "fixed_size_binary"})
    packed = in_one_piece(table.column("relevant"))
    width = packed.type.byte_width
    raw = np.frombuffer(packed.buffers()[1] or b"", np.uint8, width * len(packed), width * packed.offset)
    return Outcomes(to_numpy(table.column("place")), raw.reshape(len(packed), width))


def read_rankings(path: Path) -> Ranked | None:
    """What `write_judgement` wrote of impressions, if the recommender scored them. Raises `RunError`."""
    if not path.exists():
        return None
    table = _read(path, dict.fromkeys(IMPRESSIONS, "double"))
    return Ranked(np.column_stack([to_numpy(table.column(name)) for name in IMPRESSIONS]))


# --- scores ---------------------------------------------------------------------------------------------


def write_scores(path: Path, publisher: Publisher, scores: Column) -> None:
    """Write a recommender's scores: one row per impression of the log."""
    row = np.flatnonzero(publisher.log.kind == IMPRESSION)
    _write(path, {"row": to_arrow(row), "scores": lists_of(publisher.log.pools.at, to_arrow(scores))})


def write_impressions(path: Path, publisher: Publisher) -> None:
    """Write the impressions that scores are for, with the publisher's own ids; nothing if there are none."""
    log, at = publisher.log, publisher.log.pools.at
    row = np.flatnonzero(log.kind == IMPRESSION)
    if not row.size:
        return
    outcome_known = np.zeros(len(row), bool)
    outcome_known[log.impression[log.kind == OUTCOME]] = True
    columns = {
        "row": to_arrow(row),
        "time": to_arrow(log.time[row], pa.timestamp("ms", "UTC")),
        "session": dictionary_of(log.session[row], publisher.sessions.id),
        "user": dictionary_of(log.user[row], publisher.users),
        "candidates": lists_of(at, dictionary_of(log.pools.item, publisher.articles.id)),
        "clicked": lists_of(at, to_arrow(log.pools.clicked)),
        "outcome_known": to_arrow(outcome_known),
    }
    _write(path, columns)


def read_scores(path: Path, publisher: Publisher) -> Column | None:
    """A recommender's scores as `write_scores` wrote them, float64[places]; None if there are none.

    Raises `RunError` where they are not those of this log.
    """
    if not path.exists():
        return None
    flat = in_one_piece(_read(path, {"scores": "list<element: double"}).column("scores")).flatten()
    if flat.null_count:
        raise RunError(f"{path} has gaps; run it again")
    scores = to_numpy(flat)
    if len(scores) != len(publisher.log.pools.item):
        raise RunError(f"{path} holds {len(scores):,} scores; the log has {len(publisher.log.pools.item):,} candidates")
    return scores


# --- columns --------------------------------------------------------------------------------------------


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    with written_whole(path) as work:
        pq.write_table(
            pa.table(columns), work, compression="zstd", compression_level=1, store_schema=False, write_statistics=False
        )


def _read(path: Path, types: Mapping[str, str]) -> pa.Table:
    """Some columns of a file, which are of these types and have no gaps but categories. Raises `RunError`."""
    way_out = "run it again, or score it again with 'newsreplay score'"
    try:
        table = pq.read_table(path, columns=list(types))
    except (OSError, pa.ArrowException) as error:
        reason = "it is not there" if isinstance(error, FileNotFoundError) else error
        raise RunError(f"{path} cannot be read ({reason}); {way_out}") from None
    for name, kind in types.items():
        place = table.schema.get_field_index(name)
        if place < 0 or not str(table.schema.field(place).type).startswith(kind):
            raise RunError(f"{path} has no column {name!r} of type {kind}; {way_out}")
        if table.column(place).null_count and name != "category":
            raise RunError(f"{path} has gaps in its column {name!r}; {way_out}")
    return table


def count(path: Path) -> int:
    """The rows of a Parquet file. Raises `RunError` if it cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        reason = "it is not there" if isinstance(error, FileNotFoundError) else error
        raise RunError(f"{path} cannot be read: {reason}; run it again") from None


def read_slates(path: Path, publisher: Publisher, k: int) -> Column:
    """Slates as codes, int32[requests, k], padded with -1. Raises `RunError` where they are not of this log."""
    slates = np.full((len(publisher.requests.row), k), -1, np.int32)
    ids = publisher.articles.id.cast(pa.string())
    begin = 0
    try:
        with pq.ParquetFile(path, read_dictionary=["slate.list.element"]) as file:
            for batch in file.iter_batches(1 << 18, columns=["slate"]):
                lists = batch.column(0)
                codes = _codes(lists.flatten(), ids)
                lengths = np.diff(to_numpy(lists.offsets))
                part = slates[begin : begin + len(lists)]
                if len(part) < len(lists) or lengths.max(initial=0) > k or (codes < 0).any():
                    raise RunError(f"{path} does not hold answers to this log")
                part[np.arange(k) < lengths[:, None]] = codes
                begin += len(lists)
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    if begin != len(slates):
        raise RunError(f"{path} does not hold answers to this log: {begin:,} of {len(slates):,}")
    return slates


def _codes(values: pa.Array, ids: pa.Array) -> Column:
    if not isinstance(values, pa.DictionaryArray):
        values = values.dictionary_encode()
    places = pc.index_in(values.dictionary, value_set=ids).fill_null(-1)
    code = to_numpy(places)
    return code[to_numpy(values)] if len(code) else np.empty(0, np.int32)


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
    with written_whole(path) as work, _parquet_writer(work) as writer:
        for begin in range(0, len(slates), ROW_GROUP):
            part = slice(begin, begin + ROW_GROUP)
            writer.write_table(_table(publisher, part, slates[part]), row_group_size=ROW_GROUP)


def _table(publisher: Publisher, part: slice, slates: Column) -> pa.Table:
    log, items = publisher.log, publisher.articles.id
    rows = publisher.requests.row[part].astype(np.int64)
    columns = [
        to_arrow(rows, _SCHEMA.field("row").type),
        to_arrow(log.time[rows], _SCHEMA.field("time").type),
        _dense_ids(log.session[rows], publisher.sessions.id),
        _dense_ids(log.user[rows], publisher.users),
        _dense_ids(log.item[rows], items),
        _slate_lists(slates, items),
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


def _dense_ids(codes: Column, values: pa.Array) -> pa.DictionaryArray:
    """Ids by code, with the stretch of the dictionary that these codes need."""
    low, high = (int(codes.min()), int(codes.max()) + 1) if codes.size else (0, 0)
    return dictionary_of(codes - low, values[low:high])


def _slate_lists(slates: Column, items: pa.Array) -> pa.ListArray:
    answered = slates >= 0
    if answered.all():
        ends = np.arange(0, slates.size + 1, slates.shape[1])
        codes = slates.ravel()
    else:
        ends = np.concatenate([[0], np.cumsum(answered.sum(axis=1))])
        codes = slates[answered]
    return pa.ListArray.from_arrays(
        to_arrow(ends.astype(np.int32), pa.int32()), _dense_ids(codes, items), type=_SCHEMA.field("slate").type
    )
