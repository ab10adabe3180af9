"""The slow, obvious oracle of impressions as rankings: orders written out, pairs counted, chances as fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product
from typing import NamedTuple

from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, Log


class Shown(NamedTuple):
    scored: list[int]  #: numbers of impressions
    rows: list[int]
    unknown: int
    single_class: int


def shown(log: Log, warmup: int = 0, window: int | None = None, max_session_length: int | None = None) -> Shown:
    """Which impressions are scored, from the log's rows alone."""
    rows = range(len(log.time))
    reads = [row for row in rows if log.kind[row] == READ]
    begin = int(log.time[reads[0]]) + warmup
    scored, scored_rows, unknown, single_class = [], [], 0, 0
    for row in rows:
        if log.kind[row] != IMPRESSION or log.time[row] < begin:
            continue
        if window is not None and log.time[row] >= begin + window:
            continue
        length = sum(log.session[read] == log.session[row] for read in reads)
        if max_session_length is not None and length > max_session_length:
            continue
        number = int(log.impression[row])
        marks = set(log.pools.clicked[log.pools.at[number] : log.pools.at[number + 1]].tolist())
        if not any(log.kind[other] == OUTCOME and log.impression[other] == number for other in rows):
            unknown += 1
        elif marks != {True, False}:
            single_class += 1
        else:
            scored.append(number)
            scored_rows.append(row)
    return Shown(scored, scored_rows, unknown, single_class)


def auc(scores: Sequence[float], clicked: Sequence[bool], weights: Sequence[int] | None = None) -> float:
    """Pair by pair; a candidate of weight w stands w times."""
    weights = [1] * len(scores) if weights is None else weights
    rows = list(zip(scores, clicked, weights, strict=True))
    pairs = [(s, t, w * v) for (s, c, w), (t, d, v) in product(rows, rows) if c and not d]
    won = sum(Fraction(weight) * (1 if s > t else Fraction(1, 2) if s == t else 0) for s, t, weight in pairs)
    return float(won / sum(weight for _, _, weight in pairs))


def of_order(marks: Sequence[bool]) -> list[float]:
    """MRR, MRR of the first, nDCG@5 and nDCG@10 of a list from top to bottom."""
    ranks = [rank for rank, mark in enumerate(marks, 1) if mark]
    ndcg = []
    for cut in (5, 10):
        gain = math.fsum(1 / math.log2(1 + rank) for rank in ranks if rank <= cut)
        ndcg.append(gain / math.fsum(1 / math.log2(1 + rank) for rank in range(1, min(cut, len(ranks)) + 1)))
    return [math.fsum(1 / rank for rank in ranks) / len(ranks), 1 / ranks[0], *ndcg]


def over_all_orders(scores: Sequence[float], clicked: Sequence[bool]) -> list[float]:
    """The mean of `of_order` over all orders in which no candidate stands above a better one."""
    places = range(len(scores))
    orders = [o for o in permutations(places) if all(scores[o[i]] >= scores[o[i + 1]] for i in places[:-1])]
    values = [of_order([clicked[place] for place in order]) for order in orders]
    return [math.fsum(column) / len(orders) for column in zip(*values, strict=True)]


def expected(scores: Sequence[float], clicked: Sequence[bool]) -> list[float]:
    """The same for long lists: the chances of a block of equal scores as binomials."""
    total = sum(clicked)
    reciprocal, first, gains = Fraction(0), Fraction(0), [0.0, 0.0]
    above = 0
    for score in sorted(set(scores), reverse=True):
        block = [mark for s, mark in zip(scores, clicked, strict=True) if s == score]
        size, here = len(block), sum(block)
        ranks = range(above + 1, above + size + 1)
        reciprocal += Fraction(here, size) * sum(Fraction(1, rank) for rank in ranks)
        for i, cut in enumerate((5, 10)):
            gains[i] += here / size * math.fsum(1 / math.log2(1 + rank) for rank in ranks if rank <= cut)
        if here and not first:
            for place, rank in enumerate(ranks, 1):
                first += Fraction(math.comb(size - place, here - 1), math.comb(size, here)) / rank
        above += size
    ideal = [math.fsum(1 / math.log2(1 + rank) for rank in range(1, min(cut, total) + 1)) for cut in (5, 10)]
    return [float(reciprocal / total), float(first), *(gain / best for gain, best in zip(gains, ideal, strict=True))]


def tied(scores: Sequence[float], clicked: Sequence[bool]) -> bool:
    """Whether a clicked and a passed-over candidate have the same score."""
    return any(s == t and c and not d for (s, c), (t, d) in product(zip(scores, clicked, strict=True), repeat=2))
