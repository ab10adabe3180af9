"""DSSM: texts as weighted sums of words, an article and a reader through a network each (Huang et al. 2013, CIKM)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.recommenders.neural.models.fields import ABSTRACT, TITLE, Contents
from newsreplay.recommenders.neural.models.layers import Dropout, Glorot
from newsreplay.recommenders.neural.models.model import SIZES, NewsModel, Read, Size, unrounded

LAYERS = 3
SMOOTHING = 10.0  #: gamma, which makes of cosines logits far enough apart for a softmax
TERMS = 1 << 16  #: terms whose articles are counted; a word id beyond shares the count of another


def term_weights(ids: Tensor, idf: Tensor) -> tuple[Tensor, Tensor]:
    """The terms of texts, int64[..., L], each once, and their TF-IDF with an L2 norm of 1, float32[..., L].

    `ids`, int64[..., L], are word ids, 0 = no word, `idf` float32[TERMS]. Places without a term are 0 in both.
    """
    ids = ids.sort(-1).values
    last = torch.ones_like(ids, dtype=torch.bool)
    last[..., :-1] = ids[..., :-1] != ids[..., 1:]
    last &= ids > 0
    # Where a run of equal ids ends, its length is how far its end lies behind the one before.
    place = torch.arange(1, ids.shape[-1] + 1, device=ids.device).expand(ids.shape)
    begun = ((ids == 0).sum(-1, keepdim=True), place.masked_fill(~last, 0))
    before = torch.cat(begun, -1).cummax(-1).values[..., :-1]
    weights = (place - before) * idf[ids % TERMS]
    return ids.masked_fill(~last, 0), functional.normalize(weights.masked_fill(~last, 0.0), dim=-1)


def largest(ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Each term once with the largest of its weights: [..., L] both, as `term_weights` returns them."""
    order = weights.argsort(stable=True, dim=-1)
    ids, weights = ids.gather(-1, order), weights.gather(-1, order)
    order = ids.argsort(stable=True, dim=-1)
    ids, weights = ids.gather(-1, order), weights.gather(-1, order)
    last = torch.ones_like(ids, dtype=torch.bool)
    last[..., :-1] = ids[..., :-1] != ids[..., 1:]
    last &= ids > 0
    return ids.masked_fill(~last, 0), weights.masked_fill(~last, 0.0)


class Tower(nn.Sequential):
    """Three layers of tanh: [..., width] → [..., filters]."""

    def __init__(self, width: int, filters: int):
        widths = [width] + LAYERS * [filters]
        super().__init__(
            *(part for inside, outside in pairwise(widths) for part in (Glorot(inside, outside), nn.Tanh()))
        )


class DSSM(NewsModel):
    """TF-IDF of an article's words, and the largest of all articles that were read, through a network each; the cosine.

        x_n = Σ_w tfidf(w, n) e_w,  x_u = Σ_w max_i tfidf(w, h_i) e_w
        s   = 10 cos(f(x_u), g(x_n)),  f and g three layers of tanh

    tfidf(w, n) = tf · (log((1 + N) / (1 + df_w)) + 1), with an L2 norm of 1 over an article; N and df are counted anew
    before every training over the articles known by then (with `update=daily`, daily). Texts are titles and abstracts.
    A reader who has read nothing has a learned vector (`nobody`). The 10 is ours.
    """

    fields: ClassVar = (TITLE, ABSTRACT)
    reads_contents: ClassVar = True
    sizes: ClassVar = {"paper": replace(SIZES["paper"], filters=512)} | {
        name: SIZES[name] for name in ("small", "tiny")
    }
    dot = True
    documents: Tensor  #: float32[TERMS], how many articles have a term
    articles: Tensor  #: float32[], how many there are

    def __init__(self, size: Size, words: nn.Module):
        super().__init__()
        self.words = words
        self.dropout = Dropout(size.dropout)
        self.of_articles = Tower(size.word, size.filters)
        self.of_readers = Tower(size.word, size.filters)
        self.nobody = nn.Parameter(torch.empty(size.filters).normal_(0, 0.1))
        self.register_buffer("documents", torch.zeros(TERMS))
        self.register_buffer("articles", torch.zeros(()))

    @property
    def idf(self) -> Tensor:
        """float32[TERMS]."""
        return ((1 + self.articles) / (1 + self.documents)).log() + 1

    def survey(self, contents: Contents) -> None:
        """Count in how many of all known articles each term is."""
        ids = self._ids(contents)
        distinct = term_weights(ids, self.idf)[0]
        self.documents.copy_(torch.bincount(distinct.flatten() % TERMS, minlength=TERMS))
        self.documents[0] = 0
        self.articles.fill_(len(ids))

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters], of length 1, from titles and abstracts."""
        return self._through(self.of_articles, *term_weights(self._ids(contents), self.idf))

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """One vector a reader, [B, filters], of length 10; the order of what they read does not matter."""
        assert read.contents is not None
        ids = self._ids(read.contents).masked_fill(~read.mask.unsqueeze(-1), 0)
        terms, weights = largest(*(part.flatten(1) for part in term_weights(ids, self.idf)))
        nobody = functional.normalize(self.nobody, dim=-1)
        readers = self._through(self.of_readers, terms, weights)
        return (SMOOTHING * torch.where(read.mask.any(-1, keepdim=True), readers, nobody),)

    def _ids(self, contents: Contents) -> Tensor:
        return torch.cat([contents.title, contents.abstract], -1)

    def _through(self, tower: Tower, terms: Tensor, weights: Tensor) -> Tensor:
        words = self.words(terms)
        total = (weights.to(words.dtype).unsqueeze(-2) @ words).squeeze(-2)
        return functional.normalize(unrounded(tower(self.dropout(total))), dim=-1)
