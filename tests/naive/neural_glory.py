"""GLORY again, from its equations: one article, one reader and one candidate at a time, float64."""

from collections import Counter

import numpy as np

from tests.naive.neural_aware import additive, affine, below, self_attention
from tests.naive.neural_crown import normed


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def pooled(w, vectors, heads, width):
    """Zeros of nothing."""
    if not vectors:
        return np.zeros(width)
    mixed = [normed(w, "first_norm", x) for x in self_attention(w, "attention", vectors, heads)]
    return normed(w, "second_norm", additive(w, "pool", mixed, width))


def gated(w, message, state):
    """A gated recurrent unit."""
    reset, update, new = np.split(affine(w, "project", message), 3)
    reset_by, update_by, new_by = np.split(affine(w, "recur", state), 3)
    update = 1 / (1 + np.exp(-(update + update_by)))
    new = np.tanh(new + new_by / (1 + np.exp(-(reset + reset_by))))
    return (1 - update) * new + update * state


def views(w, name, *some):
    """Attention over those that are not zero."""
    return additive(below(w, name), "pool", [view for view in some if view.any()], len(some[0]))


def articles(w, size, contents, before, near):
    """t, h_3, e and e' of every article: `before` lists the articles read just before, `near` rows of entities."""
    width = size.heads * size.head
    table = w["names.weight"]
    titles, entities, arounds = [], [], []
    for row in range(len(contents["title"])):
        words = [w["words.weight"][word] for word in contents["title"][row] if word > 0]
        titles.append(pooled(below(w, "title"), words, size.heads, width))
        own = [table[name] for name in contents["entities"][row] if name > 0]
        heads = max(1, size.heads // 4)
        entity = pooled(below(w, "entity"), own, heads, heads * size.head)
        entities.append(leaky(affine(w, "entity_view", entity)) if own else np.zeros(width))
        arounds.append(pooled(below(w, "around"), [table[name] for name in near[row]], size.heads, width))
    states = titles
    for layer in range(3):
        weight = w[f"messages.{layer}.weight"]
        messages = [sum((weight @ states[n] for n in others), np.zeros(width)) for others in before]
        states = [gated(below(w, "gate"), *pair) for pair in zip(messages, states, strict=True)]
    return list(zip(titles, states, entities, arounds, strict=True))


def scores(w, size, contents, before, near, requests):
    """Of every request's candidates."""
    made = articles(w, size, contents, before, near)
    out = []
    for history, pool in zip(requests.history.tolist(), requests.pool.tolist(), strict=True):
        reads = [views(w, "read_views", *made[row][:3]) for row in history if row > 0]
        reader = additive(w, "read_pool", self_attention(w, "read", reads, size.heads), 0) if reads else w["nobody"]
        offered = [views(w, "offered_views", made[row][0], *made[row][2:]) for row in pool]
        out.append([reader @ leaky(affine(w, "offered", one)) for one in offered])
    return np.array(out)


def linked_most(links, count):
    """Neighbours by row, from (one, other, how often)."""
    weights = {}
    for one, other, often in links:
        if one > 0 and other > 0 and one != other:
            weights.setdefault(one, Counter())[other] += often
            weights.setdefault(other, Counter())[one] += often
    return {row: sorted(near, key=lambda node: (-near[node], node))[:count] for row, near in weights.items()}
