"""The command line, from a file of clicks to a leaderboard, and what is said when something is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shlex
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import newsreplay
from newsreplay import machine as home
from newsreplay.api import Run
from newsreplay.cli import main
from newsreplay.errors import RunError
from newsreplay.recommenders.registry import ALIASES, BUILT_IN, PRESETS
from newsreplay.simulator.runs.paths import file_name

# Publisher A: ann reads a and b and comes back to a; bob reads b and then a; zoe reads once. Publisher B/2: ann
# reads x and y. Recency (known last first) offers nothing at first, then a, b, a, b …
CLICKS = """time,publisher,user,item
2020-01-01T00:00:00Z,A,ann,a
2020-01-01T00:01:00Z,A,ann,b
2020-01-01T00:02:00Z,A,bob,b
2020-01-01T00:03:00Z,A,bob,a
2020-01-01T00:04:00Z,A,ann,a
2020-01-01T00:05:00Z,B/2,ann,x
2020-01-01T00:06:00Z,B/2,ann,y
2020-01-01T00:07:00Z,A,zoe,b
"""

STRANGERS = """
import os, sys
from newsreplay import Recommender
from newsreplay.recommenders.base import SelfReport

class Newest(Recommender):
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        return range(self.catalog.known - 1, -1, -1)

class Oldest(Newest):
    def recommend(self, request, k):
        return range(min(k, self.catalog.known))

class Noted(Newest):
    def __init__(self, note=""):
        self.note = note

class Trained(Newest):
    def __init__(self, seed=0):
        self.seed = seed
    def self_report(self):
        return SelfReport(training=2.5, notes=("no texts",))

class RaisesInStart(Newest):
    def start(self, catalog):
        raise ValueError("no licence\\nfor you\\x1b[31m")

class RaisesInLearn(Newest):
    def learn(self, event):
        raise ValueError(f"row {event.row} is not to my taste")

class RaisesInRecommend(Newest):
    def recommend(self, request, k):
        return {}["nothing"]

class RaisesOnlyAtB(Newest):
    def recommend(self, request, k):
        if self.catalog.id(0) == "x":
            raise ValueError("B is too much")
        return []

class RaisesWhatCannotBeShown(Newest):
    def recommend(self, request, k):
        class UnspeakableError(Exception):
            def __str__(self):
                raise RuntimeError
        raise UnspeakableError

class RaisesWhatIsNoText(Newest):
    def recommend(self, request, k):
        raise ValueError("\\udcff")

class ReturnsNone(Newest):
    def recommend(self, request, k):
        return None

class ReturnsStrings(Newest):
    def recommend(self, request, k):
        return ["a"]

class ReturnsFloats(Newest):
    def recommend(self, request, k):
        return [0.0]

class ReturnsUnknown(Newest):
    def recommend(self, request, k):
        return [self.catalog.known]

class ReturnsNegative(Newest):
    def recommend(self, request, k):
        return [-1]

class ReturnsTheCurrent(Newest):
    def recommend(self, request, k):
        return [request.item, request.item, 0, 0]

class Leaves(Newest):
    def recommend(self, request, k):
        sys.exit(3)

class CtrlC(Newest):
    def recommend(self, request, k):
        raise KeyboardInterrupt
"""

Cli = Callable[..., Result]

KINDS = "adressa, deskdrop, ebnerd, globo, mind, nemig, newsreel, streamingrec, table"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: clicks.csv and mine.py lie in it."""
    (tmp_path / "clicks.csv").write_text(CLICKS)
    (tmp_path / "mine.py").write_text(STRANGERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    def call(*words: str) -> Result:
        monkeypatch.setattr(sys, "path", [*sys.path])  # main() puts the current folder in front
        return CliRunner().invoke(main, words)

    return call


@pytest.fixture
def replay(cli: Cli) -> Cli:
    """`newsreplay run --data clicks.csv`, which must end well."""

    def call(*words: str) -> Result:
        result = cli("run", "--data", "clicks.csv", *words)
        assert result.exit_code == 0, result.output
        return result

    return call


def complaint(result: Result) -> str:
    """The one line in which a command says why it did not work."""
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def e1(board: str) -> dict[str, str]:
    """E@1 of the first publisher by recommender."""
    lines = board.split("\n\n")[0].splitlines()[3:]
    return {line.split("  ")[0]: line.split("  ", 1)[1].split()[0] for line in lines}


def files_of(run: str) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(Path(run).rglob("*")) if path.is_file()}


def info_of(run: str) -> dict[str, Any]:
    info: dict[str, Any] = json.loads(Path(run, "run.json").read_text("utf-8"))
    return info


# --- run --------------------------------------------------------------------------------------------------


def test_a_table_of_clicks_becomes_a_leaderboard(replay: Cli) -> None:
    result = replay("--recommenders", "recency,circular:size=1")
    # Recency at A offers - a a b b a: b's a and ann's a were on earlier slates. A buffer of one read is the
    # article on screen, which is never offered.
    assert e1(result.stdout) == {"recency": "100.000*", "circular(size=1)": "0.000"}
    assert "data: clicks; sessions scored: A 2 of 3, B/2 1 of 1" in result.stdout
    assert "the run lies in runs/clicks" in result.stdout
    assert "preparing clicks.csv" in result.stderr


def test_the_same_run_prints_in_every_format(replay: Cli, cli: Cli) -> None:
    words = ("--recommenders", "recency,circular")
    table = replay(*words, "--out", "once").stdout
    for style in ("json", "csv", "markdown", "latex"):
        printed = replay(*words, "--format", style).stdout
        assert cli("leaderboard", "once", "--format", style).stdout == printed
    assert cli("leaderboard", "once").stdout == table
    results = json.loads(cli("leaderboard", "once", "--format", "json").stdout)
    assert results == json.loads(Path("once/results.json").read_text())
    rows = list(csv.DictReader(io.StringIO(cli("leaderboard", "once", "--format", "csv").stdout)))
    assert [row["metric"] for row in rows] == [row["metric"] for row in results]


def test_the_paper_scale_multiplies_by_100000(replay: Cli, cli: Cli) -> None:
    assert e1(replay("--recommenders", "recency", "--paper-scale").stdout) == {"recency": "100000*"}
    assert e1(cli("leaderboard", "runs/clicks", "--paper-scale").stdout) == {"recency": "100000*"}


def test_columns_may_be_called_otherwise(cli: Cli, folder: Path) -> None:
    (folder / "clicks.csv").write_text(CLICKS.replace("time,publisher,user,item", "när,paper,who,what"))
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency", "--columns")
    result = cli(*words, "time=när,publisher=paper,user=who,item=what")
    assert e1(result.stdout) == {"recency": "100.000*"}
    assert "write time=ts,item=article_id" in complaint(cli(*words, "time"))


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
        assert f"sessions scored: A {scored} of 3\n" in replay(*words, *more).stdout, more


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--warmup", "5"), "'5' is no duration; write 1d, 36h, 90m, 1d12h or 100ms"),
        (("--warmup", "-1d"), "'-1d' is no duration"),
        (("--window", "1 day"), "'1 day' is no duration"),
        (("--window", ""), "'' is no duration"),
        (("--window", "0h"), "the window must be longer than nothing"),
        (("--warmup", "9999999999999999999d"), "is longer than a century"),
        (("--deadline", "0.5ms"), "'0.5ms' is shorter than a millisecond"),
        (("--deadline", "0ms"), "a deadline must be longer than nothing"),
        (("--strict-deadline",), "there is no deadline to be strict about; give one with --deadline 100ms"),
        (("--cluster", "week"), "'week' is not one of 'session', 'user', 'day'"),
        (("-k", "0"), "0 is not in the range x>=1"),
        (("--jobs", "0"), "0 is not in the range x>=1"),
        (("--max-session-length", "1"), "1 is not in the range x>=2"),
        (("--format", "pdf"), "'pdf' is not one of"),
        (("--recommenders", "tredn"), "no recommender is called 'tredn'. Did you mean 'trend'?"),
        (("--recommenders", "trend(hour=6)"), "trend has no parameter 'hour'. Did you mean 'hours'?"),
        (("--recommenders", "trend("), "cannot read the recommender 'trend('"),
        (("--recommenders", ""), "no recommender named; 'newsreplay recommenders' lists them"),
        (("--recommenders", "recency,recency"), "recency stands on the list twice; name it once"),
        (("--recommenders", "mine.py:Nobody"), "mine.py has no 'Nobody'"),
        (("--out", "clicks.csv/run"), "cannot write to clicks.csv/run: Not a directory; name another folder"),
        (("--out", "clicks.csv"), "clicks.csv holds something that is not a run; name another folder with --out"),
        (("--out", "."), ". holds something that is not a run; name another folder with --out"),
    ],
)
def test_a_wrong_option_is_said_in_one_line(cli: Cli, words: tuple[str, ...], message: str) -> None:
    first = () if "--recommenders" in words else ("--recommenders", "recency")
    assert message in complaint(cli("run", "--data", "clicks.csv", *first, *words))
    assert not Path("runs/clicks/run.json").exists()
    assert Path("clicks.csv").read_text() == CLICKS


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
        "frame/A.parquet",
        "outcomes/A/recency.parquet",
        "replicates/A.npy",
        "results.json",
        "run.json",
        "slates/A/recency.parquet",
        "timing.json",
    ]


# --- bad files --------------------------------------------------------------------------------------------

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


# --- the run folder ---------------------------------------------------------------------------------------


def test_the_run_folder_has_the_documented_layout(replay: Cli) -> None:
    replay("--recommenders", "recency,circular:size=5,mine.py:Newest", "-k", "3", "--warmup", "1m", "--seed", "7")
    answers = [
        f"{publisher}/{name}.parquet"
        for publisher in ("A", "B%2F2")
        for name in ("circular(size=5)", "mine.py%3ANewest", "recency")
    ]
    assert sorted(files_of("runs/clicks")) == [
        *("frame/A.parquet", "frame/B%2F2.parquet"),
        *(f"outcomes/{name}" for name in answers),
        *("replicates/A.npy", "replicates/B%2F2.npy", "results.json", "run.json"),
        *(f"slates/{name}" for name in answers),
        "timing.json",
    ]
    info = info_of("runs/clicks")
    assert [*info] == [
        *("format", "newsreplay", "python", "packages", "platform", "command"),
        *("data", "options", "rescored", "recommenders", "objects", "publishers", "pairs"),
    ]
    assert (info["format"], info["newsreplay"]) == (3, newsreplay.__version__)
    assert [*info["data"]] == [
        *("name", "kind", "digest", "source", "licence", "notes", "made_up", "leaks", "rows_in", "rejected"),
        *("options", "folder"),
    ]
    assert info["options"] == {
        "k": 3,
        "warmup": 60_000,
        "window": None,
        "max_session_length": None,
        "seed": 7,
        "slates": True,
        "cluster": "session",
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
        *("scored_sessions", "later_reads", "reachable_reads"),
        *("impressions", "scored_impressions", "impressions_without_outcome", "impressions_of_one_class"),
        *("clusters", "hits", "hits_of_longest"),
    ]
    assert info["pairs"][1] == {
        "publisher": "A",
        "recommender": "circular(size=5)",
        "status": "done",
        "slates": "slates/A/circular(size=5).parquet",
        "outcomes": "outcomes/A/circular(size=5).parquet",
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
    assert [*timing] == ["seconds", "pairs"]
    (pair,) = timing["pairs"]  # a failed one has none
    assert [*pair] == ["publisher", "recommender", "seconds", "events_per_second", "state_bytes"]


def test_slates_have_the_publishers_own_ids_one_row_per_request_in_log_order(replay: Cli) -> None:
    replay("--recommenders", "recency", "-k", "2")
    table = pq.read_table("runs/clicks/slates/A/recency.parquet")
    assert table.column_names == ["row", "time", "session", "user", "item", "slate"]
    assert [str(kind) for kind in table.schema.types[:2]] == ["int64", "timestamp[ms, tz=UTC]"]
    assert table["slate"].type.value_type == table["item"].type == "string"
    rows = table.to_pylist()
    assert rows[1] == {
        "row": 1,
        "time": datetime(2020, 1, 1, 0, 1, tzinfo=UTC),
        "session": "ann.1",
        "user": "ann",
        "item": "b",
        "slate": ["a"],
    }
    assert [row["slate"] for row in rows] == [[], ["a"], ["a"], ["b"], ["b"], ["a"]]
    assert [row["session"] for row in rows] == ["ann.1", "ann.1", "bob.1", "bob.1", "ann.1", "zoe.1"]


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
        *("frame", "outcomes", "replicates", "results.json", "run.json", "timing.json")
    }
    assert files_of("without")["results.json"] == files_of("with")["results.json"]
    assert info_of("without")["options"]["slates"] is False
    with pytest.raises(RunError, match="keeps no slates"):
        Run("without").slates("A", "recency")


def test_results_and_slates_are_the_same_bytes_for_any_number_of_jobs_and_any_number_of_times(
    replay: Cli, folder: Path
) -> None:
    more = [f"2020-01-02T00:{n:02}:00Z,A,{'uvw'[n % 3]},{'abcdefgh'[n * n % 8]}\n" for n in range(60)]
    (folder / "clicks.csv").write_text(CLICKS + "".join(more))
    words = ("--recommenders", "random,recency,mine.py:Newest,mine.py:Oldest", "-k", "3")
    replay(*words, "--jobs", "1", "--out", "one")
    for out, jobs in (("again", "1"), ("two", "2")):
        replay(*words, "--jobs", jobs, "--out", out)
        same = [name for name in files_of("one") if name not in ("run.json", "timing.json")]
        assert len(same) == 1 + 2 * (2 + 4 + 4)
        assert [files_of(out)[name] for name in same] == [files_of("one")[name] for name in same]
    replay(*words, "--seed", "1", "--out", "other")
    assert files_of("other")["slates/A/random.parquet"] != files_of("one")["slates/A/random.parquet"]
    assert files_of("other")["slates/A/recency.parquet"] == files_of("one")["slates/A/recency.parquet"]


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


# --- recommenders that fail -------------------------------------------------------------------------------

FAILING = {
    "RaisesInStart": "ValueError: no licence for you\x1b[31m",
    "RaisesInLearn": "ValueError: row 0 is not to my taste",
    "RaisesInRecommend": "KeyError: 'nothing'",
    "RaisesWhatCannotBeShown": "UnspeakableError: (its message cannot be shown)",
    "RaisesWhatIsNoText": "ValueError: \udcff",
    "ReturnsNone": "ReturnsNone.recommend returned None; return a sequence of article codes",
    "ReturnsStrings": "ReturnsStrings.recommend returned 'a' in a slate; article codes are whole numbers",
    "ReturnsFloats": "ReturnsFloats.recommend returned 0.0 in a slate; article codes are whole numbers",
    "ReturnsUnknown": "ReturnsUnknown recommended 1 at row 0, where only the article codes 0 to 0 are known",
    "ReturnsNegative": "ReturnsNegative.recommend returned -1 in a slate; article codes count from 0",
    "Leaves": "SystemExit: 3",
}


def test_recommenders_that_fail_cost_only_their_own_rows(replay: Cli) -> None:
    alone = replay("--recommenders", "recency", "--jobs", "1", "--out", "alone")
    strangers = [f"mine.py:{name}" for name in FAILING]
    result = replay("--recommenders", ",".join(["recency", *strangers]), "--jobs", "1", "--out", "mixed")
    assert e1(result.stdout) == {"recency": e1(alone.stdout)["recency"], **dict.fromkeys(strangers, "failed")}
    assert files_of("mixed")["results.json"] == files_of("alone")["results.json"]
    assert files_of("mixed")["slates/A/recency.parquet"] == files_of("alone")["slates/A/recency.parquet"]
    assert not [name for name in files_of("mixed") if "mine" in name]
    pairs = {pair["recommender"]: pair for pair in info_of("mixed")["pairs"] if pair["publisher"] == "A"}
    assert pairs["recency"]["status"] == "done"
    for name, error in FAILING.items():
        pair = pairs[f"mine.py:{name}"]
        assert pair["status"] == "failed"
        assert pair["error"].startswith(error)
        assert pair["traceback"].startswith("Traceback (most recent call last):\n")
        shown = f"FAILED: mine.py:{name} on A: {error}".translate({0x1B: "\ufffd", 0xDCFF: "\ufffd"})
        assert shown in result.stdout


def test_a_recommender_that_fails_at_one_publisher_is_scored_at_the_other(replay: Cli) -> None:
    result = replay("--recommenders", "recency,mine.py:RaisesOnlyAtB")
    assert e1(result.stdout)["mine.py:RaisesOnlyAtB"] == "0.000"
    assert "FAILED: mine.py:RaisesOnlyAtB on B/2: ValueError: B is too much" in result.stdout
    assert "on A:" not in result.stdout


def test_recommenders_that_fail_in_processes_of_their_own_are_told_apart_too(replay: Cli) -> None:
    result = replay("--recommenders", "recency,mine.py:Leaves,mine.py:Newest", "--publishers", "A", "--jobs", "2")
    assert e1(result.stdout) == {"recency": "100.000*", "mine.py:Newest": "100.000*", "mine.py:Leaves": "failed"}
    assert "FAILED: mine.py:Leaves on A: SystemExit: 3" in result.stdout


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
    assert complaint(result) == "every recommender failed"
    assert "FAILED: mine.py:RaisesInLearn on A: ValueError: row 0 is not to my taste" in result.stdout
    assert cli("leaderboard", "runs/clicks").exit_code == 0


# --- interruptions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_a_folder_that_the_leaderboard_refuses(cli: Cli, replay: Cli, jobs: str) -> None:
    replay("--recommenders", "recency")
    result = cli("run", "--data", "clicks.csv", "--recommenders", "recency,mine.py:CtrlC", "--jobs", jobs)
    assert result.exit_code == 1
    assert "Aborted!" in result.stderr
    assert "Traceback" not in result.output
    assert "runs/clicks holds a run that has not ended; start one with" in complaint(cli("leaderboard", "runs/clicks"))
    replay("--recommenders", "recency")  # the same folder can be used again
    assert cli("leaderboard", "runs/clicks").exit_code == 0


def test_an_interruption_while_progress_is_shown_leaves_an_unfinished_run(folder: Path) -> None:
    def interrupt(what: str, done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newsreplay.run("clicks.csv", "recency", out="stopped", progress=interrupt)
    with pytest.raises(RunError, match="stopped holds a run that has not ended"):
        Run("stopped")


def test_progress_ends_at_the_number_of_rows_of_all_pairs(folder: Path) -> None:
    for recommenders in ("recency", "mine.py:Newest", "recency,mine.py:Newest,mine.py:Oldest"):
        told: list[tuple[int, int]] = []
        newsreplay.run(
            "clicks.csv", recommenders, jobs=1, progress=lambda what, done, of, told=told: told.append((done, of))
        )
        assert {of for _, of in told} == {8 * len(recommenders.split(","))}
        assert told[-1][0] == told[-1][1]
        assert told == sorted(told)


# --- Python -----------------------------------------------------------------------------------------------


def test_a_run_without_a_folder_keeps_one_as_long_as_it_lives(folder: Path) -> None:
    run = newsreplay.run("clicks.csv", ["recency"], publishers=["A"])
    assert run.folder.is_dir()
    assert e1(str(run)) == {"recency": "100.000*"}
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


def test_runs_are_merged_on_the_command_line(replay: Cli, cli: Cli) -> None:
    replay("--recommenders", "recency", "--out", "one")
    replay("--recommenders", "circular,recency", "--out", "two")
    board = cli("leaderboard", "one", "two").stdout
    assert [*e1(board)] == ["recency", "circular", "recency [two]"]
    (Path("clicks.csv")).write_text(CLICKS.replace("A,zoe,b", "A,zoe,a"))
    replay("--recommenders", "circular", "--out", "three")
    assert "A is another log in three than in one" in complaint(cli("leaderboard", "one", "three"))


# --- the other commands -----------------------------------------------------------------------------------


def test_recommenders_lists_names_aliases_and_presets(cli: Cli) -> None:
    text = cli("recommenders").stdout
    for name in BUILT_IN:
        assert f"\n{name} " in text
    for alias, name in ALIASES.items():
        assert f"{alias} = {name}" in text
    assert f"preset baselines: {', '.join(PRESETS['baselines'])}" in text


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
        "recency: blind to the future at 3 cuts",
        "circular(size=5): blind to the future at 3 cuts",
    ]
    on_data = cli("check", "recency", "--data", "clicks.csv", "--cuts", "2")
    assert on_data.stdout == "recency: blind to the future at 2 cuts\n"
    cheat = cli("check", "recency,mine:Cheat", "--cuts", "3")
    assert complaint(cheat) == "1 not blind to the future, or not the same from replay to replay"
    assert "mine:Cheat: SEES WHAT IT SHOULD NOT: the answer at row" in cheat.stdout


@pytest.fixture
def own_home(empty_home: Path) -> Iterator[Path]:
    """For commands that compile nothing."""
    yield empty_home
    assert not (empty_home / "kernels").exists()


@pytest.mark.usefixtures("own_home")
def test_data_are_prepared_listed_and_described(cli: Cli) -> None:
    assert cli("data", "list").stdout.splitlines() == [
        "demo: three synthetic publishers, generated at first use",
        f"kinds that can be prepared: {KINDS}",
    ]
    prepared = cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday")
    assert prepared.exit_code == 0
    described = cli("data", "describe", "tuesday")
    assert described.stdout == prepared.stdout
    lines = [line.split("  ") for line in described.stdout.splitlines()]
    rows = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines}
    assert rows["tuesday"] == ["A", "B/2"]
    assert rows["events (reads)"] == ["6", "2"]
    assert rows["sessions"] == ["3", "1"]
    assert rows["single-event sessions"] == ["1", "0"]
    assert rows["mean session length"] == ["2.00", "2.00"]
    assert rows["first read (UTC)"] == ["2020-01-01 00:00", "2020-01-01 00:05"]
    assert "tuesday: table, 8 reads, 2 publishers" in cli("data", "list").stdout


@pytest.mark.usefixtures("own_home")
def test_one_damaged_data_set_does_not_cost_the_list(cli: Cli) -> None:
    for name in ("monday", "tuesday"):
        cli("data", "prepare", "table", "clicks.csv", "--name", name)
    (home.home() / "data" / "monday" / "card.json").write_text("{")
    result = cli("data", "list")
    assert result.exit_code == 0
    assert "monday is no prepared data set" in result.stdout
    assert "tuesday: table, 8 reads, 2 publishers" in result.stdout


@pytest.mark.usefixtures("own_home")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare", "tabel", "clicks.csv"), f"there is no kind of data called 'tabel'; there are {KINDS}."),
        (("prepare", "table", "nowhere.csv"), "nowhere.csv"),
        (("prepare", "table", "clicks.csv", "--name", "demo"), "a data set cannot be called 'demo'"),
        (("prepare", "globo", ".", "--columns", "time=ts"), "--columns goes with tables"),
        (("describe", "tuesday"), "there is no data set and no file 'tuesday'"),
    ],
)
def test_a_wrong_word_about_data_is_said_in_one_line(cli: Cli, words: tuple[str, ...], message: str) -> None:
    assert message in complaint(cli("data", *words))


def test_a_synthetic_log_that_cannot_be_made_is_said_in_one_line(cli: Cli) -> None:
    words = ("data", "synth", "clicks.csv/made", "--reads", "10")
    assert "cannot write to clicks.csv/made: Not a directory" in complaint(cli(*words))
    assert "no synthetic publisher 'Z'; there are A, B, C" in complaint(cli(*words, "--publishers", "A, Z"))


def test_a_home_that_cannot_be_written_is_said_in_one_line(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(folder / "clicks.csv" / "home"))
    message = complaint(cli("run", "--data", "clicks.csv", "--recommenders", "recency"))
    assert "Not a directory; set NEWSREPLAY_HOME to a folder for it" in message


def test_a_synthetic_log_can_be_replayed(cli: Cli) -> None:
    made = cli("data", "synth", "made", "--publishers", "B", "--reads", "300")
    assert made.exit_code == 0
    assert made.stdout == "wrote made; replay it with: newsreplay run --data made\n"
    result = cli("run", "--data", "made", "--recommenders", "recency")
    assert result.exit_code == 0
    assert [facts["reads"] for facts in info_of("runs/made")["publishers"]] == [300]


# --- processes of their own -------------------------------------------------------------------------------


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


def test_help_imports_nothing_heavy() -> None:
    done = python("-X", "importtime", "-m", "newsreplay", "--help")
    assert done.stdout.startswith("Usage: newsreplay [OPTIONS] COMMAND")
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.count("|") == 2}
    assert "newsreplay.cli" in imported
    assert not imported & {"numba", "numpy", "torch", "pandas", "pyarrow"}


def test_the_version_is_that_of_the_package() -> None:
    assert python("-m", "newsreplay", "--version").stdout.strip().endswith(newsreplay.__version__)


def test_the_first_run_says_that_kernels_are_compiled(folder: Path, empty_home: Path) -> None:
    done = python("-m", "newsreplay", "run", "--data", "nowhere", "--recommenders", "recency")
    lines = done.stderr.splitlines()
    assert lines[0] == "compiling the kernels (once after installation, less than a minute)"
    assert lines[1].startswith("Error: there is no data set and no file 'nowhere'")
    assert done.returncode == 1


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


# --- splits, preparing, removing ----------------------------------------------------------------------------


MIND = """1\tU1\t11/9/2019 9:00:00 AM\tN9\tN1-1 N2-0
2\tU1\t11/9/2019 9:05:00 AM\tN9\tN2-1 N1-0
3\tU2\t11/14/2019 9:00:00 AM\t\tN1-1 N2-0
4\tU2\t11/14/2019 9:05:00 AM\t\tN2-1 N1-0
"""


@pytest.fixture
def mind(tmp_path: Path) -> Path:
    (tmp_path / "mind").mkdir()
    (tmp_path / "mind" / "behaviors.tsv").write_text(MIND)
    news = "".join(f"N{n}\tnews\tlocal\tTitle {n}\t\thttp://x\t[]\t[]\n" for n in (1, 2, 9))
    (tmp_path / "mind" / "news.tsv").write_text(news)
    return tmp_path / "mind"


def test_a_split_says_what_is_scored(cli: Cli, mind: Path) -> None:
    words = ("run", "--data", f"mind:{mind}", "--recommenders", "recency", "--out", "runs/split")
    assert cli(*words).exit_code == 0
    assert info_of("runs/split")["publishers"][0]["scored_sessions"] == 2
    assert cli(*words, "--split", "awrs-validation").exit_code == 0
    assert info_of("runs/split")["publishers"][0]["scored_sessions"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--split", "official"), "the split 'official' begins after the data end; is a part of them missing?"),
        (("--split", "tuesday"), "mind has no split 'tuesday'; it has official, awrs, awrs-validation, stream"),
        (("--split", "stream", "--warmup", "1d"), "a split says what is scored; leave --warmup and --window out"),
        (("--impressions", "sampled"), "has impressions of its own; leave --impressions out"),
        (("--impressions", "all"), "impressions cannot be 'all'; use sampled, sampled:popularity, sampled:uniform-all"),
        (("--history", "frozen"), "'frozen'"),
        (("--file-order",), "mind has no option --file-order"),
    ],
)
def test_what_does_not_fit_a_source_is_said_in_one_line(
    cli: Cli, mind: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in complaint(cli("run", "--data", f"mind:{mind}", "--recommenders", "recency", *words))


def test_a_leaking_recipe_is_said_under_every_table(cli: Cli) -> None:
    words = ("run", "--data", "clicks.csv", "--recommenders", "recency", "--impressions")
    assert "LEAKS THE FUTURE: sampled:uniform-all" in cli(*words, "sampled:uniform-all").stdout
    assert "LEAKS" in cli("leaderboard", "runs/clicks").stdout
    causal = cli(*words, "sampled").stdout
    assert "LEAKS" not in causal
    assert "made up: Impressions: each read with 20 articles drawn uniformly" in causal


def test_data_are_removed_by_name_and_what_was_cached_all_at_once(cli: Cli, empty_home: Path) -> None:
    cli("data", "prepare", "table", "clicks.csv", "--name", "tuesday")
    cli("data", "describe", "clicks.csv")
    assert cli("data", "remove", "tuesday").stdout == "removed tuesday\n"
    assert not (empty_home / "data" / "tuesday").exists()
    assert "Did you mean" not in complaint(cli("data", "remove", "tuesday"))
    assert cli("data", "remove", "--cached").stdout == "removed 1 data sets that were prepared without a name\n"
    assert [*(empty_home / "prepared").iterdir()] == []
    assert cli("data", "remove").exit_code == 2


def test_describe_draws(cli: Cli) -> None:
    result = cli("data", "describe", "clicks.csv", "--draw", "pictures")
    assert result.exit_code == 0, result.output
    assert "drew pictures/session_lengths.png" in result.stdout
    assert Path("pictures/popularity.svg").read_text().startswith("<?xml")


# --- looked at again ----------------------------------------------------------------------------------------


def test_recommenders_that_train_are_repeated_and_their_costs_stand_below(replay: Cli, cli: Cli) -> None:
    text = replay("--recommenders", "recency,mine.py:Trained", "--seeds", "1,2", "--publishers", "A").stdout
    board, notes, cost = text.split("\n\n")[:3]
    assert [*e1(board)] == ["recency", "mine.py:Trained"]
    assert "mine.py:Trained: no texts" in notes.splitlines()
    assert cost.splitlines()[0].split()[:4] == ["recommender", "E@1", "train", "s"]
    assert "answer ms" not in replay("--recommenders", "recency").stdout
    words = ("--recommenders", "mine.py:Trained", "--seeds", "1,2", "--format", "json")
    assert {row["recommender"] for row in json.loads(replay(*words).stdout)} == {
        *("mine.py:Trained", "mine.py:Trained(seed=1)", "mine.py:Trained(seed=2)")
    }
    for seeds, message in (("1,x", "write 1,2,3"), ("1,1", "name every seed once")):
        assert message in complaint(cli("run", "--data", "clicks.csv", "--seeds", seeds))


MORE = [f"2020-01-02T00:{n:02}:00Z,A,{'uvw'[n % 3]},{'abcdefgh'[n * n % 8]}\n" for n in range(60)]


@pytest.fixture
def done(replay: Cli, folder: Path) -> str:
    """A run of three recommenders on some sixty reads."""
    (folder / "clicks.csv").write_text(CLICKS + "".join(MORE))
    replay("--recommenders", "recency,circular:size=3,oracle", "-k", "3", "--out", "run")
    return "run"


def test_the_command_that_makes_a_run_again_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "--data", "clicks.csv", "--recommenders", "recency,circular(size=3)", "--out", "a run"]
    monkeypatch.setattr(sys, "argv", ["newsreplay", *words])
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert CliRunner().invoke(main, words).exit_code == 0
    kept = info_of("a run")["command"]
    assert kept == "newsreplay run --data clicks.csv --recommenders 'recency,circular(size=3)' --out 'a run'"
    assert shlex.split(kept)[1:] == words


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
    assert shown.splitlines()[1].split()[:3] == ["coverage@3", "slate", "MRR@3"]


WRONG_WORDS = [
    (("leaderboard", "run", "--by", "positon"), "no slices by 'positon'. Did you mean 'position'?"),
    (("leaderboard", "run", "--by", "day", "--cost"), "choose one of --by, --cost and --misses"),
    (("leaderboard", "run", "--metrics", "event_sucess@1"), "Did you mean 'event_success@1'?"),
    (("leaderboard", "run", "--cost", "--rank-by", "auk"), "no metric is called 'auk'."),
    (("leaderboard", "nowhere"), "nowhere holds no run; start one with"),
    (("compare", "run", "recncy"), "run has no results of 'recncy'. Did you mean 'recency'?"),
    (("compare", "run", "recency", "recency"), "recency cannot be compared with itself"),
    (("compare", "nowhere"), "nowhere holds no run"),
    (("score", "nowhere"), "nowhere holds no run"),
    (("score", "run", "--cluster", "week"), "'week' is not one of"),
    (("score", "run", "--window", "0h"), "the window must be longer than nothing"),
    (("score", "run", "--data", "nowhere.csv"), "the data of run are not there"),
    (("verify", "run", "--data", "nowhere.csv"), "the data of run are not there"),
    (("verify", "nowhere"), "nowhere holds no run"),
    (("plot", "nowhere"), "nowhere holds no run"),
    (("report", "nowhere"), "nowhere holds no run"),
]


@pytest.mark.usefixtures("stand_ins")
def test_a_wrong_word_about_a_run_is_said_in_one_line(cli: Cli, done: str) -> None:
    before = files_of(done)
    for words, message in WRONG_WORDS:
        assert message in complaint(cli(*words)), words
    assert files_of(done) == before


def test_recommenders_are_compared(cli: Cli, done: str) -> None:
    assert "recency - circular(size=3)" in cli("compare", done).stdout
    one = cli("compare", done, "circular:size=3", "recency")
    assert "has no results of 'circular:size=3'" in complaint(one)  # as the run shows it
    records = json.loads(cli("compare", done, "circular(size=3)", "recency", "--format", "json").stdout)
    assert {(record["a"], record["b"]) for record in records} == {("circular(size=3)", "recency")}


def test_a_run_is_scored_again_with_other_options(cli: Cli, replay: Cli, done: str) -> None:
    result = cli("score", done, "--warmup", "1d", "--cluster", "user", "--metrics", "event_success@3")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split() == ["E@3", "E@3", "rank"]
    assert "A has only 3 clusters (user) to resample" in result.stdout
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
    assert cli("score", done, "--warmup", "0h").exit_code == 0
    assert info_of(done)["options"]["warmup"] == 0
    assert info_of(done)["options"]["cluster"] == "user"  # not named, so as it was


def test_a_run_is_verified(cli: Cli, done: str) -> None:
    result = cli("verify", done)
    assert result.exit_code == 0, result.output
    assert result.stdout == "all 6 pairs of recommender and publisher give the same answers and the same results\n"
    results = json.loads(Path(done, "results.json").read_text("utf-8"))
    results[0]["value"] = 0.5
    Path(done, "results.json").write_text(json.dumps(results))
    result = cli("verify", done)
    assert complaint(result) == "1 of 6 pairs are not as they were"
    assert result.stdout.startswith("recency on A: event_success@1 was 0.5 [")


def test_answers_are_timed_and_a_deadline_says_which_are_late(cli: Cli, replay: Cli) -> None:
    replay("--recommenders", "recency", "--timed")
    assert "p99 µs" in cli("leaderboard", "runs/clicks", "--cost").stdout
    board = replay("--recommenders", "recency", "--deadline", "1h", "--strict-deadline").stdout
    assert "answers that took more than 3.6e+06 ms count for nothing" not in board
    assert "answers that took more than 3,600,000 ms count for nothing, so the results depend on the machine" in board
    assert "0.00 %" in cli("leaderboard", "runs/clicks", "--cost").stdout
    assert info_of("runs/clicks")["options"]["timed"] is True


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Modules in place of those that draw; keeps what they were handed."""
    handed: dict[str, Any] = {}

    def draw_run(contents: Any, folder: Path) -> list[Path]:
        handed["plot"] = (contents, folder)
        return [folder / "one.png", folder / "two.svg"]

    def write_page(contents: Any, path: Path) -> None:
        handed["report"] = (contents, path)

    for name, call in (("plots", draw_run), ("page", write_page)):
        module = types.ModuleType(f"newsreplay.report.{name}")
        setattr(module, call.__name__, call)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return handed


def test_pictures_and_pages_are_made_from_the_contents_of_a_run(cli: Cli, done: str, stand_ins: dict[str, Any]) -> None:
    assert cli("plot", done).stdout.splitlines() == ["drew run/pictures/one.png", "drew run/pictures/two.svg"]
    assert cli("report", done).stdout == "wrote run/report.html\n"
    told = {"plot": Path("run/pictures"), "report": Path("run/report.html")}
    for command, path in told.items():
        contents, where = stand_ins[command]
        assert where == path
        assert contents["title"] == "clicks"
        assert [publisher["name"] for publisher in contents["publishers"]] == ["A", "B/2"]
    cli("plot", done, "--to", "there")
    cli("report", done, "--to", "page.html")
    assert (stand_ins["plot"][1], stand_ins["report"][1]) == (Path("there"), Path("page.html"))


@pytest.mark.parametrize("command", ["run", "leaderboard", "compare", "plot", "report", "score", "verify"])
def test_every_command_explains_itself(cli: Cli, command: str) -> None:
    text = cli(command, "--help").stdout
    assert text.startswith(f"Usage: main {command} [OPTIONS]")
    assert len(text.splitlines()) > 5
