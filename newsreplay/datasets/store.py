"""The store: raw rows become logs, once, and are memory-mapped ever after.

A data set is a folder: `card.json`, `rejects.csv`, and per publisher the columns as NumPy files

    log/        one value per log row: time, kind, session, user, item, category, impression
    pools/      of the impressions: at (bounds), item, clicked
    requests/   one value per read: its log row, and the request before it in its session (-1 = none);
                `active` where the source measured how long the article was read
    updates/    one value per publish row that tells whether its article may be recommended: row, item,
                recommendable
    sessions/   one value per session: last request (-1 = none), reads, time of the first read

and the texts as Arrow files: `articles.arrow` (id, published, category, and per fact the text and the row from
which on it is known), `users.arrow`, `sessions.arrow` (ids), `categories.arrow` (names), `profiles.arrow` (what
readers read before the log, without times), `outside.arrow` (articles that only profiles have).

`requests` and `sessions` look ahead; they are for the judge alone and never reach a recommender.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.cores import cores
from newsreplay.datasets import gather, sampling
from newsreplay.datasets import prepare as second
from newsreplay.datasets.base import FACTS, Block, Part, Plan, Raw
from newsreplay.datasets.buckets import reads_of
from newsreplay.datasets.columns import ColumnFiles
from newsreplay.datasets.gather import Gathered
from newsreplay.datasets.prepare import Walked
from newsreplay.datasets.work import Account, Progress, read_parts, work_folder, write_rejects
from newsreplay.errors import DataError
from newsreplay.simulator.catalog import Articles, Profiles, Updates
from newsreplay.simulator.log import HISTORY, IMPRESSION, LOG_DTYPES, OUTCOME, POOL_DTYPES, READ, Column, Log, Pools

FORMAT = 2  #: of the folder; another one must be prepared again


class Requests(NamedTuple):
    """One publisher's reads in log order, each of which asked for a slate."""

    row: Column  #: int32[requests], log row
    previous: Column  #: int32[requests], the request before it in its session, -1 = none
    active: Column | None = None  #: float32[requests], seconds on the article, NaN = not measured; None = never


class Sessions(NamedTuple):
    """One publisher's sessions by code."""

    id: pa.Array  #: string[sessions]
    last: Column  #: int32[sessions], last request, -1 = none (nothing but impressions, or before the log)
    reads: Column  #: int32[sessions]
    first_time: Column  #: int64[sessions], ms, of the first read


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
        return _open_publisher(name, self.folder / "publishers" / str(self.publishers.index(name)), self.card["frozen"])


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


def plan_of(raw: Raw) -> Plan:
    """A plan with rows that lie in memory as its only part."""
    block = Block(
        file="",
        rows=raw.rows,
        articles=raw.articles,
        profiles=raw.profiles,
        records=raw.rows_in,
        kept=raw.rows_in - len(raw.rejects) - sum(raw.dropped.values()),
        rejects=list(raw.rejects),
    )
    block.dropped.update(raw.dropped)
    publishers = pc.unique(raw.rows["publisher"]).to_pylist() if "publisher" in raw.rows.column_names else []
    return Plan(
        parts=[Part(Path(), "")],
        read=lambda part: [block],
        publisher=str(publishers[0]) if len(publishers) == 1 else None,
        notes=lambda counts: raw.notes,
        made_up=raw.made_up,
        source=raw.source,
        licence=raw.licence,
    )


def _quiet(what: str, done: int, of: int) -> None:
    pass


def prepare(
    source: Plan | Raw,
    folder: Path,
    *,
    name: str,
    kind: str,
    options: dict[str, Any] | None = None,
    impressions: str | None = None,
    strict: bool = False,
    key: str | None = None,
    jobs: int = 1,
    progress: Progress = _quiet,
) -> Dataset:
    """Sort, split and code raw rows, and write them to `folder`, whole or not at all.

    `impressions` is one of `sampling.METHODS` to make pseudo-impressions; with `strict` the first row that
    cannot be used is an error. Equal `key`s name equal work: what was read before an interruption is not read
    again. Raises `DataError`, also where there is no usable read.
    """
    plan = plan_of(source) if isinstance(source, Raw) else source
    if impressions is not None:
        sampling.check_method(impressions)
    where = (options or {}).get("path", name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        result = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder.parent, error) from None
    try:
        with work_folder(folder.parent, key) as work:
            account = read_parts(plan, work, strict=strict, jobs=jobs, progress=progress)
            facts, unread = _write_publishers(plan, account, result, work, impressions, where, progress)
            card = _card(plan, account, facts, unread, name, kind, options or {}, impressions)
            text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
            (result / "card.json").write_text(text, "utf-8", errors="backslashreplace")  # what is no text: JSON escapes
            write_rejects(result / "rejects.csv", work)
            if folder.exists():
                (folder / "card.json").unlink(missing_ok=True)  # first: a folder without it is no data set
                shutil.rmtree(folder)
            _take_place(result, folder)
    except OSError as error:
        raise _cannot_write(folder.parent, error) from None
    finally:
        shutil.rmtree(result, ignore_errors=True)
    return Dataset(folder)


def _cannot_write(folder: Path, error: OSError) -> DataError:
    return DataError(f"cannot write to {folder}: {error.strerror or error}; set NEWSREPLAY_HOME to a folder for it")


def _take_place(work: Path, folder: Path) -> None:
    try:
        work.replace(folder)
    except OSError:
        if not (folder / "card.json").is_file():  # else another process has prepared the same meanwhile
            raise


def _write_publishers(
    plan: Plan,
    account: Account,
    result: Path,
    work: Path,
    impressions: str | None,
    where: str,
    progress: Progress,
) -> tuple[list[dict[str, Any]], int]:
    """Prepare every publisher that has a read; the rows of the others are counted."""
    facts: list[dict[str, Any]] = []
    unread = 0
    for publisher in sorted(account.publishers):
        gathered = gather.gather_ids(account.publishers[publisher], impressions)
        if gathered is None:
            unread += gather.rows_in(account.publishers[publisher])
            continue
        if impressions is not None and gathered.has_impressions:
            raise DataError(f"{where} has impressions of its own; leave --impressions out")
        folder = result / "publishers" / str(len(facts))
        facts.append(_write_publisher(plan, publisher, gathered, folder, work, impressions, progress))
    if not facts:
        first = account.first_reject
        why = f"; the first: {first.file} {plan.unit} {first.line}: {first.reason}" if first else ""
        raise DataError(f"{where}: none of {account.records:,} rows is a usable read{why}")
    # Articles of publishers without any row are nobody's.
    return facts, unread


def _write_publisher(
    plan: Plan,
    publisher: str,
    gathered: Gathered,
    folder: Path,
    work: Path,
    impressions: str | None,
    progress: Progress,
) -> dict[str, Any]:
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        progress(f"sorting {publisher}", min(done, gathered.rows), gathered.rows)

    sampler = None
    if impressions is not None:
        items = len(gathered.items.values)
        sampler = sampling.Sampler(impressions, 0, publisher, items, reads_of(gathered))
    walked = second.walk_rows(gathered, folder, work, sampler, told)
    final, counts = walked.final, walked.memory.counts
    sessions = int(counts[second.SESSIONS])
    last, reads, first = final.last[:sessions], final.reads[:sessions], final.first[:sessions].copy()
    first[reads == 0] = 0
    with ColumnFiles(folder / "sessions", SESSION_DTYPES) as files:
        files.add(last=last, reads=reads, first_time=first)
    _write_texts(gathered, walked, plan, folder)
    return _facts(publisher, gathered, walked, folder)


SESSION_DTYPES: dict[str, np.dtype[Any]] = {
    "last": np.dtype(np.int32),
    "reads": np.dtype(np.int32),
    "first_time": np.dtype(np.int64),
}


def _write_texts(gathered: Gathered, walked: Walked, plan: Plan, folder: Path) -> None:
    memory, final = walked.memory, walked.final
    items, users, sessions, categories = (int(n) for n in memory.counts[[1, 2, 3, 4]])
    item = final.item[:items]
    facts = list(gathered.facts.items())
    columns: dict[str, Any] = {
        "id": pc.take(gathered.items.values, pa.array(item)),
        "published": pa.array(final.published[:items]),
    }
    rows = memory.rows
    for place, (fact, told) in enumerate(facts):
        row = memory.fact[place, item]
        value = np.where(told.outside[item] >= 0, told.outside[item], told.value[item])
        known = row >= 0
        if fact == "category":
            codes = np.append(memory.category, np.int32(-1))[np.where(known, value, -1)]
            columns["category"] = pa.array(codes.astype(np.int32))
        else:
            columns[fact] = pc.take(told.values, pa.array(value, mask=~known))
        columns[f"{fact}_row"] = pa.array(np.where(known, row, rows))
    if "title" not in columns:
        columns["title"] = pa.nulls(items, pa.large_string())
        columns["title_row"] = pa.array(np.full(items, rows))
    _write(folder / "articles.arrow", columns)
    own = len(gathered.users.values)
    user = final.user[:users]
    readers = pa.chunked_array([gathered.users.values, gathered.sessions.values], pa.large_string())
    _write(folder / "users.arrow", {"id": _taken(readers, user)})
    _write(folder / "sessions.arrow", {"id": _session_ids(gathered, walked, sessions, own)})
    names = facts[0][1].values
    _write(folder / "categories.arrow", {"name": pc.take(names, pa.array(final.category[:categories]))})
    _write_profiles(gathered, walked, plan, folder)


def _taken(values: Any, codes: Column) -> Any:
    taken = values.take(pa.array(codes))
    return taken.combine_chunks() if taken.num_chunks != 1 else taken.chunk(0)


def _session_ids(gathered: Gathered, walked: Walked, sessions: int, users: int) -> pa.Array:
    """The source's own ids; visits are called `user.1`, `user.2`, …"""
    final = walked.final
    session = final.session[:sessions]
    own = pc.take(gathered.sessions.values, pa.array(session, mask=session < 0))
    if not (session < 0).any():
        return own
    user = final.session_user[:sessions]
    visits = pc.binary_join_element_wise(
        pc.take(gathered.users.values, pa.array(np.where(user < users, user, 0), mask=session >= 0)),
        pa.array(final.ordinal[:sessions]).cast(pa.large_string()),
        pa.scalar(".", pa.large_string()),
    )
    return pc.coalesce(own, visits)


def _write_profiles(gathered: Gathered, walked: Walked, plan: Plan, folder: Path) -> None:
    """Per reader what they read before the log, from the first row that tells it."""
    found = gather.profiles_of(gathered)
    if found is None:
        return
    user, at, item = found
    memory = walked.memory
    code = memory.user[user]
    keep = np.flatnonzero(code >= 0)
    keep = keep[np.argsort(code[keep])]
    lengths = (at[1:] - at[:-1])[keep]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    pick = np.repeat(at[keep] - ends[:-1], lengths) + np.arange(ends[-1])
    chosen = item[pick]
    # Articles that no row carries have negative codes: -2 is the first of outside.arrow, -3 the second.
    first = np.full(len(memory.item), len(chosen))
    first[chosen[::-1]] = np.arange(len(chosen))[::-1]
    only = np.flatnonzero((first < len(chosen)) & (memory.item < 0))
    only = only[np.argsort(first[only])]
    outside = np.full(len(memory.item), -1, np.int64)
    outside[only] = -2 - np.arange(len(only))
    codes = np.where(memory.item[chosen] >= 0, memory.item[chosen], outside[chosen]).astype(np.int32)
    lists = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(codes))
    row = walked.final.user_row[code[keep]]
    _write(folder / "profiles.arrow", {"user": pa.array(code[keep]), "row": pa.array(row), "items": lists})
    columns: dict[str, Any] = {"id": pc.take(gathered.items.values, pa.array(only))}
    for fact, told in gathered.facts.items():
        columns[fact] = pc.take(told.values, pa.array(told.outside[only], mask=told.outside[only] < 0))
    _write(folder / "outside.arrow", columns)


def _facts(publisher: str, gathered: Gathered, walked: Walked, folder: Path) -> dict[str, Any]:
    """What Table 1 of Kille & Lommatzsch (2019) tells about a publisher, and a little more."""
    log = _open_log(folder)
    row = np.load(folder / "requests" / "row.npy", mmap_mode="r")
    reads = np.load(folder / "sessions" / "reads.npy")
    memory = walked.memory
    items = int(memory.counts[second.ITEMS])
    read = np.zeros(items, bool)
    kinds = np.zeros(8, np.int64)
    for begin in range(0, len(log.time), 1 << 22):
        part = slice(begin, begin + (1 << 22))
        kinds += np.bincount(log.kind[part], minlength=8)
        read[log.item[part][log.kind[part] == READ]] = True
    sessions = int(np.count_nonzero(reads))
    facts = {
        "publisher": publisher,
        "rows": len(log.time),
        "reads": len(row),
        "impressions": int(kinds[IMPRESSION]),
        "outcomes": int(kinds[OUTCOME]),
        "candidates": len(log.pools.item),
        "clicks": int(np.count_nonzero(log.pools.clicked)),
        "history_reads": int(kinds[HISTORY]),
        "sessions": sessions,
        "single_read_sessions": int(np.count_nonzero(reads == 1)),
        "mean_session_length": round(len(row) / sessions, 4),
        "longest_session": int(reads.max()),
        "users": int(memory.counts[second.USERS]),
        "articles": items,
        "articles_read": int(np.count_nonzero(read)),
        "articles_unknown": int(np.count_nonzero((memory.item < 0) & ~gathered.unlisted)),
        "categories": int(memory.counts[second.CATEGORIES]),
        "first": int(log.time[row[0]]),
        "last": int(log.time[row[-1]]),
        "duplicates": walked.duplicates,
        "inversions": gathered.inversions,
        "digest": _digest(folder),
    }
    profiles = folder / "profiles.arrow"
    if profiles.is_file():
        facts["profiles"] = len(_map(profiles))
    return facts


def _card(
    plan: Plan,
    account: Account,
    publishers: list[dict[str, Any]],
    unread: int,
    name: str,
    kind: str,
    options: dict[str, Any],
    impressions: str | None,
) -> dict[str, Any]:
    digests = "".join(facts["digest"] for facts in publishers)
    made_up, leaks = list(plan.made_up), list(plan.leaks)
    if impressions is not None:
        made_up.append(sampling.MADE_UP[impressions])
        leaks += [sampling.LEAK] if impressions == sampling.LEAKING else []
    return {
        "name": name,
        "format": FORMAT,
        "kind": kind,
        "options": options,
        "source": plan.source,
        "licence": plan.licence,
        "rows_in": account.records,
        "kept": account.kept,
        "reads": sum(facts["reads"] for facts in publishers),
        "rejected": account.rejects,
        "first_reject": account.first_reject,
        "unit": plan.unit,
        "dropped": dict(account.dropped),
        "notes": [*plan.notes(account.counts), *_order_notes(publishers, unread)],
        "made_up": made_up,
        "leaks": leaks,
        "splits": plan.splits,
        "frozen": plan.frozen,
        "digest": hashlib.blake2b(digests.encode(), digest_size=16).hexdigest(),
        "publishers": publishers,
    }


def _order_notes(publishers: list[dict[str, Any]], unread: int) -> list[str]:
    back = sum(facts["inversions"] for facts in publishers)
    again = sum(facts["duplicates"] for facts in publishers)
    notes = [f"rows earlier than the one before them in the source, now sorted: {back:,}"] if back else []
    if again:
        notes.append(f"exact duplicates (same time, reader, session and article), kept: {again:,}")
    if unread:
        notes.append(f"rows of publishers without a single read, of which no log is made: {unread:,}")
    return notes


# --- files ----------------------------------------------------------------------------------------------


def _write(path: Path, columns: dict[str, Any]) -> None:
    """One record batch, so that every column can be mapped as one array."""
    batch = pa.record_batch(list(columns.values()), names=list(columns))
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
    return np.frombuffer(column.buffers()[1] or b"", column.type.to_pandas_dtype(), len(column))


def _numbers(folder: Path, name: str, dtype: np.dtype[Any]) -> Column:
    path = folder / f"{name}.npy"
    try:
        # Nothing can be mapped where there is nothing.
        column = np.load(path, mmap_mode="r" if path.stat().st_size > ColumnFiles.HEADER else None)
        if column.dtype != dtype or column.ndim != 1:
            raise ValueError(f"it holds {column.dtype} and not {dtype}")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); prepare the data set again") from None
    column = np.asarray(column)
    column.flags.writeable = False
    return column


def _open_log(folder: Path) -> Log:
    return Log(
        **{name: _numbers(folder / "log", name, dtype) for name, dtype in LOG_DTYPES.items()},
        pools=Pools(**{name: _numbers(folder / "pools", name, dtype) for name, dtype in POOL_DTYPES.items()}),
    )


def _open_publisher(name: str, folder: Path, frozen: bool) -> Publisher:
    articles = _map(folder / "articles.arrow")
    timed = (folder / "requests" / "active.npy").exists()
    requests = second.REQUEST_DTYPES | ({"active": np.dtype(np.float32)} if timed else {})
    columns = {column: _numbers(folder / "requests", column, dtype) for column, dtype in requests.items()}
    texts = [fact for fact in FACTS if fact != "category" and fact in articles.schema.names]
    return Publisher(
        name,
        _open_log(folder),
        Articles(
            id=articles.column("id"),
            published=_column(articles, "published"),
            category=_column(articles, "category"),
            category_row=_column(articles, "category_row"),
            texts={fact: (articles.column(fact), _column(articles, f"{fact}_row")) for fact in texts},
            categories=_map(folder / "categories.arrow").column("name"),
            profiles=_open_profiles(folder, frozen),
            updates=Updates(
                **{name: _numbers(folder / "updates", name, dtype) for name, dtype in second.UPDATE_DTYPES.items()}
            ),
        ),
        _map(folder / "users.arrow").column("id"),
        Requests(columns["row"], columns["previous"], columns.get("active")),
        Sessions(
            _map(folder / "sessions.arrow").column("id"),
            **{column: _numbers(folder / "sessions", column, dtype) for column, dtype in SESSION_DTYPES.items()},
        ),
    )


def _open_profiles(folder: Path, frozen: bool) -> Profiles | None:
    if not (folder / "profiles.arrow").exists():
        return None
    profiles, outside = _map(folder / "profiles.arrow"), _map(folder / "outside.arrow")
    lists = profiles.column("items")
    return Profiles(
        user=_column(profiles, "user"),
        row=_column(profiles, "row"),
        at=np.frombuffer(lists.buffers()[1], np.int64, len(lists) + 1),
        item=np.frombuffer(lists.values.buffers()[1] or b"", np.int32, len(lists.values)),
        outside=outside,
        frozen=frozen,
    )


def _digest(folder: Path) -> str:
    """Of the prepared columns: equal for equal data, wherever the files came from."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(cores()) as pool:
        lines = [
            f"{path.relative_to(folder).as_posix()} {digest}"
            for path, digest in zip(files, pool.map(_file_digest, files), strict=True)
        ]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _file_digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
