"""SentiRec: NRMS that knows how an article sounds, and recommends less of the same (Wu et al. 2020, AACL)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import SENTIMENT, TITLE, Number
from newsreplay.recommenders.neural.models.model import LossInputs, Size, dot_product, unrounded
from newsreplay.recommenders.neural.models.nrms import NRMS

PREDICTION = 0.4  #: weight of the loss of sentiments
DIVERSITY = 10.0  #: weight of the penalty


class SentiRec(NRMS):
    """NRMS whose article vectors also predict the sentiment, and whose scores must not go with that of what was read.

        L = L_click + 0.4 mean |w · n + b - s| + 10 mean max(0, s_u s_c (u · c))

    s is the article's sentiment, from -1 to 1, s_u the mean of those of what a reader read, s_c a candidate's. It is
    the fact of that name (`sentiment="given"`), or VADER's of the title (Hutto & Gilbert 2014), as in the paper, where
    titles are English (`sentiment="vader"`). An article whose sentiment is not known is in neither sum, and where none
    is, this is NRMS to the bit. It is told in training alone: a score is that of NRMS. A widespread re-implementation
    compares sentiments with themselves, so that its first loss is always 0. Both losses are of the model's own scores,
    without a head.
    """

    fields: ClassVar = (TITLE, SENTIMENT)

    def __init__(self, size: Size, words: nn.Module, *, sentiment: Literal["given", "vader"] = "given"):
        super().__init__(size, words)
        if sentiment == "vader":
            self.fields = (TITLE, Number("sentiment", vader()))  # type: ignore[misc]  # of this model alone
        elif sentiment != "given":
            raise ValueError(f"sentiment is {sentiment!r}, neither 'given' nor 'vader'")
        with torch.random.fork_rng(devices=[]):  # what is drawn from here on is what NRMS draws
            self.predict = nn.Linear(self.article_width, 1)

    def loss(self, batch: LossInputs) -> Tensor:
        """That of the clicks, that of the sentiments, and the penalty."""
        clicks = super().loss(batch)
        sentiment = batch.contents.sentiment
        known = ~sentiment.isnan()
        known[0] = False  # padding
        if not known.any():
            return clicks
        vectors, sentiment = unrounded(batch.vectors), sentiment.nan_to_num(0.0)
        missed = (self.predict(vectors).squeeze(-1) - sentiment).abs().masked_fill(~known, 0.0).sum() / known.sum()
        loss: Tensor = clicks + PREDICTION * missed + DIVERSITY * self._alike(batch, vectors, sentiment, known)
        return loss

    def _alike(self, batch: LossInputs, vectors: Tensor, sentiment: Tensor, known: Tensor) -> Tensor:
        """The mean of max(0, s_u s_c score) over candidates whose sentiment is known."""
        history, pool = batch.requests.history, batch.requests.pool
        read, offered = known[history], known[pool] & batch.real
        mood = (sentiment[history] * read).sum(1) / read.sum(1).clamp(min=1)
        scores = dot_product(vectors[pool], unrounded(batch.readers[0]).unsqueeze(-2))
        alike = torch.relu(mood.unsqueeze(-1) * sentiment[pool] * scores)
        return alike.masked_fill(~offered, 0.0).sum() / offered.sum().clamp(min=1)


@cache
def vader() -> Callable[[str], float]:
    """What tells how a title in English sounds, from -1 to 1. Raises `ValueError` where the package is missing."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ModuleNotFoundError:
        raise ValueError(
            'sentiment=vader needs a package that is missing: pip install "newsreplay[sentiment]"'
        ) from None
    analyzer = SentimentIntensityAnalyzer()
    return lambda title: float(analyzer.polarity_scores(title)["compound"])
