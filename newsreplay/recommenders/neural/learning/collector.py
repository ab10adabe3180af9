"""From captures to samples: an impression is captured at its row, and of use once its outcome is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from newsreplay.log.rows import DAY, Column, Event
from newsreplay.recommenders.neural.learning.samples import Samples, choose, stretches, with_candidates
from newsreplay.recommenders.neural.stream.state import PER_CANDIDATE, SAMPLED, Captures

MOST = 200_000  #: captures held between two trainings; of more, some drawn at random go
PATIENCE = DAY  #: an impression without an outcome by then is given up


class Collector:
    """Captures that wait for their outcome, or for the next training."""

    def __init__(self, key: int, most: int = MOST, passed_over: bool = True, delay: int = 0):
        self.key = key
        self.passed_over = passed_over  #: whether candidates that were shown and passed over are negatives
        self.most = most
        self.patience = PATIENCE + delay  #: ms; `delay` is how long outcomes are held back
        self.parts: list[Captures] = []
        self.held = 0
        self.dropped = 0  #: captures that there was no room for
        self.waiting: dict[
            tuple[int, tuple[int, ...]], deque[int]
        ] = {}  # (session, pool) → rows without an outcome yet
        self.outcomes: dict[int, tuple[bool, ...]] = {}  # row → which of its candidates were clicked

    def add_impression(self, impression: Event) -> None:
        """An impression, whose capture will follow."""
        self.waiting.setdefault((impression.session, impression.pool), deque()).append(impression.row)

    def add_outcome(self, outcome: Event) -> None:
        """The outcome of the oldest such impression in its session."""
        rows = self.waiting.get((outcome.session, outcome.pool))
        if rows:
            self.outcomes[rows.popleft()] = outcome.clicked
            if not rows:
                del self.waiting[outcome.session, outcome.pool]

    def take(self, captures: Captures) -> None:
        """Hold captures of impressions and samples; of too many, a draw decides which stay."""
        if not len(captures.row):
            return
        self.parts.append(captures)
        self.held += len(captures.row)
        if 4 * self.held > 5 * self.most:
            together = join_captures(self.parts)
            rng = np.random.default_rng([self.key, int(captures.row[-1])])
            stays = np.zeros(self.held, bool)
            stays[rng.choice(self.held, self.most, replace=False)] = True
            self.dropped += self.held - self.most
            self.parts, self.held = [choose_captures(together, stays)], self.most

    def complete(self, now: int) -> Samples | None:
        """Those with an outcome, if any has both clicks and what was passed over; the rest goes on waiting."""
        if not self.parts:
            return None
        captured = join_captures(self.parts)
        sampled = captured.kind == SAMPLED
        known = sampled | np.array([row in self.outcomes for row in captured.row.tolist()], bool)
        complete = choose_captures(captured, known)
        clicked = np.zeros(len(complete.item), bool)
        drawn = np.ones(len(complete.item), bool)
        for place, begin, shown in zip(
            range(len(complete.row)), complete.at[:-1].tolist(), complete.shown.tolist(), strict=True
        ):
            sample = complete.kind[place] == SAMPLED  # of the read itself
            clicked[begin : begin + shown] = True if sample else self.outcomes[int(complete.row[place])]
            drawn[begin : begin + shown] = False
        self._wait(choose_captures(captured, ~known & (captured.time > now - self.patience)))
        columns = {name: getattr(complete, name) for name in Samples._fields if name not in ("clicked", "drawn")}
        samples = Samples(**columns, clicked=clicked, drawn=drawn)
        if not self.passed_over:
            samples = with_candidates(samples, clicked | drawn)
            clicked = samples.clicked
        owner = np.repeat(np.arange(len(samples.time)), np.diff(samples.at))
        chosen, passed = (np.bincount(owner[which], minlength=len(samples.time)) for which in (clicked, ~clicked))
        useful = np.flatnonzero((chosen > 0) & (passed > 0))
        return choose(samples, useful) if len(useful) else None

    def clear(self) -> None:
        """Nothing is trained any more."""
        self.parts, self.held = [], 0
        self.waiting.clear()
        self.outcomes.clear()

    def _wait(self, rest: Captures) -> None:
        self.parts, self.held = ([rest] if len(rest.row) else []), len(rest.row)
        rows = set(rest.row.tolist())
        self.outcomes.clear()
        waiting = {key: deque(row for row in queue if row in rows) for key, queue in self.waiting.items()}
        self.waiting = {key: queue for key, queue in waiting.items() if queue}


def choose_captures(captures: Captures, which: Column) -> Captures:
    """Some captures, bool[c], in their order."""
    if which.all():
        return captures
    chosen = np.flatnonzero(which)
    places, at = stretches(captures.at, chosen)
    columns = {
        name: getattr(captures, name)[places if name in PER_CANDIDATE else chosen]
        for name in Captures._fields
        if name != "at"
    }
    return Captures(at=at, **columns)


def shown_alone(captures: Captures) -> Captures:
    """The same without candidates that were drawn."""
    lengths = np.diff(captures.at)
    if (captures.shown == lengths).all():
        return captures
    place = np.arange(len(captures.item)) - np.repeat(captures.at[:-1], lengths)
    kept = place < np.repeat(captures.shown, lengths)
    at = np.concatenate([[0], np.cumsum(captures.shown)])
    return captures._replace(at=at, **{name: getattr(captures, name)[kept] for name in PER_CANDIDATE})


def join_captures(parts: Sequence[Captures]) -> Captures:
    """Captures of several stretches."""
    if len(parts) == 1:
        return parts[0]
    begin = np.cumsum([0, *(part.at[-1] for part in parts)])
    at = [part.at[:-1] + first for part, first in zip(parts, begin, strict=False)]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Captures._fields if name != "at"
    }
    return Captures(at=np.concatenate([*at, begin[-1:]]), **columns)
