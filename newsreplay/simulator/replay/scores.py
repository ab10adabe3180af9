"""Scores of impressions: what was answered to each pool, as one array beside the candidates."""

from __future__ import annotations

from array import array

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.log.rows import IMPRESSION, Column, Log
from newsreplay.simulator.replay.answers import WANTED_SCORES


def fill(log: Log, scores: Column, impression: int, answers: list[array[float]], name: str) -> None:
    """Write answers, one number per candidate each, into `scores` from impression number `impression` on."""
    placed, end = log.pools.at[[impression, impression + len(answers)]].tolist()
    scores[placed:end] = np.frombuffer(b"".join(answers))
    check(log, scores, placed, end, name)


def check(log: Log, scores: Column, placed: int, end: int, name: str) -> None:
    """Raise `RecommenderError` if one of the scores placed … end - 1 is NaN or inf."""
    bad = placed + np.flatnonzero(~(scores[placed:end] < np.inf))
    if bad.size:
        number = int(np.searchsorted(log.pools.at, bad[0], side="right")) - 1
        row = np.flatnonzero(log.kind == IMPRESSION)[number]
        raise RecommenderError(f"{name}.score returned {scores[bad[0]]} as a score at row {row}; {WANTED_SCORES}")
