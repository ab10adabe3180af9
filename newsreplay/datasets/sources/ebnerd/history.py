"""EB-NeRD's `history.parquet`: what readers read before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.datasets.base import Block, Part, Reject
from newsreplay.datasets.sources.ebnerd.behaviors import IDS, TIMES
from newsreplay.datasets.sources.ebnerd.columns import _columns, _sizes, _times, _valid, _whole, batches, no_time
from newsreplay.log.rows import HISTORY

READERS = 5_000  #: readers of a history per block, some 160 clicks each
LATE = "history clicks at or after the first impression of their split, kept"
ELSEWHERE = "history of a reader whose history an earlier split has"
_HISTORY = {"user_id": (IDS, False), "impression_time_fixed": (TIMES, True), "article_id_fixed": (IDS, True)}


class Split(NamedTuple):
    name: str
    folder: Path


def read_history(part: Part, split: Split, before: list[Split]) -> Iterator[Block]:
    earlier = [reader for other in before for reader in _readers(other)]
    known = pa.array(earlier, pa.int64())
    start = _first_impression(split)
    for batch in batches(part.path, READERS, list(_HISTORY)):
        block = Block(part.name, lines=batch.num_rows)
        user = _whole(batch["user_id"])
        times, items = batch["impression_time_fixed"], batch["article_id_fixed"]
        sizes, others = _sizes(items), _sizes(times)
        usable = _valid(user) & (sizes == others)
        for row in np.flatnonzero(~usable & (sizes + others > 0)).tolist():
            reason = (
                f"article_id_fixed has {sizes[row]} entries, impression_time_fixed {others[row]}"
                if user[row].is_valid
                else "user_id is null or no whole number"
            )
            block.rejects.append(Reject(part.name, row + 1, reason, f"user_id={user[row]}"))
        block.records = len(block.rejects)
        known_before = np.asarray(pc.is_in(user, value_set=known)) & usable
        block.dropped += Counter({ELSEWHERE: int(sizes[known_before].sum())})  # `+=` leaves out zeros
        lines = np.flatnonzero(usable & ~known_before)
        if lines.size < batch.num_rows:
            times, items = times.take(pa.array(lines)), items.take(pa.array(lines))
        raw_time, item = times.flatten(), _whole(items.flatten())
        lines = np.repeat(lines, sizes[lines])
        time, timed = _times(raw_time)
        there = _valid(item)
        for click in np.flatnonzero(~(timed & there)).tolist():
            reason = (
                no_time("impression_time_fixed", raw_time[click])
                if there[click]
                else "article_id_fixed is null or no whole number"
            )
            text = f"user_id={user[lines[click]]}, article_id_fixed={item[click]}"
            block.rejects.append(Reject(part.name, int(lines[click]) + 1, reason, text))
        block.rejects.sort(key=lambda reject: reject.line)
        block.records += block.dropped[ELSEWHERE] + time.size
        rows = pa.table({"time": time, "user": user.take(pa.array(lines)), "item": item})
        usable = timed & there
        if not usable.all():
            rows = rows.filter(pa.array(usable))
        block.kept = rows.num_rows
        block.counts[LATE] = int(np.count_nonzero(time[usable] >= start)) if start is not None else 0
        block.rows = rows.append_column("kind", pa.array(np.full(rows.num_rows, HISTORY, np.uint8)))
        yield block


def _readers(split: Split) -> list[int]:
    column = _columns(split.folder / "history.parquet", ["user_id"])["user_id"]
    readers: list[int] = _whole(column).drop_null().to_pylist()
    return readers


def _first_impression(split: Split) -> int | None:
    time, timed = _times(_columns(split.folder / "behaviors.parquet", ["impression_time"])["impression_time"])
    return int(time[timed].min()) if timed.any() else None


def scored(splits: list[Split]) -> dict[str, tuple[int, int | None]]:
    """Each split from its first impression up to that of the next one."""
    starts = [_first_impression(split) for split in splits]
    nexts = [*starts[1:], None]
    return {
        split.name: (start, end) for split, start, end in zip(splits, starts, nexts, strict=True) if start is not None
    }
