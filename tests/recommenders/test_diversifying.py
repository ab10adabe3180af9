"""Slates with more categories, and in the proportions of what readers read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.log.rows import READ, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from tests import strategies
from tests.naive import diversifying as naive

DEPTH = 5


def answered(text: str, log: Log, k: int) -> Replayed:
    (entry,) = start_list(text)
    return replay(log, entry.make(), Setting(k=k), name=entry.label)


def filled(slate: Any) -> list[int]:
    return [item for item in slate if item >= 0]


@settings(max_examples=20, deadline=None)
@given(log=strategies.logs_with_impressions(), k=strategies.cut_offs(), relevance=st.sampled_from([0, 0.3, 0.7, 1]))
def test_mmr_fills_slates_as_its_paper_says(log: Log, k: int, relevance: float) -> None:
    done = answered(f"mmr(popular, relevance={relevance}, depth={DEPTH})", log, k)
    deep = max(k, DEPTH)
    part = answered("popular", log, deep)
    asked = np.flatnonzero(log.kind == READ).tolist()
    for row, slate, listed in zip(asked, done.slates.tolist(), part.slates.tolist(), strict=True):
        assert filled(slate) == naive.mmr(log, row + 1, filled(listed), k, deep, relevance)
    assert np.array_equal(done.scores, part.scores)  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(
    log=strategies.logs_with_impressions(),
    k=strategies.cut_offs(),
    calibration=st.sampled_from([0, 0.3, 0.9]),
    history=st.sampled_from([1, 3, 20]),
)
def test_slates_are_calibrated_as_the_paper_says(log: Log, k: int, calibration: float, history: int) -> None:
    done = answered(f"calibrated(popular, calibration={calibration}, history={history}, depth={DEPTH})", log, k)
    deep = max(k, DEPTH)
    part = answered("popular", log, deep)
    asked = np.flatnonzero(log.kind == READ).tolist()
    for row, slate, listed in zip(asked, done.slates.tolist(), part.slates.tolist(), strict=True):
        user = int(log.user[row])
        assert filled(slate) == naive.calibrated(log, row + 1, user, filled(listed), k, deep, calibration, history)
    assert np.array_equal(done.scores, part.scores)  # type: ignore[arg-type]


def test_a_reader_of_one_category_gets_more_of_it_and_mmr_gives_less() -> None:
    """Five articles of sport are read most, then one of politics; u9 reads politics alone, and asks with both known."""
    items = [0, 1, 2, 3, 4] * 3 + [5, 6] * 2
    users = [*range(15), 9, 9, 9, 9]
    log = make_log(
        time=[60_000 * row for row in range(len(items))],
        kind=[READ] * len(items),
        session=range(len(items)),
        user=users,
        item=items,
        category=[0 if item < 5 else 1 for item in items],
    )
    part = answered("popular", log, 3).slates[-1].tolist()
    calibrated = answered("calibrated(popular, calibration=0.95, history=4)", log, 3).slates[-1].tolist()
    diverse = answered("mmr(popular, relevance=0.1)", log, 3).slates[-1].tolist()
    assert 5 not in part
    assert calibrated[0] == 5
    assert 5 in diverse[:2]


@pytest.mark.parametrize("text", ["mmr('trend(hours=2)')", "calibrated(blend(trend, popular), history=3)"])
def test_rerankers_are_blind_to_the_future(text: str) -> None:
    assert check_entry(start_list(text)[0], apart=False, cuts=4).passed


def test_without_weight_nothing_changes() -> None:
    log = made_up_log(300, 4)[0]
    part = answered("trend", log, 5).slates.tolist()
    for text in ("mmr(trend, relevance=1)", "calibrated(trend, calibration=0)"):
        assert answered(text, log, 5).slates.tolist() == part


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("mmr(trend, relevance=2)", "relevance must be at least 0 and at most 1, not 2"),
        ("calibrated(trend, history=0)", "history must be a whole number of at least 1"),
        ("calibrated", "lacks 'recommender'"),
    ],
)
def test_what_cannot_be_is_refused(typed: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        start_list(typed)
