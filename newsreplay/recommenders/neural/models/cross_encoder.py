"""What models have in common that read a candidate beside what was read: a shortlist, texts behind one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.language import TextModel, readable
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, Dropout, mean_of
from newsreplay.recommenders.neural.models.model import Group, NewsModel, Read, Size


@dataclass(frozen=True, kw_only=True)
class Shortlist(FineTuning):
    """Keywords of cross-encoders. Raises `ValueError` where one cannot be."""

    plm_rate: float = 2e-5
    shortlist: int = 20  #: candidates of a request that are read beside what was read, at most; the others stand below

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.shortlist, bool) or not isinstance(self.shortlist, int) or self.shortlist < 1:
            raise ValueError(f"shortlist is {self.shortlist!r}, not a whole number of 1 or more")


def behind(ids: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Word ids, int64[P, L], with all padding, 0, behind them; numbers of the words are moved as these are."""
    order = (ids == 0).to(torch.int8).argsort(stable=True, dim=-1)
    return ids.gather(-1, order), numbers.gather(-1, order)


class CrossEncoder(NewsModel):
    """Base class: one language model reads titles alone, for the shortlist, and again beside what was read.

    The shortlist is ours, since a stream has hundreds of candidates: n is the additive attention over a title's states,
    u the mean of what was read, s = u · n. A subclass has `matched`, the logits of pairs, and its layers. Where
    there is a popularity head, what is known by its numbers comes to these with the scores of the shortlist; without
    one they stand alone, as published.
    """

    options: ClassVar = Shortlist
    dot = True

    def __init__(self, size: Size, words: nn.Module, **options: Any):
        super().__init__()
        self.choices = Shortlist(**options)
        self.pairs = self.choices.shortlist  # type: ignore[misc]  # of this model alone
        known, self.marks = readable(words, type(self).__name__)
        self.words: TextModel = known
        self.dropout = Dropout(size.dropout)
        self.title_pool = AdditiveAttention(known.width, size.query)
        self.narrow = nn.Linear(known.width, size.filters)
        self.nobody = nn.Parameter(torch.zeros(size.filters))
        self.add_matcher(size)

    def add_matcher(self, size: Size) -> None:
        """Make the layers that `matched` has besides."""
        raise NotImplementedError

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles."""
        words = self.dropout(self.words(contents.title))
        vectors: Tensor = self.narrow(self.title_pool(words, contents.title > 0))
        return vectors

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, filters]; the order of what they read does not matter."""
        return (torch.where(read.mask.any(-1, keepdim=True), mean_of(read.vectors, read.mask), self.nobody),)

    def score_pairs(self, read: Contents, mask: Tensor, offered: Contents, first: Tensor) -> Tensor:
        """See `NewsModel.score_pairs`."""
        matched = self.matched(read, mask, offered)
        return matched if self.head is None else matched + first

    def matched(self, read: Contents, mask: Tensor, offered: Contents) -> Tensor:
        """Logits [P] of pairs, as `score_pairs` is told of them."""
        raise NotImplementedError

    def groups(self, rate: float) -> list[Group]:
        """The language model's layers at `plm_rate`, all else at the given one."""
        return self.choices.groups(super().groups(rate), self.words)


def click_log_loss(logits: Tensor, slate_logits: Tensor, real: Tensor, drawn: Tensor) -> Tensor:
    """Mean over candidates of the log loss of whether they were clicked; the first of each row was.

    What was passed over counts by its logit in impressions, what was drawn, and the click beside it, by that in slates.
    """
    total, count = logits.new_zeros((), dtype=torch.float32), 0
    for scores, others in ((logits, real & ~drawn), (slate_logits, drawn)):
        among = others.clone()
        among[:, 0] = others[:, 1:].any(-1)
        clicked = torch.zeros_like(scores).float()
        clicked[:, 0] = 1.0
        losses = functional.binary_cross_entropy_with_logits(scores.float(), clicked, reduction="none")
        total, count = total + losses[among].sum(), count + int(among.sum())
    return total / max(1, count)
