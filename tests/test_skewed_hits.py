"""The coverage experiment of skewed and rare hits (docs/intervals.md): small editions of what it claims."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scripts import script as load

experiment = load("skewed_hits")


def test_exact_intervals_of_rare_hits_hold_the_truth_where_a_bootstrap_does_not() -> None:
    """100 logs of 200 sessions, one in 500 of which has a hit; the bound is 3 standard errors away from 95 %."""
    found = experiment.cover(experiment.thinned(experiment.made_up(20_000), 0.002), 200, 100)
    assert found.success >= 0.885
    assert found.event >= 0.885
    assert found.bootstrap < 0.6


def test_ranges_hold_all_ten_true_ranks_of_close_recommenders_at_once() -> None:
    assert experiment.ranks_held(experiment.made_up(20_000), 100, 30).all_ten >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("sessions", [50, 300])
def test_equal_recommenders_differ_in_no_more_than_five_of_a_hundred_logs(sessions: int) -> None:
    assert experiment.power(experiment.made_up(), sessions, 400).alike <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.slow
@pytest.mark.parametrize("sessions", experiment.SIZES)
def test_session_level_success_holds_the_truth_whatever_the_skew(sessions: int) -> None:
    assert experiment.cover(experiment.made_up(), sessions, 400).success >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)
