"""Sessions as they unfold, and for every article the sessions that hold it: where session neighbours are found.

A session is in the index from its first read on, with the reads it has had so far, until `hours` have passed since it
began. It holds its last `length` distinct articles, each at the place of its latest read. An article lists the
sessions that hold it in the order in which they came to do so, and at most the last `sample` of them are looked at.
What is kept is thus bounded by the sessions that began within the hours, and what a read costs by `length` and, where
its session drops an article, by `sample`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.growing import enlarged, ring_with_room
from newsreplay.log.rows import HISTORY, HOUR, READ, Column
from newsreplay.recommenders.base import Sizes

BITS = 31  #: of the session in an entry of a list; above them stands the number of the entry
SESSION = (1 << BITS) - 1
LOG_SCALE = float(1 << 20)  #: logarithms are whole multiples of 2^-20: sums and ties are exact
LEVELS = 40


class SessionIndex(NamedTuple):
    """The sessions that began within the window, as a ring, and the articles' lists of them."""

    window: int  #: ms that a session is in the index for
    half_life: int  #: ms in which the weight of a session halves; 0 = sessions have no weights
    sample: int  #: entries of a list that are looked at
    widest: int  #: level of the widest stretch, 2^widest >= sample
    number: Column  #: int64[sessions], 1 + the number under which a session entered the index last; 0 = none
    begun: Column  #: int64[capacity, a power of two], ms: the session's first read, by its number
    latest: Column  #: int64[capacity], ms: its last read
    articles: Column  #: int32[capacity, length], what it holds, in the order of the latest reads
    size: Column  #: int64[capacity], how many that are
    weight: Column  #: int64[capacity], its weight, see `weight_of`
    ends: Column  #: int64[4]: sessions gone, sessions begun, entries made, base of the weights
    start: Column  #: int64[articles], where an article's stretch of the pool begins
    level: Column  #: int64[articles], it has 2^level places; -1 = no list
    listed: Column  #: int64[articles], entries ever made in the list; it goes round in a stretch of the widest
    holders: Column  #: int64[articles], sessions in the index that hold the article
    log_holders: Column  #: int64[articles], the logarithm of that number, times 2^20
    mass: Column  #: int64[articles], the sum of their weights
    entry: Column  #: int64[pool], entry number << 31 | 1 + session number; session 0 = it holds the article no more
    free: Column  #: int64[40]: by level the first free stretch, -1 = none
    used: Column  #: int64[1]: places of the pool ever taken
    read_row: Column  #: int64[articles], row of the last read


def session_index(sizes: Sizes, hours: int, length: int, sample: int, half_life: int = 0) -> SessionIndex:
    """An empty index: sessions stay for `hours`, with `length` articles each, and `sample` sessions an article.

    `half_life`: hours in which their weight halves; 0 = they have none.
    """
    n = sizes.articles
    return SessionIndex(
        hours * HOUR,
        half_life * HOUR,
        sample,
        (sample - 1).bit_length(),
        np.zeros(sizes.sessions, np.int64),
        np.empty(1, np.int64),
        np.empty(1, np.int64),
        np.empty((1, length), np.int32),
        np.empty(1, np.int64),
        np.empty(1, np.int64),
        np.zeros(4, np.int64),
        np.zeros(n, np.int64),
        np.full(n, -1, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n if half_life else 1, np.int64),
        np.empty(1, np.int64),
        np.full(LEVELS, -1, np.int64),
        np.zeros(1, np.int64),
        np.zeros(n, np.int64),
    )


def room(index: SessionIndex, reads: int) -> SessionIndex:
    """The index with room for `reads` more reads."""
    begin, end = int(index.ends[0]), int(index.ends[1])
    # A read takes a place in a new list, or a stretch twice as wide as the full one that its list leaves; full
    # stretches together are no longer than what is used.
    used = int(index.used[0])
    pool = 3 * used + 4 * reads
    entry = index.entry if pool <= index.entry.size else enlarged(index.entry[:used], 2 * pool, None)
    return index._replace(
        begun=ring_with_room(index.begun, begin, end, reads),
        latest=ring_with_room(index.latest, begin, end, reads),
        articles=ring_with_room(index.articles, begin, end, reads),
        size=ring_with_room(index.size, begin, end, reads),
        weight=ring_with_room(index.weight, begin, end, reads),
        entry=entry,
    )


@routine
def advance(index: Any, now: int) -> None:
    """Let the sessions go whose time in the index is over."""
    mask = index.begun.size - 1
    number = index.ends[0]
    while number < index.ends[1] and now - index.begun[number & mask] >= index.window:
        for place in range(index.size[number & mask]):
            _let_go(index, number & mask, int64(index.articles[number & mask, place]))
        number += 1
    index.ends[0] = number
    if index.half_life > 0:
        _move_base(index, (now - index.window) // index.half_life)


@kernel
def _move_base(index: Any, base: int) -> None:
    """Halve all weights once a half-life; what is left began after the base, so the shift is exact."""
    shift = base - index.ends[3]
    if shift < 0 and index.ends[0] < index.ends[1]:  # a read that is learned late
        return
    index.ends[3] = base
    if shift <= 0 or index.ends[0] == index.ends[1]:
        return
    for number in range(index.ends[0], index.ends[1]):
        index.weight[number & (index.begun.size - 1)] >>= shift
    for item in range(index.mass.size):
        index.mass[item] >>= shift


@kernel
def weight_of(index: Any, time: int) -> int:
    """The weight of a session that began at a time: 2^((time - base) / half-life), times 2^16 and rounded."""
    part = math.pow(2.0, np.float64(time % index.half_life) / np.float64(index.half_life))
    # One that began before the base, since it is learned late, goes before its weight is looked at.
    weight: int = int64(np.rint(65536.0 * part)) << max(int64(0), time // index.half_life - index.ends[3])
    return weight


@kernel
def number_of(index: Any, session: int) -> int:
    """The number of a session; -1 where it is not in the index."""
    number: int = index.number[session] - 1
    return number if number >= index.ends[0] else int64(-1)


@routine
def learn_read(index: Any, event: Any) -> None:
    """Put the article of a read at the end of its session."""
    if event.kind < READ:
        return
    index.read_row[event.item] = event.row
    if event.kind == HISTORY:  # from before the log: in no session
        return
    advance(index, event.time)
    number = number_of(index, event.session)
    slot = number & (index.begun.size - 1)
    if number < 0:
        number = index.ends[1]
        slot = number & (index.begun.size - 1)
        index.ends[1] += 1
        index.number[event.session] = number + 1
        index.begun[slot] = event.time
        index.size[slot] = 0
        index.weight[slot] = weight_of(index, event.time) if index.half_life > 0 else int64(0)
    index.latest[slot] = event.time
    last, place = index.size[slot] - 1, int64(0)
    while place <= last and index.articles[slot, place] != event.item:
        place += 1
    if place > last:
        _hold(index, number, event.item)
        if last + 1 < index.articles.shape[1]:
            index.size[slot] = last + 2
            index.articles[slot, last + 1] = event.item
            return
        place = int64(0)
        _strike(index, number, int64(index.articles[slot, 0]))
    while place < last:
        index.articles[slot, place] = index.articles[slot, place + 1]
        place += 1
    index.articles[slot, last] = event.item


@routine
def _hold(index: Any, number: int, item: int) -> None:
    """Enter a session at the end of an article's list; stretches double up to the widest, which goes round."""
    level = index.level[item]
    if level < 0:
        index.start[item] = _take_stretch(index, int64(0))
        index.level[item] = 0
        index.listed[item] = 0
    elif level < index.widest and index.listed[item] == int64(1) << level:
        start, wider = index.start[item], _take_stretch(index, level + 1)
        for i in range(index.listed[item]):
            index.entry[wider + i] = index.entry[start + i]
        _give_stretch(index, start, level)
        index.start[item] = wider
        index.level[item] = level + 1
    place = index.listed[item] & ((int64(1) << index.level[item]) - 1)
    index.entry[index.start[item] + place] = (index.ends[2] << BITS) | (number + 1)
    index.ends[2] += 1
    index.listed[item] += 1
    _count(index, number & (index.begun.size - 1), item, int64(1))


@routine
def _strike(index: Any, number: int, item: int) -> None:
    """Strike a session out of the list of the article that it holds no more."""
    width = int64(1) << index.level[item]
    for i in range(index.start[item], index.start[item] + min(width, index.listed[item])):
        if index.entry[i] & SESSION == number + 1:
            index.entry[i] -= number + 1
    _let_go(index, number & (index.begun.size - 1), item)


@kernel
def _let_go(index: Any, slot: int, item: int) -> None:
    """A session holds an article no more; a list of none goes."""
    _count(index, slot, item, int64(-1))
    if index.holders[item] == 0:
        _give_stretch(index, index.start[item], index.level[item])
        index.level[item] = -1


@kernel
def _count(index: Any, slot: int, item: int, change: int) -> None:
    index.holders[item] += change
    if index.half_life > 0:
        index.mass[item] += change * index.weight[slot]
    if index.holders[item] > 0:
        index.log_holders[item] = log_of(index.holders[item])


@kernel
def log_of(count: int) -> int:
    """The logarithm of a number, as a whole multiple of 2^-20."""
    return int64(np.rint(LOG_SCALE * math.log(count)))


@kernel
def _take_stretch(index: Any, level: int) -> int:
    start: int = index.free[level]
    if start >= 0:
        index.free[level] = index.entry[start]
        return start
    start = index.used[0]
    index.used[0] = start + (int64(1) << level)
    return start


@kernel
def _give_stretch(index: Any, start: int, level: int) -> None:
    """Free stretches of one level form a list through their first place."""
    index.entry[start] = index.free[level]
    index.free[level] = start
