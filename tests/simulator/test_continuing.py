"""Runs that go on after an interruption, and runs to which more is added, are what one run would have been."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay.errors import RunError
from newsreplay.locks import locked
from newsreplay.machine import home
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.run import run as replay
from newsreplay.simulator.runs.journal import read_journal
from newsreplay.simulator.runs.options import Execution
from newsreplay.simulator.runs.origin import file_digests
from newsreplay.simulator.runs.paths import JOURNAL
from newsreplay.simulator.runs.place import Numbered, partial_of
from newsreplay.simulator.verify import verify
from tests.test_kills import clicks, files_of

MINE = """
import os
from newsreplay import Recommender, SelfReport

class Newest(Recommender):
    def start(self, catalog):
        self.catalog = catalog
        with open("started", "a") as file:
            print(type(self).__name__, file=file)
    def recommend(self, request, k):
        return range(self.catalog.known - 1, -1, -1)
    def self_report(self):
        return SelfReport(notes=("mine",), parameters=3, rounds=({"loss": 1 / 3},))

class Oldest(Newest):
    def recommend(self, request, k):
        return range(min(k, self.catalog.known))

class Failing(Newest):
    def recommend(self, request, k):
        if os.path.exists("fail"):
            raise ValueError("fails")
        return super().recommend(request, k)
"""

BOTH = "mine.py:Newest,mine.py:Oldest"
OPTIONS: dict[str, Any] = {"k": 2, "seed": 5}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("clicks.csv").write_text(clicks(0))
    return tmp_path


def interrupted(recommenders: str, out: str | Numbered = "run", after: int = 1, **options: Any) -> None:
    """A run that is interrupted once so many pairs have ended."""
    folder = out.latest.with_name(f"{out.latest.name}-1") if isinstance(out, Numbered) else Path(out)
    journal = partial_of(folder) / JOURNAL

    def progress(what: str, done: int, total: int) -> None:
        if journal.exists() and len(journal.read_bytes().splitlines()) > after:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        newsreplay.run("clicks.csv", recommenders, out=out, executor=executor, progress=progress, **(OPTIONS | options))


def started() -> list[str]:
    names = Path("started").read_text().split() if Path("started").exists() else []
    Path("started").unlink(missing_ok=True)
    return names


@pytest.mark.parametrize(("slates", "jobs"), [(True, None), (False, None), (True, 2)])
def test_a_resumed_run_is_an_undisturbed_one_and_replays_no_pair_again(slates: bool, jobs: int | None) -> None:
    newsreplay.run("clicks.csv", BOTH, out="whole", slates=slates, **OPTIONS)
    interrupted(BOTH, slates=slates)
    started()
    newsreplay.resume("run", jobs=jobs)
    assert len(started()) == 3  # of four
    assert files_of(Path("run")) == files_of(Path("whole"))
    assert not Path("run.partial").exists()


def test_a_run_that_is_whole_is_left_as_it_is() -> None:
    newsreplay.run("clicks.csv", BOTH, out="run", **OPTIONS)
    before, said = files_of(Path("run")), list[str]()
    newsreplay.resume("run", report=said.append)
    assert said == ["run is whole; there is nothing to go on with"]
    assert files_of(Path("run")) == before


def test_where_nothing_was_interrupted_there_is_nothing_to_resume() -> None:
    with pytest.raises(RunError, match=r"^run was not interrupted, or before there was anything to go on with; start"):
        newsreplay.resume("run")


@pytest.mark.parametrize("name", ["clicks", "clicks-first-20"])
def test_a_run_under_a_number_is_found_by_the_name_of_the_latest_which_leads_to_it_then(name: str) -> None:
    latest = Path("runs", name)
    interrupted(BOTH, Numbered(latest))
    run = newsreplay.resume(latest)
    assert run.folder == Path("runs", f"{name}-1")
    assert latest.readlink() == Path(f"{name}-1")


@pytest.mark.parametrize("harm", ["slates", "outcomes", "sums", "torn"])
def test_what_is_damaged_of_an_interrupted_run_is_said_and_replayed(harm: str) -> None:
    newsreplay.run("clicks.csv", BOTH, out="whole", **OPTIONS)
    interrupted(BOTH)
    partial = Path("run.partial")
    if harm == "torn":
        journal = (partial / JOURNAL).read_bytes()
        (partial / JOURNAL).write_bytes(journal[:-5])
    else:
        lines = read_journal(partial)
        assert lines is not None
        [path] = [partial / name for name in lines.finished[0]["files"] if name.startswith(harm)]
        path.write_bytes(path.read_bytes()[:-1])
    (partial / "outcomes" / "stray.arrow.99.part").write_text("of a process that was killed")
    started()
    said: list[str] = []
    newsreplay.resume("run", report=said.append)
    assert len(started()) == 4
    assert [line.split(":")[0] for line in said] == ([] if harm == "torn" else ["mine.py"])
    assert files_of(Path("run")) == files_of(Path("whole"))


def test_a_run_goes_on_only_with_the_data_and_code_that_it_began_with() -> None:
    interrupted(BOTH)
    Path("mine.py").write_text(MINE + "\n")
    with pytest.raises(RunError, match=r"cannot go on, since .* the files of mine.py:Newest: \w+, \w+ then"):
        newsreplay.resume("run")
    Path("mine.py").write_text(MINE)
    Path("other.csv").write_text(clicks(3))
    with pytest.raises(RunError, match=r"cannot go on, since .*the data in .*: \w+, \w+ then; make"):
        newsreplay.resume("run", data="other.csv")
    newsreplay.resume("run", data="clicks.csv")


SHAPED: dict[str, Any] = {"columns": {"item": "art"}, "preparing": {"session_gap": "2m"}, "limit": 40}


def test_data_that_were_moved_are_read_as_they_were_for_the_run() -> None:
    Path("clicks.csv").write_text(clicks(0).replace("item", "art", 1))
    newsreplay.run("clicks.csv", BOTH, out="whole", **OPTIONS, **SHAPED)
    interrupted(BOTH, **SHAPED)
    lines = read_journal(Path("run.partial"))
    assert lines is not None
    shutil.rmtree(lines.head["folder"])
    Path("clicks.csv").rename("moved.csv")
    with pytest.raises(RunError, match=r"^the data of run are not there \(.*\); name them with --data$"):
        newsreplay.resume("run")
    newsreplay.resume("run", data="moved.csv")
    assert files_of(Path("run"))["results.json"] == files_of(Path("whole"))["results.json"]
    assert not verify("whole", data="moved.csv")
    newsreplay.add("whole", "recency", data="moved.csv")


def test_no_checkpoints_are_kept_of_a_replay_that_nobody_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    every = []

    def noted(*words: Any, execution: Execution, **more: Any) -> Path:
        every.append(execution.checkpoint_every)
        return replay(*words, execution=execution, **more)

    newsreplay.run("clicks.csv", "recency", out="run")
    monkeypatch.setattr("newsreplay.simulator.verify.run", noted)
    assert not verify("run")
    assert every == [None]


def test_data_under_a_name_are_shaped_already() -> None:
    newsreplay.run("clicks.csv", "recency", out="run", preparing={"session_gap": "2m"}, limit=40)
    whole = newsreplay.find_data("clicks.csv", preparing={"session_gap": "2m"})
    named = shutil.copytree(whole.folder, home() / "data" / "of-a-name")
    try:
        assert not verify("run", data="of-a-name")
    finally:
        shutil.rmtree(named)


def test_recommenders_that_are_objects_cannot_be_made_again() -> None:
    class Newest(newsreplay.Recommender):
        def recommend(self, request: newsreplay.Event, k: int) -> list[int]:
            return []

    def progress(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("clicks.csv", Newest(), out="run", progress=progress)
    with pytest.raises(RunError, match=r"was made with objects from Python \(.*Newest\), which cannot be made again"):
        newsreplay.resume("run")


def test_a_run_that_another_process_goes_on_with_is_left_to_it() -> None:
    interrupted(BOTH)
    with locked(Path("run")), pytest.raises(RunError, match=r"run is being written by process .* on .*; wait until"):
        newsreplay.resume("run")


def test_a_run_that_begins_anew_says_what_that_costs() -> None:
    interrupted(BOTH)
    said: list[str] = []
    newsreplay.run("clicks.csv", BOTH, out="run", report=said.append, **OPTIONS)
    assert said[0].startswith("begins anew; a pair that an interrupted run had finished went")


# --- more of it ---------------------------------------------------------------------------------------------


def test_a_recommender_that_is_added_is_as_if_it_had_been_there_from_the_start() -> None:
    newsreplay.run("clicks.csv", f"{BOTH},recency", out="whole", command="newsreplay run --recommenders x", **OPTIONS)
    newsreplay.run("clicks.csv", "mine.py:Newest", out="run", command="newsreplay run --recommenders x", **OPTIONS)
    (Path("run") / "mine.txt").write_text("a note")
    started()
    newsreplay.add("run", "mine.py:Oldest,recency")
    assert {*started()} == {"Oldest"}
    (Path("run") / "mine.txt").unlink()
    joined, whole = files_of(Path("run")), files_of(Path("whole"))
    commands = [json.loads(files.pop("run.json")).pop("command") for files in (joined, whole)]
    assert commands[0] == f"newsreplay run --recommenders {BOTH},recency"
    for files in (joined, whole):
        files["SHA256SUMS"] = b"".join(line for line in files["SHA256SUMS"].splitlines(True) if b"run.json" not in line)
    assert joined == whole


def test_a_publisher_is_added_with_all_recommenders() -> None:
    newsreplay.run("clicks.csv", BOTH, out="whole", **OPTIONS)
    newsreplay.run("clicks.csv", BOTH, out="run", publishers=["A"], **OPTIONS)
    started()
    newsreplay.add("run", publishers=["B"], out="joined")
    assert sorted(started()) == ["Newest", "Oldest"]  # two at a time
    assert files_of(Path("joined")) == files_of(Path("whole"))
    assert [*newsreplay.open("run").publishers] == ["A"]


def test_what_failed_is_replayed_again_and_nothing_else() -> None:
    Path("fail").touch()
    newsreplay.run("clicks.csv", "mine.py:Newest,mine.py:Failing", out="run", **OPTIONS)
    Path("fail").unlink()
    started()
    newsreplay.add("run")
    assert started() == ["Failing", "Failing"]
    newsreplay.run("clicks.csv", "mine.py:Newest,mine.py:Failing", out="whole", **OPTIONS)
    assert files_of(Path("run")) == files_of(Path("whole"))
    said: list[str] = []
    newsreplay.add("run", "mine.py:Newest", report=said.append)
    assert said == ["run has all of this; nothing is replayed"]


def test_an_addition_that_is_interrupted_leaves_the_run_and_can_be_resumed() -> None:
    newsreplay.run("clicks.csv", BOTH, out="whole", **OPTIONS)
    newsreplay.run("clicks.csv", "mine.py:Newest", out="run", **OPTIONS)
    before = files_of(Path("run"))

    def progress(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newsreplay.add("run", "mine.py:Oldest", progress=progress)
    assert files_of(Path("run")) == before
    started()
    newsreplay.resume("run")
    assert {*started()} == {"Oldest"}
    assert files_of(Path("run")) == files_of(Path("whole"))


def test_nothing_is_added_to_a_run_with_other_data_options_or_code() -> None:
    newsreplay.run("clicks.csv", BOTH, out="run", **OPTIONS)
    Path("other.csv").write_text(clicks(3))
    Path("mine.py").write_text(MINE + "\n")
    with pytest.raises(RunError) as refused:
        newsreplay.add("run", "recency", data="other.csv", given={"k": 3, "seed": 5, "feedback_delay": {"reads": 1}})
    text = str(refused.value)
    assert text.startswith("nothing can be added to run, which had others of these: the data of A: ")
    assert "k: 3 is given, 2 in the run; feedback_delay: {'reads': 1} is given, {'reads': 0, 'outcomes': 0} in" in text
    assert "the files of mine.py:Oldest: " in text
    assert "seed" not in text


def test_nothing_is_added_to_what_is_partial_or_was_scored_again() -> None:
    newsreplay.run("clicks.csv", BOTH, out="run", **OPTIONS)
    shutil.copytree("run", "scored")
    from newsreplay.simulator.rescore import rescore

    rescore("scored", warmup="1h")
    with pytest.raises(RunError, match=r"^scored was scored again with other options \(warmup\); add to"):
        newsreplay.add("scored", "recency")
    interrupted(f"{BOTH},recency", "other", after=3)
    with pytest.raises(RunError, match=r"^other.partial is a partial run; finish it first: newsreplay run --resume"):
        newsreplay.add("other.partial", "recency")


def test_files_that_recommenders_name_are_known_by_their_contents() -> None:
    Path("weights.bin").write_text("1")
    entries = start_list("mine.py:Newest,recency")
    first = file_digests(entries)
    assert [*first] == ["mine.py:Newest"]
    Path("mine.py").write_text(MINE + "#")
    assert file_digests(entries) != first


def test_files_are_noted_as_they_were_when_the_run_began() -> None:
    def change(what: str, done: int, total: int) -> None:
        Path("mine.py").write_text(MINE + "#")

    before = file_digests(start_list("mine.py:Newest"))
    run = newsreplay.run("clicks.csv", "mine.py:Newest", out="run", progress=change)
    assert file_digests(start_list("mine.py:Newest")) != before
    assert run.info["files"] == before


def test_a_journal_without_a_whole_first_line_is_none(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"0123456789abcdef {}\n")
    assert read_journal(tmp_path) is None
