"""Speed, as one table: python benchmarks/run.py [--reads 2000000] [--publisher A] [--repeats 3] [--scale] [--starts]
    python benchmarks/run.py --neighbours [--reads 2000000]
    python benchmarks/run.py --alive --reads 200000

Times are per event and medians of several runs in one process on one core; ratios compare things measured in
the same run. --scale adds 200,000 and 20 million reads of the same publisher, and 200,000 and 2 million of 30 days
whose articles are drawn from a heavy tail; --starts adds wall times of the command line; --neighbours measures session
neighbours alone, --alive what scores all articles alive at every request: seconds of the processor.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numba
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))

import plain
import plain_neighbours
from streams import demo, heavy_tail

from newsreplay.datasets.sources.synthetic.publishers import DEMO
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import READ, Event, Log
from newsreplay.recommenders.base import Recommender, Setting
from newsreplay.recommenders.built_ins import PRESETS
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.judgement.judge import judge
from newsreplay.simulator.judgement.metrics import measure
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from newsreplay.simulator.replay.replay import replay

NEIGHBOURS = ("vsknn", "vmis", "stan", "itemknn", "association")
ALIVE = ("thompson", "linucb", "counters", "counters(model=gbdt)")
PLAIN_ROWS = 200_000  #: plain Python is measured on so many rows, and compared with kernels on the same


class Nothing(Recommender):
    """The least a plain-Python recommender can do."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return ()


class Single(Recommender):
    """Answers with one article, the one read last, in a list that it goes on using."""

    def __init__(self) -> None:
        self.last = [0]

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.last[0] = event.item

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return self.last


def bare_loop(log: Log) -> None:
    """A Python loop over the rows, as tuples."""
    for _ in zip(*(column.tolist() for column in log[:6]), strict=True):
        pass


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """The median wall time of `repeats` runs."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


@numba.njit
def _pass(time: Any, kind: Any, session: Any, user: Any, item: Any, category: Any) -> int:
    total = 0
    for row in range(time.size):
        total += time[row] ^ kind[row] ^ session[row] ^ user[row] ^ item[row] ^ category[row]
    return total


def first_rows(log: Log, rows: int) -> Log:
    return Log(*(column[:rows] for column in log[:-1]), pools=log.pools)


class Total(NamedTuple):
    """What the 22 take, in microseconds per event."""

    each: dict[str, float]  #: replaying, by baseline
    judged: float  #: replaying and judging all
    measured: float  #: judging all and measuring all that is reported of them, intervals included


def total_of_the_22(publisher: Publisher, k: int, repeats: int) -> Total:
    """All baselines at slates of k."""
    unit = 1e6 / len(publisher.log.time)
    of = select_scored(publisher, Scope())
    each, judging, scoring, tallies = {}, 0.0, 0.0, {}
    for entry in start_list("baselines"):
        slates = replay(publisher.log, entry.make(), Setting(k=k), name=entry.label).slates
        tallies[entry.label] = score(publisher, of, Answers(slates, None)).sums
        # The first runs compile, or touch the columns.
        replaying = seconds(partial(replay, publisher.log, entry.make(), Setting(k=k), name=entry.label), repeats)
        each[entry.label] = unit * replaying
        judging += unit * seconds(partial(judge, publisher, slates, of.frame), 1)
        scoring += unit * seconds(partial(score, publisher, of, Answers(slates, None)), 1)
    measure("warm", k, of, dict(list(tallies.items())[:1]), 0)
    measuring = unit * seconds(partial(measure, publisher.name, k, of, tallies, 0), repeats)
    lining_up = unit * seconds(partial(select_scored, publisher, Scope()), repeats)
    return Total(each, sum(each.values()) + judging, lining_up + scoring + measuring)


def plain_loop(events: list[Event], recommender: plain.Plain) -> None:
    for event in events:
        recommender.learn(event)
        if event.kind == READ:
            recommender.recommend(event, 1)


def against_plain(publisher: Publisher, repeats: int) -> list[list[str]]:
    """Kernels against plain Python on the same rows, k = 1."""
    log = first_rows(publisher.log, PLAIN_ROWS)
    rows = []
    events = list(plain.events(log))  # not part of what is timed: an engineer's loop would need none
    for spec, factory in plain.BASELINES.items():
        entry = start_list(spec)[0]
        replay(log, entry.make(), Setting(k=1), name=spec)
        fast = seconds(lambda: replay(log, entry.make(), Setting(k=1), name=spec), max(5, repeats))  # noqa: B023
        slow = seconds(lambda: plain_loop(events, factory()), 1)  # noqa: B023
        rows.append([spec, f"{1e6 * fast / PLAIN_ROWS:.3f}", f"{1e6 * slow / PLAIN_ROWS:.2f}", f"{slow / fast:.0f}"])
    return rows


def session_neighbours(publisher: Publisher, reads: int, repeats: int, folder: Path) -> None:
    """Print what session neighbours take at 200,000 and at all reads, and VMIS-kNN against plain Python."""
    sizes = {200_000: demo(publisher.name, 200_000, folder).log, reads: publisher.log}
    table = []
    for spec in NEIGHBOURS:
        entry = start_list(spec)[0]
        cells = [spec]
        for log in sizes.values():
            for k in (1, 10):
                replay(first_rows(log, 2), entry.make(), Setting(k=k), name=spec)
                took = seconds(partial(replay, log, entry.make(), Setting(k=k), name=spec), repeats)
                cells.append(f"{1e6 * took / len(log.time):.2f}")
        table.append(cells)
    print(tabulate(table, ["", *(f"{n:,}, k = {k}" for n in sizes for k in (1, 10))], disable_numparse=True))
    log = first_rows(publisher.log, PLAIN_ROWS)
    events = list(plain.events(log))
    fast = seconds(partial(replay, log, start_list("vmis")[0].make(), Setting(k=1), name="vmis"), max(5, repeats))
    slow = seconds(lambda: plain_loop(events, plain_neighbours.VMIS()), 1)
    unit = 1e6 / len(log.time)
    print(f"\nvmis, k = 1: compiled {unit * fast:.2f}, plain Python {unit * slow:.2f}, ratio {slow / fast:.0f}\n")


def all_alive(log: Log) -> list[list[str]]:
    """What scoring all articles alive takes at k = 1: one replay each, in time of the processor."""
    table = []
    for spec in ALIVE:
        entry = start_list(spec)[0]
        replay(first_rows(log, 2), entry.make(), Setting(k=1), name=spec)
        begun = time.process_time()
        replay(log, entry.make(), Setting(k=1), name=spec)
        table.append([spec, f"{1e6 / len(log.time) * (time.process_time() - begun):.1f}"])
    return table


def starts(folder: Path) -> list[list[str]]:
    """Wall times of the command line in processes of their own, on all cores."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment["NEWSREPLAY_HOME"] = str(folder / "home")

    def run(*arguments: str) -> Callable[[], Any]:
        command = [sys.executable, "-m", "newsreplay", *arguments]
        return lambda: subprocess.run(command, env=environment, check=True, capture_output=True)

    demo = run("run", "--out", str(folder / "run"))
    rows = [
        ["newsreplay --help", f"{seconds(run('--help'), 3):.2f}"],
        ["newsreplay run, first start: compiles, makes the demo", f"{seconds(demo, 1):.1f}"],
        ["newsreplay run, later starts", f"{seconds(demo, 3):.2f}"],
        ["  of which one tiny run: start-up and loading kernels", f"{seconds(run(*tiny(folder)), 3):.2f}"],
    ]
    real = os.environ.get("NEWSREPLAY_TEST_DATA")
    if real:
        globo = run("run", "--data", f"globo:{real}/globo", "--out", str(folder / "globo"))
        rows.append(["Globo's 96 hours, all 22, preparing included", f"{seconds(globo, 1):.1f}"])
        rows.append(["Globo's 96 hours, all 22, prepared", f"{seconds(globo, 3):.2f}"])
    return rows


def tiny(folder: Path) -> list[str]:
    """All 22 on six reads."""
    path = folder / "tiny.csv"
    path.write_text("time,user,item\n" + "".join(f"{1_700_000_000 + i},u{i % 2},a{i % 3}\n" for i in range(6)))
    return ["run", "--data", str(path), "--out", str(folder / "tiny")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=2_000_000)
    parser.add_argument("--publisher", default="A", choices=sorted(DEMO))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--starts", action="store_true")
    parser.add_argument("--neighbours", action="store_true")
    parser.add_argument("--alive", action="store_true")
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, numba {numba.__version__}"
    )
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        publisher = demo(options.publisher, options.reads, folder)
        log, rows = publisher.log, len(publisher.log.time)
        print(f"synthetic publisher {options.publisher}, {rows:,} rows; µs per event on one core\n")
        if options.neighbours:
            session_neighbours(publisher, options.reads, options.repeats, folder)
            return
        if options.alive:
            print(tabulate(all_alive(log), ["", "k = 1"], disable_numparse=True))
            return
        one = total_of_the_22(publisher, 1, options.repeats)
        ten = total_of_the_22(publisher, 10, options.repeats)
        _pass(*log[:6])
        floor = 1e6 / rows * seconds(lambda: _pass(*log[:6]), 5)
        table = [
            [spec, f"{one.each[spec]:.3f}", f"{ten.each[spec]:.3f}", f"{one.each[spec] / floor:.0f}"]
            for spec in PRESETS["baselines"]
        ]
        table.append(["all 22, replayed and judged", f"{one.judged:.2f}", f"{ten.judged:.2f}", ""])
        table.append(["all 22, judged and measured with intervals", f"{one.measured:.2f}", f"{ten.measured:.2f}", ""])
        table.append(["a bare pass over the columns", f"{floor:.4f}", "", "1"])
        print(tabulate(table, ["", "k = 1", "k = 10", "k = 1, times the bare pass"], disable_numparse=True))
        bare = 1e6 / rows * seconds(partial(bare_loop, log), options.repeats)
        print(f"\nplain-Python protocol, µs per event (a bare loop over the rows: {bare:.2f})")
        for kind in (Nothing, Single):
            took = 1e6 / rows * seconds(partial(replay, log, kind(), Setting(k=10)), options.repeats)
            print(f"{kind.__name__}: {took:.2f}, {took / bare:.0f} bare loops")
        print()
        compared = against_plain(publisher, options.repeats)
        print(tabulate(compared, ["k = 1", "compiled", "plain Python", "ratio"], disable_numparse=True))
        print(f"median ratio: {statistics.median(float(row[-1]) for row in compared):.0f}")
        if options.scale:
            print()
            same = partial(demo, options.publisher)
            growing = [(same, 200_000), (same, 20_000_000), (heavy_tail, 200_000), (heavy_tail, 2_000_000)]
            for make, reads in growing:
                scaled = make(reads, folder)
                total = total_of_the_22(scaled, 1, 1)
                print(f"all 22 at k = 1 on {reads:,} reads of {scaled.name}: {total.judged:.2f} µs per event")
        if options.starts:
            print()
            print(tabulate(starts(folder), ["command", "seconds"], disable_numparse=True))


if __name__ == "__main__":
    main()
