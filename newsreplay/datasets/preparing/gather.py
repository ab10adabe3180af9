"""The first pass over a publisher's blocks: its ids, what is known of its articles, and when they become known.

Codes that are good for all of a publisher's blocks are called interim here; final ones, by first appearance, are
given by the walk (`newsreplay.datasets.preparing.walk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple  # Any: in kernels

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import map_batch, to_numpy
from newsreplay.datasets.base import FACTS
from newsreplay.datasets.preparing.sampling import LEAKING
from newsreplay.datasets.preparing.sessions import Owners, Rows, SessionIds
from newsreplay.datasets.preparing.uniting import United, Uniting
from newsreplay.datasets.preparing.work import IDS, LISTS, TABLES, kinds_of
from newsreplay.kernels.compiling import compiled, int64
from newsreplay.kernels.mixing import draw, key_of
from newsreplay.log.rows import IMPRESSION, PUBLISH, READ, Column
from newsreplay.machine import cores

UNSET = np.iinfo(np.int64).max  #: later than any time, and larger than any key: there is none yet

# Rows are sorted by time * KINDS + kind.
KINDS = 8
# Where a row stands in the source: block << 32 | row. Two sorts of publish rows stand nowhere:
BY_PUBLICATION = -1  # made of an article's publication time
BY_IMPRESSION = -2  # an impression shows an article that no row made known before
NOWHERE = -3


class Blocks:
    """A publisher's blocks. Small ones stay mapped; large ones are mapped when they are looked at, and let go of."""

    def __init__(self, paths: list[list[str | None]], in_memory: int):
        self.paths = paths
        files = [path for block in paths for path in block if path is not None]
        self.small = sum(Path(path).stat().st_size for path in files) <= in_memory
        self.kept: dict[tuple[int, str], pa.RecordBatch] = {}
        self.names: dict[tuple[int, str], frozenset[str]] = {}

    def table(self, number: int, where: str) -> pa.RecordBatch:
        """One of `work.TABLES` of a block, which must have one."""
        key = (number, where)
        if key in self.kept:
            return self.kept[key]
        path = self.paths[number][TABLES.index(where)]
        if path is None:
            raise KeyError(key)
        table = map_batch(path)
        self.names[key] = frozenset(table.schema.names)
        if self.small:
            self.kept[key] = table
        return table

    def tables(self, where: str, having: str = "") -> Iterator[tuple[int, pa.RecordBatch]]:
        """The numbers and tables of those blocks that have one, and a column `having` in it."""
        for number, paths in enumerate(self.paths):
            if paths[TABLES.index(where)] is None:
                continue
            if having and having not in self.names.get((number, where), having):
                continue
            table = self.table(number, where)
            if not having or having in table.schema.names:
                yield number, table


class FactValues(NamedTuple):
    """The values of one sort of fact, by interim article code."""

    values: pa.Array  #: large_string
    outside: Column  #: int32, from the tables of articles; -1 = none
    value: Column  #: int32, from rows, the first by event time; -1 = none
    place: Column  #: int64, of that row


class Publication(NamedTuple):
    """When articles become known without a row of their own."""

    item: Column  #: int32, interim codes, in the order of the publish rows
    time: Column  #: int64
    place: Column  #: int64, `BY_PUBLICATION` or `BY_IMPRESSION`


class Gathered(NamedTuple):
    """One publisher's blocks, with interim codes that are good for all of them."""

    blocks: Blocks
    items: pa.Array  #: large_string, ids of articles by interim code
    users: pa.Array  #: large_string
    sessions: SessionIds
    item_of: dict[tuple[int, str], Column]  #: (block, column) → interim code by the block's own code, see `United`
    facts: dict[str, FactValues]
    publications: Publication
    unlisted: Column  #: bool[items]: not in the tables of articles
    rows: int  #: raw rows of all blocks
    earliest: Column  #: int64[blocks + 1], the least time of the rows in a block and all that come after it
    inversions: int  #: rows earlier than the one before them in the source
    has_impressions: bool


def gather_ids(paths: list[list[str | None]], impressions: str | None, in_memory: int) -> Gathered | None:
    """First pass over a publisher's blocks: ids, facts, publication times; None where there is not one read.

    `impressions` is the method by which pseudo-impressions will be made: they show what is read at their time, and
    the leaking one shows every article from the first read on. Blocks of up to `in_memory` bytes stay mapped.
    """
    blocks = Blocks(paths, in_memory)
    with ThreadPoolExecutor(cores()) as pool:
        sorts = dict(zip(IDS, pool.map(lambda sort: _united_ids(blocks, sort), IDS), strict=True))
        values = {sort: united.values for sort, (_, united) in sorts.items()}
        item_of = {
            place: codes for places, united in sorts.values() for place, codes in zip(places, united.codes, strict=True)
        }
        items = len(values["item"])
        owned = pool.submit(_session_ids, blocks, item_of, values["session"], len(values["user"]))
        looked = pool.submit(_seen_in, blocks, item_of, items)
        told = pool.map(lambda fact: _fact_values(fact, blocks, item_of, items), FACTS)
        published, listed = _times(blocks, item_of, items), _listed(blocks, item_of, items)
        sessions, seen = owned.result(), looked.result()
        none = np.full(items, -1, np.int32)
        facts = {"category": FactValues(Uniting().done().values, none, none, np.full(items, NOWHERE, np.int64))}
        facts |= {fact: found for fact, found in zip(FACTS, told, strict=True) if found is not None}
    if seen.sums[1] == 0:
        return None
    if impressions == LEAKING:
        seen.pool[seen.row < UNSET] = seen.sums[5]
    elif impressions is not None:
        read_first = (seen.row < UNSET) & (seen.row % KINDS == READ)
        seen.pool[read_first] = seen.row[read_first] // KINDS
    return Gathered(
        blocks,
        values["item"],
        values["user"],
        sessions,
        item_of,
        facts,
        _publications(published, seen, listed, values["item"]),
        listed == UNSET,
        int(seen.sums[3]),
        seen.earliest,
        int(seen.sums[2]),
        bool(seen.sums[4]),
    )


def rows_in(paths: list[list[str | None]], where: str = "rows") -> int:
    """How many rows some blocks have in one of their tables."""
    return sum(table.num_rows for _, table in Blocks(paths, 0).tables(where))


def kinds_in(paths: list[list[str | None]]) -> Column:
    """How many raw rows of each kind some blocks have: int64[8]."""
    counts = (np.bincount(kinds_of(rows), minlength=8) for _, rows in Blocks(paths, 0).tables("rows"))
    return sum(counts, np.zeros(8, np.int64))


def withheld_in(paths: list[list[str | None]]) -> int:
    """How many impressions of some blocks are withheld."""
    tables = Blocks(paths, 0).tables("rows", "withheld")
    return sum(rows.num_rows - rows.column("withheld").null_count for _, rows in tables)


def lists_at(
    gathered: Gathered, where: str, name: str, places: Column, codes: Callable[[Column], Column]
) -> tuple[Column, Column]:
    """The lists that a column has at `places` (block << 32 | row): their bounds, and `codes` of their interim codes."""
    number, row = places >> 32, places & 0xFFFFFFFF
    owns = [(block, np.flatnonzero(number == block)) for block in np.unique(number).tolist()]
    lengths = np.zeros(len(places), np.int64)
    for block, own in owns:
        offsets = to_numpy(gathered.blocks.table(block, where).column(name).offsets)
        lengths[own] = offsets[row[own] + 1] - offsets[row[own]]
    at = np.concatenate([[0], np.cumsum(lengths)])
    item = np.empty(at[-1], np.int32)
    for block, own in owns:
        lists = gathered.blocks.table(block, where).column(name)
        final = codes(gathered.item_of[block, f"{where}.{name}"])
        _copy_lists(to_numpy(lists.offsets), to_numpy(lists.values.indices), final, row[own], at[own], item)
    return at, item


@compiled
def _copy_lists(offsets: Any, places: Any, codes: Any, row: Any, at: Any, item: Any) -> None:
    for i in range(row.size):
        begin = offsets[row[i]]
        for j in range(offsets[row[i] + 1] - begin):
            item[at[i] + j] = codes[places[begin + j]]


class ProfileLists(NamedTuple):
    """The histories of readers, by reader."""

    user: Column  #: interim codes
    place: Column  #: int64, where their lists stand: block << 32 | row
    differ: Column  #: bool[users], another row of the user's came with another history


def profiles_of(gathered: Gathered) -> ProfileLists | None:
    """The profiles: per reader the first by time, an empty one too; of equal times the first in the source."""
    users, times, places, words, differ = [], [], [], [], []
    for number, table in gathered.blocks.tables("profiles"):
        lists = table.column("items")
        codes = gathered.item_of[number, "profiles.items"]
        users.append(interim(table, "user", number, gathered.item_of, "profiles"))
        times.append(to_numpy(table.column("time")))
        places.append((number << 32) + np.arange(table.num_rows))
        words.append(np.empty(table.num_rows, np.uint64))
        _mix_lists(key_of(0, "profiles"), to_numpy(lists.offsets), to_numpy(lists.values.indices), codes, words[-1])
        told = "differ" in table.schema.names
        differ.append(to_numpy(table.column("differ")) if told else np.zeros(table.num_rows, bool))
    if not users:
        return None
    user, time, place, word, different = (np.concatenate(parts) for parts in (users, times, places, words, differ))
    order = np.lexsort((time, user))
    new = np.append(True, user[order][1:] != user[order][:-1])
    first = order[new]  # by user
    other = different[order] | (word[order] != word[first][np.cumsum(new) - 1])
    differs = np.logical_or.reduceat(other, np.flatnonzero(new))
    return ProfileLists(user[first], place[first], differs)


@compiled
def _mix_lists(key: Any, offsets: Any, places: Any, codes: Any, words: Any) -> None:
    """A word per list, equal for equal lists."""
    for row in range(words.size):
        words[row] = 0
        for i in range(offsets[row], offsets[row + 1]):
            words[row] += draw(key, i - offsets[row], int64(codes[places[i]]))


def _united_ids(blocks: Blocks, sort: str) -> tuple[list[tuple[int, str]], United]:
    """The ids of one sort (`work.IDS`), and the blocks and columns that their dictionaries are of."""
    uniting, places = Uniting(), []
    for where in TABLES:
        for number, table in blocks.tables(where):
            for name in (sort, *(LISTS if sort == "item" else ())):
                if name in table.schema.names:
                    places.append((number, f"{where}.{name}"))
                    column = table.column(name)
                    uniting.add((column.values if name in LISTS else column).dictionary)
    return places, uniting.done()


class _Seen(NamedTuple):
    row: Column  # int64[items], key of the first row that makes it known
    pool: Column  # int64[items], time of the first impression that shows it
    earliest: Column  # as in `Gathered`
    # int64[7]: time of the row before, time of the last read, inversions, rows, impressions, time of the first read,
    # time of the last withheld impression
    sums: Column


def _session_ids(blocks: Blocks, item_of: dict[tuple[int, str], Column], ids: pa.Array, users: int) -> SessionIds:
    def everybody() -> Iterator[Rows]:
        return (_whose(rows, number, item_of) for number, rows in blocks.tables("rows"))

    owners = Owners(len(ids))
    for rows in everybody():
        owners.look(rows)
    return owners.ids(ids, users, len(blocks.paths), everybody())


def _whose(rows: pa.RecordBatch, number: int, item_of: dict[tuple[int, str], Column]) -> Rows:
    user, session = (interim(rows, name, number, item_of) for name in ("user", "session"))
    return Rows(number, kinds_of(rows), user, session)


def _seen_in(blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> _Seen:
    earliest = np.full(len(blocks.paths) + 1, UNSET)
    seen = _Seen(np.full(items, UNSET), np.full(items, UNSET), earliest, np.array([0, 0, 0, 0, 0, UNSET, 0]))
    for number, rows in blocks.tables("rows"):
        earliest[number] = to_numpy(rows.column("time")).min(initial=UNSET)
        _look(rows, number, item_of, seen)
    earliest[:] = np.minimum.accumulate(earliest[::-1])[::-1]
    return seen


def _look(rows: pa.RecordBatch, number: int, item_of: dict[tuple[int, str], Column], seen: _Seen) -> None:
    time, kind = to_numpy(rows.column("time")), kinds_of(rows)
    seen.sums[3] += len(time)
    item = interim(rows, "item", number, item_of)
    if "pool" in rows.schema.names:
        pool = rows.column("pool")
        codes = item_of[number, "rows.pool"]
        _first_shown(time, to_numpy(pool.offsets), to_numpy(pool.values.indices), codes, seen.pool)
        if "clicked" in rows.schema.names:
            clicked = rows.column("clicked")
            _last_clicked(time, to_numpy(clicked.offsets), to_numpy(clicked.values), seen.sums)
    if "withheld" in rows.schema.names:
        withheld = to_numpy(rows.column("withheld").is_valid())
        seen.sums[6] = max(seen.sums[6], int(time[withheld].max(initial=0)))
    _first_seen(time, kind, item, seen.row, seen.pool, seen.sums)


@compiled
def _last_clicked(time: Any, offsets: Any, clicked: Any, sums: Any) -> None:
    for row in range(time.size):
        for i in range(offsets[row], offsets[row + 1]):
            if clicked[i]:
                sums[1] = max(sums[1], time[row])


@compiled
def _first_shown(time: Any, offsets: Any, places: Any, codes: Any, first: Any) -> None:
    for row in range(time.size):
        for i in range(offsets[row], offsets[row + 1]):
            item = codes[places[i]]
            if time[row] < first[item]:
                first[item] = time[row]


@compiled
def _first_seen(time: Any, kind: Any, item: Any, first: Any, pool: Any, sums: Any) -> None:
    for row in range(time.size):
        if time[row] < sums[0]:
            sums[2] += 1
        sums[0] = time[row]
        if kind[row] == READ:
            sums[1] = max(sums[1], time[row])
            sums[5] = min(sums[5], time[row])
        sums[4] += kind[row] == IMPRESSION
        if item[row] < 0:
            continue
        if kind[row] == IMPRESSION:
            if time[row] < pool[item[row]]:
                pool[item[row]] = time[row]
        else:
            key = time[row] * KINDS + int64(kind[row])
            if key < first[item[row]]:
                first[item[row]] = key


def _listed(blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> Column:
    """Where each article stands in the tables of articles: int64[items], `UNSET` = nowhere."""
    listed = np.full(items, UNSET)
    at = 0
    for number, table in blocks.tables("articles"):
        codes = interim(table, "item", number, item_of, "articles")
        np.minimum.at(listed, codes, np.arange(at, at + len(codes)))
        at += len(codes)
    return listed


def _times(blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> Column:
    """The publication time of every article: that of the tables of articles, else that of the first row with one."""
    time = np.full(items, -1, np.int64)
    for where in ("articles", "rows"):
        best, first = np.full(items, UNSET), np.full(items, -1, np.int64)
        for number, table in blocks.tables(where, "published"):
            published = to_numpy(table.column("published"), -1)
            # The event time of what stands outside the rows is the publication itself.
            key = published if where == "articles" else to_numpy(table.column("time")) * KINDS + kinds_of(table)
            code = interim(table, "item", number, item_of, where)
            _first_value(code, key, published, 0, best, first, best)
        time = np.where(time < 0, first, time)
    return time


def _fact_values(name: str, blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> FactValues | None:
    uniting = Uniting()
    shares = []
    for where in ("articles", "rows"):
        for number, table in blocks.tables(where, name):
            shares.append((number, where))
            uniting.add(table.column(name).dictionary)
    united = uniting.done()
    outside, value = np.full(items, -1, np.int64), np.full(items, -1, np.int64)
    place = np.full(items, NOWHERE, np.int64)
    best = {"articles": np.full(items, UNSET), "rows": np.full(items, UNSET)}
    for (number, where), codes in zip(shares, united.codes, strict=True):
        table = blocks.table(number, where)
        values = codes[to_numpy(table.column(name), -1)]
        item = interim(table, "item", number, item_of, where)
        if where == "articles":
            timed = "published" in table.schema.names
            published = to_numpy(table.column("published"), -1) if timed else np.full(len(values), -1)
            key = np.where(published < 0, UNSET - 1, published)
            _first_value(item, key, values, 0, best[where], outside, best[where])
        else:
            key = to_numpy(table.column("time")) * KINDS + kinds_of(table)
            _first_value(item, key, values, number << 32, best[where], value, place)
    if (outside < 0).all() and (value < 0).all():  # nothing but nulls, and values of other publishers
        return None
    return FactValues(united.values, outside.astype(np.int32), value.astype(np.int32), place)


@compiled
def _first_value(item: Any, key: Any, values: Any, begin: int, best: Any, value: Any, place: Any) -> None:
    """Per article the value of the row of the smallest key; `place` may be `best`, where it is not needed."""
    for row in range(item.size):
        if values[row] >= 0 and item[row] >= 0 and key[row] < best[item[row]]:
            place[item[row]] = begin + row
            best[item[row]] = key[row]
            value[item[row]] = values[row]


def _publications(published: Column, seen: _Seen, listed: Column, ids: pa.Array) -> Publication:
    """Publish rows for articles whose publication is known, and for those that an impression shows first."""
    dated = np.flatnonzero((published >= 0) & (published <= max(seen.sums[1], seen.sums[6])))
    known = np.minimum(seen.row // KINDS * KINDS + np.where(seen.row % KINDS == PUBLISH, 0, 1), UNSET)
    known[dated] = np.minimum(known[dated], published[dated] * KINDS)
    undated = np.flatnonzero((seen.pool < UNSET) & (seen.pool * KINDS < np.where(known == UNSET, UNSET, known)))
    item = np.concatenate([dated, undated])
    time = np.concatenate([published[dated], seen.pool[undated]])
    place = np.repeat([BY_PUBLICATION, BY_IMPRESSION], [len(dated), len(undated)])
    # Of one instant: as the source lists them, then by id. The order in which they are read later would leak
    # the future.
    unlisted = np.flatnonzero(listed[item] == UNSET)
    order = listed[item]
    if len(unlisted):
        rank = np.asarray(pc.rank(pc.take(ids, pa.array(item[unlisted]))), np.int64)
        order[unlisted] = len(listed) + rank + (order[order < UNSET].max(initial=0))
    sort = np.lexsort((order, time))
    return Publication(item[sort].astype(np.int32), time[sort], place[sort])


def interim(
    table: pa.RecordBatch, name: str, number: int, item_of: dict[tuple[int, str], Column], where: str = "rows"
) -> Column:
    """A column of ids as interim codes, -1 for null: int32."""
    if name not in table.schema.names:
        return np.full(table.num_rows, -1, np.int32)
    return item_of[number, f"{where}.{name}"][to_numpy(table.column(name), -1)]
