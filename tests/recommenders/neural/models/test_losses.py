"""The loss of clicks against one that goes click by click."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from newsreplay.recommenders.neural.models import model
from tests.naive import neural_models as naive

YES, NO = True, False


def click_loss(logits: Tensor, real: Tensor, drawn: Tensor) -> Tensor:
    """That of a model without a head, whose scores are those of slates, too."""
    return model.click_loss(logits, logits, real, drawn)


def candidates(*rows: str) -> tuple[Tensor, Tensor]:
    """`real` and `drawn` of candidates: c is the click, p passed over, d drawn and . padding."""
    shape = (len(rows), len(rows[0]))
    letters = np.array([list(row) for row in rows]).reshape(shape)
    return torch.from_numpy(letters != "."), torch.from_numpy(letters == "d")


@given(st.data())
def test_it_is_the_sum_of_two_softmaxes_where_there_are_both(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 6))
    rows = data.draw(st.lists(st.text("pd.", min_size=width - 1, max_size=width - 1), min_size=1, max_size=5))
    numbers = st.floats(-30, 30, width=32)
    of_rows = st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=len(rows), max_size=len(rows))
    logits, slate = torch.tensor(data.draw(of_rows)), torch.tensor(data.draw(of_rows))
    real, drawn = candidates(*("c" + row for row in rows))
    expected = naive.click_loss(logits.double().numpy(), slate.double().numpy(), real.numpy(), drawn.numpy())
    assert float(model.click_loss(logits, slate, real, drawn)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_one_click_against_two_passed_over_and_one_drawn() -> None:
    loss = click_loss(torch.tensor([[1.0, 0.0, 2.0, 3.0]]), *candidates("cppd"))
    passed, drawn = np.exp(1) / (np.exp(1) + 1 + np.exp(2)), np.exp(1) / (np.exp(1) + np.exp(3))
    assert float(loss) == pytest.approx(-np.log(passed) - np.log(drawn), rel=1e-6)


def test_it_is_cross_entropy_where_nothing_is_drawn() -> None:
    logits = torch.randn(5, 4)
    loss = click_loss(logits, *candidates(*5 * ["cppp"]))
    assert torch.allclose(loss, functional.cross_entropy(logits, torch.zeros(5, dtype=torch.int64)))


def test_so_it_is_where_all_are_drawn() -> None:
    logits = torch.randn(5, 4)
    assert torch.allclose(
        click_loss(logits, *candidates(*5 * ["cddd"])), click_loss(logits, *candidates(*5 * ["cppp"]))
    )


def test_rows_of_one_kind_add_one_softmax_each() -> None:
    logits = torch.randn(3, 3)
    loss = click_loss(logits, *candidates("cpp", "cdd", "cpd"))
    alone = [
        click_loss(logits[row : row + 1], *candidates(letters)) for row, letters in enumerate(("cpp", "cdd", "cpd"))
    ]
    assert torch.allclose(loss, sum(alone, torch.zeros(())) / 3)


def test_padding_has_no_gradient_whatever_its_logit() -> None:
    logits = torch.tensor([[0.5, 1.0, 1e4, -1.0]], requires_grad=True)
    click_loss(logits, *candidates("cp.d")).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0].bool().tolist() == [YES, YES, NO, YES]


def test_a_click_against_nothing_costs_nothing() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    assert float(click_loss(logits, *candidates("c..", "c.."))) == 0
    both = click_loss(logits, *candidates("c..", "cp."))
    both.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert not logits.grad[0].any()


def test_half_precision_is_worked_out_in_full() -> None:
    logits = torch.randn(4, 3).bfloat16()
    real, drawn = candidates(*4 * ["cpd"])
    assert torch.equal(click_loss(logits, real, drawn), click_loss(logits.float(), real, drawn))
