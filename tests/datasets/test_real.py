"""Real logs, from their files to a leaderboard, with the counts that were measured on them by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from newsreplay.api import Run
from newsreplay.cli import main
from newsreplay.datasets.find import find_data
from newsreplay.errors import DataError

# Facts per data set: of the card, then summed over its publishers.
FACTS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "globo:globo": (
        {"rejected": 0, "rows_in": 901_032 + 9_867},
        {"reads": 901_032, "sessions": 318_563, "users": 175_775, "articles_read": 16_998, "impressions": 0},
    ),
    "mind:mind_sample": (
        {"rejected": 0, "dropped": {}},
        {"reads": 7_542, "clicks": 7_542, "impressions": 5_000, "outcomes": 5_000, "candidates": 189_359}
        | {"profiles": 4_536, "articles_unknown": 3_969, "articles": 7_457},
    ),
    "ebnerd:ebnerd_demo": (
        {"rejected": 0},
        {"impressions": 24_724, "history_reads": 258_318, "users": 1_590},
    ),
    "deskdrop:deskdrop": (
        {"rows_in": 61_425, "rejected": 0},
        {"reads": 49_589, "duplicates": 9},
    ),
    "newsreel:newsreel": (
        # 700 lines of the log and the same message twice among the samples
        {"rows_in": 702, "rejected": 0, "dropped": {"page without an article (item 0 or none)": 49}},
        {"impressions": 653},
    ),
    "adressa:adressa_toy": (
        {"rows_in": 38, "rejected": 5, "dropped": {"home page or other page without an article id": 8}},
        {"reads": 25, "users": 8, "nobody": 5},
    ),
}


@pytest.mark.parametrize("data", FACTS)
def test_a_real_log_has_the_counts_that_were_measured_on_it(real_data: Path, data: str) -> None:
    kind, _, folder = data.partition(":")
    card = find_data(f"{kind}:{real_data / folder}").card
    told, summed = FACTS[data]
    assert {name: card[name] for name in told} == told
    assert {name: sum(facts.get(name, 0) for facts in card["publishers"]) for name in summed} == summed
    assert card["rows_in"] == card["kept"] + card["rejected"] + sum(card["dropped"].values())


@pytest.mark.parametrize("data", FACTS)
def test_a_real_log_runs_from_the_command_line(real_data: Path, data: str, tmp_path: Path) -> None:
    kind, _, folder = data.partition(":")
    # All 22 in the benchmark; here one that learns from reads, one from publications and one that needs sessions.
    words = ["run", "--data", f"{kind}:{real_data / folder}", "--recommenders", "popular,recency,sequences,logged"]
    result = CliRunner().invoke(main, [*words, "--no-slates", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    run = Run(tmp_path / "run")
    assert {pair["status"] for pair in run.info["pairs"]} == {"done"}
    lists = kind in ("newsreel", "mind", "ebnerd")
    hits = sum(row.value or 0 for row in run.results if row.recommender == "logged")
    assert (hits > 0) == lists


def test_nemig_is_refused_without_file_order_and_replayed_with_it(real_data: Path) -> None:
    data = f"nemig:{real_data / 'nemig_en'}"
    with pytest.raises(DataError, match="--file-order"):
        find_data(data)
    card = find_data(data, preparing={"file_order": True}).card
    (facts,) = card["publishers"]
    assert (facts["impressions"], card["rejected"]) == (15_000, 0)
    assert card["made_up"]


def test_a_mind_file_with_a_header_and_a_sixth_column_is_refused(real_data: Path) -> None:
    with pytest.raises(DataError, match=r"behaviors\.tsv"):
        find_data(f"mind:{real_data / 'malformed' / 'mind_mini'}")


def test_vectors_are_no_log(real_data: Path) -> None:
    with pytest.raises(DataError, match="extension"):
        find_data(real_data / "vectors" / "glove.twitter.25d.subset.txt")
