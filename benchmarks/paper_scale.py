"""The 2019 study's size on this machine: python benchmarks/paper_scale.py FOLDER [--share 1/100] [--stream demo|heavy]

Makes three publishers with 350 million reads in all, about what the study's 94 million scored sessions and those of a
single read come to, or a `--share` of that, on disk and in bounded memory; prepares them from Parquet; replays the 22
baselines, judges and measures them at `-k` 1. Prints what each stage took, how much memory and disk, and what an event
cost.

`demo` are the demo's publishers at their own traffic: of more reads they last more days. `heavy` are three publishers
whose 30 days have more traffic of more reads, their articles drawn from a heavy tail (`streams.py`). Files and runs lie
in FOLDER, prepared data where newsreplay keeps them (`NEWSREPLAY_HOME`); what an earlier call made is used again. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from memory import Watch
from streams import DAYS, READS_PER_READER, READS_PER_VISIT, START, TAIL
from tabulate import tabulate

from newsreplay.datasets.sources.synthetic.newsroom import synthesize
from newsreplay.log.rows import DAY, Column
from newsreplay.machine import cores, home
from newsreplay.simulator.bench import machine

READS = 350_000_000  #: of the three publishers together
PUBLISHERS = ("A", "B", "C")
PAUSE = 90_000  #: ms, mean time between two reads of a visit


class Stage(NamedTuple):
    """What a stage took."""

    name: str
    wall: float  #: s
    processor: float  #: s
    anonymous: float  #: bytes it held at most that are no file's
    resident: float  #: bytes it held at most, mapped files included


def heavy_days(reads: int, seed: int) -> Iterator[list[Column]]:
    """Times (ms), readers and articles of a publisher's reads, day by day; a visit goes on after midnight."""
    rng = np.random.default_rng(seed)
    visits = round(reads / READS_PER_VISIT / DAYS)
    waiting = [np.empty(0, np.int64)] * 3
    for day in range(DAYS):
        length = rng.geometric(1 / READS_PER_VISIT, visits)
        first = np.cumsum(length) - length
        since = np.cumsum(rng.exponential(PAUSE, length.sum()).astype(np.int64))
        begin = day * DAY + rng.integers(0, DAY, visits)
        time = np.repeat(begin - since[first], length) + since
        reader = np.repeat(rng.integers(0, max(1, reads // READS_PER_READER), visits), length)
        item = np.minimum(rng.random(len(time)) ** (-1 / TAIL), 2.0**62).astype(np.int64)
        both = [np.concatenate(pair) for pair in zip(waiting, (time, reader, item), strict=True)]
        order = np.argsort(both[0], kind="stable")
        end = len(order) if day == DAYS - 1 else int(np.searchsorted(both[0][order], (day + 1) * DAY))
        yield [column[order[:end]] for column in both]
        waiting = [column[order[end:]] for column in both]


def make_heavy(raw: Path, reads: int) -> None:
    """Write the reads of all publishers as `reads.parquet`, a row group a day."""
    schema = pa.schema(
        [
            ("publisher", pa.string()),
            ("time", pa.timestamp("ms", tz="UTC")),
            *((name, pa.string()) for name in ("user", "item", "category")),
        ]
    )
    raw.mkdir(parents=True)
    with pq.ParquetWriter(raw / "reads.parquet", schema) as file:
        for seed, publisher in enumerate(PUBLISHERS):
            for times, reader, item in heavy_days(reads, seed):
                columns = [
                    pa.array([publisher]).take(pa.array(np.zeros(len(times), np.int64))),
                    pa.array(times + START).cast(schema.field("time").type),
                    *(pa.array(column).cast(pa.string()) for column in (reader, item, item % 30)),
                ]
                file.write_table(pa.table(columns, schema=schema))


def make(stream: str, raw: Path, reads: int) -> None:
    """Generate the files of a stream with so many reads a publisher."""
    if stream == "heavy":
        make_heavy(raw, reads)
    else:
        synthesize(raw, reads=reads)


def staged(name: str, *command: str) -> Stage:
    """Run a Python command and say what it took."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    eye = Watch(child.pid, every=0.05)
    eye.start()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{name} ended with status {child.returncode}")
    wall = time.perf_counter() - begun
    return Stage(name, wall, used.ru_utime + used.ru_stime, eye.most[0], 1024 * used.ru_maxrss)


def size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=Fraction, default=Fraction(1, 100))
    parser.add_argument("--stream", choices=("demo", "heavy"), default="demo")
    parser.add_argument("-k", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--recommenders", default="baselines")
    parser.add_argument("--slates", action="store_true", help="keep every answer")
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    reads = round(READS * options.share / len(PUBLISHERS))
    folder = options.folder / f"{options.stream}-{reads}"
    raw, out = folder / "raw", folder / f"run-{options.k}"
    if options.generate:
        part = raw.with_name("raw.part")  # an interrupted one is made again
        shutil.rmtree(part, ignore_errors=True)
        make(options.stream, part, options.generate)
        part.rename(raw)
        return
    stages = []
    if not raw.exists():
        these = (str(options.folder), "--stream", options.stream, "--share", str(options.share))
        stages.append(staged("generate", __file__, *these, "--generate", str(reads)))
    name = f"paper-{options.stream}-{reads}"
    prepared = home() / "data" / name
    if not prepared.exists():
        prepare = ("-m", "newsreplay", "data", "prepare", "table", str(raw), "--name", name)
        stages.append(staged("prepare", *prepare))
    warm_up(options.folder, options.recommenders)
    replay = ("-m", "newsreplay", "run", "--data", name, "--recommenders", options.recommenders, "-k", str(options.k))
    how = ("--jobs", str(options.jobs), "--slates" if options.slates else "--no-slates", "--out", str(out))
    stages.append(staged("run", *replay, *how, "--overwrite"))
    report(options.stream, stages, {"raw": raw, "prepared": prepared, "run": out}, out)


def warm_up(folder: Path, recommenders: str) -> None:
    """Compile the kernels, on six reads."""
    path = folder / "six.csv"
    path.write_text("time,user,item\n" + "".join(f"{1_700_000_000 + i},u{i % 2},a{i % 3}\n" for i in range(6)))
    command = ("-m", "newsreplay", "run", "--data", str(path), "--recommenders", recommenders)
    staged("compile", *command, "--out", str(folder / "six"), "--overwrite")


def report(stream: str, stages: list[Stage], folders: dict[str, Path], out: Path) -> None:
    """Print what all took."""
    info, timing = (json.loads((out / name).read_text()) for name in ("run.json", "timing.json"))
    here, total = machine(), {what: sum(facts[what] for facts in info["publishers"]) for what in FACTS}
    where = f"newsreplay {here.newsreplay}, {here.processor}, {here.cores} cores"
    print(f"\nstream {stream}, k = {info['options']['k']}, {where}")
    print(", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in total.items()) + "\n")
    rows = [
        [
            stage.name,
            f"{stage.wall:,.0f}",
            f"{stage.processor:,.0f}",
            f"{stage.anonymous / 1e6:,.0f}",
            f"{stage.resident / 1e6:,.0f}",
        ]
        for stage in stages
    ]
    print(tabulate(rows, ["stage", "wall s", "processor s", "own MB", "with mapped MB"], disable_numparse=True))
    print("\ndisk, MB: " + ", ".join(f"{name} {size(folder) / 1e6:,.0f}" for name, folder in folders.items()))
    for kind, seconds in timing["stages"].items():
        print(f"{kind} s of the run: " + ", ".join(f"{stage} {taken:,.1f}" for stage, taken in seconds.items()))
    by_recommender: dict[str, float] = {}
    for pair in timing["pairs"]:
        by_recommender[pair["recommender"]] = by_recommender.get(pair["recommender"], 0.0) + pair["seconds"]
    costs = [[name, f"{1e6 * seconds / total['rows']:.3f}"] for name, seconds in by_recommender.items()]
    costs.append(["all, replayed", f"{1e6 * sum(by_recommender.values()) / total['rows']:.2f}"])
    costs.append(["all, the whole run, processor", f"{1e6 * stages[-1].processor / total['rows']:.2f}"])
    print("\n" + tabulate(costs, ["recommender", "µs an event"], disable_numparse=True))


FACTS = ("rows", "reads", "sessions", "scored_sessions", "articles")


if __name__ == "__main__":
    main()
