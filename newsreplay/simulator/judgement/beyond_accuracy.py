"""Beyond accuracy: what was recommended, from the slates and the log alone.

Counts, categories and known articles are those of the moment of each request: nothing is measured with what
happened later. `docs/metrics.md` has the definitions with their sources.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, kernel
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HOUR, READ, Column
from newsreplay.simulator import scratch
from newsreplay.simulator.judgement.inequality import gini
from newsreplay.simulator.judgement.measures import MEANS


class BeyondAccuracy(NamedTuple):
    """One recommender's slates on one publisher; the mean of column i is `sums[:, i].sum() / counts[:, i].sum()`.

    Without a recommendation that could count, a mean has no counts, and the other values are NaN.
    """

    sums: Column  #: float64[groups, len(MEANS)]: bits, shares (0 to 1), hours, shares
    counts: Column  #: int64[groups, len(MEANS)]: recommended articles; for diversity slates
    coverage: float  #: share of the articles known at the last scored request that were recommended
    gini: float  #: of the recommendations per article known then, 0 = all alike
    category_diversity: float  #: entropy of the recommended categories, 1 = as even as those known then allow


def beyond_accuracy(publisher: Publisher, rows: Column, slates: Column, group: Column, groups: int) -> BeyondAccuracy:
    """Measure slates (int32[requests, k], padded with -1, articles known at their requests) in one pass over the log.

    `rows` (int32[requests]) are those that asked; `group` (int32[requests], 0 to `groups` - 1, -1 = not scored) says
    where each is summed. All reads update the counts, those from before the log too.
    """
    log, articles = publisher.log, publisher.articles
    categories = len(articles.categories)
    sums, counts = (scratch.zeros((groups, len(MEANS)), kind) for kind in (np.float64, np.int64))
    article = np.zeros(len(articles.id), _ARTICLE)
    for name in ("published", "category", "category_row"):
        article[name] = getattr(articles, name)
    state = _State(
        article,
        np.zeros(len(log.time) + 2, np.int64),  # as long as one article could need; what is never touched takes no room
        np.zeros(len(log.time) + 2),
        np.zeros(categories, np.int64),
        np.zeros(categories, np.int64),
    )
    _measure(log, rows, slates, group, sums, counts, state)
    last = _last_scored(group)
    if last < 0:
        return BeyondAccuracy(sums, counts, math.nan, math.nan, math.nan)
    row = rows[last]
    known = int(log.item[: row + 1].max()) + 1
    found = articles.category[(articles.category >= 0) & (articles.category_row <= row)]
    known_categories = int(np.count_nonzero(np.bincount(found)))
    return BeyondAccuracy(
        sums,
        counts,
        int(np.count_nonzero(article["recommended"])) / known,
        gini(article["recommended"][:known]),
        evenness(state.by_category, known_categories),
    )


def _last_scored(group: Column) -> int:
    """The last request that is in a group, -1 = none."""
    for part in reversed([*scratch.stretches(len(group))]):
        if (found := np.flatnonzero(group[part] >= 0)).size:
            return int(part.start + found[-1])
    return -1


def evenness(counts: Column, categories: int) -> float:
    """Entropy of whole numbers by category, relative to that of so many `categories` in equal shares.

    NaN with fewer than two categories, and if all counts are zero.

    >>> evenness(np.array([2, 0, 2]), 4), evenness(np.array([3, 0, 0]), 3)
    (0.5, 0.0)
    """
    total = int(counts.sum())
    if categories < 2 or not total:
        return math.nan
    some = counts[counts > 0]
    return float((some / total * np.log2(total / some)).sum()) / math.log2(categories)


#: What is known of an article, in one piece, since slates name articles from everywhere.
_ARTICLE = np.dtype(
    [
        ("published", np.int64),  # ms
        ("category_row", np.int64),
        ("recommended", np.int64),  # times
        ("category", np.int32),
        ("reads", np.int32),  # so far
    ]
)


class _State(NamedTuple):
    article: Column  # _ARTICLE[articles]
    at_least: Column  # int64: known articles with at least so many reads so far
    bits: Column  # float64: log2 of so many reads + 1, of those that some article has had
    by_category: Column  # int64[categories]: recommended articles whose category was known
    in_slate: Column  # int64[categories]: the same of the slate at hand; zeros between slates


@compiled
def _measure(log: Any, rows: Any, slates: Any, group: Any, sums: Any, counts: Any, state: Any) -> None:
    request, reads = 0, 0
    for row in range(log.item.size):
        # Codes are given by first appearance, so the highest so far tells how many articles are known.
        state.at_least[0] = max(state.at_least[0], log.item[row] + 1)
        if log.kind[row] >= READ:
            reads += 1
            _count_read(log.item[row], state)
        if request < rows.size and rows[request] == row:
            into = group[request]
            if into >= 0 and slates[request, 0] >= 0:
                _add_slate(slates[request], row, log.time[row], reads, sums[into], counts[into], state)
            request += 1


@kernel
def _count_read(number: int, state: Any) -> None:
    reads = state.article[number].reads + 1
    state.article[number].reads = reads
    if state.at_least[reads] == 0:
        state.bits[reads] = np.log2(reads + 1)
    state.at_least[reads] += 1


@kernel
def _add_slate(slate: Any, row: int, now: int, reads: int, sums: Any, counts: Any, state: Any) -> None:
    known = state.at_least[0]
    n, bits, above, age, with_category, alike = 0, 0.0, 0, 0, 0, 0
    for place in range(slate.size):
        if slate[place] < 0:
            break
        n += 1
        article = state.article[slate[place]]
        article.recommended += 1
        bits += state.bits[article.reads]
        # Those with more reads count twice, those with equally many once: what is missing to 2 * known is the
        # doubled mid-percentile.
        above += state.at_least[article.reads] + state.at_least[article.reads + 1]
        age += now - article.published
        category = article.category
        if category >= 0 and article.category_row <= row:
            alike += state.in_slate[category]
            state.in_slate[category] += 1
            state.by_category[category] += 1
            with_category += 1
    for place in range(n):
        category = state.article[slate[place]].category
        if category >= 0:
            state.in_slate[category] = 0
    for i in range(3):
        counts[i] += n
    sums[0] += n * np.log2(reads + known) - bits
    sums[1] += (2 * known * n - above) / (2 * known)
    sums[2] += age / HOUR
    pairs = with_category * (with_category - 1) // 2
    if pairs > 0:
        counts[3] += 1
        sums[3] += (pairs - alike) / pairs
