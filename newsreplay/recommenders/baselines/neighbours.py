"""Session neighbours: the evolving session, the sample of sessions that share an article with it, the nearest of them.

The evolving session is that of the request as far as it is learned, with the article on screen as its last. Its sample
are the sessions that came to hold one of its articles last; their similarity is the sum of the weights of the articles
under which the index lists them. All weights are whole numbers, so that sums are exact and ties are ties.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.kernels.topk import smallest
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import Sizes
from newsreplay.recommenders.baselines import session_index
from newsreplay.recommenders.baselines.session_index import SESSION, SessionIndex, number_of

SCALE = (
    720_720  #: the least common multiple of 1 … 16, so that a weight of linear and div is a whole number of 1 / SCALE
)
LONGEST = 16  #: articles of a session that can be told apart
LARGEST = (1 << 16) - 1  #: sample; its sums stay below 2^63
DECAYS = ("linear", "div", "same")


def decay_table(name: str, decay: object, length: int) -> Column:
    """int64[length, length]: in row n - 1, the weights in a session of n articles, the last article's first.

    In units of 1 / `SCALE`, and exact: `linear` is position / n, `div` is 1 / (1 + steps back), `same` is 1. Raises
    `SpecError` for another `decay`, as the value of the parameter `name`.
    """
    if decay not in DECAYS:
        raise SpecError(f"{name} must be one of {', '.join(DECAYS)}, not {decay!r}")
    n, back = np.arange(1, length + 1)[:, None], np.arange(length)[None, :]
    weights: dict[str, Any] = {"linear": (n - back) * (SCALE // n), "div": SCALE // (1 + back), "same": SCALE}
    table: Column = np.where(back < n, weights[str(decay)], 0).astype(np.int64)
    return table


MET = 0  #: number of the last search in which a session was met
SIMILARITY = 1  #: its similarity in that search, or so far
COMMON = 2  #: how many steps back in the evolving session the most recent article stands that it shares


class Neighbours(NamedTuple):
    """Scratch of a search."""

    tally: Column  #: int64[capacity, 4], of a session: `MET`, `SIMILARITY`, `COMMON`, and a place that keeps to lines
    search: Column  #: int64[1], number of the search
    own: Column  #: int32[length], the evolving session, the last article first
    weight: Column  #: int64[length], what sharing each of its articles adds
    begin: Column  #: int64[length], where the lists of its articles begin in the pool
    mask: Column  #: int64[length], the lengths of their stretches - 1
    left: Column  #: int64[length], the entry of each list that comes next …
    floor: Column  #: int64[length], … and the last one that is looked at
    met: Column  #: int64[sample], the sessions of the sample, as places of the ring, most recent first
    key: Column  #: int64[sample], similarity << 16 | how recent
    sorting: Column  #: int64[sample]
    score: Column  #: int64[articles], 0 where there is none
    seen: Column  #: int32[articles + 1], the articles with a score
    best: Column  #: float64[k], the scores of the slate


def neighbours(sizes: Sizes, length: int, sample: int) -> Neighbours:
    """Scratch for searches of `sample` sessions by sessions of `length` articles."""
    n = sizes.articles
    return Neighbours(
        tally=np.zeros((1, 4), np.int64),
        search=np.zeros(1, np.int64),
        own=np.zeros(length, np.int32),
        weight=np.zeros(length, np.int64),
        begin=np.zeros(length, np.int64),
        mask=np.zeros(length, np.int64),
        left=np.zeros(length, np.int64),
        floor=np.zeros(length, np.int64),
        met=np.zeros(sample, np.int64),
        key=np.zeros(sample, np.int64),
        sorting=np.zeros(sample, np.int64),
        score=np.zeros(n, np.int64),
        seen=np.zeros(n + 1, np.int32),
        best=np.zeros(sizes.k),
    )


def with_room(index: SessionIndex, near: Neighbours, reads: int) -> tuple[SessionIndex, Neighbours]:
    """The index and the scratch with room for `reads` more reads."""
    index = session_index.room(index, reads)
    if len(near.tally) != index.begun.size:
        near = near._replace(tally=np.zeros((index.begun.size, 4), np.int64))
    return index, near


@kernel
def learn(state: Any, event: Any) -> None:
    """Put a read at the end of its session."""
    session_index.learn_read(state.sessions, event)


@routine
def evolving(index: Any, near: Any, request: Any) -> int:
    """Write the articles of the evolving session, the last first; returns how many there are."""
    count = int64(0)
    if request.item >= 0:
        near.own[0] = request.item
        count = int64(1)
    number = number_of(index, request.session)
    if number < 0:
        return count
    slot = number & (index.begun.size - 1)
    place = index.size[slot] - 1
    while place >= 0 and count < near.own.size:
        if index.articles[slot, place] != request.item:
            near.own[count] = index.articles[slot, place]
            count += 1
        place -= 1
    return count


@kernel
def _meet(index: Any, near: Any, number: int, back: int, search: int, met: int) -> int:
    """Count a session that shares the article `back` steps back; returns how many have been met in this search."""
    slot = number & (index.begun.size - 1)
    if near.tally[slot, MET] != search:
        near.tally[slot, MET] = search
        near.tally[slot, SIMILARITY] = near.weight[back]
        near.tally[slot, COMMON] = back
        near.met[met] = slot
        return met + 1
    near.tally[slot, SIMILARITY] += near.weight[back]
    near.tally[slot, COMMON] = min(near.tally[slot, COMMON], back)
    return met


@routine
def sample(index: Any, near: Any, session: int, count: int, limit: int) -> int:
    """Find the `limit` sessions that came to hold one of `count` articles last; returns how many there are.

    The lists are walked together, the most recent entry first, and no further than the sample takes; what is left of
    them is looked through for other articles of sessions that are in it.
    """
    search = near.search[0] + 1
    near.search[0] = search
    own, gone = number_of(index, session), index.ends[0]
    for back in range(count):
        item = near.own[back]
        level = max(index.level[item], int64(0))
        near.begin[back] = index.start[item]
        near.mask[back] = (int64(1) << level) - 1
        near.left[back] = index.listed[item] - 1 if index.level[item] >= 0 else int64(-1)
        near.floor[back] = max(int64(0), near.left[back] + 1 - min(index.sample, int64(1) << level))
    met = int64(0)
    while met < limit:
        newest, second, most = int64(-1), int64(-1), int64(-1)
        for back in range(count):
            if near.left[back] >= near.floor[back]:
                head = index.entry[near.begin[back] + (near.left[back] & near.mask[back])]
                if head > most:
                    second = most
                    newest, most = int64(back), head
                elif head > second:
                    second = head
        if newest < 0:
            break
        begin, mask, floor = near.begin[newest], near.mask[newest], near.floor[newest]
        left, entry = near.left[newest], most
        while entry > second and met < limit:
            number = (entry & SESSION) - 1
            if number >= gone and number != own:
                met = _meet(index, near, number, newest, search, met)
            left -= 1
            entry = index.entry[begin + (left & mask)] if left >= floor else int64(-1)
        near.left[newest] = left
    if count > 1:
        for back in range(count):
            _look_through(index, near, back)
    return met


@kernel
def _look_through(index: Any, near: Any, back: int) -> None:
    """Add the rest of a list to the similarities of sessions that have been met."""
    begin, mask, search, gone = near.begin[back], near.mask[back], near.search[0], index.ends[0]
    weight = near.weight[back]
    for left in range(near.floor[back], near.left[back] + 1):
        number = (index.entry[begin + (left & mask)] & SESSION) - 1
        slot = number & (index.begun.size - 1)
        if number >= gone and near.tally[slot, MET] == search:
            near.tally[slot, SIMILARITY] += weight
            near.tally[slot, COMMON] = min(near.tally[slot, COMMON], int64(back))


@routine
def nearest(near: Any, met: int, neighbours: int) -> int:
    """Keep the most similar sessions of the sample, the more recent among equals; returns how many."""
    if met <= neighbours:
        return met
    for i in range(met):
        near.key[i] = near.tally[near.met[i], SIMILARITY] << 16 | (met - i)
        near.sorting[i] = near.key[i]
    least = smallest(near.sorting, met, met - neighbours)
    kept = int64(0)
    for i in range(met):
        near.met[kept] = near.met[i]
        kept += int64(near.key[i] >= least)
        if kept == neighbours:
            break
    return kept


@kernel
def leave_out(near: Any, count: int) -> None:
    """Take the scores of the evolving session's own articles away."""
    for back in range(count):
        near.score[near.own[back]] = 0


@kernel
def clear(near: Any, seen: int) -> None:
    """Take all scores away, for the next search."""
    for i in range(seen):
        near.score[near.seen[i]] = 0


@kernel
def add(near: Any, item: int, weight: int, seen: int) -> int:
    """Add to an article's score; returns how many articles have one."""
    near.seen[seen] = item
    seen += int64(near.score[item] == 0)
    near.score[item] += weight
    return seen


@kernel
def rank(index: Any, near: Any, slate: Any, filled: int, item: int, value: float) -> int:
    """Put an article into the slate where it belongs, if it does; returns the slate's length."""
    row = index.read_row[item]
    if filled == slate.size:
        last = near.best[filled - 1]
        if value < last or (value == last and row < index.read_row[slate[filled - 1]]):
            return filled
    else:
        filled += 1
    place = filled - 1
    while place > 0 and (
        near.best[place - 1] < value or (near.best[place - 1] == value and index.read_row[slate[place - 1]] < row)
    ):
        slate[place] = slate[place - 1]
        near.best[place] = near.best[place - 1]
        place -= 1
    slate[place] = item
    near.best[place] = value
    return filled
