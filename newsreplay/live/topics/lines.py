"""Messages as lines of a file, or of standard input: `kcat -C -t clicks | newsreplay live -`."""

from __future__ import annotations

import os
import selectors
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from newsreplay.live.intake import Arrived
from newsreplay.live.topics.address import TopicAddress, TopicError

_BYTES = 1 << 20  #: read at once


class LineTopic:
    """The lines of an open file; where it stands is the number of the line."""

    def __init__(self, file: int, skip: int, *, own: bool):
        self.file, self.own = file, own
        self.skip = skip  # lines that were taken before
        self.number = 0
        self.rest = b""
        self.ended = False
        self.selector = selectors.DefaultSelector()
        with suppress(PermissionError):  # a plain file never keeps anybody waiting
            self.selector.register(file, selectors.EVENT_READ)

    def poll(self, patience: float) -> list[Arrived] | None:
        """See `Topic.poll`."""
        if self.ended:
            return None
        if self.selector.get_map() and not self.selector.select(patience):
            return []
        data = os.read(self.file, _BYTES)
        self.ended = not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        if self.ended and self.rest:
            lines, self.rest = [self.rest], b""
        first = self.number + 1
        self.number += len(lines)
        numbered = enumerate(lines, first)
        return [Arrived(str(number), line) for number, line in numbered if number > self.skip and line.strip()]

    def close(self) -> None:
        """See `Topic.close`."""
        self.selector.close()
        if self.own:
            os.close(self.file)


def open_topic(address: TopicAddress, after: str | None, *, now: bool) -> LineTopic:
    """The lines of a file; what comes on standard input was not taken before, whatever `after` says."""
    if now:
        raise TopicError("a file has no lines that come from now on; leave --from now out")
    if address.topic == "-":
        return LineTopic(sys.stdin.fileno(), 0, own=False)
    try:
        return LineTopic(os.open(address.topic, os.O_RDONLY), int(after or 0), own=True)
    except OSError as error:
        raise TopicError(f"{address.topic} cannot be read: {error.strerror or error}") from None


def send(address: TopicAddress, texts: Iterable[str], sent: Callable[[int], None]) -> None:
    """Write messages, one a line."""
    try:
        with Path(address.topic).open("x", encoding="utf-8") if address.topic != "-" else sys.stdout as file:
            begun = time.monotonic()
            for number, text in enumerate(texts, 1):
                file.write(text + "\n")
                if time.monotonic() - begun > 1:
                    begun = time.monotonic()
                    sent(number)
    except FileExistsError:
        raise TopicError(f"{address.topic} is there already; name another file") from None
    except OSError as error:
        raise TopicError(f"{address.topic} cannot be written: {error.strerror or error}") from None
