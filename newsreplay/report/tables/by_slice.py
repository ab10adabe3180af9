"""The leaderboard by slice."""

from __future__ import annotations

from collections.abc import Sequence

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import asking_notes, display_name, leak_notes, seed_notes
from newsreplay.report.headings import IN_UNITS, format_half, format_value, heading, metric_named
from newsreplay.report.records import Estimate
from newsreplay.report.shown import few_notes, hides
from newsreplay.report.slices import PublisherColumns, sliced
from newsreplay.report.tables.tables import Cell, Record, ReportTable, publisher_caption, render
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
        counts = [
            max((estimates[place][3] for estimates in cut.cells[chosen].values()), default=0)
            for place in range(len(cut.groups))
        ]
        rows = [
            (display_name(run, name), [_cell(estimate, chosen, intervals, run.reward) for estimate in estimates])
            for name, estimates in sorted(cut.cells[chosen].items(), key=lambda row: -_overall(row[1]))
        ]
        known = heading(chosen, run.asks, run.reward)
        told = (*few_notes(facts, asked), *asking_notes(run), *leak_notes(run), *seed_notes(run))
        tables.append(
            ReportTable(
                "recommender",
                [("", group) for group in cut.groups],
                [*rows, ("n", [Cell(f"{count:,}") for count in counts])],
                [
                    f"{known.text} {IN_UNITS[known.unit]}, by {cut.label}; n: {_counted(chosen)}",
                    *(note.text for note in told),
                ],
                [],
                publisher_caption(run, publisher),
            )
        )
    if style in ("json", "csv"):
        return render(ReportTable("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def _overall(estimates: Sequence[Estimate]) -> float:
    """The mean over slices by which rows are ordered."""
    valued = [(value, n) for value, _, _, n in estimates if value is not None]
    return sum(value * n for value, n in valued) / sum(n for _, n in valued) if valued else -1.0


def _cell(estimate: Estimate, metric: str, intervals: bool, reward: Reward | None = None) -> Cell:
    value, low, high, _ = estimate
    if value is None:
        return Cell("-")
    half = (high - low) / 2 if intervals and low is not None and high is not None else None
    within = "" if half is None else f"±{format_half(half, metric, reward)}"
    return Cell(format_value(value, metric, reward), within)


def _counted(metric: str) -> str:
    if metric.startswith("read_success"):
        return "reads that could have been hits"
    return "scored sessions" if "success" in metric else "scored impressions"
