"""A picture of tuning: the metric over the values of a parameter, and what came of the chosen one later."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from newsreplay.report.colours import SERIES, VERMILION
from newsreplay.report.headings import heading
from newsreplay.report.pictures.drawing import (
    DASHES,
    MARKERS,
    Axes,
    FixedLocator,
    drawing_into,
    labels_of,
    name_entries,
    new_figure,
    save,
)
from newsreplay.report.pictures.sheets import Look
from newsreplay.report.records import TuningRow
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.spec import Spec, parse_spec

PANEL = 2.3  #: inches, of a panel's height
MOST_LINES = 7  #: combinations of the other parameters that have a line each; others are left out, which is said


def draw_tuned(rows: Sequence[TuningRow], run: RunFolder, folder: Path) -> list[Path]:
    """Draw a panel per sweep and publisher into `tuning.png` and `tuning.svg`; the files. `run` is the later one."""
    sweeps = list(dict.fromkeys(row["sweep"] for row in rows))
    publishers = list(dict.fromkeys(row["publisher"] for row in rows))
    with drawing_into(folder):
        known = heading(rows[0]["metric"], run.asks, run.reward)
        scale = 100 if known.unit == "%" else 1
        note = "lines: early stretch, 95 % intervals; star: chosen, on the later stretch; dashed: the default there"
        figure = new_figure(f"Tuned by {known.text}", note, PANEL * len(sweeps) + 0.6)
        panels = figure.subplots(len(sweeps), len(publishers), squeeze=False)
        for line, sweep in zip(panels, sweeps, strict=True):
            for axes, publisher, label in zip(line, publishers, labels_of(publishers), strict=True):
                of_panel = [row for row in rows if (row["sweep"], row["publisher"]) == (sweep, publisher)]
                _draw(axes, parse_spec(sweep), of_panel, scale)
                axes.set_title(label if len(publishers) > 1 else labels_of([sweep])[0])
            line[0].set_ylabel(f"{known.text}{f' ({known.unit})' if known.unit else ''}")
        return save(figure, folder / "tuning")


def _draw(axes: Axes, sweep: Spec, rows: Sequence[TuningRow], scale: int) -> None:
    swept = {name: value for name, value in sweep.parameters if isinstance(value, tuple) and len(value) > 1}
    first = next(iter(swept))
    ticks = [_text(value) for value in swept[first]]
    lines: dict[str, list[TuningRow]] = {}
    for row in rows:
        if row["stretch"] == "early" and row["value"] is not None:
            lines.setdefault(_others(row, swept), []).append(row)
    entries, labels = [], []
    for number, (label, points) in enumerate([*lines.items()][:MOST_LINES]):
        x = [ticks.index(_value(row, first)) for row in points]
        y = [scale * (row["value"] or 0.0) for row in points]
        ends = [[scale * _reach(row, end) for row in points] for end in ("low", "high")]
        look: Look = {"color": SERIES[number % len(SERIES)], "marker": MARKERS[number % len(MARKERS)]}
        entries.append(axes.errorbar(x, y, ends, **look, linestyle=DASHES[number % len(DASHES)], elinewidth=0.6))
        labels.append(label)
    for row in rows:
        if row["stretch"] == "late" and row["value"] is not None:
            if row["role"] == "default":
                axes.axhline(scale * row["value"], color=VERMILION, linestyle="--", linewidth=0.8)
                continue
            ends = [[scale * _reach(row, end)] for end in ("low", "high")]
            place, value = ticks.index(_value(row, first)), scale * row["value"]
            axes.errorbar([place], [value], ends, color=VERMILION, marker="*", markersize=9, elinewidth=0.8, zorder=5)
    axes.xaxis.set_major_locator(FixedLocator(range(len(ticks))))
    axes.set_xticklabels(labels_of(ticks))
    axes.set_xlabel(first)
    if len(labels) > 1:
        name_entries(axes.legend(entries, [str(n) for n in range(len(entries))], fontsize=6), labels_of(labels))
    if len(lines) > MOST_LINES:
        axes.set_xlabel(f"{first} ({len(lines) - MOST_LINES} lines more are not drawn)")


def _reach(row: TuningRow, end: str) -> float:
    """How far an end of an interval lies from the value; nothing where there is none."""
    bound = row["low"] if end == "low" else row["high"]
    return 0.0 if bound is None or row["value"] is None else math.fabs(row["value"] - bound)


def _value(row: TuningRow, name: str) -> str:
    return _text(dict(parse_spec(row["recommender"]).parameters)[name])


def _others(row: TuningRow, swept: Mapping[str, object]) -> str:
    """The values of the parameters besides the first."""
    values = dict(parse_spec(row["recommender"]).parameters)
    return ", ".join(f"{name}={_text(values[name])}" for name in [*swept][1:])


def _text(value: object) -> str:
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, tuple) else str(value)
