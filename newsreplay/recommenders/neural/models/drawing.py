"""Random numbers of torch's one generator, as one's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_one_at_a_time = threading.Lock()  #: models are trained side by side


@contextmanager
def drawn_from(seed: int | None, device: torch.device | None = None) -> Iterator[None]:
    """While layers are made, or draw from torch's own generator: it goes by the seed alone, and is then as it was.

    `device` is where it is drawn, the CPU by default.
    """
    with _one_at_a_time, torch.random.fork_rng(devices=[device] if device and device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield
