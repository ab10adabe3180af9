"""STAMP: attention over a session and its last read (Liu et al. 2018, KDD)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.layers import Glorot
from newsreplay.recommenders.neural.models.model import Read, Size
from newsreplay.recommenders.neural.models.sessions import SessionModel, last_read


class STAMP(SessionModel):
    """What was read, weighed by the last read and the mean of the session, times the last read.

    The order of all before the last does not matter. A logit is the trilinear product <h_s, h_t, x>; the paper passes
    it through a sigmoid before the softmax, in which no article can be more than e times as likely as another.
    """

    def __init__(self, size: Size, words: nn.Module):
        del words  # it reads no texts
        super().__init__(size)
        width = size.filters
        self.each = Glorot(width, width, bias=False)  #: W_1
        self.last = Glorot(width, width, bias=False)  #: W_2
        self.mean = Glorot(width, width)  #: W_3 and b_a
        self.weigh = Glorot(width, 1, bias=False)  #: W_0
        self.general = Glorot(width, width)  #: W_s and b_s
        self.current = Glorot(width, width)  #: W_t and b_t

    def reading(self, vectors: Tensor) -> Tensor:
        """x and W_1 x side by side, [N, 2 x filters]."""
        x = self.dropout(vectors)
        return torch.cat([x, self.each(x)], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """h_s times h_t, element by element, [B, filters]."""
        x, each = read.vectors.masked_fill(~read.mask.unsqueeze(-1), 0.0).chunk(2, -1)
        last = last_read(x, read.mask)
        mean = x.sum(1) / read.mask.sum(1, keepdim=True).clamp(min=1)
        match = torch.sigmoid(each + (self.last(last) + self.mean(mean)).unsqueeze(1))
        weights = self.weigh(match).squeeze(-1).masked_fill(~read.mask, 0.0)
        attended = (weights.unsqueeze(1) @ x).squeeze(1)
        reader = torch.tanh(self.general(attended)) * torch.tanh(self.current(last))
        return (reader.masked_fill(~read.mask.any(1, keepdim=True), 0.0),)
