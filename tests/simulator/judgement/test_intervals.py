"""Intervals: reproducible, paired, and as wide as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.intervals import (
    BLOCK,
    STRETCH,
    _poisson_steps,
    _weigh,
    percentiles,
    ratios,
    resample,
)
from tests.naive import judge as naive_judge


def weights(units: Column, replicates: int = 1000, seed: int = 0) -> Column:
    single, double = (np.empty((len(units), replicates), kind) for kind in (np.float32, np.float64))
    room = np.empty((2, replicates), np.int32)
    _weigh(key_of(seed, "A", "bootstrap"), units, 0, _poisson_steps(), room, single, double)
    assert (single == double).all()
    return double.T


def interval(sums: Column, over: Column, units: Column, seed: int = 0, block: int = BLOCK) -> tuple[Column, Column]:
    """Of each column of `sums` (float64[groups, columns]), divided by `over`."""
    above, below = resample([sums, over[:, None].astype(float)], units, seed=seed, publisher="A", block=block)
    return percentiles(ratios(above, below))


def test_weights_are_poisson_with_mean_one() -> None:
    drawn = weights(np.arange(400))
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    assert (drawn == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)


def test_weights_equal_the_slow_way() -> None:
    units = [0, 1, 17, 19_999, 10**12]
    drawn = weights(np.array(units), replicates=300, seed=3).T
    assert drawn.tolist() == [[naive_judge.weight(3, "A", unit, i) for i in range(300)] for unit in units]


def test_the_weight_of_a_session_depends_on_no_other_session() -> None:
    units = np.arange(50)
    assert (weights(units)[:, 7] == weights(units[7:8])[:, 0]).all()
    assert (weights(units, seed=1) != weights(units)).any()


def test_publishers_are_weighted_independently() -> None:
    table, units = np.arange(9.0)[:, None], np.arange(9)
    a, b = (resample([table], units, seed=0, publisher=name)[0] for name in "AB")
    assert abs(np.corrcoef(a[0], b[0])[0, 1]) < 0.1


@pytest.mark.parametrize("groups", [1, 3, 40])
def test_intervals_equal_the_slow_way(groups: int) -> None:
    rng = np.random.default_rng(groups)
    values = [rng.random(n) * 3 for n in rng.integers(1, 5, groups)]
    units = np.arange(groups) * 3
    low, high = interval(
        np.array([[each.sum()] for each in values]), np.array([len(each) for each in values]), units, seed=4, block=7
    )
    slow = naive_judge.interval(
        [float(value) for each in values for value in each],
        [int(unit) for unit, each in zip(units, values, strict=True) for _ in each],
        seed=4,
    )
    assert (low[0], high[0]) == pytest.approx(slow, rel=1e-12)


def test_the_size_of_blocks_and_stretches_changes_no_bit() -> None:
    rng = np.random.default_rng(0)
    tables, units = [rng.random((300, 5)), rng.integers(0, 9, (300, 2)).astype(float)], np.arange(300)

    def compute(block: int = BLOCK, stretch: int = STRETCH) -> list[bytes]:
        drawn = resample(tables, units, seed=0, publisher="A", block=block, stretch=stretch)
        return [sums.tobytes() for sums in drawn]

    assert compute(17) == compute(stretch=41) == compute()


@settings(max_examples=30, deadline=None)
@given(data=st.data(), largest=st.sampled_from([3, 10**5, 10**7]))
def test_sums_are_those_of_the_slow_way_to_the_bit(data: st.DataObject, largest: int) -> None:
    """Columns of whole numbers, of few and of large ones, and of others, stand beside each other."""
    numbers = st.one_of(st.just(0.0), st.integers(-largest, largest).map(float), st.floats(-3, 3).map(np.float32))
    shape = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    kinds = [data.draw(st.booleans()) for _ in range(shape[1])]
    rows = [[float(data.draw(numbers)) for _ in kinds] for _ in range(shape[0])]
    table = np.where(kinds, np.rint(rows), rows)
    (drawn,) = resample([table], np.arange(shape[0]), seed=0, publisher="A", replicates=5, stretch=4)
    for replicate in range(5):
        sums = [0.0] * shape[1]
        for unit, row in enumerate(table.tolist()):
            weight = naive_judge.weight(0, "A", unit, replicate)
            sums = [total + weight * value for total, value in zip(sums, row, strict=True)]
        assert drawn[:, replicate].tolist() == sums


def test_the_number_of_threads_changes_no_bit() -> None:
    rng = np.random.default_rng(1)
    tables, units = [rng.random((500, 4)), rng.random((500, 2))], np.arange(500)
    found = set()
    for threads in (1, 2, 7):
        resampled = resample(tables, units, seed=0, publisher="A", threads=threads)
        found.add(b"".join(sums.tobytes() for sums in resampled))
    assert len(found) == 1


def test_a_table_has_the_same_sums_beside_any_others() -> None:
    """So that whoever adds a recommender changes no other's interval, and differences are paired."""
    rng = np.random.default_rng(2)
    mine, units = rng.random((60, 3)), np.arange(60)
    (alone,) = resample([mine], units, seed=0, publisher="A")
    between = resample([rng.random((60, 1)), mine, rng.random((60, 9))], units, seed=0, publisher="A")[1]
    assert alone.tobytes() == between.tobytes()


def test_the_first_replicates_do_not_depend_on_how_many_there_are() -> None:
    table, units = np.random.default_rng(3).random((60, 3)), np.arange(60)
    some, all_of_them = (resample([table], units, seed=0, publisher="A", replicates=n)[0] for n in (130, 1000))
    assert (some == all_of_them[:, :130]).all()


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.integers(0, 9), min_size=1, max_size=12), seed=st.integers(0, 9), factor=st.sampled_from([2, 8])
)
def test_an_interval_scales_with_its_values_and_lies_between_them(values: list[int], seed: int, factor: int) -> None:
    column, ones, units = np.array(values, float)[:, None], np.ones(len(values)), np.arange(len(values))
    low, high = interval(column, ones, units, seed)
    assert min(values) - 1e-12 <= low[0] <= high[0] <= max(values) + 1e-12
    assert interval(column * factor, ones, units, seed) == ([low * factor], [high * factor])


def test_no_tables_have_no_sums() -> None:
    assert resample([], np.arange(3), seed=0, publisher="A") == []


def test_nothing_scored_gives_no_interval() -> None:
    for groups in (0, 2):
        low, high = interval(np.zeros((groups, 1)), np.zeros(groups), np.arange(groups))
        assert np.isnan(low).all()
        assert np.isnan(high).all()


def test_a_ratio_over_nothing_has_no_value() -> None:
    quotients = ratios(np.array([1.0, 0.0, -2.0, 6.0]), np.array([0.0, 0.0, 0.0, 4.0]))
    assert np.isnan(quotients).tolist() == [True, True, True, False]
    assert quotients[3] == 1.5


def test_replicates_without_a_value_are_left_out_of_the_percentiles() -> None:
    rng = np.random.default_rng(4)
    statistics = rng.random((3, 200))
    statistics[1, ::3] = np.nan
    statistics[2] = np.nan
    low, high = percentiles(statistics)
    assert (low[0], high[0]) == tuple(np.percentile(statistics[0], [2.5, 97.5]))
    there = statistics[1][~np.isnan(statistics[1])]
    assert (low[1], high[1]) == tuple(np.percentile(there, [2.5, 97.5]))
    assert np.isnan([low[2], high[2]]).all()


def test_intervals_of_clustered_data_cover_the_truth() -> None:
    """300 logs of sessions whose requests agree with one another; the 95 % interval covers in 92 to 98 %."""
    rng = np.random.default_rng(11)
    covered = 0
    for log in range(300):
        requests = rng.integers(1, 8, 200)
        hits = requests * (rng.random(200) < 0.3)
        low, high = interval(hits[:, None].astype(float), requests, np.arange(200), seed=log)
        covered += low[0] <= 0.3 <= high[0]
    assert 0.92 <= covered / 300 <= 0.98
