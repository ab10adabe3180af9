"""Where messages come from: Kafka, Redis streams, and lines of a file or of standard input."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from newsreplay.datasets.remote.address import without_secrets
from newsreplay.errors import NewsreplayError
from newsreplay.live.intake import Arrived

FORMS = "kafka://host:9092/topic, redis://host:6379/stream, a file of JSON lines, or - for standard input"
_MODULES = {"kafka": "kafka", "redis": "redis", "rediss": "redis"}


class TopicError(NewsreplayError):
    """A topic cannot be read or written."""


class AwayError(TopicError):
    """A broker does not answer; it may come back."""


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


class Address(NamedTuple):
    """An address of a topic."""

    scheme: str  #: "" for a file, or for -
    host: str  #: with user, password and port as they were given
    topic: str  #: or the file
    options: dict[str, str]  #: what stands after the question mark

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        return without_secrets(f"{self.scheme}://{self.host}/{self.topic}") if self.scheme else self.topic

    @property
    def name(self) -> str:
        """What rows that name no publisher belong to."""
        return self.topic if self.scheme else self.topic.rpartition("/")[2].split(".")[0].replace("-", "") or "stdin"


def parse_address(text: str) -> Address:
    """The address that a text is. Raises `TopicError`.

    >>> parse_address("kafka://localhost:9092/clicks")
    Address(scheme='kafka', host='localhost:9092', topic='clicks', options={})
    """
    scheme, colon, _ = text.partition("://")
    if not colon:
        return Address("", "", text, {})
    parts = urlsplit(text)
    topic = unquote(parts.path.strip("/"))
    if scheme not in _MODULES or not parts.netloc or not topic:
        raise TopicError(f"{without_secrets(text)} is no topic; write {FORMS}")
    return Address(scheme, parts.netloc, topic, dict(parse_qsl(parts.query)))


def open_topic(address: Address, after: str | None, *, now: bool) -> Topic:
    """Messages after the one at `after`; where that is None all there are, or with `now` those that come from now on.

    Raises `TopicError`.
    """
    return _module(address).open_topic(address, after, now=now)  # type: ignore[no-any-return]


def send(address: Address, texts: Iterable[str], sent: Callable[[int], None]) -> None:
    """Send messages; `sent` takes how many were. Raises `TopicError`."""
    _module(address).send(address, texts, sent)


def _module(address: Address) -> Any:
    name = _MODULES.get(address.scheme, "lines")
    if name != "lines":
        try:
            importlib.import_module(name)
        except ImportError:
            raise TopicError(f'{address.scheme}:// needs a client: pip install "newsreplay[{name}]"') from None
    return importlib.import_module(f"newsreplay.live.topics.{'' if name == 'lines' else 'from_'}{name}")
