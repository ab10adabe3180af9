"""newsreplay beside river, FluRS and a careful plain Python script: whole processes on one generated stream.

    python benchmarks/peers/compare.py                   # 200,000 reads; µs of processor time per read
    python benchmarks/peers/compare.py --reads 20000 --repeats 1

Every process reads the same CSV file, learns each read and answers it with ten articles (`loops.py`); newsreplay also
prepares the file, judges, makes intervals and writes what it answered, once from the file and once over data that are
prepared. All take turns; the median of the repeats is shown, start-up and imports in it. Nothing is built or installed:
what is not there is skipped, and said to be. Kernels are compiled, or loaded, in a first run that is not counted.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from newsreplay.machine import home

LOOPS = Path(__file__).with_name("loops.py")
PACKAGES = {"river": "river", "flurs": "flurs"}  # what a loop needs


class Peer(NamedTuple):
    """One process that is timed."""

    name: str
    command: list[str]


def write_stream(path: Path, reads: int, seed: int = 0) -> None:
    """Write a CSV of reads: of sessions that interleave, of articles that appear all the time and soon fade."""
    dice = random.Random(seed)
    open_sessions: list[tuple[int, int]] = []
    sessions = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "session", "user", "item"])
        for number in range(reads):
            if not open_sessions or dice.random() < 0.4:
                open_sessions.append((sessions, dice.randrange(max(1, reads // 5))))
                sessions += 1
            if len(open_sessions) > 50:
                open_sessions.pop(0)
            session, user = dice.choice(open_sessions)
            newest = 20 + number // 100
            item = max(0, newest - int(dice.expovariate(1 / 15)) - 1)
            rows.writerow([1_600_000_000 + 5 * number, f"s{session}", f"u{user}", f"a{item}"])


def peers(stream: Path, work: Path) -> tuple[list[Peer], list[str]]:
    """The processes that can run here, and the names of those that cannot."""
    loops = {"script": "a careful script, popular", "river": "river, reco.Baseline", "flurs": "FluRS, MFRecommender"}
    absent = [name for name, package in PACKAGES.items() if find_spec(package) is None]
    found = [
        Peer(title, [sys.executable, str(LOOPS), name, str(stream)])
        for name, title in loops.items()
        if name not in absent
    ]
    command = [sys.executable, "-m", "newsreplay"]
    run = [*command, "run", "--recommenders", "popular", "--overwrite", "--out", str(work / "run"), "--data"]
    prepare = [*command, "data", "prepare", "table", str(stream), "--name", "peers"]
    found.append(Peer("newsreplay, prepare", prepare))
    found.append(Peer("newsreplay run, popular", [*run, "peers"]))
    return found, absent


def processor_seconds(peer: Peer, environment: dict[str, str]) -> float:
    """What a process and all that it starts take, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(peer.command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{peer.name} failed:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(reads: int, repeats: int) -> dict[str, float | None]:
    """µs of processor time per read of each, in turns; None = not installed."""
    with tempfile.TemporaryDirectory(prefix="newsreplay-peers-") as folder:
        work = Path(folder)
        stream = work / "clicks.csv"
        write_stream(stream, reads)
        found, absent = peers(stream, work)
        # Data go with the folder; kernels stay where they are, compiled once.
        (home() / "kernels").mkdir(parents=True, exist_ok=True)
        (work / "home").mkdir()
        (work / "home" / "kernels").symlink_to(home() / "kernels")
        environment = os.environ | {"NEWSREPLAY_HOME": str(work / "home")}
        for peer in found[-2:]:
            processor_seconds(peer, environment)
        taken: dict[str, list[float]] = {peer.name: [] for peer in found}
        for _ in range(repeats):
            for peer in found:
                taken[peer.name].append(processor_seconds(peer, environment))
    return {name: 1e6 * statistics.median(seconds) / reads for name, seconds in taken.items()} | dict.fromkeys(absent)


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description="newsreplay beside its peers", allow_abbrev=False)
    parser.add_argument("--reads", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.reads, chosen.repeats)
    print(f"{chosen.reads:,} reads, k = 10; whole processes, µs of processor time per read")
    for name, figure in figures.items():
        print(f"{name:<28}{'not installed, skipped' if figure is None else f'{figure:10.2f}'}")


if __name__ == "__main__":
    main()
