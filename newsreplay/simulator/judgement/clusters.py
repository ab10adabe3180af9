"""Clusters: what is resampled together, because it does not vary alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.kernels.mixing import key_of, mix_all
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import DAY, Asks, Column

KINDS = ("session", "user", "day")


class Resampled(NamedTuple):
    """What is resampled on a publisher: one of `KINDS` each."""

    slates: str
    impressions: str


def fitting(publisher: Publisher, kind: str | None, asks: Asks = "reads") -> Resampled:
    """What is resampled: `kind` if there is one, else sessions; for impressions users, if sessions are made of visits.

    A visit that is told by its pauses is no unit of what readers are shown, and impressions need no session to count;
    nor do slates that impressions ask for.
    """
    if kind is not None:
        return Resampled(kind, kind)
    of_impressions = "session" if publisher.session_ids else "user"
    return Resampled("session" if asks == "reads" else of_impressions, of_impressions)


class ClusterSizes(NamedTuple):
    """From how many clusters on they are resampled in hashed groups, and in how many."""

    most: int = 100_000
    groups: int = 20_000
    most_coarse: int = 5_000  #: likewise for slices and metrics beyond accuracy
    groups_coarse: int = 2_000


class Clusters(NamedTuple):
    """The cluster of each of some sessions."""

    group: Column  #: int32[sessions], which of `unit`
    unit: Column  #: int64[groups]: the session, reader or day (since the epoch) that is resampled, or a group's number
    ungrouped: Column  #: int[sessions], the same as `group` where clusters stand for themselves, else before hashing


def clusters(
    publisher: Publisher,
    session: Column,
    time: Column,
    kind: str,
    seed: int = 0,
    sizes: ClusterSizes = ClusterSizes(),
) -> Clusters:
    """Cluster sessions (int32[n], codes; may repeat) that begin at `time` (ms) by session, user or day (UTC).

    Up to `sizes.most` clusters stand for themselves; more are hashed into `sizes.groups`.
    Raises `NewsreplayError` for another kind.
    """
    if kind == "session":
        resampled = session.astype(np.int64)
    elif kind == "user":
        resampled = _users(publisher)[session].astype(np.int64)
    elif kind == "day":
        resampled = time // DAY
    else:
        raise NewsreplayError(f"no cluster is called {kind!r}; there are {', '.join(KINDS)}")
    unit, inverse = np.unique(resampled, return_inverse=True)
    group = inverse.astype(np.int32)
    if len(unit) <= sizes.most:
        return Clusters(group, unit, group)
    hashed = mix_all(key_of(seed, publisher.name, "group"), unit) % np.uint64(sizes.groups)
    return Clusters(hashed.astype(np.int32)[group], np.arange(sizes.groups), group)


def coarser(fine: Clusters, publisher: str, seed: int = 0, sizes: ClusterSizes = ClusterSizes()) -> Clusters:
    """The same in few hashed groups, above `sizes.most_coarse` of them: for what is no headline, and much sooner."""
    if len(fine.unit) <= sizes.most_coarse:
        return fine
    hashed = mix_all(key_of(seed, publisher, "coarse"), fine.unit.astype(np.int64)) % np.uint64(sizes.groups_coarse)
    return Clusters(hashed.astype(np.int32)[fine.group], np.arange(sizes.groups_coarse), fine.ungrouped)


def _users(publisher: Publisher) -> Column:
    """The reader of each session: int32[sessions], of its first row."""
    log = publisher.log
    users = np.full(int(log.session.max(initial=-1)) + 1, -1, np.int32)
    row = np.flatnonzero(log.session >= 0)[::-1]
    users[log.session[row]] = log.user[row]  # the last to be written is the first row
    return users
