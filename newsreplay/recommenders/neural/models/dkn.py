"""DKN: words beside the entities that they name, and what stands around these in a graph of knowledge.

Wang et al. 2018, WWW.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import TITLE, Contents, Field, Mentions, NameVectors
from newsreplay.recommenders.neural.models.layers import Dropout, Glorot, masked_softmax
from newsreplay.recommenders.neural.models.model import (
    SIZES,
    NewsModel,
    Offered,
    Read,
    Size,
    unrounded,
)

WINDOWS = (1, 2, 3, 4)  #: words that a filter sees
HIDDEN = 16  #: layer of the attention over what was read

ENTITY_VECTORS = NameVectors("entity_vectors", "entities", optional=True)
CONTEXT_VECTORS = NameVectors("context_vectors", "entities", optional=True)
MENTIONS = Mentions("mentions", "entities")


class KnowledgeConvolution(nn.Module):
    """Convolutions over words and their entities, and the largest value of each filter (KCNN): [N, filters].

    A word's channels are its own vector w, tanh(M e + b) of the entity that it is part of, and tanh(M' e' + b') of what
    stands around the entity; zeros where it is part of none. Filters see 1 to 4 words, of each as many; a window begins
    at every word, and behind the last are zeros.
    """

    def __init__(self, size: Size, channels: Mapping[str, int]):
        super().__init__()
        self.channels = nn.ModuleDict({name: Glorot(width, size.word) for name, width in channels.items()})
        inputs = (1 + len(channels)) * size.word
        self.width = len(WINDOWS) * (size.filters // len(WINDOWS))
        self.convolve = nn.ModuleList(nn.Conv1d(inputs, size.filters // len(WINDOWS), window) for window in WINDOWS)

    def forward(self, words: Tensor, mask: Tensor, contents: Contents) -> Tensor:
        """From vectors of words [N, L, word] and bool[N, L]; zeros where there is no word."""
        if not mask.shape[1]:
            return words.new_zeros(len(words), self.width)
        both = [words]
        if self.channels:
            at = functional.pad(contents.mentions, (0, mask.shape[1] - contents.mentions.shape[1]))  # or cut
        for name, transform in self.channels.items():
            entities = torch.tanh(transform(contents.columns[name]))  # [N, E, word]
            known = contents.columns[name].any(-1, keepdim=True)
            entities = functional.pad(entities.masked_fill(~known, 0.0), (0, 0, 1, 0))  # place 0: no entity
            both.append(entities.gather(1, at.unsqueeze(-1).expand(-1, -1, entities.shape[-1])))
        x = torch.cat(both, -1).masked_fill(~mask.unsqueeze(-1), 0.0).transpose(1, 2)
        found = []
        for window, convolve in zip(WINDOWS, self.convolve, strict=True):
            values = functional.relu(convolve(functional.pad(x, (0, window - 1))))
            found.append(values.masked_fill(~mask.unsqueeze(1), 0.0).amax(-1))  # no value is below 0
        return torch.cat(found, -1)


class DKN(NewsModel):
    """Titles by words and entities make an article; reads that a candidate attends to a reader; a network the score.

        u = Σ_i softmax_i(A(h_i ⊕ c)) h_i,  s = P(u ⊕ c)                A, P: a hidden layer with ReLU, to one number

    `entity_vectors` names a file of vectors by entity, such as MIND's `entity_embedding.vec` (TransE by Wikidata ids),
    `context_vectors` one of the mean vector of the entities around each. Without a file its channel is left out, as if
    no word were part of an entity; without both this is a convolution over words, and a note says so. Neither is
    trained. A word is part of an entity where the title has one of the forms under which the log says it occurs.

    The hidden layer of P is `query` wide, which is not published. A reader who has read nothing has a learned vector in
    the place of u (`nobody`). `widths` are those of the vectors in the files that are given.
    """

    sizes: ClassVar = SIZES | {"paper": replace(SIZES["paper"], filters=400)}
    fields: ClassVar[tuple[Field, ...]] = (TITLE, MENTIONS, ENTITY_VECTORS, CONTEXT_VECTORS)
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module, *, widths: Mapping[str, int] | None = None):
        super().__init__()
        channels = widths or {}
        files = tuple(field for field in (ENTITY_VECTORS, CONTEXT_VECTORS) if field.name in channels)
        self.fields = (TITLE, MENTIONS, *files) if files else (TITLE,)  # type: ignore[misc]  # of this model alone
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = KnowledgeConvolution(size, channels)
        width = self.article_width = self.title.width
        self.read = Glorot(width, HIDDEN)  #: these two make the first layer of A
        self.asks = Glorot(width, HIDDEN, bias=False)
        self.attend = Glorot(HIDDEN, 1, bias=False)
        self.reader = Glorot(width, size.query)  #: these two make the first layer of P
        self.candidate = Glorot(width, size.query, bias=False)
        self.predict = Glorot(size.query, 1, bias=False)
        self.nobody = nn.Parameter(torch.zeros(width))

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles and their entities."""
        words = self.dropout(self.words_seen(self.words(contents.title), contents))
        return self.card_seen(self.dropout(self.title(words, contents.title > 0, contents)), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """h beside its part of A's hidden layer, [N, filters + 16]."""
        return torch.cat([vectors, self.read(vectors)], -1)

    def offer(self, vectors: Tensor) -> Tensor:
        """What a candidate adds to the hidden layers of A and P, [N, 16 + query]."""
        return torch.cat([self.asks(vectors), self.candidate(vectors)], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What was read, [B, H, filters + 16], and the mask [B, H]."""
        return read.vectors, read.mask

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        (reads, mask), width = readers, self.article_width
        asks, candidate = offered.vectors.tensor_split([HIDDEN], -1)
        hidden = functional.relu(reads[:, None, :, width:] + asks.unsqueeze(2))
        shares = masked_softmax(self.attend(hidden).squeeze(-1), mask.unsqueeze(1))  # [R, W, H]
        reader = shares @ reads[..., :width].masked_fill(~mask.unsqueeze(-1), 0.0)
        reader = torch.where(mask.any(-1)[:, None, None], reader, self.nobody)
        scores: Tensor = self.predict(functional.relu(self.reader(reader) + candidate))
        return unrounded(scores).squeeze(-1)
