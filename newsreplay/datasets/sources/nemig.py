"""NeMig: click feedback on news about migration, collected from readers of a study, in MIND's layout.

Facts of the format that shape this reader:

- `behaviors.tsv` has four cells per line and no header: impression id, user, history and candidates, as in MIND
  (`news_123-1` clicked, `news_123-0` passed over), with line ends of Windows. There is no time: NeMig has who
  clicked what, never when. A replay in event time is not possible; a walk in file order is one in an order that
  nobody measured, and is only made on request.
- `news.tsv`, made from the source's tables, has id, topic, sentiment (Negative, Neutral or Positive, which are read
  as -1, 0 and 1), title, abstract, address and date. The date is not used: it would contradict the made-up times of
  the impressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.mind.layout import Layout
from newsreplay.datasets.sources.mind.plan import (
    BEHAVIORS,
    NEWS,
    article_parts,
    behavior_parts,
    blocks,
    found_in,
    notes_on,
)
from newsreplay.errors import DataError

PUBLISHER = "nemig"
PAGE = "https://arxiv.org/abs/2309.00550"
START = 1_577_836_800_000  #: 2020-01-01 00:00, ms UTC: the made-up time of the first line
STEP = 60_000  #: ms from line to line

NEMIG = Layout(
    cells=("impression id", "user", "history", "candidates"),
    prefix=b"news_",
    facts={"category": 1, "sentiment": 2, "title": 3, "abstract": 4},
    sentiments={"Negative": "-1", "Neutral": "0", "Positive": "1"},
    widths=(7,),
    entities=False,
    page=PAGE,
)


def plan_nemig(path: Path, *, file_order: bool = False, sizes: ReadSizes = SIZES) -> Plan:
    """The impressions of a folder with `behaviors.tsv` and `news.tsv`, at made-up times.

    With `file_order`, the line i of `behaviors.tsv` (from 0, whatever it holds) is an impression at 2020-01-01
    00:00 UTC plus i minutes. Ids are kept as they stand; an article's category is its topic. Articles have no
    publication time.

    Raises `DataError` without `file_order`, and when the files are not there or not in NeMig's layout.
    """
    behaviors, news = path / BEHAVIORS, path / NEWS
    if not behaviors.is_file():
        raise DataError(f"{path}: {found_in(path)}. Expected a folder with {BEHAVIORS} and {NEWS} of NeMig, see {PAGE}")
    if not file_order:
        raise DataError(
            f"{path}: NeMig has no event times, so it cannot be replayed in event time. With --file-order its "
            "impressions are walked in the order of the file, at made-up times"
        )
    # One part: the made-up time of a line counts the lines before it.
    first = behavior_parts(behaviors, BEHAVIORS, NEMIG, sizes)[0]
    parts = [first._replace(end=None, weight=behaviors.stat().st_size)]
    if news.is_file():
        parts += article_parts(news, NEWS, NEMIG, sizes)
    return Plan(
        parts=parts,
        read=partial(_read, sizes=sizes),
        publisher=PUBLISHER,
        notes=partial(
            notes_on,
            [] if news.is_file() else [f"no {NEWS}: categories and texts of its articles are unknown"],
        ),
        made_up=[
            "Every time: NeMig has none. Its impressions are walked in file order, one a minute from 2020-01-01 00:00 "
            "UTC. Whatever depends on time, as recency, windows, sessions and trends, means nothing in these data.",
            "Articles have no publication time: each is known from its first appearance as a candidate.",
        ],
        source=f"NeMig, a bilingual news collection about migration: {PAGE}",
        licence="The terms of use come with the data set. newsreplay does not pass these data on.",
    )


def _read(part: Part, sizes: ReadSizes) -> Iterator[Block]:
    lines = 0
    for block in blocks(part, NEMIG, sizes):
        block.rows = _timed(block.rows, lines)
        block.profiles = _timed(block.profiles, lines)
        lines += block.lines
        yield block


def _timed(table: pa.Table | None, lines: int) -> pa.Table | None:
    """Line numbers in the block as made-up times."""
    if table is None:
        return None
    place = table.column_names.index("time")
    return table.set_column(place, "time", pa.array(START + STEP * (lines + table["time"].to_numpy())))
