"""EB-NeRD's `behaviors.parquet`: impressions, clicks and page views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from newsreplay.arrow import to_numpy
from newsreplay.datasets.base import Block, Part, Reject
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.ebnerd.columns import (
    as_lists,
    batches,
    codes_of,
    entries,
    is_given,
    is_text,
    named,
    no_time,
    read_columns,
    readers,
    sessions_of,
    texts_of,
    to_times,
    whole_numbers,
)
from newsreplay.log.rows import IMPRESSION, READ, Column

CAUSED = "page views that are the read of a click"
UNSEEN = "clicked articles that were not in view: kept as reads without an impression"
AGAIN = "clicks of an article that the same impression had clicked already: one click"
DWELL = "read_time"  #: seconds on the page; may be missing
LONGEST_STAY = 10**9  #: s; a longer `read_time` was not measured
HOLES = "places without an article in the lists of the behaviours"
IDS, TIMES, TEXT, NUMBERS = "whole numbers", "timestamps", "text", "numbers"
BEHAVIORS = {
    "article_ids_clicked": (IDS, True),
    "session_id": (IDS, False),
    "user_id": (IDS, False),
    "impression_time": (TIMES, False),
    "article_id": (IDS, False),
    "article_ids_inview": (IDS, True),
    DWELL: (NUMBERS, False),
}
_NARROW = [name for name in BEHAVIORS if name not in ("article_ids_inview", DWELL)]


class _Records(NamedTuple):
    """The narrow columns of some behaviours."""

    session: pa.Array
    user: pa.Array
    article: pa.Array
    clicked: pa.Array  # lists
    dwell: pa.Array  # lists of float32, one a click: seconds on the page that it caused, NaN = not measured
    active: Column  # float32, seconds on the article on screen, NaN = not measured
    time: Column
    good: Column  # has a time, and ids that are ids
    caused: Column  # the page view is the read of a click
    row: Column  # of the file

    def pick(self, at: Column) -> _Records:
        """Those at some places, or where a mask is true."""
        chosen = pa.array(at)
        arrays = [c.filter(chosen) if at.dtype == bool else c.take(chosen) for c in self[:5]]
        return _Records(*arrays, *(column[at] for column in self[5:]))

    def slice(self, begin: int, length: int) -> _Records:
        """Some of them in a row."""
        return _Records(
            *(column.slice(begin, length) for column in self[:5]),
            *(column[begin : begin + length] for column in self[5:]),
        )


def read_behaviors(part: Part, split: str, keep: Sequence[str], sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of a split's behaviours, with the columns `keep`.

    `split` goes before its session ids unless it is empty.
    """
    with named(part.path):
        measured = DWELL in pq.read_schema(part.path).names
    table = read_columns(part.path, [*_NARROW, DWELL] if measured else _NARROW)
    raw_time = table["impression_time"]
    session, user, article = (
        whole_numbers(table["session_id"]),
        readers(table["user_id"]),
        whole_numbers(table["article_id"]),
    )
    time, timed = to_times(raw_time)
    odd = [is_given(table[name]) & ~is_given(ids) for name, ids in (("session_id", session), ("user_id", user))]
    if is_text(table["article_id"].type):  # a text that is no number is an article of another kind, not the front page
        odd[0] |= is_given(table["article_id"]) & ~is_given(article)
    good = timed & ~odd[0] & ~odd[1]
    active = _seconds(table[DWELL]) if measured else np.full(len(time), np.nan, np.float32)
    records = _Records(
        session,
        user,
        article,
        as_lists(table["article_ids_clicked"]),
        pa.nulls(0),
        active,
        time,
        good,
        ~good,
        np.arange(len(time)),
    )
    del table, session, user, article
    extra = texts_of(part.path, keep)
    caused, dwell = _caused(records)
    records = records._replace(caused=caused, dwell=dwell)
    begin = 0
    for batch in batches(part.path, sizes.rows, ["article_ids_inview"]):
        some = records.slice(begin, batch.num_rows)
        block = Block(part.name, lines=batch.num_rows, records=batch.num_rows)
        for row in np.flatnonzero(~some.good).tolist():
            if odd[0][begin + row] or odd[1][begin + row]:
                reason = "user_id, session_id or article_id is no whole number"
            else:
                reason = no_time("impression_time", raw_time[begin + row])
            block.rejects.append(Reject(part.name, row + 1, reason, _as_text(some, row)))
        inview = as_lists(batch.column(0))
        if some.good.all():
            _fill(block, some, inview, np.arange(batch.num_rows), split, extra)
        else:
            _fill(
                block, some.pick(some.good), inview.filter(pa.array(some.good)), np.flatnonzero(some.good), split, extra
            )
        block.rejects.sort(key=lambda reject: reject.line)
        begin += batch.num_rows
        yield block


def _seconds(values: pa.Array) -> Column:
    """Times spent on pages as float32, NaN where they were not measured."""
    seconds = to_numpy(values.cast(pa.float64()), np.nan)
    return np.where((seconds >= 0) & (seconds < LONGEST_STAY), seconds, np.nan).astype(np.float32)


def _caused(records: _Records) -> tuple[Column, pa.Array]:
    """Which page views are the read of a click: the walk of `plan`'s docstring, for all sessions at once.

    Beside it, per record and click, the seconds spent on the page view that is its read.
    """
    number = np.arange(len(records.time))
    lengths, clicked, _ = entries(records.clicked)
    click_row = np.repeat(number, lengths)
    view_row = np.flatnonzero(is_given(records.article))
    rows = np.concatenate([view_row, click_row])
    is_click = np.arange(rows.size) >= view_row.size
    articles = pa.concat_arrays([records.article.drop_null(), whole_numbers(clicked)])
    events = codes_of(records.session)[rows] << 32 | codes_of(articles)  # a session and an article: one walk
    usable = (records.good & is_given(records.session))[rows]
    entry = np.arange(rows.size) - view_row.size  # of the clicks
    # Most clicks and page views have no partner. Those whose hash has none are left out; the walk does without them.
    bits = 3 + rows.size.bit_length()
    hashes = events.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - bits)
    for those in (~is_click, is_click):
        met = np.zeros(1 << bits, bool)
        met[hashes[those & usable]] = True
        usable &= those | met[hashes]
    rows, is_click, events, entry = rows[usable], is_click[usable], events[usable], entry[usable]

    order = np.lexsort((rows, records.time[rows], events))  # stable: a row's page view stays before its clicks
    rows, is_click, events, entry = rows[order], is_click[order], events[order], entry[order]
    twice = (rows[1:] == rows[:-1]) & (is_click[1:] == is_click[:-1]) & (events[1:] == events[:-1])
    once = np.concatenate([[True], ~twice]) if rows.size else np.zeros(0, bool)
    rows, is_click, events, entry = rows[once], is_click[once], events[once], entry[once]

    # A click is a step up and a page view a step down, unless it is at the bottom. So a page view is excused by
    # a click unless the sum of all steps has never been as low before in its walk.
    new = np.concatenate([[True], events[1:] != events[:-1]]) if rows.size else np.zeros(0, bool)
    walk = np.cumsum(new) - 1
    total = np.cumsum(np.where(is_click, 1, -1))
    before = (total - np.where(is_click, 1, -1))[new]
    depth = total - before[walk]
    apart = walk * (2 * rows.size + 2)  # so that the minimum of one walk is of no concern to the next
    lowest = np.minimum(np.minimum.accumulate(depth - apart) + apart, 0)
    previous = np.where(new, 0, np.roll(lowest, 1))
    excused = ~is_click & (depth >= previous)
    caused = np.zeros(number.size, bool)
    caused[rows[excused]] = True

    # A page view is the read of the latest click in hand. Clicks lie on a stack: at one height of it, clicks and the
    # page views that they excuse alternate.
    step = np.where(is_click, 1, np.where(excused, -1, 0))
    height = np.cumsum(step)
    height = height - (height - step)[new][walk] - np.where(is_click, 1, 0)
    height[~is_click & ~excused] = -1
    order = np.lexsort((np.arange(rows.size), height, walk))
    views = np.flatnonzero(excused[order])
    dwell = np.full(click_row.size, np.nan, np.float32)
    dwell[entry[order[views - 1]]] = records.active[rows[order[views]]]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return caused, pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(dwell))


def _fill(
    block: Block, records: _Records, inview: pa.Array, places: Column, split: str, extra: dict[str, pa.Array]
) -> None:
    """Raw rows of usable records, which stand at `places` of their block, and the account of them.

    `extra` has further columns of the whole file.
    """
    number = len(records.time)
    lengths, pool, holes = entries(inview)
    click_lengths, clicked, more_holes = entries(records.clicked)
    dwell = to_numpy(records.dwell.flatten())
    flags, spent, unseen, again = _flags(lengths, pool, click_lengths, clicked, dwell)
    has_pool = lengths > 0
    on_screen = is_given(records.article)
    apart = np.bincount(np.array(unseen.record, np.int64), minlength=number)
    counts = apart + has_pool + (on_screen & ~records.caused)
    block.counts += Counter(
        {CAUSED: int(records.caused.sum()), HOLES: holes + more_holes, UNSEEN: len(unseen.record), AGAIN: again}
    )
    nothing = (counts == 0) & ~records.caused
    for row in np.flatnonzero(nothing).tolist():
        reason = "nothing in article_ids_inview, article_id or article_ids_clicked"
        block.rejects.append(Reject(block.file, int(places[row]) + 1, reason, _as_text(records, row)))
    block.dropped += Counter({CAUSED: int(np.count_nonzero((counts == 0) & records.caused))})  # `+=` leaves out zeros
    block.kept = int(np.count_nonzero(counts))

    source = np.repeat(np.arange(number), counts)
    ends = np.cumsum(counts)
    at = (ends - counts)[has_pool]
    kind = np.full(source.size, READ, np.uint8)
    kind[at] = IMPRESSION
    item = records.article.take(pa.array(source))
    active = records.active[source]
    if unseen.record:
        is_unseen = np.repeat(ends - apart, counts) <= np.arange(source.size)
        item = pc.replace_with_mask(item, pa.array(is_unseen), pa.array(unseen.article, pa.int64()))
        active[is_unseen] = unseen.dwell
    active[at] = np.nan
    known = is_given(records.clicked)[has_pool]
    told = slice(None) if known.all() else np.repeat(known, lengths[has_pool])
    marks, spent = flags[told], spent[told]
    clicks = np.add.reduceat(np.append(marks, 0), np.cumsum(lengths[has_pool][known]) - lengths[has_pool][known])
    columns = {
        "kind": pa.array(kind),
        "time": pa.array(records.time[source]),
        "user": records.user.take(pa.array(source)),
        "session": sessions_of(records.session, split).take(pa.array(source)),
        "item": item,
        "pool": _lists_at(at, lengths[has_pool], pool, source.size),
        "clicked": _lists_at(at[known], lengths[has_pool][known], pa.array(marks), source.size),
    }
    if not (np.isnan(active).all() and np.isnan(spent[marks]).all()):
        columns["active"] = pa.array(active, mask=np.isnan(active))
        dwell_of_clicks = pa.array(spent[marks], mask=np.isnan(spent[marks]))
        columns["dwell"] = _lists_at(at[known], clicks, dwell_of_clicks, source.size)
    columns |= {name: texts.take(pa.array(records.row[source])) for name, texts in extra.items()}
    block.rows = pa.table(columns)


class _Unseen(NamedTuple):
    """Clicks of articles that were not in view."""

    record: list[int]
    article: list[int]
    dwell: list[float]


def _flags(
    lengths: Column, pool: pa.Array, click_lengths: Column, clicked: pa.Array, dwell: Column
) -> tuple[Column, Column, _Unseen, int]:
    """Which of the pools' places were clicked; the dwell of these; clicks not in view; clicks of the same again."""
    items, clicks = pool.to_numpy(zero_copy_only=False), clicked.to_numpy(zero_copy_only=False)
    begins, click_begins = np.cumsum(lengths) - lengths, np.cumsum(click_lengths) - click_lengths
    some = click_lengths > 0
    first = np.zeros(lengths.size, clicks.dtype)
    first[some] = clicks[click_begins[some]]
    flags: Column = (items == np.repeat(first, lengths)) & (True if some.all() else np.repeat(some, lengths))
    hits = np.flatnonzero(flags)
    owners = np.searchsorted(begins + lengths, hits, "right")
    once = some & (np.bincount(owners, minlength=lengths.size) == 1)
    spent = np.full(items.size, np.nan, np.float32)
    spent[hits] = dwell[click_begins[owners]]
    unseen = _Unseen([], [], [])
    again = 0
    # One click that is in view once is the rule (99.5 %); any other record is looked at by itself.
    for row in np.flatnonzero(some & ((click_lengths != 1) | ~once)).tolist():
        begin, own = begins[row], slice(click_begins[row], click_begins[row] + click_lengths[row])
        wanted: dict[int, float] = {}
        for article, seconds in zip(clicks[own].tolist(), dwell[own].tolist(), strict=True):
            wanted.setdefault(article, seconds)
        again += int(click_lengths[row]) - len(wanted)
        for place, candidate in enumerate(items[begin : begin + lengths[row]].tolist(), begin):
            flags[place] = candidate in wanted
            spent[place] = wanted.pop(candidate, np.nan)
        unseen.record.extend([row] * len(wanted))
        unseen.article.extend(wanted)
        unseen.dwell.extend(wanted.values())
    return flags, spent, unseen, again


def _lists_at(places: Column, lengths: Column, values: pa.Array, size: int) -> pa.Array:
    """Lists at some places of a column, null elsewhere."""
    all_lengths = np.zeros(size + 1, np.int64)
    all_lengths[places + 1] = lengths
    null = np.ones(size, bool)
    null[places] = False
    offsets = pa.array(np.cumsum(all_lengths), pa.int64()).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(null))


def _as_text(records: _Records, row: int) -> str:
    values = (records.session, records.user, records.article, records.clicked)
    names = ("session_id", "user_id", "article_id", "article_ids_clicked")
    return ", ".join(f"{name}={column[row].as_py()}" for name, column in zip(names, values, strict=True))[:500]
