"""SASRec: self-attention over a session (Kang & McAuley 2018, ICDM), with gSASRec's loss (Petrov & Macdonald 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.layers import BinTable, Dropout, Glorot
from newsreplay.recommenders.neural.models.model import LossInputs, Read, Size
from newsreplay.recommenders.neural.models.sessions import SessionModel, last_read


class SessionBlock(nn.Module):
    """Self-attention to what was read before, and a network place by place: each x + dropout(f(norm(x)))."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width, bias=False)  #: queries, keys and values side by side
        for part in self.project.weight.chunk(3):
            nn.init.xavier_uniform_(part)
        self.network_norm = nn.LayerNorm(width)
        self.network = nn.Sequential(Glorot(width, width), nn.ReLU(), Glorot(width, width))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, width] → the same."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.project(self.attention_norm(x)).chunk(3, -1)
        )
        # Padding stands behind the reads, which only look back.
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.dropout(seen.transpose(1, 2).flatten(2))
        changed: Tensor = x + self.dropout(self.network(self.network_norm(x)))
        return changed


class SASRec(SessionModel):
    """Causal self-attention over the session's articles and their places, trained by generalised cross-entropy (gBCE).

    `calibration` is gBCE's t: 0 is the binary cross-entropy of SASRec, 1 makes scores logarithms of odds.
    """

    def __init__(self, size: Size, words: nn.Module, *, calibration: float = 0.75):
        del words  # it reads no texts
        super().__init__(size)
        if not 0 <= calibration <= 1:
            raise ValueError(f"calibration must be from 0 to 1, not {calibration!r}")
        self.calibration = calibration
        self.places = BinTable(size.history, size.filters)  #: by how many reads came after
        self.blocks = nn.ModuleList(SessionBlock(size.filters, size.heads, size.dropout) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.filters)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What the last block makes of the newest read, [B, filters]."""
        length = read.mask.sum(1, keepdim=True)
        after = length - 1 - torch.arange(read.mask.shape[1], device=length.device)
        x = self.dropout(read.vectors + self.places(after.clamp(min=0))).masked_fill(~read.mask.unsqueeze(-1), 0.0)
        for block in self.blocks:
            x = block(x)
        return (last_read(self.norm(x), read.mask),)

    def loss(self, batch: LossInputs) -> Tensor:
        """The mean gBCE of clicks against what was drawn, and against what was passed over."""
        passed = batch.real & ~batch.drawn
        # Draws are not even: scores are set off by how much likelier than evenly an article is drawn.
        evenly = batch.slate_logits + batch.alive.clamp(min=1).reciprocal().log().unsqueeze(1)
        rate = batch.drawn.sum(1) / (batch.alive - 1).clamp(min=1)
        total = gbce(evenly, batch.drawn, rate.clamp(max=1), self.calibration)
        # What an impression showed is no sample of a catalogue.
        total = total + gbce(batch.logits, passed, torch.ones_like(rate), self.calibration)
        return total / len(batch.logits)


def gbce(scores: Tensor, others: Tensor, rate: Tensor, calibration: float) -> Tensor:
    """The sum over clicks, in the first column of [B, W], of their generalised binary cross-entropy (2023).

        -(b log s(click) + sum of log(1 - s(other))) / (others + 1),   b = a (t (1 - 1/a) + 1/a)

    s is the sigmoid, a the `rate`, float32[B], at which others were sampled, t the `calibration`; the click is not
    among its `others`, bool[B, W]. Rows without any count for nothing.
    """
    scores, others = scores.float(), others.clone()
    others[:, 0] = False
    count = others.sum(1)
    power = calibration * (rate - 1) + 1
    against = torch.where(others, functional.logsigmoid(-scores), 0.0).sum(1)
    losses = -(power * functional.logsigmoid(scores[:, 0]) + against) / (count + 1)
    return losses[count > 0].sum()
