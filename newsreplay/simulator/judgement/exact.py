"""Exact intervals of a share, where so few hits are seen that a bootstrap would be too narrow.

Clopper & Pearson (1934): the shares at which as many hits as were seen, or more extreme, happen by a chance of 2.5 %
or more. Their bounds are quantiles of beta distributions, which are defined for broken numbers too: clustered data
count for fewer independent trials than they have (a design effect, Kish 1965; Korn & Graubard 1998).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from newsreplay.kernels.compiling import compiled
from newsreplay.log.rows import Column

LEVELS = (0.025, 0.975)


def clopper_pearson(hits: Column, trials: Column) -> tuple[Column, Column]:
    """Lower and upper bounds of 95 % intervals of shares, float64 as long as `hits` and `trials` (float64, > 0).

    Both may be broken numbers, 0 <= hits <= trials; NaN where there are no trials.

    >>> [bound.round(4).tolist() for bound in clopper_pearson(np.array([0.0, 8.0]), np.array([10.0, 10.0]))]
    [[0.0, 0.4439], [0.3085, 0.9748]]
    """
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    low, high = np.where(trials > 0, [[0.0], [1.0]], np.nan)
    some, missed = (trials > 0) & (hits > 0), (trials > 0) & (hits < trials)
    low[some] = beta_quantile(LEVELS[0], hits[some], (trials - hits)[some] + 1)
    high[missed] = beta_quantile(LEVELS[1], hits[missed] + 1, (trials - hits)[missed])
    return low, high


def beta_quantile(level: float, a: Column, b: Column) -> Column:
    """The quantiles of some beta distributions: float64[n], of `a` and `b` (float64[n], above 0)."""
    quantiles = np.empty(len(a))
    _beta_quantiles(level, a, b, quantiles)
    return quantiles


@compiled
def _beta_quantiles(level: float, a: Any, b: Any, quantiles: Any) -> None:
    """Newton's steps, a bracket halved where they lead out of it."""
    for i in range(quantiles.size):
        scale = math.lgamma(a[i] + b[i]) - math.lgamma(a[i]) - math.lgamma(b[i])
        x, low, high = a[i] / (a[i] + b[i]), 0.0, 1.0
        for _ in range(200):
            density = math.exp(scale + (a[i] - 1) * math.log(x) + (b[i] - 1) * math.log1p(-x))
            away = _beta_share(x, a[i], b[i], density) - level
            if away < 0:
                low = x
            else:
                high = x
            following = (low + high) / 2
            if density > 0 and low < x - away / density < high:
                following = x - away / density
            moved = abs(following - x)
            x = following
            if moved <= 1e-15 * x or high - low < 1e-17:
                break
        quantiles[i] = x


@compiled
def _beta_share(x: float, a: float, b: float, density: float) -> float:
    """The regularised incomplete beta function by its continued fraction (Abramowitz & Stegun 26.5.8), 0 < x < 1."""
    turned = x > (a + 1) / (a + b + 2)  # where it converges slowly, 1 minus that of the other side does not
    at = 1 - x if turned else x
    p, q = (b, a) if turned else (a, b)
    c, d = 1.0, 1 / (1 - (p + q) * at / (p + 1))
    value = d
    for m in range(1, 1_000_000):
        for step in range(2):
            if step == 0:
                term = m * (q - m) * at / ((p + 2 * m - 1) * (p + 2 * m))
            else:
                term = -(p + m) * (p + q + m) * at / ((p + 2 * m) * (p + 2 * m + 1))
            c, d = 1 + term / c, 1 + term * d
            c, d = c if abs(c) > 1e-300 else 1e-300, 1 / (d if abs(d) > 1e-300 else 1e-300)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    share = density * x * (1 - x) * value / p
    return 1 - share if turned else share
