"""The picture of success by slice."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from newsreplay.report.pictures.arranged import (
    ArrangedRun,
    Floats,
    Series,
    all_rows,
    axis_label,
    best_few,
    heading_of,
    note_below,
    outside,
    series_of,
    united,
)
from newsreplay.report.pictures.drawing import WIDTH, Axes, Figure, MaxNLocator, Rows, labels_of, width_of
from newsreplay.report.pictures.sheets import AROUND, SMALL, STEPS, Sheet, handle, look_of, panel_frame
from newsreplay.report.records import Estimate, PublisherContents, SliceValues

MOST_GROUPS = 20  #: of a slice whose groups have no order, such as categories
_NO_ORDER = ("category",)  #: slices whose groups have no order


class _SlicePanel(NamedTuple):
    """What a panel draws of a publisher."""

    label: str  #: of the slices
    metric: str
    groups: list[str]
    cells: dict[str, list[Estimate]]  #: by recommender, one a group


def _slices_by(publisher: PublisherContents, by: str) -> SliceValues | None:
    return next((part for part in publisher["slices"] if part["by"] == by), None)


def _part(publisher: PublisherContents, by: str) -> _SlicePanel | None:
    part = _slices_by(publisher, by)
    if part is None or not part["groups"] or not part["metrics"]:
        return None
    metric = publisher["headline"] if publisher["headline"] in part["metrics"] else part["metrics"][0]
    return _SlicePanel(part["label"], metric, part["groups"], part["cells"].get(metric, {}))


def _estimates(part: _SlicePanel, name: str) -> list[Estimate]:
    return part.cells.get(name, [])


def draw_slices(by: str, run: ArrangedRun) -> Figure | None:
    """Draw the success of the best few recommenders by slice, a panel a publisher; None without values."""
    drawn = best_few(run, [(publisher, _part(publisher.contents, by)) for publisher in run.publishers], _estimates)
    if not drawn:
        return None
    few = united(run, drawn)
    ordered = by not in _NO_ORDER
    series = [
        (
            publisher,
            {name: series_of(run, _estimates(part, name), part.metric) for name in [*best, *run.foresee]},
            part,
            range(len(part.groups)) if ordered else _largest(part),
        )
        for publisher, part, best in drawn
    ]
    beyond: list[str] = []
    framed = [
        panel_frame(publisher.label, by_name, best.few, run, part.metric, beyond)
        for (publisher, by_name, part, _), best in zip(series, drawn, strict=True)
    ]
    metric, label = drawn[0].part.metric, drawn[0].part.label
    crowded = any(len(groups) < len(part.groups) for _, _, part, groups in series)
    notes = [
        f"Bars: {run.contents['interval']}",
        f"The {MOST_GROUPS} largest groups of each publisher." if crowded else "",
        outside(beyond),
    ]
    key = [*few, *(name for name in run.foresee if any(name in kept for kept, _ in framed))]
    most = max(len(groups) for _, _, _, groups in series)
    columns = 3 if ordered and most <= 12 else 2
    wide = WIDTH / min(columns, len(series)) - 0.75  # inches, of a panel's frame
    group_labels = [labels_of([str(part.groups[group]) for group in groups]) for _, _, part, groups in series]
    upright = max((_widest(labels) for labels in group_labels if ordered and _places(labels, wide)[1]), default=0.0)
    sheet = Sheet(
        f"{run.title}: {heading_of(run, metric).text} by {label}",
        note_below(run, *notes, few=few),
        len(series),
        columns,
        2.2 + upright if ordered else max(1.5, 0.035 * (len(key) + 3) * most + 0.6),
        [run.labels[name] for name in key],
        AROUND + upright,
    )
    draw_one = _by_ordered if ordered else _by_unordered
    for axes, (publisher, by_name, part, groups), (kept, top), labels in zip(
        sheet.axes, series, framed, group_labels, strict=True
    ):
        draw_one(axes, {name: by_name[name] for name in kept}, list(groups), labels, wide, run)
        axes.set_title(publisher.label)
        if ordered:
            axes.set_ylim(0, top)
            axes.set_ylabel(axis_label(run, part.metric))
            axes.set_xlabel(label)
        else:
            axes.set_xlim(-0.02 * top, top)
            axes.set_xlabel(axis_label(run, part.metric))
    sheet.key([handle(run, name) for name in key])
    return sheet.figure


def _largest(part: _SlicePanel) -> list[int]:
    """The groups with most observations, largest first."""
    sizes = [
        max((cells[group][3] for cells in part.cells.values() if group < len(cells)), default=0)
        for group in range(len(part.groups))
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
    axes: Axes, by_name: dict[str, Series], groups: list[int], labels: list[str], wide: float, run: ArrangedRun
) -> None:
    for number, (name, (value, low, high)) in enumerate(by_name.items()):
        x = np.array(groups)[: len(value)] + _spread(number, len(by_name), 0.4)
        look = look_of(run, name)
        axes.plot(x, value, **{**look, "linewidth": 1.0}, markersize=3)
        axes.vlines(x, low, high, color=look["color"], lw=0.7)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    every, upright = _places(labels, wide)
    axes.set_xticks(groups[::every], labels[::every], fontsize=SMALL, rotation=90 if upright else 0)
    axes.grid(visible=False, axis="x")


def _at(values: Floats, groups: list[int]) -> Floats:
    return np.array([values[group] if group < len(values) else np.nan for group in groups])


def _by_unordered(
    axes: Axes, by_name: dict[str, Series], groups: list[int], labels: list[str], wide: float, run: ArrangedRun
) -> None:
    for number, (name, series) in enumerate(by_name.items()):
        value, low, high = (_at(column, groups) for column in series)
        y = np.arange(len(groups)) + _spread(number, len(by_name), 0.75)
        look = look_of(run, name)
        axes.plot(value, y, **{**look, "linestyle": ""}, markersize=3)
        axes.hlines(y, low, high, color=look["color"], lw=0.7)
    axes.set_yticks(np.arange(len(groups)), labels, fontsize=SMALL)
    axes.set_yticks(np.arange(len(groups) + 1) - 0.5, minor=True)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.tick_params(axis="y", which="both", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="y", which="minor")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))


def slice_rows(by: str, run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher, recommender, group and metric."""
    drawn = best_few(run, [(publisher, _part(publisher.contents, by)) for publisher in run.publishers], _estimates)
    few = {(best.publisher.contents["name"], name) for best in drawn for name in best.few}
    parts = {publisher["name"]: _slices_by(publisher, by) for publisher in run.contents["publishers"]}
    for publisher, row, _ in all_rows(run, ()):
        part, name = parts[publisher["name"]], row["recommender"]
        is_drawn = (publisher["name"], name) in few
        if part:
            for metric, cells in part["cells"].items():
                for group, estimate in zip(part["groups"], cells.get(name, []), strict=False):
                    yield publisher["name"], name, by, group, metric, *estimate, is_drawn
