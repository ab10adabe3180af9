"""Raw rows become logs by the rules of docs/design.md, section 3."""

from __future__ import annotations

import csv
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets import store
from newsreplay.datasets.base import Raw, Reject
from newsreplay.datasets.store import Dataset, Publisher, prepare
from newsreplay.errors import DataError
from newsreplay.simulator.catalog import Catalog
from newsreplay.simulator.log import HOUR, PUBLISH, READ
from tests import naive, naive_store
from tests.naive_store import Row

T0 = 1_577_836_800_000  # 2020-01-01
MINUTE = 60_000
KINDS = {"time": pa.int64(), "published": pa.int64()}
READ_COLUMNS = ("publisher", "time", "user", "session", "item", "published", "category", "title")
ARTICLE_COLUMNS = ("publisher", "item", "published", "category", "title")

Prepare = Callable[..., Dataset]


def table(rows: Sequence[Row], columns: Sequence[str]) -> pa.Table:
    """A table of those columns that any row tells something in."""
    kept = [name for name in columns if any(row.get(name) is not None for row in rows)]
    return pa.table({name: pa.array([row.get(name) for row in rows], KINDS.get(name, pa.string())) for name in kept})


def raw_of(reads: Sequence[Row], articles: Sequence[Row] | None = None, **more: Any) -> Raw:
    reads = [{"publisher": "p"} | read for read in reads]
    told = None if articles is None else table(articles, ARTICLE_COLUMNS) if articles else None
    return Raw(table(reads, READ_COLUMNS), told, rows_in=len(reads), **more)


def read(time: int, item: str, user: str | None = "ann", session: str | None = None, **told: Any) -> Row:
    return {"time": T0 + time, "item": item, "user": user, "session": session} | told


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """Prepares rows and articles in a folder of their own."""
    count = iter(range(1000))

    def prepare_rows(reads: Sequence[Row], articles: Sequence[Row] | None = None, **more: Any) -> Dataset:
        raw = raw_of(reads, articles, **more)
        return prepare(raw, tmp_path / f"data-{next(count)}", name="test", kind="table")

    return prepare_rows


def shown(publisher: Publisher) -> list[tuple[int, str, str, str | None, str | None]]:
    """The log with ids: (ms since T0, kind, article, user, session)."""
    log = publisher.log
    return [
        (
            int(log.time[row]) - T0,
            {PUBLISH: "publish", READ: "read"}[int(log.kind[row])],
            publisher.articles.id[int(log.item[row])].as_py(),
            None if log.user[row] < 0 else publisher.users[int(log.user[row])].as_py(),
            None if log.session[row] < 0 else publisher.sessions.id[int(log.session[row])].as_py(),
        )
        for row in range(len(log.time))
    ]


def sessions_of(publisher: Publisher) -> list[str]:
    return [session for _, kind, _, _, session in shown(publisher) if kind == "read" and session is not None]


def the(dataset: Dataset) -> Publisher:
    (name,) = dataset.publishers
    return dataset.publisher(name)


# --- order ------------------------------------------------------------------------------------------------


def test_rows_of_one_instant_are_publications_first_and_then_reads_in_source_order(prepared: Prepare) -> None:
    reads = [
        read(5, "c", "bob"),
        read(5, "a", "ann"),
        read(0, "z", "ann"),
        read(5, "b", "ann", published=T0 + 5),
        read(5, "a", "bob"),
    ]
    assert [row[:4] for row in shown(the(prepared(reads)))] == [
        (0, "read", "z", "ann"),
        (5, "publish", "b", None),
        (5, "read", "c", "bob"),
        (5, "read", "a", "ann"),
        (5, "read", "b", "ann"),
        (5, "read", "a", "bob"),
    ]


def test_articles_published_at_one_instant_stand_as_the_source_lists_them(prepared: Prepare) -> None:
    articles = [{"item": item, "published": T0} for item in ("n", "b", "x", "a")]
    publisher = the(prepared([read(5, "a"), read(6, "x")], articles))
    assert publisher.articles.id.to_pylist() == ["n", "b", "x", "a"]


def test_the_order_of_later_reads_does_not_show_among_articles_published_at_one_instant(prepared: Prepare) -> None:
    one = [read(time, item, published=T0 - 1) for time, item in [(1, "b"), (2, "c"), (3, "a")]]
    other = [read(time, item, published=T0 - 1) for time, item in [(1, "a"), (2, "b"), (3, "c")]]
    assert the(prepared(one)).articles.id.to_pylist() == the(prepared(other)).articles.id.to_pylist() == ["a", "b", "c"]


def test_codes_count_up_by_first_appearance(prepared: Prepare) -> None:
    publisher = the(
        prepared(
            [
                read(3, "b", "bob", category="sport"),
                read(1, "z", "zoe", category="arts"),
                read(2, "b", "ann"),
                read(9, "a", "zoe", published=T0 + 2, category="news"),
            ]
        )
    )
    for codes in (publisher.log.item, publisher.log.user, publisher.log.session, publisher.log.category):
        told = [int(code) for code in codes if code >= 0]
        assert told == naive.code_by_first_appearance(told)
    assert publisher.articles.id.to_pylist() == ["z", "a", "b"]
    assert publisher.users.to_pylist() == ["zoe", "ann", "bob"]
    assert publisher.articles.categories.to_pylist() == ["arts", "news", "sport"]


# --- sessions ---------------------------------------------------------------------------------------------


def test_exactly_60_minutes_continue_a_session_and_a_millisecond_more_starts_a_new_one(prepared: Prepare) -> None:
    reads = [read(0, "a"), read(HOUR, "b"), read(2 * HOUR + 1, "a"), read(3 * HOUR + 1, "b")]
    assert sessions_of(the(prepared(reads))) == ["ann.1", "ann.1", "ann.2", "ann.2"]


def test_the_pause_counts_from_the_users_last_read_not_from_the_first(prepared: Prepare) -> None:
    reads = [read(n * 50 * MINUTE, "a") for n in range(5)]
    assert sessions_of(the(prepared(reads))) == ["ann.1"] * 5


def test_sessions_are_split_by_user_and_publisher(prepared: Prepare) -> None:
    reads = [
        read(0, "a", "ann", publisher="p"),
        read(1, "a", "bob", publisher="p"),
        read(50 * MINUTE, "a", "ann", publisher="q"),
        read(100 * MINUTE, "a", "ann", publisher="p"),
        read(100 * MINUTE, "a", "ann", publisher="q"),
    ]
    dataset = prepared(reads)
    assert sessions_of(dataset.publisher("p")) == ["ann.1", "bob.1", "ann.2"]
    assert sessions_of(dataset.publisher("q")) == ["ann.1", "ann.1"]


def test_publications_do_not_continue_a_session(prepared: Prepare) -> None:
    reads = [read(0, "a"), read(61 * MINUTE, "b", published=T0 + 30 * MINUTE)]
    assert sessions_of(the(prepared(reads))) == ["ann.1", "ann.2"]


def test_the_sources_own_sessions_win_over_pauses_and_users(prepared: Prepare) -> None:
    reads = [
        read(0, "a", "ann", "s1"),
        read(1, "b", "ann", "s2"),
        read(5 * HOUR, "c", "bob", "s1"),
        read(6 * HOUR, "c", "ann"),
    ]
    assert sessions_of(the(prepared(reads))) == ["s1", "s2", "s1", "ann.1"]


def test_without_a_user_the_session_stands_for_the_user(prepared: Prepare) -> None:
    reads = [read(0, "a", None, "s1"), read(1, "b", None, "s2"), read(2, "c", None, "s1"), read(3, "c", "s1", "s3")]
    publisher = the(prepared(reads))
    assert publisher.users.to_pylist() == ["s1", "s2", "s1"]
    assert publisher.log.user.tolist() == [0, 1, 0, 2]  # the user who is called s1 is somebody else


def test_a_log_without_any_users_or_without_any_sessions_is_fine(prepared: Prepare) -> None:
    assert sessions_of(the(prepared([read(0, "a", None, "s")]))) == ["s"]
    assert sessions_of(the(prepared([read(0, "a", "ann", None)]))) == ["ann.1"]


@given(
    reads=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 30 * MINUTE, HOUR - 1, HOUR, HOUR + 1, 3 * HOUR]), st.sampled_from(["ann", "bob"])
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=50, deadline=None)
def test_sessions_are_those_of_the_slow_rule(reads: list[tuple[int, str]]) -> None:
    times = np.cumsum([gap for gap, _ in reads]).tolist()
    users = [user for _, user in reads]
    raw = raw_of([read(time, "a", user) for time, user in zip(times, users, strict=True)])
    with tempfile.TemporaryDirectory() as folder:
        publisher = the(prepare(raw, Path(folder) / "data", name="test", kind="table"))
        assert publisher.log.session.tolist() == naive.split_sessions(times, users)


# --- known articles ---------------------------------------------------------------------------------------


def test_an_article_without_a_time_is_known_from_its_first_read(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(7, "b"), read(9, "b")]))
    assert (publisher.articles.published - T0).tolist() == [0, 7]
    assert [row[1] for row in shown(publisher)] == ["read"] * 3


def test_an_article_read_before_its_publication_is_known_from_that_read(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a", published=T0 + 5), read(9, "a")]))
    assert (publisher.articles.published - T0).tolist() == [0]
    assert [row[:3] for row in shown(publisher)] == [(0, "read", "a"), (5, "publish", "a"), (9, "read", "a")]


def test_publications_before_the_first_read_keep_their_time(prepared: Prepare) -> None:
    dataset = prepared([read(0, "a", published=T0 - 90_000_000), read(5, "b")])
    assert shown(the(dataset))[0][:3] == (-90_000_000, "publish", "a")
    assert dataset.card["publishers"][0]["first"] == T0


def test_an_article_that_is_never_read_is_known_only_if_published_by_the_last_read(prepared: Prepare) -> None:
    articles = [
        {"item": "early", "published": T0 - 1},
        {"item": "just", "published": T0 + 9},
        {"item": "late", "published": T0 + 10},
        {"item": "when", "published": None},
    ]
    dataset = prepared([read(0, "a"), read(9, "a")], articles)
    assert [row[:3] for row in shown(the(dataset))] == [
        (-1, "publish", "early"),
        (0, "read", "a"),
        (9, "publish", "just"),
        (9, "read", "a"),
    ]
    assert dataset.card["publishers"][0]["articles_unknown"] == 2


def test_articles_belong_to_their_publisher_and_those_of_unread_publishers_to_nobody(prepared: Prepare) -> None:
    articles = [{"publisher": name, "item": name, "published": T0 - 1} for name in ("p", "q", "r")]
    dataset = prepared([read(0, "a", publisher="q"), read(0, "a", publisher="p")], articles)
    assert dataset.publishers == ["p", "q"]
    assert [dataset.publisher(name).articles.id.to_pylist() for name in "pq"] == [["p", "a"], ["q", "a"]]
    with pytest.raises(DataError, match="test has no publisher 'r'; it has p, q"):
        dataset.publisher("r")


def test_where_rows_disagree_on_the_publication_the_first_by_event_time_counts(prepared: Prepare) -> None:
    reads = [read(9, "a", published=T0 + 1), read(5, "a", published=T0 + 3), read(4, "a")]
    assert [row[:3] for row in shown(the(prepared(reads)))] == [
        (3, "publish", "a"),
        (4, "read", "a"),
        (5, "read", "a"),
        (9, "read", "a"),
    ]


def test_what_the_articles_say_of_a_publication_counts_before_what_the_reads_say(prepared: Prepare) -> None:
    publisher = the(prepared([read(5, "a", published=T0 + 1)], [{"item": "a", "published": T0 + 2}]))
    assert shown(publisher)[0][:3] == (2, "publish", "a")


# --- categories and titles --------------------------------------------------------------------------------


def categories(publisher: Publisher) -> list[str | None]:
    names = publisher.articles.categories.to_pylist()
    return [None if code < 0 else names[code] for code in publisher.log.category.tolist()]


def test_a_category_is_unknown_before_the_row_that_tells_it(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(1, "b"), read(2, "a", category="arts"), read(3, "a")]))
    assert publisher.log.category.tolist() == [-1, -1, 0, 0]
    assert publisher.articles.category.tolist() == [0, -1]
    assert publisher.articles.category_row.tolist() == [2, 4]


def test_where_rows_disagree_on_the_category_the_first_by_event_time_counts(prepared: Prepare) -> None:
    reads = [read(9, "a", category="late"), read(5, "a", category="first"), read(4, "a"), read(6, "b", category="new")]
    publisher = the(prepared(reads))
    assert categories(publisher) == [None, "first", "new", "first"]
    assert publisher.articles.categories.to_pylist() == ["first", "new"]  # nothing is in the category late


def test_what_the_articles_tell_is_known_from_the_publication(prepared: Prepare) -> None:
    articles = [{"item": "a", "published": T0 + 1, "category": "arts", "title": "Ah"}]
    publisher = the(prepared([read(0, "b"), read(2, "a", category="news", title="Oh")], articles))
    assert categories(publisher) == [None, "arts", "arts"]
    assert publisher.articles.title.to_pylist() == [None, "Ah"]
    assert publisher.articles.title_row.tolist() == [3, 1]


def test_what_the_articles_tell_without_a_time_is_known_from_the_first_read(prepared: Prepare) -> None:
    articles = [{"item": "a", "category": "arts", "title": "Ah"}]
    publisher = the(prepared([read(0, "b"), read(2, "a"), read(4, "a")], articles))
    assert categories(publisher) == [None, "arts", "arts"]
    assert publisher.articles.category_row.tolist() == [3, 1]
    assert publisher.articles.title_row.tolist() == [3, 1]


def test_the_catalog_tells_a_title_only_once_its_row_has_happened(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(1, "a", title="Ah", category="arts")]))
    catalog = Catalog(publisher.articles)
    for row, told in ((0, None), (1, "Ah")):
        catalog.row, catalog.known = row, 1
        assert catalog.title(0) == told
        assert (catalog.category(0) is None) == (told is None)


# --- the trail of sessions --------------------------------------------------------------------------------


def test_the_reads_of_a_session_are_linked_back_from_its_last(prepared: Prepare) -> None:
    reads = [
        read(0, "a", "ann"),
        read(1, "b", "bob", published=T0 - 1),
        read(2, "c", "ann"),
        read(3, "a", "ann"),
    ]
    publisher = the(prepared(reads))
    assert publisher.requests.row.tolist() == [1, 2, 3, 4]
    assert publisher.requests.previous.tolist() == [-1, -1, 0, 2]
    assert publisher.sessions.last.tolist() == [3, 1]
    assert publisher.sessions.reads.tolist() == [3, 1]
    assert (publisher.sessions.first_time - T0).tolist() == [0, 1]


# --- the whole, against the slow preparation --------------------------------------------------------------

OFFSETS = st.sampled_from([0, 0, 1, 2, 3, HOUR, HOUR + 1, HOUR + 2, 2 * HOUR + 1, 5 * HOUR])
PUBLICATIONS = st.none() | OFFSETS | st.sampled_from([-HOUR, -1, 9 * HOUR])
NAMES = {"category": st.sampled_from([None, None, "x", "y", "z"]), "title": st.sampled_from([None, None, "X", "Y"])}


@st.composite
def raws(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Raw reads and articles, with nulls and ties everywhere."""
    publishers = draw(st.sampled_from([["p"], ["p", "q"]]))
    items = st.sampled_from("abcdef")
    readers = st.tuples(st.sampled_from([None, "u", "v"]), st.sampled_from([None, "s", "t"])).filter(any)
    if draw(st.booleans()):
        readers = st.tuples(st.sampled_from("uv"), st.none())
    told = {"published": PUBLICATIONS.map(lambda time: None if time is None else T0 + time), **NAMES}
    told = {name: values if draw(st.booleans()) else st.none() for name, values in told.items()}
    rows = st.fixed_dictionaries(
        {"publisher": st.sampled_from(publishers), "time": OFFSETS.map(lambda time: T0 + time), "item": items, **told}
    )
    reads = [
        row | {"user": user, "session": session}
        for row, (user, session) in draw(st.lists(st.tuples(rows, readers), min_size=1, max_size=15))
    ]
    described = st.fixed_dictionaries({"item": items | st.sampled_from("ghi"), **told})
    articles = draw(st.lists(described, max_size=6))
    if draw(st.booleans()):
        articles = [article | {"publisher": draw(st.sampled_from(["p", "q", "r"]))} for article in articles]
    return reads, articles


def encoded(rows: pa.Table, draw: random.Random) -> pa.Table:
    """The same table, dictionary-encoded and in chunks as it may come from files."""
    columns = {}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        if pa.types.is_string(column.type) and draw.random() < 0.5:
            words = draw.sample(
                sorted({*column.drop_null().to_pylist(), "unused"}), len({*column.drop_null().to_pylist()}) + 1
            )
            codes = [None if word is None else words.index(word) for word in column.to_pylist()]
            column = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(words))
        cut = draw.randrange(len(column) + 1)
        columns[name] = pa.chunked_array([column[:cut], column[cut:]])
    return pa.table(columns)


@given(rows=raws(), seed=st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_preparing_is_the_same_as_the_slow_preparation(rows: tuple[list[Row], list[Row]], seed: random.Random) -> None:
    reads, articles = rows
    raw = raw_of(reads, articles)
    raw.reads = encoded(raw.reads, seed)
    with tempfile.TemporaryDirectory() as folder:
        dataset = prepare(raw, Path(folder) / "data", name="test", kind="table")
        assert dataset.publishers == sorted({row["publisher"] for row in reads})
        for facts in dataset.card["publishers"]:
            publisher = dataset.publisher(facts["publisher"])
            slow = naive_store.prepare(reads, articles, publisher.name)
            assert {name: column.tolist() for name, column in publisher.log._asdict().items()} == slow.log
            assert {
                name: column.to_pylist() if isinstance(column, pa.Array) else column.tolist()
                for name, column in publisher.articles._asdict().items()
            } == slow.articles
            assert publisher.users.to_pylist() == slow.users
            assert list(zip(*(column.tolist() for column in publisher.requests), strict=True)) == slow.requests
            assert [
                (publisher.sessions.id[code].as_py(), *(int(column[code]) for column in publisher.sessions[1:]))
                for code in range(len(publisher.sessions.id))
            ] == slow.sessions
            assert facts["articles_unknown"] == slow.unknown
            assert facts["rows"] == len(slow.log["time"])
            assert facts["reads"] == len(slow.requests)
            assert facts["sessions"] == len(slow.sessions)
            assert facts["users"] == len(slow.users)
            assert facts["articles"] == len(slow.articles["id"])


# --- the folder -------------------------------------------------------------------------------------------


def test_columns_are_memory_maps_that_cannot_be_written(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(1, "b")]))
    for column in (*publisher.log, *publisher.requests, *publisher.sessions[1:], publisher.articles.published):
        assert not column.flags.writeable
        assert not column.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


@given(order=st.permutations(range(8)), seed=st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_equal_data_have_equal_digests_wherever_they_lie_and_however_they_stand(
    order: list[int], seed: random.Random
) -> None:
    reads = [
        read(n * MINUTE, "abc"[n % 3], "uv"[n % 2], published=T0 - n, category=[None, "x"][n % 2], title=f"T{n}")
        for n in range(8)
    ]
    with tempfile.TemporaryDirectory() as folder:
        raw = raw_of([reads[n] for n in order])
        raw.reads = encoded(raw.reads, seed)
        one = prepare(raw_of(reads), Path(folder) / "one", name="one", kind="table")
        two = prepare(raw, Path(folder) / "deep" / "two", name="two", kind="table", options={"path": "elsewhere"})
        assert one.card["digest"] == two.card["digest"]


def test_other_data_have_another_digest(prepared: Prepare) -> None:
    reads = [read(0, "a"), read(1, "b", category="x", title="B")]
    others = [
        [read(0, "a"), read(2, "b", category="x", title="B")],
        [read(0, "a"), read(1, "c", category="x", title="B")],
        [read(0, "a"), read(1, "b", "bob", category="x", title="B")],
        [read(0, "a"), read(1, "b", category="y", title="B")],
        [read(0, "a"), read(1, "b", category="x", title="C")],
        [read(0, "a"), read(1, "b", category="x")],
        [read(0, "a", session="s"), read(1, "b", session="s", category="x", title="B")],
    ]
    digests = {prepared(rows).card["digest"] for rows in [reads, *others]}
    assert len(digests) == 1 + len(others)


def test_a_folder_of_another_version_is_refused_with_the_way_out(prepared: Prepare) -> None:
    folder = prepared([read(0, "a")]).folder
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"format": 99}))
    with pytest.raises(DataError, match=r"another version of newsreplay \(format 99, this one reads 1\); prepare it"):
        _ = Dataset(folder).publishers


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_damaged_card_is_refused(prepared: Prepare, text: str) -> None:
    folder = prepared([read(0, "a")]).folder
    (folder / "card.json").write_text(text)
    with pytest.raises(DataError, match="is no prepared data set"):
        _ = Dataset(folder).publishers


def test_a_damaged_column_file_is_refused(prepared: Prepare) -> None:
    dataset = prepared([read(0, "a")])
    (dataset.folder / "publishers" / "0" / "log.arrow").write_bytes(b"ARROW1 but not really")
    with pytest.raises(DataError, match=r"log\.arrow cannot be read .*prepare the data set again"):
        the(dataset)


class CrashError(Exception):
    pass


@pytest.mark.parametrize("step", ["_prepare_publisher", "_digest", "_card", "_write_rejects"])
def test_a_crash_while_preparing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*args: Any) -> None:
        raise CrashError

    monkeypatch.setattr(store, step, crash)
    with pytest.raises(CrashError):
        prepare(raw_of([read(0, "a")]), tmp_path / "home" / "data", name="test", kind="table")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_crash_while_preparing_again_leaves_the_old_data_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    prepare(raw_of([read(0, "a")]), folder, name="test", kind="table")

    def crash(path: Path, **options: Any) -> None:
        if path == folder:  # half of the old folder is gone, and then the light
            (folder / "publishers" / "0" / "log.arrow").unlink()
            raise CrashError

    monkeypatch.setattr(shutil, "rmtree", crash)
    with pytest.raises(CrashError):
        prepare(raw_of([read(0, "b")]), folder, name="test", kind="table")
    with pytest.raises(DataError, match="is no prepared data set"):
        _ = Dataset(folder).publishers
    monkeypatch.undo()
    assert the(prepare(raw_of([read(0, "b")]), folder, name="test", kind="table")).articles.id.to_pylist() == ["b"]


def test_where_no_row_is_usable_the_first_reason_is_told(tmp_path: Path) -> None:
    raw = raw_of([read(0, "a")], rejects=[Reject("x.csv", 2, "time 'noon' is no time", "noon,ann,a")])
    raw.reads = raw.reads.slice(0, 0)
    with pytest.raises(DataError, match="test: none of 1 rows is usable; the first: time 'noon' is no time"):
        prepare(raw, tmp_path / "data", name="test", kind="table")
    assert not (tmp_path / "data").exists()


def test_a_home_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write to .*file.home: Not a directory; set NEWSREPLAY_HOME"):
        prepare(raw_of([read(0, "a")]), tmp_path / "file" / "home" / "data", name="test", kind="table")


def test_rejected_rows_are_kept_as_they_stood(prepared: Prepare) -> None:
    rejects = [
        Reject("x.csv", 7, "time 'noon' is no time", 'noon,"ann, a",\ttab'),
        Reject("x.csv", 9, "damaged", "line\r\nend \udcff\x00"),
    ]
    dataset = prepared([read(0, "a")], rejects=rejects)
    with (dataset.folder / "rejects.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file", "line", "reason", "text"]
    assert rows[1] == ["x.csv", "7", "time 'noon' is no time", 'noon,"ann, a",\ttab']
    assert rows[2] == ["x.csv", "9", "damaged", "line\r\nend \\udcff\x00"]
    assert dataset.card["rejected"] == 2


def test_the_card_tells_what_was_kept_left_out_and_made_up(tmp_path: Path) -> None:
    raw = raw_of(
        [read(0, "a"), read(MINUTE, "b"), read(0, "a", "bob")],
        dropped={"blank line": 1},
        notes=["a note"],
        made_up=["the times"],
        source="somewhere",
        licence="free",
    )
    card = prepare(raw, tmp_path / "data", name="gazette", kind="table", options={"path": "x"}).card
    assert card["name"] == "gazette"
    assert card["options"] == {"path": "x"}
    assert (card["rows_in"], card["reads"], card["rejected"], card["dropped"]) == (3, 3, 0, {"blank line": 1})
    assert (card["notes"], card["made_up"], card["source"], card["licence"]) == (
        ["a note"],
        ["the times"],
        "somewhere",
        "free",
    )
    (facts,) = card["publishers"]
    assert {name: facts[name] for name in facts if name != "digest"} == {
        "publisher": "p",
        "rows": 3,
        "reads": 3,
        "sessions": 2,
        "single_read_sessions": 1,
        "mean_session_length": 1.5,
        "longest_session": 2,
        "users": 2,
        "articles": 2,
        "articles_read": 2,
        "articles_unknown": 0,
        "categories": 0,
        "first": T0,
        "last": T0 + MINUTE,
    }
