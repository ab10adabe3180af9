"""GRU4Rec, SASRec, NARM and STAMP by their equations, gBCE, and articles that no training has met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, LossInputs, NewsModel
from newsreplay.recommenders.neural.models.sasrec import SASRec, gbce
from newsreplay.recommenders.neural.models.sessions import IdRows
from tests.naive import neural_sessions as naive
from tests.recommenders.neural.models.batches import ARTICLES, build, same, some_batch

MODELS = ("gru4rec", "sasrec", "narm", "stamp")


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_the_equations(name: str) -> None:
    model = build(name, {})
    batch = some_batch(model, readers=8, candidates=ARTICLES - 1)
    weights = {key: tensor.double().numpy() for key, tensor in model.state_dict().items()}
    asked = zip(batch.requests.history.tolist(), batch.requests.pool.tolist(), strict=True)
    ids = batch.contents.id.numpy()
    expected = np.array(
        [naive.scores(name, weights, ids, history, pool, TINY.heads, TINY.layers) for history, pool in asked]
    )
    assert expected[1].std() > 0.05
    assert np.abs(model(*batch).detach().numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", MODELS)
def test_a_reader_without_reads_is_zero(name: str) -> None:
    model = build(name, {})
    assert not model(*some_batch(model).rows([0])).any()


def of_reads(model: NewsModel, *articles: int) -> Tensor:
    """The scores of one who has read these, over the same articles every time."""
    torch.manual_seed(4)
    batch = some_batch(model).rows([1])
    history = torch.zeros_like(batch.requests.history)
    history[0, : len(articles)] = torch.tensor(articles)
    return model(*batch.but(history=history))


def test_stamp_minds_which_read_was_the_last_and_no_other_order() -> None:
    model = build("stamp", {})
    kept, turned, other = (of_reads(model, *reads) for reads in ((1, 2, 3, 4), (3, 1, 2, 4), (1, 2, 4, 3)))
    assert same(turned, kept)
    assert not same(other, kept)


@pytest.mark.parametrize("name", ["gru4rec", "sasrec", "narm"])
def test_the_others_mind_every_order(name: str) -> None:
    model = build(name, {})
    kept = of_reads(model, 1, 2, 3, 4)
    assert not same(of_reads(model, 2, 1, 3, 4), kept)
    assert not same(of_reads(model, 1, 2, 4, 3), kept)


@pytest.mark.parametrize("name", MODELS)
def test_what_was_read_is_told_by_the_rows_that_candidates_have(name: str) -> None:
    """One table: a changed row of an article moves it as a candidate, and those who read it."""
    model = build(name, {})
    kept = of_reads(model, 5)
    with torch.no_grad():
        torch.manual_seed(4)
        model.get_parameter("ids.weight")[some_batch(model).contents.id[5]] += torch.linspace(-1, 2, TINY.filters)
    assert not same(of_reads(model, 5), kept)
    assert sum(parameter.shape[0] == TINY.names for parameter in model.parameters()) == 1


# --- articles that no training has met ------------------------------------------------------------------


def test_rows_are_shown_once_a_training_has_met_them() -> None:
    table = IdRows(8, 3)
    table.eval()
    unknown = table(torch.tensor([UNKNOWN]))[0]
    assert torch.equal(table(torch.tensor([0, 2, 7])), torch.stack([torch.zeros(3), unknown, unknown]))
    table.train()
    table(torch.tensor([[2, 0], [5, 2]]))
    table.eval()
    shown = table(torch.arange(8))
    own = [row for row in range(8) if torch.equal(shown[row], table.weight[row])]
    assert own == [0, 1, 2, 5]


def test_what_was_met_is_kept_with_the_weights() -> None:
    table, other = IdRows(8, 3), IdRows(8, 3)
    table(torch.tensor([4]))
    other.load_state_dict(table.state_dict())
    assert torch.equal(table.eval()(torch.arange(8)), other.eval()(torch.arange(8)))


# --- gBCE -----------------------------------------------------------------------------------------------


def test_gbce_of_a_worked_click() -> None:
    """Three of 31 others: a = 0.1, b = 0.1 (0.75 (1 - 10) + 10) = 0.325; scores 0 and -log 3 have odds 1 and 1/3."""
    scores = torch.tensor([[0.0, 0.0, -np.log(3), -np.log(3)]], dtype=torch.float64)
    loss = gbce(scores, torch.ones(1, 4, dtype=torch.bool), torch.tensor([0.1]), 0.75)
    expected = (0.325 * np.log(2) + np.log(2) + 2 * np.log(4 / 3)) / 4
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(-6, 6), min_size=2, max_size=6),
    st.integers(6, 500),
    st.sampled_from([0.0, 0.25, 0.75, 1.0]),
)
def test_gbce_is_that_of_one_click_after_the_other(scores: list[float], catalogue: int, calibration: float) -> None:
    rate = torch.tensor([(len(scores) - 1) / (catalogue - 1)])
    both = torch.tensor([[*scores, 1e3], [*scores, 2.0]])  # the last one is no candidate; the second click has none
    others = torch.ones_like(both, dtype=torch.bool)
    others[:, -1] = False
    others[1] = False
    expected = naive.gbce(scores[0], scores[1:], catalogue, calibration)
    assert float(gbce(both, others, rate, calibration)) == pytest.approx(expected, rel=1e-4)


def inputs(slate: Tensor, logits: Tensor, drawn: Tensor, alive: int) -> LossInputs:
    """All that the loss looks at."""
    nothing = torch.zeros(0)
    told: Any = (), nothing, None, None, torch.full((len(slate),), float(alive))
    return LossInputs(logits, slate, torch.ones_like(drawn), drawn, *told)


def test_sasrecs_loss_is_gbce_of_the_articles_alive_where_draws_are_even() -> None:
    """Evenly drawn scores are what they are; what was passed over is no sample, and has plain cross-entropy."""
    model = build("sasrec", {})
    scores, shown = torch.randn(2, 5), torch.randn(2, 5)
    drawn = torch.tensor([[False, False, True, True, True]] * 2)
    even = scores + np.log(40)  # a draw is of an article with 1/40
    loss = float(model.loss(inputs(even, shown, drawn, 40)).detach())
    expected = [
        naive.gbce(float(of_slate[0]), of_slate[2:].tolist(), 40, 0.75)
        + naive.gbce(float(of_impression[0]), of_impression[1:2].tolist(), 2, 0.75)
        for of_slate, of_impression in zip(scores, shown, strict=True)
    ]
    assert loss == pytest.approx(np.mean(expected), rel=1e-5)


def test_scores_learned_by_gbce_rank_by_chance_however_articles_are_drawn() -> None:
    """Clicks of 4 : 2 : 1 : 1, popular articles drawn more often: scores differ by the logarithms of clicks."""
    model = build("sasrec", {"calibration": 0.75})
    clicks, draws = [0, 0, 0, 0, 1, 1, 2, 3], [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    pairs = torch.cartesian_prod(torch.tensor(clicks), torch.tensor(draws))
    chance = torch.bincount(torch.tensor(draws)) / len(draws)
    scores = torch.zeros(4, requires_grad=True)
    optimiser = torch.optim.Adam([scores], 0.05)
    drawn = torch.tensor([[False, True]]).expand(len(pairs), 2)
    for _ in range(200):
        optimiser.zero_grad()
        slate = (scores - chance.log())[pairs]
        model.loss(inputs(slate, torch.zeros_like(slate), drawn, 4)).backward()
        optimiser.step()
    found = (scores - scores[3]).detach()
    assert found.tolist() == pytest.approx([np.log(4), np.log(2), 0, 0], abs=0.02)


@pytest.mark.parametrize("calibration", [-0.1, 1.5, float("nan")])
def test_a_calibration_that_cannot_be_is_refused(calibration: Any) -> None:
    with pytest.raises(ValueError, match="calibration must be from 0 to 1"):
        SASRec(TINY, WordTable(4, 8), calibration=calibration)
