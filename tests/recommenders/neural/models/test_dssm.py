"""DSSM by its equations, and what is its alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.neural.models.dssm import DSSM, TERMS, largest, term_weights
from newsreplay.recommenders.neural.recommenders import recommender_of
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from tests.naive.neural_dssm import Naive
from tests.recommenders.neural.models.batches import ARTICLES, build, some_batch


def dssm() -> Any:
    """A `DSSM`, of which this file knows what parts it has."""
    return build("dssm", {})


@pytest.mark.parametrize("surveyed", [0, 9, ARTICLES])
def test_scores_are_those_of_the_equations(surveyed: int) -> None:
    model = dssm().double()
    batch = some_batch(DSSM, candidates=ARTICLES - 1)
    batch.contents.title[3, :3] = batch.contents.title[3, 0]  # a word again and again
    ids = torch.cat([batch.contents.title, batch.contents.abstract], 1)
    texts = [[word for word in text if word] for text in ids.tolist()]
    if surveyed:
        model.survey(batch.contents.each(lambda column: column[1:surveyed]))
    naive = Naive({key: tensor.numpy() for key, tensor in model.state_dict().items()}, texts, range(1, surveyed))
    requests = zip(batch.requests.history.tolist(), batch.requests.pool.tolist(), strict=True)
    expected = [naive.scores([article for article in history if article], pool) for history, pool in requests]
    assert np.std(expected) > 0.1
    assert np.abs(model(*batch).detach().numpy() - expected).max() < 1e-9


def test_terms_count_once_each_and_an_articles_weights_have_length_one() -> None:
    idf = torch.ones(TERMS)
    idf[7] = 3.0
    terms, weights = term_weights(torch.tensor([[4, 7, 4, 0, 0], [0, 0, 0, 0, 0]]), idf)
    assert sorted(zip(terms[0].tolist(), weights[0].tolist(), strict=True))[-2:] == [
        (4, pytest.approx(2 / 13**0.5)),
        (7, pytest.approx(3 / 13**0.5)),
    ]
    assert not terms[1].any()
    assert not weights[1].any()
    assert weights[0].norm().item() == pytest.approx(1)
    terms, weights = largest(torch.tensor([[4, 7, 4, 0]]), torch.tensor([[0.2, 0.5, 0.9, 0.0]]))
    assert dict(zip(terms[0].tolist(), weights[0].tolist(), strict=True)) == pytest.approx({0: 0.0, 4: 0.9, 7: 0.5})


def test_terms_are_weighed_anew_at_every_training_by_what_is_known_then() -> None:
    told: list[int] = []

    class Watched(DSSM):
        def survey(self, contents: Any) -> None:
            super().survey(contents)
            told.append(int(self.articles.item()))

    log, articles = made_up_log(900, 3)
    recommender = recommender_of(Watched)(size="tiny", warmup="6h", update="every(hours=12)")
    replay(log, recommender, Setting(k=3), articles=articles)
    assert len(told) >= 3
    assert told == sorted(told)
    assert told[0] < told[-1] <= int(log.item.max()) + 1
