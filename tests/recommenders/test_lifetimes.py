"""Lifetimes: a recommender's answers, from which articles go down whose life is over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import SpecError
from newsreplay.log.rows import HOUR, IMPRESSION, READ, Log, make_log
from newsreplay.recommenders import lifetimes
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import is_strange, start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.spec import parse_spec
from tests import strategies
from tests.naive import lifetimes as naive


def answered(text: str, log: Log, k: int, **setting: Any) -> Replayed:
    (entry,) = start_list(text)
    return replay(log, entry.make(), Setting(k=k, **setting), name=entry.label)


def assert_as_the_oracle_says(log: Log, k: int, impressions: bool, **options: Any) -> None:
    asks: Any = {"requests": "impressions"} if impressions else {}
    typed = ", ".join(f"{name}={value}" for name, value in options.items())
    done = answered(f"lifetime(popular, {typed})", log, k, **asks)
    part = answered("popular", log, max(k, options["depth"]), **asks)
    assert done.scores is not None
    assert part.scores is not None
    kept = {name: value for name, value in options.items() if name != "depth"}
    asked = np.flatnonzero(log.kind == (IMPRESSION if impressions else READ))
    for row, slate, listed in zip(asked.tolist(), done.slates.tolist(), part.slates.tolist(), strict=True):
        lives = naive.Lives(log, row + (not impressions), **kept, fewest=lifetimes.FEWEST)
        listed = [item for item in listed if item >= 0]
        assert [item for item in slate if item >= 0] == naive.slate(lives, listed, int(log.time[row]), k)
    for row in np.flatnonzero(log.kind == IMPRESSION).tolist():
        places = slice(*log.pools.at[log.impression[row] : log.impression[row] + 2])
        lives = naive.Lives(log, row, **kept, fewest=lifetimes.FEWEST)
        wanted = naive.scores(lives, part.scores[places], log.pools.item[places], int(log.time[row]))
        np.testing.assert_allclose(done.scores[places], wanted, rtol=1e-12)


@pytest.mark.parametrize("impressions", [False, pytest.param(True, marks=pytest.mark.slow)])
@settings(max_examples=15, deadline=None)
@given(
    log=strategies.logs_with_impressions(),
    k=strategies.cut_offs(),
    hours=st.sampled_from([0, 1.5, 36, None]),
    alpha=st.sampled_from([0.3, 0.0, 2.5]),
    share=st.sampled_from([0.9, 0.5, 1]),
)
def test_answers_are_the_parts_weighed_by_the_hours_that_articles_have_left(
    impressions: bool, log: Log, k: int, hours: float | None, alpha: float, share: float
) -> None:
    assert_as_the_oracle_says(log, k, impressions, hours=hours, alpha=alpha, share=share, depth=4)


def test_categories_live_as_long_as_most_of_their_reads_once_there_are_enough() -> None:
    """One is read for six hours, the other for forty; ages run on beyond what is told apart."""
    rng = np.random.default_rng(5)
    rows = sorted(
        (time, 0, born % 2, born)
        for born in range(12)
        for time in (born * 30 * HOUR + rng.integers(0, (6 if born % 2 else 40) * HOUR, 25)).tolist()
    )
    rows += [(rows[-1][0] + hours * HOUR, 0, 1, 1) for hours in (700, 900)]
    codes: dict[int, int] = {}
    log = make_log(
        time=[time for time, *_ in rows],
        kind=[READ] * len(rows),
        session=range(len(rows)),
        user=range(len(rows)),
        item=[codes.setdefault(born, len(codes)) for *_, born in rows],
        category=[category for _, _, category, _ in rows],
    )
    done = answered("lifetime(recency, hours=none)", log, 3)
    part = answered("recency", log, 50)
    lengths = set()
    for row in range(0, len(rows), 7):
        lives = naive.Lives(log, row + 1, None, 0.3, 0.9, lifetimes.FEWEST)
        listed = [item for item in part.slates[row].tolist() if item >= 0]
        assert [item for item in done.slates[row].tolist() if item >= 0] == naive.slate(
            lives, listed, int(log.time[row]), 3
        )
        lengths.add(lives.life(0) == lives.life(1))
    assert lengths == {True, False}


def test_without_a_slope_nothing_changes() -> None:
    log = made_up_log(300, 4)[0]
    done, part = answered("lifetime(trend, alpha=0)", log, 5), answered("trend", log, 5)
    assert done.slates.tolist() == part.slates.tolist()
    assert done.scores is not None
    np.testing.assert_allclose(done.scores, part.scores + np.log(0.5))  # type: ignore[operator]


@pytest.mark.parametrize("text", ["lifetime('trend(hours=2)', hours=none)", "lifetime(blend(trend, popular))"])
def test_it_is_blind_to_the_future(text: str) -> None:
    assert check_entry(start_list(text)[0], apart=False, cuts=6).passed


def test_a_neural_part_is_trained_as_it_would_be_alone() -> None:
    nrms = "nrms(size=tiny, update=every(hours=12), warmup=6h)"
    log, articles = made_up_log(1_000, 5)
    done = replay(log, start_list(f"lifetime({nrms})")[0].make(), Setting(k=4), articles=articles)
    alone = replay(log, start_list(nrms)[0].make(), Setting(k=4), articles=articles, name=nrms)
    assert done.scores is not None
    assert alone.scores is not None
    assert (np.isneginf(done.scores) == np.isneginf(alone.scores)).all()
    some = np.isfinite(alone.scores)
    assert (done.scores[some] < alone.scores[some]).all()
    assert done.self_report is not None
    assert alone.self_report is not None
    assert done.self_report.parameters == alone.self_report.parameters


def test_a_strangers_recommender_stays_a_stranger() -> None:
    assert is_strange(parse_spec("lifetime(mine.py:Mine)"))
    assert not is_strange(parse_spec("lifetime(nrms, hours=24)"))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("lifetime", "recommender"),
        ("lifetime(tred)", "Did you mean 'trend'?"),
        ("lifetime(baselines)", "baselines is 22 recommenders"),
        ("lifetime(trend, hours=-1)", "hours must be at least 0, not -1"),
        ("lifetime(trend, share=0)", "share must be above 0"),
        ("lifetime(trend, alpha=-1)", "alpha must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(typed: str, message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("?", r"\?")):
        start_list(typed)
