"""CROWN again, from its equations: one article, one reader and one candidate at a time, float64."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.naive.neural_aware import additive, affine, below, self_attention, softmax, weighed

Vector = np.ndarray[Any, Any]
Weights = Mapping[str, Vector]


def normed(w: Weights, name: str, x: Vector) -> Vector:
    """Layer normalisation."""
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def elu(x: Vector) -> Vector:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def sines(place: int, width: int) -> Vector:
    """Sine at even columns, cosine of the same angle behind each."""
    angles = [place / 10_000 ** ((column - column % 2) / width) for column in range(width)]
    return np.array([math.cos(angle) if column % 2 else math.sin(angle) for column, angle in enumerate(angles)])


def text(w: Weights, words: list[Vector], heads: int, ordered: bool) -> Vector:
    """t or b; zeros where there are no words."""
    if not words:
        return np.zeros(len(w["first_norm.bias"]))
    if ordered:
        words = [word + sines(place, len(word)) for place, word in enumerate(words)]
    mixed = self_attention(w, "attention", words, heads)
    out = []
    for word, seen in zip(words, mixed, strict=True):
        hidden = normed(w, "first_norm", word + affine(w, "back", seen))
        fed = affine(w, "narrow", np.maximum(affine(w, "widen", hidden), 0))
        out.append(normed(w, "second_norm", hidden + fed))
    return mean(out)


def mean(vectors: Sequence[Vector]) -> Vector:
    return np.stack(vectors).sum(0) / len(vectors)


def agreement(a: Vector, b: Vector) -> float:
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return 0.5 if lengths == 0 else float(a @ b / lengths + 1) / 2


class Naive:
    """CROWN over articles by row, some of which readers have read before."""

    def __init__(
        self,
        weights: Weights,
        heads: int,
        contents: Mapping[str, Vector],
        around: Mapping[int, list[int]],
        **options: Any,
    ) -> None:
        self.w = weights
        self.heads = heads
        self.contents = contents
        self.around = around  #: rows of readers, by row of an article
        self.release = options.get("preset") == "release"
        self.intents = options.get("intents", 3)
        self.guided = options.get("category", True)
        self.consistent = options.get("consistency", True)
        self.user = options.get("user", "hybrid")
        self.gnn = options.get("gnn", "gat")

    def article(self, row: int) -> tuple[Vector, Vector]:
        """r_t and r_n."""
        w = below(self.w, "articles")
        words = {
            name: [w["words.weight"][word] for word in self.contents[name][row] if word > 0]
            for name in ("title", "abstract")
        }
        title = text(below(w, "title"), words["title"], self.heads, self.release)
        content = text(below(w, "content"), words["abstract"], self.heads, self.release)
        names = np.zeros(0)
        if self.release or (self.guided and self.intents):
            category, subcategory = self.contents["category"][row], self.contents["subcategory"][row]
            names = np.concatenate([w["categories.weight"][category], w["subcategories.weight"][subcategory]])
        if self.intents:
            guide = affine(w, "guide", names) if self.guided else np.zeros(0)
            title = self.aware(w, np.concatenate([title, guide]), "title_intents")
            content = self.aware(w, np.concatenate([content, guide]), "content_intents")
        share = agreement(title, content) if self.consistent else 1.0
        if not words["abstract"]:
            share = 0.0
        if self.release:
            return title, np.concatenate([title, share * content, names])
        return title, title + share * content

    def aware(self, w: Weights, x: Vector, attention: str) -> Vector:
        weight, bias = np.split(w["intents.weight"], self.intents), np.split(w["intents.bias"], self.intents)
        z = [np.maximum(weight[k] @ x + bias[k], 0) for k in range(self.intents)]
        pooled: Vector = additive(w, attention, z, len(z[0]))
        return pooled

    def hop(self, name: str, itself: Vector, others: list[Vector]) -> Vector:
        """A node after a layer, from itself and those around it."""
        w = below(self.w, f"reader.{name}")
        if self.gnn == "lightgcn":
            return (itself + mean(others)) / 2 if others else itself
        if self.gnn == "gcn":
            return elu(affine(w, "itself", mean([itself, *others])))
        if self.gnn == "sage":
            near = mean(others) if others else np.zeros_like(itself)
            return elu(affine(w, "itself", itself) + w["others.weight"] @ near)
        projected = [w["itself.weight"] @ node for node in [itself, *others]]
        logits = [w["look"][0] @ projected[0] + w["look"][1] @ node for node in projected]
        shares = softmax([logit if logit > 0 else 0.2 * logit for logit in logits])
        return elu(weighed(shares, projected) + w["itself.bias"])

    def reader(self, history: list[int], user: int) -> Vector:
        """r_u."""
        w = below(self.w, "reader")
        news = [self.article(row)[1] for row in history]
        node = None
        if self.user in ("hybrid", "gnn"):
            table = self.w["users.weight"]
            near = [
                self.hop("to_articles", r_n, [table[reader] for reader in self.around.get(row, [])])
                for row, r_n in zip(history, news, strict=True)
            ]
            node = self.hop("to_readers", table[user], near)
            if self.user == "gnn":
                return node
        if not news:
            return w["nobody"]
        if self.user == "average":
            return mean(news)
        query = affine(w, "ask", node) if self.user == "hybrid" else w["query"]
        reader: Vector = weighed(softmax([query @ np.tanh(affine(w, "hidden", r_n)) for r_n in news]), news)
        return reader

    def paired(self, history: list[int], candidate: int) -> float:
        """s of the public code, its means over what was read."""
        w = below(self.w, "pairing")
        c = self.article(candidate)[1]
        h = [self.article(row)[1] for row in history]
        if not h:
            return float(w["nobody"] @ c)
        all_of_them = w["others.weight"] @ mean(h)
        g = [affine(w, "itself", one) + all_of_them for one in h]
        query = affine(w, "ask", c)
        shares = softmax([(w["key.weight"] @ one) @ query / math.sqrt(len(query)) for one in g])
        return float(weighed(shares, g) @ c)

    def scores(self, history: Vector, pool: Vector, user: int) -> list[float]:
        read = [row for row in history.tolist() if row > 0]
        if self.release:
            return [self.paired(read, row) for row in pool.tolist()]
        r_u = self.reader(read, user)
        return [float(r_u @ self.article(row)[0]) for row in pool.tolist()]

    def topic_loss(self) -> float:
        """Of all articles whose category is known, once each."""
        losses = []
        for row, category in enumerate(self.contents["category"]):
            if category > 1:
                shares = softmax(affine(self.w, "topic", self.article(row)[0]).tolist())
                losses.append(-math.log(shares[category - 2]))
        return sum(losses) / len(losses)
