"""PP-Rec: interest and popularity, weighed by the reader (Qi et al. 2021, ACL)."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from newsreplay.recommenders.neural.models.fields import CATEGORY, ENTITIES, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    BinTable,
    Dropout,
    Glorot,
    NameTable,
    SelfAttention,
    attend,
    pooled,
)
from newsreplay.recommenders.neural.models.model import (
    TRAININGS,
    NewsModel,
    Offered,
    Read,
    Size,
    Training,
    dot_product,
)

BINS = 200  #: of click rates, in rows of the table of popularities
AGES = 1_500  #: rows of the table of ages, two hours each


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence to another, without biases and output projection."""

    def __init__(self, width: int, other: int, heads: int, head: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, heads * head, bias=False)
        self.keys = nn.Linear(other, 2 * heads * head, bias=False)  #: and values, side by side
        for part in (self.query.weight, *self.keys.weight.chunk(2)):
            nn.init.xavier_uniform_(part)

    def forward(self, x: Tensor, other: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width], [N, M, other] and bool[N, M] of the other → [N, L, heads x head]; zero if nothing is real."""
        key, value = self.keys(other).chunk(2, -1)
        return attend(self.query(x), key, value, self.heads, mask)


class Side(nn.Module):
    """One side of the co-attention: a sequence as itself and as what of the other sequence matters to it, pooled."""

    def __init__(self, size: Size, width: int, other: int):
        super().__init__()
        heads, head = max(1, size.heads // 4), 2 * size.head  # 5 of 40 in the paper
        inner = size.heads * size.head
        self.dropout = Dropout(size.dropout)
        self.itself = SelfAttention(width, size.heads, size.head)
        self.other = CrossAttention(width, other, heads, head)
        self.merge = Glorot(inner + heads * head, inner)
        self.pool = AdditiveAttention(inner, size.query)

    def forward(self, x: Tensor, mask: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
        """[N, L, width], bool[N, L], [N, M, other], bool[N, M] → [N, heads x head]."""
        both = torch.cat([self.itself(x, mask), self.other(x, other, other_mask)], -1)
        vectors: Tensor = self.pool(self.merge(self.dropout(both)), mask)
        return vectors


class CoAttention(nn.Module):
    """Articles from titles and entities that attend to each other, and categories: → [N, heads x head]."""

    def __init__(self, size: Size):
        super().__init__()
        inner = size.heads * size.head
        self.title = Side(size, size.word, size.category)
        self.entity = Side(size, size.category, size.word)
        self.merge = Glorot(2 * inner + 2 * size.category, inner)

    def forward(self, words: Tensor, real: Tensor, entities: Tensor, named: Tensor, category: Tensor) -> Tensor:
        """Vectors of words [N, L, word], of entities [N, E, category], their masks, of categories [N, 2 x category]."""
        title = self.title(words, real, entities, named)
        entity = self.entity(entities, named, words, real)
        vectors: Tensor = self.merge(torch.cat([title, entity, category], -1))
        return vectors


class PPRec(NewsModel):
    """The sum of what suits a reader and what is popular, weighed by how much the reader goes by interest.

        u = Σ softmax_i(v·tanh(W (x_i ⊕ PopEmb_i) + b)) x_i            x = self-attention over what was read
        p = w·CTR + (1 - g) content(n') + g recency(RecEmb)            g = σ(weighed(weigh(n' ⊕ RecEmb)))
        s = 2 η u·n + 2 (1 - η) p                                      η = σ(reliance(u))

    n and n' are two encoders' vectors of an article; `encode` puts them side by side. They share the tables of
    words, entities and categories, which are trained. CTR is the signal `RATE`, the clicks per exposure in the last
    bucket that counts; 0 where unknown. PopEmb is the row floor(200 CTR), and for what was read this is the CTR at
    the moment of the request: the paper takes the one before its own click, but not all logs hold the time of that.
    RecEmb is the row of the age, two hours each. The release's ages mix minutes and hours, and are mostly 0; ours do
    not. It doubles s in training only, which orders nothing differently; we always do. Where it leaves hidden layers
    open, they are as wide as those of `content` and `recency` or half as wide.

    A reader who has read nothing has a learned vector (`nobody`).
    """

    trainings: ClassVar = TRAININGS | {"paper": Training(epochs=2, batch=32, npratio=1)}
    fields: ClassVar = (TITLE, CATEGORY, ENTITIES)
    signals: ClassVar = ("rate", "age")
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.width = size.heads * size.head
        self.article_width = 2 * self.width
        wide = size.dense[1]
        narrow = max(2, wide // 4)  # 64 in the paper
        self.words = words
        self.names = NameTable(size.names, size.category)
        self.categories = NameTable(size.categories, 2 * size.category)
        self.dropout = Dropout(size.dropout)
        self.suited = CoAttention(size)
        self.popular = CoAttention(size)
        self.read = SelfAttention(self.width, size.heads, size.head)
        self.popularity = BinTable(BINS, self.width)
        self.read_pool = AdditiveAttention(2 * self.width, size.query)
        self.nobody = nn.Parameter(torch.zeros(self.width))
        self.reliance = layers(self.width, wide // 2, narrow)
        self.rate = nn.Parameter(torch.tensor(19.0))  #: the release's first value
        self.content = layers(self.width, wide, wide, wide // 2)
        self.age = BinTable(AGES, size.category)
        self.recency = layers(size.category, narrow, narrow)
        self.weigh = Glorot(self.width + size.category, wide // 2)
        self.weighed = nn.Sequential(nn.Tanh(), *layers(wide // 2, narrow))

    def encode(self, contents: Contents) -> Tensor:
        """[N, 2 x heads x head]: n beside n'."""
        real, named = contents.title > 0, contents.entities > 0
        inputs = (
            self.dropout(self.words_seen(self.words(contents.title), contents)),
            real,
            self.dropout(self.names(contents.entities)),
            named,
            self.dropout(self.categories(contents.category)),
        )
        return self.card_seen(torch.cat([self.suited(*inputs), self.popular(*inputs)], -1), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """Queries, keys and values of the readers' self-attention, [N, 3 x heads x head]."""
        projected: Tensor = self.read.project(self.dropout(vectors[..., : self.width]))
        return projected

    def offer(self, vectors: Tensor) -> Tensor:
        """n, content(n') and what n' adds to the first layer of g."""
        suited, popular = self.dropout(vectors).chunk(2, -1)
        weigh = linear(popular, self.weigh.weight[:, : self.width], self.weigh.bias)
        return torch.cat([suited, self.content(popular), weigh], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, heads x head], and how much they go by interest, [B]."""
        x = self.dropout(self.read.attend(read.vectors, read.mask))
        bins = (read.signals.rate.nan_to_num(0.0) * BINS).long().clamp(0, BINS - 1)
        hidden = self.read_pool.hidden
        beside = linear(self.popularity.weight, hidden.weight[:, self.width :], hidden.bias)
        logits = self.read_pool.weigh(torch.tanh(linear(x, hidden.weight[:, : self.width]) + beside[bins]))
        reader = pooled(logits.squeeze(-1), x, read.mask)
        reader = torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody)
        return reader, torch.sigmoid(self.reliance(reader)).squeeze(-1)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        reader, eta = readers
        suited, content, weigh = offered.vectors.tensor_split([self.width, self.width + 1], -1)
        age = self.age((offered.signals.age.nan_to_num(0.0) / 2).long().clamp(0, AGES - 1))
        share = torch.sigmoid(self.weighed(weigh + linear(age, self.weigh.weight[:, self.width :])))
        popularity = ((1 - share) * content + share * self.recency(age)).squeeze(-1)
        popularity = popularity + self.rate * offered.signals.rate.nan_to_num(0.0)
        eta = eta.unsqueeze(-1)
        scores: Tensor = 2 * eta * dot_product(suited, reader.unsqueeze(-2)) + 2 * (1 - eta) * popularity
        return scores


def layers(*widths: int) -> nn.Sequential:
    """Linear layers to these widths and at last to 1, with tanh between."""
    chain: list[nn.Module] = []
    for width, following in pairwise(widths):
        chain += [Glorot(width, following), nn.Tanh()]
    return nn.Sequential(*chain, Glorot(widths[-1], 1))
