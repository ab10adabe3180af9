"""The state of a stream: columns, flags and what is captured at a request."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import DAY, Column

SAMPLED = 255  #: kind of a capture: a read beside articles drawn at random, to be trained on, never answered
NONE = -1  #: behind the newest read of a history
WIDTH = 5  #: signals of an article, in the order of `newsreplay.recommenders.neural.models.model.SIGNALS`
EXPOSURE, AVOIDANCE, CLICKS, RATE, AGE = range(WIDTH)
NEVER = np.iinfo(np.int64).min
# Places of `_State.clock`, whole numbers about the stream as a whole.
START = 0  # time of the first row
ANCHOR = 1  # where bucket 0 begins
OPEN = 2  # the bucket that is being counted
NEXT = 3  # when it completes
IMPRESSIONS = 4  # in completed buckets
SEEN = 5  # whether there was an impression
SERIAL = 6  # pools walked so far
ALIVE = 7  # articles in the chain
LAST = 8  # the one read longest ago, -1 = none
CLOCK = 9
# What is counted of an article.
SHOWN, CLICKED, _READ = range(3)


class Rows(NamedTuple):
    """A stretch of rows in event-time order."""

    time: Column  #: int64[n], ms since the epoch, UTC
    kind: Column  #: uint8[n]
    user: Column  #: int32[n], -1 on publish rows
    item: Column  #: int32[n], -1 = no article on screen
    row: Column  #: int64[n], row of the log
    pool_at: Column  #: int64[n + 1], row i has the places pool_at[i] … pool_at[i + 1] - 1, none unless it has a pool
    pool: Column  #: int32[p], article codes
    clicked: Column  #: bool[p], meaningful on outcomes only


class Captures(NamedTuple):
    """What was known at each request of a stretch, in the order of the requests."""

    row: Column  #: int64[c], row of the log
    kind: Column  #: uint8[c], `IMPRESSION`, `READ` or `SAMPLED`
    time: Column  #: int64[c]
    user: Column  #: int32[c]
    history: Column  #: int32[c, H], what the reader read, oldest first from place 0, `NONE` behind
    length: Column  #: int32[c], reads in `history`
    history_signals: Column  #: float32[c, H, 5], 0 behind; [c, H, 0] without signals
    at: Column  #: int64[c + 1], request i has the candidates at[i] … at[i + 1] - 1
    item: Column  #: int32[P], candidates
    signals: Column  #: float32[P, 5]; [P, 0] without signals


def midnight(time: int) -> int:
    return time // DAY * DAY


class Options(NamedTuple):
    history: int
    bucket_ms: int
    lag: int
    per_bucket: bool
    alive_ms: int
    candidates: int
    sampled: int
    slates: bool
    signals: bool
    keep_reads: bool
    key: np.uint64
    published: bool
