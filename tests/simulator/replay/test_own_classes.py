"""Classes of one's own: nothing but `recommend`, ids in place of codes, errors that say where they arose."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.errors import RecommenderError
from newsreplay.log.catalog import Catalog, bare_articles
from newsreplay.log.rows import IMPRESSION, OUTCOME, READ, Event, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.simulator.overwritten import made_up_log, overwritten
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.watching import limited, told_by_time
from newsreplay.traces import one_line

LOG = make_log(
    time=[1, 2, 3, 4], kind=[READ] * 4, session=[0, 1, 0, 2], user=[0, 1, 0, 2], item=[0, 1, 0, 2], category=[-1] * 4
)
ARTICLES = bare_articles(LOG)._replace(
    id=pa.array(["10", "x", "7"], pa.large_string()), readers=pa.array(["ann", "bob", "zoe"], pa.large_string())
)


class Says:
    """Answers every request with the same entries; has no other method."""

    def __init__(self, *entries: Any):
        self.entries = entries

    def recommend(self, request: Event, k: int) -> Any:
        return self.entries if request.row == 3 else ()


class SaysIds(Says):
    answers = "ids"


def last_slate(recommender: Any) -> list[int]:
    slate: list[int] = replay(LOG, recommender, Setting(k=3), articles=ARTICLES).slates[-1].tolist()
    return slate


def test_a_class_needs_no_method_but_recommend() -> None:
    assert last_slate(Says(1, 0)) == [1, 0, -1]


def test_text_in_a_slate_is_an_id_and_a_number_is_one_only_where_the_class_says_so() -> None:
    assert last_slate(Says("x", "10")) == [1, 0, -1]
    assert last_slate(Says("x", 0)) == [1, 0, -1]
    assert last_slate(SaysIds("x", 10, np.int64(10))) == [1, 0, -1]
    assert last_slate(Says(*np.array(["x", "10"]))) == [1, 0, -1]
    with pytest.raises(RecommenderError, match=r"recommended 10 at row 3, .* or say that slates have ids: answers"):
        last_slate(Says(10))


@pytest.mark.parametrize("entry", ["y", "0", "", "None"])
def test_an_id_that_no_article_has_is_an_error_that_names_it_its_row_and_the_class_s_line(entry: str) -> None:
    expected = (
        rf"returned '{entry}' in a slate at row 3; no article known by then has this id \(test_own_classes.py:\d+\)"
    )
    with pytest.raises(RecommenderError, match=expected):
        last_slate(SaysIds("x", entry))


def test_an_id_that_becomes_known_later_is_an_error_too() -> None:
    class Early(Says):
        def recommend(self, request: Event, k: int) -> Any:
            return ["x"] if request.row == 0 else []

    with pytest.raises(RecommenderError, match=r"recommended 1 \('x'\) at row 0, where only the article codes 0 to 0"):
        last_slate(Early())


def test_another_word_for_what_slates_have_is_refused_and_another_meaning_of_the_attribute_is_not() -> None:
    class Typo(Says):
        answers = "id"

    class Counts(Says):
        answers = 17

    with pytest.raises(RecommenderError, match=r"Typo\.answers is 'id'; slates are 'codes' or 'ids'"):
        last_slate(Typo())
    assert last_slate(Counts(1)) == [1, -1, -1]


def test_events_and_the_catalog_tell_ids_of_what_has_appeared_and_of_nothing_else() -> None:
    told: list[tuple[str | None, str | None]] = []
    unknown: list[int] = []

    class Looks:
        def start(self, catalog: Catalog) -> None:
            self.catalog = catalog

        def learn(self, event: Event) -> None:
            told.append((event.item_id, event.user_id))
            for call, ids in ((self.catalog.code, ["10", "x", "7"]), (self.catalog.user_id, [0, 1, 2])):
                for one in ids:
                    try:
                        call(one)  # type: ignore[operator]
                    except KeyError:
                        unknown.append(event.row)

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            assert self.catalog.code(request.item_id or "") == request.item
            return []

    replay(LOG, Looks(), Setting(k=1), articles=ARTICLES)
    assert told == [("10", "ann"), ("x", "bob"), ("10", "ann"), ("7", "zoe")]
    assert unknown == [0, 0, 0, 0, 1, 1, 2, 2]


def test_an_impression_tells_the_ids_of_its_candidates_and_of_an_article_on_screen_that_it_makes_known() -> None:
    log = make_log(
        time=[1, 2, 2],
        kind=[READ, IMPRESSION, OUTCOME],
        session=[0, 1, 1],
        user=[0, 1, 1],
        item=[0, 1, 1],
        category=[-1] * 3,
        impression=[-1, 0, 0],
        pools={"at": [0, 1], "item": [0], "clicked": [True]},
    )
    told = []

    class Looks(Says):
        def score(self, request: Event, pool: Sequence[int]) -> list[float]:
            told.append((request.item_id, request.user_id, request.pool_ids))
            return [1.0]

    replay(log, Looks(), Setting(k=1), articles=bare_articles(log)._replace(id=ARTICLES.id[:2]))
    assert told == [("x", "1", ("10",))]


def test_an_event_can_be_sent_to_another_process_where_it_has_no_catalog() -> None:
    kept: list[Event] = []

    class Keeps(Says):
        def learn(self, event: Event) -> None:
            kept.append(event)

    replay(LOG, Keeps(), Setting(k=1), articles=ARTICLES)
    copies = pickle.loads(pickle.dumps(kept))
    assert copies == kept
    assert copies[0].item_id is None
    assert not hasattr(kept[0], "__dict__")  # as small as a tuple


@given(st.integers(2, 60), st.integers(0, 3))
def test_readers_who_appear_after_a_cut_have_other_ids_when_the_future_is_another(rows: int, seed: int) -> None:
    log, articles = made_up_log(rows, seed)
    count = int(log.user.max(initial=-1)) + 1
    articles = articles._replace(readers=pa.array([f"reader {code}" for code in range(count)], pa.large_string()))
    cut = rows // 2
    other, changed = overwritten(log, articles, cut, seed)
    known = int(log.user[:cut].max(initial=-1)) + 1
    assert changed.readers[:known] == articles.readers[:known]
    assert len(changed.readers) == int(other.user.max(initial=-1)) + 1
    assert not {*changed.readers[known:].to_pylist()} & {*articles.readers.to_pylist()}


# --- errors -----------------------------------------------------------------------------------------------


def raised(recommender: Any, log: Log = LOG) -> str:
    with pytest.raises(BaseException) as error:  # noqa: PT011 - whatever it is
        replay(log, recommender, Setting(k=1))
    # The engine's own frames are what makes a line the class's: the test's stand in front of them.
    return one_line(error.value)


def test_an_error_is_told_with_its_row_and_the_last_line_in_the_class_s_own_file() -> None:
    class Divides(Says):
        def recommend(self, request: Event, k: int) -> Any:
            return helper(request.row - 2)

    def helper(row: int) -> Any:
        return np.linalg.inv(np.zeros((2, 2))) if row == 0 else []

    first = helper.__code__.co_firstlineno
    assert raised(Divides()) == f"LinAlgError: Singular matrix, at row 2 (test_own_classes.py:{first + 1})"


def test_an_error_in_start_has_a_line_and_no_row() -> None:
    class Refuses(Says):
        def start(self, catalog: Catalog) -> None:
            raise OSError("no model")

    assert raised(Refuses()) == f"OSError: no model (test_own_classes.py:{Refuses.start.__code__.co_firstlineno + 1})"


# --- time and progress ------------------------------------------------------------------------------------


def test_an_answer_that_takes_too_long_is_a_miss_and_is_noted() -> None:
    class Hangs(Says):
        def recommend(self, request: Event, k: int) -> Any:
            while request.row == 1:
                with contextlib.suppress(Exception):  # as strangers do
                    time.sleep(0.001)
            return [0]

    done = replay(LOG, Hangs(), Setting(k=1, answer_timeout=50))
    assert done.slates.tolist() == [[-1], [-1], [-1], [0]]
    assert done.self_report is not None
    assert done.self_report.notes == (
        "1 answer took more than 50ms (--answer-timeout), the first at row 1: misses that depend on the machine",
    )


def test_an_answer_cannot_be_given_up_in_a_thread_and_that_is_said() -> None:
    told: list[str] = []

    def call() -> None:
        try:
            limited(lambda request: (), 100, [], lambda request: ())
        except RecommenderError as error:
            told.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert "only in a process of the recommender's own" in told[0]


def test_progress_moves_while_one_stretch_of_the_log_takes_long() -> None:
    class Place:
        row = 5

    rows: list[int] = []
    moved = threading.Event()

    def progress(row: int) -> None:
        rows.append(row)
        moved.set()

    with told_by_time(progress, Place(), every=0.01):  # type: ignore[arg-type]
        assert moved.wait(30)
    assert {*rows} == {5}
