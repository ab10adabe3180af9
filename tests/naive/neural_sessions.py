"""GRU4Rec, SASRec, NARM and STAMP from their equations, one read after the other, in float64; and gBCE click by click.

Weights are a module's own, by name. What is padding is left out before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.naive.neural_models import Vector, Weights, linear, recurrence, sigmoid, softmax


def normed(weights: Weights, name: str, x: Vector) -> Vector:
    spread = np.sqrt(np.mean((x - x.mean()) ** 2) + 1e-5)
    return (x - x.mean()) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gru4rec(weights: Weights, read: list[Vector]) -> Vector:
    return recurrence(weights, "recurrence", read, np.zeros(len(read[0])))


def narm(weights: Weights, read: list[Vector]) -> Vector:
    states = [gru4rec(weights, read[: count + 1]) for count in range(len(read))]
    local = np.zeros(len(read[0]))
    for state in states:
        match = sigmoid(weights["last.weight"] @ states[-1] + weights["each.weight"] @ state)
        local += float(weights["weigh.weight"][0] @ match) * state
    reader: Vector = weights["bilinear.weight"] @ np.concatenate([states[-1], local])
    return reader


def stamp(weights: Weights, read: list[Vector]) -> Vector:
    mean, attended = sum(read) / len(read), np.zeros(len(read[0]))
    for x in read:
        asked = weights["each.weight"] @ x + weights["last.weight"] @ read[-1] + linear(weights, "mean", mean)
        attended += float(weights["weigh.weight"][0] @ sigmoid(asked)) * x
    reader: Vector = np.tanh(linear(weights, "general", attended)) * np.tanh(linear(weights, "current", read[-1]))
    return reader


def sasrec(weights: Weights, read: list[Vector], heads: int, blocks: int) -> Vector:
    places = weights["places.weight"]
    states = [x + places[len(read) - 1 - place] for place, x in enumerate(read)]
    for block in range(blocks):
        states = self_attention(weights, f"blocks.{block}", states, heads)
    return normed(weights, "norm", states[-1])


def self_attention(weights: Weights, name: str, states: list[Vector], heads: int) -> list[Vector]:
    to_query, to_key, to_value = np.split(weights[f"{name}.project.weight"], 3)
    width = len(to_query) // heads
    made = []
    for place, state in enumerate(states):
        parts = []
        before = [normed(weights, f"{name}.attention_norm", other) for other in states[: place + 1]]
        for head in range(heads):
            rows = slice(head * width, (head + 1) * width)
            query = to_query[rows] @ before[-1]
            shares = softmax([float(query @ (to_key[rows] @ other)) / np.sqrt(width) for other in before])
            parts.append(sum(share * (to_value[rows] @ other) for share, other in zip(shares, before, strict=True)))
        x = state + np.concatenate(parts)
        inner = linear(weights, f"{name}.network.0", normed(weights, f"{name}.network_norm", x))
        made.append(x + linear(weights, f"{name}.network.2", np.maximum(inner, 0)))
    return made


def scores(
    model: str, weights: Weights, ids: Vector, history: Sequence[int], pool: Sequence[int], heads: int, blocks: int
) -> list[float]:
    """Of candidates; `ids` are the rows of articles."""
    table = weights["ids.weight"]
    read = [table[ids[article]] for article in history if article > 0]
    if not read:
        return [0.0 for _ in pool]
    if model == "sasrec":
        reader = sasrec(weights, read, heads, blocks)
    else:
        reader = {"gru4rec": gru4rec, "narm": narm, "stamp": stamp}[model](weights, read)
    return [float(reader @ table[ids[article]]) for article in pool]


def gbce(click: float, others: Sequence[float], catalogue: float, calibration: float) -> float:
    """Of one click, against others that were sampled evenly from a catalogue."""
    rate = len(others) / (catalogue - 1)
    power = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    total = np.log(sigmoid(np.float64(click)) ** power)
    for other in others:
        total += np.log(1 - sigmoid(np.float64(other)))
    return float(-total / (len(others) + 1))
