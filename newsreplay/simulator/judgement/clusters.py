"""Clusters: what is resampled together, because it does not vary alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.kernels.mixing import key_of, mix_all
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import DAY, Asks, Column
from newsreplay.simulator import scratch

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
        unit, group = _numbered(lambda part: session[part], len(session), len(publisher.sessions.reads))
    elif kind == "user":
        user, first = publisher.log.user, first_rows(publisher.log.session, len(publisher.sessions.reads))
        unit, group = _numbered(lambda part: user[first[session[part]]], len(session), int(user.max(initial=-1)) + 1)
    elif kind == "day":
        unit = np.empty(0, np.int64)
        for part in scratch.stretches(len(time)):
            unit = np.union1d(unit, time[part] // DAY)
        group = scratch.empty(len(time), np.int32)
        for part in scratch.stretches(len(time)):
            group[part] = np.searchsorted(unit, time[part] // DAY)
    else:
        raise NewsreplayError(f"no cluster is called {kind!r}; there are {', '.join(KINDS)}")
    if len(unit) <= sizes.most:
        return Clusters(group, unit, group)
    hashed = _hashed(group, unit, key_of(seed, publisher.name, "group"), sizes.groups)
    return Clusters(hashed, np.arange(sizes.groups), group)


def _numbered(codes: Callable[[slice], Column], rows: int, most: int) -> tuple[Column, Column]:
    """The codes (below `most`) that so many rows have, int64[units], ascending, and which each has, int32[rows]."""
    has = scratch.zeros(most, np.bool_)
    for part in scratch.stretches(rows):
        has[codes(part)] = True
    number, unit = scratch.empty(most, np.int32), scratch.empty(int(np.count_nonzero(has)), np.int64)
    before = 0
    for part in scratch.stretches(most):
        found = np.flatnonzero(has[part])
        unit[before : before + len(found)] = part.start + found
        number[part.start + found] = np.arange(before, before + len(found))
        before += len(found)
    group = scratch.empty(rows, np.int32)
    for part in scratch.stretches(rows):
        group[part] = number[codes(part)]
    return unit, group


def _hashed(group: Column, unit: Column, key: np.uint64, groups: int) -> Column:
    """The hashed group of each row, whose unit is unit[group]: int32[rows]."""
    of_unit, hashed = scratch.empty(len(unit), np.int32), scratch.empty(len(group), np.int32)
    for part in scratch.stretches(len(unit)):
        of_unit[part] = mix_all(key, unit[part]) % np.uint64(groups)
    for part in scratch.stretches(len(group)):
        hashed[part] = of_unit[group[part]]
    return hashed


def counted(group: Column, groups: int) -> Column:
    """How many rows are in each group: int64[groups]."""
    count = np.zeros(groups, np.int64)
    for part in scratch.stretches(len(group)):
        count += np.bincount(group[part], minlength=groups)
    return count


def coarser(fine: Clusters, publisher: str, seed: int = 0, sizes: ClusterSizes = ClusterSizes()) -> Clusters:
    """The same in few hashed groups, above `sizes.most_coarse` of them: for what is no headline, and much sooner."""
    if len(fine.unit) <= sizes.most_coarse:
        return fine
    hashed = _hashed(fine.group, fine.unit, key_of(seed, publisher, "coarse"), sizes.groups_coarse)
    return Clusters(hashed, np.arange(sizes.groups_coarse), fine.ungrouped)


def first_rows(code: Column, codes: int, *, none: int = 0, among: Callable[[slice], Column] | None = None) -> Column:
    """The first row that has each code below `codes`, `none` where no row has it: int64[codes].

    `among` says of a stretch of rows which count, bool[rows]; by default all do.

    >>> first_rows(np.array([1, -1, 0, 1]), 2)
    array([2, 0])
    """
    first = scratch.full(codes, none, np.int64)
    for part in reversed([*scratch.stretches(len(code))]):
        has = code[part] >= 0 if among is None else (code[part] >= 0) & among(part)
        row = np.flatnonzero(has)[::-1]
        first[code[part][row]] = part.start + row  # the last to be written is the first row
    return first
