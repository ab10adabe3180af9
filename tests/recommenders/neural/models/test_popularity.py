"""The popularity head against one that goes article by article."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.popularity import PopularityHead
from newsreplay.recommenders.neural.stream.signals import SIGNALS
from tests.naive import neural_models as naive
from tests.recommenders.neural.models.batches import some_signals, stir

NAMES = PopularityHead.signals


def told(signals: Columns) -> list[dict[str, float]]:
    """The signals of n articles, by name."""
    return [dict(zip(signals.names, row, strict=True)) for row in signals.values.double().tolist()]


def one(signals: Mapping[str, float]) -> Columns:
    return Columns(NAMES, torch.tensor([[signals.get(name, 0.0) for name in NAMES]]))


@pytest.fixture
def signals() -> Columns:
    torch.manual_seed(4)
    return some_signals(300)


@pytest.fixture
def head(signals: Columns) -> PopularityHead:
    head = PopularityHead()
    head.calibrate(signals)
    stir(head)
    return head


def test_features_are_logarithms_of_the_signals(head: PopularityHead, signals: Columns) -> None:
    assert signals.idle_hours.isnan().any()
    assert signals.click_rate_1h.isnan().any()
    expected = [naive.popularity_features(row) for row in told(signals)]
    np.testing.assert_allclose(head.features(signals).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_features_of_an_article_that_nothing_happened_to() -> None:
    new = {"idle_hours": math.nan, "known_hours": 0.5, **{name: math.nan for name in NAMES if "rate" in name}}
    never, half, unseen = math.log(1 + 60 * 240), math.log(31), math.log(1 / 20)
    features = PopularityHead().features(one(new))[0].tolist()
    assert features == pytest.approx([0, 0, 0, 0, never, half, 0, 0, 0, 0, *4 * [unseen]])


def test_an_article_read_before_it_was_known_is_new() -> None:
    known = [PopularityHead().features(one({"known_hours": hours})) for hours in (-3.0, 0.0)]
    assert torch.equal(*known)


def test_few_exposures_say_little_of_a_click_rate() -> None:
    """As if shown 20 times more, and clicked once."""
    for shown, rate, expected in ((0, math.nan, 1 / 20), (1, 1.0, 2 / 21), (980, 0.5, 491 / 1000)):
        features = PopularityHead().features(one({"shown_6h": shown, "click_rate_6h": rate}))
        assert features[0, 12].item() == pytest.approx(math.log(expected), rel=1e-5)


@pytest.mark.parametrize("slate", [0, 1])
def test_scores_are_those_of_the_equations(head: PopularityHead, signals: Columns, slate: int) -> None:
    weights = {name: value.double().numpy() for name, value in head.state_dict().items()}
    expected = np.array([naive.popularity(weights, naive.popularity_features(row), slate) for row in told(signals)])
    assert expected.std() > 0.1
    content = torch.randn(300)
    np.testing.assert_allclose(head.prior(signals)[:, slate].detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    scores = head.scale[slate].item() * content.numpy() + expected
    np.testing.assert_allclose(head(content, signals)[:, slate].detach().numpy(), scores, rtol=1e-4, atol=1e-4)


def test_features_are_standardised_by_what_the_head_was_calibrated_with(signals: Columns) -> None:
    head = PopularityHead()
    head.calibrate(signals)
    features = np.array([naive.popularity_features(row) for row in told(signals)])
    np.testing.assert_allclose(head.mean.numpy(), features.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(head.spread.numpy(), features.std(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 12_345.0])
def test_a_feature_that_never_varies_is_nothing_and_finite_where_it_varies_later(
    signals: Columns, value: float
) -> None:
    fixed = with_column(signals, "reads_1h", torch.full((300,), value))
    place = NAMES.index("reads_1h")
    head = PopularityHead()
    head.calibrate(fixed)
    assert head.spread[place] == 1
    assert ((head.features(fixed) - head.mean) / head.spread)[:, place].abs().max() < 1e-4
    assert head.prior(with_column(signals, "reads_1h", torch.full((300,), 1e6))).isfinite().all()


def test_one_article_is_enough_to_calibrate_with(signals: Columns) -> None:
    head = PopularityHead()
    head.calibrate(replace(signals, values=signals.values[:1]))
    assert head.prior(signals).isfinite().all()


def test_a_fresh_head_leaves_the_order_of_contents_to_a_small_network(signals: Columns) -> None:
    head = PopularityHead()
    assert head.scale.tolist() == [1, 1]
    assert not head.linear.weight.any()
    network = head.network(head.features(signals))
    assert torch.equal(head(torch.zeros(300), signals), network)


def test_what_it_adds_depends_on_a_candidates_own_signals_alone(head: PopularityHead) -> None:
    signals = some_signals(3, 5)
    kept = head.prior(signals)
    others = some_signals(3, 5)
    values = others.values.clone()
    values[1, 2] = signals.values[1, 2]
    assert torch.equal(head.prior(Columns(SIGNALS, values))[1, 2], kept[1, 2])
    for content in (torch.zeros(3, 5), torch.randn(3, 5)):
        added = head(content, signals) - head.scale * content.unsqueeze(-1)
        torch.testing.assert_close(added, kept, rtol=1e-5, atol=1e-5)


def test_signals_that_it_does_not_name_do_not_matter(head: PopularityHead, signals: Columns) -> None:
    own = Columns(NAMES, torch.stack([getattr(signals, name) for name in NAMES], -1))
    assert torch.equal(head.prior(own), head.prior(signals))


def test_the_mean_and_spread_belong_to_the_saved_head(head: PopularityHead, signals: Columns) -> None:
    other = PopularityHead()
    other.load_state_dict(head.state_dict())
    assert torch.equal(other.prior(signals), head.prior(signals))


def test_every_weight_is_reached_by_a_gradient(head: PopularityHead, signals: Columns) -> None:
    head(torch.randn(300), signals).square().sum().backward()
    for name, weight in head.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def with_column(signals: Columns, name: str, column: Tensor) -> Columns:
    values = signals.values.clone()
    values[..., signals.names.index(name)] = column
    return replace(signals, values=values)
