"""Raw rows become logs by the rules of docs/design.md, section 3."""

from __future__ import annotations

import csv
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay import files
from newsreplay.datasets.base import FACTS, Block, Part, Plan, Raw, Reject
from newsreplay.datasets.preparing.prepare import Shaping, prepare
from newsreplay.datasets.preparing.work import Processing
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from newsreplay.files import old_of
from newsreplay.log.catalog import Catalog, Profiles, Revealed
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HISTORY, HOUR, IMPRESSION, KIND_NAMES, PUBLISH, READ
from tests.naive import baselines as naive
from tests.naive import store as naive_store
from tests.naive.store import Row

T0 = 1_577_836_800_000  # 2020-01-01
MINUTE = 60_000
#: Facts with tests of their own.
UNTOLD = ("publisher", "digest", "profiles", "articles_untold", "profiles_untold", "unjoined")
KINDS = {
    "kind": pa.uint8(),
    "time": pa.int64(),
    "published": pa.int64(),
    "active": pa.float32(),
    "pool": pa.list_(pa.string()),
    "items": pa.list_(pa.string()),
    "clicked": pa.list_(pa.bool_()),
    "dwell": pa.list_(pa.float32()),
    "differ": pa.bool_(),
}
READ_COLUMNS = (
    "publisher",
    "kind",
    "time",
    "user",
    "session",
    "item",
    "pool",
    "clicked",
    "published",
    *FACTS,
    "active",
    "dwell",
)
ARTICLE_COLUMNS = ("publisher", "item", "published", *FACTS)
PROFILE_COLUMNS = ("publisher", "user", "time", "items", "differ")

Prepare = Callable[..., Dataset]

TINY = Processing(bucket=3, in_memory=0)


def table(rows: Sequence[Row], columns: Sequence[str]) -> pa.Table:
    """A table of those columns that any row tells something in."""
    if any("kind" in row for row in rows):
        rows = [{"kind": READ} | row for row in rows]
    kept = [name for name in columns if any(row.get(name) is not None for row in rows)]
    return pa.table({name: pa.array([row.get(name) for row in rows], KINDS.get(name, pa.string())) for name in kept})


def raw_of(reads: Sequence[Row], articles: Sequence[Row] | None = None, **more: Any) -> Raw:
    reads = [{"publisher": "p"} | read for read in reads]
    told = None if articles is None else table(articles, ARTICLE_COLUMNS) if articles else None
    left_out = len(more.get("rejects", [])) + sum(more.get("dropped", {}).values())
    return Raw(table(reads, READ_COLUMNS), told, rows_in=len(reads) + left_out, **more)


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
            KIND_NAMES[int(log.kind[row])],
            "" if log.item[row] < 0 else publisher.articles.id[int(log.item[row])].as_py(),
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


def test_a_sources_publish_rows_of_one_instant_keep_their_order(prepared: Prepare) -> None:
    rows = [read(7, item, None) | {"kind": PUBLISH} for item in "cab"]
    assert [row[:3] for row in shown(the(prepared([read(7, "b"), *rows])))] == [
        *((7, "publish", item) for item in "cab"),
        (7, "read", "b"),
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


def test_the_sources_own_sessions_win_over_pauses(prepared: Prepare) -> None:
    reads = [
        read(0, "a", "ann", "s1"),
        read(1, "b", "ann", "s2"),
        read(5 * HOUR, "c", "ann", "s1"),
        read(6 * HOUR, "c", "ann"),
    ]
    assert sessions_of(the(prepared(reads))) == ["s1", "s2", "s1", "ann.1"]


def test_a_session_id_that_counts_each_readers_visits_is_split_by_reader_and_counted(prepared: Prepare) -> None:
    reads = [read(hour * HOUR + n, "a", user, str(hour)) for hour in (1, 2) for n, user in enumerate(["ann", "bob"])]
    dataset = prepared([*reads, read(9 * HOUR, "a", "zoe", "3")])
    assert sessions_of(the(dataset)) == ["ann:1", "bob:1", "ann:2", "bob:2", "3"]
    (facts,) = dataset.card["publishers"]
    assert (facts["shared_ids"], facts["shared_sessions"]) == (2, 4)
    assert "session ids under which several users occur: 2; by user they are 4 sessions" in dataset.card["notes"]


def test_unnamed_rows_belong_to_the_session_of_its_one_user_and_to_one_of_their_own_among_several(
    prepared: Prepare,
) -> None:
    one = [read(0, "a", None, "s"), read(1, "b", "ann", "s"), read(2, "c", None, "s")]
    assert sessions_of(the(prepared(one))) == ["s", "s", "s"]
    several = [*one, read(3, "a", "bob", "s"), read(4, "b", None, "s")]
    publisher = the(prepared(several))
    assert sessions_of(publisher) == ["s", "ann:s", "s", "bob:s", "s"]
    assert publisher.users.to_pylist() == ["s", "ann", "bob"]


def test_an_id_is_split_whatever_its_rows_are(prepared: Prepare) -> None:
    rows = [impression(0, "ab", "a", session="s"), impression(1, "ab", "b", "bob", session="s")]
    publisher = the(prepared(rows))
    assert publisher.sessions.id.to_pylist() == ["ann:s", "bob:s"]
    assert publisher.log.session.tolist() == [-1, -1, 0, 0, 0, 1, 1, 1]  # a click is in its impression's session


def test_a_gap_that_is_given_takes_the_place_of_60_minutes_and_splits_the_sources_own_sessions(
    tmp_path: Path,
) -> None:
    reads = [
        *[read(n * 30 * MINUTE, "a", "ann", "s") for n in (0, 1, 3)],
        *[read(n * 30 * MINUTE, "a", "bob") for n in (0, 1, 3)],
        read(0, "a", "ann", "shared"),
        read(31 * MINUTE, "a", "zoe", "shared"),
        read(62 * MINUTE, "a", "ann", "shared"),
    ]
    shaping = Shaping(session_gap=30 * MINUTE)
    publisher = the(prepare(raw_of(reads), tmp_path / "data", name="test", kind="table", shaping=shaping))
    assert Counter(sessions_of(publisher)) == {
        "s.1": 2,
        "s.2": 1,
        "bob.1": 2,
        "bob.2": 1,
        "ann:shared.1": 1,
        "zoe:shared.1": 1,
        "ann:shared.2": 1,
    }


def test_a_row_with_neither_user_nor_session_is_a_session_and_a_reader_of_its_own(prepared: Prepare) -> None:
    rows = [read(0, "a"), read(1, "b", None), read(2, "b", None), impression(3, "ab", "ab", user=None), read(4, "a")]
    dataset = prepared(rows)
    publisher = the(dataset)
    assert sessions_of(publisher) == ["ann.1", "nobody.1", "nobody.2", "nobody.3", "nobody.3", "ann.1"]
    assert publisher.users.to_pylist() == ["ann", "nobody.1", "nobody.2", "nobody.3"]
    assert dataset.card["publishers"][0]["nobody"] == 3
    note = "rows with neither user nor session, each in a session of its own: 3; learned from, never scored on slates"
    assert note in dataset.card["notes"]


def test_nobodies_are_numbered_by_the_log_however_the_source_stands(prepared: Prepare) -> None:
    rows = [read(5, "a", None), read(0, "b", None), read(3, "c", None)]
    assert prepared(rows).card["digest"] == prepared(rows[::-1]).card["digest"]


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
    titles, row = publisher.articles.texts["title"]
    assert titles.to_pylist() == [None, "Ah"]
    assert row.tolist() == [3, 1]


def test_what_the_articles_tell_without_a_time_is_known_from_the_first_read(prepared: Prepare) -> None:
    articles = [{"item": "a", "category": "arts", "title": "Ah"}]
    publisher = the(prepared([read(0, "b"), read(2, "a"), read(4, "a")], articles))
    assert categories(publisher) == [None, "arts", "arts"]
    assert publisher.articles.category_row.tolist() == [3, 1]
    assert publisher.articles.texts["title"][1].tolist() == [3, 1]


def test_the_catalog_tells_a_title_only_once_its_row_has_happened(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(1, "a", title="Ah", category="arts")]))
    revealed = Revealed()
    catalog = Catalog(publisher.articles, revealed)
    for row, told in ((0, None), (1, "Ah")):
        revealed.row, revealed.known = row, 1
        assert catalog.title(0) == told
        assert (catalog.category(0) is None) == (told is None)


def test_where_articles_disagree_the_one_published_first_counts_and_one_without_a_time_last(prepared: Prepare) -> None:
    articles = [
        {"item": "a", "category": "timeless"},
        {"item": "a", "published": T0 + 2, "category": "second"},
        {"item": "a", "published": T0 + 1, "category": "first"},
        {"item": "b", "category": "one"},
        {"item": "b", "category": "other"},
    ]
    publisher = the(prepared([read(5, "a"), read(6, "b")], articles))
    assert publisher.articles.categories.to_pylist() == ["first", "one"]
    assert publisher.articles.published.tolist() == [T0 + 1, T0 + 6]


def test_that_an_article_is_shown_does_not_tell_what_later_rows_tell(prepared: Prepare) -> None:
    publisher = the(prepared([impression(0, "b", ""), read(1, "b"), read(2, "b", category="arts", title="B")]))
    assert happened(publisher)[0] == (0, "publish", "b")
    assert publisher.log.category.tolist() == [-1, -1, -1, -1, 0]
    assert publisher.articles.texts["title"][1].tolist() == [4]


# --- what was read before the log -------------------------------------------------------------------------


def test_a_profile_is_the_first_by_time_and_is_handed_over_with_the_readers_first_row(prepared: Prepare) -> None:
    profiles = [
        {"user": "ann", "time": T0 + 9, "items": ["a"]},
        {"user": "ann", "time": T0 + 5, "items": ["b", "x", "a"]},
        {"user": "ann", "time": T0 + 5, "items": []},
        {"user": "zoe", "time": T0, "items": ["y"]},  # is not in the log
    ]
    articles = [{"item": "x", "title": "X"}]
    reads = [read(0, "a", "bob"), read(1, "b"), read(2, "a")]
    publisher = the(prepared(reads, articles, profiles=table(profiles, PROFILE_COLUMNS)))
    revealed = Revealed()
    catalog = Catalog(publisher.articles, revealed)
    revealed.known = 2
    told = []
    for revealed.row in range(3):
        told.append([catalog.profile(user) for user in range(2)])
    assert told == [[[], []], [[], ["b", "x", "a"]], [[], ["b", "x", "a"]]]
    known = publisher.articles.profiles
    assert known is not None
    assert known.item.tolist() == [1, -2, 0]
    assert known.outside.to_pylist() == [{"id": "x", "category": None, "title": "X"}]
    assert publisher.articles.id.to_pylist() == ["a", "b"]  # a profile makes nothing known


def test_a_profile_that_is_empty_at_first_stays_empty_and_the_difference_is_counted(prepared: Prepare) -> None:
    profiles = [
        {"user": "ann", "time": T0 + 1, "items": []},
        {"user": "ann", "time": T0 + 2, "items": ["a"]},
        {"user": "bob", "time": T0, "items": ["a", "b"]},
        {"user": "bob", "time": T0 + 3, "items": ["a", "b"]},
        {"user": "eve", "time": T0, "items": ["a", "b"]},
        {"user": "eve", "time": T0 + 3, "items": ["b", "a"]},
        {"user": "kim", "time": T0, "items": ["a"], "differ": True},
        {"user": "zoe", "time": T0, "items": ["a"], "differ": True},  # is not in the log
    ]
    told = [{"differ": False} | profile for profile in profiles]
    reads = [read(n, "ab"[n % 2], user) for n, user in enumerate(["ann", "bob", "eve", "kim"])]
    dataset = prepared(reads, profiles=table(told, PROFILE_COLUMNS))
    revealed = Revealed()
    catalog = Catalog(the(dataset).articles, revealed)
    revealed.known, revealed.row = 2, 3
    assert [catalog.profile(user) for user in range(4)] == [[], ["a", "b"], ["a", "b"], ["a"]]
    assert dataset.card["publishers"][0]["profiles_differ"] == 3
    assert any(
        note.startswith("readers whose history differs between their impressions: 3") for note in dataset.card["notes"]
    )


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


# --- impressions ------------------------------------------------------------------------------------------


def impression(
    time: int, pool: str, clicked: str | None = "", user: str | None = "ann", item: str | None = None, **told: Any
) -> Row:
    """An impression of one-letter articles; `clicked` are those clicked, None = the outcome is not known."""
    marks = None if clicked is None else [candidate in clicked for candidate in pool]
    shown = {"kind": IMPRESSION, "item": item, "pool": list(pool), "clicked": marks}
    return read(time, "", user, **told) | shown


def happened(publisher: Publisher) -> list[tuple[int, str, str | None]]:
    """The log as (ms since T0, kind, article)."""
    ids = [*publisher.articles.id.to_pylist(), None]
    log = publisher.log
    return [
        (int(time) - T0, KIND_NAMES[int(kind)], ids[item])
        for time, kind, item in zip(log.time, log.kind, log.item.tolist(), strict=True)
    ]


def test_an_impressions_clicks_become_one_outcome_and_one_read_each_in_source_pool_order(prepared: Prepare) -> None:
    publisher = the(prepared([impression(7, "cab", "ab")]))
    assert happened(publisher) == [
        *[(7, "publish", "a"), (7, "publish", "b"), (7, "publish", "c")],
        *[(7, "impression", None), (7, "outcome", None), (7, "read", "a"), (7, "read", "b")],
    ]
    pools = publisher.log.pools
    assert (pools.at.tolist(), pools.item.tolist(), pools.clicked.tolist()) == ([0, 3], [2, 0, 1], [False, True, True])
    assert publisher.log.impression.tolist() == [-1, -1, -1, 0, 0, -1, -1]


def test_impressions_of_one_instant_come_before_the_outcomes_of_all_of_them(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(0, "b"), impression(7, "ab", "a"), impression(7, "ba", "b", "bob")]))
    assert [row[1] for row in happened(publisher)[2:]] == ["impression"] * 2 + ["outcome"] * 2 + ["read"] * 2
    assert publisher.log.impression.tolist()[2:] == [0, 1, 0, 1, -1, -1]


def test_an_impression_without_a_known_outcome_has_none_and_one_without_a_click_does(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), impression(1, "a", None), impression(2, "a", "")]))
    assert happened(publisher)[1:] == [(1, "impression", None), (2, "impression", None), (2, "outcome", None)]
    assert publisher.log.impression.tolist() == [-1, 0, 1, 1]


def test_reads_of_one_instant_stand_in_source_order_whether_clicked_or_plain(prepared: Prepare) -> None:
    one = [read(0, "z"), impression(1, "ab", "ab"), read(1, "c", "bob")]
    other = [read(0, "z"), read(1, "c", "bob"), impression(1, "ab", "ab")]
    reads = [[item for _, kind, item in happened(the(prepared(rows))) if kind == "read"] for rows in (one, other)]
    assert reads == [["z", "a", "b", "c"], ["z", "c", "a", "b"]]


def test_what_an_impression_shows_is_known_by_a_publish_row_unless_a_row_made_it_known(prepared: Prepare) -> None:
    articles = [{"item": "d"}, {"item": "e", "published": T0 + 9}, {"item": "p", "published": T0 + 4}]
    rows = [
        read(1, "r", "bob"),
        read(5, "u", None) | {"kind": PUBLISH},
        impression(5, "adepru", "r", item="b"),
        read(5, "e", "bob"),
        read(9, "e", "bob"),
    ]
    assert happened(the(prepared(rows, articles)))[:9] == [
        (1, "read", "r"),
        (4, "publish", "p"),
        *[(5, "publish", item) for item in "deabu"],  # as listed, by id; then the source's own
        (5, "impression", "b"),
        (5, "outcome", "b"),
    ]


def test_an_impression_opens_a_visit_but_does_not_prolong_it(prepared: Prepare) -> None:
    rows = [
        impression(0, "a"),
        impression(HOUR, "a"),
        impression(HOUR + 1, "a"),  # more than 60 minutes after the opening
        read(HOUR + 2, "a"),
        impression(2 * HOUR + 2, "a"),
        read(2 * HOUR + 3, "a"),  # more than 60 minutes after the last read
        read(3 * HOUR + 3, "a") | {"kind": HISTORY},
        read(3 * HOUR + 4, "a"),  # what was read before the log prolongs nothing
    ]
    publisher = the(prepared(rows))
    ids = [*publisher.sessions.id.to_pylist(), None]
    named = {
        int(time) - T0: ids[session] for time, session in zip(publisher.log.time, publisher.log.session, strict=True)
    }
    assert named == {
        0: "ann.1",
        HOUR: "ann.1",
        HOUR + 1: "ann.2",
        HOUR + 2: "ann.2",
        2 * HOUR + 2: "ann.2",
        2 * HOUR + 3: "ann.3",
        3 * HOUR + 3: None,
        3 * HOUR + 4: "ann.4",
    }
    assert publisher.sessions.last.tolist() == [-1, 0, 1, 2]
    assert publisher.sessions.reads.tolist() == [0, 1, 1, 1]
    assert publisher.sessions.first_time.tolist() == [0, T0 + HOUR + 2, T0 + 2 * HOUR + 3, T0 + 3 * HOUR + 4]


def test_reads_from_before_the_log_open_no_session_and_are_not_its_first_read(prepared: Prepare) -> None:
    rows = [read(0, "a", session="s") | {"kind": HISTORY}, read(5, "b") | {"kind": HISTORY}, read(HOUR, "b")]
    dataset = prepared(rows)
    publisher = the(dataset)
    assert publisher.log.session.tolist() == [-1, -1, 0]
    assert publisher.log.user.tolist() == [0, 0, 0]
    assert publisher.sessions.id.to_pylist() == ["ann.1"]
    assert dataset.card["publishers"][0]["first"] == T0 + HOUR
    assert dataset.card["publishers"][0]["shared_ids"] == 0


def test_what_the_source_measured_of_a_click_goes_to_the_clicks_read(prepared: Prepare) -> None:
    rows = [impression(0, "abc", "ac", dwell=[1.5, None]), impression(1, "ab"), read(2, "b", active=3.0)]
    publisher = the(prepared(rows))
    assert publisher.requests.active is not None
    np.testing.assert_array_equal(publisher.requests.active, np.array([1.5, np.nan, 3.0], np.float32))


def test_a_publisher_without_a_single_read_is_left_out_and_counted(prepared: Prepare) -> None:
    rows = [read(0, "a"), impression(1, "ab", "", publisher="q"), read(2, "a", publisher="q") | {"kind": HISTORY}]
    dataset = prepared(rows)
    assert dataset.publishers == ["p"]
    assert dataset.card["dropped"] == {}  # as records they were kept
    assert "rows of publishers without a single read, of which no log is made: 2" in dataset.card["notes"]


def test_a_null_list_may_span_what_it_likes(tmp_path: Path) -> None:
    offsets, mask = pa.array([0, 2, 4, 6], pa.int32()), pa.array([False, True, True])
    raw = Raw(
        pa.table(
            {
                "kind": pa.array([IMPRESSION, IMPRESSION, READ], pa.uint8()),
                "time": pa.array([T0, T0 + 1, T0 + 2]),
                "user": ["ann"] * 3,
                "item": [None, None, "a"],
                "pool": pa.ListArray.from_arrays(
                    offsets, pa.array(list("abcdxy")), mask=pa.array([False, False, True])
                ),
                "clicked": pa.ListArray.from_arrays(offsets, pa.array([True] * 6), mask=mask),
            }
        ),
        rows_in=3,
    )
    publisher = the(prepare(raw, tmp_path / "data", name="test", kind="table"))
    assert [row[1:] for row in happened(publisher) if row[1] != "publish"] == [
        *[("impression", None), ("outcome", None), ("read", "a"), ("read", "b"), ("impression", None), ("read", "a")],
    ]
    assert publisher.articles.id.to_pylist() == list("abcd")
    assert publisher.log.pools.clicked.tolist() == [True, True, False, False]


# --- the whole, against the slow preparation --------------------------------------------------------------

OFFSETS = st.sampled_from([0, 0, 1, 2, 3, HOUR, HOUR + 1, HOUR + 2, 2 * HOUR + 1, 5 * HOUR])
TIMES = OFFSETS.map(lambda time: T0 + time)
PUBLICATIONS = st.none() | OFFSETS | st.sampled_from([-HOUR, -1, 9 * HOUR])
TEXTS = {fact: st.sampled_from([None, None, "x", "y", "z"]) for fact in ("category", "title", "abstract")}
ITEMS = st.sampled_from(["3", "20", "100", "5", "61", "7"])  # text and numbers sort differently


class RawRows(NamedTuple):
    """What a source hands over, as plain values; ids are digits."""

    rows: list[Row]
    articles: list[Row]
    profiles: list[Row]


@st.composite
def raws(draw: st.DrawFn) -> RawRows:
    """Rows of all kinds, articles and profiles, with nulls and ties everywhere and at least one read."""
    publishers = draw(st.sampled_from([["p"], ["p", "q"]]))
    readers = st.tuples(st.sampled_from([None, "1", "2"]), st.sampled_from([None, "1", "8"]))
    if draw(st.booleans()):
        readers = st.tuples(st.sampled_from(["1", "2"]), st.none())
    told = {"published": PUBLICATIONS.map(lambda time: None if time is None else T0 + time), **TEXTS}
    told = {name: values if draw(st.booleans()) else st.none() for name, values in told.items()}
    kinds = draw(st.sampled_from([[READ], [READ, IMPRESSION], [READ, IMPRESSION, IMPRESSION, PUBLISH, HISTORY]]))
    pools = st.lists(st.tuples(ITEMS, st.booleans()), max_size=4, unique_by=lambda candidate: candidate[0])

    def row_of(kind: int) -> st.SearchStrategy[Row]:
        shown = kind == IMPRESSION
        who = st.just((None, None)) if kind == PUBLISH else readers
        return st.builds(
            lambda row, reader, pool, known: (
                row
                | {"kind": kind, "user": reader[0], "session": reader[1]}
                | {"pool": [item for item, _ in pool] if shown else None}
                | {"clicked": [clicked for _, clicked in pool] if shown and known else None}
                | {
                    "dwell": [n / 2 or None for n, (_, clicked) in enumerate(pool) if clicked]
                    if shown and known and timed
                    else None
                }
            ),
            st.fixed_dictionaries(
                {
                    "publisher": st.sampled_from(publishers),
                    "time": TIMES,
                    "item": st.none() | ITEMS if shown else ITEMS,
                    "active": st.sampled_from([None, 1.5, 30.0]) if timed else st.none(),
                    **told,
                }
            ),
            who,
            pools,
            st.booleans(),
        )

    timed = draw(st.booleans())
    rows = draw(st.lists(st.sampled_from(kinds).flatmap(row_of), max_size=15))
    rows.insert(draw(st.integers(0, len(rows))), draw(row_of(READ)))
    items = ITEMS | st.sampled_from(["8", "9", "10"])
    articles = draw(st.lists(st.fixed_dictionaries({"item": items, **told}), max_size=6))
    if draw(st.booleans()):
        articles = [article | {"publisher": draw(st.sampled_from(["p", "q", "r"]))} for article in articles]
    profile = {
        "publisher": st.sampled_from(publishers),
        "user": st.sampled_from(["1", "2", "3"]),
        "time": TIMES,
        "items": st.lists(items, max_size=3),
        "differ": st.booleans(),
    }
    profiles = draw(st.lists(st.fixed_dictionaries(profile), max_size=4)) if draw(st.booleans()) else []
    return RawRows(rows, articles, profiles)


IDS = ("publisher", "user", "session", "item")


def encoded(rows: pa.Table | None, draw: random.Random) -> pa.Table | None:
    """The same table with ids as strings, codes of a dictionary or numbers, in chunks as it may come from files."""
    if rows is None:
        return None
    columns = {}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
            values = encoded_words(column.values, draw, numbers=True)
            column = pa.ListArray.from_arrays(column.offsets, values, mask=column.is_null())
        elif pa.types.is_string(column.type):
            column = encoded_words(column, draw, numbers=name in IDS)
        cut = draw.randrange(len(column) + 1)
        columns[name] = pa.chunked_array([column[:cut], column[cut:]])
    return pa.table(columns)


def encoded_words(column: pa.Array, draw: random.Random, *, numbers: bool) -> pa.Array:
    told = {*column.drop_null().to_pylist()}
    if numbers and all(word.isdigit() for word in told) and draw.random() < 0.3:
        return column.cast(pa.int64())
    if draw.random() < 0.5:
        return column
    words = draw.sample(sorted({*told, "0"}), len({*told, "0"}))
    codes = [None if word is None else words.index(word) for word in column.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(words))


def plan_of(rows: RawRows, draw: random.Random | None = None, parts: int = 1, blocks: int = 1) -> Plan:
    """A plan that hands the rows over, encoded if there is a `draw`, in so many parts of so many blocks."""
    tables = [
        table([{"publisher": "p"} | row for row in rows.rows], READ_COLUMNS),
        table(rows.articles, ARTICLE_COLUMNS) if rows.articles else None,
        table(rows.profiles, PROFILE_COLUMNS) if rows.profiles else None,
    ]
    shares: list[list[pa.Table | None]] = []
    for whole in tables:
        length = 0 if whole is None else whole.num_rows
        cuts = [
            0,
            *sorted(0 if draw is None else draw.randrange(length + 1) for _ in range(parts * blocks - 1)),
            length,
        ]
        shares.append([None if whole is None else whole[a:b] for a, b in pairwise(cuts)])
        if draw is not None:
            shares[-1] = [encoded(share, draw) for share in shares[-1]]

    def read_part(part: Part) -> Iterator[Block]:
        for number in range(part.begin * blocks, (part.begin + 1) * blocks):
            told, articles, profiles = (share[number] for share in shares)
            assert told is not None
            yield Block("f", told, articles, profiles, records=told.num_rows, kept=told.num_rows)

    named = {row.get("publisher", "p") for row in rows.rows}
    return Plan(
        [Part(Path(), "f", number) for number in range(parts)], read_part, named.pop() if len(named) == 1 else None
    )


def same(dataset: Dataset, rows: RawRows, gap: int | None = None) -> None:
    """Every file and every fact of the card is as the slow preparation has it."""
    slow = {name: naive_store.prepare(rows.rows, rows.articles, name, rows.profiles, gap) for name in "pq"}
    assert dataset.publishers == [name for name, expected in slow.items() if expected is not None]
    left_out = sum(slow[row["publisher"]] is None for row in rows.rows)
    said = [note for note in dataset.card["notes"] if note.startswith("rows of publishers without a single read")]
    assert said == ([f"rows of publishers without a single read, of which no log is made: {left_out}"] * (left_out > 0))
    for facts in dataset.card["publishers"]:
        publisher, expected = dataset.publisher(facts["publisher"]), slow[facts["publisher"]]
        assert expected is not None
        log = publisher.log._asdict()
        pools, extra = log.pop("pools"), log.pop("extra")
        assert extra == ()
        assert {name: column.tolist() for name, column in log.items()} == expected.log
        assert {name: column.tolist() for name, column in pools._asdict().items()} == expected.pools
        texts, profiles = publisher.articles.texts, publisher.articles.profiles
        articles = {name: getattr(publisher.articles, name) for name in expected.articles}
        assert {
            name: column.to_pylist() if isinstance(column, pa.Array) else column.tolist()
            for name, column in articles.items()
        } == expected.articles
        nothing = [None] * len(publisher.articles.id), [facts["rows"]] * len(publisher.articles.id)
        for fact, told in expected.texts.items():
            found = (texts[fact][0].to_pylist(), texts[fact][1].tolist()) if fact in texts else nothing
            assert found == told
        assert "title" in texts
        assert publisher.users.to_pylist() == expected.users
        same_profiles(publisher, profiles, expected)
        requests = publisher.requests
        assert list(zip(requests.row.tolist(), requests.previous.tolist(), strict=True)) == expected.requests
        assert (requests.active is None) == (expected.active is None)
        if expected.active is not None:
            np.testing.assert_array_equal(requests.active, np.array(expected.active, np.float32))
        assert [
            (publisher.sessions.id[code].as_py(), *(int(column[code]) for column in publisher.sessions[1:]))
            for code in range(len(publisher.sessions.id))
        ] == expected.sessions
        told = {"profiles_differ": 0} | {name: facts[name] for name in facts}  # type: ignore[literal-required]
        assert {name: told[name] for name in told if name not in UNTOLD} == expected.facts


def same_profiles(publisher: Publisher, profiles: Profiles | None, expected: naive_store.Prepared) -> None:
    if profiles is None:
        assert expected.profiles == {}
        return
    own, outside = publisher.articles.id.to_pylist(), profiles.outside.column("id").to_pylist()
    assert not {*own} & {*outside}
    assert profiles.user.tolist() == sorted(expected.profiles)
    for n, user in enumerate(profiles.user.tolist()):
        items = profiles.item[profiles.at[n] : profiles.at[n + 1]].tolist()
        told = [own[item] if item >= 0 else outside[-2 - item] for item in items]
        assert (int(profiles.row[n]), told) == expected.profiles[user]
    rows = [{fact: row.get(fact) for fact in ("id", *FACTS)} for row in profiles.outside.to_pylist()]
    assert sorted(rows, key=lambda row: row["id"]) == expected.outside


GAPS = st.sampled_from([None, None, 0, 1, HOUR, 3 * HOUR])


@given(rows=raws(), seed=st.randoms(use_true_random=False), bucket=st.sampled_from([1, 3, 2_000_000]), gap=GAPS)
@settings(max_examples=80, deadline=None)
def test_preparing_is_the_same_as_the_slow_preparation(
    rows: RawRows, seed: random.Random, bucket: int, gap: int | None
) -> None:
    plan = plan_of(rows, seed, seed.randint(1, 3), seed.randint(1, 3))
    how = {"shaping": Shaping(session_gap=gap), "processing": Processing(bucket=bucket, in_memory=0)}
    with tempfile.TemporaryDirectory() as folder:
        same(prepare(plan, Path(folder) / "data", name="test", kind="table", **how), rows, gap)  # type: ignore[arg-type]


@given(rows=raws(), seed=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_digest_is_the_same_however_the_rows_are_cut_encoded_and_sorted(rows: RawRows, seed: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = prepare(plan_of(rows), Path(folder) / "one", name="test", kind="table")
        pieces, jobs = plan_of(rows, seed, 2, 2), Processing(jobs=2)
        cut = prepare(pieces, Path(folder) / "cut", name="test", kind="table", processing=jobs)
        small = prepare(plan_of(rows), Path(folder) / "small", name="test", kind="table", processing=TINY)
        assert one.card["digest"] == cut.card["digest"] == small.card["digest"]


def test_a_stretch_of_the_log_without_a_read_is_no_obstacle(tmp_path: Path, prepared: Prepare) -> None:
    rows = [read(0, "a"), *(impression(time, "a") for time in range(1, 9)), read(9, "a"), read(9, "a")]
    whole = prepared(rows).card
    processing = Processing(bucket=2, in_memory=0)
    cut = prepare(raw_of(rows), tmp_path / "cut", name="test", kind="table", processing=processing).card
    assert cut["publishers"] == whole["publishers"]
    assert whole["publishers"][0]["duplicates"] == 1


# --- the folder -------------------------------------------------------------------------------------------


def test_columns_are_memory_maps_that_cannot_be_written(prepared: Prepare) -> None:
    publisher = the(prepared([read(0, "a"), read(1, "b")]))
    log, requests, sessions = publisher.log, publisher.requests, publisher.sessions
    for column in (*log[:7], log.pools.at, *requests[:2], *sessions[1:], publisher.articles.published):
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
        raw.rows = encoded(raw.rows, seed)
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
    with pytest.raises(DataError, match=r"another version of newsreplay \(format 99, this one reads 3\); prepare it"):
        _ = Dataset(folder).publishers


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_damaged_card_is_refused(prepared: Prepare, text: str) -> None:
    folder = prepared([read(0, "a")]).folder
    (folder / "card.json").write_text(text)
    with pytest.raises(DataError, match="is no prepared data set"):
        _ = Dataset(folder).publishers


def test_a_damaged_column_file_is_refused(prepared: Prepare) -> None:
    dataset = prepared([read(0, "a")])
    (dataset.folder / "publishers" / "0" / "log" / "time.npy").write_bytes(b"NUMPY but not really" * 20)
    with pytest.raises(DataError, match=r"time\.npy is damaged: it has 400 bytes, not 136; remove the folder"):
        the(dataset)


class CrashError(Exception):
    pass


@pytest.mark.parametrize(
    "step", ["prepare._write_publisher", "prepare.facts_of", "prepare.card_of", "prepare.write_rejects"]
)
def test_a_crash_while_preparing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*args: Any) -> None:
        raise CrashError

    monkeypatch.setattr(f"newsreplay.datasets.preparing.{step}", crash)
    with pytest.raises(CrashError):
        prepare(raw_of([read(0, "a")]), tmp_path / "home" / "data", name="test", kind="table")
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize(("while_removing", "item"), [(False, "a"), (True, "b")])
def test_a_crash_while_preparing_again_leaves_the_old_data_or_the_new_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, while_removing: bool, item: str
) -> None:
    folder = tmp_path / "data"
    prepare(raw_of([read(0, "a")]), folder, name="test", kind="table")

    def crash(path: Path, other: Path | None = None, **options: Any) -> None:
        if other is not None or (path == old_of(folder) and path.exists()):
            raise CrashError

    where = (shutil, "rmtree") if while_removing else (files, "_exchange")
    monkeypatch.setattr(*where, crash)
    with pytest.raises(CrashError):
        prepare(raw_of([read(0, "b")]), folder, name="test", kind="table")
    assert the(Dataset(folder)).articles.id.to_pylist() == [item]
    monkeypatch.undo()
    assert the(prepare(raw_of([read(0, "b")]), folder, name="test", kind="table")).articles.id.to_pylist() == ["b"]


def test_where_no_row_is_usable_it_is_told_what_became_of_them(tmp_path: Path) -> None:
    raw = raw_of([read(0, "a")], rejects=[Reject("x.csv", 2, "time 'noon' is no time", "noon,ann,a")])
    raw.rows = raw.rows.slice(0, 0)
    raw.rows_in += 2
    raw.dropped.update({"blank line": 2})
    with pytest.raises(
        DataError,
        match=r"test: none of 4 rows is a usable read: 2 left out: blank line; 1 cannot be used, the first: "
        r"x\.csv line 2: time 'noon' is no time",
    ):
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
        dropped=Counter({"blank line": 1}),
        notes=["a note"],
        made_up=["the times"],
        source="somewhere",
        licence="free",
    )
    card = prepare(raw, tmp_path / "data", name="gazette", kind="table", options={"path": "x"}).card
    assert card["name"] == "gazette"
    assert card["options"] == {"path": "x"}
    assert (card["rows_in"], card["reads"], card["rejected"], card["dropped"]) == (4, 3, 0, {"blank line": 1})
    assert (card["notes"], card["made_up"], card["source"], card["licence"]) == (
        ["a note", "rows earlier than the one before them in the source, now sorted: 1"],
        ["the times"],
        "somewhere",
        "free",
    )
    (facts,) = card["publishers"]
    assert {name: facts[name] for name in facts if name != "digest"} == {
        "publisher": "p",
        "rows": 3,
        "reads": 3,
        "impressions": 0,
        "outcomes": 0,
        "candidates": 0,
        "clicks": 0,
        "history_reads": 0,
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
        "duplicates": 0,
        "inversions": 1,
        "shared_ids": 0,
        "shared_sessions": 0,
        "nobody": 0,
        "session_ids": False,
    }
