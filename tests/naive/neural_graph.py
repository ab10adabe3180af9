"""The slow, obvious oracle of `newsreplay.recommenders.neural.stream.graph`: worked out anew from all reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Read(NamedTuple):
    user: int
    item: int


Neighbour = tuple[int, float]  # node, weight


def neighbours(kind: str, reads: Sequence[Read], item: int, count: int, room: int) -> list[Neighbour]:
    """The neighbours of an article after all reads, first neighbour first."""
    of_kind = {"next_read": by_next_read, "readers": by_readers}[kind]
    return of_kind(reads, item, room)[:count]


def by_readers(reads: Sequence[Read], item: int, room: int) -> list[Neighbour]:
    newest_first = [read.user for read in reversed(reads) if read.item == item]
    return [(user, 1) for user in dict.fromkeys(newest_first)][:room]


def by_next_read(reads: Sequence[Read], item: int, room: int) -> list[Neighbour]:
    counts: dict[int, int] = {}
    last_use: dict[int, int] = {}
    for moment, before in read_before(reads, item):
        if before not in counts:
            counts[before] = 0
            if len(counts) > room:
                others = [node for node in counts if node != before]
                weakest = min(others, key=lambda node: (counts[node], last_use[node]))
                counts[before] = counts.pop(weakest)
        counts[before] += 1
        last_use[before] = moment
    best_first = sorted(counts, key=lambda node: (-counts[node], -last_use[node]))
    return [(node, counts[node]) for node in best_first]


def read_before(reads: Sequence[Read], item: int) -> list[tuple[int, int]]:
    """The moments at which somebody read an article after another one, and that other one."""
    found = []
    for moment, read in enumerate(reads):
        earlier = [other.item for other in reads[:moment] if other.user == read.user]
        if read.item == item and earlier and earlier[-1] != item:
            found.append((moment, earlier[-1]))
    return found
