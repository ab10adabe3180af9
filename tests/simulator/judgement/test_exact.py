"""Exact intervals: against scipy, against the definition, and at the ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaincinv

from newsreplay.simulator.judgement.exact import beta_quantile, clopper_pearson

TRIALS = st.floats(1, 1e7)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(TRIALS, st.one_of(st.floats(0, 1), st.floats(0, 1e-6), st.just(0.0), st.just(1.0))), min_size=1)
)
def test_bounds_are_the_quantiles_that_scipy_has_for_whole_and_broken_numbers(cases: list[tuple[float, float]]) -> None:
    trials = np.array([n for n, _ in cases])
    hits = trials * np.array([share for _, share in cases])
    low, high = clopper_pearson(hits, trials)
    with np.errstate(invalid="ignore"):
        expected_low = np.where(hits > 0, betaincinv(hits, trials - hits + 1, 0.025), 0)
        expected_high = np.where(hits < trials, betaincinv(hits + 1, trials - hits, 0.975), 1)
    width = expected_high - expected_low
    assert (np.abs(low - expected_low) <= 1e-7 * width).all()
    assert (np.abs(high - expected_high) <= 1e-7 * width).all()
    assert (low <= hits / trials).all()
    assert (hits / trials <= high).all()


@pytest.mark.parametrize(("hits", "trials"), [(1, 1), (3, 10), (1, 300), (299, 300), (150, 300)])
def test_at_a_bound_so_many_hits_or_more_extreme_have_a_chance_of_two_and_a_half_per_cent(
    hits: int, trials: int
) -> None:
    def chance(share: float, least: int, most: int) -> float:
        return math.fsum(math.comb(trials, n) * share**n * (1 - share) ** (trials - n) for n in range(least, most + 1))

    (low,), (high,) = clopper_pearson(np.array([hits]), np.array([trials]))
    assert chance(low, hits, trials) == pytest.approx(0.025, rel=1e-9)
    if hits < trials:
        assert chance(high, 0, hits) == pytest.approx(0.025, rel=1e-9)


def test_no_hit_and_nothing_but_hits_reach_the_ends() -> None:
    low, high = clopper_pearson(np.array([0.0, 50.0, 0.0]), np.array([50.0, 50.0, 0.0]))
    assert low[:2].tolist() == [0, pytest.approx(0.025 ** (1 / 50))]
    assert high[:2].tolist() == [pytest.approx(1 - 0.025 ** (1 / 50)), 1]
    assert math.isnan(low[2])
    assert math.isnan(high[2])


def test_a_symmetric_distribution_has_its_middle_in_the_middle() -> None:
    assert beta_quantile(0.5, np.array([0.5, 3.0, 1e6]), np.array([0.5, 3.0, 1e6])) == pytest.approx([0.5] * 3)
