"""Runs that are killed at random moments and resumed each time end as one that nothing disturbed.

    pytest tests/test_resumed_kills.py -m slow      # fifty kills; without -m slow only a few

Moments are random instants of a run's own time, from before its data are prepared to after it is written; nothing is
asserted of times.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from newsreplay.simulator.runs.journal import read_journal
from newsreplay.simulator.runs.paths import CHECKPOINTS
from tests.test_kills import files_of

MINE = """
import time
from newsreplay import Recommender

class Newest(Recommender):
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        return range(self.catalog.known - 1, -1, -1)

class Counting(Recommender):
    def start(self, catalog):
        self.reads, self.events = {}, 0
    def learn(self, event):
        self.events += 1
        if self.events % 1000 == 0:
            time.sleep(0.03)
        if event.item >= 0:
            self.reads[event.item] = self.reads.get(event.item, 0) + 1
    def recommend(self, request, k):
        return sorted(self.reads, key=lambda item: (-self.reads[item], item))[:k]
    def state_dict(self):
        return {"reads": self.reads, "events": self.events}
    def load_state_dict(self, state):
        self.reads, self.events = state["reads"], state["events"]
"""
RUN = (
    *("run", "--data", "clicks.csv", "--recommenders", "mine.py:Counting,mine.py:Newest,recency", "-k", "2"),
    *("--checkpoint-every", "1ms"),
)


def clicks(rows: int) -> str:
    lines = (
        f"{1_577_836_800 + 30 * n},{'AB'[n % 4 == 3]},u{n // 2 % 97},i{(n * n + n // 5) % 31}\n" for n in range(rows)
    )
    return "time,publisher,user,item\n" + "".join(lines)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("clicks.csv").write_text(clicks(40_000))
    return tmp_path


def call(*words: str, after: float | None = None, before: Callable[[], None] | None = None) -> int:
    """A command, which is killed after so many seconds unless it has ended by then; returns its exit status."""
    with (
        Path("errors.txt").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "newsreplay", *words],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=before,
        ) as process,
    ):
        try:
            return process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait()


def whole(out: str, words: tuple[str, ...] = RUN) -> tuple[dict[str, bytes], float, Path]:
    """An undisturbed run: its files, the seconds that it took, and where its data were prepared."""
    begun = time.monotonic()
    assert call(*words, "--out", out) == 0, Path("errors.txt").read_text()
    seconds = time.monotonic() - begun
    record = json.loads((Path(out) / "run.json").read_text())
    return without_command(files_of(Path(out))), seconds, Path(record["data"]["folder"])


def without_command(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same but for the command line, which names the folder and how many jobs."""
    record = json.loads(files["run.json"])
    assert record.pop("command")
    sums = b"".join(line for line in files["SHA256SUMS"].splitlines(True) if not line.endswith(b" run.json\n"))
    return files | {"run.json": json.dumps(record).encode(), "SHA256SUMS": sums}


def killed_and_resumed(moments: Iterator[float], kills: int, data: Path) -> Counter[str]:
    """Kill a run at so many moments, go on each time, and let it end; returns what there was after each kill."""
    found: Counter[str] = Counter()
    words = [*RUN, "--out", "run", "--jobs", "2"]
    while kills:
        if call(*words, after=next(moments)) == 0:
            break
        kills -= 1
        lines = read_journal(Path("run.partial"))
        found["preparing" if lines is None else "replaying"] += 1
        found["pairs that had ended"] += 0 if lines is None else len(lines.finished)
        found["checkpoints"] += len([*Path("run.partial", CHECKPOINTS).glob("*/*/checkpoint")])
        # Killed before there was anything to go on with, or after all was in its place.
        words = ["run", "--resume", "run", "--jobs", str(1 + kills % 2), "--checkpoint-every", "1ms"]
        if lines is None and not Path("run/run.json").exists():
            words = [*RUN, "--out", "run", "--jobs", "2"]
    assert call(*words) == 0, Path("errors.txt").read_text()
    assert sorted(path.name for path in Path().iterdir() if "run" in path.name) == ["run"]
    return found


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_and_resumed_is_one_that_nothing_disturbed(here: Path, kills: int) -> None:
    expected, seconds, data = whole("whole")
    numbers = random.Random(kills)
    left, found = kills, Counter[str]()
    while left:
        shutil.rmtree(data)  # so that it is prepared again
        shutil.rmtree("run", ignore_errors=True)
        several = min(left, 1 + numbers.randrange(4))
        left -= several
        found += killed_and_resumed((numbers.uniform(0.1, 1) * seconds for _ in iter(int, 1)), several, data)
        assert without_command(files_of(Path("run"))) == expected
    print(dict(found))


# --- what else may go wrong -------------------------------------------------------------------------------


def test_a_disk_that_is_full_is_said_and_once_there_is_room_the_run_goes_on(here: Path) -> None:
    Path("clicks.csv").write_text(clicks(3_000))
    words = ("run", "--data", "clicks.csv", "--recommenders", "mine.py:Newest,recency", "-k", "9", "--jobs", "1")
    expected, _, _ = whole("whole", words)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    assert call(*words, "--out", "run", before=limit) == 1
    assert "File too large; make room" in Path("errors.txt").read_text()
    assert call("run", "--resume", "run") == 0, Path("errors.txt").read_text()
    assert without_command(files_of(Path("run"))) == expected


def test_a_folder_that_cannot_be_written_is_said(here: Path) -> None:
    if os.getuid() == 0:
        Path("shut").write_text("")  # to whom all is allowed: a file in its place
    else:
        Path("shut").mkdir(mode=0o500)
    assert call(*RUN, "--out", "shut/run") == 1, Path("errors.txt").read_text()
    assert "cannot write to shut/run: " in Path("errors.txt").read_text()
