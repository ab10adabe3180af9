"""What happened to articles within the last minutes and hours, up to the row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel
from newsreplay.log.growing import ring_with_room, with_room
from newsreplay.log.rows import HOUR, Column

MINUTES = (10, 60, 360, 1440)  #: of the windows
#: A window of w ms at time t holds what happened in (t - w, t].
WIDTHS = np.array(MINUTES, np.int64) * (HOUR // 60)


class Windows(NamedTuple):
    """Occurrences of articles in event-time order, in a ring that holds those of the widest window."""

    item: Column  # int32[room], a power of two
    time: Column  # int64[room]
    begin: Column  # int64[windows + 1], the first occurrence within each window, then how many there were so far
    counts: Column  # int32[articles, windows]


def empty_windows() -> Windows:
    """No occurrence yet."""
    return Windows(
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        np.zeros(len(MINUTES) + 1, np.int64),
        np.empty((0, len(MINUTES)), np.int32),
    )


def with_room_for(windows: Windows, articles: int, occurrences: int) -> Windows:
    """The same with room for so many more occurrences, of articles below `articles`."""
    first, end = windows.begin[-2:].tolist()
    return windows._replace(
        item=ring_with_room(windows.item, first, end, occurrences),
        time=ring_with_room(windows.time, first, end, occurrences),
        counts=with_room(windows.counts, articles, 0),
    )


@kernel
def occur(windows: Any, time: int, item: int) -> None:
    """Count an occurrence, in event-time order."""
    end = windows.begin[windows.begin.size - 1]
    place = end % windows.item.size
    windows.item[place] = item
    windows.time[place] = time
    windows.begin[windows.begin.size - 1] = end + 1
    for window in range(windows.counts.shape[1]):
        windows.counts[item, window] += 1


@kernel
def forget(windows: Any, time: int) -> None:
    """Take what is older than a window from its counts."""
    end = windows.begin[windows.begin.size - 1]
    for window in range(windows.counts.shape[1]):
        first = int64(windows.begin[window])
        while first < end and windows.time[first % windows.time.size] <= time - WIDTHS[window]:
            windows.counts[windows.item[first % windows.item.size], window] -= 1
            first += 1
        windows.begin[window] = first
