"""Normative diversity: the definitions' numbers, and what publishers do not tell."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import newsreplay
from newsreplay.errors import SpecError
from newsreplay.log.entities import entity_names
from newsreplay.log.publisher import Publisher
from newsreplay.simulator.runs.judged import JudgedColumns, ScoredColumns
from newsreplay.simulator.runs.normative import (
    Activation,
    Calibration,
    Fragmentation,
    Measure,
    Representation,
    attribute,
)
from newsreplay.simulator.runs.own_metrics import find_metric
from tests.naive import normative as naive

BODIES = [
    "Rain. Rain again.",
    "Meteorologists anticipate extraordinary precipitation throughout the archipelago",
    "It is dry today, and it will be dry tomorrow too. No clouds.",
    None,
]

TONES = ["-0.95", "0.04", "unsure", None]


def log(sessions: int = 60) -> pd.DataFrame:
    """Sessions of two to four reads of 16 articles over three days; some articles have no category."""
    rng = np.random.default_rng(4)
    begin = pd.Timestamp("2020-01-01", tz="UTC")
    rows = []
    for session in range(sessions):
        for read in range(int(rng.integers(2, 5))):
            item = min(15, int(rng.zipf(1.4)) - 1 + session // 6)
            rows.append(
                {
                    "time": begin + pd.Timedelta(minutes=70 * session + 2 * read),
                    "user": f"u{session % 17}",
                    "session": f"s{session}",
                    "item": f"a{item}",
                    "category": None if item % 5 == 4 else "abc"[item % 3],
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> newsreplay.Run:
    return newsreplay.run(log(), ["popular", "recency"], k=4, out=tmp_path_factory.mktemp("normative") / "run")


def judged(run: newsreplay.Run, recommender: str = "popular") -> JudgedColumns:
    """A recommender's columns, of data that tell bodies and entities of articles, the latter five rows after them."""
    scored = ScoredColumns(run, run.publishers[0])
    data, count = scored.data, len(scored.data.articles.id)
    named = [json.dumps([f"e{item % 4}", f"e{item % 7}"]) if item % 3 else None for item in range(count)]
    first = np.array([np.flatnonzero(data.log.item == item)[0] for item in range(count)])
    texts = {
        "entities": (pa.array(named, pa.large_string()), first + 5),
        "sentiment": (pa.array([TONES[item % 4] for item in range(count)], pa.large_string()), first),
        "body": (pa.array([BODIES[item % 4] for item in range(count)], pa.large_string()), first),
    }
    vars(scored)["data"] = data._replace(articles=data.articles._replace(texts=texts))
    return JudgedColumns(scored, recommender)


def values(data: Publisher, by: str) -> naive.Values:
    """What an article says at a row, looked up one by one."""
    articles = data.articles

    def of(item: int, row: int) -> Sequence[object]:
        if by == "article":
            return [item] if (data.log.item[: row + 1] == item).any() else []
        if by == "category":
            known = articles.category[item] >= 0 and articles.category_row[item] <= row
            return [int(articles.category[item])] if known else []
        texts, since = articles.texts["sentiment" if by == "activation" else by]
        if by == "activation":
            tone = texts[item].as_py()
            return [{"-0.95": 9, "0.04": 0}[tone]] if tone in TONES[:2] and since[item] <= row else []
        return entity_names(texts[item].as_py()) if since[item] <= row else []

    return of


Naive = Callable[[Publisher, naive.Values, list[int], list[list[int]]], list[float | None]]
MEASURES: list[tuple[Measure, Naive]] = [
    (Calibration(), lambda *a: naive.calibration(*a, history=50)),
    (Calibration(by="entities", history=2), lambda *a: naive.calibration(*a, history=2)),
    (Fragmentation(), naive.fragmentation),
    (Fragmentation(by="category"), naive.fragmentation),
    (Representation(), lambda *a: naive.representation(*a, hours=24)),
    (Representation(by="article", hours=7), lambda *a: naive.representation(*a, hours=7)),
    (Activation(), lambda *a: naive.representation(*a, hours=24)),
    (Representation(by="category", hours=7), lambda *a: naive.representation(*a, hours=7)),
]


@pytest.mark.parametrize(("measure", "oracle"), MEASURES, ids=lambda value: getattr(value, "by", ""))
def test_a_measure_is_what_its_definition_says(run: newsreplay.Run, measure: Measure, oracle: Naive) -> None:
    for recommender in ("popular", "recency"):
        of = judged(run, recommender)
        found = measure(of)
        rows, slates = of.requests.row.tolist(), of.slates.tolist()
        order = sorted(range(len(rows)), key=rows.__getitem__)
        expected = oracle(of.data, values(of.data, measure.by), [rows[i] for i in order], [slates[i] for i in order])
        counted = [found.below[i] > 0 for i in order]
        assert counted == [value is not None for value in expected]
        assert any(counted)
        told = [value for value in expected if value is not None]
        measured = [found.above[i] for i, counts in zip(order, counted, strict=True) if counts]
        assert measured == pytest.approx(told, abs=1e-7)  # the root of what is rounded off near zero


def test_distances_by_hand() -> None:
    assert naive.distance({"a": 1.0}, {"a": 1.0}) == 0
    assert naive.distance({"a": 1.0}, {"b": 1.0}) == 1
    # Half the mass in common: ½ log2(4/3) + ½ (½ log2(2/3) + ½ log2 2) = 0.311278.
    assert naive.distance({"a": 1.0}, {"a": 0.5, "b": 0.5}) == pytest.approx(math.sqrt(0.3112781244591328))


def test_complexity_is_lix_in_tens(run: newsreplay.Run) -> None:
    data = judged(run).data
    found = attribute(data, "complexity")
    bodies = data.articles.texts["body"][0].to_pylist()
    # 3 words in 2 sentences, none of them long: 1.5. 7 words in one, 5 long: 7 + 71.4. 13 in 2, one long: 6.5 + 7.7.
    assert found.values == 3
    assert len({found.value[found.begin[i]] for i, body in enumerate(bodies) if body}) == 3
    assert all(found.begin[i] == found.begin[i + 1] for i, body in enumerate(bodies) if body is None)


def test_measures_stand_in_tables_and_rank_nobody(run: newsreplay.Run) -> None:
    table = newsreplay.leaderboard([run], metrics=["E@1", "calibration", "representation(by=category)"])
    assert "representation(by=category)" in table
    with pytest.raises(newsreplay.NewsreplayError, match="describes recommenders"):
        newsreplay.leaderboard([run], rank_by="calibration")


def test_what_a_publisher_does_not_tell_is_said(run: newsreplay.Run) -> None:
    table = newsreplay.leaderboard([run], metrics=["E@1", "calibration(by=subcategory)"])
    assert table.count("calibration: frame tells no subcategory of articles\n") == 1
    assert "FAILED" not in table


def test_measures_are_found_however_they_are_written(run: newsreplay.Run) -> None:
    assert "representation(by=category)" in newsreplay.leaderboard([run], metrics=["Representation(by=category)"])
    with pytest.raises(newsreplay.NewsreplayError, match=r"no metric is called 'FRAGMENTATON'. .* 'fragmentation'"):
        newsreplay.leaderboard([run], metrics=["E@1", "FRAGMENTATON"])


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(SpecError, match="Did you mean 'category'"):
        find_metric("calibration(by=categories)")
    with pytest.raises(SpecError, match="history must be a whole number of at least 1"):
        find_metric("calibration(history=0)")


def test_runs_without_slates_have_no_measures(tmp_path: Path) -> None:
    without = newsreplay.run(log(20), ["popular"], k=2, slates=False, out=tmp_path / "run")
    assert "slates" in newsreplay.leaderboard([without], metrics=["E@1", "fragmentation"])


def test_late_slates_are_not_measured_where_they_count_as_none(tmp_path: Path) -> None:
    late = newsreplay.run(log(20), ["popular"], k=2, deadline="1ms", strict_deadline=True, out=tmp_path / "run")
    assert "does not keep which were late" in " ".join(
        newsreplay.leaderboard([late], metrics=["fragmentation"]).split()
    )
