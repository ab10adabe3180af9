"""Samples: ragged columns that stay together, a reservoir that is fair, negatives that are negatives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.recommenders.neural.learning.samples import Reservoir, Samples, choose, clicks, joined, negatives

POOLS = st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=12)


def made(pools: list[list[bool]], first: int = 0, shown: int = 100) -> Samples:
    """Impressions whose candidates are numbered through from 100 x their number; those from `shown` on were drawn."""
    n = len(pools)
    number = np.arange(first, first + n)
    item = np.concatenate([100 * i + np.arange(len(pool)) for i, pool in zip(number, pools, strict=True)])
    return Samples(
        row=number.astype(np.int64),
        time=number.astype(np.int64),
        user=number.astype(np.int32),
        history=number[:, None].astype(np.int32),
        length=np.ones(n, np.int32),
        history_signals=np.zeros((n, 1, 0), np.float32),
        history_age=number[:, None].astype(np.float32),
        history_session=np.ones((n, 1), bool),
        alive=number.astype(np.int32),
        at=np.concatenate([[0], np.cumsum([len(pool) for pool in pools])]),
        item=item.astype(np.int32),
        clicked=np.concatenate([np.array(pool, bool) for pool in pools]),
        drawn=item % 100 >= shown,
        chance=(item / 1_000).astype(np.float32),
        signals=item[:, None].astype(np.float32),
    )


def unpacked(samples: Samples) -> list[tuple[int, list[int], list[bool], list[float], list[float]]]:
    return [
        (
            int(samples.time[i]),
            *(column[samples.at[i] : samples.at[i + 1]].tolist() for column in (samples.item, samples.clicked)),
            samples.signals[samples.at[i] : samples.at[i + 1], 0].tolist(),
            samples.chance[samples.at[i] : samples.at[i + 1]].tolist(),
        )
        for i in range(len(samples.time))
    ]


@given(POOLS, POOLS, st.data())
def test_choosing_and_joining_keep_each_impression_whole(
    pools: list[list[bool]], others: list[list[bool]], data: st.DataObject
) -> None:
    together = joined([made(pools), made(others, first=len(pools))])
    rows = unpacked(made(pools)) + unpacked(made(others, first=len(pools)))
    assert unpacked(together) == rows
    which = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9))
    assert unpacked(choose(together, np.array(which, np.int64))) == [rows[i] for i in which]


@given(POOLS, st.integers(1, 5), st.integers(0, 9))
def test_negatives_are_distinct_passed_over_candidates_of_the_same_impression(
    pools: list[list[bool]], count: int, seed: int
) -> None:
    samples = made(pools)
    impression, place = clicks(samples)
    assert [(int(i), int(p - samples.at[i])) for i, p in zip(impression, place, strict=True)] == [
        (i, p) for i, pool in enumerate(pools) for p, clicked in enumerate(pool) if clicked and not all(pool)
    ]
    drawn, real = negatives(samples, impression, count, np.random.default_rng(seed))
    for i, places, there in zip(impression, drawn, real, strict=True):
        passed = {int(samples.at[i]) + p for p, clicked in enumerate(pools[i]) if not clicked}
        mine = places[there].tolist()
        assert len(mine) == min(count, len(passed))
        assert len(set(mine)) == len(mine)
        assert set(mine) <= passed


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=3), min_size=1, max_size=8), st.integers(1, 4))
def test_drawn_candidates_stand_behind_those_passed_over_or_in_their_place(shown: list[list[bool]], count: int) -> None:
    samples = made([pool + [False] * 3 if len(pool) == 3 else pool for pool in shown], shown=3)
    impression, _ = clicks(samples)
    if not len(impression):
        return
    places, real = negatives(samples, impression, count, np.random.default_rng(0))
    for i, mine, there in zip(impression, places, real, strict=True):
        passed = [int(samples.at[i]) + p for p, clicked in enumerate(shown[i]) if not clicked]
        drawn = [int(samples.at[i]) + p for p in range(3, 6)] if len(shown[i]) == 3 else []
        first, second = mine[:count][there[:count]].tolist(), mine[count:][there[count:]].tolist()
        assert set(first) <= set(passed or drawn)
        assert len(set(first)) == len(first) == min(count, len(passed or drawn))
        assert set(second) <= set(drawn)
        assert len(set(second)) == len(second) == (min(count, len(drawn)) if passed else 0)


def test_every_passed_over_candidate_is_drawn_as_often() -> None:
    samples = made([[True, False, False, False, False]])
    rng = np.random.default_rng(0)
    counts = np.zeros(5)
    for _ in range(4_000):
        drawn, _ = negatives(samples, np.array([0]), 2, rng)
        counts[drawn[0]] += 1
    assert counts[0] == 0
    assert np.abs(counts[1:] - 2_000).max() < 150  # five standard deviations


def test_a_reservoir_holds_every_impression_with_the_same_probability() -> None:
    counts = np.zeros(30)
    for seed in range(3_000):
        reservoir, rng = Reservoir(6), np.random.default_rng(seed)
        for first, size in ((0, 4), (4, 11), (15, 15)):
            reservoir.put(made([[True, False]] * size, first), rng)
        assert reservoir.kept is not None
        kept = reservoir.kept.time
        assert len(set(kept.tolist())) == 6
        counts[kept] += 1
    assert np.abs(counts - 600).max() < 5 * np.sqrt(600)
