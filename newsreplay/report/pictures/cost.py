"""The picture of quality against cost."""

from __future__ import annotations

import math
from typing import Any

from newsreplay.report import headings
from newsreplay.report.pictures.arranged import (
    Contents,
    Publisher,
    Run,
    _all,
    _axis,
    _cell,
    _note,
    heading,
    outside,
    scaled,
)
from newsreplay.report.pictures.drawing import (
    DASHES,
    Figure,
    FixedLocator,
    FuncFormatter,
    Line2D,
    NullFormatter,
    NullLocator,
    Rows,
    plain,
)
from newsreplay.report.pictures.sheets import GREY, Sheet, _bars, _look, _range, cross, freeze, handle, name_points

# --- quality against cost -------------------------------------------------------------------------------


def _cost(row: Any) -> float | None:
    cost = (row or {}).get("cost") or {}
    spent = cost.get("us_per_event")
    return spent if spent and spent > 0 else None  # a logarithmic axis has no zero


SPENT = ("us_per_event", "state_bytes", "train_s", "update_s", "answer_ms")  # as the table has it


def quality_against_cost(run: Run) -> Figure | None:
    drawn = []
    for each in run.publishers:
        metric = each.contents["headline"]
        points = {
            name: (_cost(row) or math.nan, scaled(row, metric))
            for name, row in each.rows.items()
            if _cell(row, metric)[0] is not None and (_cost(row) or name in run.foresee)
        }
        if any(name in points for name in run.ranked):
            drawn.append((each, metric, points))
    if not drawn:
        return None
    key = [name for name in run.ranked if any(name in points for _, _, points in drawn)]
    beyond: list[str] = []
    inside: dict[str, None] = {}
    limits = []
    for each, metric, points in drawn:
        up = _range([bound for name in key if name in points for bound in points[name][1] if math.isfinite(bound)])
        limits.append(up)
        for name in run.foresee:
            if name in points:
                value = points[name][1][0]
                if value > up[1]:
                    told = f"{value:.2f}\u00a0{headings.of(metric).unit}".strip()
                    beyond.append(f"{run.labels[name]} on {each.label} ({told})")
                else:
                    inside[name] = None
    notes = [
        "Filled: nobody is both better and cheaper (the Pareto front); open: somebody is. "
        f"Bars: {run.contents['interval']}"
    ]
    sheet = Sheet(
        f"{run.title}: {heading(drawn[0][1])} against processor time per event",
        _note(run, *notes, outside(beyond)),
        len(drawn),
        2,
        2.75 if len(drawn) > 1 else 4.2,
        [run.labels[name] for name in [*key, *inside]],
    )
    fronts = []
    for axes, (each, metric, points), up in zip(sheet.axes, drawn, limits, strict=True):
        costs = [points[name][0] for name in key if name in points]
        axes.set(xscale="log", title=each.label, xlabel="time per event (µs)", ylabel=_axis(metric))
        axes.set_xlim(min(costs) / 1.6, max(costs) * 1.6)
        axes.set_ylim(up)
        best = _front(each.contents)
        ends = [after for after, _ in best[1:]] + [max(costs) * 1.6]
        front = [corner for (x, y), end in zip(best, ends, strict=False) for corner in ((x, y), (end, y))]
        axes.plot([x for x, _ in front], [y for _, y in front], color=GREY, lw=0.9, zorder=1.5)
        axes.plot([x for x, _ in best], [y for _, y in best], ".", color=GREY, markersize=3, zorder=1.5)
        fronts.append(front)
        for name in reversed(key):
            if name in points:
                cost, cell = points[name]
                look = _look(run, name)
                cross(axes, (cost, math.nan, math.nan), cell, look, is_open=not _optimal(each, name))
        for name in run.foresee:
            if name in points:
                axes.axhline(points[name][1][0], color=GREY, lw=1.3, linestyle=DASHES[2], zorder=1.5)
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        if max(costs) / min(costs) > 300:
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(FixedLocator(_round_steps(min(costs) / 1.6, max(costs) * 1.6)))
            axes.xaxis.set_minor_locator(NullLocator())
    lines = [Line2D([], [], color=GREY, lw=1.3, linestyle=DASHES[2]) for _ in inside]
    sheet.key([*(handle(run, name, line=False) for name in key), *lines])
    freeze(sheet.figure)
    for axes, (each, _, points), front in zip(sheet.axes, drawn, fronts, strict=True):
        names = [name for name in key if name in points]
        at = [(points[name][0], points[name][1][0]) for name in names]
        optimal = [number for number, name in enumerate(names) if _optimal(each, name)]
        bars = [bar for name in names for bar in _bars((points[name][0], math.nan, math.nan), points[name][1])]
        first, last = axes.get_xlim()
        bars += [(first, points[name][1][0], last, points[name][1][0]) for name in run.foresee if name in points]
        best_first = sorted(range(len(names)), key=lambda number: -at[number][1])
        name_points(axes, at, [run.labels[name] for name in names], bars, front, optimal, best_first)
    return sheet.figure


def _front(publisher: Contents) -> list[tuple[float, float]]:
    """Cost and quality, as shown, of all that is optimal, also of those that are not among the best."""
    return sorted(
        (_cost(row) or math.nan, scaled(row, publisher["headline"])[0])
        for row in publisher["rows"]
        if row["status"] == "done" and row["pareto"] and _cost(row) and not row["foresees"]
    )


def _optimal(each: Publisher, name: str) -> bool:
    return bool(each.rows[name]["pareto"])


def _round_steps(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step for power in powers for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if low <= step <= high]


def quality_against_cost_rows(run: Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        quality = (each["headline"], *_cell(row, each["headline"])[:3])
        if quality[1] is not None and (_cost(row) or row["foresees"]):
            cost = row["cost"] or {}
            spent = (cost.get(what) for what in SPENT)
            yield each["name"], row["recommender"], *quality, *spent, row["pareto"], row["foresees"], is_drawn
