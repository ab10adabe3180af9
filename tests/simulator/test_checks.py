"""The blindness check passes for all built-ins and catches those who look ahead."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.recommenders.base import Recommender
from newsreplay.registry import PRESETS, start_list
from newsreplay.simulator.catalog import Catalog, bare_articles
from newsreplay.simulator.checks import _cuts, check, made_up_log, overwritten
from newsreplay.simulator.log import READ, Event, Log
from tests import strategies


@pytest.mark.parametrize("spec", PRESETS["baselines"])
def test_a_baseline_is_blind_to_the_future(spec: str) -> None:
    assert check(start_list(spec)[0]).finding is None


class RowPeeker(Recommender):
    """Finds the log on the call stack and recommends what will be read next."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        frame: Any = sys._getframe()
        while frame is not None and not isinstance(frame.f_locals.get("log"), Log):
            frame = frame.f_back
        log = frame.f_locals["log"]
        following = log.item[request.row + 1 : request.row + 2]
        return [int(item) for item in following if 0 <= item <= request.item]


class ArticlePeeker(Recommender):
    """Reads from the article table behind the catalog how many articles there will be of a category."""

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        table = self.catalog._articles
        later = np.bincount(table.category[table.category >= 0], minlength=1)
        return [int(later.argmax()) * 7 % self.catalog.known]


class Rememberer(Recommender):
    """Keeps what it saw in the last replay on the class."""

    seen: ClassVar[list[int]] = []

    def learn(self, event: Event) -> None:
        self.seen.append(event.item)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for item in self.seen[request.row + 1 : request.row + 2] if 0 <= item < request.item]


@pytest.mark.parametrize("cheater", [RowPeeker, ArticlePeeker, Rememberer])
def test_a_cheater_is_caught(cheater: type[Recommender]) -> None:
    finding = check(start_list([cheater()])[0]).finding
    assert finding is not None
    assert finding.row < finding.cut
    assert "changed from" in str(finding)


def test_an_unseeded_random_choice_is_caught() -> None:
    rng = np.random.default_rng()

    class Dice(Recommender):
        def __deepcopy__(self, memo: Any) -> Dice:
            return self

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return [int(rng.integers(0, request.item + 1))]

    assert check(start_list([Dice()])[0]).finding is not None


def test_there_are_as_many_cuts_as_asked_for_and_half_follow_a_request_directly() -> None:
    log, _ = made_up_log(2_000)
    cuts = _cuts(log, 20, 0)
    assert len(cuts) >= 20
    assert sum(log.kind[cut - 1] == READ for cut in cuts) >= 10


@settings(max_examples=100, deadline=None)
@given(log=strategies.logs(), cut=st.integers(0, 60), seed=st.integers(0, 9))
def test_an_overwritten_log_is_valid_and_untouched_before_the_cut(log: Log, cut: int, seed: int) -> None:
    cut = min(cut, len(log.time))
    other, articles = overwritten(log, bare_articles(log), cut, seed)
    for name, column in other._asdict().items():
        assert column[:cut].tolist() == getattr(log, name)[:cut].tolist()
    assert (np.diff(other.time) >= 0).all()
    for column in (other.item, other.session[other.kind == READ], other.user[other.kind == READ]):
        highest = np.maximum.accumulate(column)
        assert (np.diff(highest, prepend=-1) <= 1).all()
    told = other.category >= 0
    assert (articles.category[other.item[told]] == other.category[told]).all()


def test_what_is_overwritten_differs_in_rows_and_articles() -> None:
    log, articles = made_up_log(500)
    other, others = overwritten(log, articles, 250, seed=1)
    assert (other.item[250:] != log.item[250:]).mean() > 0.5
    assert (others.category != articles.category).any()
