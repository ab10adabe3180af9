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
from newsreplay.simulator.replay import delaying, excluding
from newsreplay.simulator.replay.checkpoints import Kept, Lap
from newsreplay.simulator.replay.clock import Clocked, Times, around, clocked
from newsreplay.simulator.replay.excluding import Unread, count_excluded, session_trail
from newsreplay.simulator.replay.scores import check as check_scores
from newsreplay.simulator.replay.sizes import state_bytes
from newsreplay.simulator.replay.slates import NO_DROPS
from newsreplay.simulator.replay.tuples import Data, flat, refilled, with_places
from newsreplay.simulator.replay.walk import ASKING_AT, REVEAL, AnswerArrays, Replayed, bare_event, stretches, walk


@kernel
def score_nothing(state: Any, request: Any, out: Any) -> None:
    """The score of a recommender that has none: all candidates stay unranked."""


def kernels_of(recommender: type[Compiled[Any]], scored: bool = True) -> dict[str, Callable[..., None]]:
    """The kernels of a recommender: learn, recommend and score, which is left out where nothing is `scored`."""
    score = recommender.score if scored else None
    return {"learn": recommender.learn, "recommend": recommender.recommend, "score": score or score_nothing}


def name_of(kernels: dict[str, Callable[..., None]]) -> str:
    """A name that only these kernels together have."""
    names = [f"{interpreted(part).__module__}_{interpreted(part).__qualname__}" for part in kernels.values()]
    return f"{names[1]}_{int(key_of(*names)):016x}"


def compiled_walk(
    recommender: type[Compiled[Any]],
    timed: bool = False,
    requests: Asks = "reads",
    exclude: Excludes = "current",
    delayed: bool = False,
    scored: bool = True,
) -> Callable[..., tuple[int, int]]:
    """`walk` compiled for a recommender's kernels.

    If `timed`, it walks over a `Clocked` state; if feedback is `delayed`, over a `Held` one with that in it; where
    requests exclude what their session has read, over an `Unread` one with that in it. Where there are no impressions,
    nothing is `scored`, and compiling takes a fifth less.
    """
    kernels = kernels_of(recommender, scored)
    name = f"{name_of(kernels)}_{requests}"
    events = {"reveal": REVEAL[exclude], "bare": bare_event, **ASKING_AT[requests]._asdict()}
    # Named though never called by these names where others are around them: an edit of their files must be noticed.
    sources = {f"inner_{what}": inner for what, inner in kernels.items()}
    if timed:
        name = f"{name}_timed"
        kernels = {what: around(what, name, inner) for what, inner in kernels.items()}
    if delayed:
        name = f"{name}_delayed"
        kernels = delaying.around(name, **kernels)
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


def pieces(log: Log, stretch: int, every: int, begin: int = 0) -> Iterator[tuple[int, int, bool]]:
    """The stretches of a log, cut where other `every` ms begin, and whether they do at the first row of each.

    The first one begins at row `begin`.
    """
    for first, end in stretches(log, stretch, begin):
        if not every:
            yield first, end, False
            continue
        period = log.time[max(first - 1, 0) : end] // every
        begins = max(first, 1) + np.flatnonzero(np.diff(period))
        for start, stop in pairwise(np.unique([first, *begins, end]).tolist()):
            yield start, stop, start in begins


def _unread(log: Log, setting: Setting, k: int) -> tuple[Unread | None, int]:
    """What a state is wrapped into where requests exclude what their session has read, and the longest slate."""
    if setting.exclude != "session":
        return None, k
    trail = session_trail(log)
    longest = k + int(count_excluded(log, ASKING[setting.requests], trail).max(initial=0))
    return Unread(None, trail, np.empty(longest, np.int32)), longest


class CompiledReplay:
    """A replay before a compiled recommender, as far as it has come; between two steps the log may grow."""

    def __init__(
        self,
        recommender: Compiled[Any],
        setting: Setting,
        key: np.uint64,
        sizes: Sizes,
        unread: Unread | None = None,
        *,
        scored: bool = True,
    ):
        """`unread` is what the state is wrapped into where requests exclude what their session has read; `scored`:
        whether there may be impressions.
        """
        self.recommender, self.setting, self.sizes, self.unread = recommender, setting, sizes, unread
        delayed = any(setting.feedback_delay)
        self.held = delaying.held(setting.feedback_delay, sizes.articles) if delayed else None
        self.key = key
        self.loop = compiled_walk(type(recommender), setting.timed, setting.requests, setting.exclude, delayed, scored)
        self.state = recommender.state(sizes, key)
        self.clock: Clocked | None = None
        self.answered = self.placed = 0

    def load(self, log: Log, slates: Column, scores: Column | None) -> None:
        """Compile the walk, or load it, by walking over no row."""
        self._walk(log, 0, 0, slates, scores)

    def _walk(self, log: Log, first: int, end: int, slates: Column, scores: Column | None) -> None:
        walked = self.state if self.clock is None else self.clock._replace(state=self.state)
        walked = walked if self.held is None else self.held._replace(state=walked, log=log)
        walked = walked if self.unread is None else self.unread._replace(state=walked)
        out = np.empty(0) if scores is None else scores
        self.answered, self.placed = self.loop(log, first, end, walked, slates, out, self.answered, self.placed)

    def step(self, log: Log, first: int, end: int, due: bool, slates: Column, scores: Column | None) -> None:
        """Show rows first … end - 1, the next ones, once the state is fitted if that is `due`."""
        before, recommender = self.placed, self.recommender
        if due:
            recommender.refit(self.state)
        late = 0 if self.held is None else delaying.reads_waiting(self.held, log, first)
        self.state = recommender.room(self.state, end - first + late)
        self._walk(log, first, end, slates, scores)
        if scores is not None and self.placed > before:
            check_scores(log, scores, before, self.placed, type(recommender).__name__)

    def kept(self) -> tuple[list[int], dict[str, Data]]:
        """The sizes, and the state as arrays. Raises `KeepingError` where it holds anything else."""
        return list(self.sizes), {**flat(_kept(self.state, self.held), "kept")}

    def refuse(self, told: list[int]) -> str:
        """Why it cannot go on from the state that was kept at these sizes; empty where it can."""
        then = Sizes(*told)
        if then == self.sizes or (type(self.recommender).extends and then.k == self.sizes.k):
            return ""
        return "the log has grown since, and its state cannot"

    def go_on(self, kept: Kept) -> None:
        """Go on from what was `kept`; a smaller log had fewer places."""
        now, arrays, then = _kept(self.state, self.held), kept.arrays, Sizes(*kept.told)
        if then != self.sizes:
            held = None if self.held is None else delaying.held(self.setting.feedback_delay, then.articles)
            arrays = with_places(
                arrays, flat(_kept(self.recommender.state(then, self.key), held), "kept"), flat(now, "kept")
            )
        self.state, self.held = refilled(now, arrays, "kept")
        self.answered, self.placed = kept.reached.answered, kept.reached.placed

    def done(self, slates: Column, scores: Column | None, seconds: float) -> Replayed:
        """What was answered, after the last row."""
        times = None
        if self.clock is not None:
            clock = self.clock
            times = Times(clock.recommend, clock.score if scores is not None else clock.score[:0], int(clock.learn[0]))
        return Replayed(slates, scores, NO_DROPS, state_bytes(self.state), times, seconds)


def _kept(state: Data, held: delaying.Held | None) -> tuple[Data, Data]:
    """The state, and how far rows that are held have been learned; the log is not kept."""
    return state, None if held is None else held._replace(state=None, log=None)


def compiled(
    log: Log,
    recommender: Compiled[Any],
    arrays: AnswerArrays,
    key: np.uint64,
    setting: Setting,
    progress: Callable[[int], None],
    stretch: int,
) -> Replayed:
    """Replay a log before a compiled recommender; between two stretches its state may grow or be fitted."""
    slates, scores = arrays.slates, arrays.scores
    log = make_log(**log._asdict())  # read-only whoever made it: another type would be compiled again
    unread, longest = _unread(log, setting, slates.shape[1])
    replaying = CompiledReplay(recommender, setting, key, sizes_of(log, longest), unread, scored=len(log.pools.at) > 1)
    if setting.timed:
        replaying.clock = clocked(replaying.state, len(slates), len(log.pools.at) - 1)
    loading = time.thread_time()
    replaying.load(log, slates, scores)
    loading = time.thread_time() - loading
    lap = Lap(None if setting.timed else arrays.checkpoints, replaying, slates, scores)
    for first, end, due in pieces(log, stretch, recommender.refit_every, lap.begin):
        replaying.step(log, first, end, due, slates, scores)
        progress(end)
        lap.ended(end, whole=end % stretch == 0)
    return replaying.done(slates, scores, lap.seconds())._replace(loading=loading)
