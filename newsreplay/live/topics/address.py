"""Addresses of topics, and what goes wrong with them."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from newsreplay.datasets.remote.address import without_secrets
from newsreplay.errors import NewsreplayError

FORMS = "kafka://host:9092/topic, redis://host:6379/stream, a file of JSON lines, or - for standard input"
#: By scheme, the module that reads and writes such topics.
MODULES = {"kafka": "from_kafka", "redis": "from_redis", "rediss": "from_redis"}


class TopicError(NewsreplayError):
    """A topic cannot be read or written."""


class AwayError(TopicError):
    """A broker does not answer; it may come back."""


class TopicAddress(NamedTuple):
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


def parse_address(text: str) -> TopicAddress:
    """The address that a text is. Raises `TopicError`.

    >>> parse_address("kafka://localhost:9092/clicks")
    TopicAddress(scheme='kafka', host='localhost:9092', topic='clicks', options={})
    """
    scheme, colon, _ = text.partition("://")
    if not colon:
        return TopicAddress("", "", text, {})
    parts = urlsplit(text)
    topic = unquote(parts.path.strip("/"))
    if scheme not in MODULES or not parts.netloc or not topic:
        raise TopicError(f"{without_secrets(text)} is no topic; write {FORMS}")
    return TopicAddress(scheme, parts.netloc, topic, dict(parse_qsl(parts.query)))


def client(package: str, scheme: str) -> Any:
    """The package of a broker's client, which newsreplay does without. Raises `TopicError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of theirs
            return importlib.import_module(package)
    except ImportError:
        raise TopicError(f'{scheme}:// needs a client: pip install "newsreplay[{package}]"') from None
