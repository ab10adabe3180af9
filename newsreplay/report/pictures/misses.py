"""The picture of why reads were missed."""

from __future__ import annotations

import numpy as np

from newsreplay.report.colours import CAUSES, REST
from newsreplay.report.pictures.arranged import ArrangedPublisher, ArrangedRun, all_rows, note_below
from newsreplay.report.pictures.drawing import DASHES, Artist, Figure, Line2D, Patch, Rows, labels_of
from newsreplay.report.pictures.sheets import LINE, SMALL, Sheet

_HATCHES = ("", "", "", "////", "....", "xxxx")  #: of `CAUSES`


def misses(run: ArrangedRun) -> Figure | None:
    """Draw what became of the reads that could have been hits, one stacked bar a recommender; None without any."""
    drawn = [publisher for publisher in run.publishers if any(_missed(publisher, name) for name in run.ranked)]
    if not drawn:
        return None
    names = [name for name in run.ranked if any(_missed(publisher, name) for publisher in drawn)]
    framing = [name for name in run.foresee if any(_missed(publisher, name) for publisher in drawn)]
    causes = list(dict.fromkeys(cause for publisher in drawn for cause in publisher.contents["causes"]))
    ceilings = [publisher.contents["ceiling"] for publisher in drawn]
    has_ceiling = any(ceiling is not None for ceiling in ceilings)
    everyone = [*names, *framing]
    labels = labels_of(causes)
    if has_ceiling:
        labels.append("ceiling: what an oracle could have hit")
    sheet = Sheet(
        f"{run.title}: what became of the reads that could have been hits",
        note_below(run),
        len(drawn),
        3,
        LINE * (len(everyone) + 1) + 0.55,
        labels,
    )
    for number, (axes, publisher, ceiling) in enumerate(zip(sheet.axes, drawn, ceilings, strict=True)):
        left = np.zeros(len(everyone))
        lines = np.arange(len(everyone)) + np.array([0.5 * (name in framing) for name in everyone])
        for cause, (fill, hatch) in zip(causes, _fills(len(causes)), strict=True):
            share = 100 * np.array([_missed(publisher, name).get(cause, 0.0) for name in everyone])
            axes.barh(lines, share, left=left, height=0.8, color=fill, hatch=hatch, edgecolor="white", lw=0.2)
            left += share
        if ceiling is not None:
            axes.axvline(100 * ceiling, color="black", lw=1.1, linestyle=DASHES[1])
        axes.set_xlim(0, 100)
        axes.set_yticks(lines, [run.labels[name] for name in everyone], fontsize=SMALL)
        axes.tick_params(axis="y", length=0, labelleft=number % sheet.columns == 0)
        axes.set_ylim(lines[-1] + 0.6, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set(title=publisher.label, xlabel="share of reads (%)")
    handles: list[Artist] = [
        Patch(facecolor=fill, hatch=hatch, edgecolor="white", lw=0.2) for fill, hatch in _fills(len(causes))
    ]
    sheet.key([*handles, *([Line2D([], [], color="black", lw=1.1, linestyle=DASHES[1])] if has_ceiling else [])])
    return sheet.figure


def _missed(publisher: ArrangedPublisher, name: str) -> dict[str, float]:
    row = publisher.rows.get(name)
    return (row["misses"] if row else None) or {}


def _fills(count: int) -> list[tuple[str, str]]:
    """Fill and hatch of so many causes."""
    numbers = [number % len(CAUSES) for number in range(count - 1)]
    return [*((CAUSES[number], _HATCHES[number]) for number in numbers), (REST, "")]


def misses_rows(run: ArrangedRun) -> Rows:
    """The table of the picture: one row a publisher, recommender and cause."""
    for publisher, row, is_drawn in all_rows(run, [*run.ranked, *run.foresee]):
        for cause, share in (row["misses"] or {}).items():
            names = (publisher["name"], row["recommender"])
            yield *names, cause, share, publisher["ceiling"], row["foresees"], is_drawn
