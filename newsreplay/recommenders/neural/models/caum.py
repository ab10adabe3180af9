"""CAUM: readers modelled anew for every candidate (Qi et al. 2022, SIGIR)."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from newsreplay.recommenders.neural.models.fields import CATEGORY, ENTITIES, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    DenseAttention,
    Dropout,
    Glorot,
    NameTable,
    SelfAttention,
    masked_softmax,
)
from newsreplay.recommenders.neural.models.model import (
    TRAININGS,
    NewsModel,
    Offered,
    Read,
    Size,
    Training,
    unrounded,
)

Neighbours = Literal["zero", "wrap"]
Attention = Literal["code", "paper"]

FAINTEST = -40.0  #: attention logits this far below the largest count as this far; so products of two never vanish
#: How many values of [R, W, H, heads x head] are worked on at once: what exceeds a processor's caches takes far longer.
IN_CACHE = 2**20
IN_MEMORY = 2**26  #: the same on a GPU


class ArticleEncoder(nn.Module):
    """Articles from titles, entities and categories: `Contents` of N articles and vectors of words → [N, filters].

    The released code holds vectors of entities and of categories fixed, the latter random. Ours are trained, since
    names are hashed to rows.
    """

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        title = size.heads * size.head
        heads, head = max(1, size.heads // 5), 2 * size.head  # 4 of 40 in the paper
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = SelfAttention(size.word, size.heads, size.head)
        self.title_pool = AdditiveAttention(title, size.query)
        self.entities = NameTable(size.names, size.category)
        self.entity = SelfAttention(size.category, heads, head)
        self.entity_pool = AdditiveAttention(heads * head, size.query)
        self.categories = NameTable(size.categories, size.category)
        self.category = Glorot(size.category, size.category)
        self.merge = Glorot(title + heads * head + size.category, size.filters)

    def forward(self, contents: Contents, words: Tensor) -> Tensor:
        """[N, filters]; `words` are those of titles, [N, L, word]."""
        real = contents.title > 0
        title = self.title_pool(self.dropout(self.title(self.dropout(words), real)), real)
        real = contents.entities > 0
        entity = self.dropout(self.entity(self.dropout(self.entities(contents.entities)), real))
        category = self.category(self.dropout(self.categories(contents.category)))
        merged: Tensor = self.merge(torch.cat([title, self.entity_pool(entity, real), category], -1))
        return merged


class CandidateAware(nn.Module):
    """A reader as a candidate makes them appear: from vectors of what was read and of candidates, [..., width].

    Equations (c is the candidate, h_i what was read, oldest first; no activations but in `dense`):

        l_i = local(h_{i-1} ⊕ h_i ⊕ h_{i+1} ⊕ c)
        g_i = attention(join(c ⊕ h))_i                               attention="code"
        m_i = fuse(l_i ⊕ g_i)
        u   = Σ softmax_i(dense(m_i ⊕ c)) m_i

    What is linear in one article is computed of that article once (`history`, `candidate`), and l_i and m_i never
    are: only their images in `dense`'s first layer and their weighted sum are needed. In "code" the queries, keys and
    values are sums of a part of h and one of c. Parts of the logits that are the same for all keys cancel, so that

        logits_ij = q(h_i)·k(h_j) + q(c)·k(h_j)

    remains, which is the form in the paper (attention="paper") but for the keys that q(c) meets, which have a
    projection of their own there. exp(logits) is thus a product of a matrix of the reader's, [H, H], and weights of
    the candidate's, [H]: mixing is one matrix product for all candidates.

    "zero" neighbours are zero beyond the oldest and the newest; "wrap" makes these two neighbours, as the released
    code does (which also wraps around pads; here only what was read counts).
    """

    def __init__(self, size: Size, width: int, neighbours: Neighbours, attention: Attention):
        super().__init__()
        if neighbours not in ("zero", "wrap"):
            raise ValueError(f"neighbours is {neighbours!r}, neither 'zero' nor 'wrap'")
        if attention not in ("code", "paper"):
            raise ValueError(f"attention is {attention!r}, neither 'code' nor 'paper'")
        self.width = width
        self.heads = size.heads
        self.mixed = size.heads * size.head
        self.values_on_cpu = IN_CACHE  #: worked on at once
        self.about_as_long = 16  #: requests that training cuts to the longest history among them
        self.wrap = neighbours == "wrap"
        self.joined = attention == "code"
        self.dropout = Dropout(size.dropout)
        self.local = Glorot(4 * width, size.filters)
        if self.joined:
            self.join = Glorot(2 * width, self.mixed)
            self.attention = SelfAttention(self.mixed, size.heads, size.head)
        else:
            self.reads = nn.Linear(width, 4 * self.mixed, bias=False)  #: queries, keys, values, keys for candidates
            self.asks = nn.Linear(width, self.mixed, bias=False)
            for part in (*self.reads.weight.chunk(4), self.asks.weight):
                nn.init.xavier_uniform_(part)
        self.fuse = Glorot(size.filters + self.mixed, width)
        self.dense = DenseAttention(2 * width, size.dense)
        self.nobody = nn.Parameter(torch.zeros(width))  #: the reader who has read nothing
        self.parts = [self.mixed, size.dense[0], width, width]  #: widths of what `candidate` puts side by side

    def history(self, x: Tensor, columns: slice) -> Tensor:
        """What `readers` needs of each read article: [N, p] from x, those columns of its vector.

        It is linear: columns that are known later can be added.
        """
        local = self.local.weight.view(-1, 4, self.width)[:, :3, columns].transpose(0, 1)
        fused = linear(linear(x, local.flatten(0, 1)).view(*x.shape[:-1], 3, -1), self._fuse_local()).flatten(-2)
        if self.joined:
            projected = self.attention.project(linear(x, self.join.weight[:, self.width :][:, columns]))
        else:
            projected = linear(x, self.reads.weight[:, columns])
        return torch.cat([fused, projected], -1)

    def candidate(self, x: Tensor, columns: slice, constant: bool) -> Tensor:
        """What `forward` needs of each candidate: [N, sum(parts)] from x, those columns of its vector.

        It is linear, but for a constant, to be added once.
        """

        def bias(layer: nn.Linear) -> Tensor | None:
            return layer.bias if constant else None

        first = self._first()
        local = linear(x, self.local.weight[:, 3 * self.width :][:, columns], bias(self.local))
        own = linear(local, self._fuse_local(), bias(self.fuse))
        if self.joined:
            joined = linear(x, self.join.weight[:, : self.width][:, columns], bias(self.join))
            to_query, _, to_value = self.attention.project.weight.chunk(3)
            query = linear(joined, to_query)
            own = own + linear(linear(joined, to_value), self._fuse_mixed())  # weights sum to 1: a value of its own
        else:
            query = linear(x, self.asks.weight[:, columns])
        hidden = linear(own, first.weight[:, : self.width], bias(first))
        hidden = hidden + linear(x, first.weight[:, self.width :][:, columns])
        start, stop, _ = columns.indices(self.width)
        return torch.cat([query, hidden, own, pad(x, (start, self.width - stop))], -1)

    def readers(self, read: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """All of a reader that holds for every candidate, from `history` of what they read, [B, H, p].

        exp(logits) [B, heads, H, H], keys and values [B, heads, H, head], l_i as seen by `fuse` [B, H, width] and by
        `dense` [B, H, hidden], the mask [B, H].
        """
        if not mask.shape[1]:  # one place that nothing was read at, since torch refuses some sums over none
            read, mask = read.new_zeros(len(read), 1, read.shape[-1]), mask.new_zeros(len(mask), 1)
        fused, projected = read.tensor_split([3 * self.width], -1)
        projected = projected.reshape(*mask.shape, -1, self.heads, self.mixed // self.heads)
        query, key, value, *candidate_key = projected.permute(2, 0, 3, 1, 4)
        mixing = exponentials(query @ key.transpose(-1, -2) / math.sqrt(key.shape[-1]), mask[:, None, None], -1)
        before, at, after = fused.masked_fill(~mask.unsqueeze(-1), 0.0).chunk(3, -1)
        around = at + pad(before[:, :-1], (0, 0, 1, 0)) + pad(after[:, 1:], (0, 0, 0, 1))
        if self.wrap:
            real = mask.to(at.dtype)
            oldest = real * (real.cumsum(1) == 1)
            newest = real * (real.flip(1).cumsum(1).flip(1) == 1)
            around = around + oldest.unsqueeze(-1) * (newest.unsqueeze(1) @ before)
            around = around + newest.unsqueeze(-1) * (oldest.unsqueeze(1) @ after)
        return (
            mixing,
            candidate_key[0] if candidate_key else key,
            value,
            around,
            linear(around, self._first().weight[:, : self.width]),
            mask,
        )

    def forward(self, readers: tuple[Tensor, ...], candidate: Tensor) -> tuple[Tensor, Tensor]:
        """Readers as W candidates make them appear, and the candidates' vectors: both [R, W, width].

        `candidate` is [R, W, sum(parts)].
        """
        values = candidate.shape[1] * readers[-1].shape[1] * self.mixed
        at_once = self.values_on_cpu if candidate.device.type == "cpu" else IN_MEMORY
        step = max(1, at_once // max(1, values))
        to_hidden = self._first().weight[:, : self.width] @ self._fuse_mixed()
        if self.training:
            return self._by_length(readers, candidate, to_hidden)
        if len(candidate) <= step:
            return self._together(readers, candidate, to_hidden)
        parts = zip(*(torch.split(part, step) for part in (*readers, candidate)), strict=True)
        seen, candidates = zip(*(self._together(part[:-1], part[-1], to_hidden) for part in parts), strict=True)
        return torch.cat(seen), torch.cat(candidates)

    def _by_length(self, readers: tuple[Tensor, ...], candidate: Tensor, to_hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The same some at a time, those that have read about as much: most have read far less than the longest."""
        mixing, key, value, around, seen, mask = readers
        lengths = mask.sum(1)
        order = lengths.argsort()
        both = []
        for some in torch.split(order, self.about_as_long):
            longest = max(1, int(lengths[some[-1]]))
            cut = slice(None, longest)
            some_readers = (
                mixing[some, :, cut, cut],
                key[some, :, cut],
                value[some, :, cut],
                around[some, cut],
                seen[some, cut],
                mask[some, cut],
            )
            both.append(self._together(some_readers, candidate[some], to_hidden))
        back = order.argsort()
        seen_readers, candidates = zip(*both, strict=True)
        return torch.cat(seen_readers)[back], torch.cat(candidates)[back]

    def _together(self, readers: tuple[Tensor, ...], candidate: Tensor, to_hidden: Tensor) -> tuple[Tensor, Tensor]:
        mixing, key, value, around, seen, mask = readers
        query, hidden, own, itself = torch.split(candidate, self.parts, -1)
        query = query.reshape(*query.shape[:-1], self.heads, -1).permute(0, 2, 3, 1)
        weights = exponentials(key @ query / math.sqrt(key.shape[-1]), mask[:, None, :, None], -2)  # [R, heads, H, W]
        mixed = mixing @ (value.unsqueeze(-2) * weights.unsqueeze(-1)).flatten(-2)
        mixed = mixed.view(*weights.shape, -1) / (mixing @ weights).clamp(min=1e-36).unsqueeze(-1)
        # Dropout of the release on l_i ⊕ g_i acts here on what the attention mixed of the history. All the rest of
        # them was made of h and c, which have had theirs, and is added up already.
        mixed = self.dropout(mixed.permute(0, 3, 2, 1, 4).flatten(-2))  # [R, W, H, heads x head]
        _, activate, *deeper = self.dense
        logits = activate(linear(mixed, to_hidden) + (seen.unsqueeze(1) + hidden.unsqueeze(2)))
        for layer in deeper:
            logits = layer(logits)
        share = masked_softmax(logits.squeeze(-1), mask.unsqueeze(1))
        reader = share @ around + linear((share.unsqueeze(-2) @ mixed).squeeze(-2), self._fuse_mixed()) + own
        return torch.where(mask.any(-1)[:, None, None], reader, self.nobody), itself

    def _first(self) -> nn.Linear:
        first = self.dense[0]
        assert isinstance(first, nn.Linear)
        return first

    def _fuse_local(self) -> Tensor:
        return self.fuse.weight[:, : -self.mixed]

    def _fuse_mixed(self) -> Tensor:
        return self.fuse.weight[:, -self.mixed :]


def exponentials(logits: Tensor, mask: Tensor, over: int) -> Tensor:
    """exp(logits) up to a factor that is the same all along the dimension `over`; zero where masked."""
    logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
    logits = logits - logits.detach().amax(over, keepdim=True)
    return logits.clamp(min=FAINTEST).exp().masked_fill(~mask, 0.0)


class CAUM(NewsModel):
    """Candidate-aware self-attention and convolution over what a reader read.

    `neighbours` and `attention`: see `CandidateAware`. As in AWRS's port, dropout acts once on an article where it was
    read and once where it is offered, and all of the model then sees the same.
    """

    trainings: ClassVar = TRAININGS | {"paper": Training(rate=5e-5)}
    fields: ClassVar = (TITLE, CATEGORY, ENTITIES)
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module, *, neighbours: Neighbours = "zero", attention: Attention = "code"):
        super().__init__()
        self.article_width = size.filters
        self.articles = ArticleEncoder(size, words)
        self.interest = CandidateAware(size, size.filters, neighbours, attention)
        self.dropout = Dropout(size.dropout)

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles, entities and categories."""
        words = self.words_seen(self.articles.words(contents.title), contents)
        return self.card_seen(self.articles(contents, words), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """What the equations need of one read article."""
        return self.interest.history(self.dropout(vectors), slice(None))

    def offer(self, vectors: Tensor) -> Tensor:
        """What the equations need of one candidate."""
        return self.interest.candidate(self.dropout(vectors), slice(None), constant=True)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What holds for every candidate."""
        return self.interest.readers(read.vectors, read.mask)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]: the dot product of a candidate and the reader that it makes appear."""
        reader, candidate = self.interest(readers, offered.vectors)
        scores: Tensor = (unrounded(reader) * unrounded(candidate)).sum(-1)
        return scores
