"""A folder with clicks and recommenders, the commands called in it, and what they print taken apart."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import newsreplay.datasets.sources.table.plan  # noqa: F401 - its kernels look up their folder now, not in a test's own home
from newsreplay.cli import main
from newsreplay.processes import warm_up

# Publisher A: ann reads a and b and comes back to a; bob reads b and then a; zoe reads once. Publisher B/2: ann
# reads x and y. Recency (known last first) offers nothing at first, then a, b, a, b …
CLICKS = """time,publisher,user,item
2020-01-01T00:00:00Z,A,ann,a
2020-01-01T00:01:00Z,A,ann,b
2020-01-01T00:02:00Z,A,bob,b
2020-01-01T00:03:00Z,A,bob,a
2020-01-01T00:04:00Z,A,ann,a
2020-01-01T00:05:00Z,B/2,ann,x
2020-01-01T00:06:00Z,B/2,ann,y
2020-01-01T00:07:00Z,A,zoe,b
"""


STRANGERS = """
import multiprocessing, os, signal, sys, time
from newsreplay import Recommender
from newsreplay.recommenders.base import SelfReport

class Newest(Recommender):
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        return range(self.catalog.known - 1, -1, -1)

class Oldest(Newest):
    def recommend(self, request, k):
        return range(min(k, self.catalog.known))

class Noted(Newest):
    def __init__(self, note=""):
        self.note = note

class Trained(Newest):
    def __init__(self, seed=0):
        self.seed = seed
    def self_report(self):
        return SelfReport(training=2.5, notes=("no texts",))

class Deep(Newest):
    def __init__(self, depth, seed=0):
        self.depth = depth

class RaisesInStart(Newest):
    def start(self, catalog):
        raise ValueError("no licence\\nfor you\\x1b[31m")

class RaisesInLearn(Newest):
    def learn(self, event):
        raise ValueError(f"row {event.row} is not to my taste")

class RaisesInRecommend(Newest):
    def recommend(self, request, k):
        return {}["nothing"]

class RaisesOnlyAtB(Newest):
    def recommend(self, request, k):
        if self.catalog.id(0) == "x":
            raise ValueError("B is too much")
        return []

class RaisesWhatCannotBeShown(Newest):
    def recommend(self, request, k):
        class UnspeakableError(Exception):
            def __str__(self):
                raise RuntimeError
        raise UnspeakableError

class RaisesWhatIsNoText(Newest):
    def recommend(self, request, k):
        raise ValueError("\\udcff")

class ReturnsNone(Newest):
    def recommend(self, request, k):
        return None

class ReturnsStrings(Newest):
    def recommend(self, request, k):
        return ["q"]

class ReturnsFloats(Newest):
    def recommend(self, request, k):
        return [0.0]

class ReturnsUnknown(Newest):
    def recommend(self, request, k):
        return [self.catalog.known]

class ReturnsNegative(Newest):
    def recommend(self, request, k):
        return [-1]

class ReturnsTheCurrent(Newest):
    def recommend(self, request, k):
        return [request.item, request.item, 0, 0]

class Leaves(Newest):
    def recommend(self, request, k):
        sys.exit(3)

class CtrlC(Newest):
    def recommend(self, request, k):
        if self.catalog.id(0) != "x":  # at A alone: a second time ends the command without a word
            os.kill(multiprocessing.parent_process().pid, signal.SIGINT)
        time.sleep(600)
"""


@pytest.fixture(scope="session", autouse=True)
def _forking() -> None:
    """Fork processes from one with the home of all tests; with that of a single one, all others would import anew."""
    warm_up()


Cli = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: clicks.csv and mine.py lie in it."""
    (tmp_path / "clicks.csv").write_text(CLICKS)
    (tmp_path / "mine.py").write_text(STRANGERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`newsreplay WORDS` in the current folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # main() puts the current folder in front

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, words)

    return call


@pytest.fixture
def replay(cli: Cli) -> Cli:
    """`newsreplay run --data clicks.csv`, which must end well, or with 3 where it says that recommenders failed."""

    def call(*words: str) -> Result:
        result = cli("run", "--data", "clicks.csv", *words)
        assert result.exit_code == (3 if "failed; tracebacks lie in" in result.stderr else 0), result.output
        return result

    return call


MORE = [f"2020-01-02T00:{n:02}:00Z,A,{'uvw'[n % 3]},{'abcdefgh'[n * n % 8]}\n" for n in range(60)]


@pytest.fixture
def done(replay: Cli, folder: Path) -> str:
    """A run of three recommenders on some sixty reads."""
    (folder / "clicks.csv").write_text(CLICKS + "".join(MORE))
    replay("--recommenders", "recency,circular:size=3,oracle", "-k", "3", "--out", "run")
    return "run"


MIND = """1\tU1\t11/9/2019 9:00:00 AM\tN9\tN1-1 N2-0
2\tU1\t11/9/2019 9:05:00 AM\tN9\tN2-1 N1-0
3\tU2\t11/14/2019 9:00:00 AM\t\tN1-1 N2-0
4\tU2\t11/14/2019 9:05:00 AM\t\tN2-1 N1-0
"""


@pytest.fixture
def mind(tmp_path: Path) -> Path:
    """Four impressions in MIND's format."""
    (tmp_path / "mind").mkdir()
    (tmp_path / "mind" / "behaviors.tsv").write_text(MIND)
    news = "".join(f"N{n}\tnews\tlocal\tTitle {n}\t\thttp://x\t[]\t[]\n" for n in (1, 2, 9))
    (tmp_path / "mind" / "news.tsv").write_text(news)
    return tmp_path / "mind"


@pytest.fixture
def own_home(empty_home: Path) -> Iterator[Path]:
    """For commands that compile nothing."""
    yield empty_home
    assert not (empty_home / "kernels").exists()


def complaint(result: Result, *statuses: int) -> str:
    """The one line in which a command says why it did not work; by default with status 1 or 2."""
    assert result.exit_code in (statuses or (1, 2))
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


#: The clicks of these tests have too few sessions for E and P to be shown unless they are named.
NAMED = ("--metrics", "E@1,P@1", "--rank-by", "E@1")


def e1(board: str) -> dict[str, str]:
    """E@1 of the first publisher by recommender."""
    lines = board.split("\n\n")[0].splitlines()[3:]
    return {line.split("  ")[0]: line.split("  ", 1)[1].split()[0] for line in lines}


def files_of(run: str) -> dict[str, bytes]:
    """The contents of all files of a run folder by path."""
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(Path(run).rglob("*")) if path.is_file()}


def info_of(run: str) -> dict[str, Any]:
    """`run.json` of a run folder."""
    info: dict[str, Any] = json.loads(Path(run, "run.json").read_text("utf-8"))
    return info


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in a process of its own."""
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
