"""Runs, scorings and preparations that are killed: what was there before is there and whole, and nothing lives on.

    pytest tests/test_kills.py -m slow      # forty kills; without -m slow only a few

A command counts what it does to files and folders, and is killed at a random one of these steps: by SIGKILL or SIGTERM,
itself or one of its worker processes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from newsreplay.api import Run
from newsreplay.datasets.store import Dataset
from newsreplay.machine import home
from newsreplay.simulator.runs.paths import JOURNAL
from tests.sealed import sealed

#: Runs `newsreplay WORDS…` and kills it, or one of its workers, at step N (0: counts the steps, and prints them).
DRIVER = """
import multiprocessing, os, signal, sys
if __name__ == "__main__":
    wanted, whom, which, *words = sys.argv[1:]
    sys.argv[1:] = words  # run.json names them
    steps, killed = 0, False
    EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "ctypes.dlopen"}

    def step(event, arguments):
        global steps, killed
        if event not in EVENTS or event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        steps += 1
        if not int(wanted) or killed or steps < int(wanted):
            return
        number = getattr(signal, which)
        if whom == "parent":
            killed = True
            os.kill(os.getpid(), number)
        elif children := multiprocessing.active_children():
            killed = True
            os.kill(children[steps % len(children)].pid, number)

    from newsreplay.cli import main
    sys.addaudithook(step)
    try:
        main(words)
    finally:
        if not int(wanted):
            print("steps", steps)
"""

MINE = """
import time
from newsreplay import Recommender

class Newest(Recommender):
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        time.sleep(0.001)
        return range(self.catalog.known - 1, -1, -1)

class Oldest(Newest):
    def recommend(self, request, k):
        return range(min(k, self.catalog.known))
"""

RUN = ("run", "--data", "clicks.csv", "--recommenders", "recency,mine.py:Newest,mine.py:Oldest", "-k", "2")
SUMS = "SHA256SUMS"
SCORE = ("score", "run", "--cluster", "user", "--warmup", "1h")


class Command:
    """A command, the folder it writes, and what lies there before it and after it."""

    def __init__(self, here: Path, words: tuple[str, ...], folder: Path, opens: Callable[[], object]):
        self.here, self.words, self.folder, self.opens = here, words, folder, opens
        self.before = files_of(folder)
        end = self.call(0, "parent", "SIGKILL")
        assert end.returncode == 0, end.stderr
        self.steps = int(end.stdout.split()[-1])
        self.after = files_of(folder)
        assert self.after != self.before

    def call(self, step: int, whom: str, which: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "driver.py", str(step), whom, which, *self.words]
        with subprocess.Popen(
            words, cwd=self.here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            out, errors = process.communicate()
        for _ in range(100):  # workers have ten seconds to notice
            if not session(process.pid):
                break
            time.sleep(0.1)
        assert session(process.pid) == []
        return subprocess.CompletedProcess(words, process.returncode, out, errors)

    def killed(self, step: int, whom: str, which: str) -> None:
        """Kill it; then what was there is there or what it wrote, and once it is repeated that."""
        end = self.call(step, whom, which)
        left = files_of(self.folder)
        self.opens()
        if whom == "parent" and end.returncode:
            assert end.returncode in (-9, 143), end.stderr
            assert left in (self.before, self.after)
        elif whom == "parent":  # it was killed at no step, since it took fewer
            assert left == self.after
        else:
            # A worker takes its own recommender along at most.
            failed = [pair for pair in json.loads(left["run.json"])["pairs"] if pair["status"] == "failed"]
            assert all("its process ended" in pair["error"] for pair in failed)
            assert failed or left == self.after
        again = self.call(0, "parent", "SIGKILL")
        assert again.returncode == 0, again.stderr
        assert files_of(self.folder) == self.after
        assert [path.name for path in self.folder.parent.iterdir() if self.folder.name in path.name] == [
            self.folder.name
        ]


def files_of(folder: Path) -> dict[str, bytes]:
    """The contents of a folder but for how long things took, and the digest of that."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("timing.json", JOURNAL)  # which goes once the run is whole
    }
    if SUMS in files:
        files[SUMS] = b"".join(line for line in files[SUMS].splitlines(True) if not line.endswith(b"  timing.json\n"))
    return files


def session(leader: int) -> list[int]:
    """The processes that a command has left, itself included; those that only wait to be collected do not count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *numbers = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(numbers[2]) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def clicks(seed: int) -> str:
    rows = "".join(
        f"{1_577_836_800 + 300 * n},{'AB'[n % 4 == 3]},u{n // 2 % 7},i{(n * n + n // 5 + seed) % 9}\n"
        for n in range(120)
    )
    return "time,publisher,user,item\n" + rows


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes are counted in /proc")
    monkeypatch.chdir(tmp_path)
    Path("driver.py").write_text(DRIVER)
    Path("mine.py").write_text(MINE)
    Path("clicks.csv").write_text(clicks(0))
    return tmp_path


def newsreplay(here: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "newsreplay", *words], cwd=here, check=True, capture_output=True)


def a_run(here: Path) -> Command:
    newsreplay(here, *RUN, "--out", "run", "--seed", "7")
    return Command(
        here, (*RUN, "--jobs", "2", "--out", "run", "--overwrite"), here / "run", lambda: str(Run(here / "run"))
    )


def a_scoring(here: Path) -> Command:
    newsreplay(here, *RUN, "--out", "run")
    return Command(here, SCORE, here / "run", lambda: str(Run(here / "run")))


def a_preparation(here: Path) -> Command:
    name = f"killed-{os.getpid()}"
    Path("other.csv").write_text(clicks(3))
    words = ("data", "prepare", "table", "other.csv", "--name", name)
    newsreplay(here, *words[:3], "clicks.csv", *words[4:])
    folder = home() / "data" / name

    def opens() -> None:
        data = Dataset(folder)
        assert [len(data.publisher(publisher).log.time) for publisher in data.publishers]

    return Command(here, words, folder, opens)


MAKERS = {"run": a_run, "score": a_scoring, "prepare": a_preparation}


@pytest.mark.parametrize(
    ("what", "which", "share"),
    [
        ("run", "SIGKILL", 0.98),
        pytest.param("score", "SIGTERM", 0.6, marks=pytest.mark.slow),
        pytest.param("prepare", "SIGKILL", 0.95, marks=pytest.mark.slow),
    ],
)
def test_a_killed_command_leaves_what_was_there(here: Path, what: str, which: str, share: float) -> None:
    command = MAKERS[what](here)
    command.killed(round(share * command.steps), "parent", which)


FORTY = {
    ("run", "parent", "SIGKILL"): 9,
    ("run", "parent", "SIGTERM"): 7,
    ("run", "worker", "SIGKILL"): 5,
    ("run", "worker", "SIGTERM"): 3,
    ("score", "parent", "SIGKILL"): 5,
    ("score", "parent", "SIGTERM"): 3,
    ("prepare", "parent", "SIGKILL"): 5,
    ("prepare", "parent", "SIGTERM"): 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORTY, ids=" ".join)
def test_forty_kills_leave_what_was_there(here: Path, kind: tuple[str, str, str]) -> None:
    what, whom, which = kind
    command = MAKERS[what](here)
    moments = random.Random(" ".join(kind))
    before = dict(command.before)
    for _ in range(FORTY[kind]):
        restore(command.folder, before)
        command.killed(moments.randint(1, command.steps), whom, which)


def restore(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder what it was; times alone differ."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "timing.json":
            path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if "run.json" in files:
        sealed(folder)
