"""The picture of why reads were missed."""

from __future__ import annotations

from typing import Any

import numpy as np

from newsreplay.report.pictures.arranged import Publisher, Run, _all, _note
from newsreplay.report.pictures.drawing import DASHES, Figure, Line2D, Patch, Rows, labels_of
from newsreplay.report.pictures.sheets import LINE, SMALL, Sheet

#: Fill and hatch of causes, in their order: shades of blue are hits, near and far; then each kind of miss.
_FILLS = (
    ("#0072B2", ""),
    ("#56B4E9", ""),
    ("#CDE7F5", ""),
    ("#E69F00", "////"),
    ("#CC79A7", "...."),
    ("#D55E00", "xxxx"),
)


# --- misses ---------------------------------------------------------------------------------------------


def misses(run: Run) -> Figure | None:
    drawn = [each for each in run.publishers if any(_missed(each, name) for name in run.ranked)]
    if not drawn:
        return None
    names = [name for name in run.ranked if any(_missed(each, name) for each in drawn)]
    framing = [name for name in run.foresee if any(_missed(each, name) for each in drawn)]
    causes = list(dict.fromkeys(cause for each in drawn for cause in each.contents["causes"]))
    ceilings = [each.contents.get("ceiling") for each in drawn]
    has_ceiling = any(ceiling is not None for ceiling in ceilings)
    everyone = [*names, *framing]
    told = labels_of(causes)
    if has_ceiling:
        told.append("ceiling: what an oracle could have hit")
    sheet = Sheet(
        f"{run.title}: what became of the reads that could have been hits",
        _note(run),
        len(drawn),
        3,
        LINE * (len(everyone) + 1) + 0.55,
        told,
    )
    for number, (axes, each, ceiling) in enumerate(zip(sheet.axes, drawn, ceilings, strict=True)):
        left = np.zeros(len(everyone))
        lines = np.arange(len(everyone)) + np.array([0.5 * (name in framing) for name in everyone])
        for cause, (fill, hatch) in zip(causes, _fills(len(causes)), strict=True):
            share = 100 * np.array([_missed(each, name).get(cause, 0.0) for name in everyone])
            axes.barh(lines, share, left=left, height=0.8, color=fill, hatch=hatch, edgecolor="white", lw=0.2)
            left += share
        if ceiling is not None:
            axes.axvline(100 * ceiling, color="black", lw=1.1, linestyle=DASHES[1])
        axes.set_xlim(0, 100)
        axes.set_yticks(lines, [run.labels[name] for name in everyone], fontsize=SMALL)
        axes.tick_params(axis="y", length=0, labelleft=number % sheet.columns == 0)
        axes.set_ylim(lines[-1] + 0.6, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set(title=each.label, xlabel="share of reads (%)")
    handles: list[Any] = [
        Patch(facecolor=fill, hatch=hatch, edgecolor="white", lw=0.2) for fill, hatch in _fills(len(causes))
    ]
    sheet.key([*handles, *([Line2D([], [], color="black", lw=1.1, linestyle=DASHES[1])] if has_ceiling else [])])
    return sheet.figure


def _missed(each: Publisher, name: str) -> dict[str, float]:
    return (each.rows.get(name) or {}).get("misses") or {}


def _fills(count: int) -> list[tuple[str, str]]:
    # The last cause is all the rest, and mostly the largest: it stays in the background.
    return [*(_FILLS[number % len(_FILLS)] for number in range(count - 1)), ("#F0F0F0", "")]


def misses_rows(run: Run) -> Rows:
    for each, row, is_drawn in _all(run, [*run.ranked, *run.foresee]):
        for cause, share in (row.get("misses") or {}).items():
            yield each["name"], row["recommender"], cause, share, each.get("ceiling"), row["foresees"], is_drawn
