"""The judge: which slates came true.

Eq. 1 and 2 of Kille & Lommatzsch (2019), and the slates as rankings; docs/design.md has the definitions. A
session is judged by walking its reads back from the last along `Requests.previous`, so each read of the log is
visited once; nothing is kept of a session but the sums of its group.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.datasets.store import Publisher
from newsreplay.simulator.kernels import compiled, int64, kernel
from newsreplay.simulator.log import Column
from newsreplay.simulator.mixing import key_of, mix_all

MEASURES = ("event", "session", "hit_rate", "mrr", "ndcg", "recall")  #: what is summed per cut-off

LARGE = 100_000  #: above so many scored sessions they are judged in groups
GROUPS = 20_000


class Scope(NamedTuple):
    """Which sessions are scored, and the group in which each is summed."""

    session: Column  #: int32[scored], the codes of the scored sessions
    group: Column  #: int32[scored], the group of each
    unit: Column  #: int64[groups], the session a group consists of, or the group's own number
    longest: Column  #: bool[scored], the longest 1 % of them


class Outcomes(NamedTuple):
    """Sums over the scored sessions of each group."""

    sums: Column  #: float64[groups, cut-offs, len(MEASURES)]
    sessions: Column  #: int64[groups], scored sessions
    requests: Column  #: int64[groups], requests after which the session read something else
    hits: Column  #: int64[2], hits at 1: of all scored sessions, of the longest 1 %


def cut_offs(k: int) -> tuple[int, ...]:
    """The cut-offs reported for slates of k: 1, 5 and 10 as far as k reaches, and k.

    >>> cut_offs(7)
    (1, 5, 7)
    """
    return tuple(sorted({cut for cut in (1, 5, 10, k) if cut <= k}))


def scope(
    publisher: Publisher,
    *,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
    seed: int = 0,
) -> Scope:
    """The scored sessions: at least two reads, begun after the warm-up and within the window (ms).

    Both count from the first read of the log. Up to 100,000 sessions are groups of their own; more are
    hashed into 20,000 groups.
    """
    sessions = publisher.sessions
    begin = publisher.log.time[publisher.requests.row[0]] + warmup
    scored = (sessions.reads >= 2) & (sessions.first_time >= begin)
    if window is not None:
        scored &= sessions.first_time < begin + window
    if max_session_length is not None:
        scored &= sessions.reads <= max_session_length
    codes = np.flatnonzero(scored)
    longest = np.zeros(len(codes), bool)
    by_length = np.argsort(-sessions.reads[codes].astype(np.int64), kind="stable")
    longest[by_length[: -(-len(codes) // 100)]] = True
    if len(codes) <= LARGE:
        return Scope(codes.astype(np.int32), np.arange(len(codes), dtype=np.int32), codes, longest)
    words = mix_all(key_of(seed, publisher.name, "group"), codes)
    group = (words % np.uint64(GROUPS)).astype(np.int32)
    return Scope(codes.astype(np.int32), group, np.arange(GROUPS), longest)


def judge(publisher: Publisher, slates: Column, scope: Scope) -> Outcomes:
    """Judge slates (int32[requests, k], padded with -1) in one pass over the log."""
    cuts = np.array(cut_offs(slates.shape[1]), np.int64)
    log, requests, sessions = publisher.log, publisher.requests, publisher.sessions
    articles = len(publisher.articles.id)
    longest = int(sessions.reads[scope.session].max(initial=1))
    outcomes = Outcomes(
        np.zeros((len(scope.unit), len(cuts), len(MEASURES))),
        np.zeros(len(scope.unit), np.int64),
        np.zeros(len(scope.unit), np.int64),
        np.zeros(2, np.int64),
    )
    scratch = _Scratch(
        np.empty(longest, np.int64),
        np.zeros(articles, np.int64),
        np.full(articles, -1, np.int32),
        np.zeros(len(cuts), np.int64),
        np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, slates.shape[1] + 2)))]),
    )
    _judge(log, requests.row, requests.previous, sessions.last, scope, slates, cuts, outcomes, scratch)
    return outcomes


class _Scratch(NamedTuple):
    path: Column  # int64[longest]: requests of the session at hand, in order
    offered: Column  # int64[articles]: stamp of the last session that was offered it, plus k - the best place
    later: Column  # int32[articles]: last session found to read the article later
    hits: Column  # int64[cut-offs]
    ideal: Column  # float64[k + 1]: DCG of n relevant articles on top


@compiled
def _judge(
    log: Any,
    row: Any,
    previous: Any,
    last: Any,
    scope: Any,
    slates: Any,
    cuts: Any,
    outcomes: Any,
    scratch: Any,
) -> None:
    stamp = 0
    for number in range(scope.session.size):
        session, group = scope.session[number], scope.group[number]
        length = 0
        step = int64(last[session])
        while step >= 0:
            scratch.path[length] = step
            length += 1
            step = previous[step]
        for i in range(length // 2):
            j = length - 1 - i
            scratch.path[i], scratch.path[j] = scratch.path[j], scratch.path[i]
        outcomes.sessions[group] += 1
        stamp += slates.shape[1]
        _count_hits(log, row, stamp, group, length, slates, cuts, outcomes, scratch)
        _rank(log, row, session, group, length, slates, cuts, outcomes, scratch)
        outcomes.hits[0] += scratch.hits[0]
        if scope.longest[number]:
            outcomes.hits[1] += scratch.hits[0]


@kernel
def _count_hits(
    log: Any, row: Any, stamp: int, group: int, length: int, slates: Any, cuts: Any, outcomes: Any, scratch: Any
) -> None:
    """Forward through the session: a read is a hit if an earlier slate offered its article."""
    k = slates.shape[1]
    scratch.hits[:] = 0
    for i in range(length):
        request = scratch.path[i]
        # Stamps grow by k, so what an earlier session left behind is never above this one's.
        place = k - (scratch.offered[log.item[row[request]]] - stamp)
        if place < k:
            for c in range(cuts.size):
                scratch.hits[c] += place < cuts[c]
        for place in range(k):
            candidate = slates[request, place]
            if candidate < 0:
                break
            scratch.offered[candidate] = max(scratch.offered[candidate], stamp + k - place)
    for c in range(cuts.size):
        outcomes.sums[group, c, 0] += scratch.hits[c]
        outcomes.sums[group, c, 1] += scratch.hits[c] > 0


@kernel
def _rank(
    log: Any,
    row: Any,
    session: int,
    group: int,
    length: int,
    slates: Any,
    cuts: Any,
    outcomes: Any,
    scratch: Any,
) -> None:
    """Backward through the session: what is relevant to a request is what was read after it."""
    distinct = 0
    for i in range(length - 1, -1, -1):
        request = scratch.path[i]
        current = log.item[row[request]]
        relevant = distinct - (scratch.later[current] == session)
        if relevant > 0:
            outcomes.requests[group] += 1
            found, first, gain = 0, 0, 0.0
            place = 0
            for c in range(cuts.size):
                while place < cuts[c] and slates[request, place] >= 0:
                    candidate = slates[request, place]
                    place += 1
                    if candidate != current and scratch.later[candidate] == session:
                        found += 1
                        gain += scratch.ideal[place] - scratch.ideal[place - 1]
                        if first == 0:
                            first = place
                if found > 0:
                    outcomes.sums[group, c, 2] += 1
                    outcomes.sums[group, c, 3] += 1 / first
                    outcomes.sums[group, c, 4] += gain / scratch.ideal[min(cuts[c], relevant)]
                    outcomes.sums[group, c, 5] += found / relevant
        if scratch.later[current] != session:
            scratch.later[current] = session
            distinct += 1
