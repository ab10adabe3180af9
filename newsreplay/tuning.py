"""Tuning: parameters chosen on an early stretch of a log, reported on a later one, so that nobody tunes on the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple

from newsreplay.api import Run
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.recommenders.registry import start_list
from newsreplay.report.facts import number
from newsreplay.report.headings import check_rank
from newsreplay.report.records import TuningRow
from newsreplay.report.shown import hides, metrics_of
from newsreplay.report.tables.board import Board
from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.sweeps import Stretches, Sweep

EARLY: Literal["early"] = "early"  #: the stretch to choose on, and its run folder
LATE: Literal["late"] = "late"  #: and that to report on


class TunedSweep(NamedTuple):
    """What became of one sweep."""

    sweep: Sweep
    chosen: str  #: the candidate with the highest mean over publishers on the early stretch
    default: str | None  #: the spec without what was swept; None where it cannot be made, or has failed


class Tuned(NamedTuple):
    """All sweeps, chosen and reported."""

    metric: str
    choices: list[TunedSweep]
    early: Run  #: all candidates, scored on the early stretch
    late: Run  #: those chosen and the defaults, on the later one
    stretches: Stretches

    def rows(self) -> list[TuningRow]:
        """A row for each candidate and publisher on the early stretch, each chosen one and default on the later one."""
        board = Board([self.late], [self.metric])  # named: also where a publisher has few scored sessions
        rows: list[TuningRow] = []
        for choice in self.choices:
            for candidate in map(str, choice.sweep.candidates):
                role: Role = "chosen" if candidate == choice.chosen else "candidate"
                rows += [_row(choice, EARLY, role, result) for result in _results(self.early, candidate, self.metric)]
            for result in _results(self.late, choice.chosen, self.metric):
                row = _row(choice, LATE, "chosen", result)
                rows.append(row if choice.default is None else _with_difference(row, board, choice.default))
            rows += [
                _row(choice, LATE, "default", result) for result in _results(self.late, choice.default, self.metric)
            ]
        return rows


Role = Literal["candidate", "chosen", "default"]


def _row(choice: TunedSweep, stretch: Literal["early", "late"], role: Role, result: Result) -> TuningRow:
    return {
        "sweep": str(choice.sweep.spec),
        "stretch": stretch,
        "role": role,
        "publisher": result.publisher,
        "recommender": result.recommender,
        "metric": result.metric,
        "value": result.value,
        "low": result.low,
        "high": result.high,
        "n": result.n,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
        "p": None,
    }


def tune(
    sweeps: Sequence[Sweep],
    cut: Stretches,
    out: Path,
    replay: Callable[..., Run],
    *,
    metric: str | None = None,
    report: Callable[[str], None],
) -> Tuned:
    """Replay all candidates on the early stretch, choose, and replay those chosen and the defaults on the later one.

    The chosen ones learn from all that lies before the later stretch. `replay` is `newsreplay.run` of the data, with
    what both runs share; their folders are `early` and `late` in `out`. Raises `NewsreplayError` where all candidates
    of a sweep fail, and for a metric that there is not.
    """
    candidates = start_list(list(dict.fromkeys(str(one) for sweep in sweeps for one in sweep.candidates)))
    report(f"choosing among {len(candidates)} candidates")
    early = replay(candidates, out=out / EARLY, overwrite=True, **asdict(cut.early))
    name = Board([early]).usual_rank() if metric is None else metrics_of([early], [metric])[0]
    few = [facts["publisher"] for facts in early.info["publishers"] if metric is None and hides(facts, name)]
    if few:
        raise NewsreplayError(
            f"{few[0]} has too few scored sessions to choose by {name}; name it with --metric, to do so"
        )
    Board([early]).check(name)
    check_rank(name)
    chosen = [_best(early, sweep, name) for sweep in sweeps]
    defaults = [_default(sweep, report) for sweep in sweeps]
    final = start_list(list(dict.fromkeys([*chosen, *(one for one in defaults if one is not None)])))
    report(f"reporting on {', '.join(chosen)}")
    late = replay(final, out=out / LATE, overwrite=True, **asdict(cut.late))
    if metric is not None:
        metrics_of([late], [metric])
    done = {pair["recommender"] for pair in late.info["pairs"] if pair["status"] == "done"}
    choices = [
        TunedSweep(sweep, best, default if default in done else None)
        for sweep, best, default in zip(sweeps, chosen, defaults, strict=True)
    ]
    return Tuned(name, choices, early, late, cut)


def _best(early: Run, sweep: Sweep, metric: str) -> str:
    """The candidate with the highest mean over publishers, the first of equals; one that failed anywhere is out."""
    means: dict[str, float] = {}
    for candidate in map(str, sweep.candidates):
        values = [result.value for result in _results(early, candidate, metric)]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values) == len(early.publishers):
            means[candidate] = sum(known) / len(known)
    if not means:
        raise NewsreplayError(
            f"no candidate of {sweep.spec} has a value of {metric} on every publisher; see {early.folder}, or choose "
            "another --metric or more time with --choose"
        )
    return max(means, key=lambda candidate: means[candidate])


def _default(sweep: Sweep, report: Callable[[str], None]) -> str | None:
    try:
        return start_list([sweep.default])[0].label
    except SpecError as error:
        report(f"{sweep.spec} is compared with no default: {error}")
        return None


def _results(of: Run, recommender: str | None, metric: str) -> list[Result]:
    return [result for result in of.results if (result.recommender, result.metric) == (recommender, metric)]


def _with_difference(row: TuningRow, board: Board, default: str) -> TuningRow:
    """The row of a chosen one with what it is better than the default by, paired over what was resampled."""
    _, pairs = board.differences(row["publisher"], row["metric"], [row["recommender"], default])
    return {
        **row,
        "difference": number(float(pairs.difference[0])),
        "difference_low": number(float(pairs.low[0])),
        "difference_high": number(float(pairs.high[0])),
        "p": number(float(pairs.p[0])),
    }
