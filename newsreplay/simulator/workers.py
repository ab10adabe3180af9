"""Workers: pairs of a recommender and a publisher, replayed and judged here, in other processes, or elsewhere."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import Connection

from newsreplay.errors import RunError
from newsreplay.machine import cores
from newsreplay.recommenders.base import Compiled
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.pairs import StoppedError, failed, replay_pair
from newsreplay.simulator.runs.pair import Judged, Pair

LINE = 100  #: characters of a reported line that are shown; a pipe takes so few in one piece
FRESH = 5.0  #: seconds for which a reported line is shown


def printable(line: object) -> str:
    """A reported line as one that a terminal can show."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(line))
    return " ".join(text.split())[:LINE]


_wire: Connection | None = None  #: in a process of its own: leads to the one that started it


def _connect(wire: Connection) -> None:
    global _wire
    _wire = wire


def _report(number: int, what: int | str) -> None:
    # In one write, few bytes: the system keeps them together, whoever else writes, and whoever dies meanwhile.
    with suppress(OSError):  # nobody listens any more
        if _wire is not None:
            _wire.send((number, what))


def _replay_away(pair: Pair, number: int) -> Judged:
    """A pair in a process of its own, which reports its rows and lines under a number."""
    report = partial(_report, number)
    return replay_pair(pair, report, lambda line: report(printable(line)))


class Workers:
    """Compiled recommenders share this process, since kernels let go of the interpreter; plain ones get
    processes of their own where there are several cores and they can be sent there.

    `progress(line, done)` takes the line that was reported last, for `fresh` seconds ("" = nothing lately), and how
    many rows are done.
    """

    def __init__(
        self,
        jobs: int | None,
        executor: Executor | None,
        progress: Callable[[str, int], None],
        fresh: float = FRESH,
    ):
        self.jobs = jobs or cores()
        self.processes = jobs is not None and jobs > 1
        self.executor = executor
        self.progress = progress
        self.fresh = fresh
        self.rows: dict[tuple[str, str], int] = {}  # done, by publisher and recommender
        self.line, self.until = "", 0.0  # what was reported last, and how long it is shown
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.trouble: BaseException | None = None  # what showing progress raised while nobody could catch it
        self.pools = ExitStack()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
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
        local = {threads.submit(replay_pair, pair, partial(self._advance, pair), self._report): pair for pair in here}
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
        self.pools.callback(writer.close)  # the last to hold it, so that the listener comes to its end
        self.pools.callback(processes.shutdown, wait=True, cancel_futures=True)
        listener.start()
        return {processes.submit(_replay_away, pair, number): pair for number, pair in enumerate(pairs)}

    def _listen(self, reader: Connection, pairs: list[Pair]) -> None:
        """Take in what processes report, until the last has ended."""
        with reader, suppress(EOFError, OSError):
            while True:
                number, what = reader.recv()
                try:
                    if self.trouble is None and not self.stopped.is_set():
                        self._report(what) if isinstance(what, str) else self._advance(pairs[number], what)
                except StoppedError:
                    continue
                except BaseException as error:  # whoever waits for results raises it
                    self.trouble = error

    def _collect(self, futures: dict[Future[Judged], Pair], orphans: list[Pair] | None = None) -> Iterator[Judged]:
        for future in as_completed(futures):
            pair = futures[future]
            try:
                answer = future.result()
            except (StoppedError, KeyboardInterrupt, RunError):
                raise
            except Exception as error:  # the worker itself died
                if orphans is not None and isinstance(error, BrokenExecutor):
                    orphans.append(pair)
                    continue
                text = f"its process ended: {type(error).__name__}: {error}"
                answer = failed(pair, text, None, 0)
            if self.trouble is not None:
                raise self.trouble
            self._advance(pair, answer.rows)
            yield answer

    def _advance(self, pair: Pair, rows: int) -> None:
        """Note how many of a pair's rows are done; raises `StoppedError` once the run is stopped."""
        if self.stopped.is_set():
            raise StoppedError
        key = (pair.publisher, pair.entry.label)
        with self.lock:
            if rows > self.rows.get(key, 0):  # else it was reported before, or a replay that broke off starts again
                self.rows[key] = rows
                self._show()

    def _report(self, line: str) -> None:
        """Show a line that a recommender reports; raises `StoppedError` once the run is stopped."""
        if self.stopped.is_set():
            raise StoppedError
        with self.lock:
            self.line, self.until = printable(line), time.monotonic() + self.fresh
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
