"""UNBERT: a candidate and what was read as one text, matched by words and by news (Zhang et al. 2021, IJCAI)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.cross_encoder import (
    CrossEncoder,
    behind,
    click_log_loss,
)
from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.language import DROPOUT, NOISE, TransformerLayer
from newsreplay.recommenders.neural.models.layers import newest
from newsreplay.recommenders.neural.models.model import SIZES, TRAININGS, LossInputs, Size

READS = 20  #: the newest, that are matched at most


class UNBERT(CrossEncoder):
    """A candidate and what was read as one text, matched by words and by news.

        x     = [CLS] candidate [SEP] click_1 [SEP] … click_n [SEP]          words + places + vector of the news
        H     = Enc(x),  m_w = H at [CLS]
        N     = Transformer layer over the means of H over the words of each news,  m_n = N at the candidate
        logit = w · (m_w ⊕ m_n) + b

    Trained pointwise, by the log loss of each candidate. Of what was read the 20 newest are taken, and of these the
    newest that fit. The shortlist is that of `CrossEncoder`. The authors' code is not to be had; a third party's pools
    news by several ways, of which this is one, reads the oldest, and leaves frequent words out, which is not done here.
    """

    sizes: ClassVar = {name: replace(size, dropout=0.1) for name, size in SIZES.items()} | {
        "paper": replace(SIZES["paper"], title=20, together=300, history=READS, dropout=0.1)
    }
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=2e-5, batch=128, clip=1.0)}

    def add_matcher(self, size: Size) -> None:
        """See `CrossEncoder.add_matcher`."""
        width = self.words.width
        self.room = min(size.together, self.words.positions)
        self.segments = nn.Parameter(torch.empty(1 + READS, width).normal_(0, NOISE))
        self.news = TransformerLayer(width, size, DROPOUT)
        self.last = nn.Linear(2 * width, 1)

    def matched(self, read: Contents, mask: Tensor, offered: Contents) -> Tensor:
        """See `CrossEncoder.matched`."""
        ids, segment = self.together(read.title, mask, offered.title)
        states, real = self.words.states(ids, self.segments[segment]), ids > 0
        member = segment.unsqueeze(1) == torch.arange(1 + READS, device=ids.device)[:, None]
        member = (member & real.unsqueeze(1)).to(states.dtype)  # [P, news, words]
        count = member.sum(-1, keepdim=True)
        news = member @ states.masked_fill(~real.unsqueeze(-1), 0.0) / count.clamp(min=1)
        by_news = self.news(news, count.squeeze(-1) > 0)
        logits: Tensor = self.last(torch.cat([states[:, 0], by_news[:, 0]], -1))
        return logits.squeeze(-1)

    def together(self, read: Tensor, mask: Tensor, offered: Tensor) -> tuple[Tensor, Tensor]:
        """Word ids of each pair, int64[P, n], padding behind, and the news each is of: 0 the candidate, 1 … the reads.

        Of reads, [P, H, L], the newest whose words fit, oldest first, without the mark in front of each.
        """
        begin = offered.new_full((len(offered), 1), self.marks.begin)
        title = torch.cat([begin, offered[:, 1:]], 1)
        read, there = newest(read, mask, READS)
        words = (read[..., 1:] > 0) & there.unsqueeze(-1)
        left = self.room - (title > 0).sum(1, keepdim=True)
        fits = there & (words.sum(-1).flip(1).cumsum(1).flip(1) <= left)
        number = fits.cumsum(1).unsqueeze(-1).expand(words.shape).flatten(1)
        clicks = read[..., 1:].masked_fill(~(words & fits.unsqueeze(-1)), 0).flatten(1)
        ids, segment = behind(torch.cat([title, clicks], 1), torch.cat([torch.zeros_like(title), number], 1))
        # What is read in answers must have a width that does not go by the others of a batch.
        width = int((ids > 0).sum(1).max()) if self.training else min(self.room, ids.shape[1])
        ids, segment = ids[:, :width], segment[:, :width]
        return ids, segment.masked_fill(ids == 0, 0)

    def loss(self, batch: LossInputs) -> Tensor:
        """Of pairs."""
        return click_log_loss(batch.logits, batch.slate_logits, batch.real, batch.drawn)
