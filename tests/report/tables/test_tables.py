"""Tables of every view in every format, whatever names hold; LaTeX as pdfLaTeX sets it, Markdown as it renders."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import DAY
from newsreplay.report.slices import DIMENSIONS
from newsreplay.report.tables.by_slice import _cell, by_slice
from newsreplay.report.tables.compare import compare
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.latex import latex_text
from newsreplay.report.tables.leaderboard import leaderboard
from newsreplay.report.tables.missed import missed
from newsreplay.report.tables.overlap import overlap_matrix
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import (
    BEST,
    FORMATS,
    LEVEL,
    LONGEST,
    Cell,
    ReportTable,
    plain_text,
)
from tests.report.conftest import WORDS, Failing, story

VIEWS: dict[str, Callable[[Run, str], str]] = {
    "leaderboard": lambda run, style: leaderboard([run], style=style),
    "leaderboard without intervals": lambda run, style: leaderboard([run], style=style, intervals=False),
    "paper scale": lambda run, style: leaderboard([run], style=style, paper_scale=True),
    "other metrics": lambda run, style: leaderboard([run], style=style, metrics=["novelty@5", "age@5", "gini@5"]),
    "cost": lambda run, style: costs(run, style=style),
    "a table per publisher": lambda run, style: leaderboard(
        [run], style=style, per="publisher", title="& 5 %", label="tab:a"
    ),
    "a table per question": lambda run, style: leaderboard([run], style=style, per="metrics"),
    "misses": lambda run, style: missed(run, style=style),
    "compare all": lambda run, style: compare(run, style=style),
    "compare one": lambda run, style: compare(run, WORDS[0], style=style),
    "compare two": lambda run, style: compare(run, WORDS[0], WORDS[5], style=style),
    "overlap": lambda run, style: overlap_matrix([run], style=style),
    **{f"by {by}": lambda run, style, by=by: by_slice(run, by, style=style, intervals=True) for by in DIMENSIONS},  # type: ignore[misc]
}


def latex_document(*bodies: str) -> str:
    parts = "\n\n\\clearpage  % or there would be too many floats\n".join(bodies)
    return f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{parts}\n\\end{{document}}\n"


def typeset(folder: Path, document: str) -> str:
    """What pdfLaTeX says of a document; fails at its first error."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    (folder / "tables.tex").write_text(document, "utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return (folder / "tables.log").read_text("latin-1")


def rendered(text: str) -> list[list[list[str]]]:
    """The tables that a Markdown reader sees: rows of cells, as the text that it shows."""
    tables: list[list[list[str]]] = []
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type in ("th_open", "td_open"):
            assert following is not None
            tables[-1][-1].append("".join(shown(child) for child in following.children or ()))
    return tables


def shown(token: Any) -> str:
    assert token.type in ("text", "text_special", "strong_open", "strong_close"), token  # nothing else is set
    return str(token.content) if token.type.startswith("text") else ""


# --- LaTeX ------------------------------------------------------------------------------------------------


def test_every_view_compiles_as_it_stands_whatever_names_hold(hostile_run: Run, tmp_path: Path) -> None:
    log = typeset(tmp_path, latex_document(*(view(hostile_run, "latex") for view in VIEWS.values())))
    assert "Missing character" not in log  # every sign has a glyph


NASTY = st.text(
    st.sampled_from("\\%&_^~$#{}\"'`<>|-?![]*()+=@;:,./ ±·–…†µ日éåøþŁą\U0001f389\u202e\n\x00\ud800aZ09"), max_size=30
)


@pytest.mark.parametrize("preamble", ["", "\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n"])
def test_any_text_compiles_wherever_a_table_has_some(tmp_path: Path, preamble: str) -> None:
    texts: list[str] = []

    @given(NASTY)
    @settings(max_examples=150, database=None, derandomize=True)
    def gather(text: str) -> None:
        texts.append(text)

    gather()
    texts += [*WORDS, "[", "*", "]", "[1em]", "\\", "\\\\", "%", "?`", "!`", "--", "''", ",,", "<<", "^^41", "~"]
    rows = [(text, [Cell("1.0", "±0.5", BEST), Cell("2", "", LEVEL), Cell("-")]) for text in texts]
    bodies = [
        render([ReportTable("name", [("A", "a"), ("A", "b"), ("", "c")], rows[at : at + 30], [])], [], "latex")
        for at in range(0, len(rows), 30)
    ]
    bodies += [
        render(
            [
                ReportTable(
                    "name", [(text, text), (text, "b"), ("", text)], [], [f"note: {text}", "and more"], title=text
                )
            ],
            [],
            "latex",
        )
        for text in texts
    ]
    document = latex_document(*bodies).replace("\\begin{document}", f"{preamble}\\begin{{document}}")
    assert "Missing character" not in typeset(tmp_path, document)


def test_a_row_that_begins_like_an_argument_is_printed(tmp_path: Path) -> None:
    names = ["[1em] first", "*star", '[b] & "c"', "50% of d"]
    table = ReportTable("name", [("", "x")], [(name, [Cell("1")]) for name in names], [])
    typeset(tmp_path, latex_document(render([table], [], "latex")))
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    read = subprocess.run(
        ["pdftotext", "-layout", "tables.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [line.split("  ")[0].strip() for line in read.stdout.splitlines() if line.strip().endswith(" 1")][
        :4
    ] == names


def test_what_pdflatex_has_no_glyph_for_is_told_by_its_number() -> None:
    assert latex_text("a日\U0001f389") == r"a\texttt{U+65E5}\texttt{U+1F389}"


def test_latex_marks_the_best_bold_and_its_equals_with_a_dagger() -> None:
    row = [Cell("1.0", "±0.5", BEST), Cell("2.0", "±0.5", LEVEL), Cell("3.0", "(1–2)")]
    line = render([ReportTable("name", [("", head) for head in "abc"], [("x", row)], [])], [], "latex").splitlines()[5]
    assert line.split(" & ") == [
        "x",
        r"\textbf{1.0}{\scriptsize\,$\pm$0.5}",
        r"2.0$^{\dagger}${\scriptsize\,$\pm$0.5}",
        r"3.0{\scriptsize\,(1--2)} \\",
    ]


# --- Markdown ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_renders_with_a_cell_per_column_whatever_names_hold(hostile_run: Run, view: str) -> None:
    tables = rendered(VIEWS[view](hostile_run, "markdown"))
    assert tables
    for header, *rows in tables:
        assert rows
        assert {len(row) for row in rows} == {len(header)}


def test_markdown_shows_names_as_they_are(hostile_run: Run) -> None:
    (table,) = rendered(leaderboard([hostile_run], style="markdown"))
    printable = {plain_text(word) for word in WORDS}
    assert printable <= {row[0] for row in table[1:]}


@given(st.lists(NASTY | st.text(max_size=20), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_text_is_shown_by_markdown_as_it_is(texts: list[str]) -> None:
    table = ReportTable(
        "name", [("", text) for text in texts], [(text, [Cell("1")] * len(texts)) for text in texts], texts
    )
    ((header, *rows),) = rendered(render([table], [], "markdown"))
    want = [" ".join(plain_text(text).split()) for text in texts]
    assert [" ".join(cell.split()) for cell in header[1:]] == want
    assert [" ".join(row[0].split()) for row in rows] == want
    assert {len(row) for row in rows} == {1 + len(texts)}


# --- the terminal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_printable_and_lined_up_on_a_terminal(hostile_run: Run, view: str) -> None:
    text = VIEWS[view](hostile_run, "table")
    assert all(c == "\n" or c.isprintable() for c in text)
    for table in text.split("\n\n"):
        lines = table.splitlines()
        rules = [number for number, line in enumerate(lines) if set(line) == {"-", " "}]
        if not rules:
            continue  # notes
        (rule,) = rules
        gaps = [place for place, c in enumerate(lines[rule]) if c == " "]
        for line in lines[rule + 1 :]:
            assert len(line) <= len(lines[rule])
            assert {line.ljust(len(lines[rule]))[place] for place in gaps} <= {" "}, line


def test_a_long_name_is_cut_where_a_table_is_read_and_whole_where_it_is_processed(hostile_run: Run) -> None:
    long = WORDS[-1]
    for style, rows in (("table", "\n\n"), ("markdown", "\n\n"), ("latex", "\\bottomrule")):
        text = leaderboard([hostile_run], style=style).split(rows)[0]
        assert "n" * LONGEST not in text
        assert "n" * (LONGEST - 1) in text
    for style in ("json", "csv"):
        assert long in leaderboard([hostile_run], style=style)


# --- for programs -----------------------------------------------------------------------------------------

KEYS = {
    "leaderboard": {"publisher", "recommender", "metric", "value", "low", "high", "n"},
    "cost": {
        *("publisher", "recommender", "event_success@1", "train_s", "update_s", "answer_ms", "us_per_event"),
        *("state_bytes", "parameters"),
        *("p50_ms", "p95_ms", "p99_ms", "max_ms", "late", "pareto"),
    },
    "misses": {"publisher", "recommender", "cause", "reads", "share"},
    "compare": {
        *("publisher", "metric", "a", "b", "difference", "low", "high", "p", "p_holm", "resolvable"),
        *("rbo", "jaccard", "identical", "overlap_requests"),
    },
    "overlap": {"publisher", "a", "b", "rbo", "jaccard", "identical", "overlap_requests"},
    "by": {"publisher", "recommender", "metric", "by", "slice", "value", "low", "high", "n"},
}


@pytest.mark.parametrize("view", [*KEYS])
def test_json_and_csv_hold_the_same_and_all_of_it(hostile_run: Run, view: str) -> None:
    call = {"compare": VIEWS["compare all"], "by": VIEWS["by position"]}.get(view) or VIEWS[view]
    records = json.loads(call(hostile_run, "json"), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    rows = list(csv.DictReader(io.StringIO(call(hostile_run, "csv"), newline="")))
    assert {frozenset(record) for record in records} == {frozenset(KEYS[view])}
    assert [{key: "" if value is None else str(value) for key, value in record.items()} for record in records] == rows
    assert {record["publisher"] for record in records} == {*hostile_run.publishers}
    if "recommender" in KEYS[view]:
        done = {pair["recommender"] for pair in hostile_run.info["pairs"] if pair["status"] == "done"}
        assert {record["recommender"] for record in records} == done - ({"oracle"} if view == "cost" else set())


def test_slices_for_programs_hold_every_metric_with_intervals(hostile_run: Run) -> None:
    for by in DIMENSIONS:
        records = json.loads(by_slice(hostile_run, by, style="json"))
        assert len({record["metric"] for record in records}) >= 2
        for record in records:
            if record["metric"] in ("event_success@1", "session_success@1") and record["n"]:
                assert record["low"] <= record["value"] <= record["high"]
            elif (
                record["metric"] == "read_success@1" and record["low"] is not None
            ):  # none where few sessions have a hit
                assert record["low"] <= record["value"] <= record["high"]


def test_a_half_width_that_rounds_to_nothing_is_less_than_the_last_digit() -> None:
    assert _cell((0.0, 0.0, 3.7e-6, 1_000_000), "event_success@1", intervals=True).within == "±<0.001"


def test_a_slice_of_impressions_is_of_the_publishers_that_have_any(tmp_path: Path) -> None:
    rows = [("A", f"u{n % 20}", f"a{n % 30}", 1_600_000_000 + 600 * n) for n in range(300)]
    rows += [("B", f"u{n % 2}", "b", 1_600_000_000 + 600 * n) for n in range(8)]  # nothing else could be shown
    reads = pd.DataFrame(rows, columns=["publisher", "user", "item", "time"])
    sampled = {"impressions": "sampled"}
    run = newsreplay.run(reads, ["recency", "popular"], preparing=sampled, out=tmp_path / "run")
    assert [facts["impressions"] > 0 for facts in run.info["publishers"]] == [True, False]
    assert by_slice(run, "hour", metric="AUC").count("recommender") == 1
    with pytest.raises(NewsreplayError, match="there is no 'read_success@1' by hour"):
        by_slice(run, "hour", metric="read_success@1")


def test_a_table_without_rows_is_a_table_in_every_format() -> None:
    table = ReportTable("recommender", [("A", "E@1"), ("", "rank")], [], ["nothing"])
    assert render([table], [], "table").splitlines()[:2] == ["                   A", "recommender      E@1    rank"]
    assert render([table], [], "latex").count(r"\\") == 2
    assert json.loads(render([table], [], "json")) == []
    assert render([table], [], "csv").strip() == ""


@pytest.mark.parametrize("style", FORMATS)
def test_a_run_that_scored_nothing_has_every_view(tmp_path: Path, style: str) -> None:
    run = newsreplay.run(story(("A",)), ["recency"], warmup=100 * DAY, out=tmp_path / "run", timed=True)
    views = [
        view for name, view in VIEWS.items() if name != "other metrics" and "one" not in name and "two" not in name
    ]
    for view in views:
        text = view(run, style)
        if style == "json":
            assert {record.get("value") for record in json.loads(text)} <= {None}
        if style == "markdown":
            rendered(text)


@pytest.mark.parametrize("style", FORMATS)
def test_a_run_in_which_everything_failed_has_every_view(tmp_path: Path, style: str) -> None:
    run = newsreplay.run(story(("A",)), [Failing()], out=tmp_path / "run")
    for name, view in VIEWS.items():
        if "one" not in name and "two" not in name:
            text = view(run, style)
            assert (json.loads(text) == []) if style == "json" else isinstance(text, str)
