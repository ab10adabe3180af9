"""`newsreplay run --resume` and `--add`: which options go with them, and what they print."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import newsreplay
from tests.commands.conftest import NAMED, Cli, complaint, files_of, info_of

LABELS = ["recency", "circular"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--resume", "run", "-k", "3"), "--resume goes on with the options of run; leave -k out"),
        (("--resume", "run", "--recommenders", "trend"), "leave --recommenders out"),
        (("--resume", "run", "--add", "run"), "leave --add out"),
        (("--add", "run", "--split", "official"), "--add goes on with the options of run; leave --split out"),
    ],
)
def test_what_is_the_runs_own_is_not_given_again(cli: Cli, words: tuple[str, ...], said: str) -> None:
    result = cli("run", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_what_is_added_stands_in_one_table_with_what_there_was(cli: Cli, replay: Cli) -> None:
    replay("--recommenders", "recency", "--out", "run", "--warmup", "0h")
    shutil.copytree("run", "before")
    refused = cli("run", "--add", "run", "--recommenders", "circular", "-k", "3", "--exclude", "session")
    assert refused.exit_code == 1
    assert "k: 3 is given, 10 in the run; exclude: session is given, current in the run" in refused.stderr
    result = cli("run", "--add", "run", "--recommenders", "circular", "-k", "10", "--format", "json")
    assert result.exit_code == 0, result.output
    assert {row["recommender"] for row in json.loads(result.stdout)} == {*LABELS}
    record = json.loads(Path("run/run.json").read_text())
    assert record["recommenders"] == LABELS
    assert "--recommenders recency,circular" in record["command"]
    again = cli("run", "--resume", "run")
    assert again.exit_code == 0, again.output
    assert "run is whole; there is nothing to go on with" in again.stderr


@pytest.mark.parametrize("how", ["--add", "--resume"])
def test_a_table_that_cannot_be_shown_is_refused_before_the_work(cli: Cli, replay: Cli, how: str) -> None:
    replay("--recommenders", "recency", "--out", "run", "-k", "3")
    before = files_of("run")
    words = ("run", how, "run", *(("--recommenders", "circular") if how == "--add" else ()))
    assert "no metric is called 'session_ndcg@10'" in complaint(cli(*words, "--metrics", "session_ndcg@10"))
    assert "Did you mean" in complaint(cli(*words, "--rank-by", "ndgc@3"))
    assert files_of("run") == before


def test_what_is_compiled_is_said_of_a_run_that_goes_on(cli: Cli, replay: Cli) -> None:
    replay("--recommenders", "recency", "--out", "run")
    assert "kernels: " in cli("run", "--add", "run", "--recommenders", "circular", "--verbose").stderr


def test_names_are_kept_of_what_is_added_and_of_what_there_was(cli: Cli, replay: Cli) -> None:
    replay("--recommenders", "recency", "--out", "run", "--names", "recency=Newest")
    words = ("run", "--add", "run", "--recommenders", "circular")
    assert "no recommender 'circulr' to name 'Ring'" in complaint(cli(*words, "--names", "circulr=Ring"))
    assert "are both named 'Newest'" in complaint(cli(*words, "--names", "circular=Newest"))
    added = cli(*words, "--names", "circular='Ring, small'", *NAMED)
    assert "Ring, small" in added.stdout
    record = info_of("run")
    assert record["names"] == {"recency": "Newest", "circular": "Ring, small"}
    assert "--names" in record["command"]
    cli("run", "--add", "run", "--names", "recency=Latest")  # and nothing else
    assert info_of("run")["names"] == {"recency": "Latest", "circular": "Ring, small"}
    resumed = ("run", "--resume", "run", "--names")
    assert "no recommender 'trend' to name 'T'" in complaint(cli(*resumed, "trend=T"))
    assert "are both named 'Latest'" in complaint(cli(*resumed, "circular=Latest"))


def test_files_of_recommenders_are_looked_for_where_they_were(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    (folder / "exp").mkdir()
    (folder / "mine.py").rename(folder / "exp" / "mine.py")
    monkeypatch.chdir(folder / "exp")  # as an experiment file there does
    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("../clicks.csv", "mine.py:Newest", out=folder / "run", progress=interrupt)
    monkeypatch.chdir(folder)
    resumed = cli("run", "--resume", "run", "--data", "clicks.csv")
    assert resumed.exit_code == 0, resumed.output
    assert f"files that recommenders name are looked for in {folder / 'exp'}" in resumed.stderr
    added = cli("run", "--add", "run", "--recommenders", "mine.py:Oldest", "--out", "more")
    assert added.exit_code == 0, added.output
    assert json.loads(Path("more/run.json").read_text())["recommenders"] == ["mine.py:Newest", "mine.py:Oldest"]
    assert Path.cwd() == folder


def test_a_run_goes_on_over_its_file_as_it_has_grown(cli: Cli, folder: Path) -> None:
    def written(rows: int) -> None:
        lines = (f"{1_577_836_800 + 60 * n},u{n // 2 % 97},i{n * n % 31 + n // 500}\n" for n in range(rows))
        Path("days.csv").write_text("time,user,item\n" + "".join(lines))

    written(17_000)
    first = cli(
        "run", "--data", "days.csv", "--recommenders", "recency,mine.py:Newest", "--out", "run", "--keep-states"
    )
    assert first.exit_code == 0, first.output
    written(18_000)
    assert "Missing option '--data'" in complaint(cli("extend", "run"))
    done = cli("extend", "run", "--data", "days.csv", "--format", "json")
    assert done.exit_code == 0, done.output
    assert "1 of 2 pairs go on from their states; replayed from the start: mine.py:Newest on days" in done.stderr
    words = ("--recommenders", "recency,mine.py:Newest", "--format", "json", "--keep-states")
    assert json.loads(cli("run", "--data", "days.csv", "--out", "whole", *words).stdout) == json.loads(done.stdout)
    assert info_of("run")["publishers"] == info_of("whole")["publishers"]
    assert "--data days.csv" in info_of("run")["command"]
