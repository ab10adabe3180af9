"""The state of a stream: columns, flags and what is captured at a request."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import DAY, HOUR, READ, Column, Event

SAMPLED = 255  #: kind of a capture: a read beside articles drawn at random, to be trained on, never answered
ASKED = 253  #: kind of a row that asks for a slate by a read which is learned later: a request alone
SLATE = 254  #: kind of a capture: a slate that an impression asks for, from all articles alive
NONE = -1  #: behind the newest read of a history
#: The first places of `newsreplay.recommenders.neural.stream.signals.SIGNALS`.
EXPOSURE, AVOIDANCE, CLICKS, RATE, AGE = range(5)
NOT_YET = np.iinfo(np.int64).min
# Places of `newsreplay.recommenders.neural.stream.stream.StreamState.clock`, whole numbers about the stream as a whole.
START = 0  # time of the first row
ANCHOR = 1  # where bucket 0 begins
OPEN = 2  # the bucket that is being counted
NEXT = 3  # when it completes
SEEN = 4  # whether there was an impression
SERIAL = 5  # pools walked so far
ALIVE = 6  # articles in the chain
LAST = 7  # the one read longest ago, -1 = none
CLOCK = 8
# What is counted of an article.
SHOWN, CLICKED, READS = range(3)


class StreamRows(NamedTuple):
    """A stretch of rows in event-time order."""

    time: Column  #: int64[n], ms since the epoch, UTC
    kind: Column  #: uint8[n]
    session: Column  #: int32[n], -1 on publish rows
    user: Column  #: int32[n], -1 on publish rows
    item: Column  #: int32[n], -1 = no article on screen
    row: Column  #: int64[n], row of the log
    pool_at: Column  #: int64[n + 1], row i has the places pool_at[i] … pool_at[i + 1] - 1, none unless it has a pool
    pool: Column  #: int32[p], article codes
    clicked: Column  #: bool[p], meaningful on outcomes only


def rows_of_events(events: Sequence[Event]) -> StreamRows:
    """Events, at least one, as columns."""
    row, times, kind, session, user, item, _, pools, clicked, _ = zip(*events, strict=True)
    lengths = np.fromiter(map(len, pools), np.int64, len(pools))
    at = np.concatenate([[0], np.cumsum(lengths)])
    known = np.fromiter(map(len, clicked), np.int64, len(clicked)) > 0
    flags = np.zeros(at[-1], bool)
    flags[np.repeat(known, lengths)] = np.fromiter(chain.from_iterable(clicked), bool)
    return StreamRows(
        np.array(times, np.int64),
        np.array(kind, np.uint8),
        np.array(session, np.int32),
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(row, np.int64),
        at,
        np.fromiter(chain.from_iterable(pools), np.int32, at[-1]),
        flags,
    )


class Captures(NamedTuple):
    """What was known at each request of a stretch, in the order of the requests."""

    row: Column  #: int64[c], row of the log
    kind: Column  #: uint8[c], `IMPRESSION`, `READ`, `SLATE` or `SAMPLED`
    time: Column  #: int64[c]
    user: Column  #: int32[c]
    history: Column  #: int32[c, H], what the reader read, oldest first from place 0, `NONE` behind
    length: Column  #: int32[c], reads in `history`
    history_signals: Column  #: float32[c, H, signals], 0 behind
    history_age: Column  #: float32[c, H], hours since the read, 0 behind; [c, 0] unless `StreamOptions.ages`
    history_session: Column  #: bool[c, H], whether it was read in the request's session; [c, 0] likewise
    alive: Column  #: int32[c], how many articles are alive
    shown: Column  #: int32[c], how many of the candidates were shown (or read), the first; the others were drawn
    at: Column  #: int64[c + 1], request i has the candidates at[i] … at[i + 1] - 1
    item: Column  #: int32[P], candidates
    #: float32[P], the probability that a draw is of this article, where candidates are drawn, else 0
    chance: Column
    signals: Column  #: float32[P, signals]


PER_CANDIDATE = ("item", "chance", "signals")  #: fields of `Captures` that have a row a candidate


def midnight(time: int) -> int:
    """Midnight UTC of the day of a time, both ms."""
    return time // DAY * DAY


class StreamOptions(NamedTuple):
    """What a stream keeps, and of what moments; see `newsreplay.recommenders.neural.stream.stream.Stream`."""

    history: int  #: H, how many newest reads of a reader are kept
    bucket_ms: int = HOUR  #: width of a bucket
    lag: int = 0  #: completed buckets that are left out
    kept: float = 1.0  #: share of a count that is left after a further bucket
    per_bucket: bool = False  #: signals are of the newest completed bucket alone, not of all completed ones
    alive_ms: int = 24 * HOUR  #: an article is alive if it was read less than this ago
    candidates: int = 2000  #: of a read's slate, at most: those most recently read
    #: > 0: reads of a log without impressions are captured beside so many unread articles; impressions, too, have so
    #: many drawn candidates behind their own if `drawn`
    sampled: int = 0
    drawn: bool = False
    slates: int = READ  #: the kind of row that asks for a slate: a read, an impression, `ASKED`; `NONE`: none does
    leaves_out: bool = True  #: whether the article on screen is no candidate of a slate
    by_session: bool = False  #: histories are of sessions, not of readers
    ages: bool = False  #: times and sessions of reads are kept
    keep_reads: bool = True  #: reads enter the history that `Stream.profile` set
    key: np.uint64 = np.uint64(0)  #: of the drawing of samples
    published: bool = False  #: exposure, avoidance and clicks are looked up; set by the stream
