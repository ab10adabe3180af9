"""Signals: what ends a command, at once, with all its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Cli

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks processes up in /proc")

PATIENCE = 120.0  #: seconds

RESTLESS = """
import contextlib, itertools, signal, time
from pathlib import Path
from newsreplay import Recommender

class Waits(Recommender):
    def learn(self, event):
        with contextlib.suppress(ValueError):  # in a thread it cannot
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(f"{type(self).__name__} is there").touch()
        self.hang()
    def hang(self):
        while True:
            time.sleep(600)
    def recommend(self, request, k):
        return []

class HoldsTheInterpreter(Waits):
    def hang(self):
        sum(itertools.repeat(0))

class Interrupts(Waits):
    def hang(self):
        end = time.monotonic() + 60
        while not Path("Waits is there").exists() and time.monotonic() < end:
            time.sleep(0.01)
        raise KeyboardInterrupt
"""
NAMES = ("Waits", "HoldsTheInterpreter")


def until(is_so: Callable[[], bool]) -> bool:
    """Wait for something that comes in time."""
    end = time.monotonic() + PATIENCE
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def marked(mark: str) -> list[str]:
    """The processes that were started, by whomever, with a mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if f"MARK={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # not a process, somebody else's, or no more
            continue
    return found


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Python in a folder and in a session of its own; all that comes of it is marked with the folder."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "MARK": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("number", "statuses"),
    [
        (signal.SIGKILL, {-9}),
        pytest.param(signal.SIGTERM, {-15, 143}, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, {130}, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, {-1}, marks=pytest.mark.slow),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_whatever_ends_a_run_ends_its_processes(folder: Path, number: signal.Signals, statuses: set[int]) -> None:
    (folder / "mine.py").write_text(RESTLESS)
    words = ("-m", "newsreplay", "run", "--data", "clicks.csv", "--publishers", "A", "--jobs", "2")
    run = start(folder, *words, "--recommenders", ",".join(f"mine.py:{name}" for name in NAMES))
    assert until(lambda: all((folder / f"{name} is there").exists() for name in NAMES) or run.poll() is not None)
    assert len(marked(str(folder))) >= 1 + len(NAMES)
    run.send_signal(number)
    _, complaints = run.communicate(timeout=PATIENCE)
    assert run.returncode in statuses, complaints
    assert "Traceback" not in complaints
    assert until(lambda: not marked(str(folder))), marked(str(folder))


def test_a_second_ctrl_c_ends_a_command_at_once(tmp_path: Path) -> None:
    command = start(
        tmp_path,
        "-c",
        "import itertools, time\n"
        "from newsreplay.commands.ending import ended_by_signals\n"
        "with ended_by_signals():\n"
        "    try:\n"
        "        print('begun', flush=True)\n"
        "        time.sleep(600)\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', flush=True)\n"
        "        sum(itertools.repeat(0))\n",
    )
    assert command.stdout is not None
    for said in ("begun\n", "interrupted\n"):
        assert command.stdout.readline() == said
        command.send_signal(signal.SIGINT)
    command.communicate(timeout=PATIENCE)
    assert command.returncode == -signal.SIGINT


def test_ctrl_c_does_not_wait_for_threads_that_never_end(folder: Path) -> None:
    (folder / "mine.py").write_text(RESTLESS)
    run = start(folder, "-c", "import newsreplay\nnewsreplay.run('clicks.csv', 'mine.py:Waits,mine.py:Interrupts')")
    _, complaints = run.communicate(timeout=PATIENCE)
    # A KeyboardInterrupt that tells where what was finished lies.
    assert "InterruptedRunError: the run was interrupted" in complaints.splitlines()[-1]
    assert run.returncode != 0


def test_ctrl_c_is_told_by_the_exit_status(cli: Cli, folder: Path) -> None:
    result = cli("run", "--data", "clicks.csv", "--recommenders", "mine.py:CtrlC")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "Aborted!"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
