"""Upper confidence bounds of articles' rates (UCB1: Auer, Cesa-Bianchi & Fischer 2002, section 2)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.recommenders.bandits import arms
from newsreplay.recommenders.bandits.arms import Arms
from newsreplay.recommenders.bandits.ranking import Ranking, clear, offer, ranking, write_best
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.spec import number, whole


class UCBState(NamedTuple):
    """What is counted of articles, and what their bounds are made with."""

    prior: float  #: successes that the prior is worth
    width: float  #: times what the paper has
    arms: Arms
    ranking: Ranking


@kernel
def learn(state: Any, event: Any) -> None:
    """Count a row."""
    arms.count_row(state.arms, event)


@kernel
def _bound(state: Any, item: int, mean: float) -> float:
    trials = arms.trials_of(state.arms, item) + state.prior / mean
    rate = (arms.wins_of(state.arms, item) + state.prior) / trials
    log_rounds = math.log(1.0 + arms.rounds(state.arms))
    return float(rate + state.width * math.sqrt(2 * log_rounds * rate * (1 - rate) / trials))


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles alive with the highest bounds."""
    arms.advance(state.arms, request.time)
    mean = arms.mean_rate(state.arms)
    clear(state.ranking)
    for i in range(state.arms.clock[arms.ALIVE]):
        item = int64(state.arms.item[i])
        if item != request.exclude:
            offer(state.ranking, 0, item, _bound(state, item, mean), state.arms.read_row)
    write_best(state.ranking, slate, state.arms.read_row, 0)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The bounds of the candidates."""
    arms.advance(state.arms, request.time)
    mean = arms.mean_rate(state.arms)
    for i in range(out.size):
        out[i] = _bound(state, int64(request.pool[i]), mean)


class UCB(Compiled[UCBState]):
    """The articles alive whose rates in the last `hours` hours may be highest: mean and width of the confidence.

    With w of n trials won (`arms`), N trials of all articles and their mean rate m, the bound is
    r + width sqrt(2 ln(1 + N) r (1 - r) / n') where n' = n + prior / m and r = (w + prior) / n': before any trial an
    article is held to be average. UCB1 has width 1, no prior, and 1 in place of the variance r (1 - r), which is for
    rewards anywhere between 0 and 1; rates of articles are far below (the variance as in UCB1-tuned, section 4 there).
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True

    def __init__(self, hours: int = 6, width: float = 1, prior: float = 1):
        self.hours = whole("hours", hours, at_least=1)
        self.width = number("width", width, at_least=0)
        self.prior = number("prior", prior, at_least=1)

    def state(self, sizes: Sizes, key: np.uint64) -> UCBState:
        """See `Compiled.state`."""
        return UCBState(self.prior, self.width, arms.arms(sizes, self.hours), ranking(2, sizes.k))
