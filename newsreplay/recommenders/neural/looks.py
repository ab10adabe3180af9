"""What a model is told of news cards: the parameters `visual`, `vision` and `covers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.neural.cards.backbones import Backbone, FolderNetwork, RandomNetwork
from newsreplay.recommenders.neural.cards.covers import Covers
from newsreplay.recommenders.neural.cards.features import CardFeatures
from newsreplay.recommenders.neural.models.model import NewsModel
from newsreplay.recommenders.neural.models.visual import VISUAL, card_fields
from newsreplay.recommenders.neural.weights import Facts, Weights

LOOKS = ("visual", "vision", "covers")  #: names of the parameters


@dataclass(frozen=True)
class Looks:
    """What a model is told of news cards, and by what network.

    Raises `SpecError` where a value cannot be, with the parameter, the value and the way out.
    """

    visual: str = "none"  #: one of `VISUAL`
    vision: str | Backbone | None = None  #: a folder with a pretrained network, or one's own; None = `RandomNetwork`
    covers: str | None = None  #: a folder with covers
    given: bool = False  #: whether `visual` holds; else a file of weights has its own

    def __post_init__(self) -> None:
        if self.visual not in VISUAL:
            raise SpecError(f"visual must be one of {', '.join(VISUAL)}, not {self.visual!r}")
        for name in ("vision", "covers"):
            given = getattr(self, name)
            if given is not None and self.visual == "none" and self.given:
                raise SpecError(f"{name}={given} is of no use with visual=none; choose local, global or both")
            if isinstance(given, str) and not Path(given).expanduser().is_dir():
                raise SpecError(f"{name}={given}: there is no such folder")

    def features(self, device: torch.device) -> CardFeatures | None:
        """The features that a model is told; None = none. Raises `SpecError` where the network cannot be loaded."""
        if self.visual == "none":
            return None
        backbone = RandomNetwork() if self.vision is None else self.vision
        if isinstance(backbone, str):
            backbone = FolderNetwork(backbone, device)
        covers = None if self.covers is None else Covers(self.covers)
        return CardFeatures(backbone, covers, [field.name for field in card_fields(self.visual)])

    def facts(self, cards: CardFeatures | None) -> Facts:
        """What a file of weights says of it."""
        return {
            "visual": self.visual,
            "vision": self.vision if self.vision is None or isinstance(self.vision, str) else self.vision.name,
            "vision_digest": None if cards is None else cards.backbone.digest(),
        }

    def of_weights(self, weights: Weights) -> Looks:
        """The same as a file of weights has it. Raises `SpecError` where it was made with another `visual`."""
        facts, path = weights.facts, weights.path
        visual, vision = facts.get("visual", "none"), facts.get("vision")
        if self.given and self.visual != visual:
            raise SpecError(f"weights={path} were trained with visual={visual}; leave visual out")
        if self.vision is not None and vision is None:
            raise SpecError(f"weights={path} were trained without vision; leave vision out")
        if visual == "none":
            return Looks()
        if self.vision is None and vision is not None and not Path(vision).expanduser().is_dir():
            raise SpecError(
                f"weights={path} were trained on what vision={vision} saw, and there is no such folder: name it with "
                "vision, wherever it is now"
            )
        return replace(self, visual=visual, vision=self.vision or vision)

    def compare(self, cards: CardFeatures | None, weights: Weights) -> None:
        """Raise `NewsreplayError` where a file of weights was trained on what another network saw."""
        if cards is not None and cards.backbone.digest() != weights.facts.get("vision_digest"):
            if self.vision is None:
                raise NewsreplayError(
                    f"weights={weights.path} were trained on news cards that another network saw than "
                    f"{cards.backbone.name}; make them again with 'newsreplay train'"
                )
            raise NewsreplayError(
                f"weights={weights.path} were trained on what another network saw than {cards.backbone.name}; "
                f"that was {weights.facts['vision']}: name it with vision, wherever it is now"
            )


def looks_of(model: type[NewsModel], options: Mapping[str, Any], weights: bool) -> tuple[Looks, Mapping[str, Any]]:
    """What keywords of a model say of news cards, and its other keywords; `weights`: a file will have its say, too."""
    if model.visual is None:
        return Looks(), options
    visual = options.get("visual", model.visual)
    looks = Looks(
        "none" if visual is None else visual,
        options.get("vision"),
        options.get("covers"),
        not weights or "visual" in options,
    )
    return looks, {name: value for name, value in options.items() if name not in LOOKS}
