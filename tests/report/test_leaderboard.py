"""Leaderboards, from run folders written out by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsreplay.errors import RunError
from newsreplay.report.leaderboard import leaderboard
from newsreplay.report.run_folder import Run

Values = dict[str, dict[str, tuple[float, float] | str | None]]
"""Recommender → publisher → (E@1, P@1), the error of a failed one, or None where nothing was scored."""


def run_of(folder: Path, values: Values, **data: Any) -> Run:
    """A finished run with these values; `data` overrides what run.json tells about the data."""
    folder.mkdir(parents=True)
    publishers = list(dict.fromkeys(publisher for mine in values.values() for publisher in mine))
    cells = [
        (publisher, name, mine[publisher])
        for publisher in publishers
        for name, mine in values.items()
        if publisher in mine
    ]
    results = [
        {
            "publisher": publisher,
            "recommender": name,
            "metric": f"{metric}@1",
            "value": value,
            "low": value,
            "high": value,
        }
        | {"n": 0 if value is None else 4}
        for publisher, name, cell in cells
        if not isinstance(cell, str)
        for metric, value in zip(("event_success", "session_success"), cell or (None, None), strict=True)
    ]
    pairs = [
        {"publisher": publisher, "recommender": name}
        | ({"status": "failed", "error": cell, "traceback": ""} if isinstance(cell, str) else {"status": "done"})
        for publisher, name, cell in cells
    ]
    digests = data.pop("digests", {})
    facts = [
        {"publisher": publisher, "digest": digests.get(publisher, "0"), "scored_sessions": 4, "sessions": 1234}
        | {"hits": 8, "hits_of_longest": 2}
        for publisher in publishers
    ]
    told = {"name": "gazette", "made_up": [], "leaks": [], "rejected": 0, "rows_in": 5000} | data
    info = {"format": 1, "data": told, "recommenders": list(values), "publishers": facts, "pairs": pairs}
    for name, value in (("results", results), ("timing", {"seconds": 1.25, "pairs": []}), ("run", info)):
        (folder / f"{name}.json").write_text(json.dumps(value), "utf-8")
    return Run(folder)


TWO: Values = {
    "recency": {"A": (0.02, 0.01), "B": (0.05, 0.04)},
    "trend(hours=6)": {"A": (0.125, 0.0625), "B": (0.01, 0.02)},
    "popular": {"A": (0.125, 0.05), "B": (0.05, 0.01)},
}


def rows_of(board: str) -> dict[str, list[str]]:
    """The cells of a table by recommender."""
    lines = board.split("\n\n")[0].splitlines()[3:]
    return {re.split(r"\s{2,}", line.strip())[0]: re.split(r"\s{2,}", line.strip())[1:] for line in lines}


# --- the table --------------------------------------------------------------------------------------------


def test_publishers_stand_side_by_side_and_the_best_of_each_column_is_marked(tmp_path: Path) -> None:
    rows = rows_of(leaderboard([run_of(tmp_path / "run", TWO)]))
    assert rows == {
        "popular": ["12.500*", "5.000", "5.000*", "1.000", "1.5"],
        "recency": ["2.000", "1.000", "5.000*", "4.000*", "2.2"],
        "trend(hours=6)": ["12.500*", "6.250*", "1.000", "2.000", "2.2"],
    }


def test_columns_are_headed_and_lined_up(tmp_path: Path) -> None:
    lines = leaderboard([run_of(tmp_path / "run", TWO)]).splitlines()
    assert lines[0].split() == ["recommender", "A", "A", "B", "B", "mean"]
    assert lines[1].split() == ["E@1", "P@1", "E@1", "P@1", "rank"]
    assert len({line.index(".", 20) for line in lines[3:6]}) == 1


def test_the_order_is_that_of_the_mean_rank_and_equal_values_share_theirs(tmp_path: Path) -> None:
    rows = rows_of(leaderboard([run_of(tmp_path / "run", TWO)]))
    assert {name: cells[-1] for name, cells in rows.items()} == {
        "popular": "1.5",  # first and second at A, first and second at B
        "recency": "2.2",  # third at A, shares the first two places at B
        "trend(hours=6)": "2.2",
    }
    assert list(rows) == ["popular", "recency", "trend(hours=6)"]  # as typed where the mean ranks are equal


def test_a_single_publisher_has_a_rank_and_no_mean(tmp_path: Path) -> None:
    board = leaderboard([run_of(tmp_path / "run", {"recency": {"A": (0.5, 0.5)}, "random": {"A": (0.6, 0.1)}})])
    assert "mean" not in board.split("\n\n")[0]
    assert list(rows_of(board)) == ["random", "recency"]


def test_values_are_per_cent_unless_the_paper_scale_is_asked_for(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"recency": {"A": (1.23456, 0.00012)}})
    assert rows_of(leaderboard([run]))["recency"][:2] == ["123.456*", "0.012*"]
    assert "in per cent" in leaderboard([run])
    assert rows_of(leaderboard([run], paper_scale=True))["recency"][:2] == ["123456*", "12*"]
    assert "times 100,000" in leaderboard([run], paper_scale=True)


def test_a_failed_pair_is_shown_as_failed_and_ranks_last(tmp_path: Path) -> None:
    values: Values = {
        "mine": {"A": "ValueError: no licence", "B": (0.9, 0.9)},
        "broken": {"A": "KeyError: 5", "B": "KeyError: 6"},
        "recency": {"A": (0.0, 0.0), "B": (0.5, 0.5)},
    }
    run = run_of(tmp_path / "run", values)
    board = leaderboard([run])
    rows = rows_of(board)
    assert rows["mine"] == ["failed", "failed", "90.000*", "90.000*", "1.8"]
    assert rows["broken"] == ["failed", "failed", "failed", "failed", "2.8"]
    assert rows["recency"] == ["0.000*", "0.000*", "50.000", "50.000", "1.5"]
    assert "FAILED: mine on A: ValueError: no licence" in board
    for style in ("markdown", "latex"):
        assert "broken" in leaderboard([run], style=style)


def test_a_run_in_which_everything_failed_has_a_table(tmp_path: Path) -> None:
    board = leaderboard([run_of(tmp_path / "run", {"mine": {"A": "ValueError: x"}})])
    assert rows_of(board) == {"mine": ["failed", "failed", "1.0"]}


def test_where_nothing_was_scored_nothing_failed(tmp_path: Path) -> None:
    board = leaderboard([run_of(tmp_path / "run", {"recency": {"A": None, "B": (0.5, 0.5)}})])
    assert rows_of(board)["recency"][:2] == ["-", "-"]
    assert "failed" not in board.lower()


# --- the footer -------------------------------------------------------------------------------------------


def test_the_footer_tells_where_the_numbers_come_from(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", TWO, made_up=["the times", "the readers"], rejected=1200)
    footer = leaderboard([run]).split("\n\n", 1)[1].splitlines()
    assert footer == [
        "E@1, P@1: event- and session-level success at 1, in per cent; * best of its column; rank by E@1",
        "data: gazette; sessions scored: A 4 of 1,234, B 4 of 1,234",
        "made up: the times",
        "made up: the readers",
        "rejected: 1,200 of 5,000 rows could not be used",
        "the longest 1 % of A's scored sessions bring 25.0% of all hits at 1",
        "the longest 1 % of B's scored sessions bring 25.0% of all hits at 1",
        f"1.2 s; the run lies in {tmp_path / 'run'}",
    ]


def test_articles_dropped_from_slates_are_told(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"mine": {"A": (0.5, 0.5)}})
    run.info["pairs"][0]["dropped"] = {"current": 1200, "repeated": 0}
    assert "dropped from the slates of mine on A: 1,200 current\n" in leaderboard([run])


@pytest.mark.parametrize("style", ["markdown", "latex", "json", "csv"])
def test_what_goes_into_a_paper_or_program_has_no_footer(tmp_path: Path, style: str) -> None:
    assert "the run lies in" not in leaderboard([run_of(tmp_path / "run", TWO)], style=style)


# --- formats that are read back ---------------------------------------------------------------------------

HOSTILE = "x|y & 5% of_$#{}~^\\ \x1b[31mred\x07 \r\n<b>\u202e'\"`,; \ud800" + "z" * 5000


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
    lines = leaderboard([run_of(tmp_path / "run", TWO)], style="markdown").splitlines()
    assert cells_of_markdown(lines[0]) == ["recommender", "A E@1", "A P@1", "B E@1", "B P@1", "mean rank"]
    assert cells_of_markdown(lines[2]) == ["popular", "12.500*", "5.000", "5.000*", "1.000", "1.5"]
    assert len(lines) == 5


def test_latex_is_a_booktabs_table(tmp_path: Path) -> None:
    text = leaderboard([run_of(tmp_path / "run", {"my_own 50%": {"A&B": (0.5, 0.25)}})], style="latex")
    assert text.startswith("\\begin{tabular}{lrrr}\n\\toprule\n")
    assert text.endswith("\\bottomrule\n\\end{tabular}")
    assert r"my\_own 50\%" in text
    assert r"A\&B E@1" in text


# --- strangers' names -------------------------------------------------------------------------------------


def test_a_hostile_name_breaks_no_table(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {HOSTILE: {HOSTILE: (0.5, 0.25)}, "mine": {HOSTILE: f"ValueError: {HOSTILE}"}})
    board = leaderboard([run])
    assert all(c == "\n" or c.isprintable() for c in board)
    assert max(map(len, board.split("\n\n")[0].splitlines())) < 500
    assert max(map(len, board.splitlines())) <= 2000
    assert sum("FAILED" in line for line in board.splitlines()) == 1


def test_a_hostile_name_breaks_no_markdown(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {HOSTILE: {"A": (0.5, 0.25)}, "a\\|b\\": {"A": (0.5, 0.25)}})
    lines = leaderboard([run], style="markdown").splitlines()
    assert len(lines) == 4
    assert all(len(cells_of_markdown(line)) == 4 for line in lines)
    assert cells_of_markdown(lines[3])[0] == "a\\|b\\"


def test_a_hostile_name_breaks_no_latex(tmp_path: Path) -> None:
    text = leaderboard([run_of(tmp_path / "run", {HOSTILE: {"A": (0.5, 0.25)}})], style="latex")
    (row,) = [line for line in text.splitlines() if line.endswith(r"\\") and "red" in line]
    bare = re.sub(
        r"\\(textasciitilde|textasciicircum|textbackslash|ensuremath)\b|\\[&%$#_{}~^\\]", "", row.removesuffix(r"\\")
    )
    assert bare.count("&") == 3
    assert not re.search(r"[%$#_^~\\]", bare)


@given(
    names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3, unique=True),
    style=st.sampled_from(["table", "markdown", "latex", "json", "csv"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_breaks_any_format(tmp_path_factory: pytest.TempPathFactory, names: list[str], style: str) -> None:
    run = run_of(tmp_path_factory.mktemp("runs") / "run", {name: {"A": (0.5, 0.5)} for name in names})
    text = leaderboard([run], style=style)
    if style == "json":
        assert {row["recommender"] for row in json.loads(text)} == {*names}
    elif style == "csv":
        assert {row["recommender"] for row in csv.DictReader(io.StringIO(text, newline=""))} == {*names}
    elif style == "markdown":
        assert len(text.splitlines()) == 2 + len(names)
        assert {len(cells_of_markdown(line)) for line in text.splitlines()} == {4}
    elif style == "latex":
        assert len(text.splitlines()) == 6 + len(names)
    else:
        assert len(text.split("\n\n")[0].splitlines()) == 3 + len(names)


# --- several runs -----------------------------------------------------------------------------------------


def test_runs_are_merged_by_publisher_and_recommender(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "one", {"recency": {"A": (0.5, 0.5)}}),
        run_of(tmp_path / "two", {"trend": {"A": (0.6, 0.6)}}),
        run_of(tmp_path / "three", {"trend": {"B": (0.7, 0.7)}}),
    ]
    board = leaderboard(runs)
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
    assert len(leaderboard(runs, style="markdown").splitlines()) == 2 + 3


def test_runs_on_other_data_of_the_same_name_do_not_share_a_table(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "one", {"recency": {"A": (0.5, 0.5)}}),
        run_of(tmp_path / "two", {"trend": {"A": (0.6, 0.6)}}, digests={"A": "1"}),
    ]
    with pytest.raises(RunError, match=r"A is another log in .*two than in .*one; .*show them one at a time"):
        leaderboard(runs)


# --- folders that are no finished run ---------------------------------------------------------------------


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    run_of(tmp_path / "run", TWO)
    (tmp_path / "run" / "unfinished").touch()
    with pytest.raises(RunError, match="holds a run that has not ended; start one with 'newsreplay run --out"):
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


def test_a_run_of_another_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = run_of(tmp_path / "run", TWO).folder / "run.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(RunError, match=r"another version of newsreplay \(format 2, this one reads 1\); run it again"):
        Run(tmp_path / "run")
