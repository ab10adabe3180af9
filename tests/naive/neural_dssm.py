"""DSSM from its equations: one term after the other in dictionaries; no masks, no batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.naive.neural_models import linear

Vector = np.ndarray[Any, Any]
Terms = dict[int, float]


class Naive:
    """Scores; `texts` are the word ids of each article's title and abstract, `known` those that were surveyed."""

    def __init__(self, weights: Mapping[str, Vector], texts: Sequence[Sequence[int]], known: Sequence[int]):
        self.weights, self.texts, self.known = weights, texts, known

    def tfidf(self, article: int) -> Terms:
        found: Terms = {}
        for term in set(self.texts[article]):
            documents = sum(term in self.texts[other] for other in self.known)
            idf = math.log((1 + len(self.known)) / (1 + documents)) + 1
            found[term] = self.texts[article].count(term) * idf
        length = math.sqrt(sum(weight**2 for weight in found.values()))
        return {term: weight / length for term, weight in found.items()}

    def vector(self, tower: str, terms: Terms) -> Vector:
        x = sum((weight * self.weights["words.weight"][term] for term, weight in terms.items()), np.zeros(8))
        for layer in (0, 2, 4):
            x = np.tanh(linear(self.weights, f"{tower}.{layer}", x))
        return unit(x)

    def scores(self, history: Sequence[int], pool: Sequence[int]) -> list[float]:
        together: Terms = {}
        for article in history:
            for term, weight in self.tfidf(article).items():
                together[term] = max(weight, together.get(term, 0.0))
        reader = self.vector("of_readers", together) if history else unit(self.weights["nobody"])
        return [10 * float(reader @ self.vector("of_articles", self.tfidf(article))) for article in pool]


def unit(x: Vector) -> Vector:
    return x / np.sqrt(x @ x)
