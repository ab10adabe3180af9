"""The comparison of benchmarks/regression.py: any changed hit or AUC is found, and it covers every recommender."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.spec import parse_spec
from tests.scripts import script

regression = script("regression")
TREND = regression.Row({"1": 10, "5": 20}, 0.5, 1.0, 100)
NRMS = regression.Row({"1": 3}, 0.7, 2.0, 1_000)
BEFORE = {("A", "trend"): TREND, ("A", regression.NEURAL[0]): NRMS}


def test_equal_hits_and_aucs_are_no_change_whatever_they_cost() -> None:
    now = {pair: row._replace(seconds=9.0, state_bytes=1) for pair, row in BEFORE.items()}
    assert regression.compare(BEFORE, now) == []


@pytest.mark.parametrize(
    ("row", "what", "old", "new"),
    [
        (TREND._replace(hits={"1": 10, "5": 21}), "hits@5", 20, 21),
        (TREND._replace(auc=0.5 + 1e-12), "AUC", 0.5, 0.5 + 1e-12),
        (TREND._replace(auc=None), "AUC", 0.5, None),
        (TREND._replace(hits={"1": 10}), "hits@5", 20, None),
        (TREND._replace(hits={"1": 10, "5": 20, "10": 0}), "hits@10", None, 0),
    ],
)
def test_a_changed_hit_or_auc_is_found_and_fails(
    row: regression.Row, what: str, old: float | None, new: float | None
) -> None:
    changes = regression.compare(BEFORE, BEFORE | {("A", "trend"): row})
    assert changes == [("A", "trend", what, old, new)]
    assert changes[0].fails


def test_a_pair_that_has_gone_or_come_is_a_change() -> None:
    gone = regression.compare(BEFORE, {("A", regression.NEURAL[0]): NRMS})
    assert gone == [
        ("A", "trend", "hits@1", 10, None),
        ("A", "trend", "hits@5", 20, None),
        ("A", "trend", "AUC", 0.5, None),
    ]
    assert [change.what for change in regression.compare({}, BEFORE)] == ["hits@1", "hits@5", "AUC", "hits@1", "AUC"]


def test_a_changed_neural_answer_is_told_and_fails_nothing() -> None:
    changes = regression.compare(BEFORE, BEFORE | {("A", regression.NEURAL[0]): NRMS._replace(auc=0.8)})
    assert [(change.what, change.fails) for change in changes] == [("AUC", False)]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    regression.write(tmp_path / "stored.json", BEFORE)
    assert regression.read(tmp_path / "stored.json") == BEFORE


def test_costs_are_ratios_over_all_publishers() -> None:
    before = {("A", "trend"): TREND, ("B", "trend"): TREND._replace(seconds=3.0)}
    now = {pair: row._replace(seconds=1.0, state_bytes=150) for pair, row in before.items()}
    assert regression.costs(before, now).splitlines()[2].split() == ["trend", "2.0000", "0.50", "1.500"]


def test_every_built_in_recommender_is_among_the_stored() -> None:
    stored = {parse_spec(recommender).name for _, recommender in regression.read(regression.STORED)}
    assert stored == set(BUILT_IN) - {"replayed"}  # whose answers are a file's
