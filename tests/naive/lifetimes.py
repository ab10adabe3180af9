"""The slow, obvious oracle of `lifetime`: everything worked out anew from the rows that a request may know."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from newsreplay.log.rows import HOUR, READ, Log

LAST = 24 * 28 - 1  #: the last full hour that ages are told apart by


class Lives:
    """What the first `rows` rows of a log tell."""

    def __init__(self, log: Log, rows: int, hours: float | None, alpha: float, share: float, fewest: int):
        self.hours, self.alpha, self.share, self.fewest = hours, alpha, share, fewest
        self.known: dict[int, int] = {}
        self.category: dict[int, int] = {}
        self.ages: list[tuple[int, int]] = []  # category and full hours of every read
        for row in range(rows):
            item, time = int(log.item[row]), int(log.time[row])
            if item < 0:
                continue
            self.known.setdefault(item, time)
            if log.category[row] >= 0:
                self.category[item] = int(log.category[row])
            if log.kind[row] >= READ:
                self.ages.append((self.category.get(item, -1), min((time - self.known[item]) // HOUR, LAST)))

    def life(self, item: int) -> float:
        if self.hours is not None:
            return self.hours
        own = [age for category, age in self.ages if category >= 0 and category == self.category.get(item)]
        ages = sorted(own if len(own) >= self.fewest else [age for _, age in self.ages])
        if not ages:
            return math.inf
        wanted = math.ceil(self.share * len(ages))
        return ages[wanted - 1] + 1

    def weight(self, item: int, time: int) -> float:
        left = self.life(item) - (time - self.known.get(item, time)) / HOUR
        return 0.0 if left == math.inf else -float(np.logaddexp(0, -self.alpha * left))


def slate(lives: Lives, listed: list[int], time: int, k: int) -> list[int]:
    value = {item: lives.weight(item, time) - math.log(rank) for rank, item in enumerate(listed, 1)}
    return sorted(listed, key=lambda item: -value[item])[:k]


def scores(lives: Lives, ranked: Any, pool: Any, time: int) -> list[float]:
    return [score + lives.weight(item, time) for score, item in zip(ranked.tolist(), pool.tolist(), strict=True)]
