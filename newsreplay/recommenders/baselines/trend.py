"""Trend: the articles whose hourly reads rise most steeply (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

import numpy as np

from newsreplay.log.rows import HOUR
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import windowed
from newsreplay.spec import whole


class Trend(Compiled[windowed.WindowedState]):
    """The articles with the steepest least-squares line through their reads of the last `hours` full hours.

    Hours are counted back from the moment of the request. With w hours and k = 0 (oldest) … w - 1, the
    slope is sum((k - mean k) * reads_k) over a constant; articles are compared by the integer
    sum((2 k - (w - 1)) * reads_k), so a read in bin b, counted back, weighs w - 1 - 2 b.
    """

    learn = windowed.learn
    recommend = windowed.recommend
    score = windowed.score
    extends = True

    def __init__(self, hours: int = 6):
        self.hours = whole("hours", hours, at_least=2)

    def state(self, sizes: Sizes, key: np.uint64) -> windowed.WindowedState:
        """See `Compiled.state`."""
        bins = range(self.hours)
        weights, edges = [self.hours - 1 - 2 * b for b in bins], [(b + 1) * HOUR for b in bins]
        # A falling article has a slope below 0, so one that is not read at all must not stand at 0.
        return windowed.windowed(sizes, weights, edges, -np.inf)

    def room(self, state: windowed.WindowedState, reads: int) -> windowed.WindowedState:
        """See `Compiled.room`."""
        return windowed.room(state, reads)
