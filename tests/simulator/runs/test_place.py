"""Runs lie beside one another, and a run is replaced only by a whole one that is like it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import RunError
from newsreplay.files import old_of
from newsreplay.locks import locked
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.simulator.run import InterruptedRunError
from newsreplay.simulator.runs import place
from newsreplay.simulator.runs.place import Key, Numbered, claimed, find_run
from newsreplay.simulator.verify import verify
from tests.commands.conftest import CLICKS, STRANGERS
from tests.sealed import sealed

LATEST = Path("runs/demo")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def key(seed: int = 0, objects: tuple[str, ...] = ()) -> Key:
    from newsreplay.simulator.runs.options import Answering, Options

    return Key("digest", ["A"], ["recency"], list(objects), Options(answering=Answering(seed=seed)).flat(), "1.0")


def record_of(mine: Key) -> dict[str, Any]:
    return {
        "key": mine.digest(),
        "newsreplay": mine.newsreplay,
        "data": {"digest": mine.data, "name": "demo"},
        "publishers": [{"publisher": name} for name in mine.publishers],
        "options": mine.options,
        "recommenders": mine.recommenders,
        "objects": mine.objects,
    }


def write(out: Path | Numbered, mine: Key, *, end: Callable[[], None] = lambda: None, **options: Any) -> list[str]:
    """A run in which nothing is but its run.json; `end` is called before it is whole. Returns what was reported."""
    said: list[str] = []
    with claimed(out, mine, report=said.append, **({"overwrite": False} | options)) as claim:
        end()
        (claim.partial / "run.json").write_text(json.dumps(record_of(mine)))
        (claim.partial / "unfinished").unlink()
        claim.finish()
    return said


def interrupt() -> None:
    raise KeyboardInterrupt


def names(folder: str = "runs") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


# --- numbered -------------------------------------------------------------------------------------------


def test_the_same_run_takes_its_place_another_the_next_number_and_the_link_leads_to_the_latest() -> None:
    for seed, latest in ((0, "demo-1"), (1, "demo-2"), (2, "demo-3"), (1, "demo-2"), (0, "demo-1"), (3, "demo-4")):
        write(Numbered(LATEST), key(seed))
        assert LATEST.readlink() == Path(latest)
        assert json.loads((LATEST / "run.json").read_text()) == record_of(key(seed))
    assert names() == ["demo", "demo-1", "demo-2", "demo-3", "demo-4"]


def test_an_interrupted_run_keeps_its_number_is_not_the_latest_and_gives_way_to_the_same_run() -> None:
    write(Numbered(LATEST), key(0))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            write(Numbered(LATEST), key(1), end=interrupt)
        assert names() == ["demo", "demo-1", "demo-2.partial"]
        assert LATEST.readlink() == Path("demo-1")
    write(Numbered(LATEST), key(2))
    write(Numbered(LATEST), key(1))
    assert names() == ["demo", "demo-1", "demo-2", "demo-3"]
    assert LATEST.readlink() == Path("demo-2")


def test_an_interrupted_repetition_leaves_the_run_as_it_was() -> None:
    write(Numbered(LATEST), key())
    before = (LATEST / "run.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write(Numbered(LATEST), key(), end=interrupt)
    assert names() == ["demo", "demo-1", "demo-1.partial"]
    assert (LATEST / "run.json").read_bytes() == before


def test_runs_at_the_same_time_take_different_numbers_alike_or_not() -> None:
    write(Numbered(LATEST), key(0), end=lambda: (write(Numbered(LATEST), key(0)), None)[1])
    assert names() == ["demo", "demo-1", "demo-2"]
    assert LATEST.readlink() == Path("demo-1")  # it ended last


def test_runs_of_recommenders_that_are_objects_are_never_the_same() -> None:
    for _ in range(2):
        write(Numbered(LATEST), key(objects=("Mine",)))
    assert names() == ["demo", "demo-1", "demo-2"]


def test_a_run_that_lies_where_the_latest_is_looked_for_gets_a_number() -> None:
    write(LATEST, key(5))
    said = write(Numbered(LATEST), key(6))
    assert names() == ["demo", "demo-1", "demo-2"]
    assert said == ["the run that was runs/demo is now runs/demo-2; runs/demo leads to the latest run"]
    assert json.loads(Path("runs/demo-2/run.json").read_text())["key"] == key(5).digest()


def test_a_run_in_the_way_takes_no_number_that_another_run_is_being_written_to() -> None:
    def another() -> None:
        write(Numbered(LATEST), key(1))

    write(LATEST, key(5))
    write(Numbered(LATEST), key(0), end=another)
    assert names() == ["demo", "demo-1", "demo-2", "demo-3"]
    keys = [json.loads(Path(f"runs/demo-{number}/run.json").read_text())["key"] for number in (1, 2, 3)]
    assert keys == [key(seed).digest() for seed in (0, 1, 5)]


def test_a_whole_run_that_cannot_take_its_place_is_said_to_lie_where_it_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(new: Path, old: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(place, "replace_folder", refuse)
    with pytest.raises(
        RunError, match=r"the run is whole, but .* mine \(Invalid cross-device link\); it lies in mine.part"
    ):
        write(Path("mine"), key())
    assert names("mine.partial") == ["run.json"]


def test_a_run_whose_link_cannot_be_made_is_kept_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(latest: Path, folder: Path, report: Callable[[str], None]) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(place, "_lead", refuse)
    assert write(Numbered(LATEST), key()) == ["runs/demo does not lead to runs/demo-1: Permission denied"]
    assert names() == ["demo-1"]


def test_the_name_of_nothing_interrupted_is_refused() -> None:
    with pytest.raises(RunError, match=r"^\.partial is what an interrupted run without a name would be called"):
        write(Path(".partial"), key())


def test_a_numbered_run_of_other_data_stays_where_it_is() -> None:
    write(Numbered(LATEST), key(0))
    said = write(Numbered(Path("runs/demo-1")), key(1))
    assert said == ["runs/demo-1 is a run of demo, and does not lead to the latest run"]
    assert names() == ["demo", "demo-1", "demo-1-1"]
    assert LATEST.readlink() == Path("demo-1")


def test_what_is_no_run_is_in_the_way_from_the_start() -> None:
    LATEST.mkdir(parents=True)
    (LATEST / "thesis.tex").touch()
    with pytest.raises(RunError, match="runs/demo holds something that is not a run; name another folder with --out"):
        write(Numbered(LATEST), key())
    assert names() == ["demo"]


def test_where_links_are_refused_a_file_leads_to_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **options: object) -> None:
        raise OSError("a privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for seed in (0, 1):
        write(Numbered(LATEST), key(seed))
        assert LATEST.is_file()
        assert find_run(LATEST) == Path(f"runs/demo-{seed + 1}")
    with pytest.raises(RunError, match="runs/demo holds a run with another seed"):
        write(LATEST, key(0))
    assert names() == ["demo", "demo-1", "demo-2"]


# --- named ----------------------------------------------------------------------------------------------


def test_a_named_folder_is_replaced_by_the_same_run_and_by_another_only_if_told_to() -> None:
    out = Path("mine")
    write(out, key(0))
    write(out, key(0))
    before = (out / "run.json").read_bytes()
    message = "mine holds a run with another seed; replace it with --overwrite, or name another folder with --out"
    with pytest.raises(RunError, match=message):
        write(out, key(1))
    assert (out / "run.json").read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        write(out, key(1), end=interrupt, overwrite=True)
    assert (out / "run.json").read_bytes() == before
    write(out, key(1), overwrite=True)
    assert json.loads((out / "run.json").read_text()) == record_of(key(1))
    assert names(".") == ["mine"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"digest": "x"}}, "a run with other data"),
        ({"recommenders": ["trend"]}, "a run with other recommenders"),
        ({"publishers": []}, "a run with other publishers"),
        ({"newsreplay": "0.9"}, "a run with another version of newsreplay"),
        ({"objects": ["Mine"]}, "a run of recommenders that are Python objects, which cannot be compared,"),
        ({"options": None}, "another run"),
    ],
)
def test_it_is_said_what_makes_a_run_another_one(change: dict[str, Any], words: str) -> None:
    Path("mine").mkdir()
    Path("mine/run.json").write_text(json.dumps(record_of(key()) | change | {"key": "another"}))
    with pytest.raises(RunError, match=f"mine holds {words}; replace it with --overwrite"):
        write(Path("mine"), key())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_run_is_not_replaced_unasked(text: str) -> None:
    Path("mine").mkdir()
    Path("mine/run.json").write_text(text)
    with pytest.raises(RunError, match="mine holds another run; replace it with --overwrite"):
        write(Path("mine"), key())
    write(Path("mine"), key(), overwrite=True)


@pytest.mark.parametrize("place", ["mine", "mine.partial"])
def test_what_is_no_run_is_never_replaced(place: str) -> None:
    Path(place).mkdir()
    Path(place, "thesis.tex").touch()
    with pytest.raises(RunError, match=f"{place} holds something that is not a run; name another folder"):
        write(Path("mine"), key(), overwrite=True)
    assert names(".") == [place]


def test_what_else_lies_in_a_run_folder_stays_and_what_shows_old_results_is_named() -> None:
    write(Path("mine"), key())
    Path("mine/notes").mkdir()
    Path("mine/notes/day.txt").write_text("rainy")
    Path("mine/pictures").mkdir()
    Path("mine/report.html").touch()
    said = write(Path("mine"), key())
    assert said == ["removed report.html, pictures of the earlier run in mine; make them again"]
    assert names("mine") == ["notes", "run.json"]
    assert Path("mine/notes/day.txt").read_text() == "rainy"


def test_a_folder_that_another_process_writes_is_refused_by_its_name() -> None:
    with locked(Path("mine")), pytest.raises(RunError, match=rf"mine is being written by process {os.getpid()} on "):
        write(Path("mine"), key())
    write(Path("mine"), key())
    assert names(".") == ["mine"]


def test_a_link_of_ones_own_is_followed_and_stays() -> None:
    Path("disk").mkdir()
    Path("mine").symlink_to(Path("disk/run").absolute())
    for seed in (0, 1):
        write(Path("mine"), key(seed), overwrite=True)
    assert Path("mine").is_symlink()
    assert names("disk") == ["run"]


def test_a_run_whose_replacing_was_killed_is_found_and_brought_back() -> None:
    write(Path("mine"), key())
    Path("mine").rename(old_of(Path("mine")))
    assert find_run("mine") == old_of(Path("mine"))
    with pytest.raises(RunError, match="mine holds a run with another seed"):
        write(Path("mine"), key(1))
    assert names(".") == ["mine"]


# --- partial --------------------------------------------------------------------------------------------


def stopped_after(pairs: int, **options: Any) -> tuple[Path, list[str]]:
    """A run of two recommenders on two publishers, one pair at a time, interrupted after some."""
    Path("clicks.csv").write_text(CLICKS)
    Path("mine.py").write_text(STRANGERS)
    said: list[str] = []
    ended: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        ended.append(done)
        if done >= 8 * pairs // 2:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError) as caught:
        newsreplay.run(
            "clicks.csv", "mine.py:Newest,mine.py:Oldest", jobs=1, out="run", progress=progress, report=said.append
        )
    return caught.value.folder, said


def test_a_partial_run_shows_what_was_finished_and_says_so() -> None:
    whole_of = stopped_after(3)[0]
    assert whole_of == Path("run.partial")
    run = Run("run.partial")
    whole = newsreplay.run("clicks.csv", "mine.py:Newest,mine.py:Oldest", jobs=1)
    done = {(pair["publisher"], pair["recommender"]) for pair in run.info["pairs"]}
    assert 0 < len(done) < 4
    assert [*run.results] == [result for result in whole.results if (result.publisher, result.recommender) in done]
    assert f"a partial run: interrupted when {len(done)} of 4 pairs were finished" in leaderboard([run])
    assert "partial" not in leaderboard([whole])
    with pytest.raises(RunError, match=r"run.partial is a partial run; run it again whole"):
        verify("run.partial")
    with pytest.raises(RunError, match=r"run holds no run, but run.partial what was interrupted"):
        Run("run")


def test_a_partial_run_of_some_seeds_can_be_shown() -> None:
    stopped_after(3)
    info = json.loads(Path("run.partial/run.json").read_text())
    info["options"]["seeds"] = [1, 2, 3]
    for pair in info["pairs"]:
        pair |= {"recommender": "mine.py:Trained(seed=2)", "without_seed": "mine.py:Trained"}
    Path("run.partial/run.json").write_text(json.dumps(info))
    sealed(Path("run.partial"))
    assert Run("run.partial").seeds("A") == {"mine.py:Trained": {2: "mine.py:Trained(seed=2)"}}


def test_a_killed_run_says_what_it_has_left() -> None:
    stopped_after(3)
    Path("run.partial/run.json").unlink()
    answers = len([*Path("run.partial/outcomes").glob("*/*")])
    with pytest.raises(
        RunError, match=rf"nothing is measured yet \(what became of {answers} pairs' answers lies there"
    ):
        Run("run.partial")
    shutil.rmtree("run.partial/outcomes")
    with pytest.raises(RunError, match="of which nothing is measured yet; start one with"):
        Run("run.partial")
