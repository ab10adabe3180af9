"""The table of costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from newsreplay.report.facts import cost, display_name, leaks, number, optimal
from newsreplay.report.headings import check_rank, named, shown
from newsreplay.report.headings import of as heading
from newsreplay.report.tables.board import Board
from newsreplay.report.tables.tables import BEST, MARKS, Cell, Table, _caption, render
from newsreplay.simulator.runs.folder import RunFolder


def costs(run: RunFolder, *, style: str = "table", rank_by: str | None = None) -> str:
    """What each recommender of a run costs, next to its quality; whom no other beats at both is marked.

    Quality is E@1, or AUC where no session is scored or one of the recommenders was trained; a recommender that was
    repeated has the means over its seeds. Raises `NewsreplayError` for a metric that the run does not have.
    """
    board = Board([run])
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


def was_trained(run: RunFolder) -> bool:
    """Whether a recommender of the run tells that it was fitted."""
    return any(pair.get("training_seconds") for pair in run.timing["pairs"])


def _cost_rows(board: Board, run: RunFolder, publisher: str, rank_by: str) -> list[dict[str, Any]]:
    """Quality and cost of all that did not fail, best first; of recommenders that were repeated the means."""
    events = run.facts(publisher)["rows"]
    timing = {pair["recommender"]: pair for pair in run.timing["pairs"] if pair["publisher"] == publisher}
    spent: dict[str, list[dict[str, Any]]] = {}
    for pair in run.pairs(publisher):
        if pair["status"] == "done" and pair.get("foresight") != "oracle":
            mine = spent.setdefault(pair.get("without_seed", pair["recommender"]), [])
            mine.append(cost(timing[pair["recommender"]], events))
    rows = []
    for name, of in spent.items():
        result = board.cells.get((display_name(run, name), publisher, rank_by))
        rows.append(
            {
                "recommender": display_name(run, name),
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
