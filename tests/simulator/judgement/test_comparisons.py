"""Comparisons against their oracle, against values worked by hand, and under changes that must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.simulator.judgement.comparisons import (
    RESOLVABLE,
    Ranks,
    compare,
    count_wins,
    holm,
    mean_ranks,
    ranks,
)
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


def sums_of(metric: Metric, clusters: int, spread: int, seed: int) -> list[list[float]]:
    """What rows add up to in clusters; rows with the same replicates have the same."""
    values, replicates = metric
    rng = np.random.default_rng(seed)
    sums = rng.integers(0, spread, (len(values), clusters)) / 4
    for row in range(1, len(values)):
        if np.array_equal(replicates[row], replicates[row - 1], equal_nan=True):
            sums[row] = sums[row - 1]
    return sums.tolist()


@settings(max_examples=120, deadline=None)
@given(metrics(), st.integers(0, 14), st.integers(1, 3), st.integers(0, 99))
def test_differences_equal_the_oracle(metric: Metric, clusters: int, spread: int, seed: int) -> None:
    values, replicates = metric
    pairs = [(a, b) for a in range(len(values)) for b in range(a + 1, len(values))]
    sums = sums_of(metric, clusters, spread, seed)
    for known in (None, sums):
        wins = None if known is None else count_wins([np.array(row) for row in known])
        found = compare(values, replicates, wins=wins)
        assert list(zip(found.a, found.b, strict=True)) == pairs
        rows = known or [None] * len(values)
        expected = [
            naive.compare(values[a], values[b], replicates[a].tolist(), replicates[b].tolist(), rows[a], rows[b])
            for a, b in pairs
        ]
        for name in naive.Difference._fields:
            oracle = np.array([getattr(each, name) for each in expected])
            np.testing.assert_allclose(getattr(found, name), oracle, rtol=1e-12, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(found.p_holm, naive.holm([each.p for each in expected]), rtol=1e-12, atol=1e-10)


@settings(max_examples=120, deadline=None)
@given(metrics(), st.integers(0, 14), st.integers(1, 3), st.integers(0, 99))
def test_ranks_and_their_ranges_equal_the_oracle(metric: Metric, clusters: int, spread: int, seed: int) -> None:
    values, replicates = metric
    sums = sums_of(metric, clusters, spread, seed)
    found = ranks(values, compare(values, replicates, wins=count_wins([np.array(row) for row in sums])))
    expected = naive.ranks(values.tolist(), replicates.tolist(), sums)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


def test_a_mean_rank_has_the_mean_of_the_ends_of_its_ranges() -> None:
    one, other = (Ranks(*np.array(columns, float)) for columns in (([1, 2], [1, 1], [2, 2]), ([1, 2], [1, 2], [1, 2])))
    found = mean_ranks([one, other])
    assert [column.tolist() for column in found] == [[1, 2], [1, 1.5], [1.5, 2]]


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
    stay, go = (
        ranks(values, pairs),
        ranks(values[order] + shift, compare(values[order] + shift, replicates[order] + shift)),
    )
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


def test_equal_values_share_their_mean_rank_and_missing_ones_come_last() -> None:
    values = np.array([0.5, NAN, 0.7, 0.5, 0.1])
    replicates = values[:, None] + np.random.default_rng(3).normal(0, 1e-3, (5, 400))
    replicates[3] = replicates[0]
    found = ranks(values, compare(values, replicates))
    assert found.rank.tolist() == [2.5, 5, 1, 2.5, 4]
    assert found.low.tolist() == [2, 5, 1, 2, 4]
    assert found.high.tolist() == [3, 5, 1, 3, 4]


def test_a_row_without_a_value_is_beaten_untested_by_every_row_with_one() -> None:
    """The only one with a value has not varied, so no test could tell; and those without tell nothing of each other."""
    values = np.array([NAN, 0.5, NAN])
    found = ranks(values, compare(values, np.repeat(values[:, None], 9, axis=1)))
    assert found.low.tolist() == [2, 1, 2]
    assert found.high.tolist() == [3, 1, 3]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_identical_answers_share_their_range(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = rng.poisson(rng.random((rows, 1)), (rows, 40))
    sums[rows - 1] = sums[0]
    weights = rng.poisson(1, (40, 300))
    values, replicates = sums.mean(axis=1), sums @ weights / 40
    found = ranks(values, compare(values, replicates, wins=count_wins([*sums])))
    assert [column[0] for column in found] == [column[rows - 1] for column in found]


def clusters_that_differ(more: int, fewer: int) -> tuple[np.ndarray, np.ndarray]:
    """Two rows over 1,000 clusters, the first above in some and below in others."""
    sums = np.zeros((2, 1000))
    sums[0, :more] = 1
    sums[1, more : more + fewer] = 1
    weights = np.random.default_rng(4).poisson(1, (1000, 1000))
    return sums, sums @ weights / 1000


@pytest.mark.parametrize(
    ("more", "fewer", "p"),
    [(9, 0, 2 / 512), (5, 0, 2 / 32), (6, 0, 2 / 64), (8, 1, 20 / 512), (7, 2, 92 / 512), (0, 9, 2 / 512), (3, 3, 1)],
)
def test_where_fewer_than_ten_clusters_differ_p_is_that_of_an_exact_sign_test(more: int, fewer: int, p: float) -> None:
    sums, replicates = clusters_that_differ(more, fewer)
    assert compare(sums.mean(axis=1), replicates, wins=count_wins([*sums])).p.tolist() == [p]


def test_five_clusters_that_all_agree_are_no_finding_though_no_replicate_contradicts() -> None:
    """The fault of a bootstrap of few: its standard deviation is right, and its tails are not."""
    sums, replicates = clusters_that_differ(5, 0)
    assert compare(sums.mean(axis=1), replicates).p[0] < 0.05
    assert compare(sums.mean(axis=1), replicates, wins=count_wins([*sums])).p[0] > 0.05


def test_where_ten_clusters_differ_the_bootstrap_tests() -> None:
    sums, replicates = clusters_that_differ(10, 0)
    with_clusters = compare(sums.mean(axis=1), replicates, wins=count_wins([*sums]))
    assert with_clusters.p.tolist() == compare(sums.mean(axis=1), replicates).p.tolist()


def test_a_sign_test_that_speaks_against_the_difference_finds_nothing() -> None:
    """Eight clusters have one hit more, and one has twenty fewer."""
    sums = np.zeros((2, 9))
    sums[0, :8], sums[1, 8] = 1, 20
    found = compare(sums.mean(axis=1), np.zeros((2, 9)), wins=count_wins([*sums]))
    assert found.difference[0] < 0
    assert found.p.tolist() == [1]


@given(st.integers(1, 4), st.integers(0, 3000), st.integers(0, 20), st.integers(0, 999))
def test_wins_are_counted_up_to_the_tenth_cluster_that_differs(rows: int, size: int, some: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = np.zeros((rows, size), np.int64)
    if size:
        sums[rng.integers(0, rows, some), rng.integers(0, size, some)] = rng.integers(0, 3, some)
    found = count_wins([*sums])
    for a in range(rows):
        for b in range(rows):
            differ = [(x > y) for x, y in zip(sums[a].tolist(), sums[b].tolist(), strict=True) if x != y][:10]
            assert found[a, b] == sum(differ)
