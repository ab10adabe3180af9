"""CenNewsRec: all that was read, and what was read lately, as one reader (Qi et al. 2020, Findings of EMNLP)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    Convolution,
    Dropout,
    Recurrence,
    SelfAttention,
    newest,
)
from newsreplay.recommenders.neural.models.model import NewsModel, Read, Size

LATELY = 20  #: newest reads that the recurrence is told of


class CenNewsRec(NewsModel):
    """A convolution and self-attention over a title's words make an article; a reader is of long and short standing.

        n     = AddAtt(ReLU(MHSA(CNN(title))))
        long  = AddAtt(MHSA(h)),  short = GRU(the newest 20 of h)
        u     = AddAtt(long, short),  s = u · n

    The model that the paper on federated training (FedNewsRec) trains, here trained in one place. A widespread
    re-implementation takes the last 20 places of a padded history, so that it sees padding of those who read less; here
    they are the newest 20 reads. A reader who has read nothing has a learned vector (`nobody`).
    """

    dot = True
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        width = self.article_width = size.heads * size.head
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.convolution = Convolution(size.word, size.filters)
        self.title = SelfAttention(size.filters, size.heads, size.head)
        self.title_pool = AdditiveAttention(width, size.query)
        self.read = SelfAttention(width, size.heads, size.head)
        self.read_pool = AdditiveAttention(width, size.query)
        self.recurrence = Recurrence(width, width)
        self.both_pool = AdditiveAttention(width, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def encode(self, contents: Contents) -> Tensor:
        """[N, heads x head] from titles."""
        real = contents.title > 0
        words = self.dropout(self.words_seen(self.words(contents.title), contents))
        states = self.dropout(self.convolution(words, real))
        attended = self.dropout(torch.relu(self.title(states, real)))
        return self.card_seen(self.title_pool(attended, real), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """Projections for the self-attention and for the recurrence, [N, 6 x heads x head]."""
        return torch.cat([self.read.project(vectors), self.recurrence.project(vectors)], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, heads x head], by the order of what they read lately."""
        projected, inputs = read.vectors.chunk(2, -1)
        long_term = self.read_pool(self.read.attend(projected, read.mask), read.mask)
        lately, mask = newest(inputs, read.mask, LATELY)
        short_term = self.recurrence(lately, mask, torch.zeros_like(long_term))
        both = torch.stack([long_term, short_term], -2)
        reader = self.both_pool(both, torch.ones_like(both[..., 0], dtype=torch.bool))
        return (torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody),)
