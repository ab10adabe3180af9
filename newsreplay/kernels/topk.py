"""The best k of many articles whose scores change all the time.

A *shortlist* holds a few dozen articles; the *bar* is at least as high as every key outside it. The shortlist
is sorted by a bound on each article's key: the key when it was last looked at. A score that falls costs nothing
but the write, and makes the bound generous; a score that rises takes its article up the list, or past the bar
into it. The best k are found by a walk from the top: an article whose key has fallen below its bound sinks to
where it belongs, one whose bound is its key is the next best. Only when too few are left above the bar is the
shortlist made anew from all ranked articles. Answers are exact at every moment.

Keys order by score, then by last read: `score << 32 | row`. A row is read once, so no two keys are equal,
and the design's last tie rule (became known last) is never needed among articles that have been read.

Articles and places are made numbers of one type (`int64`) before they are handed on: numba compiles a kernel, and all
that it calls, once for every combination of types that it meets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import Column

UNRANKED = np.int64(-(2**63))  #: the key of an article that must not be recommended


class Top(NamedTuple):
    """All ranked articles with their keys, and the shortlist of the best."""

    key: Column  #: int64[articles], score << 32 | row of the last read, or UNRANKED
    place: Column  #: int32[articles], position in the shortlist, -1 = outside
    listed: Column  #: bool[articles], whether the article stands in `ranked`
    ranked: Column  #: int32[articles], every article with a key, and some that have lost it
    shortlist: Column  #: int32[m], by falling bound
    bound: Column  #: int64[m], no key in the shortlist is higher than its bound
    counts: Column  #: int64[2]: articles in the shortlist, in `ranked`
    bar: Column  #: int64[1], no key outside the shortlist is higher
    sorting: Column  #: int64[articles], scratch: all keys, while the shortlist is made anew


def top(articles: int, k: int) -> Top:
    """Nothing ranked yet, room for slates of k."""
    room = max(16, 4 * (k + 1))
    return Top(
        np.full(articles, UNRANKED),
        np.full(articles, -1, np.int32),
        np.zeros(articles, np.bool_),
        np.empty(articles, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.int64),
        np.zeros(2, np.int64),
        np.full(1, UNRANKED),
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
    place = int64(top.place[item])
    if place >= 0:
        if key > top.bound[place]:
            _rise(top, place, item, key)
    elif key > top.bar[0]:
        _enter(top, item, key)


@kernel
def _put(top: Any, place: int, item: int, bound: int) -> None:
    top.shortlist[place] = item
    top.bound[place] = bound
    top.place[item] = place


@kernel
def _rise(top: Any, place: int, item: int, key: int) -> None:
    """Move an article up past all lower bounds; `place` is where it stands, or the end."""
    while place > 0 and top.bound[place - 1] < key:
        _put(top, place, int64(top.shortlist[place - 1]), top.bound[place - 1])
        place -= 1
    _put(top, place, item, key)


@kernel
def _sink(top: Any, place: int, item: int, key: int) -> None:
    """Move an article down past all higher bounds, or out if it has fallen below the bar."""
    last = top.counts[0] - 1
    out = key <= top.bar[0]
    while place < last and (out or top.bound[place + 1] > key):
        _put(top, place, int64(top.shortlist[place + 1]), top.bound[place + 1])
        place += 1
    if out:
        top.counts[0] = last
        top.place[item] = -1
    else:
        _put(top, place, item, key)


@kernel
def _enter(top: Any, item: int, key: int) -> None:
    """Take an article above the bar into the shortlist, at the cost of its last if it is full."""
    if top.counts[0] == top.shortlist.size:
        last = top.shortlist[top.counts[0] - 1]
        top.counts[0] -= 1
        top.place[last] = -1
        top.bar[0] = max(top.bar[0], top.key[last])
        if key <= top.bar[0]:
            return
    top.counts[0] += 1
    _rise(top, top.counts[0] - 1, item, key)


@kernel
def best(top: Any, current: int, slate: Any) -> None:
    """Fill `slate` with the highest keys, the current article excepted."""
    if _walk(top, current, slate) < slate.size and top.bar[0] > UNRANKED:
        _renew(top)
        _walk(top, current, slate)


@kernel
def _walk(top: Any, current: int, slate: Any) -> int:
    """Fill the slate from the top of the shortlist; returns its length."""
    filled = 0
    place = 0
    while place < top.counts[0] and filled < slate.size:
        item = int64(top.shortlist[place])
        key = top.key[item]
        if key < top.bound[place]:
            _sink(top, place, item, key)
            continue
        if item != current:
            slate[filled] = item
            filled += 1
        place += 1
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
        top.bar[0] = smallest(top.sorting, size, size - top.shortlist.size - 1)
    top.counts[0] = 0
    for i in range(size):
        item = int64(top.ranked[i])
        if top.key[item] > top.bar[0]:
            top.counts[0] += 1
            _rise(top, top.counts[0] - 1, item, top.key[item])


@kernel
def smallest(keys: Any, size: int, rank: int) -> int:
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
    smallest: int = keys[rank]
    return smallest
