"""Recommenders in processes of their own: what happens there costs their own rows alone, and prints to stderr."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

import newsreplay
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import Event
from newsreplay.recommenders.base import Recommender
from tests.commands.conftest import Cli, complaint, files_of, info_of, python

VILLAINS = """
import ctypes, itertools, os, resource, signal, subprocess, tempfile, time
from pathlib import Path
import numpy as np
from newsreplay import Recommender, SelfReport

class Fine(Recommender):
    def recommend(self, request, k):
        return range(request.item)

class ExitsWhenMade(Fine):
    def __init__(self):
        os._exit(5)

class ExitsInLearn(Fine):
    def learn(self, event):
        os._exit(7)

class Segfaults(Fine):
    def recommend(self, request, k):
        ctypes.string_at(0)

class RunsOutOfMemory(Fine):
    def start(self, catalog):
        resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
        self.much = [bytes(1 << 30) for _ in range(8)]

class IsKilledForMemory(Fine):
    def start(self, catalog):
        Path(tempfile.mkdtemp(), "left").write_text("behind")
        os.kill(os.getpid(), signal.SIGKILL)

class RaisesWhateverIsAsked(Fine):
    def __getattr__(self, name):
        raise RuntimeError(name)

class HidesItsClass(Fine):
    @property
    def __class__(self):
        raise RuntimeError("none of your business")

class Meta(type):
    def __getattr__(cls, name):
        raise RuntimeError(name)

class ClassRaisesWhateverIsAsked(Fine, metaclass=Meta):
    pass

class CannotBeMeasured(Fine):
    def __sizeof__(self):
        raise RuntimeError("size")

class BreaksNumPy(Fine):
    def start(self, catalog):
        for name in dir(np):
            if callable(getattr(np, name)):
                setattr(np, name, None)

class InterruptsItself(Fine):
    def recommend(self, request, k):
        raise KeyboardInterrupt

class Words(str):
    pass

class ReportsWordsOfItsOwn(Fine):
    def self_report(self):
        return SelfReport(notes=(Words("in its own words"),), rounds=({Words("loss"): np.float32(0.5)},))

class ReportsNonsense(Fine):
    def self_report(self):
        return SelfReport(training="long")

class ExitsAtTheEnd(Fine):
    def self_report(self):
        import atexit
        atexit.register(os._exit, 9)
        return SelfReport()

class LeavesAProcess(Fine):
    def start(self, catalog):
        Path("left").write_text(str(subprocess.Popen(["sleep", "600"]).pid))

class Sleeps(Fine):
    def learn(self, event):
        time.sleep(600)

class HoldsTheInterpreter(Fine):
    def learn(self, event):
        sum(itertools.repeat(0))
"""

#: What their rows say; "" = they are scored.
SAID = {
    "ExitsWhenMade": "its process ended: exit status 5",
    "ExitsInLearn": "its process ended: exit status 7",
    "Segfaults": "its process ended: SIGSEGV",
    "RunsOutOfMemory": "MemoryError",
    "IsKilledForMemory": "its process ended: SIGKILL, as when memory runs out",
    "HidesItsClass": "RuntimeError: none of your business",
    "CannotBeMeasured": "",
    "InterruptsItself": "KeyboardInterrupt",
    "ReportsNonsense": "ValueError: could not convert string to float: 'long'",
    "ReportsWordsOfItsOwn": "",
    "ExitsAtTheEnd": "",
    "LeavesAProcess": "",
}


@pytest.fixture
def villains(folder: Path) -> Path:
    """The current folder, with recommenders that do harm."""
    (folder / "dies.py").write_text("import os\nos._exit(3)\nclass Mine: pass\n")
    (folder / "bad.py").write_text(VILLAINS)
    return folder


@pytest.mark.parametrize("jobs", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_whatever_a_recommender_does_costs_its_own_row_alone(
    replay: Cli, villains: Path, jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = villains / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    words = ("--publishers", "A", "--jobs", jobs)
    replay("--recommenders", "recency,bad.py:Fine", "--out", "alone", *words)
    # On some versions of Python nothing is asked of these that they do not have.
    unsure = ("RaisesWhateverIsAsked", "ClassRaisesWhateverIsAsked", "BreaksNumPy")
    names = ["dies.py:Mine", *(f"bad.py:{name}" for name in (*SAID, *unsure))]
    replay("--recommenders", ",".join([*names, "recency", "bad.py:Fine"]), "--out", "all", *words)
    pairs = {pair["recommender"]: pair for pair in info_of("all")["pairs"]}
    assert pairs["bad.py:BreaksNumPy"]["status"] == "failed"
    assert pairs["dies.py:Mine"]["error"] == "its process ended: exit status 3"
    for name, said in SAID.items():
        pair = pairs[f"bad.py:{name}"]
        assert pair.get("error", "").startswith(said), (name, pair)
        assert pair["status"] == ("failed" if said else "done")
    alone, after = files_of("alone"), files_of("all")
    for fine in ("recency", "bad.py%3AFine"):
        assert after[f"slates/A/{fine}.arrow"] == alone[f"slates/A/{fine}.arrow"]
    rows = [row for row in json.loads(after["results.json"]) if row["recommender"] in ("recency", "bad.py:Fine")]
    assert rows == json.loads(alone["results.json"])
    assert not {"newsreplay_file_bad", "newsreplay_file_dies"} & {*sys.modules}  # none was made here
    assert not [*temporary.glob("newsreplay-*")]
    assert not _is_alive(int(Path("left").read_text()))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["dies.py:Mine", "bad.py:ExitsWhenMade", "bad.py:Segfaults", "bad.py:BreaksNumPy"])
def test_one_that_is_alone_has_a_process_of_its_own_too(cli: Cli, villains: Path, name: str) -> None:
    result = cli("run", "--data", "clicks.csv", "--recommenders", name, "--publishers", "A")
    assert complaint(result, 3).startswith("every recommender failed")
    assert f"FAILED: {name} on A: " in result.stdout


def test_what_cannot_be_made_is_refused_before_anything_is_replayed(cli: Cli, villains: Path) -> None:
    for name, said in {
        "bad.py:Finer": "Did you mean 'Fine'?",
        "bad.py:Fine(size=3)": "has no parameter 'size'",
        "worse.py:Fine": "there is no file worse.py",
        "bad:Nobody": "has no 'Nobody'",
    }.items():
        assert said in complaint(cli("run", "--data", "clicks.csv", "--recommenders", f"bad.py:Fine,{name}"))
    assert not Path("runs").exists()


def test_an_object_that_another_process_cannot_make_stays_in_this_one(folder: Path) -> None:
    class Local(Recommender):
        """Cannot be pickled."""

        def recommend(self, request: object, k: int) -> list[int]:
            seen.append(os.getpid())
            return []

    class Notebook(Local):
        """Can be pickled, and is not found where it should be made."""

    seen: list[int] = []
    Notebook.__module__, Notebook.__qualname__ = "a_notebook", "Notebook"
    module = type(sys)("a_notebook")
    vars(module)["Notebook"] = Notebook
    sys.modules["a_notebook"] = module
    try:
        run = newsreplay.run("clicks.csv", [Local(), Notebook()], publishers=["A"], jobs=1)
    finally:
        del sys.modules["a_notebook"]
    assert [pair["status"] for pair in run.info["pairs"]] == ["done", "done"]
    assert seen == [os.getpid()] * 12


# --- what takes too long -------------------------------------------------------------------------------------


def test_a_pair_that_takes_too_long_is_given_up_and_the_others_go_on(replay: Cli, villains: Path) -> None:
    names = "bad.py:Sleeps,bad.py:HoldsTheInterpreter,bad.py:Fine"
    words = ("--publishers", "A", "--jobs", "3", "--pair-timeout", "5s")
    board = replay("--recommenders", names, "--out", "run", *words).stdout
    pairs = info_of("run")["pairs"]
    assert [pair["status"] for pair in pairs] == ["failed", "failed", "done"]
    assert {pair.get("error") for pair in pairs[:2]} == {"gave up after 5s (--pair-timeout)"}
    assert "FAILED: bad.py:Sleeps on A: gave up after 5s (--pair-timeout)" in board


def test_what_stays_in_this_process_is_given_up_between_two_stretches(folder: Path) -> None:
    rows = "".join(f"reader{n // 10},news{n % 5},{1_600_000_000 + n}\n" for n in range(20_000))
    (folder / "many.csv").write_text("user,item,time\n" + rows)
    run = newsreplay.run("many.csv", "recency", pair_timeout=1)
    assert [pair["error"] for pair in run.info["pairs"]] == ["gave up after 1ms (--pair-timeout)"]


def test_a_limit_that_nothing_can_keep_is_refused(folder: Path) -> None:
    with pytest.raises(NewsreplayError, match="a pair needs some time"):
        newsreplay.run("clicks.csv", "recency", pair_timeout=0)


# --- what is printed ---------------------------------------------------------------------------------------

PRINTS = """
import atexit
import os
from newsreplay import Recommender
print("said: imported")
class Mine(Recommender):
    def __init__(self):
        print("said: made")
    def learn(self, event):
        print("said: learned")
        os.write(1, b"said: written\\n")
        os.system("echo said: echoed")
    def recommend(self, request, k):
        atexit.register(print, "said: goodbye")
        return []
"""


def _quiet_below(source: str) -> str:
    """The same without what a process says by other ways than `print`, or at its end."""
    return "\n".join(line for line in source.splitlines() if "os" not in line and "atexit" not in line)


SAYS = ("imported", "made", "learned")


def test_what_a_recommender_prints_in_its_process_goes_to_stderr(folder: Path) -> None:
    (folder / "loud.py").write_text(PRINTS)
    done = python(
        *("-m", "newsreplay", "run", "--data", "clicks.csv", "--recommenders", "loud.py:Mine,recency"),
        *("--format", "json", "--publishers", "A"),
    )
    assert {row["recommender"] for row in json.loads(done.stdout)} == {"loud.py:Mine", "recency"}
    for word in (*SAYS, "written", "echoed", "goodbye"):
        assert f"said: {word}" in done.stderr.splitlines()


def test_what_a_recommender_prints_in_this_process_goes_to_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "loud.py").write_text(_quiet_below(PRINTS))
    newsreplay.run("clicks.csv", "loud.py:Mine", publishers=["A"], progress=lambda what, done, total: print(what))
    said = capsys.readouterr()
    assert {*said.out.splitlines()} == {"replaying"}
    assert {f"said: {word}" for word in SAYS} <= {*said.err.splitlines()}
    newsreplay.check("loud.py:Mine", cuts=1)
    assert capsys.readouterr().out == ""


def test_what_a_recommender_prints_while_it_is_checked_goes_to_stderr(cli: Cli, folder: Path) -> None:
    (folder / "loud.py").write_text(_quiet_below(PRINTS))
    result = cli("check", "loud.py:Mine", "--cuts", "1")
    assert result.stdout.startswith("loud.py:Mine: ")
    assert len(result.stdout.splitlines()) == 1


OWN = """
class Divides:
    def recommend(self, request, k):
        return [1 // (request.row - 3)]

class Greedy:
    def recommend(self, request, k):
        self.kept = [bytearray(10_000_000_000)]
        return []

class Hangs:
    def recommend(self, request, k):
        while request.row == 3:
            pass
        return []
"""


@pytest.fixture
def own(folder: Path) -> Path:
    (folder / "acme.py").write_text(OWN)
    return folder


def test_what_failed_is_told_with_its_row_and_line_and_the_others_results_are_kept(cli: Cli, own: Path) -> None:
    words = (
        "--recommenders",
        "recency,acme.py:Divides,acme.py:Hangs",
        "--publishers",
        "A",
        "--answer-timeout",
        "100ms",
    )
    result = cli("run", "--data", "clicks.csv", *words, "--out", "run")
    assert complaint(result, 3) == "1 of 3 pairs of recommender and publisher failed; tracebacks lie in run/errors"
    said = "ZeroDivisionError: integer division or modulo by zero, at row 3 (acme.py:4)"
    assert f"FAILED: acme.py:Divides on A: {said}" in result.stdout
    assert (
        "acme.py:Hangs: 1 answer took more than 100ms (--answer-timeout), the first at row 3: misses" in result.stdout
    )
    (file,) = Path("run/errors").rglob("*.txt")
    assert file.read_text().startswith(f"{said}\n\nTraceback (most recent call last):\n")
    assert info_of("run")["options"]["answer_timeout"] == 100
    assert info_of("run")["pairs"][1]["errors"] == file.relative_to("run").as_posix()


def test_with_fail_fast_the_first_that_fails_ends_the_run_and_what_was_finished_is_kept(cli: Cli, own: Path) -> None:
    words = ("--recommenders", "acme.py:Divides,recency", "--publishers", "A", "--jobs", "1", "--fail-fast")
    result = cli("run", "--data", "clicks.csv", *words, "--out", "run")
    assert result.exit_code == 3
    assert "Error: acme.py:Divides on A: ZeroDivisionError: " in result.stderr
    assert "Traceback (most recent call last):" in result.stderr
    assert Path("run.partial/run.json").exists()
    assert not Path("run").exists()


def test_from_python_the_run_raises_what_the_recommender_raised(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Divides:
        def recommend(self, request: Event, k: int) -> list[int]:
            return [1 // 0]

    with pytest.raises(ZeroDivisionError):
        newsreplay.run(data="clicks.csv", recommenders=Divides(), on_error="raise")
    with pytest.raises(NewsreplayError, match="on_error is 'keep' or 'raise', not 'stop'"):
        newsreplay.run(data="clicks.csv", recommenders="recency", on_error="stop")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_one_that_wants_more_memory_than_it_may_have_fails_alone(cli: Cli, own: Path) -> None:
    words = ("--recommenders", "recency,acme.py:Greedy", "--publishers", "A", "--memory-limit", "3GB")
    result = cli("run", "--data", "clicks.csv", *words)
    assert result.exit_code == 3
    assert "FAILED: acme.py:Greedy on A: MemoryError, at row 0 (acme.py:8) (--memory-limit 3,000 MB)" in result.stdout
