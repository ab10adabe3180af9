"""What models that read with a pretrained language model have in common, and train with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from newsreplay.recommenders.neural.models.language import TextModel
from newsreplay.recommenders.neural.models.model import Group


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """Keywords of a model that is made for a pretrained language model (`NewsModel.options` is this class or below it).

    Its `words` are a `TextModel`: the one that `plm` names, or without `plm` a small one that starts from random
    numbers, at other sizes than `paper`. They are its last hidden states as they are, as wide as they are, which is
    then `size.word`. Raises `ValueError` where a keyword cannot be.
    """

    layers_trained: int = 2  #: the last layers of the language model that are trained; 0 = it is frozen
    plm_rate: float = 1e-5  #: their learning rate

    def __post_init__(self) -> None:
        layers, rate = self.layers_trained, self.plm_rate
        if isinstance(layers, bool) or not isinstance(layers, int) or layers < 0:
            raise ValueError(f"layers_trained is {layers!r}, not a whole number of 0 or more")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
            raise ValueError(f"plm_rate is {rate!r}, not a number above 0")

    def groups(self, groups: list[Group], words: nn.Module) -> list[Group]:
        """Groups of a model with a further one of what is trained in `words` that was learned elsewhere, if any is."""
        if isinstance(words, TextModel) and not words.pretrained:
            return groups
        trained = [parameter for parameter in words.parameters() if parameter.requires_grad]
        apart = {id(parameter) for parameter in trained}
        others = [{**group, "params": [p for p in group["params"] if id(p) not in apart]} for group in groups]
        return [*others, {"params": trained, "lr": self.plm_rate}] if trained else others
