"""Comparisons of recommenders as tables: paired differences with intervals and corrected p-values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import asking_notes, column_of, display_name, is_reference, leak_notes, number, seed_notes
from newsreplay.report.headings import IN_UNITS, format_value, heading, metric_named
from newsreplay.report.shown import few_notes, headline, shown
from newsreplay.report.tables.tables import (
    BEST,
    MARKS,
    Cell,
    Record,
    ReportTable,
    p_text,
    publisher_caption,
    render,
)
from newsreplay.simulator.judgement.comparisons import ALPHA, Differences, count_wins
from newsreplay.simulator.judgement.comparisons import compare as compare_rows
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.metrics import Measured
from newsreplay.simulator.runs.by_cluster import ByCluster
from newsreplay.simulator.runs.folder import RunFolder


class _Pair(NamedTuple):
    """A difference as a table has it."""

    a: str
    b: str
    metric: str
    left: float
    right: float
    numbers: dict[str, float | None]  #: difference, low, high, p, p_holm, resolvable
    alike: bool  #: they gave the same answers


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
    first of `metrics` (E@1, or AUC where E@1 is not shown). p-values are corrected for all pairs of the run's
    recommenders on that publisher and metric, whichever are shown. Of a publisher with few scored sessions, metrics
    of slates have values only if they are named (`shown.hides`). Raises `NewsreplayError` for a recommender or metric
    that the run does not have.
    """
    names = [name for name in (a, b) if name is not None]
    requested = None if metrics is None else [metric_named(metric) for metric in metrics]
    _check_names(run, names)
    _check_metrics(requested or (), _metrics_of(run))
    is_pair = a is not None and b is not None
    tables: list[ReportTable] = []
    records: list[Record] = []
    for publisher in run.publishers:
        facts, measured = run.facts(publisher), shown(run, publisher, requested or ())
        done = [pair["recommender"] for pair in run.pairs(publisher) if pair["status"] == "done"]
        if not {*names} <= {*done}:
            continue  # it failed on this publisher, and the leaderboard notes that
        known = [result.metric for result in measured.results[: measured.replicates.shape[1]]]
        judging = [metric for metric in known if heading(metric).higher_is_better is not None]
        named = None if requested is None else [metric for metric in requested if metric in known]
        chosen = (judging if is_pair else [headline(facts)]) if named is None else named
        pairs = [
            pair
            for metric in ((chosen if is_pair else chosen[:1]) if known else ())  # without any where all failed
            for pair in _pairs(run, publisher, measured, known.index(metric), metric, names)
        ]
        records += [
            {"publisher": publisher, "metric": pair.metric, "a": pair.a, "b": pair.b, **pair.numbers} for pair in pairs
        ]
        heads = [
            heading(pair.metric, run.asks, run.reward).text if is_pair else f"{pair.a} - {pair.b}" for pair in pairs
        ]
        body = [(head, _cells(pair, run.reward)) for head, pair in zip(heads, pairs, strict=True)]
        sides = [display_name(run, name) for name in names] if is_pair else ["left", "right"]
        columns = [*sides, "difference", "95 % interval", "p", "p (Holm)", "resolvable"]
        told = (*few_notes(facts, requested or ()), *asking_notes(run), *leak_notes(run), *seed_notes(run))
        notes = [*_notes(is_pair, chosen, style, run), *(note.text for note in told)]
        first, caption = "metric" if is_pair else "pair", publisher_caption(run, publisher)
        tables.append(ReportTable(first, [("", column) for column in columns], body, notes, [], caption))
    if style in ("json", "csv"):
        return render(ReportTable("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def _metrics_of(run: RunFolder) -> list[str]:
    """What is measured on any publisher; impressions are not on all."""
    return list(dict.fromkeys(result.metric for result in run.results))


def _check_names(run: RunFolder, names: Sequence[str]) -> None:
    if len(names) == 2 and names[0] == names[1]:
        raise NewsreplayError(f"{names[0]} cannot be compared with itself")
    failed = {pair["recommender"]: pair["error"] for pair in run.info["pairs"] if pair["status"] == "failed"}
    done = list(dict.fromkeys(pair["recommender"] for pair in run.info["pairs"] if pair["status"] == "done"))
    for name in names:
        if name not in done:
            if name in failed:
                raise NewsreplayError(f"{name} failed in {run.folder}: {failed[name]}")
            hint = did_you_mean(name, done) or f"It has {', '.join(done)}."
            raise NewsreplayError(f"{run.folder} has no results of {name!r}. {hint}")


def _check_metrics(metrics: Sequence[str], known: Sequence[str]) -> None:
    for metric in metrics:
        if metric not in known:
            hint = did_you_mean(metric, known) or f"There are {', '.join(known)}."
            raise NewsreplayError(f"no metric is called {metric!r}. {hint}")


def _pairs(
    run: RunFolder, publisher: str, measured: Measured, column: int, metric: str, chosen: Sequence[str]
) -> list[_Pair]:
    """The differences by one metric: of the two chosen recommenders, of one and every other, or of all pairs.

    The family that p-values are corrected for is all that can be ranked, and the chosen ones.
    """
    pairs = [pair for pair in run.pairs(publisher) if pair["status"] == "done"]
    names = [pair["recommender"] for pair in pairs]
    family = [
        row
        for row, pair in enumerate(pairs)
        if names[row] in chosen or not (is_reference(pair) or names[row] in run.leaks)
    ]
    values = column_of(measured, column)[family]
    by_cluster = ByCluster(run, publisher)
    wins = None
    if heading(metric).higher_is_better is not None:
        wins = count_wins([by_cluster.sums(names[row], metric) for row in family])
    differences = compare_rows(values, measured.replicates[family, column], wins=wins)
    place = {pair: i for i, pair in enumerate(zip(differences.a.tolist(), differences.b.tolist(), strict=True))}
    result = []
    for left, right in _wanted([family.index(names.index(name)) for name in chosen], len(family)):
        numbers = _numbers(differences, place[min(left, right), max(left, right)], 1.0 if left < right else -1.0)
        a, b = (display_name(run, names[family[side]]) for side in (left, right))
        alike = _answer_alike(run.measured(publisher), family[left], family[right])
        result.append(_Pair(a, b, metric, values[left], values[right], numbers, alike))
    return result


def _answer_alike(measured: Measured, a: int, b: int) -> bool:
    """Whether two rows gave the same answers: all that is measured of them is the same, in every replicate too."""
    width = measured.replicates.shape[1]
    mine, others = ([result[3:] for result in measured.results[row * width :][:width]] for row in (a, b))
    told = any(value is not None for value, *_ in mine)
    return told and mine == others and np.array_equal(measured.replicates[a], measured.replicates[b], equal_nan=True)


def _wanted(chosen: list[int], rows: int) -> list[tuple[int, int]]:
    if len(chosen) == 2:
        return [(chosen[0], chosen[1])]
    if chosen:
        return [(chosen[0], other) for other in range(rows) if other != chosen[0]]
    return list(combinations(range(rows), 2))


def _numbers(differences: Differences, place: int, sign: float) -> dict[str, float | None]:
    low, high = (sign * bound for bound in ((differences.low[place], differences.high[place])[:: int(sign)]))
    return {
        "difference": number(sign * differences.difference[place]),
        "low": number(low),
        "high": number(high),
        "p": number(differences.p[place]),
        "p_holm": number(differences.p_holm[place]),
        "resolvable": number(differences.resolvable[place]),
    }


def _cells(pair: _Pair, reward: Reward | None) -> list[Cell]:
    metric, numbers, p = pair.metric, pair.numbers, pair.numbers["p_holm"]
    ends = [format_value(numbers[end], metric, reward) for end in ("low", "high")]
    return [
        *(Cell(format_value(None if np.isnan(value) else value, metric, reward)) for value in (pair.left, pair.right)),
        Cell(format_value(numbers["difference"], metric, reward), "", BEST if p is not None and p <= ALPHA else ""),
        Cell("identical" if pair.alike else f"[{ends[0]}, {ends[1]}]"),
        Cell(p_text(numbers["p"])),
        Cell(p_text(p)),
        Cell(format_value(numbers["resolvable"], metric, reward)),
    ]


def _notes(is_pair: bool, metrics: list[str], style: str, run: RunFolder) -> list[str]:
    units: dict[str, list[str]] = {}
    for metric in metrics if is_pair else metrics[:1]:
        known = heading(metric, run.asks, run.reward)
        units.setdefault(IN_UNITS[known.unit], []).append(known.text)
    in_units = "; ".join(f"{', '.join(names)}: {unit}" for unit, names in units.items())
    return [
        f"values, differences and intervals {next(iter(units))}" if len(units) == 1 and is_pair else in_units,
        f"differences are paired: both sides are resampled alike; {MARKS[style][0]}: p <= {ALPHA:g} after Holm's "
        "correction for all pairs of the run's recommenders",
        "resolvable: 2.8 standard errors; a true difference of that size is found in half of such logs or more",
    ]
