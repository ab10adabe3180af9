"""Pseudo-impressions for logs that have only reads, as published experiments on Adressa need them.

Every read becomes the one click of an impression whose other candidates are drawn: 20 articles without
replacement, none of which the reader has read. A read that repeats one of the same reader and article within 30
minutes makes no impression.

- `sampled` (causal): uniformly from the articles read at least once in the 24 hours before the read;
- `sampled:popularity` (causal): from the same articles, in proportion to their reads in these 24 hours;
- `sampled:uniform-all`: uniformly from all articles of the log, without those that the reader *ever* reads, as
  newsreclib, CROWN and Efficient-FedRec do. This leaks: candidates may not be published yet, and that
  an article will be read keeps it from being a candidate.

Where fewer candidates exist, all of them are shown; where there are none, there is no impression. The place of
the click among the candidates is random. Random words are keyed by (seed, publisher, number of the read).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import DataError
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.mixing import below, draw, key_of, mix
from newsreplay.log.rows import DAY, IMPRESSION, OUTCOME, READ, Column

METHODS = ("sampled", "sampled:popularity", "sampled:uniform-all")
LEAKING = "sampled:uniform-all"
NEGATIVES = 20
WINDOW = DAY  #: ms
REPEATED = 30 * 60_000  #: ms
TRIES = 200  # draws before all candidates are looked at
_ONE, _11, _32 = np.uint64(1), np.uint64(11), np.uint64(32)

MADE_UP = {
    "sampled": "Impressions: each read with 20 articles drawn uniformly from those read in the 24 hours before it.",
    "sampled:popularity": "Impressions: each read with 20 articles drawn by popularity from those read in the 24 "
    "hours before it.",
    "sampled:uniform-all": "Impressions: each read with 20 articles drawn from the whole log, as published.",
}
LEAK = (
    "sampled:uniform-all reproduces a published recipe that leaks the future: candidates come from the whole "
    "log, published or not, without those the reader reads later; every article counts as known from the first read on"
)


def check_method(method: str) -> None:
    """Raise `DataError` unless `method` is one of `METHODS`."""
    if method not in METHODS:
        raise DataError(f"impressions cannot be {method!r}; use {', '.join(METHODS)}")


class SamplingState(NamedTuple):
    """What the sampler's kernels remember from read to read."""

    kind: np.int64  # 0 uniform, 1 by popularity, 2 uniform from the whole log
    key: np.uint64
    reads: Column  # int64[items], reads in the window
    active: Column  # int32[items], articles with a read in the window
    slot: Column  # int32[items], place in `active`
    rank: Column  # int32[items], which article was read first, second, …; -1 = not read yet
    sizes: Column  # int64[5], see below
    pair: Column  # uint64[2^n], 1 + (user << 32 | item), 0 = free
    last: Column  # int64[2^n], time of the pair's last read


_ACTIVE, _HEAD, _NUMBER, _PAIRS, _RANKS = range(5)


class Sampler:
    """Draws the impressions of one publisher's reads, bucket by bucket."""

    def __init__(self, method: str, seed: int, publisher: str, items: int, everything: Iterator[tuple[Column, Column]]):
        """`everything` has the readers and articles of all reads; only the leaking method looks at it."""
        self.state = SamplingState(
            np.int64(METHODS.index(method)),
            key_of(seed, publisher, "impressions"),
            np.zeros(items, np.int64),
            np.empty(items, np.int32),
            np.full(items, -1, np.int32),
            np.full(items, -1, np.int32),
            np.zeros(5, np.int64),
            np.zeros(1 << 12, np.uint64),
            np.zeros(1 << 12, np.int64),
        )
        self.time = np.empty(0, np.int64)  # reads of the window, oldest first
        self.item = np.empty(0, np.int32)
        if method == LEAKING:
            for users, articles in everything:
                self._make_room(len(users))
                _remember_all(self.state, users, articles)

    def draw(self, records: Column) -> tuple[Column, tuple[Column, Column, Column]]:
        """A sorted bucket with impressions and outcomes before its reads, and their pools: bounds, items, clicks."""
        kind = records["key"] & 7  # keys are time * 8 + kind
        reads = records[kind == READ]
        time = reads["key"] >> 3
        self._make_room(len(reads))
        head = int(self.state.sizes[_HEAD])
        self.time = np.concatenate([self.time[head:], time])
        self.item = np.concatenate([self.item[head:], reads["item"]])
        before = len(self.time) - len(reads)
        self.state.sizes[_HEAD] = 0
        pools = np.empty((len(reads), NEGATIVES + 1), np.int32)
        lengths = np.zeros(len(reads), np.int64)
        place = np.zeros(len(reads), np.int64)
        _draw(self.state, self.time, self.item, before, reads["user"].copy(), pools, lengths, place)
        drawn = np.flatnonzero(lengths)
        impressions, outcomes = reads[drawn], reads[drawn]
        impressions["key"] += IMPRESSION - READ
        outcomes["key"] += OUTCOME - READ
        # Which article was on screen is not known.
        impressions["item"] = outcomes["item"] = -1
        merged = np.concatenate([records, impressions, outcomes])
        merged = merged[np.argsort(merged["key"], kind="stable")]
        at = np.concatenate([[0], np.cumsum(lengths[drawn])])
        item = pools[drawn][np.arange(NEGATIVES + 1) < lengths[drawn][:, None]]
        clicked = np.zeros(len(item), bool)
        clicked[at[:-1] + place[drawn]] = True
        return merged, (at, item, clicked)

    def _make_room(self, reads: int) -> None:
        state = self.state
        size = len(state.pair)
        needed = 2 * (int(state.sizes[_PAIRS]) + reads)
        if size >= needed:
            return
        size = 1 << (needed - 1).bit_length()
        self.state = state._replace(pair=np.zeros(size, np.uint64), last=np.zeros(size, np.int64))
        _rehash(state.pair, state.last, self.state)


@kernel
def _find(state: Any, user: int, item: int) -> int:
    """The place of a pair, or the free one where it belongs."""
    word = ((np.uint64(user) << _32) | np.uint64(item)) + _ONE
    last = np.uint64(state.pair.size - 1)
    at = mix(word) & last
    while state.pair[at] != np.uint64(0) and state.pair[at] != word:
        at = (at + _ONE) & last
    return int64(at)


@kernel
def _remember(state: Any, user: int, item: int, time: int) -> None:
    at = _find(state, user, item)
    if state.pair[at] == np.uint64(0):
        state.pair[at] = ((np.uint64(user) << _32) | np.uint64(item)) + _ONE
        state.sizes[_PAIRS] += 1
    state.last[at] = time


@compiled
def _rehash(pair: Any, read: Any, state: Any) -> None:
    state.sizes[_PAIRS] = 0
    for i in range(pair.size):
        if pair[i] != np.uint64(0):
            word = pair[i] - _ONE
            _remember(state, int64(word >> _32), int64(word & np.uint64(0xFFFFFFFF)), read[i])


@compiled
def _remember_all(state: Any, users: Any, items: Any) -> None:
    """Everything anybody reads, with no time; every article is a candidate."""
    for i in range(users.size):
        _remember(state, int64(users[i]), int64(items[i]), -(1 << 62))
        _count(state, int64(items[i]))


@kernel
def _count(state: Any, item: int) -> None:
    if state.rank[item] < 0:
        state.rank[item] = state.sizes[_RANKS]
        state.sizes[_RANKS] += 1
    if state.reads[item] == 0:
        state.slot[item] = state.sizes[_ACTIVE]
        state.active[state.sizes[_ACTIVE]] = item
        state.sizes[_ACTIVE] += 1
    state.reads[item] += 1


@kernel
def _forget(state: Any, item: int) -> None:
    state.reads[item] -= 1
    if state.reads[item] == 0:
        state.sizes[_ACTIVE] -= 1
        moved = state.active[state.sizes[_ACTIVE]]
        state.active[state.slot[item]] = moved
        state.slot[moved] = state.slot[item]


@compiled
def _draw(state: Any, time: Any, item: Any, before: int, user: Any, pools: Any, lengths: Any, place: Any) -> None:
    leaking = state.kind == 2
    learned = before
    for i in range(user.size):
        now = time[before + i]
        while learned < before + i and time[learned] < now:  # reads of one instant do not see each other
            _learn(state, time, item, learned, before, user)
            learned += 1
        if not leaking:
            while state.sizes[_HEAD] < learned and time[state.sizes[_HEAD]] < now - WINDOW:
                _forget(state, int64(item[state.sizes[_HEAD]]))
                state.sizes[_HEAD] += 1
        number = state.sizes[_NUMBER]
        state.sizes[_NUMBER] += 1
        at = _find(state, int64(user[i]), int64(item[before + i]))
        if state.pair[at] != np.uint64(0) and now - state.last[at] <= REPEATED:
            continue
        count = _negatives(
            state, number, int64(user[i]), int64(item[before + i]), learned - state.sizes[_HEAD], item, pools[i]
        )
        if count == 0:
            continue
        where = below(count + 1, draw(state.key, number, -1))
        pools[i, count] = pools[i, where]
        pools[i, where] = item[before + i]
        place[i] = where
        lengths[i] = count + 1
    while learned < time.size:
        _learn(state, time, item, learned, before, user)
        learned += 1


@kernel
def _learn(state: Any, time: Any, item: Any, at: int, before: int, user: Any) -> None:
    if state.kind != 2:
        _count(state, int64(item[at]))
    _remember(state, int64(user[at - before]), int64(item[at]), time[at])


@kernel
def _negatives(state: Any, number: int, user: int, clicked: int, window: int, item: Any, pool: Any) -> int:
    """Draw up to 20 articles that the reader has not read into `pool`; returns how many."""
    active, head = state.sizes[_ACTIVE], state.sizes[_HEAD]
    count = 0
    tries = TRIES if active > 2 * NEGATIVES else 0
    for attempt in range(tries):
        if count == NEGATIVES:
            return count
        word = draw(state.key, number, attempt)
        chosen = (
            int64(item[head + below(window, word)]) if state.kind == 1 else int64(state.active[below(active, word)])
        )
        new = chosen != clicked and state.pair[_find(state, user, chosen)] == np.uint64(0)
        for j in range(count):
            new = new and pool[j] != chosen
        if new:
            pool[count] = chosen
            count += 1
    if count == NEGATIVES:
        return count
    # Few are left: look at all of them. Weighted draws without replacement are the smallest of exponential
    # variables (Efraimidis & Spirakis 2006); what was drawn above is drawn again.
    return _of_all(state, number, user, clicked, pool)


@kernel
def _of_all(state: Any, number: int, user: int, clicked: int, pool: Any) -> int:
    count = 0
    worst = 0.0
    floor = -1.0
    while count < NEGATIVES:
        # The next larger variable, again and again: no room for a heap is needed.
        best, nearest = np.inf, int64(-1)
        for i in range(state.sizes[_ACTIVE]):
            candidate = int64(state.active[i])
            word = draw(state.key, number, TRIES + state.rank[candidate])
            weight = float(state.reads[candidate]) if state.kind == 1 else 1.0
            worst = -log((float(word >> _11) + 1.0) / 9007199254740993.0) / weight
            nearer = floor < worst < best and candidate != clicked
            if nearer and state.pair[_find(state, user, candidate)] == np.uint64(0):
                best, nearest = worst, candidate
        if nearest < 0:
            return count
        pool[count] = nearest
        count += 1
        floor = best
    return count
