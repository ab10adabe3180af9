"""The second half of preparing: blocks of raw rows become one sorted log per publisher, in bounded memory.

What is held in memory is what grows with readers, sessions and articles: their ids, and a few numbers each.
Rows are scattered over stretches of event time that fit in memory (`Buckets`), sorted there, and walked once
in event order by one compiled loop (`_emit`) that splits sessions and gives codes by first appearance; every
column is appended to its file. Small data are one bucket that never touches the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.datasets.base import FACTS
from newsreplay.datasets.sampling import LEAKING, Sampler
from newsreplay.datasets.work import TABLES, kinds_of, open_table
from newsreplay.simulator.kernels import compiled, int64
from newsreplay.simulator.log import (
    HOUR,
    IMPRESSION,
    LOG_DTYPES,
    OUTCOME,
    POOL_DTYPES,
    PUBLISH,
    READ,
    Column,
)
from newsreplay.simulator.mixing import key_of, mix_all

SESSION_GAP = HOUR  #: ms; a session ends when more than this passes without a read
BUCKET = 1_000_000  #: rows sorted at once
GROUP = 1_000_000  #: ids united at once
IN_MEMORY = 1 << 28  #: bytes of blocks, and of rows to be sorted, that are kept in memory
NEVER = np.iinfo(np.int64).max

# Rows are sorted by time * KINDS + kind.
KINDS = 8
# Where a row stands in the source: block << 32 | row. Two sorts of publish rows stand nowhere:
TOLD = -1  # an article's publication time says so
SHOWN = -2  # an impression shows an article that no row made known before
NOWHERE = -3

RECORD = np.dtype(
    [
        ("key", np.int64),
        ("place", np.int64),
        ("item", np.int32),  # -1 = none
        ("user", np.int32),  # -1 = none
        ("session", np.int32),  # -1 = the source has none
        ("active", np.float32),  # seconds on the article; of a publish row whether recommendable; NaN = not told
    ]
)


# --- one publisher's ids and facts ------------------------------------------------------------------------


class Ids(NamedTuple):
    """Distinct strings of all blocks, and each block's own codes among them."""

    values: pa.Array  #: large_string
    codes: list[Column]  #: int32 per dictionary


class Uniting:
    """Makes one dictionary out of many, without ever holding all of them."""

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self.size = 0
        self.groups: list[Ids] = []

    def add(self, dictionary: Any) -> None:
        """Take in the next dictionary."""
        self.pending.append(dictionary)
        self.size += len(dictionary)
        if self.size >= GROUP:
            self._unite_pending()

    def _unite_pending(self) -> None:
        if self.pending:
            self.groups.append(_united(self.pending))
        self.pending, self.size = [], 0

    def done(self) -> Ids:
        """All distinct values, by first appearance, and the codes of all dictionaries."""
        self._unite_pending()
        if len(self.groups) < 2:
            return self.groups[0] if self.groups else Ids(pa.array([], pa.large_string()), [])
        top = _united([group.values for group in self.groups])
        codes = [places[codes] for group, places in zip(self.groups, top.codes, strict=True) for codes in group.codes]
        return Ids(top.values, codes)


def _united(dictionaries: list[Any]) -> Ids:
    encoded = pa.concat_arrays(dictionaries).dictionary_encode()
    ends = np.cumsum([len(values) for values in dictionaries])
    return Ids(encoded.dictionary, np.split(numbers(encoded.indices), ends[:-1]))


class Blocks:
    """A publisher's blocks. Small ones stay mapped; large ones are mapped when they are looked at, and let go of."""

    def __init__(self, paths: list[list[str | None]]):
        self.paths = paths
        files = [path for block in paths for path in block if path is not None]
        self.small = sum(Path(path).stat().st_size for path in files) <= IN_MEMORY
        self.kept: dict[tuple[int, str], Any] = {}
        self.names: dict[tuple[int, str], frozenset[str]] = {}

    def table(self, number: int, where: str) -> Any:
        """One of `work.TABLES` of a block, None if it has none."""
        key = (number, where)
        if key in self.kept:
            return self.kept[key]
        table = open_table(self.paths[number][TABLES.index(where)])
        self.names[key] = frozenset(table.schema.names if table is not None else ())
        if self.small:
            self.kept[key] = table
        return table

    def tables(self, where: str, having: str = "") -> Iterator[tuple[int, Any]]:
        """The numbers and tables of those blocks that have one, and a column `having` in it."""
        for number, paths in enumerate(self.paths):
            if paths[TABLES.index(where)] is None:
                continue
            if having and having not in self.names.get((number, where), having):
                continue
            table = self.table(number, where)
            if not having or having in table.schema.names:
                yield number, table


class Told(NamedTuple):
    """What is told of one sort of fact, by interim article code."""

    values: pa.Array  #: large_string
    outside: Column  #: int32, told outside the rows; -1 = nothing
    value: Column  #: int32, told by rows, the first by event time; -1 = nothing
    place: Column  #: int64, where


class Publication(NamedTuple):
    """When articles become known without a row of their own."""

    item: Column  #: int32, interim codes, in the order of the publish rows
    time: Column  #: int64
    place: Column  #: int64, `TOLD` or `SHOWN`


class Gathered(NamedTuple):
    """One publisher's blocks, with interim codes that are good for all of them."""

    blocks: Blocks
    items: Ids
    users: Ids
    sessions: Ids
    item_of: dict[tuple[int, str], Column]  #: (block, column) → interim code by the block's own code
    facts: dict[str, Told]
    publications: Publication
    unlisted: Column  #: bool[items]: not in the tables of articles
    rows: int  #: raw rows of all blocks
    inversions: int  #: rows earlier than the one before them in the source
    has_impressions: bool


def gather_ids(paths: list[list[str | None]], impressions: str | None = None) -> Gathered | None:
    """First pass over a publisher's blocks: ids, facts, publication times; None where there is not one read.

    `impressions` is the method by which pseudo-impressions will be made: they show what is read at their time, and
    the leaking one shows every article from the first read on.
    """
    blocks = Blocks(paths)
    uniting = {name: Uniting() for name in ("item", "user", "session")}
    places: dict[str, list[tuple[int, str]]] = {name: [] for name in uniting}
    for where in TABLES:
        for number, table in blocks.tables(where):
            for name, column, dictionary in _dictionaries(table):
                places[name].append((number, f"{where}.{column}"))
                uniting[name].add(dictionary)
    united = {name: each.done() for name, each in uniting.items()}
    item_of = {
        where: codes for name, found in places.items() for where, codes in zip(found, united[name].codes, strict=True)
    }
    items = len(united["item"].values)
    seen = _Seen(np.full(items, NEVER), np.full(items, NEVER), np.array([0, 0, 0, 0, 0, NEVER]))
    for number, rows in blocks.tables("rows"):
        _look(rows, number, item_of, seen)
    if seen.sums[1] == 0:
        return None
    if impressions == LEAKING:
        seen.pool[seen.row < NEVER] = seen.sums[5]
    elif impressions is not None:
        read_first = (seen.row < NEVER) & (seen.row % KINDS == READ)
        seen.pool[read_first] = seen.row[read_first] // KINDS
    published = _times(blocks, item_of, items)
    facts = {name: told for name in FACTS if (told := _facts(name, blocks, item_of, items)) is not None}
    nothing = np.full(items, -1, np.int32)
    facts = {"category": Told(Uniting().done().values, nothing, nothing, np.full(items, NOWHERE, np.int64))} | facts
    listed = _listed(blocks, item_of, items)
    return Gathered(
        blocks,
        united["item"],
        united["user"],
        united["session"],
        item_of,
        facts,
        _publications(published, seen, listed, united["item"].values),
        listed == NEVER,
        int(seen.sums[3]),
        int(seen.sums[2]),
        bool(seen.sums[4]),
    )


def rows_in(paths: list[list[str | None]]) -> int:
    """How many raw rows some blocks have."""
    return sum(rows.num_rows for _, rows in Blocks(paths).tables("rows"))


def reads_of(gathered: Gathered) -> Iterator[tuple[Column, Column]]:
    """The readers and articles of all reads, block by block, as interim codes."""
    for number, rows in gathered.blocks.tables("rows"):
        records = _block_records(gathered, number, rows)
        reads = records[records["key"] % KINDS == READ]
        yield reads["user"], reads["item"]


def profiles_of(gathered: Gathered) -> tuple[Column, Column, Column] | None:
    """The profiles as interim user codes, bounds and interim article codes: per reader the first by time."""
    users, times, ats, items = [], [], [np.zeros(1, np.int64)], []
    for number, table in gathered.blocks.tables("profiles"):
        lists = table.column("items")
        offsets = numbers(lists.offsets)
        users.append(interim(table, "user", number, gathered.item_of, "profiles"))
        times.append(numbers(table, "time"))
        ats.append(offsets[1:] - offsets[0] + ats[-1][-1])
        places = numbers(lists.values.indices)[offsets[0] : offsets[-1]]
        items.append(gathered.item_of[number, "profiles.items"][places])
    if not users:
        return None
    user, time, at, item = (np.concatenate(parts) for parts in (users, times, ats, items))
    order = np.lexsort((time, user))
    first = np.sort(order[np.append(True, user[order][1:] != user[order][:-1])])
    lengths = np.diff(at)[first]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    pick = np.repeat(at[first] - ends[:-1], lengths) + np.arange(ends[-1])
    return user[first], ends, item[pick]


def _dictionaries(table: Any) -> Iterator[tuple[str, str, Any]]:
    """The sorts of ids in a table, their columns and dictionaries."""
    for name in ("item", "user", "session"):
        if name in table.schema.names:
            yield name, name, table.column(name).dictionary
    for name in ("pool", "items"):
        if name in table.schema.names:
            yield "item", name, table.column(name).values.dictionary


class _Seen(NamedTuple):
    row: Column  # int64[items], key of the first row that makes it known
    pool: Column  # int64[items], time of the first impression that shows it
    # int64[6]: time of the row before, time of the last read, inversions, rows, impressions, time of the first read
    sums: Column


def _look(rows: Any, number: int, item_of: dict[tuple[int, str], Column], seen: _Seen) -> None:
    time, kind = numbers(rows, "time"), kinds_of(rows)
    seen.sums[3] += len(time)
    item = interim(rows, "item", number, item_of)
    if "pool" in rows.schema.names:
        pool = rows.column("pool")
        places = item_of[number, "rows.pool"][numbers(pool.values.indices)]
        _first_shown(time, numbers(pool.offsets), places, seen.pool)
        if "clicked" in rows.schema.names:
            clicked = np.zeros(rows.num_rows, bool)
            any_click(rows, clicked)
            seen.sums[1] = max(seen.sums[1], int(time[clicked].max(initial=0)))
    _first_seen(time, kind, item, seen.row, seen.pool, seen.sums)


def any_click(rows: Any, found: Column) -> None:
    """Mark the rows with at least one clicked candidate."""
    offsets, clicked = numbers(rows.column("clicked").offsets), bits(rows.column("clicked").values)
    sums = np.concatenate([[0], np.cumsum(clicked)])
    found[:] = sums[offsets[1:]] > sums[offsets[:-1]]


@compiled
def _first_shown(time: Any, offsets: Any, places: Any, first: Any) -> None:
    for row in range(time.size):
        for i in range(offsets[row], offsets[row + 1]):
            item = places[i]
            if time[row] < first[item]:
                first[item] = time[row]


@compiled
def _first_seen(time: Any, kind: Any, item: Any, first: Any, shown: Any, sums: Any) -> None:
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
            if time[row] < shown[item[row]]:
                shown[item[row]] = time[row]
        else:
            key = time[row] * KINDS + int64(kind[row])
            if key < first[item[row]]:
                first[item[row]] = key


def _listed(blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> Column:
    """Where each article stands in the tables of articles: int64[items], `NEVER` = nowhere."""
    listed = np.full(items, NEVER)
    at = 0
    for number, table in blocks.tables("articles"):
        codes = interim(table, "item", number, item_of, "articles")
        np.minimum.at(listed, codes, np.arange(at, at + len(codes)))
        at += len(codes)
    return listed


def _times(blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> Column:
    """The publication time of every article: what the articles say first, then the first row that tells it."""
    time = np.full(items, -1, np.int64)
    for where in ("articles", "rows"):
        best, found = np.full(items, NEVER), np.full(items, -1, np.int64)
        for number, table in blocks.tables(where, "published"):
            published = filled(table, "published")
            # The event time of what is told outside the rows is the publication itself.
            key = published if where == "articles" else numbers(table, "time") * KINDS + kinds_of(table)
            code = interim(table, "item", number, item_of, where)
            _first_told(code, key, published, 0, best, found, best)
        time = np.where(time < 0, found, time)
    return time


def _facts(name: str, blocks: Blocks, item_of: dict[tuple[int, str], Column], items: int) -> Told | None:
    uniting = Uniting()
    shares = []
    for where in ("articles", "rows"):
        for number, table in blocks.tables(where, name):
            shares.append((number, where))
            uniting.add(table.column(name).dictionary)
    united = uniting.done()
    if not len(united.values):  # nothing but nulls
        return None
    outside, value = np.full(items, -1, np.int64), np.full(items, -1, np.int64)
    place = np.full(items, NOWHERE, np.int64)
    best = {"articles": np.full(items, NEVER), "rows": np.full(items, NEVER)}
    for (number, where), codes in zip(shares, united.codes, strict=True):
        table = blocks.table(number, where)
        told = np.append(codes, np.int32(-1))[filled(table, name)]
        item = interim(table, "item", number, item_of, where)
        if where == "articles":
            timed = "published" in table.schema.names
            published = filled(table, "published") if timed else np.full(len(told), -1)
            key = np.where(published < 0, NEVER - 1, published)
            _first_told(item, key, told, 0, best[where], outside, best[where])
        else:
            key = numbers(table, "time") * KINDS + kinds_of(table)
            _first_told(item, key, told, number << 32, best[where], value, place)
    return Told(united.values, outside.astype(np.int32), value.astype(np.int32), place)


@compiled
def _first_told(item: Any, key: Any, told: Any, begin: int, best: Any, value: Any, place: Any) -> None:
    """Per article what the row of the smallest key tells; `place` may be `best`, where nobody wants to know it."""
    for row in range(item.size):
        if told[row] >= 0 and item[row] >= 0 and key[row] < best[item[row]]:
            place[item[row]] = begin + row
            best[item[row]] = key[row]
            value[item[row]] = told[row]


def _publications(published: Column, seen: _Seen, listed: Column, ids: pa.Array) -> Publication:
    """Publish rows for articles whose publication is told, and for those that an impression shows first."""
    told = np.flatnonzero((published >= 0) & (published <= seen.sums[1]))
    known = np.minimum(seen.row // KINDS * KINDS + np.where(seen.row % KINDS == PUBLISH, 0, 1), NEVER)
    known[told] = np.minimum(known[told], published[told] * KINDS)
    shown = np.flatnonzero((seen.pool < NEVER) & (seen.pool * KINDS < np.where(known == NEVER, NEVER, known)))
    item = np.concatenate([told, shown])
    time = np.concatenate([published[told], seen.pool[shown]])
    place = np.repeat([TOLD, SHOWN], [len(told), len(shown)])
    # Of one instant: as the source lists them, then by id. The order in which they are read later would tell
    # the future.
    unlisted = np.flatnonzero(listed[item] == NEVER)
    order = listed[item]
    if len(unlisted):
        rank = np.asarray(pc.rank(pc.take(ids, pa.array(item[unlisted]))), np.int64)
        order[unlisted] = len(listed) + rank + (order[order < NEVER].max(initial=0))
    sort = np.lexsort((order, time))
    return Publication(item[sort].astype(np.int32), time[sort], place[sort])


# --- rows in stretches of time ------------------------------------------------------------------------------


class Buckets:
    """Rows by stretches of event time, in memory where they fit, else in one file per stretch."""

    def __init__(self, bounds: Column, rows: int, folder: Path):
        self.bounds = bounds  # int64[buckets - 1], first time of all buckets but the first
        self.spilled = rows * RECORD.itemsize > IN_MEMORY
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
            order = np.argsort(bucket, kind="stable")
            cuts = np.searchsorted(bucket[order], np.arange(first, last + 2))
            parts = [(first + n, records[order[cuts[n] : cuts[n + 1]]]) for n in range(last + 1 - first)]
        for number, part in parts:
            if self.spilled:
                with (self.folder / f"bucket-{number}").open("ab") as file:
                    part.tofile(file)
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
                yield records[stable_order(records["key"])]


def stable_order(key: Column) -> Column:
    """What sorts keys, equal ones in their order, by one sort of whole numbers that hold key and place."""
    places = max(1, len(key) - 1).bit_length()
    low, high = int(key.min(initial=NEVER)), int(key.max(initial=0))
    if (max(0, high - low)).bit_length() + places > 62:
        return np.argsort(key, kind="stable")
    words = (key - low) << places | np.arange(len(key))
    words.sort()
    return words & ((1 << places) - 1)


def bounds_of(gathered: Gathered) -> Column:
    """Times that cut the log into stretches of some `BUCKET` rows."""
    stretches = -(-gathered.rows // BUCKET)
    if stretches == 1:
        return np.empty(0, np.int64)
    step = max(1, gathered.rows // 200_000)
    sample = np.concatenate([numbers(rows, "time")[::step] for _, rows in gathered.blocks.tables("rows")])
    cuts = np.quantile(sample, np.arange(1, stretches) / stretches, method="nearest")
    return np.unique(cuts.astype(np.int64))


def records_of(gathered: Gathered) -> Iterator[Column]:
    """All rows as records, in source order: publications first, then block by block."""
    told = gathered.publications
    records = np.zeros(len(told.item), RECORD)
    records["key"] = told.time * KINDS + PUBLISH
    records["place"], records["item"] = told.place, told.item
    records["user"] = records["session"] = -1
    records["active"] = np.nan
    yield records
    for number, rows in gathered.blocks.tables("rows"):
        yield _block_records(gathered, number, rows)


def _block_records(gathered: Gathered, number: int, rows: Any) -> Column:
    kind, time = kinds_of(rows), numbers(rows, "time")
    records = np.zeros(rows.num_rows, RECORD)
    records["key"] = time * KINDS + kind
    records["place"] = (number << 32) + np.arange(rows.num_rows)
    records["item"] = interim(rows, "item", number, gathered.item_of)
    session = interim(rows, "session", number, gathered.item_of)
    user = interim(rows, "user", number, gathered.item_of)
    records["session"] = session
    # Without a user, the session stands for the user.
    records["user"] = np.where((user < 0) & (session >= 0), len(gathered.users.values) + session, user)
    records["active"] = np.nan
    if "active" in rows.schema.names:
        records["active"] = pc.fill_null(rows.column("active"), float("nan")).to_numpy(zero_copy_only=False)
    if "recommendable" in rows.schema.names:
        flag = pc.fill_null(rows.column("recommendable").cast(pa.float32()), float("nan"))
        publish = kind == PUBLISH
        records["active"][publish] = flag.to_numpy(zero_copy_only=False)[publish]
    if "clicked" not in rows.schema.names:
        return records
    records = np.concatenate([records, _outcomes(gathered, number, rows, records)])
    # Outcomes and clicks right after the row they come from, so that blocks may be cut anywhere.
    return records[np.argsort(records["place"], kind="stable")]


def _outcomes(gathered: Gathered, number: int, rows: Any, records: Column) -> Column:
    """The outcomes of a block's impressions, then the reads of what was clicked in them."""
    clicked = rows.column("clicked")
    known = np.flatnonzero(clicked.is_valid().to_numpy(zero_copy_only=False))
    outcomes = records[known]
    if (outcomes["key"] % KINDS != IMPRESSION).any():
        raise AssertionError("only impressions have clicks")
    outcomes["key"] += OUTCOME - IMPRESSION
    offsets, marks = numbers(clicked.offsets), bits(clicked.values)
    row = np.repeat(np.arange(len(records)), np.diff(offsets))
    begin, end = offsets[0], offsets[-1]
    at = np.flatnonzero(marks[begin:end])
    reads = records[row[at]]
    reads["key"] += READ - IMPRESSION
    pool = rows.column("pool")
    # Pools and clicks are equally long in every row, but may begin at different offsets.
    place = at + begin + (numbers(pool.offsets)[row[at]] - offsets[row[at]])
    reads["item"] = gathered.item_of[number, "rows.pool"][numbers(pool.values.indices)[place]]
    reads["active"] = np.nan
    return np.concatenate([outcomes, reads])


# --- the walk -----------------------------------------------------------------------------------------------


class Memory(NamedTuple):
    """What the walk remembers from row to row, by interim code."""

    item: Column  #: int32[items], final codes, -1 = not known yet
    user: Column  #: int32[users + sessions]
    session: Column  #: int32[sessions], of the source's own sessions
    last: Column  #: int64[users], last read of a user without sessions, or the opening of the visit
    visit: Column  #: int32[users], final session code of the user's visit, -1 = none yet
    ordinal: Column  #: int32[users], how many visits
    fact: Column  #: int64[facts, items], row from which on a fact is known, -1 = not yet
    category: Column  #: int32[categories], final codes
    counts: Column  #: int64[8], see the COUNT_ names

    @property
    def rows(self) -> int:
        """Rows so far."""
        return int(self.counts[ROWS])


ROWS, ITEMS, USERS, SESSIONS, CATEGORIES, REQUESTS = range(6)


class Final(NamedTuple):
    """By final code; larger than needed."""

    item: Column  #: int32, interim code
    published: Column  #: int64, time of the row that made it known
    user: Column  #: int32, interim code
    user_row: Column  #: int64, the user's first row
    session: Column  #: int32, interim code of the source's session, -1 = a visit
    session_user: Column  #: int32, interim code of its user
    ordinal: Column  #: int32, number of the visit among its user's
    last: Column  #: int32, last request
    reads: Column  #: int32
    first: Column  #: int64, time of the first read
    category: Column  #: int32, interim code


class Out(NamedTuple):
    """One bucket's rows of the log."""

    time: Column
    kind: Column
    session: Column
    user: Column
    item: Column
    category: Column
    request_row: Column  #: int32, of the requests
    previous: Column  #: int32


@compiled
def _emit(
    records: Any, facts: Any, outside: Any, told_at: Any, category: Any, memory: Any, final: Any, out: Any
) -> int:
    """Write a bucket's rows; returns its number of requests. `category` is the interim category by article."""
    counts, requests = memory.counts, 0
    for i in range(records.size):
        record = records[i]
        time, kind = record.key // KINDS, record.key % KINDS
        row = counts[ROWS]
        item, user, session = int64(record.item), int64(record.user), int64(record.session)
        code = int64(-1)
        if item >= 0:
            new = memory.item[item] < 0
            if new:
                memory.item[item] = counts[ITEMS]
                final.item[counts[ITEMS]] = item
                final.published[counts[ITEMS]] = time
                counts[ITEMS] += 1
            code = int64(memory.item[item])
            for fact in range(facts):
                if memory.fact[fact, item] < 0:
                    published = record.place == TOLD and (outside[fact, item] >= 0 or told_at[fact, item] >= 0)
                    if published or (new and outside[fact, item] >= 0) or told_at[fact, item] == record.place:
                        memory.fact[fact, item] = row
        reader, visit = int64(-1), int64(-1)
        if user >= 0:
            if memory.user[user] < 0:
                memory.user[user] = counts[USERS]
                final.user[counts[USERS]] = user
                final.user_row[counts[USERS]] = row
                counts[USERS] += 1
            reader = int64(memory.user[user])
            opened = False
            if session >= 0:
                if memory.session[session] < 0:
                    memory.session[session] = counts[SESSIONS]
                    opened = True
                visit = int64(memory.session[session])
            else:
                if memory.visit[user] < 0 or time - memory.last[user] > SESSION_GAP:
                    memory.visit[user] = counts[SESSIONS]
                    memory.ordinal[user] += 1
                    memory.last[user] = time
                    opened = True
                elif kind >= READ:
                    memory.last[user] = time
                visit = int64(memory.visit[user])
            if opened:
                final.session[visit] = session
                final.session_user[visit] = user
                final.ordinal[visit] = memory.ordinal[user] if session < 0 else 0
                final.last[visit] = -1
                final.reads[visit] = 0
                counts[SESSIONS] += 1
        if kind == READ:
            if final.reads[visit] == 0:
                final.first[visit] = time
            final.reads[visit] += 1
            out.request_row[requests] = row
            out.previous[requests] = final.last[visit]
            final.last[visit] = counts[REQUESTS]
            counts[REQUESTS] += 1
            requests += 1
        known = int64(-1)
        if item >= 0 and memory.fact[0, item] >= 0 and category[item] >= 0:
            if memory.category[category[item]] < 0:
                memory.category[category[item]] = counts[CATEGORIES]
                final.category[counts[CATEGORIES]] = category[item]
                counts[CATEGORIES] += 1
            known = int64(memory.category[category[item]])
        out.time[i], out.kind[i] = time, kind
        out.session[i], out.user[i], out.item[i], out.category[i] = visit, reader, code, known
        counts[ROWS] += 1
    return requests


class Walked(NamedTuple):
    """What the walk leaves beside the columns of the log."""

    memory: Memory
    final: Final
    duplicates: int  #: reads equal to another in time, reader, session and article


REQUEST_DTYPES: dict[str, np.dtype[Any]] = {"row": np.dtype(np.int32), "previous": np.dtype(np.int32)}


UPDATE_DTYPES: dict[str, np.dtype[Any]] = {
    "row": np.dtype(np.int64),
    "item": np.dtype(np.int32),
    "recommendable": np.dtype(np.bool_),
}


def walk_rows(gathered: Gathered, folder: Path, work: Path, sampler: Sampler | None, progress: Any) -> Walked:
    """Second pass: sort and write a publisher's log to `folder`/log, /pools, /requests and /updates, by buckets."""
    items, sessions = len(gathered.items.values), len(gathered.sessions.values)
    users = len(gathered.users.values) + sessions
    facts = list(gathered.facts.values())
    outside = np.stack([told.outside for told in facts])
    told_at = np.stack([told.place for told in facts])
    category = np.where(outside[0] >= 0, outside[0], facts[0].value)
    memory = Memory(
        np.full(items, -1, np.int32),
        np.full(users, -1, np.int32),
        np.full(sessions, -1, np.int32),
        np.zeros(users, np.int64),
        np.full(users, -1, np.int32),
        np.zeros(users, np.int32),
        np.full((len(facts), items), -1, np.int64),
        np.full(len(facts[0].values), -1, np.int32),
        np.zeros(8, np.int64),
    )
    final = Final(
        item=np.empty(items, np.int32),
        published=np.empty(items, np.int64),
        user=np.empty(users, np.int32),
        user_row=np.empty(users, np.int64),
        session=np.empty(0, np.int32),
        session_user=np.empty(0, np.int32),
        ordinal=np.empty(0, np.int32),
        last=np.empty(0, np.int32),
        reads=np.empty(0, np.int32),
        first=np.empty(0, np.int64),
        category=np.empty(len(facts[0].values), np.int32),
    )
    timed = any(True for _ in gathered.blocks.tables("rows", "active"))
    buckets = Buckets(bounds_of(gathered), gathered.rows, work)
    for records in records_of(gathered):
        buckets.add(records)
    duplicates = 0
    with (
        ColumnFiles(folder / "log", LOG_DTYPES) as log,
        ColumnFiles(folder / "pools", POOL_DTYPES) as pools,
        ColumnFiles(folder / "requests", REQUEST_DTYPES | ({"active": np.dtype(np.float32)} if timed else {})) as asked,
        ColumnFiles(folder / "updates", UPDATE_DTYPES) as updates,
    ):
        pools.add(at=np.zeros(1, np.int64))
        for records in buckets.sorted():
            drawn = None
            if sampler is not None:
                records, drawn = sampler.draw(records)
            duplicates += count_duplicates(records)
            final = _grown(final, int(memory.counts[SESSIONS]) + len(records))
            out = Out(
                **{name: np.empty(len(records), LOG_DTYPES[name]) for name in LOG_DTYPES if name != "impression"},
                request_row=np.empty(len(records), np.int32),
                previous=np.empty(len(records), np.int32),
            )
            requests = _emit(records, len(facts), outside, told_at, category, memory, final, out)
            kind = records["key"] % KINDS
            impression = numbered_impressions(records["place"], kind, pools.lengths["at"] - 1)
            log.add(**{name: getattr(out, name) for name in LOG_DTYPES if name != "impression"}, impression=impression)
            asked.add(row=out.request_row[:requests], previous=out.previous[:requests])
            if timed:
                asked.add(active=records["active"][kind == READ])
            told = np.flatnonzero((kind == PUBLISH) & ~np.isnan(records["active"]))
            first = memory.rows - len(records)
            updates.add(row=first + told, item=out.item[told], recommendable=records["active"][told] > 0)
            shown = records["place"][kind == IMPRESSION]
            if len(shown):
                at, item, clicked = drawn if drawn is not None else pools_of(gathered, shown)
                pools.add(at=at[1:] + pools.lengths["item"], item=memory.item[item], clicked=clicked)
            progress(len(records))
    return Walked(memory, final, duplicates)


def _grown(final: Final, sessions: int) -> Final:
    """Room for so many sessions."""
    if len(final.session) >= sessions:
        return final
    names = ("session", "session_user", "ordinal", "last", "reads", "first")
    return final._replace(**{name: np.resize(getattr(final, name), sessions * 5 // 4) for name in names})


def count_duplicates(records: Column) -> int:
    """How many of a bucket's reads equal an earlier one in time, reader, session and article."""
    reads = records[records["key"] % KINDS == READ]
    if not len(reads):
        return 0
    same = reads["key"][1:] == reads["key"][:-1]
    reads = reads[np.append(same, False) | np.append(False, same)]
    reader = reads["user"].astype(np.uint64) << np.uint64(32) | reads["session"].view(np.uint32).astype(np.uint64)
    words = mix_all(key_of(0, "duplicates"), reads["key"]) ^ reader
    words = np.sort(mix_all(key_of(1, "duplicates"), words) ^ mix_all(key_of(2, "duplicates"), reads["item"]))
    return int(np.count_nonzero(words[1:] == words[:-1]))


def numbered_impressions(place: Column, kind: Column, before: int) -> Column:
    """The number of the impression that each row is or tells of, -1 for others: int32[rows]."""
    number = np.full(len(place), -1, np.int32)
    shown = np.flatnonzero(kind == IMPRESSION)
    if not len(shown):
        return number
    number[shown] = before + np.arange(len(shown))
    told = np.flatnonzero(kind == OUTCOME)
    order = shown[np.argsort(place[shown])]
    number[told] = number[order[np.searchsorted(place[order], place[told])]]
    return number


def pools_of(gathered: Gathered, places: Column) -> tuple[Column, Column, Column]:
    """The pools of the impressions at `places`: their bounds, interim article codes and clicks."""
    number, row = places >> 32, places & 0xFFFFFFFF
    lengths = np.zeros(len(places), np.int64)
    for block in np.unique(number).tolist():
        mine = number == block
        offsets = numbers(gathered.blocks.table(block, "rows").column("pool").offsets)
        lengths[mine] = offsets[row[mine] + 1] - offsets[row[mine]]
    at = np.concatenate([[0], np.cumsum(lengths)])
    item, clicked = np.empty(at[-1], np.int32), np.zeros(at[-1], bool)
    for block in np.unique(number).tolist():
        mine = np.flatnonzero(number == block)
        rows = gathered.blocks.table(block, "rows")
        pool = rows.column("pool")
        codes = gathered.item_of[block, "rows.pool"]
        _copy_pools(numbers(pool.offsets), numbers(pool.values.indices), codes, row[mine], at[mine], item)
        if "clicked" in rows.schema.names:
            marks = rows.column("clicked")
            _copy_clicks(numbers(marks.offsets), bits(marks.values), row[mine], at[mine], clicked)
    return at, item, clicked


@compiled
def _copy_pools(offsets: Any, places: Any, codes: Any, row: Any, at: Any, item: Any) -> None:
    for i in range(row.size):
        begin = offsets[row[i]]
        for j in range(offsets[row[i] + 1] - begin):
            item[at[i] + j] = codes[places[begin + j]]


@compiled
def _copy_clicks(offsets: Any, marks: Any, row: Any, at: Any, clicked: Any) -> None:
    for i in range(row.size):
        begin = offsets[row[i]]
        for j in range(offsets[row[i] + 1] - begin):
            clicked[at[i] + j] = marks[begin + j]


# --- columns ------------------------------------------------------------------------------------------------


def numbers(table: Any, name: str | None = None) -> Column:
    """A column of numbers without nulls as NumPy sees it; `Array.to_numpy` would import pandas first."""
    array = table if name is None else table.column(name)
    dtype = array.type.to_pandas_dtype()
    values: Column = np.frombuffer(array.buffers()[1] or b"", dtype)
    return values[array.offset : array.offset + len(array)]


def bits(array: Any) -> Column:
    """A column of booleans without nulls."""
    packed = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return np.unpackbits(packed, bitorder="little", count=array.offset + len(array))[array.offset :].astype(bool)


def filled(table: Any, name: str) -> Column:
    """Numbers or codes with -1 for null."""
    column = table.column(name)
    column = column.indices if pa.types.is_dictionary(column.type) else column
    return numbers(column.fill_null(-1) if column.null_count else column)


def interim(table: Any, name: str, number: int, item_of: dict[tuple[int, str], Column], where: str = "rows") -> Column:
    """A column of ids as interim codes, -1 for null: int32."""
    if name not in table.schema.names:
        return np.full(table.num_rows, -1, np.int32)
    return np.append(item_of[number, f"{where}.{name}"], np.int32(-1))[filled(table, name)]


class ColumnFiles:
    """Columns that are appended to, each an `.npy` file that NumPy can map; written in bounded memory."""

    HEADER = 128  # bytes; written when the length is known

    def __init__(self, folder: Path, dtypes: dict[str, np.dtype[Any]]):
        folder.mkdir(parents=True)
        self.dtypes = dtypes
        self.lengths = dict.fromkeys(dtypes, 0)
        self.files = {name: (folder / f"{name}.npy").open("wb") for name in dtypes}
        for file in self.files.values():
            file.write(bytes(self.HEADER))

    def add(self, **columns: Column) -> None:
        """Append to columns."""
        for name, values in columns.items():
            np.ascontiguousarray(values, self.dtypes[name]).tofile(self.files[name])
            self.lengths[name] += len(values)

    def __enter__(self) -> ColumnFiles:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        for name, file in self.files.items():
            with file:
                shape = {"descr": self.dtypes[name].str, "fortran_order": False, "shape": (self.lengths[name],)}
                text = repr(shape).encode()
                magic = b"\x93NUMPY\x01\x00" + (self.HEADER - 10).to_bytes(2, "little")
                file.seek(0)
                file.write(magic + text.ljust(self.HEADER - 11) + b"\n")
