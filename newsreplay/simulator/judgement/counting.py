"""What there is of hits, counted by cluster before any grouping: whether a bootstrap can be trusted depends on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.exact import clopper_pearson

FEW_HITS = 40  #: sessions with a hit, or clusters with and without, below which a bootstrap is too narrow
FEW = 10  #: clusters that are not zero, below which other metrics have no interval


class HitSessions(NamedTuple):
    """One recommender's sessions with a hit; an entry a cut-off."""

    hits: Column  #: int64[cuts], sessions with a hit
    sessions: int  #: all of them
    reached: Column  #: int64[cuts], clusters with such a session
    missed: Column  #: int64[cuts], clusters with a session without a hit
    inflation: Column  #: float64[cuts], how many clustered sessions count as one: D of docs/design.md


def count_hit_sessions(hit: Column, cluster: Column) -> HitSessions:
    """Count sessions with a hit (bool[sessions, cuts]) in their clusters (int[sessions], from 0)."""
    sessions, cuts = hit.shape
    size = _by_cluster(cluster, int(cluster.max(initial=-1)) + 1)
    total, reached, missed = np.zeros((3, cuts), np.int64)
    inflation = np.ones(cuts)
    for cut in range(cuts if sessions else 0):
        hits = _by_cluster(cluster, len(size), hit[:, cut])
        for part in scratch.stretches(len(size)):
            total[cut] += hits[part].sum()
            reached[cut] += np.count_nonzero(hits[part])
            missed[cut] += np.count_nonzero(size[part] > hits[part])
        share = total[cut] / sessions
        squares = scratch.empty(len(size), np.float64)  # together, since the order in which NumPy adds goes by length
        for part in scratch.stretches(len(size)):
            squares[part] = (hits[part] - share * size[part] if 0 < share < 1 else size[part].astype(np.float64)) ** 2
        if 0 < share < 1:
            inflation[cut] = max(1.0, squares.sum() / (sessions * share * (1 - share)))
        else:
            inflation[cut] = squares.sum() / sessions
    return HitSessions(total, sessions, reached, missed, inflation)


def _by_cluster(cluster: Column, clusters: int, chosen: Column | None = None) -> Column:
    """How many sessions, or how many `chosen` ones (bool[sessions]), are in each cluster: int64[clusters]."""
    count = scratch.zeros(clusters, np.int64)
    for part in scratch.stretches(len(cluster)):
        np.add.at(count, cluster[part] if chosen is None else cluster[part][chosen[part]], 1)
    return count


def success_bounds(counted: HitSessions, kind: str, drawn: tuple[Column, Column]) -> tuple[Column, Column]:
    """The 95 % interval of session-level success: float64[cuts], lower and upper bounds.

    Exact, clustered by session; by user or day so where few clusters hold a hit, or few a session without one, the
    sessions counting for as many fewer as they are alike; else what was `drawn`, the bootstrap's percentiles.
    """
    low, high = clopper_pearson(counted.hits / counted.inflation, counted.sessions / counted.inflation)
    if kind == "session":
        return low, high
    few = (counted.reached < FEW_HITS) | (counted.missed < FEW_HITS)
    return np.where(few, low, drawn[0]), np.where(few, high, drawn[1])


def event_bounds(
    counted: HitSessions,
    event: Column,
    success: tuple[Column, Column],
    drawn: tuple[Column, Column],
    *,
    rewarded: bool = False,
) -> tuple[Column, Column]:
    """The 95 % interval of event-level success (`event`, float64[cuts]): lower and upper bounds.

    What was `drawn`, the bootstrap's percentiles; where fewer than 40 sessions have a hit, their union with the bounds
    of session-level success (`success`) times the hits of a session with any. If hits are `rewarded` and there is
    none, nothing says what one is worth: NaN.
    """
    share = counted.hits / max(counted.sessions, 1)
    each = np.divide(event, share, out=np.ones(len(event)), where=counted.hits > 0)
    few = counted.hits < FEW_HITS
    if rewarded:
        each[counted.hits == 0] = np.nan
        drawn = np.where(counted.hits == 0, np.nan, drawn[0]), np.where(counted.hits == 0, np.nan, drawn[1])
    low = np.where(few, np.fmin(drawn[0], success[0] * each), drawn[0])
    return low, np.where(few, np.fmax(drawn[1], success[1] * each), drawn[1])
