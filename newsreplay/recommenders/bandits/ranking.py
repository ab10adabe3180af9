"""The best k of scores that are worked out anew at every request."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import Column


class Ranking(NamedTuple):
    """Lists of articles by falling score; of equal ones the most recently read first, then the one known last."""

    item: Column  #: int32[lists, k]
    score: Column  #: float64[lists, k]
    size: Column  #: int64[lists]


def ranking(lists: int, k: int) -> Ranking:
    """Empty lists."""
    return Ranking(np.empty((lists, k), np.int32), np.empty((lists, k), np.float64), np.zeros(lists, np.int64))


@kernel
def clear(ranking: Any) -> None:
    """Empty all lists."""
    for which in range(ranking.size.size):
        ranking.size[which] = 0


@routine
def offer(ranking: Any, which: int, item: int, score: float, read_row: Any) -> None:
    """Enter an article into a list, unless k are better."""
    items, scores = ranking.item[which], ranking.score[which]
    place = int64(ranking.size[which])
    if place == items.size:
        place -= 1
        if not _better(item, score, items[place], scores[place], read_row):
            return
    else:
        ranking.size[which] += 1
    while place > 0 and _better(item, score, items[place - 1], scores[place - 1], read_row):
        items[place] = items[place - 1]
        scores[place] = scores[place - 1]
        place -= 1
    items[place] = item
    scores[place] = score


@kernel
def _better(item: int, score: float, other: int, other_score: float, read_row: Any) -> bool:
    if score != other_score:
        return score > other_score
    if read_row[item] != read_row[other]:
        return bool(read_row[item] > read_row[other])
    return item > other


@routine
def write_best(ranking: Any, slate: Any, read_row: Any, at_most: int) -> None:
    """Fill a slate from both lists, best first, with at most so many of the second before the first is exhausted."""
    first = second = int64(0)
    for place in range(slate.size):
        more_first = first < ranking.size[0]
        more_second = second < ranking.size[1] and (second < at_most or not more_first)
        if not (more_first or more_second):
            return
        if more_first and more_second:
            more_second = _better(
                ranking.item[1, second],
                ranking.score[1, second],
                ranking.item[0, first],
                ranking.score[0, first],
                read_row,
            )
        if more_second:
            slate[place] = ranking.item[1, second]
            second += 1
        else:
            slate[place] = ranking.item[0, first]
            first += 1
