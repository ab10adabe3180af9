"""A gate for CI: may a candidate take the place of an incumbent, by the paired intervals of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypedDict

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import number
from newsreplay.report.headings import HEADLINE, check_rank, heading
from newsreplay.report.shown import metrics_of, own_notes
from newsreplay.report.tables.board import Board
from newsreplay.report.together import check_paired
from newsreplay.simulator.judgement.comparisons import ALPHA
from newsreplay.simulator.runs.folder import RunFolder


class PublisherVerdict(TypedDict):
    """What one publisher says; numbers in points (shares times 100) or in the metric's unit."""

    publisher: str
    candidate: float | None
    incumbent: float | None
    difference: float | None  #: candidate minus incumbent
    low: float | None  #: 95 % interval of the difference
    high: float | None
    p: float | None  #: two-sided, of no difference
    passed: bool


class Verdict(TypedDict):
    """The verdict of a gate, and what it rests on."""

    verdict: Literal["promote", "hold"]
    candidate: str
    incumbent: str
    metric: str
    unit: str  #: of all numbers; "%" = points
    margin: float
    publishers: list[PublisherVerdict]


def gate(
    run: RunFolder | Sequence[RunFolder],
    candidate: str,
    incumbent: str,
    *,
    metric: str = HEADLINE,
    margin: float = 0.0,
    publishers: Sequence[str] | None = None,
) -> Verdict:
    """Whether a candidate is better than an incumbent by a margin, on every publisher of a run or on some.

    They may also be of two runs, whose recommenders are called and can be paired as in `compare`.

    It passes on a publisher if the lower end of the 95 % interval of the paired difference lies above `margin` (in
    points for shares, else in the metric's unit), and, unless the margin is negative, the difference has a p of at most
    0.05: where few sessions differ, a bootstrap is too narrow and a sign test decides. So of candidates that are no
    better than the margin at most one in forty passes, by these intervals. With a negative margin it is a test of being
    no worse by more than that. Recommenders that were repeated with several seeds count by their means.

    Raises `NewsreplayError` for a recommender, metric or publisher that a run does not have, one that failed, was
    given the future, or has no value, and for runs that cannot be paired.
    """
    runs = [run] if isinstance(run, RunFolder) else list(run)
    (metric,) = metrics_of(runs, [metric])
    board = Board(runs, [metric])
    check_paired(runs)
    board.check(metric)
    check_rank(metric)
    if math.isnan(margin):
        raise NewsreplayError("the margin is no number; write points, 0.5")
    chosen = board.publishers if publishers is None else list(publishers)
    for name in chosen:
        for each in runs:
            each.facts(name)  # which names those that there are
    for name in (candidate, incumbent):
        _check(board, name)
    if candidate == incumbent:
        raise NewsreplayError(f"{candidate} cannot take its own place; name two recommenders")
    unit = heading(metric, reward=board.reward).unit
    verdicts = [_on(board, name, metric, (candidate, incumbent), margin, 100 if unit == "%" else 1) for name in chosen]
    return {
        "verdict": "promote" if all(verdict["passed"] for verdict in verdicts) else "hold",
        "candidate": candidate,
        "incumbent": incumbent,
        "metric": metric,
        "unit": unit,
        "margin": margin,
        "publishers": verdicts,
    }


def _on(
    board: Board, publisher: str, metric: str, names: tuple[str, str], margin: float, factor: int
) -> PublisherVerdict:
    for name in names:
        if (name, publisher) in board.failed:
            raise NewsreplayError(f"{name} failed on {publisher}; a gate needs both")
    values, differences = board.differences(publisher, metric, names)
    found, low, high = (
        factor * float(column[0]) for column in (differences.difference, differences.low, differences.high)
    )
    if math.isnan(found):
        why = "; ".join(note.text for run in board.runs for note in own_notes(run)) or "name another metric"
        raise NewsreplayError(f"{metric} has no value for {' and '.join(names)} on {publisher}; {why}")
    p = float(differences.p[0])
    return {
        "publisher": publisher,
        "candidate": number(factor * float(values[0])),
        "incumbent": number(factor * float(values[1])),
        "difference": number(found),
        "low": number(low),
        "high": number(high),
        "p": number(p),
        "passed": low > margin and (margin < 0 or p <= ALPHA),
    }


def _check(board: Board, name: str) -> None:
    if name not in board.names:
        hint = did_you_mean(name, board.names) or f"It has {', '.join(board.names)}."
        raise NewsreplayError(
            f"{' and '.join(str(run.folder) for run in board.runs)} has no results of {name!r}. {hint}"
        )
    if name in board.leaking or name in board.references:
        raise NewsreplayError(f"{name} was given what no recommender has, so it can take nobody's place")


def told(verdict: Verdict) -> list[str]:
    """A verdict in lines of text, one a publisher."""
    unit = {"%": " points", "": ""}.get(verdict["unit"], f" {verdict['unit']}")
    head = heading(verdict["metric"]).text
    return [
        f"{verdict['verdict']}: {verdict['candidate']} - {verdict['incumbent']} on {one['publisher']}: "
        f"{one['difference']:.3f}{unit} of {head} ({one['low']:.3f} to {one['high']:.3f}), "
        f"{'above' if one['passed'] else 'not surely above'} {verdict['margin']:g}"
        for one in verdict["publishers"]
    ]
