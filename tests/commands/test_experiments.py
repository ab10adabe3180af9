"""Experiment files: read in place of options, and written into run folders so that they run again."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import newsreplay
from newsreplay.simulator.runs.experiment import read_experiment
from tests.commands.conftest import NAMED, Cli, complaint, e1, info_of

ROOT = Path(__file__).parent.parent.parent
EXPERIMENT = """
data = "clicks.csv"
publishers = ["A"]
recommenders = ["recency", { spec = "circular( size=3 )", name = 'Ring, "small"' }, "mine.py:Newest"]

[options]
k = 3
warmup = "1m"
seeds = [3, 4]
"""


@pytest.fixture
def experiment(folder: Path) -> Path:
    (folder / "exp.toml").write_text(EXPERIMENT)
    return folder / "exp.toml"


def results(run: str) -> bytes:
    return Path(run, "results.json").read_bytes()


def test_a_run_folder_has_the_file_that_runs_it_again(cli: Cli, folder: Path, experiment: Path) -> None:
    first = cli("run", "exp.toml", "--out", "first")
    assert first.exit_code == 0, first.output
    written = tomllib.loads(Path("first/experiment.toml").read_text("utf-8"))
    assert written["data"] == "clicks.csv"
    assert written["options"]["warmup"] == "1m"
    again = cli("run", "first/experiment.toml", "--out", "second")
    assert again.exit_code == 0, again.output
    assert results("first") == results("second")
    assert info_of("first")["key"] == info_of("second")["key"]
    assert tomllib.loads(Path("second/experiment.toml").read_text("utf-8")) == written


def test_the_file_of_the_page_about_them_is_one_that_runs(cli: Cli, folder: Path) -> None:
    page = (ROOT / "docs" / "experiment-files.md").read_text("utf-8")
    [written] = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    (folder / "experiment.toml").write_text(written)
    (folder / "clicks.csv").write_text((folder / "clicks.csv").read_text().replace("item", "article", 1))
    (folder / "mine.py").write_text(
        "class Mine:\n    def __init__(self, size): ...\n    def recommend(self, *_): ...\n"
    )
    told = cli("run", "experiment.toml", "--dry-run")
    assert told.exit_code == 0, told.output
    assert "recommenders on clicks" in told.output


def test_options_that_were_typed_are_in_the_file(cli: Cli, folder: Path) -> None:
    words = ["--data", "clicks.csv", "--recommenders", "trend,popular(hours=6)", "-k", "2", "--seed", "7"]
    words += ["--session-gap", "2m", "--columns", "item=item", "--feedback-delay", "reads=0,outcomes=5m"]
    words += ["--window", "1d", "--cluster", "day", "--exclude", "session", "--deadline", "100ms", "--no-slates"]
    assert cli("run", *words, "--names", "trend='6 h, = trend'", "--out", "first").exit_code == 0
    assert cli("run", "first/experiment.toml", "--out", "second").exit_code == 0
    first, second = info_of("first"), info_of("second")
    assert first["options"] == second["options"]
    assert first["names"] == second["names"] == {"trend": "6 h, = trend"}
    assert first["key"] == second["key"]
    assert results("first") == results("second")


def test_paths_begin_where_the_file_lies(
    cli: Cli, folder: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert cli("run", "../exp.toml", "--out", "run").exit_code == 0
    assert Path.cwd() == folder / "elsewhere"
    assert info_of("run")["recommenders"] == ["recency", "circular(size=3)", "mine.py:Newest"]
    assert tomllib.loads(Path("run/experiment.toml").read_text("utf-8"))["folder"] == "../.."


def test_what_is_typed_takes_the_place_of_what_the_file_says(
    cli: Cli, folder: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    (folder / "elsewhere" / "own.py").write_text((folder / "mine.py").read_text())
    (folder / "elsewhere" / "few.csv").write_text((folder / "clicks.csv").read_text())
    words = ("--recommenders", "own.py:Oldest,circular(size=3)", "-k", "2")
    assert cli("run", "../exp.toml", *words, "--out", "one").exit_code == 0
    assert info_of("one")["recommenders"] == ["own.py:Oldest", "circular(size=3)"]
    assert info_of("one")["options"]["k"] == 2
    assert info_of("one")["options"]["warmup"] == 60_000
    assert cli("run", "../exp.toml", "--data", "few.csv", "--out", "other").exit_code == 0
    assert info_of("other")["data"]["name"] == "few"
    assert [facts["publisher"] for facts in info_of("other")["publishers"]] == ["A"]


def test_display_names_reach_every_table_of_the_run(cli: Cli, folder: Path, experiment: Path) -> None:
    printed = cli("run", "exp.toml", "--out", "run", *NAMED)
    assert 'Ring, "small"' in e1(printed.output)
    assert 'Ring, "small"' in e1(cli("leaderboard", "run", *NAMED).output)
    other = cli("leaderboard", "run", "--names", "recency=Newest first", *NAMED)
    assert {'Ring, "small"', "Newest first"} <= {*e1(other.output)}
    assert "already" in complaint(cli("leaderboard", "run", "--names", "recency='Ring, \"small\"'"))
    assert "Ring, " in newsreplay.open("run").report().read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dta = 'demo'", "exp.toml line 1: 'dta' is no key of an experiment file. Did you mean 'data'?"),
        ("[options]\nk = 3\nwarmpu = '1d'", "exp.toml line 3: 'options.warmpu' is no key of an experiment file."),
        ("[options]\nk = 'ten'", "exp.toml line 2: 'options.k' must be a whole number, not 'ten'"),
        ("[options]\nk = 0", "exp.toml line 2: 'options.k': 0 is not in the range x>=1."),
        ("[options]\nwarmup = 'soon'", "exp.toml line 2: 'options.warmup': 'soon' is no duration"),
        ("[options]\ncluster = 'town'", "'options.cluster': 'town' is not one of"),
        ("recommenders = [3]", "exp.toml line 1: 'recommenders' has 3; write \"trend(hours=6)\""),
        ("[[recommenders]]\nspec = 'trend'\nnmae = 'x'", "exp.toml line 3: 'recommenders.nmae' is no key"),
        ("data = 'demo", "exp.toml is no experiment file (TOML)"),
        ("folder = 'nowhere'", "exp.toml line 1: 'folder' is 'nowhere', and there is no"),
    ],
)
def test_what_a_file_cannot_say_is_refused_with_its_line(cli: Cli, folder: Path, text: str, message: str) -> None:
    (folder / "exp.toml").write_text(text)
    assert message in complaint(cli("run", "exp.toml"))


def test_objects_from_python_are_noted_and_refused(cli: Cli, folder: Path) -> None:
    class Mine:
        def recommend(self, request: object, k: int) -> list[int]:
            return []

    newsreplay.run("clicks.csv", [Mine(), "recency"], out="objects")
    written = tomllib.loads(Path("objects/experiment.toml").read_text("utf-8"))
    assert written["recommenders"] == [{"object": "Mine"}, "recency"]
    assert "'Mine', an object from Python, which a file cannot name" in complaint(cli("run", "objects/experiment.toml"))
    newsreplay.run(pd.read_csv("clicks.csv"), "recency", out="frame")
    assert "was a DataFrame from Python" in complaint(cli("run", "frame/experiment.toml"))


def test_a_run_that_is_scored_again_says_so_in_its_file(cli: Cli, folder: Path) -> None:
    assert cli("run", "--data", "clicks.csv", "--recommenders", "recency", "--out", "run").exit_code == 0
    assert cli("score", "run", "--warmup", "2m").exit_code == 0
    assert read_experiment(Path("run/experiment.toml")).values["warmup"] == "2m"
    assert cli("run", "run/experiment.toml", "--out", "again").exit_code == 0
    assert results("run") == results("again")


def test_a_dry_run_knows_the_costs_of_the_run_that_the_file_made(
    cli: Cli, folder: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert cli("run", "../exp.toml").exit_code == 0
    assert "as in " in cli("run", "../exp.toml", "--dry-run").stdout
