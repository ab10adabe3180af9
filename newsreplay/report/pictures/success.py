"""Pictures of success: over time, and event-level against session-level."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np

from newsreplay.report.pictures.arranged import (
    Floats,
    Run,
    _all,
    _axis,
    _cell,
    _few,
    _note,
    _series,
    duration,
    heading,
    outside,
    scaled,
)
from newsreplay.report.pictures.drawing import (
    AutoDateLocator,
    Axes,
    ConciseDateFormatter,
    Figure,
    MaxNLocator,
    Rows,
    dates,
)
from newsreplay.report.pictures.sheets import (
    STEPS,
    Sheet,
    _bars,
    _frame,
    _hull,
    _look,
    _range,
    cross,
    freeze,
    handle,
    name_points,
)

# --- success over time ----------------------------------------------------------------------------------

E, P = "event_success@1", "session_success@1"


def over_time(run: Run) -> Figure | None:
    few, shown = _few(run, [(each, each.contents.get("over_time")) for each in run.publishers])
    if not few:
        return None
    metric = shown[0][1]["metric"]
    series = [
        (each, {name: _series(over["cells"].get(name, []), over["metric"]) for name in [*few, *run.foresee]}, over)
        for each, over in shown
    ]
    beyond: list[str] = []
    framed = [_frame(each.label, by_name, few, run, over["metric"], beyond) for each, by_name, over in series]
    note = _note(
        run,
        f"A point for every {duration(shown[0][1]['width'])} with 30 sessions or more; bands: "
        + run.contents["interval"],
        outside(beyond),
        few=few,
    )
    key = [*few, *(name for name in run.foresee if any(name in kept for kept, _ in framed))]
    sheet = Sheet(f"{run.title}: {heading(metric)} over time", note, len(shown), 1, 1.5, [run.labels[n] for n in key])
    first: Axes | None = None
    for axes, (each, by_name, over), (kept, top) in zip(sheet.axes, series, framed, strict=True):
        middles = dates(np.array(over["starts"], dtype=np.int64) + over["width"] // 2)
        for name in kept:
            _band(axes, middles, by_name[name], _look(run, name))
        axes.set_title(each.label)
        axes.set_ylim(0, top)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
        axes.set_ylabel(_axis(over["metric"]))
        if first is None:
            first = axes
        else:
            axes.sharex(first)
    starts = [start for _, over in shown for start in (over["starts"][0], over["starts"][-1] + over["width"])]
    for axes in sheet.axes:
        axes.set_xlim(dates(np.array([min(starts), max(starts)])))
        locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
        axes.tick_params(labelbottom=axes is sheet.axes[-1])
        axes.xaxis.get_offset_text().set_visible(axes is sheet.axes[-1])
    sheet.axes[-1].set_xlabel("time (UTC)")
    sheet.key([handle(run, name) for name in key])
    return sheet.figure


def _band(axes: Axes, x: Any, series: tuple[Floats, Floats, Floats], look: dict[str, Any]) -> None:
    """A line with its band; where neighbours have no value, a point with its interval."""
    value, low, high = series
    x = np.asarray(x)[: len(value)]
    axes.plot(x, value, **look, markersize=3, markevery=1 if len(value) <= 40 else len(value) // 20)
    axes.fill_between(x, low, high, color=look["color"], alpha=0.15, lw=0)
    there = np.isfinite(value)
    alone = there & ~np.append(False, there[:-1]) & ~np.append(there[1:], False)
    axes.vlines(x[alone], low[alone], high[alone], color=look["color"], lw=0.8)
    axes.plot(x[alone], value[alone], **{**look, "linestyle": ""}, markersize=3)


def over_time_rows(run: Run) -> Rows:
    drawn = _few(run, [(each, each.contents.get("over_time")) for each in run.publishers])[0]
    for each, row, is_drawn in _all(run, drawn):
        over, name = each.get("over_time"), row["recommender"]
        if over:
            for start, cell in zip(over["starts"], over["cells"].get(name, []), strict=False):
                begin = datetime.fromtimestamp(start / 1000, UTC).isoformat()
                yield each["name"], name, over["metric"], begin, *cell, is_drawn


# --- event- against session-level success ---------------------------------------------------------------


def event_against_session(run: Run) -> Figure | None:
    drawn = [
        (each, {name: (scaled(row, P), scaled(row, E)) for name, row in each.rows.items() if _both(row)})
        for each in run.publishers
    ]
    drawn = [(each, points) for each, points in drawn if any(name in points for name in run.ranked)]
    if not drawn:
        return None
    beyond: list[str] = []
    inside: dict[str, None] = {}
    notes = ["Crosses: " + run.contents["interval"]]
    notes.append("Grey line: E@1 = P@1, at most one hit in every session.")
    key = [name for name in run.ranked if any(name in points for _, points in drawn)]
    limits = []
    for each, points in drawn:
        ranked = [points[name] for name in key if name in points]
        ranges = [
            _range([bound for point in ranked for bound in point[axis] if math.isfinite(bound)]) for axis in (0, 1)
        ]
        limits.append(ranges)
        for name in run.foresee:
            if name in points:
                (p, _, _), (e, _, _) = points[name]
                if p > ranges[0][1] or e > ranges[1][1]:
                    beyond.append(
                        f"{run.labels[name]} on {each.label} (P@1\u00a0{p:.2f}\u00a0%, E@1\u00a0{e:.2f}\u00a0%)"
                    )
                else:
                    inside[name] = None
    notes.append(outside(beyond))
    sheet = Sheet(
        f"{run.title}: event- against session-level success",
        _note(run, *notes),
        len(drawn),
        2,
        2.75 if len(drawn) > 1 else 4.2,
        [run.labels[name] for name in [*key, *inside]],
    )
    for axes, (each, points), (across, up) in zip(sheet.axes, drawn, limits, strict=True):
        axes.axline((0, 0), slope=1, color="#999999", lw=0.8, zorder=1)
        for name in [*reversed(key), *run.foresee]:
            if name in points:
                cross(axes, *points[name], _look(run, name))
        axes.set(title=each.label, xlim=across, ylim=up, xlabel=_axis(P), ylabel=_axis(E))
    sheet.key([handle(run, name, line=False) for name in [*key, *inside]])
    freeze(sheet.figure)
    for axes, (_, points) in zip(sheet.axes, drawn, strict=True):
        names = [name for name in key if name in points]
        at = [(points[name][0][0], points[name][1][0]) for name in names]
        best = sorted(range(len(names)), key=lambda number: -at[number][1])
        bars = [bar for name in names for bar in _bars(*points[name])]
        most = min(axes.get_xlim()[1], axes.get_ylim()[1])
        name_points(axes, at, [run.labels[name] for name in names], bars, [(0, 0), (most, most)], _hull(at), best)
    return sheet.figure


def _both(row: Any) -> bool:
    return _cell(row, E)[0] is not None and _cell(row, P)[0] is not None


def event_against_session_rows(run: Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        if _both(row):
            cells = (*_cell(row, E)[:3], *_cell(row, P))
            yield each["name"], row["recommender"], *cells, row["foresees"], is_drawn
