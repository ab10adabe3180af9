"""GRU4Rec: a recurrent network over a session (Hidasi et al. 2016, ICLR; Hidasi & Karatzoglou 2018, CIKM)."""

from __future__ import annotations

from torch import Tensor, nn

from newsreplay.recommenders.neural.models.layers import Recurrence
from newsreplay.recommenders.neural.models.model import Read, Size
from newsreplay.recommenders.neural.models.sessions import SessionModel


class GRU4Rec(SessionModel):
    """A gated recurrent unit over the session's articles, whose last state is set against theirs and all others' rows.

    The table of inputs is that of outputs (constrained embedding, 2018). The loss is the cross-entropy of
    a softmax over sampled articles, with the logarithm of the chance to be drawn taken off.
    """

    def __init__(self, size: Size, words: nn.Module):
        del words  # it reads no texts
        super().__init__(size)
        self.recurrence = Recurrence(size.filters, size.filters)

    def reading(self, vectors: Tensor) -> Tensor:
        """The recurrence's projections of its inputs, [N, 3 x filters]."""
        projected: Tensor = self.recurrence.project(self.dropout(vectors))
        return projected

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """The last state, [B, filters]."""
        nothing = read.vectors.new_zeros(len(read.vectors), self.ids.embedding_dim)
        return (self.recurrence(read.vectors, read.mask, nothing),)
