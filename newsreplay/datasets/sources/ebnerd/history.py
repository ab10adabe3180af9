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
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.ebnerd.behaviors import IDS, TIMES
from newsreplay.datasets.sources.ebnerd.columns import (
    as_lists,
    batches,
    is_given,
    list_lengths,
    no_time,
    read_columns,
    readers,
    to_times,
    whole_numbers,
)
from newsreplay.log.rows import HISTORY

LATE = "history clicks at or after the first impression of their split, kept"
ELSEWHERE = "history of a reader whose history an earlier split has"
HISTORY_COLUMNS = {"user_id": (IDS, False), "impression_time_fixed": (TIMES, True), "article_id_fixed": (IDS, True)}


class SplitFolder(NamedTuple):
    """One split of the data set."""

    name: str
    folder: Path


def read_history(part: Part, split: SplitFolder, before: list[SplitFolder], sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of a split's histories, without those of readers whose history a split before has."""
    earlier = [reader for other in before for reader in _readers(other)]
    known = pa.array(earlier, pa.string())
    start = _first_impression(split)
    for batch in batches(part.path, sizes.entries, list(HISTORY_COLUMNS)):
        block = Block(part.name, lines=batch.num_rows)
        user = readers(batch["user_id"])
        times, items = as_lists(batch["impression_time_fixed"]), as_lists(batch["article_id_fixed"])
        lengths, others = list_lengths(items), list_lengths(times)
        usable = is_given(user) & (lengths == others)
        for row in np.flatnonzero(~usable & (lengths + others > 0)).tolist():
            reason = (
                f"article_id_fixed has {lengths[row]} entries, impression_time_fixed {others[row]}"
                if user[row].is_valid
                else "user_id is null or no whole number"
            )
            block.rejects.append(Reject(part.name, row + 1, reason, f"user_id={user[row]}"))
        block.records = len(block.rejects)
        known_before = np.asarray(pc.is_in(user.cast(pa.string()), value_set=known)) & usable
        block.dropped += Counter({ELSEWHERE: int(lengths[known_before].sum())})  # `+=` leaves out zeros
        lines = np.flatnonzero(usable & ~known_before)
        if lines.size < batch.num_rows:
            times, items = times.take(pa.array(lines)), items.take(pa.array(lines))
        raw_time, item = times.flatten(), whole_numbers(items.flatten())
        lines = np.repeat(lines, lengths[lines])
        time, timed = to_times(raw_time)
        given = is_given(item)
        for click in np.flatnonzero(~(timed & given)).tolist():
            reason = (
                no_time("impression_time_fixed", raw_time[click])
                if given[click]
                else "article_id_fixed is null or no whole number"
            )
            text = f"user_id={user[lines[click]]}, article_id_fixed={item[click]}"
            block.rejects.append(Reject(part.name, int(lines[click]) + 1, reason, text))
        block.rejects.sort(key=lambda reject: reject.line)
        block.records += block.dropped[ELSEWHERE] + time.size
        rows = pa.table({"time": time, "user": user.take(pa.array(lines)), "item": item})
        usable = timed & given
        if not usable.all():
            rows = rows.filter(pa.array(usable))
        block.kept = rows.num_rows
        block.counts[LATE] = int(np.count_nonzero(time[usable] >= start)) if start is not None else 0
        block.rows = rows.append_column("kind", pa.array(np.full(rows.num_rows, HISTORY, np.uint8)))
        yield block


def _readers(split: SplitFolder) -> list[str]:
    file = split.folder / "history.parquet"
    if not file.is_file():
        return []
    column = read_columns(file, ["user_id"])["user_id"]
    known: list[str] = readers(column).drop_null().cast(pa.string()).to_pylist()
    return known


def _first_impression(split: SplitFolder) -> int | None:
    time, timed = to_times(read_columns(split.folder / "behaviors.parquet", ["impression_time"])["impression_time"])
    return int(time[timed].min()) if timed.any() else None


def scored(splits: list[SplitFolder]) -> dict[str, tuple[int, int | None]]:
    """Each split from its first impression up to that of the next one."""
    starts = [_first_impression(split) for split in splits]
    nexts = [*starts[1:], None]
    return {
        split.name: (start, end) for split, start, end in zip(splits, starts, nexts, strict=True) if start is not None
    }
