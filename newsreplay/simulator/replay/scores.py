"""Scores of impressions: what was answered to each pool, as one array beside the candidates."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.log.rows import IMPRESSION, Column, Log


def fill(log: Log, scores: Column, impression: int, answers: list[Any], name: str) -> None:
    """Write answers (a sequence of numbers each) into `scores` from impression number `impression` on."""
    at = log.pools.at[impression : impression + len(answers) + 1]
    placed, end = int(at[0]), int(at[-1])
    for number, (answer, candidates) in enumerate(zip(answers, np.diff(at).tolist(), strict=True), impression):
        try:
            count = len(answer)
        except TypeError:
            raise _error(log, number, name, repr(answer)) from None
        if count != candidates:
            raise _error(log, number, name, f"{count} scores for {candidates} candidates")
    try:
        flat = np.array(list(chain.from_iterable(answers)))
    except ValueError:  # some are numbers, some are lists
        flat = np.array([None])
    if placed < end and (flat.ndim != 1 or flat.dtype.kind not in "biuf"):
        for number, answer in enumerate(answers, impression):
            for value in answer:
                if not _is_number(value):
                    raise _error(log, number, name, f"{value!r} as a score")
    if placed < end:
        scores[placed:end] = flat
        check(log, scores, placed, end, name)


def check(log: Log, scores: Column, placed: int, end: int, name: str) -> None:
    """Raise `RecommenderError` if one of the scores placed … end - 1 is NaN or inf."""
    bad = placed + np.flatnonzero(~(scores[placed:end] < np.inf))
    if bad.size:
        number = int(np.searchsorted(log.pools.at, bad[0], side="right")) - 1
        raise _error(log, number, name, f"{scores[bad[0]]} as a score")


def _is_number(value: Any) -> bool:
    """Whether it is a real number that float64 reaches."""
    if isinstance(value, int):
        return value.bit_length() < np.finfo(np.float64).maxexp
    return isinstance(value, float | np.integer | np.floating | np.bool_)


def _error(log: Log, impression: int, name: str, what: str) -> RecommenderError:
    row = np.flatnonzero(log.kind == IMPRESSION)[impression]
    return RecommenderError(
        f"{name}.score returned {what} at row {row}; return one finite number per candidate, "
        "or -inf for one that is not to be ranked"
    )
