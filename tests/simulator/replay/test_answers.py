"""Answers of plain-Python recommenders are copied at once, and must be sequences with an order."""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, UserList, deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.errors import RecommenderError
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Event, make_log
from newsreplay.recommenders.base import Deferred, Recommender, Setting
from newsreplay.simulator.replay.answers import collected
from newsreplay.simulator.replay.replay import replay

#: Four articles, then three times a read of article 3 by one session, with an impression of articles 0 to 2 between.
LOG = make_log(
    time=[0, 0, 0, 0, 10, 20, 20, 30, 40],
    kind=[PUBLISH, PUBLISH, PUBLISH, PUBLISH, READ, IMPRESSION, OUTCOME, READ, READ],
    session=[-1] * 4 + [0] * 5,
    user=[-1] * 4 + [0] * 5,
    item=[0, 1, 2, 3, 3, -1, -1, 3, 3],
    category=[-1] * 9,
    impression=[-1] * 5 + [0, 0, -1, -1],
    pools={"at": [0, 3], "item": [0, 1, 2], "clicked": [True, False, False]},
)


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_answers_one_behind_the_other_are_the_answers(answers: list[list[int]], begin: int, end: int) -> None:
    end = min(max(begin, end), len(answers))
    begin = min(begin, end)
    assert collected(answers).each() == answers
    assert collected(answers).part(begin, end) == collected(answers[begin:end])


def torch_tensor(values: Sequence[int]) -> Any:
    import torch

    return torch.tensor(values)


#: Every kind of sequence that is written to in place, made of whole numbers.
WRITABLE: dict[str, Callable[[Sequence[int]], Any]] = {
    "list": list,
    "deque": deque,
    "array": np.array,
    "array of float32": lambda values: np.array(values, np.float32),
    "array.array": lambda values: array("q", values),
    "Series": pd.Series,
    "UserList": UserList,
    "bytearray as memoryview": lambda values: memoryview(bytearray(values)),
    "tensor": torch_tensor,
}


class OwnObject(Recommender):
    """Answers with one object of its own, and writes something else to it at every row that follows."""

    def __init__(self, make: Callable[[Sequence[int]], Any]):
        self.own = make([2, 1, 0])

    def write(self, values: Sequence[int]) -> None:
        for place, value in enumerate(values):
            self.own[place] = value

    def learn(self, event: Event) -> None:
        self.write([0, 0, 0])

    def recommend(self, request: Event, k: int) -> Any:
        self.write([2, 1, 0])
        return self.own

    def score(self, request: Event, pool: Sequence[int]) -> Any:
        self.write([2, 1, 0])
        return self.own


@pytest.mark.parametrize("kind", [kind for kind in WRITABLE if kind != "array of float32"])
def test_a_slate_is_what_the_answer_held_when_it_was_given(kind: str) -> None:
    assert replay(LOG, OwnObject(WRITABLE[kind]), Setting(k=3)).slates.tolist() == [[2, 1, 0]] * 3


@pytest.mark.parametrize("kind", WRITABLE)
def test_scores_are_what_the_answer_held_when_it_was_given(kind: str) -> None:
    class Scoring(OwnObject):
        def recommend(self, request: Event, k: int) -> Any:
            return []

    scores = replay(LOG, Scoring(WRITABLE[kind]), Setting(k=3)).scores
    assert scores is not None
    assert scores.tolist() == [2, 1, 0]


class Entries(OwnObject):
    """Hands out views of its array, one an entry."""

    def recommend(self, request: Event, k: int) -> Any:
        return []

    def score(self, request: Event, pool: Sequence[int]) -> Any:
        self.write([2, 1, 0])
        return [self.own[place, ...] for place in range(3)]


@pytest.mark.parametrize("make", [np.array, torch_tensor])
def test_entries_that_are_views_are_copied_from_scores_and_refused_in_slates(make: Any) -> None:
    scores = replay(LOG, Entries(make), Setting(k=3)).scores
    assert scores is not None
    assert scores.tolist() == [2, 1, 0]

    class Slates(Entries):
        def recommend(self, request: Event, k: int) -> Any:
            return self.score(request, ())

    with pytest.raises(
        RecommenderError, match=r"\(2\) in a slate at row 4; article codes are whole numbers, ids are text"
    ):
        replay(LOG, Slates(make), Setting(k=3))


class Given(Recommender):
    """Answers with what it was given, from row 7 on, and nothing before."""

    def __init__(self, answer: Any):
        self.answer = answer

    def recommend(self, request: Event, k: int) -> Any:
        return self.answer() if request.row >= 7 else []


class GivenScores(Given):
    def recommend(self, request: Event, k: int) -> Any:
        return []

    def score(self, request: Event, pool: Sequence[int]) -> Any:
        return self.answer()


@pytest.mark.parametrize(
    "make", [tuple, lambda values: range(2, -1, -1), pd.Index, pa.array, lambda values: np.array(values, np.uint8)]
)
def test_sequences_that_cannot_be_written_to_will_do(make: Callable[[Sequence[int]], Any]) -> None:
    done = replay(LOG, Given(lambda: make([2, 1, 0])), Setting(k=3))
    assert done.slates.tolist() == [[-1] * 3, [2, 1, 0], [2, 1, 0]]
    scores = replay(LOG, GivenScores(lambda: make([2, 1, 0])), Setting(k=3)).scores
    assert scores is not None
    assert scores.tolist() == [2, 1, 0]


NO_SEQUENCE: dict[str, tuple[Callable[[], Any], str]] = {
    "set": (lambda: {2, 1, 0}, "an object of type set"),
    "frozenset": (lambda: frozenset([2, 1, 0]), "an object of type frozenset"),
    "dict": (lambda: {2: 1.0, 1: 0.5, 0: 0.1}, "an object of type dict"),
    "OrderedDict": (lambda: OrderedDict.fromkeys([2, 1, 0]), "an object of type OrderedDict"),
    "Counter": (lambda: Counter([2, 1, 0]), "an object of type Counter"),
    "keys": (lambda: {2: 1, 1: 2, 0: 3}.keys(), "an object of type dict_keys"),
    "values": (lambda: {2: 1, 1: 2, 0: 3}.values(), "an object of type dict_values"),
    "items": (lambda: {2: 1, 1: 2, 0: 3}.items(), "an object of type dict_items"),
    "generator": (lambda: (item for item in [2, 1, 0]), "an object of type generator"),
    "map": (lambda: map(int, [2, 1, 0]), "an object of type map"),
    "iterator": (lambda: iter([2, 1, 0]), "an object of type list_iterator"),
    "text": (lambda: "210", "the text '210'"),
    "bytes": (lambda: b"\2\1\0", r"the text b'\x02\x01\x00'"),
    "nothing": (lambda: None, "None"),
    "a number": (lambda: 2, "2"),
    "an array without dimension": (lambda: np.array(2), "2"),
}


@pytest.mark.parametrize("kind", NO_SEQUENCE)
def test_what_has_no_order_or_no_length_is_refused_at_its_row_and_called_what_it_is(kind: str) -> None:
    answer, name = NO_SEQUENCE[kind]
    with pytest.raises(RecommenderError) as slate:
        replay(LOG, Given(answer), Setting(k=3))
    assert str(slate.value).startswith(f"Given.recommend returned {name}")
    assert " at row 7; return a sequence of article codes, or of ids, empty for no answer (test_answers.py:" in str(
        slate.value
    )
    with pytest.raises(RecommenderError) as scores:
        replay(LOG, GivenScores(answer), Setting(k=3))
    assert str(scores.value).startswith(f"GivenScores.score returned {name}")
    assert " at row 5; return one finite number per candidate" in str(scores.value)


@pytest.mark.parametrize(("code", "what"), [(2.0, "2.0"), (b"2", "b'2'"), (None, "None"), ([2], r"\[2\]")])
def test_a_code_that_is_no_whole_number_is_refused_at_its_row(code: Any, what: str) -> None:
    with pytest.raises(RecommenderError, match=f"returned {what} in a slate at row 7; article codes are whole"):
        replay(LOG, Given(lambda: [0, code]), Setting(k=3))


@pytest.mark.parametrize("code", [-1, 1 << 31, 1 << 70])
def test_a_code_that_no_article_can_have_is_refused_at_its_row(code: int) -> None:
    with pytest.raises(RecommenderError, match=f"returned {code} in a slate at row 7; article codes count from 0"):
        replay(LOG, Given(lambda: [0, code]), Setting(k=3))


class Late(Given):
    def recommend(self, request: Event, k: int) -> Any:
        self.late = Deferred()
        return self.late

    def settle(self) -> None:
        self.late.answer = self.answer()


def test_a_late_answer_is_looked_at_alike() -> None:
    with pytest.raises(RecommenderError, match=r"Late\.recommend returned an object of type set.* at row 8"):
        replay(LOG, Late(lambda: {1, 2}), Setting(k=3))


def test_an_article_that_became_known_since_is_none_of_an_earlier_slate() -> None:
    """A ring buffer that returns itself holds, at the end of the log, what had not been published at its requests."""
    log = make_log(time=range(6), kind=[READ] * 6, session=[0] * 6, user=[0] * 6, item=range(6), category=[-1] * 6)

    class Ring(Recommender):
        def __init__(self) -> None:
            self.ring: deque[int] = deque(maxlen=2)

        def learn(self, event: Event) -> None:
            self.ring.append(event.item)

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return self.ring

    assert replay(log, Ring(), Setting(k=2)).slates[:, 0].tolist() == [-1, 0, 1, 2, 3, 4]


def test_a_recommender_can_neither_move_the_catalog_along_nor_make_articles_known() -> None:
    class Pusher(Recommender):
        def start(self, catalog: Any) -> None:
            self.catalog = catalog

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            for name in ("known", "row"):
                with pytest.raises(AttributeError):
                    setattr(self.catalog, name, 100)
            return [0]

    assert replay(LOG, Pusher(), Setting(k=1)).slates.tolist() == [[0]] * 3
