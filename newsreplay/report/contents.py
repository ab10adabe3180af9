"""What a report shows, as plain data: pictures and the HTML page are drawn from this and nothing else.

Everything comes from the run folder; nothing is replayed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.report import misses
from newsreplay.report.facts import (
    HEADLINE,
    column_of,
    commands,
    cost,
    display_name,
    interval,
    notes,
    number,
    optimal,
    singly,
)
from newsreplay.report.slices import DIMENSIONS, FEW, Parts, over_time, sliced
from newsreplay.simulator.judgement.comparisons import against_best, ranks
from newsreplay.simulator.judgement.metrics import Measured
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.records import PairRecord, PublisherRecord


def contents(run: RunFolder, *, slices: bool = True) -> dict[str, Any]:
    """All that a report of a run shows, fit for JSON.

    Ranked is by E@1, or by AUC where no session is scored but impressions are. Without `slices` those and success over
    time, which take longest, are left out.
    Raises `RunError` where a file of the folder is missing.
    """
    return {
        "format": 1,
        "title": str(run.info["data"]["name"]),
        "notes": [*notes(run), *singly(run)],
        "manifest": _manifest(run),
        "commands": commands(run),
        "interval": interval(run),
        "publishers": [_publisher(run, name, slices) for name in run.publishers],
    }


def _manifest(run: RunFolder) -> list[list[str]]:
    info = run.info
    data, options = info["data"], info["options"]
    lines = {
        "data": f"{data['name']} ({data['kind']})",
        "source": data["source"],
        "licence": data["licence"],
        "digest": data["digest"],
        "notes on the data": "; ".join(data["notes"]),
        "slate length": str(options["k"]),
        "warm-up": duration_text(options["warmup"]),
        "window": "" if options["window"] is None else duration_text(options["window"]),
        "longest session scored": "" if options["max_session_length"] is None else str(options["max_session_length"]),
        "resampled": options["cluster"],
        "seed": str(options["seed"]),
        "seeds of training": ", ".join(map(str, options.get("seeds", ()))),
        "deadline": "" if options["deadline"] is None else f"{options['deadline']:g} ms",
        "newsreplay": info["newsreplay"],
        "Python": info["python"],
        "packages": ", ".join(f"{name} {version}" for name, version in info["packages"].items()),
        "platform": info["platform"],
        "wall time": f"{run.timing['seconds']:.1f} s",
    }
    return [[label, str(text)] for label, text in lines.items() if text]


def _publisher(run: RunFolder, name: str, slices: bool) -> dict[str, Any]:
    facts, pairs = run.facts(name), run.pairs(name)
    rank_by = "auc" if facts["scored_impressions"] and not facts["scored_sessions"] else HEADLINE
    measured = run.measured(name)
    metrics = [result.metric for result in measured.results[: measured.replicates.shape[1]]]
    done = [pair["recommender"] for pair in pairs if pair["status"] == "done"]
    results: dict[str, dict[str, Any]] = {one: {} for one in done}
    for result in measured.results:
        results[result.recommender][result.metric] = [result.value, result.low, result.high, result.n]
    k = int(run.info["options"]["k"])
    of, later = Parts(run, name), facts["later_reads"]
    standing = _standing(run, pairs, measured, metrics, rank_by)
    timing = {pair["recommender"]: pair for pair in run.timing["pairs"] if pair["publisher"] == name}
    rows = []
    for pair in pairs:
        one = pair["recommender"]
        row: dict[str, Any] = {
            "recommender": display_name(run, one),
            "status": pair["status"],
            "error": pair.get("error"),
            "foresees": pair.get("foresight") == "oracle",
            "leaks": run.leaks.get(one),
            "results": results.get(one, {}),
            "rank": None,
            "stable": False,
            "against_best": None,
            "cost": cost(timing[one], facts["rows"]) if one in timing and pair.get("foresight") != "oracle" else None,
            "pareto": False,
            "misses": None,
        }
        if pair["status"] == "done" and later:
            counts = misses.count(of.reads, of.places(one), k)
            row["misses"] = dict(zip(misses.causes(k), (counts / later).tolist(), strict=True))
        rows.append(row | standing.get(one, {}))
    for row in rows:
        row["pareto"] = optimal(row, rows, rank_by)
    return {
        "name": name,
        "facts": _facts(facts),
        "headline": rank_by,
        "metrics": metrics,
        "rows": rows,
        "causes": misses.causes(k),
        "ceiling": facts["reachable_reads"] / later if later else None,
        "over_time": _over_time(of) if slices else None,
        "slices": [_slices(of, by) for by in DIMENSIONS] if slices else [],
    }


_ENDS: tuple[Literal["first", "last"], ...] = ("first", "last")


def _facts(facts: PublisherRecord) -> list[list[str]]:
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
    return [[label, text] for label, text in lines.items() if text != "0" or "impressions" not in label]


def _standing(
    run: RunFolder, pairs: list[PairRecord], measured: Measured, metrics: list[str], rank_by: str
) -> dict[str, dict[str, Any]]:
    """Ranks and differences to the best, of those that may be ranked."""
    if rank_by not in metrics:
        return {}
    column = metrics.index(rank_by)
    done = [pair for pair in pairs if pair["status"] == "done"]
    ranked = [
        row
        for row, pair in enumerate(done)
        if pair.get("foresight") != "oracle" and pair["recommender"] not in run.leaks
    ]
    values = column_of(measured, column)[ranked]
    replicates = measured.replicates[ranked, column]
    if np.isnan(values).all():
        return {}
    places = ranks(values, replicates)
    against = against_best(values, replicates)
    difference = {
        int(against.a[i]): [
            number(column[i]) for column in (against.difference, against.low, against.high, against.p_holm)
        ]
        for i in range(len(against.a))
    }
    standing = {}
    for i, row in enumerate(ranked):
        if not math.isnan(values[i]):
            standing[done[row]["recommender"]] = {
                "rank": [number(places.rank[i]), number(places.low[i]), number(places.high[i])],
                "stable": bool(places.stable[i]),
                "against_best": difference.get(i),
            }
    return standing


def _over_time(of: Parts) -> dict[str, Any] | None:
    starts, width, cells = over_time(of)
    if not len(starts):
        return None
    span = duration_text(width)
    return {
        "label": f"E@1 of the sessions that begin within each {span}; fewer than {FEW} sessions tell nothing",
        "metric": "event_success@1",
        "starts": starts.tolist(),
        "width": width,
        "cells": {display_name(of.run, one): [list(cell) for cell in mine] for one, mine in cells.items()},
    }


def _slices(of: Parts, by: str) -> dict[str, Any]:
    table = sliced(of, by)
    return {
        "by": by,
        "label": table.label,
        "groups": table.groups,
        "metrics": table.metrics,
        "cells": {
            metric: {display_name(of.run, one): [list(cell) for cell in mine] for one, mine in cells.items()}
            for metric, cells in table.cells.items()
        },
    }
