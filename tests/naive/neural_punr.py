"""PUNR again, from its equations: one text and one word at a time, float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.naive.neural_aware import below

Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]
States = Callable[[Sequence[int], Sequence[int]], Array]


def linear(w: Weights, name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def normed(w: Weights, name: str, x: Array, eps: float) -> Array:
    """Layer normalisation, word by word."""
    rows = [(row - row.mean()) / math.sqrt(row.var() + eps) for row in x]
    return np.array(rows) * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x: Array) -> Array:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


def attention(query: Array, key: Array, value: Array, heads: int, causal: bool = False) -> Array:
    """[L, heads x s] each → [L, heads x s]; causal: a word looks at none behind it."""
    out = np.zeros_like(query)
    side = query.shape[1] // heads
    for head in range(heads):
        part = slice(head * side, (head + 1) * side)
        for place in range(len(query)):
            seen = place + 1 if causal else len(key)
            weights = softmax(key[:seen, part] @ query[place, part] / math.sqrt(side))
            out[place, part] = weights @ value[:seen, part]
    return out


class OwnModel:
    """The language model that starts from random numbers."""

    first = 0

    def __init__(self, weights: Weights, heads: int, segments: Array):
        self.w, self.heads, self.segments = weights, heads, segments
        self.rows = weights["table.weight"]

    def embedded(self, ids: Sequence[int], of: Sequence[int]) -> Array:
        rows = [
            self.rows[id] + self.w["places"][place] + self.segments[s]
            for place, (id, s) in enumerate(zip(ids, of, strict=True))
        ]
        return normed(self.w, "norm", np.array(rows), 1e-5)

    def states(self, ids: Sequence[int], of: Sequence[int]) -> Array:
        x = self.embedded(ids, of)
        for layer in range(sum(name.endswith("first_norm.weight") for name in self.w)):
            w = below(self.w, f"layers.{layer}")
            mixed = attention(*np.split(linear(w, "project", x), 3, 1), self.heads)
            hidden = normed(w, "first_norm", x + linear(w, "back", mixed), 1e-5)
            x = normed(w, "second_norm", hidden + linear(w, "narrow", gelu(linear(w, "widen", hidden))), 1e-5)
        return x


class Bert:
    """A BERT as the library has it, whose tokens are word ids less one."""

    first = 1

    def __init__(self, weights: Weights, heads: int, segments: Array):
        self.w, self.heads, self.segments = weights, heads, segments
        self.rows = weights["embeddings.word_embeddings.weight"]

    def embedded(self, ids: Sequence[int], of: Sequence[int]) -> Array:
        places = self.w["embeddings.position_embeddings.weight"]
        rows = [
            self.rows[id - 1] + places[place] + self.w["embeddings.token_type_embeddings.weight"][0] + self.segments[s]
            for place, (id, s) in enumerate(zip(ids, of, strict=True))
        ]
        return normed(self.w, "embeddings.LayerNorm", np.array(rows), 1e-12)

    def states(self, ids: Sequence[int], of: Sequence[int]) -> Array:
        x = self.embedded(ids, of)
        for layer in range(sum(name.endswith("intermediate.dense.weight") for name in self.w)):
            w = below(self.w, f"encoder.layer.{layer}")
            parts = [linear(w, f"attention.self.{part}", x) for part in ("query", "key", "value")]
            mixed = attention(*parts, self.heads)
            hidden = normed(w, "attention.output.LayerNorm", x + linear(w, "attention.output.dense", mixed), 1e-12)
            fed = linear(w, "output.dense", gelu(linear(w, "intermediate.dense", hidden)))
            x = normed(w, "output.LayerNorm", hidden + fed, 1e-12)
        return x


class Naive:
    """PUNR over titles by row, whose first word is a mark; readers have `room` for words."""

    def __init__(self, weights: Weights, titles: Array, begin: int, room: int, heads: int, pooling: str = "cls"):
        self.w, self.begin, self.room, self.heads, self.pooling = weights, begin, room, heads, pooling
        self.titles = [[word for word in title.tolist() if word] for title in titles]
        self.apart = "apart" if any(name.startswith("apart.") for name in weights) else "encoder"
        self.encoder, self.candidates = self.model("encoder"), self.model(self.apart)

    def model(self, side: str) -> OwnModel | Bert:
        w = below(self.w, side)
        words = below(w, "words")
        if "table.weight" in words:
            return OwnModel(words, self.heads, w["segments"])
        return Bert(below(words, "model"), self.heads, w["segments"])

    def pooled(self, side: str, states: Array) -> Array:
        if self.pooling == "cls":
            return states[0]
        if self.pooling == "average":
            return states.mean(0)
        w = below(self.w, f"{side}.pool")
        return softmax(np.tanh(linear(w, "hidden", states)) @ w["weigh.weight"][0]) @ states

    def text(self, history: Sequence[int]) -> tuple[list[int], list[int]]:
        """The newest reads that fit, oldest first, as word ids and numbers of news."""
        taken: list[list[int]] = []
        for row in reversed([row for row in history if row]):
            words = self.titles[row][1:]
            if len(taken) == 50 or 1 + sum(map(len, taken)) + len(words) > self.room:
                break
            taken.insert(0, words)
        ids, of = [self.begin], [0]
        for number, words in enumerate(taken):
            ids += words
            of += [number] * len(words)
        return ids, of

    def reader(self, history: Sequence[int]) -> Array:
        if not any(history):
            return self.w["nobody"]
        return self.pooled("encoder", self.encoder.states(*self.text(history)))

    def candidate(self, row: int) -> Array:
        title = self.titles[row]
        return self.pooled(self.apart, self.candidates.states(title, [0] * len(title)))

    def scores(self, history: Array, pool: Array) -> list[float]:
        reader = self.reader(history.tolist())
        return [float(self.candidate(row) @ reader) for row in pool.tolist()]

    def logits(self, state: Array) -> Array:
        """Over all words, of one state."""
        w = below(self.w, "behaviours.head")
        hidden = normed(w, "norm", gelu(linear(w, "dense", state[None])), 1e-5)
        return self.encoder.rows @ hidden[0] + w["bias"]

    def surprise(self, state: Array, word: int) -> float:
        """-log of the probability of a word id."""
        return -math.log(softmax(self.logits(state))[word - self.encoder.first])

    def masked_loss(
        self, ids: Sequence[int], hidden: Sequence[int], of: Sequence[int], chosen: Sequence[bool]
    ) -> float:
        """L_mlm of one text, the mean over its masked words."""
        states = self.encoder.states(hidden, of)
        return float(np.mean([self.surprise(states[n], ids[n]) for n in range(len(ids)) if chosen[n]]))

    def following(self, reader: Array, ids: Sequence[int], of: Sequence[int]) -> Array:
        """States of the decoder: the reader in place of the first word, the others as they are, unmasked."""
        w = below(self.w, "behaviours.block")
        x = np.concatenate([reader[None], self.encoder.embedded(ids, of)[1:]])
        parts = np.split(linear(w, "project", normed(w, "first_norm", x, 1e-5)), 3, 1)
        hidden = x + linear(w, "back", attention(*parts, self.heads, causal=True))
        fed = linear(w, "narrow", gelu(linear(w, "widen", normed(w, "second_norm", hidden, 1e-5))))
        return normed(w, "last_norm", hidden + fed, 1e-5)

    def generation_loss(self, reader: Array, ids: Sequence[int], of: Sequence[int]) -> float:
        """L_dec of one text, the mean over its words but the first."""
        states = self.following(reader, ids, of)
        return float(np.mean([self.surprise(states[n], ids[n + 1]) for n in range(len(ids) - 1)]))


# --- masking ---------------------------------------------------------------------------------------------


def masked(
    titles: Sequence[Sequence[bool]], alpha: float, beta: float, most: int, rng: np.random.Generator
) -> list[list[bool]]:
    """Which words of titles are masked; each word tells whether it continues the one before it.

    The text has a mark in front and one behind each title, which count, but are never masked.
    """
    chosen = [[False] * len(title) for title in titles]
    words = sum(map(len, titles))
    if alpha == 0 or words == 0:
        return chosen
    left = round(beta * min(most, max(1, round(alpha * words))))
    while True:
        pool = [n for n, title in enumerate(titles) if title and not any(chosen[n]) and len(title) <= left]
        if not pool:
            break
        drawn = pool[int(rng.integers(len(pool)))]
        chosen[drawn] = [True] * len(titles[drawn])
        left -= len(titles[drawn])
    most_of_all = min(most, max(1, round(alpha * (1 + words + len(titles)))))
    whole_words = []
    for n, title in enumerate(titles):
        for place, continues in enumerate(title):
            if chosen[n][place]:
                continue
            if continues and place:
                whole_words[-1].append((n, place))
            else:
                whole_words.append([(n, place)])
    for number in rng.permutation(len(whole_words)).tolist():
        if sum(map(sum, chosen)) + len(whole_words[number]) <= most_of_all:
            for n, place in whole_words[number]:
                chosen[n][place] = True
    return chosen
