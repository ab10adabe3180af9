"""Requests at impressions in the replay: who is asked when, with what, and of what may be answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings

from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import kernel
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Column, Event, Log, make_log
from newsreplay.recommenders.base import Compiled, Deferred, Recommender, Setting, Sizes
from newsreplay.recommenders.references.logged import Logged
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.replay.replay import replay
from tests import strategies
from tests.naive import baselines as naive
from tests.simulator.replay.latest import Latest

AT_IMPRESSIONS = Setting(k=2, requests="impressions")
SHOWN = make_log(
    time=[10, 10, 10, 20, 20, 20, 20, 30],
    kind=[PUBLISH, PUBLISH, READ, IMPRESSION, IMPRESSION, OUTCOME, READ, IMPRESSION],
    session=[-1, -1, 0, 0, 1, 1, 1, 1],
    user=[-1, -1, 0, 0, 1, 1, 1, 1],
    item=[0, 1, 1, -1, 0, 0, 1, -1],
    category=[-1] * 8,
    impression=[-1, -1, -1, 0, 1, 1, -1, 2],
    pools={"at": [0, 2, 4, 5], "item": [1, 0, 0, 1, 0], "clicked": [True, True, False, True, True]},
)


class Notebook(Recommender):
    """Writes down what it is asked, and answers as it is told."""

    def __init__(self, answer: Any = lambda request: ()) -> None:
        self.answer = answer
        self.seen: list[tuple[str, Event]] = []

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def learn(self, event: Event) -> None:
        self.seen.append(("learn", event))

    def recommend(self, request: Event, k: int) -> Any:
        self.seen.append(("recommend", request))
        return self.answer(request)

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        self.seen.append(("score", request))
        return [0.0] * len(pool)


def test_an_impression_is_scored_then_asked_for_a_slate_then_learned_and_reads_do_not_ask() -> None:
    notebook = Notebook()
    done = replay(SHOWN, notebook, AT_IMPRESSIONS)
    assert done.slates.shape == (3, 2)
    assert [what for what, event in notebook.seen if event.row == 3] == ["score", "recommend", "learn"]
    assert [event.row for what, event in notebook.seen if what == "recommend"] == [3, 4, 7]


def test_the_request_for_a_slate_has_no_pool_and_is_the_impression_else() -> None:
    notebook = Notebook()
    replay(SHOWN, notebook, AT_IMPRESSIONS)
    scored, asked, learned = (event for _, event in notebook.seen if event.row == 4)
    assert (asked.kind, asked.pool, asked.clicked, asked.item, asked.session) == (IMPRESSION, (), (), 0, 1)
    assert asked._replace(pool=scored.pool) == scored == learned


def test_the_setting_says_what_asks() -> None:
    notebook = Notebook()
    replay(SHOWN, notebook, AT_IMPRESSIONS)
    assert notebook.setting.requests == "impressions"
    assert Setting().requests == "reads"


def test_the_article_on_screen_is_dropped_and_without_one_nothing_is() -> None:
    done = replay(SHOWN, Notebook(lambda request: [0, 1]), AT_IMPRESSIONS)
    assert done.slates.tolist() == [[0, 1], [1, -1], [0, 1]]
    assert done.drops == (1, 0)


def test_an_unknown_article_is_an_error_at_the_impressions_row() -> None:
    with pytest.raises(RecommenderError, match="recommended 2 at row 3, where only the article codes 0 to 1 are known"):
        replay(SHOWN, Notebook(lambda request: [2]), AT_IMPRESSIONS)
    with pytest.raises(RecommenderError, match="at row 4"):
        replay(SHOWN, Notebook(lambda request: ["a"] if request.row == 4 else []), AT_IMPRESSIONS)


class Late(Notebook):
    """Works all its answers out when it is told to settle."""

    def start(self, catalog: Catalog) -> None:
        self.waiting: list[tuple[Deferred, Event]] = []

    def recommend(self, request: Event, k: int) -> Deferred:
        self.waiting.append((Deferred(), request))
        return self.waiting[-1][0]

    def settle(self) -> None:
        for late, request in self.waiting:
            late.answer = [request.row % 2]
        self.waiting.clear()


@pytest.mark.parametrize("timed", [False, True])
def test_late_answers_are_as_good(timed: bool) -> None:
    done = replay(SHOWN, Late(), AT_IMPRESSIONS._replace(timed=timed))
    assert done.slates.tolist() == [[1, -1], [-1, -1], [1, -1]]  # at row 4 article 0 is on screen


def test_every_slate_is_timed() -> None:
    for recommender in (start_list("recency")[0].make(), Notebook()):
        times = replay(SHOWN, recommender, AT_IMPRESSIONS._replace(timed=True)).times
        assert times is not None
        assert (len(times.recommend), len(times.score)) == (3, 3)


def test_logged_answers_an_impression_with_its_own_list() -> None:
    assert replay(SHOWN, Logged(), AT_IMPRESSIONS).slates.tolist() == [[1, 0], [1, -1], [0, -1]]


def test_who_needs_a_current_article_takes_the_last_read_of_the_session() -> None:
    log = make_log(
        time=range(7),
        kind=[READ, READ, READ, IMPRESSION, READ, IMPRESSION, IMPRESSION],
        session=[0, 0, 1, 1, 2, 2, 3],
        user=[0, 0, 1, 1, 2, 2, 3],
        item=[0, 1, 0, -1, 1, 0, -1],
        category=[0, 1, 0, -1, 1, 0, -1],
        impression=[-1, -1, -1, 0, -1, 1, 2],
        pools={"at": [0, 1, 2, 3], "item": [0] * 3, "clicked": [False] * 3},
    )
    # 0 was read in session 1, 0 is on screen in session 2, session 3 has read nothing.
    slates = replay(log, start_list("sequences")[0].make(), AT_IMPRESSIONS).slates
    assert slates.tolist() == [[1, -1], [1, -1], [-1, -1]]
    # Without an article on screen nothing is left out, be it the last read.
    slates = replay(log, start_list("content")[0].make(), AT_IMPRESSIONS).slates
    assert slates.tolist() == [[0, -1], [-1, -1], [-1, -1]]


# --- compiled -------------------------------------------------------------------------------------------------


class SeenState(NamedTuple):
    """By row, in the order of what happened: 1 = scored, 2 = asked, 3 = learned, as digits; candidates it had."""

    digits: Column
    pool: Column


@kernel
def score_seen(state: Any, request: Any, out: Any) -> None:
    state.digits[request.row] = 10 * state.digits[request.row] + 1


@kernel
def recommend_seen(state: Any, request: Any, slate: Any) -> None:
    state.digits[request.row] = 10 * state.digits[request.row] + 2
    state.pool[request.row] = request.pool.size


@kernel
def learn_seen(state: Any, event: Any) -> None:
    state.digits[event.row] = 10 * state.digits[event.row] + 3


class Seen(Compiled[SeenState]):
    learn, recommend, score = learn_seen, recommend_seen, score_seen

    def __init__(self, rows: int) -> None:
        self.kept = SeenState(np.zeros(rows, np.int64), np.zeros(rows, np.int64))

    def state(self, sizes: Sizes, key: np.uint64) -> SeenState:
        return self.kept


def test_kernels_are_asked_in_the_same_order_and_without_a_pool() -> None:
    seen = Seen(8)
    replay(SHOWN, seen, AT_IMPRESSIONS)
    assert seen.kept.digits.tolist() == [3, 3, 3, 123, 123, 3, 3, 123]
    assert not seen.kept.pool.any()
    seen = Seen(8)
    replay(SHOWN, seen, Setting(k=2))
    assert seen.kept.digits.tolist() == [3, 3, 32, 13, 13, 3, 32, 13]


@settings(max_examples=30, deadline=None)
@given(log=strategies.logs_with_impressions(max_rows=25))
def test_a_plain_class_and_a_kernel_with_the_same_rule_answer_impressions_alike(log: Log) -> None:
    slates = replay(log, Latest(), AT_IMPRESSIONS).slates
    assert [[item for item in slate if item >= 0] for slate in slates.tolist()] == naive.slates(
        log, "circular", 2, size=1000, kind=IMPRESSION
    )
