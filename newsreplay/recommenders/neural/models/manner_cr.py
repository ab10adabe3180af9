"""MANNeR-CR: no model of readers, scores are means over what was read (Iana et al. 2024: the CR-Module of MANNeR)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import ABSTRACT, ENTITIES, TITLE, Contents
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.language import TextModel
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, Dropout, NameTable, SelfAttention, mean_of
from newsreplay.recommenders.neural.models.model import SIZES, TRAININGS, Group, NewsModel, Read, Size

TEMPERATURE = 0.1  #: of the contrastive loss


class MANNeRCR(NewsModel):
    """A language model reads title and abstract as one text, entities are pooled; a score is a mean over what was read.

        n = V (PLM([CLS] title [SEP] abstract [SEP])_CLS ⊕ AddAtt(MHSA(entities))) + v
        s = mean_i(n_i · c) / 0.1                                                                       late fusion

    The loss is the supervised contrastive one (Khosla et al. 2020) with temperature 0.1, over the candidates of an
    impression. Of one click at a time it is the softmax of all models here, of scores that are divided by the
    temperature; that orders nothing differently, and so they always are. (The release's configurations name other
    temperatures, which its code does not read.) Entities are rows of a table that is trained, the release's are
    TransE's; the two halves of a text are told apart by the mark between them alone.

    `words` are as in NRMS-BERT, and keywords those of `FineTuning`. A reader who has read nothing has a learned vector
    (`nobody`); in the release such a reader's scores are no numbers.
    """

    sizes: ClassVar = SIZES | {"paper": replace(SIZES["paper"], filters=768)}
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], batch=32)}
    fields: ClassVar = (TITLE, ABSTRACT, ENTITIES)
    options: ClassVar = FineTuning
    dot = True

    def __init__(self, size: Size, words: nn.Module, *, layers_trained: int = 2, plm_rate: float = 1e-5):
        super().__init__()
        heads, head = max(1, size.heads // 5), 2 * size.head  # as CAUM's
        self.tuning = FineTuning(layers_trained=layers_trained, plm_rate=plm_rate)
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.entities = NameTable(size.names, size.category)
        self.entity = SelfAttention(size.category, heads, head)
        self.entity_pool = AdditiveAttention(heads * head, size.query)
        self.narrow = nn.Linear(size.word + heads * head, size.filters)
        self.nobody = nn.Parameter(torch.zeros(size.filters))

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles, abstracts and entities."""
        abstract, room = contents.abstract, None
        if isinstance(self.words, TextModel):
            room = self.words.positions
            if self.words.marks is not None:
                abstract = abstract[:, 1:]  # which begins with a mark, too
        text = one_behind_the_other(contents.title, abstract)[:, :room]
        first = self.words(text)[:, :1].sum(1)  # zeros of a text without words
        real = contents.entities > 0
        entities = self.dropout(self.entity(self.dropout(self.entities(contents.entities)), real))
        vectors: Tensor = self.narrow(torch.cat([self.dropout(first), self.entity_pool(entities, real)], -1))
        return vectors

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """Means of what was read over the temperature, [B, filters]."""
        reader = torch.where(read.mask.any(-1, keepdim=True), mean_of(read.vectors, read.mask), self.nobody)
        return (reader / TEMPERATURE,)

    def groups(self, rate: float) -> list[Group]:
        """The language model's layers at `plm_rate`, all else at the given one."""
        return self.tuning.groups(super().groups(rate), self.words)


def one_behind_the_other(first: Tensor, second: Tensor) -> Tensor:
    """Two texts as one, int64[N, L] and int64[N, M] → [N, L + M], with padding behind both."""
    ids = torch.cat([first, second], 1)
    real = ids > 0
    place = (real.cumsum(1) - 1).masked_fill(~real, ids.shape[1])  # padding goes behind the end
    return ids.new_zeros(len(ids), ids.shape[1] + 1).scatter_(1, place, ids)[:, : ids.shape[1]]
