"""AWRS: CAUM that sees how much articles were shown and avoided ("A Look Into News Avoidance Through AWRS", 2025)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from newsreplay.recommenders.neural.models.caum import ArticleEncoder, Attention, CandidateAware, Neighbours
from newsreplay.recommenders.neural.models.fields import CATEGORY, ENTITIES, TITLE, Columns, Contents
from newsreplay.recommenders.neural.models.layers import BinTable, Dropout, Glorot
from newsreplay.recommenders.neural.models.model import (
    TRAININGS,
    NewsModel,
    Offered,
    Read,
    Size,
    Training,
    unrounded,
)

Quantiser = Literal["quantile", "equal_width", "paper"]
Clicks = Literal["log1p", "raw"]
Times = Literal["logspace", "paper"]
Edges = Literal["refitted", "fixed"]

ENGAGEMENT = 16  #: width of engagement embeddings, in the paper's code


class Engagement(nn.Module):
    """The engagement index of articles: signals → int64, exposure's bin times D plus avoidance's (eq. 4.3).

    D² stands for what was never shown (NaN). A bin is how many of its D - 1 edges a value reaches: multiples of
    1 / (D - 1) as in the paper, which leaves the last bin to 1 alone ("paper"); multiples of 1 / D ("equal_width");
    or, since most articles are shown rarely and avoided mostly, quantiles of what `fit` was shown, which are
    "equal_width" before ("quantile"). Of equal quantiles one counts, and none that is the smallest value: such edges
    would leave bins empty.
    """

    edges: Tensor

    def __init__(self, bins: int, quantiser: Quantiser):
        super().__init__()
        if bins < 1:
            raise ValueError(f"bins is {bins}, less than 1")
        if quantiser not in ("quantile", "equal_width", "paper"):
            raise ValueError(f"quantiser is {quantiser!r}, none of 'quantile', 'equal_width', 'paper'")
        self.bins = bins
        self.quantiser = quantiser
        edges = torch.arange(1, bins) / max(1, bins - (quantiser == "paper"))
        self.register_buffer("edges", edges.repeat(2, 1))  #: float32[2, D - 1], of exposure and of avoidance

    def fit(self, signals: Columns) -> None:
        """Take quantiles, if `quantiser` is that, of float32[n, …]."""
        if self.quantiser != "quantile":
            return
        for edges, values in zip(self.edges, (signals.exposure, signals.avoidance), strict=True):
            values = values[~values.isnan()].sort().values
            if len(values):
                quantiles = values[torch.arange(1, self.bins, device=values.device) * len(values) // self.bins]
                quantiles = quantiles[quantiles > values[0]].unique_consecutive()  # type: ignore[no-untyped-call]
                edges.fill_(math.inf)
                edges[: len(quantiles)] = quantiles

    def forward(self, signals: Columns) -> Tensor:
        """[..., …] → [...]."""
        exposure, avoidance = (
            torch.bucketize(values.contiguous(), edges, right=True)
            for values, edges in zip((signals.exposure, signals.avoidance), self.edges, strict=True)
        )
        unknown = signals.exposure.isnan() | signals.avoidance.isnan()
        return torch.where(unknown, self.bins**2, exposure * self.bins + avoidance)


class Time2Vec(nn.Module):
    """Hours [...] → [..., width]: one linear component, all others sines (Kazemi et al. 2019).

    All weights and biases are drawn from N(0, 1) in the paper's code, and sines of such frequencies alias on whole
    hours. "logspace" lets them start from 1 per hour to 1 per 30 days and has days for the linear one.
    """

    def __init__(self, width: int, times: Times):
        super().__init__()
        if times not in ("logspace", "paper"):
            raise ValueError(f"time2vec is {times!r}, neither 'logspace' nor 'paper'")
        self.unit = 24.0 if times == "logspace" else 1.0  #: hours, of the linear component
        self.rate = nn.Parameter(torch.randn(width))
        self.phase = nn.Parameter(torch.randn(width))
        if times == "logspace":
            with torch.no_grad():
                self.rate[1:] = torch.logspace(0, -math.log10(30 * 24), width - 1)
                self.phase[1:].uniform_(-math.pi, math.pi)

    def forward(self, hours: Tensor) -> Tensor:
        """[..., width]; the linear component is the first."""
        hours = hours.unsqueeze(-1)
        straight = hours / self.unit * self.rate[:1] + self.phase[:1]
        return torch.cat([straight, torch.sin(hours * self.rate[1:] + self.phase[1:])], -1)


class Relevance(nn.Module):
    """How relevant a candidate is to any reader: between 0 and 1 (section 5.3, eq. 5.5 and 5.6).

        x = ê ⊕ Time2Vec(age),  θ = σ(gate(n ⊕ x)),  r̂ = θ news(n) + (1 - θ) context(x)
        r = σ(w_c clicks + w_r r̂)

    The paper's text has this of "each previously clicked article", its code of the candidate, as we do: eq. 5.12
    needs it so. The table of ê is another than the readers'.
    """

    def __init__(self, size: Size, rows: int, clicks: Clicks, times: Times):
        super().__init__()
        if clicks not in ("log1p", "raw"):
            raise ValueError(f"clicks is {clicks!r}, neither 'log1p' nor 'raw'")
        self.raw = clicks == "raw"
        self.width = size.filters
        context = ENGAGEMENT + size.filters
        self.engagement = BinTable(rows, ENGAGEMENT)
        self.time = Time2Vec(size.filters, times)
        self.news = Glorot(size.filters, 1)
        self.context = Glorot(context, 1)
        self.gate = Glorot(size.filters + context, 1)
        self.weight = nn.Parameter(torch.rand(2))  #: of clicks and of r̂

    def offer(self, vectors: Tensor) -> Tensor:
        """What only depends on an article's content, news(n) and n's part of the gate: [N, filters] → [N, 2]."""
        return torch.cat([self.news(vectors), linear(vectors, self.gate.weight[:, : self.width])], -1)

    def forward(self, offered: Tensor, index: Tensor, signals: Columns) -> Tensor:
        """[..., 2], int64[...], signals → [...]."""
        weight = torch.cat([self.context.weight, self.gate.weight[:, self.width :]])
        engaged = linear(self.engagement.weight, weight[:, :ENGAGEMENT])
        timed = linear(self.time(signals.age.nan_to_num(1.0)), weight[:, ENGAGEMENT:])
        context, rest = (engaged[index] + timed).unbind(-1)
        news, known = offered.unbind(-1)
        theta = torch.sigmoid(known + rest + self.gate.bias)
        relevance = theta * news + (1 - theta) * (context + self.context.bias)
        clicks = signals.clicks.nan_to_num(0.0)
        clicks = clicks if self.raw else clicks.log1p()
        return torch.sigmoid(self.weight[0] * clicks + self.weight[1] * relevance)


@dataclass(frozen=True, kw_only=True)
class AWRSOptions:
    """The keywords of `AWRS`."""

    bins: int = 5  #: D of eq. 4.3
    quantiser: Quantiser = "quantile"  #: how bins are cut, see `Engagement`
    edges: Edges = "refitted"  #: quantiles are those of the last day at each update, or ("fixed") of the warm-up
    clicks: Clicks = "log1p"  #: "raw", as in the paper's code, saturates r after a handful
    time2vec: Times = "logspace"  #: see `Time2Vec`
    neighbours: Neighbours = "zero"  #: see `CandidateAware`, as `attention`
    attention: Attention = "code"
    avoidance: bool = True  #: articles carry an engagement embedding
    relevance: bool = True  #: interest is mixed with relevance


class AWRS(NewsModel):
    """CAUM over articles that carry an engagement embedding ê (`avoidance`), mixed with a relevance (`relevance`).

        s = (1 - η) r + η z,  z = CAUM(h ⊕ ê(h), c ⊕ ê(c)),  η = σ(mix(u))                     eq. 5.12

    Without `relevance` s is z; without both this is CAUM, to the bit. Signals of what was read are those of the moment
    of the request. Keywords are those of `AWRSOptions`.

    Vectors of content are kept apart from ê, which changes with the hour: in `reading` and `offer` all is linear, so
    ê adds a row of a table. It is not dropped in training.

    The paper fits its language models with a rate of 1e-5; "paper" has what its code has for pretrained word vectors.
    """

    trainings: ClassVar = TRAININGS | {"paper": Training(rate=1e-4, epochs=20, patience=5, batch=8)}
    fields: ClassVar = (TITLE, CATEGORY, ENTITIES)
    visual: ClassVar = "none"
    signals: ClassVar = ("exposure", "avoidance", "clicks", "age")
    options: ClassVar = AWRSOptions

    def __init__(self, size: Size, words: nn.Module, **options: Any):
        super().__init__()
        chosen = AWRSOptions(**options)
        if chosen.edges not in ("refitted", "fixed"):
            raise ValueError(f"edges is {chosen.edges!r}, neither 'refitted' nor 'fixed'")
        self.refitted = chosen.edges == "refitted"
        avoidance, relevance = chosen.avoidance, chosen.relevance
        rows = chosen.bins**2 + 1
        width = size.filters + ENGAGEMENT * avoidance
        self.article_width = size.filters
        self.articles = ArticleEncoder(size, words)
        self.interest = CandidateAware(size, width, chosen.neighbours, chosen.attention)
        self.dropout = Dropout(size.dropout)
        self.content = slice(0, size.filters)
        self.engaged = slice(size.filters, width)
        self.index = Engagement(chosen.bins, chosen.quantiser) if avoidance or relevance else None
        self.engagement = BinTable(rows, ENGAGEMENT) if avoidance else None
        self.relevance = Relevance(size, rows, chosen.clicks, chosen.time2vec) if relevance else None
        self.mix = Glorot(width, 1) if relevance else None

    def encode(self, contents: Contents) -> Tensor:
        """[N, filters] from titles, entities and categories."""
        words = self.words_seen(self.articles.words(contents.title), contents)
        return self.card_seen(self.articles(contents, words), contents)

    def reading(self, vectors: Tensor) -> Tensor:
        """What the equations need of one read article's content."""
        return self.interest.history(self.dropout(vectors), self.content)

    def offer(self, vectors: Tensor) -> Tensor:
        """What the equations need of one candidate's content."""
        vectors = self.dropout(vectors)
        offered = self.interest.candidate(vectors, self.content, constant=True)
        return offered if self.relevance is None else torch.cat([offered, self.relevance.offer(vectors)], -1)

    def readers(self, read: Read) -> tuple[Tensor, ...]:
        """What holds for every candidate."""
        vectors = read.vectors
        if self.index is not None and self.engagement is not None:
            own = self.interest.history(self.engagement.weight, self.engaged)
            vectors = vectors + own[self.index(read.signals)]
        return self.interest.readers(vectors, read.mask)

    def score(self, readers: tuple[Tensor, ...], offered: Offered) -> Tensor:
        """[R, W]."""
        vectors, content = offered.vectors.tensor_split([sum(self.interest.parts)], -1)
        index = None if self.index is None else self.index(offered.signals)
        if self.engagement is not None:
            vectors = vectors + self.interest.candidate(self.engagement.weight, self.engaged, constant=False)[index]
        reader, candidate = self.interest(readers, vectors)
        interest: Tensor = (unrounded(reader) * unrounded(candidate)).sum(-1)
        if self.relevance is None or self.mix is None:
            return interest
        eta = torch.sigmoid(self.mix(reader).squeeze(-1))
        scores: Tensor = (1 - eta) * self.relevance(content, index, offered.signals) + eta * interest
        return scores

    def calibrate(self, signals: Columns, first: bool) -> None:
        """Cut the bins of `quantiser="quantile"`."""
        if self.index is not None and (first or self.refitted):
            self.index.fit(signals)
