"""What recommenders answered, as columns, and what they were asked; docs/run-folder.md is the format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from newsreplay.arrow import dictionary_of, in_one_piece, lists_of, to_arrow, to_numpy
from newsreplay.errors import RunError
from newsreplay.log.publisher import Publisher, request_rows
from newsreplay.log.rows import IMPRESSION, OUTCOME, Asks, Column, DType
from newsreplay.simulator import scratch
from newsreplay.simulator.runs.files import BATCH, opened, read_columns, write_batches, write_columns, write_pieces

# --- slates ---------------------------------------------------------------------------------------------


def write_requests(path: Path, publisher: Publisher, asks: Asks = "reads") -> None:
    """Write what asked for slates, a row per request in log order, with the publisher's own ids. Raises `RunError`."""
    log, rows = publisher.log, request_rows(publisher, asks)

    def columns(part: slice) -> dict[str, pa.Array]:
        row = rows[part]
        item = log.item[row]
        return {
            "row": to_arrow(row.astype(np.int64)),
            "time": to_arrow(log.time[row], pa.timestamp("ms", "UTC")),
            "session": dictionary_of(log.session[row], publisher.sessions.id),
            "user": dictionary_of(log.user[row], publisher.users),
            "item": dictionary_of(item, publisher.articles.id, valid=None if asks == "reads" else item >= 0),
        }

    write_pieces(path, len(rows), columns)


def write_slates(path: Path, publisher: Publisher, slates: Column) -> None:
    """Write slates, int32[requests, k], as lists of codes into the publisher's article ids. Raises `RunError`."""
    ids = publisher.articles.id
    code = np.dtype("int16" if len(ids) <= 1 << 15 else "int32")
    kind = pa.list_(pa.field("item", pa.dictionary(pa.from_numpy_dtype(code), ids.type)))
    write_batches(path, pa.schema([pa.field("slate", kind)]), _lists(slates, code, ids))


def _lists(slates: Column, code: DType, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    for begin in range(0, len(slates), BATCH):
        part = slates[begin : begin + BATCH].astype(code)
        answered = part >= 0
        if answered.all():
            ends, codes = np.arange(0, part.size + 1, part.shape[1], dtype=np.int32), part.ravel()
        else:
            ends, codes = np.zeros(len(part) + 1, np.int32), part[answered]
            np.cumsum(answered.sum(axis=1), out=ends[1:])
        yield pa.record_batch([pa.ListArray.from_arrays(to_arrow(ends), dictionary_of(codes, ids))], names=["slate"])


def read_slates(path: Path, publisher: Publisher, k: int, asks: Asks = "reads") -> Column:
    """Slates as codes, int32[requests, k], padded with -1. Raises `RunError` where they are not of this log."""
    slates = scratch.full((len(request_rows(publisher, asks)), k), -1, np.int32)
    other = RunError(f"{path} does not hold answers to this log; run it again")
    begin = 0
    for part, ids in slate_stretches(path, k):
        if begin + len(part) > len(slates) or not ids.equals(publisher.articles.id):
            raise other
        slates[begin : begin + len(part)] = part
        begin += len(part)
    if begin != len(slates):
        raise other
    return slates


def slate_stretches(path: Path, k: int) -> Iterator[tuple[Column, pa.Array]]:
    """Slates stretch by stretch, `BATCH` requests each: codes, int32[requests, k], padded with -1, and the ids by code.

    Raises `RunError` where they are longer.
    """
    with opened(path) as reader:
        for number in range(reader.num_record_batches):
            lists = reader.get_batch(number).column("slate")
            codes, lengths = to_numpy(lists.values), np.diff(to_numpy(lists.offsets))
            if lengths.max(initial=0) > k:
                raise RunError(f"{path} does not hold answers to this log; run it again")
            part = np.full((len(lists), k), -1, np.int32)
            part[np.arange(k) < lengths[:, None]] = codes
            yield part, lists.values.dictionary


def slates_table(requests: Path, slates: Path) -> pa.Table:
    """What asked, and the slates it got: row, time, session, user, item, slate. Raises `RunError`."""
    kinds = dict.fromkeys(("session", "user", "item"), "dictionary")
    asked = read_columns(requests, {"row": "int64", "time": "timestamp"} | kinds)
    return _beside(asked, requests, read_columns(slates, {"slate": "list"}), slates)


# --- scores ---------------------------------------------------------------------------------------------


def write_impressions(path: Path, publisher: Publisher) -> None:
    """Write the impressions that scores are for, with the publisher's own ids; nothing if there are none.

    Raises `RunError`.
    """
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
    write_columns(path, columns)


def write_scores(path: Path, publisher: Publisher, scores: Column) -> None:
    """Write a recommender's scores, float64[places], a list per impression of the log. Raises `RunError`."""
    write_columns(path, {"scores": lists_of(publisher.log.pools.at, to_arrow(scores))})


def read_scores(path: Path, publisher: Publisher) -> Column:
    """A recommender's scores as `write_scores` wrote them, float64[places].

    Raises `RunError` where they are not those of this log.
    """
    flat = in_one_piece(in_one_piece(read_columns(path, {"scores": "large_list"}).column("scores")).flatten())
    if flat.null_count:
        raise RunError(f"{path} has gaps; run it again")
    scores = to_numpy(flat)
    if len(scores) != len(publisher.log.pools.item):
        raise RunError(f"{path} holds {len(scores):,} scores; the log has {len(publisher.log.pools.item):,} candidates")
    return scores


def scores_table(impressions: Path, scores: Path) -> pa.Table:
    """Impressions, and the scores of their candidates. Raises `RunError`.

    The columns are row, time, session, user, candidates, clicked, outcome_known, scores.
    """
    kinds = {"session": "dictionary", "user": "dictionary", "candidates": "large_list", "clicked": "large_list"}
    shown = read_columns(impressions, {"row": "int64", "time": "timestamp"} | kinds | {"outcome_known": "bool"})
    return _beside(shown, impressions, read_columns(scores, {"scores": "large_list"}), scores)


# --- all -----------------------------------------------------------------------------------------------


def list_at(path: Path, column: str, place: int) -> pa.Array:
    """One list of a column of lists, by its place from 0. Raises `RunError` where there is none."""
    with opened(path) as reader:
        left = place
        for number in range(reader.num_record_batches):
            lists = reader.get_batch(number).column(column)
            if left < len(lists):
                return lists[left].values
            left -= len(lists)
    raise RunError(f"{path} has no row {place:,}; run it again")


def _beside(asked: pa.Table, where: Path, answered: pa.Table, path: Path) -> pa.Table:
    if len(asked) != len(answered):
        raise RunError(f"{path} has {len(answered):,} rows, {where} {len(asked):,}; run it again")
    return asked.append_column(answered.schema.field(0), answered.column(0))


def with_ids(table: pa.Table) -> pa.Table:
    """The same columns with texts in place of codes into them."""
    return table.cast(pa.schema([pa.field(field.name, _text(field.type)) for field in table.schema]))


def _text(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(pa.field("item", _text(kind.value_type)))
    return pa.large_list(pa.field("item", _text(kind.value_type))) if pa.types.is_large_list(kind) else kind
