"""Comparisons: signs, symmetry, and a correction that does not depend on what is looked at."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from newsreplay.api import Run
from newsreplay.errors import NewsreplayError
from newsreplay.report.tables.compare import compare
from tests.report.by_hand import SESSIONS, Values, rows_of, run_of, spread

METRICS = ("event_success@1", "auc", "coverage@10")
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Four recommenders and the oracle on two publishers; at B, d failed."""
    values: dict[str, dict[str, Any]] = {}
    drawn = {}
    for place, name in enumerate((*NAMES, "oracle")):
        for publisher in "AB":
            cell = {metric: round(0.5 - 0.01 * place, 4) for metric in METRICS}
            values.setdefault(name, {})[publisher] = cell
            for number, metric in enumerate(METRICS):
                drawn[publisher, name, metric] = spread(cell[metric], 0.006, 10 * place + number)
    values["d"]["B"] = "ValueError: no"
    facts = {"scored_impressions": SESSIONS}
    return run_of(tmp_path / "run", values, replicates=drawn, foresees=["oracle"], facts=facts)


def records(run: Run, *names: str, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(compare(run, *names, style="json", **options))
    return found


def by_hand(run: Run, publisher: str, metric: str, a: str, b: str) -> tuple[float, float, float, float]:
    """Difference, interval and p, from the folder's files."""
    of = [name for name in (*NAMES, "oracle") if not (name == "d" and publisher == "B")]
    replicates = np.load(run.folder / "replicates" / f"{publisher}.npy")
    x, y = (replicates[of.index(name), METRICS.index(metric)] for name in (a, b))
    values = {(r.recommender, r.metric): r.value for r in run.results if r.publisher == publisher}
    left, right = values[a, metric], values[b, metric]
    assert left is not None
    assert right is not None
    drawn = sorted((x - y).tolist())

    def percentile(level: float) -> float:
        at = level * 999
        below = int(at)
        return drawn[below] + (drawn[below + 1] - drawn[below]) * (at - below)

    other = min(sum(d <= 0 for d in drawn), sum(d >= 0 for d in drawn))
    return left - right, percentile(0.025), percentile(0.975), min(1.0, 2 * (other + 1) / 1001)


def test_a_difference_is_that_of_the_first_to_the_second_with_its_paired_interval(run: Run) -> None:
    for record in records(run, "a", "b"):
        difference, low, high, p = by_hand(run, record["publisher"], record["metric"], "a", "b")
        assert record["difference"] == pytest.approx(difference)
        assert [record["low"], record["high"]] == pytest.approx([low, high])
        assert record["p"] == pytest.approx(p)
        assert 0.01 < record["p"] < 1  # some replicates lie on the other side, so that p was counted


def test_two_recommenders_are_compared_by_every_metric_that_judges(run: Run) -> None:
    assert [(r["publisher"], r["metric"], r["a"], r["b"]) for r in records(run, "b", "a")] == [
        (publisher, metric, "b", "a") for publisher in "AB" for metric in ("event_success@1", "auc")
    ]
    assert [r["metric"] for r in records(run, "a", "b", metrics=["coverage@10", "auc"])] == ["coverage@10", "auc"] * 2


def test_turned_round_a_comparison_has_the_other_sign_and_the_same_p(run: Run) -> None:
    pairs = itertools.combinations((*NAMES[:3], "oracle"), 2)
    for a, b in pairs:
        for there, back in zip(records(run, a, b), records(run, b, a), strict=True):
            assert there["difference"] == -back["difference"]
            assert (there["low"], there["high"]) == (-back["high"], -back["low"])
            assert [there[key] for key in ("p", "p_holm", "resolvable")] == [
                back[key] for key in ("p", "p_holm", "resolvable")
            ]


def test_one_is_compared_with_every_other_and_none_with_all(run: Run) -> None:
    assert [(r["publisher"], r["a"], r["b"]) for r in records(run, "b")] == [
        *(("A", "b", other) for other in "acd"),
        *(("B", "b", other) for other in "ac"),
    ]
    assert [(r["publisher"], r["a"], r["b"]) for r in records(run)] == [
        *(("A", *pair) for pair in itertools.combinations("abcd", 2)),
        *(("B", *pair) for pair in itertools.combinations("abc", 2)),
    ]


def test_the_correction_counts_all_pairs_of_the_run_whichever_are_shown(run: Run) -> None:
    everything = {(r["publisher"], r["a"], r["b"]): r for r in records(run)}
    for a, b in itertools.combinations("abc", 2):
        for record in records(run, a, b, metrics=["event_success@1"]):
            assert record == everything[record["publisher"], a, b]
    for record in records(run, "a"):
        assert record == everything[record["publisher"], "a", record["b"]]
    for publisher in "AB":  # Holm by hand
        family = sorted((r["p"], key) for key, r in everything.items() if key[0] == publisher)
        corrected = 0.0
        for step, (p, key) in enumerate(family):
            corrected = min(1.0, max(corrected, p * (len(family) - step)))
            assert everything[key]["p_holm"] == pytest.approx(corrected)


def test_the_oracle_is_compared_only_if_it_is_named(run: Run) -> None:
    assert "oracle" not in {r[side] for r in records(run) + records(run, "a") for side in "ab"}
    assert {r["b"] for r in records(run, "a", "oracle")} == {"oracle"}


def test_the_table_marks_what_is_certain_and_shows_both_values(tmp_path: Path) -> None:
    values: Values = {
        "a": {"A": {"event_success@1": 0.3}},
        "b": {"A": {"event_success@1": 0.1}},
        "c": {"A": {"event_success@1": 0.099}},
    }
    drawn = {
        ("A", name, "event_success@1"): spread(value["A"]["event_success@1"], 0.01, i)
        for i, (name, value) in enumerate(values.items())
    }  # type: ignore[index,call-overload]
    run = run_of(tmp_path / "run", values, replicates=drawn)
    text = compare(run, "b", "a")
    assert text.splitlines()[0].split()[:3] == ["metric", "b", "a"]
    (cells,) = rows_of(text).values()
    assert cells[:3] == ["10.0", "30.0", "-20.0*"]
    assert cells[4:6] == ["<0.001", "<0.001"]
    assert "*: p <= 0.05 after Holm's" in text
    pairs = rows_of(compare(run))
    assert list(pairs) == ["a - b", "a - c", "b - c"]
    assert not pairs["b - c"][2].endswith("*")
    assert "E@1: in per cent" in compare(run)


def test_the_resolvable_difference_is_2_8_standard_deviations_of_the_paired_differences(run: Run) -> None:
    (record, *_) = records(run, "a", "b")
    replicates = np.load(run.folder / "replicates" / "A.npy")
    assert record["resolvable"] == pytest.approx(2.8016 * np.std(replicates[0, 0] - replicates[1, 0], ddof=1), rel=1e-4)


@pytest.mark.parametrize(
    ("names", "metrics", "message"),
    [
        (("aa",), None, r"has no results of 'aa'. Did you mean 'a'\?"),
        (("zzzz",), None, r"has no results of 'zzzz'. It has a, b, c, d, oracle\."),
        (("a", "a"), None, "a cannot be compared with itself"),
        (("a", "b"), ["auk"], r"no metric is called 'auk'. Did you mean 'auc'\?"),
        (("a", "b"), ["zzzz"], r"no metric is called 'zzzz'. There are event_success@1, auc, coverage@10, calib"),
    ],
)
def test_what_cannot_be_compared_is_said(
    run: Run, names: tuple[str, ...], metrics: list[str] | None, message: str
) -> None:
    with pytest.raises(NewsreplayError, match=message):
        compare(run, *names, metrics=metrics)


def test_publishers_on_which_one_of_them_failed_are_left_out(run: Run) -> None:
    assert {record["publisher"] for record in records(run, "d", "a")} == {"A"}
    assert {record["publisher"] for record in records(run, "a", "b")} == {"A", "B"}


def test_a_metric_without_values_has_no_difference(tmp_path: Path) -> None:
    values: Values = {name: {"A": {"event_success@1": 0.3, "auc": None}} for name in "ab"}
    _, record = records(run_of(tmp_path / "run", values), "a", "b")
    assert record["metric"] == "auc"
    assert {record[key] for key in ("difference", "low", "high", "p", "p_holm", "resolvable")} == {None}


def test_a_metric_that_one_publisher_does_not_have_is_compared_on_the_others(tmp_path: Path) -> None:
    both = {"event_success@1": 0.3, "auc": 0.5}
    values: Values = {name: {"A": both, "B": {"event_success@1": 0.3}, "C": "it broke"} for name in "ab"}
    run = run_of(tmp_path / "run", values)
    assert [(record["publisher"], record["metric"]) for record in records(run, "a", "b", metrics=["AUC"])] == [
        ("A", "auc")
    ]


@pytest.mark.parametrize(("value", "told"), [(0.3, "identical"), (None, "[-, -]")])
def test_only_what_was_measured_can_be_identical(tmp_path: Path, value: float | None, told: str) -> None:
    values: Values = {name: {"A": {"event_success@1": value}} for name in "ab"}
    assert told in compare(run_of(tmp_path / "run", values), "a", "b", metrics=["E@1"])


@pytest.mark.parametrize("style", ["table", "markdown", "latex", "json", "csv"])
def test_with_a_single_recommender_there_is_nothing_to_compare(tmp_path: Path, style: str) -> None:
    run = run_of(tmp_path / "run", {"a": {"A": (0.1, 0.1)}})
    text = compare(run, style=style)
    assert (json.loads(text) == []) if style == "json" else "a - " not in text
