"""VMIS-kNN as a competent engineer writes it in plain Python, made for speed.

The other side of the benchmark "compiled against good plain Python" for session neighbours, and a second
implementation to compare answers with: the same neighbours, the same order, in floating point. Beside
`benchmarks/plain.py`, with the same two methods.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from itertools import chain
from math import log

from newsreplay.log.rows import HOUR, READ, Event

LOW = (1 << 32) - 1


class Visit:
    """A session in the index: when it began, and its articles in the order of their latest reads."""

    __slots__ = ("begun", "items")

    def __init__(self, begun: int) -> None:
        self.begun = begun
        self.items: list[int] = []


class VMIS:
    """Kersbergen et al. 2022 over the sessions that began in the last hours, weights being linear in the position."""

    def __init__(self, neighbours: int = 100, sample: int = 500, hours: int = 48, length: int = 20) -> None:
        self.neighbours, self.sample, self.window, self.length = neighbours, sample, hours * HOUR, length
        self.visits: dict[int, Visit] = {}  # by session, in the order in which they began
        self.lists: dict[int, deque[int]] = {}  # article -> row << 32 | session, the most recent first
        self.holders: dict[int, int] = {}
        self.last: dict[int, int] = {}

    def learn(self, event: Event) -> None:
        if event.kind < READ:
            return
        item, session = event.item, event.session
        self.last[item] = event.row
        if session < 0:
            return
        self._expire(event.time)
        visit = self.visits.get(session)
        if visit is None:
            visit = self.visits[session] = Visit(event.time)
        items = visit.items
        if item in items:
            items.remove(item)
            items.append(item)
            return
        items.append(item)
        self.holders[item] = self.holders.get(item, 0) + 1
        if item not in self.lists:
            self.lists[item] = deque(maxlen=self.sample)
        self.lists[item].appendleft(event.row << 32 | session)
        if len(items) > self.length:
            oldest = items.pop(0)
            self._let_go(oldest)
            if oldest in self.lists:
                self.lists[oldest] = deque((e for e in self.lists[oldest] if e & LOW != session), self.sample)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        self._expire(request.time)
        own = self.visits.get(request.session)
        if own is None:
            return []
        recent = own.items[::-1]
        similarity, common = self._sample(recent, request.session)
        if len(similarity) > self.neighbours:
            # A dict keeps the order in which the sessions were met, the most recent first; nlargest is stable.
            near = heapq.nlargest(self.neighbours, similarity, key=similarity.__getitem__)
        else:
            near = list(similarity)
        visits, score = self.visits, dict[int, float]()
        size = len(recent)
        for session in near:
            weight = similarity[session] * (size - common[session])
            for item in visits[session].items:
                score[item] = score.get(item, 0) + weight
        for item in recent:
            score.pop(item, None)
        sessions, holders, last = len(visits), self.holders, self.last
        for item in score:
            score[item] *= log(sessions / holders[item])
        if k == 1:
            most = max(score.values(), default=0.0)
            return [max((i for i, value in score.items() if value == most), key=last.__getitem__)] if most > 0 else []
        best = heapq.nlargest(k, score, key=lambda item: (score[item], last[item]))
        return [item for item in best if score[item] > 0]

    def _sample(self, recent: list[int], own: int) -> tuple[dict[int, int], dict[int, int]]:
        """The sessions that came to hold one of these articles last: similarities, and the last article shared."""
        size, visits = len(recent), self.visits
        lists = [self.lists[item] for item in recent if item in self.lists]
        if size == 1:  # equally near, so that the most recent ones are the nearest
            met: dict[int, int] = {}
            for entry in lists[0]:
                session = entry & LOW
                if session != own and session in visits:
                    met[session] = size
                    if len(met) == self.neighbours:
                        break
            return met, dict.fromkeys(met, 0)
        met = {}
        common: dict[int, int] = {}
        full = self.sample
        # Each list is a descending run, which sorting takes as it is.
        for entry in sorted(chain.from_iterable(lists), reverse=True):
            session = entry & LOW
            if session not in met and session != own and session in visits:
                met[session] = 0
                if len(met) == full:
                    break
        for back, item in enumerate(recent):
            weight = size - back
            for entry in self.lists.get(item, ()):
                session = entry & LOW
                if session in met:
                    met[session] += weight
                    if session not in common:
                        common[session] = back
        return met, common

    def _expire(self, now: int) -> None:
        visits = self.visits
        while visits:
            session = next(iter(visits))
            if now - visits[session].begun < self.window:
                break
            for item in visits.pop(session).items:
                self._let_go(item)

    def _let_go(self, item: int) -> None:
        self.holders[item] -= 1
        if not self.holders[item]:
            del self.holders[item], self.lists[item]
