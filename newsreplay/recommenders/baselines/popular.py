"""Popularity: the most read articles (Kille & Lommatzsch 2019, section 4.1)."""

from __future__ import annotations

import numpy as np

from newsreplay.log.rows import HOUR
from newsreplay.recommenders.base import Compiled, Sizes
from newsreplay.recommenders.baselines import windowed
from newsreplay.spec import whole


class Popular(Compiled[windowed.WindowedState]):
    """The articles read most often, ever or in the last `hours` hours."""

    learn = windowed.learn
    recommend = windowed.recommend
    score = windowed.score
    extends = True

    def __init__(self, hours: int | None = None):
        self.hours = None if hours is None else whole("hours", hours, at_least=1)

    def state(self, sizes: Sizes, key: np.uint64) -> windowed.WindowedState:
        """See `Compiled.state`."""
        return windowed.windowed(sizes, [1], [] if self.hours is None else [self.hours * HOUR], 0.0)

    def room(self, state: windowed.WindowedState, reads: int) -> windowed.WindowedState:
        """See `Compiled.room`."""
        return windowed.room(state, reads)
