"""Readers of models that are told contents of what was read: each is worked out once and kept until it reads again.

Which vectors are kept is decided before a batch, and what a reader is worked out beside after those before it in the
log: nothing later in the log changes a bit of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from newsreplay.log.rows import Column
from newsreplay.recommenders.neural.learning.cache import VectorCache, autocast, cut, part_of
from newsreplay.recommenders.neural.learning.requests import RequestBatch
from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.model import UNKNOWN, NewsModel, Read, unrounded

KEPT = 2**27  #: bytes of readers that are kept
FEW, MANY = 4, 32  #: readers worked out at a time, on a processor and on a GPU
READERS = 2**17  #: of whom it is kept how they were last, where vectors may be used longer


class Staleness(NamedTuple):
    """How far readers had gone on."""

    answers: int = 0
    stale: int = 0  #: from vectors of readers who had read since
    behind: int = 0  #: reads since, of these together


class KeptReaders:
    """What `NewsModel.readers` makes of what was read.

    `together` requests are answered at a time. With `lazy_ms` a reader's vector is used although the reader has read
    since, if it was that of the reader less than so long ago.
    """

    def __init__(self, model: NewsModel, cache: VectorCache, together: int, lazy_ms: int = 0, most: int = KEPT):
        self.model = model
        self.cache = cache
        self.few = min(together, FEW if cache.device.type == "cpu" else MANY)
        self.lazy_ms = lazy_ms
        self.most = most
        self.staleness = Staleness()
        self.made = 0  #: readers, how often
        self.version = cache.version
        self.kept: dict[bytes, tuple[Tensor, ...]] = {}  #: by what was read, those used last behind
        self.bytes = 0  #: of these
        self.last: dict[int, tuple[int, bytes]] = {}  #: by reader: when its vector was right last, and of what it was

    def of(self, batch: RequestBatch, count: int) -> tuple[Tensor, ...]:
        """Tensors of `count` rows, of which the first are the requests' readers, in the order of the requests."""
        self._make_room()
        keys = self._keys(batch.history)
        new: dict[bytes, int] = {}
        for place, own in enumerate(keys):
            if self.lazy_ms:
                keys[place] = self._lately(int(batch.reader[place]), int(batch.time[place]), own, new)
            if keys[place] not in self.kept:
                new.setdefault(keys[place], place)
        self._make(list(new), batch.history[list(new.values())])
        for key in keys:
            self.kept[key] = self.kept.pop(key)
        rows = [self.kept[key] for key in keys]
        padded = rows + rows[:1] * (count - len(rows))
        return tuple(torch.stack(column) for column in zip(*padded, strict=True))

    def _keys(self, history: Column) -> list[bytes]:
        """What was read, and how often it has changed, as bytes."""
        changed = self.cache.changes(history)
        return [row.tobytes() for row in np.concatenate([history, changed], 1).astype(np.int32)]

    def _lately(self, reader: int, now: int, own: bytes, new: dict[bytes, int]) -> bytes:
        """What a reader had read by the time of the vector that is used."""
        self.staleness = self.staleness._replace(answers=self.staleness.answers + 1)
        at, before = self.last.get(reader, (0, b""))
        there = before in self.kept or before in new
        if own != before and own not in self.kept and own not in new and there and now - at < self.lazy_ms:
            answers, stale, behind = self.staleness
            self.staleness = Staleness(answers, stale + 1, behind + reads_between(_read(before), _read(own)))
            return before
        self.last.pop(reader, None)
        self.last[reader] = now, own
        return own

    def _make_room(self) -> None:
        """Forget what no longer holds, and of too much what was not used for the longest time."""
        if self.version != self.cache.version:
            self.version = self.cache.version
            self.kept.clear()
            self.last.clear()
            self.bytes = 0
        while self.bytes > self.most:
            oldest = next(iter(self.kept))
            self.bytes -= _bytes(oldest, self.kept.pop(oldest))
        while len(self.last) > READERS:
            del self.last[next(iter(self.last))]

    def _make(self, keys: Sequence[bytes], history: Column) -> None:
        """Work out readers, those together whose own reads are about as many and as long."""
        if not keys:
            return
        contents = self.cache.articles.contents(history.ravel())
        longest = np.ones(len(keys), np.int64)
        for name in self.cache.texts:
            longest = np.maximum(longest, part_of(contents.columns[name]).reshape(history.shape).max(1, initial=1))
        reads = 1 << np.ceil(np.log2(np.maximum((history > 0).sum(1), 1))).astype(np.int64)
        for width, part in sorted(set(zip(reads.tolist(), longest.tolist(), strict=True))):
            places = np.flatnonzero((reads == width) & (longest == part))
            for first in range(0, len(places), self.few):
                some = places[first : first + self.few]
                made = self._together(history[some, :width], part)
                for number, place in enumerate(some.tolist()):
                    rows = tuple(unrounded(tensor[number]).clone() for tensor in made)
                    self.kept[keys[place]] = rows
                    self.bytes += _bytes(keys[place], rows)

    def _together(self, history: Column, part: int) -> tuple[Tensor, ...]:
        slots = np.zeros((self.few, history.shape[1]), np.int64)
        slots[: len(history)] = history
        device = self.cache.device
        contents = self.cache.articles.contents(slots.ravel())
        contents = contents.replaced(**{name: cut(contents.columns[name], part) for name in self.cache.texts})
        self.made += len(history)
        nothing = torch.zeros(*slots.shape, 0, device=device)
        with autocast(device):
            return self.model.readers(
                Read(
                    nothing,
                    torch.from_numpy(slots > 0).to(device),
                    Columns((), nothing),
                    Columns((), nothing),
                    torch.full((self.few,), UNKNOWN, device=device),
                    contents.each(lambda column: column.reshape(*slots.shape, *column.shape[1:]).to(device)),
                )
            )


def reads_between(before: Column, now: Column) -> int:
    """How many reads follow on those in `before`, slots oldest first, to make `now`; all if nothing of it is left.

    >>> reads_between(np.array([4, 7, 2]), np.array([7, 2, 9]))
    1
    """
    for count in range(len(now) + 1):
        rest = now[: len(now) - count]
        if len(rest) <= len(before) and np.array_equal(rest, before[len(before) - len(rest) :]):
            return count
    return len(now)


def _read(key: bytes) -> Column:
    slots = np.frombuffer(key, np.int32)
    slots = slots[: len(slots) // 2]
    return slots[slots > 0]


def _bytes(key: bytes, rows: Sequence[Tensor]) -> int:
    return len(key) + sum(row.nbytes for row in rows)
