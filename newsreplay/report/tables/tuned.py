"""Tuning as tables: all candidates on the early stretch, then what was chosen on the later one, beside the default."""

from __future__ import annotations

from collections.abc import Sequence

from newsreplay.report.headings import IN_UNITS, digits_for, format_interval, format_value, heading
from newsreplay.report.records import TuningRow
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import BEST, MARKS, Cell, ReportTable, Screen, p_text
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.runs.folder import RunFolder


def tuned(rows: Sequence[TuningRow], run: RunFolder, *, style: str = "table", screen: Screen | None = None) -> str:
    """What `newsreplay.tuning` found, in one of `tables.FORMATS`; json and csv have the rows as they are.

    `run` is that of the later stretch: what asked for slates and what E sums are its.
    """
    sweeps = list(dict.fromkeys(row["sweep"] for row in rows))
    early = [row for row in rows if row["stretch"] == "early"]
    tables = [_early([row for row in early if row["sweep"] == sweep], run) for sweep in sweeps]
    tables.append(_late([row for row in rows if row["stretch"] == "late"], sweeps, run, style))
    return render(tables, list(map(dict, rows)), style, screen)


def _early(rows: Sequence[TuningRow], run: RunFolder) -> ReportTable:
    publishers = list(dict.fromkeys(row["publisher"] for row in rows))
    body: dict[str, list[Cell]] = {}
    for row in rows:
        cell = _cell(row, rows, run.reward)
        body.setdefault(row["recommender"], []).append(cell._replace(mark=BEST if row["role"] == "chosen" else ""))
    text = heading(rows[0]["metric"], run.asks, run.reward).text
    columns = [(publisher, text) for publisher in publishers]
    return ReportTable("early stretch", columns, list(body.items()), [], rows[0]["sweep"])


def _late(rows: Sequence[TuningRow], sweeps: Sequence[str], run: RunFolder, style: str) -> ReportTable:
    publishers = list(dict.fromkeys(row["publisher"] for row in rows))
    known = heading(rows[0]["metric"], run.asks, run.reward)
    text, unit = known.text, IN_UNITS[known.unit]
    heads = [text, "default", "difference", "95 % interval", "p"]
    of = {(row["sweep"], row["publisher"], row["role"]): row for row in rows}
    body = []
    for sweep in sweeps:
        chosen = next(row["recommender"] for row in rows if row["sweep"] == sweep and row["role"] == "chosen")
        cells: list[Cell] = []
        for publisher in publishers:
            row, default = of[sweep, publisher, "chosen"], of.get((sweep, publisher, "default"))
            beside = Cell("-") if default is None else _cell(default, rows, run.reward)
            cells += [_cell(row, rows, run.reward), beside, *_paired(row, run.reward)]
        body.append((chosen, cells))
    notes = [
        f"{text}: {unit}; {MARKS[style][0]}: chosen, the highest mean over publishers on the early stretch",
        "the later stretch was seen by no choice; differences are from the spec without what was tuned, and paired: "
        "both are resampled alike, p is not corrected",
    ]
    columns = [(publisher, head) for publisher in publishers for head in heads]
    return ReportTable("later stretch", columns, body, notes, "chosen, on the later stretch")


def _cell(row: TuningRow, column: Sequence[TuningRow], reward: Reward | None) -> Cell:
    """A value with its interval, in as many digits as those of its column deserve."""
    halves = [(r["high"] - r["low"]) / 2 for r in column if r["low"] is not None and r["high"] is not None]
    digits = digits_for(halves, row["metric"], reward)
    value, low, high = row["value"], row["low"], row["high"]
    text = format_value(value, row["metric"], reward, digits)
    if value is None or low is None or high is None:
        return Cell(text)
    return Cell(text, format_interval(value, low, high, row["metric"], reward, digits))


def _paired(row: TuningRow, reward: Reward | None) -> list[Cell]:
    metric = row["metric"]
    ends = [format_value(end, metric, reward) for end in (row["difference_low"], row["difference_high"])]
    none = row["difference"] is None
    interval = "-" if none else f"[{ends[0]}, {ends[1]}]"
    return [Cell(format_value(row["difference"], metric, reward)), Cell(interval), Cell(p_text(row["p"]))]
