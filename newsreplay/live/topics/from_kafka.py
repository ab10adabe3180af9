"""Kafka: one partition of a topic, whose values are messages. No group is joined and no offset is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from newsreplay.live.intake import Arrived
from newsreplay.live.topics.address import AwayError, TopicAddress, TopicError, client

_MOST = 1_000  #: messages at once
_BEFORE = 10_000  #: ms to reach a broker in


class KafkaPartition:
    """The messages of a partition after one of them; the client itself goes on when a broker comes back."""

    def __init__(self, address: TopicAddress, consumer: Any, partition: Any):
        self.address, self.consumer, self.partition = address, consumer, partition

    def poll(self, patience: float) -> list[Arrived]:
        """See `Topic.poll`."""
        with _in_words(self.address):
            found = self.consumer.poll(timeout_ms=max(1, round(patience * 1000)), max_records=_MOST)
        return [Arrived(str(one.offset), one.value or b"") for one in found.get(self.partition, [])]

    def close(self) -> None:
        """See `Topic.close`."""
        self.consumer.close()


def open_topic(address: TopicAddress, after: str | None, *, now: bool) -> KafkaPartition:
    """The messages of the partition that the address names with `?partition=`; it need not where there is one."""
    kafka = client("kafka", address.scheme)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what goes wrong is told in words
    with _in_words(address):
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=address.host.split(","),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            bootstrap_timeout_ms=_BEFORE,
        )
        with ExitStack() as stack:
            stack.callback(consumer.close)
            partition = kafka.TopicPartition(address.topic, _partition(address, consumer))
            consumer.assign([partition])
            if after is not None:
                consumer.seek(partition, int(after) + 1)
            elif now:
                consumer.seek_to_end(partition)
                consumer.position(partition)  # now, and not when it is polled
            else:
                consumer.seek_to_beginning(partition)
            stack.pop_all()
    return KafkaPartition(address, consumer, partition)


def _partition(address: TopicAddress, consumer: Any) -> int:
    there = sorted(consumer.partitions_for_topic(address.topic) or ())
    named = address.options.get("partition")
    if not there:
        raise TopicError(f"{address.shown}: the broker has no such topic")
    if named is None and len(there) > 1:
        raise TopicError(f"{address.shown} has {len(there)} partitions; name one: {address.shown}?partition=0")
    if named is not None and named not in map(str, there):
        raise TopicError(f"{address.shown} has no partition {named!r}; it has {', '.join(map(str, there))}")
    return int(named or there[0])


def send(address: TopicAddress, texts: Iterable[str], sent: Callable[[int], None]) -> None:
    """Append messages to a partition, the first unless the address names another."""
    kafka = client("kafka", address.scheme)
    partition = int(address.options.get("partition", "0"))
    with _in_words(address):
        producer = kafka.KafkaProducer(
            bootstrap_servers=address.host.split(","), acks="all", linger_ms=20, bootstrap_timeout_ms=_BEFORE
        )
        waiting, number = [], 0
        for text in texts:
            waiting.append(producer.send(address.topic, text.encode(), partition=partition))
            if len(waiting) == _MOST:
                number += _delivered(producer, waiting)
                sent(number)
        sent(number + _delivered(producer, waiting))
        producer.close()


def _delivered(producer: Any, waiting: list[Any]) -> int:
    """Wait until messages are written; how many they were."""
    producer.flush()
    for one in waiting:
        one.get()
    count = len(waiting)
    waiting.clear()
    return count


@contextmanager
def _in_words(address: TopicAddress) -> Iterator[None]:
    errors = client("kafka", address.scheme).errors
    try:
        yield
    except (errors.KafkaError, ValueError, AssertionError) as error:
        if getattr(error, "retriable", False) or isinstance(error, errors.KafkaTimeoutError):
            raise AwayError(f"{address.shown} does not answer: {error}") from None
        raise TopicError(f"{address.shown}: {error}") from None
