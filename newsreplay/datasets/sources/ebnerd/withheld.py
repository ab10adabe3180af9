"""EB-NeRD's test split: a `behaviors.parquet` whose clicks are withheld."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from newsreplay.datasets.base import Block, Part, Reject
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.ebnerd.behaviors import IDS, TIMES
from newsreplay.datasets.sources.ebnerd.columns import (
    as_lists,
    batches,
    entries,
    is_given,
    list_lengths,
    no_time,
    readers,
    sessions_of,
    texts_of,
    to_times,
    whole_numbers,
)
from newsreplay.log.rows import IMPRESSION, Column

WITHHELD = {
    "impression_id": (IDS, False),
    "session_id": (IDS, False),
    "user_id": (IDS, False),
    "impression_time": (TIMES, False),
    "article_ids_inview": (IDS, True),
}
ANSWERED = "impressions whose clicks are withheld (the test split): answered, never judged"


def read_withheld(part: Part, split: str, keep: Sequence[str], sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of a test split's behaviours, with the columns `keep`.

    `split` goes before its session ids unless it is empty.
    """
    extra, begin = texts_of(part.path, keep), 0
    for batch in batches(part.path, sizes.rows, list(WITHHELD)):
        block = Block(part.name, lines=batch.num_rows, records=batch.num_rows)
        number, session = whole_numbers(batch["impression_id"]), whole_numbers(batch["session_id"])
        user = readers(batch["user_id"])
        time, timed = to_times(batch["impression_time"])
        shown = as_lists(batch["article_ids_inview"])
        lengths, pool, _ = entries(shown)
        odd = _odd(batch["user_id"], user) | _odd(batch["session_id"], session)
        holes = lengths != list_lengths(shown)
        reasons = {
            "impression_id is null or no whole number": ~is_given(number),
            "user_id or session_id is no whole number": odd,
            "": ~timed,
            "nothing in article_ids_inview": lengths == 0,
            "article_ids_inview has a place without an article, which no rank could be given": holes,
        }
        bad = np.logical_or.reduce(list(reasons.values()))
        for row in np.flatnonzero(bad).tolist():
            reason = next(reason for reason, rows in reasons.items() if rows[row])
            told = reason or no_time("impression_time", batch["impression_time"][row])
            text = f"impression_id={batch['impression_id'][row]}, user_id={batch['user_id'][row]}"
            block.rejects.append(Reject(part.name, row + 1, told, text[:500]))
        good = np.flatnonzero(~bad)
        block.kept = block.counts[ANSWERED] = good.size
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
        rows = pa.table(
            {
                "kind": np.full(batch.num_rows, IMPRESSION, np.uint8),
                "time": time,
                "user": user,
                "session": sessions_of(session, split),
                "item": pa.nulls(batch.num_rows, pa.int64()),
                "pool": pa.LargeListArray.from_arrays(offsets, pool),
                "withheld": number.cast(pa.string()),
                **{name: texts.slice(begin, batch.num_rows) for name, texts in extra.items()},
            }
        )
        block.rows = rows if good.size == batch.num_rows else rows.take(pa.array(good))
        begin += batch.num_rows
        yield block


def _odd(values: pa.Array, ids: pa.Array) -> Column:
    """Which values are there, and no ids."""
    odd: Column = is_given(values) & ~is_given(ids)
    return odd
