"""Layers that the models share. All take masks, True = real; where nothing is real the result is zero, never NaN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Drawing:
    """A layer that draws at random in training, from a generator that is given to it.

    So models that are trained side by side do not share one, and the seed of a training decides all of it.
    """

    generator: torch.Generator | None = None  #: None = torch's


class Dropout(Drawing, nn.Module):
    """Dropout that draws little."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of the values in training, and scale the others up."""
        if not self.training or not self.share:
            return x
        # 16 bits a value are drawn several times as fast as `bernoulli_` draws
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        bits = words.random_(-(2**63), None, generator=self.generator).view(torch.int16)[: x.numel()].view(x.shape)
        keep = (bits >= round(self.share * 2**16) - 2**15).to(x.dtype)
        return x * keep.div_(1 - self.share)


def masked_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension's real places; zeros where there is none."""
    weights = logits.masked_fill(~mask, torch.finfo(logits.dtype).min).softmax(-1)
    return weights.masked_fill(~mask, 0.0)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor) -> Tensor:
    """Scaled dot-product attention of several heads: [..., L, heads x s] → the same, without an output projection.

    `mask` is bool[..., M] over the keys; leading dimensions are broadcast.
    """
    batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], mask.shape[:-1])

    def split(x: Tensor) -> Tensor:  # torch's fast kernels take one leading dimension, not several
        x = x.expand(*batch, *x.shape[-2:]).flatten(0, -3)
        return x.view(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2)

    some = mask.any(-1, keepdim=True)
    # where nothing is real, everything is attended to and left out below: softmax of nothing is NaN in some kernels
    seen = (mask | ~some).expand(*batch, -1).flatten(0, -2)[:, None, None]
    mixed = functional.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=seen)
    mixed = mixed.transpose(1, 2).flatten(2)
    return mixed.view(*batch, *mixed.shape[1:]).masked_fill(~some.unsqueeze(-1), 0.0)


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

    def weighed(self, x: Tensor) -> Tensor:
        """Vectors and their logits side by side, [..., width] → [..., width + 1]: all that `pool` needs."""
        return torch.cat([x, self.logits(x).unsqueeze(-1)], -1)

    def pool(self, weighed: Tensor, mask: Tensor) -> Tensor:
        """The same as of x from `weighed(x)`, [..., L, width + 1] → [..., width]."""
        # the column of logits is averaged along: leaving it out beforehand would copy all vectors
        return pooled(weighed[..., -1], weighed, mask)[..., :-1]


def pooled(logits: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """The mean of x, [..., L, width], weighed by the softmax of logits, [..., L]."""
    return (masked_softmax(logits, mask).unsqueeze(-2) @ x).squeeze(-2)


def mean_of(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of what is real, [..., L, width] and bool[..., L] → [..., width]."""
    total = x.masked_fill(~mask.unsqueeze(-1), 0.0).sum(-2)
    return total / mask.sum(-1, keepdim=True).clamp(min=1)


def newest(x: Tensor, mask: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The last `most` real places of each row, [B, H, …] and bool[B, H] → the same with H = `most` at most.

    What is real stands in front, before and after.
    """
    if mask.shape[1] <= most:
        return x, mask
    count = mask.sum(1, keepdim=True)
    place = (count - most).clamp(min=0) + torch.arange(most, device=mask.device)
    rows = torch.arange(len(mask), device=mask.device).unsqueeze(1)
    return x[rows, place], place < count


def first_of(together: Tensor) -> Tensor:
    """bool[B, H], the first place of those that stand together, bool[B, H, H]."""
    return together.diagonal(dim1=1, dim2=2) & ~together.tril(-1).any(-1)


class Glorot(nn.Linear):
    """A linear layer that starts as in Keras, in which CAUM and PP-Rec were written (Glorot & Bengio 2010).

    What torch starts with shrinks a vector at every layer, and models of many layers then learn late.
    """

    def reset_parameters(self) -> None:
        """Draw the weights anew; biases are zero."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class DenseAttention(nn.Sequential):
    """Attention logits from a network of two hidden layers, as in CAUM: [..., width] → [..., 1]."""

    def __init__(self, width: int, hidden: Sequence[int]):
        first, second = hidden
        super().__init__(Glorot(width, first), nn.Tanh(), Glorot(first, second), nn.Tanh(), Glorot(second, 1))


class Convolution(nn.Module):
    """A one-dimensional convolution with ReLU over word vectors; what is padding counts as zero."""

    def __init__(self, width: int, filters: int, window: int = 3):
        super().__init__()
        self.convolve = nn.Conv1d(width, filters, window, padding="same")

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and bool[N, L] → [N, L, filters]."""
        if not x.shape[1]:  # which torch refuses
            return x.new_zeros(len(x), 0, self.convolve.out_channels)
        real = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        return functional.relu(self.convolve(real.transpose(1, 2)).transpose(1, 2))


class TextEncoder(nn.Module):
    """A text's word vectors to one, by a convolution and additive attention, as in NAML, LSTUR and TANR."""

    def __init__(self, width: int, filters: int, query: int, dropout: float):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.convolution = Convolution(width, filters)
        self.pool = AdditiveAttention(filters, query)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and bool[N, L] → [N, filters]."""
        vectors: Tensor = self.pool(self.dropout(self.convolution(self.dropout(words), mask)), mask)
        return vectors


class Recurrence(nn.Module):
    """A gated recurrent unit (Cho et al. 2014) whose inputs are projected beforehand; gates are reset, update, new."""

    project: nn.Module  #: of inputs
    recur: nn.Module  #: of states

    def __init__(self, width: int, state: int):
        super().__init__()
        layers = nn.Linear(width, 3 * state), nn.Linear(state, 3 * state)
        for layer in layers:
            for gate in layer.weight.chunk(3):
                nn.init.xavier_uniform_(gate)
        self.project, self.recur = layers

    def forward(self, projected: Tensor, mask: Tensor, state: Tensor) -> Tensor:
        """The last state, [B, s], from what `project` made of the inputs, [B, L, 3 x s], and the first state.

        Where `mask`, bool[B, L], has no input, the state stays as it is.
        """
        for after in self._steps(projected, mask, state):
            state = after
        return state

    def states(self, projected: Tensor, mask: Tensor, state: Tensor) -> Tensor:
        """The state after each input, [B, L, s]; behind the inputs the last one again."""
        states = list(self._steps(projected, mask, state))
        last = states[-1] if states else state
        states += [last] * (mask.shape[1] - len(states))
        return torch.stack(states, 1) if states else state.new_zeros(len(state), 0, state.shape[1])

    def _steps(self, projected: Tensor, mask: Tensor, state: Tensor) -> Iterator[Tensor]:
        for place in range(int(mask.any(0).sum())):  # inputs stand in front
            reset, update, new = projected[:, place].chunk(3, -1)
            reset_by, update_by, new_by = self.recur(state).chunk(3, -1)
            update = torch.sigmoid(update + update_by)
            new = torch.tanh(new + torch.sigmoid(reset + reset_by) * new_by)
            # under autocast gates have fewer bits than the state, which keeps its own
            after = torch.lerp(new.to(state.dtype), state, update.to(state.dtype))
            state = torch.where(mask[:, place, None], after, state)
            yield state


class WordTable(nn.Module):
    """Word vectors by id: [N, L] → [N, L, width]; id 0 is padding and zero.

    Words that came up after training and have pretrained vectors get rows behind the trained ones (`grow`), which are
    no part of a state dict.
    """

    later: Tensor

    def __init__(self, rows: int, width: int, scale: float = 0.1):
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.empty(rows, width).normal_(0, scale))
        with torch.no_grad():
            self.weight[0] = 0
        self.register_buffer("later", torch.zeros(0, width), persistent=False)

    def grow(self, vectors: Tensor) -> None:
        """Append rows, float32[n, width], that are not trained."""
        self.later = torch.cat([self.later, vectors.to(self.later)])

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors of words."""
        rows = self.weight.shape[0]
        if not len(self.later):
            return functional.embedding(ids, self.weight, padding_idx=0)
        is_later = ids >= rows
        known = functional.embedding(ids.masked_fill(is_later, 0), self.weight, padding_idx=0)
        return torch.where(is_later.unsqueeze(-1), functional.embedding((ids - rows).clamp(min=0), self.later), known)


class BinTable(nn.Embedding):
    """An embedding of few rows, all of which are met in training; it starts as small as the others here."""

    def reset_parameters(self) -> None:
        """Draw the rows anew."""
        nn.init.normal_(self.weight, 0, 0.1)


class NameTable(Drawing, nn.Embedding):
    """An embedding of names hashed to rows: 0 is padding and zero, 1 stands for all that has no row of its own.

    In training a share of the names is shown as that, so that its row is trained.
    """

    def __init__(self, rows: int, width: int, unknown: float = 0.05):
        super().__init__(rows, width, padding_idx=0)
        self.unknown = unknown
        with torch.no_grad():
            self.weight.normal_(0, 0.1)
            self.weight[0] = 0

    def forward(self, ids: Tensor) -> Tensor:
        """[...] → [..., width]."""
        if self.training and self.unknown:
            hide = torch.empty(ids.shape, device=ids.device).bernoulli_(self.unknown, generator=self.generator) > 0
            ids = torch.where(hide & (ids > 0), 1, ids)
        return super().forward(ids)
