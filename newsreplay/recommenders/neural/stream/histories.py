"""What readers, or sessions, read: the newest reads of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.kernels.compiling import int64, kernel, routine
from newsreplay.log.growing import with_room
from newsreplay.log.rows import HOUR, Column
from newsreplay.recommenders.neural.stream.state import NONE, NOT_YET


class Histories(NamedTuple):
    """Rings of H reads each."""

    item: Column  # int32[readers, H]
    reads: Column  # int64[readers], how many were put there so far
    time: Column  # int64[readers, H], NOT_YET of profiles; [readers, 0] unless ages are kept
    session: Column  # int32[readers, H], likewise


def empty_histories(size: int, ages: bool) -> Histories:
    """Of no reader yet."""
    return Histories(
        np.empty((0, size), np.int32),
        np.empty(0, np.int64),
        np.empty((0, size * ages), np.int64),
        np.empty((0, size * ages), np.int32),
    )


def with_readers(histories: Histories, readers: int) -> Histories:
    """The same with room for so many."""
    item, reads, time, session = histories
    return Histories(
        with_room(item, readers, NONE),
        with_room(reads, readers, 0),
        with_room(time, readers, 0),
        with_room(session, readers, NONE),
    )


@kernel
def newest(histories: Any, reader: int) -> int:
    """What a reader read last, `NONE` = nothing; -1 is nobody."""
    if reader < 0:
        return int64(NONE)
    count, size = histories.reads[reader], histories.item.shape[1]
    if count == 0:
        return int64(NONE)
    return int64(histories.item[reader, (count - 1) % size])


@kernel
def remember(histories: Any, reader: int, item: int, time: int, session: int) -> None:
    """Add a read to its reader's history, unless it is the newest there; -1 is nobody."""
    if reader < 0 or newest(histories, reader) == item:
        return
    count, size = histories.reads[reader], histories.item.shape[1]
    place = count % size
    histories.item[reader, place] = item
    histories.reads[reader] = count + 1
    if histories.time.shape[1] > 0:
        histories.time[reader, place] = time
        histories.session[reader, place] = session


@routine
def carry(captures: Any, made: int, item: int) -> None:
    """Add the read that a request carries to the history beside it, unless it is the newest there."""
    length, size = captures.length[made], captures.history.shape[1]
    if length > 0 and captures.history[made, length - 1] == item:
        return
    ages = captures.history_age.shape[1] > 0
    if length == size:
        length -= 1
        for i in range(length):
            captures.history[made, i] = captures.history[made, i + 1]
            if ages:
                captures.history_age[made, i] = captures.history_age[made, i + 1]
                captures.history_session[made, i] = captures.history_session[made, i + 1]
    captures.history[made, length] = item
    captures.length[made] = length + 1
    if ages:
        captures.history_age[made, length] = 0
        captures.history_session[made, length] = True


@routine
def note_history(histories: Any, reader: int, session: int, before: int, captures: Any, made: int) -> None:
    """Note a reader's history beside a request, whose time has been noted; profiles were read at `before`."""
    count, size = histories.reads[reader], histories.item.shape[1]
    length = min(count, size)
    captures.length[made] = length
    for i in range(length):
        place = (count - length + i) % size
        captures.history[made, i] = histories.item[reader, place]
        if histories.time.shape[1] > 0:
            time = histories.time[reader, place]
            if time == NOT_YET:
                time = before
            captures.history_age[made, i] = (captures.time[made] - time) / HOUR
            captures.history_session[made, i] = histories.session[reader, place] == session
