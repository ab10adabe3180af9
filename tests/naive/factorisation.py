"""A factorisation machine, a network over its fields and TF-IDF from their definitions: one pair after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

Vector = np.ndarray[Any, Any]
Values = Mapping[tuple[int, object], float]


def machine(bias: float, weight: Mapping[Any, float], vector: Mapping[Any, Vector], values: Values) -> float:
    """The logit of an example; features without a weight are not there."""
    known = [(feature, value) for feature, value in values.items() if feature in weight]
    total = bias + sum(weight[feature] * value for feature, value in known)
    for (one, x), (other, y) in combinations(known, 2):
        total += float(vector[one] @ vector[other]) * x * y
    return total


def network(weights: Sequence[Vector], biases: Sequence[Vector], fields: Sequence[Vector]) -> float:
    """The logit of an example by the sums of its fields."""
    x = [float(number) for field in fields for number in field]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = [bias[j] + sum(x[i] * weight[i, j] for i in range(len(x))) for j in range(len(bias))]
        x = x if layer == 2 else [max(number, 0.0) for number in x]
    return x[0]


def log_loss(logits: Sequence[float], clicked: Sequence[bool]) -> float:
    signs = [1 if click else -1 for click in clicked]
    return float(np.mean([math.log1p(math.exp(-sign * logit)) for sign, logit in zip(signs, logits, strict=True)]))


def slope(loss: Callable[[], float], table: Vector, place: Any) -> float:
    """The derivative of a loss by a number in a table, by differences."""
    before, step = table[place], 1e-5
    table[place] = before + step
    above = loss()
    table[place] = before - step
    below = loss()
    table[place] = before
    return (above - below) / (2 * step)


def tfidf(terms: Sequence[str], known: Sequence[Sequence[str]]) -> dict[str, float]:
    """Of an article's terms, weighed by the terms of the known articles."""
    found = {}
    for term in terms:
        documents = sum(term in other for other in known)
        found[term] = terms.count(term) * (math.log((1 + len(known)) / (1 + documents)) + 1)
    length = math.sqrt(sum(weight**2 for weight in found.values()))
    return {term: weight / length for term, weight in found.items()}
