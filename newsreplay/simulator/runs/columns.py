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
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.clusters import first_rows
from newsreplay.simulator.judgement.judge import sessions_at
from newsreplay.simulator.judgement.measures import IMPRESSIONS, Reward
from newsreplay.simulator.judgement.rankings import Ranked
from newsreplay.simulator.judgement.scoring import Judgement, Scored
from newsreplay.simulator.runs.files import read_columns, write_columns, write_pieces
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
    files, facts = publisher_files(folder, publisher.name), _Facts(publisher, scored, _returning(publisher))
    write_pieces(files.frame, len(scored.frame.read), facts.reads)
    if scored.asks == "impressions":
        write_pieces(files.scored_requests, len(scored.frame.request), facts.requests)
    if len(scored.impressions.impression):
        write_pieces(files.scored_impressions, len(scored.impressions.impression), facts.impressions)
    else:
        files.scored_impressions.unlink(missing_ok=True)  # of an earlier scoring, with other options


class _Facts:
    """What a run scores of a publisher, as columns, some rows (`part`) at a time."""

    def __init__(self, publisher: Publisher, scored: Scored, returning: Column):
        self.publisher, self.scored, self.returning = publisher, scored, returning
        self.asking = request_rows(publisher, scored.asks)
        self.texts = [pa.array(column.values, pa.large_string()) for column in publisher.extra]

    def reads(self, part: slice) -> dict[str, pa.Array]:
        """Reads of the scored sessions, session by session."""
        publisher, scored, frame = self.publisher, self.scored, self.scored.frame
        number, row = sessions_at(frame.begin, part), publisher.requests.row[frame.read[part]].astype(np.int64)
        time, item, articles = publisher.log.time[row], publisher.log.item[row], publisher.articles
        category = np.where(articles.category_row[item] <= row, articles.category[item], -1).astype(np.int32)
        columns = {
            "row": row,
            "time": time,
            **self._whose(number),
            "position": frame.position[part],
            **({"relevant": frame.relevant[part]} if scored.asks == "reads" else {"asked": frame.asked[part]}),
            "reachable": frame.reachable[part],
            "again": frame.again[part],
            "age": time - articles.published[item],
            "returning": self.returning[frame.session[number]],
            **({"reward": frame.reward[part]} if scored.unrewarded is not None else {}),
        }
        coded = {"category": dictionary_of(category, articles.categories, valid=category >= 0)}
        return {name: to_arrow(values) for name, values in columns.items()} | coded | self._extra(row)

    def requests(self, part: slice) -> dict[str, pa.Array]:
        """The requests of the scored sessions, where these are impressions."""
        frame = self.scored.frame
        number, row = sessions_at(frame.asks, part), self.asking[frame.request[part]].astype(np.int64)
        columns = {
            "row": row,
            "time": self.publisher.log.time[row],
            **self._whose(number),
            "returning": self.returning[frame.session[number]],
            "relevant": frame.relevant[part],
        }
        return {name: to_arrow(values) for name, values in columns.items()} | self._extra(row)

    def impressions(self, part: slice) -> dict[str, pa.Array]:
        """The scored impressions in log order."""
        impressions, by, at = self.scored.impressions, self.scored.impression_clusters, self.publisher.log.pools.at
        number, session = impressions.impression[part], impressions.session[part]
        columns = {
            "row": impressions.row[part],
            "time": impressions.time[part],
            "session": session,
            "cluster": by.unit[by.group[part]],
            "returning": self.returning[session],
            "candidates": (at[number + 1] - at[number]).astype(np.int32),
        }
        return {name: to_arrow(values) for name, values in columns.items()} | self._extra(impressions.row[part])

    def _whose(self, number: Column) -> dict[str, Column]:
        """The session of each row, by its number among the scored ones, and what it is resampled with."""
        by = self.scored.clusters
        return {"session": self.scored.frame.session[number], "cluster": by.unit[by.group[number]]}

    def _extra(self, row: Column) -> dict[str, pa.Array]:
        """The further columns that were kept, of some log rows."""
        return {
            f"{EXTRA}{column.name}": dictionary_of(column.code[row], texts, valid=column.code[row] >= 0)
            for column, texts in zip(self.publisher.extra, self.texts, strict=True)
        }


def _returning(publisher: Publisher) -> Column:
    """Whether the reader of each session has read something before its first row: bool[sessions]."""
    log = publisher.log
    first = first_rows(log.session, len(publisher.sessions.reads))
    users = int(log.user.max(initial=-1)) + 1
    since = first_rows(log.user, users, none=len(log.time), among=lambda part: log.kind[part] >= READ)
    known = scratch.empty(len(first), np.bool_)
    for part in scratch.stretches(len(first)):
        known[part] = since[log.user[first[part]]] < first[part]
    return known


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
