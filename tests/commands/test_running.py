"""Commands that replay, score, verify and check: from a file of clicks to a run folder and a leaderboard."""

from __future__ import annotations

import gzip
import json
import shlex
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import newsreplay
from newsreplay.api import Run
from newsreplay.errors import RunError
from newsreplay.files import file_name
from newsreplay.machine import cores
from tests.commands.conftest import CLICKS, MORE, NAMED, Cli, complaint, e1, files_of, info_of, python
from tests.sealed import sealed


def test_a_table_of_clicks_becomes_a_leaderboard(replay: Cli) -> None:
    result = replay("--recommenders", "recency,circular:size=1", *NAMED)
    # Recency at A offers - a a b b a: b's a and ann's a were on earlier slates. A buffer of one read is the
    # article on screen, which is never offered.
    # A session or two tell none apart: the other row may be first, too.
    assert e1(result.stdout) == {"recency": "100.0*", "circular(size=1)": "0.0~"}
    assert "data: clicks; sessions scored: A 2 of 3, B/2 1 of 1" in result.stdout
    assert "the run lies in runs/clicks" in result.stdout
    assert "preparing clicks.csv" in result.stderr


def test_only_the_publishers_that_were_named_are_replayed(replay: Cli, cli: Cli) -> None:
    words = ("--recommenders", "recency", "--publishers")
    assert "sessions scored: B/2 1 of 1\n" in replay(*words, "B/2").stdout
    assert "sessions scored: A 2 of 3, B/2 1 of 1\n" in replay(*words, "B/2, A").stdout
    message = complaint(cli("run", "--data", "clicks.csv", *words, "A,C"))
    assert message == "clicks has no publisher 'C'; it has A, B/2"


def test_the_warm_up_the_window_and_the_longest_session_say_what_is_scored(replay: Cli) -> None:
    words = ("--recommenders", "recency", "--publishers", "A")
    for more, scored in [
        (("--warmup", "2m"), 1),  # bob's
        (("--warmup", "121s"), 0),
        (("--window", "2m"), 1),  # ann's
        (("--window", "121s"), 2),
        (("--warmup", "1m", "--window", "1m"), 0),
        (("--max-session-length", "2"), 1),  # bob's
        (("--max-session-length", "3"), 2),
    ]:
        assert f"sessions scored: A {scored} of 3; " in replay(*words, *more).stdout, more


def test_a_split_says_what_is_scored(cli: Cli, mind: Path) -> None:
    words = ("run", "--data", f"mind:{mind}", "--recommenders", "recency", "--out", "runs/split")
    first = cli(*words)
    assert first.exit_code == 0, first.output
    assert info_of("runs/split")["publishers"][0]["scored_sessions"] == 2
    assert "runs/split holds a run with another warmup, another window; replace it with --overwrite" in complaint(
        cli(*words, "--split", "awrs-validation")
    )
    assert cli(*words, "--split", "awrs-validation", "--overwrite").exit_code == 0
    assert info_of("runs/split")["publishers"][0]["scored_sessions"] == 1


def test_no_run_touches_a_folder_that_holds_something_else(cli: Cli, folder: Path) -> None:
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.tex").write_text("hard work")
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency", "--out", "thesis")
    assert "thesis holds something that is not a run" in complaint(cli(*words))
    assert files_of("thesis") == {"chapter.tex": b"hard work"}


def test_a_rerun_replaces_the_run_in_its_folder(replay: Cli) -> None:
    replay("--recommenders", "recency,circular")
    replay("--recommenders", "recency", "--publishers", "A")
    assert sorted(files_of("runs/clicks")) == [
        "SHA256SUMS",
        "experiment.toml",
        "frame/A.arrow",
        "outcomes/A/recency.arrow",
        "replicates/A.npy",
        "requests/A.arrow",
        "results.json",
        "run.json",
        "slates/A/recency.arrow",
        "sums/A/recency.npz",
        "timing.json",
    ]


def test_a_leaking_recipe_is_said_under_every_table(cli: Cli) -> None:
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency", "--impressions")
    assert "LEAKS THE FUTURE: sampled:uniform-all" in cli(*words, "sampled:uniform-all").stdout
    assert "LEAKS" in cli("leaderboard", "runs/clicks").stdout
    causal = cli(*words, "sampled").stdout
    assert "LEAKS" not in causal
    assert "made up: Impressions: each read with 20 articles drawn uniformly" in causal


def test_recommenders_that_train_are_repeated_and_their_costs_stand_below(replay: Cli, cli: Cli) -> None:
    text = replay("--recommenders", "recency,mine.py:Trained", "--seeds", "1,2", "--publishers", "A", *NAMED).stdout
    board, notes, cost = text.split("\n\n")[:3]
    assert [*e1(board)] == ["recency", "mine.py:Trained"]
    assert "mine.py:Trained: no texts" in notes.splitlines()
    assert cost.splitlines()[0].split()[:4] == ["recommender", "E@1", "train", "s"]
    assert "answer ms" not in replay("--recommenders", "recency").stdout
    words = ("--recommenders", "mine.py:Trained", "--seeds", "1,2", "--format", "json")
    assert {row["recommender"] for row in json.loads(replay(*words).stdout)} == {
        *("mine.py:Trained", "mine.py:Trained(seed=1)", "mine.py:Trained(seed=2)")
    }
    replay("--recommenders", "mine.py:Deep(3),mine.py:Deep(3, 9)", "--seeds", "1,2", "--publishers", "A")
    assert [(pair["recommender"], pair.get("without_seed")) for pair in info_of("runs/clicks")["pairs"]] == [
        ("mine.py:Deep(3, seed=1)", "mine.py:Deep(3)"),
        ("mine.py:Deep(3, seed=2)", "mine.py:Deep(3)"),
        ("mine.py:Deep(3, 9)", None),
    ]
    for seeds, message in (("1,x", "write 1,2,3"), ("1,1", "name every seed once")):
        assert message in complaint(cli("run", "--data", "clicks.csv", "--seeds", seeds))


def test_the_command_that_makes_a_run_again_is_kept(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "--data", "clicks.csv", "--recommenders", "recency,circular(size=3)", "--out", "a run"]
    monkeypatch.setattr(sys, "argv", ["newsreplay", *words])
    assert cli(*words).exit_code == 0
    kept = info_of("a run")["command"]
    assert kept == "newsreplay run --data clicks.csv --recommenders 'recency,circular(size=3)' --out 'a run'"
    assert shlex.split(kept)[1:] == words


def test_answers_are_timed_and_a_deadline_says_which_are_late(cli: Cli, replay: Cli) -> None:
    replay("--recommenders", "recency", "--timed")
    assert "p99 µs" in cli("leaderboard", "runs/clicks", "--cost").stdout
    board = replay("--recommenders", "recency", "--deadline", "1h", "--strict-deadline").stdout
    assert "answers that took more than 3.6e+06 ms count for nothing" not in board
    assert "answers that took more than 3,600,000 ms count for nothing, so the results depend on the machine" in board
    assert "0.00 %" in cli("leaderboard", "runs/clicks", "--cost").stdout
    assert info_of("runs/clicks")["options"]["timed"] is True


def test_the_first_run_says_that_kernels_are_compiled(folder: Path, empty_home: Path) -> None:
    (folder / "bad.csv").write_text("time,user,item\nnoon,ann,a\n")
    done = python("-m", "newsreplay", "run", "--data", "bad.csv", "--recommenders", "recency")
    lines = done.stderr.splitlines()
    assert "compiling the kernels (once after installation, less than a minute)" in lines
    assert "none of 1 rows is a usable read" in lines[-1]
    assert done.returncode == 1


def test_nothing_is_compiled_for_data_that_are_not_there(folder: Path, empty_home: Path) -> None:
    done = python("-m", "newsreplay", "run", "--data", "nowhere", "--recommenders", "recency")
    assert done.stderr.startswith("Error: there is no data set and no file 'nowhere'")
    assert done.returncode == 1


def test_a_home_that_cannot_be_written_is_said_in_one_line(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(folder / "clicks.csv" / "home"))
    message = complaint(cli("run", "--data", "clicks.csv", "--recommenders", "recency"))
    assert "Not a directory; set NEWSREPLAY_HOME to a folder for it" in message


# --- bad files ------------------------------------------------------------------------------------------


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "a missing column": ("bad.csv", b"time,user\n2020-01-01,ann\n", "item"),
    "an empty file": ("bad.csv", b"", "bad.csv"),
    "a header only": ("bad.csv", b"time,user,item\n", "bad.csv has a header but no rows"),
    "no usable row": ("bad.csv", b"time,user,item\nnoon,ann,a\n", "none of 1 rows is a usable read"),
    "a truncated gzip": ("bad.csv.gz", gzip.compress(CLICKS.encode())[:-20], "bad.csv.gz"),
    "no gzip at all": ("bad.csv.gz", CLICKS.encode(), "bad.csv.gz"),
    "no Parquet": ("bad.parquet", b"PAR1 no", "bad.parquet"),
    "an unknown format": ("bad.xlsx", b"PK", "bad.xlsx"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_is_said_in_one_line(cli: Cli, folder: Path, what: str) -> None:
    name, content, message = BAD_FILES[what]
    (folder / name).write_bytes(content)
    for words in (("run", "--recommenders", "recency", "--data", name), ("data", "describe", name)):
        assert message in complaint(cli(*words))
    assert not Path("runs").exists()


def test_data_that_are_not_there_are_said_in_one_line(cli: Cli) -> None:
    words = ("run", "--recommenders", "recency", "--data")
    assert "there is no data set and no file 'nowhere.csv'" in complaint(cli(*words, "nowhere.csv"))
    result = cli(*words, "globo")
    assert result.exit_code == 1
    assert "newsreplay data prepare globo PATH" in result.stderr


# --- the run folder -------------------------------------------------------------------------------------


def test_the_run_folder_has_the_documented_layout(replay: Cli) -> None:
    replay("--recommenders", "recency,circular:size=5,mine.py:Newest", "-k", "3", "--warmup", "1m", "--seed", "7")
    answers = [
        f"{publisher}/{name}.arrow"
        for publisher in ("A", "B%2F2")
        for name in ("circular(size=5)", "mine.py%3ANewest", "recency")
    ]
    assert sorted(files_of("runs/clicks")) == [
        *("SHA256SUMS", "experiment.toml", "frame/A.arrow", "frame/B%2F2.arrow"),
        *(f"outcomes/{name}" for name in answers),
        *("replicates/A.npy", "replicates/B%2F2.npy", "requests/A.arrow", "requests/B%2F2.arrow"),
        *("results.json", "run.json"),
        *(f"slates/{name}" for name in answers),
        *(f"sums/{name.removesuffix('arrow')}npz" for name in answers),
        "timing.json",
    ]
    info = info_of("runs/clicks")
    assert [*info] == [
        *("format", "newsreplay", "code", "files", "python", "packages", "platform", "command"),
        *("key", "data", "options", "rescored", "recommenders", "objects", "publishers", "pairs"),
    ]
    assert (info["format"], info["newsreplay"]) == (4, newsreplay.__version__)
    assert [*info["data"]] == [
        *("name", "kind", "digest", "source", "licence", "notes", "made_up", "leaks", "rows_in", "rejected"),
        *("options", "folder", "asked"),
    ]
    assert info["options"] == {
        "k": 3,
        "warmup": 60_000,
        "window": None,
        "max_session_length": None,
        "seed": 7,
        "slates": True,
        "cluster": None,  # not named: a publisher's own, told by its session ids
        "timed": False,
        "deadline": None,
        "strict_deadline": False,
        "seeds": [],
    }
    assert info["objects"] == []
    assert info["recommenders"] == ["recency", "circular(size=5)", "mine.py:Newest"]
    assert [(facts["publisher"], facts["reads"], facts["scored_sessions"]) for facts in info["publishers"]] == [
        ("A", 6, 1),
        ("B/2", 2, 0),
    ]
    assert [*info["publishers"][0]] == [
        *("publisher", "rows", "reads", "sessions", "articles", "first", "last", "digest"),
        *("scored_sessions", "sessions_of_one_instant", "scored_reads", "reads_at_one_time"),
        *("later_reads", "reachable_reads"),
        *("impressions", "scored_impressions", "impressions_without_outcome", "impressions_of_one_class"),
        *("resampled", "impressions_resampled", "clusters", "impression_clusters", "hits", "hits_of_longest"),
    ]
    assert info["pairs"][1] == {
        "publisher": "A",
        "recommender": "circular(size=5)",
        "status": "done",
        "slates": "slates/A/circular(size=5).arrow",
        "outcomes": "outcomes/A/circular(size=5).arrow",
    }
    assert all(Path("runs/clicks", pair["slates"]).is_file() for pair in info["pairs"])


def test_results_are_rows_of_publisher_recommender_metric_and_interval(replay: Cli) -> None:
    replay("--recommenders", "recency,circular", "-k", "5", "--publishers", "A")
    results = json.loads(Path("runs/clicks/results.json").read_text("utf-8"))
    assert all([*row] == ["publisher", "recommender", "metric", "value", "low", "high", "n"] for row in results)
    beyond = ("novelty", "popularity", "age", "diversity", "coverage", "gini", "category_diversity")
    measures = ("event_success", "session_success", "session_hit_rate", "session_mrr", "session_ndcg", "session_recall")
    assert [(row["publisher"], row["recommender"], row["metric"]) for row in results] == [
        ("A", name, metric)
        for name in ("recency", "circular")
        for metric in [
            *(f"{measure}@{cut}" for cut in (1, 5) for measure in measures),
            *(f"{what}@5" for what in beyond),
        ]
    ]
    first = results[0]
    assert (first["value"], first["n"]) == (1.0, 2)
    assert first["low"] <= first["value"] <= first["high"]


def test_timings_tell_the_seconds_of_every_pair(replay: Cli) -> None:
    replay("--recommenders", "recency,mine.py:RaisesInLearn", "--publishers", "A")
    timing = json.loads(Path("runs/clicks/timing.json").read_text("utf-8"))
    assert [*timing] == ["seconds", "stages", "pairs"]
    (pair,) = timing["pairs"]  # a failed one has none
    assert [*pair] == ["publisher", "recommender", "seconds", "events_per_second", "state_bytes", "stages"]


def test_slates_have_the_publishers_own_ids_one_row_per_request_in_log_order(replay: Cli) -> None:
    replay("--recommenders", "recency", "-k", "2")
    asked, answers = (pd.read_feather(f"runs/clicks/{name}.arrow") for name in ("requests/A", "slates/A/recency"))
    assert asked.columns.tolist() == ["row", "time", "session", "user", "item"]
    assert answers.columns.tolist() == ["slate"]
    assert [str(kind) for kind in asked.dtypes[:2]] == ["int64", "datetime64[ms, UTC]"]
    assert asked.iloc[1].tolist() == [1, datetime(2020, 1, 1, 0, 1, tzinfo=UTC), "ann.1", "ann", "b"]
    assert [list(slate) for slate in answers["slate"]] == [[], ["a"], ["a"], ["b"], ["b"], ["a"]]
    assert asked["session"].tolist() == ["ann.1", "ann.1", "bob.1", "bob.1", "ann.1", "zoe.1"]
    frame = Run("runs/clicks").slates("A", "recency")
    assert frame.columns.tolist() == ["row", "time", "session", "user", "item", "slate"]
    assert frame.iloc[1, :5].tolist() == asked.iloc[1].tolist()
    assert [list(slate) for slate in frame["slate"]] == [list(slate) for slate in answers["slate"]]


def test_a_run_reads_its_slates_back(replay: Cli) -> None:
    replay("--recommenders", "recency,mine.py:RaisesInLearn")
    run = Run("runs/clicks")
    frame = run.slates("B/2", "recency")
    assert isinstance(frame, pd.DataFrame)
    assert [list(slate) for slate in frame["slate"]] == [[], ["x"]]
    with pytest.raises(RunError, match="has no popular on A"):
        run.slates("A", "popular")
    with pytest.raises(RunError, match="keeps no slates of mine"):
        run.slates("A", "mine.py:RaisesInLearn")


def test_without_slates_the_results_are_the_same(replay: Cli) -> None:
    words = ("--recommenders", "recency,mine.py:Newest")
    replay(*words, "--out", "with")
    replay(*words, "--out", "without", "--no-slates")
    assert {name.split("/")[0] for name in files_of("without")} == {
        *("SHA256SUMS", "experiment.toml", "frame", "outcomes", "replicates"),
        *("results.json", "run.json", "sums", "timing.json"),
    }
    assert files_of("without")["results.json"] == files_of("with")["results.json"]
    assert info_of("without")["options"]["slates"] is False
    with pytest.raises(RunError, match="keeps no slates"):
        Run("without").slates("A", "recency")


def test_results_and_slates_are_the_same_bytes_for_any_number_of_jobs_and_any_number_of_times(
    replay: Cli, folder: Path
) -> None:
    (folder / "clicks.csv").write_text(CLICKS + "".join(MORE))
    words = ("--recommenders", "random,recency,mine.py:Newest,mine.py:Oldest", "-k", "3")
    replay(*words, "--jobs", "1", "--out", "one")
    for out, jobs in (("again", "1"), ("two", "2")):
        replay(*words, "--jobs", jobs, "--out", out)
        same = [name for name in files_of("one") if name not in ("run.json", "timing.json", "SHA256SUMS")]
        assert len(same) == 2 + 2 * (3 + 4 + 4 + 4)
        assert [files_of(out)[name] for name in same] == [files_of("one")[name] for name in same]
    replay(*words, "--seed", "1", "--out", "other")
    assert files_of("other")["slates/A/random.arrow"] != files_of("one")["slates/A/random.arrow"]
    assert files_of("other")["slates/A/recency.arrow"] == files_of("one")["slates/A/recency.arrow"]


def test_a_name_becomes_a_file_name_that_cannot_leave_its_folder() -> None:
    names = ["..", ".", "a/b", "a\\b", "a:b", "C:", "x" * 5000, "y" * 5000, "é" * 500, "\udcff", 'con|aux?*<>"\n\0']
    written = [file_name(name) for name in names]
    assert len({*written}) == len(names)
    for name in written:
        assert len(name) < 220
        assert name.isascii()
        assert not {*name} & {*'/\\:|?*<>"\n\0'}
        assert not name.startswith(".")


def test_a_very_long_name_has_its_slates_kept(replay: Cli) -> None:
    note = "n" * 300
    replay("--recommenders", f"mine.py:Noted(note={note})", "--publishers", "A")
    assert len(Run("runs/clicks").slates("A", f"mine.py:Noted(note={note})")) == 6


# --- recommenders that fail -----------------------------------------------------------------------------


FAILING = {
    "RaisesInStart": "ValueError: no licence for you\x1b[31m",
    "RaisesInLearn": "ValueError: row 0 is not to my taste",
    "RaisesInRecommend": "KeyError: 'nothing'",
    "RaisesWhatCannotBeShown": "UnspeakableError: (its message cannot be shown)",
    "RaisesWhatIsNoText": "ValueError: \udcff",
    "ReturnsNone": "ReturnsNone.recommend returned None at row 0; return a sequence of article codes",
    "ReturnsStrings": "ReturnsStrings.recommend returned 'q' in a slate at row 0; no article known by then has this id",
    "ReturnsFloats": "ReturnsFloats.recommend returned 0.0 in a slate at row 0; article codes are whole numbers",
    "ReturnsUnknown": "ReturnsUnknown recommended 1 ('b') at row 0, where only the article codes 0 to 0 are known",
    "ReturnsNegative": "ReturnsNegative.recommend returned -1 in a slate at row 0; article codes count from 0",
    "Leaves": "SystemExit: 3",
}


def test_recommenders_that_fail_cost_only_their_own_rows(replay: Cli) -> None:
    alone = replay("--recommenders", "recency", "--jobs", "1", "--out", "alone", *NAMED)
    strangers = [f"mine.py:{name}" for name in FAILING]
    result = replay("--recommenders", ",".join(["recency", *strangers]), "--jobs", "1", "--out", "mixed", *NAMED)
    assert e1(result.stdout) == {"recency": e1(alone.stdout)["recency"], **dict.fromkeys(strangers, "failed")}
    assert files_of("mixed")["results.json"] == files_of("alone")["results.json"]
    assert files_of("mixed")["slates/A/recency.arrow"] == files_of("alone")["slates/A/recency.arrow"]
    assert not [name for name in files_of("mixed") if "mine" in name and not name.startswith("errors/")]
    pairs = {pair["recommender"]: pair for pair in info_of("mixed")["pairs"] if pair["publisher"] == "A"}
    assert pairs["recency"]["status"] == "done"
    for name, error in FAILING.items():
        pair = pairs[f"mine.py:{name}"]
        assert pair["status"] == "failed"
        assert pair["error"].startswith(error)
        told = (Path("mixed") / pair["errors"]).read_text("utf-8")
        assert told.startswith(f"{error}".encode(errors="backslashreplace").decode())
        assert "Traceback (most recent call last):\n" in told
        shown = f"FAILED: mine.py:{name} on A: {error}".translate({0x1B: r"\x1b", 0xDCFF: r"\udcff"})
        assert shown in result.stdout


def test_a_recommender_that_fails_at_one_publisher_is_scored_at_the_other(replay: Cli) -> None:
    result = replay("--recommenders", "recency,mine.py:RaisesOnlyAtB", *NAMED)
    assert e1(result.stdout)["mine.py:RaisesOnlyAtB"] == "0.0~"  # "~": not told apart from the first
    assert "FAILED: mine.py:RaisesOnlyAtB on B/2: ValueError: B is too much" in result.stdout
    assert "on A:" not in result.stdout


def test_recommenders_that_fail_in_processes_of_their_own_are_told_apart_too(replay: Cli) -> None:
    words = ("--recommenders", "recency,mine.py:Leaves,mine.py:Newest", "--publishers", "A", "--jobs", "2")
    result = replay(*words, *NAMED)
    assert e1(result.stdout) == {"recency": "100.0*", "mine.py:Newest": "100.0*", "mine.py:Leaves": "failed"}
    assert "FAILED: mine.py:Leaves on A: SystemExit: 3" in result.stdout


def test_a_recommender_that_kills_its_process_costs_only_its_own_rows(replay: Cli, folder: Path) -> None:
    (folder / "own.py").write_text(
        "import os\n"
        "from newsreplay import Recommender\n"
        "class Fine(Recommender):\n"
        "    def recommend(self, request, k):\n"
        "        return []\n"
        "class Killer(Recommender):\n"
        "    def recommend(self, request, k):\n"
        "        os._exit(7)\n"
    )
    replay("--recommenders", "popular,own.py:Killer,own.py:Fine", "--jobs", "2", "--out", "run")
    pairs = json.loads((folder / "run" / "run.json").read_text())["pairs"]
    assert [pair["status"] for pair in pairs] == ["done", "failed", "done"] * 2
    assert "its process ended" in pairs[1]["error"]


def test_the_current_article_and_repeated_ones_are_dropped_and_counted(replay: Cli) -> None:
    result = replay("--recommenders", "mine.py:ReturnsTheCurrent", "--publishers", "A")
    (pair,) = info_of("runs/clicks")["pairs"]
    # Six reads, on three of which the current article is also article 0.
    assert pair["dropped"] == {"current": 6 * 2 + 3 * 2, "repeated": 3}
    assert "dropped from the slates of mine.py:ReturnsTheCurrent on A: 18 current, 3 repeated" in result.stdout
    assert [list(slate) for slate in Run("runs/clicks").slates("A", "mine.py:ReturnsTheCurrent")["slate"]] == [
        *([], ["a"], ["a"], [], [], ["a"])
    ]


def test_when_every_recommender_fails_the_command_fails_but_the_run_is_kept(cli: Cli) -> None:
    result = cli("run", "--data", "clicks.csv", "--recommenders", "mine.py:RaisesInLearn")
    assert complaint(result, 3) == "every recommender failed; tracebacks lie in runs/clicks-1/errors"
    assert "FAILED: mine.py:RaisesInLearn on A: ValueError: row 0 is not to my taste" in result.stdout
    assert cli("leaderboard", "runs/clicks").exit_code == 0


# --- interruptions --------------------------------------------------------------------------------------


def test_overwrite_without_out_is_refused(cli: Cli) -> None:
    assert "--overwrite is for --out" in complaint(cli("run", "--data", "clicks.csv", "--overwrite"))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_finished_beside_the_latest_run(cli: Cli, replay: Cli, jobs: str) -> None:
    replay("--recommenders", "recency")
    before = files_of("runs/clicks")
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency,mine.py:CtrlC", "--jobs", jobs)
    for _ in range(2):  # the second takes the place of the first
        result = cli(*words)
        assert result.exit_code == 130
        assert "Aborted!" in result.stderr
        assert "Traceback" not in result.output
    assert sorted(path.name for path in Path("runs").iterdir()) == ["clicks", "clicks-1", "clicks-2.partial"]
    assert files_of("runs/clicks") == before
    if Path("runs/clicks-2.partial/run.json").exists():  # recency may have ended before it, or not
        assert "what is finished lies in runs/clicks-2.partial, a partial run" in result.stderr


def test_sigterm_ends_a_command_as_ctrl_c_does_with_its_own_status(cli: Cli, folder: Path) -> None:
    with (folder / "mine.py").open("a") as file:
        file.write(
            "\nclass Told(Newest):\n    def recommend(self, request, k):\n"
            "        os.kill(multiprocessing.parent_process().pid, signal.SIGTERM)\n        time.sleep(600)\n"
        )
    before = signal.getsignal(signal.SIGTERM)
    result = cli("run", "--data", "clicks.csv", "--recommenders", "mine.py:Told", "--jobs", "1", "--out", "run")
    assert result.exit_code == 143
    assert result.stderr.splitlines()[-1] == "Terminated"
    assert signal.getsignal(signal.SIGTERM) is before
    assert sorted(path.name for path in Path().iterdir() if path.name.startswith(("run", "."))) == ["run.partial"]


def test_an_interruption_before_anything_is_finished_leaves_a_folder_that_says_so(folder: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("clicks.csv", "recency", out="stopped", progress=interrupt)
    with pytest.raises(RunError, match=r"stopped holds no run, but stopped.partial what was interrupted"):
        Run("stopped")
    with pytest.raises(RunError, match=r"stopped.partial holds a run that has not ended, of which nothing is measured"):
        Run("stopped.partial")


def test_progress_ends_at_the_number_of_rows_of_all_pairs(folder: Path) -> None:
    for recommenders in ("recency", "mine.py:Newest", "recency,mine.py:Newest,mine.py:Oldest"):
        reported: list[tuple[int, int]] = []
        newsreplay.run(
            "clicks.csv", recommenders, jobs=1, progress=lambda what, done, total, to=reported: to.append((done, total))
        )
        assert {total for _, total in reported} == {8 * len(recommenders.split(","))}
        assert reported[-1][0] == reported[-1][1]
        assert reported == sorted(reported)


# --- Python ---------------------------------------------------------------------------------------------


def test_a_run_without_a_folder_keeps_one_as_long_as_it_lives(folder: Path) -> None:
    run = newsreplay.run("clicks.csv", ["recency"], publishers=["A"])
    assert run.folder.is_dir()
    assert e1(str(run)) == {"recency": "-"}  # of two sessions
    assert e1(newsreplay.leaderboard([run], metrics=["E@1"])) == {"recency": "100.0*"}
    frame = run.to_pandas()
    assert list(frame.columns) == ["publisher", "recommender", "metric", "value", "low", "high", "n"]
    assert frame.value[0] == 1.0
    assert "recency" in run._repr_html_()
    assert [*Path().iterdir()] != []
    assert not Path("runs").exists()


def test_an_object_is_as_good_as_a_spec(folder: Path) -> None:
    class Mine(newsreplay.Recommender):
        def start(self, catalog: Any) -> None:
            self.catalog = catalog

        def recommend(self, request: Any, k: int) -> Any:
            return range(self.catalog.known - 1, -1, -1)

    run = newsreplay.run("clicks.csv", [Mine(), "recency"], jobs=2)
    values = {
        row.recommender: row.value for row in run.results if (row.publisher, row.metric) == ("A", "event_success@1")
    }
    assert values == {"Mine": 1.0, "recency": 1.0}


# --- score, verify, check -------------------------------------------------------------------------------


def test_a_run_is_scored_again_with_other_options(cli: Cli, replay: Cli, done: str) -> None:
    result = cli("score", done, "--warmup", "1d", "--cluster", "user", "--metrics", "event_success@3")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split() == ["recommender", "E@3", "E@3", "mean", "rank"]
    assert "A has only 3 clusters (user) to resample" in result.stdout
    assert "; a warm-up of 1d; intervals over users\n" in result.stdout
    assert " to replay, scored again since --warmup 1d --cluster user; the run lies in " in result.stdout
    replay(
        "--recommenders",
        "recency,circular:size=3,oracle",
        "-k",
        "3",
        "--out",
        "fresh",
        "--warmup",
        "1d",
        "--cluster",
        "user",
    )
    assert files_of("fresh")["results.json"] == files_of(done)["results.json"]
    assert info_of("fresh")["options"] == info_of(done)["options"]
    refused = cli("score", done, "--names", "trend=Trend")
    assert refused.exit_code == 1
    assert "trend" in refused.stderr
    assert "Newest" in cli("score", done, "--warmup", "0h", "--names", "recency=Newest").stdout
    assert info_of(done)["options"]["warmup"] == 0
    assert info_of(done)["options"]["cluster"] == "user"  # not named, so as it was


def test_a_run_is_verified(cli: Cli, done: str) -> None:
    result = cli("verify", done)
    assert result.exit_code == 0, result.output
    assert result.stdout == "all 6 pairs of recommender and publisher give the same answers and the same results\n"
    results = json.loads(Path(done, "results.json").read_text("utf-8"))
    results[0]["value"] = 0.5
    Path(done, "results.json").write_text(json.dumps(results))
    sealed(Path(done))
    result = cli("verify", done)
    assert complaint(result) == "1 of 6 pairs are not as they were"
    assert result.stdout.startswith("recency on A: event_success@1 was 0.5 [")


def test_check_finds_a_built_in_blind_and_a_cheat_out(cli: Cli, folder: Path) -> None:
    with (folder / "mine.py").open("a") as file:
        file.write("""
class Cheat(Newest):
    replays = 0
    def start(self, catalog):
        self.catalog = catalog
        Cheat.replays += 1
    def recommend(self, request, k):
        return [Cheat.replays % self.catalog.known]
""")
    result = cli("check", "recency,circular:size=5", "--cuts", "3")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{name}: blind to the future at 3 cuts; "
        "a peek on 78 % of requests or 95 % of scored impressions is found with 95 %"
        for name in ("recency", "circular(size=5)")
    ]
    on_data = cli("check", "recency", "--data", "clicks.csv", "--cuts", "2")
    assert on_data.stdout.startswith("recency: blind to the future at 2 cuts; ")
    every = cli("check", "recency", "--data", "clicks.csv", "--exhaustive")
    # Of two articles one is on screen: there is no choice that could tell of a peek.
    assert every.stdout.startswith("recency: blind to the future at 5 cuts; no request was right before a cut")
    assert "--exhaustive makes every row a cut" in complaint(cli("check", "recency", "--exhaustive", "--cuts", "3"))
    cheat = cli("check", "recency,mine:Cheat", "--cuts", "3")
    assert complaint(cheat) == "1 did not pass"
    assert "mine:Cheat: SEES WHAT IT SHOULD NOT: the answer at row" in cheat.stdout


def test_a_profile_says_where_the_seconds_went(replay: Cli) -> None:
    words = ("--recommenders", f"recency,{__name__}:Answer", "--out", "runs/profiled")
    lines = replay(*words, "--profile").stdout.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("stage"))
    rows = {line[:9].strip(): line[9:].split() for line in lines[head + 1 : -1]}
    timing = json.loads(Path("runs/profiled/timing.json").read_text())
    assert [*rows] == ["find", "load", "compile", "replay", "judge", "intervals", "write", "in all"]
    assert timing["stages"].keys() == {"wall", "processor"}
    assert [*timing["stages"]["wall"]] == ["find", "load", "intervals", "write"]
    assert [*timing["stages"]["processor"]] == ["load", "compile", "replay", "judge", "write"]
    # Processor seconds are of all threads: replays go on while kernels are compiled in others.
    for column, (measured, threads) in enumerate(zip(timing["stages"].values(), (1, cores()), strict=True)):
        assert [stage for stage, row in rows.items() if row[column] != "–"] == [*measured, "in all"]
        most = threads * (timing["seconds"] + measured.get("find", 0))
        assert all(0 <= seconds <= most for seconds in measured.values())
    assert "stage" not in replay(*words).stdout


def test_a_profile_stands_beside_what_programs_read(replay: Cli) -> None:
    result = replay(*NAMED, "--recommenders", "recency", "--format", "json", "--profile")
    assert json.loads(result.stdout)
    assert "intervals" in result.stderr


class Answer:
    """A plain recommender."""

    def learn(self, event: Any) -> None:
        pass

    def recommend(self, request: Any, k: int) -> list[int]:
        return []
