"""Compiled recommenders in the replay loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from newsreplay.kernels.compiling import bind, interpreted, kernel, rebound
from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import ASKING, Asks, Column, Excludes, Log, make_log
from newsreplay.recommenders.base import Compiled, Setting, Sizes
from newsreplay.simulator.replay import excluding
from newsreplay.simulator.replay.clock import Times, around, clocked
from newsreplay.simulator.replay.excluding import Unread, count_excluded, session_trail
from newsreplay.simulator.replay.scores import check as check_scores
from newsreplay.simulator.replay.sizes import state_bytes
from newsreplay.simulator.replay.slates import NO_DROPS
from newsreplay.simulator.replay.walk import ASKING_AT, REVEAL, Replayed, bare_event, stretches, walk


@kernel
def score_nothing(state: Any, request: Any, out: Any) -> None:
    """The score of a recommender that has none: all candidates stay unranked."""


def kernels_of(recommender: type[Compiled[Any]]) -> dict[str, Callable[..., None]]:
    """The kernels of a recommender: learn, recommend and score."""
    return {
        "learn": recommender.learn,
        "recommend": recommender.recommend,
        "score": score_nothing if recommender.score is None else recommender.score,
    }


def name_of(kernels: dict[str, Callable[..., None]]) -> str:
    """A name that only these kernels together have."""
    names = [f"{interpreted(part).__module__}_{interpreted(part).__qualname__}" for part in kernels.values()]
    return f"{names[1]}_{int(key_of(*names)):016x}"


def compiled_walk(
    recommender: type[Compiled[Any]], timed: bool = False, requests: Asks = "reads", exclude: Excludes = "current"
) -> Callable[..., tuple[int, int]]:
    """`walk` compiled for a recommender's kernels.

    If `timed`, it walks over a `Clocked` state; where requests exclude what their session has read, over an `Unread`
    one with that in it.
    """
    kernels = kernels_of(recommender)
    name = f"{name_of(kernels)}_{requests}"
    events = {"reveal": REVEAL[exclude], "bare": bare_event, **ASKING_AT[requests]._asdict()}
    # Named though never called by these names where others are around them: an edit of their files must be noticed.
    sources = {f"inner_{what}": inner for what, inner in kernels.items()}
    if timed:
        name = f"{name}_timed"
        kernels = {what: around(what, name, inner) for what, inner in kernels.items()}
    if exclude != "current":
        name = f"{name}_{exclude}"
    if exclude == "session":
        kernels = {what: excluding.around(what, name, inner) for what, inner in kernels.items()}
    return bind(walk, name, **events, **kernels, **sources)


def interpreted_walk(
    recommender: type[Compiled[Any]], requests: Asks = "reads", exclude: Excludes = "current"
) -> Callable[..., tuple[int, int]]:
    """`walk` for the same kernels without compiling it, and without what is around them; slow, for tests."""
    # Interpreted too: compiled without reference counts it would hand out all pools in place of a stretch of them.
    events = {"reveal": interpreted(REVEAL[exclude]), "bare": interpreted(bare_event), **ASKING_AT[requests]._asdict()}
    return rebound(walk, "interpreted", **events, **kernels_of(recommender))


def sizes_of(log: Log, k: int) -> Sizes:
    """How many codes of each sort a log has."""
    articles, users, sessions, categories = (
        int(column.max(initial=-1)) + 1 for column in (log.item, log.user, log.session, log.category)
    )
    return Sizes(articles, users, sessions, categories, k)


def pieces(log: Log, stretch: int, every: int) -> Iterator[tuple[int, int, bool]]:
    """The stretches of a log, cut where other `every` ms begin, and whether they do at the first row of each."""
    for first, end in stretches(log, stretch):
        if not every:
            yield first, end, False
            continue
        period = log.time[max(first - 1, 0) : end] // every
        begins = max(first, 1) + np.flatnonzero(np.diff(period))
        for begin, stop in pairwise(np.unique([first, *begins, end]).tolist()):
            yield begin, stop, begin in begins


def _unread(log: Log, setting: Setting, k: int) -> tuple[Unread | None, int]:
    """What a state is wrapped into where requests exclude what their session has read, and the longest slate."""
    if setting.exclude != "session":
        return None, k
    trail = session_trail(log)
    longest = k + int(count_excluded(log, ASKING[setting.requests], trail).max(initial=0))
    return Unread(None, trail, np.empty(longest, np.int32)), longest


def compiled(
    log: Log,
    recommender: Compiled[Any],
    slates: Column,
    scores: Column | None,
    key: np.uint64,
    setting: Setting,
    progress: Callable[[int], None],
    stretch: int,
) -> Replayed:
    """Replay a log before a compiled recommender; between two stretches its state may grow or be fitted."""
    log = make_log(**log._asdict())  # read-only whoever made it: another type would be compiled again
    loop = compiled_walk(type(recommender), setting.timed, setting.requests, setting.exclude)
    unread, longest = _unread(log, setting, slates.shape[1])
    state = recommender.state(sizes_of(log, longest), key)
    clock = clocked(state, len(slates), len(log.pools.at) - 1) if setting.timed else None
    out = np.empty(0) if scores is None else scores

    def around_state() -> Any:
        walked = state if clock is None else clock._replace(state=state)
        return walked if unread is None else unread._replace(state=walked)

    loop(log, 0, 0, around_state(), slates, out, 0, 0)  # over no row: it is compiled, or loaded
    begun = time.perf_counter()
    answered = placed = 0
    for first, end, due in pieces(log, stretch, recommender.refit_every):
        before = placed
        if due:
            recommender.refit(state)
        state = recommender.room(state, end - first)
        answered, placed = loop(log, first, end, around_state(), slates, out, answered, placed)
        if scores is not None and placed > before:
            check_scores(log, scores, before, placed, type(recommender).__name__)
        progress(end)
    seconds = time.perf_counter() - begun
    times = None
    if clock is not None:
        times = Times(clock.recommend, clock.score if scores is not None else clock.score[:0], int(clock.learn[0]))
    return Replayed(slates, scores, NO_DROPS, state_bytes(state), times, seconds)
