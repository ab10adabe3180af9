"""Tianchi's click logs: what is read, what is left out, and that the fast reader agrees with the slow one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.sources.tianchi import plan_tianchi
from newsreplay.errors import DataError
from tests.naive.tianchi import read_tianchi
from tests.reading import articles_of, read, rows_of
from tests.small_logs import tianchi

CELLS = st.sampled_from(["1", "22", "007", "1506959142820", "1506959172820", "1.0", "", "x", "-1", "9" * 30])
LINES = st.lists(st.lists(CELLS, min_size=4, max_size=6).map(",".join), max_size=8)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@settings(max_examples=50, deadline=None)
@given(LINES, LINES, LINES)
def test_the_fast_reader_agrees_with_the_slow_one(train: list[str], test: list[str], articles: list[str]) -> None:
    more = dict(
        zip(("train_click_log.csv", "testA_click_log.csv", "articles.csv"), (train, test, articles), strict=True)
    )
    with tempfile.TemporaryDirectory() as work:
        # The small log comes first, so that no column begins with a decimal.
        folder = write(Path(work), {name: data + "\n".join(more[name]).encode() for name, data in tianchi().items()})
        raw, naive = read(plan_tianchi(folder)), read_tianchi(folder)
    assert rows_of(raw) == naive.rows
    assert articles_of(raw) == naive.articles
    assert [(reject.file, reject.line) for reject in raw.rejects] == naive.rejects


def test_the_files_that_are_there_are_one_log_and_vectors_are_not_read(tmp_path: Path) -> None:
    files = tianchi()
    files.pop("articles.csv")
    plan = plan_tianchi(write(tmp_path, files | {"articles_emb.csv": b"article_id,emb_0\n1,0.1\n"}))
    raw = read(plan)
    assert [part.name for part in plan.parts] == ["train_click_log.csv", "testA_click_log.csv"]
    assert raw.rows.num_rows == 40
    assert any(note.startswith("no articles.csv") for note in raw.notes)
    assert "kept back" in raw.made_up[0]


def test_a_folder_without_click_logs_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of train_click_log.csv, .*entrance/531842"):
        plan_tianchi(tmp_path)
