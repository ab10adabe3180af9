"""What a report shows, as plain data: pictures and the HTML page are drawn from this and nothing else.

Everything comes from the run folder; nothing is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.log.rows import Column
from newsreplay.report import misses
from newsreplay.report.drift import changes
from newsreplay.report.facts import (
    EXCLUDED,
    column_of,
    commands,
    costs_of,
    display_name,
    foresees,
    interval,
    is_reference,
    notes,
    number,
    pareto,
    quality_and_cost,
    resampled,
    seed_notes,
)
from newsreplay.report.headings import HEADLINE
from newsreplay.report.ranking import agreement, by_mean_rank, other_question
from newsreplay.report.records import (
    NOTHING,
    Costs,
    Estimate,
    Note,
    PublisherContents,
    RecommenderRow,
    ReportContents,
    SliceValues,
    TimeSeries,
)
from newsreplay.report.shown import headline, hides, shown, usual_metric
from newsreplay.report.slices import FEW, PublisherColumns, over_time, sliced
from newsreplay.simulator.judgement.comparisons import compare, count_wins, ranks
from newsreplay.simulator.judgement.intervals import REPLICATES
from newsreplay.simulator.judgement.metrics import Measured
from newsreplay.simulator.runs.by_cluster import ByCluster
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.records import PairRecord, PublisherRecord


def contents(run: RunFolder, *, slices: bool = True, drift: bool = False) -> ReportContents:
    """All that a report of a run shows, fit for JSON.

    Recommenders are ranked by E@1, or by AUC where E@1 is not shown (`shown.hides`) but impressions are scored. Without
    `slices` those and success over time, which take longest, are left out; with `drift` success over time has when it
    changed. Raises `RunError` where a file of the folder is missing, `NewsreplayError` for `drift` without river.
    """
    names = list(dict.fromkeys(pair["recommender"] for pair in run.info["pairs"] if not is_reference(pair)))
    measured = {publisher: shown(run, publisher) for publisher in run.publishers}
    publishers = [_publisher(run, publisher, measured[publisher], slices, drift) for publisher in run.publishers]
    metric = usual_metric(result for of_publisher in measured.values() for result in of_publisher.results)
    fair = [row for row, name in enumerate(names) if name not in run.leaks]
    ranked = []
    for publisher in [name for name in run.publishers if not hides(run.facts(name), metric)] or run.publishers:
        values, drawn = _column(measured[publisher], metric, names)
        ranked.append((values, ranks(values[fair], compare(values[fair], drawn[fair], []))))
    order, means = by_mean_rank(names, run.leaks, ranked)
    mean_ranks = [(display_name(run, name), number(means[name].rank) if name in means else None) for name in order]
    result: ReportContents = {
        "format": 1,
        "title": str(run.info["data"]["name"]),
        "notes": [*notes(run), *seed_notes(run), *_agreements(run, measured, names)],
        "manifest": _manifest(run),
        "commands": commands(run),
        "interval": interval(run),
        "mean_ranks": mean_ranks,
        "publishers": publishers,
    }
    if run.asks != "reads":
        result["asks"] = run.asks
    if run.reward is not None:
        result["reward"] = run.reward
    return result


def _agreements(run: RunFolder, measured: Mapping[str, Measured], names: Sequence[str]) -> list[Note]:
    """How far the metrics that rank by reads and by impressions agree on the order of recommenders."""
    fair = [name for name in names if name not in run.leaks]
    shown_as = [display_name(run, name) for name in fair]
    lines = []
    for publisher, of_publisher in measured.items():
        columns = [(metric, _column(of_publisher, metric, fair)[0]) for metric in (HEADLINE, other_question(HEADLINE))]
        lines.append(agreement(publisher, shown_as, columns, run.asks, run.reward))
    return [Note("note", line) for line in lines if line]


def _column(measured: Measured, metric: str, names: Sequence[str]) -> tuple[Column, Column]:
    """Values (float64[names]) and replicates (float64[names, replicates]) of a metric, NaN where there are none."""
    width = measured.replicates.shape[1]
    place = {name: row for row, name in enumerate(names)}
    values, drawn = np.full(len(names), np.nan), np.full((len(names), REPLICATES), np.nan)
    for number_of, result in enumerate(measured.results):
        if result.metric == metric and result.recommender in place:
            row = place[result.recommender]
            values[row] = math.nan if result.value is None else result.value
            drawn[row] = measured.replicates[number_of // width, number_of % width]
    return values, drawn


def _manifest(run: RunFolder) -> list[tuple[str, str]]:
    info = run.info
    data, options = info["data"], info["options"]
    lines = {
        "data": f"{data['name']} ({data['kind']})",
        "source": data["source"],
        "licence": data["licence"],
        "digest": data["digest"],
        "notes on the data": "; ".join(data["notes"]),
        "slate length": str(options["k"]),
        "requests": "" if run.asks == "reads" else f"at {run.asks}",
        "requests exclude": "" if run.exclude == "current" else EXCLUDED[run.exclude],
        "feedback delay": str(run.feedback_delay) if any(run.feedback_delay) else "",
        "warm-up": duration_text(options["warmup"]),
        "window": "" if options["window"] is None else duration_text(options["window"]),
        "longest session scored": "" if options["max_session_length"] is None else str(options["max_session_length"]),
        "resampled": resampled(run),
        "seed": str(options["seed"]),
        "seeds of training": ", ".join(map(str, options.get("seeds", ()))),
        "deadline": "" if options["deadline"] is None else f"{options['deadline']:g} ms",
        "newsreplay": info["newsreplay"],
        "Python": info["python"],
        "packages": ", ".join(f"{name} {version}" for name, version in info["packages"].items()),
        "platform": info["platform"],
        "wall time": f"{run.timing['seconds']:.1f} s",
    }
    return [(label, str(text)) for label, text in lines.items() if text]


def _publisher(run: RunFolder, name: str, measured: Measured, slices: bool, drift: bool) -> PublisherContents:
    facts = run.facts(name)
    rank_by, hidden = headline(facts), hides(facts, HEADLINE)
    metrics = [result.metric for result in measured.results[: measured.replicates.shape[1]]]
    k, later = int(run.info["options"]["k"]), facts["later_reads"]
    columns = PublisherColumns(run, name)
    return {
        "name": name,
        "facts": _facts(facts),
        "headline": rank_by,
        "few_sessions": facts["scored_sessions"] if hidden else None,
        "metrics": metrics,
        "rows": _rows(run, columns, measured, metrics, rank_by),
        "causes": misses.causes(k),
        "ceiling": facts["reachable_reads"] / later if later and not hidden else None,
        "over_time": _over_time(columns, drift) if slices else None,
        "slices": [_slices(columns, by) for by in columns.dimensions()] if slices else [],
    }


_ENDS: tuple[Literal["first", "last"], ...] = ("first", "last")


def _facts(facts: PublisherRecord) -> list[tuple[str, str]]:
    days = [datetime.fromtimestamp(facts[end] / 1000, UTC).strftime("%Y-%m-%d %H:%M") for end in _ENDS]
    lines = {
        "reads": f"{facts['reads']:,}",
        "sessions": f"{facts['sessions']:,}",
        "sessions scored": f"{facts['scored_sessions']:,}",
        "articles": f"{facts['articles']:,}",
        "impressions": f"{facts['impressions']:,}",
        "impressions scored": f"{facts['scored_impressions']:,}",
        "from (UTC)": days[0],
        "to (UTC)": days[1],
    }
    return [(label, text) for label, text in lines.items() if text != "0" or "impressions" not in label]


def _rows(
    run: RunFolder, columns: PublisherColumns, measured: Measured, metrics: list[str], rank_by: str
) -> list[RecommenderRow]:
    pairs = run.pairs(columns.publisher)
    costs = costs_of(run, columns.publisher)
    results: dict[str, dict[str, Estimate]] = {}
    for result in measured.results:
        estimate = (result.value, result.low, result.high, result.n)
        results.setdefault(result.recommender, {})[result.metric] = estimate
    rows = [_row(run, columns, pair, results.get(pair["recommender"], {}), costs) for pair in pairs]
    _add_ranks(run, pairs, rows, measured, metrics.index(rank_by) if rank_by in metrics else None)
    points = [
        quality_and_cost(
            row["results"].get(rank_by, NOTHING)[0], row["cost"]["us_per_event"] if row["cost"] else None, row["leaks"]
        )
        for row in rows
    ]
    for row, best in zip(rows, pareto(points), strict=True):
        row["pareto"] = best
    return rows


def _row(
    run: RunFolder,
    columns: PublisherColumns,
    pair: PairRecord,
    results: dict[str, Estimate],
    costs: dict[str, Costs],
) -> RecommenderRow:
    """A row without ranks."""
    name, k = pair["recommender"], int(run.info["options"]["k"])
    facts = run.facts(columns.publisher)
    later = facts["later_reads"]
    shares = None
    if pair["status"] == "done" and later and not hides(facts, HEADLINE):
        counts = misses.count(columns.reads, columns.places(name), k)
        shares = dict(zip(misses.causes(k), (counts / later).tolist(), strict=True))
    return {
        "recommender": display_name(run, name),
        "status": pair["status"],
        "error": pair.get("error"),
        "foresees": is_reference(pair),
        "leaks": run.leaks.get(name),
        "results": results,
        "rank": None,
        "stable": False,
        "against_best": None,
        "cost": None if foresees(pair) else costs.get(name),
        "pareto": False,
        "misses": shares,
    }


def _add_ranks(
    run: RunFolder, pairs: list[PairRecord], rows: list[RecommenderRow], measured: Measured, metric: int | None
) -> None:
    """Write ranks and differences to the best into the rows of the recommenders that can be ranked."""
    if metric is None:
        return
    done = [number_of for number_of, pair in enumerate(pairs) if pair["status"] == "done"]
    ranked = [
        place
        for place, number_of in enumerate(done)
        if not is_reference(pairs[number_of]) and pairs[number_of]["recommender"] not in run.leaks
    ]
    values = column_of(measured, metric)[ranked]
    replicates = measured.replicates[ranked, metric]
    if np.isnan(values).all():
        return
    name = measured.results[metric].metric
    by_cluster = ByCluster(run, pairs[0]["publisher"])
    wins = count_wins([by_cluster.sums(pairs[done[place]]["recommender"], name) for place in ranked])
    found = compare(values, replicates, wins=wins)
    places = ranks(values, found)
    best = int(np.nanargmax(values))
    pair_of = {pair: at for at, pair in enumerate(zip(found.a.tolist(), found.b.tolist(), strict=True))}
    for i, place in enumerate(ranked):
        if math.isnan(values[i]):
            continue
        row = rows[done[place]]
        rank, low, high = (number(float(column[i])) for column in (places.rank, places.low, places.high))
        row["rank"] = (rank, low, high)
        row["stable"] = bool(places.low[i] == places.high[i])
        if i != best:
            at = pair_of[min(i, best), max(i, best)]
            ends = [found.low[at], found.high[at]] if i < best else [-found.high[at], -found.low[at]]
            difference, low, high, p = (number(float(n)) for n in (values[i] - values[best], *ends, found.p_holm[at]))
            row["against_best"] = (difference, low, high, p)


def _over_time(columns: PublisherColumns, drift: bool) -> TimeSeries | None:
    starts, width, cells = over_time(columns)
    if not len(starts):
        return None
    span = duration_text(width)
    result: TimeSeries = {
        "label": f"E@1 of the sessions that begin within each {span}; fewer than {FEW} sessions tell nothing",
        "metric": "event_success@1",
        "starts": starts.tolist(),
        "width": width,
        "cells": {display_name(columns.run, name): estimates for name, estimates in cells.items()},
    }
    if drift:
        result["changes"] = {display_name(columns.run, name): times for name, times in changes(columns).items()}
    return result


def _slices(columns: PublisherColumns, by: str) -> SliceValues:
    table = sliced(columns, by)
    return {
        "by": by,
        "label": table.label,
        "groups": table.groups,
        "metrics": table.metrics,
        "cells": {
            metric: {display_name(columns.run, name): estimates for name, estimates in cells.items()}
            for metric, cells in table.cells.items()
        },
    }
