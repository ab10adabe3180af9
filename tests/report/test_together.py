"""Several runs side by side: differences across them are those of one run, or they are refused with the way out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import newsreplay
from newsreplay.api import Run
from newsreplay.cli import main
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.report.gate import gate
from newsreplay.report.overlaps import overlaps
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.overlap import overlap_matrix
from tests.naive import overlap as naive
from tests.report.by_hand import rows_of, run_of
from tests.report.test_gate import log

LOG = log(reads=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Run:
    return newsreplay.run(LOG, "sequences,popular,recency,oracle", k=5, out=folder / "whole")


@pytest.fixture(scope="module")
def one(folder: Path) -> Run:
    return newsreplay.run(LOG, "sequences,popular", k=5, out=folder / "one")


@pytest.fixture(scope="module")
def two(folder: Path) -> Run:
    return newsreplay.run(LOG, "recency,popular", k=5, out=folder / "two")


def records(*words: Any, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(compare(*words, style="json", **options))
    return found


def test_across_runs_a_difference_is_that_of_one_run_with_both(whole: Run, one: Run, two: Run) -> None:
    within, across = (records(runs, "sequences", "recency") for runs in (whole, [one, two]))
    assert len(within) > 10
    for there, here in zip(within, across, strict=True):
        assert there | {"p_holm": None} == here | {"p_holm": None}  # of the other runs are other pairs
    assert all(record["rbo"] == within[0]["rbo"] and record["overlap_requests"] > 0 for record in across)


def test_the_same_recommender_in_two_runs_is_told_apart_by_the_run(one: Run, two: Run) -> None:
    later = f"popular [{two.folder}]"
    names = {record[side] for record in records([one, two]) for side in "ab"}
    assert names == {"sequences", "popular", "recency", later}
    (record, *_) = records([one, two], "popular", later)
    assert (record["difference"], record["identical"], record["rbo"]) == (0, 1, pytest.approx(1))
    assert "identical" in compare([one, two], "popular", later)
    with pytest.raises(NewsreplayError, match=rf"compared with itself; there is '{re.escape(later)}' too"):
        compare([one, two], "popular", "popular")


def test_a_metric_that_one_run_alone_has_is_refused_with_the_way_out(one: Run, folder: Path) -> None:
    longer = newsreplay.run(LOG, "recency", k=10, out=folder / "longer")
    assert {record["metric"] for record in records([one, longer], "sequences", "recency")} >= {"event_success@5"}
    with pytest.raises(NewsreplayError, match=r"E?event_success@10 is measured in .*longer and not in .*one; .*-k 10"):
        compare([one, longer], "sequences", "recency", metrics=["E@10"])
    assert "slates cut to 5" in compare([one, longer])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"warmup": 60_000},
            r"do not score the same \(warmup is 1m and none\); .*'newsreplay score .*two --warmup 0s'",
        ),
        ({"window": 60_000}, r"\(window is 1m and none\); .*'newsreplay score .*one --window 1m'"),
        ({"reward": "dwell"}, r"\(reward is dwell and None\); .*'newsreplay score .*one --reward dwell'"),
        (
            {"requests": "impressions"},
            r"\(requests is impressions and reads\); run one of them again with .*--requests",
        ),
        ({"seed": 3}, r"resampled with the seeds 3 and 0, .*; run one of them again with --seed 0"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused_with_the_way_out(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    runs = [
        run_of(tmp_path / "one", {"a": {"A": (0.5, 0.5)}}),
        run_of(tmp_path / "two", {"b": {"A": (0.5, 0.5)}}, options=options),
    ]
    with pytest.raises(RunError, match=told):
        compare(runs)
    with pytest.raises(RunError, match=told):
        gate(runs, "a", "b")


def test_runs_resampled_by_something_else_or_on_other_data_are_refused(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", {"a": {"A": (0.5, 0.5)}})
    by_day = run_of(tmp_path / "day", {"b": {"A": (0.5, 0.5)}}, facts={"resampled": "day"})
    with pytest.raises(RunError, match=r"resampled alike on A \(by day and by session\); .*day --cluster session"):
        compare([one, by_day])
    other = run_of(tmp_path / "other", {"b": {"A": (0.5, 0.5)}}, digests={"A": "1"})
    with pytest.raises(RunError, match=r"A is another log in .*other than in .*one; run both on the same data"):
        compare([one, other])
    elsewhere = run_of(tmp_path / "elsewhere", {"b": {"B": (0.5, 0.5)}})
    with pytest.raises(RunError, match="have no publisher in common"):
        compare([one, elsewhere])


def test_publishers_that_only_one_run_has_are_noted(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", {"a": {"A": (0.5, 0.5), "B": (0.5, 0.5)}})
    two = run_of(tmp_path / "two", {"b": {"A": (0.5, 0.5)}})
    text = compare([one, two])
    assert f"B is in {one.folder} and not in all of the runs" in text
    with pytest.raises(RunError, match="has no publisher 'B'"):
        gate([one, two], "a", "b")
    assert gate([one, two], "a", "b", publishers=["A"])["verdict"] == "hold"


def test_a_gate_takes_candidate_and_incumbent_from_two_runs(whole: Run, one: Run, two: Run) -> None:
    verdict = gate([one, two], "sequences", "recency")
    assert verdict == gate(whole, "sequences", "recency")
    words = ["gate", str(one.folder), str(two.folder), "--candidate", "sequences", "--incumbent", "recency"]
    assert json.loads(CliRunner().invoke(main, words).stdout) == verdict


# --- overlap --------------------------------------------------------------------------------------------


def test_overlap_is_over_the_scored_requests_at_which_one_of_both_answered(whole: Run) -> None:
    slates = {name: whole.slates("frame", name) for name in ("sequences", "popular", "oracle")}
    scored = {*whole.requests("frame").row.tolist()}
    for a, b in (("sequences", "popular"), ("oracle", "popular")):
        pairs = [
            (list(x), list(y))
            for row, x, y in zip(slates[a].row, slates[a].slate, slates[b].slate, strict=True)
            if row in scored and (len(x) or len(y))
        ]
        (record, *_) = records(whole, a, b)
        assert record["overlap_requests"] == len(pairs)
        assert record["rbo"] == pytest.approx(sum(naive.rbo(x, y, 0.9) for x, y in pairs) / len(pairs))
        assert record["jaccard"] == pytest.approx(sum(naive.jaccard(x, y) for x, y in pairs) / len(pairs))
        assert record["identical"] == pytest.approx(sum(x == y for x, y in pairs) / len(pairs))


def test_of_many_requests_evenly_spaced_ones_are_looked_at(whole: Run) -> None:
    rows = [(whole, "sequences"), (whole, "popular")]
    everything, some = (overlaps("frame", rows, [(0, 1)], most=most) for most in (10**6, 50))
    scored = len(whole.requests("frame").row)
    assert (everything.every, some.every) == (1, -(-scored // 50))
    assert everything.pairs[0] is not None
    assert some.pairs[0] is not None
    assert some.pairs[0].requests <= 50
    assert some.pairs[0].rbo == pytest.approx(everything.pairs[0].rbo, abs=0.2)


def test_the_table_has_overlaps_as_columns_and_of_two_alone_as_a_note(whole: Run) -> None:
    (record, *_) = records(whole, "sequences", "popular")
    cells = rows_of(compare(whole))["sequences - popular"]
    assert cells[-3:] == [f"{record['rbo']:.3f}", f"{record['jaccard']:.3f}", f"{record['identical']:.1%}"]
    assert f"their slates overlap: RBO {record['rbo']:.3f}, Jaccard@5" in compare(whole, "sequences", "popular")


def test_the_matrix_has_every_pair_once_in_json_and_twice_in_the_table(whole: Run, one: Run, two: Run) -> None:
    found = json.loads(overlap_matrix([whole], style="json"))
    assert [(record["a"], record["b"]) for record in found] == [
        *(("sequences", other) for other in ("popular", "recency", "oracle")),
        *(("popular", other) for other in ("recency", "oracle")),
        ("recency", "oracle"),
    ]
    matrix = rows_of(overlap_matrix([whole]))
    assert list(matrix) == ["1 sequences", "2 popular", "3 recency", "4 oracle"]
    for number, cells in enumerate(matrix.values()):
        assert cells[number] == ""
        assert [cells[other] for other in range(4)] == [row[number] for row in matrix.values()]
    assert matrix["1 sequences"][1] == f"{found[0]['rbo']:.3f}"
    printed = CliRunner().invoke(main, ["compare", str(one.folder), str(two.folder), "--overlap"])
    assert f"4 popular [{two.folder}]"[:40] in printed.stdout


def test_without_slates_there_is_a_dash_and_the_reason(folder: Path, one: Run) -> None:
    without = newsreplay.run(LOG, "recency", k=5, slates=False, out=folder / "without")
    text = compare([one, without])
    assert rows_of(text)["sequences - recency"][-3:] == ["-", "-", "-"]
    assert rows_of(text)["sequences - popular"][-3] != "-"
    assert "- where a run keeps no slates (--no-slates)" in text
    assert {record["rbo"] for record in records([one, without], "sequences", "recency")} == {None}
    assert "keeps no slates" in overlap_matrix([without, one])


def test_on_the_command_line_runs_come_before_names(one: Run, two: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(one.folder.parent)
    Path("popular").mkdir(exist_ok=True)  # no run, but a name that the run has
    call = CliRunner().invoke
    assert call(main, ["compare", "one", "popular"]).stdout == compare(Run("one"), "popular") + "\n"
    printed = call(main, ["compare", "one", "two", "sequences", "popular [two]"]).stdout
    assert printed == compare([Run("one"), Run("two")], "sequences", "popular [two]") + "\n"
    assert "two recommenders are compared at a time" in call(main, ["compare", "one", "a", "b", "c"]).stderr
    assert "--overlap shows all pairs" in call(main, ["compare", "one", "popular", "--overlap"]).stderr
