"""The slow, obvious oracle of the mixtures, in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

Slates = list[list[int]]


def blend(parts: Sequence[list[int]], weights: Sequence[float], depth: int, k: int) -> list[int]:
    """One slate of the parts' slates."""
    articles = list(dict.fromkeys(article for slate in parts for article in slate))
    total = {
        article: sum(
            Fraction(weight) * Fraction(depth - slate.index(article), depth)
            for slate, weight in zip(parts, weights, strict=True)
            if article in slate
        )
        for article in articles
    }
    return sorted(articles, key=lambda article: -total[article])[:k]  # stable


def fallback(parts: Sequence[list[int]], k: int) -> list[int]:
    return list(dict.fromkeys(article for slate in parts for article in slate))[:k]


def blend_scores(parts: Sequence[list[float]], weights: Sequence[float]) -> list[float]:
    """The scores of one pool."""
    n = len(parts[0])
    mixed = []
    for i in range(n):
        shares = [Fraction(sum(2 * (s < own[i]) + (s == own[i]) for s in own[:i] + own[i + 1 :]), 2) for own in parts]
        total = sum(Fraction(w) * share / max(1, n - 1) for w, share in zip(weights, shares, strict=True))
        mixed.append(float(total) if any(own[i] > -math.inf for own in parts) else -math.inf)
    return mixed


def fallback_scores(parts: Sequence[list[float]]) -> list[float]:
    """0 for the best of a pool, then minus the number of better ones."""
    standing = []
    for candidate in zip(*parts, strict=True):
        rankers = [number for number, score in enumerate(candidate) if score > -math.inf]
        standing.append((-rankers[0], candidate[rankers[0]]) if rankers else None)
    ranked = [place for place in standing if place is not None]
    return [-math.inf if place is None else float(-sum(other > place for other in ranked)) for place in standing]


def editorial(lists: Sequence[list[int]]) -> list[int]:
    """All articles of these impressions, the latest impression first, each in its order."""
    return list(dict.fromkeys(article for shown in reversed(lists) for article in shown))
