"""The picture of success by slice."""

from __future__ import annotations

import math

import numpy as np

from newsreplay.report.pictures.arranged import (
    Contents,
    Floats,
    Run,
    Series,
    _all,
    _axis,
    _few,
    _note,
    _series,
    heading,
    outside,
)
from newsreplay.report.pictures.drawing import WIDTH, Axes, Figure, MaxNLocator, Rows, labels_of, width_of
from newsreplay.report.pictures.sheets import AROUND, SMALL, STEPS, Sheet, _frame, _look, handle

MOST_GROUPS = 20  #: of a slice whose groups have no order, such as categories
_NO_ORDER = ("category",)  #: slices whose groups have no order


# --- slices ---------------------------------------------------------------------------------------------


def _part(publisher: Contents, by: str) -> Contents | None:
    return next((each for each in publisher.get("slices", ()) if each["by"] == by), None)


def _slice_of(publisher: Contents, by: str) -> Contents | None:
    found = _part(publisher, by)
    if found is None or not found["groups"] or not found["metrics"]:
        return None
    metric = publisher["headline"] if publisher["headline"] in found["metrics"] else found["metrics"][0]
    return {**found, "metric": metric, "cells": found["cells"].get(metric, {})}


def _slices(by: str, run: Run) -> Figure | None:
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
        outside(beyond),
    ]
    key = [*few, *(name for name in run.foresee if any(name in kept for kept, _ in framed))]
    most = max(len(groups) for _, _, _, groups in series)
    columns = 3 if ordered and most <= 12 else 2
    wide = WIDTH / min(columns, len(series)) - 0.75  # inches, of a panel's frame
    told = [labels_of([str(part["groups"][group]) for group in groups]) for _, _, part, groups in series]
    upright = max((_widest(labels) for labels in told if ordered and _places(labels, wide)[1]), default=0.0)
    sheet = Sheet(
        f"{run.title}: {heading(metric)} by {label}",
        _note(run, *notes, few=few),
        len(series),
        columns,
        2.2 + upright if ordered else max(1.5, 0.035 * (len(key) + 3) * most + 0.6),
        [run.labels[name] for name in key],
        AROUND + upright,
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
    sheet.key([handle(run, name) for name in key])
    return sheet.figure


def _largest(part: Contents) -> list[int]:
    """The groups with most observations, largest first."""
    sizes = [
        max((cells[group][3] or 0 for cells in part["cells"].values() if group < len(cells)), default=0)
        for group in range(len(part["groups"]))
    ]
    return sorted(range(len(sizes)), key=lambda group: -sizes[group])[:MOST_GROUPS]


def _spread(number: int, count: int, width: float) -> float:
    """Where the number-th of `count` stands beside the others, lest their intervals lie upon each other."""
    return width * ((number + 0.5) / count - 0.5)


def _widest(labels: list[str]) -> float:
    return max(width_of(label, SMALL) for label in labels)


def _places(labels: list[str], wide: float) -> tuple[int, bool]:
    """Every which label below an axis of `wide` inches is written, and whether upright."""
    flat = sum(width_of(label, SMALL) + 0.08 for label in labels)
    if flat <= wide:
        return 1, False
    if max(map(len, labels)) <= 3:  # numbers: fewer of them read better than upright ones
        return math.ceil(flat / wide), False
    return math.ceil(len(labels) * 0.13 / wide), True


def _by_ordered(
    axes: Axes, by_name: dict[str, Series], groups: list[int], told: list[str], wide: float, run: Run
) -> None:
    for number, (name, (value, low, high)) in enumerate(by_name.items()):
        x = np.array(groups)[: len(value)] + _spread(number, len(by_name), 0.4)
        look = _look(run, name)
        axes.plot(x, value, **{**look, "linewidth": 1.0}, markersize=3)
        axes.vlines(x, low, high, color=look["color"], lw=0.7)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    every, upright = _places(told, wide)
    axes.set_xticks(groups[::every], told[::every], fontsize=SMALL, rotation=90 if upright else 0)
    axes.grid(visible=False, axis="x")


def _at(values: Floats, groups: list[int]) -> Floats:
    return np.array([values[group] if group < len(values) else np.nan for group in groups])


def _by_unordered(
    axes: Axes, by_name: dict[str, Series], groups: list[int], told: list[str], wide: float, run: Run
) -> None:
    for number, (name, series) in enumerate(by_name.items()):
        value, low, high = (_at(each, groups) for each in series)
        y = np.arange(len(groups)) + _spread(number, len(by_name), 0.75)
        look = _look(run, name)
        axes.plot(value, y, **{**look, "linestyle": ""}, markersize=3)
        axes.hlines(y, low, high, color=look["color"], lw=0.7)
    axes.set_yticks(np.arange(len(groups)), told, fontsize=SMALL)
    axes.set_yticks(np.arange(len(groups) + 1) - 0.5, minor=True)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.tick_params(axis="y", which="both", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="y", which="minor")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))


def slice_rows(by: str, run: Run) -> Rows:
    drawn = _few(run, [(each, _slice_of(each.contents, by)) for each in run.publishers])[0]
    parts = {each["name"]: _part(each, by) for each in run.contents["publishers"]}
    for each, row, is_drawn in _all(run, drawn):
        part, name = parts[each["name"]], row["recommender"]
        if part:
            for metric, cells in part["cells"].items():
                for group, cell in zip(part["groups"], cells.get(name, []), strict=False):
                    yield each["name"], name, by, group, metric, *cell, is_drawn
