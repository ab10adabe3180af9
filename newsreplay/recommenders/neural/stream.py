"""What the stream tells a neural model at a moment: histories, counters of completed buckets, articles alive.

Nothing here sees the row after: histories hold what was read in earlier rows, and counters are read as of the last
completed bucket. They are what AWRS ("A Look Into News Avoidance Through AWRS", 2025: exposure, avoidance, clicks) and
PP-Rec (Qi et al. 2021: rate, age) ask for, made causal. Rows are walked a stretch at a time by one compiled kernel,
which notes for every request what a model needs to answer it, at the request's own moment; where the stretches are cut
changes nothing.

**Buckets** are `bucket_ms` wide and anchored at midnight UTC of the day of the first row. A request in bucket b reads
what was counted in buckets up to b - 1 - lag. What happens in a bucket is counted beside the totals, article by
article, and added to them when the bucket completes: only the articles that changed are touched, and empty buckets
cost nothing.

**Clicks** are those of outcomes, at the outcome's time, once per outcome. Until a first impression is met, reads
are counted in their place, so that logs without impressions have clicks, too; those stay in `CLICKS` but never enter
avoidance, which is of exposures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.recommenders.chain import Chain, chain, put_before, take_out
from newsreplay.simulator.kernels import compiled, int64, kernel, routine
from newsreplay.simulator.log import DAY, HOUR, IMPRESSION, OUTCOME, READ, Column, Log
from newsreplay.simulator.mixing import below, draw

SAMPLED = 255  #: kind of a capture: a read beside articles drawn at random, to be trained on, never answered
NONE = -1  #: behind the newest read of a history
WIDTH = 5  #: signals of an article, in the order of `newsreplay.recommenders.neural.model.SIGNALS`
_EXPOSURE, _AVOIDANCE, _CLICKS, _RATE, _AGE = range(WIDTH)

_NEVER = np.iinfo(np.int64).min

# Places of `_State.clock`, whole numbers about the stream as a whole.
_START = 0  # time of the first row
_ANCHOR = 1  # where bucket 0 begins
_OPEN = 2  # the bucket that is being counted
_NEXT = 3  # when it completes
_IMPRESSIONS = 4  # in completed buckets
_SEEN = 5  # whether there was an impression
_SERIAL = 6  # pools walked so far
_ALIVE = 7  # articles in the chain
_LAST = 8  # the one read longest ago, -1 = none
_CLOCK = 9

# What is counted of an article.
_SHOWN, _CLICKED, _READ = range(3)


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


class Published(NamedTuple):
    """Whole-period statistics as AWRS's release computes them: rows by article, then bucket."""

    anchor: int  #: ms, where bucket 0 begins
    width: int  #: ms
    lag: int  #: completed buckets left out of a look-up; -1 = look the bucket up that is being counted
    at: Column  #: int64[articles + 1], article a has the rows at[a] … at[a + 1] - 1
    bucket: Column  #: int64[n], increasing within an article
    value: Column  #: float32[n, 3], exposure, avoidance, clicks


def published_table(log: Log, bucket_ms: int, lag: int) -> Published:
    """The statistics of AWRS's release over a whole log, future included.

    Per article and bucket in which it was shown: exposures (once per impression) and clicks, both summed over the
    article's buckets so far. Exposure is their share of the exposures of all articles in these buckets, avoidance
    1 - clicks / exposures; both are min-max normalised over the whole table. Clicks stay a raw count.

    For comparisons only: what it tells at a moment depends on rows after it.
    """
    anchor = _midnight(int(log.time[0])) if log.time.size else 0
    articles = 1 + max(int(log.item.max(initial=-1)), int(log.pools.item.max(initial=-1)))
    shown = log.kind == IMPRESSION
    when = np.zeros(log.pools.at.size - 1, np.int64)
    when[log.impression[shown]] = log.time[shown]
    number = np.repeat(np.arange(when.size), np.diff(log.pools.at))
    pair, inverse = np.unique(number * max(articles, 1) + log.pools.item, return_inverse=True)
    clicked = np.bincount(inverse, log.pools.clicked, pair.size) > 0
    item, bucket = pair % max(articles, 1), (when[pair // max(articles, 1)] - anchor) // bucket_ms

    buckets = 1 + int(bucket.max(initial=0))
    cell, inverse = np.unique(item * buckets + bucket, return_inverse=True)
    item, bucket = cell // buckets, cell % buckets
    exposures = np.bincount(inverse, minlength=cell.size)
    at = np.searchsorted(item, np.arange(articles + 1))
    total = np.bincount(bucket, exposures, buckets)[bucket]
    begin = at[item]
    sums = [
        np.cumsum(counted) - np.concatenate([[0.0], np.cumsum(counted)])[begin]
        for counted in (exposures, np.bincount(inverse, clicked, cell.size), total)
    ]
    value = np.column_stack([_normalised(sums[0] / sums[2]), _normalised(1 - sums[1] / sums[0]), sums[1]])
    return Published(anchor, bucket_ms, lag, at.astype(np.int64), bucket.astype(np.int64), value.astype(np.float32))


def _normalised(values: Column) -> Column:
    """From 0 to 1; all 0 if all are equal."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.zeros(values.size)


def _midnight(time: int) -> int:
    return time // DAY * DAY


class _Options(NamedTuple):
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


class _Counters(NamedTuple):
    serial: Column  # int64[articles], the last pool walked that held the article
    counts: Column  # int32[articles, 3], in completed buckets
    # The buckets from the last completed one to the open one; bucket b has the place b % places.
    counted: Column  # int32[articles, places, 3], in the bucket
    changed: Column  # int32[articles, places]: changed[i, place], the i-th article counted in it
    changes: Column  # int64[places], how many there are
    bucket: Column  # int64[places], which bucket it is, _NEVER = none yet
    impressions: Column  # int64[places], in it
    most: Column  # int64[places], most reads of one article in it


class _Alive(NamedTuple):
    chain: Chain  # articles alive, last read first
    read_at: Column  # int64[articles], time of the last read, for articles in the chain
    item: Column  # int32[articles], the articles of the chain in no order
    place: Column  # int32[articles], where an article stands in `item`, -1 = not there


class _State(NamedTuple):
    # Kernels are given the parts that they need: compiling takes the longer, the more arrays they are handed.
    clock: Column  # int64[_CLOCK]
    read: Column  # int32[users, H], a ring
    reads: Column  # int64[users], how many were put there so far
    known: Column  # int64[articles], time of the first row that carried the article, _NEVER = none yet
    counters: _Counters
    alive: _Alive
    published: Published


class Stream:
    """What is known so far, advanced a stretch of rows at a time.

    `history` is H, how many newest reads of a reader are kept. `counting` is "cumulative" (totals of all completed
    buckets; an article not shown in the last ones keeps its counts) or "per_bucket" (the newest completed bucket
    alone); `lag` more completed buckets are left out. An article is alive if it was read less than `alive_ms` ago;
    a read's slate is made of the `candidates` most recently read ones at most.

    `sampled` > 0 has every read of a log without impressions captured once more, before it is learned, beside that
    many articles that the reader might have read instead. Without `slates` reads are no requests, without `signals`
    nothing is counted, without `keep_reads` readers keep the history that `profile` gave them. `key` keys the drawing.

    With `published`, exposure, avoidance and clicks are looked up there; rate and age remain causal, with lag 0 if
    `lag` is -1.
    """

    def __init__(
        self,
        history: int,
        *,
        bucket_ms: int = HOUR,
        lag: int = 0,
        counting: str = "cumulative",
        alive_ms: int = 24 * HOUR,
        candidates: int = 2000,
        sampled: int = 0,
        slates: bool = True,
        signals: bool = True,
        keep_reads: bool = True,
        key: int = 0,
        published: Published | None = None,
    ) -> None:
        if counting not in ("cumulative", "per_bucket"):
            raise ValueError(f"counting is cumulative or per_bucket, not {counting!r}")
        if lag < (0 if published is None else -1):
            raise ValueError(f"lag is {lag}, but only completed buckets may be read: it must be 0 or more")
        lag = max(lag, 0)
        self._options = _Options(
            history, bucket_ms, lag, counting == "per_bucket", alive_ms, candidates, sampled, slates, signals,
            keep_reads, np.uint64(key), published is not None,
        )  # fmt: skip
        self._state = _empty(history, lag + 2, published)

    @property
    def impressions_seen(self) -> bool:
        """Whether there was an impression among the rows so far."""
        return bool(self._state.clock[_SEEN])

    def ask_reads(self, slates: bool) -> None:
        """Whether reads are requests from now on."""
        self._options = self._options._replace(slates=slates)

    def profile(self, user: int, items: Any) -> None:
        """Set what a reader read before their first row, oldest first: article codes or handles <= -2.

        What no row has carried yet is taken as known since a day before the first row.
        """
        kept = np.asarray(items, np.int32)[-self._options.history :]
        self._make_room(user + 1, 1 + int(kept.max(initial=-1)))
        self._state.read[user, : kept.size] = kept
        self._state.reads[user] = kept.size

    def advance(self, rows: Rows) -> Captures:
        """Walk the next rows; returns what was known at each of their requests."""
        options = self._options
        if rows.time.size and self._state.clock[_START] == _NEVER:
            self._begin(int(rows.time[0]))
        self._make_room(
            1 + int(rows.user.max(initial=-1)),
            1 + max(int(rows.item.max(initial=-1)), int(rows.pool.max(initial=-1))),
        )
        shown, reads = rows.kind == IMPRESSION, int(np.count_nonzero(rows.kind == READ))
        requests = int(np.count_nonzero(shown))
        places = int(np.diff(rows.pool_at)[shown].sum())
        if options.slates:
            requests += reads
            places += reads * min(options.candidates, int(self._state.clock[_ALIVE]) + rows.time.size)
        if options.sampled and not self.impressions_seen:
            requests += reads
            places += reads * (1 + options.sampled)
        captures = _room_for(requests, places, options.history, WIDTH if options.signals else 0)
        made = int(_advance(rows, self._state, options, captures))
        last = int(captures.at[made])
        return Captures._make(
            [*(column[:made] for column in captures[:7]), captures.at[: made + 1]]
            + [column[:last] for column in captures[8:]]
        )

    def alive(self, time: int, but: int = NONE) -> Column:
        """The articles alive at `time`, int32, last read first: `candidates` at most, `but` left out."""
        out = np.empty(min(self._options.candidates, int(self._state.clock[_ALIVE])), np.int32)
        return out[: _list_alive(self._state.alive, self._options, time, but, out)]

    def _begin(self, time: int) -> None:
        clock, width = self._state.clock, self._options.bucket_ms
        clock[_START], clock[_ANCHOR] = time, _midnight(time)
        clock[_OPEN] = (time - clock[_ANCHOR]) // width
        clock[_NEXT] = clock[_ANCHOR] + (clock[_OPEN] + 1) * width

    def _make_room(self, users: int, articles: int) -> None:
        state, counters, links = self._state, self._state.counters, self._state.alive.chain
        if users <= state.reads.size and articles <= state.known.size:
            return
        users, articles = _size(state.reads.size, users), _size(state.known.size, articles)
        counted = articles if self._options.signals else 0
        self._state = state._replace(
            read=_enlarged(state.read, users, NONE),
            reads=_enlarged(state.reads, users, 0),
            known=_enlarged(state.known, articles, _NEVER),
            counters=counters._replace(
                serial=_enlarged(counters.serial, counted, 0),
                counts=_enlarged(counters.counts, counted, 0),
                counted=_enlarged(counters.counted, counted, 0),
                changed=_enlarged(counters.changed, counted, 0),
            ),
            alive=_Alive(
                links._replace(
                    after=_enlarged(links.after, articles, -1), before=_enlarged(links.before, articles, -1)
                ),
                _enlarged(state.alive.read_at, articles, 0),
                _enlarged(state.alive.item, articles, 0),
                _enlarged(state.alive.place, articles, -1),
            ),
        )


def _empty(history: int, places: int, published: Published | None) -> _State:
    clock = np.zeros(_CLOCK, np.int64)
    clock[_START], clock[_LAST] = _NEVER, -1
    none = np.empty(0, np.int64)
    if published is None:
        published = Published(0, 1, 0, np.zeros(1, np.int64), none, np.empty((0, 3), np.float32))
    return _State(
        clock,
        np.empty((0, history), np.int32),
        none,
        none,
        _Counters(
            none,
            np.empty((0, 3), np.int32),
            np.empty((0, places, 3), np.int32),
            np.empty((0, places), np.int32),
            np.zeros(places, np.int64),
            np.full(places, _NEVER, np.int64),
            np.zeros(places, np.int64),
            np.zeros(places, np.int64),
        ),
        _Alive(chain(0), none, np.empty(0, np.int32), np.empty(0, np.int32)),
        published,
    )


def _size(now: int, needed: int) -> int:
    """How large to make what must hold `needed`: at least twice as large, so that it seldom has to grow."""
    return now if needed <= now else max(needed, 2 * now)


def _enlarged(array: Column, size: int, fill: int) -> Column:
    if size == len(array):
        return array
    larger = np.full((size, *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger


def _room_for(requests: int, places: int, history: int, width: int) -> Captures:
    # Room for the slates of reads is seldom used up; pages that are never written are never occupied.
    return Captures(
        np.empty(requests, np.int64),
        np.empty(requests, np.uint8),
        np.empty(requests, np.int64),
        np.empty(requests, np.int32),
        np.full((requests, history), NONE, np.int32),
        np.empty(requests, np.int32),
        np.zeros((requests, history, width), np.float32),
        np.zeros(requests + 1, np.int64),
        np.empty(places, np.int32),
        np.empty((places, width), np.float32),
    )


@compiled
def _advance(rows: Any, state: Any, options: Any, captures: Any) -> int:
    """Walk the rows; returns how many captures were made."""
    clock, alive = state.clock, state.alive
    made = int64(0)  # one type for all whole numbers, lest kernels be compiled for each
    for i in range(rows.time.size):
        time, kind, user, item = rows.time[i], int64(rows.kind[i]), int64(rows.user[i]), int64(rows.item[i])
        if time >= clock[_NEXT]:
            _complete(clock, state.counters, options, time)
        if item >= 0 and state.known[item] == _NEVER:
            state.known[item] = time
        if kind == IMPRESSION:
            _open(state.read, state.reads, captures, made, rows.row[i], kind, time, user)
            end = captures.at[made]
            for j in range(rows.pool_at[i], rows.pool_at[i + 1]):
                captures.item[end] = rows.pool[j]
                end += 1
            _close(state, options, captures, made, end)
            made += 1
            clock[_SEEN] = 1
        elif kind >= READ:
            _expire(clock, alive, options, time)
            if kind == READ and options.sampled > 0 and clock[_SEEN] == 0:
                _open(state.read, state.reads, captures, made, rows.row[i], int64(SAMPLED), time, user)
                _close(state, options, captures, made, _sample(clock, alive, options, captures, made, item))
                made += 1
            if options.keep_reads:
                _remember(state.read, state.reads, user, item)
            _revive(clock, alive, time, item)
            if kind == READ and options.slates:
                _open(state.read, state.reads, captures, made, rows.row[i], kind, time, user)
                begin = captures.at[made]
                end = begin + _walk_alive(alive, options, time, item, captures.item[begin:])
                _close(state, options, captures, made, end)
                made += 1
        if options.signals:
            _count_row(clock, state.counters, rows, i, kind, item)
    return made


@kernel
def _complete(clock: Any, counters: Any, options: Any, time: int) -> None:
    """Open the bucket of `time` and add to the totals what has come to count by that."""
    read = clock[_OPEN] - 1 - options.lag
    clock[_OPEN] = (time - clock[_ANCHOR]) // options.bucket_ms
    clock[_NEXT] = clock[_ANCHOR] + (clock[_OPEN] + 1) * options.bucket_ms
    for place in range(counters.bucket.size):
        if read < counters.bucket[place] <= clock[_OPEN] - 1 - options.lag:
            clock[_IMPRESSIONS] += counters.impressions[place]
            for i in range(counters.changes[place]):
                item = counters.changed[i, place]
                for what in range(3):
                    counters.counts[item, what] += counters.counted[item, place, what]


@kernel
def _count_row(clock: Any, counters: Any, rows: Any, i: int, kind: int, item: int) -> None:
    """Count the exposures of an impression or the clicks of an outcome, an article once; or a read in their place."""
    if IMPRESSION <= kind <= OUTCOME:
        place = _open_place(clock, counters)
        clock[_SERIAL] += 1
        what = int64(_CLICKED)
        if kind == IMPRESSION:
            what = int64(_SHOWN)
            counters.impressions[place] += 1
        for j in range(rows.pool_at[i], rows.pool_at[i + 1]):
            shown = int64(rows.pool[j])
            if (what == _SHOWN or rows.clicked[j]) and counters.serial[shown] != clock[_SERIAL]:
                counters.serial[shown] = clock[_SERIAL]
                _count(counters, place, shown, what)
    elif kind >= READ and clock[_SEEN] == 0:
        place = _open_place(clock, counters)
        _count(counters, place, item, int64(_READ))
        counters.most[place] = max(counters.most[place], int64(counters.counted[item, place, _READ]))


@kernel
def _open_place(clock: Any, counters: Any) -> int:
    """The place of the open bucket, emptied of an earlier bucket, which has been added to the totals."""
    place = clock[_OPEN] % counters.bucket.size
    if counters.bucket[place] != clock[_OPEN]:
        for i in range(counters.changes[place]):
            for what in range(3):
                counters.counted[counters.changed[i, place], place, what] = 0
        counters.bucket[place] = clock[_OPEN]
        counters.changes[place] = 0
        counters.impressions[place] = 0
        counters.most[place] = 0
    return int64(place)


@kernel
def _count(counters: Any, place: int, item: int, what: int) -> None:
    counted = counters.counted
    if counted[item, place, 0] == 0 and counted[item, place, 1] == 0 and counted[item, place, 2] == 0:
        counters.changed[counters.changes[place], place] = item
        counters.changes[place] += 1
    counted[item, place, what] += 1


@kernel
def _remember(read: Any, reads: Any, user: int, item: int) -> None:
    """Add a read to its reader's history, unless it is the newest there."""
    count, size = reads[user], read.shape[1]
    if count == 0 or read[user, (count - 1) % size] != item:
        read[user, count % size] = item
        reads[user] = count + 1


@kernel
def _revive(clock: Any, alive: Any, time: int, item: int) -> None:
    """Put the article of a read before all others alive."""
    links = alive.chain
    if alive.place[item] < 0:
        alive.place[item] = clock[_ALIVE]
        alive.item[clock[_ALIVE]] = item
        clock[_ALIVE] += 1
        if links.first[0] < 0:
            clock[_LAST] = item
        put_before(links, item, links.first[0])
    elif links.first[0] != item:
        if clock[_LAST] == item:
            clock[_LAST] = links.before[item]
        take_out(links, item)
        put_before(links, item, links.first[0])
    alive.read_at[item] = time


@kernel
def _expire(clock: Any, alive: Any, options: Any, time: int) -> None:
    """Take the articles from those alive that were read too long ago."""
    while clock[_LAST] >= 0 and time - alive.read_at[clock[_LAST]] >= options.alive_ms:
        item = clock[_LAST]
        clock[_LAST] = alive.chain.before[item]
        take_out(alive.chain, item)
        clock[_ALIVE] -= 1
        place, other = alive.place[item], alive.item[clock[_ALIVE]]
        alive.item[place] = other
        alive.place[other] = place
        alive.place[item] = -1


@compiled
def _list_alive(alive: Any, options: Any, time: int, but: int, out: Any) -> int:
    return _walk_alive(alive, options, time, but, out)


@kernel
def _walk_alive(alive: Any, options: Any, time: int, but: int, out: Any) -> int:
    """Write the articles alive to `out`, last read first; returns how many."""
    count = 0
    item = alive.chain.first[0]
    while item >= 0 and count < options.candidates and time - alive.read_at[item] < options.alive_ms:
        if item != but:
            out[count] = item
            count += 1
        item = alive.chain.after[item]
    return int64(count)


@kernel
def _sample(clock: Any, alive: Any, options: Any, captures: Any, made: int, item: int) -> int:
    """Candidates of a read in training: its article, then others alive and unread; returns where they end."""
    length, count = captures.length[made], clock[_ALIVE]
    begin = captures.at[made]
    captures.item[begin] = item
    end = begin + 1
    # The first places of `alive.item` are shuffled one by one, so that no article comes up twice.
    for place in range(count):
        if end - begin > options.sampled:
            break
        other = place + below(count - place, draw(options.key, captures.row[made], place))
        drawn, moved = alive.item[other], alive.item[place]
        alive.item[place], alive.item[other] = drawn, moved
        alive.place[moved], alive.place[drawn] = other, place
        unread = drawn != item
        for i in range(length):
            unread = unread and captures.history[made, i] != drawn
        if unread:
            captures.item[end] = drawn
            end += 1
    return int64(end)


@routine
def _open(read: Any, reads: Any, captures: Any, made: int, row: int, kind: int, time: int, user: int) -> None:
    """Note a request and the history of its reader."""
    captures.row[made] = row
    captures.kind[made] = kind
    captures.time[made] = time
    captures.user[made] = user
    count, size = reads[user], read.shape[1]
    length = min(count, size)
    captures.length[made] = length
    for i in range(length):
        captures.history[made, i] = read[user, (count - length + i) % size]


@routine
def _close(state: Any, options: Any, captures: Any, made: int, end: int) -> None:
    """End the candidates of a request, and note the signals of all its articles."""
    begin, time, length = captures.at[made], captures.time[made], captures.length[made]
    captures.at[made + 1] = end
    if options.signals:
        for i in range(length + end - begin):
            if i < length:
                item, out = int64(captures.history[made, i]), captures.history_signals[made, i]
            else:
                place = begin + i - length
                item, out = int64(captures.item[place]), captures.signals[place]
            known = _NEVER
            if item >= 0:
                known = state.known[item]
            if known == _NEVER:
                known = state.clock[_START] - DAY
            out[_AGE] = max(1, (time - known + HOUR - 1) // HOUR)
            _tell(state.clock, state.counters, options, item, out)
            if options.published:
                _look_up(state.published, item, time, out)


@kernel
def _tell(clock: Any, counters: Any, options: Any, item: int, out: Any) -> None:
    """All signals but the age, as of the last bucket that counts."""
    out[_EXPOSURE] = np.nan
    out[_AVOIDANCE] = np.nan
    out[_CLICKS] = 0
    out[_RATE] = 0
    if item < 0:
        return
    newest = clock[_OPEN] - 1 - options.lag
    place = newest % counters.bucket.size
    met = counters.bucket[place] == newest  # anything was counted in it
    if met:
        out[_RATE] = _rate(counters.counted[item, place], counters.impressions[place], counters.most[place])
    if not options.per_bucket:
        _tell_counts(counters.counts[item], clock[_IMPRESSIONS], out)
    elif met:
        _tell_counts(counters.counted[item, place], counters.impressions[place], out)


@kernel
def _tell_counts(counts: Any, impressions: int, out: Any) -> None:
    if counts[_SHOWN] > 0:
        out[_EXPOSURE] = counts[_SHOWN] / impressions
        # The clicks of a bucket may be of impressions before it.
        out[_AVOIDANCE] = max(0.0, 1 - counts[_CLICKED] / counts[_SHOWN])
    out[_CLICKS] = counts[_CLICKED] + counts[_READ]


@kernel
def _rate(counts: Any, impressions: int, most: int) -> float:
    """Clicks per exposure in a bucket, 1 at most; before any impression, reads by the most reads of an article."""
    if impressions == 0 and most > 0:
        return float(counts[_READ] / most)
    return float(min(1.0, counts[_CLICKED] / (counts[_SHOWN] + 0.01)))


@kernel
def _look_up(table: Any, item: int, time: int, out: Any) -> None:
    """What the release tells: nothing is carried forward, and what is not in the table is 0."""
    out[_EXPOSURE] = 0
    out[_AVOIDANCE] = 0
    out[_CLICKS] = 0
    if item < 0 or item >= table.at.size - 1:
        return
    bucket = (time - table.anchor) // table.width - 1 - table.lag
    low, high = table.at[item], table.at[item + 1]
    end = high
    while low < high:
        middle = (low + high) // 2
        if table.bucket[middle] < bucket:
            low = middle + 1
        else:
            high = middle
    if low < end and table.bucket[low] == bucket:
        for i in range(3):
            out[i] = table.value[low, i]
