"""Epsilon-greedy (Watkins 1989; Sutton & Barto 2018, section 2.2) over a trend."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.kernels.mixing import draw, key_of, unit
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import uniform, windowed
from newsreplay.recommenders.baselines.trend import Trend
from newsreplay.recommenders.baselines.uniform import Uniform, UniformState
from newsreplay.recommenders.baselines.windowed import WindowedState
from newsreplay.spec import number


class EpsilonState(NamedTuple):
    """The two recommenders that are chosen from, and the slates they answer with."""

    coin: np.uint64  #: key of which of them is asked
    rate: float
    trend: WindowedState
    uniform: UniformState
    rising: Column  #: int32[k], what the trend answers
    drawn: Column  #: int32[k], what was drawn at random


@kernel
def learn(state: Any, event: Any) -> None:
    """Count a read, and note a publication."""
    windowed.learn(state.trend, event)
    uniform.learn(state.uniform, event)


@kernel
def _next(answer: Any, at: int, slate: Any, filled: int) -> int:
    """The first place of an answer from `at` on whose article the slate lacks; its end where there is none."""
    while at < answer.size and answer[at] >= 0:
        new = True
        for i in range(filled):
            new = new and slate[i] != answer[at]
        if new:
            return at
        at += 1
    return int64(answer.size)


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """At each place a random article or the trend's next one; where one has no more, the other's."""
    by_trend, at_random = state.rising[: slate.size], state.drawn[: slate.size]
    by_trend[:] = -1
    at_random[:] = -1
    windowed.recommend(state.trend, request, by_trend)
    uniform.recommend(state.uniform, request, at_random)
    rising = drawn = int64(0)
    for place in range(slate.size):
        rising = _next(by_trend, rising, slate, place)
        drawn = _next(at_random, drawn, slate, place)
        random = unit(draw(state.coin, request.row, place)) < state.rate
        if drawn < slate.size and (random or rising == slate.size):
            slate[place] = at_random[drawn]
        elif rising < slate.size:
            slate[place] = by_trend[rising]
        else:
            return


@kernel
def score(state: Any, request: Any, out: Any) -> None:
    """Random numbers for the whole pool, or what the trend gives it."""
    windowed.score(state.trend, request, out)
    if unit(draw(state.coin, request.row, 0)) < state.rate:
        uniform.score(state.uniform, request, out)


class Epsilon(Compiled[EpsilonState]):
    """The trend of the last `hours` hours, but at each place with probability `rate` a random recent article.

    Recent are those published in the last `fresh` hours. A pool is one choice: with probability `rate` its candidates
    are scored as `random(hours=fresh)` scores them, else as `trend(hours)` does.
    """

    learn = learn
    recommend = recommend
    score = score
    extends = True
    uses_pool_order = True  # as of `random`

    def __init__(self, rate: float = 0.1, hours: int = 6, fresh: int = 24):
        self.rate = number("rate", rate, at_least=0, at_most=1)
        self.trend = Trend(hours)
        self.uniform = Uniform(fresh)

    def state(self, sizes: Sizes, key: np.uint64) -> EpsilonState:
        """See `Compiled.state`."""
        return EpsilonState(
            key_of(key, "coin"),
            self.rate,
            self.trend.state(sizes, key),
            self.uniform.state(sizes, key),
            np.empty(sizes.k, np.int32),
            np.empty(sizes.k, np.int32),
        )

    def room(self, state: EpsilonState, reads: int) -> EpsilonState:
        """See `Compiled.room`."""
        return state._replace(trend=self.trend.room(state.trend, reads))
