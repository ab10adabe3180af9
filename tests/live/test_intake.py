"""What comes in whatever order within the watermark is the log in event order; the rest is refused and kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.datasets.messages import TopicMessage, message_text, read_message
from newsreplay.datasets.sources.messages import block_of
from newsreplay.live.intake import ENDLESS, Arrived, Bounds, RowIntake
from newsreplay.log.rows import DAY, READ
from tests.live.messages import START, in_order

NOW = START + 100 * DAY


class Seen:
    """An intake with what it showed and wrote."""

    def __init__(self, watermark: int = 2_000, bounds: Bounds = ENDLESS):
        self.instants: list[list[TopicMessage]] = []
        self.lines: list[str] = []
        self.intake = RowIntake("gazette", watermark, self.instants.extend, self.lines.append, bounds)

    def take(self, *messages: TopicMessage | bytes, size: int = 1) -> Seen:
        texts = [one if isinstance(one, bytes) else message_text(one).encode() for one in messages]
        arrived = [Arrived(str(number), text) for number, text in enumerate(texts)]
        for begin in range(0, len(arrived), size):
            self.intake.take(arrived[begin : begin + size], NOW)
        return self

    def shown(self) -> list[TopicMessage]:
        return [message for instant in self.instants for message in instant]


def read(seconds: float, item: str = "a") -> TopicMessage:
    return TopicMessage(READ, START + round(seconds * 1000), "gazette", "ann", None, item)


@given(
    messages=in_order(),
    delays=st.lists(st.integers(0, 120_000), min_size=1, max_size=20),
    size=st.integers(1, 50),
)
def test_disorder_within_the_watermark_changes_nothing(
    messages: list[TopicMessage], delays: list[int], size: int
) -> None:
    # Each comes when event time has moved on by its delay; what shares an instant keeps its order.
    late = {message.time: delays[number % len(delays)] for number, message in enumerate(messages)}
    arriving = sorted(messages, key=lambda message: message.time + late[message.time])
    seen = Seen(120_000).take(*arriving, size=size)
    seen.intake.end()
    assert seen.shown() == messages
    assert all(len({message.time for message in instant}) == 1 for instant in seen.instants)
    assert seen.intake.counts()[1:4] == (0, 0, 0)


def test_a_message_is_held_until_an_event_later_than_the_watermark_is_seen() -> None:
    seen = Seen(2_000).take(read(0), read(1), read(2))
    assert seen.shown() == []
    seen.take(read(2.001))
    assert seen.shown() == [read(0)]
    assert seen.intake.counts().held == 3
    seen.intake.end()
    assert seen.shown() == [read(0), read(1), read(2), read(2.001)]


def test_a_later_one_is_refused_and_kept_with_its_place_and_text() -> None:
    seen = Seen(2_000).take(read(0), read(10), read(8), read(7.999), read(11))
    seen.intake.end()
    assert [message.time - START for message in seen.shown()] == [0, 8_000, 10_000, 11_000]
    assert seen.intake.counts()[:4] == (4, 0, 1, 0)
    block = block_of([line.encode() for line in seen.lines], "messages.jsonl", "gazette")
    (reject,) = block.rejects
    assert (reject.line, reject.reason) == (4, "late: the latest event is 2s1ms ahead of it (at 3)")
    assert json.loads(reject.text)["item"] == "a"
    assert (block.records, block.kept) == (5, 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "it is no JSON"),
        (b"\xff{}", "it is not UTF-8"),
        (b"[1]", "it is no JSON object"),
        (b"[" * 100_000, "it is no JSON"),
        (b'{"item": "a"}', "it has no time"),
        (b'{"time": "yesterday", "item": "a"}', "time is 'yesterday'; write ISO 8601 or an epoch"),
        (b'{"time": "1/2/2020", "item": "a"}', "time is '1/2/2020'; write ISO 8601 or an epoch"),
        (b'{"time": 5, "item": "a"}', "time is '5', which is not between 1990 and 2100"),
        (b'{"time": 1577865600}', "a read has no item"),
        (b'{"time": 1577865600, "item": ["a"]}', 'item is ["a"]; write a string or a number'),
        (b'{"time": 1577865600, "item": "\\ud800"}', "half a surrogate pair"),
        (b'{"time": 1577865600, "item": "a", "kind": "click"}', "kind is 'click'; write read, publish"),
        (b'{"time": 1577865600, "kind": "impression"}', "pool is nothing"),
        (b'{"time": 1577865600, "kind": "impression", "pool": ["a", ""]}', "a candidate without an id"),
        (b'{"time": 1577865600, "kind": "impression", "pool": ["a"], "clicked": [1]}', 'clicked is ["1"]'),
        (b'{"time": 1577865600, "kind": "impression", "pool": ["a"], "clicked": []}', "0 values for 1 candidates"),
        (b'{"time": 1577865600, "item": "a", "dwell": -1}', "write a number of seconds"),
        (b'{"time": 1577865600, "item": "a", "dwell": [1]}', "dwell is"),
        (b'{"time": 1577865600, "kind": "publish", "item": "a", "recommendable": "yes"}', "recommendable is"),
        (b'{"time": "2099-01-01", "item": "a"}', "ahead of this machine's clock"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(text: bytes, reason: str) -> None:
    seen = Seen().take(read(0), text, read(1))
    seen.intake.end()
    assert seen.shown() == [read(0), read(1)]
    assert seen.intake.counts().malformed == 1
    assert reason in json.loads(seen.lines[1])["refused"]


def test_times_ids_and_blanks_are_read_as_in_a_table() -> None:
    text = b'{"time": "2020-01-01T09:00:00+01:00", "user": 7, "session": " ", "item": 1.50, "title": "T", "x": {}}'
    assert read_message(text, "gazette") == TopicMessage(
        READ, START, "gazette", "7", None, "1.50", facts=(("title", "T"),)
    )


@given(in_order(unnamed=True))
def test_a_message_that_is_written_is_read_as_it_was(messages: list[TopicMessage]) -> None:
    assert [read_message(message_text(message).encode(), "other") for message in messages] == messages


def test_it_ends_after_so_many_messages() -> None:
    seen = Seen(bounds=Bounds(max_events=2)).take(read(0), b"{}", read(1), read(2), size=4)
    assert seen.intake.over
    seen.intake.end()
    assert seen.shown() == [read(0), read(1)]


def test_it_ends_when_no_message_before_the_moment_can_come_any_more() -> None:
    seen = Seen(2_000, Bounds(until=START + 5_000)).take(read(4), read(6), read(7), read(4.5))
    assert seen.intake.counts().aside == 2
    assert not seen.intake.over
    seen.take(read(7.001), read(4.6))
    assert seen.intake.over
    seen.intake.end()
    assert seen.shown() == [read(4), read(4.5)]
    assert len(seen.lines) == 2


def test_what_came_before_is_taken_again_without_being_written() -> None:
    seen = Seen(2_000).take(read(0), read(10), read(1), b"?")
    again = Seen(2_000, Bounds(max_events=1))
    with again.intake.again():
        again.take(*(line.encode() for line in seen.lines if "refused" not in line))
        again.intake.refused(json.loads(line)["refused"] for line in seen.lines if "refused" in line)
    assert again.lines == []
    assert again.intake.counts() == seen.intake.counts()
    assert again.shown() == seen.shown()
