"""DKN again, from its equations: one article, one reader and one candidate at a time."""

import numpy as np

from tests.naive.neural_aware import affine, softmax, weighed

CHANNELS = ("entity_vectors", "context_vectors")


def article(w, contents, row):
    """The largest value of each filter over windows that begin at a word."""
    channels = [name for name in CHANNELS if f"title.channels.{name}.weight" in w]
    words = []
    for place, word in enumerate(contents["title"][row]):
        if word == 0:
            break
        vector = [w["words.weight"][word]]
        for name in channels:
            entity = contents["mentions"][row][place]
            known = contents[name][row][entity - 1] if entity > 0 else np.zeros(1)
            is_known = known.any()
            width = len(vector[0])
            vector.append(np.tanh(affine(w, f"title.channels.{name}", known)) if is_known else np.zeros(width))
        words.append(np.concatenate(vector))
    found = []
    for number, window in enumerate((1, 2, 3, 4)):
        filters, bias = w[f"title.convolve.{number}.weight"], w[f"title.convolve.{number}.bias"]
        best = np.zeros(len(bias))
        for begin in range(len(words)):
            value = bias.copy()
            for after, word in enumerate(words[begin : begin + window]):
                value += filters[:, :, after] @ word
            best = np.maximum(best, value)
        found.append(best)
    return np.concatenate(found)


def score(w, reads, c):
    u = w["nobody"]
    if reads:
        logits = []
        for h in reads:
            hidden = np.maximum(affine(w, "read", h) + w["asks.weight"] @ c, 0)
            logits.append(w["attend.weight"][0] @ hidden)
        u = weighed(softmax(logits), reads)
    return w["predict.weight"][0] @ np.maximum(affine(w, "reader", u) + w["candidate.weight"] @ c, 0)


def scores(w, contents, requests):
    """Of every request's candidates."""
    vectors = [article(w, contents, row) for row in range(len(contents["title"]))]
    return np.array(
        [
            [score(w, [vectors[row] for row in history if row > 0], vectors[row]) for row in pool]
            for history, pool in zip(requests.history.tolist(), requests.pool.tolist(), strict=True)
        ]
    )
