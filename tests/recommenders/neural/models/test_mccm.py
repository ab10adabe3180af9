"""MCCM by its equations, and what is its alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from newsreplay.recommenders.neural.models.layers import NameTable
from newsreplay.recommenders.neural.models.mccm import MCCM
from newsreplay.recommenders.neural.models.model import TINY, LossInputs, click_loss
from tests.naive.neural_mccm import Naive
from tests.recommenders.neural.models.batches import ARTICLES, build, same, some_batch


def mccm() -> Any:
    """A `MCCM`, of which this file knows what parts it has."""
    return build("mccm", {})


def inputs(model: Any, batch: Any) -> LossInputs:
    vectors = model.encode(batch.contents)
    readers, logits, slate = model.scores(vectors, batch.requests)
    real = torch.ones_like(logits, dtype=torch.bool)
    return LossInputs(
        logits, slate, real, ~real, readers, vectors, batch.contents, batch.requests, torch.ones(len(logits))
    )


def test_scores_and_losses_are_those_of_the_equations() -> None:
    model = mccm().double()
    batch = some_batch(MCCM, candidates=ARTICLES - 1)
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    naive = Naive(weights, batch.contents.title.numpy(), TINY.heads)
    histories = [[article for article in history if article] for history in batch.requests.history.tolist()]
    expected = [naive.scores(*each) for each in zip(*(batch.requests.history, batch.requests.pool), strict=True)]
    assert np.abs(expected).max() > 0.1
    told = inputs(model, batch)
    assert np.abs(told.logits.detach().numpy() - expected).max() < 1e-9
    clicks = click_loss(told.logits, told.slate_logits, told.real, told.drawn)
    assert model.loss(told).item() - clicks.item() == pytest.approx(naive.further(histories, histories), abs=1e-6)


def test_without_topics_words_are_left_as_attention_made_them() -> None:
    model = mccm()
    with torch.no_grad():
        model.convolution.topics.zero_()
    title = some_batch(MCCM).contents.title
    words = model.title(model.words(title), title > 0)
    assert torch.equal(model.convolution(words, title > 0), words.masked_fill((title == 0).unsqueeze(-1), 0.0))


def test_training_drops_a_quarter_of_the_reads_rather_those_of_many() -> None:
    model = mccm().train()
    model.generator = torch.Generator().manual_seed(1)
    history = torch.arange(2, 10).repeat(400, 1)
    history[:, 7] = 1  # which all have, and four times
    history[:, :4] = 1
    history = torch.cat([history, torch.zeros(400, 3, dtype=torch.int64)], 1)
    history[0, 3:] = 0
    kept = model.kept(history)
    assert not kept[history == 0].any()
    assert kept.sum(1)[:1].tolist() == [3]  # a quarter of three is none
    assert (kept.sum(1)[1:] == 6).all()
    rare = torch.arange(1_000, 9_000).reshape(1_000, 8) % 900 + 3
    rare[:, 0] = 1
    dropped = ~model.kept(rare)
    assert dropped[:, 0].float().mean() > 3 * dropped[:, 1:].float().mean()


def test_readers_who_read_nothing_are_told_from_nobody() -> None:
    model = mccm()
    batch = some_batch(MCCM).rows([0, 0, 2, 3])
    assert same(model.reader_loss(inputs(model, batch)), model.reader_loss(inputs(model, batch.rows([2, 3]))))
    nothing = model.reader_loss(inputs(model, some_batch(MCCM).rows([0, 0])))
    assert nothing.item() == 0


def test_the_full_size_has_this_many_weights() -> None:
    """Tables of words apart."""
    with torch.device("meta"):
        model = MCCM(MCCM.sizes["paper"], torch.nn.Identity())
    assert not any(isinstance(part, NameTable) for part in model.modules())
    attention = 300 * 200 + 200 + 200
    count = 3 * 300 * 300 + 5 * 300 + 300 * 900 + 900 + 2 * attention + 300
    assert sum(parameter.numel() for parameter in model.parameters()) == count
