"""NRMS, NRMS-BERT, NAML, TANR and LSTUR by their equations, and what is theirs alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.layers import NameTable, WordTable
from newsreplay.recommenders.neural.models.lstur import LSTUR
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, LossInputs, NewsModel, Read, click_loss
from newsreplay.recommenders.neural.models.naml import NAML
from newsreplay.recommenders.neural.models.nrms import NRMS
from newsreplay.recommenders.neural.models.nrms_bert import NRMSBERT
from newsreplay.recommenders.neural.models.tanr import TANR
from tests.naive.neural_models import Naive
from tests.recommenders.neural.models.batches import ARTICLES, WORDS, build, some_batch
from tests.recommenders.neural.models.cases import MODELS

NAIVE = [
    (name, options)
    for name, options in MODELS
    if name in ("nrms", "nrms_bert", "naml", "tanr", "lstur") and "visual" not in options
]


@pytest.mark.parametrize(("name", "options"), NAIVE)
@pytest.mark.parametrize("seed", [2, 3])
def test_scores_are_those_of_the_equations(name: str, options: dict[str, Any], seed: int) -> None:
    model = build(name, options, table=True).double()
    torch.manual_seed(seed)
    batch = some_batch(type(model), candidates=ARTICLES - 1)  # all, those without a title or an abstract too
    contents = {field: ids.numpy() for field, ids in batch.contents.columns.items()}
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    naive = Naive(name, weights, contents, TINY.heads, **options)
    scores = model(*batch).detach().numpy()
    requests = [part.numpy() for part in (batch.requests.history, batch.requests.pool, batch.requests.user)]
    expected = [naive.scores(history, pool, user) for history, pool, user in zip(*requests, strict=True)]
    assert np.abs(expected).max() > 0.1
    assert np.abs(scores - expected).max() < 1e-9
    if isinstance(model, TANR):
        loss = float(model.topic_loss(model.encode(batch.contents), batch.contents).detach())
        assert loss == pytest.approx(naive.topic_loss(), abs=1e-9)


def attention(width: int) -> int:
    """Weights of additive attention of 200 queries: a layer with bias, and a vector."""
    return width * 200 + 200 + 200


@pytest.mark.parametrize(
    ("kind", "options", "count"),
    [
        # section 5 counts 1,000,800; the vector of readers without reads is ours
        (NRMS, {}, 1_000_800 + 400),
        # over states as wide as word vectors are
        (NRMSBERT, {}, attention(300) + 300 * 400 + 400 + 400 * 1_200 + attention(400) + 400),
        # two texts, two names, views, reads, nobody
        (NAML, {}, 2 * (360_400 + attention(400)) + 2 * (100 * 400 + 400) + 2 * attention(400) + 400),
        (TANR, {}, 360_400 + 2 * attention(400) + 400 * 1_022 + 1_022 + 400),
        # articles are 400 + 100 + 100 wide; three gates from inputs and from states, each with a bias
        (LSTUR, {}, 360_400 + attention(400) + 2 * (600 * 1_800 + 1_800)),
        (LSTUR, {"variant": "con"}, 360_400 + attention(400) + 600 * 900 + 300 * 900 + 2 * 900 + 600 * 300 + 300),
    ],
)
def test_full_sizes_have_the_published_number_of_weights(
    kind: type[NewsModel], options: dict[str, Any], count: int
) -> None:
    """Tables of words, names and readers apart."""
    with torch.device("meta"):
        model = kind(kind.sizes["paper"], torch.nn.Identity(), **options)
    tables = sum(part.weight.numel() for part in model.modules() if isinstance(part, NameTable))
    assert sum(parameter.numel() for parameter in model.parameters()) - tables == count


def test_topics_are_told_of_articles_with_a_category_only() -> None:
    model = build("tanr", {})
    assert isinstance(model, TANR)
    batch = some_batch(TANR)
    category = torch.full((ARTICLES,), UNKNOWN).index_fill(0, torch.tensor([0]), 0)
    vectors = model.encode(batch.contents)
    loss = model.topic_loss(vectors, batch.contents.replaced(category=category))
    loss.backward()
    assert loss.item() == 0
    category[3] = 7
    told = model.topic_loss(vectors, batch.contents.replaced(category=category))
    chances = model.topic(vectors[3]).softmax(-1)
    assert len(chances) == TINY.categories - 2
    assert torch.allclose(told, -0.2 * chances[7 - 2].log())


def test_topics_are_learned_beside_clicks() -> None:
    model = build("tanr", {})
    assert isinstance(model, TANR)
    batch = some_batch(TANR)
    vectors = model.encode(batch.contents)
    readers, logits, slate = model.scores(vectors, batch.requests)
    real, drawn = torch.ones_like(logits, dtype=torch.bool), torch.zeros_like(logits, dtype=torch.bool)
    told = readers, vectors, batch.contents, batch.requests, real.sum(1)
    loss = model.loss(LossInputs(logits, slate, real, drawn, *told))
    assert torch.allclose(loss, click_loss(logits, slate, real, drawn) + model.topic_loss(vectors, batch.contents))


def nothing_read(model: NewsModel, readers: int, user: int) -> Read:
    """So many readers without a read."""
    width = model.get_submodule("recurrence.project").out_features
    nothing = Columns((), torch.zeros(readers, 1, 0))
    mask = torch.zeros(readers, 1, dtype=torch.bool)
    return Read(torch.zeros(readers, 1, width), mask, nothing, nothing, torch.full((readers,), user))


def test_a_long_term_embedding_is_all_there_is_of_a_reader_without_reads() -> None:
    model = build("lstur", {})
    read = replace(nothing_read(model, 2, UNKNOWN), user=torch.tensor([UNKNOWN, 9]))
    (readers,) = model.readers(replace(read, vectors=torch.randn_like(read.vectors)))
    assert torch.equal(readers, model.get_submodule("users").get_parameter("weight")[[UNKNOWN, 9]])


@pytest.mark.parametrize("variant", ["ini", "con"])
def test_readers_are_told_apart_by_training_only(variant: str) -> None:
    model = build("lstur", {"variant": variant}, stirred=False)
    batch = some_batch(LSTUR).rows([1, 1])
    first, second = model(*batch.but(user=torch.tensor([8, 9])))
    assert torch.equal(first, second)
    with torch.no_grad():
        model.get_submodule("users").get_parameter("weight")[9] += 1
    first, second = model(*batch.but(user=torch.tensor([8, 9])))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("variant", ["ini", "con"])
def test_half_of_the_long_term_embeddings_are_masked_in_training(variant: str) -> None:
    model = build("lstur", {"variant": variant}).train()
    (made,) = model.readers(nothing_read(model, 2_000, 9))
    model.eval()
    (unseen,) = model.readers(nothing_read(model, 1, UNKNOWN))
    masked = (made - unseen).abs().amax(-1) < 1e-6
    assert float(masked.float().mean()) == pytest.approx(0.5, abs=0.06)  # 5 standard errors
    assert len(made[~masked].unique(dim=0)) == 1


def test_a_variant_that_does_not_exist_is_refused() -> None:
    wrong: Callable[..., NewsModel] = LSTUR
    with pytest.raises(ValueError, match="'sum'"):
        wrong(TINY, WordTable(WORDS, TINY.word), variant="sum")
