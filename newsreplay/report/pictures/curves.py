"""The numbers behind the pictures of a data set: whole counts over the columns of a log, no drawing.

Functions take the columns of a log's read rows, in log order, and are vectorised: ten million reads are a
matter of seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import DAY, HOUR, READ, Column, Log

MINUTE = 60_000  #: milliseconds
YEAR = 365 * DAY

#: ms; every age of a whole unit that is asked for by name, and 40 steps per decade from a minute to 10,000 years,
#: rounded to whole minutes. The same for all data sets, so that their tables can be laid side by side.
AGES: Column = np.unique(
    np.concatenate(
        [
            np.rint(10 ** np.arange(0, np.log10(10_000 * YEAR / MINUTE), 0.025)).astype(np.int64) * MINUTE,
            [
                10 * MINUTE,
                HOUR,
                2 * HOUR,
                6 * HOUR,
                12 * HOUR,
                DAY,
                2 * DAY,
                4 * DAY,
                7 * DAY,
                30 * DAY,
                YEAR,
                10_000 * YEAR,
            ],
        ]
    )
)
POINTS = 200  #: at most so many along a popularity curve


class Curves(NamedTuple):
    """What the pictures tell about one publisher. Counts are of reads unless they say otherwise."""

    name: str
    reads: int
    width: int  #: ms, of the bins
    bins: Column  #: int64, ms since the epoch: when each hour or day of `over_time` begins, without gaps
    over_time: Column  #: int64[bins]
    by_hour: Column  #: int64[24], by hour of day, UTC
    lengths: Column  #: int64, the session lengths that occur, ascending
    sessions_with: Column  #: int64[lengths], sessions with at least so many reads; the first is all of them
    ages: Column  #: int64, ms, the beginning of `AGES` up to the first that no read exceeds
    read_by: Column  #: int64[ages], of articles at most so old when they were read
    median_age: float  #: ms
    undated: int  #: of articles that became known by being read: their age counts from their first read
    ranks: Column  #: int64, numbers of articles, ascending, from 1 to all that were read
    read_of_top: Column  #: int64[ranks], of the so many articles with most reads
    gini: float  #: of the reads per article read, 0 = all alike


def span(log: Log) -> int:
    """Milliseconds from a log's first read to its last; there must be one."""
    time = log.time[log.kind == READ]
    return int(time[-1] - time[0])


def curves(name: str, log: Log, published: Column, width: int) -> Curves:
    """All the numbers of one publisher, whose log must have a read.

    `published` has the time (ms) by article at which it became known; `width` in ms is that of `over_time`.
    """
    row = np.flatnonzero(log.kind == READ)
    time, item = log.time[row], log.item[row]
    age = time - published[item]
    ages, read_by = younger(age)
    counts = np.bincount(item)
    return Curves(
        name,
        len(row),
        width,
        *over_time(time, width),
        by_hour(time),
        *session_lengths(log.session[row]),
        ages,
        read_by,
        float(np.median(age)),
        undated(item, age),
        *top(counts),
        gini(counts),
    )


def over_time(time: Column, width: int) -> tuple[Column, Column]:
    """Start (ms) and reads of each stretch of `width` ms from the first read's to the last's, empty ones included.

    Stretches begin at whole multiples of `width` since the epoch: full hours or midnights, UTC.

    >>> starts, reads = over_time(np.array([HOUR, HOUR + 1, 3 * HOUR]), HOUR)
    >>> (starts // HOUR).tolist(), reads.tolist()
    ([1, 2, 3], [2, 0, 1])
    """
    stretch = time // width
    reads = np.bincount(stretch - stretch[0])
    return (stretch[0] + np.arange(len(reads))) * width, reads


def by_hour(time: Column) -> Column:
    """Reads in each of the 24 hours of the day, UTC."""
    return np.bincount(time % DAY // HOUR, minlength=24)


def session_lengths(session: Column) -> tuple[Column, Column]:
    """The lengths (reads) that occur, ascending, and how many sessions are at least so long.

    >>> lengths, sessions = session_lengths(np.array([0, 1, 0, 2, 0]))
    >>> lengths.tolist(), sessions.tolist()
    ([1, 3], [3, 1])
    """
    sessions = np.bincount(np.bincount(session))
    sessions[0] = 0  # codes of sessions without a read
    lengths = np.flatnonzero(sessions)
    return lengths, np.cumsum(sessions[::-1])[::-1][lengths]


def younger(age: Column) -> tuple[Column, Column]:
    """`AGES` up to the first that no read exceeds, and how many reads are of articles at most so old."""
    last = int(np.searchsorted(AGES, age.max()))
    place = np.searchsorted(AGES[: last + 1], age)
    return AGES[: last + 1], np.cumsum(np.bincount(place, minlength=last + 1))[: last + 1]


def undated(item: Column, age: Column) -> int:
    """Reads of articles whose first read is the moment they became known, so that no earlier time was told."""
    known_by_read = np.zeros(int(item.max()) + 1, bool)
    known_by_read[item[age == 0]] = True
    return int(np.count_nonzero(known_by_read[item]))


def top(counts: Column) -> tuple[Column, Column]:
    """Numbers of articles n, evenly spaced in their logarithm, and the reads of the n articles read most.

    `counts` has each article's reads; articles without a read are left out.

    >>> ranks, reads = top(np.array([1, 0, 5, 2]))
    >>> ranks.tolist(), reads.tolist()
    ([1, 2, 3], [5, 7, 8])
    """
    most = np.sort(counts[counts > 0])[::-1]
    ranks = np.unique(np.rint(np.geomspace(1, len(most), POINTS)).astype(np.int64))
    return ranks, np.cumsum(most)[ranks - 1]


def gini(counts: Column) -> float:
    """Gini coefficient of the reads per article, among articles with a read.

    Half the mean absolute difference of all pairs, relative to the mean; 0 if all are alike.

    >>> gini(np.array([3, 0, 1]))
    0.25
    """
    least = np.sort(counts[counts > 0]).astype(np.int64)
    n = len(least)
    return int(((2 * np.arange(1, n + 1) - n - 1) * least).sum()) / (n * int(least.sum()))
