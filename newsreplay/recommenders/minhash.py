"""Collaborative filtering with MinHash clusters (Das et al. 2007, section 3.1; Kille & Lommatzsch 2019)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.recommenders import table as hashing
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.table import Table, find, put, remove
from newsreplay.simulator.kernels import kernel
from newsreplay.simulator.log import DAY, HOUR, READ, Column
from newsreplay.simulator.mixing import GOLDEN, mix

GROUPS = 10  #: q, the clusters a reader is in
MINIMA = 2  #: p, the minima that make a cluster
LIFE = 96 * HOUR  #: a vote counts nothing after this
_ONE = np.uint64(1)


class MinhashState(NamedTuple):
    """Readers' minima, and for every cluster the articles its members voted for.

    A vote cast at r weighs round(2^32 * 2^(r mod 24 h / 24 h)) * 2^(day of r - `base`): proportional to
    2^(-age / 24 h) at any moment, and a whole number, so that sums are exact and votes can be taken back.
    """

    mirror: Column  #: uint64[users, 20], the complements of the readers' minima; 0 = nothing read yet
    clusters: Table  #: fingerprint of (group, minima) → cluster
    fingerprint: Column  #: uint64[clusters]
    start: Column  #: int64[clusters], where a cluster's stretch of the pool begins; next free cluster if free
    size: Column  #: int32[clusters], articles with votes
    level: Column  #: int8[clusters], its stretch has 2^level places
    item: Column  #: int32[pool], per cluster the articles with votes, roughly the heaviest first
    mass: Column  #: int64[pool], the sum of their votes
    free: Column  #: int64[40]: by level the first free stretch; [-1] the first free cluster; -1 = none
    used: Column  #: int64[2]: places of the pool, clusters ever taken
    vote_time: Column  #: int64[capacity, a power of two]: the votes that still count, as a ring
    vote_item: Column  #: int32[capacity]
    vote_cluster: Column  #: int32[capacity, 10]
    ends: Column  #: int64[3]: votes gone, votes cast, base day
    read_row: Column  #: int64[articles], row of the last read
    score: Column  #: int64[articles], scratch
    seen: Column  #: int32[articles], scratch
    prints: Column  #: uint64[10], scratch
    best: Column  #: int64[k], scratch


@kernel
def _read(state: Any, user: int, item: int) -> None:
    """Bring a reader's minima up to date."""
    code = mix(np.uint64(item) * GOLDEN + _ONE)
    word = code
    for j in range(GROUPS * MINIMA):
        word += GOLDEN
        state.mirror[user, j] = max(state.mirror[user, j], ~mix(word))


@kernel
def _fingerprints(state: Any, user: int) -> None:
    """Name the reader's clusters by 64 bits each."""
    for group in range(GROUPS):
        word = mix(np.uint64(group + 1) * GOLDEN ^ state.mirror[user, MINIMA * group])
        word = mix(word + state.mirror[user, MINIMA * group + 1])
        state.prints[group] = max(word, _ONE)


@kernel
def _weight(time: int, base: int) -> int:
    """The weight of a vote cast at `time`, relative to the day `base`."""
    part = math.pow(2.0, np.float64(time % DAY) / DAY)
    return np.int64(np.rint(4294967296.0 * part)) << (time // DAY - base)


@kernel
def _take_stretch(state: Any, level: int) -> int:
    start = state.free[level]
    if start >= 0:
        state.free[level] = state.mass[start]
        return start
    start = state.used[0]
    state.used[0] = start + (np.int64(1) << level)
    return start


@kernel
def _give_stretch(state: Any, start: int, level: int) -> None:
    """Free stretches of one level form a list through their first mass."""
    state.mass[start] = state.free[level]
    state.free[level] = start


@kernel
def _new_cluster(state: Any, at: int, fingerprint: np.uint64) -> int:
    cluster = state.free[-1]
    if cluster >= 0:
        state.free[-1] = state.start[cluster]
    else:
        cluster = state.used[1]
        state.used[1] = cluster + 1
    put(state.clusters, at, fingerprint, cluster)
    state.fingerprint[cluster] = fingerprint
    state.size[cluster] = 0
    state.level[cluster] = 0
    state.start[cluster] = _take_stretch(state, 0)
    return cluster


@kernel
def _vote(state: Any, cluster: int, item: int, weight: int) -> None:
    """Add a vote to a cluster."""
    start, size = state.start[cluster], np.int64(state.size[cluster])
    for i in range(start, start + size):
        if state.item[i] == item:
            mass = state.mass[i] + weight
            while i > start and state.mass[i - 1] < mass:
                state.item[i] = state.item[i - 1]
                state.mass[i] = state.mass[i - 1]
                i -= 1
            state.item[i] = item
            state.mass[i] = mass
            return
    level = np.int64(state.level[cluster])
    if size == (np.int64(1) << level):
        wider = _take_stretch(state, level + 1)
        for i in range(size):
            state.item[wider + i] = state.item[start + i]
            state.mass[wider + i] = state.mass[start + i]
        _give_stretch(state, start, level)
        start = wider
        state.start[cluster] = start
        state.level[cluster] = level + 1
    state.item[start + size] = item
    state.mass[start + size] = weight
    state.size[cluster] = size + 1


@kernel
def _unvote(state: Any, cluster: int, item: int, weight: int) -> None:
    """Take a vote back; articles without votes leave their cluster, clusters without articles the table."""
    start = state.start[cluster]
    i = start
    while state.item[i] != item:
        i += 1
    state.mass[i] -= weight
    if state.mass[i] > 0:
        return
    state.size[cluster] -= 1
    last = start + state.size[cluster]
    state.item[i] = state.item[last]
    state.mass[i] = state.mass[last]
    if state.size[cluster] == 0:
        remove(state.clusters, find(state.clusters, state.fingerprint[cluster]))
        _give_stretch(state, start, np.int64(state.level[cluster]))
        state.start[cluster] = state.free[-1]
        state.free[-1] = cluster


@kernel
def _advance(state: Any, now: int) -> None:
    """Take back the votes that are too old, and move the base day along."""
    mask = state.vote_time.size - 1
    number = state.ends[0]
    while number < state.ends[1] and now - state.vote_time[number & mask] > LIFE:
        slot = number & mask
        weight = _weight(state.vote_time[slot], state.ends[2])
        for group in range(GROUPS):
            _unvote(state, state.vote_cluster[slot, group], state.vote_item[slot], weight)
        number += 1
    state.ends[0] = number
    # What is left is at most four days old, so its masses are multiples of 2^days and the shift is exact.
    # Free stretches keep their links, which are below 2^32 and above every shift's reach only by luck:
    # they are rebuilt instead of shifted.
    base = now // DAY - LIFE // DAY
    days = base - state.ends[2]
    if days > 0:
        _shift(state, min(days, np.int64(62)))
        state.ends[2] = base


@kernel
def _shift(state: Any, days: int) -> None:
    """Halve all masses once a day."""
    for i in range(state.clusters.key.size):
        if state.clusters.key[i] != np.uint64(0):
            cluster = state.clusters.value[i]
            start = state.start[cluster]
            for j in range(start, start + state.size[cluster]):
                state.mass[j] >>= days


@kernel
def learn(state: Any, event: Any) -> None:
    """Bring the reader's clusters up to date, then let each of them vote for the article."""
    if event.kind != READ:
        return
    _advance(state, event.time)
    state.read_row[event.item] = event.row
    _read(state, event.user, event.item)
    _fingerprints(state, event.user)
    weight = _weight(event.time, state.ends[2])
    slot = state.ends[1] & (state.vote_time.size - 1)
    state.vote_time[slot] = event.time
    state.vote_item[slot] = event.item
    state.ends[1] += 1
    for group in range(GROUPS):
        at = find(state.clusters, state.prints[group])
        if state.clusters.key[at] == state.prints[group]:
            cluster = np.int64(state.clusters.value[at])
        else:
            cluster = _new_cluster(state, at, state.prints[group])
        state.vote_cluster[slot, group] = cluster
        _vote(state, cluster, event.item, weight)


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles with the heaviest votes in the reader's clusters together."""
    _advance(state, request.time)
    _fingerprints(state, request.user)
    seen = 0
    for group in range(GROUPS):
        at = find(state.clusters, state.prints[group])
        if state.clusters.key[at] == state.prints[group]:
            cluster = state.clusters.value[at]
            start = state.start[cluster]
            for i in range(start, start + state.size[cluster]):
                item = state.item[i]
                if state.score[item] == 0:
                    state.seen[seen] = item
                    seen += 1
                state.score[item] += state.mass[i]
    filled = 0
    for i in range(seen):
        item = state.seen[i]
        score = state.score[item]
        state.score[item] = 0
        if item == request.item:
            continue
        if filled == slate.size:
            if not _before(state, item, score, slate[filled - 1], state.best[filled - 1]):
                continue
        else:
            filled += 1
        place = filled - 1
        while place > 0 and _before(state, item, score, slate[place - 1], state.best[place - 1]):
            slate[place] = slate[place - 1]
            state.best[place] = state.best[place - 1]
            place -= 1
        slate[place] = item
        state.best[place] = score


@kernel
def _before(state: Any, item: int, score: int, other: int, other_score: int) -> bool:
    """Whether an article ranks before another: higher score, then read more recently."""
    if score != other_score:
        return score > other_score
    return state.read_row[item] > state.read_row[other]


class Minhash(Compiled):
    """The articles that readers with similar histories read lately.

    A reader's history is all articles they read. Each of 10 groups of 2 hash minima over it names a cluster
    (readers share one with a chance of the square of their histories' Jaccard similarity); a read first
    updates its reader's clusters, then votes for its article in each. A vote counts 2^(-age / 24 h), and
    nothing after 96 hours; an article's score is the sum of its votes over the reader's clusters.
    """

    learn = learn
    recommend = recommend

    def state(self, sizes: Sizes, key: np.uint64) -> MinhashState:
        """See `Compiled.state`."""
        n = sizes.articles
        return MinhashState(
            mirror=np.zeros((sizes.users, GROUPS * MINIMA), np.uint64),
            clusters=hashing.table(),
            fingerprint=np.empty(0, np.uint64),
            start=np.empty(0, np.int64),
            size=np.empty(0, np.int32),
            level=np.empty(0, np.int8),
            item=np.empty(0, np.int32),
            mass=np.empty(0, np.int64),
            free=np.full(40, -1, np.int64),
            used=np.zeros(2, np.int64),
            vote_time=np.empty(1, np.int64),
            vote_item=np.empty(1, np.int32),
            vote_cluster=np.empty((1, GROUPS), np.int32),
            ends=np.zeros(3, np.int64),
            read_row=np.zeros(n, np.int64),
            score=np.zeros(n, np.int64),
            seen=np.empty(n, np.int32),
            prints=np.zeros(GROUPS, np.uint64),
            best=np.empty(sizes.k, np.int64),
        )

    def room(self, state: MinhashState, reads: int) -> MinhashState:
        """See `Compiled.room`."""
        votes = GROUPS * reads
        state = state._replace(clusters=hashing.room(state.clusters, votes))
        # A vote takes a place in a new cluster or a stretch twice as wide as the full one it leaves; full
        # stretches together are no longer than what is used.
        pool = 3 * int(state.used[0]) + 4 * votes
        if pool > state.item.size:
            state = _longer(state, 2 * pool, int(state.used[0]), ("item", "mass"))
        clusters = int(state.used[1]) + votes
        if clusters > state.start.size:
            names = ("fingerprint", "start", "size", "level")
            state = _longer(state, 2 * clusters, int(state.used[1]), names)
        return _ring(state, reads)


def _longer(state: MinhashState, length: int, used: int, names: tuple[str, ...]) -> MinhashState:
    """The state with these columns lengthened."""
    columns = {}
    for name in names:
        old = getattr(state, name)
        columns[name] = np.empty(length, old.dtype)
        columns[name][:used] = old[:used]
    return state._replace(**columns)


def _ring(state: MinhashState, reads: int) -> MinhashState:
    """The state with room for `reads` more votes that still count."""
    begin, end = int(state.ends[0]), int(state.ends[1])
    capacity = state.vote_time.size
    if end - begin + reads <= capacity:
        return state
    larger = 1 << (end - begin + reads - 1).bit_length()
    numbers = np.arange(begin, end)
    columns = {}
    for name in ("vote_time", "vote_item", "vote_cluster"):
        old = getattr(state, name)
        columns[name] = np.empty((larger, *old.shape[1:]), old.dtype)
        columns[name][numbers & (larger - 1)] = old[numbers & (capacity - 1)]
    return state._replace(**columns)
