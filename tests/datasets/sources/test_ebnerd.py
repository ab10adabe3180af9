"""EB-NeRD: what is read of its Parquet files, what is left out, and what is said about it."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.base import Raw
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.ebnerd.plan import plan_ebnerd
from newsreplay.errors import DataError
from newsreplay.log.rows import HISTORY, IMPRESSION, READ
from tests.naive.ebnerd import read_naively
from tests.reading import Article, Row, articles_of, read, rows_of

NOON = datetime(2023, 5, 21, 12)
NOON_MS = 1_684_670_400_000
IDS = pa.large_list(pa.int32())
BEHAVIORS = pa.schema(
    [
        ("impression_id", pa.uint32()),
        ("article_id", pa.int32()),
        ("impression_time", pa.timestamp("us")),
        ("read_time", pa.float32()),
        ("article_ids_inview", IDS),
        ("article_ids_clicked", IDS),
        ("user_id", pa.uint32()),
        ("session_id", pa.uint32()),
        ("next_read_time", pa.float32()),
    ]
)
HISTORIES = pa.schema(
    [
        ("user_id", pa.uint32()),
        ("impression_time_fixed", pa.large_list(pa.timestamp("us"))),
        ("scroll_percentage_fixed", pa.large_list(pa.float32())),
        ("article_id_fixed", IDS),
    ]
)
ARTICLES = pa.schema(
    [
        ("article_id", pa.int32()),
        ("title", pa.large_string()),
        ("subtitle", pa.large_string()),
        ("last_modified_time", pa.timestamp("us")),
        ("body", pa.large_string()),
        ("published_time", pa.timestamp("us")),
        ("image_ids", pa.large_list(pa.int64())),
        ("ner_clusters", pa.large_list(pa.large_string())),
        ("category", pa.int16()),
        ("subcategory", pa.large_list(pa.int16())),
        ("category_str", pa.large_string()),
        ("sentiment_score", pa.float32()),
        ("sentiment_label", pa.large_string()),
        ("total_pageviews", pa.int32()),
    ]
)


def record(
    minute: float = 0,
    page: int | None = None,
    shown: list[Any] | None = None,
    clicked: list[Any] | None = None,
    user: int | None = 7,
    session: int | None = 3,
    seconds: float | None = 9.0,
) -> dict[str, Any]:
    return {
        "article_id": page,
        "impression_time": NOON + timedelta(minutes=minute),
        "article_ids_inview": shown,
        "article_ids_clicked": clicked,
        "user_id": user,
        "session_id": session,
        "read_time": seconds,
    }


def split(folder: Path, records: list[dict[str, Any]], histories: list[dict[str, Any]] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records, BEHAVIORS), folder / "behaviors.parquet", row_group_size=3)
    pq.write_table(pa.Table.from_pylist(histories or [], HISTORIES), folder / "history.parquet")
    return folder


def history(user: int | None, *clicks: tuple[float, int | None]) -> dict[str, Any]:
    return {
        "user_id": user,
        "impression_time_fixed": [NOON - timedelta(days=day) for day, _ in clicks],
        "article_id_fixed": [item for _, item in clicks],
    }


def kinds(folder: Path) -> list[tuple[int, str | None]]:
    return [(row.kind, row.item) for row in rows_of(read(plan_ebnerd(folder)))]


def test_a_record_is_an_impression_and_a_page_view_at_the_same_time(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(1, 11, [21, 22, 23], [22])])))
    who = {"time": NOON_MS + 60_000, "item": "11", "user": "7", "session": "3"}
    assert rows_of(raw) == [
        Row(IMPRESSION, pool=("21", "22", "23"), clicked=(False, True, False), **who),
        Row(READ, active=9.0, **who),
    ]
    assert (raw.rows_in, raw.kept) == (1, 1)


def test_the_time_spent_on_a_page_view_that_a_click_caused_is_that_of_the_clicks_read(tmp_path: Path) -> None:
    records = [
        record(0, None, [21, 22, 23], [22, 21, 99], seconds=1),
        record(1, 21, seconds=2),
        record(2, 99, seconds=3),
        record(3, None, [21, 24], [21]),
        record(4, None, [21], [21]),
        record(5, 21, seconds=4),  # the latest click in hand caused it
        record(6, 21, seconds=5),
        record(7, 21, seconds=6),  # no click is left
    ]
    rows = rows_of(read(plan_ebnerd(split(tmp_path, records))))
    assert [(row.kind, row.item, row.active, row.dwell) for row in rows] == [
        (IMPRESSION, None, None, (2.0, None)),
        (READ, "99", 3.0, None),
        (IMPRESSION, None, None, (5.0,)),
        (IMPRESSION, None, None, (4.0,)),
        (READ, "21", 6.0, None),
    ]


def test_a_record_without_a_user_or_a_session_is_kept(tmp_path: Path) -> None:
    records = [record(0, 11, user=None), record(1, 12, session=None), record(2, 13, user=None, session=None)]
    rows = rows_of(read(plan_ebnerd(split(tmp_path, records))))
    assert [(row.item, row.user, row.session) for row in rows] == [
        ("11", None, "3"),
        ("12", "7", None),
        ("13", None, None),
    ]


def test_on_the_front_page_there_is_an_impression_and_no_page_view(tmp_path: Path) -> None:
    assert kinds(split(tmp_path, [record(0, None, [21], [21])])) == [(IMPRESSION, None)]


def test_a_record_with_nothing_in_view_is_its_page_view(tmp_path: Path) -> None:
    assert kinds(split(tmp_path, [record(0, 11), record(1, 12, [], [])])) == [(READ, "11"), (READ, "12")]


def test_a_page_view_that_a_click_caused_is_left_out_and_counted(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(0, None, [21, 22], [21]), record(1, 21, [23], [])])))
    assert [(row.kind, row.item) for row in rows_of(raw)] == [(IMPRESSION, None), (IMPRESSION, "21")]
    assert raw.kept == 2
    assert any(note.startswith("page views that are the read of a click, dropped: 1;") for note in raw.notes)


def test_a_record_that_is_only_a_page_view_of_a_click_is_dropped_by_a_rule(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(0, None, [21], [21]), record(1, 21)])))
    assert raw.dropped == {"page views that are the read of a click": 1}


def test_a_click_excuses_one_page_view_only(tmp_path: Path) -> None:
    views = [record(minute, 21) for minute in (1, 2, 3)]
    folder = split(tmp_path, [record(0, None, [21], [21]), *views, record(4, None, [21], [21]), record(5, 21)])
    assert kinds(folder) == [(IMPRESSION, None), (READ, "21"), (READ, "21"), (IMPRESSION, None)]


def test_two_clicks_of_one_article_in_one_impression_are_one_click(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(0, None, [21, 22], [21, 21, 22]), record(1, 21), record(2, 21)])))
    assert [row.clicked for row in rows_of(raw)] == [(True, True), None]
    assert any(note.endswith("one click: 1") for note in raw.notes)


@pytest.mark.parametrize(
    ("records", "reads"),
    [
        pytest.param([record(1, 21), record(0, None, [21], [21])], 0, id="rows out of time order"),
        pytest.param([record(0, 21), record(1, None, [21], [21])], 1, id="viewed before the click"),
        pytest.param([record(0, None, [21], [21]), record(0, 21)], 0, id="at the time of the click, in a later row"),
        pytest.param([record(0, 21), record(0, None, [21], [21])], 1, id="at the time of the click, in an earlier row"),
        pytest.param([record(0, 21, [21], [21])], 1, id="its own record's click"),
        pytest.param([record(0, 21, [21], [21]), record(1, 21)], 1, id="after a click on itself"),
        pytest.param([record(0, None, [21], [21]), record(1, 21, session=4)], 1, id="in another session"),
        pytest.param([record(0, None, [21], [21]), record(1, 22)], 1, id="of another article"),
        pytest.param([record(0, None, [21], [21], user=None), record(1, 21)], 0, id="of an unnamed row"),
        pytest.param([record(0, None, [21], [21], session=None), record(1, 21)], 1, id="in no session"),
        pytest.param(
            [record(0, None, [21], [21]) | {"impression_time": None}, record(1, 21)], 1, id="after a reject's click"
        ),
        pytest.param([record(0, None, None, [21]), record(1, 21)], 1, id="after a click on what was not in view"),
    ],
)
def test_a_page_view_is_a_read_unless_a_click_came_before_it(
    tmp_path: Path, records: list[dict[str, Any]], reads: int
) -> None:
    assert Counter(kind for kind, _ in kinds(split(tmp_path, records)))[READ] == reads


def test_a_clicked_article_that_was_not_in_view_is_a_read_without_an_impression(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(0, 11, [21, 22], [22, 99])])))
    assert [(row.kind, row.item, row.clicked) for row in rows_of(raw)] == [
        (IMPRESSION, "11", (False, True)),
        (READ, "11", None),
        (READ, "99", None),
    ]
    assert any(note.endswith("kept as reads without an impression: 1") for note in raw.notes)


def test_where_clicks_are_not_told_the_outcome_is_unknown(tmp_path: Path) -> None:
    rows = rows_of(read(plan_ebnerd(split(tmp_path, [record(0, None, [21], None), record(1, None, [21, 22], [])]))))
    assert [(row.pool, row.clicked) for row in rows] == [(("21",), None), (("21", "22"), (False, False))]


def test_an_article_twice_in_view_is_clicked_once(tmp_path: Path) -> None:
    (row,) = rows_of(read(plan_ebnerd(split(tmp_path, [record(0, None, [21, 22, 21], [21])]))))
    assert row.clicked == (True, False, False)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record() | {"impression_time": None}, "impression_time is null"),
        (record() | {"impression_time": datetime(1989, 12, 31)}, "us since 1970 is outside 1990 to 2100"),
        (record() | {"impression_time": datetime(2100, 1, 1)}, "outside 1990 to 2100"),
        (record(), "nothing in article_ids_inview, article_id or article_ids_clicked"),
        (record(shown=[None]), "nothing in article_ids_inview"),
    ],
)
def test_a_record_that_cannot_be_used_is_a_reject(tmp_path: Path, bad: dict[str, Any], reason: str) -> None:
    good = record(0, 11)
    raw = read(plan_ebnerd(split(tmp_path, [good, good, good, good, bad, record(0, 12)])))
    assert [row.item for row in rows_of(raw)] == ["11"] * 4 + ["12"]
    (reject,) = raw.rejects
    assert (reject.file, reject.line) == ("behaviors.parquet", 5)
    assert reason in reject.reason
    assert "session_id=" in reject.text


def test_histories_are_reads_from_before_the_log(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(0, 11)], [history(5, (2, 31), (1, 32)), history(6)])))
    day = 86_400_000
    assert rows_of(raw)[:2] == [
        Row(HISTORY, NOON_MS - 2 * day, "31", "5"),
        Row(HISTORY, NOON_MS - day, "32", "5"),
    ]
    assert raw.rows_in == 3


def test_history_clicks_that_cannot_be_used_are_rejects(tmp_path: Path) -> None:
    uneven = history(5, (1, 31)) | {"article_id_fixed": [31, 32]}
    raw = read(
        plan_ebnerd(split(tmp_path, [], [history(4, (1, 30), (1, None), (99_999, 5)), uneven, history(None, (1, 31))]))
    )
    assert [row.item for row in rows_of(raw)] == ["30"]
    assert [(reject.line, reject.reason) for reject in raw.rejects] == [
        (1, "article_id_fixed is null or no whole number"),
        (1, "impression_time_fixed -6955243200000000 us since 1970 is outside 1990 to 2100"),
        (2, "article_id_fixed has 2 entries, impression_time_fixed 1"),
        (3, "user_id is null or no whole number"),
    ]


def test_a_history_that_reaches_into_the_log_is_kept_and_said(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [record(0, 11)], [history(5, (1, 31), (0, 32), (-1, 33))])))
    assert raw.kept == 4
    assert "history clicks at or after the first impression of their split, kept: 2" in raw.notes


def both(folder: Path) -> Path:
    split(folder / "train", [record(0, 11, [21], [])], [history(5, (1, 31))])
    later = [history(5, (2, 32), (1, 33)), history(6, (1, 34))]
    split(folder / "validation", [record(600, 12, [22], [22], user=6)], later)
    return folder


def test_a_readers_history_is_taken_from_the_first_split_that_has_one(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(both(tmp_path)))
    assert [row.item for row in rows_of(raw) if row.kind == HISTORY] == ["31", "34"]
    assert raw.dropped == {"history of a reader whose history an earlier split has": 2}


def test_sessions_of_several_splits_are_told_apart(tmp_path: Path) -> None:
    folder = both(tmp_path)
    rows = rows_of(read(plan_ebnerd(folder)))
    assert {row.session for row in rows if row.kind == READ} == {"train:3", "validation:3"}
    assert {row.session for row in rows_of(read(plan_ebnerd(folder / "train"))) if row.kind == READ} == {"3"}


def test_each_of_several_splits_can_be_scored_alone(tmp_path: Path) -> None:
    folder, later = both(tmp_path), NOON_MS + 36_000_000
    assert plan_ebnerd(folder).splits == {"train": (NOON_MS, later), "validation": (later, None)}
    assert plan_ebnerd(folder / "train").splits == {}


def article(item: int | None = 21, **told: Any) -> dict[str, Any]:
    return {"article_id": item, "published_time": NOON} | told


def test_articles_carry_what_was_known_of_them(tmp_path: Path) -> None:
    told = article(
        title="Titel",
        subtitle="Under",
        body="Tekst",
        category=118,
        category_str="nyheder",
        subcategory=[133, 7],
        ner_clusters=["Æble", 'a "b"'],
        image_ids=[3101, 5],
        sentiment_score=0.9512,
        sentiment_label="Negative",
        total_pageviews=10**6,
    )
    empty = article(22, title="", published_time=None, subcategory=[], ner_clusters=[], image_ids=[])
    pq.write_table(pa.Table.from_pylist([told, empty, article(None)], ARTICLES), tmp_path / "articles.parquet")
    raw = read(plan_ebnerd(split(tmp_path, [])))
    facts = {
        "title": "Titel",
        "abstract": "Under",
        "body": "Tekst",
        "category": "nyheder",
        "subcategory": "133|7",
        "entities": '["Æble", "a \\"b\\""]',
        "image": "3101",
        "sentiment": "-0.9512",
    }
    assert articles_of(raw) == [Article("21", None, NOON_MS, tuple(sorted(facts.items()))), Article("22")]
    assert [(reject.file, reject.line) for reject in raw.rejects] == [("articles.parquet", 3)]
    assert "articles without a usable published_time; known when first read: 1" in raw.notes


def test_a_split_finds_its_articles_one_folder_up(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([article()], ARTICLES), tmp_path / "articles.parquet")
    plan = plan_ebnerd(split(tmp_path / "train", []))
    assert [part.name for part in plan.parts] == ["history.parquet", "behaviors.parquet", "articles.parquet"]
    assert plan.made_up
    assert articles_of(read(plan)) == [Article("21", None, NOON_MS)]


def test_a_text_that_is_not_utf8_is_not_told(tmp_path: Path) -> None:
    def text(*values: bytes) -> pa.Array:
        return pa.array(values, pa.binary()).view(pa.string())

    names = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), text(b"ok", b"\xff"))
    columns = {"article_id": [21, 22], "title": text(b"fine", b"\xed\xa0\x80"), "ner_clusters": names}
    pq.write_table(pa.table(columns), tmp_path / "articles.parquet")
    raw = read(plan_ebnerd(split(tmp_path, [])))
    assert articles_of(raw) == [Article("21", facts=(("entities", '["ok"]'), ("title", "fine"))), Article("22")]
    assert "texts of articles that are not UTF-8: left out: 2" in raw.notes


def test_what_was_known_only_after_the_fact_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    for name in ("read", "iter_batches"):
        real = getattr(pq.ParquetFile, name)

        def spy(self: Any, *args: Any, columns: list[str], real: Any = real) -> Any:
            asked.update(columns)
            return real(self, *args, columns=columns)

        monkeypatch.setattr(pq.ParquetFile, name, spy)
    folder = both(tmp_path)
    pq.write_table(pa.Table.from_pylist([article()], ARTICLES), folder / "articles.parquet")
    read(plan_ebnerd(folder))
    assert asked
    assert not [name for name in asked if name.startswith(("total_", "next_", "scroll", "last_modified"))]
    assert "read_time_fixed" not in asked


@pytest.mark.parametrize("ids", [pa.int64(), pa.uint16(), pa.float64(), pa.uint64()])
@pytest.mark.parametrize(("unit", "zone"), [("s", None), ("ms", None), ("ns", None), ("us", "UTC")])
def test_types_of_other_releases_are_read_alike(tmp_path: Path, ids: pa.DataType, unit: str, zone: str | None) -> None:
    records = [record(0, 11, [21, 22], [22]), record(1, None, [21], [21])]
    expected = rows_of(read(plan_ebnerd(split(tmp_path / "a", records, [history(5, (1, 31))]))))
    folder = split(tmp_path / "b", records, [history(5, (1, 31))])
    time = pa.timestamp(unit, zone)
    for file in folder.iterdir():
        table = pq.read_table(file)
        types = {
            "article_id": ids,
            "user_id": ids,
            "session_id": ids,
            "article_ids_inview": pa.list_(ids),
            "article_ids_clicked": pa.list_(ids),
            "article_id_fixed": pa.list_(ids),
            "impression_time": time,
            "impression_time_fixed": pa.list_(time),
        }
        cast = [table[name].cast(types.get(name, table[name].type)) for name in table.column_names]
        pq.write_table(pa.table(cast, names=table.column_names), file)
    assert rows_of(read(plan_ebnerd(folder))) == expected


RECORDS = [record(0, 11, [21, 22], [22]), record(1, None, [23, 24], []), record(2, 12, [21, 25], [25, 21], user=8)]


@pytest.mark.parametrize("form", ["text", "text-lists", "fixed"])
def test_ids_as_text_lists_as_text_and_lists_of_one_length_are_read_alike(tmp_path: Path, form: str) -> None:
    split(tmp_path / "plain", RECORDS, [history(7, (2, 31), (1, 32))])
    folder = split(tmp_path / form, RECORDS, [history(7, (2, 31), (1, 32))])
    table = pq.read_table(folder / "behaviors.parquet")
    for name in ("article_ids_inview", "article_ids_clicked"):
        values = table[name].to_pylist()
        written = {
            "text": pa.array([[str(item) for item in items] for items in values], pa.list_(pa.string())),
            "text-lists": pa.array([f"[{', '.join(map(repr, items))}]" for items in values]),
            "fixed": pa.array(values, pa.list_(pa.int32(), 2)) if name.endswith("inview") else table[name],
        }
        table = table.set_column(table.column_names.index(name), name, written[form])
    if form == "text":
        for name in ("article_id", "user_id", "session_id"):
            table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
        before = pq.read_table(folder / "history.parquet")
        pq.write_table(before.set_column(0, "user_id", before["user_id"].cast(pa.string())), folder / "history.parquet")
    pq.write_table(table, folder / "behaviors.parquet")
    assert rows_of(read(plan_ebnerd(folder))) == rows_of(read(plan_ebnerd(tmp_path / "plain")))


def test_readers_may_be_any_text_but_articles_are_numbers(tmp_path: Path) -> None:
    folder = split(tmp_path, [record(minute, 11, [21, 22], [22]) for minute in range(3)])
    table = pq.read_table(folder / "behaviors.parquet")
    for name, values in (("user_id", ["ann", "", "bob"]), ("article_id", ["11", "", "a11"])):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, folder / "behaviors.parquet")
    raw = read(plan_ebnerd(folder))
    assert [(row.user, row.item) for row in rows_of(raw)] == [("ann", "11"), ("ann", "11"), (None, None)]
    assert [(reject.line, reject.reason) for reject in raw.rejects] == [
        (3, "user_id, session_id or article_id is no whole number")
    ]


def test_a_split_without_a_history_is_read_and_that_is_said(tmp_path: Path) -> None:
    split(tmp_path / "train", [record(0, 11, [21], [21])])
    (tmp_path / "train" / "history.parquet").unlink()
    split(tmp_path / "validation", [record(9_000, 11, [21], [21])], [history(7, (1, 31))])
    raw = read(plan_ebnerd(tmp_path))
    assert "no history.parquet in train: what its readers read before is unknown" in raw.notes
    assert sum(row.kind == HISTORY for row in rows_of(raw)) == 1


def test_the_only_bundle_in_a_folder_is_read_and_of_several_one_is_to_be_named(tmp_path: Path) -> None:
    split(tmp_path / "ebnerd_small" / "ebnerd_small" / "train", RECORDS)
    pq.write_table(
        pa.Table.from_pylist([article(21)], ARTICLES), tmp_path / "ebnerd_small/ebnerd_small/articles.parquet"
    )
    assert [part.name for part in plan_ebnerd(tmp_path).parts] == [
        f"ebnerd_small/ebnerd_small/{name}"
        for name in ("train/history.parquet", "train/behaviors.parquet", "articles.parquet")
    ]
    split(tmp_path / "ebnerd_demo" / "train", RECORDS)
    with pytest.raises(DataError, match=r"ebnerd_demo, ebnerd_small are several sets.*ebnerd:.*ebnerd_demo"):
        plan_ebnerd(tmp_path)


def withheld(folder: Path, records: list[dict[str, Any]]) -> Path:
    """A test split: without clicks and articles on screen."""
    split(folder, records)
    file = folder / "behaviors.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["article_ids_clicked", "article_id", "next_read_time"]), file)
    return folder


def test_a_record_of_the_test_split_is_an_impression_without_an_outcome_that_keeps_its_id(tmp_path: Path) -> None:
    records = [record(2, None, [22, 21, 22]) | {"impression_id": 8}, record(1, None, [21]) | {"impression_id": 0}]
    who = {"user": "7", "session": "3"}
    assert rows_of(read(plan_ebnerd(withheld(tmp_path / "test", records)))) == [
        Row(IMPRESSION, NOON_MS + 120_000, None, pool=("22", "21", "22"), withheld="8", **who),
        Row(IMPRESSION, NOON_MS + 60_000, None, pool=("21",), withheld="0", **who),
    ]


def test_the_test_set_beside_another_is_read_after_it_and_not_scored(tmp_path: Path) -> None:
    shown = [record(minute, None, [21]) | {"impression_id": 1} for minute in (0, 9)]
    withheld(tmp_path / "ebnerd_testset" / "test", shown[1:])
    for name, first in (("train", -20), ("validation", -10)):
        split(tmp_path / "ebnerd_large" / name, [record(first, 11)])
    for name in ("ebnerd_testset", "ebnerd_large"):
        pq.write_table(pa.Table.from_pylist([article(21)], ARTICLES), tmp_path / name / "articles.parquet")
    plan = plan_ebnerd(tmp_path)
    assert [part.name for part in plan.parts if part.role != "history"] == [
        "ebnerd_large/train/behaviors.parquet",
        "ebnerd_large/validation/behaviors.parquet",
        "ebnerd_testset/test/behaviors.parquet",
        "ebnerd_large/articles.parquet",
        "ebnerd_testset/articles.parquet",
    ]
    validation = NOON_MS - 600_000
    assert plan.splits == {"train": (NOON_MS - 1_200_000, validation), "validation": (validation, NOON_MS + 540_000)}
    assert [row.session for row in rows_of(read(plan))] == ["train:3", "validation:3", "test:3"]


def test_a_test_set_with_clicks_is_a_split_as_others(tmp_path: Path) -> None:
    split(tmp_path / "test", [record(0, None, [21], [21])])
    assert [row.clicked for row in rows_of(read(plan_ebnerd(tmp_path)))] == [(True,)]


def test_a_number_that_is_not_whole_is_no_id(tmp_path: Path) -> None:
    folder = split(tmp_path, [record(0, 11)])
    table = pq.read_table(folder / "behaviors.parquet")
    users = pa.array([7.5], pa.float64())
    pq.write_table(table.set_column(6, "user_id", users), folder / "behaviors.parquet")
    raw = read(plan_ebnerd(folder))
    assert raw.kept == 0
    assert "no whole number" in raw.rejects[0].reason


def test_a_train_split_without_clicks_is_refused(tmp_path: Path) -> None:
    withheld(tmp_path / "train", [record(0, None, [21])])
    with pytest.raises(DataError, match=r"behaviors\.parquet: .*looks like the test split.* a folder called test"):
        plan_ebnerd(tmp_path)


@pytest.mark.parametrize(
    ("file", "column", "message"),
    [
        ("behaviors.parquet", "session_id", "column 'session_id' is missing; the columns are impression_id, "),
        ("history.parquet", "article_id_fixed", "column 'article_id_fixed' is missing"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, file: str, column: str, message: str) -> None:
    path = split(tmp_path, []) / file
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(DataError, match=message):
        plan_ebnerd(tmp_path)


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    path = split(tmp_path, [record(0, 11)]) / "behaviors.parquet"
    pq.write_table(pq.read_table(path).set_column(2, "impression_time", pa.array(["noon"])), path)
    with pytest.raises(DataError, match="column 'impression_time' is string; expected timestamps"):
        plan_ebnerd(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 0.5, 0.99])
@pytest.mark.parametrize("name", ["behaviors.parquet", "history.parquet"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, keep: float) -> None:
    path = split(tmp_path, [record(0, 11)]) / name
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(DataError, match=rf"{name} cannot be read: .*Get it again from https://recsys\.eb\.dk/"):
        plan_ebnerd(tmp_path)


def test_bytes_damaged_anywhere_are_an_error_that_names_the_file_or_other_values(tmp_path: Path) -> None:
    folder = split(tmp_path, [record(n, 11, [21, 22], [22]) for n in range(5)], [history(5, (1, 31))])
    path = folder / "behaviors.parquet"
    data = path.read_bytes()
    named = 0
    for at in range(4, len(data), 41):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            read(plan_ebnerd(folder))
        except DataError as error:
            named += "behaviors.parquet" in str(error)
    assert named > 10


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "there is no such folder"),
        (lambda path: path.mkdir(), "found an empty folder"),
        (lambda path: path.write_text("x"), "found a file, not a folder"),
        (lambda path: (path / "test").mkdir(parents=True), "found test. Expected"),
        (
            lambda path: split(path, []) and (path / "behaviors.parquet").unlink(),
            "found history.parquet. Expected",
        ),
    ],
)
def test_a_folder_without_the_files_says_what_is_expected(tmp_path: Path, make: Any, found: str) -> None:
    make(tmp_path / "ebnerd")
    with pytest.raises(DataError, match=found) as error:
        plan_ebnerd(tmp_path / "ebnerd")
    assert "https://recsys.eb.dk/" in str(error.value)


def test_empty_files_are_no_rows(tmp_path: Path) -> None:
    raw = read(plan_ebnerd(split(tmp_path, [])))
    assert (raw.rows_in, raw.rows.num_rows) == (0, 0)


def test_the_source_and_its_terms_are_said(tmp_path: Path) -> None:
    plan = plan_ebnerd(split(tmp_path, []))
    assert plan.publisher == "ebnerd"
    assert plan.unit == "row"
    assert "https://recsys.eb.dk/" in plan.source
    assert "research" in plan.licence
    assert any("read as UTC" in note for note in read(plan).notes)


items = st.integers(1, 4)
lists = st.none() | st.lists(st.none() | items, max_size=5)
records = st.builds(
    record,
    minute=st.integers(0, 3) | st.just(-30_000_000),
    page=st.none() | items,
    shown=lists,
    clicked=lists,
    user=st.none() | st.integers(1, 2),
    session=st.none() | st.integers(1, 2),
    seconds=st.none() | st.sampled_from([-1.0, 0.5, 1.25, 2.0, 3.0, 7.0, 1e9]),
)
clicks = st.tuples(st.integers(-2, 2) | st.just(99_999), st.none() | items)
histories = st.lists(
    st.builds(lambda user, found: history(user, *found), st.none() | st.integers(1, 3), st.lists(clicks, max_size=3)),
    max_size=4,
)
articles = st.lists(
    st.builds(
        article,
        item=st.none() | items,
        title=st.none() | st.text(max_size=3),
        category=st.none() | items,
        subcategory=st.none() | st.lists(st.none() | items, max_size=3),
        ner_clusters=st.none() | st.lists(st.none() | st.text(max_size=3), max_size=2),
        image_ids=st.none() | st.lists(st.none() | items, max_size=2),
        published_time=st.none() | st.sampled_from([NOON, datetime(1989, 1, 1)]),
        sentiment_label=st.none() | st.sampled_from(["Negative", "Neutral", "Positive", "Mixed"]),
        sentiment_score=st.none() | st.sampled_from([0.25, 0.9512, float("nan")]),
    ),
    max_size=4,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.lists(records, max_size=12), histories), min_size=1, max_size=2), articles, st.booleans())
def test_any_files_are_read_as_the_slow_reader_reads_them(
    splits: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]], told: list[dict[str, Any]], named: bool
) -> None:
    sizes = ReadSizes(rows=4, entries=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, (some, before) in zip(("train", "validation"), splits, strict=False):
            split(folder / label, some, before)
        table = pa.Table.from_pylist(told, ARTICLES)
        pq.write_table(table if named else table.drop_columns(["category_str"]), folder / "articles.parquet")
        agree(folder, sizes)
        agree(folder / "train", sizes)


@settings(max_examples=40, deadline=None)
@given(st.lists(records, max_size=12), st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=12, max_size=12))
def test_any_test_split_is_read_as_the_slow_reader_reads_it(some: list[dict[str, Any]], ids: list[int | None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        numbered = [entry | {"impression_id": number} for entry, number in zip(some, ids, strict=False)]
        split(Path(name) / "train", some)
        withheld(Path(name) / "test", numbered)
        agree(Path(name), ReadSizes(rows=4, entries=2))


def agree(folder: Path, sizes: ReadSizes = SIZES) -> tuple[Raw, list[Row]]:
    raw, naive = read(plan_ebnerd(folder, sizes=sizes)), read_naively(folder)
    assert rows_of(raw) == naive.rows
    assert articles_of(raw) == naive.articles
    assert [(reject.file, reject.line) for reject in raw.rejects] == naive.rejects
    assert raw.dropped == naive.dropped
    return raw, naive.rows


def test_the_real_demo_split_is_read_as_the_slow_reader_reads_it(real_data: Path) -> None:
    folder = real_data / "ebnerd_demo"
    if not folder.is_dir():
        pytest.skip("the folder of NEWSREPLAY_TEST_DATA has no ebnerd_demo/")
    raw, rows = agree(folder)
    assert Counter(row.kind for row in rows) == {HISTORY: 258_318, IMPRESSION: 24_724, READ: 5_250}
    assert raw.rows_in == raw.kept == 283_042
    assert any("dropped: 2,128" in note for note in raw.notes)


def test_an_error_stays_short_whatever_columns_are_called(tmp_path: Path) -> None:
    folder = split(tmp_path, [record(page=1)])
    pq.write_table(
        pa.table({"article_ids_clicked": [[1]], "name_of_any_length" * 1000: [1]}), folder / "behaviors.parquet"
    )
    with pytest.raises(
        DataError, match="is missing; the columns are article_ids_clicked, name_of_any_length"
    ) as caught:
        plan_ebnerd(folder)
    assert len(str(caught.value)) < 1000


def test_further_columns_are_kept_with_whatever_comes_of_a_record(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    records = [
        record(0, page=1, shown=[2, 3], clicked=[3]) | {"device_type": 1, "is_subscriber": True},
        record(1, shown=[4], clicked=[]) | {"device_type": None, "is_subscriber": False, "user_id": None},
        record(2, page=5, shown=[6], clicked=[7]) | {"device_type": 2, "is_subscriber": False},
    ]
    more = [pa.field("device_type", pa.int8()), pa.field("is_subscriber", pa.bool_())]
    schema = pa.schema([*BEHAVIORS, *more])
    pq.write_table(pa.Table.from_pylist(records, schema), folder / "behaviors.parquet")
    raw = read(plan_ebnerd(tmp_path, keep=["device_type", "is_subscriber"]))
    for row, device, subscriber in zip(
        rows_of(raw.__class__(raw.rows.drop_columns(["extra.device_type", "extra.is_subscriber"]))),
        raw.rows["extra.device_type"].to_pylist(),
        raw.rows["extra.is_subscriber"].to_pylist(),
        strict=True,
    ):
        minute = (row.time - NOON_MS) // 60_000
        assert (device, subscriber) == {0: ("1", "true"), 1: (None, "false"), 2: ("2", "false")}[minute]
    with pytest.raises(DataError, match=r"no column 'device' to keep; it has .*Did you mean 'device_type'\?"):
        plan_ebnerd(tmp_path, keep=["device"])
    for late in ("read_time", "article_ids_clicked", "next_read_time"):
        with pytest.raises(DataError, match=f"'{late}' is known after its row only"):
            plan_ebnerd(tmp_path, keep=[late])


def test_a_list_where_an_id_is_expected_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([record(0, 11, [21], [21])], BEHAVIORS)
    place = BEHAVIORS.get_field_index("session_id")
    table = table.set_column(place, "session_id", pa.array([["3"]], pa.list_(pa.string())))
    (tmp_path / "train").mkdir()
    pq.write_table(table, tmp_path / "train" / "behaviors.parquet")
    with pytest.raises(DataError, match=r"column 'session_id' is list<.*>; expected whole numbers"):
        plan_ebnerd(tmp_path)
