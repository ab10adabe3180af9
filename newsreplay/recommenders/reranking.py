"""Rerankers: a recommender's answers in another order, by what is known of the articles at each request.

The part is replayed by itself, as it would be alone. Then the log is walked once more, before a compiled recommender
that has the part's answers at hand, request by request, and learns from the rows as any other does: of the future it
is told nothing, and late feedback comes late to it, too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.rows import Column
from newsreplay.recommenders.base import Compiled
from newsreplay.recommenders.mixtures import Mixture
from newsreplay.spec import Spec


class GivenAnswers(NamedTuple):
    """What the part answered, in the order in which it was asked."""

    listed: Column  #: int32[requests, depth], padded with -1
    ranked: Column  #: float64[places], scores of candidates, -inf = not ranked; of a part that cannot score nothing
    at: Column  #: int64[2], how many of each were looked at


def given(listed: Column, ranked: Column) -> GivenAnswers:
    """Answers of which none was looked at."""
    return GivenAnswers(np.asarray(listed), np.asarray(ranked), np.zeros(2, np.int64))


@kernel
def next_slate(given: Any) -> int:
    """The row of `listed` that is the part's slate for the request that is being answered."""
    given.at[0] += 1
    return int64(given.at[0] - 1)


@kernel
def next_scores(given: Any, count: int) -> int:
    """Where in `ranked` the part's scores for the impression that is being scored begin, which has `count` of them."""
    given.at[1] += count
    return int64(given.at[1] - count)


class Reranker(Compiled[tuple[object, ...]]):
    """A compiled recommender whose state has a `GivenAnswers`, called `given`, which its kernels look up."""

    answers: GivenAnswers = given(np.empty((0, 1), np.int32), np.empty(0))  #: to be looked up from the next row on

    def room(self, state: tuple[object, ...], reads: int) -> tuple[object, ...]:
        """The state with the answers as they are now, which may have become more."""
        as_now = state.given._replace(listed=self.answers.listed, ranked=self.answers.ranked)  # type: ignore[attr-defined]
        return state._replace(given=as_now)  # type: ignore[attr-defined, no-any-return]


class Reranking(Mixture):
    """Base class of recommenders made of one other, whose answers they bring into another order.

    A subclass makes the `Reranker` that does it.
    """

    fewest = 1

    def __init__(self, part: str | Spec | object, deep: int):
        """`deep`: how many articles of the part's slates are ranked anew, if that is more than k."""
        super().__init__([part])
        self.deep = deep

    def depth(self, k: int) -> int:
        """See `Mixture.depth`."""
        return max(k, self.deep)

    def reranker(self) -> Reranker:
        """A fresh one."""
        raise NotImplementedError(f"{type(self).__name__} has no reranker()")
