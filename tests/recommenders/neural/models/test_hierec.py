"""HieRec by its equations, and what is its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from newsreplay.recommenders.neural.models.hierec import HieRec
from newsreplay.recommenders.neural.models.model import TINY
from tests.naive import neural_hierec as naive
from tests.naive.neural_aware import weights
from tests.recommenders.neural.models.batches import ARTICLES, Batch, build, same, some_batch

FEW = 4  #: names, so that reads and candidates share some


def batch_of_few_names(seed: int) -> Batch:
    torch.manual_seed(seed)
    batch = some_batch(HieRec, candidates=ARTICLES - 1)
    return batch.each(("history_context", "context"), lambda names: 1 + names % FEW)


@pytest.mark.parametrize("seed", [2, 3])
def test_scores_are_those_of_the_equations(seed: int) -> None:
    model = build("hierec", {}).double()
    batch = batch_of_few_names(seed)
    scores = model(*batch).detach().numpy()
    expected = naive.scores(weights(model), TINY, {k: v.numpy() for k, v in batch.contents.columns.items()}, batch[1])
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores - expected).max() < 1e-7  # shares of reads are float32


def test_only_the_branches_that_a_candidate_has_reach_it() -> None:
    """The root reaches all; a category those of it, whatever their subcategory; a subcategory its own."""
    model = build("hierec", {})
    batch = batch_of_few_names(5)

    def told(category: int, subcategory: int) -> torch.Tensor:
        scores: torch.Tensor = model(*batch.told("context", category=category, subcategory=subcategory))[1:]
        return scores

    batch = batch.told("history_context", category=3, subcategory=2)
    neither, topic, both = told(2, 2), told(3, 4), told(3, 2)
    assert same(neither, told(5, 1))
    assert same(topic, told(3, 7))
    read = batch.requests.history.any(-1)[1:]
    for one, other in ((neither, topic), (topic, both), (neither, both)):
        assert ((one - other).abs().amax(-1) > 1e-4).tolist() == read.tolist()


def test_of_one_kind_of_reads_all_levels_are_the_mean_of_the_reads() -> None:
    """Where attention is as it starts, and there is one subcategory, HieRec is the mean of what was read."""
    model = build("hierec", {}, stirred=False)
    batch = batch_of_few_names(7).told("history_context", category=3, subcategory=2)
    batch = batch.told("context", category=3, subcategory=2)
    vectors = model.encode(batch.contents)
    history = batch.requests.history
    mean = (vectors[history] * (history > 0).unsqueeze(-1)).sum(1) / (history > 0).sum(1, keepdim=True).clamp(min=1)
    expected = (vectors[batch.requests.pool] @ mean.unsqueeze(-1)).squeeze(-1)
    assert same(model(*batch), expected)


def test_it_is_fitted_by_amsgrad() -> None:
    (group,) = build("hierec", {}).groups(0.1)
    assert group["amsgrad"] is True
