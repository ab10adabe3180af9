"""Metrics: values and intervals from the judge's sums."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from newsreplay.simulator.intervals import bounds
from newsreplay.simulator.judge import MEASURES, Outcomes
from newsreplay.simulator.log import Column

#: The judge's measures as they are reported, and whether they are means over sessions or over requests.
NAMES = {
    "event": ("event_success", "sessions"),
    "session": ("session_success", "sessions"),
    "hit_rate": ("session_hit_rate", "requests"),
    "mrr": ("session_mrr", "requests"),
    "ndcg": ("session_ndcg", "requests"),
    "recall": ("session_recall", "requests"),
}


class Result(NamedTuple):
    """One cell of `results.json`."""

    publisher: str
    recommender: str
    metric: str
    value: float | None  #: None where nothing was scored
    low: float | None  #: 2.5 percentile over the bootstrap
    high: float | None  #: 97.5 percentile
    n: int  #: scored sessions (event and session success), or scored requests


def measure(
    publisher: str,
    cuts: tuple[int, ...],
    outcomes: Mapping[str, Outcomes],
    units: Column,
    seed: int,
) -> list[Result]:
    """All metrics of all recommenders on one publisher.

    `outcomes` maps recommenders to their judged sums, `units` (int64[groups]) names the resampled groups.
    Every recommender is resampled with the same weights, so that differences are paired.
    """
    if not outcomes:
        return []
    first = next(iter(outcomes.values()))
    over = {"sessions": first.sessions, "requests": first.requests}
    columns = [(f"{NAMES[what][0]}@{cut}", NAMES[what][1]) for cut in cuts for what in MEASURES]
    sums = [judged.sums.reshape(len(units), len(columns)) for judged in outcomes.values()]
    kinds = [kind for _, kind in columns]
    low, high = bounds(sums, over, kinds, seed=seed, publisher=publisher, units=units)
    results = []
    for row, name in enumerate(outcomes):
        totals = sums[row].sum(axis=0)
        for column, (metric, kind) in enumerate(columns):
            n = int(over[kind].sum())
            value = totals[column] / n if n else math.nan
            cell = (_number(value), _number(low[row, column]), _number(high[row, column]))
            results.append(Result(publisher, name, metric, *cell, n))
    return results


def _number(value: float) -> float | None:
    """A JSON number; rounded to 12 digits, which is beyond what a sum of floats carries reliably."""
    return None if math.isnan(value) else float(f"{value:.12g}")
