"""The store: raw rows become logs, once, and are memory-mapped ever after.

This is the only place where a log is sorted by event time, sessions are split and ids become codes. A data
set is a folder: `card.json`, `rejects.csv`, and per publisher the Arrow files

    log.arrow       one row per log row: time, kind, session, user, item, category
    requests.arrow  one row per read: its log row, and the request before it in its session (-1 = none)
    sessions.arrow  one row per session: id, last request, reads, time of the first read
    articles.arrow  one row per article: id, published, category, category_row, title, title_row
    users.arrow, categories.arrow   ids and names by code

`requests` and `sessions` look ahead; they are for the judge alone and never reach a recommender.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.datasets.base import Raw
from newsreplay.errors import DataError
from newsreplay.simulator.catalog import Articles
from newsreplay.simulator.log import HOUR, LOG_DTYPES, PUBLISH, READ, Column, Log, make_log

FORMAT = 1  #: of the folder; another one must be prepared again
SESSION_GAP = HOUR  #: ms; a session ends when more than this passes without a read


class Requests(NamedTuple):
    """One publisher's reads in log order, each of which asked for a slate."""

    row: Column  #: int32[requests], log row
    previous: Column  #: int32[requests], the request before it in its session, -1 = none


class Sessions(NamedTuple):
    """One publisher's sessions by code."""

    id: pa.Array  #: string[sessions]
    last: Column  #: int32[sessions], last request
    reads: Column  #: int32[sessions]
    first_time: Column  #: int64[sessions], ms


class Publisher(NamedTuple):
    """One publisher's log with all that a run needs to know about it."""

    name: str
    log: Log
    articles: Articles
    users: pa.Array  #: string[users], ids
    requests: Requests
    sessions: Sessions


class Dataset:
    """A prepared data set, one log per publisher; columns are memory-mapped when they are touched."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @cached_property
    def card(self) -> dict[str, Any]:
        """Where the data come from, what was kept, left out and made up, and the facts per publisher."""
        return _read_card(self.folder)

    @property
    def name(self) -> str:
        """The name it was prepared under."""
        return str(self.card["name"])

    @property
    def publishers(self) -> list[str]:
        """Names of the publishers."""
        return [facts["publisher"] for facts in self.card["publishers"]]

    def publisher(self, name: str) -> Publisher:
        """One publisher's log. Raises `DataError` if there is none of that name."""
        if name not in self.publishers:
            raise DataError(f"{self.name} has no publisher {name!r}; it has {', '.join(self.publishers)}")
        return _open_publisher(name, self.folder / "publishers" / str(self.publishers.index(name)))


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = dict(json.loads((folder / "card.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder} is no prepared data set: {error}") from None
    if card.get("format") != FORMAT:
        raise DataError(
            f"{folder} was prepared by another version of newsreplay (format {card.get('format')}, "
            f"this one reads {FORMAT}); prepare it again"
        )
    return card


# --- preparing -----------------------------------------------------------------------------------------


def prepare(raw: Raw, folder: Path, *, name: str, kind: str, options: dict[str, Any] | None = None) -> Dataset:
    """Sort, split and code raw rows, and write them to `folder`, whole or not at all.

    Raises `DataError` where there is no usable read.
    """
    if not raw.reads.num_rows:
        first = f"; the first: {raw.rejects[0].reason}" if raw.rejects else ""
        raise DataError(f"{name}: none of {raw.rows_in} rows is usable{first}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise DataError(
            f"cannot write to {folder.parent}: {error.strerror or error}; set NEWSREPLAY_HOME to a folder for it"
        ) from None
    try:
        publishers = [
            _prepare_publisher(raw, publisher, work / "publishers" / str(number))
            for number, publisher in enumerate(_publishers(raw))
        ]
        card = _card(raw, publishers, name, kind, options or {})
        (work / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
        _write_rejects(raw, work / "rejects.csv")
        if folder.exists():
            (folder / "card.json").unlink(missing_ok=True)  # first: a folder without it is no data set
            shutil.rmtree(folder)
        _take_place(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Dataset(folder)


def _take_place(work: Path, folder: Path) -> None:
    try:
        work.replace(folder)
    except OSError:
        if not (folder / "card.json").is_file():  # else another process has prepared the same meanwhile
            raise


def _card(raw: Raw, publishers: list[dict[str, Any]], name: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    digests = "".join(facts["digest"] for facts in publishers)
    return {
        "name": name,
        "format": FORMAT,
        "kind": kind,
        "options": options,
        "source": raw.source,
        "licence": raw.licence,
        "rows_in": raw.rows_in,
        "reads": raw.reads.num_rows,
        "rejected": len(raw.rejects),
        "dropped": raw.dropped,
        "notes": raw.notes,
        "made_up": raw.made_up,
        "digest": hashlib.blake2b(digests.encode(), digest_size=16).hexdigest(),
        "publishers": publishers,
    }


def _write_rejects(raw: Raw, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "reason", "text"])
        writer.writerows(raw.rejects)


def _publishers(raw: Raw) -> list[str]:
    return sorted(pc.unique(_plain(raw.reads["publisher"])).to_pylist())


class _Coded(NamedTuple):
    """A string column as codes into its distinct values."""

    code: Column  #: int64, -1 = null
    value: pa.Array


class _Rows(NamedTuple):
    """One publisher's rows before sorting: publish rows first, then reads, each in source order."""

    time: Column
    kind: Column
    item: Column  #: codes into `items`
    user: Column  #: codes into `users`, -1 on publish rows
    session: Column  #: codes into `sessions`, -1 on publish rows
    category: Column  #: as the row tells it, codes into `categories`, -1 = not told
    title: Column  #: likewise
    items: pa.Array
    users: pa.Array
    sessions: pa.Array
    categories: pa.Array
    titles: pa.Array
    unknown: int  #: articles that are never read and have no usable publication time


def _prepare_publisher(raw: Raw, publisher: str, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    rows = _sorted(_rows_of(raw, publisher))
    item, items = _by_first_appearance(rows.item, rows.items)
    user, users = _by_first_appearance(rows.user, rows.users)
    session, sessions = _by_first_appearance(rows.session, rows.sessions)
    category, category_row = _first_told(item, rows.category, len(items))
    title, title_row = _first_told(item, rows.title, len(items))
    row = np.arange(len(item))
    known, categories = _by_first_appearance(np.where(row >= category_row[item], category[item], -1), rows.categories)
    log = make_log(
        time=rows.time,
        kind=rows.kind,
        session=session,
        user=user,
        item=item,
        category=known,
    )
    first = np.empty(len(items), np.int64)
    first[item[::-1]] = row[::-1]
    titles = pc.take(rows.titles, pa.array(title, mask=title < 0)) if len(rows.titles) else pa.nulls(len(items))
    articles = Articles(
        items,
        rows.time[first],
        np.append(known, -1)[category_row].astype(np.int32),
        category_row,
        titles.cast(pa.large_string()),
        title_row,
        categories,
    )
    requests, trail = _trail(log, sessions)
    _write(folder / "log.arrow", log._asdict())
    _write(folder / "requests.arrow", requests._asdict())
    _write(folder / "sessions.arrow", trail._asdict())
    _write(folder / "users.arrow", {"id": users})
    _write(folder / "categories.arrow", {"name": categories})
    _write(folder / "articles.arrow", {k: v for k, v in articles._asdict().items() if k != "categories"})
    return _facts(publisher, log, articles, trail, rows.unknown, _digest(folder))


def _rows_of(raw: Raw, publisher: str) -> _Rows:
    """Gather one publisher's reads and make the publish rows of its articles."""
    mine = pc.equal(_plain(raw.reads["publisher"]), publisher)
    reads = raw.reads if pc.all(mine).as_py() else raw.reads.filter(mine)
    told = _articles_of(raw, publisher)
    item = _coded(pa.concat_arrays([_text(reads, "item"), _text(told, "item")]))
    category = _coded(pa.concat_arrays([_text(reads, "category"), _text(told, "category")]))
    title = _coded(pa.concat_arrays([_text(reads, "title"), _text(told, "title")]))
    n = reads.num_rows
    time = reads["time"].to_numpy()
    by_time = np.argsort(time, kind="stable")
    published = np.concatenate([_time(reads, "published"), _time(told, "published")])
    # The event time of what is told outside the reads is the publication; without one, it comes last.
    outside = n + np.argsort(np.where(published[n:] < 0, np.iinfo(np.int64).max, published[n:]), kind="stable")
    # What is told of an article outside its reads comes first, then what its reads tell, by event time.
    order = np.concatenate([outside, by_time])
    described = _first_of(item, order, published, -1)
    last = time.max()
    publish = np.flatnonzero((described >= 0) & (described <= last))
    publish = publish[np.argsort(_place(item, n)[publish], kind="stable")]
    article_category = _first_of(item, order, category.code, -1)
    article_title = _first_of(item, order, title.code, -1)
    # Facts told outside the reads of an article that has no publish row become known with its first read.
    row_category, row_title = category.code[:n].copy(), title.code[:n].copy()
    unpublished = np.ones(len(item.value), bool)
    unpublished[publish] = False
    first_read = np.unique(item.code[by_time], return_index=True)[1]
    first_read = by_time[first_read][unpublished[item.code[by_time[first_read]]]]
    for target, coded in ((row_category, category), (row_title, title)):
        fact = _first_of(item, outside, coded.code, -1)[item.code[first_read]]
        target[first_read] = np.where(fact >= 0, fact, target[first_read])
    user, session = _readers(reads, time, by_time)
    nobody = np.full(len(publish), -1)
    return _Rows(
        time=np.concatenate([described[publish], time]),
        kind=np.concatenate([np.full(len(publish), PUBLISH), np.full(n, READ)]),
        item=np.concatenate([publish, item.code[:n]]),
        user=np.concatenate([nobody, user.code]),
        session=np.concatenate([nobody, session.code]),
        category=np.concatenate([article_category[publish], row_category]),
        title=np.concatenate([article_title[publish], row_title]),
        items=item.value,
        users=user.value,
        sessions=session.value,
        categories=category.value,
        titles=title.value,
        unknown=len(np.setdiff1d(item.code[n:][unpublished[item.code[n:]]], item.code[:n])),
    )


def _articles_of(raw: Raw, publisher: str) -> pa.Table:
    """What is told about one publisher's articles outside its reads."""
    if raw.articles is None:
        return pa.table({"item": pa.array([], pa.large_string())})
    if "publisher" in raw.articles.column_names:
        return raw.articles.filter(pc.equal(_plain(raw.articles["publisher"]), publisher))
    return raw.articles


def _first_of(item: _Coded, order: Column, values: Column, none: int) -> Column:
    """Per article the first value, in `order` of rows, that is not `none`."""
    found = np.full(len(item.value), none, np.int64)
    rows = order[values[order] != none][::-1]
    found[item.code[rows]] = values[rows]
    return found


def _place(item: _Coded, reads: int) -> Column:
    """The order of articles among publish rows of one instant: as the source lists them, then by id.

    The order in which they are read later would tell the future.
    """
    place = np.asarray(pc.rank(item.value), np.int64) + len(item.code)
    listed = np.arange(len(item.code) - reads)[::-1]
    place[item.code[reads:][::-1]] = listed
    return place


def _readers(reads: pa.Table, time: Column, by_time: Column) -> tuple[_Coded, _Coded]:
    """Users and sessions: the source's own sessions, else split where a reader paused too long.

    Without a user, the session stands for the user.
    """
    user, session = _coded(_text(reads, "user")), _coded(_text(reads, "session"))
    split = session.code < 0
    code = session.code.copy()
    visits, names = _visits(user, time, by_time[split[by_time]])
    code[split] = len(session.value) + visits[split]
    alone = user.code < 0
    return (
        _Coded(
            np.where(alone, len(user.value) + session.code, user.code),
            pa.concat_arrays([user.value, session.value]) if alone.any() else user.value,
        ),
        _Coded(code, pa.concat_arrays([session.value, names])),
    )


def _visits(user: _Coded, time: Column, rows: Column) -> tuple[Column, pa.Array]:
    """Number the visits of `rows` (in event-time order); names are `user.1`, `user.2`, …"""
    visits = np.full(len(time), -1, np.int64)
    rows = rows[np.argsort(user.code[rows], kind="stable")]
    if not len(rows):
        return visits, pa.array([], pa.large_string())
    reader = user.code[rows]
    other = np.diff(reader, prepend=-2) != 0
    new = other | (np.diff(time[rows], prepend=time[rows[0]]) > SESSION_GAP)
    visits[rows] = np.cumsum(new) - 1
    starts, readers = np.flatnonzero(new), np.flatnonzero(other)
    first_visit = np.searchsorted(starts, readers)
    ordinal = np.arange(len(starts)) - np.repeat(first_visit, np.diff(first_visit, append=len(starts))) + 1
    return visits, pc.binary_join_element_wise(
        pc.take(user.value, pa.array(reader[starts])),
        pa.array(ordinal).cast(pa.large_string()),
        pa.scalar(".", pa.large_string()),
    )


def _sorted(rows: _Rows) -> _Rows:
    """By time, then kind, then source order."""
    order = np.argsort(rows.time * 4 + rows.kind, kind="stable")
    return rows._replace(
        **{name: getattr(rows, name)[order] for name in rows._fields if isinstance(getattr(rows, name), np.ndarray)}
    )


def _by_first_appearance(codes: Column, values: pa.Array) -> tuple[Column, pa.Array]:
    """Recode so that codes count up as they first appear; values that never appear are left out.

    >>> codes, values = _by_first_appearance(np.array([2, -1, 0, 2]), pa.array(["a", "b", "c"]))
    >>> codes.tolist(), values.to_pylist()
    ([0, -1, 1, 0], ['c', 'a'])
    """
    rows = np.flatnonzero(codes >= 0)[::-1]
    first = np.full(len(values), len(codes), np.int64)
    first[codes[rows]] = rows
    order = np.argsort(first, kind="stable")[: int(np.count_nonzero(first < len(codes)))]
    recoded = np.full(len(values) + 1, -1, np.int64)
    recoded[order] = np.arange(len(order))
    return recoded[codes], pc.take(values, pa.array(order))


def _first_told(item: Column, told: Column, items: int) -> tuple[Column, Column]:
    """Per article the first value told (-1 = none) and the row that tells it (the log's length = none)."""
    value, row = np.full(items, -1, np.int64), np.full(items, len(item), np.int64)
    rows = np.flatnonzero(told >= 0)[::-1]
    value[item[rows]] = told[rows]
    row[item[rows]] = rows
    return value, row


def _trail(log: Log, sessions: pa.Array) -> tuple[Requests, Sessions]:
    """How the reads of each session hang together."""
    row = np.flatnonzero(log.kind == READ)
    session, time = log.session[row], log.time[row]
    order = np.argsort(session, kind="stable")
    same = np.diff(session[order], prepend=-1) == 0
    previous = np.full(len(row), -1, np.int32)
    previous[order[same]] = order[np.flatnonzero(same) - 1]
    first = order[~same]
    last = order[np.append(np.flatnonzero(~same)[1:], len(order)) - 1]
    reads = np.bincount(session, minlength=len(sessions))
    return (
        Requests(row.astype(np.int32), previous),
        Sessions(sessions, last.astype(np.int32), reads.astype(np.int32), time[first]),
    )


def _facts(
    publisher: str, log: Log, articles: Articles, sessions: Sessions, unknown: int, digest: str
) -> dict[str, Any]:
    """What Table 1 of Kille & Lommatzsch (2019) tells about a publisher, and a little more."""
    reads = np.flatnonzero(log.kind == READ)
    count = len(sessions.reads)
    return {
        "publisher": publisher,
        "rows": len(log.time),
        "reads": len(reads),
        "sessions": count,
        "single_read_sessions": int(np.count_nonzero(sessions.reads == 1)),
        "mean_session_length": round(len(reads) / count, 4),
        "longest_session": int(sessions.reads.max()),
        "users": int(log.user.max()) + 1,
        "articles": len(articles.id),
        "articles_read": len(np.unique(log.item[reads])),
        "articles_unknown": unknown,
        "categories": len(articles.categories),
        "first": int(log.time[reads[0]]),
        "last": int(log.time[reads[-1]]),
        "digest": digest,
    }


# --- columns --------------------------------------------------------------------------------------------


def _plain(column: Any) -> Any:
    """A column without dictionary encoding."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _text(table: pa.Table, name: str) -> pa.Array:
    """A string column as one dictionary-encoded array; all null where the table has none."""
    kind = pa.dictionary(pa.int32(), pa.large_string())
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.large_string()).dictionary_encode().cast(kind)
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    return column.cast(kind)


def _coded(column: pa.Array) -> _Coded:
    """Codes into distinct values."""
    unified = pa.chunked_array([column]).unify_dictionaries().chunk(0)
    codes = pc.fill_null(unified.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return _Coded(codes, unified.dictionary)


def _time(table: pa.Table, name: str) -> Column:
    """A nullable time column, -1 = null."""
    if name not in table.column_names:
        return np.full(table.num_rows, -1, np.int64)
    return np.asarray(pc.fill_null(table[name].cast(pa.int64()), -1).to_numpy(), np.int64)


# --- files ----------------------------------------------------------------------------------------------


def _write(path: Path, columns: dict[str, Any]) -> None:
    """One record batch, so that every column can be mapped as one array."""
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()]
    batch = pa.record_batch(arrays, names=list(columns))
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _map(path: Path) -> pa.RecordBatch:
    try:
        return pa.ipc.open_file(pa.memory_map(os.fspath(path))).get_batch(0)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read ({error}); prepare the data set again") from None


def _column(batch: pa.RecordBatch, name: str) -> Column:
    # Array.to_numpy would do the same but import pandas first, a third of a second at every start.
    column = batch.column(name)
    return np.frombuffer(column.buffers()[1], column.type.to_pandas_dtype(), len(column))


def _open_publisher(name: str, folder: Path) -> Publisher:
    log = _map(folder / "log.arrow")
    requests = _map(folder / "requests.arrow")
    sessions = _map(folder / "sessions.arrow")
    articles = _map(folder / "articles.arrow")
    return Publisher(
        name,
        Log(*(_column(log, column) for column in LOG_DTYPES)),
        Articles(
            id=articles.column("id"),
            published=_column(articles, "published"),
            category=_column(articles, "category"),
            category_row=_column(articles, "category_row"),
            title=articles.column("title"),
            title_row=_column(articles, "title_row"),
            categories=_map(folder / "categories.arrow").column("name"),
        ),
        _map(folder / "users.arrow").column("id"),
        Requests(_column(requests, "row"), _column(requests, "previous")),
        Sessions(
            sessions.column("id"),
            _column(sessions, "last"),
            _column(sessions, "reads"),
            _column(sessions, "first_time"),
        ),
    )


def _digest(folder: Path) -> str:
    """Of the prepared columns: equal for equal data, wherever the files came from."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
