"""Tuning as tables: all candidates on the early stretch, then what was chosen on the later one, beside the default."""

from __future__ import annotations

from collections.abc import Sequence

from newsreplay.report.headings import IN_UNITS, digits_for, format_interval, format_value, heading
from newsreplay.report.records import TuningRow
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import BEST, MARKS, Cell, ReportTable, Screen, p_text


def tuned(rows: Sequence[TuningRow], *, style: str = "table", screen: Screen | None = None) -> str:
    """What `newsreplay.tuning` found, in one of `tables.FORMATS`; json and csv have the rows as they are."""
    sweeps = list(dict.fromkeys(row["sweep"] for row in rows))
    tables = [_early([row for row in rows if row["sweep"] == sweep and row["stretch"] == "early"]) for sweep in sweeps]
    tables.append(_late([row for row in rows if row["stretch"] == "late"], sweeps, style))
    return render(tables, list(map(dict, rows)), style, screen)


def _early(rows: Sequence[TuningRow]) -> ReportTable:
    publishers = list(dict.fromkeys(row["publisher"] for row in rows))
    body: dict[str, list[Cell]] = {}
    for row in rows:
        cell = _cell(row, rows)
        body.setdefault(row["recommender"], []).append(cell._replace(mark=BEST if row["role"] == "chosen" else ""))
    text = heading(rows[0]["metric"]).text
    columns = [(publisher, text) for publisher in publishers]
    return ReportTable("early stretch", columns, list(body.items()), [], rows[0]["sweep"])


def _late(rows: Sequence[TuningRow], sweeps: Sequence[str], style: str) -> ReportTable:
    publishers = list(dict.fromkeys(row["publisher"] for row in rows))
    metric = rows[0]["metric"]
    text, unit = heading(metric).text, IN_UNITS[heading(metric).unit]
    heads = [text, "default", "difference", "95 % interval", "p"]
    of = {(row["sweep"], row["publisher"], row["role"]): row for row in rows}
    body = []
    for sweep in sweeps:
        chosen = next(row["recommender"] for row in rows if row["sweep"] == sweep and row["role"] == "chosen")
        cells: list[Cell] = []
        for publisher in publishers:
            row, default = of[sweep, publisher, "chosen"], of.get((sweep, publisher, "default"))
            cells += [_cell(row, rows), Cell("-") if default is None else _cell(default, rows), *_paired(row)]
        body.append((chosen, cells))
    notes = [
        f"{text}: {unit}; {MARKS[style][0]}: chosen, the highest mean over publishers on the early stretch",
        "the later stretch was seen by no choice; differences are from the spec without what was tuned, and paired: "
        "both are resampled alike, p is not corrected",
    ]
    columns = [(publisher, head) for publisher in publishers for head in heads]
    return ReportTable("later stretch", columns, body, notes, "chosen, on the later stretch")


def _cell(row: TuningRow, column: Sequence[TuningRow]) -> Cell:
    """A value with its interval, in as many digits as those of its column deserve."""
    halves = [(r["high"] - r["low"]) / 2 for r in column if r["low"] is not None and r["high"] is not None]
    digits = digits_for(halves, row["metric"])
    value, low, high = row["value"], row["low"], row["high"]
    text = format_value(value, row["metric"], None, digits)
    if value is None or low is None or high is None:
        return Cell(text)
    return Cell(text, format_interval(value, low, high, row["metric"], None, digits))


def _paired(row: TuningRow) -> list[Cell]:
    metric = row["metric"]
    ends = [format_value(end, metric) for end in (row["difference_low"], row["difference_high"])]
    none = row["difference"] is None
    interval = "-" if none else f"[{ends[0]}, {ends[1]}]"
    return [Cell(format_value(row["difference"], metric)), Cell(interval), Cell(p_text(row["p"]))]
