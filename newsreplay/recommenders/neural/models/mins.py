"""MINS: interests side by side, a recurrent network for each (Wang et al. 2022, ICASSP)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import ABSTRACT, CATEGORY, SUBCATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    Dropout,
    NameTable,
    Recurrence,
    SelfAttention,
)
from newsreplay.recommenders.neural.models.model import SIZES, TRAININGS, NewsModel, Read, Size

MOST = 6  #: channels


class AttentiveText(nn.Module):
    """A text's word vectors to one, by self-attention and additive attention."""

    def __init__(self, size: Size):
        super().__init__()
        self.dropout = Dropout(size.dropout)
        self.attention = SelfAttention(size.word, size.heads, size.head)
        self.pool = AdditiveAttention(size.heads * size.head, size.query)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """[N, L, word] and bool[N, L] → [N, heads x head]."""
        vectors: Tensor = self.pool(self.dropout(self.attention(self.dropout(words), mask)), mask)
        return vectors


class PerChannel(nn.Module):
    """Linear layers side by side, [C, …, width] → [C, …, out], each with weights of its own."""

    def __init__(self, channels: int, width: int, out: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, out, width))
        self.bias = nn.Parameter(torch.zeros(channels, 1, out))
        for channel in range(channels):
            for gate in self.weight[channel].chunk(3):
                nn.init.xavier_uniform_(gate)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return (x.flatten(1, -2) @ self.weight.transpose(1, 2) + self.bias).view(*x.shape[:-1], self.bias.shape[-1])


class Channels(Recurrence):
    """Gated recurrent units side by side, C channels of the same width."""

    def __init__(self, channels: int, width: int):
        nn.Module.__init__(self)
        self.project = PerChannel(channels, width, 3 * width)
        self.recur = PerChannel(channels, width, 3 * width)

    def last(self, x: Tensor, mask: Tensor) -> Tensor:
        """The last state of each channel, [B, C, width], from inputs [B, H, C, width] and bool[B, H]."""
        projected = self.project(x.permute(2, 1, 0, 3))  # [C, H, B, 3 x width]
        nothing = x.new_zeros(x.shape[2], len(x), x.shape[3])
        states: Tensor = self(projected, mask, nothing)
        return states.transpose(0, 1)


class MINS(NewsModel):
    """Title, abstract, category and subcategory make an article as in NAML; a reader is several interests side by side.

        g_k = GRU_k(the k-th part of MHSA(h)),  k = 1 … 6
        a   = softmax_k(v · tanh(W g_k + w)),  u = 6 a_1 g_1 ⊕ … ⊕ 6 a_6 g_6,  s = u · n

    Each part of the self-attention, one head or as wide as one of six, goes through a recurrent network of its own. In
    both public implementations the six are one network, six times, and the attention over channels is given all of
    them as one vector, on which it has no effect. Here the networks are six, and attention weighs them; with equal
    weights (v = 0) u is what these implementations make, the states side by side, for which the 6 stands. Channels are
    as many as divide the width of articles, at most six (`small`: four).

    A view that an article does not have gets no weight. A reader who has read nothing has a learned vector (`nobody`).
    """

    sizes: ClassVar = SIZES | {"paper": replace(SIZES["paper"], heads=15, head=20)}
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], epochs=2, batch=16, npratio=2)}
    fields: ClassVar = (TITLE, ABSTRACT, CATEGORY, SUBCATEGORY)
    dot = True
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        width = self.article_width = size.heads * size.head
        self.channels = max(count for count in range(1, MOST + 1) if width % count == 0)
        self.words = words
        self.title = AttentiveText(size)
        self.abstract = AttentiveText(size)
        self.category = NameTable(size.categories, size.category)
        self.category_view = nn.Linear(size.category, width)
        self.subcategory = NameTable(size.subcategories, size.category)
        self.subcategory_view = nn.Linear(size.category, width)
        self.view_pool = AdditiveAttention(width, size.query)
        self.read = SelfAttention(width, self.channels, width // self.channels)
        self.interests = Channels(self.channels, width // self.channels)
        self.channel_pool = AdditiveAttention(width // self.channels, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def encode(self, contents: Contents) -> Tensor:
        """[N, heads x head] from titles, abstracts, categories and subcategories."""
        title, abstract = contents.title > 0, contents.abstract > 0
        views = [
            self.title(self.words_seen(self.words(contents.title), contents), title),
            self.abstract(self.words(contents.abstract), abstract),
            torch.relu(self.category_view(self.category(contents.category))),
            torch.relu(self.subcategory_view(self.subcategory(contents.subcategory))),
        ]
        present = [title.any(-1), abstract.any(-1), contents.category > 0, contents.subcategory > 0]
        return self.card_seen(self.view_pool(torch.stack(views, -2), torch.stack(present, -1)), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """Queries, keys and values of the readers' self-attention, [N, 3 x heads x head]."""
        projected: Tensor = self.read.project(vectors)
        return projected

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, heads x head], channel by channel."""
        attended = self.read.attend(read.vectors, read.mask)
        attended = attended.view(*read.mask.shape, self.channels, attended.shape[-1] // self.channels)
        interests = self.interests.last(attended, read.mask)
        weights = self.channels * self.channel_pool.logits(interests).softmax(-1)
        reader = (weights.unsqueeze(-1) * interests).flatten(1)
        return (torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody),)
