"""What reports are drawn from: JSON whatever was replayed, and nothing that the tables would say otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.log.rows import DAY, HOUR
from newsreplay.report.contents import contents
from newsreplay.report.facts import notes
from newsreplay.report.records import NoteKind
from newsreplay.report.slices import DIMENSIONS
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.missed import missed
from tests.report.by_hand import rows_of, run_of, spread
from tests.report.conftest import Failing, Plain
from tests.small_logs import SmallLog, packed, small_logs

ROW = {
    *("recommender", "status", "error", "foresees", "leaks", "results", "rank", "stable", "against_best", "cost"),
    *("pareto", "misses"),
}
PUBLISHER = {
    *("name", "facts", "headline", "few_sessions", "metrics", "rows", "causes", "ceiling", "over_time", "slices"),
}


def written(run: Run, **options: Any) -> dict[str, Any]:
    """The contents as they come out of JSON."""
    text = json.dumps(contents(run, **options), allow_nan=False)
    told: dict[str, Any] = json.loads(text)
    return told


def checked(told: dict[str, Any]) -> None:
    """The shape that pictures and pages rely on."""
    assert {*told} == {"format", "title", "notes", "manifest", "commands", "interval", "mean_ranks", "publishers"}
    assert all(isinstance(line, str) for line in told["commands"])
    assert {kind for kind, _ in told["notes"]} <= {*get_args(NoteKind)}
    assert all(isinstance(text, str) for _, text in told["notes"])
    rows = [row for publisher in told["publishers"] for row in publisher["rows"]]
    names = {row["recommender"] for row in rows if not row["foresees"]}
    assert sorted(name for name, _ in told["mean_ranks"]) == sorted(names)
    assert all(isinstance(text, str) for line in told["manifest"] for text in line)
    for publisher in told["publishers"]:
        assert {*publisher} == PUBLISHER
        done = [row["recommender"] for row in publisher["rows"] if row["status"] == "done"]
        for row in publisher["rows"]:
            assert {*row} == ROW
            if row["status"] == "failed":
                assert row["error"]
                assert not row["results"]
                continue
            assert [*row["results"]] == publisher["metrics"]
            assert all(len(cell) == 4 for cell in row["results"].values())
            assert not (row["foresees"] and (row["rank"] or row["pareto"] or row["cost"]))
            if row["misses"] is not None:
                assert [*row["misses"]] == publisher["causes"]
                assert sum(row["misses"].values()) == pytest.approx(1)
        assert [each["by"] for each in publisher["slices"]] == [*DIMENSIONS]
        for each in publisher["slices"]:
            for metric in each["metrics"]:
                assert [*each["cells"][metric]] == done
                assert {len(cells) for cells in each["cells"][metric].values()} <= {len(each["groups"])}
        over = publisher["over_time"]
        if over is not None:
            assert [*over["cells"]] == done
            assert {len(cells) for cells in over["cells"].values()} == {len(over["starts"])}


@pytest.mark.parametrize("log", small_logs(), ids=lambda log: log.name)
def test_every_kind_of_log_has_contents_fit_for_json(tmp_path: Path, log: SmallLog) -> None:
    for name, data in packed(log.files, log.pack).items():
        path = tmp_path / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run = newsreplay.run(
        f"{log.kind}:{tmp_path / 'log' / log.path}",
        ["recency", "oracle", Plain(), Failing()],
        k=3,
        preparing=log.options,
    )
    checked(written(run))


@pytest.mark.parametrize("options", [{}, {"warmup": 100 * DAY}, {"window": HOUR, "cluster": "day"}, {"k": 1}])
def test_contents_are_fit_for_json_whatever_was_scored(hostile_run: Run, options: dict[str, Any]) -> None:
    data = hostile_run.info["data"]["folder"]
    from newsreplay.datasets.store import Dataset

    told = written(newsreplay.run(Dataset(Path(data)), ["recency", "oracle", Failing()], **options))
    checked(told)
    if "warmup" in options:
        for publisher in told["publishers"]:
            assert publisher["over_time"] is publisher["ceiling"] is None
            assert {cell[0] for row in publisher["rows"] for cell in row["results"].values() if cell[3] == 0} == {None}


def test_a_run_with_everything_in_it_is_told_as_the_tables_tell_it(hostile_run: Run) -> None:
    told = written(hostile_run)
    checked(told)
    for publisher in told["publishers"]:
        name = publisher["name"]
        board = [row for row in json.loads(leaderboard([hostile_run], style="json")) if row["publisher"] == name]
        spent = {r["recommender"]: r for r in json.loads(costs(hostile_run, style="json")) if r["publisher"] == name}
        shares = [row for row in json.loads(missed(hostile_run, style="json")) if row["publisher"] == name]
        rows = {row["recommender"]: row for row in publisher["rows"]}
        for result in board:
            cell = rows[result["recommender"]]["results"][result["metric"]]
            assert cell == [result[key] for key in ("value", "low", "high", "n")]
        for recommender, record in spent.items():
            row = rows[recommender]
            assert row["pareto"] == record["pareto"]
            assert {key: record[key] for key in row["cost"]} == row["cost"]
        for share in shares:
            assert rows[share["recommender"]]["misses"][share["cause"]] == share["share"]
        for each in publisher["slices"]:
            for record in json.loads(by_slice(hostile_run, each["by"], style="json")):
                if record["publisher"] == name:
                    place = each["groups"].index(record["slice"])
                    cell = each["cells"][record["metric"]][record["recommender"]][place]
                    assert cell == [record[key] for key in ("value", "low", "high", "n")]


def test_without_slices_those_and_success_over_time_are_left_out(hostile_run: Run) -> None:
    for publisher in written(hostile_run, slices=False)["publishers"]:
        assert publisher["slices"] == []
        assert publisher["over_time"] is None


def test_what_success_over_time_adds_up_to_is_success(hostile_run: Run) -> None:
    for publisher in written(hostile_run)["publishers"]:
        if publisher["over_time"] is None:
            continue
        for row in publisher["rows"]:
            if row["status"] == "done":
                value, _, _, n = row["results"]["event_success@1"]
                cells = publisher["over_time"]["cells"][row["recommender"]]
                assert sum(cell[3] for cell in cells) == n
                assert sum(cell[0] * cell[3] for cell in cells if cell[3]) / n == pytest.approx(value)


def test_ranks_and_differences_leave_out_who_foresees_and_who_failed(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "low": {"A": {"event_success@1": 0.1}},
        "oracle": {"A": {"event_success@1": 0.9}},
        "gone": {"A": "ValueError: x"},
        "high": {"A": {"event_success@1": 0.3}},
        "none": {"A": {"event_success@1": None}},
    }
    drawn = {
        ("A", "low", "event_success@1"): spread(0.1, 0.01, 1),
        ("A", "high", "event_success@1"): spread(0.3, 0.01, 2),
    }
    run = run_of(tmp_path / "run", values, replicates=drawn, foresees=["oracle"], facts={"later_reads": 0})
    (publisher,) = written(run, slices=False)["publishers"]
    rows = {row["recommender"]: row for row in publisher["rows"]}
    assert rows["high"]["rank"] == [1, 1, 1]
    assert rows["low"]["rank"] == [2, 2, 2]
    assert rows["high"]["stable"]
    assert rows["high"]["against_best"] is None
    difference, low, high, p = rows["low"]["against_best"]
    assert difference == pytest.approx(-0.2)
    assert low < difference < high < 0
    assert p < 0.001
    assert {name: rows[name]["rank"] for name in ("oracle", "gone", "none")} == dict.fromkeys(
        ("oracle", "gone", "none")
    )
    assert list(rows_of(leaderboard([run], metrics=["event_success@1"]))) == ["oracle", "high", "low", "gone", "none"]


# --- notes ------------------------------------------------------------------------------------------------


def test_the_worst_is_noted_first(tmp_path: Path) -> None:
    run = run_of(
        tmp_path / "run",
        {"fine": {"A": (0.1, 0.1)}, "bad": {"A": "ValueError: \x1b[31m"}},
        leaks=["by design"],
        made_up=["the times"],
        rejected=1234,
        options={"deadline": 2.5, "strict_deadline": True, "cluster": "day"},
        facts={"impressions_without_outcome": 1500, "impressions_of_one_class": 2, "clusters": 29, "resampled": "day"},
    )
    run.info["pairs"][0]["dropped"] = {"current": 1000, "repeated": 3}
    assert notes(run) == [
        ("leak", "LEAKS THE FUTURE: by design"),
        ("made up", "made up: the times"),
        ("rejected", "rejected: 1,234 of 5,000 rows could not be used"),
        ("warning", "answers that took more than 2.5 ms count for nothing, so the results depend on the machine"),
        (
            "warning",
            "impressions of A that count for nothing: 1,500 without a known outcome, "
            "2 all or none of whose candidates were clicked",
        ),
        ("note", "the longest 1 % of A's scored sessions bring 25.0% of all hits at 1"),
        ("warning", "A has only 29 clusters (day) to resample; their intervals are too narrow"),
        ("dropped", "dropped from the slates of fine on A: 1,000 current, 3 repeated"),
        ("failed", "FAILED: bad on A: ValueError: \x1b[31m"),
    ]


@pytest.mark.parametrize(("clusters", "noted"), [(0, False), (1, True), (29, True), (30, False)])
def test_few_clusters_are_noted(tmp_path: Path, clusters: int, noted: bool) -> None:
    facts = {"clusters": clusters, "resampled": "user"}
    run = run_of(tmp_path / "run", {"fine": {"A": (0.1, 0.1)}}, facts=facts)
    (warning,) = (note.text for note in notes(run) if note.kind == "warning")
    assert ("clusters (user)" in warning, "intervals of E" in warning) == (noted, not noted)


@pytest.mark.parametrize(("sessions", "clusters"), [(29, 29), (400, 400)])
def test_few_clusters_are_noted_of_what_has_intervals_that_are_shown(
    tmp_path: Path, sessions: int, clusters: int
) -> None:
    facts = {
        "scored_sessions": sessions,
        "clusters": clusters,
        "impressions_resampled": "user",
        "impression_clusters": 12,
    }
    run = run_of(tmp_path / "run", {"fine": {"A": (0.1, 0.1)}}, facts=facts)
    assert [note.text for note in notes(run) if "clusters" in note.text] == [
        "A has only 12 clusters of impressions (user) to resample; their intervals are too narrow"
    ]


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ({}, "400 scored sessions are too few where a few long ones bring so many hits; those of P are exact"),
        ({"resampled": "user"}, "400 scored sessions are too few where a few long ones bring so many hits"),
        ({"scored_sessions": 80, "hits_of_longest": 0}, "80 scored sessions are too few; those of P are exact"),
    ],
)
def test_where_intervals_cover_too_little_is_noted_with_its_reason(tmp_path: Path, facts: Any, end: str) -> None:
    run = run_of(tmp_path / "run", {"fine": {"A": (0.1, 0.1)}}, facts=facts)
    (warning,) = (note.text for note in notes(run) if note.kind == "warning")
    assert warning == f"intervals of E at A hold the truth in fewer than 94 of 100 such logs: {end}"


def test_without_anything_to_warn_of_there_is_no_note(tmp_path: Path) -> None:
    assert notes(run_of(tmp_path / "run", {"fine": {"A": (0.1, 0.1)}}, facts={"hits": 0})) == []


# --- where it comes from ----------------------------------------------------------------------------------


def test_the_manifest_says_what_was_run_and_leaves_out_what_was_not_asked_for(tmp_path: Path) -> None:
    plain, full = (
        dict(written(run, slices=False)["manifest"])
        for run in (
            run_of(tmp_path / "plain", {"fine": {"A": "failed"}}),
            run_of(
                tmp_path / "full",
                {"fine": {"A": "failed"}},
                options={"warmup": DAY, "window": 90 * 60_000, "max_session_length": 50, "deadline": 100},
            ),
        )
    )
    assert plain["warm-up"] == "none"
    assert not {"window", "longest session scored", "deadline"} & {*plain}
    assert [full[key] for key in ("warm-up", "window", "longest session scored", "deadline")] == [
        *("1d", "1h30m", "50", "100 ms")
    ]


def test_the_commands_make_the_run_again_and_verify_it(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"fine": {"A": "failed"}}, command="newsreplay run --data x.csv")
    assert written(run, slices=False)["commands"] == ["newsreplay run --data x.csv", f"newsreplay verify {run.folder}"]
