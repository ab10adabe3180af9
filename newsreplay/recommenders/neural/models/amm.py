"""AMM: every text of a candidate beside every text of what was read (Zhang et al. 2021, CIKM; via a translation)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.cross_encoder import CrossEncoder, behind
from newsreplay.recommenders.neural.models.fields import ABSTRACT, BODY, TITLE, Contents
from newsreplay.recommenders.neural.models.language import NOISE
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, newest
from newsreplay.recommenders.neural.models.model import SIZES, TRAININGS, Size

TEXTS = ("title", "abstract", "body")


class AMM(CrossEncoder):
    """Every text of a candidate beside every text of what was read, nine matches for each of the reads.

        m_ab  = Enc([CLS] a of click i [SEP] b of candidate [SEP]) at [CLS]     a, b of title, abstract, body
        M_i   = m_11 ⊕ m_12 ⊕ … ⊕ m_33,  m = AddAtt(M_1 … M_n),  logit = w · m + b

    m_ab is zero where either text is missing. Of what was read the 25 newest are taken. The shortlist is that of
    `CrossEncoder`. What is known to us of the paper is a translation: it has another way to put matches together, by
    their largest and their mean, and says nothing of readers who have read nothing, who have a learned m here (`none`).
    """

    fields: ClassVar = (TITLE, ABSTRACT, BODY)
    sizes: ClassVar = {
        "paper": replace(SIZES["paper"], title=20, history=25, dropout=0.1),
        "small": replace(SIZES["small"], title=16, history=8, dropout=0.1),
        "tiny": replace(SIZES["tiny"], dropout=0.1),
    }
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=2e-5, clip=1.0)}

    def add_matcher(self, size: Size) -> None:
        """See `CrossEncoder.add_matcher`."""
        width = self.words.width
        self.most = size.history
        self.sides = nn.Parameter(torch.empty(2, width).normal_(0, NOISE))
        self.pool = AdditiveAttention(len(TEXTS) ** 2 * width, size.query)
        self.none = nn.Parameter(torch.zeros(len(TEXTS) ** 2 * width))
        self.last = nn.Linear(len(TEXTS) ** 2 * width, 1)

    def matched(self, read: Contents, mask: Tensor, offered: Contents) -> Tensor:
        """See `CrossEncoder.matched`."""
        there = newest(mask, mask, self.most)[1]
        matches = []
        for one in TEXTS:
            texts = newest(read.columns[one], mask, self.most)[0]
            matches += [self._match(texts, there, offered.columns[other]) for other in TEXTS]
        together = torch.cat(matches, -1)
        whole = torch.where(there.any(-1, keepdim=True), self.pool(together, there), self.none.to(together.dtype))
        logits: Tensor = self.last(whole)
        return logits.squeeze(-1)

    def _match(self, read: Tensor, there: Tensor, offered: Tensor) -> Tensor:
        """What [CLS] tells of each read beside the candidate, [P, H, width], from [P, H, L] and [P, M] word ids."""
        pairs, places = there.shape
        some = there & read.any(-1) & offered.any(-1, keepdim=True)
        out = self.sides.new_zeros(pairs, places, self.sides.shape[1])
        if not some.any():  # a text that the log lacks costs nothing
            return out
        first, second = read.flatten(0, 1), offered.repeat_interleave(places, 0)
        limit = self.words.positions // 2
        first, second = first[:, :limit], second[:, 1 : 1 + limit]
        side = torch.cat([torch.zeros_like(first), torch.ones_like(second)], 1)
        ids, side = behind(torch.cat([first, second], 1), side)
        ids[:, 0] = self.marks.begin
        states = self.words.states(ids, self.sides[side])[:, 0].view(out.shape)
        return states.masked_fill(~some.unsqueeze(-1), 0.0)
