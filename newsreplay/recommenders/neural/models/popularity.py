"""A popularity head: what readers do just now, beside what an article says."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.layers import Glorot

HIDDEN = 16  #: units of the network
SPANS = ("10m", "1h", "6h", "24h")
LONG = 240.0  #: hours that stand for "never read"
#: Of a click rate: as if an article had been shown so often more, and clicked once.
SHOWN_BEFORE = 20.0


class PopularityHead(nn.Module):
    """`score = a content + w·f + MLP(f)`, where f are logarithms of what happened to the article up to the request.

    Which of the articles alive is read next is another question than which of those shown is clicked: having been
    shown counts for the one and not for the other. So there are two a, w and MLP's last layers: of candidates that an
    impression shows, and of slates.

    Reads within 10 minutes, 1, 6 and 24 hours, time since the last read, age; and how often the article was shown
    within these spans, and clicked when it was. No published news model ranks all articles alive by content alone:
    CHAMELEON (de Souza Pereira Moreira et al. 2018) has recent clicks and recency of the candidates as inputs, too.
    """

    signals: ClassVar[tuple[str, ...]] = (
        *(f"reads_{span}" for span in SPANS),
        "idle_hours",
        "known_hours",
        *(f"shown_{span}" for span in SPANS),
        *(f"click_rate_{span}" for span in SPANS),
    )
    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        count = len(self.signals)
        self.scale = nn.Parameter(torch.ones(2))  #: a, of impressions and of slates
        self.linear = nn.Linear(count, 2, bias=False)
        self.network = nn.Sequential(Glorot(count, HIDDEN), nn.Tanh(), Glorot(HIDDEN, 2))
        nn.init.zeros_(self.linear.weight)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))

    def features(self, signals: Columns) -> Tensor:
        """f, float32[..., 14], before they are standardised."""
        reads = [getattr(signals, f"reads_{span}").log1p() for span in SPANS]
        minutes = [
            (60 * hours).log1p() for hours in (signals.idle_hours.nan_to_num(LONG), signals.known_hours.clamp(min=0))
        ]
        shown = [getattr(signals, f"shown_{span}") for span in SPANS]
        rates = [
            ((getattr(signals, f"click_rate_{span}").nan_to_num(0.0) * times + 1) / (times + SHOWN_BEFORE)).log()
            for span, times in zip(SPANS, shown, strict=True)
        ]
        return torch.stack([*reads, *minutes, *(times.log1p() for times in shown), *rates], -1)

    def calibrate(self, signals: Columns) -> None:
        """Standardise f by these signals, float32[n, …], of which there must be some."""
        features = self.features(signals)
        self.mean.copy_(features.mean(0))
        deviation = features.std(0, correction=0)
        self.spread.copy_(torch.where(deviation > 1e-4, deviation, 1.0))  # what never varies stays 0

    def prior(self, signals: Columns) -> Tensor:
        """w·f + MLP(f), [..., 2]: of candidates of impressions, and of slates."""
        features = (self.features(signals) - self.mean) / self.spread
        prior: Tensor = self.linear(features) + self.network(features)
        return prior

    def forward(self, content: Tensor, signals: Columns) -> Tensor:
        """Scores from those of content, [...] → [..., 2]."""
        return self.scale * content.unsqueeze(-1) + self.prior(signals)
