"""What a run scores, and what became of answers, as columns; docs/run-folder.md is the format."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.arrow import dictionary_of, in_one_piece, to_arrow, to_numpy
from newsreplay.datasets.base import EXTRA
from newsreplay.log.publisher import Publisher, request_rows
from newsreplay.log.rows import READ, Asks, Column
from newsreplay.simulator.judgement.measures import IMPRESSIONS, Reward
from newsreplay.simulator.judgement.rankings import Ranked
from newsreplay.simulator.judgement.scoring import Judgement, Scored
from newsreplay.simulator.runs.files import read_columns, write_columns
from newsreplay.simulator.runs.paths import PairFiles, publisher_files

# --- what is scored -------------------------------------------------------------------------------------


class Reads(NamedTuple):
    """The reads of the scored sessions, session by session, with what slices are made by."""

    row: Column  #: int64[reads], log row
    time: Column  #: int64[reads], ms UTC
    session: Column  #: int32[reads], session code
    cluster: Column  #: int64[reads], what the session is resampled with
    position: Column  #: int32[reads], 1 + the reads of the session at earlier times
    reachable: Column  #: bool[reads]
    again: Column  #: bool[reads]
    asked: Column  #: bool[reads], some slate counts for it: after the session's first instant, where reads ask
    reward: Column  #: float32[reads], what a hit of it is worth
    age: Column  #: int64[reads], ms since the article became known
    returning: Column  #: bool[reads], the reader has read something before this session
    category: Column  #: int32[reads], -1 = none
    categories: list[str]


class Texts(NamedTuple):
    """A column of texts."""

    code: Column  #: int32[n], -1 = none
    values: list[str]  #: those that occur


class ScoredRequests(NamedTuple):
    """The requests of the scored sessions, session by session; every such session has one at least."""

    row: Column  #: int64[requests], log row
    time: Column  #: int64[requests], ms UTC
    session: Column  #: int32[requests], session code
    cluster: Column  #: int64[requests], what the session is resampled with
    returning: Column  #: bool[requests], the reader has read something before this session
    relevant: Column  #: int32[requests], distinct articles that are relevant to it
    extra: dict[str, Texts]  #: further columns of the log that were kept, by name


class Impressions(NamedTuple):
    """The scored impressions in log order, with what slices are made by."""

    row: Column  #: int64[n]
    time: Column  #: int64[n], ms UTC
    session: Column  #: int32[n]
    cluster: Column  #: int64[n]
    returning: Column  #: bool[n]
    candidates: Column  #: int32[n]
    extra: dict[str, Texts]  #: as of `ScoredRequests`


class ScoredSessions(NamedTuple):
    """The scored sessions of a publisher."""

    session: Column  #: int32[sessions], session code
    begin: Column  #: int64[sessions + 1], the first read of each in `Reads`
    length: Column  #: int64[sessions], reads
    time: Column  #: int64[sessions], ms UTC: of the first request
    returning: Column  #: bool[sessions], the reader has read something before
    cluster: Column  #: int64[sessions], what each is resampled with
    ungrouped: Column  #: int[sessions], the same before any grouping
    extra: dict[str, Texts]  #: by column that was kept: the text that each's first request has


def scored_sessions(requests: ScoredRequests, reads: Reads, kind: str) -> ScoredSessions:
    """The scored sessions, from their requests and reads; `kind` is what is resampled."""
    first = np.ones(len(requests.session), bool)
    first[1:] = requests.session[1:] != requests.session[:-1]
    codes = requests.session[first]
    begin = np.searchsorted(reads.session, np.append(codes, np.iinfo(np.int32).max))
    whose = requests.cluster[first], ungrouped(requests, kind)[first]
    extra = {name: texts._replace(code=texts.code[first]) for name, texts in requests.extra.items()}
    return ScoredSessions(codes, begin, np.diff(begin), requests.time[first], requests.returning[first], *whose, extra)


def ungrouped(of: Reads | ScoredRequests | Impressions, kind: str) -> Column:
    """The clusters (of a `kind`) before many were grouped; of users and days a run keeps the groups alone."""
    return of.session if kind == "session" else of.cluster


def write_scored(folder: Path, publisher: Publisher, scored: Scored) -> None:
    """Write what a run scores of a publisher."""
    log, frame = publisher.log, scored.frame
    files = publisher_files(folder, publisher.name)
    row = publisher.requests.row[frame.read].astype(np.int64)
    lengths = np.diff(frame.begin)
    returning = _returning(publisher)
    item, articles = log.item[row], publisher.articles
    category = np.where(articles.category_row[item] <= row, articles.category[item], -1)
    columns = {
        "row": row,
        "time": log.time[row],
        "session": np.repeat(frame.session, lengths),
        "cluster": np.repeat(scored.clusters.unit[scored.clusters.group], lengths),
        "position": frame.position,
        **({"relevant": frame.relevant} if scored.asks == "reads" else {"asked": frame.asked}),
        "reachable": frame.reachable,
        "again": frame.again,
        "age": log.time[row] - articles.published[item],
        "returning": np.repeat(returning[frame.session], lengths),
        **({"reward": frame.reward} if scored.unrewarded is not None else {}),
    }
    write_columns(
        files.frame,
        {name: to_arrow(values) for name, values in columns.items()}
        | {"category": dictionary_of(category.astype(np.int32), articles.categories, valid=category >= 0)}
        | _extra(publisher, row),
    )
    if scored.asks == "impressions":
        _write_requests(files.scored_requests, publisher, scored, returning)
    impressions = scored.impressions
    if len(impressions.impression):
        at = log.pools.at
        columns = {
            "row": impressions.row,
            "time": impressions.time,
            "session": impressions.session,
            "cluster": scored.impression_clusters.unit[scored.impression_clusters.group],
            "returning": returning[impressions.session],
            "candidates": (at[impressions.impression + 1] - at[impressions.impression]).astype(np.int32),
        }
        write_columns(
            files.scored_impressions,
            {name: to_arrow(values) for name, values in columns.items()} | _extra(publisher, impressions.row),
        )
    else:
        files.scored_impressions.unlink(missing_ok=True)  # of an earlier scoring, with other options


def _write_requests(path: Path, publisher: Publisher, scored: Scored, returning: Column) -> None:
    """Write the requests of the scored sessions, where these are impressions."""
    log, frame = publisher.log, scored.frame
    row, lengths = request_rows(publisher, scored.asks)[frame.request].astype(np.int64), np.diff(frame.asks)
    columns = {
        "row": row,
        "time": log.time[row],
        "session": np.repeat(frame.session, lengths),
        "cluster": np.repeat(scored.clusters.unit[scored.clusters.group], lengths),
        "returning": np.repeat(returning[frame.session], lengths),
        "relevant": frame.relevant,
    }
    write_columns(path, {name: to_arrow(values) for name, values in columns.items()} | _extra(publisher, row))


def _extra(publisher: Publisher, row: Column) -> dict[str, pa.Array]:
    """The further columns that were kept, of some log rows."""
    return {
        f"{EXTRA}{column.name}": dictionary_of(
            column.code[row], pa.array(column.values, pa.large_string()), valid=column.code[row] >= 0
        )
        for column in publisher.extra
    }


#: The columns of files by what their types are called, or how that begins.
_READS = dict.fromkeys(("row", "time", "cluster", "age"), "int64") | {
    "session": "int32",
    "position": "int32",
    "reachable": "bool",
    "again": "bool",
    "returning": "bool",
    "category": "dictionary",
}
_REQUESTS = dict.fromkeys(("row", "time", "cluster"), "int64") | {
    "session": "int32",
    "returning": "bool",
    "relevant": "int32",
}
_IMPRESSIONS = dict.fromkeys(("row", "time", "cluster"), "int64") | {
    "session": "int32",
    "returning": "bool",
    "candidates": "int32",
}


def _returning(publisher: Publisher) -> Column:
    """Whether the reader of each session has read something before its first row: bool[sessions]."""
    log = publisher.log
    row = np.flatnonzero(log.session >= 0)[::-1]
    first = np.zeros(int(log.session.max(initial=-1)) + 1, np.int64)
    first[log.session[row]] = row  # the last to be written is the first
    user = log.user[first]
    read = np.flatnonzero(log.kind >= READ)[::-1]
    since = np.full(int(log.user.max(initial=-1)) + 1, len(log.time), np.int64)
    since[log.user[read]] = read
    known: Column = since[user] < first
    return known


def read_reads(path: Path, asks: Asks = "reads", reward: Reward | None = None) -> Reads:
    """What `write_scored` wrote of reads. Raises `RunError`."""
    asked = {} if asks == "reads" else {"asked": "bool"}
    rewarded = {} if reward is None else {"reward": "float"}
    table = read_columns(path, _READS | asked | rewarded)
    category = _texts(table.column("category"))
    columns = {name: to_numpy(table.column(name)) for name in table.column_names if name != "category"}
    columns.setdefault("asked", columns["position"] > 1)
    columns.setdefault("reward", np.ones(len(columns["position"]), np.float32))
    return Reads(
        **columns,
        category=category.code,
        categories=category.values,
    )


def read_rewards(path: Path, reward: Reward | None = None) -> tuple[Column, Column]:
    """Of every read what `Reads` has as its session and its reward, without the rest. Raises `RunError`."""
    table = read_columns(path, {"session": _READS["session"]} | ({} if reward is None else {"reward": "float"}))
    session = to_numpy(table.column("session"))
    return session, np.ones(len(session), np.float32) if reward is None else to_numpy(table.column("reward"))


def _texts(column: pa.ChunkedArray) -> Texts:
    """A column of coded texts, without those that no row has."""
    coded = in_one_piece(column).dictionary_decode().dictionary_encode()
    return Texts(to_numpy(coded, -1), coded.dictionary.to_pylist())


def _extra_of(table: pa.Table) -> dict[str, Texts]:
    return {
        name.removeprefix(EXTRA): _texts(table.column(name)) for name in table.column_names if name.startswith(EXTRA)
    }


def read_requests(path: Path) -> ScoredRequests:
    """What `write_scored` wrote of requests; with those of reads it is the reads' own file. Raises `RunError`."""
    table = read_columns(path, _REQUESTS, EXTRA)
    return ScoredRequests(**{name: to_numpy(table.column(name)) for name in _REQUESTS}, extra=_extra_of(table))


def read_impressions(path: Path) -> Impressions:
    """What `write_scored` wrote of impressions. Raises `RunError`."""
    table = read_columns(path, _IMPRESSIONS, EXTRA)
    return Impressions(**{name: to_numpy(table.column(name)) for name in _IMPRESSIONS}, extra=_extra_of(table))


# --- what became of answers -----------------------------------------------------------------------------


def write_judgement(files: PairFiles, judgement: Judgement, asks: Asks = "reads") -> None:
    """Write what became of a pair's answers; the matches of slates have their own file where impressions asked."""
    relevant = judgement.outcomes.relevant
    packed = pa.Array.from_buffers(
        pa.binary(relevant.shape[1]), len(relevant), [None, pa.py_buffer(np.ascontiguousarray(relevant))]
    )
    places, matches = {"place": to_arrow(judgement.outcomes.place)}, {"relevant": packed}
    if asks == "reads":
        write_columns(files.outcomes, places | matches)
    else:
        write_columns(files.outcomes, places)
        write_columns(files.matches, matches)
    if judgement.ranked is not None:
        values = judgement.ranked.values
        write_columns(files.rankings, {name: to_arrow(values[:, m]) for m, name in enumerate(IMPRESSIONS)})
    else:
        files.rankings.unlink(missing_ok=True)  # of an earlier scoring, with other options


def read_places(path: Path) -> Column:
    """The places of the outcomes alone: int16[reads]. Raises `RunError`."""
    return to_numpy(read_columns(path, {"place": "int16"}).column("place"))


def read_matches(path: Path) -> Column:
    """Which places of slates were relevant, of the outcomes' file or that of matches: uint8[requests, ceil(k / 8)].

    Raises `RunError`.
    """
    packed = in_one_piece(read_columns(path, {"relevant": "fixed_size_binary"}).column("relevant"))
    width = packed.type.byte_width
    raw = np.frombuffer(packed.buffers()[1] or b"", np.uint8, width * len(packed), width * packed.offset)
    return raw.reshape(len(packed), width)


def read_rankings(path: Path) -> Ranked:
    """What `write_judgement` wrote of impressions. Raises `RunError`."""
    table = read_columns(path, dict.fromkeys(IMPRESSIONS, "double"))
    return Ranked(np.column_stack([to_numpy(table.column(name)) for name in IMPRESSIONS]))
