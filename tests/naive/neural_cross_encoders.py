"""UNBERT and AMM from their equations: one pair of a reader and a candidate after the other, float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.naive.neural_aware import below
from tests.naive.neural_models import additive_attention
from tests.naive.neural_punr import Array, OwnModel, Weights, attention, gelu, linear, normed

Text = Sequence[int]


def layer(w: Weights, x: Array, heads: int) -> Array:
    mixed = attention(*np.split(linear(w, "project", x), 3, 1), heads)
    hidden = normed(w, "first_norm", x + linear(w, "back", mixed), 1e-5)
    return normed(w, "second_norm", hidden + linear(w, "narrow", gelu(linear(w, "widen", hidden))), 1e-5)


def unbert(w: Weights, heads: int, read: Sequence[Text], offered: Text, begin: int, room: int, most: int) -> float:
    """Titles are word ids with a mark in front, which only the first of a text keeps; oldest first."""
    clicks: list[Text] = []
    left = room - max(1, len(offered))
    for title in reversed(read[-most:]):
        if len(title[1:]) > left:
            break
        left -= len(title[1:])
        clicks.insert(0, title[1:])
    news = [[begin, *offered[1:]], *clicks]
    ids = [word for text in news for word in text]
    of = [number for number, text in enumerate(news) for _ in text]
    states = OwnModel(below(w, "words"), heads, w["segments"]).states(ids, of)
    means = [states[[place for place, number in enumerate(of) if number == one]].mean(0) for one in sorted(set(of))]
    by_news = layer(below(w, "news"), np.array(means), heads)
    return float(w["last.weight"][0] @ np.concatenate([states[0], by_news[0]]) + w["last.bias"][0])


def amm(w: Weights, heads: int, read: Sequence[Mapping[str, Text]], offered: Mapping[str, Text], begin: int) -> float:
    names = ("title", "abstract", "body")
    model = OwnModel(below(w, "words"), heads, w["sides"])
    together = []
    for article in read:
        matches: list[Any] = []
        for one in names:
            for other in names:
                first, second = article[one], offered[other]
                if first and second:
                    ids = [begin, *first[1:], *second[1:]]
                    of = [0] * len(first) + [1] * len(second[1:])
                    matches.append(model.states(ids, of)[0])
                else:
                    matches.append(np.zeros(w["sides"].shape[1]))
        together.append(np.concatenate(matches))
    whole = additive_attention(w, "pool", together) if together else w["none"]
    return float(w["last.weight"][0] @ whole + w["last.bias"][0])
