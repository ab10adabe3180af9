"""Leaderboards: publishers side by side, one row a recommender; by slice, by cost, by cause of a miss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from newsreplay.report.facts import notes
from newsreplay.report.headings import IN_UNITS, check_rank, named, shown
from newsreplay.report.headings import of as heading
from newsreplay.report.tables.board import PAPER_SCALE, SUCCESS, Board
from newsreplay.report.tables.by_slice import by_slice
from newsreplay.report.tables.costs import costs
from newsreplay.report.tables.missed import missed
from newsreplay.report.tables.tables import BEST, LEVEL, MARKS, Cell, Table, render
from newsreplay.simulator.judgement.comparisons import Ranks, against_best, mean_ranks
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.runs.folder import RunFolder

__all__ = ["by_slice", "costs", "leaderboard", "missed"]
LEVEL_P = 0.05  #: a difference to the best with a larger p (Holm) does not count as one


def leaderboard(
    runs: Sequence[RunFolder],
    *,
    style: str = "table",
    metrics: Sequence[str] | None = None,
    rank_by: str | None = None,
    intervals: bool = True,
    paper_scale: bool = False,
) -> str:
    """The leaderboard of one or more runs as text.

    `style` is one of `FORMATS`; json and csv hold every metric with its interval. `metrics` are shown in that order,
    by default E@1 and P@1, and AUC, MRR and nDCG where there are impressions; `rank_by` ranks, by default E@1. With
    `paper_scale` E and P are multiplied by 100,000 as in Kille & Lommatzsch (2019), else they are per cent.
    Raises `RunError` where runs cannot stand in one table, `NewsreplayError` for a metric that they do not have.
    """
    board = Board(runs)
    chosen = [named(metric) for metric in metrics] if metrics is not None else board.usual_metrics()
    rank_by = named(rank_by) if rank_by else board.usual_rank()
    for metric in (*chosen, rank_by):
        board.check(metric)
    check_rank(rank_by)
    return render(_table(board, style, chosen, rank_by, intervals, paper_scale), style)


def _table(board: Board, style: str, metrics: list[str], rank_by: str, intervals: bool, paper_scale: bool) -> Table:
    ranked = [name for name in board.names if name not in board.foreseeing | board.leaking]
    order, places = _ranked(board, ranked, rank_by)
    rows = [*(name for name in board.names if name in board.foreseeing), *_with_leaking(board, order, rank_by)]
    columns = [(publisher, metric) for publisher in board.publishers for metric in metrics]
    marks = {column: _marks(board, *column, ranked) for column in columns}
    body = []
    for name in rows:
        cells = []
        for publisher, metric in columns:
            result = board.cells.get((name, publisher, metric))
            if result is None or result.value is None:
                cells.append(Cell("failed" if (name, publisher) in board.failed else "-"))
                continue
            mark = marks[publisher, metric].get(name, "")
            text, within = _value(result.value, metric, paper_scale), _within(result, intervals, paper_scale)
            spread = board.spread.get((name, publisher, metric)) if intervals else None
            beside = "" if spread is None else f"s{_value(spread, metric, paper_scale)}"
            cells.append(Cell(text, within, mark, beside))
        body.append((name, [*cells, places.get(name, Cell("-"))]))
    several = len(board.publishers) > 1
    heads = [(publisher, heading(metric).text) for publisher, metric in columns]
    rank = ("mean" if several else "", "rank")
    return Table(
        "recommender",
        [*heads, rank],
        body,
        _footer(board, style, metrics, rank_by, intervals, paper_scale),
        board.records(),
    )


def _with_leaking(board: Board, order: list[str], rank_by: str) -> list[str]:
    """Ranked names, and between them who was given the future: above whom its values would place it, without a rank."""
    leaking = [name for name in board.names if name in board.leaking]
    if not leaking:
        return order
    columns = [board.column(publisher, rank_by, [*order, *leaking])[0] for publisher in board.publishers]
    places = {name: float(place) for place, name in enumerate(order)}
    for number_of, name in enumerate(leaking, start=len(order)):
        better = [int(np.count_nonzero(~(values[: len(order)] <= values[number_of]))) for values in columns]
        places[name] = float(np.mean(better)) - 0.5
    return sorted(places, key=lambda name: places[name])


def _ranked(board: Board, names: list[str], rank_by: str) -> tuple[list[str], dict[str, Cell]]:
    """Names by mean rank, and each one's rank: with its 95 % range where it is not stable."""
    if not names:
        return [], {}
    columns = [board.column(publisher, rank_by, names) for publisher in board.publishers]
    found: Ranks = mean_ranks([values for values, _ in columns], [drawn for _, drawn in columns])
    without = np.all([np.isnan(values) for values, _ in columns], axis=0)
    order = np.argsort(found.rank, kind="stable").tolist()
    places = {}
    for row, name in enumerate(names):
        if without[row]:
            continue
        varies = board.paired and not found.stable[row] and found.low[row] < found.high[row]
        within = f"({found.low[row]:.3g}–{found.high[row]:.3g})" if varies else ""
        places[name] = Cell(f"{found.rank[row]:.1f}", within)
    return [names[row] for row in order], places


def _marks(board: Board, publisher: str, metric: str, names: list[str]) -> dict[str, str]:
    """The best of a column, and those that cannot be told from it."""
    values, drawn = board.column(publisher, metric, names)
    if heading(metric).higher_is_better is None or np.isnan(values).all() or np.nanmax(values) == 0:
        return {}
    marks = {name: BEST for name, value in zip(names, values, strict=True) if value == np.nanmax(values)}
    if board.paired:
        against = against_best(values, drawn)
        for row, p in zip(against.a.tolist(), against.p_holm.tolist(), strict=True):
            if p > LEVEL_P:
                marks.setdefault(names[row], LEVEL)
    return marks


def _value(value: float, metric: str, paper_scale: bool) -> str:
    return f"{value * PAPER_SCALE:.0f}" if paper_scale and metric in SUCCESS else shown(value, metric)


def _within(result: Result, intervals: bool, paper_scale: bool) -> str:
    if not intervals or result.low is None or result.high is None:
        return ""
    return f"±{_value((result.high - result.low) / 2, result.metric, paper_scale)}"


def _footer(
    board: Board, style: str, metrics: list[str], rank_by: str, intervals: bool, paper_scale: bool
) -> list[str]:
    units: dict[str, list[str]] = {}
    for metric in metrics:
        unit = f"times {PAPER_SCALE:,}" if paper_scale and metric in SUCCESS else IN_UNITS[heading(metric).unit]
        units.setdefault(unit, []).append(heading(metric).text)
    within = "; ±: half the width of the 95 % interval" if intervals else ""
    lines = ["; ".join(f"{', '.join(names)}: {unit}" for unit, names in units.items()) + within]
    best, level = MARKS[style]
    marks, ranked = f"{best}: best of its column", f"rank by {heading(rank_by).text}"
    if board.paired:
        marks += f"; {level}: cannot be told from it (paired, p > {LEVEL_P:g} after Holm)"
        ranked += ", with its 95 % range where it is not stable"
    else:
        ranked += (
            "; the runs were not resampled alike (seed, cluster), so nothing says what differs by more than chance"
        )
    lines.append(f"{marks}; {ranked}")
    if intervals and board.spread:
        lines.append(_spread_note(board))
    if board.foreseeing:
        lines.append(
            f"{', '.join(sorted(board.foreseeing))}: knows the future; what could be reached at most; not ranked"
        )
    for run in board.runs:
        lines += _run_lines(run)
        if style == "table":
            lines.append(f"{run.timing['seconds']:.1f} s; the run lies in {run.folder}")
    return lines


def _spread_note(board: Board) -> str:
    by_seeds: dict[str, dict[str, None]] = {}
    for (name, publisher), seeds in board.repeated.items():
        if any((name, publisher, metric) in board.spread for metric in board.metrics):
            by_seeds.setdefault(", ".join(map(str, seeds)), {})[name] = None
    told = "; ".join(f"{', '.join(names)}: mean over the seeds {seeds}" for seeds, names in by_seeds.items())
    return f"{told}; s: standard deviation over these seeds, which an interval over readers does not cover"


def _run_lines(run: RunFolder) -> list[str]:
    """What there is to say below a table of a run."""
    scored = ", ".join(
        f"{facts['publisher']} {facts['scored_sessions']:,} of {facts['sessions']:,}"
        for facts in run.info["publishers"]
    )
    shown = ", ".join(
        f"{facts['publisher']} {facts['scored_impressions']:,} of {facts['impressions']:,}"
        for facts in run.info["publishers"]
        if facts["impressions"]
    )
    told = f"; impressions scored: {shown}" if shown else ""
    return [f"data: {run.info['data']['name']}; sessions scored: {scored}{told}", *notes(run)]
