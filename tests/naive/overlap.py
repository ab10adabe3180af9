"""The slow, obvious oracle of overlaps: agreement depth by depth, by its definition, until nothing is left to add."""

from __future__ import annotations

from collections.abc import Sequence


def agreement(a: Sequence[int], b: Sequence[int], depth: int) -> float:
    """The share of the first `depth` articles that two lists have in common.

    A list that has ended goes on agreeing as it did at its end: the shorter of the two first, then both.
    """
    short, long = sorted((len(a), len(b)))
    if depth > long:
        return agreement(a, b, long)
    common = len({*a[:depth]} & {*b[:depth]})
    if depth > short:
        return (common + agreement(a, b, short) * (depth - short)) / depth if short else 0.0
    return common / depth


def rbo(a: Sequence[int], b: Sequence[int], p: float) -> float:
    """Rank-biased overlap of lists of which one at least has an article (Webber et al. 2010, equation 4)."""
    depth, total, weight = 1, 0.0, 1 - p
    while weight > 1e-18:
        total += weight * agreement(a, b, depth)
        depth, weight = depth + 1, weight * p
    return total


def jaccard(a: Sequence[int], b: Sequence[int]) -> float:
    """What both have over what either has."""
    return len({*a} & {*b}) / len({*a} | {*b})
