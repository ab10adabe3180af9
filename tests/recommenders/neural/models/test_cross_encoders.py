"""UNBERT and AMM by their equations, and what is theirs alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from newsreplay.recommenders.neural.models.cross_encoder import click_log_loss
from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.model import TINY
from newsreplay.recommenders.neural.models.popularity import PopularityHead
from newsreplay.recommenders.neural.models.unbert import READS
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log, with_facts
from tests.naive import neural_cross_encoders as naive
from tests.recommenders.neural.models.batches import ARTICLES, build, same, some_batch

SIZE = replace(TINY, history=4)
NAMES = ("unbert", "amm")


def made(name: str, size: Any = SIZE, **options: Any) -> Any:
    return build(name, options, size)


def pairs_of(model: Any, size: Any = SIZE) -> tuple[Contents, torch.Tensor, Contents, torch.Tensor]:
    """Of every reader and candidate: what was read, where something was, what is offered, and scores so far."""
    batch = some_batch(model, size, readers=6, candidates=5)
    batch.requests.pool[:, 0] = ARTICLES - 1  # which has no title
    history = batch.requests.history.repeat_interleave(5, 0)
    pool = batch.requests.pool.flatten()
    read, offered = (batch.contents.each(lambda column, rows=rows: column[rows]) for rows in (history, pool))
    return read, history > 0, offered, torch.randn(len(pool))


def texts(contents: Contents, place: Any) -> dict[str, list[int]]:
    return {name: [word for word in column[place].tolist() if word] for name, column in contents.columns.items()}


def expected(model: Any, name: str, size: Any, pairs: Any) -> list[float]:
    read, mask, offered, _ = pairs
    w = {key: tensor.double().numpy() for key, tensor in model.state_dict().items()}
    found = []
    for pair in range(len(mask)):
        history = [texts(read, (pair, place)) for place in range(int(mask[pair].sum()))]
        candidate = texts(offered, pair)
        if name == "amm":
            found.append(naive.amm(w, size.heads, history[-model.most :], candidate, model.marks.begin))
        else:
            titles = [article["title"] for article in history]
            rules = (model.marks.begin, model.room, READS)
            found.append(naive.unbert(w, size.heads, titles, candidate["title"], *rules))
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [SIZE, replace(SIZE, together=14)], ids=["all fits", "the newest fit"])
def test_logits_of_pairs_are_those_of_the_equations(name: str, size: Any) -> None:
    model = made(name, size).double()
    torch.manual_seed(3)
    pairs = pairs_of(model, size)
    with torch.inference_mode():
        logits = model.score_pairs(*pairs).numpy()
    wanted = expected(model, name, size, pairs)
    assert np.std(wanted) > 0.05
    assert np.abs(logits - wanted).max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_scores_the_same_whatever_is_beside_it_and_behind_it(name: str) -> None:
    model = made(name)
    read, mask, offered, first = pairs_of(model)
    with torch.inference_mode():
        kept = model.score_pairs(read, mask, offered, first)
        order = torch.arange(len(first)).roll(3)
        order[7] = 7
        turned = [part.each(lambda column: column[order]) for part in (read, offered)]
        assert torch.equal(model.score_pairs(turned[0], mask[order], turned[1], first[order])[7], kept[7])
        alone = [part.each(lambda column: column[7:8]) for part in (read, offered)]
        assert same(model.score_pairs(alone[0], mask[7:8], alone[1], first[7:8]), kept[7:8])
        longer = [part.each(lambda c: torch.nn.functional.pad(c, (0, 2))) for part in (read, offered)]
        assert same(model.score_pairs(longer[0], mask, longer[1], first), kept)
        further = read.each(lambda c: torch.cat([c, torch.full_like(c[:, :2], 5)], 1))
        wider = torch.cat([mask, torch.zeros_like(mask[:, :2])], 1)
        assert same(model.score_pairs(further, wider, offered, first), kept)


@pytest.mark.parametrize("name", NAMES)
def test_training_scores_what_answers_do(name: str) -> None:
    model = made(name)
    pairs = pairs_of(model)
    with torch.inference_mode():
        kept = model.score_pairs(*pairs)
        for part in model.modules():
            if hasattr(part, "share"):
                part.share = 0.0
        assert same(model.train().score_pairs(*pairs), kept)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_the_pairs_is_learned(name: str) -> None:
    model = made(name)
    model.score_pairs(*pairs_of(model)).square().sum().backward()
    shortlist = ("title_pool", "narrow", "nobody")
    lacking = {
        key
        for key, parameter in model.named_parameters()
        if (parameter.grad is None or not parameter.grad.any()) and not key.startswith(shortlist)
    }
    assert not lacking


@pytest.mark.parametrize("name", NAMES)
def test_popularity_comes_to_pairs_with_the_scores_of_the_shortlist(name: str) -> None:
    model = made(name)
    read, mask, offered, first = pairs_of(model)
    alone = model.score_pairs(read, mask, offered, first)
    assert torch.equal(model.score_pairs(read, mask, offered, first + 1), alone)
    model.head = PopularityHead()
    assert same(model.score_pairs(read, mask, offered, first), alone + first)


def test_the_loss_of_pairs_is_pointwise() -> None:
    logits, slate = torch.tensor([[1.0, -2.0, 9.0]]), torch.tensor([[0.5, 9.0, 3.0]])
    real, drawn = torch.tensor([[True, True, True]]), torch.tensor([[False, False, True]])
    losses = [np.log1p(np.exp(x)) for x in (-1.0, -2.0, -0.5, 3.0)]
    assert click_log_loss(logits, slate, real, drawn).item() == pytest.approx(np.mean(losses))
    assert click_log_loss(logits, slate, real & ~drawn & False, drawn & False).item() == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_is_blind_to_the_future(name: str) -> None:
    log, articles = made_up_log(500, 3)
    spec = f"{name}(size=tiny, shortlist=3, update=every(hours=24), warmup=12h)"
    verdict = check_entry(start_list(spec)[0], log=log, articles=with_facts(articles, 500), cuts=2, k=3, apart=False)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("name", NAMES)
def test_a_pretrained_language_model_is_trained_at_the_papers_rate(name: str) -> None:
    model = made(name)
    model.words.pretrained = True
    rates = {id(parameter): group["lr"] for group in model.groups(0.1) for parameter in group["params"]}
    trained = [parameter for parameter in model.words.parameters() if parameter.requires_grad]
    assert {rates[id(parameter)] for parameter in trained} == {2e-5} == {model.trainings["paper"].rate}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shortlist", [0, 1.5, True])
def test_a_shortlist_that_cannot_be_is_refused(name: str, shortlist: object) -> None:
    with pytest.raises(ValueError, match="shortlist"):
        made(name, shortlist=shortlist)
