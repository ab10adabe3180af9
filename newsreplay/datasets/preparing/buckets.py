"""Rows as records of fixed size, scattered over stretches of event time and sorted there, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import to_numpy
from newsreplay.datasets.preparing.gather import KINDS, UNSET, Gathered, interim
from newsreplay.datasets.preparing.work import kinds_of
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Column

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
        if not len(self.bounds):
            self.rows[0].append(records)
            return
        bucket = np.searchsorted(self.bounds, records["key"] // KINDS, side="right")
        first, last = int(bucket.min(initial=len(self.bounds))), int(bucket.max(initial=0))
        if first >= last:
            parts = [(last, records)] if len(records) else []
        else:
            if (bucket[1:] < bucket[:-1]).any():
                order = np.argsort(bucket, kind="stable")
                bucket, records = bucket[order], records[order]
            cuts = np.searchsorted(bucket, np.arange(first, last + 2))
            parts = [(first + n, records[cuts[n] : cuts[n + 1]]) for n in range(last + 1 - first)]
        for number, part in parts:
            if self.spilled:
                with (self.folder / f"bucket-{number}").open("ab") as file:
                    file.write(np.ascontiguousarray(part).data)  # not `tofile`, which does not notice a full disk
            else:
                self.rows[number].append(part)

    def sorted(self) -> Iterator[Column]:
        """The rows of each stretch in turn, sorted by time and kind, in source order where these are equal."""
        for number, rows in enumerate(self.rows):
            path = self.folder / f"bucket-{number}"
            if path.exists():
                rows.append(np.fromfile(path, RECORD))
                path.unlink()
            if rows:
                records = np.concatenate(rows)
                rows.clear()
                key = records["key"]
                yield records[stable_order(key)] if (key[1:] < key[:-1]).any() else records


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


def records_of(gathered: Gathered) -> Iterator[Column]:
    """All rows as records, in source order: publications first, then block by block."""
    publications = gathered.publications
    records = np.zeros(len(publications.item), RECORD)
    records["key"] = publications.time * KINDS + PUBLISH
    records["place"], records["item"] = publications.place, publications.item
    records["user"] = records["session"] = -1
    records["active"] = np.nan
    yield records
    for number, rows in gathered.blocks.tables("rows"):
        yield _block_records(gathered, number, rows)


def _block_records(gathered: Gathered, number: int, rows: pa.RecordBatch) -> Column:
    kind, time = kinds_of(rows), to_numpy(rows.column("time"))
    records = np.zeros(rows.num_rows, RECORD)
    records["key"] = time * KINDS + kind
    records["place"] = (number << 32) + np.arange(rows.num_rows)
    records["item"] = interim(rows, "item", number, gathered.item_of)
    user, session = (interim(rows, name, number, gathered.item_of) for name in ("user", "session"))
    records["user"], records["session"] = gathered.sessions.whose(number, kind, user, session)
    records["active"] = np.nan
    if "active" in rows.schema.names:
        records["active"] = to_numpy(rows.column("active"), np.nan)
    if "recommendable" in rows.schema.names:
        flag = to_numpy(rows.column("recommendable").cast(pa.float32()), np.nan)
        publish = kind == PUBLISH
        records["active"][publish] = flag[publish]
    if "clicked" not in rows.schema.names:
        return records
    records = np.concatenate([records, _outcomes(gathered, number, rows, records)])
    # Outcomes and clicks right after the row they come from, so that blocks may be cut anywhere.
    return records[np.argsort(records["place"], kind="stable")]


def _outcomes(gathered: Gathered, number: int, rows: pa.RecordBatch, records: Column) -> Column:
    """The outcomes of a block's impressions, then the reads of what was clicked in them."""
    clicked = rows.column("clicked")
    known = np.flatnonzero(to_numpy(clicked.is_valid()))
    outcomes = records[known]
    if (outcomes["key"] % KINDS != IMPRESSION).any():
        raise AssertionError("only impressions have clicks")
    outcomes["key"] += OUTCOME - IMPRESSION
    offsets, marks = to_numpy(clicked.offsets), to_numpy(clicked.values)
    row = np.repeat(np.arange(len(records)), np.diff(offsets))
    begin, end = offsets[0], offsets[-1]
    at = np.flatnonzero(marks[begin:end])
    reads = records[row[at]]
    reads["key"] += READ - IMPRESSION
    pool = rows.column("pool")
    # Pools and clicks are equally long in every row, but may begin at different offsets.
    place = at + begin + (to_numpy(pool.offsets)[row[at]] - offsets[row[at]])
    reads["item"] = gathered.item_of[number, "rows.pool"][to_numpy(pool.values.indices)[place]]
    reads["active"] = np.nan
    if "dwell" in rows.schema.names:
        reads["active"] = to_numpy(pc.list_flatten(rows.column("dwell")), np.nan)
    return np.concatenate([outcomes, reads])
