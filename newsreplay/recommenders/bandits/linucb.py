"""LinUCB with a linear model of its own for each article (Li, Chu, Langford & Schapire 2010, algorithm 1)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import HOUR, OUTCOME, READ, Column
from newsreplay.recommenders.bandits import arms, readers
from newsreplay.recommenders.bandits.arms import Arms
from newsreplay.recommenders.bandits.ranking import Ranking, clear, offer, ranking, write_best
from newsreplay.recommenders.bandits.readers import Readers
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.spec import number, whole

FEATURES = 4  #: 1, the category in view, the reader's share of reads in the category, 1 / (1 + age in hours)


class LinUCBState(NamedTuple):
    """The articles' models, and what their features are made of."""

    prior: float  #: successes that the prior is worth
    width: float  #: times the standard deviation
    arms: Arms
    ranking: Ranking
    gram: Column  #: float64[articles, 4, 4], sum of x x' over trials, below the diagonal and on it
    won: Column  #: float64[articles, 4], sum of x over trials that were won
    known_at: Column  #: int64[articles], ms
    readers: Readers
    x: Column  #: float64[4], scratch: features
    root: Column  #: float64[4, 4], scratch: a lower triangle
    solved: Column  #: float64[2, 4], scratch


@kernel
def _write_features(state: Any, user: int, view: int, time: int, item: int) -> None:
    """The features of an article for a reader with the category `view` in view, -1 = none."""
    category = int64(state.readers.category[item])
    same = taste = 0.0
    if category >= 0:
        taste = readers.taste_of(state.readers, user, category)
        if category == view:
            same = 1.0
    state.x[0] = 1.0
    state.x[1] = same
    state.x[2] = taste
    state.x[3] = 1 / (1 + (time - state.known_at[item]) / HOUR)


@kernel
def _try(state: Any, event: Any, view: int, item: int, won: bool) -> None:
    """A trial of an article, won or not."""
    _write_features(state, event.user, view, int64(state.arms.clock[arms.TIME]), item)
    for i in range(FEATURES):
        for j in range(i + 1):
            state.gram[item, i, j] += state.x[i] * state.x[j]
        if won:
            state.won[item, i] += state.x[i]


@kernel
def learn(state: Any, event: Any) -> None:
    """Count a row, and its trials by what was known of the reader before it."""
    item = int64(event.item)
    if item >= state.arms.clock[arms.KNOWN]:
        state.known_at[item] = event.time
    readers.note_category(state.readers, event)
    arms.count_row(state.arms, event)
    if event.kind >= READ:
        view = readers.last_category(state.readers, event)
        if state.arms.clock[arms.OUTCOMES] == 0:
            for i in range(state.arms.clock[arms.ALIVE]):
                arm = int64(state.arms.item[i])
                _try(state, event, view, arm, arm == item)
        readers.note_read(state.readers, event)
    elif event.kind == OUTCOME:
        if state.arms.clock[arms.OUTCOMES] == 1:  # trials so far were of another sort
            for arm in range(state.arms.clock[arms.KNOWN]):
                state.gram[arm] = 0
                state.won[arm] = 0
        view = readers.category_in_view(state.readers, event)
        for i in range(len(event.pool)):
            _try(state, event, view, int64(event.pool[i]), event.clicked[i])


@kernel
def _bound(state: Any, request: Any, view: int, item: int, mean: float) -> float:
    """Mean and width of x'θ, by the Cholesky root of the ridge regression's matrix."""
    _write_features(state, request.user, view, request.time, item)
    root, solved = state.root, state.solved
    ridge = state.prior / mean
    expected = square = 0.0
    for i in range(FEATURES):
        for j in range(i + 1):
            rest = state.gram[item, i, j]
            for n in range(j):
                rest -= root[i, n] * root[j, n]
            root[i, j] = math.sqrt(rest + ridge) if i == j else rest / root[j, j]
        first, second = state.won[item, i], state.x[i]
        if i == 0:
            first += ridge * mean
        for n in range(i):
            first -= root[i, n] * solved[0, n]
            second -= root[i, n] * solved[1, n]
        solved[0, i] = first / root[i, i]
        solved[1, i] = second / root[i, i]
        expected += solved[0, i] * solved[1, i]
        square += solved[1, i] * solved[1, i]
    return float(expected + state.width * math.sqrt(mean * (1 - mean) * square))


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles alive with the highest bounds."""
    arms.advance(state.arms, request.time)
    mean = arms.mean_rate(state.arms)
    view = readers.category_in_view(state.readers, request)
    clear(state.ranking)
    for i in range(state.arms.clock[arms.ALIVE]):
        item = int64(state.arms.item[i])
        if item != request.exclude:
            offer(state.ranking, 0, item, _bound(state, request, view, item, mean), state.arms.read_row)
    write_best(state.ranking, slate, state.arms.read_row, 0)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The bounds of the candidates."""
    arms.advance(state.arms, request.time)
    mean = arms.mean_rate(state.arms)
    view = readers.category_in_view(state.readers, request)
    for i in range(out.size):
        out[i] = _bound(state, request, view, int64(request.pool[i]), mean)


class LinUCB(Compiled[LinUCBState]):
    """The articles alive with the highest upper confidence bounds of a rate that is linear in reader and article.

    Features x of an article for a request: 1; whether its category is in view (on screen, or the session's last read);
    the share of the reader's reads that its category has; 1 / (1 + hours since it became known). Each article has a
    ridge regression of its own on all trials since it became known (`arms`: outcomes that list it, or else all reads
    while it is alive), drawn towards the mean rate m with the weight of prior / m trials. The bound is
    x'θ + width sqrt(m (1 - m)) sqrt(x' A^-1 x); the paper's α is for rewards of deviation 1. Articles are alive for
    `hours` hours.
    """

    learn = learn
    recommend = recommend
    score = score
    slow = True
    extends = True

    def __init__(self, hours: int = 6, width: float = 1, prior: float = 1):
        self.hours = whole("hours", hours, at_least=1)
        self.width = number("width", width, at_least=0)
        self.prior = number("prior", prior, at_least=1)

    def state(self, sizes: Sizes, key: np.uint64) -> LinUCBState:
        """See `Compiled.state`."""
        n = sizes.articles
        return LinUCBState(
            self.prior,
            self.width,
            arms.arms(sizes, self.hours),
            ranking(2, sizes.k),
            np.zeros((n, FEATURES, FEATURES)),
            np.zeros((n, FEATURES)),
            np.zeros(n, np.int64),
            readers.readers(sizes),
            np.zeros(FEATURES),
            np.zeros((FEATURES, FEATURES)),
            np.zeros((2, FEATURES)),
        )

    def room(self, state: LinUCBState, reads: int) -> LinUCBState:
        """See `Compiled.room`."""
        return state._replace(readers=readers.room(state.readers, reads))
