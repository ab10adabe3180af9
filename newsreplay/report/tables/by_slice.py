"""The leaderboard by slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import asking_notes, display_name, leak_notes, seed_notes
from newsreplay.report.headings import IN_UNITS, digits_for, format_interval, format_value, heading, metric_named
from newsreplay.report.records import Estimate
from newsreplay.report.shown import few_notes, hides
from newsreplay.report.slices import PublisherColumns, Slices, sliced
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import Cell, Record, ReportTable, Screen, publisher_caption
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.runs.folder import RunFolder


def by_slice(
    run: RunFolder,
    by: str,
    *,
    style: str = "table",
    metric: str | None = None,
    named: Sequence[str] = (),
    intervals: bool = False,
    screen: Screen | None = None,
) -> str:
    """How recommenders fare by slice (`slices.PublisherColumns.dimensions`): a column a slice, a table a publisher.

    Of the metrics a dimension has, the table shows one, by default the first that has values; json and csv have all
    with intervals. Of a publisher with few scored sessions, metrics of slates have values only if they are this one
    or among the `named` (`shown.hides`). Raises `NewsreplayError` for another dimension or metric.
    """
    asked = [metric_named(name) for name in (*((metric,) if metric else ()), *named)]
    tables: list[ReportTable] = []
    records: list[Record] = []
    cuts = {publisher: sliced(PublisherColumns(run, publisher), by, asked) for publisher in run.publishers}
    there = list(dict.fromkeys(measured for cut in cuts.values() for measured in cut.metrics))
    if metric and metric_named(metric) not in there:
        hint = did_you_mean(metric_named(metric), there) or f"There are {', '.join(there)}."
        raise NewsreplayError(f"there is no {metric_named(metric)!r} by {by}. {hint}")
    for publisher, cut in cuts.items():
        facts = run.facts(publisher)
        usual = next((measured for measured in cut.metrics if not hides(facts, measured)), cut.metrics[0])
        chosen = metric_named(metric) if metric else usual
        for measured, cells in cut.cells.items():
            for name, estimates in cells.items():
                names = {"publisher": publisher, "recommender": display_name(run, name), "metric": measured, "by": by}
                for group, (value, low, high, n) in zip(cut.groups, estimates, strict=True):
                    records.append({**names, "slice": group, "value": value, "low": low, "high": high, "n": n})
        if chosen not in cut.metrics:  # of impressions, which this publisher has none of
            continue
        table = _table(run, cut, chosen, intervals)
        told = (*few_notes(facts, asked), *asking_notes(run), *leak_notes(run), *seed_notes(run))
        notes = [*table.notes, *(note.text for note in told)]
        tables.append(table._replace(notes=notes, caption=publisher_caption(run, publisher)))
    return render(tables, records, style, screen)


def _table(run: RunFolder, cut: Slices, metric: str, intervals: bool) -> ReportTable:
    """A metric of a publisher by slice, the best rows first, and below them how much was counted."""
    cells = cut.cells[metric]
    counts = [max((row[place][3] for row in cells.values()), default=0) for place in range(len(cut.groups))]
    digits = _digits(cells.values(), metric, run.reward)
    rows = [
        (display_name(run, name), [_cell(estimate, metric, intervals, run.reward, digits) for estimate in estimates])
        for name, estimates in sorted(cells.items(), key=lambda row: -_overall(row[1]))
    ]
    known = heading(metric, run.asks, run.reward)
    return ReportTable(
        "recommender",
        [("", group) for group in cut.groups],
        [*rows, ("n", [Cell(f"{count:,}") for count in counts])],
        [f"{known.text} {IN_UNITS[known.unit]}, by {cut.label}; n: {_counted(metric)}"],
    )


def _overall(estimates: Sequence[Estimate]) -> float:
    """The mean over slices by which rows are ordered."""
    valued = [(value, n) for value, _, _, n in estimates if value is not None]
    return sum(value * n for value, n in valued) / sum(n for _, n in valued) if valued else -1.0


def _digits(rows: Iterable[Sequence[Estimate]], metric: str, reward: Reward | None) -> int:
    """How many decimals all cells have."""
    bounds = [(low, high) for row in rows for _, low, high, _ in row if low is not None and high is not None]
    return digits_for([(high - low) / 2 for low, high in bounds], metric, reward)


def _cell(estimate: Estimate, metric: str, intervals: bool, reward: Reward | None = None, digits: int = 3) -> Cell:
    value, low, high, _ = estimate
    if value is None:
        return Cell("-")
    within = ""
    if intervals and low is not None and high is not None:
        within = format_interval(value, low, high, metric, reward, digits)
    return Cell(format_value(value, metric, reward, digits), within)


def _counted(metric: str) -> str:
    if metric.startswith("read_success"):
        return "reads that could have been hits"
    return "scored sessions" if "success" in metric else "scored impressions"
