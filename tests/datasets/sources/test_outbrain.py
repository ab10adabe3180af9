"""Outbrain's page views: what is read, what is left out, and that the fast reader agrees with a slow one."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets import find_data
from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources import outbrain
from newsreplay.datasets.sources.outbrain import plan_outbrain
from newsreplay.errors import DataError
from newsreplay.log.rows import READ
from tests import small_logs
from tests.naive.outbrain import naive_outbrain
from tests.reading import Article, Row, articles_of, read, rows_of

HEADERS = {
    "page_views_sample": "uuid,document_id,timestamp,platform,geo_location,traffic_source",
    "documents_meta": "document_id,source_id,publisher_id,publish_time",
    "documents_categories": "document_id,category_id,confidence_level",
    "documents_topics": "document_id,topic_id,confidence_level",
}
VIEW = "1fd5f051fba643,120,31905835,1,RS,2"
META = "120,1,603,2016-06-05 00:00:00"


def folder_of(folder: Path, views: list[str], **documents: list[str]) -> Path:
    files = {"page_views_sample": views} | {f"documents_{name}": lines for name, lines in documents.items()}
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("".join(f"{line}\n" for line in [HEADERS[name], *lines]), newline="")
    return folder


def read_outbrain(folder: Path, *views: str, **documents: list[str]) -> Raw:
    return read(plan_outbrain(folder_of(folder, [*views], **documents)))


def test_a_page_view_is_a_read_at_the_publisher_of_its_document(tmp_path: Path) -> None:
    raw = read_outbrain(tmp_path, VIEW, ",120,0,1,RS,2", meta=[META])
    assert rows_of(raw) == [
        Row(READ, 1_465_908_705_833, "120", "1fd5f051fba643", publisher="603"),
        Row(READ, 1_465_876_799_998, "120", None, publisher="603"),
    ]
    assert articles_of(raw) == [Article("120", "603", 1_465_084_800_000)]


def test_page_views_without_a_publisher_are_left_out_by_a_rule(tmp_path: Path) -> None:
    raw = read_outbrain(tmp_path, VIEW, "a,121,5,1,RS,2", "a,9,5,1,RS,2", meta=[META, "121,1,,2016-06-05 00:00:00"])
    assert [row.item for row in rows_of(raw)] == ["120"]
    assert raw.dropped == {
        "page view of a document without a publisher": 2,
        "document without a publisher, or of one whose page views are left out": 1,
    }


def test_without_documents_all_page_views_are_of_one_publisher(tmp_path: Path) -> None:
    plan = plan_outbrain(folder_of(tmp_path, [VIEW]))
    assert plan.publisher == "outbrain"
    assert [row.publisher for row in rows_of(read(plan))] == [None]
    assert any(note.startswith("no documents_meta.csv") for note in read(plan).notes)


def test_the_publishers_with_the_most_documents_have_logs(tmp_path: Path) -> None:
    meta = ["1,1,30,", "2,1,20,", "3,1,20,", "4,1,9,", "5,1,,"]
    with patch.object(outbrain, "PUBLISHERS", 2):
        raw = read_outbrain(tmp_path, *(f"a,{item},5,1,RS,2" for item in range(1, 6)), meta=meta)
    assert [row.publisher for row in rows_of(raw)] == ["20", "20", "9"]
    assert raw.dropped[outbrain.SMALL] == 1


def test_the_most_confident_category_counts_and_of_equal_ones_the_first(tmp_path: Path) -> None:
    sure = ["120,1,0.1", "121,2,0.5", "120,3,0.9", "120,4,0.9", "121,5,4.5e-05"]
    raw = read_outbrain(tmp_path, VIEW, categories=sure, topics=sure[:1])
    assert articles_of(raw) == [
        Article("121", facts=(("category", "2"),)),
        Article("120", facts=(("category", "3"),)),
        Article("120", facts=(("subcategory", "1"),)),
    ]


@pytest.mark.parametrize(
    ("cell", "ms"),
    [
        ("2016-06-05 00:00:00", 1_465_084_800_000),
        ("5995-10-30 00:00:00", None),
        ("2016-13-05 00:00:00", None),
        ("2016-06-05", None),
        ("", None),
        ("1970-01-01 00:00:00", None),
    ],
)
def test_a_publication_time_that_is_none_is_not_known(tmp_path: Path, cell: str, ms: int | None) -> None:
    raw = read_outbrain(tmp_path, VIEW, meta=[f"120,1,603,{cell}"])
    assert [article.published for article in articles_of(raw)] == [ms]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("a,120,5,1,RS", "6 cells are expected, the line has 5"),
        ("a,x,5,1,RS,2", "document_id 'x': a whole number is expected"),
        ("a,007,5,1,RS,2", "document_id '007'"),
        ("a,120,-5,1,RS,2", "timestamp '-5': milliseconds since 1465876799998"),
        ("a,120,1465876799998,1,RS,2", "timestamp '1465876799998'"),
        ("a\0,120,5,1,RS,2", "NUL byte"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_reject(tmp_path: Path, broken: str, reason: str) -> None:
    raw = read_outbrain(tmp_path, VIEW, broken, VIEW)
    assert [(reject.file, reject.line) for reject in raw.rejects] == [("page_views_sample.csv", 3)]
    assert reason in raw.rejects[0].reason
    assert raw.kept == 2


def test_files_are_read_as_they_come_zipped_or_in_folders_of_their_names(tmp_path: Path) -> None:
    for name, data in small_logs.outbrain().items():
        if "meta" in name:
            (tmp_path / name).mkdir()
            (tmp_path / name / name).write_bytes(data)
            continue
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, data)
            archive.writestr(f"__MACOSX/._{name}", b"stray")
        (tmp_path / f"{name}.zip").write_bytes(packed.getvalue())
    raw = read(plan_outbrain(tmp_path))
    assert (raw.rows.num_rows, len(raw.rejects)) == (40, 0)


def test_the_whole_log_comes_before_its_sample(tmp_path: Path) -> None:
    folder_of(tmp_path, [VIEW])
    (tmp_path / "page_views.csv").write_bytes((tmp_path / "page_views_sample.csv").read_bytes())
    assert [part.name for part in plan_outbrain(tmp_path).parts] == ["page_views.csv"]


def test_what_is_not_outbrains_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither page_views\.csv nor page_views_sample\.csv.*kaggle"):
        plan_outbrain(tmp_path)
    (tmp_path / "page_views.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"page_views\.csv line 1: expected the header uuid,.*, found 'a,b'"):
        plan_outbrain(tmp_path)


def test_what_is_no_column_of_the_page_views_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'device' to keep; it has uuid,document_id,timestamp,"):
        plan_outbrain(folder_of(tmp_path, [VIEW]), keep=["device"])


def test_every_publisher_has_a_log_and_its_users_visits_are_sessions(tmp_path: Path) -> None:
    for name, data in small_logs.outbrain().items():
        (tmp_path / name).write_bytes(data)
    dataset = find_data(f"outbrain:{tmp_path}")
    assert dataset.publishers == ["100", "101"]
    assert not dataset.publisher("100").session_ids
    assert set(dataset.publisher("100").articles.categories.to_pylist()) <= {"1000", "1001", "1002"}


def agree(folder: Path, sizes: ReadSizes = SIZES) -> None:
    names = ["traffic_source", "platform", "geo_location"]
    raw, naive = read(plan_outbrain(folder, keep=names, sizes=sizes)), naive_outbrain(folder)
    assert rows_of(raw) == naive.rows
    kept = raw.rows.select([f"extra.{name}" for name in names]).to_pylist() if raw.rows.num_rows else []
    assert kept == [{f"extra.{name}": row[name] for name in names} for row in naive.kept]
    assert articles_of(raw) == naive.articles
    assert sorted((reject.file, reject.line) for reject in raw.rejects) == sorted(naive.rejects)
    assert raw.dropped == naive.dropped


CELLS = st.sampled_from(
    ["1", "2", "3", "603", "0.5", "0.25", "", "x", "-1", "07", "2016-06-05 00:00:00", "9" * 13, "\r", "\0"]
)
LINES = {
    name: st.lists(
        st.lists(CELLS, min_size=width - 1, max_size=width + 1).map(",".join)
        | st.lists(GOOD, min_size=width, max_size=width).map(",".join),
        max_size=8,
    )
    for GOOD in [st.sampled_from(["1", "2", "3"])]
    for name, width in (("views", 6), ("meta", 4), ("categories", 3), ("topics", 3))
}


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries(LINES), st.sampled_from([1, 7, 100, 10_000]))
def test_any_files_are_read_as_the_slow_reader_reads_them(files: dict[str, list[str]], size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        agree(folder_of(Path(name), **files), ReadSizes(chunk=size))


def test_the_small_log_is_read_as_the_slow_reader_reads_it(tmp_path: Path) -> None:
    for name, data in small_logs.outbrain().items():
        (tmp_path / name).write_bytes(data)
    agree(tmp_path)
