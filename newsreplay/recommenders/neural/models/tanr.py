"""TANR: article vectors that also predict the article's topic (Wu et al. 2019, ACL)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import CATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, TextEncoder
from newsreplay.recommenders.neural.models.model import UNKNOWN, LossInputs, NewsModel, Read, Size, unrounded

TOPIC = 0.2  #: weight of the topic loss


class TANR(NewsModel):
    """A convolution over a title makes an article, additive attention over what was read a reader.

    A second loss has article vectors predict the category. A reader who has read nothing has a learned
    vector (`nobody`).
    """

    fields: ClassVar = (TITLE, CATEGORY)
    dot = True
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.article_width = size.filters
        self.words = words
        self.title = TextEncoder(size.word, size.filters, size.query, size.dropout)
        self.topic = nn.Linear(size.filters, size.categories - UNKNOWN - 1)
        self.read_pool = AdditiveAttention(size.filters, size.query)
        self.nobody = nn.Parameter(torch.zeros(size.filters))

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles."""
        words = self.words_seen(self.words(contents.title), contents)
        return self.card_seen(self.title(words, contents.title > 0), contents)

    def loss(self, batch: LossInputs) -> Tensor:
        """That of the clicks, and that of the topics."""
        return super().loss(batch) + self.topic_loss(batch.vectors, batch.contents)

    def topic_loss(self, vectors: Tensor, contents: Contents) -> Tensor:
        """The mean cross-entropy of the categories that are known, times 0.2; 0 where none is."""
        topic = contents.category - UNKNOWN - 1
        known = topic >= 0
        loss = functional.cross_entropy(
            self.topic(unrounded(vectors)), topic.masked_fill(~known, -1), ignore_index=-1, reduction="sum"
        )
        return TOPIC * loss / known.sum().clamp(min=1)

    def reading(self, vectors: Tensor) -> Tensor:
        """Vectors and their logits in the readers' attention, [N, filters + 1]."""
        return self.read_pool.weighed(vectors)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, filters]; the order of what they read does not matter."""
        reader = self.read_pool.pool(read.vectors, read.mask)
        return (torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody),)
