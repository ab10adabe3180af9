"""The parameters of a neural recommender, checked."""

from __future__ import annotations

import re
import threading
from typing import Any, NamedTuple

import torch

from newsreplay.errors import SpecError
from newsreplay.log.rows import DAY, HOUR
from newsreplay.recommenders.neural.models.layers import WordTable
from newsreplay.recommenders.neural.models.model import NewsModel

_weights = threading.Lock()  # layers draw their first weights from torch's one generator


class Update(NamedTuple):
    """When a model is trained again: after so much time, or so many impressions; never if neither."""

    every: int = 0  #: ms
    impressions: int = 0
    daily: bool = False  #: at midnight UTC


def parse_update(text: Any) -> Update:
    """An update policy from its text.

    >>> parse_update("every(hours=6)")
    Update(every=21600000, impressions=0, daily=False)

    Raises `SpecError` for anything else than none, daily, every(hours=6) and every(impressions=500).
    """
    if text is None or text == "none":
        return Update()
    if text == "daily":
        return Update(DAY, daily=True)
    match = re.fullmatch(r"every\((hours|impressions)=(\d+(?:\.\d+)?)\)", str(text).replace(" ", ""))
    if match and match[1] == "hours" and float(match[2]) * HOUR >= 1:
        return Update(round(float(match[2]) * HOUR))
    if match and match[1] == "impressions" and match[2].isdecimal() and int(match[2]):
        return Update(impressions=int(match[2]))
    raise SpecError(f"update must be none, daily, every(hours=6) or every(impressions=500), not {text!r}")


def try_options(model: type[NewsModel], options: dict[str, Any]) -> None:
    """Refuse options now rather than after the warm-up."""
    tiny = model.sizes["tiny"]
    try:
        with _weights, torch.random.fork_rng(devices=[]):
            model(tiny, WordTable(1, tiny.word), **options)
    except (ValueError, TypeError) as error:
        raise SpecError(str(error)) from None


SIGNALS = ("bucket", "lag", "counting")
