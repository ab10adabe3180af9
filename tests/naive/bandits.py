"""The slow, obvious oracle of the bandits: every score is worked out anew from all rows learned by the request."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from newsreplay.log.rows import HISTORY, HOUR, IMPRESSION, OUTCOME, READ, Log
from tests.naive.baselines import (
    GOLDEN,
    MASK,
    Past,
    Read,
    clicked_of,
    draw,
    mix,
    pool_of,
    score_random,
    score_trend,
)
from tests.naive.baselines import random as random_slate
from tests.naive.baselines import trend as trend_slate

# --- what a bandit counts ---------------------------------------------------------------------------------


class Trials:
    """The trials of articles in a window of whole hours, as of a request."""

    def __init__(self, log: Log, row: int, hours: int) -> None:
        learned = range(row + 1 if log.kind[row] == READ else row)  # an impression asks before it is learned
        self.now = int(log.time[row])
        self.hours = hours
        self.first_row: dict[int, int] = {}
        for i in learned:
            if log.item[i] >= 0:
                self.first_row.setdefault(int(log.item[i]), i)
        self.reads = [(i, int(log.item[i])) for i in learned if log.kind[i] >= READ and self.inside(log.time[i])]
        outcomes = [i for i in learned if log.kind[i] == OUTCOME]
        self.shown = any(outcomes)
        told = [i for i in outcomes if self.inside(log.time[i])]
        self.listed = [item for i in told for item in pool_of(log, i)]
        self.clicked = [
            item for i in told for item, hit in zip(pool_of(log, i), clicked_of(log, i), strict=True) if hit
        ]
        published = {item for item, i in self.first_row.items() if self.inside(log.time[i])}
        self.alive = published | {item for _, item in self.reads} | set(self.listed)
        self.last_read = {int(log.item[i]): i for i in learned if log.kind[i] >= READ}

    def inside(self, time: int) -> bool:
        """Whether a time lies in the hour of the request or one of the `hours` - 1 before it."""
        return self.now // HOUR - self.hours < int(time) // HOUR <= self.now // HOUR

    def wins(self, item: int) -> int:
        return self.clicked.count(item) if self.shown else [read for _, read in self.reads].count(item)

    def trials(self, item: int) -> int:
        if self.shown:
            return self.listed.count(item)
        born = self.first_row.get(item)
        return 0 if born is None else sum(row >= born for row, _ in self.reads)

    def rounds(self) -> int:
        return len(self.listed) if self.shown else len(self.reads)

    def mean(self) -> float:
        wins, trials = (len(self.clicked) + 1, len(self.listed) + 2) if self.shown else (1, len(self.alive) + 1)
        return min(0.5, wins / trials)

    def order(self, scores: dict[int, float], current: int) -> list[int]:
        """All by falling score, then the most recently read first, then the one known last."""
        others = [item for item in scores if item != current]
        return sorted(others, key=lambda item: (scores[item], self.last_read.get(item, -1), item), reverse=True)


# --- Thompson sampling ------------------------------------------------------------------------------------


class Stream:
    """SplitMix64: numbers in [0, 1)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def unit(self) -> float:
        self.state = (self.state + GOLDEN) & MASK
        return (mix(self.state) >> 11) / 2**53


def normal(stream: Stream) -> float:
    """The polar method of Marsaglia and Bray."""
    while True:
        u, v = 2 * stream.unit() - 1, 2 * stream.unit() - 1
        s = u * u + v * v
        if 0 < s < 1:
            return u * math.sqrt(-2 * math.log(s) / s)


def gamma(stream: Stream, shape: float) -> float:
    """Marsaglia and Tsang's method for a shape of at least 1."""
    d = shape - 1 / 3
    while True:
        x = normal(stream)
        v = (1 + x / math.sqrt(9 * d)) ** 3
        u = 1 - stream.unit()
        if v > 0 and math.log(u) < x * x / 2 + d - d * v + d * math.log(v):
            return d * v


def beta(key: int, row: int, place: int, a: float, b: float) -> float:
    word = draw(key, row, place)
    x, y = gamma(Stream(word), a), gamma(Stream(word ^ MASK), b)
    return x / (x + y)


def thompson_scores(log: Log, row: int, items: list[int], *, key: int, hours: int, prior: float) -> list[float]:
    trials = Trials(log, row, hours)
    m = trials.mean()
    return [
        beta(key, row, item, prior + trials.wins(item), prior / m - prior + trials.trials(item) - trials.wins(item))
        for item in items
    ]


def thompson(
    log: Log, row: int, k: int, *, key: int, hours: int = 6, prior: float = 1, fresh: int | None = 1
) -> list[int]:
    """By falling draw; a fresh article that is one too many goes behind all others."""
    trials = Trials(log, row, hours)
    alive = sorted(trials.alive)
    scores = thompson_scores(log, row, alive, key=key, hours=hours, prior=prior)
    ranked = trials.order(dict(zip(alive, scores, strict=True)), int(log.item[row]))
    is_fresh = {item: trials.trials(item) * trials.mean() < prior for item in ranked}
    late = [item for item in ranked if is_fresh[item]][len(ranked) if fresh is None else fresh :]
    return ([item for item in ranked if item not in late] + late)[:k]


# --- upper confidence bounds ------------------------------------------------------------------------------


def ucb_scores(
    log: Log, row: int, items: list[int], *, hours: int = 6, width: float = 1, prior: float = 1
) -> list[float]:
    trials = Trials(log, row, hours)
    bounds = []
    for item in items:
        n = trials.trials(item) + prior / trials.mean()
        r = (trials.wins(item) + prior) / n
        bounds.append(r + width * math.sqrt(2 * math.log(1 + trials.rounds()) * r * (1 - r) / n))
    return bounds


def ucb(log: Log, row: int, k: int, *, hours: int = 6, width: float = 1, prior: float = 1) -> list[int]:
    trials = Trials(log, row, hours)
    alive = sorted(trials.alive)
    scores = ucb_scores(log, row, alive, hours=hours, width=width, prior=prior)
    return trials.order(dict(zip(alive, scores, strict=True)), int(log.item[row]))[:k]


# --- LinUCB -----------------------------------------------------------------------------------------------


def features(log: Log, row: int, item: int, reads: list[Read], view: int | None) -> npt.NDArray[np.float64]:
    """Of an article at a row, after these reads, with `view` in view."""
    past = Past(log, row)
    category = past.category.get(item)
    # A read counts under the category that was known then.
    mine = [Past(log, read.row).category.get(read.item) for read in reads if read.user == log.user[row]]
    return np.array(
        [
            1.0,
            float(category is not None and view is not None and past.category.get(view) == category),
            mine.count(category) / len(mine) if mine and category is not None else 0.0,
            1 / (1 + (past.now - past.published[item]) / HOUR),
        ]
    )


def view_before(log: Log, row: int) -> int | None:
    """What the session read last before a row."""
    if log.session[row] < 0:
        return None
    rows = [i for i in range(row) if log.kind[i] == READ and log.session[i] == log.session[row]]
    return int(log.item[rows[-1]]) if rows else None


def linucb_trials(log: Log, row: int, hours: int) -> list[tuple[int, npt.NDArray[np.float64], bool]]:
    """Article, features and success of every trial learned by a request."""
    learned = range(row + 1 if log.kind[row] == READ else row)
    told = [i for i in learned if log.kind[i] == OUTCOME]
    trials = []
    for i in told:
        view = int(log.item[i]) if log.item[i] >= 0 else view_before(log, i)
        reads = Past(log, i).reads
        for item, hit in zip(pool_of(log, i), clicked_of(log, i), strict=True):
            trials.append((item, features(log, i, item, reads, view), hit))
    for i in () if told else learned:
        if log.kind[i] in (READ, HISTORY):
            shown = log._replace(kind=np.where(np.arange(len(log.kind)) == i, READ, log.kind))  # learned by its own row
            for item in sorted(Trials(shown, i, hours).alive):
                x = features(log, i, item, Past(log, i).reads[:-1], view_before(log, i))
                trials.append((item, x, item == log.item[i]))
    return trials


def linucb_scores(
    log: Log, row: int, items: list[int], *, hours: int = 6, width: float = 1, prior: float = 1
) -> list[float]:
    """By solving each article's ridge regression."""
    m = Trials(log, row, hours).mean()
    tried = linucb_trials(log, row, hours)
    view = int(log.item[row]) if log.item[row] >= 0 else view_before(log, row)
    bounds = []
    for item in items:
        matrix, right = np.eye(4) * prior / m, np.array([prior, 0.0, 0.0, 0.0])
        for other, x, won in tried:
            if other == item:
                matrix += np.outer(x, x)
                right += won * x
        x = features(log, row, item, Past(log, row).reads, view)
        deviation = math.sqrt(m * (1 - m) * float(x @ np.linalg.solve(matrix, x)))
        bounds.append(float(x @ np.linalg.solve(matrix, right)) + width * deviation)
    return bounds


# --- epsilon-greedy ---------------------------------------------------------------------------------------


def explores(coin: int, row: int, place: int, rate: float) -> bool:
    return (draw(coin, row, place) >> 11) / 2**53 < rate


def epsilon(
    log: Log, row: int, k: int, *, key: int, coin: int, rate: float = 0.1, hours: int = 6, fresh: int = 24
) -> list[int]:
    """Places are filled one by one, from one list or the other."""
    past = Past(log, row)
    rising, drawn = trend_slate(past, k, hours=hours), random_slate(past, k, key=key, hours=fresh)
    slate: list[int] = []
    for place in range(k):
        chances = [item for item in drawn if item not in slate]
        best = [item for item in rising if item not in slate]
        source = chances if chances and (explores(coin, row, place, rate) or not best) else best
        slate += source[:1]
    return slate


def epsilon_scores(
    log: Log, row: int, items: list[int], *, key: int, coin: int, rate: float = 0.1, hours: int = 6, fresh: int = 24
) -> list[float]:
    past = Past(log, row)
    if explores(coin, row, 0, rate):
        return score_random(past, items, key=key, hours=fresh)
    return score_trend(past, items, hours=hours)


def scores(log: Log, scorer: Callable[..., list[float]], **options: float) -> list[float]:
    """The scores of all candidates of all impressions of a log, in log order."""
    rows = [row for row in range(len(log.time)) if log.kind[row] == IMPRESSION]
    return [score for row in rows for score in scorer(log, row, pool_of(log, row), **options)]
