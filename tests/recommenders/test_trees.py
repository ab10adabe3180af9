"""Trees as a kernel walks them, against LightGBM's own predictions."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.kernels.compiling import interpreted
from newsreplay.recommenders import trees


def choices(seed: int, queries: int, features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries of some candidates each; the higher the first feature, and the lower the last, the likelier a hit."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(queries), rng.integers(1, 12, queries))
    value = rng.normal(size=(group.size, features)).round(int(rng.integers(0, 4))).astype(np.float32)
    return value, rng.random(group.size) < 1 / (1 + np.exp(value[:, -1] - value[:, 0])), group


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), queries=st.integers(1, 150), features=st.integers(1, 5))
def test_a_kernel_walks_trees_as_lightgbm_does(seed: int, queries: int, features: int) -> None:
    booster = trees.boosted(*choices(seed, queries, features))
    forest = trees.forest(2)
    trees.write(forest, 1, booster)
    asked = choices(seed + 1, 10, features)[0]
    arrays = forest.feature[1], forest.threshold[1], forest.child[1], forest.leaf[1]
    walked = [interpreted(trees.raw_score)(int(forest.trees[1]), *arrays, row) for row in asked]
    assert walked == booster.predict(asked, raw_score=True).tolist()
    assert forest.trees[0] == 0


def test_the_same_rows_make_the_same_trees_wherever_the_ring_begins() -> None:
    value, hit, group = choices(1, 60, 3)
    forests = []
    for shift in (0, 100):
        rows = trees.rows(1, hit.size, 3)
        order = np.roll(np.arange(hit.size), shift)
        rows.value[0], rows.hit[0], rows.group[0] = value[order], hit[order], group[order]
        rows.noted[0] = hit.size + shift
        forests.append(trees.forest(1))
        forests[-1].asked[0] = 1
        trees.refit(forests[-1], rows)
    assert forests[0].trees[0] > 0
    for one, other in zip(*forests, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_model_that_nobody_asked_or_that_finds_no_split_is_left_as_it_is() -> None:
    value, hit, group = choices(2, 60, 3)
    rows, forest = trees.rows(1, hit.size, 3), trees.forest(1)
    rows.value[0], rows.hit[0], rows.group[0], rows.noted[0] = value, hit, group, hit.size
    trees.refit(forest, rows)
    assert forest.trees[0] == 0
    forest.asked[0] = 1
    trees.refit(forest, rows)
    fitted = forest.leaf.tobytes()
    assert forest.trees[0] > 0
    assert forest.asked[0] == 0
    rows.hit[0], forest.asked[0] = False, 1
    trees.refit(forest, rows)
    assert forest.trees[0] > 0
    assert forest.leaf.tobytes() == fitted


def test_the_ring_keeps_the_latest_rows() -> None:
    rows = trees.rows(2, 3, 1)
    for number in range(5):
        interpreted(trees.note)(rows, 1, np.array([number], np.float32), number % 2 == 0, number)
    assert sorted(zip(rows.value[1, :, 0].tolist(), rows.hit[1].tolist(), rows.group[1].tolist(), strict=True)) == [
        (2.0, True, 2),
        (3.0, False, 3),
        (4.0, True, 4),
    ]
    assert rows.noted.tolist() == [0, 5]


def test_queries_larger_than_lightgbm_takes_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(lightgbm, "train", lambda _, data, __: sizes.extend(data.get_group()))
    rows = 12_000
    trees.boosted(np.zeros((rows, 1), np.float32), np.zeros(rows, np.bool_), np.repeat([7, 9], [10_500, 1_500]))
    assert sizes == [10_000, 500, 1_500]
