"""Comparisons against their oracle, against values worked by hand, and under changes that must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.simulator.judgement.comparisons import RESOLVABLE, against_best, compare, holm, mean_ranks, ranks
from tests.naive import comparisons as naive

NAN = math.nan

# Eighths, so that sums and differences are exact and ties are frequent.
NUMBERS = st.one_of(st.integers(-16, 16).map(lambda n: n / 8), st.just(NAN))
SIZES = st.sampled_from([1, 2, 3, 19, 20, 21, 40, 200])
Metric = tuple[np.ndarray, np.ndarray]


@st.composite
def metrics(draw: st.DrawFn, rows: int | None = None, size: int | None = None) -> Metric:
    """Values and replicates of up to five rows; some rows are copies, some replicates have no value at all."""
    rows = draw(st.integers(1, 5)) if rows is None else rows
    size = draw(SIZES) if size is None else size
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([1, 3, 16]))
    replicates = rng.integers(0, spread, (rows, size)) / 8 + draw(st.sampled_from([0, 1])) * np.arange(rows)[:, None]
    replicates[rng.random((rows, size)) < draw(st.sampled_from([0, 0, 0.2]))] = NAN
    replicates[:, rng.random(size) < draw(st.sampled_from([0, 0, 0.2, 1]))] = NAN
    for row in range(1, rows):
        if draw(st.integers(0, 3)) == 0:
            replicates[row] = replicates[row - 1]
    values = np.array(draw(st.lists(NUMBERS, min_size=rows, max_size=rows)))
    return values, replicates


@settings(max_examples=120, deadline=None)
@given(metrics())
def test_differences_equal_the_oracle(metric: Metric) -> None:
    values, replicates = metric
    found = compare(values, replicates)
    pairs = [(a, b) for a in range(len(values)) for b in range(a + 1, len(values))]
    assert list(zip(found.a, found.b, strict=True)) == pairs
    expected = [naive.compare(values[a], values[b], replicates[a].tolist(), replicates[b].tolist()) for a, b in pairs]
    for name in naive.Difference._fields:
        oracle = np.array([getattr(each, name) for each in expected])
        np.testing.assert_allclose(getattr(found, name), oracle, rtol=1e-12, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(found.p_holm, naive.holm([each.p for each in expected]), rtol=1e-12, atol=1e-10)


@settings(max_examples=120, deadline=None)
@given(metrics())
def test_ranks_equal_the_oracle(metric: Metric) -> None:
    values, replicates = metric
    found = ranks(values, replicates)
    expected = naive.mean_ranks([values.tolist()], [replicates.tolist()])
    assert found.rank.tolist() == naive.rank(values.tolist()) == [each.rank for each in expected]
    np.testing.assert_array_equal(found.low, [each.low for each in expected])
    np.testing.assert_array_equal(found.high, [each.high for each in expected])
    assert found.stable.tolist() == [each.stable for each in expected]


@settings(max_examples=120, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 4), SIZES)
def test_mean_ranks_equal_the_oracle(data: st.DataObject, publishers: int, rows: int, size: int) -> None:
    drawn = [data.draw(metrics(rows, size)) for _ in range(publishers)]
    found = mean_ranks([values for values, _ in drawn], [replicates for _, replicates in drawn])
    expected = naive.mean_ranks([v.tolist() for v, _ in drawn], [r.tolist() for _, r in drawn])
    for name in naive.Ranked._fields:
        oracle = [getattr(each, name) for each in expected]
        np.testing.assert_allclose(getattr(found, name), oracle, rtol=1e-14, err_msg=name)


@settings(max_examples=100, deadline=None)
@given(metrics(), st.randoms(use_true_random=False), st.integers(-8, 8))
def test_a_constant_added_to_all_rows_and_their_order_change_nothing(
    metric: Metric, random: object, shift: int
) -> None:
    values, replicates = metric
    order = np.array(random.sample(range(len(values)), len(values)))  # type: ignore[attr-defined]
    back = np.argsort(order)
    pairs = compare(values, replicates)
    moved_pairs = np.column_stack([back[pairs.a], back[pairs.b]])
    moved = compare(values[order] + shift, replicates[order] + shift, moved_pairs)
    for name in ("difference", "low", "high", "p", "p_holm", "resolvable"):
        np.testing.assert_allclose(getattr(moved, name), getattr(pairs, name), rtol=1e-12, err_msg=name)
    stay, go = ranks(values, replicates), ranks(values[order] + shift, replicates[order] + shift)
    for before, after in zip(stay, go, strict=True):
        np.testing.assert_array_equal(before[order], after)


@given(metrics())
def test_the_other_way_round_is_the_same_with_the_other_sign(metric: Metric) -> None:
    values, replicates = metric
    there = compare(values, replicates)
    back = compare(values, replicates, np.column_stack([there.b, there.a]))
    np.testing.assert_array_equal(back.difference, -there.difference)
    np.testing.assert_allclose(back.low, -there.high, rtol=1e-12, atol=1e-12)
    for name in ("p", "p_holm", "resolvable"):
        np.testing.assert_allclose(getattr(back, name), getattr(there, name), rtol=1e-12)


def test_pairs_in_blocks_are_the_pairs_at_once() -> None:
    rng = np.random.default_rng(3)
    values, replicates = rng.random(9), rng.random((9, 50))
    once = compare(values, replicates)
    for whole, blocks in zip(once, compare(values, replicates, block=7), strict=True):
        np.testing.assert_array_equal(whole, blocks)


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # sorted 4, 3, 2, 1 times p: 0.02, 0.03, 0.06, 0.04
        ([0.04, 0.03, 0.02, 0.01], [0.06, 0.06, 0.06, 0.04]),  # 0.04, 0.06, 0.06, 0.04: none falls below the one before
        ([0.5, 0.6, 0.001], [1, 1, 0.003]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([NAN, 0.02, NAN, 0.03], [NAN, 0.04, NAN, 0.04]),  # what was not tested costs nothing
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holms_correction_worked_by_hand(p: list[float], corrected: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p)), corrected)


def test_p_counts_the_replicates_on_the_other_side() -> None:
    replicates = np.array([np.repeat([1.0, -1.0], [195, 4]), np.zeros(199)])
    found = compare(np.array([0.9, 0]), replicates)
    assert found.p.tolist() == [2 * 5 / 200]
    assert found.p_holm.tolist() == found.p.tolist()


def test_equal_recommenders_do_not_differ() -> None:
    row = np.random.default_rng(0).random(100)
    found = compare(np.array([0.3, 0.3]), np.array([row, row]))
    assert [found.difference[0], found.low[0], found.high[0], found.p[0], found.resolvable[0]] == [0, 0, 0, 1, 0]


def test_a_difference_that_no_replicate_contradicts_can_survive_a_correction_for_all_pairs_of_22_rows() -> None:
    rng = np.random.default_rng(1)
    values = np.arange(22) / 10
    found = compare(values, values[:, None] + rng.normal(0, 0.01, (22, 1000)))
    assert (found.p_holm < 0.05).all()
    assert 2 / 1001 * 231 > 0.05  # which counting alone could not have told


def test_replicates_that_never_vary_prove_nothing() -> None:
    """One session, or sessions that all agree: the difference is the same in every replicate, and chance unknown."""
    found = compare(np.array([0.7, 0.1]), np.array([np.full(99, 0.7), np.full(99, 0.1)]))
    assert found.p.tolist() == [2 / 100]
    assert found.resolvable.tolist() == [0]


def test_the_resolvable_difference_is_found_four_times_in_five() -> None:
    """Normal differences of mean `RESOLVABLE` standard errors: the share with p <= 0.05 is the power."""
    rng = np.random.default_rng(7)
    logs = 400
    differences = rng.normal(RESOLVABLE, 1, logs)
    replicates = differences[:, None] + rng.normal(0, 1, (logs, 1000))
    values = np.append(differences, 0)
    found = compare(values, np.vstack([replicates, np.zeros(1000)]), [(row, logs) for row in range(logs)])
    assert pytest.approx(2.8016, abs=1e-4) == RESOLVABLE  # 1.9600 + 0.8416
    assert found.resolvable.mean() == pytest.approx(RESOLVABLE, rel=0.01)
    assert (found.p <= 0.05).mean() == pytest.approx(0.8, abs=0.05)


def test_the_best_is_compared_with_every_other_row() -> None:
    rng = np.random.default_rng(2)
    values = np.array([0.2, NAN, 0.5, 0.5, 0.1])
    replicates = values[:, None] + rng.normal(0, 0.1, (5, 200))
    found = against_best(values, replicates)
    assert found.a.tolist() == [0, 1, 3, 4]
    assert found.b.tolist() == [2] * 4
    np.testing.assert_allclose(found.difference, [-0.3, NAN, 0, -0.4])
    assert found.p[2] > 0.05 > found.p_holm[3]
    np.testing.assert_array_equal(found.p_holm, holm(found.p))
    assert against_best(np.full(2, NAN), np.full((2, 9), NAN)).a.size == 0


def test_equal_values_share_their_mean_rank_and_missing_ones_come_last() -> None:
    values = np.array([0.5, NAN, 0.7, 0.5, 0.1])
    found = ranks(values, np.repeat(values[:, None], 3, axis=1))
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [2.5, 5, 1, 2.5, 4]
    assert found.stable.all()


@pytest.mark.parametrize(("swapped", "stable"), [(5, True), (6, False)])
def test_a_rank_is_stable_if_it_is_the_same_in_95_of_100_replicates(swapped: int, stable: bool) -> None:
    replicates = np.array([np.full(100, 0.2), np.repeat([0.3, 0.1], [swapped, 100 - swapped]), np.zeros(100)])
    found = ranks(np.array([0.2, 0.1, 0]), replicates)
    assert found.stable.tolist() == [stable, stable, True]
    assert found.rank.tolist() == [1, 2, 3]
    assert found.low.tolist() == [1, 1, 3]  # the second is first in more than 2.5 %


def test_a_row_that_a_publisher_lacks_ranks_last_there() -> None:
    one = np.array([0.3, 0.2, 0.1])
    other = np.array([NAN, 0.2, 0.1])
    repeated = [np.repeat(values[:, None], 10, axis=1) for values in (one, other)]
    found = mean_ranks([one, other], repeated)
    assert found.rank.tolist() == [2, 1.5, 2.5]
    assert found.stable.all()


def test_publishers_of_different_shapes_have_no_mean_rank() -> None:
    with pytest.raises(ValueError, match="differ in rows or replicates"):
        mean_ranks([np.zeros(2), np.zeros(3)], [np.zeros((2, 5)), np.zeros((3, 5))])
