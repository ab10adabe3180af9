"""Clusters: what is resampled together, because it does not vary alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.kernels.mixing import key_of, mix_all
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import DAY, Column

KINDS = ("session", "user", "day")

LARGE = 100_000  #: above so many clusters they are resampled in groups
GROUPS = 20_000
MANY, FEWER = 5_000, 2_000  #: likewise for slices and metrics beyond accuracy


class Clusters(NamedTuple):
    """The cluster of each of some sessions."""

    group: Column  #: int32[sessions], which of `unit`
    unit: Column  #: int64[groups]: the session, reader or day (since the epoch) that is resampled, or a group's number


def clusters(publisher: Publisher, session: Column, time: Column, kind: str, seed: int = 0) -> Clusters:
    """Cluster sessions (int32[n], codes; may repeat) that begin at `time` (ms) by session, user or day (UTC).

    Up to 100,000 clusters stand for themselves; more are hashed into 20,000 groups.
    Raises `NewsreplayError` for another kind.
    """
    if kind == "session":
        of = session.astype(np.int64)
    elif kind == "user":
        of = _users(publisher)[session].astype(np.int64)
    elif kind == "day":
        of = time // DAY
    else:
        raise NewsreplayError(f"no cluster is called {kind!r}; there are {', '.join(KINDS)}")
    unit, group = np.unique(of, return_inverse=True)
    if len(unit) <= LARGE:
        return Clusters(group.astype(np.int32), unit)
    hashed = mix_all(key_of(seed, publisher.name, "group"), unit) % np.uint64(GROUPS)
    return Clusters(hashed.astype(np.int32)[group], np.arange(GROUPS))


def coarser(of: Clusters, publisher: str, seed: int = 0) -> Clusters:
    """The same in 2,000 hashed groups where there are more than 5,000: for what is no headline, and much sooner."""
    if len(of.unit) <= MANY:
        return of
    hashed = mix_all(key_of(seed, publisher, "coarse"), of.unit.astype(np.int64)) % np.uint64(FEWER)
    return Clusters(hashed.astype(np.int32)[of.group], np.arange(FEWER))


def _users(publisher: Publisher) -> Column:
    """The reader of each session: int32[sessions], of its first row."""
    log = publisher.log
    users = np.full(int(log.session.max(initial=-1)) + 1, -1, np.int32)
    row = np.flatnonzero(log.session >= 0)[::-1]
    users[log.session[row]] = log.user[row]  # the last to be written is the first row
    return users
