"""The slow, obvious oracle of `mmr` and `calibrated`: everything worked out anew from the rows a request may know."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from newsreplay.log.rows import READ, Log


def categories(log: Log, rows: int) -> dict[int, int]:
    """What articles are about, as the first so many rows tell it."""
    pairs = zip(log.item[:rows].tolist(), log.category[:rows].tolist(), strict=True)
    return {item: category for item, category in pairs if item >= 0 and category >= 0}


def filled(listed: Sequence[int], k: int, value: Callable[[list[int], int, int], float]) -> list[int]:
    """A slate, place by place: of the articles left the one of the largest value, the first where equal."""
    slate: list[int] = []
    while len(slate) < min(k, len(listed)):
        left = [(value(slate, item, rank), -rank, item) for rank, item in enumerate(listed) if item not in slate]
        slate.append(max(left)[2])
    return slate


def mmr(log: Log, rows: int, listed: Sequence[int], k: int, depth: int, relevance: float) -> list[int]:
    """The slate that `mmr` makes of what a part lists."""
    about = categories(log, rows)

    def value(slate: list[int], item: int, rank: int) -> float:
        alike = max((about.get(item, -1) == about.get(other, -2) for other in slate), default=False)
        return relevance * (1 - rank / depth) - (1 - relevance) * alike

    return filled(listed, k, value)


def calibrated(
    log: Log, rows: int, user: int, listed: Sequence[int], k: int, depth: int, calibration: float, history: int
) -> list[int]:
    """The slate that `calibrated` makes of what a part lists for a reader."""
    about = categories(log, rows)
    read = []
    for row in range(rows):
        then = categories(log, row + 1).get(int(log.item[row]))
        if log.kind[row] >= READ and log.user[row] == user and then is not None:
            read.append(then)
    wanted = Counter(read[-history:])

    def distance(offered: list[int]) -> float:
        total, of = sum(wanted.values()), Counter(offered)
        return sum(
            n / total * math.log((n / total) / (0.99 * of[g] / max(1, len(offered)) + 0.01 * n / total))
            for g, n in wanted.items()
        )

    def value(slate: list[int], item: int, rank: int) -> float:
        offered = [about[each] for each in (*slate, item) if each in about]
        return (1 - calibration) * (1 - rank / depth) - calibration * distance(offered)

    return filled(listed, k, value)
