"""What recommenders cost on this machine: processor time by event, start-up and memory, beside two floors.

Nothing is judged. All times are of the processor, this process's: other work on the machine does not count in them,
though it slows them down where it takes caches and memory.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import READ, Log, end_of_first, head
from newsreplay.machine import cores
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.references.nothing import Nothing
from newsreplay.recommenders.references.oracle import Oracle
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.version import __version__


class Machine(NamedTuple):
    """Where it was measured."""

    processor: str
    cores: int  #: that this process may use
    memory: int | None  #: bytes; None where the system does not tell
    platform: str
    python: str
    numba: str
    newsreplay: str


class Cost(NamedTuple):
    """What one recommender costs."""

    recommender: str
    start: float  #: s, until its first answer: its kernels are compiled or loaded, its state is made
    event: float  #: µs, learned and answered
    learn: float | None  #: µs an event within `learn`; None where answers were not timed
    recommend: float | None  #: µs a request within `recommend`; likewise
    state_bytes: int  #: of its state after the last row


class Bench(NamedTuple):
    """What recommenders cost on the first rows of a log."""

    data: str
    publisher: str
    rows: int
    reads: int
    k: int
    repeats: int
    machine: Machine
    floor: float  #: µs an event of the compiled loop before a recommender that does nothing
    plain_loop: float  #: µs a row of a loop in Python that does nothing
    costs: list[Cost]


def bench(
    data: str,
    publisher: Publisher,
    entries: list[Entry],
    *,
    rows: int = 200_000,
    k: int = 10,
    repeats: int = 3,
    timed: bool = False,
) -> Bench:
    """Replay the first `rows` of a publisher's log before each recommender, `repeats` times, and take medians.

    Rows are counted from the first read or impression; what lies before is replayed, too.

    `data` is what the data set is called. `timed` replays once more with every call under the clock.
    Raises `NewsreplayError` for the oracle, which is not replayed.
    """
    for entry in entries:
        if isinstance(entry.make(), Oracle):
            raise NewsreplayError(f"{entry.label} is worked out from the log, and not replayed; leave it out")
    log = head(publisher.whole_log, end_of_first(publisher.whole_log, rows))
    floor = Entry("nothing", Nothing())
    _replayed(publisher, log, floor, Setting(k=k))
    setting = Setting(k=k, publisher=publisher.name)
    costs = [_cost(publisher, log, entry, setting, repeats, timed) for entry in entries]
    per_row = 1e6 / len(log.time)
    return Bench(
        data,
        publisher.name,
        len(log.time),
        int(np.count_nonzero(log.kind == READ)),
        k,
        repeats,
        machine(),
        per_row * statistics.median(_seconds(publisher, log, floor, Setting(k=k))[0] for _ in range(repeats)),
        per_row * statistics.median(_plain_loop(log) for _ in range(repeats)),
        costs,
    )


def _cost(publisher: Publisher, log: Log, entry: Entry, setting: Setting, repeats: int, timed: bool) -> Cost:
    first_read = int(np.argmax(log.kind == READ))  # articles may have been published before
    start, _ = _seconds(publisher, head(log, first_read + 1), entry, setting)
    taken, replayed = zip(*(_seconds(publisher, log, entry, setting) for _ in range(repeats)), strict=True)
    learn = recommend = None
    if timed:
        times = _replayed(publisher, log, entry, setting._replace(timed=True)).times
        assert times is not None
        learn = times.learn / 1e3 / len(log.time)
        recommend = float(times.recommend.mean()) / 1e3 if len(times.recommend) else None
    event = 1e6 * statistics.median(taken) / len(log.time)
    return Cost(entry.label, start, event, learn, recommend, replayed[-1].state_bytes)


def _seconds(publisher: Publisher, log: Log, entry: Entry, setting: Setting) -> tuple[float, Replayed]:
    """What a replay takes of the processor."""
    begun = time.process_time()
    replayed = _replayed(publisher, log, entry, setting)
    return time.process_time() - begun, replayed


def _replayed(publisher: Publisher, log: Log, entry: Entry, setting: Setting) -> Replayed:
    return replay(log, entry.make(), setting, articles=publisher.whole_articles, name=entry.label)


def _plain_loop(log: Log) -> float:
    """What a loop in Python over the rows, as tuples of numbers, takes of the processor: seconds."""
    columns: list[list[Any]] = [column.tolist() for column in log[:6]]
    begun = time.process_time()
    for _ in zip(*columns, strict=True):
        pass
    return time.process_time() - begun


def machine() -> Machine:
    """This machine."""
    memory = None
    with suppress(AttributeError, ValueError, OSError):  # Windows has no such thing
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        _processor(), cores(), memory, platform.platform(), platform.python_version(), version("numba"), __version__
    )


def _processor() -> str:
    with suppress(OSError):  # Linux alone has this file, and elsewhere the platform tells more
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
