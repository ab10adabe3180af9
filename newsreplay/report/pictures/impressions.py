"""The picture of impression metrics."""

from __future__ import annotations

import math

import numpy as np

from newsreplay.report.colours import SERIES
from newsreplay.report.pictures.arranged import (
    ArrangedPublisher,
    ArrangedRun,
    all_rows,
    axis_label,
    estimate_of,
    heading_of,
    note_below,
    scaled,
)
from newsreplay.report.pictures.drawing import DASHES, Figure, MaxNLocator, Rows, new_figure
from newsreplay.report.pictures.sheets import GREY, LINE, SMALL, STEPS, Look, axis_range, list_rows

_IMPRESSIONS = ("auc", "mrr", "ndcg@10")


def _has(publisher: ArrangedPublisher, name: str, metric: str) -> bool:
    return estimate_of(publisher.rows.get(name), metric)[0] is not None


def impressions(run: ArrangedRun) -> Figure | None:
    """Draw AUC, MRR and nDCG@10 of impressions with their intervals; None where no impression is scored."""
    metrics = [
        metric
        for metric in _IMPRESSIONS
        if any(_has(publisher, name, metric) for publisher in run.publishers for name in run.ranked)
    ]
    drawn = []
    for publisher in run.publishers:
        names = [
            name for name in [*run.ranked, *run.foresee] if any(_has(publisher, name, metric) for metric in metrics)
        ]
        if any(name in run.ranked for name in names):
            first = next(metric for metric in metrics if any(_has(publisher, name, metric) for name in names))
            names.sort(key=lambda name: (name in run.foresee, -(estimate_of(publisher.rows[name], first)[0] or 0)))
            drawn.append((publisher, names))
    if not drawn:
        return None
    heights = [LINE * (len(names) + 1) + 0.4 for _, names in drawn]
    guessing = " Dashed: AUC 50 %, what guessing reaches." if "auc" in metrics else ""
    note = note_below(run, f"Bars: {run.contents['interval']}{guessing}")
    figure = new_figure(
        f"{run.title}: {', '.join(heading_of(run, metric).text for metric in metrics)} on impressions",
        note,
        sum(heights) + 0.55 + 0.12 * (note.count("\n") + 1),
    )
    grid = figure.subplots(len(drawn), len(metrics), sharex="col", squeeze=False, height_ratios=heights)
    looks: tuple[Look, Look] = (
        {"color": SERIES[0], "marker": "o"},
        {"color": GREY, "marker": "D", "markerfacecolor": "white"},
    )
    for column, metric in enumerate(metrics):
        ranked = [publisher.rows[name] for publisher, names in drawn for name in names if name in run.ranked]
        cells = [scaled(run, row, metric) for row in ranked]
        bounds = [bound for cell in cells for bound in cell if math.isfinite(bound)]
        across = axis_range([*bounds, 50.0] if metric == "auc" else bounds)
        for axes, (publisher, names) in zip(grid[:, column], drawn, strict=True):
            axes.set_xlim(across)
            for group, look in ((run.ranked, looks[0]), (run.foresee, looks[1])):
                lines = [line for line, name in enumerate(names) if name in group]
                cells = [scaled(run, publisher.rows[names[line]], metric) for line in lines]
                value, low, high = np.array(cells).reshape(-1, 3).T
                axes.hlines(lines, low, high, color=look["color"], lw=1.0)
                axes.plot(value, lines, linestyle="", markersize=3.5, **look)
                for line, (reached, _, _) in zip(lines, cells, strict=True):
                    if reached > across[1]:
                        axes.text(across[1], line, f"{reached:.2f} →", ha="right", va="center", fontsize=SMALL)
            if metric == "auc":
                axes.axvline(50, color=GREY, lw=0.8, linestyle=DASHES[1])
            list_rows(axes, [run.labels[name] for name in names], len(names))
            axes.tick_params(labelleft=column == 0)
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    for axes, (publisher, _) in zip(grid[:, 0], drawn, strict=True):
        axes.set_title(publisher.label)
    for axes, metric in zip(grid[-1], metrics, strict=True):
        axes.set_xlabel(axis_label(run, metric))
    return figure


def impressions_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher, recommender and metric."""
    for publisher, row, is_drawn in all_rows(run, [*run.ranked, *run.foresee]):
        for metric in _IMPRESSIONS:
            if metric in row["results"]:
                estimate = estimate_of(row, metric)
                yield publisher["name"], row["recommender"], metric, *estimate, row["foresees"], is_drawn
