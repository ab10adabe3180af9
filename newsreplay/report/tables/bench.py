"""The table of what recommenders cost on this machine."""

from __future__ import annotations

from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import Cell, Record, ReportTable, Screen
from newsreplay.simulator.bench import Bench, Cost


def bench_table(bench: Bench, *, style: str = "table", screen: Screen | None = None) -> str:
    """What recommenders cost, in the order in which they were named, in one of `FORMATS`."""
    heads = ["events/s", "µs/event", "× floor", "× Python loop", "state kB", "start s"]
    if any(cost.learn is not None for cost in bench.costs):
        heads += ["learn µs", "recommend µs"]
    rows = [(cost.recommender, [Cell(_cells(bench, cost)[head]) for head in heads]) for cost in bench.costs]
    table = ReportTable("recommender", [("", head) for head in heads], rows, _notes(bench))
    return render([table], [_record(bench, cost) for cost in bench.costs], style, screen)


def _cells(bench: Bench, cost: Cost) -> dict[str, str]:
    return {
        "events/s": f"{1e6 / cost.event:,.0f}" if cost.event else "-",
        "µs/event": f"{cost.event:.3f}",
        "× floor": _times(cost.event, bench.floor),
        "× Python loop": _times(cost.event, bench.plain_loop),
        "state kB": f"{cost.state_bytes / 1000:,.0f}",
        "start s": f"{cost.start:.3f}",
        "learn µs": "-" if cost.learn is None else f"{cost.learn:.3f}",
        "recommend µs": "-" if cost.recommend is None else f"{cost.recommend:.3f}",
    }


def _times(cost: float, floor: float) -> str:
    return f"{cost / floor:.2g}" if floor and cost / floor < 10 else f"{cost / floor:,.0f}" if floor else "-"


def _notes(bench: Bench) -> list[str]:
    machine = bench.machine
    memory = "" if machine.memory is None else f", {machine.memory / 1e9:.0f} GB"
    return [
        f"the first {bench.rows:,} rows ({bench.reads:,} reads) of {bench.publisher} in {bench.data}, k = {bench.k}; "
        f"medians of {bench.repeats} replays, processor time; nothing is judged",
        f"floor: the replay loop before a recommender that does nothing, {bench.floor:.4f} µs an event; "
        f"Python loop: a loop over the rows that does nothing, {bench.plain_loop:.3f} µs",
        f"start: compiling its kernels at the first use, later loading them, and its state; on {machine.processor}, "
        f"{machine.cores} core{'' if machine.cores == 1 else 's'}{memory}, Python {machine.python}, "
        f"numba {machine.numba}, newsreplay {machine.newsreplay}",
    ]


def _record(bench: Bench, cost: Cost) -> Record:
    """A line of json and csv: what was measured, on what, where."""
    return {
        "data": bench.data,
        "publisher": bench.publisher,
        "rows": bench.rows,
        "reads": bench.reads,
        "k": bench.k,
        "repeats": bench.repeats,
        "recommender": cost.recommender,
        "events_per_second": round(1e6 / cost.event) if cost.event else None,
        "us_per_event": round(cost.event, 6),
        "floor_us": round(bench.floor, 6),
        "python_loop_us": round(bench.plain_loop, 6),
        "learn_us": None if cost.learn is None else round(cost.learn, 6),
        "recommend_us": None if cost.recommend is None else round(cost.recommend, 6),
        "state_bytes": cost.state_bytes,
        "start_s": round(cost.start, 6),
        **bench.machine._asdict(),
    }
