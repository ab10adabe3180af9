"""CROWN: intents of titles and contents, how far they agree, and a graph of readers and articles (Ko et al. 2025)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import ABSTRACT, CATEGORY, SUBCATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    Dropout,
    Glorot,
    NameTable,
    SelfAttention,
    masked_softmax,
    mean_of,
    pooled,
)
from newsreplay.recommenders.neural.models.model import (
    SIZES,
    TRAININGS,
    UNKNOWN,
    Around,
    Graph,
    LossInputs,
    NewsModel,
    Offered,
    Read,
    Size,
    dot_product,
    unrounded,
)

Preset = Literal["paper", "release"]
User = Literal["hybrid", "gnn", "attention", "average"]
Network = Literal["gat", "gcn", "sage", "lightgcn"]

STRANGERS = 0.1  #: share of the readers that training shows as readers without a row of their own
SLOPE = 0.2  #: of the leaky ReLU in the attention of a GAT, below zero

ALTERNATIVES: dict[str, tuple[object, ...]] = {
    "preset": ("paper", "release"),
    "user": ("hybrid", "gnn", "attention", "average"),
    "gnn": ("gat", "gcn", "sage", "lightgcn"),
    "category": (True, False),
    "consistency": (True, False),
}


@dataclass(frozen=True, kw_only=True)
class CROWNOptions:
    """The keywords of `CROWN`. Raises `ValueError` where one cannot be."""

    preset: Preset = "paper"  #: "release" is the public code, repaired; it has readers of its own
    intents: int = 3  #: K; 0 = vectors of texts are used as they are
    category: bool = True  #: categories guide intents
    consistency: bool = True  #: contents count as far as they agree with titles; False = wholly
    user: User = "hybrid"  #: what a reader is made of, see `ReaderQuery`
    gnn: Network = "gat"  #: of readers and articles, see `Hop`
    beta: float = 0.3  #: weight of the loss of categories; 0 = there is none

    def __post_init__(self) -> None:
        for name, allowed in ALTERNATIVES.items():
            value = getattr(self, name)
            if not any(value is other or (value == other and isinstance(value, str)) for other in allowed):
                raise ValueError(f"{name} is {value!r}, none of {', '.join(map(repr, allowed))}")
        if isinstance(self.intents, bool) or not isinstance(self.intents, int) or self.intents < 0:
            raise ValueError(f"intents is {self.intents!r}, not a whole number of 0 or more")
        if isinstance(self.beta, bool) or not isinstance(self.beta, int | float) or not 0 <= self.beta < float("inf"):
            raise ValueError(f"beta is {self.beta!r}, not a number of 0 or more")
        if self.preset == "release" and (self.user, self.gnn) != ("hybrid", "gat"):
            name = "user" if self.user != "hybrid" else "gnn"
            raise ValueError(f"{name} is {getattr(self, name)!r}, but preset='release' has its own; leave it out")


class AttentionBlock(nn.Module):
    """A text's word vectors to one: a multi-head attention block and the mean over the words that are there (eq. 1).

        H = LN(X + MHA(X)),  MAB(X) = LN(H + FF(H))                                      Lee et al. 2019, without I

    `ordered`: words are told their places by sines, as in the public code.
    """

    def __init__(self, size: Size, ordered: bool):
        super().__init__()
        self.ordered = ordered
        self.dropout = Dropout(size.dropout)
        self.attention = SelfAttention(size.word, size.heads, size.head)
        self.back = Glorot(size.heads * size.head, size.word)
        self.first_norm = nn.LayerNorm(size.word)
        self.widen = Glorot(size.word, size.dense[0])
        self.narrow = Glorot(size.dense[0], size.word)
        self.second_norm = nn.LayerNorm(size.word)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """[N, L, word] and bool[N, L] → [N, word]; zeros where there are no words."""
        x = self.dropout(words)
        if self.ordered:
            x = x + places(x)
        hidden = self.first_norm(x + self.dropout(self.back(self.attention(x, mask))))
        fed = self.dropout(self.narrow(functional.relu(self.widen(hidden))))
        return mean_of(self.second_norm(hidden + fed), mask)


def places(x: Tensor) -> Tensor:
    """Sines and cosines of L places, [L, width], as of Vaswani et al. 2017 (section 3.5), for x [N, L, width]."""
    length, width = x.shape[1:]
    column = torch.arange(width, device=x.device)
    rate = 10_000.0 ** (-(column - column % 2).to(x.dtype) / width)
    angle = torch.arange(length, device=x.device).to(x.dtype).unsqueeze(1) * rate
    return torch.where(column % 2 == 0, angle.sin(), angle.cos())


def consistency(title: Tensor, content: Tensor) -> Tensor:
    """How far vectors agree, (cos + 1) / 2, [N, width] each → [N, 1] (eq. 6); one half where one of them is zero."""
    with torch.autocast(title.device.type, enabled=False):
        cosine = functional.cosine_similarity(unrounded(title), unrounded(content), dim=-1, eps=1e-8)
        return (cosine.clamp(-1, 1).unsqueeze(-1) + 1) / 2


class ConsistentArticles(nn.Module):
    """Articles as they look before and after they are read: `Contents` → r_t [N, width] and r_n [N, news].

        g    = W_g [category ⊕ subcategory] + b_g                                                    eq. 2
        z_k  = ReLU(W_k [t ⊕ g] + b_k), of contents likewise, by the same weights                    eq. 3, 4
        r_t  = Σ_k softmax_k(q·tanh(W z_k + w)) z_k, of contents by weights of their own             eq. 5
        r_n  = r_t + C r_b                              or r_t ⊕ C r_b ⊕ category ⊕ subcategory      eq. 7

    the latter in the public code. An article without contents is what its title says: intents of nothing, which are the
    category's alone, do not count as contents.
    """

    def __init__(self, size: Size, words: nn.Module, options: CROWNOptions):
        super().__init__()
        release = options.preset == "release"
        guided = options.category and options.intents > 0
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = AttentionBlock(size, ordered=release)
        self.content = AttentionBlock(size, ordered=release)
        self.consistent = options.consistency
        self.joined = release
        self.width = size.filters if options.intents else size.word  #: of r_t
        self.news = 2 * (self.width + size.category) if release else self.width  #: width of r_n
        self.categories = self.subcategories = self.guide = self.intents = None
        if guided or release:
            self.categories = NameTable(size.categories, size.category)
            self.subcategories = NameTable(size.subcategories, size.category)
        if guided:
            self.guide = Glorot(2 * size.category, size.category)
        if options.intents:
            self.intents = Glorot(size.word + size.category * guided, options.intents * size.filters)
            self.title_intents = AdditiveAttention(size.filters, size.query)
            self.content_intents = AdditiveAttention(size.filters, size.query)

    def forward(self, contents: Contents, words: Tensor, look: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """r_t and r_n, from vectors of the title's words and what a look at the card makes of r_t."""
        some_title, some_content = contents.title > 0, contents.abstract > 0
        title = self.title(words, some_title)
        content = self.content(self.words(contents.abstract), some_content)
        names = self._names(contents)
        if self.intents is not None:
            title = self.aware(title, names, self.title_intents)
            content = self.aware(content, names, self.content_intents)
        # How far texts agree is a matter of texts.
        agreed = self._agreed(title, content).masked_fill(~some_content.any(1, keepdim=True), 0.0)
        title = look(title)
        if names is not None and self.joined:
            return title, torch.cat([title, agreed, names], -1)
        return title, title + agreed

    def aware(self, text: Tensor, names: Tensor | None, attention: AdditiveAttention) -> Tensor:
        """The intents of a text's vectors, [N, word], weighed: [N, filters]."""
        assert self.intents is not None
        if self.guide is not None and names is not None:
            text = torch.cat([text, self.guide(names)], -1)
        # Half the values of a ReLU hang on a sign, which rounding would turn around; and titles are compared with
        # contents below.
        with torch.autocast(text.device.type, enabled=False):
            intents = functional.relu(self.intents(unrounded(text))).view(len(text), -1, self.width)
            return pooled(attention.logits(intents), intents, intents.new_ones(intents.shape[:-1], dtype=torch.bool))

    def _names(self, contents: Contents) -> Tensor | None:
        if self.categories is None or self.subcategories is None:
            return None
        both = self.categories(contents.category), self.subcategories(contents.subcategory)
        names: Tensor = self.dropout(torch.cat(both, -1))
        return names

    def _agreed(self, title: Tensor, content: Tensor) -> Tensor:
        return consistency(title, content) * content if self.consistent else content


class Hop(nn.Module):
    """A layer of a graph network: vectors of nodes from their own x and those y of their neighbours, all [..., width].

        gat       σ(W (a_0 x + Σ_k a_k y_k)),  a = softmax(LeakyReLU(v·W x + w·W y)), y_0 = x    Veličković et al. 2017
        gcn       σ(W (x + Σ_k y_k) / (1 + K))                                                   Kipf & Welling 2016
        sage      σ(W x + V Σ_k y_k / K)                                                         Hamilton et al. 2017
        lightgcn  (x + Σ_k y_k / K) / 2                                                          He et al. 2020

    σ is the ELU. What of it hangs on the neighbours, `gather`, is kept apart from the rest. A node's own degree
    normalises sums: its neighbours' are not known, since neighbourhoods are bounded. LightGCN's mean over layers is of
    those that there are: x alone where a node has no neighbours.
    """

    def __init__(self, kind: Network, width: int):
        super().__init__()
        self.kind = kind
        self.itself = None if kind == "lightgcn" else Glorot(width, width)
        self.others = Glorot(width, width, bias=False) if kind == "sage" else None
        self.look = nn.Parameter(torch.empty(2, width)) if kind == "gat" else None  #: v and w
        if self.look is not None:
            nn.init.xavier_uniform_(self.look)

    def alone(self, itself: Tensor) -> Tensor:
        """What `gather` makes of nodes without neighbours."""
        return torch.zeros_like(itself) if self.kind == "sage" else itself

    def gather(self, itself: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        """[..., width], [..., K, width] and bool[..., K], True = a neighbour → [..., width]."""
        if self.look is not None and self.itself is not None:
            toward, of = (self.look @ self.itself.weight).unbind(0)
            all_of_them = torch.cat([itself.unsqueeze(-2), others], -2)
            logits = functional.leaky_relu((itself @ toward).unsqueeze(-1) + all_of_them @ of, SLOPE)
            return pooled(logits, all_of_them, functional.pad(mask, (1, 0), value=True))
        total = others.masked_fill(~mask.unsqueeze(-1), 0.0).sum(-2)
        count = mask.sum(-1, keepdim=True)
        if self.kind == "gcn":
            return (itself + total) / (1 + count)
        mean = total / count.clamp(min=1)
        return mean if self.kind == "sage" else torch.where(count > 0, (itself + mean) / 2, itself)

    def forward(self, itself: Tensor, gathered: Tensor) -> Tensor:
        """Nodes after the layer, from what they were and what `gather` made of it."""
        if self.itself is None:
            return gathered
        if self.others is None:
            return functional.elu(self.itself(gathered))
        return functional.elu(self.itself(itself) + self.others(gathered))


class ReaderQuery(nn.Module):
    """Readers from what they read, r_n [B, H, width], and from the graph (eq. 8 and 9), as `user` says:

        hybrid     r_u = Σ_i softmax_i(q·tanh(W_a r_n(i) + b_a)) r_n(i),  q = W_q u + b_q
        gnn        r_u = u
        attention  as hybrid, with a q that is the same for all
        average    r_u = the mean of r_n(i)

    u is the reader's node two hops from other readers: n(i) = hop(r_n(i), those who read i last), u = hop(the reader's
    row of the table, n(i) of what they read). But for gnn, a reader who has read nothing has a learned vector
    (`nobody`).
    """

    def __init__(self, size: Size, width: int, user: User, gnn: Network):
        super().__init__()
        graph = user in ("hybrid", "gnn")
        self.width = width
        self.user = user
        self.to_articles = Hop(gnn, width) if graph else None
        self.to_readers = Hop(gnn, width) if graph else None
        self.hidden = Glorot(width, size.query) if user in ("hybrid", "attention") else None
        self.ask = Glorot(width, size.query) if user == "hybrid" else None
        self.query = nn.Parameter(torch.empty(size.query).normal_(0, 0.1)) if user == "attention" else None
        self.nobody = nn.Parameter(torch.zeros(width)) if user != "gnn" else None

    def reading(self, news: Tensor, gathered: Tensor) -> Tensor:
        """All that is of one read article: r_n, n and tanh(W_a r_n + b_a), as far as they are needed."""
        parts = [news] if self.user != "gnn" else []
        if self.to_articles is not None:
            parts.append(self.to_articles(news, gathered))
        if self.hidden is not None:
            parts.append(torch.tanh(self.hidden(news)))
        return torch.cat(parts, -1)

    def forward(self, read: Read, own: Tensor | None) -> Tensor:
        """Readers, [B, width]; `own` are their rows of the table, where there is a graph."""
        vectors, mask = read.vectors, read.mask
        node: Tensor | None = None
        if self.to_readers is not None and own is not None:
            first = 0 if self.user == "gnn" else self.width
            near = vectors[..., first : first + self.width]
            node = self.to_readers(own, self.to_readers.gather(own, near, mask))
        if node is not None and self.user == "gnn":
            return node
        assert self.nobody is not None
        query = self.query if node is None or self.ask is None else self.ask(node)
        news = vectors[..., : self.width]
        logits = news.new_zeros(mask.shape)
        if query is not None:
            logits = (vectors[..., -query.shape[-1] :] * query.unsqueeze(-2)).sum(-1)
        return torch.where(mask.any(-1, keepdim=True), pooled(logits, news, mask), self.nobody)


class CandidateQuery(nn.Module):
    """Readers of the public code, repaired: a candidate c asks for what was read, h.

        g_j = W_r h_j + W_n mean(h) + b
        s   = Σ_j softmax_j(K g_j · (Q c + b_q) / √a) g_j · c

    There the mean was over the first slots of a history, as many as a batch has requests, and nothing was masked.
    """

    def __init__(self, size: Size, width: int):
        super().__init__()
        self.width = width
        self.scale = size.query**-0.5
        self.itself = Glorot(width, width)
        self.others = Glorot(width, width, bias=False)
        self.key = Glorot(width, size.query, bias=False)
        self.ask = Glorot(width, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def reading(self, news: Tensor) -> Tensor:
        """Both images of a read article, side by side."""
        return torch.cat([self.itself(news), self.others(news)], -1)

    def offer(self, news: Tensor) -> Tensor:
        """A candidate and what it asks, side by side."""
        return torch.cat([news, self.ask(news)], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """g [B, H, width], K g [B, H, query] and the mask [B, H]."""
        mask = read.mask
        itself, others = read.vectors.masked_fill(~mask.unsqueeze(-1), 0.0).chunk(2, -1)
        mean = others.sum(1, keepdim=True) / mask.sum(1).clamp(min=1)[:, None, None]
        seen = itself + mean
        return seen, self.key(seen), mask

    def score(self, readers: tuple[Tensor, ...], offered: Tensor) -> Tensor:
        """[R, W]."""
        seen, key, mask = readers
        news, asked = offered.tensor_split([self.width], -1)
        with torch.autocast(offered.device.type, enabled=False):
            seen, key, news, asked = (unrounded(part) for part in (seen, key, news, asked))
            shares = masked_softmax(self.scale * asked @ key.transpose(-1, -2), mask.unsqueeze(1))
            scores = (shares * (news @ seen.transpose(-1, -2))).sum(-1)
            return torch.where(mask.any(-1, keepdim=True), scores, news @ self.nobody)


class CROWN(NewsModel):
    """Intents of titles and contents, contents weighed by how far they agree; a graph of readers and articles.

    A reader has read contents, too, and a candidate's title is all that they see of it: s = r_u · r_t. A second
    loss has r_t predict the category, of all articles of a batch, whether offered, drawn or read, once each. Keywords
    are those of `CROWNOptions`; equations stand with `ConsistentArticles`, `Hop`, `ReaderQuery` and `CandidateQuery`.

    Vectors of articles are r_t ⊕ r_n ⊕ what the graph's first hop gathers; in preset="release", which has candidates
    read, too, they are r_n, which begins with r_t.
    """

    sizes: ClassVar = SIZES | {
        "paper": Size(
            heads=10, head=30, filters=400, query=400, dense=(512, 256), category=50, title=32, abstract=128
        )
    }  # fmt: skip
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], rate=5e-5, patience=5, epochs=16, batch=16)}
    fields: ClassVar = (TITLE, ABSTRACT, CATEGORY, SUBCATEGORY)
    graph: ClassVar = Graph("readers", neighbours=10, room=10)
    options: ClassVar = CROWNOptions
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module, **options: Any):
        super().__init__()
        chosen = CROWNOptions(**options)
        self.beta = chosen.beta
        self.dot = chosen.preset == "paper"
        self.articles = ConsistentArticles(size, words, chosen)
        width = self.article_width = self.articles.width
        self.users = self.reader = self.pairing = None
        if chosen.preset == "release":
            self.pairing = CandidateQuery(size, self.articles.news)
        else:
            self.reader = ReaderQuery(size, width, chosen.user, chosen.gnn)
            if self.reader.to_articles is not None:
                self.users = NameTable(size.users, width, unknown=STRANGERS)
        self.topic = nn.Linear(width, size.categories - UNKNOWN - 1) if self.beta else None

    def before_and_after(self, contents: Contents) -> tuple[Tensor, Tensor]:
        """Articles before and after they are read, r_t [N, width] and r_n [N, news]."""
        words = self.words_seen(self.articles.words(contents.title), contents)
        both: tuple[Tensor, Tensor] = self.articles(contents, words, partial(self.card_seen, contents=contents))
        return both

    def encode(self, contents: Contents) -> Tensor:
        """[N, …], see the class; of articles that nobody has read."""
        title, news = self.before_and_after(contents)
        if self.reader is None:
            vectors: Tensor = news
            return vectors
        hop = self.reader.to_articles
        blocks = [title, news] if hop is None else [title, news, hop.alone(news)]
        return torch.cat(blocks, -1)

    def spread(self, vectors: Tensor, around: Around) -> Tensor:
        """What the first hop gathers, from those who read an article last."""
        if self.reader is None or self.reader.to_articles is None or self.users is None:
            return vectors
        kept, width = vectors[:, : 2 * self.articles.width], self.articles.width
        gathered = self.reader.to_articles.gather(kept[:, width:], self.users(around.nodes), around.mask)
        return torch.cat([kept, gathered], -1)

    def reading(self, vectors: Tensor) -> Tensor:
        """What the equations need of one read article."""
        if self.reader is not None:
            width = self.articles.width
            return self.reader.reading(vectors[:, width : 2 * width], vectors[:, 2 * width :])
        assert self.pairing is not None
        return self.pairing.reading(vectors)

    def offer(self, vectors: Tensor) -> Tensor:
        """r_t; in preset="release" r_n and its question."""
        if self.pairing is not None:
            return self.pairing.offer(vectors)
        return vectors[:, : self.articles.width]

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """r_u, [B, width]; in preset="release" what holds for every candidate."""
        if self.pairing is not None:
            return self.pairing.readers(read)
        assert self.reader is not None
        reader: Tensor = self.reader(read, None if self.users is None else self.users(read.user))
        return (reader,)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        if self.pairing is not None:
            return self.pairing.score(readers, offered.vectors)
        return dot_product(offered.vectors, readers[0].unsqueeze(-2))

    def loss(self, batch: LossInputs) -> Tensor:
        """That of the clicks, and beta times that of the categories (eq. 12)."""
        loss = super().loss(batch)
        return loss if self.topic is None else loss + self.beta * self.topic_loss(batch.vectors, batch.contents)

    def topic_loss(self, vectors: Tensor, contents: Contents) -> Tensor:
        """The mean cross-entropy of the categories that are known, from titles (eq. 11); 0 where none is."""
        assert self.topic is not None
        topic = contents.category - UNKNOWN - 1
        known = topic >= 0
        predicted = self.topic(unrounded(vectors[:, : self.articles.width]))
        loss = functional.cross_entropy(predicted, topic.masked_fill(~known, -1), ignore_index=-1, reduction="sum")
        return loss / known.sum().clamp(min=1)
