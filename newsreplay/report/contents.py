"""What a report shows, as plain data: pictures and the HTML page are drawn from this and nothing else.

Everything comes from the run folder; nothing is replayed.
"""

from __future__ import annotations

import math
import shlex
from datetime import UTC, datetime
from typing import Any

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.report import misses
from newsreplay.report.run_folder import Run
from newsreplay.report.slices import DIMENSIONS, FEW, Parts, over_time, sliced
from newsreplay.simulator.comparisons import against_best, ranks
from newsreplay.simulator.log import Column
from newsreplay.simulator.metrics import Measured

HEADLINE = "event_success@1"


def contents(run: Run, *, slices: bool = True) -> dict[str, Any]:
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


def notes(run: Run) -> list[str]:
    """What a reader must know before a number is believed, the worst first."""
    info = run.info
    data = info["data"]
    lines = [*(f"LEAKS THE FUTURE: {text}" for text in data["leaks"]), *leaks(run)]
    lines += [f"made up: {text}" for text in data["made_up"]]
    if data["rejected"]:
        lines.append(f"rejected: {data['rejected']:,} of {data['rows_in']:,} rows could not be used")
    if info["options"]["strict_deadline"]:
        lines.append(
            f"answers that took more than {info['options']['deadline']:,} ms count for nothing, so the results "
            "depend on the machine"
        )
    logged = any(pair["recommender"] == "logged" for pair in info["pairs"])
    if logged and data["kind"] in _UNORDERED:
        lines.append("logged means nothing here: the source does not list candidates as readers saw them")
    for facts in info["publishers"]:
        lines += _impression_notes(facts)
        if not facts["scored_sessions"] and not facts["scored_impressions"]:
            lines.append(
                f"nothing of {facts['publisher']} is scored: no session of two reads begins where it would count"
            )
        if logged and not facts["impressions"]:
            lines.append(f"logged has no answers on {facts['publisher']}: the log has no lists")
        if data["options"].get("impressions") and not facts["impressions"]:
            lines.append(
                f"no impressions were made of {facts['publisher']}: at no read was enough read in the day before"
            )
        if facts["hits"]:
            share = facts["hits_of_longest"] / facts["hits"]
            lines.append(
                f"the longest 1 % of {facts['publisher']}'s scored sessions bring {share:.1%} of all hits at 1"
            )
        if 0 < facts["clusters"] < FEW_CLUSTERS:
            lines.append(
                f"{facts['publisher']} has only {facts['clusters']} clusters ({info['options']['cluster']}) to "
                "resample; its intervals are too narrow"
            )
    for pair in info["pairs"]:
        if pair["status"] == "failed":
            lines.append(f"FAILED: {pair['recommender']} on {pair['publisher']}: {pair['error']}")
        elif "dropped" in pair:
            drops = ", ".join(f"{count:,} {what}" for what, count in pair["dropped"].items() if count)
            lines.append(f"dropped from the slates of {pair['recommender']} on {pair['publisher']}: {drops}")
    return lines + _told(run)


def leaks(run: Run) -> list[str]:
    """What the recommenders that every table marks were given of the future, as notes below it."""
    names: dict[str, dict[str, None]] = {}
    for pair in run.info["pairs"]:
        if "leaks" in pair:
            names.setdefault(pair["leaks"], {})[run.shown(pair.get("of", pair["recommender"]))] = None
    return [f"LEAKS THE FUTURE: {', '.join(who)}: {text}; not ranked" for text, who in names.items()]


def singly(run: Run) -> list[str]:
    """What to know where the rows of recommenders that were repeated are not averaged."""
    names = list(dict.fromkeys(run.shown(pair["of"]) for pair in run.info["pairs"] if "of" in pair))
    if not names:
        return []
    seeds = ", ".join(map(str, run.info["options"]["seeds"]))
    return [
        f"{', '.join(names)}: repeated with the seeds {seeds}, each a row of its own here, so that the best of them is "
        "best by chance too; 'newsreplay leaderboard' shows their mean"
    ]


def _told(run: Run) -> list[str]:
    """What recommenders tell of themselves, each text once; with the publishers, where it is not so on all."""
    where: dict[str, dict[str, dict[str, None]]] = {}  # text → name without its seed → publishers
    for pair in run.info["pairs"]:
        for text in pair.get("notes", ()):
            name = run.shown(pair.get("of", pair["recommender"]))
            where.setdefault(text, {}).setdefault(name, {})[pair["publisher"]] = None
    lines = []
    for text, by_name in where.items():
        together: dict[str, list[str]] = {}
        for name, publishers in by_name.items():
            on = f" on {', '.join(publishers)}" if len(publishers) < len(run.publishers) else ""
            together.setdefault(on, []).append(name)
        lines += [f"{', '.join(names)}{on}: {text}" for on, names in together.items()]
    return lines


_UNORDERED = ("mind", "ebnerd", "nemig")  #: sources whose candidates are shuffled, or listed by their outcome
FEW_CLUSTERS = 30  #: with fewer, percentile intervals cover clearly less than they say (docs/intervals.md)


def _impression_notes(facts: dict[str, Any]) -> list[str]:
    left = {
        "without a known outcome": facts["impressions_without_outcome"],
        "all or none of whose candidates were clicked": facts["impressions_of_one_class"],
    }
    told = [f"{count:,} {what}" for what, count in left.items() if count]
    return [f"impressions of {facts['publisher']} that count for nothing: {', '.join(told)}"] if told else []


def interval(run: Run) -> str:
    """How intervals were made, in a sentence."""
    return (
        f"95 % intervals: percentile bootstrap over {run.info['options']['cluster']}s, 1,000 replicates, paired across "
        "recommenders; p-values of paired differences, Holm-corrected."
    )


def commands(run: Run) -> list[str]:
    """The commands that make this run again, and check that it is the same."""
    made, changed = run.info["command"], run.info["rescored"]
    options = [
        f"--{name.replace('_', '-')} {duration_text(value) if name in ('warmup', 'window') else value}"
        for name, value in changed.items()
        if value is not None
    ]
    folder = shlex.quote(str(run.folder))
    return [
        *([made] if made else []),
        *([f"newsreplay score {folder} {' '.join(options)}"] if options else []),
        f"newsreplay verify {folder}",
    ]


def _manifest(run: Run) -> list[list[str]]:
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


def _publisher(run: Run, name: str, slices: bool) -> dict[str, Any]:
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
            "recommender": run.shown(one),
            "status": pair["status"],
            "error": pair.get("error"),
            "foresees": pair.get("foresees", False),
            "leaks": run.leaks.get(one),
            "results": results.get(one, {}),
            "rank": None,
            "stable": False,
            "against_best": None,
            "cost": cost(timing[one], facts["rows"]) if one in timing and not pair.get("foresees") else None,
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


def _facts(facts: dict[str, Any]) -> list[list[str]]:
    days = [datetime.fromtimestamp(facts[end] / 1000, UTC).strftime("%Y-%m-%d %H:%M") for end in ("first", "last")]
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
    run: Run, pairs: list[dict[str, Any]], measured: Measured, metrics: list[str], rank_by: str
) -> dict[str, dict[str, Any]]:
    """Ranks and differences to the best, of those that may be ranked."""
    if rank_by not in metrics:
        return {}
    column = metrics.index(rank_by)
    done = [pair for pair in pairs if pair["status"] == "done"]
    ranked = [
        row for row, pair in enumerate(done) if not pair.get("foresees", False) and pair["recommender"] not in run.leaks
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


def column_of(measured: Measured, column: int) -> Column:
    """The values of one metric, float64[recommenders], NaN = none."""
    width = measured.replicates.shape[1]
    values = [result.value for result in measured.results[column::width]]
    return np.array([math.nan if value is None else value for value in values])


def number(value: float) -> float | None:
    """A number as JSON has it, None for NaN."""
    return None if math.isnan(value) else float(f"{value:.12g}")


def cost(timing: dict[str, Any], rows: int) -> dict[str, Any]:
    """What a recommender costs, from timing.json.

    `answer_ms` is the mean of answers that were worked out together, else the median of those that were timed.
    """
    answers = timing.get("answers", {})
    amortised = timing.get("answer_ms")
    return {
        "train_s": timing.get("training_seconds"),
        "update_s": timing.get("updating_seconds"),
        "answer_ms": answers.get("p50") if amortised is None else amortised,
        "us_per_event": number(1e6 * timing["seconds"] / rows) if rows else None,
        "state_bytes": timing["state_bytes"],
        "parameters": timing.get("parameters"),
        "p50_ms": answers.get("p50"),
        "p95_ms": answers.get("p95"),
        "p99_ms": answers.get("p99"),
        "max_ms": answers.get("longest"),
        "late": answers.get("late"),
    }


def optimal(row: dict[str, Any], rows: list[dict[str, Any]], rank_by: str) -> bool:
    """Whether no other row is both better and cheaper (Pareto); who was given the future neither is nor beats one."""
    mine = _worth(row, rank_by)
    if mine is None:
        return False
    others = [worth for other in rows if other is not row and (worth := _worth(other, rank_by)) is not None]
    return not any(quality >= mine[0] and costs <= mine[1] and (quality, costs) != mine for quality, costs in others)


def _worth(row: dict[str, Any], rank_by: str) -> tuple[float, float] | None:
    value = row["results"].get(rank_by, [None])[0]
    if value is None or row["leaks"] or row["cost"] is None or row["cost"]["us_per_event"] is None:
        return None
    return value, row["cost"]["us_per_event"]


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
        "cells": {of.run.shown(one): [list(cell) for cell in mine] for one, mine in cells.items()},
    }


def _slices(of: Parts, by: str) -> dict[str, Any]:
    table = sliced(of, by)
    return {
        "by": by,
        "label": table.label,
        "groups": table.groups,
        "metrics": table.metrics,
        "cells": {
            metric: {of.run.shown(one): [list(cell) for cell in mine] for one, mine in cells.items()}
            for metric, cells in table.cells.items()
        },
    }
