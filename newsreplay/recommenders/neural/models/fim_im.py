"""FIM-IM: FIM that looks at news cards beside words (Xun et al. 2021, ACM MM: IMRec)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from newsreplay.recommenders.neural.models.fim import FIM
from newsreplay.recommenders.neural.models.model import TRAININGS


class FIMIM(FIM):
    """FIM whose words attend to the parts of an article's news card, and which matches whole cards beside words.

    See `LocalImpression` and `CardMatches`. With visual="none" it is `FIM` of another size.
    """

    sizes: ClassVar = FIM.sizes | {"paper": replace(FIM.sizes["paper"], word=100, title=30)}
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], batch=32)}
    visual: ClassVar = "both"
