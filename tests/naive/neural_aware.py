"""CAUM, AWRS and PP-Rec again, from their equations: one article, one reader and one candidate at a time."""

import math

import numpy as np


def weights(model):
    """The parameters by name, float64."""
    return {name: value.detach().numpy().astype(float) for name, value in model.named_parameters()}


def below(w, name):
    """The parameters of one part of a model."""
    return {key.removeprefix(name + "."): value for key, value in w.items() if key.startswith(name + ".")}


def affine(w, name, x):
    y = w[f"{name}.weight"] @ x
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def softmax(logits):
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


def weighed(shares, vectors):
    return sum(share * vector for share, vector in zip(shares, vectors, strict=True))


def multi_head(queries, keys, values, heads):
    """Per query, the values weighed by scaled dot products, head by head, side by side."""
    mixed = []
    for query in queries:
        parts = []
        for head in range(heads):
            s = len(query) // heads
            mine = slice(head * s, (head + 1) * s)
            shares = softmax([query[mine] @ key[mine] / math.sqrt(s) for key in keys])
            parts.append(weighed(shares, [value[mine] for value in values]))
        mixed.append(np.concatenate(parts))
    return mixed


def self_attention(w, name, xs, heads):
    if not xs:
        return []
    queries, keys, values = np.split(w[f"{name}.project.weight"], 3)
    return multi_head([queries @ x for x in xs], [keys @ x for x in xs], [values @ x for x in xs], heads)


def cross_attention(w, name, xs, others, heads):
    if not others:
        return [np.zeros(len(w[f"{name}.query.weight"])) for x in xs]
    keys, values = np.split(w[f"{name}.keys.weight"], 2)
    queries = [w[f"{name}.query.weight"] @ x for x in xs]
    return multi_head(queries, [keys @ other for other in others], [values @ other for other in others], heads)


def additive(w, name, xs, width):
    if not xs:
        return np.zeros(width)
    weigh = w[f"{name}.weigh.weight"][0]
    return weighed(softmax([weigh @ np.tanh(affine(w, f"{name}.hidden", x)) for x in xs]), xs)


def sequential(w, name, x):
    """Linear layers with tanh between."""
    places = sorted({int(key.split(".")[1]) for key in w if key.startswith(name + ".")})
    for place in places:
        x = affine(w, f"{name}.{place}", x)
        if place != places[-1]:
            x = np.tanh(x)
    return x


def told(contents, article):
    """The words, entities and category of one article, without padding."""
    title = [int(word) for word in contents.title[article] if word > 0]
    entities = [int(name) for name in contents.entities[article] if name > 0]
    return title, entities, int(contents.category[article])


def caum_article(w, size, contents, article):
    w = below(w, "articles")
    title, entities, category = told(contents, article)
    few, wide = max(1, size.heads // 5), 2 * size.head
    t = self_attention(w, "title", [w["words.weight"][word] for word in title], size.heads)
    e = self_attention(w, "entity", [w["entities.weight"][name] for name in entities], few)
    merged = np.concatenate(
        [
            additive(w, "title_pool", t, size.heads * size.head),
            additive(w, "entity_pool", e, few * wide),
            affine(w, "category", w["categories.weight"][category]),
        ]
    )
    return affine(w, "merge", merged)


def caum_reader(w, size, read, c, *, wrap, paper):
    """The reader as c makes them appear, and how much each of the reads counts."""
    w = below(w, "interest")
    if not read:
        return w["nobody"], []
    n = len(read)
    outside = np.zeros_like(c)
    if paper:
        g = paper_attention(w, read, c, size.heads)
    else:
        g = self_attention(w, "attention", [affine(w, "join", np.concatenate([c, h])) for h in read], size.heads)
    m = []
    for i in range(n):
        before = read[i - 1] if i > 0 or wrap else outside
        after = read[(i + 1) % n] if i + 1 < n or wrap else outside
        local = affine(w, "local", np.concatenate([before, read[i], after, c]))
        m.append(affine(w, "fuse", np.concatenate([local, g[i]])))
    shares = softmax([sequential(w, "dense", np.concatenate([m_i, c]))[0] for m_i in m])
    return weighed(shares, m), shares


def paper_attention(w, read, c, heads):
    """r_ij = q(h_i)·k(h_j) + q(c)·k'(h_j), head by head."""
    to_query, to_key, to_value, to_asked = np.split(w["reads.weight"], 4)
    s = len(to_query) // heads
    g = []
    for h_i in read:
        parts = []
        for head in range(heads):
            mine = slice(head * s, (head + 1) * s)
            logits = [
                (to_query @ h_i)[mine] @ (to_key @ h_j)[mine] + (w["asks.weight"] @ c)[mine] @ (to_asked @ h_j)[mine]
                for h_j in read
            ]
            shares = softmax([logit / math.sqrt(s) for logit in logits])
            parts.append(weighed(shares, [(to_value @ h_j)[mine] for h_j in read]))
        g.append(np.concatenate(parts))
    return g


def caum(model, size, contents, requests, *, wrap=False, paper=False):
    """Scores [B, W]."""
    w = weights(model)
    history, pool = requests.history.numpy(), requests.pool.numpy()
    articles = [caum_article(w, size, contents, article) for article in range(len(contents.title))]
    scores = np.zeros(pool.shape)
    for row, column in np.ndindex(*pool.shape):
        read = [articles[article] for article in history[row] if article > 0]
        c = articles[pool[row, column]]
        reader, _ = caum_reader(w, size, read, c, wrap=wrap, paper=paper)
        scores[row, column] = reader @ c
    return scores


def engagement_index(exposure, avoidance, bins, quantiser):
    """Equation 4.3; `quantiser` is "paper" or "equal_width"."""

    def q(x):
        x = np.float32(x)
        return math.floor(x * (bins - 1)) if quantiser == "paper" else min(bins - 1, math.floor(x * bins))

    if math.isnan(exposure) or math.isnan(avoidance):
        return bins**2
    return q(exposure) * bins + q(avoidance)


def time2vec(w, hours, times):
    rate, phase = w["time.rate"], w["time.phase"]
    straight = rate[0] * (hours / 24 if times == "logspace" else hours) + phase[0]
    return np.array([straight, *(math.sin(rate[k] * hours + phase[k]) for k in range(1, len(rate)))])


def relevance(w, n, index, clicks, age, times, log):
    """Between 0 and 1."""
    w = below(w, "relevance")
    x = np.concatenate([w["engagement.weight"][index], time2vec(w, age, times)])
    theta = sigmoid(affine(w, "gate", np.concatenate([n, x]))[0])
    blend = theta * affine(w, "news", n)[0] + (1 - theta) * affine(w, "context", x)[0]
    return sigmoid(w["weight"][0] * (math.log(1 + clicks) if log else clicks) + w["weight"][1] * blend)


def told_of(signals, *place):
    """The signals of one article, by name."""
    return {name: float(signals.values[(*place, column)]) for column, name in enumerate(signals.names)}


def awrs(model, size, contents, requests, *, bins, quantiser, times, log):
    """Scores [B, W] with both modules."""
    w = weights(model)
    history, pool = requests.history.numpy(), requests.pool.numpy()
    articles = [caum_article(w, size, contents, article) for article in range(len(contents.title))]

    def index(signal):
        return engagement_index(signal["exposure"], signal["avoidance"], bins, quantiser)

    def engaged(article, signal):
        return np.concatenate([articles[article], w["engagement.weight"][index(signal)]])

    scores = np.zeros(pool.shape)
    for row, column in np.ndindex(*pool.shape):
        places = [place for place, article in enumerate(history[row]) if article > 0]
        read = [engaged(history[row, place], told_of(requests.history_signals, row, place)) for place in places]
        signal = told_of(requests.signals, row, column)
        c = engaged(pool[row, column], signal)
        reader, _ = caum_reader(w, size, read, c, wrap=False, paper=False)
        n = articles[pool[row, column]]
        r = relevance(w, n, index(signal), signal["clicks"], signal["age"], times, log)
        eta = sigmoid(affine(w, "mix", reader)[0])
        scores[row, column] = (1 - eta) * r + eta * (reader @ c)
    return scores


def pprec_article(w, size, contents, article, encoder):
    title, entities, category = told(contents, article)
    words = [w["words.weight"][word] for word in title]
    names = [w["names.weight"][name] for name in entities]
    w_c = w["categories.weight"][category]
    w = below(w, encoder)
    inner, few = size.heads * size.head, max(1, size.heads // 4)

    def side(name, xs, others):
        own = self_attention(w, f"{name}.itself", xs, size.heads)
        beside = cross_attention(w, f"{name}.other", xs, others, few)
        both = [affine(w, f"{name}.merge", np.concatenate(pair)) for pair in zip(own, beside, strict=True)]
        return additive(w, f"{name}.pool", both, inner)

    return affine(w, "merge", np.concatenate([side("title", words, names), side("entity", names, words), w_c]))


def pprec_popularity(w, popular, rate, age):
    old = w["age.weight"][min(int(age // 2), 1499)]
    g = sigmoid(sequential(w, "weighed", np.tanh(affine(w, "weigh", np.concatenate([popular, old]))))[0])
    return w["rate"] * rate + (1 - g) * sequential(w, "content", popular)[0] + g * sequential(w, "recency", old)[0]


def pprec(model, size, contents, requests):
    """Scores [B, W]."""
    w = weights(model)
    history, pool = requests.history.numpy(), requests.pool.numpy()
    n, popular = (
        [pprec_article(w, size, contents, article, encoder) for article in range(len(contents.title))]
        for encoder in ("suited", "popular")
    )
    scores = np.zeros(pool.shape)
    for row in range(len(pool)):
        places = [place for place, article in enumerate(history[row]) if article > 0]
        u = w["nobody"]
        if places:
            x = self_attention(w, "read", [n[history[row, place]] for place in places], size.heads)
            rates = [told_of(requests.history_signals, row, place)["rate"] for place in places]
            bins = [min(int(np.float32(200) * np.float32(rate)), 199) for rate in rates]
            known = [np.concatenate([x_i, w["popularity.weight"][b]]) for x_i, b in zip(x, bins, strict=True)]
            weigh = w["read_pool.weigh.weight"][0]
            u = weighed(softmax([weigh @ np.tanh(affine(w, "read_pool.hidden", k)) for k in known]), x)
        eta = sigmoid(sequential(w, "reliance", u)[0])
        for column, article in enumerate(pool[row]):
            signal = told_of(requests.signals, row, column)
            p = pprec_popularity(w, popular[article], signal["rate"], signal["age"])
            scores[row, column] = 2 * (eta * (u @ n[article]) + (1 - eta) * p)
    return scores
