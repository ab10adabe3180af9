"""The order of recommenders over publishers is one and the same in the leaderboard, the pictures and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from newsreplay.api import Run
from newsreplay.report.contents import contents
from newsreplay.report.page.page import page_of
from newsreplay.report.pictures.arranged import arranged
from newsreplay.report.pictures.drawing import drawing_into
from newsreplay.report.pictures.ranks import publishers_by_recommenders
from newsreplay.report.ranking import agreement, by_mean_rank, kendall_tau
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.simulator.judgement.comparisons import Ranks, compare
from newsreplay.simulator.judgement.comparisons import ranks as ranks_of
from tests.report.by_hand import Values, rows_of, run_of
from tests.report.made_up_contents import mean_ranks_of

E = "event_success@1"
OTHER_WAY = "A: E@1 and AUC order {} recommenders differently (Kendall's τ -1.00); first by E@1 c, by AUC a"


def publisher_of(values: list[float | None], leaking: tuple[int, ...] = ()) -> tuple[Any, Ranks]:
    """Values, and the ranks of those that do not leak, nobody being certain."""
    column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    fair = np.delete(column, leaking)
    return column, ranks_of(fair, compare(fair, np.repeat(fair[:, None], 3, axis=1), []))


@given(st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=1, max_size=8))
def test_equal_values_share_their_ranks_and_names_without_a_value_come_last(values: list[int | None]) -> None:
    names = [str(number) for number in range(len(values))]
    order, ranks = by_mean_rank(names, (), [publisher_of(list(values))])
    comparable = [-1 if value is None else value for value in values]
    assert order == sorted(names, key=lambda name: -comparable[int(name)])
    assert set(ranks) == {name for name, value in zip(names, values, strict=True) if value is not None}
    for name, mean in ranks.items():
        value = comparable[int(name)]
        better, equal = sum(other > value for other in comparable), comparable.count(value)
        assert mean.rank == better + (equal + 1) / 2
        assert (mean.low, mean.high) == (1, len(values) - comparable.count(-1))


def test_a_recommender_that_leaks_stands_where_its_values_would_place_it_and_has_no_rank() -> None:
    order, ranks = by_mean_rank(["a", "leak", "b", "none"], ["leak"], [publisher_of([1.0, 2.0, 3.0, None], (1,))])
    assert order == ["b", "leak", "a", "none"]
    assert {name: mean.rank for name, mean in ranks.items()} == {"b": 1, "a": 2}


def test_where_all_leak_they_stand_by_value() -> None:
    order, ranks = by_mean_rank(["a", "b"], ["a", "b"], [publisher_of([1.0, 2.0], (0, 1))])
    assert sorted(order) == ["a", "b"]
    assert not ranks


#: With ties and absent values: ranking each publisher's own rows alone, or by the first of equal places, orders the
#: recommenders otherwise (d, b, a, c and d, a, b, c).
TIES_AND_ABSENT: dict[str, list[float | None]] = {
    "a": [None, None, 0.3],
    "b": [0.1, None, 0.2],
    "c": [None, 0.3, 0.1],
    "d": [None, 0.2, 0.3],
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    values: dict[str, Any] = {
        name: {publisher: {E: value} for publisher, value in zip("ABC", column, strict=True)}
        for name, column in TIES_AND_ABSENT.items()
    }
    return run_of(tmp_path / "run", values | {"gone": dict.fromkeys("ABC", "ValueError: x")}, facts={"later_reads": 0})


def test_table_pictures_and_page_have_one_order(run: Run, tmp_path: Path) -> None:
    expected = [("d", 7 / 3), ("b", 8 / 3), ("c", 8.5 / 3), ("a", 3.0), ("gone", None)]
    board = rows_of(leaderboard([run], metrics=[E]))
    assert [*board] == [name for name, _ in expected]
    assert [cells[-1].split()[0] for cells in board.values()] == ["2.3", "2.7", "2.8", "3.0", "-"]
    told = contents(run, slices=False)
    assert [name for name, _ in told["mean_ranks"]] == [name for name, _ in expected]
    assert [rank for _, rank in told["mean_ranks"]] == [
        rank if rank is None else pytest.approx(rank) for _, rank in expected
    ]
    drawn = arranged(told)
    assert drawn.ranked == ["d", "b", "c", "a"]
    with drawing_into(tmp_path / "pictures"):
        heat = publishers_by_recommenders(drawn)
    assert heat is not None
    assert [label.get_text() for label in heat.axes[0].get_yticklabels()] == ["d", "b", "c", "a"]
    note = " ".join(heat.get_supxlabel().split())  # type: ignore[attr-defined]
    assert "equal values share the mean of their places, and a recommender without a value comes last" in note
    page = page_of(told).decode()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert [name for name, _ in data["contents"]["mean_ranks"]] == [name for name, _ in expected]


def test_made_up_contents_are_ranked_alike(run: Run) -> None:
    told = contents(run, slices=False)
    made_up = mean_ranks_of(json.loads(json.dumps(told["publishers"])))
    assert [name for name, _ in made_up] == [name for name, _ in told["mean_ranks"]]
    assert [rank for _, rank in made_up] == [
        rank if rank is None else pytest.approx(rank) for _, rank in told["mean_ranks"]
    ]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=8))
def test_kendalls_tau_is_scipys(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, np.float64).T
    expected = np.nan if len(set(a)) == 1 or len(set(b)) == 1 else kendalltau(a, b).statistic
    assert kendall_tau(a, b) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("auc", "expected"),
    [
        ([0.1, 0.2, 0.9], "A: E@1 and AUC order 3 recommenders alike (Kendall's τ 1.00)"),
        ([0.2, 0.1, 0.9], "A: E@1 and AUC order 3 recommenders differently (Kendall's τ 0.33); first by both c"),
        (
            [0.9, 0.2, 0.1],
            OTHER_WAY.format(3),
        ),
        (
            [0.9, None, 0.1],
            OTHER_WAY.format(2),
        ),
        ([None, None, 0.1], None),
        ([0.5, 0.5, 0.5], None),
    ],
)
def test_orders_by_two_metrics_are_compared(auc: list[float | None], expected: str | None) -> None:
    by_auc = np.array(auc, np.float64)
    assert agreement("A", ["a", "b", "c"], [(E, np.array([0.1, 0.2, 0.3])), ("auc", by_auc)], "reads") == expected


def test_ranks_by_both_metrics_stand_side_by_side_where_their_orders_can_be_compared(tmp_path: Path) -> None:
    both = {"one": (0.3, 0.5), "two": (0.2, 0.7), "none": (0.1, None)}
    values: Values = {name: {"A": {E: success, "auc": auc}} for name, (success, auc) in both.items()}
    run = run_of(tmp_path / "run", values)
    board = leaderboard([run], metrics=[E, "auc"], intervals=False)
    groups, heads = (line.split() for line in board.splitlines()[:2])
    assert [group for group in groups if group.strip("-")] == ["A", "rank"]
    assert heads == ["recommender", "E@1", "AUC", "E@1", "AUC"]
    rows = rows_of(board)
    assert {name: [cell.split()[0] for cell in cells[2:]] for name, cells in rows.items()} == {
        "one": ["1.0", "2.0"],
        "two": ["2.0", "1.0"],
        "none": ["3.0", "-"],
    }
    line = "A: E@1 and AUC order 2 recommenders differently (Kendall's τ -1.00); first by E@1 one, by AUC two"
    assert line in board
    assert line in [note.text for note in contents(run)["notes"]]
    assert list(rows_of(leaderboard([run], metrics=[E, "auc"], rank_by="auc"))) == ["two", "one", "none"]
    assert "Kendall" not in leaderboard([run], metrics=[E])
