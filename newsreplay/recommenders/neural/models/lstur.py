"""LSTUR: who a reader is, and a recurrent network over what they read lately (An et al. 2019, ACL)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import CATEGORY, SUBCATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import NameTable, Recurrence, TextEncoder
from newsreplay.recommenders.neural.models.model import NewsModel, Read, Size

MASKED = 0.5  #: share of the readers whose long-term embedding is hidden in training


class LSTUR(NewsModel):
    """A title beside category and subcategory makes an article; a gated recurrent unit over the reads a reader.

    A reader's long-term embedding starts the recurrence (`variant="ini"`), so that it is all there is of a reader who
    has read nothing; or it stands, projected, beside the last state (`variant="con"`), each half as wide as an article.
    Embeddings start at zero. In training half of them are masked as in the paper, which shows zeros then and to unseen
    readers; here both are shown the row of unseen readers, which is trained.
    """

    fields: ClassVar = (TITLE, CATEGORY, SUBCATEGORY)
    dot = True
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module, *, variant: Literal["ini", "con"] = "ini"):
        super().__init__()
        width = self.article_width = size.filters + 2 * size.category
        self.words = words
        self.title = TextEncoder(size.word, size.filters, size.query, size.dropout)
        self.category = NameTable(size.categories, size.category)
        self.subcategory = NameTable(size.subcategories, size.category)
        self.users = NameTable(size.users, width, unknown=MASKED)
        nn.init.zeros_(self.users.weight)
        if variant == "ini":
            self.recurrence = Recurrence(width, width)
            self.long_term = None
        elif variant == "con":
            self.recurrence = Recurrence(width, width // 2)
            self.long_term = nn.Linear(width, width - width // 2)
        else:
            raise ValueError(f"variant is {variant!r}, not 'ini' or 'con'")

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters + 2 x category] from titles, categories and subcategories."""
        title = self.title(self.words_seen(self.words(contents.title), contents), contents.title > 0)
        parts = [title, self.category(contents.category), self.subcategory(contents.subcategory)]
        return self.card_seen(torch.cat(parts, -1), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """The recurrence's projections of its inputs, [N, 3 x its width]."""
        projected: Tensor = self.recurrence.project(vectors)
        return projected

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, filters + 2 x category]."""
        long_term = self.users(read.user)
        if self.long_term is None:
            return (self.recurrence(read.vectors, read.mask, long_term),)
        nothing = read.vectors.new_zeros(len(read.vectors), read.vectors.shape[-1] // 3)
        lately = self.recurrence(read.vectors, read.mask, nothing)
        return (torch.cat([lately, self.long_term(long_term)], -1),)
