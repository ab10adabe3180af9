"""Collaborative filtering with MinHash clusters (Das et al. 2007, section 3.1; Kille & Lommatzsch 2019)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels import hashing
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.kernels.hashing import FREE, HashTable, add, find, remove
from newsreplay.kernels.mixing import GOLDEN, mix
from newsreplay.log.growing import enlarged, ring_with_room
from newsreplay.log.rows import DAY, HOUR, READ, Column
from newsreplay.recommenders.base import Compiled, Sizes

GROUPS = 10  #: q, the clusters a reader is in
MINIMA = 2  #: p, the minima that make a cluster
LIFE = 96 * HOUR  #: a vote counts nothing after this
_ONE = np.uint64(1)

#: A cluster: its name, where its stretch of the pool begins, how many articles with votes stand there, and
#: that it has 2^level places.
CLUSTER = np.dtype([("key", np.uint64), ("start", np.int64), ("size", np.int32), ("level", np.int32)])

#: An article of a cluster with the sum of its votes.
VOTED = np.dtype([("mass", np.int64), ("item", np.int32)], align=True)


class MinhashState(NamedTuple):
    """Readers' minima, and for every cluster the articles its members voted for.

    A vote cast at r weighs round(2^32 * 2^(r mod 24 h / 24 h)) * 2^(day of r - `base`): proportional to
    2^(-age / 24 h) at any moment, and a whole number, so that sums are exact and votes can be taken back.
    """

    mirror: Column  #: uint64[users, 20], the complements of the readers' minima; 0 = nothing read yet
    clusters: HashTable  #: `CLUSTER` by name
    pool: Column  #: `VOTED`[pool]: per cluster the articles with votes, the heaviest first
    free: Column  #: int64[40]: by level the first free stretch, -1 = none
    used: Column  #: int64[1]: places of the pool ever taken
    vote_time: Column  #: int64[capacity, a power of two]: the votes that still count, as a ring
    vote_item: Column  #: int32[capacity]
    vote_names: Column  #: uint64[capacity, 10], the clusters they were cast in
    ends: Column  #: int64[3]: votes gone, votes cast, base day
    read_row: Column  #: int64[articles], row of the last read
    names: Column  #: uint64[10], scratch: a reader's clusters
    places: Column  #: int64[10], scratch: where they stand in `clusters`
    tail: Column  #: int64[10], scratch: their articles that were not looked at yet …
    end: Column  #: int64[10], scratch: … end here
    matches: Column  #: int64[articles + 1], scratch
    candidate: Column  #: bool[articles + 1], scratch: whether an article may be among the best; the last: of -1
    score: Column  #: int64[articles + 1], scratch
    seen: Column  #: int32[articles + 1], scratch: the candidates
    best: Column  #: int64[k], scratch


@routine
def _read(state: Any, user: int, item: int) -> None:
    """Bring a reader's minima up to date."""
    code = mix(np.uint64(item) * GOLDEN + _ONE)
    word = code
    for j in range(GROUPS * MINIMA):
        word += GOLDEN
        state.mirror[user, j] = max(state.mirror[user, j], ~mix(word))


@routine
def _name_clusters(state: Any, user: int) -> None:
    """Name the reader's clusters by 64 bits each."""
    for group in range(GROUPS):
        word = mix(np.uint64(group + 1) * GOLDEN ^ state.mirror[user, MINIMA * group])
        word = mix(word + state.mirror[user, MINIMA * group + 1])
        state.names[group] = max(word, _ONE)


@routine
def _find_clusters(state: Any) -> None:
    """Look up the ten names before anything else is done, so that ten waits for memory become one."""
    for group in range(GROUPS):
        state.places[group] = find(state.clusters, state.names[group])


@routine
def _touch(state: Any) -> None:
    """Look at where the ten clusters begin before the first is changed, so that ten waits for memory become one."""
    touched = 0
    for group in range(GROUPS):
        start = state.clusters.record[state.places[group]]["start"]
        if start < state.used[0]:
            touched += state.pool[start]["item"]
    state.matches[0] = touched  # or the compiler would leave all this out


@kernel
def _weight(time: int, base: int) -> int:
    """The weight of a vote cast at `time`, relative to the day `base`."""
    part = math.pow(2.0, np.float64(time % DAY) / DAY)
    return int64(np.rint(4294967296.0 * part)) << (time // DAY - base)


@kernel
def _take_stretch(state: Any, level: int) -> int:
    start: int = state.free[level]
    if start >= 0:
        state.free[level] = state.pool[start]["mass"]
        return start
    start = state.used[0]
    state.used[0] = start + (int64(1) << level)
    return start


@kernel
def _give_stretch(state: Any, start: int, level: int) -> None:
    """Free stretches of one level form a list through their first mass."""
    state.pool[start]["mass"] = state.free[level]
    state.free[level] = start


@routine
def _open(state: Any, name: np.uint64) -> int:
    """A new cluster without votes."""
    at = find(state.clusters, name)
    if state.clusters.record[at]["key"] == FREE:
        add(state.clusters, at, name)
        cluster = state.clusters.record[at]
        cluster["start"] = _take_stretch(state, 0)
        cluster["size"] = 0
        cluster["level"] = 0
    return at


@routine
def _close(state: Any, name: np.uint64) -> None:
    """Forget a cluster without votes."""
    at = find(state.clusters, name)
    cluster = state.clusters.record[at]
    _give_stretch(state, cluster["start"], int64(cluster["level"]))
    remove(state.clusters, at)


@routine
def _widen(state: Any, at: int) -> None:
    """Move a cluster to a stretch twice as wide."""
    cluster = state.clusters.record[at]
    level = int64(cluster["level"])
    start, wider = cluster["start"], _take_stretch(state, level + 1)
    for i in range(cluster["size"]):
        state.pool[wider + i]["item"] = state.pool[start + i]["item"]
        state.pool[wider + i]["mass"] = state.pool[start + i]["mass"]
    _give_stretch(state, start, level)
    cluster["start"] = wider
    cluster["level"] = level + 1


@routine
def _vote(state: Any, at: int, item: int, weight: int) -> None:
    """Add a vote to a cluster: its article rises past the lighter ones."""
    cluster = state.clusters.record[at]
    size = int64(cluster["size"])
    start = cluster["start"]
    i = start
    while i < start + size and state.pool[i]["item"] != item:
        i += 1
    mass = weight
    if i < start + size:
        mass += state.pool[i]["mass"]
    else:
        if size == (int64(1) << int64(cluster["level"])):
            _widen(state, at)
            start = cluster["start"]
            i = start + size
        cluster["size"] = size + 1
    while i > start and state.pool[i - 1]["mass"] < mass:
        state.pool[i]["item"] = state.pool[i - 1]["item"]
        state.pool[i]["mass"] = state.pool[i - 1]["mass"]
        i -= 1
    state.pool[i]["item"] = item
    state.pool[i]["mass"] = mass


@routine
def _unvote(state: Any, at: int, item: int, weight: int) -> None:
    """Take a vote back: its article sinks past the heavier ones, and out of the cluster without any."""
    cluster = state.clusters.record[at]
    i = cluster["start"]
    last = i + cluster["size"] - 1
    while state.pool[i]["item"] != item:
        i += 1
    mass = state.pool[i]["mass"] - weight
    while i < last and state.pool[i + 1]["mass"] > mass:
        state.pool[i]["item"] = state.pool[i + 1]["item"]
        state.pool[i]["mass"] = state.pool[i + 1]["mass"]
        i += 1
    state.pool[i]["item"] = item
    state.pool[i]["mass"] = mass
    if mass == 0:
        cluster["size"] -= 1


@routine
def _expire(state: Any, slot: int) -> None:
    """Take the votes of one read back."""
    item = state.vote_item[slot]
    weight = _weight(state.vote_time[slot], state.ends[2])
    for group in range(GROUPS):
        state.places[group] = find(state.clusters, state.vote_names[slot, group])
    _touch(state)
    for group in range(GROUPS):
        _unvote(state, state.places[group], item, weight)
    for group in range(GROUPS):
        if state.clusters.record[state.places[group]]["size"] == 0:
            state.places[group] = -1
    for group in range(GROUPS):
        if state.places[group] < 0:
            _close(state, state.vote_names[slot, group])


@routine
def _advance(state: Any, now: int) -> None:
    """Take back the votes that are too old, and move the base day along."""
    mask = state.vote_time.size - 1
    number = state.ends[0]
    while number < state.ends[1] and now - state.vote_time[number & mask] > LIFE:
        _expire(state, number & mask)
        number += 1
    state.ends[0] = number
    # What is left is at most four days old, so its masses are multiples of 2^days and the shift is exact.
    base = now // DAY - LIFE // DAY
    days = base - state.ends[2]
    if days > 0:
        _shift(state, min(days, int64(62)))
        state.ends[2] = base


@routine
def _shift(state: Any, days: int) -> None:
    """Halve all masses once a day."""
    for at in range(state.clusters.record.size):
        cluster = state.clusters.record[at]
        if cluster["key"] != FREE:
            for i in range(cluster["start"], cluster["start"] + cluster["size"]):
                state.pool[i]["mass"] >>= days


@kernel
def learn(state: Any, event: Any) -> None:
    """Bring the reader's clusters up to date, then let each of them vote for the article."""
    if event.kind < READ:
        return
    _advance(state, event.time)
    state.read_row[event.item] = event.row
    _read(state, event.user, event.item)
    _name_clusters(state, event.user)
    _find_clusters(state)
    if event.time // DAY < state.ends[2]:  # learned so late that its vote would count nothing
        return
    weight = _weight(event.time, state.ends[2])
    _touch(state)
    slot = state.ends[1] & (state.vote_time.size - 1)
    state.ends[1] += 1
    state.vote_time[slot] = event.time
    state.vote_item[slot] = event.item
    for group in range(GROUPS):
        name = state.names[group]
        state.vote_names[slot, group] = name
        at = state.places[group]
        if state.clusters.record[at]["key"] != name:
            at = _open(state, name)
        _vote(state, at, event.item, weight)


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles with the heaviest votes in the reader's clusters together.

    Most of what stands in a cluster is light. Only articles heavy somewhere are candidates; if that does not
    leave one winner, their light votes are added too.
    """
    _advance(state, request.time)
    _name_clusters(state, request.user)
    _find_clusters(state)
    seen = _gather(state, request.exclude, _bar(state, slate.size) // GROUPS)
    filled = _rank(state, seen, slate)
    seen = _prune(state, seen, state.best[filled - 1] if filled == slate.size else int64(0))
    if seen > 1:
        _complete(state)
        _rank(state, seen, slate)
    _drop(state, seen)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The votes for each candidate in the reader's clusters together.

    A vote cast at the beginning of the day counts 2^36: the same within an impression and across them. Whole
    numbers beyond 2^53 are rounded, which may make equal what hardly differs, but changes no order.
    """
    _advance(state, request.time)
    _name_clusters(state, request.user)
    _find_clusters(state)
    _bar(state, 0)
    for i in range(out.size):
        state.candidate[request.pool[i]] = True
    _complete(state)
    for i in range(out.size):
        out[i] = state.score[request.pool[i]]
    for i in range(out.size):
        state.score[request.pool[i]] = 0
        state.candidate[request.pool[i]] = False


@routine
def _bar(state: Any, k: int) -> int:
    """Where the reader's clusters begin and end, and a mass that more than k articles of one of them have."""
    bar = int64(0)
    for group in range(GROUPS):
        cluster = state.clusters.record[state.places[group]]
        start, size = int64(0), int64(0)
        if cluster["key"] == state.names[group]:
            start, size = cluster["start"], int64(cluster["size"])
        if size > k:
            bar = max(bar, state.pool[start + k]["mass"])
        state.tail[group] = start
        state.end[group] = start + size
    return bar


@routine
def _gather(state: Any, current: int, bar: int) -> int:
    """Add up the masses that reach the bar; an article without any is no candidate, nor is the current one."""
    seen = 0
    state.candidate[current] = True
    for group in range(GROUPS):
        i, end = state.tail[group], state.end[group]
        while i < end and state.pool[i]["mass"] >= bar:
            item = state.pool[i]["item"]
            # Writing every article and keeping the new ones spares the processor a guess.
            state.seen[seen] = item
            seen += not state.candidate[item]
            state.candidate[item] = True
            state.score[item] += state.pool[i]["mass"]
            i += 1
        state.tail[group] = i
    state.candidate[current] = False
    state.score[current] = 0
    return seen


@routine
def _rank(state: Any, seen: int, slate: Any) -> int:
    """Fill the slate with the best candidates; returns its length."""
    filled = 0
    for i in range(seen):
        item = state.seen[i]
        score = state.score[item]
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
    return filled


@routine
def _prune(state: Any, seen: int, least: int) -> int:
    """Drop the candidates that cannot reach the score `least` any more; returns how many are left."""
    for group in range(GROUPS):
        if state.tail[group] < state.end[group]:
            least -= state.pool[state.tail[group]]["mass"]
    left = 0
    for i in range(seen):
        item = state.seen[i]
        if state.score[item] < least:
            state.score[item] = 0
            state.candidate[item] = False
        else:
            state.seen[left] = item
            left += 1
    return left


@routine
def _complete(state: Any) -> None:
    """Add the candidates' other masses."""
    for group in range(GROUPS):
        count = 0
        for i in range(state.tail[group], state.end[group]):
            # Writing every place and keeping the candidates' spares the processor a guess.
            state.matches[count] = i
            count += state.candidate[state.pool[i]["item"]]
        for j in range(count):
            i = state.matches[j]
            state.score[state.pool[i]["item"]] += state.pool[i]["mass"]


@kernel
def _drop(state: Any, seen: int) -> None:
    for i in range(seen):
        item = state.seen[i]
        state.score[item] = 0
        state.candidate[item] = False


@kernel
def _before(state: Any, item: int, score: int, other: int, other_score: int) -> bool:
    """Whether an article ranks before another: higher score, then read more recently."""
    if score != other_score:
        return score > other_score
    later: bool = state.read_row[item] > state.read_row[other]
    return later


class Minhash(Compiled[MinhashState]):
    """The articles that readers with similar histories read lately.

    A reader's history is all articles they read. Each of 10 groups of 2 hash minima over it names a cluster
    (readers share one with a chance of the square of their histories' Jaccard similarity); a read first
    updates its reader's clusters, then votes for its article in each. A vote counts 2^(-age / 24 h), and
    nothing after 96 hours; an article's score is the sum of its votes over the reader's clusters.
    """

    learn = learn
    recommend = recommend
    score = score
    slow = True
    extends = True

    def state(self, sizes: Sizes, key: np.uint64) -> MinhashState:
        """See `Compiled.state`."""
        n = sizes.articles
        return MinhashState(
            mirror=np.zeros((sizes.users, GROUPS * MINIMA), np.uint64),
            clusters=hashing.table(CLUSTER),
            pool=np.empty(0, VOTED),
            free=np.full(40, -1, np.int64),
            used=np.zeros(1, np.int64),
            vote_time=np.empty(1, np.int64),
            vote_item=np.empty(1, np.int32),
            vote_names=np.empty((1, GROUPS), np.uint64),
            ends=np.zeros(3, np.int64),
            read_row=np.zeros(n, np.int64),
            names=np.zeros(GROUPS, np.uint64),
            places=np.zeros(GROUPS, np.int64),
            tail=np.zeros(GROUPS, np.int64),
            end=np.zeros(GROUPS, np.int64),
            matches=np.empty(n + 1, np.int64),
            candidate=np.zeros(n + 1, np.bool_),
            score=np.zeros(n + 1, np.int64),
            seen=np.empty(n + 1, np.int32),
            best=np.empty(sizes.k, np.int64),
        )

    def room(self, state: MinhashState, reads: int) -> MinhashState:
        """See `Compiled.room`."""
        votes = GROUPS * reads
        state = state._replace(clusters=hashing.room(state.clusters, votes))
        # A vote takes a place in a new cluster or a stretch twice as wide as the full one it leaves; full
        # stretches together are no longer than what is used.
        pool = 3 * int(state.used[0]) + 4 * votes
        if pool > state.pool.size:
            state = state._replace(pool=enlarged(state.pool[: int(state.used[0])], 2 * pool, None))
        begin, end = int(state.ends[0]), int(state.ends[1])
        return state._replace(
            vote_time=ring_with_room(state.vote_time, begin, end, reads),
            vote_item=ring_with_room(state.vote_item, begin, end, reads),
            vote_names=ring_with_room(state.vote_names, begin, end, reads),
        )
