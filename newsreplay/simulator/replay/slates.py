"""Slates: what was answered, as one array."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import compiled, int64
from newsreplay.log.rows import Column, Excludes, Log
from newsreplay.simulator import scratch
from newsreplay.simulator.replay.answers import LARGEST_CODE, AnswerError, Codes, Collected, check_codes


class Drops(NamedTuple):
    """Articles dropped from a plain recommender's answers because they may not stand there."""

    current: int  #: times the article on screen was recommended
    repeated: int  #: times an article stood in a slate again


NO_DROPS = Drops(0, 0)


class Tidied(NamedTuple):
    """What `tidy` dropped, and the first unknown article it met."""

    current: int
    repeated: int
    unknown_row: int  #: -1 = none
    unknown_item: int


def unanswered(requests: int, k: int, places: int) -> tuple[Column, Column]:
    """Slates for so many requests, int32[requests, k], and scores of so many candidates, all yet to be answered.

    Raises `NoRoomError`.
    """
    return scratch.full((requests, k), -1, np.int32), scratch.full(places, -np.inf, np.float64)


def fill(log: Log, asking: int, slates: Column, request: int, answers: Collected, codes: Codes, name: str) -> None:
    """Write answers, those to request `request` and what follows, into `slates`, which are these requests' own.

    They have at most as many entries as a slate has places; rows of kind `asking` are requests.

    Raises `RecommenderError` for an entry that no article can have as its code, and for ids that no known one has.
    """
    entries = answers.entries
    try:
        if codes.ids or any(issubclass(kind, str) for kind in set(map(type, entries))):
            entries = codes.of(entries)
        whole = all(issubclass(kind, int | np.integer) and kind is not bool for kind in set(map(type, entries)))
        flat = np.array(entries if whole else [-1], np.int64)
    except (AnswerError, OverflowError):
        flat = np.array([-1])
    if ((flat < 0) | (flat > LARGEST_CODE)).any():
        _refuse(np.flatnonzero(log.kind == asking), request, answers, codes, name)
    lengths = np.diff(np.array(answers.ends, np.int64), prepend=0)
    slates[np.arange(slates.shape[1]) < lengths[:, None]] = flat


def _refuse(rows: Column, request: int, answers: Collected, codes: Codes, name: str) -> None:
    for number, answer in enumerate(answers.each(), request):
        try:
            check_codes(codes.of(answer))
        except AnswerError as error:
            raise RecommenderError(
                f"{name}.recommend returned {error.what} at row {rows[number]}; {error.wanted}"
            ) from None


def tidy(
    log: Log, asking: int, first: int, end: int, slates: Column, known: int, exclude: Excludes = "current"
) -> tuple[Tidied, int]:
    """Drop repeated articles, and the current one unless nothing is excluded, from slates, in place.

    Rows of kind `asking` are requests, and those among rows first … end - 1 are answered with `slates`; `known` is the
    number of known articles before them. Returns what was dropped and the number of articles known at the end, or at
    the row where an unknown one was recommended.
    """
    counts = np.array([0, 0, -1, -1], np.int64)
    known = _tidy(log, asking, first, end, slates, exclude != "nothing", known, counts)
    return Tidied(*counts.tolist()), known


@compiled
def _tidy(log: Any, asking: int, first: int, end: int, slates: Any, leaves_out: bool, known: int, counts: Any) -> int:
    request = 0
    for row in range(first, end):
        known = max(known, int64(log.item[row]) + 1)
        if log.kind[row] != asking:
            continue
        slate = slates[request]
        request += 1
        kept = 0
        for place in range(slate.size):
            candidate = slate[place]
            if candidate < 0:
                break
            if candidate >= known:
                counts[2], counts[3] = row, candidate
                return known
            repeated = False
            for i in range(kept):
                repeated = repeated or slate[i] == candidate
            if leaves_out and candidate == log.item[row]:
                counts[0] += 1
            elif repeated:
                counts[1] += 1
            else:
                slate[kept] = candidate
                kept += 1
        slate[kept:] = -1
    return known


class Writing:
    """Writes answers of a plain recommender into slates, tidied."""

    def __init__(self, log: Log, asking: int, k: int, codes: Codes, name: str, exclude: Excludes = "current"):
        self.log, self.asking, self.k, self.codes, self.name = log, asking, k, codes, name
        self.exclude = exclude

    def longest(self, begin: int, end: int) -> int:
        """The most articles that one of the requests begin … end - 1 asks for."""
        return self.k

    def write(
        self, first: int, end: int, request: int, answers: Collected, slates: Column, known: int
    ) -> tuple[Tidied, int]:
        """Write the answers of rows first … end - 1 into slates from request `request` on; the rest is as in `tidy`.

        Raises `RecommenderError` as `fill` does.
        """
        written = slates[request : request + len(answers.ends)]
        fill(self.log, self.asking, written, request, answers, self.codes, self.name)
        return tidy(self.log, self.asking, first, end, written, known, self.exclude)
