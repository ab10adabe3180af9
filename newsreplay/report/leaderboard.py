"""Leaderboards: publishers side by side, one row a recommender; by slice, by cost, by cause of a miss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.registry import did_you_mean
from newsreplay.report import misses
from newsreplay.report.contents import HEADLINE, cost, notes, optimal
from newsreplay.report.headings import IN_UNITS, check_rank, named, shown
from newsreplay.report.headings import of as heading
from newsreplay.report.misses import TOO_LATE
from newsreplay.report.run_folder import Run
from newsreplay.report.slices import Parts, sliced
from newsreplay.report.tables import BEST, FORMATS, LEVEL, MARKS, Cell, Table, render
from newsreplay.simulator.comparisons import Ranks, against_best, mean_ranks
from newsreplay.simulator.intervals import REPLICATES
from newsreplay.simulator.log import Column
from newsreplay.simulator.metrics import Result

__all__ = ["FORMATS", "by_slice", "costs", "leaderboard", "missed"]

PAPER_SCALE = 100_000
LEVEL_P = 0.05  #: a difference to the best with a larger p (Holm) does not count as one
SUCCESS = ("event_success@1", "session_success@1")
IMPRESSIONS = ("auc", "mrr", "ndcg@5", "ndcg@10")


def leaderboard(
    runs: Sequence[Run],
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
    board = _Board(runs)
    chosen = [named(metric) for metric in metrics] if metrics is not None else board.usual_metrics()
    rank_by = named(rank_by) if rank_by else board.usual_rank()
    for metric in (*chosen, rank_by):
        board.check(metric)
    check_rank(rank_by)
    return render(_table(board, style, chosen, rank_by, intervals, paper_scale), style)


class _Board:
    """The results of some runs, rows and publishers side by side."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = runs
        self.results: list[Result] = []
        self.failed: set[tuple[str, str]] = set()  # (recommender, publisher)
        self.foreseeing: set[str] = set()
        self.cells: dict[tuple[str, str, str], Result] = {}  # (recommender, publisher, metric)
        self.drawn: dict[tuple[str, str, str], Column] = {}
        names: dict[str, None] = {}
        publishers: dict[str, None] = {}
        shown_as = _rows_of(runs)
        for run in runs:
            for publisher in run.publishers:
                publishers[publisher] = None
                for pair in run.pairs(publisher):
                    name = shown_as[id(run), pair["recommender"], publisher]
                    names[name] = None
                    if pair["status"] == "failed":
                        self.failed.add((name, publisher))
                    if pair.get("foresees"):
                        self.foreseeing.add(name)
                measured = run.measured(publisher)
                width = measured.replicates.shape[1]
                for place, result in enumerate(measured.results):
                    name = shown_as[id(run), result.recommender, publisher]
                    self.results.append(result._replace(recommender=name))
                    self.cells[name, publisher, result.metric] = result
                    self.drawn[name, publisher, result.metric] = measured.replicates[place // width, place % width]
        self.names, self.publishers = list(names), list(publishers)
        self.metrics = list(dict.fromkeys(result.metric for result in self.results))
        #: Differences are paired only if all were resampled alike.
        self.paired = len({(run.info["options"]["seed"], run.info["options"]["cluster"]) for run in runs}) == 1

    def usual_metrics(self) -> list[str]:
        told = {result.metric for result in self.results if result.value is not None}
        ranked = [metric for metric in IMPRESSIONS if metric in told]
        return [*SUCCESS, *ranked]

    def usual_rank(self) -> str:
        """E@1, or AUC where no session is scored but impressions are."""
        told = {result.metric for result in self.results if result.value is not None}
        return "auc" if "auc" in told and HEADLINE not in told else HEADLINE

    def check(self, metric: str) -> None:
        if self.metrics and metric not in self.metrics:
            hint = did_you_mean(metric, self.metrics) or f"There are {', '.join(self.metrics)}."
            raise NewsreplayError(f"no metric is called {metric!r}. {hint}")

    def column(self, publisher: str, metric: str, names: Sequence[str]) -> tuple[Column, Column]:
        """Values (float64[rows]) and replicates (float64[rows, replicates]) of one metric, NaN where there are none."""
        nothing = np.full(REPLICATES, np.nan)
        values, drawn = [], []
        for name in names:
            cell = self.cells.get((name, publisher, metric))
            values.append(math.nan if cell is None or cell.value is None else cell.value)
            drawn.append(self.drawn.get((name, publisher, metric), nothing))
        return np.array(values), np.array(drawn).reshape(len(names), REPLICATES)


_SCOPE = ("warmup", "window", "max_session_length", "strict_deadline", "deadline")


def _rows_of(runs: Sequence[Run]) -> dict[tuple[int, str, str], str]:
    """What each pair's row is called; where two runs have the same, the run's folder tells them apart."""
    digests: dict[str, tuple[str, Run]] = {}
    taken: dict[tuple[str, str], Run] = {}
    names = {}
    for run in runs:
        for option in _SCOPE:
            mine, first = (each.info["options"][option] for each in (run, runs[0]))
            if mine != first and (option != "deadline" or run.info["options"]["strict_deadline"]):
                if option in ("warmup", "window"):
                    mine, first = (duration_text(each or 0) for each in (mine, first))
                raise RunError(
                    f"{run.folder} and {runs[0].folder} do not score the same ({option} is {mine} and {first}); "
                    "one table cannot hold both, show them one at a time"
                )
        for facts in run.info["publishers"]:
            digest, other = digests.setdefault(facts["publisher"], (facts["digest"], run))
            if digest != facts["digest"]:
                raise RunError(
                    f"{facts['publisher']} is another log in {run.folder} than in {other.folder}; "
                    "one table cannot hold both, show them one at a time"
                )
        for pair in run.info["pairs"]:
            key = (pair["recommender"], pair["publisher"])
            names[id(run), *key] = key[0] if taken.setdefault(key, run) is run else f"{key[0]} [{run.folder}]"
    return names


def _table(board: _Board, style: str, metrics: list[str], rank_by: str, intervals: bool, paper_scale: bool) -> Table:
    ranked = [name for name in board.names if name not in board.foreseeing]
    order, places = _ranked(board, ranked, rank_by)
    rows = [*(name for name in board.names if name in board.foreseeing), *order]
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
            cells.append(Cell(_value(result.value, metric, paper_scale), _within(result, intervals, paper_scale), mark))
        body.append((name, [*cells, places.get(name, Cell("-"))]))
    several = len(board.publishers) > 1
    heads = [(publisher, heading(metric).text) for publisher, metric in columns]
    rank = ("mean" if several else "", "rank")
    return Table(
        "recommender",
        [*heads, rank],
        body,
        _footer(board, style, metrics, rank_by, intervals, paper_scale),
        [result._asdict() for result in board.results],
    )


def _ranked(board: _Board, names: list[str], rank_by: str) -> tuple[list[str], dict[str, Cell]]:
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


def _marks(board: _Board, publisher: str, metric: str, names: list[str]) -> dict[str, str]:
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
    board: _Board, style: str, metrics: list[str], rank_by: str, intervals: bool, paper_scale: bool
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
    if board.foreseeing:
        lines.append(
            f"{', '.join(sorted(board.foreseeing))}: knows the future; what could be reached at most; not ranked"
        )
    for run in board.runs:
        lines += _run_lines(run)
        if style == "table":
            lines.append(f"{run.timing['seconds']:.1f} s; the run lies in {run.folder}")
    return lines


def _run_lines(run: Run) -> list[str]:
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


# --- other views ----------------------------------------------------------------------------------------


def by_slice(run: Run, by: str, *, style: str = "table", metric: str | None = None, intervals: bool = False) -> str:
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
                        {"publisher": publisher, "recommender": name, "metric": what, "by": by, "slice": group} | values
                    )
        counts = [
            max((mine[place][3] for mine in cut.cells[chosen].values()), default=0) for place in range(len(cut.groups))
        ]
        rows = [
            (name, [_sliced_cell(cell, chosen, intervals) for cell in mine]) for name, mine in cut.cells[chosen].items()
        ]
        rows.sort(key=lambda row: -_overall(cut.cells[chosen][row[0]]))
        tables.append(
            Table(
                "recommender",
                [("", group) for group in cut.groups],
                [*rows, ("n", [Cell(f"{count:,}") for count in counts])],
                [f"{heading(chosen).text} in per cent, by {cut.label}; n: {_counted(chosen)}"],
                [],
                _caption(run, publisher),
            )
        )
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def _caption(run: Run, publisher: str) -> str:
    return publisher if len(run.publishers) > 1 else ""


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


def costs(run: Run, *, style: str = "table", rank_by: str | None = None) -> str:
    """What each recommender of a run costs, next to its quality; whom no other beats at both is marked.

    Raises `NewsreplayError` for a metric that the run does not have.
    """
    board = _Board([run])
    rank_by = named(rank_by) if rank_by else board.usual_rank()
    board.check(rank_by)
    check_rank(rank_by)
    tables, records = [], []
    for publisher in run.publishers:
        facts = run.facts(publisher)
        timing = {pair["recommender"]: pair for pair in run.timing["pairs"] if pair["publisher"] == publisher}
        measured = run.measured(publisher)
        values = {result.recommender: result.value for result in measured.results if result.metric == rank_by}
        rows = [
            {
                "recommender": pair["recommender"],
                "results": {rank_by: [values.get(pair["recommender"])]},
                "cost": cost(timing[pair["recommender"]], facts["rows"]) if pair["recommender"] in timing else None,
            }
            for pair in run.pairs(publisher)
            if pair["status"] == "done" and not pair.get("foresees")
        ]
        body = []
        for row in sorted(rows, key=lambda row: -(row["results"][rank_by][0] or 0)):
            spent = row["cost"]
            best = optimal(row, rows, rank_by)
            value = row["results"][rank_by][0]
            records.append(
                {"publisher": publisher, "recommender": row["recommender"], rank_by: value} | spent | {"pareto": best}
            )
            body.append((row["recommender"], _cost_cells(value, spent, rank_by, best)))
        timed = any(row["cost"]["p50_ms"] is not None for row in rows)
        heads = [heading(rank_by).text, "µs/event", "events/s", "state kB"]
        heads += ["p50 µs", "p95 µs", "p99 µs", "max µs"] if timed else []
        late = any(row["cost"]["late"] is not None for row in rows)
        heads += ["late"] if late else []
        tables.append(
            Table(
                "recommender",
                [("", head) for head in heads],
                [(name, cells[: len(heads)]) for name, cells in body],
                [
                    f"{MARKS[style][0]}: nobody else is at least as good at less cost (Pareto); recommenders shared "
                    "the machine while they were timed"
                ],
                [],
                _caption(run, publisher),
            )
        )
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def _cost_cells(value: float | None, spent: dict[str, Any], rank_by: str, best: bool) -> list[Cell]:
    per_event = spent["us_per_event"]
    cells = [
        Cell(shown(value, rank_by), "", BEST if best else ""),
        Cell(f"{per_event:.3f}" if per_event else "-"),
        Cell(f"{1e6 / per_event:,.0f}" if per_event else "-"),
        Cell(f"{spent['state_bytes'] / 1000:,.0f}" if spent["state_bytes"] is not None else "-"),
    ]
    cells += [
        Cell("-" if spent[what] is None else _microseconds(1000 * spent[what]))
        for what in ("p50_ms", "p95_ms", "p99_ms", "max_ms")
    ]
    return [*cells, Cell("-" if spent["late"] is None else f"{100 * spent['late']:.2f} %")]


def _microseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def missed(run: Run, *, style: str = "table") -> str:
    """Why the recommenders of a run missed: the share of the reads that could have been hits, by cause."""
    k = int(run.info["options"]["k"])
    causes = misses.causes(k)
    # Only a strict deadline makes answers late.
    told = [place for place, cause in enumerate(causes) if run.info["options"]["strict_deadline"] or cause != TOO_LATE]
    tables, records = [], []
    for publisher in run.publishers:
        reads, facts = run.reads(publisher), run.facts(publisher)
        later = facts["later_reads"]
        rows = []
        for pair in run.pairs(publisher):
            if pair["status"] != "done" or not later:
                continue
            counts = misses.count(reads, run.places(publisher, pair["recommender"]), k)
            records += [
                {"publisher": publisher, "recommender": pair["recommender"], "cause": cause, "reads": int(count)}
                | {"share": count / later}
                for cause, count in zip(causes, counts.tolist(), strict=True)
            ]
            rows.append((pair["recommender"], [Cell(f"{100 * counts[place] / later:.2f}") for place in told]))
        rows.sort(key=lambda row: -float(row[1][0].text))
        ceiling = f"{facts['reachable_reads'] / later:.2%}" if later else "-"
        tables.append(
            Table(
                "recommender",
                [("", causes[place]) for place in told],
                rows,
                [
                    f"per cent of {later:,} reads that could have been hits (all of scored sessions but their first); "
                    f"an oracle reaches {ceiling} of them"
                ],
                [],
                _caption(run, publisher),
            )
        )
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)
