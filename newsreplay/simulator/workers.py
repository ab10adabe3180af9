"""Workers: pairs of a recommender and a publisher, replayed and judged here, in other processes, or elsewhere."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from functools import lru_cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from newsreplay.cores import cores
from newsreplay.datasets.store import Dataset, Publisher
from newsreplay.errors import NewsreplayError
from newsreplay.recommenders.base import Account, Compiled
from newsreplay.registry import Entry
from newsreplay.simulator.files import pair_files, write_scores, write_verdict
from newsreplay.simulator.options import Options
from newsreplay.simulator.oracle import Oracle, foresee
from newsreplay.simulator.replay import Replayed, replay
from newsreplay.simulator.scoring import Answers, Scored, Tally, score, scored
from newsreplay.simulator.slates import Drops, write_slates

IN_MEMORY = 1 << 28  #: bytes; larger slates live in a temporary file while they are judged
LINE = 100  #: characters of a told line that are shown; a pipe takes so few in one piece
FRESH = 5.0  #: seconds for which a told line is shown


class Pair(NamedTuple):
    """One recommender on one publisher: what a worker needs to know."""

    data: Path
    publisher: str
    entry: Entry
    options: Options
    folder: Path  #: the run folder
    of: str | None = None  #: the spec without its seed, where it is repeated with several


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
    account: Account | None = None  #: what a plain recommender tells of itself
    foresaw: bool = False  #: it was handed the whole log
    of: str | None = None  #: the spec without its seed, where it is repeated with several


class StoppedError(Exception):
    """The run was interrupted."""


def replay_pair(
    pair: Pair,
    progress: Callable[[int], None] = lambda rows: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Judged:
    """Replay and judge one recommender on one publisher; whatever it raises becomes its error.

    `progress` is told the number of rows done, now and then, and `tell` what the recommender tells.
    """
    publisher, of = scored_of(Dataset(pair.data), pair.publisher, pair.options)
    rows = len(publisher.log.time)
    try:
        with tempfile.TemporaryDirectory(prefix="newsreplay-") as work:
            recommender = pair.entry.make()
            answered = _replay(pair, recommender, publisher, Path(work), progress, tell)
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
        answered.account,
        answered.foresaw,
        pair.of,
    )


def _failed(pair: Pair, error: str, details: str | None, rows: int) -> Judged:
    return Judged(
        publisher=pair.publisher,
        recommender=pair.entry.shown,
        tally=None,
        hits=None,
        error=error,
        details=details,
        drops=Drops(0, 0),
        seconds=0.0,
        rows=rows,
        state_bytes=None,
        times=None,
        learning=None,
        of=pair.of,
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
    pair: Pair,
    recommender: Any,
    publisher: Publisher,
    work: Path,
    progress: Callable[[int], None],
    tell: Callable[[str], None],
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
        warmup=pair.options.warmup,
        tell=tell,
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


def _shown(line: Any) -> str:
    """A told line as one that a terminal can show."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(line))
    return " ".join(text.split())[:LINE]


_wire: Connection | None = None  #: in a process of its own: the way to the one that started it


def _connect(wire: Connection) -> None:
    global _wire
    _wire = wire


def _report(number: int, what: int | str) -> None:
    # In one write, few bytes: the system keeps them together, whoever else writes, and whoever dies meanwhile.
    with suppress(OSError):  # nobody listens any more
        if _wire is not None:
            _wire.send((number, what))


def _replay_away(pair: Pair, number: int) -> Judged:
    """A pair in a process of its own, which tells of its rows and lines under a number."""
    report = partial(_report, number)
    return replay_pair(pair, report, lambda line: report(_shown(line)))


class Workers:
    """Compiled recommenders share this process, since kernels let go of the interpreter; plain ones get
    processes of their own where there are several cores and they can be sent there.

    `progress(line, done)` is told what recommenders told last ("" = nothing lately) and how many rows are done.
    """

    def __init__(self, jobs: int | None, executor: Executor | None, progress: Callable[[str, int], None]):
        self.jobs = jobs or cores()
        self.processes = jobs is not None and jobs > 1
        self.executor = executor
        self.progress = progress
        self.rows: dict[tuple[str, str], int] = {}  # done, by publisher and recommender
        self.line, self.until = "", 0.0  # what was told last, and how long it is shown
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.trouble: BaseException | None = None  # what showing progress raised while nobody could catch it
        self.pools = ExitStack()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.stopped.set()
        self.pools.close()

    def judge(self, pairs: list[Pair]) -> Iterator[Judged]:
        """Judge pairs, in whatever order they end."""
        if self.executor is not None:
            yield from self._collect({self.executor.submit(replay_pair, pair): pair for pair in pairs})
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
        local = {threads.submit(replay_pair, pair, partial(self._advance, pair), self._tell): pair for pair in here}
        orphans: list[Pair] = []
        yield from self._collect(local | self._send(away), orphans)
        # A process that dies takes its pool along. Each of those left gets a process of its own, so that
        # whoever kills it harms nobody else.
        for pair in orphans:
            yield from self._collect(self._send([pair]))

    def _send(self, pairs: list[Pair]) -> dict[Future[Judged], Pair]:
        if not pairs:
            return {}
        context = multiprocessing.get_context("spawn")
        reader, writer = context.Pipe(duplex=False)
        processes = ProcessPoolExecutor(
            min(self.jobs, len(pairs)), mp_context=context, initializer=_connect, initargs=(writer,)
        )
        listener = threading.Thread(target=self._listen, args=(reader, pairs), daemon=True)
        self.pools.callback(listener.join, timeout=1)  # somebody's own processes may keep the wire open
        self.pools.callback(writer.close)  # the last to hold it, so that the listener hears the end
        self.pools.callback(processes.shutdown, wait=True, cancel_futures=True)
        listener.start()
        return {processes.submit(_replay_away, pair, number): pair for number, pair in enumerate(pairs)}

    def _listen(self, reader: Connection, pairs: list[Pair]) -> None:
        """Hear what processes tell, until the last has ended."""
        with reader, suppress(EOFError, OSError):
            while True:
                number, what = reader.recv()
                try:
                    if self.trouble is None and not self.stopped.is_set():
                        self._tell(what) if isinstance(what, str) else self._advance(pairs[number], what)
                except StoppedError:
                    continue
                except BaseException as error:  # whoever waits for results raises it
                    self.trouble = error

    def _collect(self, futures: dict[Future[Judged], Pair], orphans: list[Pair] | None = None) -> Iterator[Judged]:
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
            if self.trouble is not None:
                raise self.trouble
            self._advance(pair, answer.rows)
            yield answer

    def _advance(self, pair: Pair, rows: int) -> None:
        """Note how many of a pair's rows are done; raises `StoppedError` once the run is stopped."""
        if self.stopped.is_set():
            raise StoppedError
        key = (pair.publisher, pair.entry.shown)
        with self.lock:
            if rows > self.rows.get(key, 0):  # else it was told before, or a replay that broke off starts again
                self.rows[key] = rows
                self._show()

    def _tell(self, line: str) -> None:
        """Show what a recommender tells; raises `StoppedError` once the run is stopped."""
        if self.stopped.is_set():
            raise StoppedError
        with self.lock:
            self.line, self.until = _shown(line), time.monotonic() + FRESH
            self._show()

    def _show(self) -> None:
        self.progress(self.line if time.monotonic() < self.until else "", sum(self.rows.values()))


def _is_plain(entry: Entry) -> bool:
    return not isinstance(entry.make(), Compiled)


def _can_be_sent(pair: Pair) -> bool:
    try:
        pickle.dumps(pair)
    except Exception:
        return False
    return True
