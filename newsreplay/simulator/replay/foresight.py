"""Foresight: what of the future a recommender was given, on purpose."""

from __future__ import annotations

from typing import Literal

from newsreplay.recommenders.base import SelfReport
from newsreplay.recommenders.references.oracle import Oracle

#: "oracle": the ceiling, worked out from the log; "given": the whole log, by `foresee`; "leaky": something by its own
#: report; None: nothing.
Foresight = Literal["oracle", "given", "leaky"] | None
WHOLE_LOG = "it was handed the whole log"  #: what leaks, where a recommender has no words of its own


def foresight_of(recommender: object, self_report: SelfReport | None = None) -> Foresight:
    """What of the future a recommender is given; what it reports of itself is known after the replay only."""
    if isinstance(recommender, Oracle):
        return "oracle"
    if callable(getattr(recommender, "foresee", None)):
        return "given"
    return "leaky" if self_report is not None and self_report.leaks else None


def leaks_of(foresight: Foresight, self_report: SelfReport | None) -> str:
    """The same in words for tables; "" where there is no foresight, and of the oracle, which stands for itself."""
    if foresight is None or foresight == "oracle":
        return ""
    own_words = "" if self_report is None else self_report.leaks
    return own_words or WHOLE_LOG
