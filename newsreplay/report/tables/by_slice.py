"""The leaderboard by slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import display_name, leaks, singly
from newsreplay.report.headings import named, shown
from newsreplay.report.headings import of as heading
from newsreplay.report.slices import Parts, sliced
from newsreplay.report.tables.tables import Cell, Table, _caption, render
from newsreplay.simulator.runs.folder import RunFolder

# --- other views ----------------------------------------------------------------------------------------


def by_slice(
    run: RunFolder, by: str, *, style: str = "table", metric: str | None = None, intervals: bool = False
) -> str:
    """How the recommenders of a run fare by slice (`slices.DIMENSIONS`): a column a slice, a table a publisher.

    Of the metrics a dimension has, the table shows one, by default the first; json and csv have all with intervals.
    Raises `NewsreplayError` for another dimension or metric.
    """
    tables, records = [], []
    for publisher in run.publishers:
        cut = sliced(Parts(run, publisher), by)
        chosen = named(metric) if metric else cut.metrics[0]
        if chosen not in cut.metrics:
            hint = did_you_mean(chosen, cut.metrics) or f"There are {', '.join(cut.metrics)}."
            raise NewsreplayError(f"there is no {chosen!r} by {by}. {hint}")
        for what, cells in cut.cells.items():
            for name, mine in cells.items():
                for group, cell in zip(cut.groups, mine, strict=True):
                    values = dict(zip(("value", "low", "high", "n"), cell, strict=True))
                    records.append(
                        {"publisher": publisher, "recommender": display_name(run, name), "metric": what, "by": by}
                        | {"slice": group}
                        | values
                    )
        counts = [
            max((mine[place][3] for mine in cut.cells[chosen].values()), default=0) for place in range(len(cut.groups))
        ]
        rows = [
            (display_name(run, name), [_sliced_cell(cell, chosen, intervals) for cell in mine])
            for name, mine in sorted(cut.cells[chosen].items(), key=lambda row: -_overall(row[1]))
        ]
        tables.append(
            Table(
                "recommender",
                [("", group) for group in cut.groups],
                [*rows, ("n", [Cell(f"{count:,}") for count in counts])],
                [
                    f"{heading(chosen).text} in per cent, by {cut.label}; n: {_counted(chosen)}",
                    *leaks(run),
                    *singly(run),
                ],
                [],
                _caption(run, publisher),
            )
        )
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def _overall(cells: Sequence[Any]) -> float:
    """The mean over slices by which rows are ordered."""
    told = [(value, n) for value, _, _, n in cells if value is not None]
    return sum(value * n for value, n in told) / sum(n for _, n in told) if told else -1.0


def _sliced_cell(cell: Any, metric: str, intervals: bool) -> Cell:
    value, low, high, _ = cell
    if value is None:
        return Cell("-")
    within = f"±{shown((high - low) / 2, metric)}" if intervals and low is not None and high is not None else ""
    return Cell(shown(value, metric), within)


def _counted(metric: str) -> str:
    if metric.startswith("read_success"):
        return "reads that could have been hits"
    return "scored sessions" if "success" in metric else "scored impressions"
