"""Pictures of a run, for papers: how good its recommenders are, how sure that is, where they miss and what they cost.

Drawn from the contents of a run (`contents.py`), never from the run itself. Imports matplotlib (`drawing.py` tells
what follows from that), and so is imported only when somebody wants pictures.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from newsreplay.errors import NewsreplayError
from newsreplay.report import headings
from newsreplay.report.drawing import (
    COLOURS,
    DASHES,
    MARKERS,
    WIDTH,
    AutoDateLocator,
    Axes,
    ConciseDateFormatter,
    Figure,
    FigureCanvasAgg,
    FixedLocator,
    FuncFormatter,
    Line2D,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    Patch,
    Rows,
    blended_transform_factory,
    dates,
    drawing_into,
    labels_of,
    name_entries,
    new_figure,
    plain,
    save,
    width_of,
    write_table,
)
from newsreplay.simulator.files import file_name
from newsreplay.simulator.log import DAY, HOUR

MOST_PUBLISHERS = 6  #: in one picture; of more, those with most scored sessions
MOST_RECOMMENDERS = 60  #: in one picture; of more, those with the best mean rank
FEW = 6  #: recommenders whose lines share one panel
MOST_GROUPS = 20  #: of a slice whose groups have no order, such as categories
NAMED = 12  #: points of a scatter plot that are labelled, if there is room for so many
NAMED_IN_NOTE = 16  #: of those left out

_SMALL = 7  #: points, of labels
_LINE = 0.15  #: inches from one row of a list to the next
_AROUND = 0.5  #: inches, of a panel's height for its title, ticks and label
_GREY = "#555555"  #: what is there for reference
_STEPS = [1, 2, 5, 10]  #: of axes
_NO_ORDER = ("category",)  #: slices whose groups have no order
_E, _P = "event_success@1", "session_success@1"
_IMPRESSIONS = ("auc", "mrr", "ndcg@10")
#: Fill and hatch of causes, in their order: shades of blue are hits, near and far; then each kind of miss.
_FILLS = (
    ("#0072B2", ""),
    ("#56B4E9", ""),
    ("#CDE7F5", ""),
    ("#E69F00", "////"),
    ("#CC79A7", "...."),
    ("#D55E00", "xxxx"),
)

Floats = NDArray[np.float64]
Contents = dict[str, Any]


class _Publisher(NamedTuple):
    """One publisher of a run."""

    label: str
    rows: dict[str, Any]  #: recommender → its row, of those that are drawn
    contents: Contents


class _Run(NamedTuple):
    """A run as its pictures see it."""

    title: str
    publishers: list[_Publisher]  #: that are drawn
    ranked: list[str]  #: recommenders that are drawn, best mean rank first; their places tell their looks
    foresee: list[str]  #: recommenders that are drawn for reference only
    labels: dict[str, str]  #: of all recommenders
    able: int  #: recommenders that could be drawn, those that foresee apart
    notes: list[str]  #: publishers and failures that were left out
    contents: Contents


def draw_run(contents: Contents, folder: Path) -> list[Path]:
    """Draw a run into `folder`, each picture as PNG and SVG with its numbers as CSV; the files written.

    - `success_over_time`: the headline metric of the best six recommenders in each stretch of time;
    - `event_against_session`: E@1 against P@1;
    - `quality_against_cost`: the headline metric against processor time per event, with the Pareto front;
    - `publishers_by_recommenders`: the headline metric relative to each publisher's best, if there are two or more;
    - `rank_stability`: ranks by the headline metric with the range of 95 % of the replicates;
    - `slices_BY` for each slice: the headline metric (or the slice's first) of the best six recommenders by group;
    - `misses`: why reads that could have been hits were none;
    - `impressions`: AUC, MRR and nDCG@10, if the data have impressions.

    A picture without data is left out. Best are those with the best mean rank over the publishers by the headline
    metric; of more than 60 the best 60 are drawn, and of more than six publishers those with most scored sessions.
    Recommenders that foresee are drawn for reference and not ranked. The CSV files hold all that did not fail, with
    names and values as `contents` has them; `drawn` tells who is in the picture. Raises `NewsreplayError` if nothing
    can be drawn, or `folder` cannot be written.
    """
    if not any(row["status"] == "done" for each in contents["publishers"] for row in each["rows"]):
        raise NewsreplayError(f"{contents['title']} has nothing to draw: every recommender failed")
    with drawing_into(folder):
        run = _arranged(contents)
        files: list[Path] = []
        for name, draw_one, header, rows in _pictures(contents):
            figure = draw_one(run)
            if figure is not None:
                files += [*save(figure, folder / name), write_table(folder / f"{name}.csv", header, rows(run))]
    if not files:
        raise NewsreplayError(f"{contents['title']} has nothing to draw: its recommenders have no values")
    return files


def _arranged(contents: Contents) -> _Run:
    publishers = contents["publishers"]
    names = list(dict.fromkeys(row["recommender"] for each in publishers for row in each["rows"]))
    labels = dict(zip(names, labels_of(names), strict=True))
    done = [{row["recommender"]: row for row in each["rows"] if row["status"] == "done"} for each in publishers]
    foresee = [name for name in names if any(name in rows and rows[name]["foresees"] for rows in done)]
    able = [name for name in names if name not in set(foresee) and any(name in rows for rows in done)]
    ranks = dict.fromkeys(able, 0.0)
    for each, rows in zip(publishers, done, strict=True):
        for name, rank in _ranks(able, rows, each["headline"]).items():
            ranks[name] += rank
    ranked = sorted(able, key=lambda name: ranks[name])[:MOST_RECOMMENDERS]

    sessions = [max((_cell(row, each["headline"])[3] or 0 for row in each["rows"]), default=0) for each in publishers]
    largest = sorted(range(len(publishers)), key=lambda number: -sessions[number])[:MOST_PUBLISHERS]
    told = labels_of([each["name"] for each in publishers])
    shown = {*ranked, *foresee}
    notes = []
    if len(publishers) > MOST_PUBLISHERS:
        notes.append(f"The {MOST_PUBLISHERS} publishers with most scored sessions, of {len(publishers)}.")
    failed = [
        labels[row["recommender"]] + (f" on {label}" if len(publishers) > 1 else "")
        for each, label in zip(publishers, told, strict=True)
        for row in each["rows"]
        if row["status"] != "done"
    ]
    if failed:
        notes.append(f"Failed and left out: {_listed(failed)}.")
    leaking = [labels[name] for name in able if any(name in rows and rows[name]["leaks"] for rows in done)]
    if leaking:
        notes.append(f"Given the future on purpose, and so not ranked: {_listed(leaking)}.")
    return _Run(
        title=labels_of([contents["title"]])[0],
        publishers=[
            _Publisher(told[number], {name: row for name, row in done[number].items() if name in shown}, each)
            for number, each in enumerate(publishers)
            if number in largest
        ],
        ranked=ranked,
        foresee=foresee,
        labels=labels,
        able=len(able),
        notes=notes,
        contents=contents,
    )


def _ranks(names: list[str], rows: dict[str, Any], metric: str) -> dict[str, float]:
    """Ranks of a publisher's values, equal values sharing theirs; who has none comes last."""
    values = {name: _cell(rows.get(name), metric)[0] for name in names}
    ordered = sorted((value for value in values.values() if value is not None), reverse=True)
    first = {value: rank for rank, value in reversed(list(enumerate(ordered, start=1)))}
    last = {value: rank for rank, value in enumerate(ordered, start=1)}
    beyond = (len(ordered) + 1 + len(names)) / 2
    return {name: beyond if value is None else (first[value] + last[value]) / 2 for name, value in values.items()}


# --- success over time ----------------------------------------------------------------------------------


def _over_time(run: _Run) -> Figure | None:
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
        f"A point for every {_duration(shown[0][1]['width'])} with 30 sessions or more; bands: "
        + run.contents["interval"],
        _outside(beyond),
        few=few,
    )
    key = [*few, *(name for name in run.foresee if any(name in kept for kept, _ in framed))]
    sheet = _Sheet(f"{run.title}: {_heading(metric)} over time", note, len(shown), 1, 1.5, [run.labels[n] for n in key])
    first: Axes | None = None
    for axes, (each, by_name, over), (kept, top) in zip(sheet.axes, series, framed, strict=True):
        middles = dates(np.array(over["starts"], dtype=np.int64) + over["width"] // 2)
        for name in kept:
            _band(axes, middles, by_name[name], _look(run, name))
        axes.set_title(each.label)
        axes.set_ylim(0, top)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
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
    sheet.key([_handle(run, name) for name in key])
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


def _over_time_rows(run: _Run) -> Rows:
    drawn = _few(run, [(each, each.contents.get("over_time")) for each in run.publishers])[0]
    for each, row, is_drawn in _all(run, drawn):
        over, name = each.get("over_time"), row["recommender"]
        if over:
            for start, cell in zip(over["starts"], over["cells"].get(name, []), strict=False):
                begin = datetime.fromtimestamp(start / 1000, UTC).isoformat()
                yield each["name"], name, over["metric"], begin, *cell, is_drawn


# --- event- against session-level success ---------------------------------------------------------------


def _event_against_session(run: _Run) -> Figure | None:
    drawn = [
        (each, {name: (_scaled(row, _P), _scaled(row, _E)) for name, row in each.rows.items() if _both(row)})
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
    notes.append(_outside(beyond))
    sheet = _Sheet(
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
                _cross(axes, *points[name], _look(run, name))
        axes.set(title=each.label, xlim=across, ylim=up, xlabel=_axis(_P), ylabel=_axis(_E))
    sheet.key([_handle(run, name, line=False) for name in [*key, *inside]])
    _freeze(sheet.figure)
    for axes, (_, points) in zip(sheet.axes, drawn, strict=True):
        names = [name for name in key if name in points]
        at = [(points[name][0][0], points[name][1][0]) for name in names]
        best = sorted(range(len(names)), key=lambda number: -at[number][1])
        bars = [bar for name in names for bar in _bars(*points[name])]
        most = min(axes.get_xlim()[1], axes.get_ylim()[1])
        _name_points(axes, at, [run.labels[name] for name in names], bars, [(0, 0), (most, most)], _hull(at), best)
    return sheet.figure


def _both(row: Any) -> bool:
    return _cell(row, _E)[0] is not None and _cell(row, _P)[0] is not None


def _event_against_session_rows(run: _Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        if _both(row):
            cells = (*_cell(row, _E)[:3], *_cell(row, _P))
            yield each["name"], row["recommender"], *cells, row["foresees"], is_drawn


# --- quality against cost -------------------------------------------------------------------------------


def _cost(row: Any) -> float | None:
    cost = (row or {}).get("cost") or {}
    spent = cost.get("us_per_event")
    return spent if spent and spent > 0 else None  # a logarithmic axis has no zero


_SPENT = ("us_per_event", "state_bytes", "train_s", "update_s", "answer_ms")  # as the table has it


def _quality_against_cost(run: _Run) -> Figure | None:
    drawn = []
    for each in run.publishers:
        metric = each.contents["headline"]
        points = {
            name: (_cost(row) or math.nan, _scaled(row, metric))
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
    sheet = _Sheet(
        f"{run.title}: {_heading(drawn[0][1])} against processor time per event",
        _note(run, *notes, _outside(beyond)),
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
        axes.plot([x for x, _ in front], [y for _, y in front], color=_GREY, lw=0.9, zorder=1.5)
        axes.plot([x for x, _ in best], [y for _, y in best], ".", color=_GREY, markersize=3, zorder=1.5)
        fronts.append(front)
        for name in reversed(key):
            if name in points:
                cost, cell = points[name]
                look = _look(run, name)
                _cross(axes, (cost, math.nan, math.nan), cell, look, is_open=not _optimal(each, name))
        for name in run.foresee:
            if name in points:
                axes.axhline(points[name][1][0], color=_GREY, lw=1.3, linestyle=DASHES[2], zorder=1.5)
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        if max(costs) / min(costs) > 300:
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(FixedLocator(_round_steps(min(costs) / 1.6, max(costs) * 1.6)))
            axes.xaxis.set_minor_locator(NullLocator())
    lines = [Line2D([], [], color=_GREY, lw=1.3, linestyle=DASHES[2]) for _ in inside]
    sheet.key([*(_handle(run, name, line=False) for name in key), *lines])
    _freeze(sheet.figure)
    for axes, (each, _, points), front in zip(sheet.axes, drawn, fronts, strict=True):
        names = [name for name in key if name in points]
        at = [(points[name][0], points[name][1][0]) for name in names]
        optimal = [number for number, name in enumerate(names) if _optimal(each, name)]
        bars = [bar for name in names for bar in _bars((points[name][0], math.nan, math.nan), points[name][1])]
        first, last = axes.get_xlim()
        bars += [(first, points[name][1][0], last, points[name][1][0]) for name in run.foresee if name in points]
        best_first = sorted(range(len(names)), key=lambda number: -at[number][1])
        _name_points(axes, at, [run.labels[name] for name in names], bars, front, optimal, best_first)
    return sheet.figure


def _front(publisher: Contents) -> list[tuple[float, float]]:
    """Cost and quality, as shown, of all that is optimal, also of those that are not among the best."""
    return sorted(
        (_cost(row) or math.nan, _scaled(row, publisher["headline"])[0])
        for row in publisher["rows"]
        if row["status"] == "done" and row["pareto"] and _cost(row) and not row["foresees"]
    )


def _optimal(each: _Publisher, name: str) -> bool:
    return bool(each.rows[name]["pareto"])


def _round_steps(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step for power in powers for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if low <= step <= high]


def _quality_against_cost_rows(run: _Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        quality = (each["headline"], *_cell(row, each["headline"])[:3])
        if quality[1] is not None and (_cost(row) or row["foresees"]):
            cost = row["cost"] or {}
            spent = (cost.get(what) for what in _SPENT)
            yield each["name"], row["recommender"], *quality, *spent, row["pareto"], row["foresees"], is_drawn


# --- publishers by recommenders -------------------------------------------------------------------------


def _publishers_by_recommenders(run: _Run) -> Figure | None:
    drawn = [each for each in run.publishers if _best(each.contents) is not None]
    names = [name for name in run.ranked if any(_headline(each, name) is not None for each in drawn)]
    if len(drawn) < 2 or not names:
        return None
    framing = [name for name in run.foresee if any(_headline(each, name) is not None for each in drawn)]
    everyone = [*names, *framing]
    metrics = list(dict.fromkeys(each.contents["headline"] for each in drawn))
    headed = " and ".join(_heading(metric) for metric in metrics)
    inside = " and ".join(_axis(metric) for metric in metrics)
    note = _note(run, f"Per cent of the best value of the publisher; in brackets {inside}. Rows by mean rank.")
    figure = new_figure(
        f"{run.title}: {headed} relative to the best of each publisher",
        note,
        _LINE * len(everyone) + 0.75 + 0.13 * (note.count("\n") + 1),
    )
    axes = figure.subplots()
    relative = np.full((len(everyone), len(drawn)), np.nan)
    for column, each in enumerate(drawn):
        best = _best(each.contents)
        for line, name in enumerate(everyone):
            value = _headline(each, name)
            share = math.nan if value is None or not best else 100 * value / best
            if line < len(names):
                relative[line, column] = share
            text = "–" if value is None else _brief(value, each.contents["headline"])
            if name not in each.rows:
                text = "failed" if name in _failed(each.contents) else "–"
            shown = f"{share:.0f}  ({text})" if math.isfinite(share) else text
            dark = line < len(names) and share > 80
            axes.text(
                column, line, shown, ha="center", va="center", fontsize=_SMALL, color="white" if dark else "black"
            )
    axes.imshow(relative, cmap="Blues", vmin=0, vmax=115, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(drawn)), [each.label for each in drawn])
    axes.set_yticks(range(len(everyone)), [run.labels[name] for name in everyone], fontsize=_SMALL)
    _slant(axes, figure, [each.label for each in drawn], 4.8)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.grid(visible=False)
    axes.set_xticks(np.arange(len(drawn) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(everyone) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=0.8)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    if framing:
        axes.axhline(len(names) - 0.5, color="black", lw=0.8)
    return figure


def _headline(each: _Publisher, name: str) -> float | None:
    value: float | None = _cell(each.rows.get(name), each.contents["headline"])[0]
    return value


def _best(publisher: Contents) -> float | None:
    values = [
        _cell(row, publisher["headline"])[0]
        for row in publisher["rows"]
        if row["status"] == "done" and not row["foresees"] and not row["leaks"]
    ]
    return max((value for value in values if value is not None), default=None)


def _failed(publisher: Contents) -> set[str]:
    return {row["recommender"] for row in publisher["rows"] if row["status"] != "done"}


def _publishers_by_recommenders_rows(run: _Run) -> Rows:
    best = {each["name"]: _best(each) for each in run.contents["publishers"]}
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        value, highest = _cell(row, each["headline"])[0], best[each["name"]]
        if value is not None:
            relative = value / highest if highest else None
            yield each["name"], row["recommender"], each["headline"], value, relative, row["foresees"], is_drawn


# --- rank stability -------------------------------------------------------------------------------------


def _rank_stability(run: _Run) -> Figure | None:
    ranked = set(run.ranked)
    drawn = [
        (
            each,
            sorted((row["rank"], name) for name, row in each.rows.items() if name in ranked and row.get("rank")),
        )
        for each in run.publishers
    ]
    drawn = [(each, rows) for each, rows in drawn if rows]
    if not drawn:
        return None
    metrics = list(dict.fromkeys(each.contents["headline"] for each, _ in drawn))
    most = max(len(rows) for _, rows in drawn)
    sheet = _Sheet(
        f"{run.title}: ranks by {' and '.join(_heading(metric) for metric in metrics)}, and how sure they are",
        _note(run, f"Bars hold the rank in 95 % of the replicates. {run.contents['interval']}"),
        len(drawn),
        3,
        _LINE * (most + 1) + 0.55,
        ["stable", "not stable"],
    )
    looks: dict[bool, dict[str, Any]] = {
        True: {"color": COLOURS[0], "marker": "o", "markerfacecolor": COLOURS[0]},
        False: {"color": COLOURS[1], "marker": "D", "markerfacecolor": "white"},
    }
    for axes, (each, rows) in zip(sheet.axes, drawn, strict=True):
        for stable, look in looks.items():
            lines = [line for line, (_, name) in enumerate(rows) if bool(each.rows[name]["stable"]) == stable]
            ranks = np.array([rows[line][0] for line in lines]).reshape(-1, 3)
            axes.hlines(lines, ranks[:, 1], ranks[:, 2], color=look["color"], lw=1.1)
            axes.plot(ranks[:, 0], lines, linestyle="", markersize=3.5, **look)
        highest = max(high for (_, _, high), _ in rows)
        axes.set_xlim(1 - 0.03 * highest - 0.1, 1.03 * highest + 0.1)
        axes.xaxis.set_major_locator(FixedLocator(_rank_steps(highest)))
        _list(axes, [run.labels[name] for _, name in rows], most)
        axes.set(title=each.label, xlabel="rank")
    sheet.key([Line2D([], [], lw=1.1, markersize=3.5, **looks[stable]) for stable in (True, False)])
    return sheet.figure


def _rank_steps(highest: float) -> list[int]:
    most = 6 if highest < 100 else 3  # with three digits each
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if highest / each <= most)
    return [1, *range(step if step > 1 else 2, int(highest) + 1, step)]


def _rank_stability_rows(run: _Run) -> Rows:
    for each, row, is_drawn in _all(run, run.ranked):
        if row.get("rank") and not row["foresees"]:
            value = _cell(row, each["headline"])[0]
            yield each["name"], row["recommender"], each["headline"], value, *row["rank"], row["stable"], is_drawn


# --- slices ---------------------------------------------------------------------------------------------


def _part(publisher: Contents, by: str) -> Contents | None:
    return next((each for each in publisher.get("slices", ()) if each["by"] == by), None)


def _slice_of(publisher: Contents, by: str) -> Contents | None:
    found = _part(publisher, by)
    if found is None or not found["groups"] or not found["metrics"]:
        return None
    metric = publisher["headline"] if publisher["headline"] in found["metrics"] else found["metrics"][0]
    return {**found, "metric": metric, "cells": found["cells"].get(metric, {})}


def _slices(by: str, run: _Run) -> Figure | None:
    few, shown = _few(run, [(each, _slice_of(each.contents, by)) for each in run.publishers])
    if not few:
        return None
    ordered = by not in _NO_ORDER
    series = [
        (
            each,
            {name: _series(part["cells"].get(name, []), part["metric"]) for name in [*few, *run.foresee]},
            part,
            range(len(part["groups"])) if ordered else _largest(part),
        )
        for each, part in shown
    ]
    beyond: list[str] = []
    framed = [_frame(each.label, by_name, few, run, part["metric"], beyond) for each, by_name, part, _ in series]
    metric, label = shown[0][1]["metric"], shown[0][1]["label"]
    crowded = any(len(groups) < len(part["groups"]) for _, _, part, groups in series)
    notes = [
        f"Bars: {run.contents['interval']}",
        f"The {MOST_GROUPS} largest groups of each publisher." if crowded else "",
        _outside(beyond),
    ]
    key = [*few, *(name for name in run.foresee if any(name in kept for kept, _ in framed))]
    most = max(len(groups) for _, _, _, groups in series)
    columns = 3 if ordered and most <= 12 else 2
    wide = WIDTH / min(columns, len(series)) - 0.75  # inches, of a panel's frame
    told = [labels_of([str(part["groups"][group]) for group in groups]) for _, _, part, groups in series]
    upright = max((_widest(labels) for labels in told if ordered and _places(labels, wide)[1]), default=0.0)
    sheet = _Sheet(
        f"{run.title}: {_heading(metric)} by {label}",
        _note(run, *notes, few=few),
        len(series),
        columns,
        2.2 + upright if ordered else max(1.5, 0.035 * (len(key) + 3) * most + 0.6),
        [run.labels[name] for name in key],
        _AROUND + upright,
    )
    draw_one = _by_ordered if ordered else _by_unordered
    for axes, (each, by_name, part, groups), (kept, top), labels in zip(sheet.axes, series, framed, told, strict=True):
        draw_one(axes, {name: by_name[name] for name in kept}, list(groups), labels, wide, run)
        axes.set_title(each.label)
        if ordered:
            axes.set_ylim(0, top)
            axes.set_ylabel(_axis(part["metric"]))
            axes.set_xlabel(label)
        else:
            axes.set_xlim(-0.02 * top, top)
            axes.set_xlabel(_axis(part["metric"]))
    sheet.key([_handle(run, name) for name in key])
    return sheet.figure


def _largest(part: Contents) -> list[int]:
    """The groups with most observations, largest first."""
    sizes = [
        max((cells[group][3] or 0 for cells in part["cells"].values() if group < len(cells)), default=0)
        for group in range(len(part["groups"]))
    ]
    return sorted(range(len(sizes)), key=lambda group: -sizes[group])[:MOST_GROUPS]


_Series = tuple[Floats, Floats, Floats]


def _spread(number: int, count: int, width: float) -> float:
    """Where the number-th of `count` stands beside the others, lest their intervals lie upon each other."""
    return width * ((number + 0.5) / count - 0.5)


def _widest(labels: list[str]) -> float:
    return max(width_of(label, _SMALL) for label in labels)


def _places(labels: list[str], wide: float) -> tuple[int, bool]:
    """Every which label below an axis of `wide` inches is written, and whether upright."""
    flat = sum(width_of(label, _SMALL) + 0.08 for label in labels)
    if flat <= wide:
        return 1, False
    if max(map(len, labels)) <= 3:  # numbers: fewer of them read better than upright ones
        return math.ceil(flat / wide), False
    return math.ceil(len(labels) * 0.13 / wide), True


def _by_ordered(
    axes: Axes, by_name: dict[str, _Series], groups: list[int], told: list[str], wide: float, run: _Run
) -> None:
    for number, (name, (value, low, high)) in enumerate(by_name.items()):
        x = np.array(groups)[: len(value)] + _spread(number, len(by_name), 0.4)
        look = _look(run, name)
        axes.plot(x, value, **{**look, "linewidth": 1.0}, markersize=3)
        axes.vlines(x, low, high, color=look["color"], lw=0.7)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    every, upright = _places(told, wide)
    axes.set_xticks(groups[::every], told[::every], fontsize=_SMALL, rotation=90 if upright else 0)
    axes.grid(visible=False, axis="x")


def _at(values: Floats, groups: list[int]) -> Floats:
    return np.array([values[group] if group < len(values) else np.nan for group in groups])


def _by_unordered(
    axes: Axes, by_name: dict[str, _Series], groups: list[int], told: list[str], wide: float, run: _Run
) -> None:
    for number, (name, series) in enumerate(by_name.items()):
        value, low, high = (_at(each, groups) for each in series)
        y = np.arange(len(groups)) + _spread(number, len(by_name), 0.75)
        look = _look(run, name)
        axes.plot(value, y, **{**look, "linestyle": ""}, markersize=3)
        axes.hlines(y, low, high, color=look["color"], lw=0.7)
    axes.set_yticks(np.arange(len(groups)), told, fontsize=_SMALL)
    axes.set_yticks(np.arange(len(groups) + 1) - 0.5, minor=True)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.tick_params(axis="y", which="both", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="y", which="minor")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))


def _slice_rows(by: str, run: _Run) -> Rows:
    drawn = _few(run, [(each, _slice_of(each.contents, by)) for each in run.publishers])[0]
    parts = {each["name"]: _part(each, by) for each in run.contents["publishers"]}
    for each, row, is_drawn in _all(run, drawn):
        part, name = parts[each["name"]], row["recommender"]
        if part:
            for metric, cells in part["cells"].items():
                for group, cell in zip(part["groups"], cells.get(name, []), strict=False):
                    yield each["name"], name, by, group, metric, *cell, is_drawn


# --- misses ---------------------------------------------------------------------------------------------


def _misses(run: _Run) -> Figure | None:
    drawn = [each for each in run.publishers if any(_missed(each, name) for name in run.ranked)]
    if not drawn:
        return None
    names = [name for name in run.ranked if any(_missed(each, name) for each in drawn)]
    framing = [name for name in run.foresee if any(_missed(each, name) for each in drawn)]
    causes = list(dict.fromkeys(cause for each in drawn for cause in each.contents["causes"]))
    ceilings = [each.contents.get("ceiling") for each in drawn]
    has_ceiling = any(ceiling is not None for ceiling in ceilings)
    everyone = [*names, *framing]
    told = labels_of(causes)
    if has_ceiling:
        told.append("ceiling: what an oracle could have hit")
    sheet = _Sheet(
        f"{run.title}: what became of the reads that could have been hits",
        _note(run),
        len(drawn),
        3,
        _LINE * (len(everyone) + 1) + 0.55,
        told,
    )
    for number, (axes, each, ceiling) in enumerate(zip(sheet.axes, drawn, ceilings, strict=True)):
        left = np.zeros(len(everyone))
        lines = np.arange(len(everyone)) + np.array([0.5 * (name in framing) for name in everyone])
        for cause, (fill, hatch) in zip(causes, _fills(len(causes)), strict=True):
            share = 100 * np.array([_missed(each, name).get(cause, 0.0) for name in everyone])
            axes.barh(lines, share, left=left, height=0.8, color=fill, hatch=hatch, edgecolor="white", lw=0.2)
            left += share
        if ceiling is not None:
            axes.axvline(100 * ceiling, color="black", lw=1.1, linestyle=DASHES[1])
        axes.set_xlim(0, 100)
        axes.set_yticks(lines, [run.labels[name] for name in everyone], fontsize=_SMALL)
        axes.tick_params(axis="y", length=0, labelleft=number % sheet.columns == 0)
        axes.set_ylim(lines[-1] + 0.6, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set(title=each.label, xlabel="share of reads (%)")
    handles: list[Any] = [
        Patch(facecolor=fill, hatch=hatch, edgecolor="white", lw=0.2) for fill, hatch in _fills(len(causes))
    ]
    sheet.key([*handles, *([Line2D([], [], color="black", lw=1.1, linestyle=DASHES[1])] if has_ceiling else [])])
    return sheet.figure


def _missed(each: _Publisher, name: str) -> dict[str, float]:
    return (each.rows.get(name) or {}).get("misses") or {}


def _fills(count: int) -> list[tuple[str, str]]:
    # The last cause is all the rest, and mostly the largest: it stays in the background.
    return [*(_FILLS[number % len(_FILLS)] for number in range(count - 1)), ("#F0F0F0", "")]


def _misses_rows(run: _Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        for cause, share in (row.get("misses") or {}).items():
            yield each["name"], row["recommender"], cause, share, each.get("ceiling"), row["foresees"], is_drawn


# --- impressions ----------------------------------------------------------------------------------------


def _impressions(run: _Run) -> Figure | None:
    metrics = [
        metric
        for metric in _IMPRESSIONS
        if any(_cell(each.rows.get(name), metric)[0] is not None for each in run.publishers for name in run.ranked)
    ]
    drawn = []
    for each in run.publishers:
        names = [
            name
            for name in [*run.ranked, *run.foresee]
            if any(_cell(each.rows.get(name), metric)[0] is not None for metric in metrics)
        ]
        if any(name in run.ranked for name in names):
            first = next(m for m in metrics if any(_cell(each.rows[name], m)[0] is not None for name in names))
            names.sort(key=lambda name: (name in run.foresee, -(_cell(each.rows[name], first)[0] or 0)))
            drawn.append((each, names))
    if not drawn:
        return None
    heights = [_LINE * (len(names) + 1) + 0.4 for _, names in drawn]
    guessing = " Dashed: AUC 50 %, what guessing reaches." if "auc" in metrics else ""
    note = _note(run, f"Bars: {run.contents['interval']}{guessing}")
    figure = new_figure(
        f"{run.title}: {', '.join(_heading(metric) for metric in metrics)} on impressions",
        note,
        sum(heights) + 0.55 + 0.12 * (note.count("\n") + 1),
    )
    grid = figure.subplots(len(drawn), len(metrics), sharex="col", squeeze=False, height_ratios=heights)
    looks: tuple[dict[str, Any], dict[str, Any]] = (
        {"color": COLOURS[0], "marker": "o"},
        {"color": _GREY, "marker": "D", "markerfacecolor": "white"},
    )
    for column, metric in enumerate(metrics):
        cells = [_scaled(each.rows[name], metric) for each, names in drawn for name in names if name in run.ranked]
        bounds = [bound for cell in cells for bound in cell if math.isfinite(bound)]
        across = _range([*bounds, 50.0] if metric == "auc" else bounds)
        for axes, (each, names) in zip(grid[:, column], drawn, strict=True):
            axes.set_xlim(across)
            for group, look in ((run.ranked, looks[0]), (run.foresee, looks[1])):
                lines = [line for line, name in enumerate(names) if name in group]
                cells = [_scaled(each.rows[names[line]], metric) for line in lines]
                value, low, high = np.array(cells).reshape(-1, 3).T
                axes.hlines(lines, low, high, color=look["color"], lw=1.0)
                axes.plot(value, lines, linestyle="", markersize=3.5, **look)
                for line, (reached, _, _) in zip(lines, cells, strict=True):
                    if reached > across[1]:
                        axes.text(across[1], line, f"{reached:.2f} →", ha="right", va="center", fontsize=_SMALL)
            if metric == "auc":
                axes.axvline(50, color=_GREY, lw=0.8, linestyle=DASHES[1])
            _list(axes, [run.labels[name] for name in names], len(names))
            axes.tick_params(labelleft=column == 0)
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    for axes, (each, _) in zip(grid[:, 0], drawn, strict=True):
        axes.set_title(each.label)
    for axes, metric in zip(grid[-1], metrics, strict=True):
        axes.set_xlabel(_axis(metric))
    return figure


def _impressions_rows(run: _Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        for metric in _IMPRESSIONS:
            if metric in row["results"]:
                yield each["name"], row["recommender"], metric, *_cell(row, metric), row["foresees"], is_drawn


# --- which pictures -------------------------------------------------------------------------------------

_Picture = tuple[str, Callable[[_Run], Figure | None], list[str], Callable[[_Run], Rows]]
_VALUE = ["value", "low", "high", "n", "drawn"]


def _pictures(contents: Contents) -> list[_Picture]:
    """Name, drawing, and the header and rows of the table of each picture that a run may have."""
    pair = ["publisher", "recommender"]
    whose = ["foresees", "drawn"]
    both = [_E, f"{_E}_low", f"{_E}_high", _P, f"{_P}_low", f"{_P}_high", "n"]
    quality = ["metric", "value", "low", "high"]
    slices = list(dict.fromkeys(part["by"] for each in contents["publishers"] for part in each.get("slices", ())))
    return [
        ("success_over_time", _over_time, [*pair, "metric", "start", *_VALUE], _over_time_rows),
        ("event_against_session", _event_against_session, [*pair, *both, *whose], _event_against_session_rows),
        (
            "quality_against_cost",
            _quality_against_cost,
            [*pair, *quality, *_SPENT, "pareto", *whose],
            _quality_against_cost_rows,
        ),
        (
            "publishers_by_recommenders",
            _publishers_by_recommenders,
            [*pair, "metric", "value", "relative", *whose],
            _publishers_by_recommenders_rows,
        ),
        (
            "rank_stability",
            _rank_stability,
            [*pair, "metric", "value", "rank", "rank_low", "rank_high", "stable", "drawn"],
            _rank_stability_rows,
        ),
        *(
            (
                f"slices_{file_name(by)}",
                partial(_slices, by),
                [*pair, "by", "group", "metric", *_VALUE],
                partial(_slice_rows, by),
            )
            for by in slices
        ),
        ("misses", _misses, [*pair, "cause", "share", "ceiling", *whose], _misses_rows),
        ("impressions", _impressions, [*pair, "metric", "value", "low", "high", "n", *whose], _impressions_rows),
    ]


# --- cells ----------------------------------------------------------------------------------------------


def _cell(row: Any, metric: str) -> list[Any]:
    """Value, low, high and n of a row; None for what there is not."""
    return (row or {}).get("results", {}).get(metric) or [None, None, None, None]


def _factor(metric: str) -> int:
    return 100 if headings.of(metric).unit == "%" else 1


def _scaled(row: Any, metric: str) -> tuple[float, float, float]:
    """Value, low and high of a row as shown (shares in per cent), NaN for what there is not."""
    value, low, high = (math.nan if each is None else _factor(metric) * each for each in _cell(row, metric)[:3])
    return value, low, high


def _series(cells: Sequence[Any], metric: str) -> tuple[Floats, Floats, Floats]:
    """Values, lows and highs of cells as shown; without an interval both ends are the value."""
    found = np.array([cell[:3] for cell in cells], dtype=np.float64).reshape(-1, 3) * _factor(metric)
    value = found[:, 0]
    low, high = (np.where(np.isfinite(each), each, value) for each in (found[:, 1], found[:, 2]))
    return value, low, high


def _all(run: _Run, drawn: Iterable[str]) -> Iterable[tuple[Contents, Any, bool]]:
    """Every publisher with each of its rows that did not fail, and whether the picture shows it."""
    names = set(drawn)
    shown = {each.contents["name"] for each in run.publishers}
    for each in run.contents["publishers"]:
        for row in each["rows"]:
            if row["status"] == "done":
                yield each, row, row["recommender"] in names and each["name"] in shown


def _few(
    run: _Run, parts: list[tuple[_Publisher, Contents | None]]
) -> tuple[list[str], list[tuple[_Publisher, Contents]]]:
    """The best few recommenders that have a value in a part, and the publishers where one of them has."""

    def has(name: str, each: _Publisher, part: Contents) -> bool:
        return name in each.rows and any(cell[0] is not None for cell in part["cells"].get(name, ()))

    there = [(each, part) for each, part in parts if part]
    able = [name for name in run.ranked if any(has(name, each, part) for each, part in there)]
    # Of equal ones the first: lines on top of one another tell nothing.
    first = {tuple(_headline(each, name) for each in run.publishers): name for name in reversed(able)}
    few = [name for name in able if name in first.values()][:FEW]
    return few, [(each, part) for each, part in there if any(has(name, each, part) for name in few)]


# --- words ----------------------------------------------------------------------------------------------


def _heading(metric: str) -> str:
    return headings.of(metric).text


def _axis(metric: str) -> str:
    return f"{_heading(metric)} ({headings.of(metric).unit})" if headings.of(metric).unit else _heading(metric)


def _brief(value: float, metric: str) -> str:
    return f"{_factor(metric) * value:.2f}"


def _listed(labels: Sequence[str], count: int | None = None) -> str:
    """a, b and c; of many (`count` in all) the first, and how many more."""
    count = len(labels) if count is None else count
    if count > NAMED_IN_NOTE:
        return f"{', '.join(labels[:NAMED_IN_NOTE])} and {count - min(NAMED_IN_NOTE, len(labels))} more"
    return " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))


def _outside(beyond: list[str]) -> str:
    return f"Outside the frame, as it sees the future: {_listed(beyond)}." if beyond else ""


def _duration(ms: float) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour")):
        if ms >= unit:
            return name if ms == unit else f"{ms / unit:g} {name}s"
    return f"{ms / 60_000:g} minutes"


def _note(run: _Run, *more: str, few: Sequence[str] | None = None) -> str:
    """The lines below a picture of all recommenders that are drawn, or of a few of them."""
    drawn = run.ranked if few is None else few
    others = [run.labels[name] for name in run.ranked if name not in drawn]
    left = ""
    if run.able > len(drawn):
        left = f"The best {len(drawn)} of {run.able} recommenders by mean rank"
        left += f"; not drawn: {_listed(others, run.able - len(drawn))}." if others else "."
    return "\n".join(line for text in (*more, left, *run.notes) if text for line in textwrap.wrap(text, 118))


# --- looks ----------------------------------------------------------------------------------------------


def _look(run: _Run, name: str) -> dict[str, Any]:
    """Colour, dash and marker of a recommender, the same in all pictures of a run."""
    if name in run.foresee:
        return {"color": _GREY, "linestyle": DASHES[2], "marker": "H"}
    number = run.ranked.index(name)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def _handle(run: _Run, name: str, *, line: bool = True) -> Line2D:
    look = _look(run, name)
    return Line2D([], [], **(look if line else {**look, "linestyle": ""}), markersize=4)


def _frame(
    label: str, by_name: dict[str, _Series], few: list[str], run: _Run, metric: str, beyond: list[str]
) -> tuple[list[str], float]:
    """Who is drawn in a panel, and its upper end: what foresees only if the others are not pressed to the ground."""
    lines = [by_name[name] for name in few if np.isfinite(by_name[name][0]).any()]
    value = max(float(np.nanmax(each[0])) for each in lines)
    high = max(float(np.nanmax(each[2])) for each in lines)
    top = min(high, 1.8 * value)  # intervals of a handful of sessions may end outside
    kept = [name for name in few if np.isfinite(by_name[name][0]).any()]
    for name in run.foresee:
        reference = by_name[name][0]
        if np.isfinite(reference).any():
            if np.nanmax(reference) <= 1.6 * top:
                kept.append(name)
                top = max(top, float(np.nanmax(reference)))
            else:
                ends = f"{np.nanmin(reference):.2f} to {np.nanmax(reference):.2f}"
                unit = headings.of(metric).unit
                beyond.append(f"{run.labels[name]} on {label} ({ends}\u00a0{unit})".replace("\u00a0)", ")"))
    return kept, 1.06 * top or 1.0


def _range(values: list[float]) -> tuple[float, float]:
    """Limits of an axis with room around its values."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room if low - room > 0 else min(0.0, low) - room / 2, high + room


def _bars(x: tuple[float, float, float], y: tuple[float, float, float]) -> list[tuple[float, float, float, float]]:
    """The bars of a cross that there are: x and y of their ends."""
    bars = [(x[1], y[0], x[2], y[0]), (x[0], y[1], x[0], y[2])]
    return [bar for bar in bars if all(map(math.isfinite, bar))]


def _cross(
    axes: Axes,
    x: tuple[float, float, float],
    y: tuple[float, float, float],
    look: dict[str, Any],
    *,
    is_open: bool = False,
) -> None:
    """A point with its intervals, one or two of which may be missing."""
    for x0, y0, x1, y1 in _bars(x, y):
        axes.plot([x0, x1], [y0, y1], color=look["color"], lw=0.6, zorder=2)
    face = "white" if is_open else look["color"]
    edge = look["color"] if is_open else "white"
    axes.plot(
        [x[0]],
        [y[0]],
        linestyle="",
        marker=look["marker"],
        markersize=4.6 if is_open else 5.2,
        markerfacecolor=face,
        markeredgecolor=edge,
        markeredgewidth=0.8 if is_open else 0.4,
        zorder=3,
    )


def _list(axes: Axes, labels: list[str], most: int) -> None:
    """Rows of a list from above, with room for `most`, so that panels side by side have rows alike."""
    axes.set_yticks(range(len(labels)), labels, fontsize=_SMALL)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(most - 0.4, -0.6)


def _slant(axes: Axes, figure: Figure, labels: list[str], wide: float) -> None:
    """Labels of columns that are too wide are slanted."""
    if any(width_of(label, 8) > wide / len(labels) for label in labels):
        axes.set_xticks(range(len(labels)), labels, rotation=20, ha="left", rotation_mode="anchor")


class _Sheet:
    """A figure with a grid of panels, `height` inches high each, and a key: in a free cell if it fits, else below."""

    def __init__(
        self, title: str, note: str, panels: int, columns: int, height: float, key: list[str], around: float = _AROUND
    ) -> None:
        self.columns = min(columns, panels)
        lines = math.ceil(panels / self.columns)
        self._labels = key
        wide = max(width_of(label, _SMALL) for label in key) + 0.5
        cell = WIDTH / self.columns
        free = lines * self.columns - panels
        fitting = int(cell * free / wide)
        self._in_cell = fitting > 0 and math.ceil(len(key) / fitting) * _LINE <= height - 0.2
        self._across = fitting if self._in_cell else max(1, min(len(key), int(WIDTH / wide)))
        heights = [height - around] * lines
        if not self._in_cell:
            heights.append(math.ceil(len(key) / self._across) * _LINE + 0.05)
        self.figure = new_figure(
            title, note, lines * height + sum(heights[lines:]) + 0.35 + 0.13 * (note.count("\n") + bool(note))
        )
        grid = self.figure.add_gridspec(len(heights), self.columns, height_ratios=heights)
        self.axes = [
            self.figure.add_subplot(grid[number // self.columns, number % self.columns]) for number in range(panels)
        ]
        place = grid[lines - 1, self.columns - free :] if self._in_cell else grid[lines, :]
        self._key_axes = self.figure.add_subplot(place)
        self._key_axes.axis("off")

    def key(self, handles: Sequence[Any]) -> None:
        """Draw the key, a handle for each label."""
        legend = self._key_axes.legend(
            handles,
            [str(number) for number in range(len(handles))],
            loc="upper right" if self._in_cell else "upper left",
            bbox_to_anchor=(1.0 if self._in_cell else 0.0, 1.0),
            bbox_transform=blended_transform_factory(self.figure.transFigure, self._key_axes.transAxes),
            ncols=self._across,
            fontsize=_SMALL,
            handlelength=2.6,
            borderaxespad=0,
            labelspacing=0.35,
            columnspacing=1.0,
        )
        name_entries(legend, self._labels)
        legend.set_in_layout(False)


# --- labels of points -----------------------------------------------------------------------------------


def _freeze(figure: Figure) -> None:
    """Lay a figure out for good, so that places on it can be told."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _hull(points: list[tuple[float, float]]) -> list[int]:
    """The numbers of the points on the upper convex hull, from left to right."""
    hull: list[int] = []
    for number in sorted(range(len(points)), key=lambda each: points[each]):
        while len(hull) >= 2:
            (ax, ay), (bx, by), (cx, cy) = points[hull[-2]], points[hull[-1]], points[number]
            if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0:
                break
            hull.pop()
        hull.append(number)
    return hull


def _name_points(
    axes: Axes,
    points: list[tuple[float, float]],
    labels: list[str],
    bars: list[tuple[float, float, float, float]],
    path: list[tuple[float, float]],
    must: list[int],
    then: list[int],
) -> None:
    """Write labels beside points where they cover neither a point nor each other: first `must`, then `then`.

    Greedy: a label takes the nearest free place of 16 directions and growing distances, of two as near the one that
    crosses fewer bars, and rather not the path. Who finds none is told by its marker alone.
    """
    scale = axes.figure.dpi / 72
    at = axes.transData.transform(np.array(points))
    ends = axes.transData.transform(np.array(bars).reshape(-1, 2)).reshape(-1, 4)
    thin = np.column_stack([ends.reshape(-1, 2, 2).min(1), ends.reshape(-1, 2, 2).max(1)])
    corners = axes.transData.transform(np.array(path).reshape(-1, 2))
    steps = np.linspace(0, 1, 60)[:, None]
    spots = [begin + (end - begin) * steps for begin, end in pairwise(corners)]
    along = np.concatenate([np.zeros((0, 2)), *spots])
    thick = np.column_stack([along - 1, along + 1])
    frame = axes.bbox.extents + np.array([2, 2, -2, -2]) * scale
    reach = 3.2 * scale
    taken = [np.array([x - reach, y - reach, x + reach, y + reach]) for x, y in at]
    leader_look = {"arrowstyle": "-", "lw": 0.5, "color": _GREY, "shrinkA": 0, "shrinkB": 2}
    for place, number in enumerate(dict.fromkeys([*must, *then])):
        if place >= max(NAMED, len(must)):
            break
        size = np.array([width_of(labels[number], _SMALL) * 72 + 2, _SMALL * 1.25]) * scale
        found: tuple[float, float, Floats, Floats] | None = None
        own = taken[number]
        others = np.array([box for box in taken if box is not own]).reshape(-1, 4)
        for distance in (4.5, 9, 14, 20, 27, 36) if number in must else (4.5, 9, 14, 20):
            for direction in np.arange(16) * (math.pi / 8):
                toward = np.array([math.cos(direction), math.sin(direction)])
                middle = at[number] + distance * scale * toward + size / 2 * np.clip(1.6 * toward, -1, 1)
                box = np.concatenate([middle - size / 2, middle + size / 2])
                if (box[:2] < frame[:2]).any() or (box[2:] > frame[2:]).any():
                    continue
                way = middle + (at[number] - middle) * np.linspace(0, 0.95, 25)[:, None]
                outside = ((way < box[:2]) | (way > box[2:])).any(axis=1)
                leader = np.column_stack([way - 1, way + 1])[outside] if distance > 5 else np.zeros((0, 4))
                if any(_over(each, others).any() for each in [box, *leader]) or _over(box, own[None]).any():
                    continue
                cost = float(distance + 5 * np.count_nonzero(_over(box, thin)) + 15 * _over(box, thick).any())
                if found is None or cost < found[0]:
                    found = (cost, distance, middle, leader)
        if found is None:
            continue
        _, distance, middle, leaders = found
        taken += [np.concatenate([middle - size / 2, middle + size / 2]), *leaders]
        written = axes.annotate(
            labels[number],
            points[number],
            tuple((middle - at[number]) / scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_SMALL,
            color="#222222",
            zorder=4,
            arrowprops=leader_look if distance > 5 else None,
        )
        written.set_in_layout(False)


def _over(box: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Which boxes (left, bottom, right, top) a box covers a part of."""
    over = (boxes[:, :2] < box[2:]) & (box[:2] < boxes[:, 2:])
    return np.asarray(over.all(axis=1), dtype=np.bool_)
