"""Layers that the models share. All take masks, True = real; where nothing is real the result is zero, never NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Dropout(nn.Module):
    """Dropout that can draw from a generator of its own, so that models trained side by side do not share one."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None  #: None = torch's

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of the values in training, and scale the others up."""
        if not self.training or not self.share:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.share, generator=self.generator)
        return x * keep.div_(1 - self.share)


def masked_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension's real places; zeros where there is none."""
    weights = logits.masked_fill(~mask, torch.finfo(logits.dtype).min).softmax(-1)
    return weights.masked_fill(~mask, 0.0)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor) -> Tensor:
    """Scaled dot-product attention of several heads: [..., L, heads x s] → the same, without an output projection.

    `mask` is bool[..., M] over the keys.
    """

    def split(x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], heads, -1).transpose(-2, -3)

    query, key, value = split(query), split(key), split(value)
    logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    mixed: Tensor = masked_softmax(logits, mask[..., None, None, :]) @ value
    return mixed.transpose(-2, -3).flatten(-2)


class SelfAttention(nn.Module):
    """Multi-head self-attention as in NRMS: no biases, no output projection, no residual (Wu et al. 2019)."""

    def __init__(self, width: int, heads: int, head: int):
        super().__init__()
        self.heads = heads
        self.width = heads * head
        self.project = nn.Linear(width, 3 * self.width, bias=False)  #: queries, keys and values side by side
        for part in self.project.weight.chunk(3):
            nn.init.xavier_uniform_(part)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[..., L, width] and bool[..., L] → [..., L, heads x head]."""
        return self.attend(self.project(x), mask)

    def attend(self, projected: Tensor, mask: Tensor) -> Tensor:
        """The same from what `project` made of x, [..., L, 3 x heads x head]."""
        query, key, value = projected.chunk(3, -1)
        return attend(query, key, value, self.heads, mask)


class AdditiveAttention(nn.Module):
    """A weighted mean of vectors, weighed by a small network (Bahdanau et al. 2015)."""

    def __init__(self, width: int, query: int):
        super().__init__()
        self.hidden = nn.Linear(width, query)
        self.weigh = nn.Linear(query, 1, bias=False)
        nn.init.xavier_uniform_(self.hidden.weight)

    def logits(self, x: Tensor) -> Tensor:
        """[..., L, width] → [..., L]."""
        weights: Tensor = self.weigh(torch.tanh(self.hidden(x)))
        return weights.squeeze(-1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[..., L, width] and bool[..., L] → [..., width]."""
        return pooled(self.logits(x), x, mask)


def pooled(logits: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """The mean of x, [..., L, width], weighed by the softmax of logits, [..., L]."""
    return (masked_softmax(logits, mask).unsqueeze(-2) @ x).squeeze(-2)


class DenseAttention(nn.Sequential):
    """Attention logits from a network of two hidden layers, as in CAUM: [..., width] → [..., 1]."""

    def __init__(self, width: int, hidden: Sequence[int]):
        first, second = hidden
        super().__init__(nn.Linear(width, first), nn.Tanh(), nn.Linear(first, second), nn.Tanh(), nn.Linear(second, 1))


class Convolution(nn.Module):
    """A one-dimensional convolution with ReLU over word vectors; what is padding counts as zero."""

    def __init__(self, width: int, filters: int, window: int = 3):
        super().__init__()
        self.convolve = nn.Conv1d(width, filters, window, padding="same")

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and bool[N, L] → [N, L, filters]."""
        real = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        return functional.relu(self.convolve(real.transpose(1, 2)).transpose(1, 2))


class WordTable(nn.Module):
    """Word vectors by id: [N, L] → [N, L, width]; id 0 is padding and zero.

    Words that came up after training and have pretrained vectors get rows behind the trained ones (`grow`).
    """

    later: Tensor

    def __init__(self, rows: int, width: int, scale: float = 0.1):
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.empty(rows, width).normal_(0, scale))
        with torch.no_grad():
            self.weight[0] = 0
        self.register_buffer("later", torch.zeros(0, width))

    def grow(self, vectors: Tensor) -> None:
        """Append rows, float32[n, width], that are not trained."""
        self.later = torch.cat([self.later, vectors.to(self.later)])

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors of words."""
        rows = self.weight.shape[0]
        if not len(self.later):
            return functional.embedding(ids, self.weight, padding_idx=0)
        late = ids >= rows
        known = functional.embedding(ids.masked_fill(late, 0), self.weight, padding_idx=0)
        return torch.where(late.unsqueeze(-1), functional.embedding((ids - rows).clamp(min=0), self.later), known)


class Table(nn.Embedding):
    """An embedding of names hashed to rows: 0 is padding and zero, 1 stands for whatever has no row of its own.

    In training a share of the names is shown as that, so that its row is trained.
    """

    def __init__(self, rows: int, width: int, unknown: float = 0.05):
        super().__init__(rows, width, padding_idx=0)
        self.unknown = unknown
        self.generator: torch.Generator | None = None  #: None = torch's
        with torch.no_grad():
            self.weight.normal_(0, 0.1)
            self.weight[0] = 0

    def forward(self, ids: Tensor) -> Tensor:
        """[...] → [..., width]."""
        if self.training and self.unknown:
            hide = torch.empty(ids.shape, device=ids.device).bernoulli_(self.unknown, generator=self.generator) > 0
            ids = torch.where(hide & (ids > 0), 1, ids)
        return super().forward(ids)
