"""Whether answers depend on the order in which pools list their candidates.

Turned round alone, a pool must leave every candidate its score: all before it is the same. What was *learned* from
pools in another order may differ a little, as where a model is trained on one candidate after the other; there the
question is whether answers lean to the order. All pools are sorted by a random order of the articles, then by its
reverse, and pairs of articles are counted that turn round with it, less those that turn the other way. Who does not
use the order has a share about 0; chance would have to lean the same way for `TURNS` random orders in a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from newsreplay.log.rows import ASKING, IMPRESSION, Column, Log
from newsreplay.recommenders.base import Setting
from newsreplay.simulator.apart import Given
from newsreplay.simulator.probes import with_pool_reversed, with_pools_sorted

TURNS = 6
LEANS = 0.1  #: share of pairs from which on answers lean
ERRORS = 3.0  #: and it is as many standard errors
NOISE = 1e-6  #: what the place in a batch may change of a float32, as a share of the highest score

#: Replays a log with the probe's articles.
Answers = Callable[[Log], Given]


def order_used(log: Log, first: Given, answers: Answers, impressions: int, setting: Setting) -> str | None:
    """How answers depend on the order of pools; None = no sign that they do.

    `first` is what the recommender answers to `log`, `answers` replays other logs; up to `impressions` pools are turned
    round one by one.
    """
    turned = _turned(log, first, answers, impressions)
    if turned is not None or len(log.pools.at) == 1:
        return turned
    rng = np.random.default_rng(setting.seed)
    leaning = {"scores": 0.0, "slates": 0.0}  # the shares of the turns so far, as far as all lean the same way
    for turn in range(TURNS):
        rank = rng.permutation(int(log.item.max()) + 1)
        forth, back = (with_pools_sorted(log, order) for order in (rank, -rank))
        given = answers(forth), answers(back)
        shares = {"slates": _share(_slates_lean(log, rank, *given, setting))}
        if given[0].scores is not None and given[1].scores is not None:
            shares["scores"] = _share(_scores_lean(log, given[0].scores, given[1].scores))
        leaning = {
            what: leaning[what] + share
            for what, share in shares.items()
            if what in leaning and share and share * leaning[what] >= 0
        }
        if not leaning:
            return None
        if turn == TURNS - 1:
            what, total = max(leaning.items(), key=lambda one: abs(one[1]))
            return (
                f"its {what} lean {'to' if total > 0 else 'against'} the order in which pools list candidates: "
                f"where that is turned round, {abs(total) / TURNS:.0%} of pairs of articles turn with it"
            )
    return None


def _turned(log: Log, first: Given, answers: Answers, impressions: int) -> str | None:
    """Turn pools round one by one."""
    if first.scores is None:
        return None
    shown = np.flatnonzero(log.kind == IMPRESSION)
    several = np.flatnonzero(np.diff(log.pools.at) > 1)
    # From the latest on: most has been learned by then.
    for impression in several[:: -max(1, math.ceil(len(several) / max(1, impressions)))].tolist():
        again = answers(with_pool_reversed(log, impression))
        assert again.scores is not None
        places = slice(log.pools.at[impression], log.pools.at[impression + 1])
        before, after = first.scores[places], again.scores[places][::-1]
        noise = NOISE * np.abs(before[np.isfinite(before)]).max(initial=0)
        if not np.allclose(before, after, rtol=0, atol=noise):
            return (
                f"the scores at row {shown[impression]} changed from {before.tolist()} to {after.tolist()}, "
                "candidate by candidate, when its pool was listed the other way round"
            )
    return None


def _share(leans: Iterable[float]) -> float:
    """The mean over impressions or requests; 0 where it may be chance."""
    each = np.fromiter(leans, float)
    if len(each) < 2:
        return 0.0
    mean = float(each.mean())
    error = float(each.std(ddof=1)) / math.sqrt(len(each))
    return mean if abs(mean) >= max(LEANS, ERRORS * error) else 0.0


def _scores_lean(log: Log, forth: Column, back: Column) -> Iterable[float]:
    for begin, end in zip(log.pools.at[:-1], log.pools.at[1:], strict=True):
        if end - begin > 1:
            yield (_falling(forth[begin:end]) - _falling(back[begin:end][::-1])) / 2


def _slates_lean(log: Log, rank: Column, forth: Given, back: Given, setting: Setting) -> Iterable[float]:
    asked = int(np.count_nonzero(log.kind == ASKING[setting.requests]))
    for first, second in zip(forth.slates[:asked], back.slates[:asked], strict=True):
        listed = [slate[slate >= 0] for slate in (first, second)]
        if min(map(len, listed)) > 1:
            yield (_falling(-rank[listed[0]]) - _falling(-rank[listed[1]])) / 2


def _falling(values: Column) -> float:
    """The share of pairs whose earlier value is the higher one, less the share of those whose is the lower one."""
    first, second = values[:, None], values[None, :]
    sign = (first > second).astype(np.int8) - (first < second).astype(np.int8)
    pairs = len(values) * (len(values) - 1) / 2
    return float(np.triu(sign, 1).sum() / pairs)
