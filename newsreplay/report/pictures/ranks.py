"""Pictures of ranks: publishers by recommenders, and how stable ranks are."""

from __future__ import annotations

import math

import numpy as np

from newsreplay.report.colours import SERIES
from newsreplay.report.pictures.arranged import (
    ArrangedRun,
    all_rows,
    axis_label,
    best_value,
    brief,
    estimate_of,
    failed_names,
    heading_of,
    headline,
    note_below,
)
from newsreplay.report.pictures.drawing import Figure, FixedLocator, Line2D, Rows, new_figure
from newsreplay.report.pictures.sheets import LINE, SMALL, Look, Sheet, list_rows, slant
from newsreplay.report.ranking import RULE
from newsreplay.report.records import RecommenderRow

# --- publishers by recommenders -------------------------------------------------------------------------


def publishers_by_recommenders(run: ArrangedRun) -> Figure | None:
    """Draw the heat map of recommenders by publishers; None with fewer than two publishers."""
    drawn = [publisher for publisher in run.publishers if best_value(publisher.contents) is not None]
    names = [name for name in run.ranked if any(headline(publisher, name) is not None for publisher in drawn)]
    if len(drawn) < 2 or not names:
        return None
    framing = [name for name in run.foresee if any(headline(publisher, name) is not None for publisher in drawn)]
    everyone = [*names, *framing]
    metrics = list(dict.fromkeys(publisher.contents["headline"] for publisher in drawn))
    headed = " and ".join(heading_of(run, metric).text for metric in metrics)
    inside = " and ".join(axis_label(run, metric) for metric in metrics)
    note = note_below(
        run, f"Per cent of the best value of the publisher; in brackets {inside}. Rows by mean rank: {RULE}."
    )
    figure = new_figure(
        f"{run.title}: {headed} relative to the best of each publisher",
        note,
        LINE * len(everyone) + 0.75 + 0.13 * (note.count("\n") + 1),
    )
    axes = figure.subplots()
    relative = np.full((len(everyone), len(drawn)), np.nan)
    for column, publisher in enumerate(drawn):
        best = best_value(publisher.contents)
        for line, name in enumerate(everyone):
            value = headline(publisher, name)
            share = math.nan if value is None or not best else 100 * value / best
            if line < len(names):
                relative[line, column] = share
            text = "–" if value is None else brief(run, value, publisher.contents["headline"])
            if name not in publisher.rows:
                text = "failed" if name in failed_names(publisher.contents) else "–"
            text = f"{share:.0f}  ({text})" if math.isfinite(share) else text
            dark = line < len(names) and share > 80
            axes.text(column, line, text, ha="center", va="center", fontsize=SMALL, color="white" if dark else "black")
    axes.imshow(relative, cmap="Blues", vmin=0, vmax=115, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(drawn)), [publisher.label for publisher in drawn])
    axes.set_yticks(range(len(everyone)), [run.labels[name] for name in everyone], fontsize=SMALL)
    slant(axes, figure, [publisher.label for publisher in drawn], 4.8)
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


def publishers_by_recommenders_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher and recommender."""
    best = {publisher["name"]: best_value(publisher) for publisher in run.contents["publishers"]}
    for publisher, row, is_drawn in all_rows(run, [*run.ranked, *run.foresee]):
        value, highest = estimate_of(row, publisher["headline"])[0], best[publisher["name"]]
        if value is not None:
            relative = value / highest if highest else None
            names = (publisher["name"], row["recommender"], publisher["headline"])
            yield *names, value, relative, row["foresees"], is_drawn


# --- rank stability -------------------------------------------------------------------------------------


def rank_stability(run: ArrangedRun) -> Figure | None:
    """Draw each publisher's ranks with the ranges that paired tests leave; None where nothing is ranked."""
    ranked = set(run.ranked)
    drawn = [
        (
            publisher,
            sorted((_rank(row), name) for name, row in publisher.rows.items() if name in ranked and row["rank"]),
        )
        for publisher in run.publishers
    ]
    drawn = [(publisher, rows) for publisher, rows in drawn if rows]
    if not drawn:
        return None
    metrics = list(dict.fromkeys(publisher.contents["headline"] for publisher, _ in drawn))
    most = max(len(rows) for _, rows in drawn)
    headed = " and ".join(heading_of(run, metric).text for metric in metrics)
    sheet = Sheet(
        f"{run.title}: ranks by {headed}, and how sure they are",
        note_below(
            run,
            f"Bars: the ranks that paired tests of all pairs leave open (5 % after Holm). {run.contents['interval']}",
        ),
        len(drawn),
        3,
        LINE * (most + 1) + 0.55,
        ["one rank", "several possible"],
    )
    looks: dict[bool, Look] = {
        True: {"color": SERIES[0], "marker": "o", "markerfacecolor": SERIES[0]},
        False: {"color": SERIES[1], "marker": "D", "markerfacecolor": "white"},
    }
    for axes, (publisher, rows) in zip(sheet.axes, drawn, strict=True):
        for stable, look in looks.items():
            lines = [line for line, (_, name) in enumerate(rows) if bool(publisher.rows[name]["stable"]) == stable]
            ranks = np.array([rows[line][0] for line in lines]).reshape(-1, 3)
            axes.hlines(lines, ranks[:, 1], ranks[:, 2], color=look["color"], lw=1.1)
            axes.plot(ranks[:, 0], lines, linestyle="", markersize=3.5, **look)
        highest = max(high for (_, _, high), _ in rows)
        axes.set_xlim(1 - 0.03 * highest - 0.1, 1.03 * highest + 0.1)
        axes.xaxis.set_major_locator(FixedLocator(_rank_steps(highest)))
        list_rows(axes, [run.labels[name] for _, name in rows], most)
        axes.set(title=publisher.label, xlabel="rank")
    sheet.key([Line2D([], [], lw=1.1, markersize=3.5, **looks[stable]) for stable in (True, False)])
    return sheet.figure


def _rank(row: RecommenderRow) -> tuple[float, float, float]:
    """A rank with its range; without replicates the range is the rank."""
    rank, low, high = row["rank"] or (None, None, None)
    rank = math.nan if rank is None else rank
    return rank, rank if low is None else low, rank if high is None else high


def _rank_steps(highest: float) -> list[int]:
    most = 6 if highest < 100 else 3  # with three digits each
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if highest / step <= most)
    return [1, *range(step if step > 1 else 2, int(highest) + 1, step)]


def rank_stability_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher and ranked recommender."""
    for publisher, row, is_drawn in all_rows(run, run.ranked):
        if row["rank"] and not row["foresees"]:
            value = estimate_of(row, publisher["headline"])[0]
            names = (publisher["name"], row["recommender"], publisher["headline"])
            yield *names, value, *row["rank"], row["stable"], is_drawn
