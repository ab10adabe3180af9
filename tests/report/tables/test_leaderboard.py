"""Leaderboards, from run folders written out by hand."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsreplay.api import Run
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.log.rows import DAY
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.leaderboard import leaderboard
from tests.naive import comparisons as naive
from tests.report.by_hand import HOSTILE, Values, rows_of, run_of, spread
from tests.sealed import sealed

TWO: Values = {
    "recency": {"A": (0.02, 0.01), "B": (0.05, 0.04)},
    "trend(hours=6)": {"A": (0.125, 0.0625), "B": (0.01, 0.02)},
    "popular": {"A": (0.125, 0.05), "B": (0.05, 0.01)},
}


def bare(run: Run, **options: Any) -> dict[str, list[str]]:
    """The cells of a board without intervals."""
    return rows_of(leaderboard([run], intervals=False, digits=3, **options))


# --- the table --------------------------------------------------------------------------------------------


def test_publishers_stand_side_by_side_and_the_best_of_each_column_is_marked(tmp_path: Path) -> None:
    assert bare(run_of(tmp_path / "run", TWO)) == {
        "popular": ["12.500*", "5.000", "5.000*", "1.000", "1.5   (1–2)"],
        "recency": ["2.000", "1.000", "5.000*", "4.000*", "2.2 (2–2.5)"],
        "trend(hours=6)": ["12.500*", "6.250*", "1.000", "2.000", "2.2 (2–2.5)"],
    }


def test_a_value_has_half_the_width_of_its_interval_beside_it(tmp_path: Path) -> None:
    drawn = {("A", "recency", "event_success@1"): np.linspace(0.4, 0.6, 1000)}
    run = run_of(tmp_path / "run", {"recency": {"A": (0.5, 0.25)}}, replicates=drawn)
    board = leaderboard([run], digits=3)
    assert rows_of(board)["recency"][:2] == ["50.000* ±9.500", "25.000* ±0.000"]
    assert "; ±: half the width of the 95 % interval" in board
    assert "±" not in leaderboard([run], intervals=False, digits=3)
    assert rows_of(leaderboard([run], paper_scale=True))["recency"][0] == "50000* ±9500"


def test_a_value_without_an_interval_has_none_beside_it(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"recency": {"A": {"event_success@1": 0.5, "coverage@10": 0.25}}})
    nothing = run.results[1]._replace(low=None, high=None)
    run.results[1] = nothing
    assert rows_of(leaderboard([run], metrics=["event_success@1", "coverage@10"], digits=3))["recency"] == [
        *("50.000* ±0.000", "25.000", "1.0")
    ]


@pytest.mark.parametrize("intervals", [False, True])
def test_columns_are_headed_and_lined_up(tmp_path: Path, intervals: bool) -> None:
    drawn = {("A", "popular", "event_success@1"): spread(0.125, 0.2, 1)}  # an interval wider than the others
    lines = leaderboard([run_of(tmp_path / "run", TWO, replicates=drawn)], intervals=intervals).splitlines()
    assert re.fullmatch(r" +-+ A -+  -+ B -+", lines[0])
    assert lines[1].split() == ["recommender", "E@1", "P@1", "E@1", "P@1", "mean", "rank"]
    ranks = lines[2].rindex(" ")  # some have a range, with points of its own
    points = [[match.start() for match in re.finditer(r"\.\d", line[14:ranks])] for line in lines[3:6]]
    assert points[0] == points[1] == points[2] != []
    assert len({line.index(".", ranks) for line in lines[3:6]}) == 1
    assert len({len(line) for line in lines[3:6]}) == 1


def test_the_order_is_that_of_the_mean_rank_and_equal_values_share_theirs(tmp_path: Path) -> None:
    rows = bare(run_of(tmp_path / "run", TWO))
    assert {name: cells[-1] for name, cells in rows.items()} == {
        "popular": "1.5   (1–2)",  # first and second at A, first and second at B
        "recency": "2.2 (2–2.5)",  # third at A, shares the first two places at B
        "trend(hours=6)": "2.2 (2–2.5)",
    }
    assert list(rows) == ["popular", "recency", "trend(hours=6)"]  # as typed where the mean ranks are equal


def test_a_single_publisher_has_a_rank_and_no_mean(tmp_path: Path) -> None:
    board = leaderboard([run_of(tmp_path / "run", {"recency": {"A": (0.5, 0.5)}, "random": {"A": (0.6, 0.1)}})])
    assert "mean" not in board.split("\n\n")[0]
    assert list(rows_of(board)) == ["random", "recency"]


def test_values_are_per_cent_unless_the_paper_scale_is_asked_for(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"recency": {"A": (1.23456, 0.00012)}})
    assert bare(run)["recency"][:2] == ["123.456*", "0.012*"]
    assert "in per cent" in leaderboard([run])
    assert bare(run, paper_scale=True)["recency"][:2] == ["123456*", "12*"]
    assert "times 100,000" in leaderboard([run], paper_scale=True)


def test_the_paper_scale_is_for_success_only(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"recency": {"A": {"event_success@1": 0.01, "auc": 0.5}}})
    board = leaderboard([run], metrics=["event_success@1", "auc"], paper_scale=True, digits=3)
    assert rows_of(board)["recency"] == ["1000* ±0", "50.000* ±0.000", "1.0"]
    assert "E@1: times 100,000" in board
    assert "AUC: in per cent" in board


def test_a_failed_pair_is_shown_as_failed_and_ranks_last(tmp_path: Path) -> None:
    values: Values = {
        "mine": {"A": "ValueError: no licence", "B": (0.9, 0.9)},
        "broken": {"A": "KeyError: 5", "B": "KeyError: 6"},
        "recency": {"A": (0.0, 0.0), "B": (0.5, 0.5)},
    }
    run = run_of(tmp_path / "run", values)
    rows = bare(run)
    assert rows["mine"] == ["failed", "failed", "90.000*", "90.000*", "1.8 (1.5–2)"]
    assert rows["broken"] == ["failed", "failed", "failed", "failed", "-"]
    assert rows["recency"] == ["0.000", "0.000", "50.000", "50.000", "1.5"]
    assert "FAILED: mine on A: ValueError: no licence" in leaderboard([run])
    for style in ("markdown", "latex"):
        assert "broken" in leaderboard([run], style=style)


def test_a_run_in_which_everything_failed_has_a_table_in_every_format_and_view(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"mine": {"A": "ValueError: x"}})
    assert rows_of(leaderboard([run])) == {"mine": ["failed", "failed", "-"]}
    for style in ("markdown", "latex"):
        assert leaderboard([run], style=style).count("failed") == 2
    for view in (leaderboard([run], style="json"), costs(run, style="json")):
        assert json.loads(view) == []
    for style in ("table", "markdown", "latex", "csv"):
        assert "mine" not in costs(run, style=style)


def test_where_nothing_was_scored_nothing_failed(tmp_path: Path) -> None:
    board = leaderboard([run_of(tmp_path / "run", {"recency": {"A": None, "B": (0.5, 0.5)}})])
    assert rows_of(board)["recency"][:2] == ["-", "-"]
    assert "failed" not in board.lower()


# --- which metrics, and by which it is ranked -------------------------------------------------------------

BOTH = {"event_success@1": 0.3, "session_success@1": 0.2, "session_mrr@10": 0.1, "coverage@10": 0.9, "novelty@10": 7.25}
OTHER = {"event_success@1": 0.2, "session_success@1": 0.3, "session_mrr@10": 0.4, "coverage@10": 0.8, "novelty@10": 9.0}


def test_chosen_metrics_are_shown_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"one": {"A": BOTH}, "other": {"A": OTHER}})
    board = leaderboard([run], metrics=["novelty@10", "session_mrr@10", "coverage@10"], intervals=False, digits=3)
    assert board.splitlines()[1].split() == ["recommender", "novelty@10", "slate", "MRR@10", "coverage@10", "rank"]
    # What does not judge has no best.
    assert rows_of(board) == {
        "one": ["7.250", "10.000", "90.000", "1.0"],
        "other": ["9.000", "40.000*", "80.000", "2.0"],
    }
    assert "novelty@10: in bits; slate MRR@10, coverage@10: in per cent\n" in board


def test_another_metric_may_rank(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"one": {"A": BOTH}, "other": {"A": OTHER}})
    board = leaderboard([run], rank_by="session_mrr@10")
    assert list(rows_of(board)) == ["other", "one"]
    assert "rank by slate MRR@10" in board


def test_impression_metrics_are_shown_where_somebody_has_them(tmp_path: Path) -> None:
    ranked: dict[str, float | None] = {"auc": 0.6, "mrr": 0.3, "mrr_first": 0.3, "ndcg@5": 0.35, "ndcg@10": 0.4}
    run = run_of(
        tmp_path / "run",
        {"one": {"A": BOTH | ranked}, "none": {"A": OTHER | dict.fromkeys(ranked)}},
    )
    board = leaderboard([run], intervals=False, digits=3)
    assert board.splitlines()[1].split() == ["recommender", "E@1", "P@1", "AUC", "MRR", "nDCG@5", "nDCG@10", "rank"]
    assert rows_of(board)["none"] == ["20.000", "30.000*", "-", "-", "-", "-", "2.0"]


def test_a_metric_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"one": {"A": BOTH}})
    with pytest.raises(NewsreplayError, match=r"'event_succes@1'. Did you mean 'event_success@1'\?"):
        leaderboard([run], metrics=["event_succes@1"])
    with pytest.raises(NewsreplayError, match=r"no metric is called 'zzz'. There are event_success@1, session_"):
        leaderboard([run], rank_by="zzz")
    with pytest.raises(NewsreplayError, match=r"no metric is called 'zzz'. There are"):
        costs(run, rank_by="zzz")


# --- the best, and those that cannot be told from it ------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_those_are_marked_the_range_of_whose_rank_holds_the_first(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"r{i}" for i in range(7)]
    values = {name: round(0.5 - 0.012 * i, 6) for i, name in enumerate(names)}
    shared = rng.normal(0, 0.05, 1000)  # paired: what all have in common tells nothing
    drawn = {name: values[name] + shared + rng.normal(0, 0.01, 1000) for name in names}
    run = run_of(
        tmp_path / "run",
        {name: {"A": {"event_success@1": value}} for name, value in values.items()},
        replicates={("A", name, "event_success@1"): each for name, each in drawn.items()},
    )
    rows = rows_of(leaderboard([run], metrics=["event_success@1"], intervals=False))
    ranked = naive.ranks(list(values.values()), [each.tolist() for each in drawn.values()])
    level = {name for name, each in zip(names[1:], ranked[1:], strict=True) if each.low == 1}
    assert 0 < len(level) < 6  # else this shows nothing
    assert {name for name, cells in rows.items() if cells[0].endswith("~")} == level
    assert [name for name, cells in rows.items() if cells[0].endswith("*")] == ["r0"]


def test_equal_bests_are_both_the_best_and_what_is_certainly_worse_bears_no_mark(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"a": {"A": (0.5, 0.1)}, "b": {"A": (0.5, 0.1)}, "c": {"A": (0.4, 0.1)}})
    rows = bare(run)
    assert [cells[0] for cells in rows.values()] == ["50.000*", "50.000*", "40.000"]
    assert [cells[1] for cells in rows.values()] == ["10.000*", "10.000*", "10.000*"]


@pytest.mark.parametrize(
    ("style", "best", "level"),
    [("markdown", "**50.000**", "49.000 †"), ("latex", r"\textbf{50.000}", r"49.000$^{\dagger}$")],
)
def test_marks_are_set_in_type_where_there_is_type(tmp_path: Path, style: str, best: str, level: str) -> None:
    drawn = {("A", name, "event_success@1"): spread(0.5, 0.1, seed) for seed, name in enumerate("ab")}
    values: Values = {"a": {"A": {"event_success@1": 0.5}}, "b": {"A": {"event_success@1": 0.49}}}
    run = run_of(tmp_path / "run", values, replicates=drawn)
    text = leaderboard([run], style=style, metrics=["event_success@1"], intervals=False, digits=3)
    assert best in text
    assert level in text


# --- digits and intervals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("half", "value"), [(0.12, "50.0 ±12.0"), (0.012, "50.0 ±1.2"), (0.0012, "50.00 ±0.12"), (0.00012, "50.000 ±0.012")]
)
def test_a_column_has_as_many_digits_as_its_widest_interval_deserves(tmp_path: Path, half: float, value: str) -> None:
    run = run_of(tmp_path / "run", {"recency": {"A": (0.5, 0.5)}, "popular": {"A": (0.6, 0.6)}})
    run.results[:] = [
        result._replace(low=result.value - half / narrow, high=result.value + half / narrow)
        for result, narrow in zip(run.results, (1, 10, 5, 50), strict=True)
        if result.value is not None
    ]
    assert rows_of(leaderboard([run]))["recency"][0].replace("  ", " ") == value
    assert rows_of(leaderboard([run], digits=1))["recency"][0].startswith("50.0")
    assert rows_of(leaderboard([run], digits=0))["recency"][0].startswith("50 ")


def test_a_skewed_interval_has_both_ends_and_the_footer_says_so(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"recency": {"A": (0.05, 0.05)}, "popular": {"A": (0.06, 0.06)}})
    run.results[0] = run.results[0]._replace(low=0.04, high=0.09)
    board = leaderboard([run], digits=2)
    assert [cells[0] for cells in rows_of(board).values()] == ["6.00*     ±0.00", "5.00  4.00–9.00"]
    assert "half the width of the 95 % interval, or both its ends where it is skewed" in board
    run.results[0] = run.results[0]._replace(low=0.04, high=0.06)
    assert "it is skewed" not in leaderboard([run], digits=2)


# --- columns, and tables of their own -----------------------------------------------------------------------


def test_columns_without_a_value_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    values: dict[str, float | None] = {"event_success@1": None, "session_success@1": None, "auc": 0.6}
    run = run_of(tmp_path / "run", {name: {"A": values} for name in ("a", "b")})
    assert rows_of(leaderboard([run], intervals=False))["a"] == ["60.00*", "1.5 (1–2)"]
    assert rows_of(leaderboard([run], intervals=False, metrics=["E@1", "AUC"]))["a"][:2] == ["-", "60.00*"]


def test_a_table_per_publisher_ranks_on_that_publisher(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO)
    first, second = leaderboard([run], per="publisher", intervals=False).split("\n\nB\n\n")
    assert first.startswith("A\n\n")
    assert [list(rows_of(part)) for part in (first.removeprefix("A\n\n"), second)] == [
        ["trend(hours=6)", "popular", "recency"],
        ["recency", "popular", "trend(hours=6)"],
    ]
    for part, name in ((first.removeprefix("A\n\n"), "A"), (second, "B")):
        alone = leaderboard([run_of(tmp_path / name, {key: {name: value[name]} for key, value in TWO.items()})])
        assert {key: cells[-1] for key, cells in rows_of(part).items()} == {
            key: cells[-1] for key, cells in rows_of(alone).items()
        }


def test_a_table_per_group_of_metrics_ranks_by_one_of_them(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"one": {"A": BOTH | {"auc": 0.5}}, "other": {"A": OTHER | {"auc": 0.6}}})
    metrics = ["event_success@1", "auc", "novelty@10"]
    parts = leaderboard([run], per="metrics", metrics=metrics, intervals=False).split("\n\n")
    assert parts[::3] == ["beyond accuracy", "candidates of impressions", "slates against what was read next"]
    assert [list(rows_of(part)) for part in parts[1::3]] == [["one", "other"], ["other", "one"], ["one", "other"]]
    assert ["; rank by AUC" in part for part in parts[2::3]] == [False, True, False]


def test_latex_has_a_caption_and_a_label_for_each_table(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO)
    text = leaderboard([run], style="latex", per="publisher", title="Success", label="tab:success")
    assert re.findall(r"\\caption\{.*", text) == [
        r"\caption{Success -- A}\label{tab:success}",
        r"\caption{Success -- B}\label{tab:success-2}",
    ]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert r"\begin{table}" not in leaderboard([run], style="latex")


# --- ranks ------------------------------------------------------------------------------------------------


def test_a_rank_has_the_range_that_paired_tests_of_all_pairs_leave_it(tmp_path: Path) -> None:
    values = {"first": 0.9, "second": 0.52, "third": 0.5, "fourth": 0.1, "fifth": 0.02}
    drawn = {name: spread(value, 0.02, seed) for seed, (name, value) in enumerate(values.items())}
    run = run_of(
        tmp_path / "run",
        {name: {"A": {"event_success@1": value}} for name, value in values.items()},
        replicates={("A", name, "event_success@1"): each for name, each in drawn.items()},
    )
    rows = rows_of(leaderboard([run], metrics=["event_success@1"]))
    expected = naive.ranks(list(values.values()), [each.tolist() for each in drawn.values()])
    texts = [f"{rank:.1f}" + (f" ({low}–{high})" if low < high else "") for rank, low, high in expected]
    assert [cells[-1] for cells in rows.values()] == texts == ["1.0", "2.0 (2–3)", "3.0 (2–3)", "4.0", "5.0"]


def test_a_mean_rank_has_the_mean_of_the_low_and_of_the_high_ends(tmp_path: Path) -> None:
    values: Values = {
        "a": {"A": {"event_success@1": 0.5}, "B": {"event_success@1": 0.9}},
        "b": {"A": {"event_success@1": 0.4}, "B": {"event_success@1": 0.1}},
    }
    drawn = {(p, name, "event_success@1"): spread(0.5, 0.2, seed) for p in "A" for seed, name in enumerate("ab")}
    drawn |= {("B", "a", "event_success@1"): spread(0.9, 0.01, 3), ("B", "b", "event_success@1"): spread(0.1, 0.01, 4)}
    rows = rows_of(leaderboard([run_of(tmp_path / "run", values, replicates=drawn)], metrics=["event_success@1"]))
    assert {name: cells[-1] for name, cells in rows.items()} == {"a": "1.0 (1–1.5)", "b": "2.0 (1.5–2)"}


def test_identical_answers_share_the_range_of_their_ranks_and_the_mark(tmp_path: Path) -> None:
    values: Values = {name: {"A": {"event_success@1": 0.5}} for name in ("a", "b", "c")}
    same, other = spread(0.5, 0.1, 1), spread(0.3, 0.01, 2)
    values = {**values, "c": {"A": {"event_success@1": 0.3}}}
    drawn = {("A", name, "event_success@1"): row for name, row in {"a": same, "b": same, "c": other}.items()}
    rows = rows_of(leaderboard([run_of(tmp_path / "run", values, replicates=drawn)], metrics=["event_success@1"]))
    assert rows["a"] == rows["b"]


def test_what_readers_were_shown_stands_for_comparison_and_is_not_ranked(tmp_path: Path) -> None:
    values: Values = {name: {"A": (share, share)} for name, share in {"a": 0.2, "logged": 0.3, "b": 0.1}.items()}
    board = leaderboard([run_of(tmp_path / "run", values)], intervals=False)
    assert {name: cells[-1] for name, cells in rows_of(board).items()} == {"logged": "-", "a": "1.0", "b": "2.0"}
    assert rows_of(board)["a"][0].endswith("*")
    assert "logged: what readers were shown, for comparison; not ranked" in board


# --- who foresees -----------------------------------------------------------------------------------------


def test_the_oracle_stands_first_and_is_neither_ranked_nor_the_best(tmp_path: Path) -> None:
    values: Values = {
        "recency": {"A": (0.2, 0.1)},
        "oracle": {"A": (0.9, 0.9)},
        "popular": {"A": (0.3, 0.05)},
    }
    board = leaderboard([run_of(tmp_path / "run", values, foresees=["oracle"])], intervals=False, digits=3)
    assert list(rows_of(board).items()) == [
        ("oracle", ["90.000", "90.000", "-"]),
        ("popular", ["30.000*", "5.000", "1.0"]),
        ("recency", ["20.000", "10.000*", "2.0"]),
    ]
    assert "oracle: knows the future; what could be reached at most; not ranked" in board


def test_the_oracle_alone_is_a_table_without_marks(tmp_path: Path) -> None:
    board = leaderboard(
        [run_of(tmp_path / "run", {"oracle": {"A": (0.9, 0.8)}}, foresees=["oracle"])], intervals=False, digits=3
    )
    assert rows_of(board) == {"oracle": ["90.000", "80.000", "-"]}


def test_the_oracle_costs_nothing_and_is_no_rival_by_cost(tmp_path: Path) -> None:
    values: Values = {"oracle": {"A": (0.9, 0.8)}, "recency": {"A": (0.1, 0.1)}}
    run = run_of(tmp_path / "run", values, foresees=["oracle"])
    assert list(rows_of(costs(run))) == ["recency"]
    assert rows_of(costs(run))["recency"][0] == "10.00*"


# --- the footer -------------------------------------------------------------------------------------------


def test_the_footer_tells_where_the_numbers_come_from(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO, made_up=["the times", "the readers"], rejected=1200)
    footer = leaderboard([run]).split("\n\n", 1)[1].splitlines()
    assert footer == [
        "E@1, P@1: in per cent; ±: half the width of the 95 % interval",
        "*: best of its column; ~: may be first (paired tests of all pairs, p > 0.05 after Holm); rank by E@1, with "
        "the range that these tests leave it",
        "data: gazette; sessions scored: A 400 of 1,234, B 400 of 1,234",
        "made up: the times",
        "made up: the readers",
        "rejected: 1,200 of 5,000 rows could not be used",
        "the longest 1 % of A's scored sessions bring 25.0% of all hits at 1",
        "intervals of E at A hold the truth in fewer than 94 of 100 such logs: 400 scored sessions are too few where a "
        "few long ones bring so many hits; those of P are exact",
        "the longest 1 % of B's scored sessions bring 25.0% of all hits at 1",
        "intervals of E at B hold the truth in fewer than 94 of 100 such logs: 400 scored sessions are too few where a "
        "few long ones bring so many hits; those of P are exact",
        f"1.2 s; the run lies in {tmp_path / 'run'}",
    ]


def test_the_footer_tells_how_sessions_are_scored_where_that_is_not_as_usual(tmp_path: Path) -> None:
    options = {"warmup": DAY, "window": 2 * DAY, "max_session_length": 50, "cluster": "user"}
    run = run_of(tmp_path / "run", {"recency": {"A": (0.5, 0.5)}}, options=options, facts={"resampled": "user"})
    assert (
        "sessions scored: A 400 of 1,234; a warm-up of 1d; sessions that begin within 2d; of at most 50 reads; "
        "intervals over users\n"
    ) in leaderboard([run])
    assert "scored again" not in leaderboard([run])
    run.info["rescored"] = {"warmup": DAY, "cluster": "user"}
    again = f"1.2 s to replay, scored again since --warmup 1d --cluster user; the run lies in {run.folder}"
    assert leaderboard([run]).endswith(again)


def test_the_footer_tells_how_a_mean_rank_counts_who_has_no_value(tmp_path: Path) -> None:
    rule = "mean rank: equal values share the mean of their places, and a recommender without a value comes last"
    assert rule not in leaderboard([run_of(tmp_path / "whole", TWO)])
    run = run_of(tmp_path / "run", {**TWO, "mine": {"A": (0.5, 0.5), "B": "ValueError: no licence"}})
    assert f"{rule}\n" in leaderboard([run])
    assert rule not in leaderboard([run], per="publisher")


def test_articles_dropped_from_slates_are_told(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"mine": {"A": (0.5, 0.5)}})
    run.info["pairs"][0]["dropped"] = {"current": 1200, "repeated": 0}
    assert "dropped from the slates of mine on A: 1,200 current\n" in leaderboard([run])


@pytest.mark.parametrize("style", ["markdown", "latex", "json", "csv"])
def test_what_goes_into_a_paper_or_program_does_not_say_where_the_run_lies(tmp_path: Path, style: str) -> None:
    assert "the run lies in" not in leaderboard([run_of(tmp_path / "run", TWO)], style=style)


# --- formats that are read back ---------------------------------------------------------------------------


def cells_of_markdown(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]
    return [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells]


def test_json_has_every_metric_with_its_interval(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO)
    assert json.loads(leaderboard([run], style="json")) == json.loads((run.folder / "results.json").read_text())


def test_csv_has_every_metric_with_its_interval(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {HOSTILE: {"A,\n|": (0.5, 0.25)}, "none": {"A,\n|": None}})
    rows = list(csv.DictReader(io.StringIO(leaderboard([run], style="csv"), newline="")))
    assert [(row["publisher"], row["recommender"]) for row in rows[:2]] == [("A,\n|", HOSTILE)] * 2
    assert [(row["metric"], float(row["value"]), row["n"]) for row in rows[:2]] == [
        ("event_success@1", 0.5, "4"),
        ("session_success@1", 0.25, "4"),
    ]
    assert [rows[2][name] for name in ("value", "low", "high", "n")] == ["", "", "", "0"]


def test_markdown_has_a_cell_for_everything(tmp_path: Path) -> None:
    lines = leaderboard([run_of(tmp_path / "run", TWO)], style="markdown", intervals=False, digits=3).splitlines()
    assert cells_of_markdown(lines[0]) == ["recommender", "A E@1", "A P@1", "B E@1", "B P@1", "mean rank"]
    assert cells_of_markdown(lines[2]) == ["popular", "**12.500**", "5.000", "**5.000**", "1.000", "1.5 (1–2)"]
    assert lines[5] == ""


def test_latex_is_a_booktabs_table(tmp_path: Path) -> None:
    text = leaderboard([run_of(tmp_path / "run", {"my_own 50%": {"A&B": (0.5, 0.25)}})], style="latex")
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}{lrrr}\n\\toprule\n")
    assert "\n\\end{tabular}\n\\par" in text
    assert r"my\_own 50\%" in text
    assert r"\multicolumn{2}{c}{A\&B}" in text


# --- strangers' names -------------------------------------------------------------------------------------


def test_a_hostile_name_breaks_no_table(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {HOSTILE: {HOSTILE: (0.5, 0.25)}, "mine": {HOSTILE: f"ValueError: {HOSTILE}"}})
    board = leaderboard([run])
    assert all(c == "\n" or c.isprintable() for c in board)
    assert max(map(len, board.split("\n\n")[0].splitlines())) < 500
    assert max(map(len, board.splitlines())) <= 2000
    assert sum("FAILED" in line for line in board.splitlines()) == 1


@given(
    names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3, unique=True),
    style=st.sampled_from(["table", "markdown", "latex", "json", "csv"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_breaks_any_format(tmp_path_factory: pytest.TempPathFactory, names: list[str], style: str) -> None:
    run = run_of(tmp_path_factory.mktemp("runs") / "run", {name: {"A": (0.5, 0.5)} for name in names})
    text = leaderboard([run], style=style)
    head = text.split("\n\n")[0].splitlines()
    if style == "json":
        assert {row["recommender"] for row in json.loads(text)} == {*names}
    elif style == "csv":
        quoted = {f"'{name}" if name[0] in "=+-@\t\r" else name for name in names}  # no formula for spreadsheets
        assert {row["recommender"] for row in csv.DictReader(io.StringIO(text, newline=""))} == quoted
    elif style == "markdown":
        assert len(head) == 2 + len(names)
        assert {len(cells_of_markdown(line)) for line in head} == {4}
    elif style == "latex":
        rows = text.split("\\midrule\n")[1].split("\n\\bottomrule")[0].splitlines()
        assert len(rows) == len(names)
    else:
        assert len(head) == 3 + len(names)


# --- several runs -----------------------------------------------------------------------------------------


def test_runs_are_merged_by_publisher_and_recommender(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "one", {"recency": {"A": (0.5, 0.5)}}),
        run_of(tmp_path / "two", {"trend": {"A": (0.6, 0.6)}}),
        run_of(tmp_path / "three", {"trend": {"B": (0.7, 0.7)}}),
    ]
    board = leaderboard(runs, intervals=False, digits=3)
    assert rows_of(board) == {
        "trend": ["60.000*", "60.000*", "70.000*", "70.000*", "1.0"],
        "recency": ["50.000", "50.000", "-", "-", "2.0"],
    }
    assert [line.split(" in ")[1] for line in board.splitlines() if "the run lies in" in line] == [
        str(run.folder) for run in runs
    ]


def test_where_names_clash_the_later_runs_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / name / "run", {"recency": {"A": (0.5, 0.5)}}) for name in ("one", "two", "three")]
    names = [row["recommender"] for row in json.loads(leaderboard(runs, style="json"))][::2]
    assert names == ["recency", *(f"recency [{run.folder}]" for run in runs[1:])]


def test_runs_on_other_data_of_the_same_name_do_not_share_a_table(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "one", {"recency": {"A": (0.5, 0.5)}}),
        run_of(tmp_path / "two", {"trend": {"A": (0.6, 0.6)}}, digests={"A": "1"}),
    ]
    with pytest.raises(RunError, match=r"A is another log in .*two than in .*one; .*show them one at a time"):
        leaderboard(runs)


@pytest.mark.parametrize(
    ("option", "value"),
    [("warmup", 60_000), ("window", 5), ("max_session_length", 9), ("strict_deadline", True)],
)
def test_runs_that_do_not_score_the_same_do_not_share_a_table(tmp_path: Path, option: str, value: Any) -> None:
    runs = [
        run_of(tmp_path / "one", {"recency": {"A": (0.5, 0.5)}}),
        run_of(tmp_path / "two", {"trend": {"A": (0.6, 0.6)}}, options={option: value, "deadline": 100}),
    ]
    with pytest.raises(RunError, match=rf"two and .*one do not score the same \({option} is .*one at a time"):
        leaderboard(runs)


@pytest.mark.parametrize(("option", "value"), [("seed", 1), ("resampled", "day"), ("impressions_resampled", "user")])
def test_runs_that_were_resampled_otherwise_are_joined_without_what_needs_pairs(
    tmp_path: Path, option: str, value: Any
) -> None:
    def runs(options: dict[str, Any], facts: dict[str, Any]) -> list[Run]:
        place = tmp_path / ("other" if options or facts else "same")
        drawn = [{("A", name, "event_success@1"): spread(0.5, 0.1, seed)} for seed, name in enumerate("ab")]
        return [
            run_of(place / "one", {"a": {"A": {"event_success@1": 0.5}}}, replicates=drawn[0]),
            run_of(
                place / "two",
                {"b": {"A": {"event_success@1": 0.49}}},
                replicates=drawn[1],
                options=options,
                facts=facts,
            ),
        ]

    paired, apart = (
        leaderboard(each, metrics=["event_success@1"], intervals=False, digits=3)
        for each in (runs({}, {}), runs({"seed": 1}, {}) if option == "seed" else runs({}, {option: value}))
    )
    assert rows_of(paired) == {"a": ["50.000*", "1.0 (1–2)"], "b": ["49.000~", "2.0 (1–2)"]}
    assert rows_of(apart) == {"a": ["50.000*", "1.0"], "b": ["49.000", "2.0"]}
    assert "may be first" not in apart
    assert "range" not in apart
    assert "the runs were not resampled alike" in apart


# --- cost -------------------------------------------------------------------------------------------------


def test_cost_without_timing_has_no_columns_of_answer_times(tmp_path: Path) -> None:
    timing = {"fast": {"seconds": 0.002, "state_bytes": 12_345}, "slow": {"seconds": 4.0, "state_bytes": None}}
    run = run_of(tmp_path / "run", {"slow": {"A": (0.2, 0.1)}, "fast": {"A": (0.3, 0.1)}}, timing=timing)
    text = costs(run)
    assert text.splitlines()[0].split("  ") != []
    assert re.split(r"\s{2,}", text.splitlines()[0].strip()) == [
        "recommender",
        "E@1",
        "µs/event",
        "events/s",
        "state kB",
    ]
    assert rows_of(text) == {  # of 1,000 rows
        "fast": ["30.00*", "2.000", "500,000", "12"],
        "slow": ["20.00", "4000.000", "250", "-"],
    }


def test_cost_with_timing_has_the_percentiles_and_with_a_deadline_the_share_beyond_it(tmp_path: Path) -> None:
    answers = {"answers": 50, "p50": 0.25, "p95": 1.5, "p99": 20.0, "longest": 101.0}
    for late in (None, 0.02):
        told = answers | ({} if late is None else {"late": late})
        run = run_of(tmp_path / str(late), {"one": {"A": (0.2, 0.1)}}, timing={"one": {"answers": told}})
        cells = rows_of(costs(run))["one"][4:]
        assert cells == ["250", "1,500", "20,000", "101,000", *(["2.00 %"] if late else [])]
        (record,) = json.loads(costs(run, style="json"))
        assert [record[name] for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "late")] == [
            *(0.25, 1.5, 20.0, 101.0, late)
        ]


@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4]), st.sampled_from([0.5, 1.0, 2.0, 4.0])), min_size=1, max_size=8
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_pareto_marks_are_those_of_a_quadratic_oracle(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]]
) -> None:
    values = {f"r{i}": {"A": {"event_success@1": quality}} for i, (quality, _) in enumerate(points)}
    timing = {f"r{i}": {"seconds": seconds} for i, (_, seconds) in enumerate(points)}
    run = run_of(tmp_path_factory.mktemp("runs") / "run", values, timing=timing)
    beaten = {
        i
        for (i, mine), (j, other) in itertools.product(enumerate(points), repeat=2)
        if i != j and other != mine and other[0] >= mine[0] and other[1] <= mine[1]
    }
    records = {record["recommender"]: record["pareto"] for record in json.loads(costs(run, style="json"))}
    assert records == {f"r{i}": i not in beaten for i in range(len(points))}
    assert {name: cells[0].endswith("*") for name, cells in rows_of(costs(run)).items()} == records


# --- slices -----------------------------------------------------------------------------------------------


def test_a_dimension_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO)
    with pytest.raises(NewsreplayError, match=r"no slices by 'postion'. Did you mean 'position'\?"):
        by_slice(run, "postion")


# --- folders that are no finished run ---------------------------------------------------------------------


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    run_of(tmp_path / "run", TWO)
    (tmp_path / "run" / "unfinished").touch()
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(RunError, match=r"holds a run that has not ended, .*; start one with 'newsreplay run --out"):
        Run(tmp_path / "run")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match="holds no run; start one with"):
            Run(folder)


@pytest.mark.parametrize("name", ["run.json", "results.json", "timing.json"])
@pytest.mark.parametrize("text", [None, "", "{", "5", "[5]"])
def test_a_damaged_run_is_refused_by_the_name_of_its_file(tmp_path: Path, name: str, text: str | None) -> None:
    path = run_of(tmp_path / "run", TWO).folder / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(RunError, match=f"{name} cannot be read|holds no run"):
        Run(tmp_path / "run")


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY", b"no array"])
def test_damaged_replicates_are_named(tmp_path: Path, content: bytes | None) -> None:
    run = run_of(tmp_path / "run", TWO)
    path = run.folder / "replicates" / "B.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"replicates/B.npy cannot be read"):
        leaderboard([run])


def test_replicates_of_another_run_are_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO)
    np.save(run.folder / "replicates" / "B.npy", np.zeros((1, 2, 1000)))
    with pytest.raises(RunError, match=r"B.npy cannot be read \(it does not hold what was written\)"):
        leaderboard([run])
    with pytest.raises(RunError, match=r"B.npy does not fit .*results.json; run it again"):
        leaderboard([Run(sealed(run.folder))])


def test_a_run_of_another_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run", TWO).folder / "run.json"
    path.write_text(path.read_text().replace('"format": 4', '"format": 3'))
    with pytest.raises(RunError, match=r"another version of newsreplay \(format 3, this one reads 4\); run it again"):
        Run(tmp_path / "run")
