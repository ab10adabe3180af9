"""What a topic brings, message by message: taken in, refused or left aside, written down, and shown in event order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from newsreplay.datasets.messages import MessageError, TopicMessage, read_message
from newsreplay.datasets.sources.messages import accepted_line, refused_line
from newsreplay.durations import duration_text
from newsreplay.live.order import Holding
from newsreplay.log.rows import DAY

LATE = "late:"  #: how the reason of a late message begins


class Arrived(NamedTuple):
    """A message of a topic."""

    at: str  #: where it stands there: an offset, an id or a line
    text: bytes


class Bounds(NamedTuple):
    """What ends a live run; None = nothing of the kind."""

    until: int | None = None  #: ms of event time: later messages are left aside, and it ends when none can come before
    max_events: int | None = None  #: that are taken in
    idle: float | None = None  #: seconds without a message


ENDLESS = Bounds()


class Counts(NamedTuple):
    """How it stands."""

    events: int  #: taken in
    held: int  #: of these, until time has moved on
    late: int  #: refused for that
    malformed: int  #: refused for any other reason
    latest: int  #: ms, the latest event
    aside: int  #: not taken in, since they lie beyond `Bounds.until`


class RowIntake:
    """Takes messages in, and shows them an instant at a time; `write` takes a line for each that was looked at."""

    def __init__(
        self,
        publisher: str,
        watermark: int,
        show: Callable[[list[list[TopicMessage]]], None],
        write: Callable[[str], None],
        bounds: Bounds = ENDLESS,
    ):
        self.publisher, self.bounds, self.show, self.write = publisher, bounds, show, write
        self.holding = Holding(watermark)
        self.late = self.malformed = self.aside = 0
        self.over = False  #: its bounds are reached; what follows is not looked at

    def take(self, batch: Iterable[Arrived], now: int) -> None:
        """Take in what has come; `now` is the clock of this machine, ms."""
        for arrived in batch:
            if self.over:
                break
            self._take(arrived, now)
        if instants := list(self.holding.due()):
            self.show(instants)

    def _take(self, arrived: Arrived, now: int) -> None:
        until, most = self.bounds.until, self.bounds.max_events
        try:
            message = read_message(arrived.text, self.publisher)
            if message.time > now + DAY:  # else everything after it would be late
                raise MessageError(f"time is {duration_text(message.time - now)} ahead of this machine's clock")
        except MessageError as error:
            self.malformed += 1
            self.write(refused_line(str(error), arrived.text, arrived.at))
            return
        if until is not None and message.time >= until:
            self.aside += 1
            self.over = message.time > until + self.holding.watermark
            return
        if behind := self.holding.take(message):
            self.late += 1
            reason = f"{LATE} the latest event is {duration_text(behind)} ahead of it"
            self.write(refused_line(reason, arrived.text, arrived.at))
            return
        self.write(accepted_line(message, arrived.at))
        self.over = self.holding.count == most

    @contextmanager
    def again(self) -> Iterator[None]:
        """In here, what is taken in was written down before, and ends nothing."""
        write, bounds, self.write, self.bounds = self.write, self.bounds, lambda line: None, ENDLESS
        try:
            yield
        finally:
            self.write, self.bounds = write, bounds

    def refused(self, reasons: Iterable[str]) -> None:
        """Count messages that were refused before."""
        for reason in reasons:
            self.late += reason.startswith(LATE)
            self.malformed += not reason.startswith(LATE)

    def end(self) -> None:
        """Show what is still held: nothing comes any more."""
        if instants := list(self.holding.rest()):
            self.show(instants)

    def counts(self) -> Counts:
        """How it stands."""
        holding = self.holding
        return Counts(holding.count, len(holding), self.late, self.malformed, holding.latest, self.aside)
