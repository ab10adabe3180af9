"""Samples: impressions with their outcomes, kept as they were seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column


class Samples(NamedTuple):
    """n impressions: what a reader had read, was offered and clicked. Features are those of their time.

    Articles are item codes as in the captures of a stream (`newsreplay.recommenders.neural.stream.state.Captures`).
    """

    row: Column  #: int64[n], row of the log
    time: Column  #: int64[n], ms
    user: Column  #: int32[n]
    history: Column  #: int32[n, H], oldest first; -1 behind the last
    length: Column  #: int32[n], how many of these there are
    history_signals: Column  #: float32[n, H, signals]
    history_age: Column  #: float32[n, H], hours since the read; [n, 0] for models that are not told
    history_session: Column  #: bool[n, H], whether it was read in the same session; [n, 0] likewise
    alive: Column  #: int32[n], how many articles were alive
    at: Column  #: int64[n + 1], impression i has the places at[i] … at[i + 1] - 1
    item: Column  #: int32[places]
    clicked: Column  #: bool[places]
    drawn: Column  #: bool[places], not shown, but drawn from the articles alive
    chance: Column  #: float32[places], the probability that a draw is of this article; 0 where nothing was drawn
    signals: Column  #: float32[places, signals]


PER_PLACE = ("item", "clicked", "drawn", "chance", "signals")  #: fields of the candidates


def choose(samples: Samples, which: Column) -> Samples:
    """Some impressions, int64[m], in that order."""
    places, at = stretches(samples.at, which)
    columns = {
        name: getattr(samples, name)[places if name in PER_PLACE else which] for name in Samples._fields if name != "at"
    }
    return Samples(at=at, **columns)


def with_candidates(samples: Samples, which: Column) -> Samples:
    """The same impressions with some of their candidates, bool[places]."""
    at = np.concatenate([[0], np.cumsum(which)])[samples.at]
    return samples._replace(at=at, **{name: getattr(samples, name)[which] for name in PER_PLACE})


def stretches(at: Column, which: Column) -> tuple[Column, Column]:
    """The places of stretches `which` one after the other, and where each begins among them.

    >>> [part.tolist() for part in stretches(np.array([0, 2, 3, 6]), np.array([2, 0]))]
    [[3, 4, 5, 0, 1], [0, 3, 5]]
    """
    lengths = at[which + 1] - at[which]
    begin = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(begin[-1]) + np.repeat(at[which] - begin[:-1], lengths)
    return places, begin


def joined(parts: Sequence[Samples]) -> Samples:
    """Impressions of several, one after the other; there must be one part at least."""
    begin = np.cumsum([0, *(part.at[-1] for part in parts)])
    at = [part.at[:-1] + first for part, first in zip(parts, begin, strict=False)]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Samples._fields if name != "at"
    }
    return Samples(at=np.concatenate([*at, begin[-1:]]), **columns)


class Reservoir:
    """A uniform sample of all impressions put in so far (Vitter 1985, algorithm R)."""

    def __init__(self, size: int):
        self.size = size
        self.kept: Samples | None = None
        self.seen = 0

    def put(self, new: Samples, rng: np.random.Generator) -> None:
        """Take in impressions, in order."""
        kept = 0 if self.kept is None else len(self.kept.time)
        together = new if self.kept is None else joined([self.kept, new])
        count = len(new.time)
        fits = min(count, self.size - kept)
        place = np.arange(kept + fits)
        number = self.seen + np.arange(fits, count)
        into = rng.integers(0, number + 1) if len(number) else number
        stays = into < self.size
        place[into[stays]] = kept + fits + np.flatnonzero(stays)  # of several for one place the last one stays
        self.kept = choose(together, place)
        self.seen += count


def clicks(samples: Samples) -> tuple[Column, Column]:
    """What can be learned from: (impression, place) of every click in an impression that passed something over."""
    owner = np.repeat(np.arange(len(samples.time)), np.diff(samples.at))
    passed = np.bincount(owner[~samples.clicked], minlength=len(samples.time))
    place = np.flatnonzero(samples.clicked & (passed[owner] > 0))
    return owner[place], place


def newest_of_readers(samples: Samples, least: int) -> Column:
    """The last impression of every reader who had read `least` articles by then, int64[m], in their order."""
    _, first = np.unique(samples.user[::-1], return_index=True)
    last = np.sort(len(samples.user) - 1 - first)
    newest: Column = last[samples.length[last] >= least]
    return newest


def negatives(samples: Samples, impression: Column, count: int, rng: np.random.Generator) -> tuple[Column, Column]:
    """Candidates to set m clicks against, drawn without replacement.

    `count` that were passed over, and as many that were drawn from the articles alive behind these, if there are any;
    where nothing was passed over, `count` of those drawn. Places int64[m, columns], and bool[m, columns]: False where
    an impression has fewer.
    """
    places, begin = stretches(samples.at, impression)
    owner = np.repeat(np.arange(len(impression)), np.diff(begin))
    drawn = samples.drawn[places]
    passed = ~samples.clicked[places] & ~drawn
    has_passed = np.bincount(owner[passed], minlength=len(impression))[owner] > 0
    behind = drawn & has_passed
    blocks = [passed | (drawn & ~has_passed)] + [behind] * bool(behind.any())
    parts = [_some(places[which], owner[which], len(impression), count, rng) for which in blocks]
    return np.column_stack([part[0] for part in parts]), np.column_stack([part[1] for part in parts])


def _some(places: Column, owner: Column, owners: int, count: int, rng: np.random.Generator) -> tuple[Column, Column]:
    order = np.lexsort((rng.random(len(places)), owner))
    first = np.searchsorted(owner, np.arange(owners))  # owners are in order, so the shuffled ones are too
    left = np.bincount(owner, minlength=owners)
    step = np.arange(count)
    real = step < left[:, None]
    drawn = places[order[np.where(real, first[:, None] + step, 0)]] if len(places) else np.zeros(real.shape, np.int64)
    return drawn, real
