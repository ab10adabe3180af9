"""The second half of preparing: blocks of raw rows become one sorted log per publisher, in bounded memory.

What is held in memory is what grows with readers, sessions and articles: their ids, and a few numbers each.
Rows come sorted, a stretch of event time at a time (`newsreplay.datasets.preparing.buckets`), and are walked once in
event order by one compiled loop (`_emit`) that splits sessions and gives codes by first appearance; every column is
appended to its file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from newsreplay.arrow import to_numpy
from newsreplay.datasets.preparing.buckets import Buckets, bounds_of, records_of
from newsreplay.datasets.preparing.extra import ExtraColumns
from newsreplay.datasets.preparing.gather import BY_PUBLICATION, KINDS, Gathered, lists_at
from newsreplay.datasets.preparing.sampling import Sampler
from newsreplay.datasets.preparing.withheld import WithheldRows
from newsreplay.datasets.preparing.work import Processing
from newsreplay.datasets.store import ColumnFiles
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.mixing import key_of, mix_all
from newsreplay.log.growing import enlarged
from newsreplay.log.publisher import REQUEST_DTYPES, UPDATE_DTYPES
from newsreplay.log.rows import (
    HISTORY,
    IMPRESSION,
    LOG_DTYPES,
    OUTCOME,
    POOL_DTYPES,
    PUBLISH,
    READ,
    SESSION_GAP,
    Column,
)


class WalkState(NamedTuple):
    """What the walk remembers from row to row, by interim code."""

    item: Column  #: int32[items], final codes, -1 = not known yet
    user: Column  #: int32[readers]
    session: Column  #: int32[sessions], of sessions that are not split by time: their final codes
    # By what is split by time: users without sessions, and behind them the sessions, if they are split too.
    last: Column  #: int64, last read of the visit, or its opening while it has none
    visit: Column  #: int32, final session code of the visit, -1 = none yet
    ordinal: Column  #: int32, how many visits
    fact: Column  #: int64[facts, items], row from which on a fact is known, -1 = not yet
    category: Column  #: int32[categories], final codes
    counts: Column  #: int64[8], see `ROWS` and so on
    kinds: Column  #: int64[8], rows by kind

    @property
    def rows(self) -> int:
        """Rows so far."""
        return int(self.counts[ROWS])


ROWS, ITEMS, USERS, SESSIONS, CATEGORIES, REQUESTS = range(6)


class FinalCodes(NamedTuple):
    """By final code; larger than needed."""

    item: Column  #: int32, interim code
    published: Column  #: int64, time of the row that made it known
    read: Column  #: bool, the article is read
    user: Column  #: int32, interim code
    user_row: Column  #: int64, the user's first row
    session: Column  #: int32, interim code of the session, -1 = a user's visit
    session_user: Column  #: int32, interim code of its user
    ordinal: Column  #: int32, number of the visit among those of its user or session, 0 = not split by time
    last: Column  #: int32, last request
    reads: Column  #: int32
    first: Column  #: int64, time of the first read
    category: Column  #: int32, interim code


class LogRows(NamedTuple):
    """One bucket's rows of the log."""

    time: Column
    kind: Column
    session: Column
    user: Column
    item: Column
    category: Column
    impression: Column
    request_row: Column  #: int32, of the requests
    previous: Column  #: int32


@compiled
def _emit(records: Any, told: Any, splitting: Any, memory: Any, final: Any, out: Any) -> int:
    """Write a bucket's rows; returns its number of requests."""
    counts, requests = memory.counts, 0
    outside, place, category = told.outside, told.place, told.category
    facts = outside.shape[0]
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
                    published = record.place == BY_PUBLICATION and (outside[fact, item] >= 0 or place[fact, item] >= 0)
                    if published or (new and outside[fact, item] >= 0) or place[fact, item] == record.place:
                        memory.fact[fact, item] = row
        reader, visit = int64(-1), int64(-1)
        if user >= 0:
            if memory.user[user] < 0:
                memory.user[user] = counts[USERS]
                final.user[counts[USERS]] = user
                final.user_row[counts[USERS]] = row
                counts[USERS] += 1
            reader = int64(memory.user[user])
            if kind != HISTORY:
                visit = _visit(memory, final, splitting, time, kind, user, session)
        memory.kinds[kind] += 1
        if kind == READ:
            final.read[code] = True
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


@kernel
def _visit(memory: Any, final: Any, splitting: Any, time: int, kind: int, user: int, session: int) -> int:
    """The final code of a row's session, which is opened where need be."""
    if session >= 0 and not splitting.all:
        if memory.session[session] < 0:
            memory.session[session] = _open(memory, final, user, session, 0)
        return int64(memory.session[session])
    who = user if session < 0 else splitting.users + session
    if memory.visit[who] < 0 or time - memory.last[who] > splitting.gap:
        memory.ordinal[who] += 1
        memory.visit[who] = _open(memory, final, user, session, memory.ordinal[who])
        memory.last[who] = time
    elif kind == READ:
        memory.last[who] = time
    return int64(memory.visit[who])


@kernel
def _open(memory: Any, final: Any, user: int, session: int, ordinal: int) -> int:
    visit = int64(memory.counts[SESSIONS])
    final.session[visit] = session
    final.session_user[visit] = user
    final.ordinal[visit] = ordinal
    final.last[visit] = -1
    final.reads[visit] = 0
    memory.counts[SESSIONS] += 1
    return visit


class _Told(NamedTuple):
    """What is told of articles: by fact and interim code of the article."""

    outside: Column  # int32[facts, items], see `FactValues`
    place: Column  # int64[facts, items]
    category: Column  # int32[items], interim code


class _Splitting(NamedTuple):
    """How sessions are split by time."""

    gap: int  # ms
    all: bool  # the source's own, too
    users: int  # behind which sessions stand in `WalkState.visit`


class Walked(NamedTuple):
    """What the walk leaves beside the columns of the log."""

    memory: WalkState
    final: FinalCodes
    duplicates: int  #: reads equal to another in time, reader, session and article
    extra: dict[str, tuple[int, int]]  #: by column that is kept, its distinct values, and the rows without one


def walk_rows(
    gathered: Gathered,
    folder: Path,
    work: Path,
    processing: Processing,
    publisher: str,
    sampler: Sampler | None = None,
    session_gap: int | None = None,
) -> Walked:
    """Second pass: sort and write a publisher's log to `folder`/log, /pools, /requests, /updates, by buckets.

    A `session_gap` in ms takes the place of the 60 minutes, and splits the source's own sessions, too.
    """
    told = _told(gathered)
    splitting = _Splitting(
        SESSION_GAP if session_gap is None else session_gap, session_gap is not None, gathered.sessions.users
    )
    memory, final = _before_all(gathered, splitting)
    timed = any(True for name in ("active", "dwell") for _ in gathered.blocks.tables("rows", name))
    withheld = WithheldRows(gathered.blocks)
    buckets = Buckets(bounds_of(gathered, processing.bucket), gathered.rows, work, processing.in_memory)
    duplicates = 0
    request_dtypes = REQUEST_DTYPES | ({"active": np.dtype(np.float32)} if timed else {})
    with (
        ColumnFiles(folder / "log", LOG_DTYPES) as log,
        ColumnFiles(folder / "pools", POOL_DTYPES) as pools,
        ColumnFiles(folder / "requests", request_dtypes) as requests,
        ColumnFiles(folder / "updates", UPDATE_DTYPES) as updates,
        ExtraColumns(gathered.blocks, folder) as extra,
    ):
        pools.add(at=np.zeros(1, np.int64))
        for records in buckets.sorted(records_of(gathered)):
            drawn = None
            if sampler is not None:
                records, drawn = sampler.draw(records)
            duplicates += count_duplicates(records)
            final = _grown(final, int(memory.counts[SESSIONS]) + len(records))
            out = _room_for(len(records))
            count = _emit(records, told, splitting, memory, final, out)
            shown = pools.lengths["at"] - 1
            _number_impressions(records, shown, out.impression)
            log.add(**{name: getattr(out, name) for name in LOG_DTYPES})
            extra.add(records["place"])
            active = {"active": records["active"][out.kind == READ]} if timed else {}
            requests.add(row=out.request_row[:count], previous=out.previous[:count], **active)
            updates.add(**_flags_of(records, out, memory.rows - len(records)))
            places = records["place"][out.kind == IMPRESSION]
            withheld.add(places, shown)
            if drawn is None:
                at, item, clicked = pools_of(gathered, places, memory.item)
            else:
                at, item, clicked = drawn[0], memory.item[drawn[1]], drawn[2]
            pools.add(at=at[1:] + pools.lengths["item"], item=item, clicked=clicked)
            processing.progress(f"sorting {publisher}", min(memory.rows, gathered.rows), gathered.rows)
    withheld.write(folder / "withheld.arrow")
    return Walked(memory, final, duplicates, extra.facts)


def _told(gathered: Gathered) -> _Told:
    facts = list(gathered.facts.values())  # the category first
    outside = np.stack([values.outside for values in facts])
    place = np.stack([values.place for values in facts])
    return _Told(outside, place, np.where(outside[0] >= 0, outside[0], facts[0].value))


def _before_all(gathered: Gathered, splitting: _Splitting) -> tuple[WalkState, FinalCodes]:
    """What the walk remembers before its first row."""
    items, categories = len(gathered.items), len(gathered.facts["category"].values)
    users, sessions = gathered.sessions.readers, gathered.sessions.sessions
    split = splitting.users + sessions if splitting.all else splitting.users
    memory = WalkState(
        item=np.full(items, -1, np.int32),
        user=np.full(users, -1, np.int32),
        session=np.full(sessions, -1, np.int32),
        last=np.zeros(split, np.int64),
        visit=np.full(split, -1, np.int32),
        ordinal=np.zeros(split, np.int32),
        fact=np.full((len(gathered.facts), items), -1, np.int64),
        category=np.full(categories, -1, np.int32),
        counts=np.zeros(8, np.int64),
        kinds=np.zeros(8, np.int64),
    )
    final = FinalCodes(
        item=np.empty(items, np.int32),
        published=np.empty(items, np.int64),
        read=np.zeros(items, bool),
        user=np.empty(users, np.int32),
        user_row=np.empty(users, np.int64),
        session=np.empty(0, np.int32),
        session_user=np.empty(0, np.int32),
        ordinal=np.empty(0, np.int32),
        last=np.empty(0, np.int32),
        reads=np.empty(0, np.int32),
        first=np.empty(0, np.int64),
        category=np.empty(categories, np.int32),
    )
    return memory, final


def _room_for(rows: int) -> LogRows:
    return LogRows(
        **{name: np.empty(rows, LOG_DTYPES[name]) for name in LOG_DTYPES},
        request_row=np.empty(rows, np.int32),
        previous=np.empty(rows, np.int32),
    )


def _flags_of(records: Column, out: LogRows, first: int) -> dict[str, Column]:
    """What a bucket's publish rows say of whether their article may be recommended; they begin at row `first`."""
    row = np.flatnonzero(out.kind == PUBLISH)
    row = row[~np.isnan(records["active"][row])]
    return {"row": first + row, "item": out.item[row], "recommendable": records["active"][row] > 0}


def _grown(final: FinalCodes, sessions: int) -> FinalCodes:
    """Room for so many sessions."""
    if len(final.session) >= sessions:
        return final
    names = ("session", "session_user", "ordinal", "last", "reads", "first")
    return final._replace(**{name: enlarged(getattr(final, name), sessions * 5 // 4, None) for name in names})


def count_duplicates(records: Column) -> int:
    """How many of a bucket's reads equal an earlier one in time, reader, session and article."""
    rows = np.empty(len(records), np.int32)
    reads = records[rows[: _reads_of_one_instant(records, rows)]]
    reader = reads["user"].astype(np.uint64) << np.uint64(32) | reads["session"].view(np.uint32).astype(np.uint64)
    words = mix_all(key_of(0, "duplicates"), reads["key"]) ^ reader
    words = np.sort(mix_all(key_of(1, "duplicates"), words) ^ mix_all(key_of(2, "duplicates"), reads["item"]))
    return int(np.count_nonzero(words[1:] == words[:-1]))


@compiled
def _reads_of_one_instant(records: Any, rows: Any) -> int:
    """Note the reads that share their time with another one; returns how many they are."""
    count = 0
    for row in range(records.size):
        key = records[row].key
        before = row > 0 and records[row - 1].key == key
        if key % KINDS == READ and (before or (row + 1 < records.size and records[row + 1].key == key)):
            rows[count] = row
            count += 1
    return count


@compiled
def _number_impressions(records: Any, before: int, number: Any) -> None:
    """Note the number of the impression that each row is or belongs to, -1 for others; `before` come before them."""
    row = 0  # of the impression whose outcome comes next, if it has one
    for i in range(records.size):
        kind = records[i].key % KINDS
        number[i] = -1
        if kind == IMPRESSION:
            if i == 0 or records[i - 1].key != records[i].key:
                row = i
            number[i] = before
            before += 1
        elif kind == OUTCOME:  # of one instant they are in the order of their impressions
            while records[row].place != records[i].place:
                row += 1
            number[i] = number[row]


def pools_of(gathered: Gathered, places: Column, final: Column) -> tuple[Column, Column, Column]:
    """The pools of the impressions at `places`: their bounds, final article codes and clicks."""
    at, item = lists_at(gathered, "rows", "pool", places, lambda codes: final[codes])
    clicked = np.zeros(at[-1], bool)
    number, row = places >> 32, places & 0xFFFFFFFF
    for block in np.unique(number).tolist():
        rows = gathered.blocks.table(block, "rows")
        if "clicked" in rows.schema.names:
            own, marks = np.flatnonzero(number == block), rows.column("clicked")
            _copy_clicks(to_numpy(marks.offsets), to_numpy(marks.values), row[own], at[own], clicked)
    return at, item, clicked


@compiled
def _copy_clicks(offsets: Any, marks: Any, row: Any, at: Any, clicked: Any) -> None:
    for i in range(row.size):
        begin = offsets[row[i]]
        for j in range(offsets[row[i] + 1] - begin):
            clicked[at[i] + j] = marks[begin + j]
