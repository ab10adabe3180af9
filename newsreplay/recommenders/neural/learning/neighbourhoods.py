"""The last snapshot of a graph of reads, by slot: who stands around an article."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

TOGETHER = 4_096  #: articles whose entities' links are counted at a time


@dataclass(frozen=True)
class Links:
    """The neighbours of N articles, K places each."""

    nodes: Tensor  #: int64[N, K], where they stand in a table of articles, or of users; 0 where there is none
    weights: Tensor  #: float32[N, K]
    mask: Tensor  #: bool[N, K], True = a neighbour
    entities: Tensor | None  #: int64[N, E, …], neighbours of the articles' entities, by row of their table; 0 = none

    def on(self, device: torch.device) -> Links:
        """The same on a device."""
        entities = None if self.entities is None else self.entities.to(device)
        return Links(self.nodes.to(device), self.weights.to(device), self.mask.to(device), entities)

    def spread(self, model: NewsModel, vectors: Tensor, table: Tensor, hop: int) -> Tensor:
        """One hop: the first articles' vectors [n, width], n <= N, as their neighbours in the `table` change them."""
        nodes, weights, mask = (column[: len(vectors)] for column in (self.nodes, self.weights, self.mask))
        entities = None if self.entities is None else self.entities[: len(vectors)]
        if model.graph is not None and model.graph.kind == "next_read":
            nodes = model.neighbour(table)[nodes].masked_fill(~mask.unsqueeze(-1), 0)
        return model.spread(vectors, Around(nodes, weights, mask, hop, entities))


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
        for hop, count in enumerate(self.counts, 1):
            vectors = self.links.spread(model, vectors[:count], vectors, hop)
        return vectors


class Neighbourhoods:
    """Neighbours by slot, or by row of the table of users where readers are the neighbours."""

    def __init__(self, declared: Graph, graph: ReadGraph, articles: ArticleTable):
        self.hops = declared.hops
        self.readers = declared.kind == "readers"
        self.graph = graph
        self.articles = articles
        self.users_of: Callable[[Column], Column] = _nobody  #: rows of the table of users; a trainer knows them
        self.entities = declared.entities
        self.near = self._linked_most()  #: int64[rows, entities], neighbours of each entity

    def refresh(self) -> Column:
        """Take the snapshot anew; returns the slots of the articles whose neighbours have changed."""
        changed = self.articles.slots(self.graph.refresh())
        if not self.entities:
            return changed
        before, self.near = self.near, self._linked_most()
        differs = (before != self.near).any(1)
        known = np.arange(1, self.articles.count + 1)
        return np.union1d(changed, known[differs[self._entities_of(known)].any(1)])

    def of(self, slots: Column) -> Links:
        """The neighbours of slots, int64[N]; padding has none."""
        nodes, weights = self.graph.neighbours(self.articles.items(slots))
        mask = nodes != NONE
        rows = np.where(mask, self.users_of(nodes), 0) if self.readers else self.articles.slots(nodes)
        near = torch.from_numpy(self.near[self._entities_of(slots)]) if self.entities else None
        return Links(torch.from_numpy(rows), torch.from_numpy(weights), torch.from_numpy(mask), near)

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

    def _linked_most(self) -> Column:
        """The neighbours of entities as of the graph's last snapshot; padding has none."""
        return linked_most(self._links_of_entities(), self.articles.size.names, self.entities)

    def _links_of_entities(self) -> Iterator[tuple[Column, Column, Column]]:
        """Pairs of entities, and how often the edges between their articles were used, [n] each."""
        items = self.graph.linked() if self.entities else np.zeros(0, np.int64)
        for first in range(0, len(items), TOGETHER):
            some = items[first : first + TOGETHER]
            nodes, weights = self.graph.neighbours(some)
            ours = self._entities_of(self.articles.slots(some))[:, None, :, None]
            theirs = self._entities_of(self.articles.slots(nodes).ravel()).reshape(*nodes.shape, 1, -1)
            one, other, often = np.broadcast_arrays(ours, theirs, weights[..., None, None])
            yield one.ravel(), other.ravel(), often.ravel()

    def _entities_of(self, slots: Column) -> Column:
        """The rows of the articles' entities, int64[N, E]; 0 = none."""
        return self.articles.rows_of_names("entities", slots)


def linked_most(links: Iterable[tuple[Column, Column, Column]], rows: int, count: int) -> Column:
    """int64[rows, count]: those with which each row is linked most often, of equal ones the lower row first; 0 = none.

    `links` hold pairs of rows and how often they were linked, [n] each, in any order and direction; a row is no
    neighbour of its own, and padding, 0, of none.

    >>> linked_most([(np.array([2, 3, 2]), np.array([3, 4, 2]), np.array([1, 5, 9]))], 5, 2).tolist()
    [[0, 0], [0, 0], [3, 0], [4, 2], [3, 0]]
    """
    keys, weights = [np.zeros(0, np.int64)], [np.zeros(0)]
    for one, other, weight in links:
        real = (one > 0) & (other > 0) & (one != other)
        one, other, weight = one[real], other[real], weight[real]
        keys += [one * rows + other, other * rows + one]
        weights += [weight, weight]
    pairs, where = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.bincount(where, np.concatenate(weights), len(pairs))
    of, node = pairs // rows, pairs % rows
    order = np.lexsort((node, -total, of))
    of, node = of[order], node[order]
    place = np.arange(len(of)) - np.searchsorted(of, of)
    out = np.zeros((rows, count), np.int64)
    kept = place < count
    out[of[kept], place[kept]] = node[kept]
    return out


def _nobody(user: Column) -> Column:
    return np.full(user.shape, UNKNOWN, np.int64)
