"""NAML: an article from several views, weighed by attention (Wu et al. 2019, IJCAI)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import ABSTRACT, CATEGORY, SUBCATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, NameTable, TextEncoder
from newsreplay.recommenders.neural.models.model import NewsModel, Read, Size


class NAML(NewsModel):
    """Title, abstract, category and subcategory make an article; additive attention over what was read a reader.

    A view that an article does not have (such as an abstract) gets no weight. A reader who has read nothing has a
    learned vector (`nobody`).
    """

    fields: ClassVar = (TITLE, ABSTRACT, CATEGORY, SUBCATEGORY)
    dot = True
    visual: ClassVar = "none"
    described: ClassVar = True

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        width = self.article_width = size.filters
        self.words = words
        self.title = TextEncoder(size.word, width, size.query, size.dropout)
        self.abstract = TextEncoder(size.word, width, size.query, size.dropout)
        self.category = NameTable(size.categories, size.category)
        self.category_view = nn.Linear(size.category, width)
        self.subcategory = NameTable(size.subcategories, size.category)
        self.subcategory_view = nn.Linear(size.category, width)
        self.view_pool = AdditiveAttention(width, size.query)
        self.read_pool = AdditiveAttention(width, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles, abstracts, categories and subcategories."""
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
        """Vectors and their logits in the readers' attention, [N, filters + 1]."""
        return self.read_pool.weighed(vectors)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, filters]; the order of what they read does not matter."""
        reader = self.read_pool.pool(read.vectors, read.mask)
        return (torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody),)
