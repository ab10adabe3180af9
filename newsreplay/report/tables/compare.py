"""Comparisons of recommenders as tables: paired differences with intervals and corrected p-values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import HEADLINE, column_of, display_name, leaks, singly
from newsreplay.report.headings import IN_UNITS, named, shown
from newsreplay.report.headings import of as heading
from newsreplay.report.tables.tables import BEST, MARKS, Cell, Table, p_text, render
from newsreplay.simulator.judgement.comparisons import compare as compare_rows
from newsreplay.simulator.runs.folder import RunFolder

CERTAIN = 0.05  #: a difference with a smaller p (Holm) is marked


def compare(
    run: RunFolder,
    a: str | None = None,
    b: str | None = None,
    *,
    style: str = "table",
    metrics: Sequence[str] | None = None,
) -> str:
    """Differences of recommenders of one run as text, a table a publisher.

    Of `a` and `b` by all the metrics that judge, or by `metrics`; of `a` and every other, or of all pairs, by the
    first of `metrics` (E@1). p-values are corrected for all pairs of the run's recommenders on that publisher and
    metric, whichever are shown. Raises `NewsreplayError` for a recommender or metric that the run does not have.
    """
    metrics = None if metrics is None else [named(metric) for metric in metrics]
    if a is not None and a == b:
        raise NewsreplayError(f"{a} cannot be compared with itself")
    failed = {pair["recommender"]: pair["error"] for pair in run.info["pairs"] if pair["status"] == "failed"}
    everyone = list(dict.fromkeys(pair["recommender"] for pair in run.info["pairs"] if pair["status"] == "done"))
    for name in (a, b):
        if name is not None and name not in everyone:
            if name in failed:
                raise NewsreplayError(f"{name} failed in {run.folder}: {failed[name]}")
            hint = did_you_mean(name, everyone) or f"It has {', '.join(everyone)}."
            raise NewsreplayError(f"{run.folder} has no results of {name!r}. {hint}")
    tables, records = [], []
    for publisher in run.publishers:
        measured = run.measured(publisher)
        pairs = [pair for pair in run.pairs(publisher) if pair["status"] == "done"]
        names = [pair["recommender"] for pair in pairs]
        if not {a, b} <= {None, *names}:
            continue  # it failed on this publisher, as the leaderboard says
        known = [result.metric for result in measured.results[: measured.replicates.shape[1]]]
        for metric in metrics or ():
            if metric not in known:
                hint = did_you_mean(metric, known) or f"There are {', '.join(known)}."
                raise NewsreplayError(f"no metric is called {metric!r}. {hint}")
        family = [
            row for row, pair in enumerate(pairs) if pair.get("foresight") != "oracle" or pair["recommender"] in (a, b)
        ]
        judged = [metric for metric in known if heading(metric).higher_is_better is not None]
        one = a is not None and b is not None
        chosen = list(metrics) if metrics else judged if one else [HEADLINE]
        body = []
        for metric in (chosen if one else chosen[:1]) if known else ():  # without any where all failed
            column = known.index(metric)
            values = column_of(measured, column)[family]
            found = compare_rows(values, measured.replicates[family, column])
            place = {pair: number for number, pair in enumerate(zip(found.a.tolist(), found.b.tolist(), strict=True))}
            order = [family.index(names.index(name)) for name in (a, b) if name is not None]
            for left, right in _wanted(order, len(family)):
                number = place[min(left, right), max(left, right)]
                sign = 1.0 if left < right else -1.0
                row = _row(found, number, sign)
                mine = (display_name(run, names[family[left]]), display_name(run, names[family[right]]))
                record = {"publisher": publisher, "metric": metric, "a": mine[0], "b": mine[1]} | row
                records.append(record)
                label = heading(metric).text if one else f"{mine[0]} - {mine[1]}"
                body.append((label, _cells(values[left], values[right], row, metric)))
        left_side, right_side = (None if name is None else display_name(run, name) for name in (a, b))
        table = _of(publisher if len(run.publishers) > 1 else "", left_side, right_side, one, chosen, body, style)
        tables.append(table._replace(notes=[*table.notes, *leaks(run), *singly(run)]))
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def _wanted(order: list[int], rows: int) -> list[tuple[int, int]]:
    if len(order) == 2:
        return [(order[0], order[1])]
    if order:
        return [(order[0], other) for other in range(rows) if other != order[0]]
    return list(combinations(range(rows), 2))


def _row(found: Any, number: int, sign: float) -> dict[str, float | None]:
    low, high = (sign * bound for bound in ((found.low[number], found.high[number])[:: int(sign)]))
    values = {
        "difference": sign * found.difference[number],
        "low": low,
        "high": high,
        "p": found.p[number],
        "p_holm": found.p_holm[number],
        "resolvable": found.resolvable[number],
    }
    return {key: None if np.isnan(value) else float(f"{value:.12g}") for key, value in values.items()}


def _cells(left: float, right: float, row: dict[str, float | None], metric: str) -> list[Cell]:
    p = row["p_holm"]
    return [
        Cell(shown(None if np.isnan(left) else left, metric)),
        Cell(shown(None if np.isnan(right) else right, metric)),
        Cell(shown(row["difference"], metric), "", BEST if p is not None and p < CERTAIN else ""),
        Cell(f"[{shown(row['low'], metric)}, {shown(row['high'], metric)}]"),
        Cell(p_text(row["p"])),
        Cell(p_text(p)),
        Cell(shown(row["resolvable"], metric)),
    ]


def _of(
    caption: str,
    a: str | None,
    b: str | None,
    one: bool,
    metrics: list[str],
    body: list[tuple[str, list[Cell]]],
    style: str,
) -> Table:
    left, right = (a or "a", b or "b") if one else ("left", "right")
    heads = [left, right, "difference", "95 % interval", "p", "p (Holm)", "resolvable"]
    notes = [
        f"differences are paired: both sides are resampled alike; {MARKS[style][0]}: p < {CERTAIN:g} after Holm's "
        "correction for all pairs of the run's recommenders",
        "resolvable: the smallest true difference that this log would find 4 times in 5",
    ]
    units: dict[str, list[str]] = {}
    for metric in metrics if one else metrics[:1]:
        units.setdefault(IN_UNITS[heading(metric).unit], []).append(heading(metric).text)
    shown_in = "; ".join(f"{', '.join(names)}: {unit}" for unit, names in units.items())
    notes.insert(0, f"values, differences and intervals {next(iter(units))}" if len(units) == 1 and one else shown_in)
    return Table("metric" if one else "pair", [("", head) for head in heads], body, notes, [], caption)
