"""The table of costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from newsreplay.report.facts import (
    asking_notes,
    base_name,
    costs_of,
    display_name,
    foresees,
    leak_notes,
    number,
    pareto,
    quality_and_cost,
)
from newsreplay.report.headings import check_rank, format_value, heading
from newsreplay.report.records import Costs
from newsreplay.report.shown import few_notes, metrics_of
from newsreplay.report.tables.board import Board
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import BEST, MARKS, Cell, Record, ReportTable, Screen, publisher_caption
from newsreplay.simulator.runs.folder import RunFolder


class _CostRow(NamedTuple):
    """A recommender's quality and what it costs."""

    recommender: str
    leaks: str | None
    value: float | None
    costs: dict[str, float | None]


def costs(run: RunFolder, *, style: str = "table", rank_by: str | None = None, screen: Screen | None = None) -> str:
    """What each recommender of a run costs, next to its quality; those that no other beats at both are marked.

    Quality is E@1, or AUC where E@1 is not shown or one of the recommenders was trained; a recommender that was
    repeated has the means over its seeds. Raises `NewsreplayError` for a metric that the run does not have.
    """
    named = metrics_of([run], [rank_by] if rank_by else [])
    board = Board([run], named)
    has_auc = any(result.metric == "auc" and result.value is not None for result in board.results)
    usual = "auc" if was_trained(run) and has_auc else board.usual_rank()
    rank_by = named[0] if named else usual
    board.check(rank_by)
    check_rank(rank_by)
    tables: list[ReportTable] = []
    records: list[Record] = []
    for publisher in run.publishers:
        rows = _cost_rows(board, run, publisher, rank_by)
        heads = _cost_heads(rows)
        body = []
        digits = board.digits(publisher, rank_by, [row.recommender for row in rows])
        for row, best in zip(rows, pareto([_point(row) for row in rows]), strict=True):
            names = {"publisher": publisher, "recommender": row.recommender, rank_by: row.value}
            records.append(names | row.costs | {"pareto": best})
            quality = Cell(format_value(row.value, rank_by, run.reward, digits), "", BEST if best else "")
            body.append((row.recommender, [quality, *(_cost_cell(row.costs, head) for head in heads)]))
        notes = [
            f"{MARKS[style][0]}: nobody else is at least as good at less cost (Pareto); recommenders shared the "
            "machine while they were timed"
        ]
        if "train s" in heads:
            notes.append(
                "train, update: seconds of fitting on the warm-up and after it, which µs/event includes; answer: mean "
                "of answers worked out together, else the median of timed ones"
            )
        told = (*few_notes(run.facts(publisher), named), *asking_notes(run), *leak_notes(run))
        notes += [note.text for note in told]
        columns = [("", head) for head in (heading(rank_by, run.asks, run.reward).text, *heads)]
        tables.append(ReportTable("recommender", columns, body, notes, publisher_caption(run, publisher)))
    return render(tables, records, style, screen)


def was_trained(run: RunFolder) -> bool:
    """Whether a recommender of the run reports that it was fitted."""
    return any(pair.get("training_seconds") for pair in run.timing["pairs"])


def _cost_rows(board: Board, run: RunFolder, publisher: str, rank_by: str) -> list[_CostRow]:
    """Quality and cost of all that did not fail, best first; of recommenders that were repeated the means."""
    by_name = costs_of(run, publisher)
    spent: dict[str, list[Costs]] = {}
    for pair in run.pairs(publisher):
        if pair["status"] == "done" and not foresees(pair):
            spent.setdefault(base_name(pair), []).append(by_name[pair["recommender"]])
    rows = []
    for name, repeated in spent.items():
        result = board.cells.get((display_name(run, name), publisher, rank_by))
        columns: list[dict[str, float | None]] = [{**costs} for costs in repeated]  # type: ignore[dict-item]
        means = {what: _mean([column[what] for column in columns]) for what in columns[0]}
        value = None if result is None else result.value
        rows.append(_CostRow(display_name(run, name), run.leaks.get(name), value, means))
    return sorted(rows, key=lambda row: -(row.value or 0))


def _point(row: _CostRow) -> tuple[float, float] | None:
    return quality_and_cost(row.value, row.costs["us_per_event"], row.leaks)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return known[0] if len(known) == 1 else number(sum(known) / len(known)) if known else None


def _cost_heads(rows: list[_CostRow]) -> list[str]:
    """The columns in which a recommender has a value."""
    needed = {head: "train_s" if head in _OF_TRAINING else what for head, (what, _) in _COSTS.items()}
    return [
        head for head, what in needed.items() if head in _ALWAYS or any(row.costs[what] is not None for row in rows)
    ]


def _cost_cell(spent: dict[str, float | None], head: str) -> Cell:
    what, text = _COSTS[head]
    value = spent[what]
    return Cell("-" if value is None or (value == 0 and head in _ALWAYS) else text(value))


def _from_ms(value: float) -> str:
    return f"{1000 * value:,.0f}" if value >= 0.1 else f"{1000 * value:.2f}"


_ALWAYS = ("µs/event", "events/s", "state kB")
_OF_TRAINING = ("train s", "update s", "answer ms")
#: The columns of costs: the key of each in `Costs`, and how it is formatted.
_COSTS: dict[str, tuple[str, Callable[[float], str]]] = {
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
