"""A prepared data set as messages: a topic that carries them, in this order, is that log again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from newsreplay.datasets.messages import TopicMessage
from newsreplay.datasets.store import Dataset
from newsreplay.log.publisher import NOBODY, Publisher
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Column


def messages_of(dataset: Dataset) -> Iterator[TopicMessage]:
    """All rows of all publishers as messages, by time.

    Histories without times (MIND) and further columns that were kept have no message; `left_out` says so.
    """
    by_name = [
        _messages(dataset.publisher(facts["publisher"]), _sends_sessions(dataset, facts["session_ids"]))
        for facts in dataset.card["publishers"]
    ]
    return heapq.merge(*by_name, key=lambda message: message.time)


def count_messages(dataset: Dataset) -> int:
    """How many they are: outcomes and clicks are told by their impressions."""
    return sum(facts["rows"] - facts["outcomes"] - facts["clicks"] for facts in dataset.card["publishers"])


def left_out(dataset: Dataset) -> list[str]:
    """What of a data set no message tells, in words."""
    publishers = dataset.card["publishers"]
    profiles = sum(facts.get("profiles", 0) for facts in publishers)
    kept = list(dict.fromkeys(name for facts in publishers for name in facts.get("extra", {})))
    return [
        *([f"what {profiles:,} readers read before the log, which has no times"] if profiles else []),
        *([f"columns that were kept: {', '.join(kept)}"] if kept else []),
    ]


def _sends_sessions(dataset: Dataset, own: bool) -> bool:
    """Whether sessions are named; visits that the usual gap makes again are not, so that they are visits again."""
    return own or dataset.card["options"].get("session_gap") is not None


class _Names(NamedTuple):
    """Ids by code."""

    items: list[str]
    users: list[str | None]
    sessions: list[str | None]


def _messages(publisher: Publisher, sessions: bool) -> Iterator[TopicMessage]:
    names = _names(publisher) if sessions else _names(publisher)._replace(sessions=[None] * len(publisher.sessions.id))
    facts = _facts(publisher)
    flags = {} if publisher.articles.updates is None else _flags(publisher)
    for begin, end in _instants(publisher.log.time):
        yield from _instant(publisher, names, facts, flags, range(begin, end))


def _names(publisher: Publisher) -> _Names:
    """Ids by code; nobody has none, nor has a reader whom the one session stands for."""
    log, ids = publisher.log, publisher.users.to_pylist()
    sessions = [None if _is_nobody(name) else name for name in publisher.sessions.id.to_pylist()]
    theirs = np.flatnonzero(log.user >= 0)
    first, last = np.full(len(ids), len(sessions)), np.full(len(ids), -1)
    np.minimum.at(first, log.user[theirs], log.session[theirs])
    np.maximum.at(last, log.user[theirs], log.session[theirs])
    only = [sessions[one] if one == other >= 0 else None for one, other in zip(first, last, strict=True)]
    users = [None if _is_nobody(name) or name == session else name for name, session in zip(ids, only, strict=True)]
    return _Names(publisher.articles.id.to_pylist(), users, sessions)


def _is_nobody(name: str) -> bool:
    return name.startswith(f"{NOBODY}.")


def _instants(time: Column) -> Iterator[tuple[int, int]]:
    """The stretches of equal time: their first row, and the one after the last."""
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(time)) + 1, [len(time)]]).tolist()
    return pairwise(bounds)


def _facts(publisher: Publisher) -> dict[int, list[tuple[str, str]]]:
    """By row, what of its article is known from it on."""
    articles = publisher.articles
    names = articles.categories.to_pylist()
    told = {"category": ([names[code] if code >= 0 else None for code in articles.category.tolist()])}
    rows = {"category": articles.category_row}
    for fact, (texts, row) in articles.texts.items():
        told[fact], rows[fact] = texts.to_pylist(), row
    facts: dict[int, list[tuple[str, str]]] = {}
    for fact, values in told.items():
        for value, row in zip(values, rows[fact].tolist(), strict=True):
            if value is not None:
                facts.setdefault(row, []).append((fact, value))
    return facts


def _flags(publisher: Publisher) -> dict[int, bool]:
    updates = publisher.articles.updates
    assert updates is not None
    return dict(zip(updates.row.tolist(), updates.recommendable.tolist(), strict=True))


def _instant(
    publisher: Publisher, names: _Names, facts: dict[int, list[tuple[str, str]]], flags: dict[int, bool], rows: range
) -> Iterator[TopicMessage]:
    """The messages of rows of equal time, each impression where its clicks stand among the reads."""
    kind = publisher.log.kind[rows.start : rows.stop]
    by_kind = {each: [row for row, is_one in zip(rows, kind == each, strict=True) if is_one] for each in set(kind)}
    base = _AsMessages(publisher, names, facts, flags)
    yield from map(base.message, by_kind.get(PUBLISH, []))
    shown = [base.impression(row, by_kind.get(OUTCOME, [])) for row in by_kind.get(IMPRESSION, [])]
    reads = [base.message(row) for row in by_kind.get(READ, [])]
    at = 0
    for impression in shown:
        clicks = impression.clicks
        # Reads from elsewhere stand before it in the source. What is alike may change places: the log is the same.
        while clicks and [_key(read) for read in reads[at : at + len(clicks)]] != [
            (impression.user, impression.session, item) for item in clicks
        ]:
            yield reads[at]
            at += 1
        own = reads[at : at + len(clicks)]
        at += len(clicks)
        told = any(read.dwell for read in own)
        yield impression._replace(dwell=tuple(read.dwell[0] if read.dwell else None for read in own) if told else None)
    yield from reads[at:]
    yield from map(base.message, by_kind.get(HISTORY, []))


def _key(read: TopicMessage) -> tuple[str | None, str | None, str | None]:
    return read.user, read.session, read.item


class _AsMessages(NamedTuple):
    """What rows of a publisher are told with."""

    publisher: Publisher
    names: _Names
    facts: dict[int, list[tuple[str, str]]]
    flags: dict[int, bool]

    def message(self, row: int) -> TopicMessage:
        """A row as a message of its own."""
        log, names = self.publisher.log, self.names
        user, session, item = int(log.user[row]), int(log.session[row]), int(log.item[row])
        return TopicMessage(
            int(log.kind[row]),
            int(log.time[row]),
            self.publisher.name,
            names.users[user] if user >= 0 else None,
            names.sessions[session] if session >= 0 else None,
            names.items[item] if item >= 0 else None,
            facts=tuple(self.facts.get(row, ())),
            recommendable=self.flags.get(row),
            dwell=self._dwell(row),
        )

    def impression(self, row: int, outcomes: list[int]) -> TopicMessage:
        """An impression with its outcome, if that is known."""
        log, pools = self.publisher.log, self.publisher.log.pools
        number = int(log.impression[row])
        begin, end = pools.at[number : number + 2].tolist()
        known = any(int(log.impression[outcome]) == number for outcome in outcomes)
        return self.message(row)._replace(
            pool=tuple(self.names.items[item] for item in pools.item[begin:end].tolist()),
            clicked=tuple(pools.clicked[begin:end].tolist()) if known else None,
        )

    def _dwell(self, row: int) -> tuple[float, ...] | None:
        requests = self.publisher.requests
        if requests.active is None or self.publisher.log.kind[row] != READ:
            return None
        seconds = float(requests.active[int(np.searchsorted(requests.row, row))])
        return None if np.isnan(seconds) else (seconds,)
