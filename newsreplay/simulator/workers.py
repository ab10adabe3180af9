"""Workers: pairs of a recommender and a publisher, replayed and judged in threads, in other processes, or elsewhere."""

from __future__ import annotations

import pickle
import re
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from newsreplay.durations import duration_text
from newsreplay.errors import RecommenderError, RunError
from newsreplay.escaping import escaped
from newsreplay.machine import cores, limit_memory
from newsreplay.processes import OwnProcess, Unreadable
from newsreplay.recommenders.base import Compiled
from newsreplay.recommenders.references.oracle import Oracle
from newsreplay.recommenders.registry import built_in
from newsreplay.simulator.cluster import ClusterExecutor
from newsreplay.simulator.pairs import StoppedError, failed, replay_pair
from newsreplay.simulator.runs.options import Execution
from newsreplay.simulator.runs.pair import Judged, Pair
from newsreplay.spec import Spec
from newsreplay.traces import one_line

LINE = 100  #: characters of a reported line that are shown
FRESH = 5.0  #: seconds for which a reported line is shown
GRACE = 2.0  #: seconds in which threads end that are no longer wanted; then they are left alone


def printable(line: object) -> str:
    """A reported line as one that a terminal can show."""
    return escaped(" ".join(str(line).split()))[:LINE]


def _replay_apart(pair: Pair, work: str, memory: int | None, wire: Connection) -> None:
    """A pair in a process of its own, which tells of its rows and lines, and last what came of it."""
    tempfile.tempdir = work  # taken away with the run, whatever became of this process
    if memory is not None:
        limit_memory(memory)
    one_at_a_time = threading.Lock()

    def tell(what: int | str | Judged | RunError) -> None:
        with one_at_a_time:
            wire.send(what)

    try:
        judged = replay_pair(pair, tell, lambda line: tell(printable(line)), now=time.process_time)
    except (StoppedError, KeyboardInterrupt) as error:  # nobody's but its own: Ctrl-C is not heard here
        judged = failed(pair, one_line(error), traceback.format_exc(), 0)
    except RunError as error:  # as a full disk, which is not the recommender's fault
        tell(RunError(str(error)))
        return
    if judged.error and memory is not None and re.search("memory|alloc", judged.error, re.IGNORECASE):
        judged = replace(judged, error=f"{judged.error} (--memory-limit {memory / 1e6:,.0f} MB)")
    tell(judged)


class _Mailbox:
    """What threads tell the one that waits for them; `wire` is ready while there is something."""

    def __init__(self) -> None:
        self.wire, self.bell = Pipe(duplex=False)
        self.lock = threading.Lock()
        self.told: list[tuple[_Task, object]] = []

    def put(self, task: _Task, what: object) -> None:
        with self.lock:
            if not self.told:
                self.bell.send_bytes(b".")
            self.told.append((task, what))

    def empty(self) -> list[tuple[_Task, object]]:
        with self.lock:
            if self.told:
                self.wire.recv_bytes()
            told, self.told = self.told, []
        return told


class _Thread(threading.Thread):
    """A pair in this process. Whoever ends the program does not wait for it."""

    def __init__(
        self,
        pair: Pair,
        mailbox: _Mailbox,
        stopped: threading.Event,
        deadline: float | None,
        late: str,
        keep_raised: bool,
    ):
        super().__init__(daemon=True)
        self.keep_raised = keep_raised
        self.pair = pair
        self.mailbox = mailbox
        self.stopped = stopped
        self.deadline = deadline
        self.late = late

    def run(self) -> None:
        try:
            told: object = replay_pair(self.pair, self._tell, self._tell, keep_raised=self.keep_raised)
        except BaseException as error:
            told = error
        self.mailbox.put(self, told)

    def _tell(self, what: object) -> None:
        """Pass rows or a line on; raises where nobody waits any more."""
        if self.stopped.is_set():
            raise StoppedError
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise RecommenderError(self.late)
        self.mailbox.put(self, what)


class _Process:
    """A pair in a process of its own."""

    def __init__(self, pair: Pair, work: str, memory: int | None, deadline: float | None):
        self.pair = pair
        self.deadline = deadline
        self.process = OwnProcess(_replay_apart, pair, work, memory)


_Task = _Thread | _Process


class _Printing:
    """stdout while recommenders share this process: what their threads print goes to stderr."""

    def __init__(self) -> None:
        self.usual = sys.stdout

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if isinstance(threading.current_thread(), _Thread) else self.usual, name)


class Workers:
    """Compiled recommenders share this process, since kernels let go of the interpreter; every pair of a plain one, and
    of a stranger's, gets a process of its own, if `execution.apart` and it can be sent there.

    `progress(line, done)` takes the line that was reported last, for `fresh` seconds ("" = nothing lately), and how
    many rows are done.
    """

    def __init__(self, execution: Execution, progress: Callable[[str, int], None], fresh: float = FRESH):
        self.execution = execution
        self.jobs = execution.jobs or cores()
        self.progress = progress
        self.fresh = fresh
        self.rows: dict[tuple[str, str], int] = {}  # done, by publisher and recommender
        self.line, self.until = "", 0.0  # what was reported last, and how long it is shown
        self.stopped = threading.Event()
        self.mailbox = _Mailbox()
        self.running: list[_Task] = []
        self.work: str | None = None  # the processes' temporary files
        self.shared = False  # whether recommenders share this process
        self.keep = ExitStack()
        limit = execution.pair_timeout
        self.late = f"gave up after {duration_text(limit or 0)} (--pair-timeout)"

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        for task in self.running:
            if isinstance(task, _Process):
                task.process.kill()
        enough = time.monotonic() + GRACE
        for task in self.running:
            if isinstance(task, _Thread):
                task.join(max(0.0, enough - time.monotonic()))
        self.keep.close()

    def judge(self, pairs: list[Pair]) -> Iterator[Judged]:
        """Judge pairs, in whatever order they end."""
        if self.execution.executor is not None:
            for last in (False, True):
                submit = self.execution.executor.submit
                group = [pair for pair in pairs if _is_oracle(pair) == last]
                yield from self._judge_elsewhere({submit(replay_pair, pair): pair for pair in group})
            return
        apart = {id(pair) for pair in pairs if self.execution.apart and not _is_ours(pair) and _can_be_sent(pair)}
        publishers = list(dict.fromkeys(pair.publisher for pair in pairs))

        def turn(pair: Pair) -> tuple[bool, int, bool, bool]:
            # Those that take longest first, so that they do not run on alone at the end.
            return _is_oracle(pair), publishers.index(pair.publisher), id(pair) not in apart, not _is_slow(pair)

        waiting = deque(sorted(pairs, key=turn))
        while waiting or self.running:
            judged = self._wait() if self.running else []
            while waiting and len(self.running) < self.jobs and not self._must_wait(waiting[0]):
                pair = waiting.popleft()
                self._start(pair, id(pair) in apart)
            for answer in judged:
                self._advance(answer, answer.rows)
                yield answer

    def _must_wait(self, pair: Pair) -> bool:
        """The oracle's answers are the future: they are not written while others are replayed, who could read them."""
        return _is_oracle(pair) and not all(_is_oracle(task.pair) for task in self.running)

    def _start(self, pair: Pair, apart: bool) -> None:
        limit = self.execution.pair_timeout
        deadline = None if limit is None else time.monotonic() + limit / 1000
        if apart:
            if self.work is None:
                self.work = self.keep.enter_context(tempfile.TemporaryDirectory(prefix="newsreplay-"))
            self.running.append(_Process(pair, self.work, self.execution.memory_limit, deadline))
        else:
            if not self.shared:
                self.shared = True
                self.keep.enter_context(redirect_stdout(_Printing()))
            thread = _Thread(pair, self.mailbox, self.stopped, deadline, self.late, self.execution.fail_fast)
            self.running.append(thread)
            thread.start()

    def _wait(self) -> list[Judged]:
        """Wait until something is told; returns what came of the pairs that have ended."""
        processes = [task for task in self.running if isinstance(task, _Process)]
        handles: list[Any] = [handle for task in processes for handle in task.process.handles()]
        deadlines = [task.deadline for task in processes if task.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        wait([self.mailbox.wire, *handles], patience)
        answers = [self._take(task, what) for task, what in self.mailbox.empty()]
        answers += [answer for task in processes for answer in self._look_after(task)]
        return [answer for answer in answers if answer is not None]

    def _look_after(self, task: _Process) -> Iterator[Judged | None]:
        """Take what a process tells; see whether it has ended, or takes too long."""
        ended = task.process.has_ended()  # asked first: what it told before its end is in by now
        for what in task.process.receive():
            yield self._take(task, what)
        if task not in self.running:
            return
        if ended:
            yield self._done(task, failed(task.pair, f"its process ended: {task.process.why()}", None, 0))
        elif task.deadline is not None and time.monotonic() > task.deadline:
            task.process.kill()
            yield self._done(task, failed(task.pair, self.late, None, 0))

    def _take(self, task: _Task, what: object) -> Judged | None:
        """Take in what a pair's worker tells: its rows, a line, what came of it, or what went wrong."""
        if isinstance(what, int | str):
            self._hear(task.pair, what)
        elif isinstance(what, Judged):
            return self._done(task, what)
        elif isinstance(what, BaseException):
            self.running.remove(task)
            raise what
        elif isinstance(what, Unreadable):  # as a class from a notebook is in any other process
            self.running.remove(task)
            self._start(task.pair, apart=False)
        return None

    def _hear(self, pair: Pair, what: int | str) -> None:
        """Take in how many rows of a pair are done, or a line that its recommender reports."""
        if isinstance(what, int):
            self._advance(pair, what)
        else:
            self.line, self.until = printable(what), time.monotonic() + self.fresh
            self._show()

    def _done(self, task: _Task, judged: Judged) -> Judged:
        if isinstance(task, _Process):
            task.process.end()
        self.running.remove(task)
        return judged

    def _judge_elsewhere(self, futures: dict[Future[Judged], Pair]) -> Iterator[Judged]:
        cluster = self.execution.executor if isinstance(self.execution.executor, ClusterExecutor) else None
        waiting = {*futures}
        try:
            while waiting:
                ended, waiting = wait_for(waiting, FRESH / 10 if cluster else None, FIRST_COMPLETED)
                for pair, what in cluster.heard() if cluster else ():
                    self._hear(pair, what)
                for future in ended:
                    try:
                        answer = future.result()
                    except (StoppedError, KeyboardInterrupt, RunError):
                        raise
                    except Exception as error:  # the worker itself died
                        answer = failed(futures[future], f"its process ended: {type(error).__name__}: {error}", None, 0)
                    self._advance(answer, answer.rows)
                    yield answer
        except BaseException:
            if cluster:
                cluster.stop()
            raise
        finally:  # whoever is still at work would write into a folder that the next run may have
            wait_for([future for future in futures if not future.cancel()])

    def _advance(self, pair: Pair | Judged, rows: int) -> None:
        """Note how many of a pair's rows are done."""
        key = (pair.publisher, pair.recommender if isinstance(pair, Judged) else pair.entry.label)
        if rows > self.rows.get(key, 0):
            self.rows[key] = rows
            self._show()

    def _show(self) -> None:
        self.progress(self.line if time.monotonic() < self.until else "", sum(self.rows.values()))


def _class_of(pair: Pair) -> type | None:
    """A recommender's class; None where only making it would tell."""
    source = pair.entry.source
    return built_in(source) if isinstance(source, Spec) else type(source)


def _is_ours(pair: Pair) -> bool:
    """Whether it is compiled, or the oracle, which is not replayed; strangers' specs may be anything."""
    kind = _class_of(pair)
    return kind is not None and issubclass(kind, Compiled | Oracle)


def _is_oracle(pair: Pair) -> bool:
    kind = _class_of(pair)
    return kind is not None and issubclass(kind, Oracle)


def _is_slow(pair: Pair) -> bool:
    kind = _class_of(pair)
    return kind is not None and issubclass(kind, Compiled) and kind.slow


def _can_be_sent(pair: Pair) -> bool:
    try:
        pickle.dumps(pair)
    except (Exception, SystemExit):  # a stranger's class may raise anything
        return False
    return True
