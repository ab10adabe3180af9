"""Event order: messages are held until time has moved on, and one that comes later than that is late."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby

from newsreplay.datasets.messages import TopicMessage


class Holding:
    """Holds messages back until event time has moved on by more than `watermark` ms, and hands them out in order.

    A message is handed out once an event later than its time plus the watermark has been seen, or at the end; it is
    late if that has been seen before it came. So times may be disordered by up to the watermark, and what was handed
    out in an instant is all that there is of it.

    >>> from newsreplay.log.rows import READ
    >>> holding = Holding(2)
    >>> read = TopicMessage(READ, 5, "gazette", "ann", None, "a1")
    >>> [holding.take(read._replace(time=time)) for time in (5, 8, 6, 5)]  # 5 comes again when 8 has been seen
    [0, 0, 0, 3]
    >>> [[message.time for message in instant] for instant in holding.due()]
    [[5]]
    >>> [[message.time for message in instant] for instant in holding.rest()]
    [[6], [8]]
    """

    def __init__(self, watermark: int):
        self.watermark = watermark
        self.latest = 0  #: ms, the latest event seen
        self.count = 0
        self._held: list[tuple[int, int, TopicMessage]] = []  # by time, then as they came

    def __len__(self) -> int:
        return len(self._held)

    def take(self, message: TopicMessage) -> int:
        """Take a message in; by how many ms it is late: 0 where it is not, else it is not held."""
        behind = self.latest - message.time
        if behind > self.watermark:
            return behind
        self.latest = max(self.latest, message.time)
        self.count += 1
        heapq.heappush(self._held, (message.time, self.count, message))
        return 0

    def due(self) -> Iterator[list[TopicMessage]]:
        """The messages that are held no longer, an instant at a time, in the order in which they came."""
        return self._until(self.latest - self.watermark)

    def rest(self) -> Iterator[list[TopicMessage]]:
        """All that is still held, at the end."""
        return self._until(self.latest + 1)

    def _until(self, time: int) -> Iterator[list[TopicMessage]]:
        out = []
        while self._held and self._held[0][0] < time:
            out.append(heapq.heappop(self._held)[2])
        for _, instant in groupby(out, key=lambda message: message.time):
            yield list(instant)
