"""What `newsreplay.testing` offers authors: each property holds for a built-in, and is broken by who breaks it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import newsreplay
from newsreplay.kernels.compiling import kernel
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import IMPRESSION, READ, Column, Event, Log
from newsreplay.recommenders.base import Compiled, Recommender, SelfReport, Sizes
from newsreplay.testing import PROPERTIES, GrowthWarning, check_recommender

IN_THIS_PROCESS = [name for name in PROPERTIES if name not in ("blind", "deterministic", "ties", "interpreted")]


@pytest.mark.filterwarnings("ignore::newsreplay.testing.GrowthWarning")  # which depends on the machine
@pytest.mark.parametrize("spec", ["recency", "editorial"])
def test_a_built_in_has_every_property(spec: str) -> None:
    assert list(check_recommender(spec, only=IN_THIS_PROCESS)) == IN_THIS_PROCESS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::newsreplay.testing.GrowthWarning")
@pytest.mark.parametrize(
    "spec", [*("trend", "sequences", "vsknn", "counters", "thompson", "random"), "blend(trend, logged)"]
)
def test_whoever_is_sent_elsewhere_has_every_property_too(spec: str) -> None:
    assert list(check_recommender(spec)) == list(PROPERTIES)


def test_a_property_says_in_a_sentence_what_it_claims() -> None:
    assert all(text[0].isupper() and "." in text for text in PROPERTIES.values())


class Good(Recommender):
    """Recommends what was read last, and has scores."""

    def start(self, catalog: Catalog) -> None:
        self.read: list[int] = []

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.read = [event.item, *(item for item in self.read if item != event.item)][:50]

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for item in self.read if item != request.item][:k]

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [float(item in self.read) for item in pool]


class Repeats(Good):
    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [0, *super().recommend(request, k), 0]


class Unknown(Good):
    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [request.item + 10_000]


class NotANumber(Good):
    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [float("nan")] * len(pool)


class Remembers(Good):
    replays: ClassVar[list[int]] = []

    def start(self, catalog: Catalog) -> None:
        super().start(catalog)
        self.replays.append(1)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return super().recommend(request, k)[:: (-1) ** len(self.replays)]


class Peeks(Good):
    def recommend(self, request: Event, k: int) -> Sequence[int]:
        frame: Any = sys._getframe()
        while not isinstance(frame.f_locals.get("log"), Log):
            frame = frame.f_back
        return [item for item in frame.f_locals["log"].item[request.row + 1 :][:1].tolist() if 0 <= item < request.item]


class AsListed(Good):
    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return range(len(pool), 0, -1)


class NeedsRows(Good):
    def self_report(self) -> SelfReport:
        return SelfReport(notes=(f"read last: {self.read[0]}",))


class NeedsReaders(Good):
    def start(self, catalog: Catalog) -> None:
        super().start(catalog)
        self.reads: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        super().learn(event)
        if event.kind == READ:
            self.reads[event.user] = event.item

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [float(item == self.reads[request.user]) for item in pool]


class NeedsTwo(Good):
    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [super().recommend(request, k)[0]]


class Recurses(Good):
    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        return [1.0, *self.score(request, pool[1:])] if pool else []


class Forgets(Good):
    """Answers by how many rows there were, which its state does not say."""

    rows = 0

    def learn(self, event: Event) -> None:
        super().learn(event)
        self.rows += 1

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return super().recommend(request, k)[: self.rows % 7]

    def state_dict(self) -> dict[str, object]:
        return {"read": self.read}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.read = state["read"]


class Unkept(Forgets):
    def state_dict(self) -> dict[str, object]:
        return {"read": {*self.read}}


class KeepsAFunction(Good):
    def __init__(self) -> None:
        self.weigh = lambda item: 1 / (1 + item)


@pytest.mark.parametrize(
    ("name", "broken", "what"),
    [
        ("valid_answers", Repeats, "repeated articles were dropped from its slates"),
        ("valid_answers", Unknown, "where only the article codes"),
        ("valid_answers", NotANumber, "nan"),
        ("deterministic", Remembers, "a second replay of the same log is answered otherwise"),
        ("ties", Remembers, "a second replay of the same log is answered otherwise"),
        ("pool_order", AsListed, "uses_pool_order = True"),
        ("empty_log", NeedsRows, "IndexError"),
        ("unknown_readers", NeedsReaders, "KeyError"),
        ("one_article", NeedsTwo, "IndexError"),
        ("huge_pools", Recurses, "RecursionError"),
        ("picklable", KeepsAFunction, "cannot be pickled"),
        ("goes_on", Forgets, "is something missing there?"),
        ("goes_on", Unkept, "state_dict()['read'] is a set"),
    ],
)
def test_who_breaks_a_property_is_told_so_and_who_does_not_is_not(name: str, broken: type[Good], what: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_recommender(broken, only=name)
    first, line = str(raised.value).splitlines()[:2]
    assert first == f"{broken.__name__} breaks 1 of 1:"
    assert line.startswith(f"{name}: ")
    assert what in line


def test_who_looks_ahead_breaks_blindness() -> None:
    class Local(Peeks):
        """Cannot be sent to a process of its own, which would take seconds."""

    with pytest.raises(AssertionError, match=r"blind: the answer at row \d+ changed from"):
        check_recommender(Local, only="blind", cuts=3)


def test_a_recommender_without_faults_breaks_nothing() -> None:
    assert list(check_recommender(Good, only=IN_THIS_PROCESS)) == IN_THIS_PROCESS


def test_all_that_is_broken_is_told_at_once() -> None:
    class Worst(Repeats, AsListed, NeedsRows):
        pass

    with pytest.raises(AssertionError) as raised:
        check_recommender(Worst(), only=["valid_answers", "pool_order", "empty_log", "one_article"])
    first, *lines = str(raised.value).splitlines()
    assert first == "Worst breaks 3 of 4:"
    assert [line.split(":")[0] for line in lines] == ["valid_answers", "pool_order", "empty_log"]


class Narrow(NamedTuple):
    """A number of 32 bits, doubled in 64 by compiled kernels and in 32 by others."""

    large: Column


@kernel
def learn(state: Any, event: Any) -> None:
    """Nothing is learned."""


@kernel
def recommend(state: Any, request: Any, slate: Any) -> None:
    """The first article where the double is positive."""
    if request.item > 0 and state.large[0] * 2 > 0:
        slate[0] = 0


class Overflows(Compiled[Narrow]):
    learn = learn
    recommend = recommend

    def state(self, sizes: Sizes, key: np.uint64) -> Narrow:
        return Narrow(np.array([1 << 30], np.int32))


def test_kernels_that_answer_otherwise_once_compiled_are_found() -> None:
    with pytest.raises(AssertionError, match=r"interpreted: the slate at row \d+ is \[0, .*but \[-1, .*not compiled"):
        check_recommender(Overflows, only="interpreted")


def test_state_that_grows_with_the_square_of_the_log_is_warned_of() -> None:
    class Hoards(Good):
        def start(self, catalog: Catalog) -> None:
            super().start(catalog)
            self.all: list[Event] = []
            self.copies: list[Any] = []

        def learn(self, event: Event) -> None:
            super().learn(event)
            self.all.append(event)
            if event.kind == IMPRESSION:
                self.copies.append(tuple(self.all))

    with pytest.warns(GrowthWarning, match="Hoards grows steeply: .* µs an event at 500 rows"):
        check_recommender(Hoards(), only="growth")


def test_names_that_there_are_not_and_classes_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(newsreplay.SpecError, match=r"no property is called 'blinds'\. Did you mean 'blind'"):
        check_recommender(Good, only="blinds")

    class Needs(Good):
        def __init__(self, size: int):
            self.size = size

    with pytest.raises(newsreplay.SpecError, match=r"Needs\(\) cannot be made: TypeError.*pass an object of it"):
        check_recommender(Needs)
    with pytest.raises(newsreplay.SpecError, match="one recommender is tested at a time, not 2"):
        check_recommender("trend,recency")
