"""NRMS, NRMS-BERT, NAML, TANR and LSTUR from their equations: one word, one read after the other; no masks, no batches.

So are the loss of clicks and popularity. Weights are a module's own, by name. What is padding is left out before
anything is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Vector = np.ndarray[Any, Any]
Weights = Mapping[str, Vector]


def sigmoid(x: Vector) -> Vector:
    return 1 / (1 + np.exp(-x))


def softmax(logits: list[float]) -> list[float]:
    powers = [np.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


def linear(weights: Weights, name: str, x: Vector) -> Vector:
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def mean(logits: list[float], vectors: list[Vector], width: int) -> Vector:
    total = np.zeros(width)
    for share, vector in zip(softmax(logits), vectors, strict=True):
        total += share * vector
    return total


def additive_attention(weights: Weights, name: str, vectors: list[Vector]) -> Vector:
    query = weights[f"{name}.weigh.weight"][0]
    logits = [float(query @ np.tanh(linear(weights, f"{name}.hidden", vector))) for vector in vectors]
    return mean(logits, vectors, weights[f"{name}.hidden.weight"].shape[1])


def self_attention(weights: Weights, name: str, heads: int, vectors: list[Vector]) -> list[Vector]:
    to_query, to_key, to_value = np.split(weights[f"{name}.project.weight"], 3)
    head = len(to_query) // heads
    made: list[Vector] = []
    for vector in vectors:
        parts = []
        for k in range(heads):
            rows = slice(k * head, (k + 1) * head)
            query = to_query[rows] @ vector
            logits = [float(query @ (to_key[rows] @ other)) / np.sqrt(head) for other in vectors]
            parts.append(mean(logits, [to_value[rows] @ other for other in vectors], head))
        made.append(np.concatenate(parts))
    return made


def convolution(weights: Weights, name: str, vectors: list[Vector]) -> list[Vector]:
    """A window of three words; beyond a text's ends are zeros."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    made = []
    for place in range(len(vectors)):
        total = bias.copy()
        for offset in (-1, 0, 1):
            if 0 <= place + offset < len(vectors):
                total += kernel[:, :, offset + 1] @ vectors[place + offset]
        made.append(np.maximum(total, 0))
    return made


def recurrence(weights: Weights, name: str, vectors: list[Vector], state: Vector) -> Vector:
    """Gates are reset, update, new; the reset gate acts on what the state contributes, its bias included."""
    for vector in vectors:
        reset, update, new = np.split(linear(weights, f"{name}.project", vector), 3)
        reset_by, update_by, new_by = np.split(linear(weights, f"{name}.recur", state), 3)
        reset, update = sigmoid(reset + reset_by), sigmoid(update + update_by)
        state = (1 - update) * np.tanh(new + reset * new_by) + update * state
    return state


class Naive:
    """Scores of one model; `contents` are arrays of whole numbers, by the names of `Contents`."""

    def __init__(self, model: str, weights: Weights, contents: Mapping[str, Vector], heads: int, variant: str = "ini"):
        self.model, self.weights, self.contents, self.heads, self.variant = model, weights, contents, heads, variant

    def words(self, field: str, article: int) -> list[Vector]:
        return [self.weights["words.weight"][word] for word in self.contents[field][article] if word > 0]

    def row(self, field: str, article: int) -> Vector:
        return self.weights[f"{field}.weight"][self.contents[field][article]]

    def text(self, field: str, article: int) -> Vector:
        filtered = convolution(self.weights, f"{field}.convolution.convolve", self.words(field, article))
        return additive_attention(self.weights, f"{field}.pool", filtered)

    def article(self, article: int) -> Vector:
        if self.model == "nrms":
            words = self_attention(self.weights, "title", self.heads, self.words("title", article))
            return additive_attention(self.weights, "title_pool", words)
        if self.model == "nrms_bert":
            return linear(
                self.weights, "narrow", additive_attention(self.weights, "title_pool", self.words("title", article))
            )
        if self.model == "lstur":
            names = [self.row("category", article), self.row("subcategory", article)]
            return np.concatenate([self.text("title", article), *names])
        if self.model == "tanr":
            return self.text("title", article)
        views = [self.text(field, article) for field in ("title", "abstract") if self.words(field, article)]
        views += [
            np.maximum(linear(self.weights, f"{field}_view", self.row(field, article)), 0)
            for field in ("category", "subcategory")
            if self.contents[field][article] > 0
        ]
        return additive_attention(self.weights, "view_pool", views)

    def reader(self, history: Vector, user: int) -> Vector:
        read = [self.article(article) for article in history if article > 0]
        if self.model == "lstur":
            who = self.weights["users.weight"][user]
            if self.variant == "ini":
                return recurrence(self.weights, "recurrence", read, who)
            lately = recurrence(self.weights, "recurrence", read, np.zeros(len(who) // 2))
            return np.concatenate([lately, linear(self.weights, "long_term", who)])
        if not read:
            return self.weights["nobody"]
        if self.model in ("nrms", "nrms_bert"):
            read = self_attention(self.weights, "read", self.heads, read)
        return additive_attention(self.weights, "read_pool", read)

    def scores(self, history: Vector, pool: Vector, user: int) -> list[float]:
        reader = self.reader(history, user)
        return [float(reader @ self.article(article)) for article in pool]

    def topic_loss(self) -> float:
        """TANR's: the mean over articles with a category of minus the log of its probability, times 0.2."""
        losses = []
        for article, category in enumerate(self.contents["category"]):
            if category > 1:
                chances = softmax(list(linear(self.weights, "topic", self.article(article))))
                losses.append(-np.log(chances[category - 2]))
        return 0.2 * float(np.mean(losses)) if losses else 0.0


def click_loss(logits: Vector, slate_logits: Vector, real: Vector, drawn: Vector) -> float:
    """One click after the other: set against what was passed over, and again, in a slate, against what was drawn."""
    total = 0.0
    for shown, slate, is_real, is_drawn in zip(logits, slate_logits, real, drawn, strict=True):
        for kind, own in ((False, shown), (True, slate)):
            others = [own[place] for place in range(1, len(own)) if is_real[place] and is_drawn[place] == kind]
            if others:
                total -= float(np.log(softmax([own[0], *others])[0]))
    return total / len(logits)


def popularity_features(signals: Mapping[str, float]) -> list[float]:
    """What a popularity head makes of the signals of one article."""
    spans = ("10m", "1h", "6h", "24h")
    idle, known = signals["idle_hours"], max(0.0, signals["known_hours"])
    features = [np.log(1 + signals[f"reads_{span}"]) for span in spans]
    features += [np.log(1 + 60 * (240 if np.isnan(idle) else idle)), np.log(1 + 60 * known)]
    features += [np.log(1 + signals[f"shown_{span}"]) for span in spans]
    for span in spans:
        shown, rate = signals[f"shown_{span}"], signals[f"click_rate_{span}"]
        clicked = 0 if np.isnan(rate) else rate * shown
        features.append(np.log((clicked + 1) / (shown + 20)))
    return [float(feature) for feature in features]


def popularity(weights: Weights, features: list[float], slate: int) -> float:
    """w·f + MLP(f) of one article, f standardised, of a slate (1) or an impression (0)."""
    f = (np.array(features) - weights["mean"]) / weights["spread"]
    hidden = np.tanh(linear(weights, "network.0", f))
    return float(weights["linear.weight"][slate] @ f + linear(weights, "network.2", hidden)[slate])
