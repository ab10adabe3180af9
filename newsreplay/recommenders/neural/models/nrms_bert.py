"""NRMS-BERT: NRMS whose titles are read by a pretrained language model (Wu et al. 2021, SIGIR: PLM-NR)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, Dropout
from newsreplay.recommenders.neural.models.model import SIZES, TRAININGS, Group, NewsModel, Size
from newsreplay.recommenders.neural.models.nrms import AttentiveReaders


class NRMSBERT(AttentiveReaders, NewsModel):
    """A pretrained language model reads titles, additive attention makes articles of its states; readers as in NRMS.

    Its last layers are trained, at a rate of their own; keywords are those of `FineTuning`.
    """

    sizes: ClassVar = SIZES | {"small": replace(SIZES["small"], title=30)}  # pieces are more than words
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], epochs=2, batch=32)}
    options: ClassVar = FineTuning
    dot = True
    described: ClassVar = True

    def __init__(self, size: Size, words: nn.Module, **options: Any):
        super().__init__()
        self.tuning = FineTuning(**options)
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title_pool = AdditiveAttention(size.word, size.query)
        self.narrow = nn.Linear(size.word, size.filters)
        self.add_readers(size)

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles."""
        words = self.dropout(self.words(contents.title))
        vectors: Tensor = self.narrow(self.title_pool(words, contents.title > 0))
        return vectors

    def groups(self, rate: float) -> list[Group]:
        """The language model's layers at `plm_rate`, all else at the given one."""
        return self.tuning.groups(super().groups(rate), self.words)
