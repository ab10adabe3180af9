"""What is asked of a language model, and a small one of BERT's form that starts from random numbers."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.models.layers import Drawing, Dropout, Glorot, WordTable, attend
from newsreplay.recommenders.neural.models.model import Size

DROPOUT = 0.1  #: in all of it, as in BERT
NOISE = 0.02  #: standard deviation of vectors of places, as in BERT


class Marks(NamedTuple):
    """The word ids of a language model that are no words: texts begin and end with one each, the third hides a word."""

    begin: int
    end: int
    hidden: int


class TextModel(Drawing, nn.Module):
    """Base class of what makes states of texts' words, [N, L] ids → [N, L, width]; id 0 is padding, behind the words.

    Something can be added to the vectors of words, before all else happens to them: [N, L, width], or what broadcasts.
    """

    pretrained: ClassVar[bool]  #: whether it had learned from other texts
    width: int
    heads: int  #: of its attention
    positions: int  #: words of a text, at most
    marks: Marks | None = None  #: None = it has not all of them
    continuing: Tensor | None = (
        None  #: bool[rows], by word id: a piece that continues the word before it; None = none does
    )
    first: int  #: the word id of its first row

    def rows(self) -> Tensor:
        """The vectors of its words, [rows, width], that of word id `first` in front."""
        raise NotImplementedError

    def embedded(self, ids: Tensor, added: Tensor) -> Tensor:
        """Words at their places with what is added, as its first layer sees them."""
        raise NotImplementedError

    def states(self, ids: Tensor, added: Tensor) -> Tensor:
        """What its last layer makes of them; of padding, anything finite."""
        raise NotImplementedError


def readable(words: nn.Module, reader: str) -> tuple[TextModel, Marks]:
    """A language model that can be told what words are of, and its marks, for a model of this name.

    Raises `ValueError` where it is none, and `SpecError` where it cannot.
    """
    if not isinstance(words, TextModel):
        raise ValueError(f"{reader} reads with a language model, not with a {type(words).__name__}")
    if words.marks is None:
        raise SpecError(
            f"{reader} needs a language model with tokens for the beginning, the end and a hidden word, as BERT"
        )
    try:
        with torch.no_grad():
            found = words.embedded(torch.ones(1, 2, dtype=torch.int64), torch.zeros(1, 2, words.width))
        wrong = None if found.shape == (1, 2, words.width) else f"its embeddings are {found.shape[-1]} wide"
    except Exception as error:  # whatever code that is not ours raises
        wrong = str(error)
    if wrong is not None:
        raise SpecError(
            f"{reader} cannot tell this language model which news words are of ({wrong}); give one like BERT"
        )
    return words, words.marks


class TransformerLayer(nn.Module):
    """A layer of BERT: H = LN(X + MHA(X)), LN(H + W GELU(V H))  (Devlin et al. 2019)."""

    def __init__(self, width: int, size: Size, dropout: float):
        super().__init__()
        self.heads = size.heads
        inside = size.heads * size.head
        self.project = Glorot(width, 3 * inside)  #: queries, keys and values side by side
        self.back = Glorot(inside, width)
        self.first_norm = nn.LayerNorm(width)
        self.widen = Glorot(width, 4 * width)
        self.narrow = Glorot(4 * width, width)
        self.second_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width] and bool[N, L] → [N, L, width]."""
        query, key, value = self.project(x).chunk(3, -1)
        mixed = attend(query, key, value, self.heads, mask)
        hidden = self.first_norm(x + self.dropout(self.back(mixed)))
        fed: Tensor = self.narrow(functional.gelu(self.widen(hidden)))
        found: Tensor = self.second_norm(hidden + self.dropout(fed))
        return found


class Transformer(TextModel):
    """A small language model over a table of words, of BERT's form and from random numbers, all of which is trained.

    There are no vectors of segments but those that are added.
    """

    pretrained = False
    first = 0

    def __init__(self, table: WordTable, size: Size, marks: Marks):
        super().__init__()
        self.table = table
        self.marks = marks
        self.width = table.width
        self.heads = size.heads
        self.positions = max(size.title, size.together)
        self.places = nn.Parameter(torch.empty(self.positions, self.width).normal_(0, NOISE))
        self.norm = nn.LayerNorm(self.width)
        self.dropout = Dropout(DROPOUT)
        self.layers = nn.ModuleList(TransformerLayer(self.width, size, DROPOUT) for _ in range(size.layers))

    def rows(self) -> Tensor:
        """See `TextModel.rows`; words that came up after training have none."""
        return self.table.weight

    def embedded(self, ids: Tensor, added: Tensor) -> Tensor:
        """See `TextModel.embedded`."""
        found: Tensor = self.dropout(self.norm(self.table(ids) + self.places[: ids.shape[1]] + added))
        return found

    def states(self, ids: Tensor, added: Tensor) -> Tensor:
        """See `TextModel.states`."""
        x, mask = self.embedded(ids, added), ids > 0
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def forward(self, ids: Tensor) -> Tensor:
        """The states of words alone; those of padding are zero."""
        if not ids.shape[1]:  # which attention refuses
            return torch.zeros(*ids.shape, self.width, device=ids.device)
        return self.states(ids, self.places.new_zeros(1)).masked_fill(ids.unsqueeze(-1) == 0, 0.0)
