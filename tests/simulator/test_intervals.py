"""Intervals: reproducible, paired, and as wide as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from newsreplay.simulator import intervals
from newsreplay.simulator.intervals import bounds
from newsreplay.simulator.mixing import key_of


def weights(units: np.ndarray, replicates: int = 1000, seed: int = 0) -> np.ndarray:
    out = np.empty((len(units), replicates), np.uint8)
    intervals._weigh(key_of(seed, "A", "bootstrap"), units, 0, intervals._poisson_steps(), out)
    return out.T


def test_weights_are_poisson_with_mean_one() -> None:
    drawn = weights(np.arange(400))
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    assert (drawn == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)


def test_the_weight_of_a_session_depends_on_no_other_session() -> None:
    units = np.arange(50)
    assert (weights(units)[:, 7] == weights(units[7:8])[:, 0]).all()
    assert (weights(units, seed=1) != weights(units)).any()


def naive_bounds(sums: np.ndarray, over: np.ndarray, units: np.ndarray) -> tuple[float, float]:
    """The slow way: every replicate on its own, in exact fractions' stead plain sums."""
    statistics = []
    for weight in weights(units):
        below = sum(int(w) * d for w, d in zip(weight, over, strict=True))
        if below:
            statistics.append(sum(int(w) * s for w, s in zip(weight, sums, strict=True)) / below)
    low, high = np.percentile(statistics, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("groups", [1, 3, 60])
def test_bounds_equal_the_slow_way(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "BLOCK", 7)
    rng = np.random.default_rng(groups)
    sums, over, units = rng.random((groups, 1)) * 3, rng.integers(1, 5, groups), np.arange(groups) * 3
    low, high = bounds([sums], {"requests": over}, ["requests"], seed=0, publisher="A", units=units)
    assert (low[0, 0], high[0, 0]) == pytest.approx(naive_bounds(sums[:, 0], over, units), abs=1e-6)


def test_the_size_of_blocks_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sums, over, units = rng.random((300, 5)), rng.integers(1, 5, 300), np.arange(300)

    def compute() -> bytes:
        return np.array(bounds([sums], {"n": over}, ["n"] * 5, seed=0, publisher="A", units=units)).tobytes()

    once = compute()
    monkeypatch.setattr(intervals, "BLOCK", 17)
    assert compute() == once


def test_nothing_scored_gives_no_interval() -> None:
    low, high = bounds([np.zeros((2, 1))], {"n": np.zeros(2, int)}, ["n"], seed=0, publisher="A", units=np.arange(2))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_intervals_of_clustered_data_cover_the_truth() -> None:
    """300 logs of sessions whose requests agree with one another; the 95 % interval covers in 92 to 98 %."""
    rng = np.random.default_rng(11)
    covered = 0
    for log in range(300):
        requests = rng.integers(1, 8, 200)
        hits = requests * (rng.random(200) < 0.3)
        low, high = bounds(
            [hits[:, None].astype(float)], {"n": requests}, ["n"], seed=log, publisher="A", units=np.arange(200)
        )
        covered += low[0, 0] <= 0.3 <= high[0, 0]
    assert 0.92 <= covered / 300 <= 0.98
