"""Metrics: values and intervals from the sums of all recommenders on one publisher."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import Column
from newsreplay.simulator.judgement.intervals import REPLICATES, percentiles, ratios, resample
from newsreplay.simulator.judgement.measures import IMPRESSIONS, MEANS, POOLED, SLATES, WHOLES, cut_offs
from newsreplay.simulator.judgement.scoring import Scored, Tally


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


def measure(publisher: str, k: int, of: Scored, tallies: Mapping[str, Tally], seed: int) -> Measured:
    """All metrics of all recommenders on one publisher.

    Every recommender is resampled with the same weights, so that differences are paired. What a recommender
    has no value for (metrics on impressions, if it does not score them) is None.
    """
    if not tallies:
        return Measured([], np.empty((0, 0, REPLICATES)))
    cuts = cut_offs(k)
    groups = len(of.by.unit)
    over = np.column_stack([of.sessions, of.requests]).astype(np.float64)
    tables = [over, *(one.reads.reshape(groups, len(cuts) * len(SLATES)) for one in tallies.values())]
    below, *above = resample(tables, of.by.unit, seed=seed, publisher=publisher)
    coarse = [np.column_stack([one.beyond.sums, one.beyond.counts]) for one in tallies.values()]
    others = resample(coarse, of.coarse.unit, seed=seed, publisher=publisher)
    seen = _impressions(publisher, of, tallies, seed) if len(of.shown.impression) else {}
    rows = [
        [
            *_reads(cuts, one, over, below, above[number]),
            *seen.get(name, []),
            *_beyond(k, one, others[number][: len(MEANS)], others[number][len(MEANS) :]),
        ]
        for number, (name, one) in enumerate(tallies.items())
    ]
    replicates = np.array([[metric.replicates for metric in row] for row in rows])
    low, high = (each.reshape(len(rows), -1) for each in percentiles(replicates.reshape(-1, REPLICATES)))
    results = [
        Result(publisher, name, one.name, _number(one.value), _number(low[i, j]), _number(high[i, j]), one.n)
        for i, (name, row) in enumerate(zip(tallies, rows, strict=True))
        for j, one in enumerate(row)
    ]
    return Measured(results, replicates)


def _reads(cuts: tuple[int, ...], one: Tally, over: Column, below: Column, above: Column) -> Iterator[_Metric]:
    """Event- and session-level success, and the slates as rankings."""
    totals = one.reads.sum(axis=0)
    for c, cut in enumerate(cuts):
        for m, (name, per) in enumerate(SLATES.items()):
            column = ("sessions", "requests").index(per)
            n = int(over[:, column].sum())
            statistics = ratios(above[c * len(SLATES) + m], below[column])
            yield _Metric(f"{name}@{cut}", totals[c, m] / n if n else math.nan, n, statistics)


def _beyond(k: int, one: Tally, above: Column, below: Column) -> Iterator[_Metric]:
    """What else can be said of slates."""
    nothing = np.full(REPLICATES, np.nan)
    for m, name in enumerate(MEANS):
        total, n = float(one.beyond.sums[:, m].sum()), int(one.beyond.counts[:, m].sum())
        yield _Metric(f"{name}@{k}", total / n if n else math.nan, n, ratios(above[m], below[m]))
    recommended = int(one.beyond.counts[:, 0].sum())
    for name in WHOLES:
        yield _Metric(f"{name}@{k}", getattr(one.beyond, name), recommended, nothing)


def _impressions(publisher: str, of: Scored, tallies: Mapping[str, Tally], seed: int) -> dict[str, list[_Metric]]:
    """Impressions as rankings; without values for a recommender that does not score them."""
    n = len(of.shown.impression)
    names = (*IMPRESSIONS, POOLED)
    nothing = np.full(REPLICATES, np.nan)
    metrics = {name: [_Metric(what, math.nan, 0, nothing) for what in names] for name in tallies}
    scoring = {name: one.impressions for name, one in tallies.items() if one.impressions is not None}
    count = np.bincount(of.shown_by.group, minlength=len(of.shown_by.unit)).astype(np.float64)
    tables = [np.column_stack([one.sums, *one.pooled[1:]]) for one in scoring.values()]
    below, *sums = resample([count[:, None], *tables], of.shown_by.unit, seed=seed, publisher=publisher)
    for (name, one), above in zip(scoring.items(), sums, strict=True):
        width = len(IMPRESSIONS)
        over_clicked, over_passed = ratios(above[width], above[width + 2]), ratios(above[width + 1], above[width + 3])
        values = [*(one.sums.sum(axis=0) / n), one.pooled.value]
        statistics = [*ratios(above[:width], below), over_clicked + over_passed - one.pooled.value]
        metrics[name] = [
            _Metric(what, value, n, replicates)
            for what, value, replicates in zip(names, values, statistics, strict=True)
        ]
    return metrics


def _number(value: float) -> float | None:
    """A JSON number; rounded to 12 digits, which is beyond what a sum of floats carries reliably."""
    return None if math.isnan(value) else float(f"{value:.12g}")
