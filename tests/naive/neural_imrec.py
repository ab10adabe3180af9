"""IMRec's modules again, from their equations, within NRMS and FIM: one word, one cue, one read at a time, float64.

What is not there is left out before anything is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.naive import neural_fim, neural_models
from tests.naive.neural_models import Weights, linear, sigmoid, softmax

Array = np.ndarray[Any, Any]


def cues_there(cues: Array) -> list[Array]:
    return [cue for cue in cues if any(cue != 0)]


def shares(weights: Weights, word: Array, cues: list[Array]) -> list[float]:
    """How far a word attends to each cue."""
    query = linear(weights, "impression.local.query", word)
    return softmax([float(query @ (weights["impression.local.key.weight"] @ cue)) for cue in cues])


def word_seen(weights: Weights, word: Array, cues: Array) -> Array:
    """A word as the cues change it."""
    seen = linear(weights, "impression.local.value", word)
    there = cues_there(cues)
    if there:
        for share, cue in zip(shares(weights, word, there), there, strict=True):
            seen = seen + share * linear(weights, "impression.local.cue_value", cue)
    return seen


def article_seen(weights: Weights, vector: Array, card: Array) -> Array:
    """An article as its whole card changes it."""
    if not any(card != 0):
        return vector
    other = linear(weights, "impression.whole.project", card)
    gate = sigmoid(linear(weights, "impression.whole.gate", np.concatenate([vector, other])))
    return np.array([z * e + (1 - z) * o for z, e, o in zip(gate, vector, other, strict=True)])


class NaiveNRMSIM(neural_models.Naive):
    """NRMS-IM; a module that has no weights is not there."""

    def words(self, field: str, article: int) -> list[Array]:
        words = super().words(field, article)
        if "impression.local.value.weight" not in self.weights:
            return words
        return [word_seen(self.weights, word, self.contents["cues"][article]) for word in words]

    def article(self, article: int) -> Array:
        vector = super().article(article)
        if "impression.whole.gate.weight" not in self.weights:
            return vector
        return article_seen(self.weights, vector, self.contents["card"][article])


class NaiveFIMIM(neural_fim.Naive):
    """FIM-IM likewise."""

    def vectors(self, row: int, words: list[int]) -> list[Array]:
        plain = super().vectors(row, words)
        if "impression.local.value.weight" not in self.w:
            return plain
        cues = self.contents["cues"][row]
        return [
            word_seen(self.w, vector, cues) if word > 0 else np.zeros_like(vector)
            for word, vector in zip(words, plain, strict=True)
        ]

    def look(self, row: int) -> Array:
        """p of an article."""
        card = self.contents["card"][row]
        p = linear(self.w, "impression.whole.project", card)
        return p if any(card != 0) else np.zeros_like(p)

    def score(self, history: Array, candidate: int) -> float:
        """From words, and the products of cards behind them."""
        score = super().score(history, candidate)
        if "impression.whole.weigh.weight" in self.w:
            newest_first = [row for row in history.tolist() if row > 0][::-1]
            for weight, row in zip(self.w["impression.whole.weigh.weight"][0], newest_first, strict=False):
                score += float(weight * (self.look(row) @ self.look(candidate)))
        return score
