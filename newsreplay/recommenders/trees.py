"""Gradient boosted trees over rows that kernels note (LightGBM: Ke et al. 2017), walked by a kernel.

LightGBM fits the trees between two stretches of a replay; flat arrays of them are all that a kernel needs to answer.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import Column

LEAVES = 31  #: of a tree
#: The same trees from the same rows, whatever the machine is busy with.
_FITTING = {
    "objective": "binary",
    "num_leaves": LEAVES,
    "learning_rate": 0.1,
    "min_data_in_leaf": 50,
    "use_missing": False,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbose": -1,
}


class Rows(NamedTuple):
    """The latest rows to fit to, of each model; a ring."""

    noted: Column  #: int64[models], how many there have been
    value: Column  #: float32[models, rows, features]
    hit: Column  #: bool[models, rows]


class Forest(NamedTuple):
    """The trees of each model. A split sends a row whose feature is at most the threshold to the left.

    Children are splits of the same tree, or leaf i as -1 - i. A tree begins at its split 0.
    """

    trees: Column  #: int64[models], 0 = not fitted yet
    feature: Column  #: int32[models, trees, splits]
    threshold: Column  #: float64[models, trees, splits]
    child: Column  #: int32[models, trees, splits, 2], left and right
    leaf: Column  #: float64[models, trees, leaves]


def rows(models: int, size: int, features: int) -> Rows:
    """No rows, and room for `size` of each model."""
    return Rows(
        np.zeros(models, np.int64), np.zeros((models, size, features), np.float32), np.zeros((models, size), np.bool_)
    )


def forest(models: int, trees: int) -> Forest:
    """No trees, and room for so many of each model."""
    splits = (models, trees, LEAVES - 1)
    return Forest(
        np.zeros(models, np.int64),
        np.zeros(splits, np.int32),
        np.zeros(splits),
        np.zeros((*splits, 2), np.int32),
        np.zeros((models, trees, LEAVES)),
    )


def check_installed() -> None:
    """Raise `SpecError` where LightGBM is not installed."""
    if find_spec("lightgbm") is None:
        raise SpecError('model=gbdt needs lightgbm, which is not installed: pip install "newsreplay[gbdt]"')


def fit(forest: Forest, rows: Rows) -> None:
    """Put trees fitted to the rows noted in the place of the ones before; a model without hits, or misses, keeps its."""
    for model, noted in enumerate(rows.noted.tolist()):
        size = min(noted, rows.hit.shape[1])
        hit = rows.hit[model, :size]
        if not hit.any() or hit.all():
            continue
        # In the order of time, so that where the ring begins makes no difference.
        order = np.arange(noted - size, noted) % rows.hit.shape[1]
        booster = boosted(rows.value[model][order], rows.hit[model][order], forest.leaf.shape[1])
        write(forest, model, booster)


def boosted(value: Column, hit: Column, trees: int) -> Any:
    """LightGBM's booster fitted to float32[rows, features] and whether each row was a hit."""
    import lightgbm

    return lightgbm.train(_FITTING, lightgbm.Dataset(value, hit), trees)


def write(forest: Forest, model: int, booster: Any) -> None:
    """Write a booster's trees into the arrays that `raw_score` walks."""
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    forest.trees[model] = len(trees)
    for number, root in enumerate(trees):
        _write(forest, model, number, root)


def _write(forest: Forest, model: int, tree: int, root: dict[str, Any]) -> None:
    if "leaf_value" in root:  # no split was worth it
        forest.child[model, tree, 0] = -1
        forest.leaf[model, tree, 0] = root["leaf_value"]
        return
    waiting = [root]
    while waiting:
        split = waiting.pop()
        at = (model, tree, split["split_index"])
        forest.feature[at], forest.threshold[at] = split["split_feature"], split["threshold"]
        for side, name in enumerate(("left_child", "right_child")):
            child = split[name]
            if "leaf_value" in child:
                leaf = child["leaf_index"]
                forest.child[at][side], forest.leaf[model, tree, leaf] = -1 - leaf, child["leaf_value"]
            else:
                forest.child[at][side] = child["split_index"]
                waiting.append(child)


@kernel
def next_row(rows: Any, model: int, hit: bool) -> int:
    """Where the values of the next row of a model go, the oldest one's place if there is no other; notes its label."""
    place = int64(rows.noted[model] % rows.hit.shape[1])
    rows.hit[model, place] = hit
    rows.noted[model] += 1
    return place


@routine
def raw_score(trees: int, feature: Any, threshold: Any, child: Any, leaf: Any, value: Any) -> float:
    """The sum of the leaves that a row falls into: log odds. The arrays are those of one model of a `Forest`."""
    total = 0.0
    for tree in range(trees):
        node = int64(0)
        while node >= 0:
            right = int64(value[feature[tree, node]] > threshold[tree, node])
            node = int64(child[tree, node, right])
        total += leaf[tree, -1 - node]
    return total
