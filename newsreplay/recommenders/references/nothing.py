"""No recommender at all: what the loop costs before one, the floor of `newsreplay bench`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import kernel
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import Compiled, Sizes


class NothingState(NamedTuple):
    """How many rows there have been: a loop that does nothing would be compiled away."""

    rows: Column  #: int64[1]


@kernel
def learn(state: Any, event: Any) -> None:
    """Count the row."""
    state.rows[0] += 1


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """Leave the slate empty."""


class Nothing(Compiled[NothingState]):
    """Answers every request with an empty slate."""

    learn = learn
    recommend = recommend
    extends = True

    def state(self, sizes: Sizes, key: np.uint64) -> NothingState:
        """See `Compiled.state`."""
        return NothingState(np.zeros(1, np.int64))
