"""What every table, picture and page says of a run: notes, marks, costs, commands."""

from __future__ import annotations

import math
import shlex
from typing import Any, cast

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.log.rows import Column
from newsreplay.report.headings import LEAKS
from newsreplay.simulator.judgement.metrics import Measured
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.records import PairTimingRecord, PublisherRecord

HEADLINE = "event_success@1"


def notes(run: RunFolder) -> list[str]:
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


def display_name(run: RunFolder, recommender: str) -> str:
    """A recommender's name as every table and picture shows it: who was given the future bears a mark."""
    return f"{recommender}{LEAKS}" if recommender in run.leaks else recommender


def leaks(run: RunFolder) -> list[str]:
    """What the recommenders that every table marks were given of the future, as notes below it."""
    names: dict[str, dict[str, None]] = {}
    for pair in run.info["pairs"]:
        if "leaks" in pair:
            names.setdefault(pair["leaks"], {})[display_name(run, pair.get("without_seed", pair["recommender"]))] = None
    return [f"LEAKS THE FUTURE: {', '.join(who)}: {text}; not ranked" for text, who in names.items()]


def singly(run: RunFolder) -> list[str]:
    """What to know where the rows of recommenders that were repeated are not averaged."""
    names = list(
        dict.fromkeys(display_name(run, pair["without_seed"]) for pair in run.info["pairs"] if "without_seed" in pair)
    )
    if not names:
        return []
    seeds = ", ".join(map(str, run.info["options"]["seeds"]))
    return [
        f"{', '.join(names)}: repeated with the seeds {seeds}, each a row of its own here, so that the best of them is "
        "best by chance too; 'newsreplay leaderboard' shows their mean"
    ]


def _told(run: RunFolder) -> list[str]:
    """What recommenders tell of themselves, each text once; with the publishers, where it is not so on all."""
    where: dict[str, dict[str, dict[str, None]]] = {}  # text → name without its seed → publishers
    for pair in run.info["pairs"]:
        for text in pair.get("notes", ()):
            name = display_name(run, pair.get("without_seed", pair["recommender"]))
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


def _impression_notes(facts: PublisherRecord) -> list[str]:
    left = {
        "without a known outcome": facts["impressions_without_outcome"],
        "all or none of whose candidates were clicked": facts["impressions_of_one_class"],
    }
    told = [f"{count:,} {what}" for what, count in left.items() if count]
    return [f"impressions of {facts['publisher']} that count for nothing: {', '.join(told)}"] if told else []


def interval(run: RunFolder) -> str:
    """How intervals were made, in a sentence."""
    return (
        f"95 % intervals: percentile bootstrap over {run.info['options']['cluster']}s, 1,000 replicates, paired across "
        "recommenders; p-values of paired differences, Holm-corrected."
    )


def commands(run: RunFolder) -> list[str]:
    """The commands that make this run again, and check that it is the same."""
    made, changed = run.info["command"], run.info["rescored"]
    options = [
        f"--{name.replace('_', '-')} {duration_text(cast(int, value)) if name in ('warmup', 'window') else value}"
        for name, value in changed.items()
        if value is not None
    ]
    folder = shlex.quote(str(run.folder))
    return [
        *([made] if made else []),
        *([f"newsreplay score {folder} {' '.join(options)}"] if options else []),
        f"newsreplay verify {folder}",
    ]


def column_of(measured: Measured, column: int) -> Column:
    """The values of one metric, float64[recommenders], NaN = none."""
    width = measured.replicates.shape[1]
    values = [result.value for result in measured.results[column::width]]
    return np.array([math.nan if value is None else value for value in values])


def number(value: float) -> float | None:
    """A number as JSON has it, None for NaN."""
    return None if math.isnan(value) else float(f"{value:.12g}")


def cost(timing: PairTimingRecord, rows: int) -> dict[str, Any]:
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
