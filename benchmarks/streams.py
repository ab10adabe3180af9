"""The streams that speed is measured on, prepared.

`demo` is a publisher of the demo at its own traffic: of more reads it lasts more days. `heavy_tail` always lasts 30
days: of more reads it has more traffic, and more articles, so that all that a recommender keeps grows with it, and
little of it fits into a processor's cache.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.sources.synthetic.newsroom import synthesize
from newsreplay.datasets.sources.synthetic.publishers import DEMO
from newsreplay.datasets.sources.table.plan import plan_table
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import DAY

START = 1_704_067_200_000  #: Monday, 2024-01-01 00:00 UTC, in ms
DAYS = 30
TAIL = 0.25  #: the articles behind rank r get a share of r^-TAIL of the reads
READS_PER_VISIT = 2.5  #: on average
READS_PER_READER = 6


def demo(name: str, reads: int, folder: Path) -> Publisher:
    """A publisher of the demo, of so many reads."""
    raw = folder / f"{name}-{reads}"
    synthesize(raw, {name: DEMO[name]}, reads=reads)
    return _prepared(raw, name)


def heavy_tail(reads: int, folder: Path) -> Publisher:
    """So many reads in 30 days, of articles without end: of 2 million, 7 % are the only read of their article."""
    rng = np.random.default_rng(0)
    visits = rng.geometric(1 / READS_PER_VISIT, reads)
    visit = np.repeat(np.arange(reads), visits)[:reads]
    begin = rng.integers(0, DAYS * DAY, visit[-1] + 1)
    since = np.cumsum(rng.exponential(90_000, reads).astype(np.int64))
    first = np.searchsorted(visit, np.arange(len(begin)))
    time = begin[visit] + since - since[first][visit]
    reader = rng.integers(0, max(1, reads // READS_PER_READER), len(begin))
    item = np.minimum(rng.random(reads) ** (-1 / TAIL), 2.0**62).astype(np.int64)
    order = np.argsort(time, kind="stable")
    raw = folder / f"heavy-tail-{reads}"
    raw.mkdir(parents=True)
    table = {
        "publisher": pa.array(["heavy tail"]).take(pa.array(np.zeros(reads, np.int64))),
        "time": pa.array(time[order] + START).cast(pa.timestamp("ms", tz="UTC")),
        "user": pa.array(reader[visit][order]).cast(pa.string()),
        "item": pa.array(item[order]).cast(pa.string()),
        "category": pa.array(item[order] % 30).cast(pa.string()),
    }
    pq.write_table(pa.table(table), raw / "reads.parquet")
    return _prepared(raw, "heavy tail")


def _prepared(raw: Path, publisher: str) -> Publisher:
    dataset = prepare(plan_table(raw), raw.with_name(f"prepared-{raw.name}"), name="benchmark", kind="synthetic")
    return dataset.publisher(publisher)
