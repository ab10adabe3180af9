"""What recommenders tell of themselves, those that were given the future, and those that were repeated with seeds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import RunError
from newsreplay.recommenders.base import SelfReport
from newsreplay.report.contents import contents
from newsreplay.report.pictures.run import draw_run
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.missed import missed
from newsreplay.simulator.rescore import rescore
from newsreplay.simulator.runs.folder import options_of, read_info
from tests.report.by_hand import Values, rows_of, run_of, spread
from tests.report.conftest import Plain, story

HERE = "tests.report.test_self_reports"


class Trained(Plain):
    """Says that it was trained; answers by its seed."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def recommend(self, request: Any, k: int) -> Any:
        return [(request.item + self.seed + n) % self.catalog.known for n in range(k)]

    def self_report(self) -> SelfReport:
        rounds: tuple[dict[str, Any], ...] = ({"time": 5, "loss": np.float32(0.5), "auc": float("nan")},)
        return SelfReport(("3 articles have no title",), "", 2.5, 0.5, 0.25, 100, 12, rounds)


class Leaky(Trained):
    """Was given the clicks of the whole period."""

    def self_report(self) -> SelfReport:
        return super().self_report()._replace(leaks="clicks of the whole period", rounds=())


class Handed(Plain):
    """Is handed the whole log, and does not say so."""

    def foresee(self, log: Any, articles: Any) -> None:
        pass


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of recommenders with and without something to tell, some of them repeated."""
    run: Run = newsreplay.run(
        story(("A", "B")),
        ["recency", f"{HERE}:Trained", f"{HERE}:Leaky", Handed()],
        k=5,
        seeds=(1, 2, 3),
        preparing={"impressions": "sampled"},
        out=tmp_path_factory.mktemp("accounts") / "run",
    )
    return run


def pair_of(run: Run, recommender: str) -> dict[str, Any]:
    return next(pair for pair in run.pairs("A") if pair["recommender"] == recommender)


# --- the run folder ---------------------------------------------------------------------------------------


def test_a_pair_keeps_what_its_recommender_told(told: Run) -> None:
    trained, leaky = (pair_of(told, f"{HERE}:{name}(seed=2)") for name in ("Trained", "Leaky"))
    assert (trained["without_seed"], trained["notes"]) == (f"{HERE}:Trained", ["3 articles have no title"])
    assert "leaks" not in trained
    assert leaky["leaks"] == "clicks of the whole period"
    assert pair_of(told, "Handed")["leaks"] == "it was handed the whole log"
    assert not {"without_seed", "notes", "leaks"} & {*pair_of(told, "recency")}
    assert told.info["recommenders"] == ["recency", f"{HERE}:Trained", f"{HERE}:Leaky", "Handed"]
    assert options_of(told.info).answering.seeds == (1, 2, 3)


def test_timings_have_what_training_took(told: Run) -> None:
    timing = {pair["recommender"]: pair for pair in told.timing["pairs"]}
    names = ("training_seconds", "updating_seconds", "answering_seconds", "late_answers", "answer_ms", "parameters")
    assert [timing[f"{HERE}:Trained(seed=1)"][name] for name in names] == [2.5, 0.5, 0.25, 100, 2.5, 12]
    assert not {*names} & {*timing["recency"]}


def test_rounds_of_training_are_a_file_of_their_own_and_what_is_no_number_is_null(told: Run) -> None:
    records = json.loads((told.folder / "training.json").read_text("utf-8"))
    assert {record["publisher"] for record in records} == {"A", "B"}
    assert {record["recommender"] for record in records} == {f"{HERE}:Trained(seed={seed})" for seed in (1, 2, 3)}
    assert all(record["rounds"] == [{"time": 5, "loss": 0.5, "auc": None}] for record in records)


def test_without_rounds_there_is_no_such_file_nor_that_of_an_earlier_run(tmp_path: Path) -> None:
    for specs, there in ((f"{HERE}:Trained", True), ("recency", False)):
        newsreplay.run(story(("A",)), specs, k=2, out=tmp_path / "run", overwrite=True)
        assert (tmp_path / "run" / "training.json").exists() == there


def test_scored_again_a_run_keeps_all_that_was_told(tmp_path: Path) -> None:
    run = newsreplay.run(story(("A",)), f"{HERE}:Trained,{HERE}:Leaky", k=2, seeds=(4, 5), out=tmp_path / "run")
    before = run.info["pairs"]
    kept = {name: (run.folder / name).read_bytes() for name in ("timing.json", "training.json")}
    rescore(run.folder, warmup=3_600_000)
    again = Run(run.folder)
    assert again.info["pairs"] == before
    assert again.info["options"]["seeds"] == [4, 5]
    assert {name: (run.folder / name).read_bytes() for name in kept} == kept


def test_a_folder_from_before_all_this_is_refused_with_the_command_to_run_again(tmp_path: Path) -> None:
    run = newsreplay.run(story(("A",)), "recency", k=2, out=tmp_path / "run", command="newsreplay run -k 2")
    info = json.loads((run.folder / "run.json").read_text())
    del info["options"]["seeds"]
    (run.folder / "run.json").write_text(json.dumps(info | {"format": 2}))
    for read in (Run, read_info, rescore):
        with pytest.raises(RunError, match=r"another version of newsreplay .*; run it again: newsreplay run -k 2"):
            read(run.folder)


# --- who was given the future -----------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Run, str], str]] = {
    "leaderboard": lambda run, style: leaderboard([run], style=style),
    "two runs": lambda run, style: leaderboard([run, run], style=style),
    "by": lambda run, style: by_slice(run, "reader", style=style),
    "cost": lambda run, style: costs(run, style=style),
    "misses": lambda run, style: missed(run, style=style),
    "compare": lambda run, style: compare(run, "Handed", style=style),
    "compare two": lambda run, style: compare(run, "recency", "Handed", style=style),
}


@pytest.mark.parametrize("style", ["table", "markdown", "latex", "json", "csv"])
@pytest.mark.parametrize("view", [*VIEWS])
def test_no_table_shows_a_row_that_leaks_without_its_mark(told: Run, view: str, style: str) -> None:
    text = VIEWS[view](told, style)
    assert "Handed (leaks)" in text
    if style in ("json", "csv"):
        records = json.loads(text) if style == "json" else [*csv.DictReader(io.StringIO(text, newline=""))]
        names = {record[key] for record in records for key in ("recommender", "a", "b") if key in record}
        assert all(("Leaky" in name or "Handed" in name) == name.endswith(" (leaks)") for name in names)
    else:
        assert "LEAKS THE FUTURE" in text
        assert "it was handed the whole log; not ranked" in text


def test_a_row_that_leaks_is_neither_the_best_nor_ranked_and_stands_where_its_value_is(tmp_path: Path) -> None:
    values: Values = {
        "cheat": {"A": (0.9, 0.9)},
        "low": {"A": (0.2, 0.1)},
        "half": {"A": (0.25, 0.1)},
        "high": {"A": (0.3, 0.05)},
    }
    leaks = {name: {"leaks": "all clicks"} for name in ("cheat", "half")}
    board = leaderboard([run_of(tmp_path / "run", values, told=leaks)], intervals=False)
    assert list(rows_of(board).items()) == [
        ("cheat (leaks)", ["90.00", "90.00", "-"]),
        ("high", ["30.00*", "5.00", "1.0"]),
        ("half (leaks)", ["25.00", "10.00", "-"]),
        ("low", ["20.00", "10.00*", "2.0"]),
    ]
    assert board.count("LEAKS THE FUTURE: cheat (leaks), half (leaks): all clicks; not ranked") == 1


def test_where_all_leak_nobody_is_ranked(tmp_path: Path) -> None:
    run = run_of(
        tmp_path / "run", {"cheat": {"A": (0.9, 0.8)}}, told={"cheat": {"leaks": "all"}}, facts={"later_reads": 0}
    )
    assert rows_of(leaderboard([run], intervals=False)) == {"cheat (leaks)": ["90.00", "80.00", "-"]}
    assert contents(run, slices=False)["publishers"][0]["rows"][0]["rank"] is None


def test_no_name_is_so_long_that_its_mark_is_cut_off(tmp_path: Path) -> None:
    name = f"awrs(words={'x' * 300},leaky=true)"
    run = run_of(tmp_path / "run", {name: {"A": (0.9, 0.8)}}, told={name: {"leaks": "all"}})
    for style in ("table", "markdown", "latex"):
        assert "… (leaks)" in leaderboard([run], style=style).replace(r"\dots{}", "…")


def test_on_the_page_a_row_that_leaks_is_drawn_and_no_rival(tmp_path: Path) -> None:
    values: Values = {"cheat": {"A": (0.9, 0.9)}, "low": {"A": (0.2, 0.1)}, "high": {"A": (0.3, 0.05)}}
    drawn = {("A", name, "event_success@1"): spread(mine["A"][0], 0.01, 3) for name, mine in values.items()}  # type: ignore[index,arg-type]
    run = run_of(
        tmp_path / "run",
        values,
        replicates=drawn,
        told={"cheat": {"leaks": "all"}},
        timing={"cheat": {"seconds": 0.1}},
        facts={"later_reads": 0},
    )
    rows = {row["recommender"]: row for row in contents(run, slices=False)["publishers"][0]["rows"]}
    assert [rows[name]["rank"] and rows[name]["rank"][0] for name in ("high", "low", "cheat (leaks)")] == [1, 2, None]
    assert rows["cheat (leaks)"]["leaks"] == "all"
    assert rows["high"]["against_best"] is None
    assert {name: row["pareto"] for name, row in rows.items()} == {"cheat (leaks)": False, "low": False, "high": True}


@pytest.mark.slow
def test_pictures_draw_what_leaks_under_its_mark_and_do_not_rank_it(told: Run, tmp_path: Path) -> None:
    files = {file.name: file for file in draw_run(contents(told, slices=False), tmp_path)}
    tables = {
        name: [*csv.DictReader(file.read_text("utf-8").splitlines())] for name, file in files.items() if ".csv" in name
    }
    for name, rows in tables.items():
        marked = {row["recommender"] for row in rows if row["recommender"].endswith(" (leaks)")}
        assert len(marked) == (0 if name == "rank_stability.csv" else 4), name
        assert {row["recommender"] for row in rows if "Leaky" in row["recommender"]} <= marked
    assert any(row["drawn"] == "True" and "(leaks)" in row["recommender"] for row in tables["misses.csv"])


# --- what they tell of themselves -------------------------------------------------------------------------


def test_notes_stand_below_a_leaderboard_once_with_all_who_tell_them(tmp_path: Path) -> None:
    values: Values = {
        name: {"A": (0.2, 0.1), "B": (0.2, 0.1)} for name in ("nrms", "caum", "naml(seed=1)", "naml(seed=2)")
    }
    told = {
        "nrms": {"notes": ["no texts", "not trained: too few impressions"]},
        "caum": {"notes": ["no texts"]},
        "naml(seed=1)": {"notes": ["no texts"], "without_seed": "naml"},
        "naml(seed=2)": {"notes": ["no texts"], "without_seed": "naml"},
    }
    run = run_of(tmp_path / "run", values, told=told, options={"seeds": (1, 2)})
    lines = leaderboard([run]).splitlines()
    assert [line for line in lines if "no texts" in line] == ["nrms, caum, naml: no texts"]
    assert "nrms: not trained: too few impressions" in lines


def test_a_note_on_some_publishers_says_on_which(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"nrms": {"A": (0.2, 0.1), "B": (0.2, 0.1)}})
    run.pairs("B")[0]["notes"] = ["no texts"]
    assert "nrms on B: no texts" in leaderboard([run]).splitlines()


# --- costs ------------------------------------------------------------------------------------------------


def test_costs_of_training_stand_beside_quality(tmp_path: Path) -> None:
    told = {"training_seconds": 61.25, "updating_seconds": 3.0, "answering_seconds": 4.0, "late_answers": 8000}
    timing = {"nrms": {"seconds": 70.0} | told | {"answer_ms": 0.5, "parameters": 123}}
    both = {"event_success@1": 0.3, "session_success@1": 0.1, "auc": 0.6}
    run = run_of(tmp_path / "run", {"nrms": {"A": both}, "trend": {"A": both}}, timing=timing)
    text = costs(run)
    assert text.splitlines()[0].split("  ")[0] == "recommender"
    heads = ["AUC", "train s", "update s", "answer ms", "µs/event", "events/s", "state kB"]
    assert [head for head in heads if head in text.splitlines()[0]] == heads
    assert rows_of(text) == {
        "nrms": ["60.00", "61.2", "3.0", "0.500", "70000.000", "14", "4"],
        "trend": ["60.00*", "-", "-", "-", "500.000", "2,000", "4"],
    }
    (record, _) = json.loads(costs(run, style="json"))
    assert [record[name] for name in ("train_s", "update_s", "answer_ms", "parameters")] == [61.25, 3.0, 0.5, 123]


def test_costs_of_seeds_are_their_mean(tmp_path: Path) -> None:
    values: Values = {f"nrms(seed={seed})": {"A": (seed / 10, 0.1)} for seed in (1, 2)}
    timing = {
        f"nrms(seed={seed})": {"seconds": float(seed), "training_seconds": 4.0 * seed, "state_bytes": 1000 * seed}
        for seed in (1, 2)
    }
    told = {name: {"without_seed": "nrms"} for name in values}
    run = run_of(tmp_path / "run", values, told=told, timing=timing, options={"seeds": (1, 2)})
    (record,) = json.loads(costs(run, style="json"))
    named = ("recommender", "event_success@1", "us_per_event", "train_s", "state_bytes")
    assert [record[name] for name in named] == ["nrms", 0.15, 1500.0, 6.0, 1500]


# --- seeds ------------------------------------------------------------------------------------------------


def repeated(folder: Path, values: dict[int, float | None], success: float = 0.2, **options: Any) -> Run:
    """nrms with these seeds (None: it failed), and trend; of 400 sessions a fifth has a hit, enough to be resampled."""
    rows: dict[str, Any] = {
        f"nrms(seed={seed})": {
            "A": "ValueError: x" if value is None else {"event_success@1": value, "session_success@1": success}
        }
        for seed, value in values.items()
    }
    rows["trend"] = {"A": {"event_success@1": 0.3, "session_success@1": success}}
    drawn = {
        ("A", name, "event_success@1"): spread(cell["A"]["event_success@1"], 0.05, number)
        for number, (name, cell) in enumerate(rows.items())
        if isinstance(cell["A"], dict)
    }
    told = {f"nrms(seed={seed})": {"without_seed": "nrms"} for seed in values}
    return run_of(folder, rows, told=told, replicates=drawn, options={"seeds": [*values]} | options, n=400)


def test_seeds_are_one_row_with_their_mean_an_interval_over_readers_and_their_spread(tmp_path: Path) -> None:
    run = repeated(tmp_path / "run", {1: 0.5, 2: 0.6, 3: 0.7})
    board = leaderboard([run], metrics=["event_success@1"])
    low, high = np.percentile(run.measured("A").replicates[:3, 0].mean(axis=0), [2.5, 97.5])
    rows = rows_of(board)
    assert list(rows) == ["nrms", "trend"]
    assert rows["nrms"][0] == f"60.0* ±{50 * (high - low):.1f} s10.0"
    assert "s" not in rows["trend"][0]
    assert "nrms: mean over the seeds 1, 2, 3; s: standard deviation over these seeds" in board
    assert rows_of(leaderboard([run], metrics=["event_success@1"], intervals=False))["nrms"][0] == "60.0*"


@pytest.mark.parametrize("style", ["markdown", "latex"])
def test_the_spread_stands_in_tables_that_are_set(tmp_path: Path, style: str) -> None:
    run = repeated(tmp_path / "run", {1: 0.5, 2: 0.6, 3: 0.7})
    assert "s10.0" in leaderboard([run], style=style, metrics=["event_success@1"])


def test_programs_get_every_seed_and_the_means(tmp_path: Path) -> None:
    run = repeated(tmp_path / "run", {1: 0.5, 2: 0.6, 3: 0.7})
    everything = json.loads(leaderboard([run], style="json", metrics=["event_success@1"]))
    records = [record for record in everything if record["metric"] == "event_success@1"]
    assert [record["recommender"] for record in records] == [
        *(f"nrms(seed={seed})" for seed in (1, 2, 3)),
        "trend",
        "nrms",
    ]
    assert (records[-1]["value"], records[-1]["seeds"], records[-1]["seed_sd"]) == (0.6, [1, 2, 3], pytest.approx(0.1))
    assert not any("seeds" in record for record in records[:-1])


def test_a_seed_that_failed_is_left_out_of_the_mean(tmp_path: Path) -> None:
    board = leaderboard([repeated(tmp_path / "run", {1: 0.5, 2: None, 3: 0.7})], metrics=["event_success@1"])
    assert rows_of(board)["nrms"][0].startswith("60.0* ")
    assert "nrms: mean over the seeds 1, 3; s:" in board
    assert "FAILED: nrms(seed=2) on A" in board


def test_one_seed_has_no_spread_and_none_is_a_failure(tmp_path: Path) -> None:
    one = leaderboard([repeated(tmp_path / "one", {1: 0.5})], metrics=["event_success@1"])
    assert " s" not in rows_of(one)["nrms"][0]
    assert "standard deviation" not in one
    none = leaderboard([repeated(tmp_path / "none", {1: None, 2: None})], metrics=["event_success@1"])
    assert rows_of(none)["nrms"] == ["failed", "-"]


def test_seeds_of_two_runs_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [repeated(tmp_path / name, {1: 0.5, 2: 0.6}) for name in ("one", "two")]
    assert {*rows_of(leaderboard(runs, intervals=False, metrics=["event_success@1"]))} == {
        *("nrms", "trend", f"nrms [{runs[1].folder}]", f"trend [{runs[1].folder}]")
    }


def test_of_two_runs_the_seeds_with_few_hits_have_the_mean_of_their_exact_bounds(tmp_path: Path) -> None:
    few, many = (repeated(tmp_path / str(success), {1: 0.5, 2: 0.6}, success) for success in (0.01, 0.2))
    bounds = {run: np.mean([[r.low, r.high] for r in run.results[:4:2]], axis=0) for run in (few, many)}  # type: ignore[misc]
    drawn = np.percentile(many.measured("A").replicates[:2, 0].mean(axis=0), [2.5, 97.5])
    assert abs(np.diff(drawn) - np.diff(bounds[many])) > 0.01
    for runs in ([few, many], [many, few]):
        records = json.loads(leaderboard(runs, style="json", metrics=["event_success@1"]))
        means = [record for record in records if "seeds" in record and record["metric"] == "event_success@1"]
        assert [[mean["low"], mean["high"]] for mean in means] == [
            pytest.approx(list(bounds[few] if run is few else drawn)) for run in runs
        ]


def test_a_run_with_seeds_is_a_board_of_single_rows(told: Run) -> None:
    names = {*rows_of(leaderboard([told], intervals=False))}
    assert names == {"recency", "Handed (leaks)", f"{HERE}:Trained", f"{HERE}:Leaky (leaks)"}
    assert ("seeds of training", "1, 2, 3") in contents(told, slices=False)["manifest"]


@pytest.mark.parametrize("view", ["by", "misses", "compare"])
def test_where_seeds_stand_singly_a_note_says_so(told: Run, view: str) -> None:
    note = f"{HERE}:Trained, {HERE}:Leaky (leaks): repeated with the seeds 1, 2, 3, each a row of its own here"
    assert note in VIEWS[view](told, "table")
    assert any(text.startswith(note) for _, text in contents(told, slices=False)["notes"])
    assert note not in leaderboard([told])
