"""The last snapshot of a graph of reads, by slot: who stands around an article."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.models.model import UNKNOWN, Around, Graph, NewsModel
from newsreplay.recommenders.neural.stream.graph import ReadGraph
from newsreplay.recommenders.neural.stream.state import NONE


@dataclass(frozen=True)
class Links:
    """The neighbours of N articles, K places each."""

    nodes: Tensor  #: int64[N, K], where they stand in a table of articles, or of users; 0 where there is none
    weights: Tensor  #: float32[N, K]
    mask: Tensor  #: bool[N, K], True = a neighbour

    def on(self, device: torch.device) -> Links:
        """The same on a device."""
        return Links(self.nodes.to(device), self.weights.to(device), self.mask.to(device))

    def spread(self, model: NewsModel, vectors: Tensor, table: Tensor) -> Tensor:
        """One hop: the first articles' vectors [n, width], n <= N, as their neighbours in the `table` change them."""
        nodes, weights, mask = (column[: len(vectors)] for column in (self.nodes, self.weights, self.mask))
        if model.graph is not None and model.graph.kind == "next_read":
            nodes = table[nodes].masked_fill(~mask.unsqueeze(-1), 0)
        return model.spread(vectors, Around(nodes, weights, mask))


class Closure(NamedTuple):
    """Distinct articles and what their vectors hang on: their neighbours, the neighbours' neighbours …"""

    slots: Column  #: int64[N], the articles themselves first
    links: Links  #: of the articles that have vectors after a first hop, by row of `slots`, or of the table of users
    counts: tuple[int, ...]  #: articles, the first of `slots`, whose vectors are exact after each hop

    def on(self, device: torch.device) -> Closure:
        """The same on a device."""
        return self._replace(links=self.links.on(device))

    def spread(self, model: NewsModel, vectors: Tensor) -> Tensor:
        """Vectors of the articles themselves after all hops, from those of all, [N, width]."""
        for count in self.counts:
            vectors = self.links.spread(model, vectors[:count], vectors)
        return vectors


class Neighbourhoods:
    """Neighbours by slot, or by row of the table of users where readers are the neighbours."""

    def __init__(self, declared: Graph, graph: ReadGraph, articles: ArticleTable):
        self.hops = declared.hops
        self.readers = declared.kind == "readers"
        self.graph = graph
        self.articles = articles
        self.users_of: Callable[[Column], Column] = _nobody  #: rows of the table of users; a trainer knows them

    def refresh(self) -> Column:
        """Take the snapshot anew; returns the slots of the articles whose neighbours have changed."""
        return self.articles.slots(self.graph.refresh())

    def of(self, slots: Column) -> Links:
        """The neighbours of slots, int64[N]; padding has none."""
        nodes, weights = self.graph.neighbours(self.articles.items(slots))
        mask = nodes != NONE
        rows = np.where(mask, self.users_of(nodes), 0) if self.readers else self.articles.slots(nodes)
        return Links(torch.from_numpy(rows), torch.from_numpy(weights), torch.from_numpy(mask))

    def articles_of(self, slots: Column) -> Column:
        """The slots that a hop takes to find vectors of these: each, followed by the articles around it; 0 = none."""
        if self.readers:
            return slots
        return np.column_stack([slots, self.of(slots).nodes.numpy()]).ravel()

    def reaching(self, slots: Column) -> Column:
        """These slots, and those of which one of them is a neighbour."""
        if self.readers:
            return slots
        known = np.arange(1, self.articles.count + 1)
        reach = np.isin(self.of(known).nodes.numpy(), slots[slots > 0]).any(1)
        return np.union1d(slots, known[reach])

    def closure(self, slots: Column) -> Closure:
        """What distinct slots hang on over all hops."""
        counts = [len(slots)]
        for _ in range(self.hops):
            around = np.setdiff1d(self.articles_of(slots), slots)
            slots = np.concatenate([slots, around[around > 0]])
            counts.append(len(slots))
        links = self.of(slots[: counts[-2]])
        if not self.readers:
            order = np.argsort(slots)
            row = order[np.searchsorted(slots, links.nodes.numpy(), sorter=order)]
            links = replace(links, nodes=torch.from_numpy(row).masked_fill(~links.mask, 0))
        return Closure(slots, links, tuple(counts[-2::-1]))


def _nobody(user: Column) -> Column:
    return np.full(user.shape, UNKNOWN, np.int64)
