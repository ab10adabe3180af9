"""The layers the models are made of: masks, sums, gradients, generators."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    Convolution,
    DenseAttention,
    Dropout,
    NameTable,
    Recurrence,
    SelfAttention,
    TextEncoder,
    WordTable,
    attend,
    first_of,
    masked_softmax,
    mean_of,
    newest,
    pooled,
)
from newsreplay.recommenders.neural.models.model import UNKNOWN

MASK = torch.tensor([[True, True, False, False], [True, False, True, True], [False, False, False, False]])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def naive_attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor) -> Tensor:
    """The same, one head of one query at a time, over the real keys only."""
    made = torch.zeros(*query.shape[:-1], value.shape[-1], dtype=query.dtype)
    width, wide = query.shape[-1] // heads, value.shape[-1] // heads
    for row in range(len(query)):
        real = mask[row].nonzero()[:, 0]
        for place in range(query.shape[1]):
            for k in range(heads):
                own, out = slice(k * width, (k + 1) * width), slice(k * wide, (k + 1) * wide)
                logits = [float(query[row, place, own] @ key[row, other, own]) / math.sqrt(width) for other in real]
                powers = [math.exp(logit) for logit in logits]
                for other, power in zip(real, powers, strict=True):
                    made[row, place, out] += power / sum(powers) * value[row, other, out]
    return made


def test_weights_sum_to_one_over_real_places_and_are_zero_elsewhere() -> None:
    weights = masked_softmax(torch.randn(3, 4) * 50, MASK)
    assert torch.allclose(weights.sum(-1), torch.tensor([1.0, 1.0, 0.0]))
    assert not weights[~MASK].any()


def test_weights_are_those_of_the_real_places_alone() -> None:
    logits = torch.tensor([[1.0, 2.0, 9.0, -9.0]])
    assert torch.allclose(masked_softmax(logits, MASK[:1])[0, :2], torch.tensor([1.0, 2.0]).softmax(0))


def test_nothing_real_has_no_gradient_and_no_nan() -> None:
    x = torch.randn(3, 4, 6, requires_grad=True)
    made = attend(x, x, x, 2, MASK)
    pooled(made.sum(-1), made, MASK).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[:2].any()
    assert not x.grad[2].any()


@pytest.mark.parametrize("heads", [1, 3])
def test_attention_equals_a_loop_over_heads_queries_and_keys(heads: int) -> None:
    query, key, value = torch.randn(3, 5, 6).double(), torch.randn(3, 4, 6).double(), torch.randn(3, 4, 9).double()
    assert torch.allclose(attend(query, key, value, heads, MASK), naive_attend(query, key, value, heads, MASK))


def test_attention_weights_sum_to_one_over_real_keys_and_are_zero_on_pads() -> None:
    values = torch.eye(4).expand(3, 4, 4)  # with these the result of one head is its weights
    weights = attend(torch.randn(3, 5, 8), torch.randn(3, 4, 8), values, 1, MASK)
    assert torch.allclose(weights.sum(-1), MASK.any(-1).float().unsqueeze(-1).expand(3, 5))
    assert not weights.masked_select(~MASK[:, None]).any()


def test_attention_broadcasts_leading_dimensions() -> None:
    query, key = torch.randn(3, 2, 5, 6), torch.randn(3, 1, 4, 6)
    made = attend(query, key, key, 2, MASK[:, None])
    for candidate in range(2):
        assert torch.allclose(made[:, candidate], attend(query[:, candidate], key[:, 0], key[:, 0], 2, MASK), atol=1e-6)


def test_no_keys_at_all_give_zeros() -> None:
    nothing = torch.zeros(2, 0, 6)
    made = attend(torch.randn(2, 3, 6), nothing, nothing, 2, torch.zeros(2, 0, dtype=torch.bool))
    assert made.shape == (2, 3, 6)
    assert not made.any()


def test_self_attention_has_three_matrices_and_nothing_else() -> None:
    layer = SelfAttention(300, 20, 20)
    assert [tuple(p.shape) for p in layer.parameters()] == [(1200, 300)]


def test_each_matrix_of_self_attention_is_drawn_as_one_of_its_own() -> None:
    """Glorot's bound of [400, 300], not of the three stacked."""
    bound = math.sqrt(6 / (300 + 400))
    for part in SelfAttention(300, 20, 20).project.weight.chunk(3):
        assert float(part.detach().abs().max()) == pytest.approx(bound, rel=1e-3)


def test_what_a_pad_holds_changes_nothing() -> None:
    x = torch.randn(3, 4, 6)
    other = torch.where(MASK.unsqueeze(-1), x, 1e4 * torch.randn(3, 4, 6))
    assert MASK[1, 0]
    assert not MASK[1, 1]  # pads also lie between real places
    for layer in (AdditiveAttention(6, 5), TextEncoder(6, 4, 3, 0.0)):
        assert torch.equal(layer(x, MASK), layer(other, MASK))
    attention = SelfAttention(6, 2, 3)
    assert torch.equal(attention(x, MASK)[MASK], attention(other, MASK)[MASK])


def test_additive_attention_from_kept_logits_is_the_same() -> None:
    layer, x = AdditiveAttention(6, 5), torch.randn(3, 4, 6)
    weighed = layer.weighed(x)
    assert weighed.shape == (3, 4, 7)
    assert torch.allclose(layer.pool(weighed, MASK), layer(x, MASK), atol=1e-7)


def test_a_convolution_takes_padding_for_the_end_of_a_text() -> None:
    layer, x = Convolution(6, 4), torch.randn(2, 5, 6)
    mask = torch.tensor([[True, True, True, False, False]] * 2)
    assert torch.allclose(layer(x, mask)[:, :3], layer(x[:, :3], mask[:, :3]), atol=1e-6)


def test_a_text_cut_to_no_words_is_a_zero_vector() -> None:
    made = TextEncoder(6, 4, 3, 0.0)(torch.zeros(2, 0, 6), torch.zeros(2, 0, dtype=torch.bool))
    assert made.shape == (2, 4)
    assert not made.any()


def torchs_gru(layer: Recurrence) -> nn.GRU:
    gru = nn.GRU(layer.project.in_features, layer.recur.in_features, batch_first=True)
    gru.load_state_dict(
        {
            "weight_ih_l0": layer.project.weight,
            "weight_hh_l0": layer.recur.weight,
            "bias_ih_l0": layer.project.bias,
            "bias_hh_l0": layer.recur.bias,
        }
    )
    return gru


def test_the_recurrence_and_its_gradients_are_those_of_torchs_gru() -> None:
    layer = Recurrence(6, 5).double()
    gru = torchs_gru(layer).double()
    x = torch.randn(4, 7, 6).double()
    lengths = [7, 1, 4, 3]
    mask = torch.arange(7) < torch.tensor(lengths)[:, None]
    state = torch.randn(4, 5).double()
    ours, theirs = state.clone().requires_grad_(), state.clone().requires_grad_()
    x_ours, x_theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    last = layer(layer.project(x_ours), mask, ours)
    packed = nn.utils.rnn.pack_padded_sequence(x_theirs, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    expected = gru(packed, theirs.unsqueeze(0))[1][0]
    assert torch.allclose(last, expected)
    weights = torch.randn(4, 5).double()
    (last * weights).sum().backward()
    (expected * weights).sum().backward()
    pairs = [(ours, theirs), (x_ours, x_theirs)]
    pairs += [
        (layer.project.weight, gru.weight_ih_l0),
        (layer.recur.weight, gru.weight_hh_l0),
        (layer.project.bias, gru.bias_ih_l0),
        (layer.recur.bias, gru.bias_hh_l0),
    ]
    for mine, torchs in pairs:
        assert mine.grad is not None
        assert mine.grad.any()
        assert torch.allclose(mine.grad, torchs.grad)


def test_a_recurrence_stays_at_the_last_real_input() -> None:
    layer = Recurrence(6, 5)
    inputs, state = layer.project(torch.randn(2, 4, 6)), torch.randn(2, 5)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    last = layer(inputs, mask, state)
    assert torch.allclose(last[:1], layer(inputs[:1, :2], mask[:1, :2], state[:1]))
    assert torch.equal(last[1], state[1])


def test_means_are_of_what_is_real() -> None:
    x = torch.randn(3, 4, 2)
    expected = [x[0, :2].mean(0), x[1, [0, 2, 3]].mean(0), torch.zeros(2)]
    assert torch.allclose(mean_of(x, MASK), torch.stack(expected))


def test_the_newest_are_taken_in_their_order_without_padding() -> None:
    ids = torch.tensor([[3, 4, 5, 0], [6, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]])
    found, there = newest(ids, ids > 0, 2)
    assert found.masked_fill(~there, 0).tolist() == [[4, 5], [6, 0], [3, 4], [0, 0]]
    wide, _ = newest(torch.stack([ids, -ids], -1), ids > 0, 2)
    assert wide[0].tolist() == [[4, -4], [5, -5]]
    assert newest(ids, ids > 0, 4)[0].tolist() == ids.tolist()
    assert newest(ids[:, :0], ids[:, :0] > 0, 2)[0].shape == (4, 0)


def test_those_that_stand_together_have_one_first_place() -> None:
    names = torch.tensor([[7, 5, 7, 5, 0], [9, 9, 9, 0, 0], [0, 0, 0, 0, 0]])
    together = (names[:, :, None] == names[:, None]) & (names > 0)[:, None] & (names > 0)[:, :, None]
    assert [row.nonzero().ravel().tolist() for row in first_of(together)] == [[0, 1], [0], []]


def test_dense_attention_is_two_tanh_layers_and_one_number() -> None:
    layer, x = DenseAttention(6, (4, 3)), torch.randn(2, 6)
    first, second, third = (part for part in layer if isinstance(part, nn.Linear))
    assert torch.equal(layer(x), third(torch.tanh(second(torch.tanh(first(x))))))
    assert layer(x).shape == (2, 1)


def test_dropout_zeroes_its_share_and_keeps_the_mean() -> None:
    layer = Dropout(0.2).train()
    made = layer(torch.ones(100_000))
    assert set(made.unique().tolist()) == {0.0, 1.25}
    assert float((made == 0).float().mean()) == pytest.approx(0.2, abs=0.01)  # 8 standard errors
    assert torch.equal(layer.eval()(torch.ones(9)), torch.ones(9))


def test_dropout_draws_from_its_own_generator_only() -> None:
    layer = Dropout(0.5).train()
    layer.generator = torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    first, second = layer(torch.ones(64)), layer(torch.ones(64))
    layer.generator.manual_seed(3)
    assert torch.equal(layer(torch.ones(64)), first)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_table_shows_padding_as_zero_and_a_share_of_names_as_unknown_in_training() -> None:
    table = NameTable(10, 4, unknown=0.3).train()
    table.generator = torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    made = table(torch.tensor([0, 5]).repeat_interleave(10_000))
    assert torch.equal(torch.get_rng_state(), before)
    assert not made[:10_000].any()
    hidden = (made[10_000:] == table.weight[UNKNOWN]).all(-1)
    assert float(hidden.float().mean()) == pytest.approx(0.3, abs=0.03)  # 6 standard errors
    assert (made[10_000:][~hidden] == table.weight[5]).all()
    assert torch.equal(table.eval()(torch.tensor(5)), table.weight[5])


def test_a_tables_padding_is_not_trained_and_its_unknown_row_is() -> None:
    table = NameTable(10, 4, unknown=0.5).train()
    table(torch.tensor([0, 5]).repeat(100)).sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.any(-1).nonzero()[:, 0].tolist() == [UNKNOWN, 5]


def test_words_that_came_later_have_rows_behind_the_trained_ones_and_are_not_trained() -> None:
    table = WordTable(5, 3)
    trained = table(torch.tensor([[0, 4]]))
    vectors = torch.randn(2, 3)
    table.grow(vectors[:1])
    table.grow(vectors[1:])
    made = table(torch.tensor([[0, 4, 5, 6]]))
    assert torch.equal(made[0, :2], trained[0])
    assert not made[0, 0].any()
    assert torch.equal(made[0, 2:], vectors)
    made.sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.any(-1).tolist() == [False, False, False, False, True]
    other = WordTable(5, 3)
    other.load_state_dict(table.state_dict())  # of words that another log brings up, others are the later ones
    assert torch.equal(other(torch.tensor([[0, 4]])), trained[0:1])


def test_numpy_agrees_on_two_words() -> None:
    """Additive attention of section 1.3, written out."""
    layer = AdditiveAttention(2, 3)
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    weight, bias = layer.hidden.weight.detach().numpy(), layer.hidden.bias.detach().numpy()
    query = layer.weigh.weight.detach().numpy()[0]
    first, second = (query @ np.tanh(weight @ row + bias) for row in x)
    share = 1 / (1 + np.exp(second - first))
    made = layer(torch.tensor(x, dtype=torch.float32)[None], torch.ones(1, 2, dtype=torch.bool))
    assert np.allclose(made.detach().numpy()[0], share * x[0] + (1 - share) * x[1], atol=1e-6)
