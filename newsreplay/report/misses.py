"""Misses: why reads were not hits.

Every read that could have been a hit, which is every read of a scored session after its first instant, has one cause.
Where impressions ask for slates, it is every read that one of them brought, or that follows one.
"""

from __future__ import annotations

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.judge import NO_CANDIDATE, OFFERED_LATE
from newsreplay.simulator.runs.columns import Reads

TOO_LATE = "answered too late"


def causes(k: int) -> list[str]:
    """The causes of hits and misses at slates of k; a read has the first that applies to it.

    >>> causes(10)[:3]
    ['hit at 1', 'ranked 2 to 10', 'answered too late']
    """
    ranked = ["hit at 1", f"ranked 2 to {k}"] if k > 1 else ["hit at 1"]
    return [*ranked, TOO_LATE, "already read", "not known yet", "never a candidate", f"ranked below {k}"]


def cause_of(reads: Reads, places: Column, k: int) -> Column:
    """The cause of each read, int64[reads], by its place in earlier slates (int16[reads]): where it is in `causes`.

    It is -1 where no slate counts for the read. Earlier are slates asked for at an earlier time, and the one of the
    impression that brought the read.

    - hit, or offered further down: a slate of the session at an earlier time had the article, at that place;
    - answered too late: only answers beyond a strict deadline had it;
    - already read: the session had read it at an earlier time, and it was not offered again;
    - not known yet: no row had carried it by the session's last request on another article at an earlier time;
    - never a candidate: all slates of earlier times ended before k, so the recommender had nothing more to offer;
    - ranked below k: all the rest; at which rank is not in slates of k.
    """
    rules = [
        places == 1,
        *([places > 1] if k > 1 else []),
        places == OFFERED_LATE,
        reads.again,
        ~reads.reachable,
        places == NO_CANDIDATE,
    ]
    cause: Column = np.select(rules, np.arange(len(rules)), len(rules))
    cause[~reads.asked] = -1
    return cause


def count(reads: Reads, places: Column, k: int) -> Column:
    """How many reads have each of `causes`, int64[causes], by their places in earlier slates (int16[reads])."""
    cause = cause_of(reads, places, k)
    return np.bincount(cause[cause >= 0], minlength=len(causes(k)))
