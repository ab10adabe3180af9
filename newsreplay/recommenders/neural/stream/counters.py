"""Counters of completed buckets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, Column
from newsreplay.recommenders.neural.stream.state import (
    ANCHOR,
    AVOIDANCE,
    CLICKED,
    CLICKS,
    EXPOSURE,
    NEXT,
    OPEN,
    RATE,
    READS,
    SEEN,
    SERIAL,
    SHOWN,
)


class Counters(NamedTuple):
    """Exposures, clicks and reads of articles, in completed buckets and in those that are still apart."""

    serial: Column  # int64[articles], the last pool walked that held the article
    counts: Column  # float64[articles, 3], in completed buckets, older ones the less the shorter their half-life
    total: Column  # float64[1], impressions, likewise
    # The buckets from the last completed one to the open one; bucket b has the place b % places.
    counted: Column  # int32[articles, places, 3], in the bucket
    changed: Column  # int32[articles, places]: changed[i, place], the i-th article counted in it
    changes: Column  # int64[places], how many there are
    bucket: Column  # int64[places], which bucket it is, NOT_YET = none yet
    impressions: Column  # int64[places], in it
    most: Column  # int64[places], most reads of one article in it


@kernel
def complete(clock: Any, counters: Any, options: Any, time: int) -> None:
    """Open the bucket of `time` and add to the totals what has come to count by that."""
    read = clock[OPEN] - 1 - options.lag
    before = clock[OPEN]
    clock[OPEN] = (time - clock[ANCHOR]) // options.bucket_ms
    clock[NEXT] = clock[ANCHOR] + (clock[OPEN] + 1) * options.bucket_ms
    newest = clock[OPEN] - 1 - options.lag
    if options.kept < 1.0:  # of a count from one bucket to the next
        fade = options.kept ** (clock[OPEN] - before)
        counters.total[0] *= fade
        for item in range(counters.counts.shape[0]):
            for what in range(3):
                counters.counts[item, what] *= fade
    for place in range(counters.bucket.size):
        if read < counters.bucket[place] <= newest:
            fade = options.kept ** (newest - counters.bucket[place])
            counters.total[0] += fade * counters.impressions[place]
            for i in range(counters.changes[place]):
                item = counters.changed[i, place]
                for what in range(3):
                    counters.counts[item, what] += fade * counters.counted[item, place, what]


@kernel
def count_row(clock: Any, counters: Any, rows: Any, i: int, kind: int, item: int) -> None:
    """Count the exposures of an impression or the clicks of an outcome, an article once; or a read in their place."""
    if IMPRESSION <= kind <= OUTCOME:
        place = _open_place(clock, counters)
        clock[SERIAL] += 1
        what = int64(CLICKED)
        if kind == IMPRESSION:
            what = int64(SHOWN)
            counters.impressions[place] += 1
        for j in range(rows.pool_at[i], rows.pool_at[i + 1]):
            candidate = int64(rows.pool[j])
            if (what == SHOWN or rows.clicked[j]) and counters.serial[candidate] != clock[SERIAL]:
                counters.serial[candidate] = clock[SERIAL]
                _count(counters, place, candidate, what)
    elif kind >= READ and clock[SEEN] == 0:
        place = _open_place(clock, counters)
        _count(counters, place, item, int64(READS))
        counters.most[place] = max(counters.most[place], int64(counters.counted[item, place, READS]))


@kernel
def _open_place(clock: Any, counters: Any) -> int:
    """The place of the open bucket, emptied of an earlier bucket, which has been added to the totals."""
    place = clock[OPEN] % counters.bucket.size
    if counters.bucket[place] != clock[OPEN]:
        for i in range(counters.changes[place]):
            for what in range(3):
                counters.counted[counters.changed[i, place], place, what] = 0
        counters.bucket[place] = clock[OPEN]
        counters.changes[place] = 0
        counters.impressions[place] = 0
        counters.most[place] = 0
    return int64(place)


@kernel
def _count(counters: Any, place: int, item: int, what: int) -> None:
    counted = counters.counted
    if counted[item, place, 0] == 0 and counted[item, place, 1] == 0 and counted[item, place, 2] == 0:
        counters.changed[counters.changes[place], place] = item
        counters.changes[place] += 1
    counted[item, place, what] += 1


@kernel
def write_signals(clock: Any, counters: Any, options: Any, item: int, out: Any) -> None:
    """All signals but the age, as of the last bucket that counts."""
    out[EXPOSURE] = np.nan
    out[AVOIDANCE] = np.nan
    out[CLICKS] = 0
    out[RATE] = 0
    if item < 0:
        return
    newest = clock[OPEN] - 1 - options.lag
    place = newest % counters.bucket.size
    met = counters.bucket[place] == newest  # anything was counted in it
    if met:
        out[RATE] = _rate(counters.counted[item, place], counters.impressions[place], counters.most[place])
    if not options.per_bucket:
        _write_counts(counters.counts[item], counters.total[0], out)
    elif met:
        _write_counts(counters.counted[item, place], counters.impressions[place], out)


@kernel
def _write_counts(counts: Any, impressions: float, out: Any) -> None:
    if counts[SHOWN] > 0:
        out[EXPOSURE] = counts[SHOWN] / impressions
        # The clicks of a bucket may be of impressions before it.
        out[AVOIDANCE] = max(0.0, 1 - counts[CLICKED] / counts[SHOWN])
    out[CLICKS] = counts[CLICKED] + counts[READS]


@kernel
def _rate(counts: Any, impressions: int, most: int) -> float:
    """Clicks per exposure in a bucket, 1 at most; before any impression, reads by the most reads of an article."""
    if impressions == 0 and most > 0:
        return float(counts[READS] / most)
    return float(min(1.0, counts[CLICKED] / (counts[SHOWN] + 0.01)))
