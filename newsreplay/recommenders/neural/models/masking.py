"""User behaviour masking: which words of what a reader read are hidden (Wu et al. 2023: PUNR, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.layers import Drawing

Ids: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

NOT_HIDDEN = -1  #: in the place of a title, of what is never masked


class Budget(NamedTuple):
    """How many words may be masked."""

    whole: int  #: M_b, those of titles that are masked whole
    all: int  #: M', of all


def budget(title_words: int, words: int, alpha: float, beta: float, most: int) -> Budget:
    """Of a text of so many `words`, marks included, of which `title_words` are of titles; neither part exceeds `most`.

        M = min(most, max(1, round(α T))),  M_b = round(β M),  M' = min(most, max(1, round(α n)))

    as in the public code, but that nothing is masked for α = 0.

    >>> budget(36, 43, 0.3, 0.3, 512)
    Budget(whole=3, all=13)
    """
    if not alpha or not title_words:
        return Budget(0, 0)
    whole = round(beta * min(most, max(1, round(alpha * title_words))))
    return Budget(whole, min(most, max(1, round(alpha * words))))


def masked(title: Ids, continues: Flags, alpha: float, beta: float, most: int, rng: np.random.Generator) -> Flags:
    """Which words of a text are masked, bool[n].

    `title`, int64[n], is the number of the title that a word is of, in order, `NOT_HIDDEN` for marks; `continues`,
    bool[n], tells which are pieces that continue the word before them. Titles that fit into what is left of M_b are
    drawn and masked whole, until none fits; then words, in random order, as long as they fit into M'.
    """
    chosen = np.zeros(len(title), bool)
    allowed = budget(int((title != NOT_HIDDEN).sum()), len(title), alpha, beta, most)
    left = allowed.whole
    spans = stretches_of(title, np.zeros(len(title), bool))
    while fitting := [span for span in spans if span[1] - span[0] <= left]:
        first, end = span = fitting[int(rng.integers(len(fitting)))]
        chosen[first:end] = True
        left -= end - first
        spans.remove(span)
    count = int(chosen.sum())
    words = [word for word in stretches_of(title, continues, whole=False) if not chosen[word[0]]]
    for place in rng.permutation(len(words)).tolist():
        first, end = words[place]
        if count + end - first <= allowed.all:
            chosen[first:end] = True
            count += end - first
    return chosen


def stretches_of(title: Ids, continues: Flags, whole: bool = True) -> list[tuple[int, int]]:
    """Where titles, or with `whole` false their words, begin and end; marks are in none."""
    begins = np.append(True, title[1:] != title[:-1])
    if not whole:
        begins |= ~continues
    first = np.flatnonzero(begins)
    end = np.append(first[1:], len(title))
    real = title[first] != NOT_HIDDEN
    return list(zip(first[real].tolist(), end[real].tolist(), strict=True))


def replaced(ids: Ids, chosen: Flags, hidden: int, rows: Sequence[int], mixed: bool, rng: np.random.Generator) -> Ids:
    """Word ids with the chosen ones hidden: `mixed`, 80 % as the mark, 10 % as any word (an id from rows[0] to below
    rows[1]), 10 % as they are; else all as the mark.
    """
    if not mixed:
        return np.where(chosen, hidden, ids)
    share = rng.random(ids.shape)
    others = rng.integers(rows[0], rows[1], ids.shape)
    return np.where(chosen & (share < 0.8), hidden, np.where(chosen & (share >= 0.9), others, ids))


class BehaviourMasking(Drawing, nn.Module):
    """Texts of what readers read with words masked, drawn from a generator of its own."""

    def __init__(self, alpha: float, beta: float, replace: Literal["mixed", "mask"], most: int):
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.mixed = replace == "mixed"
        self.most = most

    def forward(
        self, ids: Tensor, segments: Tensor, marks: Sequence[int], rows: tuple[int, int], continuing: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Word ids [B, n], padding behind, and the titles that they are of → the same masked, and which: bool[B, n].

        `marks` are the ids of what is never masked, the last of them that of the mask.
        """
        seed = torch.empty((), dtype=torch.int64, device="cpu" if self.generator is None else self.generator.device)
        rng = np.random.default_rng(int(seed.random_(generator=self.generator)))
        before, of = ids.cpu().numpy(), segments.cpu().numpy()
        chosen = np.zeros(before.shape, bool)
        joined = np.zeros(before.shape, bool) if continuing is None else continuing.cpu().numpy()[before]
        for row, length in enumerate((before > 0).sum(1).tolist()):
            text = before[row, :length]
            title = np.where(np.isin(text, marks), NOT_HIDDEN, of[row, :length])
            chosen[row, :length] = masked(title, joined[row, :length], self.alpha, self.beta, self.most, rng)
        after = replaced(before, chosen, marks[-1], rows, self.mixed, rng)
        return torch.from_numpy(after).to(ids.device), torch.from_numpy(chosen).to(ids.device)
