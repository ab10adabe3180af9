"""Draws from a Beta distribution, for kernels."""

from __future__ import annotations

import math

import numpy as np

from newsreplay.kernels.compiling import routine
from newsreplay.kernels.mixing import GOLDEN, draw, mix, unit


@routine
def draw_beta(key: np.uint64, row: int, place: int, a: float, b: float) -> float:
    """A draw from Beta(a, b), a and b at least 1: X / (X + Y) with X ~ Gamma(a), Y ~ Gamma(b).

    Two SplitMix64 streams, seeded by the random word for this place and its complement, feed X and Y.
    """
    word = draw(key, row, place)
    x = _gamma(word, a)
    return x / (x + _gamma(~word, b))


@routine
def _gamma(word: np.uint64, shape: float) -> float:
    """Gamma(shape), shape at least 1, from the stream of `word` (Marsaglia & Tsang 2000, section 3)."""
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        # A normal draw by the polar method (Marsaglia & Bray 1964).
        s = 0.0
        first = 0.0
        while s == 0.0 or s >= 1.0:
            word += GOLDEN
            first = 2 * unit(mix(word)) - 1
            word += GOLDEN
            second = 2 * unit(mix(word)) - 1
            s = first * first + second * second
        x = first * math.sqrt(-2 * math.log(s) / s)
        word += GOLDEN
        v = 1 + c * x
        v = v * v * v
        u = 1 - unit(mix(word))
        # The first inequality implies the second and spares most draws its logarithms.
        if v > 0 and (u < 1 - 0.0331 * x * x * x * x or math.log(u) < 0.5 * x * x + d * (1 - v + math.log(v))):
            return d * v
