"""The arms of a bandit: articles alive, how often each was tried and how often it won, within a window of hours.

Where outcomes of impressions are known, a trial is an outcome that lists the article, and a click wins it. In a log of
reads alone every read is a trial of all articles known by then, won by the one that was read: an article's rate is
its share of the reads since it became known.

The window is the hour that the clock shows and the `hours` - 1 full ones before it (UTC), so that counts are whole
numbers which leave hour by hour. An article is alive if it became known, was read or was listed by an outcome in the
window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import HOUR, OUTCOME, READ, Column
from newsreplay.recommenders.base import Sizes

# What is counted of an article.
SHOWN, CLICKED, READS = 0, 1, 2
# What the clock shows: the hour, articles alive, articles known, reads so far, outcomes so far, the time (ms).
NOW, ALIVE, KNOWN, SO_FAR, OUTCOMES, TIME = range(6)
_NEVER = np.int64(-(2**62))


class Arms(NamedTuple):
    """Articles alive, and what is counted of them."""

    clock: Column  #: int64[6]
    item: Column  #: int32[articles], the articles alive, in no order
    place: Column  #: int32[articles], where an article stands in `item`, -1 = not there
    touched: Column  #: int64[articles], the last hour that it is alive for
    born: Column  #: int64[articles], reads before it became known
    read_row: Column  #: int64[articles], row of the last read, -1 = none
    hourly: Column  #: int32[articles, hours, 3], by hour modulo `hours`
    counts: Column  #: int64[articles, 3], in the window
    total: Column  #: int64[3], of all articles


def arms(sizes: Sizes, hours: int) -> Arms:
    """No articles yet, and a window of so many hours."""
    n = sizes.articles
    clock = np.zeros(6, np.int64)
    clock[[NOW, TIME]] = _NEVER
    return Arms(
        clock,
        np.empty(n, np.int32),
        np.full(n, -1, np.int32),
        np.empty(n, np.int64),
        np.zeros(n, np.int64),
        np.full(n, -1, np.int64),
        np.zeros((n, hours, 3), np.int32),
        np.zeros((n, 3), np.int64),
        np.zeros(3, np.int64),
    )


@kernel
def advance(arms: Any, time: int) -> None:
    """Let the clock show `time`: forget the hours, and the articles, that are no longer in the window.

    It never goes back: a row that is learned late is of an earlier time.
    """
    arms.clock[TIME] = max(arms.clock[TIME], time)
    hour = time // HOUR
    if hour > arms.clock[NOW]:
        _forget(arms, hour)


@routine
def _forget(arms: Any, hour: int) -> None:
    hours = arms.hourly.shape[1]
    now = int64(arms.clock[NOW])
    arms.clock[NOW] = hour
    for leaving in range(max(now + 1, hour - hours + 1), hour + 1):  # the hours that take their places
        place = leaving % hours
        for i in range(arms.clock[ALIVE]):
            item = arms.item[i]
            for what in range(3):
                arms.counts[item, what] -= arms.hourly[item, place, what]
                arms.total[what] -= arms.hourly[item, place, what]
                arms.hourly[item, place, what] = 0
    i = int64(0)
    while i < arms.clock[ALIVE]:
        item = arms.item[i]
        if arms.touched[item] > hour - hours:
            i += 1
            continue
        arms.clock[ALIVE] -= 1
        last = arms.item[arms.clock[ALIVE]]
        arms.item[i] = last
        arms.place[last] = i
        arms.place[item] = -1


@kernel
def count_row(arms: Any, event: Any) -> None:
    """Take in a row: a new article, a read, or the outcome of an impression."""
    advance(arms, event.time)
    item, hour = int64(event.item), event.time // HOUR
    if item >= arms.clock[KNOWN]:
        arms.clock[KNOWN] = item + 1
        arms.born[item] = arms.clock[SO_FAR]
        _touch(arms, item, hour)
    if event.kind >= READ:
        arms.clock[SO_FAR] += 1
        arms.read_row[item] = event.row
        _count(arms, item, int64(READS), hour)
    elif event.kind == OUTCOME:
        arms.clock[OUTCOMES] += 1
        for i in range(len(event.pool)):
            candidate = int64(event.pool[i])
            _count(arms, candidate, int64(SHOWN), hour)
            if event.clicked[i]:
                _count(arms, candidate, int64(CLICKED), hour)


@kernel
def _touch(arms: Any, item: int, hour: int) -> None:
    if arms.place[item] < 0:
        arms.touched[item] = hour
        arms.place[item] = arms.clock[ALIVE]
        arms.item[arms.clock[ALIVE]] = item
        arms.clock[ALIVE] += 1
    else:
        arms.touched[item] = max(arms.touched[item], hour)


@routine
def _count(arms: Any, item: int, what: int, hour: int) -> None:
    if hour <= arms.clock[NOW] - arms.hourly.shape[1]:  # learned so late that it has left the window
        return
    _touch(arms, item, hour)
    arms.hourly[item, hour % arms.hourly.shape[1], what] += 1
    arms.counts[item, what] += 1
    arms.total[what] += 1


@kernel
def wins_of(arms: Any, item: int) -> int:
    """How many trials of an article in the window were won."""
    return int64(arms.counts[item, CLICKED] if arms.clock[OUTCOMES] > 0 else arms.counts[item, READS])


@kernel
def trials_of(arms: Any, item: int) -> int:
    """How often an article was tried in the window."""
    if arms.clock[OUTCOMES] > 0:
        return int64(arms.counts[item, SHOWN])
    return int64(min(arms.clock[SO_FAR] - arms.born[item], arms.total[READS]))


@kernel
def rounds(arms: Any) -> int:
    """How many trials there were in the window; a read, which tries all articles, is one."""
    return int64(arms.total[SHOWN] if arms.clock[OUTCOMES] > 0 else arms.total[READS])


@kernel
def mean_rate(arms: Any) -> float:
    """What share of its trials an article wins on average, above 0 and at most one half.

    Of reads alone, 1 / (articles alive + 1).
    """
    if arms.clock[OUTCOMES] > 0:
        return float(min(0.5, (arms.total[CLICKED] + 1) / (arms.total[SHOWN] + 2)))
    return float(min(0.5, 1 / (arms.clock[ALIVE] + 1)))
