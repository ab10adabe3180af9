"""Rows as records of fixed size, scattered over stretches of event time and sorted there, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple  # Any: in kernels

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import to_numpy
from newsreplay.datasets.preparing.background import made_ahead
from newsreplay.datasets.preparing.gather import KINDS, UNSET, Gathered, interim
from newsreplay.datasets.preparing.work import kinds_of
from newsreplay.kernels.compiling import compiled, int64
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Column
from newsreplay.machine import cores

RECORD = np.dtype(
    [
        ("key", np.int64),
        ("place", np.int64),
        ("item", np.int32),  # -1 = none
        ("user", np.int32),  # -1 = none
        ("session", np.int32),  # -1 = none, or split by time
        ("active", np.float32),  # seconds on the article; of a publish row whether recommendable; NaN = not known
    ]
)


def reads_of(gathered: Gathered) -> Iterator[tuple[Column, Column]]:
    """The readers and articles of all reads, block by block, as interim codes."""
    for number, rows in gathered.blocks.tables("rows"):
        records = _block_records(gathered, number, rows)
        reads = records[records["key"] % KINDS == READ]
        yield reads["user"], reads["item"]


class Buckets:
    """Rows by stretches of event time, in memory where they fit, else in one file per stretch."""

    def __init__(self, bounds: Column, rows: int, folder: Path, in_memory: int):
        self.bounds = bounds  # int64[buckets - 1], first time of all buckets but the first
        self.spilled = rows * RECORD.itemsize > in_memory
        self.folder = folder
        self.rows: list[list[Column]] = [[] for _ in range(len(bounds) + 1)]
        for left in folder.glob("bucket-*"):  # by a preparation that was interrupted
            left.unlink()

    def add(self, records: Column) -> None:
        """Take in rows that come after all before them in the source."""
        key = records["key"]
        first, last = self._bucket_of(np.array([key.min(), key.max()]))
        if first == last:
            parts = [records]
        else:
            bucket = self._bucket_of(key)
            if (bucket[1:] < bucket[:-1]).any():
                order = stable_order(bucket)
                bucket, records = bucket[order], records.take(order)
            parts = np.split(records, np.searchsorted(bucket, np.arange(first + 1, last + 1)))
        for number, part in enumerate(parts, first):
            if self.spilled:
                with (self.folder / f"bucket-{number}").open("ab") as file:
                    file.write(np.ascontiguousarray(part).data)  # not `tofile`, which does not notice a full disk
            else:
                self.rows[number].append(part)

    def _bucket_of(self, key: Column) -> Column:
        return np.searchsorted(self.bounds, key // KINDS, side="right")

    def sorted(self, source: Iterable[tuple[Column, int]]) -> Iterator[Column]:
        """The rows of each stretch in turn, sorted by time and kind, in source order where these are equal.

        `source` has the rows in source order, some at a time, each with the earliest time of all rows that come after
        them: a stretch is done with as soon as none of its rows can come any more.
        """
        return (records for records in made_ahead(self._sorted, self._whole(source), 1) if len(records))

    def _whole(self, source: Iterable[tuple[Column, int]]) -> Iterator[int]:
        """Take in all rows; the numbers of the stretches, each as soon as all its rows are there."""
        done = 0
        for records, earliest in source:
            self.add(records)
            whole = int(np.searchsorted(self.bounds, earliest, side="right"))
            yield from range(done, whole)
            done = max(done, whole)
        yield from range(done, len(self.rows))

    def _sorted(self, number: int) -> Column:
        rows = self.rows[number]
        path = self.folder / f"bucket-{number}"
        if path.exists():
            rows.append(np.fromfile(path, RECORD))
            path.unlink()
        if not rows:
            return np.empty(0, RECORD)
        # As bytes: NumPy copies records field by field, at a tenth of the speed.
        records = np.concatenate([part.view(np.uint8) for part in rows]).view(RECORD) if len(rows) > 1 else rows[0]
        rows.clear()
        key = records["key"]
        return records.take(stable_order(key)) if (key[1:] < key[:-1]).any() else records


def stable_order(key: Column) -> Column:
    """What sorts keys, equal ones in their order, by one sort of whole numbers that hold key and place."""
    places = max(1, len(key) - 1).bit_length()
    low, high = int(key.min(initial=UNSET)), int(key.max(initial=0))
    if (max(0, high - low)).bit_length() + places > 62:
        return np.argsort(key, kind="stable")
    words = (key - low) << places | np.arange(len(key))
    words.sort()
    return words & ((1 << places) - 1)


def bounds_of(gathered: Gathered, bucket: int) -> Column:
    """Times that cut the log into stretches of some `bucket` rows."""
    stretches = -(-gathered.rows // bucket)
    if stretches == 1:
        return np.empty(0, np.int64)
    step = max(1, gathered.rows // 200_000)
    sample = np.concatenate([to_numpy(rows.column("time"))[::step] for _, rows in gathered.blocks.tables("rows")])
    cuts = np.quantile(sample, np.arange(1, stretches) / stretches, method="nearest")
    return np.unique(cuts.astype(np.int64))


def records_of(gathered: Gathered) -> Iterator[tuple[Column, int]]:
    """All rows as records, in source order: publications first, then by block; with the earliest time after them."""
    publications = gathered.publications
    none = np.full(len(publications.item), -1, np.int32)
    records = np.empty(len(none), RECORD)
    kind = np.full(len(none), PUBLISH, np.uint8)
    _fill(records, publications.place, publications.time, kind, publications.item, none, none)
    if len(records):
        yield records, int(gathered.earliest[0])
    blocks = made_ahead(
        lambda block: (block[0], _block_records(gathered, *block)), gathered.blocks.tables("rows"), cores()
    )
    for number, records in blocks:
        yield records, int(gathered.earliest[number + 1])


def _block_records(gathered: Gathered, number: int, rows: pa.RecordBatch) -> Column:
    kind = kinds_of(rows)
    user, session = (interim(rows, name, number, gathered.item_of) for name in ("user", "session"))
    user, session = gathered.sessions.whose(number, kind, user, session)
    item = interim(rows, "item", number, gathered.item_of)
    records = np.empty(rows.num_rows, RECORD)
    place = (number << 32) + np.arange(rows.num_rows)
    _fill(records, place, to_numpy(rows.column("time")), kind, item, user, session)
    if "active" in rows.schema.names:
        records["active"] = to_numpy(rows.column("active"), np.nan)
    if "recommendable" in rows.schema.names:
        flag = to_numpy(rows.column("recommendable").cast(pa.float32()), np.nan)
        publish = kind == PUBLISH
        records["active"][publish] = flag[publish]
    return _with_outcomes(gathered, number, rows, records) if "clicked" in rows.schema.names else records


@compiled
def _fill(records: Any, place: Any, time: Any, kind: Any, item: Any, user: Any, session: Any) -> None:
    for row in range(records.size):
        record = records[row]
        record.key = time[row] * KINDS + int64(kind[row])
        record.place = place[row]
        record.item, record.user, record.session = item[row], user[row], session[row]
        record.active = np.nan


class _Clicks(NamedTuple):
    """The pools of a block's impressions, and what was clicked in them; both lists are equally long in every row."""

    known: Column  # bool[rows], the impression has an outcome
    pool_at: Column  # int64[rows + 1]
    pool: Column  # int32, the block's own codes
    at: Column  # int64[rows + 1]
    clicked: Column  # bool
    dwell: Column  # float32[clicks], seconds, NaN = not known


def _with_outcomes(gathered: Gathered, number: int, rows: pa.RecordBatch, records: Column) -> Column:
    """Rows, behind every impression its outcome and what was clicked, so that blocks may be cut anywhere."""
    pool, marks = rows.column("pool"), rows.column("clicked")
    known, at, clicked = to_numpy(marks.is_valid()), to_numpy(marks.offsets), to_numpy(marks.values)
    clicks = int(np.count_nonzero(clicked[at[0] : at[-1]]))
    if "dwell" in rows.schema.names:
        dwell = to_numpy(pc.list_flatten(rows.column("dwell")), np.nan)
    else:
        dwell = np.full(clicks, np.nan, np.float32)
    told = _Clicks(known, to_numpy(pool.offsets), to_numpy(pool.values.indices), at, clicked, dwell)
    both = np.empty(len(records) + int(np.count_nonzero(known)) + clicks, RECORD)
    if not _add_outcomes(records, told, gathered.item_of[number, "rows.pool"], both):
        raise AssertionError("only impressions have clicks")
    return both


@compiled
def _add_outcomes(records: Any, told: Any, codes: Any, both: Any) -> bool:
    """Fill `both`; False where something else than an impression has an outcome."""
    at = clicks = 0
    for row in range(records.size):
        both[at] = records[row]
        at += 1
        if not told.known[row]:
            continue
        if records[row].key % KINDS != IMPRESSION:
            return False
        both[at] = records[row]
        both[at].key += OUTCOME - IMPRESSION
        at += 1
        for place in range(told.at[row], told.at[row + 1]):
            if told.clicked[place]:
                both[at] = records[row]
                both[at].key += READ - IMPRESSION
                both[at].item = codes[told.pool[told.pool_at[row] + place - told.at[row]]]
                both[at].active = told.dwell[clicks]
                at += 1
                clicks += 1
    return True
