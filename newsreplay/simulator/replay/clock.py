"""Time taken by a recommender: around its kernels, or around its methods, and never inside the loop."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from newsreplay.kernels.compiling import kernel, rebound
from newsreplay.log.rows import Column

#: CLOCK_MONOTONIC of the C library; the number differs.
_MONOTONIC = 6 if sys.platform == "darwin" else 1
_build: Any = cgutils  # untyped


class Times(NamedTuple):
    """How long a recommender took, ns."""

    recommend: Column  #: int64[requests], in log order
    score: Column  #: int64[impressions], in log order; none where it cannot score
    learn: int  #: all rows together


def _typed(context: Any) -> Any:
    """`clock_gettime` of the C library as nanoseconds; found by its name, so that it can be cached on disk."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        moment = _build.alloca_once(builder, ir.LiteralStructType([word, word]))  # seconds, nanoseconds
        declared = ir.FunctionType(half, [half, moment.type])
        function = _build.get_or_insert_function(builder.module, declared, "clock_gettime")
        builder.call(function, [half(_MONOTONIC), moment])
        second, rest = (builder.load(_build.gep_inbounds(builder, moment, 0, place)) for place in range(2))
        return builder.add(builder.mul(second, word(1_000_000_000)), rest)

    return types.int64(), generate


_clock_gettime: Any = intrinsic(_typed)


@kernel
def nanoseconds() -> int:
    """A clock that only goes forward, in ns since some moment, for kernels."""
    now: int = _clock_gettime()
    return now


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
    begun = nanoseconds()
    learn(clocked.state, event)  # type: ignore[name-defined] # noqa: F821
    clocked.learn[0] += nanoseconds() - begun


@kernel
def _recommend(clocked: Any, request: Any, slate: Any) -> None:
    begun = nanoseconds()
    recommend(clocked.state, request, slate)  # type: ignore[name-defined] # noqa: F821
    clocked.recommend[clocked.counts[0]] = nanoseconds() - begun
    clocked.counts[0] += 1


@kernel
def _score(clocked: Any, request: Any, out: Any) -> None:
    begun = nanoseconds()
    score(clocked.state, request, out)  # type: ignore[name-defined] # noqa: F821
    clocked.score[clocked.counts[1]] = nanoseconds() - begun
    clocked.counts[1] += 1


_AROUND: dict[str, Callable[..., None]] = {"learn": _learn, "recommend": _recommend, "score": _score}


@cache
def around(what: str, name: str, inner: Callable[..., None]) -> Callable[..., None]:
    """The kernel `inner`, timed: over a `Clocked` state. `what` is learn, recommend or score."""
    return kernel(rebound(_AROUND[what], name, **{what: inner}))


def clock_calls(method: Callable[..., Any], taken: array[int]) -> Callable[..., Any]:
    """A method that appends to `taken` how long each call took, ns."""

    def call(*arguments: Any) -> Any:
        begun = time.perf_counter_ns()
        answer = method(*arguments)
        taken.append(time.perf_counter_ns() - begun)
        return answer

    return call
