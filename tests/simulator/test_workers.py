"""Pairs at work: what is told of them meanwhile, in threads and in processes, and seeds."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay.datasets import find_data
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.base import Recommender, SelfReport
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.pairs import replay_pair
from newsreplay.simulator.replay.walk import STRETCH
from newsreplay.simulator.run import repeat_with_seeds
from newsreplay.simulator.runs.options import Execution, Options
from newsreplay.simulator.runs.pair import Pair
from newsreplay.simulator.workers import Workers, printable

READS = 20_000  #: more than a stretch, so that a pair tells of its rows before its end

#: Some go on only once a file called `seen` is there: whoever listens makes it.
STRANGERS = """
import os, time
from pathlib import Path
from newsreplay import Recommender

def wait():
    end = time.monotonic() + 60
    while not Path("seen").exists() and time.monotonic() < end:
        time.sleep(0.01)

class Quiet(Recommender):
    def recommend(self, request, k):
        return []

class Rows(Quiet):
    def learn(self, event):
        if event.row == 19_000:
            wait()

class Lines(Quiet):
    def start(self, catalog):
        self.setting.report("lines: epoch 2 of 5,\\n\\x1b[31mloss 1.42")
        wait()

class Killer(Quiet):
    def start(self, catalog):
        for number in range(10_000):
            self.setting.report(f"number {number}")
        os._exit(7)

class Seeded(Quiet):
    def __init__(self, size=1, seed=0):
        if seed == 13:
            raise ValueError("thirteen")
        self.seed = seed

    def recommend(self, request, k):
        return [item for item in (self.seed,) if item < request.item]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a log of 30 reads, one of 20,000, and strangers' recommenders."""
    monkeypatch.chdir(tmp_path)
    for name, reads in (("few.csv", 30), ("many.csv", READS)):
        rows = "".join(f"reader{n // 10},news{n % 5},{1_600_000_000 + n}\n" for n in range(reads))
        (tmp_path / name).write_text("user,item,time\n" + rows)
    (tmp_path / "own.py").write_text(STRANGERS)
    return tmp_path


def test_processes_tell_of_rows_and_lines_while_they_are_at_work(folder: Path) -> None:
    told = []

    def progress(what: str, done: int, of: int) -> None:
        told.append((what, done))
        if done == STRETCH and any("epoch" in what for what, _ in told):  # of one the rows, of one the line
            Path("seen").touch()

    newsreplay.run("many.csv", "own.py:Lines,own.py:Rows", jobs=2, progress=progress)
    assert r"replaying · lines: epoch 2 of 5, \x1b[31mloss 1.42" in {what for what, _ in told}
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[-1][1] == 2 * READS


def test_threads_tell_of_lines_while_they_are_at_work(folder: Path) -> None:
    told = []

    def progress(what: str, done: int, of: int) -> None:
        told.append(what)
        if "epoch" in what:
            Path("seen").touch()

    newsreplay.run("few.csv", "own.py:Lines", progress=progress)
    assert r"replaying · lines: epoch 2 of 5, \x1b[31mloss 1.42" in told


class Talker(Recommender):
    def start(self, catalog: Any) -> None:
        self.setting.report("talker: ready")

    def recommend(self, request: Any, k: int) -> Any:
        return []


@pytest.mark.parametrize(("fresh", "last"), [(1_000.0, "talker: ready"), (0.0, "")])
def test_a_reported_line_is_shown_while_it_is_fresh(folder: Path, fresh: float, last: str) -> None:
    dataset = find_data("few.csv")
    (entry,) = start_list([Talker()])
    reported = []
    with Workers(Execution(1), lambda line, done: reported.append((line, done)), fresh) as workers:
        list(workers.judge([Pair(dataset.folder, dataset.publishers[0], entry, Options(), folder)]))
    assert reported[-1] == (last, 30)


def test_a_reported_line_stands_behind_what_is_done(folder: Path) -> None:
    reported = []
    newsreplay.run("few.csv", [Talker()], progress=lambda what, done, total: reported.append((what, done, total)))
    assert reported[-1] == ("replaying · talker: ready", 30, 30)


def test_a_told_line_is_one_short_line() -> None:
    assert printable(" a\tb\r\nc\x1b[0m ") == r"a b c\x1b[0m"
    assert printable(7) == "7"
    assert len(printable("\U0001f600" * 1_000).encode()) <= 400  # what POSIX promises to keep together is 512


class Interrupter(Recommender):
    def recommend(self, request: Any, k: int) -> Any:
        raise KeyboardInterrupt


class Endless(Talker):
    def recommend(self, request: Any, k: int) -> Any:
        while True:
            self.setting.report("endless: epoch 1")
            time.sleep(0.001)


def test_who_is_training_hears_of_an_interruption_with_the_next_line(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("few.csv", [Interrupter(), Endless()])


def test_an_interruption_that_a_process_s_line_meets_ends_the_run_and_all_its_threads(folder: Path) -> None:
    before = threading.active_count()

    def interrupt(what: str, done: int, of: int) -> None:
        Path("seen").touch()
        if "epoch" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("few.csv", "own.py:Lines,own.py:Quiet", jobs=2, progress=interrupt)
    assert threading.active_count() == before


def test_a_process_that_dies_while_it_tells_costs_only_its_own_rows(folder: Path) -> None:
    before = threading.active_count()
    newsreplay.run("few.csv", "own.py:Killer,own.py:Quiet", jobs=2, out="run")
    pairs = json.loads(Path("run/run.json").read_text())["pairs"]
    assert [pair["status"] for pair in pairs] == ["failed", "done"]
    assert threading.active_count() == before


# --- what a worker brings back ----------------------------------------------------------------------------


class Accountant(Talker):
    def self_report(self) -> SelfReport:
        warmup: int = self.setting.warmup
        return SelfReport(notes=(f"warm-up of {warmup} ms",))


class Seer(Accountant):
    def foresee(self, log: Any, articles: Any) -> None:
        pass


def test_a_worker_brings_back_the_account_and_whether_the_log_was_foreseen(folder: Path) -> None:
    dataset = find_data("few.csv")
    brought = [
        replay_pair(Pair(dataset.folder, dataset.publishers[0], entry, Options(Scope(warmup=5)), folder))
        for entry in start_list([Seer(), Accountant(), "recency"])
    ]
    assert [(pair.self_report and pair.self_report.notes, pair.foresight, pair.leaks) for pair in brought] == [
        (("warm-up of 5 ms",), "given", "it was handed the whole log"),
        (("warm-up of 5 ms",), None, ""),
        (None, None, ""),
    ]


# --- seeds ------------------------------------------------------------------------------------------------


def test_who_takes_a_seed_and_has_none_is_repeated_with_each(folder: Path) -> None:
    given = ["own.py:Seeded", "own.py:Quiet", "own.py:Seeded(seed=7)", "own.py:Seeded(size=2)", Talker()]
    repeated = repeat_with_seeds(start_list(given), (1, 2))
    assert [(entry.label, of) for entry, of in repeated] == [
        ("own.py:Seeded(seed=1)", "own.py:Seeded"),
        ("own.py:Seeded(seed=2)", "own.py:Seeded"),
        ("own.py:Quiet", None),
        ("own.py:Seeded(seed=7)", None),
        ("own.py:Seeded(size=2, seed=1)", "own.py:Seeded(size=2)"),
        ("own.py:Seeded(size=2, seed=2)", "own.py:Seeded(size=2)"),
        ("Talker", None),
    ]
    assert [(entry.label, of) for entry, of in repeat_with_seeds(start_list(given[:2]), ())] == [
        ("own.py:Seeded", None),
        ("own.py:Quiet", None),
    ]


def test_seeds_are_replayed_each_with_its_own_answers(folder: Path) -> None:
    newsreplay.run("few.csv", "own.py:Seeded,recency", seeds=[0, 4], out="run")
    info = json.loads(Path("run/run.json").read_text())
    assert info["options"]["seeds"] == [0, 4]
    shown = ["own.py:Seeded(seed=0)", "own.py:Seeded(seed=4)", "recency"]
    assert [pair["recommender"] for pair in info["pairs"]] == shown
    values = {
        row["recommender"]: row["value"]
        for row in json.loads(Path("run/results.json").read_text())
        if row["metric"] == "event_success@1"
    }
    assert values[shown[0]] == 1.0  # of five articles, each read twice
    assert values[shown[1]] == 0.0  # the fifth is no older than any


def test_seeds_that_cannot_be_used_are_refused_before_anything_is_replayed(folder: Path) -> None:
    with pytest.raises(NewsreplayError, match="a seed stands twice in 1, 1; name it once"):
        newsreplay.run("few.csv", "own.py:Seeded", seeds=[1, 1], out="run")
    with pytest.raises(SpecError, match=r"own.py:Seeded\(seed=1\) stands on the list twice"):
        newsreplay.run("few.csv", "own.py:Seeded,own.py:Seeded(seed=1)", seeds=[1], out="run")
    with pytest.raises(SpecError, match="thirteen"):
        newsreplay.run("few.csv", "own.py:Seeded", seeds=[1, 13], out="run")
    assert not Path("run").exists()


class Spy(Recommender):
    """Waits at its last read for what the oracle foresees, which lies in the run folder once it is written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.found: list[Path] = []

    def recommend(self, request: Any, k: int) -> list[int]:
        end = time.monotonic() + 1
        while request.row == 3 and not self.found and time.monotonic() < end:
            self.found += self.folder.glob("slates/*/oracle.*")
        assert not self.found
        return []


def test_what_the_oracle_foresees_is_not_written_while_others_are_replayed(tmp_path: Path) -> None:
    clicks = tmp_path / "clicks.csv"
    rows = [f"2024-01-01 10:0{minute},u,{item}\n" for minute, item in enumerate("xyzx")]
    clicks.write_text("".join(["time,user,item\n", *rows]))
    newsreplay.run(clicks, "oracle")  # so that it is compiled, and soon done
    run = newsreplay.run(clicks, ["oracle", Spy(tmp_path / "run.partial")], out=tmp_path / "run")
    assert [pair["status"] for pair in run.info["pairs"]] == ["done", "done"]
    assert [*run.folder.glob("slates/*/oracle.*")]


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_are_refused(folder: Path, jobs: int) -> None:
    with pytest.raises(NewsreplayError, match=f"^{jobs} jobs replay nothing; give jobs=1 or more"):
        newsreplay.run("few.csv", "recency", jobs=jobs)


class Huge(Talker):
    def __init__(self, told: SelfReport):
        self.told = told

    def self_report(self) -> SelfReport:
        return self.told


@pytest.mark.parametrize(
    "told", [SelfReport(parameters=10**400), SelfReport(answers=10**400), SelfReport(rounds=({"n": 10**5000},))]
)
def test_a_self_report_that_no_file_can_hold_costs_its_own_row_alone(folder: Path, told: SelfReport) -> None:
    run = newsreplay.run("few.csv", ["recency", Huge(told)])
    assert [pair["status"] for pair in run.info["pairs"]] == ["done", "failed"]
    assert "a self report with a whole number of" in run.info["pairs"][1]["error"]


class _OnePair(Executor):
    """Replays the first pair that it gets, and has no time for the others."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.futures:
            future.set_result(function(*args, **options))
        self.futures.append(future)
        return future


def test_an_interrupted_run_leaves_nothing_to_an_executor(folder: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    executor = _OnePair()
    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("few.csv", "recency,popular", executor=executor, progress=interrupt)
    assert [future.cancelled() for future in executor.futures] == [False, True]
