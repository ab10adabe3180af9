"""Leaderboards: publishers side by side, one row a recommender."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Unpack

import numpy as np

from newsreplay.report.facts import notes, protocol, rescored
from newsreplay.report.headings import (
    IN_UNITS,
    check_rank,
    format_interval,
    format_value,
    heading,
    question,
)
from newsreplay.report.ranking import RULE, MeanRank, agreement, by_mean_rank, other_question
from newsreplay.report.shown import metrics_of
from newsreplay.report.tables.board import PAPER_SCALE, SUCCESS, Board, LeaderboardOptions, LeaderboardSheet
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import BEST, LEVEL, MARKS, Cell, ReportTable, Screen
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
    digits: int | None = None,
    screen: Screen | None = None,
    **sheet: Unpack[LeaderboardSheet],
) -> str:
    """The leaderboard of one or more runs as text.

    `style` is one of `FORMATS`; json and csv hold every metric with its interval. `metrics` are shown in that order,
    by default E@1 and P@1, and AUC, MRR and nDCG where there are impressions; `rank_by` ranks, by default E@1. Of a
    publisher with few scored sessions, metrics of slates are shown only if they are named here (`shown.hides`). One of
    your own is named as "my_metrics.py:late" (`simulator.runs.own_metrics`). Values have as many `digits` after the
    point as their intervals deserve, unless it is given. With `paper_scale` E and P are multiplied by 100,000 as in
    Kille & Lommatzsch (2019), else they are per cent. A `screen` says how wide a table on a terminal may be; `sheet` is
    as in `LeaderboardSheet`.
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
        digits,
        metrics is not None,
    )
    for metric in (*options.metrics, options.rank_by):
        board.check(metric)
    check_rank(options.rank_by)
    tables = [
        table._replace(title=sheet.get("title", ""), label=sheet.get("label", "") + number * f"-{number + 1}")
        for number, table in enumerate(_tables(board, options, sheet.get("per")))
    ]
    return render(tables, board.records(), style, screen)


def _tables(board: Board, options: LeaderboardOptions, per: str | None) -> list[ReportTable]:
    """One table, or one for each publisher, or for each question that metrics answer."""
    if per == "publisher":
        return [_table(board, options, [name])._replace(caption=name) for name in board.publishers]
    if per is None:
        return [_table(board, options, board.publishers)]
    tables = []
    for about, group in groupby(sorted(options.metrics, key=question), question):
        metrics = sorted(group, key=options.metrics.index)
        judging = [metric for metric in metrics if heading(metric).higher_is_better is not None]
        rank_by = options.rank_by if options.rank_by in metrics or not judging else judging[0]
        of_group = replace(options, metrics=metrics, rank_by=rank_by)
        tables.append(_table(board, of_group, board.publishers)._replace(caption=about))
    return tables


def _table(board: Board, options: LeaderboardOptions, publishers: Sequence[str]) -> ReportTable:
    names = [name for name in board.names if name not in board.references]
    ranked = [name for name in names if name not in board.leaking]
    agreements = _agreements(board, options, publishers, ranked)
    order, ranks = _mean_ranks(board, options.rank_by, publishers, names, ranked)
    also = []
    if agreements:
        also = [_mean_ranks(board, other_question(options.rank_by), publishers, names, ranked)[1]]
    rows = [*(name for name in board.names if name in board.references), *order]
    columns = _columns(board, options, publishers, rows)
    marks = {column: _marks(board, *column, ranked) for column in columns}
    digits = {column: board.digits(*column, rows) if options.digits is None else options.digits for column in columns}
    body = [
        (
            name,
            [
                *(
                    _cell(board, options, name, column, marks[column].get(name, ""), digits[column])
                    for column in columns
                ),
                *(_rank_cell(board, by_metric.get(name)) for by_metric in (ranks, *also)),
            ],
        )
        for name in rows
    ]
    texts = {metric: heading(metric, board.asks, board.reward).text for metric in (*options.metrics, options.rank_by)}
    heads = [(publisher, texts[metric]) for publisher, metric in columns]
    mean = "mean rank" if len(publishers) > 1 else "rank"
    rank_heads = [("", mean)]
    if agreements:
        both = (options.rank_by, other_question(options.rank_by))
        rank_heads = [(mean, heading(metric, board.asks, board.reward).text) for metric in both]
    skewed = any("–" in cell.within for _, cells in body for cell in cells[: len(columns)])
    footer = _footer(board, options, agreements, skewed)
    if len(publishers) > 1 and any(
        cell.text in ("-", "failed") for name, cells in body if name in ranked for cell in cells
    ):
        footer.insert(2, f"mean rank: {RULE}")
    optional = [] if options.named else [texts[metric] for metric in options.metrics[::-1] if metric != options.rank_by]
    return ReportTable("recommender", [*heads, *rank_heads], body, footer, optional=optional)


def _columns(
    board: Board, options: LeaderboardOptions, publishers: Sequence[str], rows: Sequence[str]
) -> list[tuple[str, str]]:
    """The columns, a publisher and a metric each; of a publisher that has values, none without, unless asked for."""
    columns = []
    for publisher in publishers:
        valued = [metric for metric in options.metrics if _is_told(board, publisher, metric, rows)]
        shown = options.metrics if options.named else valued or options.metrics
        columns += [(publisher, metric) for metric in shown]
    return columns


def _is_told(board: Board, publisher: str, metric: str, rows: Sequence[str]) -> bool:
    """Whether a row has a value, or failed."""
    cells = [board.cells.get((name, publisher, metric)) for name in rows]
    return any(cell is not None and cell.value is not None for cell in cells) or any(
        (name, publisher) in board.failed for name in rows
    )


def _mean_ranks(
    board: Board, metric: str, publishers: Sequence[str], names: Sequence[str], ranked: Sequence[str]
) -> tuple[list[str], dict[str, MeanRank]]:
    by_publisher = [
        (board.column(publisher, metric, names)[0], board.compared(publisher, metric, ranked).ranks)
        for publisher in board.ranking(metric, publishers)
    ]
    return by_mean_rank(names, board.leaking, by_publisher)


def _agreements(
    board: Board, options: LeaderboardOptions, publishers: Sequence[str], ranked: Sequence[str]
) -> list[str]:
    """How far the metric that ranks and `other_question` agree on each publisher; nothing if that is not shown."""
    metrics = options.rank_by, other_question(options.rank_by)
    if not set(metrics) <= set(options.metrics):
        return []
    lines = []
    for publisher in publishers:
        columns = [(metric, board.column(publisher, metric, ranked)[0]) for metric in metrics]
        if line := agreement(publisher, ranked, columns, board.asks, board.reward):
            lines.append(line)
    return lines


def _cell(
    board: Board, options: LeaderboardOptions, name: str, column: tuple[str, str], mark: str, digits: int
) -> Cell:
    """The cell of a recommender in the column of a publisher and metric."""
    publisher, metric = column
    result = board.cells.get((name, publisher, metric))
    if result is None or result.value is None:
        return Cell("failed" if (name, publisher) in board.failed else "-")
    scaled = _is_scaled(metric, board, options)

    def text(value: float) -> str:
        return f"{value * PAPER_SCALE:.0f}" if scaled else format_value(value, metric, board.reward, digits)

    within = beside = ""
    if options.intervals:
        spread = board.spread.get((name, publisher, metric))
        beside = "" if spread is None else f"s{text(spread)}"
        if result.low is not None and result.high is not None:
            half = (result.high - result.low) / 2
            ends = (result.value, result.low, result.high)
            within = _scaled_half(half) if scaled else format_interval(*ends, metric, board.reward, digits)
    return Cell(text(result.value), within, mark, beside)


def _scaled_half(half: float) -> str:
    """Half the width of an interval in the scale of the paper; one that rounds to nothing is less than 1."""
    return f"±{half * PAPER_SCALE:.0f}" if round(half * PAPER_SCALE) or not half else "±<1"


def _rank_cell(board: Board, mean: MeanRank | None) -> Cell:
    """The mean rank of a recommender, with its range."""
    if mean is None:
        return Cell("-")
    varies = board.paired and mean.low < mean.high
    low, high = (f"{end:.1f}".removesuffix(".0") for end in (mean.low, mean.high))
    return Cell(f"{mean.rank:.1f}", f"({low}–{high})" if varies else "")


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


def _footer(board: Board, options: LeaderboardOptions, agreements: Sequence[str], skewed: bool) -> list[str]:
    units: dict[str, list[str]] = {}
    for metric in options.metrics:
        scaled = _is_scaled(metric, board, options)
        unit = f"times {PAPER_SCALE:,}" if scaled else IN_UNITS[heading(metric, reward=board.reward).unit]
        units.setdefault(unit, []).append(heading(metric, board.asks, board.reward).text)
    within = "; ±: half the width of the 95 % interval" if options.intervals else ""
    within += ", or both its ends where it is skewed" if skewed else ""
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
            again = f" to replay, scored again since {rescored(run)}".rstrip() if run.info["rescored"] else ""
            lines.append(f"{run.timing['seconds']:.1f} s{again}; the run lies in {run.folder}")
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
        f"data: {run.info['data']['name']}; sessions scored: {scored}{''.join(f'; {what}' for what in protocol(run))}",
        *(note.text for note in notes(run, named)),
    ]
