"""Slates: what was answered, as one array, and as a Parquet file with the publisher's own ids."""

from __future__ import annotations

from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import compiled, int64
from newsreplay.log.rows import READ, Column, Log


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


def fill(slates: Column, request: int, answers: list[Any], name: str) -> None:
    """Write answers (sequences of whole numbers) into `slates` from request `request` on, cut to k."""
    k = slates.shape[1]
    try:
        lengths = np.fromiter(map(len, answers), np.int64, len(answers))
        if lengths.max(initial=0) > k:
            answers = [answer[:k] for answer in answers]
            lengths = np.minimum(lengths, k)
        flat = np.array(list(chain.from_iterable(answers)))
    except (TypeError, ValueError):
        bad = next((answer for answer in answers if not hasattr(answer, "__len__")), None)
        raise RecommenderError(
            f"{name}.recommend returned {bad!r}; return a sequence of article codes, empty for no answer"
        ) from None
    if not flat.size:
        return
    if flat.dtype.kind not in "iu" or flat.ndim != 1:
        bad = next((x for x in chain.from_iterable(answers) if not isinstance(x, int | np.integer)), flat[0])
        raise RecommenderError(f"{name}.recommend returned {bad!r} in a slate; article codes are whole numbers")
    outside = flat[(flat < 0) | (flat > np.iinfo(np.int32).max)]
    if outside.size:
        raise RecommenderError(f"{name}.recommend returned {outside[0]} in a slate; article codes count from 0")
    slates[request : request + len(answers)][np.arange(k) < lengths[:, None]] = flat


def tidy(log: Log, first: int, end: int, slates: Column, request: int, known: int) -> tuple[Tidied, int]:
    """Drop the current article and repeated ones from the slates of rows first … end - 1, in place.

    `request` is the number of requests before `first`, `known` that of known articles. Returns what was
    dropped and the number of articles known at the end, or at the row where an unknown one was recommended.
    """
    counts = np.array([0, 0, -1, -1], np.int64)
    known = _tidy(log.kind, log.item, first, end, slates, request, known, counts)
    return Tidied(*counts.tolist()), known


@compiled
def _tidy(kind: Any, item: Any, first: int, end: int, slates: Any, request: int, known: int, counts: Any) -> int:
    for row in range(first, end):
        known = max(known, int64(item[row]) + 1)
        if kind[row] != READ:
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
            if candidate == item[row]:
                counts[0] += 1
            elif repeated:
                counts[1] += 1
            else:
                slate[kept] = candidate
                kept += 1
        slate[kept:] = -1
    return known
