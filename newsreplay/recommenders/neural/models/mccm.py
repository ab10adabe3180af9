"""MCCM: words mixed by kernels that hang on their topics, readers told apart from one another (Wang et al. 2023).

Of the paper we know what others say of it (CROWN's Table 4) and how a third party has built it; the equations are that
one's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, Drawing, Dropout, Glorot, SelfAttention
from newsreplay.recommenders.neural.models.model import (
    SIZES,
    TRAININGS,
    LossInputs,
    NewsModel,
    Read,
    Size,
    unrounded,
)

TOPICS = 5
WINDOW = 3
CONTRAST = 0.1  #: weight of either further loss, and their temperature
DROPPED = 0.25  #: share of what was read that the other view of a reader lacks


class TopicalConvolution(nn.Module):
    """A depth-wise convolution over words whose kernel at each place goes by what the word is about.

        K_i = (x_i Tᵀ) · ReLU(W T + b)                     [3, width]
        y_i = x_i + Σ_j K_ij ⊙ x_{i+j},  j = -1, 0, 1      zeros beyond a title's ends

    T are the centres of topics, [TOPICS, width].
    """

    def __init__(self, width: int):
        super().__init__()
        self.topics = nn.Parameter(torch.empty(TOPICS, width))
        nn.init.xavier_uniform_(self.topics)
        self.kernels = Glorot(width, WINDOW * width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and bool[N, L] → the same."""
        x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        kernels = (x @ self.topics.T) @ torch.relu(self.kernels(self.topics))
        padded = functional.pad(x, (0, 0, WINDOW // 2, WINDOW // 2))
        around = [padded[:, step : step + x.shape[1]] for step in range(WINDOW)]
        return sum((part * kernel for part, kernel in zip(around, kernels.chunk(WINDOW, -1), strict=True)), x)


def identity_loss(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """InfoNCE: each row of a, [n, q], is to be told as its own row of b among all rows that are real, bool[n].

    The mean of -log softmax_j(cos(a_i, b_j) / 0.1) at j = i; 0 where fewer than two are real.
    """
    a, b = (functional.normalize(unrounded(x[mask]), dim=-1) for x in (a, b))
    if len(a) < 2:
        return a.sum() * 0.0
    return functional.cross_entropy(a @ b.T / CONTRAST, torch.arange(len(a), device=a.device))


class MCCM(Drawing, NewsModel):
    """Self-attention and a convolution by topics over a title's words; attention over what was read.

        x = MHSA(title),  n = AddAtt(TopicalConvolution(x)),  u = AddAtt(h_1 … h_H),  s = u · n
        L = clicks + .1 L_topic + .1 L_user

    L_topic tells the centres of topics from one another; L_user a reader from the others of a batch by what is left of
    their reads when a quarter is dropped, those rather that many of the batch have read. Otherwise than there
    padding is masked, and readers who read nothing, who have a learned vector (`nobody`), are in no L_user.
    """

    dot = True
    visual: ClassVar = "none"
    sizes: ClassVar = {"paper": replace(SIZES["paper"], heads=15)} | {name: SIZES[name] for name in ("small", "tiny")}
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=5e-5)}

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        width = self.article_width = size.heads * size.head
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = SelfAttention(size.word, size.heads, size.head)
        self.convolution = TopicalConvolution(width)
        self.title_pool = AdditiveAttention(width, size.query)
        self.read_pool = AdditiveAttention(width, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def encode(self, contents: Contents) -> Tensor:
        """[N, heads x head] from titles."""
        real = contents.title > 0
        words = self.dropout(self.words_seen(self.words(contents.title), contents))
        words = self.convolution(self.dropout(self.title(words, real)), real)
        return self.card_seen(self.title_pool(words, real), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """Vectors and their logits in the readers' attention, [N, heads x head + 1]."""
        return self.read_pool.weighed(vectors)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, heads x head]; the order of what they read does not matter."""
        reader = self.read_pool.pool(read.vectors, read.mask)
        return (torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody),)

    def loss(self, batch: LossInputs) -> Tensor:
        """That of the clicks, of topics and of readers."""
        topics = self.convolution.topics
        every = torch.ones(TOPICS, dtype=torch.bool, device=topics.device)
        further = identity_loss(topics, topics, every) + self.reader_loss(batch)
        return super().loss(batch) + CONTRAST * further

    def reader_loss(self, batch: LossInputs) -> Tensor:
        """L_user."""
        history = batch.requests.history
        mask = history > 0
        if not mask.shape[1]:
            return batch.readers[0].sum() * 0.0
        kept = self.kept(history)
        other = self.read_pool(unrounded(batch.vectors)[history], kept)
        return identity_loss(batch.readers[0], other, mask.any(-1))

    def kept(self, history: Tensor) -> Tensor:
        """bool[B, H], what is left of reads, int64[B, H], 0 = padding, when training drops a quarter of each reader's.

        Dropped are those with the largest u^(1 / f), u from 0 to 1 at random and f how often the batch has the article:
        draws without replacement in proportion to f (Efraimidis & Spirakis 2006).
        """
        mask = history > 0
        if not self.training:
            return mask
        often = torch.bincount(history.flatten())[history].float()
        luck = torch.rand(history.shape, generator=self.generator, device=history.device).clamp(min=1e-12)
        keys = (luck.log() / often).masked_fill(~mask, -torch.inf)
        rank = keys.argsort(-1, descending=True).argsort(-1)
        return mask & (rank >= torch.floor(DROPPED * mask.sum(-1, keepdim=True)))
