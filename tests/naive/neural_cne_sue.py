"""CNE-SUE again, from its equations: one article, one reader and one candidate at a time, float64."""

import math

import numpy as np

from tests.naive.neural_aware import additive, affine, below, softmax, weighed


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(weight, bias, recur, words):
    """States after each word, and the last cell."""
    s = recur.shape[0]
    state, cell, states = np.zeros(s), np.zeros(s), []
    for word in words:
        enter, keep, new, leave = np.split(weight @ word + bias + state @ recur, 4)
        cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(new)
        state = sigmoid(leave) * np.tanh(cell)
        states.append(state)
    return states, cell


def read(w, words):
    """States of both directions at each word, and their last cells."""
    weights, biases = np.split(w["project.weight"], 2), np.split(w["project.bias"], 2)
    there, cell = lstm(weights[0], biases[0], w["recur"][0], words)
    back, last = lstm(weights[1], biases[1], w["recur"][1], words[::-1])
    return [np.concatenate(pair) for pair in zip(there, back[::-1], strict=True)], np.concatenate([cell, last])


def asked(w, name, features, asking, width):
    if not features:
        return np.zeros(width)
    query = affine(w, f"{name}.ask", asking)
    return weighed(softmax([(w[f"{name}.key.weight"] @ f) @ query / math.sqrt(len(query)) for f in features]), features)


def article(w, contents, row):
    w = below(w, "articles")
    sides = {name: below(w, name) for name in ("title", "abstract")}
    states, cells, own, gated = {}, {}, {}, {}
    for name, side in sides.items():
        words = [w["words.weight"][word] for word in contents[name][row] if word > 0]
        states[name], cells[name] = read(below(side, "words"), words)
    for name, other in (("title", "abstract"), ("abstract", "title")):
        side = sides[name]
        gated[name] = [
            h * sigmoid(side["of_word.weight"] @ h + affine(side, "of_other", cells[other])) for h in states[name]
        ]
        own[name] = additive(side, "itself", gated[name], len(cells[name]))
    parts = [
        own[name] + asked(sides[name], "other", gated[name], own[other], len(own[name]))
        for name, other in (("title", "abstract"), ("abstract", "title"))
    ]
    names = [w["categories.weight"][contents["category"][row]], w["subcategories.weight"][contents["subcategory"][row]]]
    return np.concatenate([*parts, *names])


def seen(w, reads):
    """What the graph makes of reads, (vector, category) each."""
    categories = list(dict.fromkeys(category for _, category in reads))
    nodes = [("read", category) for _, category in reads] + [("category", category) for category in categories]
    x = [h for h, _ in reads] + [w["proxies.weight"][category] for category in categories]
    linked = [[a[1] == b[1] or a[0] == b[0] == "category" for b in nodes] for a in nodes]  # each with itself, too
    degree = [sum(row) for row in linked]
    for layer in range(sum(key.startswith("layers.") and key.endswith("weight") for key in w)):
        before = [w[f"layers.{layer}.weight"] @ node + w[f"layers.{layer}.bias"] for node in x]
        x = [
            node
            + np.maximum(
                sum(before[j] / math.sqrt(degree[i] * degree[j]) for j in range(len(nodes)) if linked[i][j]),
                0,
            )
            for i, node in enumerate(x)
        ]
    return [node + h for node, (h, _) in zip(x, reads, strict=False)]


def score(w, reads, c):
    w = below(w, "clusters")
    if not reads:
        return w["nobody"] @ c
    g, clusters = seen(w, reads), []
    for category in dict.fromkeys(category for _, category in reads):
        mine = [vector for vector, (_, other) in zip(g, reads, strict=True) if other == category]
        cluster = asked(w, "within", mine, c, len(c))
        clusters.append(np.maximum(affine(w, "project", cluster), 0) + cluster)
    return asked(w, "among", clusters, c, len(c)) @ c


def scores(w, contents, requests):
    """Of every request's candidates."""
    vectors = [article(w, contents, row) for row in range(len(contents["title"]))]
    out = []
    for history, category, pool in zip(
        requests.history.tolist(), requests.history_context.category.tolist(), requests.pool.tolist(), strict=True
    ):
        reads = [(vectors[row], int(k)) for row, k in zip(history, category, strict=True) if row > 0]
        out.append([score(w, reads, vectors[row]) for row in pool])
    return np.array(out)
