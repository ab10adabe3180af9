"""A run: some recommenders on one data set, replayed, judged, measured, and kept in a folder.

docs/run-folder.md describes the folder; it is a public format.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import platform
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from newsreplay import __version__
from newsreplay.datasets import find_data
from newsreplay.datasets.store import Dataset, Publisher
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.recommenders.base import Compiled
from newsreplay.registry import Entry, start_list
from newsreplay.simulator.judge import Outcomes, Scope, cut_offs, judge, scope
from newsreplay.simulator.metrics import Result, measure
from newsreplay.simulator.replay import replay
from newsreplay.simulator.slates import Drops, write_slates

FORMAT = 1  #: of the run folder
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


def run(
    data: Any = "demo",
    recommenders: str | Iterable[Any] = "baselines",
    *,
    k: int = 10,
    publishers: Iterable[str] | None = None,
    warmup: int = 0,
    window: int | None = None,
    max_session_length: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    out: str | Path | None = None,
    slates: bool = True,
    columns: dict[str, str] | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Any:
    """Replay a data set before recommenders and score them; returns a `newsreplay.report.Run`.

    - `data`: a prepared name, `KIND:PATH`, a table file, a pandas frame of reads, or a `Dataset`; `columns`
      names a table's columns.
    - `recommenders`: specs ("trend,circular(size=500)"), presets ("baselines"), recommender objects, or a
      list of these.
    - `k`: slate length; `publishers`: some of the data set's; `warmup`, `window`: ms from the first read
      during which sessions are not scored, and for how long after that those that begin are.
    - `out`: the run folder, by default a temporary one that goes when the returned object does.
    - `jobs`: pairs at a time, by default one a core; `executor` runs them elsewhere. Neither changes a byte
      of the results.
    - `progress(what, done, of)` is told how far the replay is, in rows.

    A recommender that fails costs only its own results. Raises `NewsreplayError` where the data, a spec or
    the folder cannot be used.

        >>> import newsreplay
        >>> run = newsreplay.run(data="demo", recommenders="trend,recency")   # doctest: +SKIP
        >>> print(run)                                                        # doctest: +SKIP
    """
    from newsreplay.report.run_folder import Run

    begun = time.perf_counter()
    entries = start_list(recommenders)
    dataset = find_data(data, columns=columns)
    chosen = _publishers(dataset, publishers)
    options = Options(k, warmup, window, max_session_length, seed, slates)
    _check(options)
    with ExitStack() as keep:
        if out is None:
            folder = Path(keep.enter_context(tempfile.TemporaryDirectory(prefix="newsreplay-")))
        else:
            folder = fresh_folder(Path(out))
        pairs = [
            Pair(
                dataset.folder,
                publisher,
                entry,
                options,
                slates_path(folder, publisher, entry.shown) if slates else None,
            )
            for publisher in chosen
            for entry in entries
        ]
        judged, results = _replay_and_measure(dataset, pairs, jobs or cores(), executor, progress or _quiet)
        _write_run(folder, dataset, chosen, entries, options, judged, results, time.perf_counter() - begun)
        return Run(folder, keep.pop_all())


def _check(options: Options) -> None:
    if options.k < 1:
        raise NewsreplayError(f"k must be at least 1, not {options.k}")
    if options.warmup < 0 or (options.window is not None and options.window <= 0):
        raise NewsreplayError("the warm-up cannot be negative, and the window must be longer than nothing")


def _publishers(dataset: Dataset, chosen: Iterable[str] | None) -> list[str]:
    if chosen is None:
        return dataset.publishers
    wanted = list(chosen)
    for name in wanted:
        dataset.publisher(name)
    return [name for name in dataset.publishers if name in wanted]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quiet(what: str, done: int, of: int) -> None:
    pass


# --- pairs ----------------------------------------------------------------------------------------------


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
            outcomes = judge(publisher, done.slates, _scope(publisher, pair.options))
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


def _scope(publisher: Publisher, options: Options) -> Scope:
    return scope(
        publisher,
        warmup=options.warmup,
        window=options.window,
        max_session_length=options.max_session_length,
        seed=options.seed,
    )


def _replay_and_measure(
    dataset: Dataset,
    pairs: list[Pair],
    jobs: int,
    executor: Executor | None,
    progress: Callable[[str, int, int], None],
) -> tuple[list[Judged], list[Result]]:
    """Judge all pairs; each publisher is measured as soon as its last pair is in."""
    rows = {facts["publisher"]: facts["rows"] for facts in dataset.card["publishers"]}
    total = sum(rows[pair.publisher] for pair in pairs)
    order = {(pair.publisher, pair.entry.shown): number for number, pair in enumerate(pairs)}
    judged: dict[str, list[Judged]] = {pair.publisher: [] for pair in pairs}
    waiting = {name: sum(pair.publisher == name for pair in pairs) for name in judged}
    results: dict[str, list[Result]] = {}
    with _Workers(jobs, executor, lambda done: progress("replaying", done, total)) as workers:
        for answer in workers.judge(pairs):
            judged[answer.publisher].append(answer)
            waiting[answer.publisher] -= 1
            if not waiting[answer.publisher]:
                done = sorted(judged[answer.publisher], key=lambda one: order[one.publisher, one.recommender])
                results[answer.publisher] = _measure(dataset, answer.publisher, done, pairs[0].options)
                judged[answer.publisher] = [one._replace(outcomes=None) for one in done]
    return (
        [one for name in judged for one in judged[name]],
        [result for name in judged for result in results[name]],
    )


def _measure(dataset: Dataset, publisher: str, judged: list[Judged], options: Options) -> list[Result]:
    outcomes = {one.recommender: one.outcomes for one in judged if one.outcomes is not None}
    units = _scope(dataset.publisher(publisher), options).unit
    return measure(publisher, cut_offs(options.k), outcomes, units, options.seed)


class _Workers:
    """Compiled recommenders share this process, since kernels let go of the interpreter; plain ones get
    processes of their own where there are several cores and they can be sent there."""

    def __init__(self, jobs: int, executor: Executor | None, progress: Callable[[int], None]):
        self.jobs = jobs
        self.executor = executor
        self.progress = progress
        self.done = 0
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.pools = ExitStack()

    def __enter__(self) -> _Workers:
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
        away = [pair for pair in pairs if self.jobs > 1 and _is_plain(pair.entry) and _can_be_sent(pair)]
        if len(away) < 2:
            away = []
        here = [pair for pair in pairs if pair not in away]
        futures: dict[Future[Judged], Pair] = {}
        if away:
            context = multiprocessing.get_context("spawn")
            processes = ProcessPoolExecutor(min(self.jobs, len(away)), mp_context=context)
            self.pools.callback(processes.shutdown, wait=True, cancel_futures=True)
            futures |= {processes.submit(replay_pair, pair): pair for pair in away}
        threads = ThreadPoolExecutor(self.jobs)
        self.pools.callback(threads.shutdown, wait=True, cancel_futures=True)
        local = {threads.submit(replay_pair, pair, self._told()): pair for pair in here}
        yield from self._collect(futures | local, set(local))

    def _collect(self, futures: dict[Future[Judged], Pair], local: set[Future[Judged]]) -> Iterator[Judged]:
        for future in as_completed(futures):
            pair = futures[future]
            try:
                answer = future.result()
            except (StoppedError, KeyboardInterrupt):
                raise
            except Exception as error:  # the worker itself died
                rows = 0
                text = f"its process ended: {type(error).__name__}: {error}"
                answer = Judged(pair.publisher, pair.entry.shown, None, None, text, None, Drops(0, 0), 0.0, rows)
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


# --- the folder -----------------------------------------------------------------------------------------


def slates_path(folder: Path, publisher: str, shown: str) -> Path:
    """Where a pair's slates lie; names are percent-encoded where a file name could not hold them."""
    return folder / "slates" / file_name(publisher) / f"{file_name(shown)}.parquet"


def file_name(name: str) -> str:
    """A name as a file name that cannot leave its folder.

    >>> file_name("trend(hours=6)"), file_name("../mine.py:Mine")
    ('trend(hours=6)', '%2E.%2Fmine.py%3AMine')
    """
    quoted = quote(name, safe=" ()=,+@'", errors="backslashreplace")
    if len(quoted) > 200:  # file systems allow 255
        quoted = f"{quoted[:160]}~{hashlib.blake2b(name.encode(errors='backslashreplace'), digest_size=16).hexdigest()}"
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def fresh_folder(folder: Path) -> Path:
    """An empty run folder; an older run in its place goes. Raises `RunError` if it cannot be written."""
    try:
        marks = ("run.json", "unfinished")
        if folder.exists() and not any((folder / mark).exists() for mark in marks) and not _is_empty(folder):
            raise RunError(f"{folder} holds something that is not a run; name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "unfinished").write_text("this run has not ended; run.json is written last\n")
        for name in ("run.json", "results.json", "timing.json"):
            (folder / name).unlink(missing_ok=True)
        if (folder / "slates").exists():
            shutil.rmtree(folder / "slates")
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror or error}; name another folder with --out") from None
    return folder


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    work = path.with_name(path.name + ".part")
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    work.write_text(text, "utf-8", errors="backslashreplace")  # what is no text becomes a JSON escape
    work.replace(path)


def _write_run(
    folder: Path,
    dataset: Dataset,
    publishers: list[str],
    entries: list[Entry],
    options: Options,
    judged: list[Judged],
    results: list[Result],
    seconds: float,
) -> None:
    write_json(folder / "results.json", [result._asdict() for result in results])
    timings = [
        {
            "publisher": one.publisher,
            "recommender": one.recommender,
            "seconds": round(one.seconds, 6),
            "events_per_second": round(one.rows / one.seconds) if one.seconds else None,
        }
        for one in judged
        if one.error is None
    ]
    write_json(folder / "timing.json", {"seconds": round(seconds, 3), "pairs": timings})
    write_json(
        folder / "run.json",
        {
            "format": FORMAT,
            "newsreplay": __version__,
            "python": platform.python_version(),
            "packages": _versions(),
            "platform": platform.platform(),
            "data": {
                key: dataset.card[key]
                for key in (
                    "name",
                    "kind",
                    "digest",
                    "source",
                    "licence",
                    "notes",
                    "made_up",
                    "rows_in",
                    "rejected",
                )
            },
            "options": asdict(options),
            "recommenders": [entry.shown for entry in entries],
            "publishers": [_publisher_facts(dataset, name, options, judged) for name in publishers],
            "pairs": [_pair_facts(one, folder, options) for one in judged],
        },
    )
    (folder / "unfinished").unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("numpy", "numba", "pyarrow")}


def _publisher_facts(dataset: Dataset, name: str, options: Options, judged: list[Judged]) -> dict[str, Any]:
    facts = next(facts for facts in dataset.card["publishers"] if facts["publisher"] == name)
    publisher = dataset.publisher(name)
    group = _scope(publisher, options).group
    wanted = ("publisher", "rows", "reads", "sessions", "first", "last", "digest")
    mine = [one.hits for one in judged if one.publisher == name and one.hits is not None]
    return {key: facts[key] for key in wanted} | {
        "scored_sessions": int(np.count_nonzero(group >= 0)),
        "hits": sum(hits for hits, _ in mine),
        "hits_of_longest": sum(hits for _, hits in mine),
    }


def _pair_facts(one: Judged, folder: Path, options: Options) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "publisher": one.publisher,
        "recommender": one.recommender,
        "status": "failed" if one.error else "done",
    }
    if one.error:
        return facts | {"error": one.error, "traceback": one.details}
    if any(one.drops):
        facts["dropped"] = one.drops._asdict()
    if options.slates:
        facts["slates"] = slates_path(folder, one.publisher, one.recommender).relative_to(folder).as_posix()
    return facts
