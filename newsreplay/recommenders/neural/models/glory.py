"""GLORY: articles seen through the graph of what is read after what, candidates through their entities' graph."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import ENTITIES, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    Dropout,
    Glorot,
    NameTable,
    Recurrence,
    SelfAttention,
)
from newsreplay.recommenders.neural.models.model import TRAININGS, Around, Graph, NewsModel, Size
from newsreplay.recommenders.neural.models.nrms import AttentiveReaders

SLOPE = 0.2  #: of leaky ReLUs, below zero
LAYERS = 3  #: of the gated graph network


class NormedPool(nn.Module):
    """Self-attention, layer normalisation, additive attention, layer normalisation: [N, L, width] → [N, out].

    Zeros where there is nothing.
    """

    def __init__(self, size: Size, width: int, heads: int):
        super().__init__()
        self.width = heads * size.head
        self.dropout = Dropout(size.dropout)
        self.attention = SelfAttention(width, heads, size.head)
        self.first_norm = nn.LayerNorm(self.width)
        self.pool = AdditiveAttention(self.width, size.query)
        self.second_norm = nn.LayerNorm(self.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From vectors [N, L, width] and bool[N, L]."""
        mixed = self.first_norm(self.attention(self.dropout(x), mask))
        pooled: Tensor = self.second_norm(self.pool(self.dropout(mixed), mask))
        return pooled.masked_fill(~mask.any(-1, keepdim=True), 0.0)


class Views(nn.Module):
    """Additive attention over some views of an article, of those that are not zero."""

    def __init__(self, width: int, query: int):
        super().__init__()
        self.pool = AdditiveAttention(width, query)

    def forward(self, *views: Tensor) -> Tensor:
        """[..., width] each → [..., width]."""
        stacked = torch.stack(views, -2)
        pooled: Tensor = self.pool(stacked, (stacked != 0).any(-1))
        return pooled


class GLORY(AttentiveReaders, NewsModel):
    """Titles passed along the edges "read just before" for what was read, entities and their neighbours for candidates.

    Yang et al. 2023 (RecSys). Of an article's title t, own entities e and the entities around them e':

        h_0 = t,  h_l = GRU(Σ_n Θ_l h_{l-1}(n), h_{l-1}),  l = 1, 2, 3      over the 8 articles n most read just before
        read      = attention over {t, h_3, e};  readers as in NRMS
        candidate = LeakyReLU(W attention over {t, e, e'} + b)

    t and e' are self-attention, layer normalisation, additive attention, layer normalisation; e likewise, and then
    LeakyReLU(W ·). The neighbours of an entity are the ten with which it is linked most: an edge between two articles
    links each entity of the one with each of the other, as often as it was used. What an article does not have gets no
    weight.

    Both graphs are those of the last snapshot, which is taken at every training, and training sees the one before. The
    release takes, for each reader, the part of the graph within two hops of what they read, with all the edges in it,
    and passes messages three times; here three hops are followed, along the edges to the 8 neighbours alone, so that an
    article is the same for every reader. Vectors of entities are trained, since names are hashed to rows.
    """

    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=2e-4, batch=32)}
    fields: ClassVar = (TITLE, ENTITIES)
    graph: ClassVar = Graph("next_read", neighbours=8, hops=LAYERS, entities=10)
    dot = True
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        width = self.article_width = size.heads * size.head
        self.words = words
        self.title = NormedPool(size, size.word, size.heads)
        self.messages = nn.ModuleList(Glorot(width, width, bias=False) for _ in range(LAYERS))
        self.gate = Recurrence(width, width)
        self.names = NameTable(size.names, size.category)
        self.entity = NormedPool(size, size.category, max(1, size.heads // 4))  # 5 of 20 in the paper
        self.entity_view = Glorot(self.entity.width, width)
        self.around = NormedPool(size, size.category, size.heads)
        self.read_views = Views(width, size.query)
        self.offered_views = Views(width, size.query)
        self.offered = Glorot(width, width)
        self.add_readers(size)

    def encode(self, contents: Contents) -> Tensor:
        """t ⊕ h_0 ⊕ e ⊕ nothing for e', [N, 4 x heads x head]; views that are missing are zero."""
        title = self.title(self.words_seen(self.words(contents.title), contents), contents.title > 0)
        title = self.card_seen(title, contents)
        named = contents.entities > 0
        entity = self.entity(self.names(contents.entities), named)
        entity = functional.leaky_relu(self.entity_view(entity), SLOPE).masked_fill(~named.any(-1, keepdim=True), 0.0)
        return torch.cat([title, title, entity, torch.zeros_like(title)], -1)

    def neighbour(self, vectors: Tensor) -> Tensor:
        """h of a neighbour."""
        width = self.article_width
        return vectors[..., width : 2 * width]

    def spread(self, vectors: Tensor, around: Around) -> Tensor:
        """The same after a layer of messages; e' with the first."""
        title, node, entity, near = vectors.chunk(4, -1)
        message = self.messages[around.hop - 1](around.nodes.masked_fill(~around.mask.unsqueeze(-1), 0.0).sum(1))
        always = around.mask.new_ones(len(vectors), 1)
        node = self.gate(self.gate.project(message).unsqueeze(1), always, node)
        if around.hop == 1 and around.entities is not None:
            rows = around.entities.flatten(1)
            near = self.around(self.names(rows), rows > 0)
        return torch.cat([title, node, entity, near], -1)

    def reading(self, vectors: Tensor) -> Tensor:
        """Queries, keys and values of what was read, [N, 3 x heads x head]."""
        title, node, entity, _ = vectors.chunk(4, -1)
        return super().reading(self.read_views(title, node, entity))

    def offer(self, vectors: Tensor) -> Tensor:
        """A candidate, [N, heads x head]."""
        title, _, entity, near = vectors.chunk(4, -1)
        return functional.leaky_relu(self.offered(self.offered_views(title, entity, near)), SLOPE)
