"""Workers: pairs of a recommender and a publisher, replayed and judged here, in other processes, or elsewhere."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from newsreplay.cores import cores
from newsreplay.datasets.store import Dataset, Publisher
from newsreplay.errors import NewsreplayError
from newsreplay.recommenders.base import Compiled
from newsreplay.registry import Entry
from newsreplay.simulator.judge import Outcomes, Scope, judge, scope
from newsreplay.simulator.replay import replay
from newsreplay.simulator.slates import Drops, write_slates

IN_MEMORY = 1 << 28  #: bytes; larger slates live in a temporary file while they are judged


@dataclass(frozen=True)
class Options:
    """What shapes a run besides its data and recommenders; times in ms."""

    k: int = 10
    warmup: int = 0
    window: int | None = None
    max_session_length: int | None = None
    seed: int = 0
    slates: bool = True  #: keep the slates in the run folder


class Pair(NamedTuple):
    """One recommender on one publisher: what a worker needs to know."""

    data: Path
    publisher: str
    entry: Entry
    options: Options
    slates: Path | None  #: where to keep the slates


class Judged(NamedTuple):
    """What a worker brings back."""

    publisher: str
    recommender: str
    outcomes: Outcomes | None  #: None where the recommender failed, and once it is measured
    hits: tuple[int, int] | None  #: hits at 1 of all scored sessions, and of the longest 1 %
    error: str | None  #: one line
    details: str | None  #: the traceback
    drops: Drops
    seconds: float  #: replay alone
    rows: int


class StoppedError(Exception):
    """The run was interrupted."""


def replay_pair(pair: Pair, progress: Callable[[int], None] = lambda rows: None) -> Judged:
    """Replay and judge one recommender on one publisher; whatever it raises becomes its error."""
    publisher = Dataset(pair.data).publisher(pair.publisher)
    rows = len(publisher.log.time)
    begun = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
            slates = _room_for_slates(publisher, pair.options.k, Path(work))
            done = replay(
                publisher.log,
                pair.entry.make(),
                articles=publisher.articles,
                seed=pair.options.seed,
                name=pair.entry.shown,
                slates=slates,
                progress=progress,
            )
            seconds = time.perf_counter() - begun
            outcomes = judge(publisher, done.slates, scope_of(publisher, pair.options))
            if pair.slates is not None:
                write_slates(pair.slates, publisher, done.slates)
    except (StoppedError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a stranger's class may raise anything, SystemExit too
        text = traceback.format_exc()
        return Judged(pair.publisher, pair.entry.shown, None, None, _one_line(error), text, Drops(0, 0), 0.0, rows)
    hits = (int(outcomes.hits[0]), int(outcomes.hits[1]))
    return Judged(pair.publisher, pair.entry.shown, outcomes, hits, None, None, done.drops, seconds, rows)


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    if not isinstance(error, NewsreplayError):
        text = f"{type(error).__name__}: {text}"
    return shorten(text, 500, placeholder=" …")


def _room_for_slates(publisher: Publisher, k: int, work: Path) -> Any:
    shape = (len(publisher.requests.row), k)
    if 4 * shape[0] * shape[1] <= IN_MEMORY:
        return np.full(shape, -1, np.int32)
    slates = np.lib.format.open_memmap(work / "slates.npy", mode="w+", dtype=np.int32, shape=shape)
    slates[:] = -1
    return slates


def scope_of(publisher: Publisher, options: Options) -> Scope:
    """The sessions that a run with these options scores."""
    return scope(
        publisher,
        warmup=options.warmup,
        window=options.window,
        max_session_length=options.max_session_length,
        seed=options.seed,
    )


class Workers:
    """Compiled recommenders share this process, since kernels let go of the interpreter; plain ones get
    processes of their own where there are several cores and they can be sent there."""

    def __init__(self, jobs: int | None, executor: Executor | None, progress: Callable[[int], None]):
        self.jobs = jobs or cores()
        self.processes = jobs is not None and jobs > 1
        self.executor = executor
        self.progress = progress
        self.done = 0
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.pools = ExitStack()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.stopped.set()
        self.pools.close()

    def judge(self, pairs: list[Pair]) -> Iterator[Judged]:
        """Judge pairs, in whatever order they end."""
        if self.executor is not None:
            yield from self._collect({self.executor.submit(replay_pair, pair): pair for pair in pairs}, set())
            return
        # A process each pays where several plain recommenders would wait for one interpreter.
        away = [pair for pair in pairs if self.processes and _is_plain(pair.entry) and _can_be_sent(pair)]
        if len(away) < 2:
            away = []
        here = [pair for pair in pairs if pair not in away]
        publishers = list(dict.fromkeys(pair.publisher for pair in pairs))
        here.sort(key=lambda pair: (publishers.index(pair.publisher), not getattr(pair.entry.make(), "slow", False)))
        threads = ThreadPoolExecutor(self.jobs)
        self.pools.callback(threads.shutdown, wait=True, cancel_futures=True)
        local = {threads.submit(replay_pair, pair, self._told()): pair for pair in here}
        orphans: list[Pair] = []
        yield from self._collect(local | self._send(away), set(local), orphans)
        # A process that dies takes its pool along. Each of those left gets a process of its own, so that
        # whoever kills it harms nobody else.
        for pair in orphans:
            yield from self._collect(self._send([pair]), set())

    def _send(self, pairs: list[Pair]) -> dict[Future[Judged], Pair]:
        if not pairs:
            return {}
        context = multiprocessing.get_context("spawn")
        processes = ProcessPoolExecutor(min(self.jobs, len(pairs)), mp_context=context)
        self.pools.callback(processes.shutdown, wait=True, cancel_futures=True)
        return {processes.submit(replay_pair, pair): pair for pair in pairs}

    def _collect(
        self, futures: dict[Future[Judged], Pair], local: set[Future[Judged]], orphans: list[Pair] | None = None
    ) -> Iterator[Judged]:
        for future in as_completed(futures):
            pair = futures[future]
            try:
                answer = future.result()
            except (StoppedError, KeyboardInterrupt):
                raise
            except Exception as error:  # the worker itself died
                if orphans is not None and isinstance(error, BrokenExecutor):
                    orphans.append(pair)
                    continue
                text = f"its process ended: {type(error).__name__}: {error}"
                answer = Judged(pair.publisher, pair.entry.shown, None, None, text, None, Drops(0, 0), 0.0, 0)
            if future not in local:  # those tell their progress themselves
                self._advance(answer.rows)
            yield answer

    def _told(self) -> Callable[[int], None]:
        """A listener for one pair's progress; it stops the pair when the run is stopped."""
        before = 0

        def told(rows: int) -> None:
            nonlocal before
            if self.stopped.is_set():
                raise StoppedError
            self._advance(rows - before)
            before = rows

        return told

    def _advance(self, rows: int) -> None:
        with self.lock:
            self.done += rows
            self.progress(self.done)


def _is_plain(entry: Entry) -> bool:
    return not isinstance(entry.make(), Compiled)


def _can_be_sent(pair: Pair) -> bool:
    try:
        pickle.dumps(pair)
    except Exception:
        return False
    return True
