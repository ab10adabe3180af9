"""Boosted trees that rank the rows of a group (LambdaMART: Burges 2010; LightGBM: Ke et al. 2017), walked by a kernel.

Kernels note rows; LightGBM fits trees to them between two stretches of a replay; flat arrays of these are all that a
kernel needs to answer.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import SpecError
from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.rows import Column

TREES = 50
LEAVES = 15  #: of a tree
LARGEST_GROUP = 10_000  #: that LightGBM takes
#: The same trees from the same rows, on every machine, whatever it is busy with.
_FITTING = {
    "objective": "lambdarank",
    "num_leaves": LEAVES,
    "learning_rate": 0.1,
    "min_data_in_leaf": 50,
    "max_bin": 63,
    "use_missing": False,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbose": -1,
}


class Examples(NamedTuple):
    """The latest rows of each model to learn from; a ring."""

    noted: Column  #: int64[models], how many there have been
    value: Column  #: float32[models, rows, features]
    hit: Column  #: bool[models, rows], the label
    group: Column  #: int64[models, rows], rows of equal number were one choice


class Forest(NamedTuple):
    """The trees of each model. A split sends a row whose feature is at most the threshold to the left.

    Children are splits of the same tree, or leaf i as -1 - i. A tree begins at its split 0.
    """

    trees: Column  #: int64[models], 0 = not fitted yet
    asked: Column  #: int64[models], how many answers were asked for since trees were last due
    feature: Column  #: int32[models, trees, splits]
    threshold: Column  #: float64[models, trees, splits]
    child: Column  #: int32[models, trees, splits, 2], left and right
    leaf: Column  #: float64[models, trees, leaves]


def rows(models: int, size: int, features: int) -> Examples:
    """No rows, and room for `size` of each model."""
    return Examples(
        np.zeros(models, np.int64),
        np.zeros((models, size, features), np.float32),
        np.zeros((models, size), np.bool_),
        np.zeros((models, size), np.int64),
    )


def forest(models: int) -> Forest:
    """No trees."""
    splits = (models, TREES, LEAVES - 1)
    return Forest(
        np.zeros(models, np.int64),
        np.zeros(models, np.int64),
        np.zeros(splits, np.int32),
        np.zeros(splits),
        np.zeros((*splits, 2), np.int32),
        np.zeros((models, TREES, LEAVES)),
    )


def check_installed() -> None:
    """Raise `SpecError` where LightGBM is not installed."""
    if find_spec("lightgbm") is None:
        raise SpecError('model=gbdt needs lightgbm, which is not installed: pip install "newsreplay[gbdt]"')


def refit(forest: Forest, rows: Examples) -> None:
    """Fit each model that was asked anything since the last time to its rows; where no split is worth it, it stays."""
    for model, noted in enumerate(rows.noted.tolist()):
        size = min(noted, rows.hit.shape[1])
        if size and forest.asked[model]:
            # In the order of time, so that where the ring begins makes no difference.
            order = np.arange(noted - size, noted) % rows.hit.shape[1]
            write(forest, model, boosted(*(column[model][order] for column in rows[1:])))
    forest.asked[:] = 0


def boosted(value: Column, hit: Column, group: Column) -> Any:
    """LightGBM's booster for rows: float32[rows, features], bool[rows], and int64[rows], equal within a group."""
    import lightgbm

    begins = np.flatnonzero(np.diff(group, prepend=group[0] - 1, append=group[-1] + 1))
    sizes = [
        min(LARGEST_GROUP, size - first) for size in np.diff(begins).tolist() for first in range(0, size, LARGEST_GROUP)
    ]
    return lightgbm.train(_FITTING, lightgbm.Dataset(value, hit.astype(np.int32), group=sizes), TREES)


def write(forest: Forest, model: int, booster: Any) -> None:
    """Write a booster's trees, if there are any with a split, into the arrays that `raw_score` walks."""
    roots = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    grown = [root for root in roots if "split_index" in root]  # the others' only leaf is 0
    for tree, root in enumerate(grown):
        _write(forest, model, tree, root)
    forest.trees[model] = len(grown) or forest.trees[model]


def _write(forest: Forest, model: int, tree: int, root: dict[str, Any]) -> None:
    waiting = [root]
    while waiting:
        split = waiting.pop()
        at = (model, tree, split["split_index"])
        forest.feature[at], forest.threshold[at] = split["split_feature"], split["threshold"]
        for side, child in enumerate((split["left_child"], split["right_child"])):
            if "split_index" in child:
                forest.child[at][side] = child["split_index"]
                waiting.append(child)
            else:
                forest.child[at][side] = -1 - child["leaf_index"]
                forest.leaf[model, tree, child["leaf_index"]] = child["leaf_value"]


@kernel
def note(rows: Any, model: int, value: Any, hit: bool, group: int) -> None:
    """Keep a row in place of the oldest one, if there is room for any."""
    if rows.hit.shape[1] > 0:
        place = int64(rows.noted[model] % rows.hit.shape[1])
        for i in range(value.size):
            rows.value[model, place, i] = value[i]
        rows.hit[model, place] = hit
        rows.group[model, place] = group
        rows.noted[model] += 1


@kernel
def score(forest: Any, model: int, value: Any) -> float:
    """The sum of the leaves that a row falls into."""
    return raw_score(
        int64(forest.trees[model]),
        forest.feature[model],
        forest.threshold[model],
        forest.child[model],
        forest.leaf[model],
        value,
    )


@routine
def raw_score(trees: int, feature: Any, threshold: Any, child: Any, leaf: Any, value: Any) -> float:
    """The same by the arrays of one model."""
    total = 0.0
    for tree in range(trees):
        node = int64(0)
        while node >= 0:
            right = int64(value[feature[tree, node]] > threshold[tree, node])
            node = int64(child[tree, node, right])
        total += leaf[tree, -1 - node]
    return total
