"""The slow, obvious oracle of `newsreplay.recommenders.adapters`: what an online model is asked and taught, in order.

Everything is recounted from the whole log for every article.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from newsreplay.log.rows import DAY, HISTORY, HOUR, IMPRESSION, OUTCOME, READ, Log
from tests.naive.baselines import clicked_of, pool_of

SPANS = {"10m": HOUR // 6, "1h": HOUR, "6h": 6 * HOUR, "24h": 24 * HOUR}
READS = (READ, HISTORY)


class Step(NamedTuple):
    """A model is asked about articles, in any order, or taught which were clicked and that as many drawn were not."""

    row: int
    what: str  #: "asked" or "taught"
    items: list[int]
    clicked: list[bool]
    told: dict[int, dict[str, float]]  #: features by article, of all that might be drawn too
    drawable: set[int]


class OnlineByHand:
    """A log, looked at as it was before its row `end`."""

    def __init__(self, log: Log, *, candidates: int, hours: int, latest: int = 30) -> None:
        self.candidates, self.hours, self.latest = candidates, hours, latest
        self.rows = [
            (row, int(log.time[row]), int(log.kind[row]), int(log.session[row]), int(log.user[row]), int(log.item[row]))
            for row in range(len(log.time))
        ]
        self.category = [int(category) for category in log.category]
        self.pool = [pool_of(log, row) for row in range(len(log.time))]
        self.clicked = [clicked_of(log, row) for row in range(len(log.time))]

    def category_of(self, item: int, end: int) -> int | None:
        told = [self.category[row] for row, *_, other in self.rows[:end] if other == item and self.category[row] >= 0]
        return told[0] if told else None

    def alive(self, now: int, end: int) -> list[int]:
        """Last read first."""
        reads = [one[5] for one in self.rows[:end] if one[2] in READS and now - one[1] < self.hours * HOUR]
        return list(dict.fromkeys(reversed(reads)))

    def history(self, user: int, end: int) -> list[tuple[int, int]]:
        """The articles that a reader read last, with their sessions; the same one at once after itself is one."""
        read: list[tuple[int, int]] = []
        for _, _, kind, session, other, item in self.rows[:end]:
            if kind in READS and other == user and (not read or read[-1][0] != item):
                read.append((item, session))
        return read[-self.latest :]

    def count(self, what: int, item: int, now: int, end: int, width: int) -> int:
        inside = [one for one in self.rows[:end] if now - width < one[1] <= now]
        if what == READ:
            return sum(one[2] in READS and one[5] == item for one in inside)
        if what == IMPRESSION:
            return sum(one[2] == IMPRESSION and item in self.pool[one[0]] for one in inside)
        clicks = [zip(self.pool[one[0]], self.clicked[one[0]], strict=True) for one in inside if one[2] == OUTCOME]
        return sum(any(other == item and clicked for other, clicked in pool) for pool in clicks)

    def features(self, item: int, asked: int, end: int, named: int) -> dict[str, float]:
        """`end`: what has been counted lies before it; `named`: what has told a category."""
        _, now, _, session, user, _ = self.rows[asked]
        known = next(one[1] for one in self.rows if one[5] == item)
        reads = [one[1] for one in self.rows[:end] if one[2] in READS and one[5] == item]
        idle = (now - (reads[-1] if reads else known)) / HOUR
        told: dict[str, float] = {}
        for span, width in SPANS.items():
            shown = self.count(IMPRESSION, item, now, end, width)
            clicks = self.count(OUTCOME, item, now, end, width)
            told[f"reads_{span}"] = math.log(1 + self.count(READ, item, now, end, width))
            told[f"shown_{span}"] = math.log(1 + shown)
            told[f"click_rate_{span}"] = min(1, clicks / shown) if shown else 0
        history = self.history(user, end)
        categories = [self.category_of(other, named) for other, _ in history]
        own = self.category_of(item, named)
        alike = [own is not None and other == own for other in categories]
        return told | {
            "idle_hours": math.log(1 + idle),
            "known_hours": math.log(1 + (now - known) / HOUR),
            "taste": sum(alike) / len(alike) if alike else 0,
            "same_category": float(alike[-1]) if alike else 0,
            "read_before": float(item in [other for other, _ in history]),
            "session_reads": math.log(1 + sum(of == session for _, of in history)),
            "time_of_day": now % DAY / DAY,
        }

    def step(self, row: int, what: str, items: list[int], clicked: list[bool], end: int, named: int) -> Step:
        _, now, _, _, user, _ = self.rows[row]
        read = {item for item, _ in self.history(user, end)}
        drawable = set(self.alive(now, end)) - read - set(items) if what == "taught" else set()
        told = {item: self.features(item, row, end, named) for item in {*items, *drawable}}
        return Step(row, what, items, clicked, told, drawable)

    def steps(self) -> Iterator[Step]:
        waiting: list[tuple[int, Step]] = []
        for row, now, kind, session, _, item in self.rows:
            if kind == IMPRESSION:
                yield self.step(row, "asked", self.pool[row], [], row, row)
                waiting.append((row, self.step(row, "taught", self.pool[row], [], row, row)))
            elif kind == OUTCOME:
                for asked, step in waiting:
                    if self.rows[asked][3] == session and self.pool[asked] == self.pool[row]:
                        waiting.remove((asked, step))
                        if now - self.rows[asked][1] < DAY:
                            clicks = [one for one, hit in zip(step.items, self.clicked[row], strict=True) if hit]
                            yield step._replace(clicked=self.clicked[row], drawable=set())
                            if clicks:
                                yield step._replace(items=clicks, clicked=[True] * len(clicks))
                        break
            elif kind == READ:
                if item in self.alive(now, row) and not any(one[2] == IMPRESSION for one in self.rows[:row]):
                    yield self.step(row, "taught", [item], [True], row, row + 1)
                others = [other for other in self.alive(now, row + 1) if other != item]
                yield self.step(row, "asked", others[: self.candidates], [], row + 1, row + 1)
