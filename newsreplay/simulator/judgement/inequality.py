"""How unevenly counts are distributed."""

from __future__ import annotations

import math

import numpy as np

from newsreplay.log.rows import Column


def gini(counts: Column) -> float:
    """Gini coefficient of whole numbers, zeros included: half the mean absolute difference, relative to the mean.

    NaN if all are zero.

    >>> gini(np.array([2, 2])), gini(np.array([3, 0, 1]))
    (0.0, 0.5)
    """
    n, total = len(counts), int(counts.sum())
    if not total:
        return math.nan
    least = np.sort(counts[counts > 0])  # the zeros stand before these and add nothing
    rank = np.arange(n - len(least) + 1, n + 1)
    return int(((2 * rank - n - 1) * least).sum()) / (n * total)
