"""The popularity head and the loss of clicks, by their equations in numpy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import Columns, Contents
from newsreplay.recommenders.neural.models.model import click_loss
from newsreplay.recommenders.neural.models.popularity import SPANS, PopularityHead
from tests.recommenders.neural.models.batches import some_signals, stir


def features(signals: Columns) -> npt.NDArray[np.float64]:
    """f of each row, a number at a time."""
    rows = []
    for values in signals.values.double().numpy():
        told = dict(zip(signals.names, values.tolist(), strict=True))
        idle = 240.0 if math.isnan(told["idle_hours"]) else told["idle_hours"]
        row = [math.log(1 + told[f"reads_{span}"]) for span in SPANS]
        row += [math.log(1 + 60 * idle), math.log(1 + 60 * told["known_hours"])]
        row += [math.log(1 + told[f"shown_{span}"]) for span in SPANS]
        for span in SPANS:
            rate, shown = told[f"click_rate_{span}"], told[f"shown_{span}"]
            clicks = 0.0 if math.isnan(rate) else rate * shown
            row.append(math.log((clicks + 1) / (shown + 20)))
        rows.append(row)
    return np.array(rows)


def test_a_head_is_its_equation() -> None:
    torch.manual_seed(3)
    head, signals = PopularityHead(), some_signals(40)
    stir(head)
    head.calibrate(signals)
    f = features(signals)
    f = (f - f.mean(0)) / f.std(0)
    hidden, out = head.network[0], head.network[2]
    w, first, b, second, c = (
        part.detach().double().numpy()
        for part in (head.linear.weight, hidden.weight, hidden.bias, out.weight, out.bias)
    )
    expected = f @ w[0] + np.tanh(f @ first.T + b) @ second[0] + c[0]
    content = torch.randn(40)
    expected += head.scale.item() * content.double().numpy()
    np.testing.assert_allclose(head(content, signals).detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    assert sum(parameter.numel() for parameter in head.parameters()) == 272


def test_a_number_that_never_varies_adds_nothing_and_stays_finite() -> None:
    signals = some_signals(30)
    values = signals.values.clone()
    for name in signals.names:
        if name.startswith(("shown", "click_rate")):  # a log without impressions
            values[:, signals.names.index(name)] = math.nan if name.startswith("click") else 0.0
    head = PopularityHead()
    head.calibrate(Columns(signals.names, values))
    standard = (head.features(Columns(signals.names, values)) - head.mean) / head.spread
    assert standard.isfinite().all()
    assert (standard[:, 6:].abs() < 1e-3).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_click_is_set_against_those_passed_over_and_those_drawn_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(6, 7))
    real = np.ones((6, 7), bool)
    real[:, 1:] = rng.random((6, 6)) < 0.8
    drawn = real & (np.arange(7) > 3)
    drawn[0] = real[0] & (np.arange(7) > 0)  # nothing was passed over
    drawn[1] = False
    real[:, 1] = True
    losses = []
    for row in range(6):
        loss = 0.0
        for among in (real[row] & ~drawn[row], drawn[row]):
            others = [place for place in range(1, 7) if among[place]]
            if others:
                p = np.exp(logits[row, 0]) / np.exp(logits[row, [0, *others]]).sum()
                loss -= np.log(p)
        losses.append(loss)
    found = click_loss(torch.tensor(logits), torch.from_numpy(real), torch.from_numpy(drawn))
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_without_drawn_candidates_the_loss_is_plain_cross_entropy() -> None:
    logits, real = torch.randn(5, 4), torch.ones(5, 4, dtype=torch.bool)
    plain = functional.cross_entropy(logits, torch.zeros(5, dtype=torch.long))
    assert torch.allclose(click_loss(logits, real, ~real), plain)


def test_what_was_not_declared_is_named() -> None:
    with pytest.raises(AttributeError, match="contents have no 'body'"):
        _ = Contents({"title": torch.zeros(1, 3)}).body
    with pytest.raises(AttributeError, match="no column is called 'rate'"):
        _ = Columns(("age",), torch.zeros(2, 1)).rate
