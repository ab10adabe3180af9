"""The oracle: what a recommender could reach that knew what each reader is about to read.

Not a recommender, since those cannot see the future: a run works its answers out from the log when a start list names
`oracle`. It offers only what is known at the request, so that its success is the ceiling of what any recommender
of known articles can have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from newsreplay.kernels.chain import chain, put_before, take_out
from newsreplay.kernels.compiling import compiled, int64
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Column


def foresee(publisher: Publisher, slates: Column, scores: Column) -> None:
    """Fill slates (int32[requests, k]) with what each session reads next, and scores (float64[places]) with clicks.

    A slate has the distinct articles that are read later in the session, the soonest first, as far as they are known
    at the request; not the one on screen.
    """
    log, requests = publisher.log, publisher.requests
    known = np.maximum.accumulate(log.item, dtype=np.int32)[requests.row] + np.int32(1)
    articles = len(publisher.articles.id)
    listed = np.full(articles, -1, np.int32)
    _foresee(log.item, requests.row, requests.previous, publisher.sessions.last, known, chain(articles), listed, slates)
    scores[:] = log.pools.clicked


@compiled
def _foresee(item: Any, row: Any, previous: Any, last: Any, known: Any, coming: Any, listed: Any, slates: Any) -> None:
    """Each session backward, with a list of what is read later, the soonest first."""
    for session in range(last.size):
        coming.first[0] = -1
        step = int64(last[session])
        while step >= 0:
            current = item[row[step]]
            filled = 0
            candidate = int64(coming.first[0])
            while candidate >= 0 and filled < slates.shape[1]:
                following = int64(coming.after[candidate])
                if candidate >= known[step]:  # nor was it known at any earlier request
                    take_out(coming, candidate)
                    listed[candidate] = -1
                elif candidate != current:
                    slates[step, filled] = candidate
                    filled += 1
                candidate = following
            if listed[current] == session:
                take_out(coming, current)
            listed[current] = session
            put_before(coming, current, coming.first[0])
            step = previous[step]
