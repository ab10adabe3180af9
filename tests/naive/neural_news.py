"""CenNewsRec, SentiRec, MINS, NPA, MINER and MANNeR-CR from their equations: one word, one read after the other.

Weights are a module's own, by name. What is padding is left out before anything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.naive.neural_models import (
    Vector,
    Weights,
    additive_attention,
    convolution,
    linear,
    mean,
    recurrence,
    self_attention,
    softmax,
)


def asked(weights: Weights, name: str, query: Vector, vectors: list[Vector]) -> Vector:
    """A mean of vectors whose logits are query · tanh(W x + b)."""
    logits = [float(query @ np.tanh(linear(weights, name, vector))) for vector in vectors]
    return mean(logits, vectors, len(vectors[0]) if vectors else weights[f"{name}.weight"].shape[1])


def cosine(a: Vector, b: Vector) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def gelu(x: Vector) -> Vector:
    return np.array([0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in x])


class Naive:
    """Scores of one model; `contents` are arrays of whole numbers, by the names of `Contents`."""

    def __init__(self, weights: Weights, contents: Mapping[str, Vector], heads: int):
        self.weights, self.contents, self.heads = weights, contents, heads

        self.made: dict[tuple[int, ...], Vector] = {}

    def kept(self, *article: int) -> Vector:
        """An article's vector, worked out once."""
        if article not in self.made:
            self.made[article] = self.article(*article)
        return self.made[article]

    def article(self, *articles: int) -> Vector:
        raise NotImplementedError

    def words(self, field: str, article: int) -> list[Vector]:
        return [self.weights["words.weight"][word] for word in self.contents[field][article] if word > 0]

    def scores(self, history: Vector, pool: Vector, user: int) -> list[float]:
        read = [article for article in history if article > 0]
        return [self.score(read, article, user) for article in pool]

    def score(self, read: list[int], candidate: int, user: int) -> float:
        raise NotImplementedError


class CenNewsRec(Naive):
    lately = 20

    def article(self, *articles: int) -> Vector:
        (article,) = articles
        states = convolution(self.weights, "convolution.convolve", self.words("title", article))
        attended = self_attention(self.weights, "title", self.heads, states)
        return additive_attention(self.weights, "title_pool", [np.maximum(one, 0) for one in attended])

    def score(self, read: list[int], candidate: int, user: int) -> float:
        reader = self.weights["nobody"]
        if read:
            vectors = [self.kept(article) for article in read]
            attended = self_attention(self.weights, "read", self.heads, vectors)
            long_term = additive_attention(self.weights, "read_pool", attended)
            lately = vectors[max(0, len(vectors) - self.lately) :]
            short_term = recurrence(self.weights, "recurrence", lately, np.zeros_like(long_term))
            reader = additive_attention(self.weights, "both_pool", [long_term, short_term])
        return float(reader @ self.kept(candidate))


class MINS(Naive):
    def article(self, *articles: int) -> Vector:
        (article,) = articles
        views = []
        for field in ("title", "abstract"):
            if self.words(field, article):
                attended = self_attention(self.weights, f"{field}.attention", self.heads, self.words(field, article))
                views.append(additive_attention(self.weights, f"{field}.pool", attended))
        for field in ("category", "subcategory"):
            row = self.weights[f"{field}.weight"][self.contents[field][article]]
            if self.contents[field][article] > 0:
                views.append(np.maximum(linear(self.weights, f"{field}_view", row), 0))
        return additive_attention(self.weights, "view_pool", views)

    def interests(self, read: list[int]) -> list[Vector]:
        """The last state of every channel."""
        channels = len(self.weights["interests.project.weight"])
        vectors = self_attention(self.weights, "read", channels, [self.kept(article) for article in read])
        states = []
        for channel in range(channels):
            own = {
                f"gru.{layer}.{what}": self.weights[f"interests.{layer}.{what}"][channel]
                for layer in ("project", "recur")
                for what in ("weight", "bias")
            }
            own |= {name: bias[0] for name, bias in own.items() if name.endswith("bias")}
            inputs = [np.split(vector, channels)[channel] for vector in vectors]
            states.append(recurrence(own, "gru", inputs, np.zeros_like(inputs[0])))
        return states

    def score(self, read: list[int], candidate: int, user: int) -> float:
        target = self.kept(candidate)
        if not read:
            return float(self.weights["nobody"] @ target)
        states = self.interests(read)
        query = self.weights["channel_pool.weigh.weight"][0]
        shares = softmax([float(query @ np.tanh(linear(self.weights, "channel_pool.hidden", g))) for g in states])
        parts = np.split(target, len(states))
        return sum(len(states) * share * float(g @ part) for share, g, part in zip(shares, states, parts, strict=True))


class NPA(Naive):
    def article(self, *articles: int) -> Vector:
        article, user = articles
        query = np.maximum(linear(self.weights, "word_query", self.weights["users.weight"][user]), 0)
        states = convolution(self.weights, "convolution.convolve", self.words("title", article))
        return asked(self.weights, "word_keys", query, states)

    def score(self, read: list[int], candidate: int, user: int) -> float:
        reader = self.weights["nobody"]
        if read:
            query = np.maximum(linear(self.weights, "read_query", self.weights["users.weight"][user]), 0)
            reader = asked(self.weights, "read_keys", query, [self.kept(article, user) for article in read])
        return float(reader @ self.kept(candidate, user))


class MINER(Naive):
    aggregation = "weighted"

    def article(self, *articles: int) -> Vector:
        (article,) = articles
        words = self.words("title", article)
        return linear(self.weights, "narrow", words[0] if words else np.zeros_like(self.weights["words.weight"][0]))

    def alike(self, article: int, candidate: int) -> float:
        rows = [self.weights["categories.weight"][self.contents["category"][one]] for one in (article, candidate)]
        return cosine(*rows)

    def vectors(self, read: list[int], candidate: int) -> list[Vector]:
        """What a reader is to a candidate, a vector for each code."""
        articles = [self.kept(article) for article in read]
        found = []
        for code in self.weights["codes.weight"]:
            logits = [float(code @ np.tanh(self.weights["hidden.weight"] @ vector)) for vector in articles]
            if "bias" in self.weights:
                lean = float(self.weights["bias"])
                logits = [one + lean * self.alike(a, candidate) for one, a in zip(logits, read, strict=True)]
            found.append(mean(logits, articles, len(articles[0])))
        return found

    def score(self, read: list[int], candidate: int, user: int) -> float:
        target = self.kept(candidate)
        if not read:
            return float(self.weights["nobody"] @ target)
        vectors = self.vectors(read, candidate)
        scores = [float(vector @ target) for vector in vectors]
        if self.aggregation != "weighted":
            return max(scores) if self.aggregation == "max" else sum(scores) / len(scores)
        weigh = gelu(self.weights["target.weight"] @ target)
        shares = softmax([float(vector @ weigh) for vector in vectors])
        return sum(share * score for share, score in zip(shares, scores, strict=True))

    def agreement(self, histories: Vector, pools: Vector) -> float:
        """The mean cosine of two different vectors of a reader, over candidates of readers who have read."""
        cosines = []
        for history, pool in zip(histories, pools, strict=True):
            read = [article for article in history if article > 0]
            for candidate in pool if read else ():
                vectors = self.vectors(read, candidate)
                pairs = [cosine(a, b) for i, a in enumerate(vectors) for j, b in enumerate(vectors) if i != j]
                cosines.append(sum(pairs) / len(pairs))
        return float(np.mean(cosines))


class MANNeRCR(Naive):
    def article(self, *articles: int) -> Vector:
        (article,) = articles
        words = self.words("title", article) + self.words("abstract", article)
        text = words[0] if words else np.zeros_like(self.weights["words.weight"][0])
        names = [self.weights["entities.weight"][name] for name in self.contents["entities"][article] if name > 0]
        attended = self_attention(self.weights, "entity", max(1, self.heads // 5), names)
        entities = additive_attention(self.weights, "entity_pool", attended)
        return linear(self.weights, "narrow", np.concatenate([text, entities]))

    def score(self, read: list[int], candidate: int, user: int) -> float:
        target = self.kept(candidate)
        if not read:
            return float(self.weights["nobody"] @ target) / 0.1
        return sum(float(self.kept(article) @ target) for article in read) / len(read) / 0.1


def sentiment_losses(
    sentiment: list[float], predicted: list[float], histories: Vector, pools: Vector, scores: Vector, real: Vector
) -> tuple[float, float]:
    """SentiRec's: mean |predicted - sentiment| of articles, and the mean of max(0, s_u s_c score) of candidates."""
    known = {article for article in range(1, len(sentiment)) if not math.isnan(sentiment[article])}
    missed = [abs(predicted[article] - sentiment[article]) for article in known]
    alike = []
    for reader, pool in enumerate(pools):
        told = [sentiment[article] for article in histories[reader] if article in known]
        mood = sum(told) / len(told) if told else 0.0
        for place, article in enumerate(pool):
            if real[reader][place] and article in known:
                alike.append(max(0.0, mood * sentiment[article] * float(scores[reader][place])))
    return sum(missed) / len(missed), sum(alike) / len(alike)


NAIVE: dict[str, Any] = {
    "cennewsrec": CenNewsRec,
    "mins": MINS,
    "npa": NPA,
    "miner": MINER,
    "manner_cr": MANNeRCR,
}
