"""What models learn of some articles and readers holds for others: made-up readers who like two topics of eight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from newsreplay.recommenders.neural.models.fields import Columns, Contents, Field, Name, Names, Words
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import TINY, UNKNOWN, Around, Inputs, NewsModel, Size, click_loss
from tests.recommenders.neural.models.batches import model_class

TOPICS, OWN, COMMON = 8, 6, 20  #: words of a topic's own, and of all
ARTICLES = 320  #: the first half of them are trained on
SIZE = replace(TINY, word=16, head=8, filters=16, query=8, category=8, names=64, dropout=0.1)
LEARNERS = ("nrms", "cennewsrec", "mins", "npa", "hierec", "glory", "cne_sue", "dkn", "mccm", "dssm", "caum", "lstur")


class Newsroom:
    """Articles, each of one topic: half of its words are the topic's own, its category and entities are, too."""

    def __init__(self, model: NewsModel, size: Size):
        self.model, self.rng = model, np.random.default_rng(0)
        self.topic = self.rng.integers(0, TOPICS, ARTICLES + 1)
        columns = {field.name: self._column(field, size) for field in model.fields}
        self.contents = Contents(columns).each(lambda rows: rows.index_fill(0, torch.tensor([0]), 0))

    def _column(self, field: Field, size: Size) -> Tensor:
        rows, topic = ARTICLES + 1, self.topic[:, None]
        match field:
            case Words():
                shape = rows, getattr(size, field.name)
                own = 2 + COMMON + OWN * topic + self.rng.integers(0, OWN, shape)
                return torch.tensor(
                    np.where(self.rng.random(shape) < 0.5, own, 2 + self.rng.integers(0, COMMON, shape))
                )
            case Name():
                return torch.tensor(2 + self.topic)
            case Names():
                return torch.tensor(2 + 3 * topic + self.rng.integers(0, 3, (rows, size.entities)))
        raise TypeError(f"{field} is none of these")

    def requests(self, readers: int, articles: Any) -> Inputs:
        """The first of five candidates is about what the reader likes."""
        history, pool = np.zeros((readers, SIZE.history), np.int64), np.zeros((readers, 5), np.int64)
        for reader in range(readers):
            likes = np.isin(self.topic[articles], self.rng.choice(TOPICS, 2, replace=False))
            count = int(self.rng.integers(3, SIZE.history + 1))
            history[reader, :count] = self.rng.choice(articles[likes], count)
            pool[reader] = [self.rng.choice(articles[likes]), *self.rng.choice(articles[~likes], 4)]
        return Inputs(
            *map(torch.from_numpy, (history, pool)), *self._told(history, pool), torch.full((readers,), UNKNOWN)
        )

    def _told(self, history: Any, pool: Any) -> tuple[Columns, ...]:
        def context(rows: Any) -> Columns:
            name = torch.tensor(np.where(rows > 0, 2 + self.topic[rows], 0)).float()
            wide = [name for _ in self.model.context]
            return Columns(self.model.context, torch.stack(wide, -1) if wide else torch.zeros(*rows.shape, 0))

        signals = (Columns((), torch.zeros(*rows.shape, 0)) for rows in (history, pool))
        return (*signals, context(history), context(pool))


def scores(model: NewsModel, newsroom: Newsroom, requests: Inputs) -> Tensor:
    vectors = model.encode(newsroom.contents)
    graph = model.graph
    for hop in range(1, 1 + (graph.hops if graph else 0)):  # of nobody
        mask = torch.zeros(len(vectors), 1, dtype=torch.bool)
        nodes = torch.zeros(len(vectors), 1, model.neighbour(vectors).shape[-1])
        vectors = model.spread(vectors, Around(nodes, mask.float(), mask, hop))
    return model.scores(vectors, requests, newsroom.contents)[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_learned_of_some_articles_holds_for_others(name: str) -> None:
    torch.manual_seed(1)
    model = model_class(name)(SIZE, WordTable(2 + COMMON + TOPICS * OWN, SIZE.word))
    newsroom = Newsroom(model, SIZE)
    model.survey(newsroom.contents.each(lambda column: column[1:]))
    half = np.arange(1, ARTICLES + 1).reshape(2, -1)
    others = newsroom.requests(300, half[1])
    optimiser = torch.optim.Adam(model.groups(0.01), 0.01)
    for _ in range(120):
        some = newsroom.requests(64, half[0])
        logits = scores(model, newsroom, some)
        optimiser.zero_grad()
        click_loss(logits, logits, torch.ones_like(logits) > 0, torch.zeros_like(logits) > 0).backward()
        optimiser.step()
    model.eval()
    with torch.inference_mode():
        found = scores(model, newsroom, others)
    assert (found[:, :1] > found[:, 1:]).float().mean() > 0.7
