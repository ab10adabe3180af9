"""Slates and scores of a run folder: what is written is read back, and stands beside what asked for it."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RunError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import IMPRESSION, OUTCOME
from newsreplay.simulator.runs.answers import (
    read_scores,
    read_slates,
    scores_table,
    slates_table,
    with_ids,
    write_impressions,
    write_requests,
    write_scores,
    write_slates,
)
from newsreplay.simulator.runs.files import BATCH, opened, write_columns
from newsreplay.simulator.runs.paths import pair_files, publisher_files
from tests.naive.judge import padded
from tests.simulator.runs.test_columns import plain_reads, publishers, with_impressions


@settings(max_examples=30, deadline=None)
@given(publisher=publishers(), k=st.integers(1, 12), data=st.data())
def test_slates_are_read_back_and_have_the_publishers_own_ids(
    publisher: Publisher, k: int, data: st.DataObject
) -> None:
    log, items = publisher.log, range(len(publisher.articles.id))
    answers = [data.draw(st.lists(st.sampled_from(items), max_size=k, unique=True)) for _ in publisher.requests.row]
    slates = padded(answers, k)
    with tempfile.TemporaryDirectory() as folder:
        path, asked = pair_files(Path(folder), "A", "mine").slates, publisher_files(Path(folder), "A").requests
        write_slates(path, publisher, slates)
        write_requests(asked, publisher)
        found = read_slates(path, publisher, k)
        rows = with_ids(slates_table(asked, path)).to_pylist()
    assert found.dtype == np.int32
    assert found.tolist() == slates.tolist()
    assert [row | {"time": round(row["time"].timestamp() * 1000)} for row in rows] == [
        {
            "row": row,
            "time": int(log.time[row]),
            "session": str(log.session[row]),
            "user": str(log.user[row]),
            "item": str(log.item[row]),
            "slate": [str(item) for item in answer],
        }
        for row, answer in zip(publisher.requests.row.tolist(), answers, strict=True)
    ]


@pytest.mark.parametrize(("articles", "width"), [(2, "int16"), (1 << 15, "int16"), ((1 << 15) + 1, "int32")])
def test_codes_are_as_wide_as_the_articles_need(articles: int, width: str, tmp_path: Path) -> None:
    publisher = plain_reads([0] * 3)
    ids = pa.array([f"a{code}" for code in range(articles)], pa.large_string())
    publisher = publisher._replace(articles=publisher.articles._replace(id=ids))
    slates = np.array([[articles - 1, 0], [-1, -1], [1, -1]], np.int32)
    write_slates(tmp_path / "x.arrow", publisher, slates)
    with opened(tmp_path / "x.arrow") as reader:
        assert reader.schema.field("slate").type.value_type.index_type == width
    assert read_slates(tmp_path / "x.arrow", publisher, 2).tolist() == slates.tolist()


def test_slates_of_several_pieces_are_one_column_for_any_reader_of_arrow(tmp_path: Path) -> None:
    publisher = plain_reads([0] * (2 * BATCH + 5))
    slates = np.tile(np.array([[1, 0], [1, -1], [-1, -1]], np.int32), (BATCH, 1))[: 2 * BATCH + 5]
    write_slates(tmp_path / "x.arrow", publisher, slates)
    assert np.array_equal(read_slates(tmp_path / "x.arrow", publisher, 2), slates)
    shown = pd.read_feather(tmp_path / "x.arrow")["slate"]
    assert [list(slate) for slate in shown[-4:]] == [[str(code) for code in row if code >= 0] for row in slates[-4:]]


def test_answers_to_another_log_are_refused(tmp_path: Path) -> None:
    path, publisher = tmp_path / "x.arrow", plain_reads([0] * 5)
    write_slates(path, publisher, np.zeros((5, 3), np.int32))
    other = pa.array(["0", "2"], pa.large_string())
    for log, k in [
        (plain_reads([0] * 4), 3),
        (plain_reads([0] * 6), 3),
        (publisher, 2),
        (publisher._replace(articles=publisher.articles._replace(id=other)), 3),
    ]:
        with pytest.raises(RunError, match=r"x.arrow does not hold answers to this log; run it again"):
            read_slates(path, log, k)
    write_requests(tmp_path / "asked.arrow", plain_reads([0] * 4))
    with pytest.raises(RunError, match=r"x.arrow has 5 rows, .*asked.arrow 4; run it again"):
        slates_table(tmp_path / "asked.arrow", path)


@settings(max_examples=20, deadline=None)
@given(publisher=publishers(), data=st.data())
def test_scores_and_the_impressions_they_are_for_are_read_back(publisher: Publisher, data: st.DataObject) -> None:
    log, places = publisher.log, len(publisher.log.pools.item)
    one = st.one_of(st.just(-math.inf), st.floats(allow_nan=False))
    scores = np.array(data.draw(st.lists(one, min_size=places, max_size=places)), float)
    with tempfile.TemporaryDirectory() as folder:
        files, pair = publisher_files(Path(folder), "A"), pair_files(Path(folder), "A", "mine")
        write_scores(pair.scores, publisher, scores)
        write_impressions(files.impressions, publisher)
        found = read_scores(pair.scores, publisher)
        shown = files.impressions.exists()
        told = with_ids(scores_table(files.impressions, pair.scores)).to_pylist() if shown else []
    assert found.tolist() == scores.tolist()
    expected = []
    for row in np.flatnonzero(log.kind == IMPRESSION).tolist():
        at = range(int(log.pools.at[log.impression[row]]), int(log.pools.at[log.impression[row] + 1]))
        expected.append(
            {
                "row": row,
                "time": int(log.time[row]),
                "session": str(log.session[row]),
                "user": str(log.user[row]),
                "candidates": [str(log.pools.item[place]) for place in at],
                "clicked": [bool(log.pools.clicked[place]) for place in at],
                "outcome_known": any(
                    log.impression[i] == log.impression[row] for i in np.flatnonzero(log.kind == OUTCOME)
                ),
                "scores": [scores[place] for place in at],
            }
        )
    assert [one | {"time": round(one["time"].timestamp() * 1000)} for one in told] == expected


def test_without_impressions_no_file_is_written_for_them(tmp_path: Path) -> None:
    write_impressions(tmp_path / "impressions.arrow", plain_reads([0, 0]))
    assert not (tmp_path / "impressions.arrow").exists()


def test_scores_of_another_log_or_with_gaps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.arrow"
    write_scores(path, with_impressions(), np.array([1.0, 0.0]))
    with pytest.raises(RunError, match=r"scores.arrow holds 2 scores; the log has 0 candidates"):
        read_scores(path, plain_reads([0, 0]))
    write_columns(path, {"scores": pa.array([[1.0, None]], pa.large_list(pa.float64()))})
    with pytest.raises(RunError, match=r"scores.arrow has gaps; run it again"):
        read_scores(path, with_impressions())
