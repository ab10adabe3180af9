"""Leaderboards: publishers side by side, one row a recommender."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from newsreplay.report.facts import notes
from newsreplay.report.headings import IN_UNITS, check_rank, format_half, format_value, heading
from newsreplay.report.ranking import MeanRank, agreement, by_mean_rank, other_question
from newsreplay.report.shown import metrics_of
from newsreplay.report.tables.board import PAPER_SCALE, SUCCESS, Board, LeaderboardOptions
from newsreplay.report.tables.tables import BEST, LEVEL, MARKS, Cell, ReportTable, render
from newsreplay.simulator.judgement.comparisons import ALPHA
from newsreplay.simulator.runs.folder import RunFolder


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
    by default E@1 and P@1, and AUC, MRR and nDCG where there are impressions; `rank_by` ranks, by default E@1. Of a
    publisher with few scored sessions, metrics of slates are shown only if they are named here (`shown.hides`). One of
    your own is named as "my_metrics.py:late" (`simulator.runs.own_metrics`). With
    `paper_scale` E and P are multiplied by 100,000 as in Kille & Lommatzsch (2019), else they are per cent.
    Raises `RunError` where runs cannot stand in one table, `NewsreplayError` for a metric that they do not have.
    """
    named = metrics_of(runs, [*(metrics or ()), *((rank_by,) if rank_by else ())])
    board = Board(runs, named)
    options = LeaderboardOptions(
        style,
        board.usual_metrics() if metrics is None else named[: len(metrics)],
        named[-1] if rank_by else board.usual_rank(),
        intervals,
        paper_scale,
    )
    for metric in (*options.metrics, options.rank_by):
        board.check(metric)
    check_rank(options.rank_by)
    return render(_table(board, options), style)


def _table(board: Board, options: LeaderboardOptions) -> ReportTable:
    names = [name for name in board.names if name not in board.references]
    ranked = [name for name in names if name not in board.leaking]
    agreements = _agreements(board, options, ranked)
    order, ranks = _mean_ranks(board, options.rank_by, names, ranked)
    also = [_mean_ranks(board, other_question(options.rank_by), names, ranked)[1]] if agreements else []
    rows = [*(name for name in board.names if name in board.references), *order]
    columns = [(publisher, metric) for publisher in board.publishers for metric in options.metrics]
    marks = {column: _marks(board, *column, ranked) for column in columns}
    body = [
        (
            name,
            [
                *(_cell(board, options, name, column, marks[column].get(name, "")) for column in columns),
                *(_rank_cell(board, by_metric.get(name)) for by_metric in (ranks, *also)),
            ],
        )
        for name in rows
    ]
    heads = [(publisher, heading(metric, board.asks, board.reward).text) for publisher, metric in columns]
    mean = "mean" if len(board.publishers) > 1 else ""
    rank_heads = [(mean, "rank")]
    if agreements:
        both = (options.rank_by, other_question(options.rank_by))
        rank_heads = [(f"{mean} rank".strip(), heading(metric, board.asks, board.reward).text) for metric in both]
    footer = _footer(board, options, agreements)
    return ReportTable("recommender", [*heads, *rank_heads], body, footer, board.records())


def _mean_ranks(
    board: Board, metric: str, names: Sequence[str], ranked: Sequence[str]
) -> tuple[list[str], dict[str, MeanRank]]:
    by_publisher = [
        (board.column(publisher, metric, names)[0], board.compared(publisher, metric, ranked).ranks)
        for publisher in board.ranking(metric)
    ]
    return by_mean_rank(names, board.leaking, by_publisher)


def _agreements(board: Board, options: LeaderboardOptions, ranked: Sequence[str]) -> list[str]:
    """How far the metric that ranks and `other_question` agree on each publisher; nothing if that is not shown."""
    metrics = options.rank_by, other_question(options.rank_by)
    if not set(metrics) <= set(options.metrics):
        return []
    lines = []
    for publisher in board.publishers:
        columns = [(metric, board.column(publisher, metric, ranked)[0]) for metric in metrics]
        if line := agreement(publisher, ranked, columns, board.asks, board.reward):
            lines.append(line)
    return lines


def _cell(board: Board, options: LeaderboardOptions, name: str, column: tuple[str, str], mark: str) -> Cell:
    """The cell of a recommender in the column of a publisher and metric."""
    publisher, metric = column
    result = board.cells.get((name, publisher, metric))
    if result is None or result.value is None:
        return Cell("failed" if (name, publisher) in board.failed else "-")
    within = beside = ""
    if options.intervals:
        spread = board.spread.get((name, publisher, metric))
        beside = "" if spread is None else f"s{_value(spread, metric, board, options)}"
        if result.low is not None and result.high is not None:
            within = f"±{_half((result.high - result.low) / 2, metric, board, options)}"
    return Cell(_value(result.value, metric, board, options), within, mark, beside)


def _rank_cell(board: Board, mean: MeanRank | None) -> Cell:
    """The mean rank of a recommender, with its range."""
    if mean is None:
        return Cell("-")
    varies = board.paired and mean.low < mean.high
    return Cell(f"{mean.rank:.1f}", f"({mean.low:.3g}–{mean.high:.3g})" if varies else "")


def _marks(board: Board, publisher: str, metric: str, names: list[str]) -> dict[str, str]:
    """The best of a column, and those the range of whose rank holds 1."""
    if heading(metric).higher_is_better is None:
        return {}
    values, ranks = board.compared(publisher, metric, names)
    if np.isnan(values).all() or np.nanmax(values) == 0:
        return {}
    marks = {name: BEST for name, value in zip(names, values, strict=True) if value == np.nanmax(values)}
    if board.paired:
        for name, value, low in zip(names, values, ranks.low, strict=True):
            if low == 1 and not np.isnan(value):
                marks.setdefault(name, LEVEL)
    return marks


def _is_scaled(metric: str, board: Board, options: LeaderboardOptions) -> bool:
    """Whether a metric is shown as in the paper: seconds never are."""
    return options.paper_scale and metric in SUCCESS and heading(metric, reward=board.reward).unit == "%"


def _value(value: float, metric: str, board: Board, options: LeaderboardOptions) -> str:
    if _is_scaled(metric, board, options):
        return f"{value * PAPER_SCALE:.0f}"
    return format_value(value, metric, board.reward)


def _half(value: float, metric: str, board: Board, options: LeaderboardOptions) -> str:
    """Half the width of an interval; one that rounds to nothing is less than the last digit."""
    if _is_scaled(metric, board, options):
        return f"{value * PAPER_SCALE:.0f}" if round(value * PAPER_SCALE) or not value else "<1"
    return format_half(value, metric, board.reward)


def _footer(board: Board, options: LeaderboardOptions, agreements: Sequence[str]) -> list[str]:
    units: dict[str, list[str]] = {}
    for metric in options.metrics:
        scaled = _is_scaled(metric, board, options)
        unit = f"times {PAPER_SCALE:,}" if scaled else IN_UNITS[heading(metric, reward=board.reward).unit]
        units.setdefault(unit, []).append(heading(metric, board.asks, board.reward).text)
    within = "; ±: half the width of the 95 % interval" if options.intervals else ""
    lines = ["; ".join(f"{', '.join(names)}: {unit}" for unit, names in units.items()) + within]
    best, level = MARKS[options.style]
    marks, ranked = f"{best}: best of its column", f"rank by {heading(options.rank_by, board.asks, board.reward).text}"
    if board.paired:
        marks += f"; {level}: may be first (paired tests of all pairs, p > {ALPHA:g} after Holm)"
        ranked += ", with the range that these tests leave it"
    else:
        ranked += (
            "; the runs were not resampled alike (seed, cluster), so nothing says what differs by more than chance"
        )
    lines += [f"{marks}; {ranked}", *agreements]
    if options.intervals and board.spread:
        lines.append(_spread_note(board))
    if board.foreseeing:
        lines.append(
            f"{', '.join(sorted(board.foreseeing))}: knows the future; what could be reached at most; not ranked"
        )
    if shown := sorted(board.references - board.foreseeing):
        lines.append(f"{', '.join(shown)}: what readers were shown, for comparison; not ranked")
    for run in board.runs:
        lines += _run_lines(run, board.named)
        if options.style == "table":
            lines.append(f"{run.timing['seconds']:.1f} s; the run lies in {run.folder}")
    return lines


def _spread_note(board: Board) -> str:
    by_seeds: dict[str, dict[str, None]] = {}
    for (name, publisher), seeds in board.repeated.items():
        if any((name, publisher, metric) in board.spread for metric in board.metrics):
            by_seeds.setdefault(", ".join(map(str, seeds)), {})[name] = None
    means = "; ".join(f"{', '.join(names)}: mean over the seeds {seeds}" for seeds, names in by_seeds.items())
    return f"{means}; s: standard deviation over these seeds, which an interval over readers does not cover"


def _run_lines(run: RunFolder, named: Collection[str]) -> list[str]:
    """The lines below a table about one of its runs."""
    publishers = run.info["publishers"]
    sessions = ", ".join(
        f"{facts['publisher']} {facts['scored_sessions']:,} of {facts['sessions']:,}" for facts in publishers
    )
    impressions = ", ".join(
        f"{facts['publisher']} {facts['scored_impressions']:,} of {facts['impressions']:,}"
        for facts in publishers
        if facts["impressions"]
    )
    scored = f"{sessions}; impressions scored: {impressions}" if impressions else sessions
    return [
        f"data: {run.info['data']['name']}; sessions scored: {scored}",
        *(note.text for note in notes(run, named)),
    ]
