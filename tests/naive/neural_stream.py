"""The slow, obvious oracle of `newsreplay.recommenders.neural.stream.stream`: everything recounted from the whole log.

Nothing is kept between requests. Counts go by time alone: whatever lies in a completed bucket lies in the past.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from newsreplay.log.rows import DAY, HISTORY, HOUR, IMPRESSION, OUTCOME, READ

SPANS = {"10m": 10 * 60_000, "1h": HOUR, "6h": 6 * HOUR, "24h": 24 * HOUR}

UNKNOWN = math.nan


class Row(NamedTuple):
    """A row of a log with its candidates."""

    time: int
    kind: int
    user: int = -1
    item: int = -1
    impression: int = -1
    pool: tuple[int, ...] = ()
    clicked: tuple[bool, ...] = ()

    @property
    def session(self) -> int:
        """A reader's sessions are those of days, three of them in turn; reads from before the log are in none."""
        return -1 if self.user < 0 or self.kind == HISTORY else 3 * self.user + self.time // DAY % 3


class Rules(NamedTuple):
    """The parameters of a stream."""

    history: int = 3
    bucket_ms: int = HOUR
    lag: int = 0
    counting: str = "cumulative"
    alive_ms: int = 3 * HOUR
    candidates: int = 4
    sampled: int = 0
    drawn: bool = False
    slates: int = READ
    keep_reads: bool = True
    by_session: bool = False
    kept: float = 1.0


class Capture(NamedTuple):
    """What was known at a request; of a drawn pool, all that may be in it."""

    row: int
    kind: str  #: impression, slate, read or sampled
    time: int
    user: int
    history: list[int]
    history_signals: list[list[float]]
    pool: list[int]
    signals: list[list[float]]
    ages: list[float]  #: hours since the reads of the history
    sessions: list[bool]  #: whether they are of the same session
    shown: int  #: how many of the pool are the impression's own
    alive: int


def bucket_of(rows: Sequence[Row], time: int, width: int) -> int:
    return (time - rows[0].time // DAY * DAY) // width


def signals(rows: Sequence[Row], asked: int, item: int, rules: Rules) -> list[float]:
    """Exposure, avoidance, clicks, rate and age of an article at row `asked`."""
    time = rows[asked].time
    newest = bucket_of(rows, time, rules.bucket_ms) - 1 - rules.lag
    first_impression = next((i for i, row in enumerate(rows) if row.kind == IMPRESSION), len(rows))
    shown: dict[int, Counter[int]] = {}  # article counts by bucket
    clicked: dict[int, Counter[int]] = {}
    read: dict[int, Counter[int]] = {}
    impressions: Counter[int] = Counter()
    for i, row in enumerate(rows):
        bucket = bucket_of(rows, row.time, rules.bucket_ms)
        if row.kind == IMPRESSION:
            impressions[bucket] += 1
            shown.setdefault(bucket, Counter()).update(set(row.pool))
        elif row.kind == OUTCOME:
            clicks = {article for article, click in zip(row.pool, row.clicked, strict=True) if click}
            clicked.setdefault(bucket, Counter()).update(clicks)
        elif row.kind in (READ, HISTORY) and i < first_impression:
            read.setdefault(bucket, Counter())[row.item] += 1

    def count(of: dict[int, Counter[int]], bucket: int) -> int:
        return of.get(bucket, Counter())[item]

    every = {*impressions, *clicked, *read}
    counting = [b for b in every if b <= newest] if rules.counting == "cumulative" else [newest]
    weight = {b: rules.kept ** (newest - b) for b in counting}
    exposures = sum(weight[b] * count(shown, b) for b in counting)
    clicks = sum(weight[b] * count(clicked, b) for b in counting)
    exposure, avoidance = UNKNOWN, UNKNOWN
    if exposures:
        exposure = exposures / sum(weight[b] * impressions[b] for b in counting)
        avoidance = max(0.0, 1 - clicks / exposures)
    most = max(read.get(newest, Counter({-1: 0})).values())
    if most and not impressions[newest]:
        rate = count(read, newest) / most
    else:
        rate = min(1.0, count(clicked, newest) / (count(shown, newest) + 0.01))
    known = next((row.time for row in rows[: asked + 1] if row.item == item), rows[0].time - DAY)
    age = max(1, math.ceil((time - known) / HOUR))
    return [exposure, avoidance, clicks + sum(weight[b] * count(read, b) for b in counting), rate, age]


def rolling(rows: Sequence[Row], asked: int, end: int, item: int) -> list[float]:
    """What happened to an article within minutes and hours of row `asked`, in the rows before `end`."""
    time = rows[asked].time

    def happened(kinds: tuple[int, ...], width: int) -> int:
        count = 0
        for row in rows[:end]:
            if row.kind not in kinds or not time - width < row.time <= time:
                continue
            if row.kind in (READ, HISTORY):
                count += row.item == item
            elif row.kind == IMPRESSION:
                count += item in row.pool
            else:
                count += any(a == item and c for a, c in zip(row.pool, row.clicked, strict=True))
        return count

    def rate(width: int) -> float:
        shown = happened((IMPRESSION,), width)
        return min(1.0, happened((OUTCOME,), width) / shown) if shown else UNKNOWN

    reads = [row.time for row in rows[:end] if row.kind in (READ, HISTORY) and row.item == item]
    known = next((row.time for row in rows[: asked + 1] if row.item == item), rows[0].time - DAY)
    return [
        *(happened((READ, HISTORY), width) for width in SPANS.values()),
        (time - reads[-1]) / HOUR if reads else UNKNOWN,
        (time - known) / HOUR,
        *(happened((IMPRESSION,), width) for width in SPANS.values()),
        *(rate(width) for width in SPANS.values()),
    ]


def history(
    rows: Sequence[Row], end: int, asked: Row, profiles: Mapping[int, Sequence[int]], rules: Rules
) -> list[tuple[int, int, int]]:
    """What a reader had read before row `end`, oldest first: article, time, session."""
    reader = asked.session if rules.by_session else asked.user
    items = [(item, rows[0].time - DAY, -1) for item in profiles.get(reader, ())]
    if rules.keep_reads:
        for row in rows[:end]:
            own = (row.session if rules.by_session else row.user) == reader
            if row.kind in (READ, HISTORY) and own and [item for item, *_ in items[-1:]] != [row.item]:
                items.append((row.item, row.time, row.session))
    return items[-rules.history :]


def alive(rows: Sequence[Row], end: int, time: int, rules: Rules) -> list[int]:
    """The articles read before row `end` and less than `alive_ms` before `time`, last read first."""
    items: list[int] = []
    for row in reversed(rows[:end]):
        if row.kind in (READ, HISTORY) and time - row.time < rules.alive_ms and row.item not in items:
            items.append(row.item)
    return items


def chance(rows: Sequence[Row], end: int, item: int, rules: Rules) -> float:
    """The probability that a draw for row `end` is of an article: half of them are even, half are reads of a day."""
    time = rows[end].time
    reads = [row.item for row in rows[:end] if row.kind in (READ, HISTORY) and row.time > time - DAY]
    even = 1 / max(1, len(alive(rows, end, time, rules)))
    return (even + reads.count(item) / len(reads)) / 2 if reads else even


def captures(rows: Sequence[Row], profiles: Mapping[int, Sequence[int]], rules: Rules) -> list[Capture]:
    """What a stream must have noted after all rows."""
    found = []

    def note(i: int, end: int, kind: str, pool: list[int], shown: int | None = None) -> None:
        row = rows[i]
        read = history(rows, end, row, profiles, rules)
        items = [item for item, *_ in read]

        def told(item: int) -> list[float]:
            return signals(rows, i, item, rules) + rolling(rows, i, end, item)

        found.append(
            Capture(
                i, kind, row.time, row.user, items, [told(item) for item in items], pool, [told(item) for item in pool],
                [(row.time - time) / HOUR for _, time, _ in read], [session == row.session for *_, session in read],
                len(pool) if shown is None else shown, len(alive(rows, end, row.time, rules)),
            )
        )  # fmt: skip

    for i, row in enumerate(rows):
        seen = {item for item, *_ in history(rows, i, row, profiles, rules)}
        if row.kind == IMPRESSION:
            others = [item for item in alive(rows, i, row.time, rules) if item not in {*seen, *row.pool}]
            note(i, i, "impression", [*row.pool, *(others if rules.drawn else [])], len(row.pool))
            if rules.slates == IMPRESSION:
                others = [item for item in alive(rows, i, row.time, rules) if item != row.item]
                note(i, i, "slate", others[: rules.candidates])
        elif row.kind == READ:
            living = alive(rows, i, row.time, rules)
            if rules.sampled and all(earlier.kind != IMPRESSION for earlier in rows[:i]) and row.item in living:
                others = [item for item in living if item not in {*seen, row.item}]
                note(i, i, "sampled", [row.item, *others], 1)
            if rules.slates == READ:
                others = [item for item in alive(rows, i + 1, row.time, rules) if item != row.item]
                note(i, i + 1, "read", others[: rules.candidates])
    return found


def published(rows: Sequence[Row], time: int, item: int, rules: Rules) -> list[float]:
    """Exposure, avoidance and clicks as AWRS's release has them, from all rows, later ones included."""
    table: dict[tuple[int, int], list[float]] = {}  # (article, bucket): exposures, clicks
    total: Counter[int] = Counter()
    for row in rows:
        if row.kind != IMPRESSION:
            continue
        bucket = bucket_of(rows, row.time, rules.bucket_ms)
        outcomes = [r for r in rows if r.kind == OUTCOME and r.impression == row.impression]
        for article in set(row.pool):
            click = any(
                a == article and c for outcome in outcomes for a, c in zip(outcome.pool, outcome.clicked, strict=True)
            )
            cell = table.setdefault((article, bucket), [0, 0])
            cell[0] += 1
            cell[1] += click
            total[bucket] += 1

    def told(article: int, bucket: int) -> list[float]:
        buckets = [b for a, b in table if a == article and b <= bucket]
        exposures = sum(table[article, b][0] for b in buckets)
        clicks = sum(table[article, b][1] for b in buckets)
        return [exposures / sum(total[b] for b in buckets), 1 - clicks / exposures, clicks]

    def normalised(value: float, of: int) -> float:
        values = [told(*cell)[of] for cell in table]
        return (value - min(values)) / (max(values) - min(values)) if max(values) > min(values) else 0.0

    bucket = bucket_of(rows, time, rules.bucket_ms) - 1 - rules.lag
    if (item, bucket) not in table:
        return [0.0, 0.0, 0.0]
    exposure, avoidance, clicks = told(item, bucket)
    return [normalised(exposure, 0), normalised(avoidance, 1), clicks]
