"""MINER: several vectors a reader, and the candidate's category beside them (Li et al. 2022, Findings of ACL)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import CATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.layers import Dropout, NameTable, masked_softmax
from newsreplay.recommenders.neural.models.model import (
    SIZES,
    TRAININGS,
    Group,
    LossInputs,
    NewsModel,
    Offered,
    Read,
    Size,
    unrounded,
)

AGGREGATIONS = ("weighted", "max", "mean")


@dataclass(frozen=True, kw_only=True)
class MINEROptions(FineTuning):
    """Keywords of MINER. Raises `ValueError` where one cannot be."""

    plm_rate: float = 2e-5
    codes: int = 32  #: vectors of a reader
    aggregation: str = "weighted"  #: of their scores to one: weighted, max, mean
    category_bias: bool = True  #: articles of the candidate's category count for more
    disagreement: float = 0.8  #: weight of the loss that keeps the vectors apart

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.codes, bool) or not isinstance(self.codes, int) or self.codes < 1:
            raise ValueError(f"codes is {self.codes!r}, not a whole number of 1 or more")
        if self.aggregation not in AGGREGATIONS:
            raise ValueError(f"aggregation is {self.aggregation!r}, none of {', '.join(AGGREGATIONS)}")
        if not isinstance(self.category_bias, bool):
            raise ValueError(f"category_bias is {self.category_bias!r}, neither true nor false")
        weight = self.disagreement
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise ValueError(f"disagreement is {weight!r}, not a number of 0 or more")


class MINER(NewsModel):
    """A language model reads titles; learned codes ask what was read for as many vectors of a reader (poly attention).

        n    = V PLM([CLS] title [SEP])_CLS + v
        a_ki = softmax_i(p_k · tanh(W n_i) + λ cos(g_i, g_c)),  μ_k = Σ_i a_ki n_i             g: rows of categories
        s_k  = μ_k · c,  s = Σ_k softmax_k(μ_k · GELU(U c)) s_k,  or the largest, or the mean of s_k
        L    = L_click + 0.8 mean cos(μ_k, μ_l),  k ≠ l

    The category's part is the candidate's own, so that a score does not depend on what else is offered: a public
    implementation takes its mean over all candidates, and leaves padding in its softmax. λ is learned and starts
    at 1. The paper's cosines are those of GloVe's vectors of category names; here those of a table that is trained, in
    which two categories start about orthogonal and one is itself. The last loss is over all candidates of a click.
    Weight decay and a rate that warms up, which the paper has, are left out.

    `words` are as in NRMS-BERT; keywords are those of `MINEROptions`. A reader who has read nothing has a learned
    vector (`nobody`).
    """

    sizes: ClassVar = SIZES | {
        "paper": replace(SIZES["paper"], filters=256),
        "small": replace(SIZES["small"], title=30),  # pieces are more than words
    }
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=2e-5, batch=32)}
    fields: ClassVar = (TITLE, CATEGORY)
    options: ClassVar = MINEROptions

    def __init__(self, size: Size, words: nn.Module, **options: Any):
        super().__init__()
        self.choices = MINEROptions(**options)
        self.words = words
        self.width = size.filters
        self.dropout = Dropout(size.dropout)
        self.narrow = nn.Linear(size.word, size.filters)
        self.hidden = nn.Linear(size.filters, size.query, bias=False)
        self.codes = nn.Linear(size.query, self.choices.codes, bias=False)  #: p
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.xavier_uniform_(self.codes.weight)
        self.categories = NameTable(size.categories, size.category) if self.choices.category_bias else None
        self.bias = nn.Parameter(torch.ones(())) if self.choices.category_bias else None  #: λ
        self.target = None
        if self.choices.aggregation == "weighted":
            self.target = nn.Linear(size.filters, size.filters, bias=False)
        self.nobody = nn.Parameter(torch.zeros(size.filters))

    def encode(self, contents: Contents) -> Tensor:
        """Titles, [N, filters], and directions of categories, [N, category], side by side."""
        first = self.words(contents.title)[:, :1].sum(1)  # zeros of a title without words
        vectors = self.narrow(self.dropout(first))
        if self.categories is None:
            return vectors  # type: ignore[no-any-return]
        return torch.cat([vectors, functional.normalize(self.categories(contents.category), dim=-1)], -1)

    def reading(self, vectors: Tensor) -> Tensor:
        """The same, and the codes' logits behind, [N, … + codes]."""
        logits = self.codes(torch.tanh(self.hidden(vectors[..., : self.width])))
        return torch.cat([vectors, logits], -1)

    def offer(self, vectors: Tensor) -> Tensor:
        """The same, and what weighs the codes' scores behind, [N, … + filters]."""
        if self.target is None:
            return vectors
        return torch.cat([vectors, functional.gelu(self.target(vectors[..., : self.width]))], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What was read as `reading` has it, [B, H, …], and where there is some of it, [B, H]."""
        return read.vectors, read.mask

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        read, mask = readers
        vectors = read[..., : self.width]
        target, _, weigh = self._parts(offered.vectors)
        questions = [target] if self.target is None else [target, weigh]
        asked = torch.stack([vectors @ question.transpose(-1, -2) for question in questions], -1)  # [R, H, W, 1 or 2]
        found = self._attention(readers, offered.vectors) @ asked.transpose(1, 2)  # [R, W, codes, 1 or 2]
        scores = unrounded(found[..., 0])
        if self.target is not None:
            scores = (scores * unrounded(found[..., 1]).softmax(-1)).sum(-1)
        else:
            scores = scores.amax(-1) if self.choices.aggregation == "max" else scores.mean(-1)
        return torch.where(mask.any(-1, keepdim=True), scores, unrounded(target @ self.nobody))

    def loss(self, batch: LossInputs) -> Tensor:
        """That of the clicks, and how alike the vectors of a reader are."""
        clicks = super().loss(batch)
        if not self.choices.disagreement or self.choices.codes == 1:
            return clicks
        return clicks + self.choices.disagreement * self.agreement(batch)

    def agreement(self, batch: LossInputs) -> Tensor:
        """The mean cosine of two vectors of a reader, over all pairs and candidates; 0 where nobody has read."""
        read, mask = (unrounded(part) for part in batch.readers)
        offered = unrounded(batch.vectors)[batch.requests.pool]
        vectors = self._attention((read, mask), offered) @ read[:, None, :, : self.width]
        together = functional.normalize(vectors, dim=-1).sum(-2).square().sum(-1)  # of all pairs, themselves included
        count = self.choices.codes
        some = batch.real & mask.any(-1, keepdim=True)
        alike = ((together - count) / (count * (count - 1))).masked_fill(~some, 0.0)
        return alike.sum() / some.sum().clamp(min=1)

    def groups(self, rate: float) -> list[Group]:
        """The language model's layers at `plm_rate`, all else at the given one."""
        return self.choices.groups(super().groups(rate), self.words)

    def _parts(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Titles, directions of categories, and what `reading` or `offer` put behind."""
        wide = 0 if self.categories is None else self.categories.embedding_dim
        title, category, behind = vectors.tensor_split([self.width, self.width + wide], -1)
        return title, category, behind

    def _attention(self, readers: tuple[Tensor, ...], offered: Tensor) -> Tensor:
        """How much what was read counts for each code and candidate, [R, W, codes, H]."""
        read, mask = readers
        _, read_category, logits = self._parts(read)
        logits = logits.transpose(-1, -2).unsqueeze(1)  # [R, 1, codes, H]
        if self.bias is not None:
            category = self._parts(offered)[1]
            logits = logits + self.bias * (category @ read_category.transpose(-1, -2)).unsqueeze(-2)
        else:
            logits = logits.expand(-1, offered.shape[1], -1, -1)
        return masked_softmax(logits, mask[:, None, None])
