"""Pictures of ranks: publishers by recommenders, and how stable ranks are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from newsreplay.report.pictures.arranged import Run, _all, _axis, _best, _cell, _failed, _note, brief, heading, headline
from newsreplay.report.pictures.drawing import COLOURS, Figure, FixedLocator, Line2D, Rows, new_figure
from newsreplay.report.pictures.sheets import LINE, SMALL, Sheet, _list, slant

# --- publishers by recommenders -------------------------------------------------------------------------


def publishers_by_recommenders(run: Run) -> Figure | None:
    drawn = [each for each in run.publishers if _best(each.contents) is not None]
    names = [name for name in run.ranked if any(headline(each, name) is not None for each in drawn)]
    if len(drawn) < 2 or not names:
        return None
    framing = [name for name in run.foresee if any(headline(each, name) is not None for each in drawn)]
    everyone = [*names, *framing]
    metrics = list(dict.fromkeys(each.contents["headline"] for each in drawn))
    headed = " and ".join(heading(metric) for metric in metrics)
    inside = " and ".join(_axis(metric) for metric in metrics)
    note = _note(run, f"Per cent of the best value of the publisher; in brackets {inside}. Rows by mean rank.")
    figure = new_figure(
        f"{run.title}: {headed} relative to the best of each publisher",
        note,
        LINE * len(everyone) + 0.75 + 0.13 * (note.count("\n") + 1),
    )
    axes = figure.subplots()
    relative = np.full((len(everyone), len(drawn)), np.nan)
    for column, each in enumerate(drawn):
        best = _best(each.contents)
        for line, name in enumerate(everyone):
            value = headline(each, name)
            share = math.nan if value is None or not best else 100 * value / best
            if line < len(names):
                relative[line, column] = share
            text = "–" if value is None else brief(value, each.contents["headline"])
            if name not in each.rows:
                text = "failed" if name in _failed(each.contents) else "–"
            shown = f"{share:.0f}  ({text})" if math.isfinite(share) else text
            dark = line < len(names) and share > 80
            axes.text(column, line, shown, ha="center", va="center", fontsize=SMALL, color="white" if dark else "black")
    axes.imshow(relative, cmap="Blues", vmin=0, vmax=115, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(drawn)), [each.label for each in drawn])
    axes.set_yticks(range(len(everyone)), [run.labels[name] for name in everyone], fontsize=SMALL)
    slant(axes, figure, [each.label for each in drawn], 4.8)
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


def publishers_by_recommenders_rows(run: Run) -> Rows:
    best = {each["name"]: _best(each) for each in run.contents["publishers"]}
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        value, highest = _cell(row, each["headline"])[0], best[each["name"]]
        if value is not None:
            relative = value / highest if highest else None
            yield each["name"], row["recommender"], each["headline"], value, relative, row["foresees"], is_drawn


# --- rank stability -------------------------------------------------------------------------------------


def rank_stability(run: Run) -> Figure | None:
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
    sheet = Sheet(
        f"{run.title}: ranks by {' and '.join(heading(metric) for metric in metrics)}, and how sure they are",
        _note(run, f"Bars hold the rank in 95 % of the replicates. {run.contents['interval']}"),
        len(drawn),
        3,
        LINE * (most + 1) + 0.55,
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


def rank_stability_rows(run: Run) -> Rows:
    for each, row, is_drawn in _all(run, run.ranked):
        if row.get("rank") and not row["foresees"]:
            value = _cell(row, each["headline"])[0]
            yield each["name"], row["recommender"], each["headline"], value, *row["rank"], row["stable"], is_drawn
