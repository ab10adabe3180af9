"""The list that the log has with a read is its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from newsreplay.log.rows import IMPRESSION, PUBLISH, READ
from newsreplay.recommenders.references.logged import Logged


class Row(NamedTuple):
    """What `logged` may look at in an event."""

    time: int
    kind: int
    session: int
    item: int
    pool: Any = ()
    exclude: str = "current"


def answers(rows: list[Row], k: int = 3) -> list[Sequence[int]]:
    recommender: Any = Logged()
    recommender.start(None)
    slates = []
    for row in rows:
        recommender.learn(row)
        if row.kind == READ:
            slates.append(recommender.recommend(row, k))
    return slates


def test_a_read_is_answered_with_the_list_shown_with_it() -> None:
    assert answers([Row(5, IMPRESSION, 0, 1, (4, 2, 3)), Row(5, READ, 0, 1)]) == [[4, 2, 3]]


def test_each_session_has_its_own_list_at_one_time() -> None:
    rows = [Row(5, IMPRESSION, 0, 1, (4,)), Row(5, IMPRESSION, 7, 1, (2,)), Row(5, READ, 7, 1), Row(5, READ, 0, 1)]
    assert answers(rows) == [[2], [4]]


def test_a_read_without_a_list_of_its_time_is_not_answered() -> None:
    rows = [Row(5, READ, 0, 1), Row(6, IMPRESSION, 0, 1, (4,)), Row(7, READ, 0, 1), Row(7, READ, 1, 1)]
    assert answers(rows) == [[], [], []]


def test_lists_of_an_earlier_time_are_forgotten() -> None:
    rows = [Row(5, IMPRESSION, 0, 1, (4,)), Row(6, IMPRESSION, 1, 1, (2,)), Row(6, READ, 0, 1), Row(6, READ, 1, 1)]
    assert answers(rows) == [[], [2]]


def test_the_lists_of_several_widgets_follow_each_other_without_repeats() -> None:
    rows = [Row(5, IMPRESSION, 0, 1, (4, 2)), Row(5, IMPRESSION, 0, 1, (2, 3)), Row(5, READ, 0, 1)]
    assert answers(rows) == [[4, 2, 3]]


def test_an_answer_has_at_most_k_articles_the_current_one_not_among_them() -> None:
    assert answers([Row(5, IMPRESSION, 0, 4, (1, 4, 2, 3)), Row(5, READ, 0, 4)], k=2) == [[1, 2]]


def test_publications_between_list_and_read_change_nothing() -> None:
    rows = [Row(5, IMPRESSION, 0, 1, (4,)), Row(5, PUBLISH, -1, 9), Row(5, READ, 0, 1)]
    assert answers(rows) == [[4]]


def test_an_array_of_codes_becomes_plain_numbers() -> None:
    ((first,),) = answers([Row(5, IMPRESSION, 0, 1, np.array([4], np.int32)), Row(5, READ, 0, 1)])
    assert type(first) is int


def test_a_second_start_forgets_what_was_shown() -> None:
    recommender: Any = Logged()
    recommender.start(None)
    recommender.learn(Row(5, IMPRESSION, 0, 1, (4,)))
    recommender.start(None)
    assert recommender.recommend(Row(5, READ, 0, 1), 3) == []


def test_candidates_are_ranked_as_they_are_listed() -> None:
    scores = Logged().score(Row(5, IMPRESSION, 0, 1, (4, 2, 4)), (4, 2, 4))  # type: ignore[arg-type]
    assert list(scores) == [0, -1, -2]
