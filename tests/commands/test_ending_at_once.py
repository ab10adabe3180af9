"""The process of a run ends without being taken apart, and has done by then all that a process does at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AT_THE_END = """
import atexit, sys
from newsreplay.__main__ import process

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
atexit.register(print, "at the end")
process()
"""


def ended(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AT_THE_END, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )


def test_a_run_prints_its_table_and_does_what_is_due_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(
        "time,user,item\n" + "".join(f"{1_700_000_000 + i},u,a{i}\n" for i in range(6))
    )
    done = ended(tmp_path, "run", "--data", "clicks.csv", "--recommenders", "recency", "--out", "here")
    assert done.returncode == 0, done.stderr
    assert "the run lies in here" in done.stdout
    assert done.stdout.endswith("at the end\n")
    assert (tmp_path / "here/run.json").exists()


@pytest.mark.parametrize(("words", "status"), [(("run", "--data", "nowhere.csv"), 1), (("run", "--no-such"), 2)])
def test_a_run_that_fails_keeps_its_status(tmp_path: Path, words: tuple[str, ...], status: int) -> None:
    assert ended(tmp_path, *words).returncode == status


def test_other_commands_are_taken_apart_as_usual(tmp_path: Path) -> None:
    assert ended(tmp_path, "--version").stdout.endswith("at the end\ntaken apart\n")
