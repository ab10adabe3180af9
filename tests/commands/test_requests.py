"""`--requests impressions` from the command line: what it asks, keeps and says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import newsreplay
from newsreplay.report.slices import PublisherColumns, sliced
from newsreplay.simulator.runs.by_cluster import ByCluster
from tests.commands.conftest import NAMED, Cli, complaint, e1, files_of, info_of

SHARED = ("--recommenders", "recency,sequences,logged,oracle", "-k", "2")
#: Forty readers, one impression each: of four articles the third or the fourth is clicked, and one that is new.
MANY = "".join(
    f"{n + 10}\tV{n}\t11/14/2019 {10 + n // 60}:{n % 60:02}:00 AM\tN9\tN1-0 N2-0 N{3 + n % 2}-1 N{100 + n}-{n % 2}\n"
    for n in range(40)
)


@pytest.fixture
def shown(cli: Cli, mind: Path) -> str:
    """A run with requests at impressions."""
    with (mind / "behaviors.tsv").open("a") as file:
        file.write(MANY)
    result = cli("run", "--data", f"mind:{mind}", "--requests", "impressions", *SHARED, "--out", "shown", *NAMED)
    assert result.exit_code == 0, result.output
    return "shown"


def test_headings_say_that_figures_are_of_impressions_and_lower_bounds(cli: Cli, shown: str) -> None:
    board = cli("leaderboard", shown).stdout
    assert "impr. E@1" in board.splitlines()[1]
    assert "rank by impr. E@1" in board
    assert "requests at impressions: slates are answers to impressions" in board
    assert "lower bounds" in board
    for words in (("--misses",), ("--by", "position")):
        assert "lower bounds" in cli("leaderboard", shown, *words).stdout
    compared = cli("compare", shown, "recency", "sequences").stdout
    assert "impr. E@1" in compared
    assert "lower bounds" in compared


def test_a_session_of_one_clicked_impression_is_scored(cli: Cli, shown: str) -> None:
    (facts,) = info_of(shown)["publishers"]
    assert facts["scored_sessions"] == 42
    assert facts["sessions_of_one_instant"] == 0
    # What is shown for the first time as it is clicked could not be offered: N1, N3, N4, and every other reader's own.
    assert (facts["later_reads"], facts["reachable_reads"]) == (64, 41)
    assert float(e1(cli("leaderboard", shown, "--digits", "3").stdout)["oracle"]) == pytest.approx(
        100 * 41 / 42, abs=0.001
    )


def test_the_option_is_kept_and_the_run_is_verified(cli: Cli, shown: str) -> None:
    assert info_of(shown)["options"]["requests"] == "impressions"
    result = cli("verify", shown)
    assert "all 4 pairs of recommender and publisher give the same answers" in result.stdout


def test_without_the_option_nothing_of_it_is_kept(cli: Cli, mind: Path) -> None:
    cli("run", "--data", f"mind:{mind}", *SHARED, "--out", "reads")
    assert "requests" not in info_of("reads")["options"]
    assert not Path("reads/matches").exists()
    assert newsreplay.Run("reads").asks == "reads"


def test_scoring_again_brings_the_same_results(cli: Cli, shown: str) -> None:
    before = files_of(shown)
    assert cli("score", shown).exit_code == 0
    after = files_of(shown)
    for name in before:
        if name not in ("run.json", "SHA256SUMS"):  # which tell what was scored again
            assert after[name] == before[name], name
    assert cli("score", shown, "--warmup", "4d").exit_code == 0
    assert info_of(shown)["publishers"][0]["scored_sessions"] == 41


def test_slates_are_exported_with_the_impressions_that_asked(cli: Cli, shown: str) -> None:
    slates = newsreplay.Run(shown).slates("mind", "logged")
    assert slates["slate"].map(list).tolist()[:2] == [["N1", "N2"], ["N2", "N1"]]
    assert slates["item"].isna().all()
    assert cli("export", shown, "--to", "csv").exit_code == 0
    assert len(pd.read_csv("shown/export/slates/mind/logged.csv")) == 44


def test_runs_by_reads_and_by_impressions_do_not_stand_in_one_table(cli: Cli, shown: str, mind: Path) -> None:
    cli("run", "--data", f"mind:{mind}", *SHARED, "--out", "reads")
    line = complaint(cli("leaderboard", shown, "reads"))
    assert "do not score the same (requests is reads and impressions)" in line


def test_another_kind_of_requests_makes_another_run(cli: Cli, shown: str, mind: Path) -> None:
    line = complaint(cli("run", "--data", f"mind:{mind}", *SHARED, "--out", shown))
    assert "another requests" in line


def test_data_without_impressions_are_refused_by_name_with_the_way_out(cli: Cli) -> None:
    line = complaint(cli("run", "--data", "clicks.csv", "--requests", "impressions", "--recommenders", "recency"))
    assert line.startswith("clicks has no impressions that could ask for slates; leave --requests impressions out")
    line = complaint(cli("check", "recency", "--data", "clicks.csv", "--requests", "impressions"))
    assert line.startswith("clicks has no impressions")


def test_pseudo_impressions_ask_too(cli: Cli) -> None:
    words = ("--impressions", "sampled", "--requests", "impressions", "--recommenders", "recency,oracle")
    result = cli("run", "--data", "clicks.csv", *words, "--out", "sampled", *NAMED)
    assert result.exit_code == 0, result.output
    assert "lower bounds" in result.stdout


def test_the_check_asks_at_impressions(cli: Cli, folder: Path) -> None:
    result = cli("check", "sequences,logged", "--requests", "impressions", "--cuts", "4")
    sequences, logged = result.stdout.splitlines()
    assert sequences.startswith("sequences: blind to the future at 4 cuts; a peek on ")
    assert logged.startswith("logged: blind to the future at 4 cuts; a peek on ")
    assert logged.endswith("; uses the order of pools, as it says")


def test_what_adds_up_to_a_metric_by_cluster_adds_up_to_its_value(shown: str) -> None:
    run = newsreplay.Run(shown)
    by_cluster, checked = ByCluster(run, "mind"), 0
    for result in run.results:
        if "success" in result.metric or result.metric.startswith("session_"):
            sums = by_cluster.sums(result.recommender, result.metric)
            assert result.value == pytest.approx(sums.sum() / result.n)
            checked += 1
    assert checked == 4 * 2 * 6


@pytest.mark.parametrize("by", ["hour", "length", "reader", "position", "age", "category"])
def test_slices_of_sessions_and_reads_add_up_to_all(shown: str, by: str) -> None:
    run = newsreplay.Run(shown)
    columns = PublisherColumns(run, "mind")
    cut = sliced(columns, by)
    for name in ("recency", "oracle"):
        for metric in ("event_success@2", "read_success@2"):
            if metric in cut.metrics:
                cells = [cell for cell in cut.cells[metric][name] if cell[0] is not None]
                hits = sum(value * n for value, _, _, n in cells if value is not None)
                assert hits == pytest.approx(np.count_nonzero(columns.hits(name, 2)))
                assert sum(n for *_, n in cells) == (42 if metric == "event_success@2" else 64)


def test_a_page_and_pictures_have_it_in_their_titles(cli: Cli, shown: str) -> None:
    assert cli("report", shown).exit_code == 0
    page = Path(shown, "report.html").read_text("utf-8")
    assert "requests at impressions (lower bounds)</title>" in page
    assert cli("plot", shown).exit_code == 0
    assert "requests at impressions (lower bounds)" in Path(shown, "pictures", "misses.svg").read_text("utf-8")


def test_python_asks_at_impressions_too(mind: Path) -> None:
    run = newsreplay.run(f"mind:{mind}", "logged", requests="impressions", k=2)
    assert run.asks == "impressions"
    assert json.loads((run.folder / "run.json").read_text())["options"]["requests"] == "impressions"
    assert "impr. E@1" in run._repr_html_()
    with pytest.raises(newsreplay.NewsreplayError, match="'visits' cannot ask for slates; reads or impressions can"):
        newsreplay.run(f"mind:{mind}", "logged", requests="visits")  # type: ignore[arg-type]
