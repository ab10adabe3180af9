"""Leaderboards: publishers side by side, one row a recommender; by slice, by cost, by cause of a miss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from newsreplay.durations import duration_text
from newsreplay.errors import NewsreplayError, RunError
from newsreplay.registry import did_you_mean
from newsreplay.report import misses
from newsreplay.report.contents import HEADLINE, cost, leaks, notes, number, optimal, singly
from newsreplay.report.headings import IN_UNITS, check_rank, named, shown
from newsreplay.report.headings import of as heading
from newsreplay.report.misses import TOO_LATE
from newsreplay.report.run_folder import Run
from newsreplay.report.slices import Parts, sliced
from newsreplay.report.tables import BEST, FORMATS, LEVEL, MARKS, Cell, Table, render
from newsreplay.simulator.comparisons import Ranks, against_best, mean_ranks
from newsreplay.simulator.intervals import REPLICATES, percentiles
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
        self.leaking: set[str] = set()
        self.cells: dict[tuple[str, str, str], Result] = {}  # (recommender, publisher, metric)
        self.drawn: dict[tuple[str, str, str], Column] = {}
        self.spread: dict[tuple[str, str, str], float] = {}  # standard deviation over seeds, of rows that have any
        self.repeated: dict[tuple[str, str], dict[int, str]] = {}  # (recommender, publisher) → seed → its own row
        names: dict[str, None] = {}
        publishers: dict[str, None] = {}
        shown_as = _rows_of(runs)
        for run in runs:
            for publisher in run.publishers:
                publishers[publisher] = None
                for pair in run.pairs(publisher):
                    name = shown_as[id(run), pair.get("of", pair["recommender"]), publisher]
                    names[name] = None
                    if pair["status"] == "failed":
                        self.failed.add((name, publisher))
                    if pair.get("foresees"):
                        self.foreseeing.add(name)
                    if pair["recommender"] in run.leaks:
                        self.leaking.add(name)
                for of, seeds in run.seeds(publisher).items():
                    self.repeated[shown_as[id(run), of, publisher], publisher] = {
                        seed: shown_as[id(run), one, publisher] for seed, one in seeds.items()
                    }
                measured = run.measured(publisher)
                width = measured.replicates.shape[1]
                for place, result in enumerate(measured.results):
                    name = shown_as[id(run), result.recommender, publisher]
                    self.results.append(result._replace(recommender=name))
                    self.cells[name, publisher, result.metric] = result
                    self.drawn[name, publisher, result.metric] = measured.replicates[place // width, place % width]
        self.names, self.publishers = list(names), list(publishers)
        self.metrics = list(dict.fromkeys(result.metric for result in self.results))
        self._average()
        #: Differences are paired only if all were resampled alike.
        self.paired = len({(run.info["options"]["seed"], run.info["options"]["cluster"]) for run in runs}) == 1

    def _average(self) -> None:
        """Recommenders that were repeated have the mean over their seeds, of values and of each replicate.

        So the interval stays one over readers; what training adds to it is the spread.
        """
        for (name, publisher), seeds in self.repeated.items():
            for metric in self.metrics:
                there = [one for one in seeds.values() if (one, publisher, metric) in self.cells]
                cells = [self.cells[one, publisher, metric] for one in there]
                values = [cell.value for cell in cells if cell.value is not None]
                if not values or len(values) < len(cells):
                    continue
                drawn = np.mean([self.drawn[one, publisher, metric] for one in there], axis=0)
                low, high = (number(bound[0]) for bound in percentiles(drawn[None]))
                mean = number(float(np.mean(values)))
                self.cells[name, publisher, metric] = Result(publisher, name, metric, mean, low, high, cells[0].n)
                self.drawn[name, publisher, metric] = drawn
                if len(values) > 1:
                    self.spread[name, publisher, metric] = float(np.std(values, ddof=1))

    def records(self) -> list[dict[str, Any]]:
        """Every result as it is, and after them the means over seeds."""
        means = [
            self.cells[name, publisher, metric]._asdict()
            | {"seeds": list(seeds), "seed_sd": number(self.spread.get((name, publisher, metric), math.nan))}
            for (name, publisher), seeds in self.repeated.items()
            for metric in self.metrics
            if (name, publisher, metric) in self.cells
        ]
        return [result._asdict() for result in self.results] + means

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
    """What each pair's row is called, and that of all its seeds; of two runs' equal names the folder tells which."""
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
            for name in dict.fromkeys((pair["recommender"], pair.get("of", pair["recommender"]))):
                key = (name, pair["publisher"])
                of = "" if taken.setdefault(key, run) is run else f" [{run.folder}]"
                names[id(run), *key] = f"{run.shown(name)}{of}"
    return names


def _table(board: _Board, style: str, metrics: list[str], rank_by: str, intervals: bool, paper_scale: bool) -> Table:
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


def _with_leaking(board: _Board, order: list[str], rank_by: str) -> list[str]:
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


def _spread_note(board: _Board) -> str:
    by_seeds: dict[str, dict[str, None]] = {}
    for (name, publisher), seeds in board.repeated.items():
        if any((name, publisher, metric) in board.spread for metric in board.metrics):
            by_seeds.setdefault(", ".join(map(str, seeds)), {})[name] = None
    told = "; ".join(f"{', '.join(names)}: mean over the seeds {seeds}" for seeds, names in by_seeds.items())
    return f"{told}; s: standard deviation over these seeds, which an interval over readers does not cover"


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
                        {"publisher": publisher, "recommender": run.shown(name), "metric": what, "by": by}
                        | {"slice": group}
                        | values
                    )
        counts = [
            max((mine[place][3] for mine in cut.cells[chosen].values()), default=0) for place in range(len(cut.groups))
        ]
        rows = [
            (run.shown(name), [_sliced_cell(cell, chosen, intervals) for cell in mine])
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

    Quality is E@1, or AUC where no session is scored or one of the recommenders was trained; a recommender that was
    repeated has the means over its seeds. Raises `NewsreplayError` for a metric that the run does not have.
    """
    board = _Board([run])
    told = {result.metric for result in run.results if result.value is not None}
    usual = "auc" if was_trained(run) and "auc" in told else board.usual_rank()
    rank_by = named(rank_by) if rank_by else usual
    board.check(rank_by)
    check_rank(rank_by)
    tables, records = [], []
    for publisher in run.publishers:
        rows = _cost_rows(board, run, publisher, rank_by)
        heads = _cost_heads([row["cost"] for row in rows])
        body = []
        for row in rows:
            best = optimal(row, rows, rank_by)
            value = row["results"][rank_by][0]
            names = {"publisher": publisher, "recommender": row["recommender"], rank_by: value}
            records.append(names | row["cost"] | {"pareto": best})
            cells = [_cost_cell(row["cost"], head) for head in heads]
            body.append((row["recommender"], [Cell(shown(value, rank_by), "", BEST if best else ""), *cells]))
        notes = [
            f"{MARKS[style][0]}: nobody else is at least as good at less cost (Pareto); recommenders shared the "
            "machine while they were timed"
        ]
        if "train s" in heads:
            notes.append(
                "train, update: seconds of fitting on the warm-up and after it, which µs/event includes; answer: mean "
                "of answers worked out together, else the median of timed ones"
            )
        columns = [("", head) for head in (heading(rank_by).text, *heads)]
        tables.append(Table("recommender", columns, body, [*notes, *leaks(run)], [], _caption(run, publisher)))
    if style in ("json", "csv"):
        return render(Table("", [], [], [], records), style)
    return "\n\n".join(render(table, style) for table in tables)


def was_trained(run: Run) -> bool:
    """Whether a recommender of the run tells that it was fitted."""
    return any(pair.get("training_seconds") for pair in run.timing["pairs"])


def _cost_rows(board: _Board, run: Run, publisher: str, rank_by: str) -> list[dict[str, Any]]:
    """Quality and cost of all that did not fail, best first; of recommenders that were repeated the means."""
    events = run.facts(publisher)["rows"]
    timing = {pair["recommender"]: pair for pair in run.timing["pairs"] if pair["publisher"] == publisher}
    spent: dict[str, list[dict[str, Any]]] = {}
    for pair in run.pairs(publisher):
        if pair["status"] == "done" and not pair.get("foresees"):
            mine = spent.setdefault(pair.get("of", pair["recommender"]), [])
            mine.append(cost(timing[pair["recommender"]], events))
    rows = []
    for name, of in spent.items():
        result = board.cells.get((run.shown(name), publisher, rank_by))
        rows.append(
            {
                "recommender": run.shown(name),
                "leaks": run.leaks.get(name),
                "results": {rank_by: [None if result is None else result.value]},
                "cost": {what: _mean([each[what] for each in of]) for what in of[0]},
            }
        )
    return sorted(rows, key=lambda row: -(row["results"][rank_by][0] or 0))


def _mean(values: list[Any]) -> Any:
    told = [value for value in values if value is not None]
    return told[0] if len(told) == 1 else number(sum(told) / len(told)) if told else None


def _cost_heads(spent: list[dict[str, Any]]) -> list[str]:
    """The columns about which somebody has something to tell."""

    def told(what: str) -> bool:
        return any(each[what] is not None for each in spent)

    asked = {head: "train_s" if head in _OF_TRAINING else what for head, (what, _) in _COSTS.items()}
    return [head for head, what in asked.items() if head in _ALWAYS or told(what)]


def _cost_cell(spent: dict[str, Any], head: str) -> Cell:
    what, text = _COSTS[head]
    return Cell(text(spent[what]) if spent[what] or (spent[what] == 0 and head not in _ALWAYS) else "-")


def _from_ms(value: float) -> str:
    return f"{1000 * value:,.0f}" if value >= 0.1 else f"{1000 * value:.2f}"


_ALWAYS = ("µs/event", "events/s", "state kB")
_OF_TRAINING = ("train s", "update s", "answer ms")
#: The columns of costs: what `contents.cost` calls each, and how it is shown.
_COSTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "train s": ("train_s", "{:,.1f}".format),
    "update s": ("update_s", "{:,.1f}".format),
    "answer ms": ("answer_ms", "{:.3f}".format),
    "µs/event": ("us_per_event", "{:.3f}".format),
    "events/s": ("us_per_event", lambda value: f"{1e6 / value:,.0f}"),
    "state kB": ("state_bytes", lambda value: f"{value / 1000:,.0f}"),
    "p50 µs": ("p50_ms", _from_ms),
    "p95 µs": ("p95_ms", _from_ms),
    "p99 µs": ("p99_ms", _from_ms),
    "max µs": ("max_ms", _from_ms),
    "late": ("late", lambda value: f"{100 * value:.2f} %"),
}


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
                {"publisher": publisher, "recommender": run.shown(pair["recommender"]), "cause": cause}
                | {"reads": int(count)}
                | {"share": count / later}
                for cause, count in zip(causes, counts.tolist(), strict=True)
            ]
            rows.append(
                (run.shown(pair["recommender"]), [Cell(f"{100 * counts[place] / later:.2f}") for place in told])
            )
        rows.sort(key=lambda row: -float(row[1][0].text))
        ceiling = f"{facts['reachable_reads'] / later:.2%}" if later else "-"
        tables.append(
            Table(
                "recommender",
                [("", causes[place]) for place in told],
                rows,
                [
                    f"per cent of {later:,} reads that could have been hits (all of scored sessions but their first); "
                    f"an oracle reaches {ceiling} of them",
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
