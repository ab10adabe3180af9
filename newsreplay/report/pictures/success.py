"""Pictures of success: over time, and event-level against session-level."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from newsreplay.report.pictures.arranged import (
    ArrangedPublisher,
    ArrangedRun,
    Floats,
    Series,
    all_rows,
    axis_label,
    best_few,
    duration,
    estimate_of,
    heading_of,
    note_below,
    outside,
    scaled,
    series_of,
    united,
)
from newsreplay.report.pictures.drawing import (
    AutoDateLocator,
    Axes,
    ConciseDateFormatter,
    Figure,
    MaxNLocator,
    Rows,
    dates,
    legend,
)
from newsreplay.report.pictures.labels import freeze, name_points, upper_hull
from newsreplay.report.pictures.sheets import (
    STEPS,
    Look,
    Sheet,
    axis_range,
    cross,
    cross_bars,
    handle,
    look_of,
    panel_frame,
)
from newsreplay.report.records import Estimate, RecommenderRow, TimeSeries

# --- success over time ----------------------------------------------------------------------------------

E, P = "event_success@1", "session_success@1"


def _series(run: ArrangedRun) -> list[tuple[ArrangedPublisher, TimeSeries | None]]:
    return [(publisher, publisher.contents["over_time"]) for publisher in run.publishers]


def _estimates(over: TimeSeries, name: str) -> list[Estimate]:
    return over["cells"].get(name, [])


def over_time(run: ArrangedRun) -> Figure | None:
    """Draw the success of each publisher's best few recommenders over time, a panel each; None without values."""
    drawn = best_few(run, _series(run), _estimates)
    if not drawn:
        return None
    metric = drawn[0].part["metric"]
    series = [
        (
            publisher,
            {name: series_of(run, _estimates(over, name), over["metric"]) for name in [*few, *run.foresee]},
            over,
        )
        for publisher, over, few in drawn
    ]
    beyond: list[str] = []
    framed = [
        panel_frame(publisher.label, by_name, best.few, run, over["metric"], beyond)
        for (publisher, by_name, over), best in zip(series, drawn, strict=True)
    ]
    note = note_below(
        run,
        f"A point for every {duration(drawn[0].part['width'])} with 30 sessions or more; bands: "
        + run.contents["interval"],
        "Dotted: its share of sessions with a hit had changed, by ADWIN." if _marked(drawn[0].part) else "",
        outside(beyond),
        few=united(run, drawn),
    )
    sheet = Sheet(f"{run.title}: {heading_of(run, metric).text} over time", note, len(drawn), 1, 1.5)
    first: Axes | None = None
    for axes, (publisher, by_name, over), (kept, top) in zip(sheet.axes, series, framed, strict=True):
        middles = dates(np.array(over["starts"], dtype=np.int64) + over["width"] // 2)
        for name in kept:
            _band(axes, middles, by_name[name], look_of(run, name))
            _mark_changes(axes, over, name, look_of(run, name))
        legend(axes, [handle(run, name) for name in kept], [run.labels[name] for name in kept])
        axes.set_title(publisher.label)
        axes.set_ylim(0, top)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
        axes.set_ylabel(axis_label(run, over["metric"]))
        if first is None:
            first = axes
        else:
            axes.sharex(first)
    starts = [start for _, over, _ in drawn for start in (over["starts"][0], over["starts"][-1] + over["width"])]
    for axes in sheet.axes:
        axes.set_xlim(*dates(np.array([min(starts), max(starts)])))
        locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
        axes.tick_params(labelbottom=axes is sheet.axes[-1])
        axes.xaxis.get_offset_text().set_visible(axes is sheet.axes[-1])
    sheet.axes[-1].set_xlabel("time (UTC)")
    return sheet.figure


def _band(axes: Axes, x: Floats, series: Series, look: Look) -> None:
    """A line with its band; where neighbours have no value, a point with its interval."""
    value, low, high = series
    x = x[: len(value)]
    axes.plot(x, value, **look, markersize=3, markevery=1 if len(value) <= 40 else len(value) // 20)
    axes.fill_between(x, low, high, color=look["color"], alpha=0.15, lw=0)
    finite = np.isfinite(value)
    alone = finite & ~np.append(False, finite[:-1]) & ~np.append(finite[1:], False)
    axes.vlines(x[alone], low[alone], high[alone], color=look["color"], lw=0.8)
    axes.plot(x[alone], value[alone], **{**look, "linestyle": ""}, markersize=3)


def _marked(over: TimeSeries) -> bool:
    """Whether it was asked when success changed."""
    return "changes" in over


def _mark_changes(axes: Axes, over: TimeSeries, name: str, look: Look) -> None:
    for when in dates(np.array(over.get("changes", {}).get(name, []), dtype=np.int64)):
        axes.axvline(when, color=look["color"], linestyle=":", lw=0.9)


def over_time_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher, recommender and stretch of time.

    If it was asked when success changed, its last cell has the times within the stretch.
    """
    drawn = best_few(run, _series(run), _estimates)
    few = {(best.publisher.contents["name"], name) for best in drawn for name in best.few}
    for publisher, row, _ in all_rows(run, ()):
        over, name = publisher["over_time"], row["recommender"]
        is_drawn = (publisher["name"], name) in few
        if over:
            for start, estimate in zip(over["starts"], _estimates(over, name), strict=False):
                begin = datetime.fromtimestamp(start / 1000, UTC).isoformat()
                changes = (" ".join(_changes_within(over, name, start)),) if _marked(over) else ()
                yield publisher["name"], name, over["metric"], begin, *estimate, is_drawn, *changes


def _changes_within(over: TimeSeries, name: str, start: int) -> list[str]:
    within = (when for when in over["changes"].get(name, []) if start <= when < start + over["width"])
    return [datetime.fromtimestamp(when / 1000, UTC).isoformat() for when in within]


# --- event- against session-level success ---------------------------------------------------------------


def event_against_session(run: ArrangedRun) -> Figure | None:
    """Draw E@1 against P@1, a point a recommender; None where nothing has both."""
    drawn = [
        (
            publisher,
            {name: (scaled(run, row, P), scaled(run, row, E)) for name, row in publisher.rows.items() if _both(row)},
        )
        for publisher in run.publishers
    ]
    drawn = [(publisher, points) for publisher, points in drawn if any(name in points for name in run.ranked)]
    if not drawn:
        return None
    beyond: list[str] = []
    inside: dict[str, None] = {}
    notes = ["Crosses: " + run.contents["interval"]]
    counts = heading_of(run, E).unit == heading_of(run, P).unit  # else seconds are summed, which no share equals
    notes += ["Grey line: E@1 = P@1, at most one hit in every session."] if counts else []
    key = [name for name in run.ranked if any(name in points for _, points in drawn)]
    limits = []
    for publisher, points in drawn:
        ranked = [points[name] for name in key if name in points]
        ranges = [
            axis_range([bound for point in ranked for bound in point[axis] if math.isfinite(bound)]) for axis in (0, 1)
        ]
        limits.append(ranges)
        for name in run.foresee:
            if name in points:
                (p, _, _), (e, _, _) = points[name]
                if p > ranges[0][1] or e > ranges[1][1]:
                    text, unit, *_ = heading_of(run, E)
                    told = f"P@1\u00a0{p:.2f}\u00a0%, {text}\u00a0{e:.2f}\u00a0{unit}"
                    beyond.append(f"{run.labels[name]} on {publisher.label} ({told})")
                else:
                    inside[name] = None
    notes.append(outside(beyond))
    sheet = Sheet(
        f"{run.title}: event- against session-level success",
        note_below(run, *notes),
        len(drawn),
        2,
        2.75 if len(drawn) > 1 else 4.2,
        [run.labels[name] for name in [*key, *inside]],
    )
    for axes, (publisher, points), (across, up) in zip(sheet.axes, drawn, limits, strict=True):
        if counts:
            axes.axline((0, 0), slope=1, color="#999999", lw=0.8, zorder=1)
        for name in [*reversed(key), *run.foresee]:
            if name in points:
                cross(axes, *points[name], look_of(run, name))
        axes.set(title=publisher.label, xlim=across, ylim=up, xlabel=axis_label(run, P), ylabel=axis_label(run, E))
    sheet.key([handle(run, name, line=False) for name in [*key, *inside]])
    freeze(sheet.figure)
    for axes, (_, points) in zip(sheet.axes, drawn, strict=True):
        names = [name for name in key if name in points]
        at = [(points[name][0][0], points[name][1][0]) for name in names]
        best = sorted(range(len(names)), key=lambda number: -at[number][1])
        bars = [bar for name in names for bar in cross_bars(*points[name])]
        most = min(axes.get_xlim()[1], axes.get_ylim()[1]) if counts else 0
        name_points(axes, at, [run.labels[name] for name in names], bars, [(0, 0), (most, most)], upper_hull(at), best)
    return sheet.figure


def _both(row: RecommenderRow) -> bool:
    return estimate_of(row, E)[0] is not None and estimate_of(row, P)[0] is not None


def event_against_session_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher and recommender."""
    for publisher, row, is_drawn in all_rows(run, [*run.ranked, *run.foresee]):
        if _both(row):
            cells = (*estimate_of(row, E)[:3], *estimate_of(row, P))
            yield publisher["name"], row["recommender"], *cells, row["foresees"], is_drawn
