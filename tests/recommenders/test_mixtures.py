"""Mixtures are worked out of what their parts answer alone, and are no wiser than these."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.log.catalog import Articles, Catalog
from newsreplay.log.rows import IMPRESSION, Event, Log
from newsreplay.recommenders.base import Deferred, Recommender, SelfReport, Setting
from newsreplay.recommenders.mixtures import Blend, Fallback
from newsreplay.recommenders.registry import is_strange, start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.slates import tidy
from newsreplay.simulator.replay.walk import Replayed, can_score
from newsreplay.spec import parse_spec
from tests import strategies
from tests.naive import mixtures as naive


class Known(Recommender):
    """Plain, with late answers: known articles, one of every `step`, the first ones first; scores no candidates."""

    def __init__(self, step: int = 2):
        self.step = step
        self.late: list[tuple[Deferred, list[int]]] = []

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def recommend(self, request: Event, k: int) -> Deferred:
        answer = Deferred()
        self.late.append((answer, list(range(0, self.catalog.known, self.step))[: k + 1]))
        return answer

    def settle(self) -> None:
        for deferred, answer in self.late:
            deferred.answer = answer
        self.late.clear()

    def self_report(self) -> SelfReport:
        return SelfReport(notes=("knows all",), training=1.5, answers=2, parameters=3, rounds=({"loss": 1.0},))


class Candid(Recommender):
    """Says that it leaks."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []

    def self_report(self) -> SelfReport:
        return SelfReport(leaks="everything")


class Foreseeing(Candid):
    """Is given the whole log."""

    def foresee(self, log: Log, articles: Articles) -> None:
        self.log = log

    def self_report(self) -> SelfReport:
        return SelfReport()


def answers(slates: Any) -> list[list[int]]:
    return [[item for item in slate if item >= 0] for slate in slates.tolist()]


def pools(log: Log, scores: Any) -> list[list[float]]:
    return [scores[log.pools.at[i] : log.pools.at[i + 1]].tolist() for i in range(len(log.pools.at) - 1)]


def alone(log: Log, part: object, depth: int, **setting: Any) -> Replayed:
    (entry,) = start_list([copy.deepcopy(part)])
    return replay(log, entry.make(), Setting(k=depth, **setting), name=entry.label)


PARTS = ["trend(hours=2)", "sequences", "random", "circular(size=3)", Known()]
some_parts = st.lists(st.sampled_from(PARTS), min_size=2, max_size=3, unique_by=str)


@settings(max_examples=15, deadline=None)
@given(log=strategies.logs_with_impressions(), parts=some_parts, k=strategies.cut_offs(), requests=st.booleans())
def test_a_fallback_is_the_first_list_then_what_the_next_has_more(
    log: Log, parts: list[Any], k: int, requests: bool
) -> None:
    asks = {"requests": "impressions"} if requests else {}
    done = replay(log, Fallback(*copy.deepcopy(parts)), Setting(k=k, **asks))
    each = [alone(log, part, k, **asks) for part in parts]
    listed = [answers(one.slates) for one in each]
    assert answers(done.slates) == [naive.fallback(slates, k) for slates in zip(*listed, strict=True)]
    scored = [pools(log, one.scores) for one in each if one.scores is not None]
    assert done.scores is not None
    assert pools(log, done.scores) == [naive.fallback_scores(pool) for pool in zip(*scored, strict=True)]


@settings(max_examples=15, deadline=None)
@given(log=strategies.logs_with_impressions(), parts=some_parts, k=strategies.cut_offs(), weights=st.data())
def test_a_blend_is_ordered_by_weighted_ranks(log: Log, parts: list[Any], k: int, weights: st.DataObject) -> None:
    # Quarters and a depth of eight, whose sums are exact in binary fractions: so equal ones are equal.
    weight = [weights.draw(st.integers(0, 4)) / 4 for _ in parts]
    done = replay(log, Blend(*copy.deepcopy(parts), weights=weight, depth=8), Setting(k=k))
    each = [alone(log, part, max(8, k)) for part in parts]
    if k <= 8:
        listed = [answers(one.slates) for one in each]
        assert answers(done.slates) == [naive.blend(slates, weight, 8, k) for slates in zip(*listed, strict=True)]
    scored = [(pools(log, one.scores), w) for one, w in zip(each, weight, strict=True) if one.scores is not None]
    assert done.scores is not None
    for number, found in enumerate(pools(log, done.scores)):
        wanted = naive.blend_scores([scores[number] for scores, _ in scored], [w for _, w in scored])
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_blend_by_hand() -> None:
    listed = np.array([[[7, 3, 5]], [[5, 9, -1]]], np.int32)
    out = np.full((1, 4), -1, np.int32)
    Blend("trend", "popular", weights=[0.7, 0.3], depth=3).recommend(listed, out)
    assert out.tolist() == [[7, 5, 3, 9]]  # .7, .3 + .7 / 3, .7 × 2 / 3, .3 × 2 / 3
    scores = np.array([[10.0, 20.0, 20.0, -np.inf], [-np.inf, 1.0, 3.0, -np.inf]])
    found = np.empty(4)
    Blend("trend", "popular", weights=[0.7, 0.3]).score([0, 1], scores, np.array([0, 4]), found)
    np.testing.assert_allclose(
        found, [0.7 / 3 + 0.3 / 6 * 1, 0.7 * 2.5 / 3 + 0.3 * 2 / 3, 0.7 * 2.5 / 3 + 0.3, -np.inf]
    )


MIXED = [
    "blend('trend(hours=2)', random, weights=[.7, .3])",
    "fallback(sequences, 'trend(hours=2)')",
    pytest.param("blend(fallback(content, popular), editorial, thompson)", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("text", MIXED)
def test_a_mixture_is_blind_to_the_future_and_names_only_what_it_may(text: str) -> None:
    assert check_entry(start_list(text)[0], apart=False, cuts=8).passed
    log, articles = made_up_log(500, 3)
    slates = replay(log, start_list(text)[0].make(), Setting(k=6), articles=articles, name=text).slates
    asking = int(log.kind[np.flatnonzero(log.kind >= 3)[0]])
    assert tidy(log, asking, 0, len(log.time), slates, 0)[0][:3] == (0, 0, -1)
    shorter = replay(log, start_list(text)[0].make(), Setting(k=2), articles=articles, name=text).slates
    assert shorter.tolist() == slates[:, :2].tolist()


def test_neural_recommenders_are_mixed_as_others_are() -> None:
    nrms = "nrms(size=tiny, update=every(hours=12), warmup=6h)"
    log, articles = made_up_log(1_200, 5)
    mixed = replay(log, Fallback(nrms, "trend"), Setting(k=4), articles=articles)
    network = replay(log, start_list(nrms)[0].make(), Setting(k=4), articles=articles, name=nrms)
    assert network.self_report is not None
    assert network.self_report.parameters
    listed = [answers(network.slates), answers(alone(log, "trend", 4).slates)]
    assert any(listed[0])
    assert answers(mixed.slates) == [naive.fallback(slates, 4) for slates in zip(*listed, strict=True)]
    assert mixed.self_report is not None
    assert mixed.self_report.parameters == network.self_report.parameters
    assert [note.split(": ")[0] for note in mixed.self_report.notes] == [nrms] * len(network.self_report.notes)


def test_costs_reports_and_drops_of_parts_are_added_up() -> None:
    log = made_up_log(300, 6)[0]
    done = replay(log, Blend(Known(3), "trend", Known(1)), Setting(k=3, timed=True))
    alone_ = [alone(log, part, 50) for part in (Known(3), "trend", Known(1))]
    assert done.self_report == SelfReport(
        notes=("Known(step=3): knows all", "Known(step=1): knows all"), training=3.0, answers=4, parameters=6,
        rounds=({"loss": 1.0}, {"loss": 1.0}),
    )  # fmt: skip
    assert done.drops.current == sum(one.drops.current for one in alone_) > 0
    assert done.state_bytes >= alone_[1].state_bytes
    assert done.times is not None
    assert len(done.times.recommend) == len(done.slates)
    assert len(done.times.score) == np.count_nonzero(log.kind == IMPRESSION)
    assert done.foresight is None


@pytest.mark.parametrize(
    ("part", "foresight", "leaks"),
    [(Candid(), "leaky", "Candid: everything"), (Foreseeing(), "given", "Foreseeing: it was handed the whole log")],
)
def test_a_mixture_leaks_what_a_part_leaks(part: object, foresight: str, leaks: str) -> None:
    done = replay(made_up_log(100)[0], Fallback(part, "trend"), Setting(k=3))
    assert done.foresight == foresight
    assert done.self_report is not None
    assert done.self_report.leaks == leaks


def test_progress_goes_from_the_first_row_of_the_first_part_to_the_last_of_the_last() -> None:
    log = made_up_log(100)[0]
    told: list[int] = []
    replay(log, Fallback("trend", "popular"), Setting(k=3), progress=told.append, stretch=50)
    assert told == [25, 50, 75, 100]


def test_a_mixture_without_a_part_that_scores_does_not_score() -> None:
    assert not can_score(Fallback(Known(2), Known(3)))
    assert can_score(Fallback(Known(2), "trend"))
    assert replay(made_up_log(100)[0], Blend(Known(2), Known(3)), Setting(k=3)).scores is None


def test_a_mixture_with_a_stranger_in_it_is_a_stranger() -> None:
    assert is_strange(parse_spec("blend(trend, fallback(popular, mine.py:Mine))"))
    assert not is_strange(parse_spec("blend(trend, fallback(popular, nrms))"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: start_list("blend"), "it is made of two recommenders or more, not 0; name them: (trend, popular)"),
        (lambda: start_list("fallback(trend)"), "it is made of two recommenders or more, not 1"),
        (lambda: start_list("fallback(trend, tred)"), "Did you mean 'trend'?"),
        (lambda: start_list("fallback(trend, baselines)"), "baselines is 22 recommenders; name them one by one"),
        (lambda: start_list("blend(trend, popular, weights=[1])"), "weights must be a list of 2 numbers"),
        (lambda: start_list("blend(trend, popular, weights=12)"), "weights must be a list of 2 numbers"),
        (lambda: start_list("blend(trend, popular, weights=[1, -1])"), "weights must be at least 0, not -1"),
        (lambda: start_list("blend(trend, popular, depth=0)"), "depth must be a whole number of at least 1"),
        (lambda: start_list("fallback(trend, 'trend(hour=2)')"), "Did you mean 'hours'?"),
    ],
)
def test_a_wrong_part_or_weight_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert message in str(caught.value)
