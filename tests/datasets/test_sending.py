"""A prepared data set sent as messages is, prepared again, the same log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings

from newsreplay.datasets.messages import TopicMessage
from newsreplay.datasets.sending import count_messages, messages_of
from newsreplay.datasets.store import Dataset
from newsreplay.log.rows import LOG_DTYPES
from tests.live.messages import in_order, prepared, temporary


def assert_alike(one: Dataset, other: Dataset) -> None:
    assert one.publishers == other.publishers
    for name in one.publishers:
        first, second = one.publisher(name), other.publisher(name)
        for column in LOG_DTYPES:
            assert getattr(first.log, column).tolist() == getattr(second.log, column).tolist(), column
        assert [column.tolist() for column in first.log.pools] == [column.tolist() for column in second.log.pools]
        assert first.articles.id.equals(second.articles.id)
        assert first.sessions.id.equals(second.sessions.id)
        assert first.users.equals(second.users)
        for fact, (texts, row) in first.articles.texts.items():
            assert texts.equals(second.articles.texts[fact][0])
            assert row.tolist() == second.articles.texts[fact][1].tolist()
        assert np.array_equal(first.articles.category_row, second.articles.category_row)
        assert [column.tolist() for column in first.articles.updates or ()] == [
            column.tolist() for column in second.articles.updates or ()
        ]


@settings(max_examples=40)  # each is prepared
@given(in_order(unnamed=True))
def test_messages_of_a_data_set_are_that_data_set(messages: list[TopicMessage]) -> None:
    with temporary() as folder:
        first = prepared(messages, Path(folder, "one"))
        sent = list(messages_of(first))
        assert len(sent) == count_messages(first)
        assert [message.time for message in sent] == sorted(message.time for message in sent)
        assert_alike(first, prepared(sent, Path(folder, "two")))
