"""The picture of impression metrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from newsreplay.report.pictures.arranged import Run, _all, _axis, _cell, _note, heading, scaled
from newsreplay.report.pictures.drawing import COLOURS, DASHES, Figure, MaxNLocator, Rows, new_figure
from newsreplay.report.pictures.sheets import GREY, LINE, SMALL, STEPS, _list, _range

_IMPRESSIONS = ("auc", "mrr", "ndcg@10")


# --- impressions ----------------------------------------------------------------------------------------


def impressions(run: Run) -> Figure | None:
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
    heights = [LINE * (len(names) + 1) + 0.4 for _, names in drawn]
    guessing = " Dashed: AUC 50 %, what guessing reaches." if "auc" in metrics else ""
    note = _note(run, f"Bars: {run.contents['interval']}{guessing}")
    figure = new_figure(
        f"{run.title}: {', '.join(heading(metric) for metric in metrics)} on impressions",
        note,
        sum(heights) + 0.55 + 0.12 * (note.count("\n") + 1),
    )
    grid = figure.subplots(len(drawn), len(metrics), sharex="col", squeeze=False, height_ratios=heights)
    looks: tuple[dict[str, Any], dict[str, Any]] = (
        {"color": COLOURS[0], "marker": "o"},
        {"color": GREY, "marker": "D", "markerfacecolor": "white"},
    )
    for column, metric in enumerate(metrics):
        cells = [scaled(each.rows[name], metric) for each, names in drawn for name in names if name in run.ranked]
        bounds = [bound for cell in cells for bound in cell if math.isfinite(bound)]
        across = _range([*bounds, 50.0] if metric == "auc" else bounds)
        for axes, (each, names) in zip(grid[:, column], drawn, strict=True):
            axes.set_xlim(across)
            for group, look in ((run.ranked, looks[0]), (run.foresee, looks[1])):
                lines = [line for line, name in enumerate(names) if name in group]
                cells = [scaled(each.rows[names[line]], metric) for line in lines]
                value, low, high = np.array(cells).reshape(-1, 3).T
                axes.hlines(lines, low, high, color=look["color"], lw=1.0)
                axes.plot(value, lines, linestyle="", markersize=3.5, **look)
                for line, (reached, _, _) in zip(lines, cells, strict=True):
                    if reached > across[1]:
                        axes.text(across[1], line, f"{reached:.2f} →", ha="right", va="center", fontsize=SMALL)
            if metric == "auc":
                axes.axvline(50, color=GREY, lw=0.8, linestyle=DASHES[1])
            _list(axes, [run.labels[name] for name in names], len(names))
            axes.tick_params(labelleft=column == 0)
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    for axes, (each, _) in zip(grid[:, 0], drawn, strict=True):
        axes.set_title(each.label)
    for axes, metric in zip(grid[-1], metrics, strict=True):
        axes.set_xlabel(_axis(metric))
    return figure


def impressions_rows(run: Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        for metric in _IMPRESSIONS:
            if metric in row["results"]:
                yield each["name"], row["recommender"], metric, *_cell(row, metric), row["foresees"], is_drawn
