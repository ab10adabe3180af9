"""The picture of quality against cost."""

from __future__ import annotations

import math
from typing import NamedTuple

from newsreplay.report.pictures.arranged import (
    ArrangedPublisher,
    ArrangedRun,
    all_rows,
    axis_label,
    estimate_of,
    heading_of,
    note_below,
    outside,
    scaled,
)
from newsreplay.report.pictures.drawing import (
    DASHES,
    Axes,
    Figure,
    FixedLocator,
    FuncFormatter,
    Line2D,
    NullFormatter,
    NullLocator,
    Rows,
    plain,
)
from newsreplay.report.pictures.labels import freeze, name_points
from newsreplay.report.pictures.sheets import GREY, Sheet, axis_range, cross, cross_bars, handle, look_of
from newsreplay.report.records import PublisherContents, RecommenderRow

SPENT = ("us_per_event", "state_bytes", "train_s", "update_s", "answer_ms")  #: the columns of the table
_ROOM = 1.6  #: by which the axis of costs goes beyond them


class _Panel(NamedTuple):
    """A publisher with its points."""

    publisher: ArrangedPublisher
    metric: str
    points: dict[str, tuple[float, tuple[float, float, float]]]  #: by recommender: cost, and value with its bounds
    up: tuple[float, float]  #: limits of the axis of quality


def quality_against_cost(run: ArrangedRun) -> Figure | None:
    """Draw the headline metric against processor time per event, with the Pareto front; None without costs."""
    panels = _panels(run)
    if not panels:
        return None
    key = [name for name in run.ranked if any(name in panel.points for panel in panels)]
    beyond, inside = _references(run, panels)
    note = (
        "Filled: nobody is both better and cheaper (the Pareto front); open: somebody is. "
        f"Bars: {run.contents['interval']}"
    )
    sheet = Sheet(
        f"{run.title}: {heading_of(run, panels[0].metric).text} against processor time per event",
        note_below(run, note, outside(beyond)),
        len(panels),
        2,
        2.75 if len(panels) > 1 else 4.2,
        [run.labels[name] for name in [*key, *inside]],
    )
    fronts = [_draw(run, axes, panel, key) for axes, panel in zip(sheet.axes, panels, strict=True)]
    lines = [Line2D([], [], color=GREY, lw=1.3, linestyle=DASHES[2]) for _ in inside]
    sheet.key([*(handle(run, name, line=False) for name in key), *lines])
    freeze(sheet.figure)
    for axes, panel, front in zip(sheet.axes, panels, fronts, strict=True):
        _name(run, axes, panel, key, front)
    return sheet.figure


def _panels(run: ArrangedRun) -> list[_Panel]:
    panels = []
    for publisher in run.publishers:
        metric = publisher.contents["headline"]
        points = {
            name: (_cost(row) or math.nan, scaled(run, row, metric))
            for name, row in publisher.rows.items()
            if estimate_of(row, metric)[0] is not None and (_cost(row) or name in run.foresee)
        }
        ranked = [name for name in run.ranked if name in points]
        if ranked:
            bounds = [bound for name in ranked for bound in points[name][1] if math.isfinite(bound)]
            panels.append(_Panel(publisher, metric, points, axis_range(bounds)))
    return panels


def _references(run: ArrangedRun, panels: list[_Panel]) -> tuple[list[str], list[str]]:
    """Recommenders that foresee: in words those above a frame, and the names of those inside."""
    beyond: list[str] = []
    inside: dict[str, None] = {}
    for panel in panels:
        for name in run.foresee:
            if name in panel.points:
                value = panel.points[name][1][0]
                if value > panel.up[1]:
                    text = f"{value:.2f}\u00a0{heading_of(run, panel.metric).unit}".strip()
                    beyond.append(f"{run.labels[name]} on {panel.publisher.label} ({text})")
                else:
                    inside[name] = None
    return beyond, list(inside)


def _draw(run: ArrangedRun, axes: Axes, panel: _Panel, key: list[str]) -> list[tuple[float, float]]:
    """Draw the points and the front of a panel; the corners of the front."""
    costs = [panel.points[name][0] for name in key if name in panel.points]
    label = axis_label(run, panel.metric)
    axes.set(xscale="log", title=panel.publisher.label, xlabel="time per event (µs)", ylabel=label)
    axes.set_xlim(min(costs) / _ROOM, max(costs) * _ROOM)
    axes.set_ylim(panel.up)
    best = _front(run, panel.publisher.contents)
    ends = [after for after, _ in best[1:]] + [max(costs) * _ROOM]
    front = [corner for (x, y), end in zip(best, ends, strict=False) for corner in ((x, y), (end, y))]
    axes.plot([x for x, _ in front], [y for _, y in front], color=GREY, lw=0.9, zorder=1.5)
    axes.plot([x for x, _ in best], [y for _, y in best], ".", color=GREY, markersize=3, zorder=1.5)
    for name in reversed(key):
        if name in panel.points:
            cost, value = panel.points[name]
            is_open = not panel.publisher.rows[name]["pareto"]
            cross(axes, (cost, math.nan, math.nan), value, look_of(run, name), is_open=is_open)
    for name in run.foresee:
        if name in panel.points:
            axes.axhline(panel.points[name][1][0], color=GREY, lw=1.3, linestyle=DASHES[2], zorder=1.5)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    if max(costs) / min(costs) > 300:
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(FixedLocator(_round_steps(min(costs) / _ROOM, max(costs) * _ROOM)))
        axes.xaxis.set_minor_locator(NullLocator())
    return front


def _name(run: ArrangedRun, axes: Axes, panel: _Panel, key: list[str], front: list[tuple[float, float]]) -> None:
    """Label the points of a panel, those on the Pareto front first."""
    points = panel.points
    names = [name for name in key if name in points]
    at = [(points[name][0], points[name][1][0]) for name in names]
    must = [number for number, name in enumerate(names) if panel.publisher.rows[name]["pareto"]]
    bars = [bar for name in names for bar in cross_bars((points[name][0], math.nan, math.nan), points[name][1])]
    first, last = axes.get_xlim()
    bars += [(first, points[name][1][0], last, points[name][1][0]) for name in run.foresee if name in points]
    best_first = sorted(range(len(names)), key=lambda number: -at[number][1])
    name_points(axes, at, [run.labels[name] for name in names], bars, front, must, best_first)


def _cost(row: RecommenderRow | None) -> float | None:
    spent = row["cost"]["us_per_event"] if row and row["cost"] else None
    return spent if spent and spent > 0 else None  # a logarithmic axis has no zero


def _front(run: ArrangedRun, publisher: PublisherContents) -> list[tuple[float, float]]:
    """Cost and quality, as drawn, of the whole Pareto front, also of those that are not among the best."""
    return sorted(
        (_cost(row) or math.nan, scaled(run, row, publisher["headline"])[0])
        for row in publisher["rows"]
        if row["status"] == "done" and row["pareto"] and _cost(row) and not row["foresees"]
    )


def _round_steps(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step for power in powers for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if low <= step <= high]


def quality_against_cost_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher and recommender, with its costs."""
    for publisher, row, is_drawn in all_rows(run, [*run.ranked, *run.foresee]):
        value, low, high, _ = estimate_of(row, publisher["headline"])
        if value is not None and (_cost(row) or row["foresees"]):
            spent = [row["cost"].get(column) if row["cost"] else None for column in SPENT]
            quality = (publisher["headline"], value, low, high)
            yield publisher["name"], row["recommender"], *quality, *spent, row["pareto"], row["foresees"], is_drawn
