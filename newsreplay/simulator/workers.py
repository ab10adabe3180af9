"""Workers: pairs of a recommender and a publisher, replayed and judged here, in other processes, or elsewhere."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from newsreplay.cores import cores
from newsreplay.datasets.store import Dataset, Publisher
from newsreplay.errors import NewsreplayError
from newsreplay.recommenders.base import Compiled
from newsreplay.registry import Entry
from newsreplay.simulator.files import pair_files, write_scores, write_verdict
from newsreplay.simulator.options import Options
from newsreplay.simulator.oracle import Oracle, foresee
from newsreplay.simulator.replay import Replayed, replay
from newsreplay.simulator.scoring import Answers, Scored, Tally, score, scored
from newsreplay.simulator.slates import Drops, write_slates

IN_MEMORY = 1 << 28  #: bytes; larger slates live in a temporary file while they are judged


class Pair(NamedTuple):
    """One recommender on one publisher: what a worker needs to know."""

    data: Path
    publisher: str
    entry: Entry
    options: Options
    folder: Path  #: the run folder


class Times(NamedTuple):
    """How long answers took, in ms."""

    answers: int
    p50: float
    p95: float
    p99: float
    longest: float
    late: float | None  #: share of the answers beyond the deadline; None without one


class Judged(NamedTuple):
    """What a worker brings back."""

    publisher: str
    recommender: str
    tally: Tally | None  #: None where the recommender failed, and once it is measured
    hits: tuple[int, int] | None  #: hits at 1 of all scored sessions, and of the longest 1 %
    error: str | None  #: one line
    details: str | None  #: the traceback
    drops: Drops
    seconds: float  #: replay alone
    rows: int
    state_bytes: int | None
    times: Times | None  #: of answers, where they were timed
    learning: float | None  #: seconds in `learn`, where it was timed
    foresees: bool = False  #: the oracle


class StoppedError(Exception):
    """The run was interrupted."""


def replay_pair(pair: Pair, progress: Callable[[int], None] = lambda rows: None) -> Judged:
    """Replay and judge one recommender on one publisher; whatever it raises becomes its error."""
    publisher, of = scored_of(Dataset(pair.data), pair.publisher, pair.options)
    rows = len(publisher.log.time)
    try:
        with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
            recommender = pair.entry.make()
            answered = _replay(pair, recommender, publisher, Path(work), progress)
            times, late, late_scores = _timed(answered.times, pair.options)
            verdict = score(publisher, of, Answers(answered.slates, answered.scores, late, late_scores))
            files = pair_files(pair.folder, pair.publisher, pair.entry.shown)
            write_verdict(files, verdict)
            if pair.options.slates:
                write_slates(files.slates, publisher, answered.slates)
                if answered.scores is not None and len(answered.scores):
                    write_scores(files.scores, publisher, answered.scores)
    except (StoppedError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a stranger's class may raise anything, SystemExit too
        return _failed(pair, _one_line(error), traceback.format_exc(), rows)
    learning = None if answered.times is None else answered.times.learn / 1e9
    return Judged(
        pair.publisher,
        pair.entry.shown,
        verdict.tally,
        verdict.tally.hits,
        None,
        None,
        answered.drops,
        answered.seconds,
        rows,
        answered.state_bytes,
        times,
        learning,
        isinstance(recommender, Oracle),
    )


def _failed(pair: Pair, error: str, details: str | None, rows: int) -> Judged:
    return Judged(
        pair.publisher, pair.entry.shown, None, None, error, details, Drops(0, 0), 0.0, rows, None, None, None
    )


_lining_up = threading.Lock()


def scored_of(dataset: Dataset, publisher: str, options: Options) -> tuple[Publisher, Scored]:
    """A publisher and what a run scores of it, made once for all its recommenders."""
    with _lining_up:
        return _scored_once(dataset.folder, dataset.card["digest"], publisher, options)


@lru_cache(maxsize=2)
def _scored_once(data: Path, digest: str, publisher: str, options: Options) -> tuple[Publisher, Scored]:
    # Other data prepared in the same folder have another digest.
    opened = Dataset(data).publisher(publisher)
    return opened, scored(opened, options)


def _replay(
    pair: Pair, recommender: Any, publisher: Publisher, work: Path, progress: Callable[[int], None]
) -> Replayed:
    """The pair's replay, or, for the oracle, what it knows without one."""
    k = pair.options.k
    slates = _room(work / "slates.npy", np.int32, (len(publisher.requests.row), k), -1)
    scores = _room(work / "scores.npy", np.float64, publisher.log.pools.item.shape, -np.inf)
    if isinstance(recommender, Oracle):
        foresee(publisher, slates, scores)
        return Replayed(slates, scores, Drops(0, 0), 0, None, 0.0)
    return replay(
        publisher.log,
        recommender,
        k,
        articles=publisher.articles,
        seed=pair.options.seed,
        name=pair.entry.shown,
        slates=slates,
        scores=scores,
        timed=pair.options.timed,
        progress=progress,
    )


def _timed(times: Any, options: Options) -> tuple[Times | None, Any, Any]:
    """How long answers took, and which slates and scores came too late to count (None: none)."""
    if times is None or not len(times.recommend) + len(times.score):
        return None, None, None
    took = np.concatenate([times.recommend, times.score]) / 1e6
    p50, p95, p99 = np.percentile(took, [50, 95, 99]).tolist()
    deadline = options.deadline
    if deadline is None:
        return Times(len(took), p50, p95, p99, float(took.max()), None), None, None
    told = Times(len(took), p50, p95, p99, float(took.max()), float(np.mean(took > deadline)))
    if not options.strict_deadline:
        return told, None, None
    return told, times.recommend / 1e6 > deadline, times.score / 1e6 > deadline if len(times.score) else None


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    if not isinstance(error, NewsreplayError):
        text = f"{type(error).__name__}: {text}"
    return shorten(text, 500, placeholder=" …")


def _room(path: Path, dtype: Any, shape: tuple[int, ...], fill: float) -> Any:
    if np.dtype(dtype).itemsize * math.prod(shape) <= IN_MEMORY:
        return np.full(shape, fill, dtype)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    array[:] = fill
    return array


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
                answer = _failed(pair, text, None, 0)
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
