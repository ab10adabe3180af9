"""Thompson sampling over articles (Thompson 1933; for news, Chapelle & Li 2011, section 2, algorithm 2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.recommenders.bandits import arms
from newsreplay.recommenders.bandits.arms import Arms
from newsreplay.recommenders.bandits.beta import draw_beta
from newsreplay.recommenders.bandits.ranking import Ranking, clear, offer, ranking, write_best
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.spec import number, whole


class ThompsonState(NamedTuple):
    """What is counted of articles, and what their draws are made with."""

    key: np.uint64
    prior: float  #: successes that the prior is worth
    fresh: int  #: of a slate, at most
    arms: Arms
    ranking: Ranking  #: of articles tried often enough, and of fresh ones


@kernel
def learn(state: Any, event: Any) -> None:
    """Count a row."""
    arms.count_row(state.arms, event)


@kernel
def _draw(state: Any, row: int, item: int, mean: float) -> float:
    wins = arms.wins_of(state.arms, item)
    lost = state.prior * (1 - mean) / mean + (arms.trials_of(state.arms, item) - wins)
    return draw_beta(state.key, row, item, state.prior + wins, lost)


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The articles alive with the highest draws, few of them fresh."""
    arms.advance(state.arms, request.time)
    mean = arms.mean_rate(state.arms)
    clear(state.ranking)
    for i in range(state.arms.clock[arms.ALIVE]):
        item = int64(state.arms.item[i])
        if item != request.exclude:
            fresh = int64(arms.trials_of(state.arms, item) * mean < state.prior)
            offer(state.ranking, fresh, item, _draw(state, request.row, item, mean), state.arms.read_row)
    write_best(state.ranking, slate, state.arms.read_row, state.fresh)


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """The draws of the candidates."""
    arms.advance(state.arms, request.time)
    mean = arms.mean_rate(state.arms)
    for i in range(out.size):
        out[i] = _draw(state, request.row, int64(request.pool[i]), mean)


class Thompson(Compiled[ThompsonState]):
    """The articles alive whose rates, drawn at every request from what the last `hours` hours tell, are highest.

    With w of n trials won (`arms`) and the mean rate m of all articles, an article's rate is drawn from
    Beta(prior + w, prior (1 - m) / m + n - w): before any trial it is held to be average, as if `prior` trials had
    been won at that rate. An article with fewer trials than that, prior / m, is fresh; at most `fresh` of them (none =
    any number) stand in a slate before all others do. Scores of a pool are draws, too, without that limit.
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True

    def __init__(self, hours: int = 6, prior: float = 1, fresh: int | None = 1):
        self.hours = whole("hours", hours, at_least=1)
        self.prior = number("prior", prior, at_least=1)
        self.fresh = None if fresh is None else whole("fresh", fresh, at_least=0)

    def state(self, sizes: Sizes, key: np.uint64) -> ThompsonState:
        """See `Compiled.state`."""
        fresh = sizes.k if self.fresh is None else self.fresh
        return ThompsonState(key, self.prior, fresh, arms.arms(sizes, self.hours), ranking(2, sizes.k))
