"""The oracle: what a recommender could reach that knew what each reader is about to read.

Not a recommender, since those cannot see the future: a run works its answers out from the log when a start list names
`oracle`. It offers only what is known at the request, so that its success is the ceiling of what any recommender
of known articles can have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from newsreplay.datasets.store import Publisher
from newsreplay.errors import RecommenderError
from newsreplay.recommenders.base import Recommender
from newsreplay.simulator.kernels import compiled, int64
from newsreplay.simulator.log import Column


class Oracle(Recommender):
    """Foresees what each reader reads and clicks next: the ceiling, not a recommender."""

    foresees = True  #: its rows are marked and never ranked

    def recommend(self, request: Any, k: int) -> Sequence[int]:
        """There is nothing to replay: raises `RecommenderError`."""
        raise RecommenderError("the oracle foresees the whole log; it has no place in a replay")


def foresee(publisher: Publisher, slates: Column, scores: Column) -> None:
    """Fill slates (int32[requests, k]) with what each session reads next, and scores (float64[places]) with clicks.

    A slate has the distinct articles that are read later in the session, the soonest first, as far as they are known
    at the request; not the one on screen.
    """
    log, requests = publisher.log, publisher.requests
    known = np.maximum.accumulate(log.item, dtype=np.int32)[requests.row] + np.int32(1)
    following = np.full(len(requests.row), -1, np.int32)
    later = np.flatnonzero(requests.previous >= 0)
    following[requests.previous[later]] = later
    _foresee(log.item, requests.row, following, known, slates)
    scores[:] = log.pools.clicked


@compiled
def _foresee(item: Any, row: Any, following: Any, known: Any, slates: Any) -> None:
    for request in range(row.size):
        filled = 0
        step = int64(following[request])
        while step >= 0 and filled < slates.shape[1]:
            candidate = item[row[step]]
            fits = candidate < known[request] and candidate != item[row[request]]
            for place in range(filled):
                fits = fits and slates[request, place] != candidate
            if fits:
                slates[request, filled] = candidate
                filled += 1
            step = following[step]
