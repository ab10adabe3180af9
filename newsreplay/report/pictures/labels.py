"""Labels of points where they cover neither a point nor each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newsreplay.report.pictures.arranged import Floats
from newsreplay.report.pictures.drawing import Axes, Figure, FigureCanvasAgg, width_of
from newsreplay.report.pictures.sheets import GREY, SMALL

NAMED = 12  #: points of a scatter plot that are labelled, if there is room for so many
_NEAR = (4.5, 9, 14, 20)  #: points (1/72 inch) from a point to its label
_FAR = (*_NEAR, 27, 36)  #: the same for labels that must be there


def freeze(figure: Figure) -> None:
    """Lay a figure out for good, so that places on it can be computed."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def upper_hull(points: list[tuple[float, float]]) -> list[int]:
    """The numbers of the points on the upper convex hull, from left to right."""
    hull: list[int] = []
    for number in sorted(range(len(points)), key=lambda other: points[other]):
        while len(hull) >= 2:
            (ax, ay), (bx, by), (cx, cy) = points[hull[-2]], points[hull[-1]], points[number]
            if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0:
                break
            hull.pop()
        hull.append(number)
    return hull


class _Obstacles(NamedTuple):
    """What labels avoid; boxes are left, bottom, right and top in pixels."""

    frame: Floats  #: beyond which nothing is written
    bars: Floats  #: boxes, crossed at a small cost
    path: Floats  #: boxes, crossed at a larger cost


class _Place(NamedTuple):
    """Where a label can be written."""

    cost: float
    distance: float  #: points
    middle: Floats  #: pixels
    leader: Floats  #: boxes along the line from the label to its point


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
    crosses fewer bars, and rather not the path. A point without a free place has its marker alone.
    """
    scale = axes.figure.dpi / 72
    at = axes.transData.transform(np.array(points))
    obstacles = _obstacles(axes, bars, path)
    reach = 3.2 * scale
    taken = [np.array([x - reach, y - reach, x + reach, y + reach]) for x, y in at]
    leader_look = {"arrowstyle": "-", "lw": 0.5, "color": GREY, "shrinkA": 0, "shrinkB": 2}
    for place, number in enumerate(dict.fromkeys([*must, *then])):
        if place >= max(NAMED, len(must)):
            break
        size = np.array([width_of(labels[number], SMALL) * 72 + 2, SMALL * 1.25]) * scale
        own = taken[number]
        others = np.array([box for box in taken if box is not own]).reshape(-1, 4)
        best = _best_place(at[number], size, scale, _FAR if number in must else _NEAR, own, others, obstacles)
        if best is None:
            continue
        taken += [np.concatenate([best.middle - size / 2, best.middle + size / 2]), *best.leader]
        written = axes.annotate(
            labels[number],
            points[number],
            tuple((best.middle - at[number]) / scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            color="#222222",
            zorder=4,
            arrowprops=leader_look if best.distance > 5 else None,
        )
        written.set_in_layout(False)


def _obstacles(
    axes: Axes, bars: list[tuple[float, float, float, float]], path: list[tuple[float, float]]
) -> _Obstacles:
    ends = axes.transData.transform(np.array(bars).reshape(-1, 2)).reshape(-1, 4)
    thin = np.column_stack([ends.reshape(-1, 2, 2).min(1), ends.reshape(-1, 2, 2).max(1)])
    corners = axes.transData.transform(np.array(path).reshape(-1, 2))
    steps = np.linspace(0, 1, 60)[:, None]
    spots = [begin + (end - begin) * steps for begin, end in pairwise(corners)]
    along = np.concatenate([np.zeros((0, 2)), *spots])
    frame = axes.bbox.extents + np.array([2, 2, -2, -2]) * axes.figure.dpi / 72
    return _Obstacles(frame, thin, np.column_stack([along - 1, along + 1]))


def _best_place(
    point: Floats,
    size: Floats,
    scale: float,
    distances: Sequence[float],
    own: Floats,
    others: Floats,
    obstacles: _Obstacles,
) -> _Place | None:
    """The cheapest place for a label of `size` pixels beside a point, that covers none of the other boxes."""
    best: _Place | None = None
    for distance in distances:
        for direction in np.arange(16) * (math.pi / 8):
            toward = np.array([math.cos(direction), math.sin(direction)])
            middle = point + distance * scale * toward + size / 2 * np.clip(1.6 * toward, -1, 1)
            box = np.concatenate([middle - size / 2, middle + size / 2])
            if (box[:2] < obstacles.frame[:2]).any() or (box[2:] > obstacles.frame[2:]).any():
                continue
            way = middle + (point - middle) * np.linspace(0, 0.95, 25)[:, None]
            outside = ((way < box[:2]) | (way > box[2:])).any(axis=1)
            leader = np.column_stack([way - 1, way + 1])[outside] if distance > 5 else np.zeros((0, 4))
            if any(_over(part, others).any() for part in [box, *leader]) or _over(box, own[None]).any():
                continue
            crossed = 5 * np.count_nonzero(_over(box, obstacles.bars)) + 15 * _over(box, obstacles.path).any()
            if best is None or float(distance + crossed) < best.cost:
                best = _Place(float(distance + crossed), distance, middle, leader)
    return best


def _over(box: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Which boxes (left, bottom, right, top) a box covers a part of."""
    over = (boxes[:, :2] < box[2:]) & (box[:2] < boxes[:, 2:])
    return np.asarray(over.all(axis=1), dtype=np.bool_)
