"""The made-up week in Adressa's format: read without a reject, and its titles tell what readers like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from newsreplay.datasets import find_data
from newsreplay.log.rows import DAY
from tests.scripts import script as load

script = load("adressa_week")


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adressa") / "one_week"
    script.write_week(folder, 3_000, seed=2)
    return folder


@pytest.fixture(scope="module")
def events(week: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(week.iterdir()) for line in file.read_text("utf-8").splitlines()]


def test_seven_days_are_read_without_a_reject(week: Path, events: list[dict[str, Any]]) -> None:
    assert [file.name for file in sorted(week.iterdir())] == [f"2017010{day}" for day in range(1, 8)]
    dataset = find_data(f"adressa:{week}")
    (facts,) = dataset.card["publishers"]
    assert facts["reads"] == sum("id" in event for event in events)
    assert 2_700 < facts["reads"] < 3_300
    assert dataset.card["rejected"] == 0
    assert facts["last"] - facts["first"] > 6.5 * DAY


def test_a_file_holds_its_day_of_oslo(week: Path) -> None:
    for day, file in enumerate(sorted(week.iterdir())):
        times = [json.loads(line)["time"] for line in file.read_text("utf-8").splitlines()]
        assert times == sorted(times)
        begin = script.BEGIN // 1000 + day * 86_400
        assert begin <= times[0]
        assert times[-1] < begin + 86_400


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(week: Path, tmp_path: Path) -> None:
    script.write_week(tmp_path / "same", 3_000, seed=2)
    for file in week.iterdir():
        assert (tmp_path / "same" / file.name).read_bytes() == file.read_bytes()
    assert script.reads_of(3_000, 3)[0].time.tolist() != script.reads_of(3_000, 2)[0].time.tolist()


def test_nothing_is_read_before_it_is_published_and_an_article_says_always_the_same() -> None:
    reads, articles = script.reads_of(3_000, 2)
    assert np.all(articles.published[reads.item] <= reads.time)
    assert len(articles.title) == len(articles.path) == len(articles.published)
    for title, path in zip(articles.title, articles.path, strict=True):
        _, parts, who, _, _ = script.SECTIONS[path.split("|")[0]]
        assert title.split()[0] in who.split(", ")
        assert path.split("|")[1] in parts.split(", ")


def test_readers_open_more_of_one_section_than_chance_would_have_it() -> None:
    reads, articles = script.reads_of(20_000, 2)
    section = articles.section[reads.item]
    share = np.bincount(section, minlength=len(script.SECTIONS)) / len(section)
    pairs = same = 0
    for user in np.unique(reads.user):
        read = np.bincount(section[reads.user == user])
        pairs += read.sum() * (read.sum() - 1)
        same += (read * (read - 1)).sum()
    assert same / pairs > 1.5 * (share**2).sum()
