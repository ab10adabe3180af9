"""MCCM from its equations: one word, one read after the other; no masks, no batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.naive.neural_models import additive_attention, linear, self_attention, softmax

Vector = np.ndarray[Any, Any]


class Naive:
    """Scores and losses; `titles` are word ids, int[articles, words], 0 = padding."""

    def __init__(self, weights: Mapping[str, Vector], titles: Vector, heads: int):
        self.weights, self.titles, self.heads = weights, titles, heads

    def convolved(self, words: Sequence[Vector]) -> list[Vector]:
        made = []
        for place, word in enumerate(words):
            total = word.copy()
            for step in range(3):
                if 0 <= place + step - 1 < len(words):
                    kernel = np.zeros(len(word))
                    for topic in self.weights["convolution.topics"]:
                        whole = np.maximum(linear(self.weights, "convolution.kernels", topic), 0)
                        kernel += float(word @ topic) * whole[step * len(word) : (step + 1) * len(word)]
                    total += kernel * words[place + step - 1]
            made.append(total)
        return made

    def article(self, article: int) -> Vector:
        words = [self.weights["words.weight"][word] for word in self.titles[article] if word > 0]
        mixed = self.convolved(self_attention(self.weights, "title", self.heads, words))
        return additive_attention(self.weights, "title_pool", mixed)

    def reader(self, read: Sequence[int]) -> Vector:
        if not read:
            return self.weights["nobody"]
        return additive_attention(self.weights, "read_pool", [self.article(article) for article in read])

    def scores(self, history: Vector, pool: Vector) -> list[float]:
        reader = self.reader([article for article in history if article > 0])
        return [float(reader @ self.article(article)) for article in pool]

    def further(self, histories: Sequence[Sequence[int]], kept: Sequence[Sequence[int]]) -> float:
        """A tenth of the losses of topics and of readers, of whom so much of what they read was kept."""
        topics = list(self.weights["convolution.topics"])
        some = [place for place, history in enumerate(histories) if len(history)]
        readers = [self.reader(histories[place]) for place in some]
        others = [self.reader(kept[place]) for place in some]
        return 0.1 * (told_apart(topics, topics) + told_apart(readers, others))


def told_apart(some: Sequence[Vector], others: Sequence[Vector]) -> float:
    losses = []
    for place, one in enumerate(some):
        likeness = [float(one @ other) / math.sqrt((one @ one) * (other @ other)) / 0.1 for other in others]
        losses.append(-math.log(softmax(likeness)[place]))
    return sum(losses) / len(losses)
