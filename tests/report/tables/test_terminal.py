"""Tables on terminals that are too narrow for them, and in colours."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.tables import BEST, LEVEL, Cell, ReportTable, Screen
from newsreplay.report.tables.terminal import terminal
from tests.report.by_hand import Values, run_of

THREE: Values = {name: dict.fromkeys(("north", "south", "west"), (0.125, 0.0625)) for name in ("recency", "popular")}


def table_of(groups: dict[str, list[str]], **more: object) -> ReportTable:
    """Two rows, in which a cell tells its column."""
    columns = [(group, head) for group, heads in groups.items() for head in heads]
    rows = [(name, [Cell(f"{group}{head}", "±1") for group, head in columns]) for name in ("first", "second")]
    return ReportTable("name", columns, rows, ["a note of some length"])._replace(**more)


def heads_of(text: str) -> list[list[str]]:
    """The headings of each part, left out the first."""
    lines = text.splitlines()
    return [lines[place - 1].split()[1:] for place, line in enumerate(lines) if re.fullmatch(r"-+(  -+)+", line)]


def test_a_group_stands_once_over_its_columns() -> None:
    lines = terminal(table_of({"mind": ["E@1", "P@1", "AUC"], "": ["rank"]}), Screen()).splitlines()
    assert lines[:3] == [
        "        -------------- mind --------------",
        "name           E@1         P@1         AUC     rank",
        "------  ----------  ----------  ----------  -------",
    ]


def test_a_group_wider_than_its_columns_widens_them() -> None:
    table = ReportTable("name", [("publisher.example.org", "x"), ("b", "y")], [("first", [Cell("1"), Cell("2")])], [])
    lines = terminal(table, Screen()).splitlines()
    assert lines[0].split() == ["publisher.example.org", "b"]
    assert lines[2].split()[1] == "-" * len("publisher.example.org")
    assert len({len(line) for line in lines[1:4]}) == 1


def test_columns_that_may_go_go_one_sort_after_another_and_it_is_said() -> None:
    table = table_of({"A": ["x", "y", "z"], "B": ["x", "y", "z"]}, optional=["z", "y"])
    assert heads_of(terminal(table, Screen(200))) == [["x", "y", "z"] * 2]
    for width, heads, note in ((40, ["x", "y"], "z"), (24, ["x"], "z, y")):
        text = terminal(table, Screen(width))
        assert heads_of(text) == [heads * 2]
        assert f"not shown, for a line has {width} characters: {note} (--metrics)" in " ".join(text.split())


def test_what_is_asked_for_by_name_comes_in_parts_publishers_whole() -> None:
    table = table_of({"A": ["x", "y"], "B": ["x", "y"], "C": ["x"], "": ["rank"]})
    assert heads_of(terminal(table, Screen(24))) == [["x", "y"], ["x", "y"], ["x", "rank"]]
    assert heads_of(terminal(table, Screen(36))) == [["x", "y", "x", "y"], ["x", "rank"]]


def test_where_not_even_a_group_fits_its_columns_part() -> None:
    assert heads_of(terminal(table_of({"A": ["x", "y", "z"]}), Screen(16))) == [["x"], ["y"], ["z"]]


@given(
    groups=st.dictionaries(
        st.sampled_from(["", "A", "publisher"]), st.lists(st.sampled_from("xyz"), min_size=1, unique=True), min_size=1
    ),
    optional=st.lists(st.sampled_from("xyz"), unique=True, max_size=2),
    width=st.integers(24, 90),
)
@settings(max_examples=150, deadline=None)
def test_no_line_is_longer_than_the_screen_and_no_column_is_lost_unsaid(
    groups: dict[str, list[str]], optional: list[str], width: int
) -> None:
    table = table_of(groups, optional=optional)
    text = terminal(table, Screen(width))
    assert max(map(len, text.splitlines())) <= width
    shown = [head for part in heads_of(text) for head in part]
    dropped = re.search(r"characters: ([xyz, ]+) \(", " ".join(text.split()))
    missing = set(dropped[1].split(", ")) if dropped else set()
    assert missing <= set(optional)
    assert sorted(shown) == sorted(head for _, head in table.columns if head not in missing)


def test_a_leaderboard_keeps_the_metric_that_ranks(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", THREE)
    assert heads_of(leaderboard([run], screen=Screen(80)))[0].count("P@1") == 0
    assert heads_of(leaderboard([run], screen=Screen(80)))[0].count("E@1") == 3
    assert heads_of(leaderboard([run], screen=Screen(80), rank_by="session_success@1"))[0].count("P@1") == 3
    named = heads_of(leaderboard([run], screen=Screen(80), metrics=["E@1", "P@1"]))
    assert sum(part.count("P@1") for part in named) == 3
    assert heads_of(leaderboard([run]))[0].count("P@1") == 3


@pytest.mark.parametrize("colour", [False, True])
def test_colours_change_no_character(colour: bool) -> None:
    row = [Cell("1.0", "±0.5", BEST), Cell("2.0", "±0.5", LEVEL), Cell("3.0")]
    table = ReportTable("name", [("A", head) for head in "abc"], [("x", row), ("y", row[::-1])], [])
    text = terminal(table, Screen(None, colour))
    assert ("\x1b[" in text) == colour
    assert click.unstyle(text) == terminal(table, Screen())
