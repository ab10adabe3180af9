"""The slow, obvious oracle of the metrics beyond accuracy: every number worked out anew from the definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

from newsreplay.log.rows import HISTORY, HOUR, READ, Log


class Moment:
    """What the rows of a log up to and including one have told."""

    def __init__(self, log: Log, row: int) -> None:
        self.now = int(log.time[row])
        self.published: dict[int, int] = {}  #: article -> ms
        self.category: dict[int, int] = {}  #: article -> category
        self.reads: list[int] = []  #: articles
        for i in range(row + 1):
            article, category = int(log.item[i]), int(log.category[i])
            if article >= 0:
                self.published.setdefault(article, int(log.time[i]))
            if category >= 0:
                self.category.setdefault(article, category)
            if log.kind[i] in (READ, HISTORY):
                self.reads.append(article)

    def novelty(self, article: int) -> float:
        """Bits."""
        return -math.log2((self.reads.count(article) + 1) / (len(self.reads) + len(self.published)))

    def popularity(self, article: int) -> float:
        """Mid-percentile, 0 to 1."""
        mine = self.reads.count(article)
        fewer = sum(self.reads.count(other) < mine for other in self.published)
        alike = sum(self.reads.count(other) == mine for other in self.published)
        return (fewer + alike / 2) / len(self.published)

    def age(self, article: int) -> float:
        """Hours."""
        return (self.now - self.published[article]) / HOUR

    def diversity(self, slate: Sequence[int]) -> float | None:
        """Share of the pairs with two known categories in which they differ, None without such a pair."""
        pairs = list(combinations([self.category[article] for article in slate if article in self.category], 2))
        return sum(a != b for a, b in pairs) / len(pairs) if pairs else None


class Expected(NamedTuple):
    sums: list[list[float]]  #: by group: novelty, popularity, age, diversity
    counts: list[list[int]]
    coverage: float
    gini: float
    category_diversity: float


def beyond(
    log: Log,
    slates: Sequence[Sequence[int]],
    scored: Sequence[bool],
    group: Sequence[int],
    groups: int,
    kind: int = READ,
) -> Expected:
    """All numbers; `slates`, `scored` and `group` have one value per row of the kind that asks."""
    values: list[list[list[float]]] = [[[], [], [], []] for _ in range(groups)]
    recommended: list[int] = []
    categories: list[int] = []
    rows = [row for row in range(len(log.time)) if log.kind[row] == kind]
    last = None
    for row, slate, counts, mine in zip(rows, slates, scored, group, strict=True):
        if not counts:
            continue
        last = Moment(log, row)
        values[mine][0] += map(last.novelty, slate)
        values[mine][1] += map(last.popularity, slate)
        values[mine][2] += map(last.age, slate)
        diversity = last.diversity(slate)
        values[mine][3] += [] if diversity is None else [diversity]
        recommended += slate
        categories += [last.category[article] for article in slate if article in last.category]
    sums = [[math.fsum(some) for some in columns] for columns in values]
    numbers = [[len(some) for some in columns] for columns in values]
    if last is None:
        return Expected(sums, numbers, math.nan, math.nan, math.nan)
    return Expected(
        sums,
        numbers,
        len(set(recommended)) / len(last.published),
        gini([recommended.count(article) for article in last.published]),
        evenness(categories, len(set(last.category.values()))),
    )


def gini(counts: Sequence[int]) -> float:
    """Half the mean absolute difference of all pairs, relative to the mean."""
    if not any(counts):
        return math.nan
    difference = sum(abs(a - b) for a, b in product(counts, counts)) / len(counts) ** 2
    return difference / 2 / (sum(counts) / len(counts))


def evenness(categories: Sequence[int], known: int) -> float:
    """Entropy of the categories relative to the most that `known` ones allow."""
    if known < 2 or not categories:
        return math.nan
    shares = [categories.count(category) / len(categories) for category in set(categories)]
    return -sum(share * math.log2(share) for share in shares) / math.log2(known)
