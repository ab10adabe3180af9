"""What models of sessions share: articles are rows of a table of ids, readers what they read in this session."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from newsreplay.recommenders.neural.models.fields import ID, Contents
from newsreplay.recommenders.neural.models.layers import Dropout, NameTable
from newsreplay.recommenders.neural.models.model import SMALL, TINY, UNKNOWN, NewsModel, Size, Training


class IdRows(NameTable):
    """An embedding of ids hashed to rows; a row that no training has met stands for nothing and is shown as `UNKNOWN`.

    So articles that came up since are all alike until the next training, but for those whose id shares a row with
    another's.
    """

    met: Tensor

    def __init__(self, rows: int, width: int):
        super().__init__(rows, width)
        self.register_buffer("met", torch.arange(rows) <= UNKNOWN)

    def forward(self, ids: Tensor) -> Tensor:
        """[...] → [..., width]; in training all that is shown has then been met."""
        if self.training:
            self.met[ids] = True
        return super().forward(torch.where(self.met[ids], ids, UNKNOWN))


class SessionModel(NewsModel):
    """Base class of models that know an article by its id alone: one table for what was read and what is offered.

    A reader is one vector made of the session's reads, zero where there is none; a score is its dot product with the
    article's row.
    """

    sizes: ClassVar = {
        "paper": Size(filters=100, heads=1, history=50, names=65_536),
        "small": replace(SMALL, heads=1, history=20),
        "tiny": TINY,
    }
    trainings: ClassVar = {
        "paper": Training(rate=1e-3, epochs=10, gentler=1.0, batch=128, npratio=20),
        "small": Training(rate=1e-3, epochs=10, passes=3, gentler=1.0, npratio=20),
        "tiny": Training(rate=1e-2, epochs=2, batch=16),
    }
    fields: ClassVar = (ID,)
    history: ClassVar = "session"
    dot = True

    def __init__(self, size: Size):
        super().__init__()
        self.ids = IdRows(size.names, size.filters)
        self.dropout = Dropout(size.dropout)

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from ids."""
        rows: Tensor = self.ids(contents.id)
        return rows


def last_read(x: Tensor, mask: Tensor) -> Tensor:
    """Of places in order, [B, L, q], the last real one, [B, q]; zeros where there is none."""
    if not x.shape[1]:
        return x.new_zeros(len(x), x.shape[2])
    place = (mask.sum(1) - 1).clamp(min=0)
    newest = x.gather(1, place[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)
    return newest.masked_fill(~mask.any(1, keepdim=True), 0.0)
