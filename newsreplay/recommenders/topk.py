"""The best k of many articles whose scores change all the time.

A *shortlist* holds a few dozen articles; the *bar* is at least as high as every key outside it. A score that
falls costs nothing but the write; a score that rises past the bar enters the shortlist. Whoever asks for
the best k scans the shortlist, forgets those that fell below the bar, and only when fewer than needed are
left is the shortlist made anew from all ranked articles. Answers are exact at every moment.

Keys order by score, then by last read: `score << 32 | row`. A row is read once, so no two keys are equal,
and the design's last tie rule (became known last) is never needed among articles that have been read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.simulator.kernels import kernel
from newsreplay.simulator.log import Column

UNRANKED = np.int64(-(2**63))  #: the key of an article that must not be recommended


class Top(NamedTuple):
    """All ranked articles with their keys, and the shortlist of the best."""

    key: Column  #: int64[articles], score << 32 | row of the last read, or UNRANKED
    place: Column  #: int32[articles], position in the shortlist, -1 = outside
    listed: Column  #: bool[articles], whether the article stands in `ranked`
    ranked: Column  #: int32[articles], every article with a key, and some that have lost it
    shortlist: Column  #: int32[m]
    counts: Column  #: int64[2]: articles in the shortlist, in `ranked`
    bar: Column  #: int64[1], no key outside the shortlist is higher
    best: Column  #: int64[k], scratch: keys of the slate being filled
    sorting: Column  #: int64[articles], scratch: all keys, while the shortlist is made anew


def top(articles: int, k: int) -> Top:
    """Nothing ranked yet, room for slates of k."""
    return Top(
        np.full(articles, UNRANKED),
        np.full(articles, -1, np.int32),
        np.zeros(articles, np.bool_),
        np.empty(articles, np.int32),
        np.empty(max(16, 4 * (k + 1)), np.int32),
        np.zeros(2, np.int64),
        np.full(1, UNRANKED),
        np.empty(k, np.int64),
        np.empty(articles, np.int64),
    )


@kernel
def raise_key(top: Any, item: int, key: int) -> None:
    """Give an article a key that may be higher than before."""
    top.key[item] = key
    if not top.listed[item]:
        top.listed[item] = True
        top.ranked[top.counts[1]] = item
        top.counts[1] += 1
    if top.place[item] < 0 and key > top.bar[0]:
        _enter(top, item)


@kernel
def _enter(top: Any, item: int) -> None:
    """Take an article above the bar into the shortlist, at the cost of its lowest if it is full."""
    size = top.counts[0]
    if size < top.shortlist.size:
        top.shortlist[size] = item
        top.place[item] = size
        top.counts[0] = size + 1
        return
    lowest, lowest_key = 0, top.key[top.shortlist[0]]
    for i in range(1, size):
        key = top.key[top.shortlist[i]]
        if key < lowest_key:
            lowest, lowest_key = i, key
    if top.key[item] < lowest_key:
        top.bar[0] = top.key[item]
        return
    top.bar[0] = max(top.bar[0], lowest_key)
    top.place[top.shortlist[lowest]] = -1
    top.shortlist[lowest] = item
    top.place[item] = lowest


@kernel
def best(top: Any, current: int, slate: Any) -> None:
    """Fill `slate` with the highest keys, the current article excepted."""
    if _scan(top, current, slate) < slate.size and top.bar[0] > UNRANKED:
        _renew(top)
        _scan(top, current, slate)


@kernel
def _scan(top: Any, current: int, slate: Any) -> int:
    """Drop from the shortlist what fell below the bar, fill the slate from the rest; returns its length.

    On the way, neighbours in the wrong order change places: the shortlist stays nearly sorted, so that slates
    fill up from its beginning and the processor foresees that the rest is passed over.
    """
    filled = 0
    i = 0
    before = UNRANKED
    while i < top.counts[0]:
        item = top.shortlist[i]
        key = top.key[item]
        if key <= top.bar[0]:
            top.counts[0] -= 1
            last = top.shortlist[top.counts[0]]
            top.shortlist[i] = last
            top.place[last] = i
            top.place[item] = -1
            continue
        if key > before and i > 0:
            other = top.shortlist[i - 1]
            top.shortlist[i - 1], top.shortlist[i] = item, other
            top.place[item], top.place[other] = i - 1, i
        else:
            before = key
        i += 1
        if item == current or (filled == slate.size and key < top.best[filled - 1]):
            continue
        if filled < slate.size:
            filled += 1
        place = filled - 1
        while place > 0 and top.best[place - 1] < key:
            top.best[place] = top.best[place - 1]
            slate[place] = slate[place - 1]
            place -= 1
        top.best[place] = key
        slate[place] = item
    return filled


@kernel
def _renew(top: Any) -> None:
    """Make the shortlist anew from all ranked articles."""
    for i in range(top.counts[0]):
        top.place[top.shortlist[i]] = -1
    size = 0
    for i in range(top.counts[1]):
        item = top.ranked[i]
        if top.key[item] == UNRANKED:
            top.listed[item] = False
        else:
            top.ranked[size] = item
            size += 1
    top.counts[1] = size
    top.bar[0] = UNRANKED
    if size > top.shortlist.size:
        for i in range(size):
            top.sorting[i] = top.key[top.ranked[i]]
        # The bar becomes the highest key that does not fit.
        top.bar[0] = _smallest(top.sorting, size, size - top.shortlist.size - 1)
    top.counts[0] = 0
    for i in range(size):
        item = top.ranked[i]
        if top.key[item] > top.bar[0]:
            top.shortlist[top.counts[0]] = item
            top.place[item] = top.counts[0]
            top.counts[0] += 1


@kernel
def _smallest(keys: Any, size: int, rank: int) -> int:
    """The key of rank `rank` from below, from 0, among the first `size` (Hoare's quickselect, in place)."""
    low, high = 0, size - 1
    while low < high:
        pivot = keys[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    found: int = keys[rank]
    return found
