"""Redis streams: every entry has a message in its field `message` (`XADD clicks * message '{"time": …}'`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from newsreplay.live.intake import Arrived
from newsreplay.live.topics.address import AwayError, TopicAddress, TopicError, client

FIELD = "message"
_MOST = 1_000  #: entries at once
_PATIENCE = 60.0  #: seconds within which a server must have answered; longer than any poll


class RedisStream:
    """The entries of a stream after one of them."""

    def __init__(self, address: TopicAddress, connection: Any, after: str):
        self.address, self.connection, self.after = address, connection, after

    def poll(self, patience: float) -> list[Arrived]:
        """See `Topic.poll`; an entry without the field is nothing, which is refused as such."""
        with _in_words(self.address):
            block = max(1, round(patience * 1000))
            streams = self.connection.xread({self.address.topic: self.after}, count=_MOST, block=block) or []
        pairs = streams.items() if isinstance(streams, dict) else streams  # as versions of the client have it
        entries = [entry for _, some in pairs for entry in some]
        arrived = [Arrived(at.decode(), (fields or {}).get(FIELD.encode(), b"")) for at, fields in entries]
        if arrived:
            self.after = arrived[-1].at
        return arrived

    def close(self) -> None:
        """See `Topic.close`."""
        self.connection.close()


def open_topic(address: TopicAddress, after: str | None, *, now: bool) -> RedisStream:
    """The entries of a stream; one that is not there yet has none."""
    connection = _connection(address)
    with _in_words(address):
        last = connection.xrevrange(address.topic, count=1) if now and after is None else []
        connection.ping()
    return RedisStream(address, connection, after or (last[0][0].decode() if last else "0-0"))


def send(address: TopicAddress, texts: Iterable[str], sent: Callable[[int], None]) -> None:
    """Append messages to a stream."""
    connection, number, rest = _connection(address), 0, iter(texts)
    with _in_words(address):
        while some := list(islice(rest, _MOST)):
            pipe = connection.pipeline(transaction=False)
            for text in some:
                pipe.xadd(address.topic, {FIELD: text})
            pipe.execute()
            number += len(some)
            sent(number)
    connection.close()


def _connection(address: TopicAddress) -> Any:
    number = address.options.get("db", "0")
    if not number.isdecimal():
        raise TopicError(f"{address.shown}: db is {number!r}; write a number")
    return client("redis", address.scheme).Redis.from_url(
        f"{address.scheme}://{address.host}/{number}", socket_timeout=_PATIENCE
    )


@contextmanager
def _in_words(address: TopicAddress) -> Iterator[None]:
    redis = client("redis", address.scheme)
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if isinstance(error, redis.AuthenticationError):
            raise TopicError(f"{address.shown}: {error}") from None
        raise AwayError(f"{address.shown} does not answer: {error}") from None
    except (redis.RedisError, ValueError) as error:
        raise TopicError(f"{address.shown}: {error}") from None
