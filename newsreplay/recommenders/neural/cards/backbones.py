"""Networks that see: what turns pictures into features, and is never trained here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from newsreplay.errors import SpecError
from newsreplay.recommenders.neural.models.drawing import drawn_from
from newsreplay.recommenders.neural.models.visual import CardWidths
from newsreplay.recommenders.neural.pretrained import load_pretrained

SIDE = 224  #: px of the pictures that networks are shown
CELLS = 28  #: of a map of stride 8, along a side
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  #: of ImageNet's colours
_NEEDED = "name a folder with config.json and weights as .safetensors, as transformers writes them"
SEED = 615_195  #: of a network that nobody has trained


class Backbone(Protocol):
    """What features of pictures come from. A picture is float32[3, 224, 224], colours from 0 to 1."""

    name: str  #: as notes call it
    rounded: bool  #: whether features are kept as float16

    @property
    def widths(self) -> CardWidths:
        """How wide `map` and `whole` are."""

    def map(self, picture: Tensor) -> Tensor:
        """float32[cues, 28, 28]: features by place."""

    def whole(self, picture: Tensor) -> Tensor:
        """float32[card]: features of all of it."""

    def digest(self) -> str:
        """What tells this network from others, hexadecimal digits."""


class RandomNetwork(nn.Module):
    """A small network with random weights, the same in every run: what it sees is where there is ink, and what colour.

    Where there is nothing better: random convolutions keep a good deal of a picture's layout (Jarrett et al. 2009).
    """

    name = "a random network"
    rounded = False
    widths = CardWidths(cues=32, card=64)

    def __init__(self) -> None:
        super().__init__()
        cues, card = self.widths
        with drawn_from(SEED):
            self.patches = nn.Conv2d(3, cues, 8, stride=8)
            self.around = nn.Conv2d(cues, cues, 3, padding=1)
            self.coarse = nn.Conv2d(cues, 64, 4, stride=4)
            self.all = nn.Linear(64 * 49, card)
            for layer in (self.patches, self.around, self.coarse, self.all):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.normal_(layer.bias, 0, 0.1)
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def map(self, picture: Tensor) -> Tensor:
        """See `Backbone`."""
        ink = 2 * (1 - picture.unsqueeze(0))  # paper is zero
        found: Tensor = functional.relu(self.around(functional.relu(self.patches(ink))))[0]
        return found

    @torch.inference_mode()
    def whole(self, picture: Tensor) -> Tensor:
        """See `Backbone`."""
        found: Tensor = self.all(functional.relu(self.coarse(self.map(picture))).flatten())
        return found

    def digest(self) -> str:
        """See `Backbone`."""
        return digest_of(self)


class FolderNetwork:
    """A pretrained network for images, such as ResNet-101, from a folder that transformers wrote.

    `map` is its last hidden state of stride 8, which of ResNet is the second stage's; `whole` its pooled output. Only
    safetensors weights are loaded, no code that comes with a model is run, and nothing is downloaded. Raises
    `SpecError` where the folder holds no such model.
    """

    rounded = True

    def __init__(self, folder: str, device: torch.device | None = None):
        self.name = folder
        self.device = device or torch.device("cpu")
        self.model = _load(folder).float().eval().requires_grad_(False).to(self.device)
        self._mean, self._deviation = (
            torch.tensor(values, device=self.device)[:, None, None] for values in (MEAN, DEVIATION)
        )
        blank = torch.ones(3, SIDE, SIDE)
        self.widths = CardWidths(len(self.map(blank)), len(self.whole(blank)))

    @torch.inference_mode()
    def map(self, picture: Tensor) -> Tensor:
        """See `Backbone`."""
        states = getattr(self._seen(picture, output_hidden_states=True), "hidden_states", None) or ()
        maps = [state for state in states if state.dim() == 4 and state.shape[-2:] == (CELLS, CELLS)]
        if not maps:
            raise SpecError(
                f"vision={self.name} has no hidden state of {CELLS} x {CELLS} places for a picture of {SIDE} x {SIDE}; "
                "name a convolutional network, such as ResNet"
            )
        found: Tensor = maps[-1][0].float().cpu()
        return found

    @torch.inference_mode()
    def whole(self, picture: Tensor) -> Tensor:
        """See `Backbone`."""
        pooled = getattr(self._seen(picture), "pooler_output", None)
        if pooled is None:
            raise SpecError(f"vision={self.name} has no pooled output; name a convolutional network, such as ResNet")
        found: Tensor = pooled[0].flatten().float().cpu()
        return found

    def digest(self) -> str:
        """See `Backbone`."""
        return digest_of(self.model)

    def _seen(self, picture: Tensor, **options: bool) -> Any:
        normal = (picture.to(self.device) - self._mean) / self._deviation
        try:
            # Whoever asks first, features are those of whole precision.
            with torch.autocast(self.device.type, enabled=False):
                return self.model(pixel_values=normal.unsqueeze(0), **options)
        except Exception as error:  # a model of another kind may raise anything
            raise SpecError(
                f"vision={self.name} cannot look at a picture of {SIDE} x {SIDE}: {error}; name a convolutional "
                "network, such as ResNet"
            ) from error


def digest_of(module: nn.Module) -> str:
    """SHA-256 of a module's tensors."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _load(folder: str) -> Any:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise SpecError(f"vision={folder}: there is no such folder; {_NEEDED}")
    with drawn_from(None):  # what it draws for weights that it then loads is nobody else's loss
        local = {"use_safetensors": True, "local_files_only": True}
        return load_pretrained("AutoModel", str(path), f"vision={folder}", "model", _NEEDED, "vision", **local)
