"""Normative diversity by its definition: dictionaries of masses, made anew for every request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HOUR, READ

Values = Callable[[int, int], Sequence[object]]  #: of an article, at a row


def distance(p: Mapping[object, float], q: Mapping[object, float]) -> float | None:
    """The square root of the Jensen-Shannon divergence in bits; None without one of the two."""
    if not p or not q:
        return None
    divergence = 0.0
    for value in {*p, *q}:
        a, b = p.get(value, 0.0), q.get(value, 0.0)
        divergence += sum(x / 2 * math.log2(2 * x / (a + b)) for x in (a, b) if x)
    return math.sqrt(max(0.0, divergence))


def normed(weighted: Iterable[tuple[object, float]]) -> dict[object, float]:
    """Masses that sum to 1."""
    masses: dict[object, float] = {}
    for value, weight in weighted:
        masses[value] = masses.get(value, 0.0) + weight
    total = sum(masses.values())
    return {value: mass / total for value, mass in masses.items()}


def of_slate(values: Values, row: int, slate: Iterable[int]) -> dict[object, float]:
    """What a slate offers, by 1 / rank."""
    return normed(
        (value, 1 / rank) for rank, item in enumerate(slate, start=1) if item >= 0 for value in values(item, row)
    )


def calibration(
    data: Publisher, values: Values, rows: Sequence[int], slates: Sequence[Sequence[int]], history: int
) -> list[float | None]:
    """Against the newest reads of the reader."""
    log, found = data.log, []
    for row, slate in zip(rows, slates, strict=True):
        read = [log.item[i] for i in range(row + 1) if log.kind[i] >= READ and log.user[i] == log.user[row]]
        if data.articles.profiles is not None:
            profiles = data.articles.profiles
            for number, user in enumerate(profiles.user):
                if user == log.user[row]:
                    before = profiles.item[profiles.at[number] : profiles.at[number + 1]]
                    read = [*(item for item in before if item >= 0), *read]
        p = normed((value, 1.0) for item in read[-history:] for value in values(item, row))
        found.append(distance(p, of_slate(values, row, slate)))
    return found


def fragmentation(
    data: Publisher, values: Values, rows: Sequence[int], slates: Sequence[Sequence[int]]
) -> list[float | None]:
    """Against the slate before it of another reader."""
    found = []
    for number, row in enumerate(rows):
        others = [i for i in range(number) if data.log.user[rows[i]] != data.log.user[row]]
        p = of_slate(values, row, slates[others[-1]]) if others else {}
        found.append(distance(p, of_slate(values, row, slates[number])))
    return found


def representation(
    data: Publisher, values: Values, rows: Sequence[int], slates: Sequence[Sequence[int]], hours: float
) -> list[float | None]:
    """Against the articles whose values became known in the hours before."""
    found = []
    for row, slate in zip(rows, slates, strict=True):
        since = data.log.time[row] - hours * HOUR
        early = sum(time <= since for time in data.log.time) - 1  # the last row that lies too far back
        fresh = [
            item
            for item in range(len(data.articles.id))
            if values(item, row) and (early < 0 or not values(item, early))
        ]
        p = normed((value, 1.0) for item in fresh for value in values(item, row))
        found.append(distance(p, of_slate(values, row, slate)))
    return found
