"""The gate: who may be promoted, who is held, and what it says to CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import newsreplay
from newsreplay.api import Run
from newsreplay.cli import main
from newsreplay.errors import NewsreplayError
from newsreplay.report.gate import gate
from tests.scripts import script

experiment = script("gate")

SPECS = "sequences,random,random(hours=48),oracle"


def log(seed: int = 0, reads: int = 1500) -> pd.DataFrame:
    """Readers who mostly read a cycle of articles in order: `sequences` knows what comes next, chance does not."""
    rng = np.random.default_rng(seed)
    step = np.where(rng.random(reads) < 0.7, 1, rng.integers(0, 12, reads))
    user = rng.integers(0, 300, reads)
    place = pd.Series(step).groupby(user).cumsum().to_numpy()
    time = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(reads) * 40, unit="s")
    return pd.DataFrame({"time": time, "user": user.astype(str), "item": (place % 12).astype(str)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return newsreplay.run(log(), SPECS, k=3, out=tmp_path_factory.mktemp("gate") / "run")


def test_who_is_surely_better_is_promoted_and_the_verdict_has_the_paired_interval(run: Run) -> None:
    verdict = gate(run, "sequences", "random")
    (one,) = verdict["publishers"]
    assert verdict["verdict"] == "promote"
    assert verdict["unit"] == "%"
    assert one["passed"]
    assert one["low"] is not None
    assert one["difference"] is not None
    assert 0 < one["low"] < one["difference"]
    assert one["candidate"] is not None
    assert one["incumbent"] is not None
    assert one["difference"] == pytest.approx(one["candidate"] - one["incumbent"])
    records = json.loads(newsreplay.compare(run, "sequences", "random", style="json", metrics=["event_success@1"]))
    assert one["low"] == pytest.approx(100 * records[0]["low"])


def test_it_opens_for_a_difference_above_the_margin_alone(run: Run) -> None:
    low = gate(run, "sequences", "random")["publishers"][0]["low"]
    assert low is not None
    assert gate(run, "sequences", "random", margin=low - 0.01)["verdict"] == "promote"
    assert gate(run, "sequences", "random", margin=low + 0.01)["verdict"] == "hold"
    assert gate(run, "random", "sequences")["verdict"] == "hold"
    worse = gate(run, "random", "sequences")["publishers"][0]["low"]
    assert worse is not None
    assert gate(run, "random", "sequences", margin=worse - 0.01)["verdict"] == "promote"


def test_equals_are_held_and_are_no_worse_than_each_other_by_much(run: Run) -> None:
    assert gate(run, "random(hours=48)", "random")["verdict"] == "hold"
    assert gate(run, "random(hours=48)", "random", margin=-30)["verdict"] == "promote"


@pytest.mark.parametrize(
    ("candidate", "incumbent", "options", "told"),
    [
        ("sequence", "random", {}, r"no results of 'sequence'\. Did you mean 'sequences'"),
        ("sequences", "sequences", {}, "its own place"),
        ("oracle", "random", {}, "oracle was given what no recommender has"),
        ("sequences", "random", {"metric": "coverage@3"}, "describes recommenders"),
        ("sequences", "random", {"metric": "event_succes@1"}, "no metric is called"),
        ("sequences", "random", {"publishers": ["gazette"]}, "has no publisher 'gazette'"),
        ("sequences", "random", {"margin": float("nan")}, "the margin is no number"),
    ],
)
def test_what_cannot_be_judged_is_an_error(
    run: Run, candidate: str, incumbent: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(NewsreplayError, match=told):
        gate(run, candidate, incumbent, **options)  # type: ignore[arg-type]


def test_who_failed_is_an_error_not_a_verdict(tmp_path: Path) -> None:
    class Broken:
        def start(self, catalog: object) -> None: ...
        def learn(self, event: object) -> None: ...
        def recommend(self, request: object, k: int) -> list[int]:
            raise RuntimeError("no")

    broken = newsreplay.run(log(reads=200), ["popular", Broken()], k=2, out=tmp_path / "run")
    with pytest.raises(NewsreplayError, match="Broken failed on frame"):
        gate(broken, "Broken", "popular")


def test_the_command_prints_one_json_verdict_and_ends_with_its_status(run: Run) -> None:
    arguments = ["gate", str(run.folder), "--candidate", "sequences", "--incumbent", "random"]
    promoted = CliRunner().invoke(main, arguments)
    assert promoted.exit_code == 0
    assert json.loads(promoted.stdout) == gate(run, "sequences", "random")
    assert promoted.stderr.startswith("promote: sequences - random on frame: ")
    held = CliRunner().invoke(main, [*arguments, "--metric", "P@1", "--margin", "99"])
    assert held.exit_code == 4
    assert json.loads(held.stdout)["verdict"] == "hold"
    wrong = CliRunner().invoke(main, [*arguments, "--metric", "P"])
    assert wrong.exit_code == 1
    assert wrong.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", experiment.KINDS, ids=lambda kind: kind.name)
def test_of_candidates_that_are_no_better_at_most_one_in_twenty_is_promoted(kind: Any) -> None:
    for share in experiment.promotions(kind, logs=20, pairs=10):
        assert share <= 0.05
