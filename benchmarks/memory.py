"""Memory by the part of a run: python benchmarks/memory.py [--reads 500000,2000000,8000000] [--streams demo,heavy]

Every log is replayed before one baseline, judged, measured and written, part by part, in a process of its own, which
this one watches: how many bytes it holds at most that are its own (anonymous: nobody can take them away), and how many
are mapped files (shared, and given up when the system wants them back). Of the two longest logs of a stream the
differences are divided by the difference of their reads: what a further read costs. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))

from streams import demo, heavy_tail

SPEC = "circular(size=100)"
MAKE: dict[str, Callable[[int, Path], object]] = {
    "demo": lambda reads, folder: demo("A", reads, folder),
    "heavy": heavy_tail,
}
FOLDERS = {"demo": ("prepared-A-{}", "A"), "heavy": ("prepared-heavy-tail-{}", "heavy tail")}


class Held(NamedTuple):
    """What a process held at most while one part ran."""

    anonymous: int  #: bytes
    mapped: int  #: bytes of files
    grown: int  #: bytes: anonymous ones that are still held when the part has ended, less those before
    seconds: float  #: of the processor


# --- the process that is watched ------------------------------------------------------------------------


@contextmanager
def part(name: str) -> Iterator[None]:
    """Tell the watcher when a part begins and how long it took, and wait until it has heard."""
    tell(f"begin {name}")
    begun = time.process_time()
    yield
    tell(f"end {time.process_time() - begun}")


def tell(line: str) -> None:
    print(line, flush=True)
    sys.stdin.readline()


def watched(folder: Path, name: str, k: int, out: Path) -> None:
    """All parts of a run of one baseline on one publisher."""
    from newsreplay.datasets.store import Dataset
    from newsreplay.recommenders.registry import start_list
    from newsreplay.report.slices import PublisherColumns, sliced
    from newsreplay.simulator.run import run
    from newsreplay.simulator.runs.folder import RunFolder
    from newsreplay.simulator.runs.options import Answering, Execution, Options

    options = Options(answering=Answering(k=k))

    def whole(data: Path, to: Path) -> None:
        run(Dataset(data), start_list(SPEC), to, options, execution=Execution(jobs=1))

    tiny = demo("A", 2_000, out / "tiny")  # loads the kernels
    whole(out / "tiny" / "prepared-A-2000", out / "warm")
    del tiny
    by_part(folder, name, k, out / "parts")
    with part("whole run"):
        whole(folder, out / "whole")
    with part("slices"):
        sliced(PublisherColumns(RunFolder(out / "whole"), name), "position")


def by_part(folder: Path, name: str, k: int, out: Path) -> None:
    """The same step by step."""
    from newsreplay.datasets.store import Dataset
    from newsreplay.recommenders.base import Setting
    from newsreplay.recommenders.registry import start_list
    from newsreplay.simulator.judgement.metrics import measure
    from newsreplay.simulator.judgement.scope import Scope
    from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
    from newsreplay.simulator.replay.replay import replay
    from newsreplay.simulator.runs.answers import write_requests, write_slates
    from newsreplay.simulator.runs.columns import write_judgement, write_scored
    from newsreplay.simulator.runs.paths import pair_files, publisher_files

    entry = start_list(SPEC)[0]
    with part("log"):
        publisher = Dataset(folder).publisher(name)
    with part("frame, clusters"):
        scored = select_scored(publisher, Scope())
    with part("replay"):
        replayed = replay(publisher.log, entry.make(), Setting(k=k), name=entry.label)
    with part("judge"):
        judgement = score(publisher, scored, Answers(replayed.slates, None))
    files = pair_files(out, name, entry.label)
    with part("write outcomes"):
        write_judgement(files, judgement)
    with part("write slates"):
        write_slates(files.slates, publisher, replayed.slates)
    with part("intervals"):
        measure(name, k, scored, {entry.label: judgement.sums}, 0)
    with part("write scored"):
        write_scored(out, publisher, scored)
    with part("write requests"):
        write_requests(publisher_files(out, name).requests, publisher)


# --- the watcher ----------------------------------------------------------------------------------------


class Watch(Thread):
    """Looks at a process every so many seconds."""

    def __init__(self, process: int, every: float = 0.005):
        super().__init__(daemon=True)
        self.every = every
        self.status = Path(f"/proc/{process}/status")
        self.most = (0, 0)

    def run(self) -> None:
        while (now := self.look()) is not None:
            self.most = (max(self.most[0], now[0]), max(self.most[1], now[1]))
            time.sleep(self.every)

    def look(self) -> tuple[int, int] | None:
        """Anonymous and mapped bytes; None once it has ended."""
        try:
            lines = dict(line.split(":", 1) for line in self.status.read_text().splitlines())
            anonymous, mapped, shared = (int(lines[f"Rss{of}"].split()[0]) for of in ("Anon", "File", "Shmem"))
        except (OSError, KeyError):
            return None
        return 1024 * anonymous, 1024 * (mapped + shared)


def watch(*arguments: str) -> dict[str, Held]:
    """Run `watched` and say what each part held at most above what was there before the first."""
    command = [sys.executable, __file__, "--watched", *arguments]
    held: dict[str, Held] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        eye = Watch(child.pid)
        eye.start()
        name, before, start = "", (0, 0), None
        for line in child.stdout:
            what, _, rest = line.rstrip("\n").partition(" ")
            now = eye.look() or (0, 0)
            if what == "begin":
                start, before, eye.most, name = start or now, now, now, rest
            elif what == "end":
                most = eye.most
                held[name] = Held(most[0] - start[0], most[1] - start[1], now[0] - before[0], float(rest))
            print(file=child.stdin, flush=True)
    if child.returncode:
        raise SystemExit(child.returncode)
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", default="500000,2000000,8000000")
    parser.add_argument("--streams", default="demo,heavy")
    parser.add_argument("-k", default="1,10")
    parser.add_argument("--folder", type=Path, help="where streams are made, and found again")
    parser.add_argument("--watched", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watched:
        folder, name, k, out = options.watched
        watched(Path(folder), name, int(k), Path(out))
        return
    sizes = sorted(map(int, options.reads.split(",")))
    with tempfile.TemporaryDirectory() as work:
        kept = options.folder or Path(work)
        for stream in options.streams.split(","):
            where, publisher = FOLDERS[stream]
            for reads in sizes:
                if not (kept / where.format(reads)).exists():
                    MAKE[stream](reads, kept)
            for k in options.k.split(","):
                found = {}
                for reads in sizes:
                    with tempfile.TemporaryDirectory(dir=kept) as out:
                        found[reads] = watch(str(kept / where.format(reads)), publisher, k, out)
                print(f"\n{stream}, k = {k}: {SPEC}, {os.cpu_count()} cores\n")
                print(table(found))


def table(found: dict[int, dict[str, Held]]) -> str:
    """Megabytes of the longest log, and bytes a read between the two longest."""
    *_, less, most = sorted(found)
    rows = []
    for name, held in found[most].items():
        slope = [(a - b) / (most - less) for a, b in zip(held, found[less][name], strict=True)]
        megabytes = (f"{held.anonymous / 1e6:.0f}", f"{held.mapped / 1e6:.0f}")
        rows.append([name, *megabytes, *(f"{value:.1f}" for value in slope[:3]), f"{1e6 * slope[3]:.3f}"])
    head = [
        f"of {most:,} reads",
        "own, MB",
        "mapped, MB",
        "own, B a read",
        "mapped, B a read",
        "kept, B a read",
        "µs a read",
    ]
    return tabulate(rows, head, disable_numparse=True)


if __name__ == "__main__":
    main()
