"""Run folders scored again without a replay, and verified by one."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.locks import locked
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.missed import missed
from newsreplay.simulator.rescore import rescore
from newsreplay.simulator.runs.files import opened, write_columns
from newsreplay.simulator.verify import Difference, verify
from tests.sealed import sealed

STRANGERS = """
import time
from pathlib import Path
from newsreplay import Recommender

class Silent(Recommender):
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        return range(self.catalog.known - 1, -1, -1)

class Newest(Silent):
    def score(self, request, pool):
        return [float(item % 3) for item in pool]

class Broken(Newest):
    def recommend(self, request, k):
        raise ValueError("never")

class Moody(Newest):
    def start(self, catalog):
        self.catalog = catalog
        self.mood = Path("mood").exists()
        Path("mood").touch()
    def recommend(self, request, k):
        return [int(self.mood)] if request.row > 40 and self.catalog.known > 2 else []

class Sleepy(Silent):
    asked = 0
    def recommend(self, request, k):
        self.asked += 1
        if self.asked % 4 == 0:
            time.sleep(0.02)
        return super().recommend(request, k)
"""

SPECS = "recency,circular(size=3),mine.py:Newest,oracle,mine.py:Broken"


def reads(seed: int = 0) -> pd.DataFrame:
    """Reads of nine readers and ten articles in a day and a half, at two publishers."""
    rows = [
        {
            "time": pd.Timestamp("2020-01-01", tz="UTC") + pd.Timedelta(minutes=11 * n),
            "publisher": "AB"[n % 5 == 4],
            "user": f"u{n // 2 % 9}",
            "item": f"i{(n * n + n // 6 + seed) % 10}",
            "category": f"c{n % 3}",
            "dwell": 0.5 * n if n % 4 else None,
        }
        for n in range(200)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(STRANGERS)
    reads().to_csv("clicks.csv", index=False)
    return tmp_path


def replayed(out: str, specs: str = SPECS, **options: Any) -> Run:
    run: Run = newsreplay.run("clicks.csv", specs, k=3, out=out, preparing={"impressions": "sampled"}, **options)
    return run


def bytes_of(folder: str) -> dict[str, bytes]:
    """All files but the timings, which say when a run was made."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name not in ("timing.json", "SHA256SUMS")
    }


def same(one: str, other: str) -> None:
    """Two folders hold the same, byte for byte; of run.json what does not tell where, when or that it was rescored."""
    left, right = bytes_of(one), bytes_of(other)
    infos = [json.loads(files.pop("run.json")) | {"rescored": None} for files in (left, right)]
    assert infos[0] == infos[1]
    assert [*left] == [*right]
    assert [name for name in left if left[name] != right[name]] == []


# --- scored again -----------------------------------------------------------------------------------------


def test_scored_again_with_the_same_options_a_folder_is_the_same_to_the_byte(log: Path) -> None:
    replayed("run", warmup=3_600_000)
    shutil.copytree("run", "before")
    rescore("run")
    assert bytes_of("run") == bytes_of("before")
    assert len([name for name in bytes_of("run") if name.startswith("replicates")]) == 2


HOUR = 3_600_000

CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"warmup": 6 * HOUR}),
    ({}, {"warmup": 1000 * HOUR}),  # nothing is left to score, neither sessions nor impressions
    ({"warmup": 1000 * HOUR}, {"warmup": 0}),
    ({}, {"window": 9 * HOUR}),
    ({}, {"max_session_length": 2}),
    ({}, {"reward": "dwell"}),
    ({"reward": "dwell"}, {"reward": None, "cluster": "day"}),
    ({"max_session_length": 2}, {"max_session_length": None}),
    ({}, {"cluster": "user"}),
    ({"cluster": "day", "warmup": HOUR}, {"cluster": "session", "warmup": 2 * HOUR, "window": 20 * HOUR}),
]


@pytest.mark.parametrize(("before", "changes"), CHANGES)
def test_scored_with_other_options_a_folder_is_that_of_a_run_with_them(
    log: Path, before: dict[str, Any], changes: dict[str, Any]
) -> None:
    replayed("again", **before)
    told = []
    rescore("again", progress=lambda what, done, of: told.append((what, done, of)), **changes)
    replayed("fresh", **(before | changes))
    same("again", "fresh")
    assert told == [("scoring", done, 8) for done in range(1, 9)]
    boards = [leaderboard([Run(folder)], style="latex") for folder in ("again", "fresh")]
    assert boards[0] == boards[1]


def test_what_recommenders_cost_stays_what_it_was(log: Path) -> None:
    replayed("run", timed=True)
    before = Path("run/timing.json").read_bytes()
    rescore("run", warmup=HOUR)
    assert Path("run/timing.json").read_bytes() == before


def test_an_interrupted_scoring_leaves_the_earlier_results(log: Path) -> None:
    replayed("run")
    shutil.copytree("run", "before")

    def interrupt(what: str, done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rescore("run", warmup=6 * HOUR, progress=interrupt)
    assert bytes_of("run") == bytes_of("before")
    assert Run("run").results == Run("before").results
    assert not [path for path in Path().iterdir() if path.name.startswith(".run")]
    rescore("run", warmup=6 * HOUR)
    assert Run("run").info["options"]["warmup"] == 6 * HOUR


def test_a_scoring_removes_what_shows_old_results_says_so_and_keeps_what_else_there_is(log: Path) -> None:
    run = replayed("run", "recency")
    run.report()
    Path("run/notes.txt").write_text("mine")
    said: list[str] = []
    rescore("run", warmup=HOUR, report=said.append)
    assert said == ["removed report.html of run, which showed the earlier results; make them again"]
    assert not Path("run/report.html").exists()
    assert Path("run/notes.txt").read_text() == "mine"
    said.clear()
    rescore("run", report=said.append)
    assert said == []


def test_what_is_being_written_is_not_scored(log: Path) -> None:
    replayed("run", "recency")
    with locked(Path("run")), pytest.raises(RunError, match=rf"run is being written by process {os.getpid()} on "):
        rescore("run")
    assert not Path(".run.lock").exists()


def test_a_run_scored_otherwise_is_another_run(log: Path) -> None:
    replayed("run", "recency")
    before = Run("run").info["key"]
    rescore("run", warmup=HOUR)
    assert Run("run").info["key"] == replayed("fresh", "recency", warmup=HOUR).info["key"] != before
    with pytest.raises(RunError, match="run holds a run with another warmup; replace it with --overwrite"):
        replayed("run", "recency")
    rescore("run", warmup=0)
    assert Run("run").info["key"] == before


def test_a_folder_without_answers_cannot_be_scored_again(log: Path) -> None:
    replayed("run", slates=False)
    before = bytes_of("run")
    with pytest.raises(RunError, match=r"run keeps no answers \(--no-slates\); run it again"):
        rescore("run")
    assert bytes_of("run") == before


def test_a_folder_that_is_no_run_cannot_be_scored(log: Path) -> None:
    with pytest.raises(RunError, match="nowhere holds no run"):
        rescore("nowhere")


def test_late_answers_cannot_be_scored_again(log: Path) -> None:
    replayed("run", "recency", deadline=1000, strict_deadline=True)
    with pytest.raises(RunError, match="run does not keep which answers were late"):
        rescore("run", warmup=HOUR)


def test_an_option_that_makes_no_sense_is_refused_before_anything_is_touched(log: Path) -> None:
    replayed("run", "recency")
    before = bytes_of("run")
    with pytest.raises(NewsreplayError, match="no cluster is called 'week'"):
        rescore("run", cluster="week")
    assert bytes_of("run") == before


def test_other_data_are_refused_and_the_same_data_may_lie_elsewhere(log: Path) -> None:
    replayed("run", "recency")
    before = bytes_of("run")
    reads(seed=1).to_csv("other.csv", index=False)
    for what in (rescore, verify):
        with pytest.raises(RunError, match=r"does not hold the data of run \(digest .*; name them with --data"):
            what("run", data="other.csv")
        with pytest.raises(RunError, match=r"the data of run are not there \(.*\); name them with --data"):
            what("run", data="nowhere.csv")
    assert bytes_of("run") == before
    lay = Path(json.loads(Path("run/run.json").read_text())["data"]["folder"])
    shutil.copytree(lay, "moved")
    info = Path("run/run.json")
    info.write_text(info.read_text().replace(str(lay), "/nowhere"))
    sealed(Path("run"))
    with pytest.raises(RunError, match=r"the data of run are not there"):
        rescore("run")
    from newsreplay.datasets.store import Dataset

    rescore("run", data=Dataset(Path("moved")))
    assert bytes_of("run")["results.json"] == before["results.json"]


def edit_slates(path: Path, change: Any) -> None:
    with opened(path) as reader:
        table = reader.read_all()
    rows = table.to_pylist()
    change(rows)
    ids = table.column("slate").chunk(0).values.dictionary
    codes = {item: code for code, item in enumerate([*ids.to_pylist(), "who?"])}
    lists = pa.array([[codes[item] for item in row["slate"]] for row in rows], pa.list_(pa.int16()))
    ids = pa.array(codes, ids.type) if "who?" in {item for row in rows for item in row["slate"]} else ids
    coded = pa.ListArray.from_arrays(lists.offsets, pa.DictionaryArray.from_arrays(lists.values, ids))
    write_columns(path, {"slate": coded})
    sealed(path.parents[2])


@pytest.mark.parametrize("what", ["fewer", "more", "longer", "unknown"])
def test_answers_to_another_log_are_refused(log: Path, what: str) -> None:
    replayed("run", "recency")

    def change(rows: list[dict[str, Any]]) -> None:
        if what == "fewer":
            rows.pop()
        elif what == "more":
            rows.append(rows[-1])
        else:
            rows[40]["slate"] = ["i1", "i2", "i3", "i4"] if what == "longer" else ["who?"]

    edit_slates(Path("run/slates/A/recency.arrow"), change)
    with pytest.raises(RunError, match=r"A/recency.arrow does not hold answers to this log"):
        rescore("run")


# --- verified ---------------------------------------------------------------------------------------------


def test_a_run_made_again_gives_the_same(log: Path) -> None:
    replayed("run", warmup=HOUR, timed=True, cluster="user", seed=3)
    before = bytes_of("run")
    assert verify("run", jobs=1) == []
    assert bytes_of("run") == before


def test_a_run_scored_again_is_verified_as_it_is_now(log: Path) -> None:
    replayed("run", "recency,mine.py:Newest", warmup=1000 * HOUR)
    rescore("run", warmup=HOUR, cluster="day")
    assert verify("run", jobs=1) == []


def test_without_answers_what_became_of_them_is_verified(log: Path) -> None:
    replayed("run", "recency,mine.py:Newest", slates=False)
    assert verify("run", jobs=1) == []


def test_a_changed_answer_is_named_with_its_place(log: Path) -> None:
    replayed("run", "recency,circular(size=3)")

    def change(rows: list[dict[str, Any]]) -> None:
        rows[57]["slate"] = rows[57]["slate"][::-1]

    edit_slates(Path("run/slates/A/recency.arrow"), change)
    assert verify("run", jobs=1) == [Difference("A", "recency", "slates differ from place 57 on")]


@pytest.mark.parametrize("key", ["value", "low", "n"])
def test_a_changed_result_is_named(log: Path, key: str) -> None:
    replayed("run", "recency,circular(size=3)", publishers=["A"])
    path = Path("run/results.json")
    results = json.loads(path.read_text())
    place = next(i for i, row in enumerate(results) if row["recommender"] == "circular(size=3)")
    results[place][key] = 0.125
    path.write_text(json.dumps(results))
    sealed(Path("run"))
    (found,) = verify("run", jobs=1)
    assert found[:2] == ("A", "circular(size=3)")
    assert found.what.startswith("event_success@1 was ")
    assert "0.125" in found.what


def test_a_result_that_is_gone_is_missed(log: Path) -> None:
    replayed("run", "recency", publishers=["A"])
    path = Path("run/results.json")
    path.write_text(json.dumps(json.loads(path.read_text())[:-1]))
    sealed(Path("run"))
    (found,) = verify("run", jobs=1)
    assert found[:2] == ("A", "recency")
    assert "was not there" in found.what


def test_a_recommender_that_answers_otherwise_is_found_out(log: Path) -> None:
    replayed("run", "recency,mine.py:Moody", publishers=["A"], jobs=1)
    found = verify("run", jobs=1)
    assert {each.recommender for each in found} == {"mine.py:Moody"}
    assert found[0].what.startswith("slates differ from place ")


def test_a_recommender_that_fails_now_is_named(log: Path) -> None:
    replayed("run", "recency,mine.py:Newest", publishers=["A"])
    Path("mine.py").write_text(STRANGERS.replace("return [float", "raise ValueError('gone') or [float"))
    found = verify("run", jobs=1)
    assert [(each.recommender, each.what.split(":")[0]) for each in found] == [
        ("mine.py:Newest", "done then, failed now")
    ]


def test_objects_from_python_cannot_be_made_again(log: Path) -> None:
    class Mine(newsreplay.Recommender):
        def recommend(self, request: Any, k: int) -> Any:
            return []

    newsreplay.run("clicks.csv", ["recency", Mine()], out="run")
    with pytest.raises(RunError, match=r"run was made with objects from Python \(Mine\), which it cannot make again"):
        verify("run")


# --- timed ------------------------------------------------------------------------------------------------


def test_answer_times_are_ordered_and_those_beyond_the_deadline_counted(log: Path) -> None:
    run = replayed("run", "recency,mine.py:Newest,mine.py:Sleepy", deadline=10, jobs=1)
    for pair in run.timing["pairs"]:
        answers = pair["answers"]
        assert 0 < answers["p50"] <= answers["p95"] <= answers["p99"] <= answers["longest"]
        assert 0 <= answers["late"] <= 1
        assert pair["learn_seconds"] >= 0
        if pair["recommender"] == "mine.py:Sleepy":
            requests = run.facts(pair["publisher"])["reads"]
            assert answers["answers"] == requests
            assert answers["late"] >= (requests // 4) / requests  # each fourth slept for twice the deadline
            assert answers["longest"] >= 20
    # Lateness alone takes nothing away.
    assert {r.value for r in run.results if r.recommender == "mine.py:Sleepy" and r.metric == "event_success@1"} == {
        r.value for r in run.results if r.recommender == "mine.py:Newest" and r.metric == "event_success@1"
    }


def test_under_a_strict_deadline_late_answers_are_misses_and_every_table_says_so(log: Path) -> None:
    with Path("mine.py").open("a") as file:
        file.write(
            "\nclass Asleep(Silent):\n"
            "    def recommend(self, request, k):\n"
            "        time.sleep(0.003)\n"
            "        return super().recommend(request, k)\n"
        )
    free = replayed("free", "mine.py:Asleep", publishers=["A"], deadline=2)
    strict = replayed("strict", "mine.py:Asleep", publishers=["A"], deadline=2, strict_deadline=True)
    for run, successful in ((free, True), (strict, False)):
        (pair,) = run.timing["pairs"]
        assert pair["answers"]["late"] == 1
        values = {r.metric: r.value for r in run.results}
        assert (values["event_success@3"] > 0) is successful
    assert "answers that took more than 2 ms count for nothing" in leaderboard([strict])
    assert "count for nothing" not in leaderboard([free])
    assert "100.00 %" in costs(strict)
    causes = {row["cause"]: row["reads"] for row in json.loads(missed(strict, style="json"))}
    assert causes["answered too late"] > 0
    assert causes["hit at 1"] == causes["ranked 2 to 3"] == 0


def test_without_timing_no_answer_is_timed(log: Path) -> None:
    begun = time.perf_counter()
    run = replayed("run", "recency", publishers=["B"])
    (pair,) = run.timing["pairs"]
    assert "answers" not in pair
    assert 0 < pair["seconds"] <= run.timing["seconds"] <= time.perf_counter() - begun + 0.001
