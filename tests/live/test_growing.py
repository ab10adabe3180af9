"""The log that grows is at every moment the beginning of the one that preparing all messages gives."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from hypothesis import given, settings

from newsreplay.datasets.messages import TopicMessage
from newsreplay.live.growing import GrowingLog
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import LOG_DTYPES, READ
from tests.live.messages import MINUTE, START, in_order, prepared, temporary


def assert_the_same(growing: GrowingLog, publisher: Publisher, *, but: tuple[str, ...] = ()) -> None:
    log, articles = growing.log(), growing.articles()
    for name in LOG_DTYPES:
        if name not in but:
            assert getattr(log, name).tolist() == getattr(publisher.log, name).tolist(), name
    for name in ("at", "item", "clicked"):
        assert getattr(log.pools, name).tolist() == getattr(publisher.log.pools, name).tolist(), name
    theirs, rows = publisher.articles, len(log.time)
    assert articles.readers is not None
    assert articles.readers.to_pylist() == publisher.users.to_pylist()
    assert articles.id.to_pylist() == theirs.id.to_pylist()
    assert articles.categories.to_pylist() == theirs.categories.to_pylist()
    assert articles.published.tolist() == theirs.published.tolist()
    assert articles.category.tolist() == theirs.category.tolist()
    assert np.minimum(articles.category_row, rows).tolist() == theirs.category_row.tolist()
    for fact, (texts, row) in theirs.texts.items():
        assert articles.texts[fact][0].to_pylist() == texts.to_pylist()
        assert np.minimum(articles.texts[fact][1], rows).tolist() == row.tolist()
    assert theirs.updates is not None
    assert articles.updates is not None
    for mine, prepared_column in zip(articles.updates, theirs.updates, strict=True):
        assert mine.tolist() == prepared_column.tolist()


def grown(messages: list[TopicMessage], *, read_each: bool = False) -> GrowingLog:
    growing = GrowingLog()
    for _, instant in groupby(messages, key=lambda message: message.time):
        growing.add(list(instant))
        if read_each:
            growing.log(), growing.articles()
    return growing


@settings(max_examples=40)  # each is prepared
@given(in_order())
def test_it_has_the_rows_codes_and_facts_that_preparing_gives(messages: list[TopicMessage]) -> None:
    with temporary() as folder:
        publisher = prepared(messages, Path(folder)).publisher("gazette")
        assert_the_same(grown(messages), publisher)
        assert_the_same(grown(messages, read_each=True), publisher)


@settings(max_examples=40)  # each is prepared
@given(in_order(unnamed=True))
def test_rows_without_a_user_may_only_stand_in_another_session(messages: list[TopicMessage]) -> None:
    with temporary() as folder:
        publisher = prepared(messages, Path(folder)).publisher("gazette")
        assert_the_same(grown(messages), publisher, but=("session",))


def test_a_session_id_is_split_from_its_second_user_on() -> None:
    rows = [("ann", "s"), ("bob", "s"), ("ann", "s"), (None, "s")]
    messages = [
        TopicMessage(READ, START + MINUTE * row, "gazette", user, session, "a")
        for row, (user, session) in enumerate(rows)
    ]
    assert grown(messages).log().session.tolist() == [0, 1, 0, 2]
