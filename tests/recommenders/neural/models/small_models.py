"""Models of a few lines that use what the others leave alone: context, the session's reads, several vectors a reader.

They stand beside the models of the package in the contract, and the tests of training make theirs from them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import Columns, Contents
from newsreplay.recommenders.neural.models.layers import Dropout
from newsreplay.recommenders.neural.models.model import NewsModel, Offered, Read, Size


class Small(NewsModel):
    """The words of a title make an article, the mean of what was read a reader."""

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.project = nn.Linear(size.word, size.filters)
        self.nobody = nn.Parameter(torch.zeros(size.filters))

    def encode(self, contents: Contents) -> Tensor:
        return torch.tanh(self.project(self.dropout(self.words(contents.title)).sum(1)))

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        return (self.mean(read.vectors, read.mask),)

    def mean(self, vectors: Tensor, mask: Tensor) -> Tensor:
        total = vectors.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
        mean = total / mask.sum(1, keepdim=True).clamp(min=1)
        return torch.where(mask.any(-1, keepdim=True), mean, self.nobody)


class InContext(Small):
    """Reads of the session, weighed by when they were read and what about; candidates are told of likewise."""

    context: ClassVar = ("category", "age", "hour", "session")
    history: ClassVar = "session"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__(size, words)
        self.weigh = nn.Linear(4, 1)
        self.suits = nn.Linear(4, 1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        weights = torch.sigmoid(self.weigh(side_by_side(read.context)))
        return (self.mean(read.vectors * weights, read.mask),)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        suits = self.suits(side_by_side(offered.context)).squeeze(-1)
        return super().score(readers, offered) + suits


def side_by_side(context: Columns) -> Tensor:
    return torch.stack([context.session, context.category / 16, context.age / 72, context.hour / 24], -1)


class Several(Small):
    """A reader is the mean of what they read, the newest of it, and a number; the better of the two vectors counts."""

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        last = (read.mask.sum(1) - 1).clamp(min=0)[:, None, None].expand(-1, 1, read.vectors.shape[-1])
        some = read.mask.any(-1, keepdim=True)
        if not read.mask.shape[1]:
            newest = self.nobody.expand(len(read.mask), -1)
        else:
            newest = torch.where(some, read.vectors.gather(1, last).squeeze(1), self.nobody)
        return torch.stack([self.mean(read.vectors, read.mask), newest], 1), 1 + read.mask.sum(1)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        vectors, count = readers
        return (vectors @ offered.vectors.transpose(-1, -2)).logsumexp(1) * count.sqrt().unsqueeze(-1)
