"""CNE-SUE: titles and abstracts that read each other, readers as clusters of a graph.

Mao et al. 2021, Findings of EMNLP.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import ABSTRACT, CATEGORY, SUBCATEGORY, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import (
    AdditiveAttention,
    Dropout,
    Glorot,
    NameTable,
    first_of,
    masked_softmax,
    pooled,
)
from newsreplay.recommenders.neural.models.model import (
    SIZES,
    TRAININGS,
    NewsModel,
    Offered,
    Read,
    Size,
    unrounded,
)


class BothWays(nn.Module):
    """A long short-term memory (Hochreiter & Schmidhuber 1997) over a text from its front, and one from its back.

    Both go over the words that are there alone. All of it is float32 or more, since states are sums of many steps.
    """

    def __init__(self, width: int, state: int):
        super().__init__()
        self.state = state
        self.project = nn.Linear(width, 8 * state)  #: to the gates input, forget, new, output of either
        self.recur = nn.Parameter(torch.empty(2, state, 4 * state))
        for gate in (*self.project.weight.chunk(8), *(part for way in self.recur for part in way.chunk(4, -1))):
            nn.init.xavier_uniform_(gate)

    def forward(self, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[N, L, width] and bool[N, L] → the states at each word, [N, L, 2 x state], and the last cells [N, 2 x state].

        Of either direction, side by side; zeros where there are no words.
        """
        count, length = mask.shape
        longest = int(mask.any(0).sum())  # words stand in front
        place = torch.arange(longest, device=mask.device)
        turned = (mask.sum(1, keepdim=True) - 1 - place).clamp(min=0).unsqueeze(-1)  # its own inverse on the words
        with torch.autocast(words.device.type, enabled=False):
            front, back = self.project(unrounded(words[:, :longest])).chunk(2, -1)
            inputs = torch.stack([front, back.gather(1, turned.expand_as(back))])
            state = cell = inputs.new_zeros(2, count, self.state)
            states = []
            for step in range(longest):
                gates = torch.baddbmm(inputs[:, :, step], state, self.recur)
                enter, keep, new, leave = gates.chunk(4, -1)
                after = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
                real = mask[:, step, None]
                state = torch.where(real, torch.sigmoid(leave) * torch.tanh(after), state)
                cell = torch.where(real, after, cell)
                states.append(state)
            forward, backward = torch.stack(states, 2) if states else inputs.new_zeros(2, count, 0, self.state)
        both = torch.cat([forward, backward.gather(1, turned.expand_as(backward))], -1)
        both = functional.pad(both.masked_fill(~mask[:, :longest, None], 0.0), (0, 0, 0, length - longest))
        return both, torch.cat([*cell], -1)


class ClusterQuery(nn.Module):
    """Scaled dot-product attention of a vector to features: softmax((K f)·(Q q + b) / √query)."""

    def __init__(self, width: int, asking: int, query: int):
        super().__init__()
        self.scale = query**-0.5
        self.key = Glorot(width, query, bias=False)
        self.ask = Glorot(asking, query)

    def forward(self, features: Tensor, asking: Tensor, mask: Tensor) -> Tensor:
        """[N, L, width], [N, asking] and bool[N, L] → [N, width]."""
        logits = self.scale * (self.key(features) * self.ask(asking).unsqueeze(1)).sum(-1)
        return pooled(logits, features, mask)


class Text(nn.Module):
    """One of two texts that read each other."""

    def __init__(self, size: Size):
        super().__init__()
        self.dropout = Dropout(size.dropout)
        self.width = 2 * (size.filters // 2)
        self.words = BothWays(size.word, self.width // 2)
        self.of_word = Glorot(self.width, self.width, bias=False)
        self.of_other = Glorot(self.width, self.width)
        self.itself = AdditiveAttention(self.width, size.query)
        self.other = ClusterQuery(self.width, self.width, size.query)

    def gated(self, states: Tensor, other: Tensor) -> Tensor:
        """H ⊙ σ(A H + B m + b), of states H [N, L, width] and the other text's last cells m [N, width]."""
        gate = torch.sigmoid(self.of_word(states) + self.of_other(other).unsqueeze(1))
        gated: Tensor = self.dropout(states * gate)
        return gated


class CollaborativeArticles(nn.Module):
    """Articles from titles t and abstracts b: `Contents` of N articles and vectors of words → [N, width].

    H, m  = states and last cells of a bidirectional LSTM, of either text
    H'_t  = H_t ⊙ σ(A H_t + B m_b + a)                           of abstracts likewise, with weights of their own
    s_t   = additive attention over H'_t,  x_t = attention to H'_t that s_b asks for
    n     = (s_t + x_t) ⊕ (s_b + x_b) ⊕ category ⊕ subcategory
    """

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.title = Text(size)
        self.abstract = Text(size)
        self.categories = NameTable(size.categories, size.category)
        self.subcategories = NameTable(size.subcategories, size.category)
        self.width = 2 * self.title.width + 2 * size.category

    def forward(self, contents: Contents, words: Tensor) -> Tensor:
        """[N, width]; `words` are those of titles, [N, L, word]."""
        in_title, in_abstract = contents.title > 0, contents.abstract > 0
        title, abstract = self.title, self.abstract
        title_states, title_cells = title.words(self.dropout(words), in_title)
        states, cells = abstract.words(self.dropout(self.words(contents.abstract)), in_abstract)
        of_title, of_abstract = title.gated(title_states, cells), abstract.gated(states, title_cells)
        s_title, s_abstract = title.itself(of_title, in_title), abstract.itself(of_abstract, in_abstract)
        both = [
            s_title + title.other(of_title, s_abstract, in_title),
            s_abstract + abstract.other(of_abstract, s_title, in_abstract),
        ]
        names = [self.categories(contents.category), self.subcategories(contents.subcategory)]
        return torch.cat([*both, *map(self.dropout, names)], -1)


class ClusteredReaders(nn.Module):
    """Readers as the clusters that categories make of what they read, from vectors h [B, H, width].

        X_0 = h and a vector for each category among them                        two nodes are linked if they are
        X_l = X_{l-1} + ReLU(Â X_{l-1} W_l + b_l)                                of one category, or both categories
        g   = X_L + h, of the reads
        c_k = Σ_i softmax_i((K g_i)·(Q c + q) / √query) g_i                      over the reads of category k
        f_k = ReLU(P c_k + p) + c_k
        u   = attention to f_k that c asks for,  s = u · c

    Â is the matrix of links, each node's to itself too, over the roots of both nodes' numbers of links (Kipf & Welling
    2017). What is linear in one read is worked out of it once: Σ of a softmax is 1, and P c_k is the sum of P g_i.
    """

    def __init__(self, size: Size, width: int):
        super().__init__()
        self.width = width
        self.scale = size.query**-0.5
        self.dropout = Dropout(size.dropout)
        self.proxies = NameTable(size.categories, width)
        nn.init.zeros_(self.proxies.weight)
        self.layers = nn.ModuleList(Glorot(width, width) for _ in range(size.layers))
        self.within = ClusterQuery(width, width, size.query)
        self.project = Glorot(width, width)
        self.among = ClusterQuery(width, width, size.query)
        self.nobody = nn.Parameter(torch.zeros(width))

    def offer(self, vectors: Tensor) -> Tensor:
        """c, what it asks of reads, and what of clusters, mapped back to their space."""
        return torch.cat([vectors, self.within.ask(vectors), self.among.ask(vectors) @ self.among.key.weight], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """g beside P g [B, H, 2 x width], K g [B, H, query], and bool[B, H, H], the reads of each category.

        A category stands at the place of its first read; at other places it has no reads.
        """
        mask = read.mask
        names = read.context.category.masked_fill(~mask, 0.0).long()
        alike = mask.unsqueeze(-1) & mask.unsqueeze(-2) & (names.unsqueeze(-1) == names.unsqueeze(-2))
        first = first_of(alike)
        reads = read.vectors.masked_fill(~mask.unsqueeze(-1), 0.0)
        x = torch.cat([reads, self.proxies(names).masked_fill(~first.unsqueeze(-1), 0.0)], 1)
        links = self._links(alike, first).to(x.dtype)
        for number, layer in enumerate(self.layers):
            x = x + functional.relu(links @ layer(x))
            x = self.dropout(x) if number + 1 < len(self.layers) else x
        seen = x[:, : mask.shape[1]] + reads
        both = torch.cat([seen, functional.linear(seen, self.project.weight)], -1)
        return both, self.within.key(seen), alike & first.unsqueeze(-1)

    def _links(self, alike: Tensor, first: Tensor) -> Tensor:
        """Â, float32[B, 2 x H, 2 x H], of reads and of categories at the places of their first reads."""
        to_category = alike & first.unsqueeze(1)
        categories = first.unsqueeze(-1) & first.unsqueeze(-2)
        upper, lower = torch.cat([alike, to_category], 2), torch.cat([to_category.transpose(1, 2), categories], 2)
        links = torch.cat([upper, lower], 1).float()
        root = links.sum(-1).clamp(min=1).rsqrt()
        return links * root.unsqueeze(-1) * root.unsqueeze(-2)

    def score(self, readers: tuple[Tensor, ...], offered: Tensor) -> Tensor:
        """[R, W]."""
        both, key, of_category = readers
        candidate, asks, asks_clusters = offered.tensor_split([self.width, offered.shape[-1] - self.width], -1)
        with torch.autocast(offered.device.type, enabled=False):
            both, key, candidate, asks, asks_clusters = (
                unrounded(part) for part in (both, key, candidate, asks, asks_clusters)
            )
            logits = self.scale * asks @ key.transpose(-1, -2)  # [R, W, H]
            shares = masked_softmax(logits.unsqueeze(2), of_category.unsqueeze(1))  # [R, W, categories, H]
            clusters, projected = (shares @ both.unsqueeze(1)).chunk(2, -1)
            clusters = functional.relu(projected + self.project.bias) + clusters
            logits, products = (clusters @ torch.stack([self.scale * asks_clusters, candidate], -1)).unbind(-1)
            some = of_category.any(-1)
            scores = (masked_softmax(logits, some.unsqueeze(1)) * products).sum(-1)
            return torch.where(some.any(-1, keepdim=True), scores, candidate @ self.nobody)


class CNESUE(NewsModel):
    """Titles and abstracts that read each other make an article, clusters of a graph of what was read a reader.

    Equations stand with `CollaborativeArticles` and `ClusteredReaders`. Nodes of a reader's graph are the categories
    that they have read of, not all that there are. Reads without a category are a cluster of their own. A reader who
    has read nothing has a learned vector (`nobody`).
    """

    sizes: ClassVar = {
        "paper": Size(category=50, title=32, abstract=128, layers=4),
        "small": replace(SIZES["small"], layers=3),
        "tiny": SIZES["tiny"],
    }
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], clip=4.0)}
    fields: ClassVar = (TITLE, ABSTRACT, CATEGORY, SUBCATEGORY)
    context: ClassVar = ("category",)
    visual: ClassVar = "none"

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.articles = CollaborativeArticles(size, words)
        self.article_width = self.articles.width
        self.clusters = ClusteredReaders(size, self.article_width)

    def encode(self, contents: Contents) -> Tensor:
        """[N, 2 x filters + 2 x category]."""
        words = self.words_seen(self.articles.words(contents.title), contents)
        return self.card_seen(self.articles(contents, words), contents)

    def offer(self, vectors: Tensor) -> Tensor:
        """What the equations need of one candidate."""
        return self.clusters.offer(vectors)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What holds for every candidate."""
        return self.clusters.readers(read)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        return self.clusters.score(readers, offered.vectors)
