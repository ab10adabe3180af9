"""Counter-based random words: a pure function of (key, row, place), so that no order of work changes them.

The mixer is the finaliser of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", section 5).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from newsreplay.kernels.compiling import compiled, int64, kernel

_11 = np.uint64(11)


@kernel
def sample(key: np.uint64, row: int, n: int, slate: Any, moved: Any) -> int:
    """Write min(k, n) distinct numbers below n into `slate`, all orders equally likely; returns how many.

    Fisher–Yates on 0 … n-1 of which only the moved places are kept (`moved`: int64[2, k], where and what),
    so that its cost depends on k alone and a shorter slate is a prefix of a longer one.
    """
    count: int = min(int64(slate.size), n)
    for place in range(count):
        chosen = place + below(n - place, draw(key, row, place))
        own, other = int64(place), int64(chosen)
        at = place
        for i in range(place):
            if moved[0, i] == place:
                own = moved[1, i]
            if moved[0, i] == chosen:
                other = moved[1, i]
                at = i
        moved[0, place] = -1
        moved[0, at] = chosen
        moved[1, at] = own
        slate[place] = other
    return count


@kernel
def unit(word: np.uint64) -> float:
    """A number in [0, 1) from the highest 53 bits of a random word."""
    return float(word >> _11) * 2.0**-53


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


def key_of(*parts: object) -> np.uint64:
    """A 64-bit key from anything printable, the same on every machine.

    >>> int(key_of(0, "random")) == int(key_of(0, "random")) != int(key_of(1, "random"))
    True
    """
    text = "\x1f".join(map(str, parts))
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


@kernel
def mix(word: np.uint64) -> np.uint64:
    """Scramble 64 bits, one to one."""
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


@kernel
def draw(key: np.uint64, row: int, place: int) -> np.uint64:
    """The random word for place `place` of the request at row `row`."""
    return mix(mix(key + np.uint64(row) * GOLDEN) + np.uint64(place) * GOLDEN)


@kernel
def below(n: int, word: np.uint64) -> int:
    """A whole number in [0, n), n < 2^31, from the high half of a random word (bias below n / 2^32)."""
    return int64(((word >> _32) * np.uint64(n)) >> _32)


def mix_all(key: np.uint64, counters: npt.NDArray[np.integer]) -> npt.NDArray[np.uint64]:
    """The word `draw(key, counter, 0)` for every counter.

    >>> int(mix_all(key_of("x"), np.array([7]))[0]) == int(draw(key_of("x"), 7, 0))
    True
    """
    words = np.empty(counters.size, np.uint64)
    _mix_all(key, counters.astype(np.int64), words)
    return words


@compiled
def _mix_all(key: np.uint64, counters: Any, words: Any) -> None:
    for i in range(counters.size):
        words[i] = draw(key, counters[i], 0)
