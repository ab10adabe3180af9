"""Commands that show finished runs, and the list of recommenders."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from newsreplay.api import Run
from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN, PRESETS
from newsreplay.report.shown import is_of_slates
from tests.commands.conftest import CLICKS, NAMED, Cli, complaint, e1, files_of, info_of


def test_the_same_run_prints_in_every_format(replay: Cli, cli: Cli) -> None:
    words = ("--recommenders", "recency,circular")
    table = replay(*words, "--out", "once").stdout
    for style in ("json", "csv", "markdown", "latex"):
        printed = replay(*words, "--format", style).stdout
        assert cli("leaderboard", "once", "--format", style).stdout == printed
    assert cli("leaderboard", "once").stdout == table
    results = json.loads(cli("leaderboard", "once", "--format", "json").stdout)
    kept = json.loads(Path("once/results.json").read_text())
    assert [(cell["metric"], cell["n"]) for cell in results] == [(cell["metric"], cell["n"]) for cell in kept]
    for cell, whole in zip(results, kept, strict=True):  # of so few sessions nothing is shown that judges slates
        assert cell == (whole | dict.fromkeys(("value", "low", "high")) if is_of_slates(cell["metric"]) else whole)
    rows = list(csv.DictReader(io.StringIO(cli("leaderboard", "once", "--format", "csv").stdout)))
    assert [row["metric"] for row in rows] == [row["metric"] for row in results]


def test_the_paper_scale_multiplies_by_100000(replay: Cli, cli: Cli) -> None:
    assert e1(replay("--recommenders", "recency", "--paper-scale", *NAMED).stdout) == {"recency": "100000*"}
    assert e1(cli("leaderboard", "runs/clicks", "--paper-scale", *NAMED).stdout) == {"recency": "100000*"}


def test_runs_are_merged_on_the_command_line(replay: Cli, cli: Cli) -> None:
    replay("--recommenders", "recency", "--out", "one")
    replay("--recommenders", "circular,recency", "--out", "two")
    board = cli("leaderboard", "one", "two", *NAMED).stdout
    assert [*e1(board)] == ["recency", "circular", "recency [two]"]
    (Path("clicks.csv")).write_text(CLICKS.replace("A,zoe,b", "A,zoe,a"))
    replay("--recommenders", "circular", "--out", "three")
    assert "A is another log in three than in one" in complaint(cli("leaderboard", "one", "three"))


def test_a_leaderboard_is_set_for_papers(cli: Cli, done: str) -> None:
    words = ["--per", "publisher", "--title", "Success", "--label", "tab:success", "--digits", "1"]
    shown = cli("leaderboard", done, "--format", "latex", *words).stdout
    assert shown.count(r"\caption{Success -- ") == 2
    assert [name in shown for name in (r"\label{tab:success}", r"\label{tab:success-2}")] == [True, True]
    assert cli("leaderboard", done, "--format", "html", *words).stdout.count("<table>") == 2
    assert "are for the leaderboard itself" in cli("leaderboard", done, "--cost", *words).output


def test_a_leaderboard_has_other_views(cli: Cli, done: str) -> None:
    board = cli("leaderboard", done).stdout
    assert board.splitlines()[3].split()[0] == "oracle"
    assert "oracle: knows the future" in board
    assert "never a candidate" in cli("leaderboard", done, "--misses").stdout
    assert "µs/event" in cli("leaderboard", done, "--cost").stdout
    assert "by position of the read in its session" in cli("leaderboard", done, "--by", "position").stdout
    for view in ("--misses", "--cost", "--by=day"):
        records = json.loads(cli("leaderboard", done, view, "--format", "json").stdout)
        assert {record["publisher"] for record in records} == {"A", "B/2"}
    shown = cli("leaderboard", done, "--metrics", "coverage@3,session_mrr@3", "--rank-by", "session_mrr@3").stdout
    assert shown.splitlines()[1].split()[1:4] == ["coverage@3", "slate", "MRR@3"]


def test_recommenders_bear_the_names_they_are_given(cli: Cli, replay: Cli, done: str) -> None:
    names = ("--names", "circular:size=3='Buffer, small',recency=Latest,oracle=All-knowing")
    shown = {"circular(size=3)": "Buffer, small", "recency": "Latest", "oracle": "All-knowing"}
    plain = cli("leaderboard", done, *NAMED).stdout
    named = cli("leaderboard", done, *names, *NAMED).stdout
    assert [*e1(named).items()] == [(shown[spec], value) for spec, value in e1(plain).items()]
    assert "All-knowing: knows the future" in named
    for view in ("--misses", "--cost", "--by=day"):
        records = json.loads(cli("leaderboard", done, view, "--format", "json", *names).stdout)
        assert {record["recommender"] for record in records} - {"All-knowing"} == {"Latest", "Buffer, small"}
    (record, *_) = json.loads(cli("compare", done, "circular(size=3)", "recency", *names, "--format", "json").stdout)
    assert (record["a"], record["b"]) == ("Buffer, small", "Latest")
    board = replay("--recommenders", "recency", "--names", "recency=Latest", "--out", "other").stdout
    assert [*e1(board)] == ["Latest"]
    assert {pair["recommender"] for pair in info_of("other")["pairs"]} == {"recency"}
    both = cli("leaderboard", done, "other", "--names", "recency=Latest,oracle=All-knowing").stdout
    assert {"Latest", "Latest [other]", "All-knowing", "circular(size=3)"} == {*e1(both)}


def test_recommenders_are_compared(cli: Cli, done: str) -> None:
    assert "recency - circular(size=3)" in cli("compare", done).stdout
    one = cli("compare", done, "circular:size=3", "recency")
    assert "has no results of 'circular:size=3'" in complaint(one)  # as the run shows it
    records = json.loads(cli("compare", done, "circular(size=3)", "recency", "--format", "json").stdout)
    assert {(record["a"], record["b"]) for record in records} == {("circular(size=3)", "recency")}


def test_a_request_is_told_in_words_or_as_json(cli: Cli, done: str) -> None:
    row = int(Run(done).requests("A").row[1])
    told = Run(done).explain(row, publisher="A")
    assert cli("explain", done, str(row), "--publisher", "A").stdout == f"{told}\n"
    words = ("explain", done, "--at", "2020-01-01T00:00", "--user", "ann", "--publisher", "A", "--format", "json")
    found = json.loads(cli(*words, "--recommenders", "circular:size=3", "--names", "circular:size=3=Ring").stdout)
    assert (found["reader"], [answer["recommender"] for answer in found["answers"]]) == ("ann", ["Ring"])
    for wrong in (("explain", done), ("explain", done, "3", "--at", "2020-01-01"), ("explain", done, "--user", "ann")):
        assert complaint(cli(*wrong)) == "name a ROW, or both --at and --user"


def test_on_a_terminal_a_request_is_told_in_colours(cli: Cli, done: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = str(Run(done).requests("A").row[1])
    plain = cli("explain", done, row, "--publisher", "A").stdout
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = cli("explain", done, row, "--publisher", "A").stdout
    assert "\x1b[1m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Modules in place of those that draw; keeps what they were handed."""
    handed: dict[str, Any] = {}

    def draw_run(contents: Any, folder: Path) -> list[Path]:
        handed["plot"] = (contents, folder)
        return [folder / "one.png", folder / "two.svg"]

    def write_page(contents: Any, path: Path) -> None:
        handed["report"] = (contents, path)

    for name, call in (("pictures.run", draw_run), ("page.page", write_page)):
        module = types.ModuleType(f"newsreplay.report.{name}")
        setattr(module, call.__name__, call)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return handed


def test_pictures_and_pages_are_made_from_the_contents_of_a_run(cli: Cli, done: str, stand_ins: dict[str, Any]) -> None:
    assert cli("plot", done).stdout.splitlines() == ["drew run/pictures/one.png", "drew run/pictures/two.svg"]
    assert cli("report", done).stdout == "wrote run/report.html\n"
    expected = {"plot": Path("run/pictures"), "report": Path("run/report.html")}
    for command, path in expected.items():
        contents, where = stand_ins[command]
        assert where == path
        assert contents["title"] == "clicks"
        assert [publisher["name"] for publisher in contents["publishers"]] == ["A", "B/2"]
        names = [row["recommender"] for row in contents["publishers"][0]["rows"]]
        assert names == ["recency", "circular(size=3)", "oracle"]
    cli("plot", done, "--to", "there", "--names", "recency=Latest")
    cli("report", done, "--to", "page.html", "--names", "recency=Latest")
    for command in expected:
        rows = stand_ins[command][0]["publishers"][0]["rows"]
        assert [row["recommender"] for row in rows] == ["Latest", "circular(size=3)", "oracle"]
    assert (stand_ins["plot"][1], stand_ins["report"][1]) == (Path("there"), Path("page.html"))


WRONG_WORDS = [
    (("leaderboard", "run", "--names", "trend=Trend"), "there are recency, circular(size=3), oracle"),
    (("compare", "run", "--names", "recency=oracle"), "recency cannot be named 'oracle'"),
    (("plot", "run", "--names", "recency"), "'recency' is not SPEC=NAME"),
    (("report", "run", "--names", "recency="), "'recency=' is not SPEC=NAME"),
    (("leaderboard", "run", "--by", "positon"), "no slices by 'positon'. Did you mean 'position'?"),
    (("leaderboard", "run", "--by", "day", "--cost"), "choose one of --by, --cost and --misses"),
    (("leaderboard", "run", "--metrics", "event_sucess@1"), "Did you mean 'event_success@1'?"),
    (("leaderboard", "run", "--cost", "--rank-by", "auk"), "no metric is called 'auk'."),
    (("leaderboard", "nowhere"), "nowhere holds no run; start one with"),
    (("leaderboard", "rum"), "rum holds no run; start one with 'newsreplay run --out rum'. Did you mean 'run'?"),
    (("compare", "run", "recncy"), "run has no results of 'recncy'. Did you mean 'recency'?"),
    (("compare", "run", "recency", "recency"), "recency cannot be compared with itself"),
    (("compare", "nowhere"), "nowhere holds no run"),
    (("explain", "nowhere", "3"), "nowhere holds no run"),
    (("explain", "run", "3"), "run has several publishers; name one of A, B/2"),
    (("explain", "run", "900", "--publisher", "A"), "A has no row 900"),
    (("score", "nowhere"), "nowhere holds no run"),
    (("score", "run", "--cluster", "week"), "'week' is not one of"),
    (("score", "run", "--window", "0h"), "the window must be longer than nothing"),
    (("score", "run", "--data", "nowhere.csv"), "the data of run are not there"),
    (("verify", "run", "--data", "nowhere.csv"), "the data of run are not there"),
    (("verify", "nowhere"), "nowhere holds no run"),
    (("verify", "run", "--by", "Ann"), "add --certificate"),
    (("recommenders", "neurl"), "Did you mean 'neural'?"),
    (("run", "--recommenders", "field(hours=2)"), "field is a preset, of"),
    (("plot", "nowhere"), "nowhere holds no run"),
    (("report", "nowhere"), "nowhere holds no run"),
]


@pytest.mark.usefixtures("stand_ins")
def test_a_wrong_word_about_a_run_is_said_in_one_line(cli: Cli, done: str) -> None:
    before = files_of(done)
    for words, message in WRONG_WORDS:
        assert message in complaint(cli(*words)), words
    assert files_of(done) == before


def test_recommenders_lists_names_aliases_and_presets(cli: Cli) -> None:
    text = cli("recommenders").stdout
    for name, record in BUILT_IN.items():
        assert re.search(rf"^{name} +{record.family} .*{record.paper}.*{record.needs} +{record.cost}$", text, re.M)
    for alias, name in ALIASES.items():
        assert f"{alias} = {name}" in text
    assert all(f"preset {name}: {', '.join(specs)}" in text for name, specs in PRESETS.items())


def test_presets_are_described_by_their_members(cli: Cli) -> None:
    text = cli("recommenders", "bandits", "trend", "neural").stdout
    assert text.startswith("bandits: a preset, of 4 recommenders\n    thompson, ucb, linucb, epsilon\ntrend(")
    assert text.partition("neural: a preset")[2].split()[4:] == ", ".join(PRESETS["neural"]).split()


def test_recommenders_of_one_family_and_parameters_of_those_named_are_shown(cli: Cli) -> None:
    text = cli("recommenders", "--family", "bandits").stdout
    assert re.findall(r"^(\w+) +bandits ", text, re.M) == [
        name for name, record in BUILT_IN.items() if record.family == "bandits"
    ]
    assert "preset" not in text
    text = cli("recommenders", "circular", "recency").stdout
    assert text.startswith("circular(size=100)\n    The articles of the last `size` reads")
    assert "\nrecency\n" in text
    assert "Did you mean 'trend'?" in complaint(cli("recommenders", "tred"))
    assert "name recommenders or a --family" in complaint(cli("recommenders", "trend", "--family", "bandits"))


def test_answers_are_exported_for_other_tools(replay: Cli, cli: Cli) -> None:
    replay("--recommenders", "recency,circular", "-k", "2", "--impressions", "sampled")
    pairs = [f"{publisher}/{spec}" for publisher in ("A", "B%2F2") for spec in ("circular", "recency")]
    names = [*(f"scores/{pair}" for pair in pairs[:2]), *(f"slates/{pair}" for pair in pairs)]  # B has no impression
    for style in ("parquet", "csv", "json"):
        told = cli("export", "runs/clicks", "--to", style, "--out", f"out/{style}").stdout
        assert told == f"wrote 6 files to out/{style}\n"
        assert sorted(files_of(f"out/{style}")) == [f"{name}.{style}" for name in names]
    table = pq.read_table("out/parquet/slates/A/recency.parquet")
    assert table.column_names == ["row", "time", "session", "user", "item", "slate"]
    assert not any(pa.types.is_dictionary(kind) for kind in table.schema.types)
    rows = [json.loads(line) for line in Path("out/json/slates/A/recency.json").read_text().splitlines()]
    assert [row["slate"] for row in rows] == table.column("slate").to_pylist()
    assert rows[0]["time"] == "2020-01-01T00:00:00.000+00:00"
    with Path("out/csv/scores/A/recency.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    scores = [json.loads(line) for line in Path("out/json/scores/A/recency.json").read_text().splitlines()]
    assert [json.loads(row["scores"]) for row in cells] == [row["scores"] for row in scores]
    assert [*cells[0]] == ["row", "time", "session", "user", "candidates", "clicked", "outcome_known", "scores"]
    assert cli("export", "runs/clicks").stdout == "wrote 6 files to runs/clicks/export\n"
    replay("--recommenders", "recency", "--no-slates", "--out", "without")
    assert complaint(cli("export", "without")) == (
        "without keeps no slates and no scores; run it again without --no-slates"
    )
