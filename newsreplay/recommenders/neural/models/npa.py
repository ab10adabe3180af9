"""NPA: the reader decides which words of a title count, and which of the articles read (Wu et al. 2019, KDD)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from newsreplay.recommenders.neural.models.fields import TITLE, Contents
from newsreplay.recommenders.neural.models.layers import Convolution, Dropout, NameTable, pooled
from newsreplay.recommenders.neural.models.model import NewsModel, Offered, Read, Size, dot_product


class NPA(NewsModel):
    """A convolution over a title's words; a reader's embedding asks which of them count, and which of what was read.

        q_w = ReLU(W_w e + w_w),  q_n = ReLU(W_n e + w_n)                        e is the reader's embedding
        a_j = softmax_j(q_w · tanh(A c_j + a)),  n = Σ a_j c_j                   c = CNN(title)
        b_i = softmax_i(q_n · tanh(B n_i + b)),  u = Σ b_i n_i,  s = u · n

    An article is another vector to every reader, so none is kept: kept are the words' states c and tanh(A c + a), which
    depend on the article alone, `title` x (`filters` + `query` + 1) numbers of each (8 kB at size `small`, 72 kB at
    `paper`, where the shorter titles of a public implementation, 10 words, would need 24). All that a reader's query
    changes is worked out at the request. Embeddings are as wide as those of categories (100 at `paper`; the paper
    has 50, public code 100); readers whom no training has met share a row that is trained. A reader who has read
    nothing has a learned vector (`nobody`), and a query of their own.
    """

    fields: ClassVar = (TITLE,)

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.length = size.title
        self.filters = size.filters
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.convolution = Convolution(size.word, size.filters)
        self.word_keys = nn.Linear(size.filters, size.query)
        self.users = NameTable(size.users, size.category)
        self.word_query = nn.Linear(size.category, size.query)
        self.read_keys = nn.Linear(size.filters, size.query)
        self.read_query = nn.Linear(size.category, size.query)
        self.nobody = nn.Parameter(torch.zeros(size.filters))

    def encode(self, contents: Contents) -> Tensor:
        """Of each word of a title its state, its key and 1, [N, title x (filters + query + 1)]; zeros behind them."""
        real = contents.title > 0
        states = self.dropout(self.convolution(self.dropout(self.words(contents.title)), real))
        words = torch.cat([states, torch.tanh(self.word_keys(states)), torch.ones_like(states[..., :1])], -1)
        words = words.masked_fill(~real.unsqueeze(-1), 0.0)[:, : self.length]
        return pad(words, (0, 0, 0, self.length - words.shape[1])).flatten(1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """Vectors [B, filters] and what they ask of words, [B, query]; the order of what they read does not matter."""
        embedding = self.users(read.user)
        ask_words = torch.relu(self.word_query(embedding))
        ask_reads = torch.relu(self.read_query(embedding))
        articles = self.seen_by(ask_words, read.vectors)
        keys = torch.tanh(self.read_keys(articles))
        reader = pooled((keys @ ask_reads.unsqueeze(-1)).squeeze(-1), articles, read.mask)
        return torch.where(read.mask.any(-1, keepdim=True), reader, self.nobody), ask_words

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        reader, ask_words = readers
        return dot_product(self.seen_by(ask_words, offered.vectors), reader.unsqueeze(-2))

    def seen_by(self, ask_words: Tensor, encoded: Tensor) -> Tensor:
        """Articles as readers see them, [B, W, filters] from [B, query] and what `encode` made, [B, W, …]."""
        words = encoded.view(*encoded.shape[:-1], self.length, encoded.shape[-1] // self.length)
        states, keys, real = words.tensor_split([self.filters, words.shape[-1] - 1], -1)
        logits = (keys @ ask_words[:, None, :, None]).squeeze(-1)
        return pooled(logits, states, real.squeeze(-1) > 0.5)
