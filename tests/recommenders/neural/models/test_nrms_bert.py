"""NRMS-BERT over a language model: its equations, its rates, what it learns. The contract has it over a small one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from newsreplay.recommenders.neural.articles.plm import LanguageModel
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.nrms_bert import NRMSBERT
from tests.naive.neural_models import Naive
from tests.recommenders.neural.models.batches import ARTICLES, Batch, same, some_batch, stir
from tests.recommenders.neural.tiny_bert import LAYERS, PIECES

SIZE = replace(NRMSBERT.sizes["tiny"], word=8)


def over(bert: Path, stirred: bool = True, **options: Any) -> NRMSBERT:
    """A model that is not training; `stirred`: with larger weights above the language model."""
    torch.manual_seed(1)
    words = LanguageModel(str(bert), None, FineTuning(**options).layers_trained)
    model = NRMSBERT(SIZE, words, **options)
    if stirred:
        for part in (model.title_pool, model.narrow, model.read, model.read_pool):
            stir(part)
    return model.eval()


def batch_of(**options: Any) -> Batch:
    """Titles in the language model's pieces."""
    torch.manual_seed(2)
    batch = some_batch(NRMSBERT, SIZE, **options)
    pieces = torch.randint(1, 1 + len(PIECES), batch.contents.title.shape)
    return batch._replace(contents=batch.contents.each(lambda ids: torch.where(ids > 0, pieces, 0)))


def test_scores_are_those_of_the_equations_over_the_model_s_states(bert: Path) -> None:
    """Every title alone, without padding, through the language model; what stands above it again in float64."""
    model = over(bert)
    batch = batch_of(candidates=ARTICLES - 1)
    title = batch.contents.title
    states = [np.zeros((1, 8))]  # of padding
    rows = np.zeros_like(title.numpy())
    count = 1
    for article, ids in enumerate(title):
        real = ids[ids > 0]
        if len(real):
            with torch.no_grad():
                states.append(model.words.model(input_ids=real[None] - 1).last_hidden_state[0].double().numpy())  # type: ignore[operator, union-attr]
            rows[article, : len(real)] = count + np.arange(len(real))
            count += len(real)
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items() if "words." not in name}
    naive = Naive("nrms_bert", weights | {"words.weight": np.concatenate(states)}, {"title": rows}, SIZE.heads)
    requests = [part.numpy() for part in (batch.requests.history, batch.requests.pool, batch.requests.user)]
    expected = np.array([naive.scores(*request) for request in zip(*requests, strict=True)])
    assert np.abs(expected).max() > 0.1
    assert np.abs(model(*batch).detach().numpy() - expected).max() < 1e-5 * np.abs(expected).max()


def test_padding_changes_no_score(bert: Path) -> None:
    model, batch = over(bert), batch_of()
    longer = batch.contents.each(lambda ids: functional.pad(ids, (0, 4)))
    assert same(model(longer, batch.requests), model(*batch))


def test_a_title_is_the_same_vector_whatever_is_read_beside_it(bert: Path) -> None:
    model, batch = over(bert), batch_of()
    vectors = model.encode(batch.contents)
    for article in range(ARTICLES):
        alone = batch.contents.each(lambda ids, article=article: ids[article : article + 1])
        assert same(model.encode(alone)[0], vectors[article])


@pytest.mark.parametrize("layers", range(LAYERS + 1))
def test_the_language_model_s_last_layers_have_a_rate_of_their_own(bert: Path, layers: int) -> None:
    model = over(bert, layers_trained=layers, plm_rate=0.5)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {group["lr"]: {names[id(parameter)] for parameter in group["params"]} for group in model.groups(0.25)}
    assert groups.keys() == ({0.25, 0.5} if layers else {0.25})
    trained = {name for name in names.values() if any(f"layer.{LAYERS - 1 - one}." in name for one in range(layers))}
    assert groups.get(0.5, set()) == trained
    assert groups[0.25] == {name for name in names.values() if not name.startswith("words.")}


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_gradients_reach_what_is_trained_and_nothing_else(bert: Path, layers: int) -> None:
    model = over(bert, layers_trained=layers)
    scores = model(*batch_of())
    (scores * torch.randn_like(scores)).sum().backward()
    trained = {id(parameter) for group in model.groups(1.0) for parameter in group["params"]}
    unreached = {"key.bias"}  # moves all logits of a softmax alike
    for name, parameter in model.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        assert reached == (id(parameter) in trained) or name.endswith(tuple(unreached)), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers_trained": -1}, "layers_trained is -1, not a whole number of 0 or more"),
        ({"layers_trained": 1.5}, "layers_trained is 1.5"),
        ({"layers_trained": True}, "layers_trained is True"),
        ({"plm_rate": 0}, "plm_rate is 0, not a number above 0"),
        ({"plm_rate": "fast"}, "plm_rate is 'fast'"),
        ({"plm_rate": float("inf")}, "plm_rate is inf"),
    ],
)
def test_keywords_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FineTuning(**options)
