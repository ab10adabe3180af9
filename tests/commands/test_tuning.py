"""newsreplay tune: chosen early, reported late."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import newsreplay
from tests.commands.conftest import Cli, complaint

#: Answers what is good early in the log and useless later, or the other way round.
TWO_FACED = """
from newsreplay import Recommender

class TwoFaced(Recommender):
    def __init__(self, early=False, size=1):
        self.early = early
    def start(self, catalog):
        self.catalog = catalog
    def recommend(self, request, k):
        good = (request.time < 1_600_036_000_000) == self.early
        return [1 - request.item] if good and self.catalog.known == 2 else []
"""


@pytest.fixture
def log(folder: Path) -> Path:
    """Twenty hours, in each of which two readers read a and b one after the other."""
    (folder / "two.py").write_text(TWO_FACED)
    rows = "".join(
        f"r{hour}.{reader},{item},{1_600_000_000 + 3600 * hour + 60 * reader + second}\n"
        for hour in range(20)
        for reader in range(2)
        for second, item in enumerate("ab")
    )
    (folder / "log.csv").write_text("user,item,time\n" + rows)
    return folder / "log.csv"


def test_what_is_best_early_is_chosen_and_told_of_as_it_is_later(cli: Cli, log: Path) -> None:
    words = ("--data", "log.csv", "--metric", "E@1", "--out", "tuned", "--format", "json")
    rows = json.loads(cli("tune", "two.py:TwoFaced(early=[true, false], size=[1, 2])", *words).stdout)
    early = [(row["recommender"].split(":")[1], row["role"], row["value"]) for row in rows if row["stretch"] == "early"]
    assert early == [  # nobody knows b when the first of twenty sessions asks
        ("TwoFaced(early=True, size=1)", "chosen", 0.95),
        ("TwoFaced(early=True, size=2)", "candidate", 0.95),
        ("TwoFaced(early=False, size=1)", "candidate", 0.0),
        ("TwoFaced(early=False, size=2)", "candidate", 0.0),
    ]
    chosen, default = (row for row in rows if row["stretch"] == "late")
    assert (chosen["value"], default["value"]) == (0.0, 1.0)
    assert (chosen["difference"], chosen["difference_low"], chosen["difference_high"]) == (-1.0, -1.0, -1.0)
    assert default["recommender"] == "two.py:TwoFaced"
    assert {row["n"] for row in rows} == {20}  # ten hours each, no session in both
    assert pq.read_table("tuned/tuning.parquet").to_pylist() == rows
    lines = csv.DictReader(Path("tuned/tuning.csv").read_text("utf-8").splitlines())
    assert [line["recommender"] for line in lines] == [row["recommender"] for row in rows]
    assert Path("tuned/tuning.png").stat().st_size
    assert Path("tuned/tuning.svg").stat().st_size
    late = newsreplay.open("tuned/late")
    assert {result.recommender for result in late.results} == {chosen["recommender"], default["recommender"]}


def test_the_tables_name_the_chosen_one_and_the_stretch(cli: Cli, log: Path) -> None:
    words = ("--data", "log.csv", "--metric", "E@1", "--choose", "5h")
    told = cli("tune", "circular(size=[1, 2])", "popular(hours=[2, 4])", *words)
    assert told.exit_code == 0, told.output
    assert "circular(size=[1, 2])" in told.stdout
    assert "chosen, on the later stretch" in told.stdout
    assert "the later stretch begins 5h after the first read" in told.stderr
    assert Path("runs/tune-log/late/results.json").is_file()


def test_what_cannot_be_tuned_is_refused(cli: Cli, log: Path) -> None:
    assert "nothing to tune" in complaint(cli("tune", "trend", "--data", "log.csv"))
    assert "is empty" in complaint(cli("tune", "trend(hours=[2, 3])", "--data", "log.csv", "--choose", "2d"))
