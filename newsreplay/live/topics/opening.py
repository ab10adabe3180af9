"""Opening topics, and sending to them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from newsreplay.live.intake import Arrived
from newsreplay.live.topics.address import MODULES, TopicAddress


class Topic(Protocol):
    """Messages in the order of their one partition."""

    def poll(self, patience: float) -> list[Arrived] | None:
        """What has come since; after `patience` seconds without a message an empty list, and None at the end.

        Raises `AwayError` while the broker does not answer, and goes on where it stopped once it does.
        """
        ...

    def close(self) -> None:
        """Let go of the broker."""
        ...


def open_topic(address: TopicAddress, after: str | None, *, now: bool) -> Topic:
    """Messages after the one at `after`; where that is None all there are, or with `now` those that come from now on.

    Raises `TopicError`.
    """
    return _module(address).open_topic(address, after, now=now)  # type: ignore[no-any-return]


def send(address: TopicAddress, texts: Iterable[str], sent: Callable[[int], None]) -> None:
    """Send messages; `sent` takes how many were. Raises `TopicError`."""
    _module(address).send(address, texts, sent)


def _module(address: TopicAddress) -> Any:
    return importlib.import_module(f"newsreplay.live.topics.{MODULES.get(address.scheme, 'lines')}")
