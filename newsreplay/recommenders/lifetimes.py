"""Articles that are over go down: a recommender's answers weighed by how much of their life articles have left.

After the observation of LANCER (Bae et al. 2023) that nearly all articles of MIND get their last click within two days.
Its own equations are not known to us; what is built is said below, under a name that promises no more.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import HOUR, READ, Column
from newsreplay.recommenders.base import Sizes
from newsreplay.recommenders.reranking import GivenAnswers, Reranker, Reranking, given, next_scores, next_slate
from newsreplay.spec import number, whole

BINS = 24 * 28  #: hours by which ages of read articles are told apart; older ones are in the last
FEWEST = 100  #: reads without which a category is taken to live as long as all articles
ALL = 0  #: the row of all reads; category c has row 1 + c


class Lives(NamedTuple):
    """How old articles were when they were read, by category, and the age below which most were."""

    hourly: Column  #: int64[1 + categories, BINS]
    reads: Column  #: int64[1 + categories]
    bin: Column  #: int64[1 + categories], the first by which the share is reached
    upto: Column  #: int64[1 + categories], reads in it and in those below


class LifetimeState(NamedTuple):
    """What the part answered, and what is known of articles."""

    given: GivenAnswers
    alpha: float
    hours: float  #: how long every article lives; below 0 = as its category does
    share: float
    known_at: Column  #: int64[articles], ms; -1 = not known yet
    category: Column  #: int32[articles], -1 = none yet
    lives: Lives
    item: Column  #: int32[depth], scratch
    value: Column  #: float64[depth], scratch


@routine
def _note_age(lives: Any, row: int, hours: int, share: float) -> None:
    """Count a read, and move to the first bin by which the share of all reads is reached."""
    age = min(max(hours, int64(0)), int64(BINS - 1))
    lives.hourly[row, age] += 1
    lives.reads[row] += 1
    if age <= lives.bin[row]:
        lives.upto[row] += 1
    wanted = share * lives.reads[row]
    while lives.upto[row] < wanted:
        lives.bin[row] += 1
        lives.upto[row] += lives.hourly[row, lives.bin[row]]
    while lives.upto[row] - lives.hourly[row, lives.bin[row]] >= wanted:
        lives.upto[row] -= lives.hourly[row, lives.bin[row]]
        lives.bin[row] -= 1


@kernel
def learn(state: Any, event: Any) -> None:
    """Note when an article became known and what it is about; count the age of one that is read."""
    item = int64(event.item)
    if item < 0:
        return
    if state.known_at[item] < 0:
        state.known_at[item] = event.time
    if event.category >= 0:
        state.category[item] = event.category
    if event.kind >= READ:
        hours = (event.time - state.known_at[item]) // HOUR
        _note_age(state.lives, int64(ALL), hours, state.share)
        if state.category[item] >= 0:
            _note_age(state.lives, 1 + int64(state.category[item]), hours, state.share)


@kernel
def _life(state: Any, item: int) -> float:
    """How many hours an article lives; without end before the first read."""
    if state.hours >= 0:
        return float(state.hours)
    row = 1 + int64(state.category[item])
    if state.lives.reads[row] < FEWEST:
        row = int64(ALL)
    return float(state.lives.bin[row] + 1) if state.lives.reads[row] > 0 else np.inf


@routine
def log_sigmoid(x: float) -> float:
    """log σ(x), for any x."""
    return -math.log1p(math.exp(-x)) if x >= 0 else x - math.log1p(math.exp(x))


@kernel
def _left(state: Any, item: int, time: int) -> float:
    """log σ(α · hours left) of an article at a time."""
    known = int64(state.known_at[item])
    age = (time - known) / HOUR if known >= 0 else 0.0
    life = _life(state, item)
    return log_sigmoid(state.alpha * (life - age)) if life < np.inf else 0.0


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The part's slate by the reciprocal of the rank, weighed; equal ones in the part's order."""
    answer = next_slate(state.given)
    count = int64(0)
    for rank in range(state.given.listed.shape[1]):
        item = int64(state.given.listed[answer, rank])
        if item < 0:
            break
        value = _left(state, item, request.time) - math.log(rank + 1)
        place = count
        while place > 0 and state.value[place - 1] < value:
            state.item[place], state.value[place] = state.item[place - 1], state.value[place - 1]
            place -= 1
        state.item[place], state.value[place] = item, value
        count += 1
    for place in range(min(count, slate.size)):
        slate[place] = state.item[place]


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The part's scores, weighed; what it does not rank stays unranked."""
    begin = next_scores(state.given, int64(out.size))
    for i in range(out.size):
        out[i] = state.given.ranked[begin + i] + _left(state, int64(request.pool[i]), request.time)


class LifetimeRanker(Reranker):
    """What `Lifetime` ranks anew by."""

    learn = learn
    recommend = recommend
    score = score

    def __init__(self, alpha: float, hours: float, share: float, deep: int):
        self.alpha, self.hours, self.share, self.deep = alpha, hours, share, deep

    def state(self, sizes: Sizes, key: np.uint64) -> LifetimeState:
        """See `Compiled.state`."""
        rows, depth = 1 + sizes.categories, max(sizes.k, self.deep)
        return LifetimeState(
            given(*self.answers[:2]),
            self.alpha,
            self.hours,
            self.share,
            np.full(sizes.articles, -1, np.int64),
            np.full(sizes.articles, -1, np.int32),
            Lives(
                np.zeros((rows, BINS), np.int64),
                np.zeros(rows, np.int64),
                np.zeros(rows, np.int64),
                np.zeros(rows, np.int64),
            ),
            np.empty(depth, np.int32),
            np.empty(depth),
        )


class Lifetime(Reranking):
    """Another recommender's answers, of which articles go down whose life is over; after LANCER (Bae et al. 2023).

    `lifetime(nrms, hours=36, alpha=.3)`. With L the hours that an article lives, counted from when it became known:

        s' = s + log σ(α (L - age))

    L is `hours`, or with `hours=none` the age, in full hours, below which `share` of the reads so far of articles of
    its category were (of all articles, before there were 100 of these). In pools s is the part's score, which should be
    a logit, as that of neural recommenders is; in slates, of which the order is all there is, s = log(1 / rank), and
    the part's first `depth` articles count (k, if that is more).

    LANCER has another loss besides, and multiplies: s σ(…), which turns the order of negative scores around.
    """

    def __init__(
        self,
        recommender: str,
        /,
        *,
        hours: float | None = 36,
        alpha: float = 0.3,
        share: float = 0.9,
        depth: int = 50,
    ):
        super().__init__(recommender, whole("depth", depth, at_least=1))
        self.hours = -1.0 if hours is None else number("hours", hours, at_least=0)
        self.alpha = number("alpha", alpha, at_least=0)
        self.share = number("share", share, at_least=0, at_most=1)
        if not self.share:
            raise SpecError("share must be above 0 and at most 1, not 0")

    def reranker(self) -> LifetimeRanker:
        """See `Reranking.reranker`."""
        return LifetimeRanker(self.alpha, self.hours, self.share, self.deep)
