"""IMRec: what readers see of an article before they click, beside its words (Xun et al. 2021, ACM MM)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import CARD_CUES, WHOLE_CARD, CardView
from newsreplay.recommenders.neural.models.layers import Glorot, masked_softmax

VISUAL = ("none", "local", "global", "both")  #: what of a card a model is told


class CardWidths(NamedTuple):
    """How wide the features of news cards are."""

    cues: int  #: of a part
    card: int  #: of all of it


def card_fields(visual: str) -> tuple[CardView, ...]:
    """The fields that a model is told more."""
    return (CARD_CUES,) * (visual in ("local", "both")) + (WHOLE_CARD,) * (visual in ("global", "both"))


class LocalImpression(nn.Module):
    """Words of a title as the cues o of its card change them (section 3.2.1).

        a_ij = softmax_j(q(w_i) · k(o_j)),  w'_i = v(w_i) + Σ_j a_ij v'(o_j)

    q, k, v and v' are affine and as wide as words; k is without the bias that would move all logits of a word alike.
    Without a cue w'_i is v(w_i).
    """

    def __init__(self, word: int, cue: int):
        super().__init__()
        self.query = Glorot(word, word)
        self.key = Glorot(cue, word, bias=False)
        self.value = Glorot(word, word)
        self.cue_value = Glorot(cue, word)

    def shares(self, words: Tensor, cues: Tensor) -> Tensor:
        """a, [N, L, word] and [N, cues, cue] → [N, L, cues]; zeros where there is no cue."""
        logits = self.query(words) @ self.key(cues).transpose(-1, -2)
        return masked_softmax(logits, cues.any(-1).unsqueeze(-2))

    def forward(self, words: Tensor, cues: Tensor) -> Tensor:
        """[N, L, word]."""
        cues = cues.to(self.key.weight.dtype)
        seen: Tensor = self.value(words) + self.shares(words, cues) @ self.cue_value(cues)
        return seen


class GlobalImpression(nn.Module):
    """Vectors e of articles mixed with their whole card o (section 3.2.2).

        o' = W o + b,  z = σ(U (e ⊕ o') + c),  n = z ⊙ e + (1 - z) ⊙ o'

    An article without a card stays as it is: z = 1.
    """

    def __init__(self, width: int, card: int):
        super().__init__()
        self.project = Glorot(card, width)
        self.gate = Glorot(2 * width, width)

    def share(self, vectors: Tensor, projected: Tensor) -> Tensor:
        """z, in (0, 1), from e and o', [N, width] each."""
        return torch.sigmoid(self.gate(torch.cat([vectors, projected], -1)))

    def forward(self, vectors: Tensor, card: Tensor) -> Tensor:
        """[N, width] and [N, card] → [N, width]."""
        projected = self.project(card.to(self.project.weight.dtype))
        share = self.share(vectors, projected)
        mixed = share * vectors + (1 - share) * projected
        return torch.where(card.any(-1, keepdim=True), mixed, vectors)


class Impression(nn.Module):
    """What a model makes of news cards: of their parts, of all of them, or of both."""

    def __init__(self, local: LocalImpression | None, whole: nn.Module | None):
        super().__init__()
        self.local = local
        self.whole = whole
