"""Time taken by a recommender: around its kernels, or around its methods, and never inside the loop."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import kernel, rebound
from newsreplay.log.rows import Column


class Times(NamedTuple):
    """How long a recommender took, ns."""

    recommend: Column  #: int64[requests], in log order
    score: Column  #: int64[impressions], in log order; none where it cannot score
    learn: int  #: all rows together


class Clocked(NamedTuple):
    """A recommender's state, and how long its kernels took."""

    state: Any
    recommend: Column  #: int64[requests], ns
    score: Column  #: int64[impressions], ns
    learn: Column  #: int64[1], ns
    counts: Column  #: int64[2], how many requests and impressions there have been


def clocked(state: Any, requests: int, impressions: int) -> Clocked:
    """A state under the clock, nothing timed yet."""
    return Clocked(
        state,
        np.zeros(requests, np.int64),
        np.zeros(impressions, np.int64),
        np.zeros(1, np.int64),
        np.zeros(2, np.int64),
    )


@kernel
def _learn(clocked: Any, event: Any) -> None:
    begun = nanoseconds()  # type: ignore[name-defined] # noqa: F821
    learn(clocked.state, event)  # type: ignore[name-defined] # noqa: F821
    clocked.learn[0] += nanoseconds() - begun  # type: ignore[name-defined] # noqa: F821


@kernel
def _recommend(clocked: Any, request: Any, slate: Any) -> None:
    begun = nanoseconds()  # type: ignore[name-defined] # noqa: F821
    recommend(clocked.state, request, slate)  # type: ignore[name-defined] # noqa: F821
    clocked.recommend[clocked.counts[0]] = nanoseconds() - begun  # type: ignore[name-defined] # noqa: F821
    clocked.counts[0] += 1


@kernel
def _score(clocked: Any, request: Any, out: Any) -> None:
    begun = nanoseconds()  # type: ignore[name-defined] # noqa: F821
    score(clocked.state, request, out)  # type: ignore[name-defined] # noqa: F821
    clocked.score[clocked.counts[1]] = nanoseconds() - begun  # type: ignore[name-defined] # noqa: F821
    clocked.counts[1] += 1


_AROUND: dict[str, Callable[..., None]] = {"learn": _learn, "recommend": _recommend, "score": _score}


@cache
def around(what: str, name: str, inner: Callable[..., None]) -> Callable[..., None]:
    """The kernel `inner`, timed: over a `Clocked` state. `what` is learn, recommend or score."""
    from newsreplay.simulator.replay.nanoseconds import nanoseconds  # which imports numba, even where nobody is timed

    return kernel(rebound(_AROUND[what], name, nanoseconds=nanoseconds, **{what: inner}))


def clock_calls(method: Callable[..., Any], taken: array[int]) -> Callable[..., Any]:
    """A method that appends to `taken` how long each call took, ns."""

    def call(*arguments: Any) -> Any:
        begun = time.perf_counter_ns()
        answer = method(*arguments)
        taken.append(time.perf_counter_ns() - begun)
        return answer

    return call
