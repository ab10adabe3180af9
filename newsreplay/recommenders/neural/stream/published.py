"""AWRS's published look-up: counts over the whole log, which leak."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import kernel
from newsreplay.log.rows import IMPRESSION, Column, Log
from newsreplay.recommenders.neural.stream.state import AVOIDANCE, CLICKS, EXPOSURE, midnight


class Published(NamedTuple):
    """Whole-period statistics as AWRS's release computes them: rows by article, then bucket."""

    anchor: int  #: ms, where bucket 0 begins
    width: int  #: ms
    lag: int  #: completed buckets left out of a look-up; -1 = look the bucket up that is being counted
    at: Column  #: int64[articles + 1], article a has the rows at[a] … at[a + 1] - 1
    bucket: Column  #: int64[n], increasing within an article
    value: Column  #: float32[n, 3], exposure, avoidance, clicks


def published_table(log: Log, bucket_ms: int, lag: int) -> Published:
    """The statistics of AWRS's release over a whole log, future included.

    Per article and bucket in which it was shown: exposures (once per impression) and clicks, both summed over the
    article's buckets so far. Exposure is their share of the exposures of all articles in these buckets, avoidance
    1 - clicks / exposures; both are min-max normalised over the whole table. Clicks stay a raw count.

    For comparisons only: a look-up depends on rows after it.
    """
    anchor = midnight(int(log.time[0])) if log.time.size else 0
    articles = 1 + max(int(log.item.max(initial=-1)), int(log.pools.item.max(initial=-1)))
    impressions = log.kind == IMPRESSION
    when = np.zeros(log.pools.at.size - 1, np.int64)
    when[log.impression[impressions]] = log.time[impressions]
    number = np.repeat(np.arange(when.size), np.diff(log.pools.at))
    pair, inverse = np.unique(number * max(articles, 1) + log.pools.item, return_inverse=True)
    clicked = np.bincount(inverse, log.pools.clicked, pair.size) > 0
    item, bucket = pair % max(articles, 1), (when[pair // max(articles, 1)] - anchor) // bucket_ms

    buckets = 1 + int(bucket.max(initial=0))
    cell, inverse = np.unique(item * buckets + bucket, return_inverse=True)
    item, bucket = cell // buckets, cell % buckets
    exposures = np.bincount(inverse, minlength=cell.size)
    at = np.searchsorted(item, np.arange(articles + 1))
    total = np.bincount(bucket, exposures, buckets)[bucket]
    begin = at[item]
    sums = [
        np.cumsum(counted) - np.concatenate([[0.0], np.cumsum(counted)])[begin]
        for counted in (exposures, np.bincount(inverse, clicked, cell.size), total)
    ]
    value = np.column_stack([_normalised(sums[0] / sums[2]), _normalised(1 - sums[1] / sums[0]), sums[1]])
    return Published(anchor, bucket_ms, lag, at.astype(np.int64), bucket.astype(np.int64), value.astype(np.float32))


def _normalised(values: Column) -> Column:
    """From 0 to 1; all 0 if all are equal."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.zeros(values.size)


@kernel
def look_up(table: Any, item: int, time: int, out: Any) -> None:
    """A look-up as in the release: nothing is carried forward, and what is not in the table is 0."""
    out[EXPOSURE] = 0
    out[AVOIDANCE] = 0
    out[CLICKS] = 0
    if item < 0 or item >= table.at.size - 1:
        return
    bucket = (time - table.anchor) // table.width - 1 - table.lag
    low, high = table.at[item], table.at[item + 1]
    end = high
    while low < high:
        middle = (low + high) // 2
        if table.bucket[middle] < bucket:
            low = middle + 1
        else:
            high = middle
    if low < end and table.bucket[low] == bucket:
        for i in range(3):
            out[i] = table.value[low, i]
