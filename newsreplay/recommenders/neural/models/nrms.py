"""NRMS: self-attention over words, and over what was read (Wu et al. 2019, EMNLP)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, Dropout, SelfAttention
from newsreplay.recommenders.neural.models.model import NewsModel, Read, Size


class AttentiveReaders(nn.Module):
    """The second stage of NRMS and of what is built on it: self-attention over what was read, and additive attention.

    A reader who has read nothing has a learned vector (`nobody`).
    """

    def add_readers(self, size: Size) -> None:
        """Make its layers, for article vectors of heads x head."""
        width = size.heads * size.head
        self.read = SelfAttention(width, size.heads, size.head)
        self.read_pool = AdditiveAttention(width, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def reading(self, vectors: Tensor) -> Tensor:
        """Queries, keys and values of the readers' self-attention, [N, 3 x heads x head]."""
        projected: Tensor = self.read.project(vectors)
        return projected

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, heads x head]; the order of what they read does not matter."""
        reader = self.read_pool(self.read.attend(read.vectors, read.mask), read.mask)
        return (torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody),)


class NRMS(AttentiveReaders, NewsModel):
    """Self-attention over a title's words makes an article, over what a reader read a reader."""

    dot = True
    visual: ClassVar = "none"
    described: ClassVar = True

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        width = self.article_width = size.heads * size.head
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = SelfAttention(size.word, size.heads, size.head)
        self.title_pool = AdditiveAttention(width, size.query)
        self.add_readers(size)

    def encode(self, contents: Contents) -> Tensor:
        """[N, heads x head] from titles."""
        real = contents.title > 0
        seen = self.words_seen(self.words(contents.title), contents)
        words = self.dropout(self.title(self.dropout(seen), real))
        return self.card_seen(self.title_pool(words, real), contents)
