"""Publishers with few scored sessions: what is shown of them, everywhere, and what reads at one time cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from newsreplay.api import Run
from newsreplay.report.contents import contents
from newsreplay.report.facts import notes
from newsreplay.report.page.page import page_of
from newsreplay.report.pictures.arranged import arranged
from newsreplay.report.shown import FEW_SESSIONS, few_notes, headline, hides, shown
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.missed import missed
from newsreplay.simulator.judgement.measures import IMPRESSIONS, POOLED, SLATES, names
from tests.report.by_hand import rows_of, run_of

OF_SLATES = [metric for metric in names(10) if metric.partition("@")[0] in SLATES]
EVERY = names(10)

#: Success says trend, AUC says buffer.
BETTER = {"trend": 0.9, "buffer": 0.4, "random": 0.1}
AUC = {"trend": 0.5, "buffer": 0.7, "random": 0.3}


def run_with(folder: Path, *, impressions: bool = True, **sessions: int) -> Run:
    """A run on publishers with so many scored sessions, every metric with a value; `M` alone has impressions."""
    values: dict[str, dict[str, Any]] = {}
    for name, value in BETTER.items():
        slates = dict.fromkeys(EVERY, value)
        ranked = dict.fromkeys((*IMPRESSIONS, POOLED), AUC[name] if impressions else None)
        none = dict.fromkeys((*IMPRESSIONS, POOLED))
        values[name] = {publisher: slates | (ranked if publisher == "M" else none) for publisher in sessions}
    run = run_of(folder, values, facts={"later_reads": 0})
    for facts in run.info["publishers"]:
        facts["scored_sessions"] = sessions[facts["publisher"]]
        facts["scored_impressions"] = facts["impressions"] = 500 if impressions and facts["publisher"] == "M" else 0
    return run


# --- the decision ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", EVERY)
def test_metrics_of_slates_are_shown_from_so_many_sessions_on_or_by_name(metric: str, tmp_path: Path) -> None:
    facts = run_with(tmp_path / "run", M=7).facts("M")
    assert hides(facts, metric, few=8) == (metric in OF_SLATES)
    assert not hides(facts, metric, few=7)
    assert not hides(facts, metric, [metric], few=8)


def test_results_keep_what_is_not_shown(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", M=FEW_SESSIONS - 1)
    kept = {result.metric: result.value for result in run.results if result.recommender == "trend"}
    assert all(kept[metric] == 0.9 for metric in OF_SLATES)
    measured = shown(run, "M")
    assert [result.n for result in measured.results] == [result.n for result in run.results]
    for result, replicates in zip(
        measured.results, measured.replicates.reshape(len(measured.results), -1), strict=True
    ):
        gone = result.metric in OF_SLATES
        assert ((result.value, result.low, result.high) == (None, None, None)) == gone
        assert bool((replicates != replicates).all()) == gone


def test_what_ranks_is_auc_where_success_is_not_shown(tmp_path: Path) -> None:
    few, enough = run_with(tmp_path / "few", M=29).facts("M"), run_with(tmp_path / "enough", M=30).facts("M")
    assert (headline(few), headline(enough)) == ("auc", "event_success@1")
    assert headline(run_with(tmp_path / "bare", impressions=False, M=29).facts("M")) == "event_success@1"


# --- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["table", "markdown", "latex", "csv", "json"])
def test_no_leaderboard_shows_success_of_few_sessions_and_all_say_why(style: str, tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", M=11)
    board = leaderboard([run], style=style)
    assert "90.00" not in board
    if style == "json":
        cells = {(cell["metric"], cell["recommender"]): cell for cell in json.loads(board)}
        assert all(cells[metric, "trend"]["value"] is None for metric in OF_SLATES)
        assert cells["auc", "trend"]["value"] == 0.5
    elif style != "csv":
        assert "M has 11 scored sessions, fewer than 30" in board.replace("\\", "")


def test_few_sessions_are_ranked_by_auc(tmp_path: Path) -> None:
    rows = rows_of(leaderboard([run_with(tmp_path / "run", M=11)], intervals=False))
    assert list(rows) == ["buffer", "trend", "random"]
    assert [row[0].strip("*~") for row in rows.values()] == ["70.00", "50.00", "30.00"]
    assert [row[-1].split()[0] for row in rows.values()] == ["1.0", "2.0", "3.0"]


def test_few_sessions_without_impressions_are_not_ranked(tmp_path: Path) -> None:
    rows = rows_of(leaderboard([run_with(tmp_path / "run", impressions=False, M=11)]))
    assert all(row == ["-", "-", "-"] for row in rows.values())


def test_metrics_asked_for_by_name_are_shown_with_a_warning_and_do_not_rank(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", M=11)
    board = leaderboard([run], metrics=["E@1", "AUC"], intervals=False)
    assert "E@1 of M: asked for by name, but 11 scored sessions tell little" in board
    assert {name: row[0].strip("*~") for name, row in rows_of(board).items()} == {
        "buffer": "40.00",
        "trend": "90.00",
        "random": "10.00",
    }
    assert list(rows_of(board)) == ["buffer", "trend", "random"]  # by AUC
    by_name = leaderboard([run], rank_by="E@1", intervals=False)
    assert "E@1 of M: asked for by name, but 11 scored sessions tell little" in by_name
    assert list(rows_of(by_name)) == ["trend", "buffer", "random"]


@pytest.mark.parametrize("rank_by", [None, "E@1", "P@10"])
def test_few_sessions_do_not_count_in_mean_ranks_by_success(rank_by: str | None, tmp_path: Path) -> None:
    both = run_with(tmp_path / "both", A=400, M=11)
    both.results = [  # at M another one leads by success, and a third one by AUC
        cell._replace(value=0.95) if (cell.publisher, cell.recommender) == ("M", "random") else cell
        for cell in both.results
    ]
    rows = rows_of(leaderboard([both], rank_by=rank_by, intervals=False))
    rank = -2 if rank_by == "E@1" else -1  # named, it is shown of M, too, and beside it the rank by AUC
    assert {name: row[rank] for name, row in rows.items()} == {"trend": "1.0", "buffer": "2.0", "random": "3.0"}
    assert "it is left out of mean ranks by them" in leaderboard([both], rank_by=rank_by)


def test_a_mean_rank_by_auc_leaves_nobody_out_for_few_sessions(tmp_path: Path) -> None:
    rows = rows_of(leaderboard([run_with(tmp_path / "run", A=400, M=11)], rank_by="AUC"))
    assert list(rows) == ["buffer", "trend", "random"]


def test_comparisons_show_no_success_of_few_sessions(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", M=11)
    pair = rows_of(compare(run, "trend", "buffer"))
    assert {name: row[0] for name, row in pair.items() if name in ("E@1", "P@10", "slate MRR@5", "AUC")} == {
        "E@1": "-",
        "P@10": "-",
        "slate MRR@5": "-",
        "AUC": "50.00",
    }
    assert "M has 11 scored sessions" in compare(run, "trend", "buffer")
    assert "AUC: in per cent" in compare(run)
    named = compare(run, "trend", "buffer", metrics=["E@1"])
    assert rows_of(named)["E@1"][0] == "90.00"
    assert "E@1 of M: asked for by name" in named


def test_costs_and_misses_show_no_success_of_few_sessions(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", A=400, M=11)
    by_success = costs(run).split("M\n")[1]
    assert "90.00" not in by_success
    assert "M has 11 scored sessions" in by_success
    assert "90.00" in costs(run, rank_by="E@1").split("M\n")[1]
    run.facts("M")["later_reads"] = 10
    table = missed(run).split("M\n")[1]
    assert "an oracle reaches - of them" in table
    assert "M has 11 scored sessions" in table
    cells = json.loads(missed(run, style="json"))
    assert {(cell["publisher"], cell["reads"], cell["share"]) for cell in cells} == {("M", None, None)}


def test_notebooks_show_no_success_of_few_sessions(tmp_path: Path) -> None:
    html = run_with(tmp_path / "run", A=400, M=11)._repr_html_()
    assert html.count(">E@1<") == html.count(">P@1<") == 1  # of A alone
    assert html.count("90.00") == 2
    assert "M has 11 scored sessions" in html


# --- pictures and the page ---------------------------------------------------------------------------------


def test_the_page_and_the_pictures_have_no_success_of_few_sessions(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", A=400, M=11)
    run.facts("M")["later_reads"] = 10
    told = contents(run, slices=False)
    a, m = told["publishers"]
    assert (a["few_sessions"], m["few_sessions"]) == (None, 11)
    assert (a["headline"], m["headline"]) == ("event_success@1", "auc")
    assert m["ceiling"] is None
    assert all(row["misses"] is None for row in m["rows"])
    for row in m["rows"]:
        assert all(row["results"][metric][0] is None and row["results"][metric][3] for metric in OF_SLATES)
        assert row["results"]["auc"][0] is not None
    # The order over publishers is that of A alone: at M buffer leads, by AUC.
    assert told["mean_ranks"] == [("trend", 1.0), ("buffer", 2.0), ("random", 3.0)]
    assert [note for note in arranged(told).notes if "Too few scored sessions" in note] == [
        "Too few scored sessions for metrics of slates, which are not drawn: M (11)."
    ]
    assert b"M has 11 scored sessions, fewer than 30" in page_of(told)


def test_a_run_of_few_sessions_alone_is_drawn_by_auc(tmp_path: Path) -> None:
    told = contents(run_with(tmp_path / "run", M=11), slices=False)
    assert told["mean_ranks"] == [("buffer", 1.0), ("trend", 2.0), ("random", 3.0)]
    assert [row["rank"][0] for row in told["publishers"][0]["rows"] if row["rank"]] == [2, 1, 3]


# --- notes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sessions", [0, 1, 11, 29, 30])
def test_the_note_names_the_sessions_and_is_there_for_few_alone(sessions: int, tmp_path: Path) -> None:
    facts = run_with(tmp_path / "run", M=sessions).facts("M")
    texts = [note.text for note in few_notes(facts)]
    counted = "1 scored session," if sessions == 1 else f"{sessions} scored sessions,"
    assert len(texts) == (sessions < 30)
    assert all(text.startswith(f"M has {counted}") for text in texts)


@pytest.mark.parametrize(
    ("alone", "together", "kinds"),
    [
        (0, 0, []),
        (1, 0, ["note"]),
        (0, 1, ["note"]),
        (21, 49, ["note", "note"]),  # 21 of 421 sessions, 49 of 1,000 reads: below 5 %
        (22, 50, ["warning", "warning"]),
    ],
)
def test_reads_that_share_one_time_are_noted_and_a_warning_from_5_per_cent_on(
    alone: int, together: int, kinds: list[str], tmp_path: Path
) -> None:
    run = run_of(
        tmp_path / "run",
        {"trend": {"A": (0.1, 0.1)}},
        facts={"sessions_of_one_instant": alone, "reads_at_one_time": together, "scored_reads": 1000},
    )
    found = [note for note in notes(run) if "one time" in note.text or "share their time" in note.text]
    assert [note.kind for note in found] == kinds
    texts = {
        f"{alone:,} of {400 + alone:,} sessions of A with two reads are not scored: all of their reads share one time",
        f"{together:,} of 1,000 reads of A's scored sessions share their time with the read before them, whose slate "
        "does not count for them",
    }
    assert {note.text for note in found} <= texts
    assert all(note.text in leaderboard([run]) for note in found)
