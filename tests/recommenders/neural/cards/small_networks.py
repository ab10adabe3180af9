"""Networks of which it can be told by hand what they see, and pictures to be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from newsreplay.recommenders.neural.models.visual import CardWidths

COLOURS = CardWidths(3, 3)


class Ink:
    """Each of 28 x 28 places is the mean of its 8 x 8 pixels' colours, turned and 1 more; the whole is the mean of all.

    A constant, so that nothing that is there is all zero.
    """

    name = "ink"
    rounded = False

    def __init__(self, widths: CardWidths = COLOURS, seed: int = 0):
        self.widths = widths
        generator = torch.Generator().manual_seed(seed)
        self.turn = {width: torch.randn(width, 3, generator=generator) for width in widths}
        if widths == COLOURS:
            self.turn = {3: torch.eye(3)}
        self.seen: list[Tensor] = []  #: pictures

    def map(self, picture: Tensor) -> Tensor:
        self.seen.append(picture)
        cells = functional.avg_pool2d((1 - picture)[None], 8)[0]
        return 1 + torch.einsum("wc,cij->wij", self.turn[self.widths.cues], cells)

    def whole(self, picture: Tensor) -> Tensor:
        self.seen.append(picture)
        return 1 + self.turn[self.widths.card] @ (1 - picture).mean((1, 2))

    def digest(self) -> str:
        return f"{self.widths}"


class Places:
    """Each place is told by its row and column, from 1; what a cue's mean is tells where it is."""

    name = "places"
    rounded = True
    widths = CardWidths(2, 1)

    def map(self, picture: Tensor) -> Tensor:
        at = torch.arange(1.0, 29.0)
        return torch.stack([at[:, None].expand(28, 28), at.expand(28, 28)])

    def whole(self, picture: Tensor) -> Tensor:
        return torch.tensor([1e9])

    def digest(self) -> str:
        return "places"


def write_resnet(folder: Path, seed: int = 0) -> Path:
    """Write a tiny random ResNet, 12 wide at stride 8 and 20 at its end. Skips the test without transformers."""
    transformers: Any = pytest.importorskip("transformers", reason='needs pip install "newsreplay[vision]"')
    config = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 12, 16, 20], depths=[1, 1, 1, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformers.ResNetModel(config).save_pretrained(folder)
    return folder
