"""Sheets of small panels: axes, legends, bars, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from newsreplay.report.colours import SERIES
from newsreplay.report.pictures.arranged import ArrangedRun, Series, heading_of
from newsreplay.report.pictures.drawing import (
    DASHES,
    MARKERS,
    WIDTH,
    Artist,
    Axes,
    Figure,
    Line2D,
    blended_transform_factory,
    name_entries,
    new_figure,
    width_of,
)

SMALL = 7  #: points, of labels
LINE = 0.15  #: inches from one row of a list to the next
AROUND = 0.5  #: inches, of a panel's height for its title, ticks and label
GREY = "#555555"  #: of what is drawn for reference
STEPS = [1, 2, 5, 10]  #: of axes


# --- looks ----------------------------------------------------------------------------------------------


Look = dict[str, Any]  #: how a line is drawn, as matplotlib's arguments: color, linestyle, marker


def look_of(run: ArrangedRun, name: str) -> Look:
    """Colour, dash and marker of a recommender, the same in all pictures of a run."""
    if name in run.foresee:
        return {"color": GREY, "linestyle": DASHES[2], "marker": "H"}
    number = run.ranked.index(name)
    return {
        "color": SERIES[number % len(SERIES)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def handle(run: ArrangedRun, name: str, *, line: bool = True) -> Line2D:
    """The sign of a recommender in a key: its marker, and its line unless `line` is false."""
    look = look_of(run, name)
    return Line2D([], [], **(look if line else {**look, "linestyle": ""}), markersize=4)


def panel_frame(
    label: str, by_name: dict[str, Series], few: list[str], run: ArrangedRun, metric: str, beyond: list[str]
) -> tuple[list[str], float]:
    """The recommenders drawn in a panel, and its upper end: those that foresee only if the others stay visible."""
    lines = [by_name[name] for name in few if np.isfinite(by_name[name][0]).any()]
    value = max(float(np.nanmax(values)) for values, _, _ in lines)
    high = max(float(np.nanmax(highs)) for _, _, highs in lines)
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
                unit = heading_of(run, metric).unit
                beyond.append(f"{run.labels[name]} on {label} ({ends}\u00a0{unit})".replace("\u00a0)", ")"))
    return kept, 1.06 * top or 1.0


def axis_range(values: list[float]) -> tuple[float, float]:
    """Limits of an axis with room around its values."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room if low - room > 0 else min(0.0, low) - room / 2, high + room


def cross_bars(x: tuple[float, float, float], y: tuple[float, float, float]) -> list[tuple[float, float, float, float]]:
    """The bars of a cross that there are: x and y of their ends."""
    bars = [(x[1], y[0], x[2], y[0]), (x[0], y[1], x[0], y[2])]
    return [bar for bar in bars if all(map(math.isfinite, bar))]


def cross(
    axes: Axes,
    x: tuple[float, float, float],
    y: tuple[float, float, float],
    look: Look,
    *,
    is_open: bool = False,
) -> None:
    """A point with its intervals, one or two of which may be missing."""
    for x0, y0, x1, y1 in cross_bars(x, y):
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


def list_rows(axes: Axes, labels: list[str], most: int) -> None:
    """Rows of a list from above, with room for `most`, so that panels side by side have rows alike."""
    axes.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(most - 0.4, -0.6)


def slant(axes: Axes, figure: Figure, labels: list[str], wide: float) -> None:
    """Labels of columns that are too wide are slanted."""
    if any(width_of(label, 8) > wide / len(labels) for label in labels):
        axes.set_xticks(range(len(labels)), labels, rotation=20, ha="left", rotation_mode="anchor")


class Sheet:
    """A figure with a grid of panels, `height` inches high each, and a key: in a free cell if it fits, else below.

    Where each panel has a key of its own there is none.
    """

    def __init__(
        self,
        title: str,
        note: str,
        panels: int,
        columns: int,
        height: float,
        key: Sequence[str] = (),
        around: float = AROUND,
    ) -> None:
        self.columns = min(columns, panels)
        lines = math.ceil(panels / self.columns)
        self._labels = key
        wide = max((width_of(label, SMALL) for label in key), default=0.0) + 0.5
        cell = WIDTH / self.columns
        free = lines * self.columns - panels
        fitting = int(cell * free / wide)
        self._in_cell = fitting > 0 and math.ceil(len(key) / fitting) * LINE <= height - 0.2
        self._across = fitting if self._in_cell else max(1, min(len(key), int(WIDTH / wide)))
        heights = [height - around] * lines
        if key and not self._in_cell:
            heights.append(math.ceil(len(key) / self._across) * LINE + 0.05)
        self.figure = new_figure(
            title, note, lines * height + sum(heights[lines:]) + 0.35 + 0.13 * (note.count("\n") + bool(note))
        )
        grid = self.figure.add_gridspec(len(heights), self.columns, height_ratios=heights)
        self.axes = [
            self.figure.add_subplot(grid[number // self.columns, number % self.columns]) for number in range(panels)
        ]
        if key:
            place = grid[lines - 1, self.columns - free :] if self._in_cell else grid[lines, :]
            self._key_axes = self.figure.add_subplot(place)
            self._key_axes.axis("off")

    def key(self, handles: Sequence[Artist]) -> None:
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
