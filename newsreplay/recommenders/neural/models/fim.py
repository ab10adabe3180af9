"""FIM: candidates matched word by word with all that a reader read (Wang et al. 2020, ACL)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import CATEGORY, SUBCATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import Dropout, Glorot, NameTable
from newsreplay.recommenders.neural.models.model import SIZES, NewsModel, Offered, Read, Size

NAMES = 2  #: places before the title: category and subcategory
DILATIONS = (1, 2, 3)
WINDOW = 3  #: of all convolutions, and of the pooling
#: How many values of the first convolution over cubes are worked on at once: so many that a call is worth it, so few
#: that what is padding alone can be left out.
AT_ONCE = 2**20
ON_GPU = 2**28  #: the same on a GPU
ABOUT_AS_LONG = 8  #: requests that training cuts to the longest history among them


def cells_of(side: int) -> int:
    """Cells that two convolutions and poolings leave along a side of a cube, at least 1: a shorter side is padded."""
    for _ in range(2):
        side = (side - WINDOW + 1) // WINDOW
    return max(1, side)


def seen_of(side: int) -> int:
    """Places of a side that reach one of its cells; poolings drop the rest, which does not fill a window."""
    seen = cells_of(side)
    for _ in range(2):
        seen = seen * WINDOW + WINDOW - 1
    return seen


class Levels(nn.Module):
    """Articles at four levels, from words by themselves to stretches of thirteen.

        d_0 = category ⊕ subcategory ⊕ words of the title                         [length, word]
        d_l = ReLU(LayerNorm(Conv1d_l(d_{l-1}))), dilated by l, l = 1, 2, 3       [length, filters]

    The layer normalisation is over all places and filters, with a weight and a bias for each. Convolutions see what it
    makes of padding, as published; in what is returned padding is zero.
    """

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.title = size.title
        self.seen = min(NAMES + size.title, seen_of(NAMES + size.title))  #: places that can count
        self.widths = [size.word, *[size.filters] * len(DILATIONS)]  #: of the levels
        self.words = words
        self.categories = NameTable(size.categories, size.word)
        self.subcategories = NameTable(size.subcategories, size.word)
        self.dropout = Dropout(size.dropout)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, size.filters, WINDOW, padding="same", dilation=dilation)
            for width, dilation in zip(self.widths, DILATIONS, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm([size.filters, NAMES + size.title]) for _ in DILATIONS)

    def fitted(self, contents: Contents) -> Contents:
        """The same with titles of the model's length."""
        title = contents.title[:, : self.title]
        return contents.replaced(title=functional.pad(title, (0, self.title - title.shape[1])))

    def sequence(self, contents: Contents, words: Tensor) -> tuple[Tensor, Tensor]:
        """d_0 [N, length, word] and whether there is something at its places, bool[N, length].

        `contents` are `fitted`, `words` the vectors of their titles, [N, title, word].
        """
        names = torch.stack([self.categories(contents.category), self.subcategories(contents.subcategory)], 1)
        some_names = torch.stack([contents.category, contents.subcategory], 1) > 0
        return self.dropout(torch.cat([names, words], 1)), torch.cat([some_names, contents.title > 0], 1)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """All levels at the places that can count, side by side, [N, seen x (word + 3 x filters)]."""
        levels = [sequence]
        x = sequence.transpose(1, 2)
        for convolve, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolve(x)))
            levels.append(x.transpose(1, 2))
        kept = mask[:, : self.seen, None]
        return torch.cat([level[:, : self.seen].masked_fill(~kept, 0.0).flatten(1) for level in levels], 1)

    def split(self, flat: Tensor) -> list[Tensor]:
        """The levels again, [..., seen, width] each, from [..., seen x (word + 3 x filters)] and what stands behind."""
        lengths = [self.seen * width for width in self.widths]
        parts = torch.split(flat[..., : sum(lengths)], lengths, -1)
        return [part.view(*flat.shape[:-1], self.seen, width) for part, width in zip(parts, self.widths, strict=True)]


class Cubes(nn.Module):
    """Features of what matches: cubes of words of a candidate x reads x words of a read, a channel for each level.

        conv 4 → channels[0], ELU, max-pool, conv channels[0] → channels[1], ELU, max-pool

    All windows are 3 x 3 x 3, poolings do not overlap. In an empty part of a cube the first convolution is its bias:
    only the rest is worked out. What comes to the same is done in the cheaper order: the ELU, which grows with its
    argument, behind the pooling.
    """

    def __init__(self, size: Size):
        super().__init__()
        first, second = size.channels
        self.first = nn.Conv3d(1 + len(DILATIONS), first, WINDOW)
        self.second = nn.Conv3d(first, second, WINDOW)
        sides = (NAMES + size.title, size.history, NAMES + size.title)
        self.cells = [cells_of(side) for side in sides]
        self.features = second * math.prod(self.cells)

    def worked_out(self, sides: tuple[int, ...]) -> list[int]:
        """Places along the first pooling's sides that something may reach in a cube with so long sides."""
        return [min(cells * WINDOW + WINDOW - 1, -(-n // WINDOW)) for cells, n in zip(self.cells, sides, strict=True)]

    def values(self, sides: tuple[int, ...]) -> int:
        """Values of the first convolution, of one cube."""
        return self.first.out_channels * math.prod(WINDOW * n for n in self.worked_out(sides))

    def forward(self, cubes: Tensor) -> Tensor:
        """[P, 4, words, reads, words] → [P, features]; a side may be shorter than that of the model, and empty."""
        sides = tuple(cubes.shape[2:])
        inner = self.worked_out(sides)
        bias = self.first.bias
        assert bias is not None
        whole = [cells * WINDOW + WINDOW - 1 for cells in self.cells]
        pooled = bias[:, None, None, None].expand(len(cubes), -1, *whole)
        if all(inner):
            lacking = [WINDOW * n + WINDOW - 1 - side for n, side in zip(inner, sides, strict=True)]  # < 0: too many
            found = self.first(functional.pad(cubes, [n for lack in reversed(lacking) for n in (0, lack)]))
            found = functional.max_pool3d(found, WINDOW)
            if inner == whole:
                pooled = found
            else:
                pooled = pooled.to(found.dtype).clone()
                pooled[:, :, : inner[0], : inner[1], : inner[2]] = found
        pooled = functional.max_pool3d(self.second(functional.elu(pooled)), WINDOW)
        return functional.elu(pooled).flatten(1)


class CardMatches(nn.Module):
    """What cards of a candidate c and of reads h_i, newest first, add to a score (section 3.2.2 of IMRec, for FIM).

        p = W o + b,  Σ_i w_i p_c · p_{h_i}

    o is a whole card; an article without one has p = 0. This is FIM's last layer, continued: it starts at zero.
    """

    def __init__(self, card: int, width: int, reads: int):
        super().__init__()
        self.project = Glorot(card, width)
        self.weigh = nn.Linear(reads, 1, bias=False)
        nn.init.zeros_(self.weigh.weight)

    def looks(self, card: Tensor) -> Tensor:
        """p, [N, card] → [N, width]."""
        projected: Tensor = self.project(card.to(self.project.weight.dtype))
        return projected.masked_fill(~card.any(-1, keepdim=True), 0.0)

    def forward(self, read: Tensor, candidates: Tensor) -> Tensor:
        """p of reads, [r, reads, width], and of candidates, [r, w, width] → [r, w]."""
        matched: Tensor = self.weigh(candidates @ read.transpose(-1, -2)).squeeze(-1)
        return matched


class FIM(NewsModel):
    """Candidates matched word by word, at four levels, with each of the articles that a reader read.

    Of a candidate c and reads h_i, newest first:

        M_il = d_l(c) d_l(h_i)ᵀ / √filters          i = 1 … history, l = 0 … 3; 0 where either has no word
        s    = w · cubes(M) + b

    Of a reader who has read nothing M is zero, and all candidates score the same. See `Levels` and `Cubes`. Whole news
    cards are matched apart, see `CardMatches`.

    All of it is float32, under autocast, too: rounding would choose other maxima, and gradients go where these are.
    """

    sizes: ClassVar = {
        "paper": Size(filters=150, title=32, history=50),
        # lengths of which no place is dropped by a pooling
        "small": replace(SIZES["small"], title=15, history=17, channels=(8, 8)),
        "tiny": replace(SIZES["tiny"], title=4),
    }
    fields: ClassVar = (TITLE, CATEGORY, SUBCATEGORY)
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.levels = Levels(size, words)
        self.cubes = Cubes(size)
        self.last = nn.Linear(self.cubes.features, 1)
        self.reads = min(size.history, seen_of(size.history))  #: the newest, that can count
        self.longest = size.history
        self.scale = size.filters**-0.5

    def whole_impression(self, size: Size, card: int) -> nn.Module:
        """FIM has no vector of an article that a card could be mixed into."""
        return CardMatches(card, size.filters, size.history)

    @property
    def cards(self) -> CardMatches | None:
        """What whole cards are matched by, if they are."""
        whole = None if self.impression is None else self.impression.whole
        return whole if isinstance(whole, CardMatches) else None

    def encode(self, contents: Contents) -> Tensor:
        """All levels of articles, [N, …], zero where there is no word; behind them p, where cards are matched."""
        with torch.autocast(contents.title.device.type, enabled=False):
            contents = self.levels.fitted(contents)
            words = self.words_seen(self.levels.words(contents.title), contents)
            levels: Tensor = self.levels(*self.levels.sequence(contents, words))
            return levels if self.cards is None else torch.cat([levels, self.cards.looks(contents.card)], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What was read, newest first, [B, reads, …], zeros behind; and how much it is, int64[B].

        Where cards are matched, the p of all reads, [B, history, filters], too.
        """
        count = read.mask.sum(1)
        levels = self._newest(read.vectors, count, min(self.reads, read.mask.shape[1]))
        if self.cards is None:
            return levels, count
        looks = read.vectors[..., -self.cards.project.out_features :]
        return levels, count, self._newest(looks, count, self.longest)

    def _newest(self, vectors: Tensor, count: Tensor, places: int) -> Tensor:
        """The vectors of so many reads, newest first, zeros behind: [B, H, …] → [B, places, …]."""
        place = count[:, None] - 1 - torch.arange(places, device=count.device)
        if not vectors.shape[1]:
            return vectors.new_zeros(len(vectors), places, vectors.shape[2])
        newest = vectors[torch.arange(len(count), device=count.device)[:, None], place.clamp(min=0)]
        return newest.masked_fill((place < 0).unsqueeze(-1), 0.0)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        read, count, *looks = readers
        candidates = offered.vectors
        with torch.autocast(read.device.type, enabled=False):
            scores = self._scores(read, count, candidates)
            if self.cards is None:
                return scores
            matched: Tensor = self.cards(looks[0], candidates[..., -self.cards.project.out_features :])
            return scores + matched

    def _scores(self, read: Tensor, count: Tensor, candidates: Tensor) -> Tensor:
        """From words, [R, W], some pairs at a time."""
        if self.training:
            return self._by_length(read, count, candidates)
        rows, columns = self._at_once(read, candidates)
        parts = [
            torch.cat([self._where_offered(some, part) for part in torch.split(row, columns, 1)], 1)
            for some, row in zip(torch.split(read, rows), torch.split(candidates, rows), strict=True)
        ]
        return torch.cat(parts)

    def _at_once(self, read: Tensor, candidates: Tensor) -> tuple[int, int]:
        """How many readers, and how many candidates of each, are worked on at once."""
        values = self.cubes.values((self.levels.seen, read.shape[1], self.levels.seen))
        # torch convolves one cube three times as slowly as each of two
        pairs = max(2, (AT_ONCE if read.device.type == "cpu" else ON_GPU) // max(1, values))
        width = max(1, candidates.shape[1])
        return max(1, pairs // width), min(pairs, width)

    def _where_offered(self, read: Tensor, candidates: Tensor) -> Tensor:
        # Rows of candidates are filled up with padding, of which there can be as much as of candidates.
        if not candidates.any():
            return self.matched(read[:1, :0], candidates[:1, :1]).expand(candidates.shape[:2])
        return self.matched(read, candidates)

    def _by_length(self, read: Tensor, count: Tensor, candidates: Tensor) -> Tensor:
        """The same some at a time, those that have read about as much: most have read far less than the longest."""
        order = count.argsort()
        scores = []
        for some in torch.split(order, ABOUT_AS_LONG):
            longest = int(count[some[-1]])
            scores.append(self.matched(read[some, :longest], candidates[some]))
        return torch.cat(scores)[order.argsort()]

    def matched(self, read: Tensor, candidates: Tensor) -> Tensor:
        """Scores [r, w] of candidates [r, w, …] for readers of [r, h, …]."""
        scores: Tensor = self.last(self.features(read, candidates)).squeeze(-1)
        return scores

    def features(self, read: Tensor, candidates: Tensor) -> Tensor:
        """What the last layer sees, [r, w, features]."""
        pairs = candidates.shape[:2]
        matches = [
            # [r, w x words, width] and [r, h x words, width] → [r x w, words, h, words]
            (c.flatten(1, 2) @ (self.scale * h.flatten(1, 2)).transpose(1, 2)).view(
                pairs.numel(), c.shape[2], h.shape[1], h.shape[2]
            )
            for c, h in zip(self.levels.split(candidates), self.levels.split(read), strict=True)
        ]
        # Levels stand beside one another in memory, as convolutions have their channels fastest.
        features: Tensor = self.cubes(torch.stack(matches, -1).movedim(-1, 1))
        return features.view(*pairs, self.cubes.features)
