"""CNE-SUE by its equations, and what is its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from newsreplay.recommenders.neural.models.cne_sue import CNESUE, BothWays
from tests.naive import neural_cne_sue as naive
from tests.naive.neural_aware import weights
from tests.recommenders.neural.models.batches import ARTICLES, build, same, some_batch


@pytest.mark.parametrize("seed", [2, 3])
def test_scores_are_those_of_the_equations(seed: int) -> None:
    model = build("cne_sue", {}).double()
    torch.manual_seed(seed)
    batch = some_batch(CNESUE, candidates=ARTICLES - 1)
    batch = batch.each(("history_context",), lambda names: 1 + names % 3)
    scores = model(*batch).detach().numpy()
    expected = naive.scores(weights(model), {k: v.numpy() for k, v in batch.contents.columns.items()}, batch[1])
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores - expected).max() < 1e-6  # links are float32


def test_the_states_of_both_directions_are_those_of_torchs_lstm() -> None:
    torch.manual_seed(1)
    ours, theirs = BothWays(5, 3), torch.nn.LSTM(5, 3, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for way, end in enumerate(("", "_reverse")):
            getattr(theirs, f"weight_ih_l0{end}").copy_(ours.project.weight.chunk(2)[way])
            getattr(theirs, f"bias_ih_l0{end}").copy_(ours.project.bias.chunk(2)[way])
            getattr(theirs, f"weight_hh_l0{end}").copy_(ours.recur[way].T)
            getattr(theirs, f"bias_hh_l0{end}").zero_()
    words = torch.randn(4, 6, 5)
    for length in range(1, 7):
        states, cells = ours(words, torch.arange(6).expand(4, -1) < length)
        expected, (_, cell) = theirs(words[:, :length])
        torch.testing.assert_close(states[:, :length], expected)
        torch.testing.assert_close(cells, torch.cat([*cell], -1))
        assert not states[:, length:].any()


def test_of_one_category_the_cluster_is_all_there_is() -> None:
    """Then nothing is left to choose among clusters, and what a candidate asks of them is of no matter."""
    model = build("cne_sue", {})
    batch = some_batch(CNESUE).told("history_context", category=3)
    kept = model(*batch)
    with torch.no_grad():
        model.get_submodule("clusters.among.ask").get_parameter("weight").mul_(-3)
    assert same(model(*batch), kept)
    several = batch.told("history_context", category=torch.tensor([2.0, 3, 4, 2, 3, 4]))
    assert not same(model(*several), kept)


def test_categories_are_vectors_that_start_at_zero_and_change_who_reads_of_them() -> None:
    model = build("cne_sue", {}, stirred=False)
    table = model.get_submodule("clusters.proxies").get_parameter("weight")
    assert not table.any()
    batch = some_batch(CNESUE).told("history_context", category=3)
    kept = model(*batch)
    for row, moved in ((4, False), (3, True)):
        with torch.no_grad():
            table[row] += 1
        changed = (model(*batch) - kept).abs().amax(-1) > 1e-6
        assert changed.tolist() == (batch.requests.history.any(-1) & moved).tolist()
