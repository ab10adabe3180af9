"""PUNR: all that a reader read as one text, pre-trained by masking and generating it (Wu et al. 2023)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import Contents
from newsreplay.recommenders.neural.models.fine_tuning import FineTuning
from newsreplay.recommenders.neural.models.generation import BehaviourModelling
from newsreplay.recommenders.neural.models.language import NOISE, TextModel, readable
from newsreplay.recommenders.neural.models.layers import AdditiveAttention, mean_of
from newsreplay.recommenders.neural.models.masking import BehaviourMasking
from newsreplay.recommenders.neural.models.model import (
    SIZES,
    TRAININGS,
    Group,
    LossInputs,
    NewsModel,
    Read,
    Size,
    Stage,
)

SEGMENTS = 50  #: reads that are told apart by a vector of their own
SHORTEST = 2  #: reads of a reader who is pre-trained on

ALTERNATIVES: dict[str, tuple[object, ...]] = {
    "pooling": ("cls", "average", "attention"),
    "replace": ("mixed", "mask"),
    **dict.fromkeys(("siamese", "masking", "generation", "continual"), (True, False)),
}


@dataclass(frozen=True, kw_only=True)
class PUNROptions(FineTuning):
    """The keywords of `PUNR`. Raises `ValueError` where one cannot be."""

    pooling: Literal["cls", "average", "attention"] = "cls"  #: what of a text's states is its vector
    siamese: bool = True  #: readers and candidates are read by the same model
    pretrain: int = 2  #: epochs of pre-training over the warm-up; 0 = none
    continual: bool = False  #: and a pass over what is new before every update
    masking: bool = True  #: pre-training hides words
    generation: bool = True  #: pre-training tells words one after the other from the reader's vector
    alpha: float = 0.3  #: share of words that are hidden
    beta: float = 0.3  #: of these, the share that is hidden as whole titles, at most
    replace: Literal["mixed", "mask"] = "mixed"  #: what stands for a hidden word: in a fifth no mark, as in BERT

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in ALTERNATIVES.items():
            value = getattr(self, name)
            if not any(value is other or (value == other and isinstance(value, str)) for other in allowed):
                raise ValueError(f"{name} is {value!r}, none of {', '.join(map(repr, allowed))}")
        if isinstance(self.pretrain, bool) or not isinstance(self.pretrain, int) or self.pretrain < 0:
            raise ValueError(f"pretrain is {self.pretrain!r}, not a whole number of 0 or more")
        for name in ("alpha", "beta"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise ValueError(f"{name} is {share!r}, not a share from 0 to 1")


def joined(title: Tensor, mask: Tensor, begin: int, room: int, tight: bool) -> tuple[Tensor, Tensor]:
    """What readers read as one text each: a mark that begins it, then titles without theirs, oldest first.

    `title`, int64[B, H, L], are word ids, each title with a mark in front and padding behind; `mask`, bool[B, H], tells
    where there is a read. The newest whose words fit into `room` together are taken, `SEGMENTS` at most. Word ids
    [B, n] with padding behind, and the number of the read among those taken that each is of, int64[B, n]. n is as much
    as so many titles of L words can be, or where it is to be `tight` as much as they are.
    """
    titles = title[..., 1:]
    words = (titles > 0) & mask.unsqueeze(-1)
    from_newest = words.sum(-1).flip(1).cumsum(1).flip(1)
    place_from_newest = mask.flip(1).cumsum(1).flip(1)
    taken = mask & (from_newest < room) & (place_from_newest <= SEGMENTS)
    number = (taken.cumsum(1) - 1).clamp(min=0).unsqueeze(-1).expand(titles.shape).flatten(1)
    words = (words & taken.unsqueeze(-1)).flatten(1)
    wide = min(room, 1 + words.shape[1])
    if tight:
        wide = 1 + int(words.sum(1).max()) if words.numel() else 1
    place = words.cumsum(1).masked_fill(~words, wide)  # what is left out goes behind the end
    ids, segments = title.new_zeros(2, len(title), wide + 1)
    ids.scatter_(1, place, titles.flatten(1))
    segments.scatter_(1, place, number)
    ids[:, 0] = begin
    return ids[:, :wide], segments[:, :wide]


class JointEncoder(nn.Module):
    """A language model that is told of words which news they are of, and what of its states is a text's vector."""

    def __init__(self, words: TextModel, size: Size, pooling: str):
        super().__init__()
        self.words = words
        self.segments = nn.Parameter(torch.empty(SEGMENTS, words.width).normal_(0, NOISE))
        self.average = pooling == "average"
        self.pool = AdditiveAttention(words.width, size.query) if pooling == "attention" else None

    def forward(self, ids: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Word ids and segments, int64[N, L] each → states [N, L, width] and vectors [N, width]."""
        states, real = self.words.states(ids, self.segments[segments]), ids > 0
        if self.pool is not None:
            return states, self.pool(states, real)
        if self.average:
            return states, mean_of(states, real)
        return states, states[:, 0]


class PUNR(NewsModel):
    """One language model reads the titles of candidates, and all titles that a reader read as one text.

        E(T) = words + places + news segments                                                             eq. 1
        u = the first of Enc(E([CLS] t_1 [SEP] … t_n [SEP])),  v = that of Enc(E([CLS] t [SEP])),  s = u · v

    Before clicks it is pre-trained on what readers read: `BehaviourMasking` hides words, whole titles among them, which
    it is to recover, and a decoder is to tell all words from the reader's vector (`BehaviourModelling`). Keywords are
    those of `PUNROptions`. Raises `SpecError` where a language model cannot be added to.
    """

    sizes: ClassVar = {name: replace(size, dropout=0.1) for name, size in SIZES.items()}
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=3e-5, epochs=3, batch=128, clip=1.0)}
    options: ClassVar = PUNROptions
    reads_contents: ClassVar = True
    dot = True

    def __init__(self, size: Size, words: nn.Module, **options: Any):
        super().__init__()
        self.choices = PUNROptions(**options)
        known, self.marks = readable(words, "PUNR")
        self.room = min(size.together, known.positions)
        self.encoder = JointEncoder(known, size, self.choices.pooling)
        self.apart = None if self.choices.siamese else deepcopy(self.encoder)  #: what reads candidates
        self.nobody = nn.Parameter(torch.zeros(known.width))  #: the vector of a reader who has read nothing
        self.masking = None
        if self.choices.masking and self.choices.alpha > 0:
            self.masking = BehaviourMasking(self.choices.alpha, self.choices.beta, self.choices.replace, self.room)
        self.behaviours = None
        if self.choices.pretrain and (self.masking is not None or self.choices.generation):
            self.behaviours = BehaviourModelling(known, size.dropout, self.choices.generation)

    def encode(self, contents: Contents) -> Tensor:
        """[N, width] from titles."""
        title = contents.title if contents.title.shape[1] else contents.title.new_zeros(len(contents.title), 1)
        vectors: Tensor = (self.apart or self.encoder)(title, torch.zeros_like(title))[1]
        return vectors

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, width], by the order of what was read."""
        assert read.contents is not None
        vectors = self.encoder(*self._joined(read.contents.title, read.mask))[1]
        return (torch.where(read.mask.any(-1, keepdim=True), vectors, self.nobody),)

    def stages(self) -> tuple[Stage, ...]:
        """Pre-training, if there is any."""
        if self.behaviours is None:
            return ()
        return (Stage("pre-training", self.choices.pretrain, self.choices.continual, SHORTEST),)

    def stage_loss(self, stage: Stage, batch: LossInputs) -> Tensor:
        """L_mlm + L_dec, or one of them."""
        assert self.behaviours is not None
        history, words = batch.requests.history, self.encoder.words
        ids, segments = self._joined(batch.contents.title[history], history > 0)
        if self.masking is None:
            reader = self.encoder(ids, segments)[1]
            return self.behaviours.of_following(words, reader, ids, self.encoder.segments[segments])
        rows = (max(1, words.first), words.first + len(words.rows()))
        hidden, chosen = self.masking(ids, segments, self.marks, rows, words.continuing)
        states, reader = self.encoder(hidden, segments)
        loss = self.behaviours.of_masked(words, states, ids, chosen)
        if self.choices.generation:
            loss = loss + self.behaviours.of_following(words, reader, ids, self.encoder.segments[segments])
        return loss

    def finish(self, stage: Stage) -> None:
        """What reads candidates begins as what has been pre-trained."""
        if self.apart is not None:
            self.apart.load_state_dict(self.encoder.state_dict())

    def groups(self, rate: float) -> list[Group]:
        """The layers of a language model that was given at `plm_rate`, all else at the given rate."""
        groups = self.choices.groups(super().groups(rate), self.encoder.words)
        return groups if self.apart is None else self.choices.groups(groups, self.apart.words)

    def _joined(self, title: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return joined(title, mask, self.marks.begin, self.room, tight=self.training)
