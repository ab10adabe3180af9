"""Sheets of small panels: axes, legends, bars, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsreplay.report import headings
from newsreplay.report.pictures.arranged import Floats, Run, Series
from newsreplay.report.pictures.drawing import (
    COLOURS,
    DASHES,
    MARKERS,
    WIDTH,
    Axes,
    Figure,
    FigureCanvasAgg,
    Line2D,
    blended_transform_factory,
    name_entries,
    new_figure,
    width_of,
)

NAMED = 12  #: points of a scatter plot that are labelled, if there is room for so many
SMALL = 7  #: points, of labels
LINE = 0.15  #: inches from one row of a list to the next
AROUND = 0.5  #: inches, of a panel's height for its title, ticks and label
GREY = "#555555"  #: what is there for reference
STEPS = [1, 2, 5, 10]  #: of axes


# --- looks ----------------------------------------------------------------------------------------------


def _look(run: Run, name: str) -> dict[str, Any]:
    """Colour, dash and marker of a recommender, the same in all pictures of a run."""
    if name in run.foresee:
        return {"color": GREY, "linestyle": DASHES[2], "marker": "H"}
    number = run.ranked.index(name)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def handle(run: Run, name: str, *, line: bool = True) -> Line2D:
    look = _look(run, name)
    return Line2D([], [], **(look if line else {**look, "linestyle": ""}), markersize=4)


def _frame(
    label: str, by_name: dict[str, Series], few: list[str], run: Run, metric: str, beyond: list[str]
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


def cross(
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
    axes.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(most - 0.4, -0.6)


def slant(axes: Axes, figure: Figure, labels: list[str], wide: float) -> None:
    """Labels of columns that are too wide are slanted."""
    if any(width_of(label, 8) > wide / len(labels) for label in labels):
        axes.set_xticks(range(len(labels)), labels, rotation=20, ha="left", rotation_mode="anchor")


class Sheet:
    """A figure with a grid of panels, `height` inches high each, and a key: in a free cell if it fits, else below."""

    def __init__(
        self, title: str, note: str, panels: int, columns: int, height: float, key: list[str], around: float = AROUND
    ) -> None:
        self.columns = min(columns, panels)
        lines = math.ceil(panels / self.columns)
        self._labels = key
        wide = max(width_of(label, SMALL) for label in key) + 0.5
        cell = WIDTH / self.columns
        free = lines * self.columns - panels
        fitting = int(cell * free / wide)
        self._in_cell = fitting > 0 and math.ceil(len(key) / fitting) * LINE <= height - 0.2
        self._across = fitting if self._in_cell else max(1, min(len(key), int(WIDTH / wide)))
        heights = [height - around] * lines
        if not self._in_cell:
            heights.append(math.ceil(len(key) / self._across) * LINE + 0.05)
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
            fontsize=SMALL,
            handlelength=2.6,
            borderaxespad=0,
            labelspacing=0.35,
            columnspacing=1.0,
        )
        name_entries(legend, self._labels)
        legend.set_in_layout(False)


# --- labels of points -----------------------------------------------------------------------------------


def freeze(figure: Figure) -> None:
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


def name_points(
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
    leader_look = {"arrowstyle": "-", "lw": 0.5, "color": GREY, "shrinkA": 0, "shrinkB": 2}
    for place, number in enumerate(dict.fromkeys([*must, *then])):
        if place >= max(NAMED, len(must)):
            break
        size = np.array([width_of(labels[number], SMALL) * 72 + 2, SMALL * 1.25]) * scale
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
            fontsize=SMALL,
            color="#222222",
            zorder=4,
            arrowprops=leader_look if distance > 5 else None,
        )
        written.set_in_layout(False)


def _over(box: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Which boxes (left, bottom, right, top) a box covers a part of."""
    over = (boxes[:, :2] < box[2:]) & (box[:2] < boxes[:, 2:])
    return np.asarray(over.all(axis=1), dtype=np.bool_)
