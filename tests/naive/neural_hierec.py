"""HieRec again, from its equations: one article, one reader and one candidate at a time."""

from dataclasses import replace

import numpy as np

from tests.naive.neural_aware import additive, affine, self_attention, softmax, weighed


def article(w, size, contents, row):
    words = [w["words.weight"][word] for word in contents["title"][row] if word > 0]
    names = [w["names.weight"][name] for name in contents["entities"][row] if name > 0]
    title = additive(w, "title_pool", self_attention(w, "title", words, size.heads), size.heads * size.head)
    heads = max(1, size.heads // 4)
    entity = additive(w, "entity_pool", self_attention(w, "entity", names, heads), heads * size.head)
    return affine(w, "merge", np.concatenate([title, entity]))


def score(w, reads, candidate):
    """Reads and the candidate are (vector, category, subcategory)."""
    c, category, subcategory = candidate
    if not reads:
        return 0.15 * w["nobody"] @ c
    tree = {}
    for h, topic, subtopic in reads:
        tree.setdefault(topic, {}).setdefault(subtopic, []).append(h)

    def count(n):
        return w["counted.weight"][0] @ w["counts.weight"][n]

    topics, sizes, met = {}, {}, 0.0
    for topic, below in tree.items():
        vectors, logits = [], []
        for subtopic, hs in below.items():
            r = weighed(softmax([w["of_reads.weight"][0] @ h for h in hs]), hs) + w["subtopics.weight"][subtopic]
            vectors.append(r)
            logits.append(w["of_subtopics.weight"][0] @ r + count(len(hs)))
            if (topic, subtopic) == (category, subcategory):
                met += 0.7 * len(hs) / len(reads) * r @ c
        topics[topic] = weighed(softmax(logits), vectors) + w["topics.weight"][topic]
        sizes[topic] = sum(map(len, below.values()))
    if category in topics:
        met += 0.15 * sizes[category] / len(reads) * topics[category] @ c
    logits = [w["of_topics.weight"][0] @ r + count(sizes[topic]) for topic, r in topics.items()]
    return met + 0.15 * weighed(softmax(logits), list(topics.values())) @ c


def scores(w, size, contents, requests):
    """Of every request's candidates."""
    vectors = [article(w, size, contents, row) for row in range(len(contents["title"]))]

    def told(rows, context):
        pairs = zip(context.category.tolist(), context.subcategory.tolist(), strict=True)
        return [(vectors[row], int(k), int(j)) for row, (k, j) in zip(rows.tolist(), pairs, strict=True) if row > 0]

    out = []
    for place in range(len(requests.history)):
        reads, offered = (
            told(rows[place], replace(context, values=context.values[place]))
            for rows, context in ((requests.history, requests.history_context), (requests.pool, requests.context))
        )
        out.append([score(w, reads, candidate) for candidate in offered])
    return np.array(out)
