"""Metrics: values and intervals from the sums of all recommenders on one publisher."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.counting import FEW, event_bounds, success_bounds
from newsreplay.simulator.judgement.intervals import REPLICATES, percentiles, ratios, resample
from newsreplay.simulator.judgement.measures import IMPRESSIONS, MEANS, POOLED, SLATES, WHOLES, cut_offs
from newsreplay.simulator.judgement.scoring import Scored, Sums


class Result(NamedTuple):
    """One cell of `results.json`."""

    publisher: str
    recommender: str
    metric: str
    value: float | None  #: None where nothing was scored
    low: float | None  #: 2.5 percentile over the bootstrap; None where the metric has no interval
    high: float | None  #: 97.5 percentile
    n: int  #: scored sessions (event and session success), requests, impressions, recommended articles, or slates


class Measured(NamedTuple):
    """The metrics of all recommenders on one publisher."""

    results: list[Result]  #: recommender by recommender, the metrics of each in the same order
    replicates: Column  #: float64[recommenders, metrics, replicates]; NaN = no value


class _Metric(NamedTuple):
    name: str
    value: float
    n: int
    replicates: Column  # float64[replicates]
    nonzero: int = 0  # clusters in which it is not zero, counted before any grouping


def measure(
    publisher: str, k: int, scored: Scored, recommenders: Mapping[str, Sums], seed: int, threads: int | None = None
) -> Measured:
    """All metrics of all recommenders on one publisher.

    Every recommender is resampled with the same weights, so that differences are paired. What a recommender
    has no value for (metrics on impressions, if it does not score them) is None. `threads` resample, by default one a
    core; results are the same bytes for any number.
    """
    if not recommenders:
        return Measured([], np.empty((0, 0, REPLICATES)))
    cuts = cut_offs(k)
    groups = len(scored.clusters.unit)
    over = np.column_stack([scored.sessions, scored.requests]).astype(np.float64)
    tables = [over, *(sums.reads.reshape(groups, len(cuts) * len(SLATES)) for sums in recommenders.values())]
    resampled = partial(resample, seed=seed, publisher=publisher, threads=threads)
    below, *above = resampled(tables, scored.clusters.unit)
    coarse = [np.column_stack([sums.beyond.sums, sums.beyond.counts]) for sums in recommenders.values()]
    others = resampled(coarse, scored.coarse.unit)
    on_impressions = _impressions(scored, recommenders, resampled) if len(scored.impressions.impression) else {}
    rows = [
        [
            *_reads(cuts, sums, over, below, above[number]),
            *on_impressions.get(name, []),
            *_beyond_accuracy(k, sums, others[number][: len(MEANS)], others[number][len(MEANS) :]),
        ]
        for number, (name, sums) in enumerate(recommenders.items())
    ]
    replicates = np.array([[metric.replicates for metric in row] for row in rows])
    low, high = (bound.reshape(len(rows), -1) for bound in percentiles(replicates.reshape(-1, REPLICATES)))
    few = np.array([[metric.nonzero < FEW for metric in row] for row in rows])
    exact = [_success(sums, scored, low[row], high[row]) for row, sums in enumerate(recommenders.values())]
    low[few], high[few] = np.nan, np.nan
    for row, (lows, highs) in enumerate(exact):
        success = [cut * len(SLATES) + measure for measure in range(2) for cut in range(len(cuts))]
        low[row, success], high[row, success] = lows, highs
    results = [
        Result(publisher, name, metric.name, _number(metric.value), _number(low[i, j]), _number(high[i, j]), metric.n)
        for i, (name, row) in enumerate(zip(recommenders, rows, strict=True))
        for j, metric in enumerate(row)
    ]
    return Measured(results, replicates)


def _success(sums: Sums, scored: Scored, low: Column, high: Column) -> tuple[Column, Column]:
    """The bounds of event-level success at all cut-offs, then those of session-level success."""
    cuts = len(sums.counted.hits)
    event, session = (slice(first, cuts * len(SLATES), len(SLATES)) for first in range(2))
    success = success_bounds(sums.counted, scored.resampled.slates, (low[session], high[session]))
    value = sums.totals[:, 0] / max(sums.counted.sessions, 1)
    rewarded = bool(scored.frame.reward.size)
    bounds = event_bounds(sums.counted, value, success, (low[event], high[event]), rewarded=rewarded)
    return np.concatenate([bounds[0], success[0]]), np.concatenate([bounds[1], success[1]])


def _reads(cuts: tuple[int, ...], sums: Sums, over: Column, below: Column, above: Column) -> Iterator[_Metric]:
    """Event- and session-level success, and the slates as rankings."""
    for c, cut in enumerate(cuts):
        for m, (name, per) in enumerate(SLATES.items()):
            column = ("sessions", "requests").index(per)
            n = int(over[:, column].sum())
            statistics = ratios(above[c * len(SLATES) + m], below[column])
            nonzero = int(sums.reads_nonzero[c, m])
            yield _Metric(f"{name}@{cut}", sums.totals[c, m] / n if n else math.nan, n, statistics, nonzero)


def _beyond_accuracy(k: int, sums: Sums, above: Column, below: Column) -> Iterator[_Metric]:
    """What slates are besides accurate."""
    nothing = np.full(REPLICATES, np.nan)
    for m, name in enumerate(MEANS):
        total, n = float(sums.beyond.sums[:, m].sum()), int(sums.beyond.counts[:, m].sum())
        nonzero = int(sums.beyond_nonzero[m])
        yield _Metric(f"{name}@{k}", total / n if n else math.nan, n, ratios(above[m], below[m]), nonzero)
    recommended = int(sums.beyond.counts[:, 0].sum())
    for name in WHOLES:
        yield _Metric(f"{name}@{k}", getattr(sums.beyond, name), recommended, nothing)


def _impressions(
    scored: Scored, recommenders: Mapping[str, Sums], resampled: Callable[[Sequence[Column], Column], list[Column]]
) -> dict[str, list[_Metric]]:
    """Impressions as rankings; without values for a recommender that does not score them."""
    n = len(scored.impressions.impression)
    names = (*IMPRESSIONS, POOLED)
    nothing = np.full(REPLICATES, np.nan)
    metrics = {name: [_Metric(what, math.nan, 0, nothing) for what in names] for name in recommenders}
    scoring = {name: sums.impressions for name, sums in recommenders.items() if sums.impressions is not None}
    group, unit, _ = scored.impression_clusters
    count = np.bincount(group, minlength=len(unit)).astype(np.float64)
    tables = [np.column_stack([ranked.sums, *ranked.pooled[1:]]) for ranked in scoring.values()]
    below, *sums = resampled([count[:, None], *tables], unit)
    for (name, ranked), above in zip(scoring.items(), sums, strict=True):
        width = len(IMPRESSIONS)
        over_clicked, over_passed = ratios(above[width], above[width + 2]), ratios(above[width + 1], above[width + 3])
        values = [*(ranked.sums.sum(axis=0) / n), ranked.pooled.value]
        statistics = [*ratios(above[:width], below), over_clicked + over_passed - ranked.pooled.value]
        metrics[name] = [
            _Metric(what, value, n, replicates, nonzero)
            for what, value, replicates, nonzero in zip(names, values, statistics, ranked.nonzero.tolist(), strict=True)
        ]
    return metrics


def _number(value: float) -> float | None:
    """A JSON number; rounded to 12 digits, which is beyond what a sum of floats carries reliably."""
    return None if math.isnan(value) else float(f"{value:.12g}")
