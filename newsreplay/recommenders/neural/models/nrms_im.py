"""NRMS-IM: NRMS that looks at news cards beside words (Xun et al. 2021, ACM MM: IMRec)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from newsreplay.recommenders.neural.models.model import SIZES, TRAININGS, Size
from newsreplay.recommenders.neural.models.nrms import NRMS


class NRMSIM(NRMS):
    """NRMS whose words attend to the parts of an article's news card, and whose articles are mixed with all of it.

    See `LocalImpression` and `GlobalImpression`. With visual="none" it is `NRMS` of another size.
    """

    sizes: ClassVar = SIZES | {"paper": Size(word=100, heads=3, head=50, title=15, history=60)}
    trainings: ClassVar = TRAININGS | {"paper": replace(TRAININGS["paper"], batch=32)}
    visual: ClassVar = "both"
