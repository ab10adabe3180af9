"""NARM: a recurrent network over a session, and attention over its states (Li et al. 2017, CIKM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.layers import Glorot, Recurrence
from newsreplay.recommenders.neural.models.model import Read, Size
from newsreplay.recommenders.neural.models.sessions import SessionModel, last_read


class NARM(SessionModel):
    """The last state of a gated recurrent unit, beside the session's states weighed by how they match it.

    The global and the local encoder have the same states; weights do not sum to one, and scores are bilinear.
    """

    def __init__(self, size: Size, words: nn.Module):
        del words  # it reads no texts
        super().__init__(size)
        width = size.filters
        self.recurrence = Recurrence(width, width)
        self.last = Glorot(width, width, bias=False)  #: A_1
        self.each = Glorot(width, width, bias=False)  #: A_2
        self.weigh = Glorot(width, 1, bias=False)  #: v
        self.bilinear = Glorot(2 * width, width, bias=False)  #: B

    def reading(self, vectors: Tensor) -> Tensor:
        """The recurrence's projections of its inputs, [N, 3 x filters]."""
        projected: Tensor = self.recurrence.project(self.dropout(vectors))
        return projected

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """B c, [B, filters], of c = [h_t; sum of a_j h_j]."""
        nothing = read.vectors.new_zeros(len(read.vectors), self.ids.embedding_dim)
        states = self.recurrence.states(read.vectors, read.mask, nothing)
        last = last_read(states, read.mask)
        match = torch.sigmoid(self.last(last).unsqueeze(1) + self.each(states))
        weights = self.weigh(match).squeeze(-1).masked_fill(~read.mask, 0.0)
        local = (weights.unsqueeze(1) @ states).squeeze(1)
        return (self.bilinear(self.dropout(torch.cat([last, local], -1))),)
