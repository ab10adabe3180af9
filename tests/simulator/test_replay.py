"""The loop: what recommenders are shown, and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings

from newsreplay.errors import RecommenderError
from newsreplay.recommenders.base import Compiled, Recommender, Sizes
from newsreplay.simulator.catalog import Catalog, bare_articles
from newsreplay.simulator.kernels import kernel
from newsreplay.simulator.log import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Column, Event, Log, make_log
from newsreplay.simulator.replay import compiled_walk, interpreted_walk, replay
from tests import naive, strategies

LOG = make_log(
    time=[10, 10, 20, 30, 30],
    kind=[PUBLISH, READ, READ, PUBLISH, READ],
    session=[-1, 0, 1, -1, 0],
    user=[-1, 0, 1, -1, 0],
    item=[0, 0, 1, 2, 1],
    category=[3, 3, -1, -1, -1],
)


class Notebook(Recommender):
    """Writes down all it is shown."""

    def __init__(self, answers: Any = ()) -> None:
        self.answers = answers
        self.seen: list[tuple[str, Event]] = []

    def learn(self, event: Event) -> None:
        self.seen.append(("learn", event))

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        self.seen.append(("recommend", request))
        return self.answers(request) if callable(self.answers) else self.answers


def test_every_row_is_learned_and_every_read_asks_after_it_was_learned() -> None:
    notebook = Notebook()
    replay(LOG, notebook, 2)
    assert [(what, event.row) for what, event in notebook.seen] == [
        ("learn", 0),
        *[("learn", 1), ("recommend", 1)],
        *[("learn", 2), ("recommend", 2)],
        ("learn", 3),
        *[("learn", 4), ("recommend", 4)],
    ]
    assert notebook.seen[2][1] == Event(row=1, time=10, kind=READ, session=0, user=0, item=0, category=3)


def test_a_recommender_is_handed_plain_scalars() -> None:
    notebook = Notebook()
    replay(LOG, notebook, 2)
    assert all(type(value) is int for _, event in notebook.seen for value in event[:7])
    assert all(event.pool == event.clicked == () for _, event in notebook.seen)


def test_the_current_article_and_repeats_are_dropped_and_counted() -> None:
    done = replay(LOG, Notebook(lambda request: [request.item, 0, 0, request.item]), 4)
    assert done.slates.tolist() == [[-1] * 4, [0, -1, -1, -1], [0, -1, -1, -1]]
    assert done.drops == (4 + 2 + 2, 1 + 1)


def test_answers_longer_than_k_are_cut() -> None:
    assert replay(LOG, Notebook(lambda request: range(request.item)), 1).slates.tolist() == [[-1], [0], [0]]


@pytest.mark.parametrize("answer", [[], (), np.array([], np.int64), range(0)])
def test_an_empty_answer_of_any_kind_is_a_miss(answer: Any) -> None:
    assert replay(LOG, Notebook(answer), 3).slates.max() == -1


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (None, "returned None"),
        (7, "returned 7"),
        (["a"], "'a'"),
        ([0.0], "0.0"),
        ([2], "recommended 2 at row 1, where only the article codes 0 to 0 are known"),
        ([-1], "returned -1 in a slate"),
        ([2**40], "returned 1099511627776 in a slate"),
        ([[0]], "whole numbers"),
    ],
)
def test_an_answer_that_is_no_slate_is_an_error_that_names_it(answer: Any, what: str) -> None:
    with pytest.raises(RecommenderError, match=what):
        replay(LOG, Notebook(answer), 3)


def test_the_catalog_knows_only_what_has_happened() -> None:
    knew: list[tuple[int, int, str | None]] = []

    class Curious(Recommender):
        def start(self, catalog: Catalog) -> None:
            self.catalog = catalog
            assert catalog.known == 0

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            knew.append((request.row, self.catalog.known, self.catalog.category(request.item)))
            with pytest.raises(KeyError, match="not known yet"):
                self.catalog.title(self.catalog.known)
            return []

    replay(LOG, Curious(), 1)
    assert knew == [(1, 1, "3"), (2, 2, None), (4, 3, None)]


@settings(max_examples=50, deadline=None)
@given(log=strategies.logs())
def test_a_plain_class_and_a_kernel_with_the_same_rule_answer_alike(log: Log) -> None:
    class Latest(Recommender):
        def start(self, catalog: Catalog) -> None:
            self.latest: list[int] = []

        def learn(self, event: Event) -> None:
            if event.kind == READ:
                self.latest = [event.item, *(item for item in self.latest if item != event.item)]

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return self.latest[1 : k + 1]

    slates = replay(log, Latest(), 4).slates
    assert [[item for item in slate if item >= 0] for slate in slates.tolist()] == naive.slates(
        log, "circular", 4, size=1000
    )


def test_the_catalog_of_a_log_made_by_hand_has_the_codes_as_ids() -> None:
    articles = bare_articles(LOG)
    assert articles.id.to_pylist() == ["0", "1", "2"]
    assert articles.published.tolist() == [10, 20, 30]
    assert articles.category.tolist() == [3, -1, -1]


# --- impressions ------------------------------------------------------------------------------------------

SHOWN = make_log(
    time=[10, 10, 10, 20, 20, 20, 20, 20, 30],
    kind=[PUBLISH, PUBLISH, READ, IMPRESSION, IMPRESSION, OUTCOME, READ, HISTORY, IMPRESSION],
    session=[-1, -1, 0, 0, 1, 1, 1, 0, 1],
    user=[-1, -1, 0, 0, 1, 1, 1, 0, 1],
    item=[0, 1, 1, -1, 0, 0, 1, 0, -1],
    category=[-1] * 9,
    impression=[-1, -1, -1, 0, 1, 1, -1, -1, 2],
    pools={"at": [0, 2, 5, 6], "item": [1, 0, 1, 0, 1, 0], "clicked": [True, True, False, True, True, True]},
)


def test_the_pool_is_shown_with_impression_and_outcome_and_what_was_clicked_with_the_outcome_only() -> None:
    notebook = Notebook()
    replay(SHOWN, notebook, 2)
    learned = [event for what, event in notebook.seen if what == "learn"]
    assert [event.pool for event in learned] == [(), (), (), (1, 0), (1, 0, 1), (1, 0, 1), (), (), (0,)]
    assert [event.clicked for event in learned] == [(), (), (), (), (), (False, True, True), (), (), ()]
    assert all(type(item) is int for event in learned for item in event.pool)
    assert all(type(mark) is bool for event in learned for mark in event.clicked)


def test_only_reads_ask() -> None:
    notebook = Notebook()
    assert len(replay(SHOWN, notebook, 2).slates) == 2
    assert [event.row for what, event in notebook.seen if what == "recommend"] == [2, 6]


class CounterState(NamedTuple):
    """By row: how many candidates, their sum by place, how many marks, the sum of the places of those clicked."""

    seen: Column  #: int64[rows, 4]


@kernel
def count(state: Any, event: Any) -> None:
    seen = state.seen[event.row]
    for place in range(event.pool.size):
        seen[0] += 1
        seen[1] += (place + 1) * (event.pool[place] + 1)
    for place in range(event.clicked.size):
        seen[2] += 1
        if event.clicked[place]:
            seen[3] += place + 1


@kernel
def answer_nothing(state: Any, request: Any, slate: Any) -> None:
    state.seen[request.row, 0] += 1000  # so that requests are counted too


class Counting(Compiled):
    """Counts the candidates that it is shown."""

    learn = count
    recommend = answer_nothing

    def __init__(self, rows: int) -> None:
        self.kept = CounterState(np.zeros((rows, 4), np.int64))

    def state(self, sizes: Sizes, key: np.uint64) -> CounterState:
        return self.kept


def counted(log: Log) -> list[list[int]]:
    """What `Counting` should have seen."""
    rows = []
    for row in range(len(log.time)):
        pool, clicked = naive.pool_of(log, row), naive.clicked_of(log, row)
        rows.append(
            [
                len(pool) + 1000 * int(log.kind[row] == READ),
                sum(place * (item + 1) for place, item in enumerate(pool, start=1)),
                len(clicked),
                sum(place for place, mark in enumerate(clicked, start=1) if mark),
            ]
        )
    return rows


@settings(max_examples=60, deadline=None)
@given(log=strategies.logs_with_impressions() | strategies.logs())
def test_a_plain_and_a_compiled_recommender_are_shown_the_same_pools_and_clicks(log: Log) -> None:
    notebook, counting = Notebook(), Counting(len(log.time))
    replay(log, notebook, 2)
    replay(log, counting, 2)
    learned = [event for what, event in notebook.seen if what == "learn"]
    assert [list(event.pool) for event in learned] == [naive.pool_of(log, row) for row in range(len(log.time))]
    assert [list(event.clicked) for event in learned] == [naive.clicked_of(log, row) for row in range(len(log.time))]
    assert counting.kept.seen.tolist() == counted(log)


def test_kernels_are_shown_the_same_whether_they_are_compiled_or_interpreted() -> None:
    for walk in (compiled_walk, interpreted_walk):
        counting = Counting(len(SHOWN.time))
        walk(Counting)(SHOWN, 0, len(SHOWN.time), counting.kept, np.full((2, 1), -1, np.int32), 0)
        assert counting.kept.seen.tolist() == counted(SHOWN)


def test_the_catalog_of_a_log_with_impressions_ignores_rows_without_an_article() -> None:
    articles = bare_articles(SHOWN)
    assert articles.id.to_pylist() == ["0", "1"]
    assert articles.published.tolist() == [10, 10]
