"""FIM again, from its equations: one article and one pair at a time, whole cubes, float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.naive.neural_aware import below

Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]

SHORTEST = 17  #: sides of which two convolutions and poolings leave one cell


def conv1d(w: Weights, x: Array, dilation: int) -> Array:
    """[length, width] → [length, filters]; beyond both ends there is nothing."""
    out = []
    for place in range(len(x)):
        total = w["bias"].copy()
        for tap in range(3):
            at = place + (tap - 1) * dilation
            if 0 <= at < len(x):
                total += w["weight"][:, :, tap] @ x[at]
        out.append(total)
    return np.array(out)


def normed(w: Weights, x: Array) -> Array:
    """Layer normalisation over all places and filters at once; weights are [filters, length]."""
    return (x - x.mean()) / math.sqrt(x.var() + 1e-5) * w["weight"].T + w["bias"].T


def conv3d(w: Weights, x: Array) -> Array:
    """[channels, a, b, c] → [filters, a - 2, b - 2, c - 2]."""
    a, b, c = (side - 2 for side in x.shape[1:])
    total = np.zeros((len(w["bias"]), a, b, c)) + w["bias"][:, None, None, None]
    for i, j, k in np.ndindex(3, 3, 3):
        total += np.einsum("oc,cxyz->oxyz", w["weight"][:, :, i, j, k], x[:, i : i + a, j : j + b, k : k + c])
    return total


def pooled(x: Array) -> Array:
    """The largest of each 3 x 3 x 3; what does not fill a window is left out."""
    sides = [side // 3 for side in x.shape[1:]]
    out = np.empty((len(x), *sides))
    for i, j, k in np.ndindex(*sides):
        out[:, i, j, k] = x[:, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3, 3 * k : 3 * k + 3].max((1, 2, 3))
    return out


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class Naive:
    """FIM over articles by row, whose titles have `title` places and readers `history`."""

    def __init__(self, weights: Weights, contents: Mapping[str, Array], title: int, history: int) -> None:
        self.w = weights
        self.contents = contents
        self.title = title
        self.history = history
        self.levels = [self.article(row) for row in range(len(contents["title"]))]
        self.shapes: list[tuple[int, ...]] = []  #: of the last cube on its way

    def article(self, row: int) -> list[Array]:
        """d_0 to d_3; zeros where there is no word."""
        w = below(self.w, "levels")
        words = [*self.contents["title"][row], *[0] * self.title][: self.title]
        names = self.contents["category"][row], self.contents["subcategory"][row]
        there = np.array([*names, *words]) > 0
        x = np.array(
            [
                w["categories.weight"][names[0]],
                w["subcategories.weight"][names[1]],
                *self.vectors(row, words),
            ]
        )
        levels = [x]
        for layer in range(3):
            x = np.maximum(
                normed(below(w, f"norms.{layer}"), conv1d(below(w, f"convolutions.{layer}"), x, 1 + layer)), 0
            )
            levels.append(x)
        return [level * there[:, None] for level in levels]

    def vectors(self, row: int, words: list[int]) -> list[Array]:
        """Those of the words of a title."""
        return [self.w["levels.words.weight"][word] for word in words]

    def cube(self, newest_first: list[int], candidate: int) -> Array:
        """M, [level, words of the candidate, reads, words of a read]."""
        length = max(SHORTEST, 2 + self.title)
        cube = np.zeros((4, length, max(SHORTEST, self.history), length))
        root = math.sqrt(self.levels[0][1].shape[1])
        for level in range(4):
            c = self.levels[candidate][level]
            for place, row in enumerate(newest_first):
                cube[level, : len(c), place, : len(c)] = c @ self.levels[row][level].T / root
        return cube

    def score(self, history: Array, candidate: int) -> float:
        """s; the history is oldest first, with zeros behind."""
        w = below(self.w, "cubes")
        x = self.cube([row for row in history.tolist() if row > 0][::-1], candidate)
        self.shapes = [x.shape]
        for layer in ("first", "second"):
            x = elu(conv3d(below(w, layer), x))
            self.shapes.append(x.shape)
            x = pooled(x)
            self.shapes.append(x.shape)
        return float(self.w["last.weight"][0] @ x.ravel() + self.w["last.bias"][0])

    def scores(self, history: Array, pool: Array) -> list[float]:
        return [self.score(history, row) for row in pool.tolist()]
