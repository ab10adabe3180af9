"""Comparisons of recommenders as tables: paired differences with intervals and corrected p-values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.report.facts import asking_notes, leak_notes, number, seed_notes
from newsreplay.report.headings import IN_UNITS, digits_for, format_value, heading, no_such_metric
from newsreplay.report.overlaps import Overlaps, overlaps
from newsreplay.report.records import Note
from newsreplay.report.shown import few_notes, headline, metrics_of, own_notes
from newsreplay.report.tables.board import Board
from newsreplay.report.tables.overlap import OVERLAP_COLUMNS, overlap_cells, overlap_notes, overlap_record, overlap_text
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import (
    BEST,
    MARKS,
    Cell,
    Record,
    ReportTable,
    Screen,
    p_text,
    publisher_caption,
)
from newsreplay.report.together import Row, check_paired, rows_of
from newsreplay.simulator.judgement.comparisons import ALPHA, Differences
from newsreplay.simulator.judgement.measures import Reward
from newsreplay.simulator.judgement.overlap import Overlap
from newsreplay.simulator.runs.folder import RunFolder


class _Pair(NamedTuple):
    """A difference as a table has it."""

    a: str
    b: str
    metric: str
    left: float
    right: float
    numbers: dict[str, float | None]  #: difference, low, high, p, p_holm, resolvable
    alike: bool  #: they gave the same answers
    overlap: Overlap | None  #: of their slates


def compare(
    run: RunFolder | Sequence[RunFolder],
    a: str | None = None,
    b: str | None = None,
    *,
    style: str = "table",
    metrics: Sequence[str] | None = None,
    screen: Screen | None = None,
) -> str:
    """Differences of recommenders of one run, or of several on the same data, as text, a table a publisher.

    Of `a` and `b` by all the metrics that judge, or by `metrics`; of `a` and every other, or of all pairs, by the
    first of `metrics` (E@1, or AUC where E@1 is not shown). Where two runs have a recommender of one name, that of the
    later one is called "NAME [RUN]". p-values are corrected for all pairs of the runs' recommenders on that publisher
    and metric, whichever are shown. Of a publisher with few scored sessions, metrics of slates have values only if
    they are named (`shown.hides`). Beside it all stands how much the slates of both overlap (`report.overlaps`).

    Raises `NewsreplayError` for a recommender or metric that the runs do not have, and for runs whose recommenders
    cannot be paired, since they are on other data, or scored or resampled otherwise.
    """
    runs = [run] if isinstance(run, RunFolder) else list(run)
    names = [name for name in (a, b) if name is not None]
    requested = None if metrics is None else metrics_of(runs, metrics)
    board = Board(runs, requested or ())  # which says whether they are alike
    check_paired(runs)
    rows = rows_of(runs)
    _check_names([row for each in rows.values() for row in each], names)
    _check_metrics(requested or (), runs)
    is_pair = len(names) == 2
    tables: list[ReportTable] = []
    records: list[Record] = []
    for publisher in rows:
        done = [row for row in rows[publisher] if row.pair["status"] == "done"]
        if not {*names} <= {row.name.word for row in done}:
            continue  # it failed on this publisher, and the leaderboard notes that
        known = _metrics_of(runs, publisher)
        judging = [metric for metric in known if heading(metric).higher_is_better is not None]
        chosen = judging if is_pair else [headline(runs[0].facts(publisher))]
        if requested is not None:
            chosen = [metric for metric in requested if metric in known]
        if not known:
            chosen = []  # all failed
        pairs, shared = _pairs(board, publisher, done, chosen if is_pair else chosen[:1], names)
        records += [_record(publisher, pair) for pair in pairs]
        labels = [row.name.label for name in names for row in done if row.name.word == name]
        notes = [*_notes(is_pair, chosen, style, runs[0]), *overlap_notes(shared), *_told(runs, publisher, requested)]
        tables.append(_table(labels if is_pair else None, pairs, shared.k, notes, runs[0], publisher))
    return render(tables, records, style, screen)


def _metrics_of(runs: Sequence[RunFolder], publisher: str | None = None) -> list[str]:
    """What every run measures on a publisher, or on any: impressions are not on all."""
    of_runs = [
        dict.fromkeys(result.metric for result in run.results if publisher in (None, result.publisher)) for run in runs
    ]
    return [metric for metric in of_runs[0] if all(metric in others for others in of_runs)]


def _check_names(rows: Sequence[Row], names: Sequence[str]) -> None:
    where = " and ".join(dict.fromkeys(str(row.run.folder) for row in rows))
    failed = {row.name.word: row for row in rows if row.pair["status"] == "failed"}
    done = list(dict.fromkeys(row.name.word for row in rows if row.pair["status"] == "done"))
    if len(names) == 2 and names[0] == names[1]:
        others = [row.name.word for row in rows if row.recommender == names[0] and row.name.word != names[0]]
        hint = f"; there is {others[0]!r} too" if others else ""
        raise NewsreplayError(f"{names[0]} cannot be compared with itself{hint}")
    for name in names:
        if name not in done:
            if name in failed:
                raise NewsreplayError(f"{name} failed in {failed[name].run.folder}: {failed[name].pair['error']}")
            hint = did_you_mean(name, done) or f"It has {', '.join(done)}."
            raise NewsreplayError(f"{where} has no results of {name!r}. {hint}")


def _check_metrics(metrics: Sequence[str], runs: Sequence[RunFolder]) -> None:
    known = _metrics_of(runs)
    for metric in metrics:
        if metric in known:
            continue
        some = [run for run in runs if metric in _metrics_of([run])]
        if some:
            (other, *_) = (run for run in runs if run not in some)
            raise NewsreplayError(
                f"{metric} is measured in {some[0].folder} and not in {other.folder}; name one of {', '.join(known)}, "
                f"or run the latter again with -k {some[0].info['options']['k']}"
            )
        raise no_such_metric(metric, known)


def _pairs(
    board: Board, publisher: str, rows: Sequence[Row], metrics: Sequence[str], chosen: Sequence[str]
) -> tuple[list[_Pair], Overlaps]:
    """The differences by some metrics: of the two chosen recommenders, of one and every other, or of all pairs.

    The family that p-values are corrected for is all that can be ranked, and the chosen ones.
    """
    family = [row for row in rows if row.is_ranked or row.name.word in chosen]
    words, labels = [row.name.word for row in family], [row.name.label for row in family]
    wanted = _wanted([words.index(name) for name in chosen], len(family)) if metrics else []
    shared = overlaps(publisher, [(row.run, row.recommender) for row in family], wanted)
    answers = _Answers(board.runs, publisher)
    result = []
    for metric in metrics:
        values, differences = board.differences(publisher, metric, labels)
        place = {pair: i for i, pair in enumerate(zip(differences.a.tolist(), differences.b.tolist(), strict=True))}
        for (left, right), overlap in zip(wanted, shared.pairs, strict=True):
            numbers = _numbers(differences, place[min(left, right), max(left, right)], 1.0 if left < right else -1.0)
            alike = answers.are_alike(family[left], family[right])
            sides = labels[left], labels[right], metric, values[left], values[right]
            result.append(_Pair(*sides, numbers, alike, overlap))
    return result, shared


class _Answers:
    """Whether recommenders gave the same answers: all that is measured of both is the same, in every replicate too."""

    def __init__(self, runs: Sequence[RunFolder], publisher: str):
        self._metrics = _metrics_of(runs, publisher)
        self._measured = {}
        for run in runs:
            measured = run.measured(publisher)
            for row, replicates in enumerate(measured.replicates):
                results = measured.results[row * len(replicates) :][: len(replicates)]
                of_metric = {result.metric: place for place, result in enumerate(results)}
                places = [of_metric[metric] for metric in self._metrics]
                told = [results[place][3:] for place in places]
                self._measured[id(run), results[0].recommender] = told, replicates[places]

    def are_alike(self, a: Row, b: Row) -> bool:
        """Of two that did not fail, what they answered as far as it is measured in both runs."""
        (mine, drawn), (others, redrawn) = (self._measured[id(row.run), row.recommender] for row in (a, b))
        told = any(value is not None for value, *_ in mine)
        return told and mine == others and np.array_equal(drawn, redrawn, equal_nan=True)


def _wanted(chosen: list[int], rows: int) -> list[tuple[int, int]]:
    if len(chosen) == 2:
        return [(chosen[0], chosen[1])]
    if chosen:
        return [(chosen[0], other) for other in range(rows) if other != chosen[0]]
    return list(combinations(range(rows), 2))


def _numbers(differences: Differences, place: int, sign: float) -> dict[str, float | None]:
    low, high = (sign * bound for bound in ((differences.low[place], differences.high[place])[:: int(sign)]))
    return {
        "difference": number(sign * differences.difference[place]),
        "low": number(low),
        "high": number(high),
        "p": number(differences.p[place]),
        "p_holm": number(differences.p_holm[place]),
        "resolvable": number(differences.resolvable[place]),
    }


def _record(publisher: str, pair: _Pair) -> Record:
    names = {"publisher": publisher, "metric": pair.metric, "a": pair.a, "b": pair.b}
    return {**names, **pair.numbers, **overlap_record(pair.overlap)}


def _table(
    sides: list[str] | None, pairs: list[_Pair], k: int, notes: list[str], run: RunFolder, publisher: str
) -> ReportTable:
    """Of two recommenders, the `sides`, a row a metric; else a row a pair."""
    columns = [*(sides or ["left", "right"]), "difference", "95 % interval", "p", "p (Holm)", "resolvable"]
    cells = [_cells(pair, run.reward, _digits(pair.metric, pairs, run.reward)) for pair in pairs]
    body = [
        (heading(pair.metric, run.asks, run.reward).text, own)
        if sides
        else (f"{pair.a} - {pair.b}", [*own, *overlap_cells(pair.overlap)])
        for pair, own in zip(pairs, cells, strict=True)
    ]
    if sides:
        notes = [*([overlap_text(pairs[0].overlap, k)] if pairs and pairs[0].overlap else []), *notes]
    else:
        columns += OVERLAP_COLUMNS
    heads = [("", column) for column in columns]
    return ReportTable("metric" if sides else "pair", heads, body, notes, publisher_caption(run, publisher))


def _digits(metric: str, pairs: Sequence[_Pair], reward: Reward | None) -> int:
    """How many decimals the intervals of the pairs deserve, as in a leaderboard."""
    ends = [(pair.numbers["low"], pair.numbers["high"]) for pair in pairs if pair.metric == metric]
    return digits_for([(high - low) / 2 for low, high in ends if low is not None and high is not None], metric, reward)


def _cells(pair: _Pair, reward: Reward | None, digits: int) -> list[Cell]:
    metric, numbers, p = pair.metric, pair.numbers, pair.numbers["p_holm"]

    def text(value: float | None) -> str:
        return format_value(value, metric, reward, digits)

    ends = [text(numbers[end]) for end in ("low", "high")]
    return [
        *(Cell(text(None if np.isnan(value) else value)) for value in (pair.left, pair.right)),
        Cell(text(numbers["difference"]), "", BEST if p is not None and p <= ALPHA else ""),
        Cell("identical" if pair.alike else f"[{ends[0]}, {ends[1]}]"),
        Cell(p_text(numbers["p"])),
        Cell(p_text(p)),
        Cell(text(numbers["resolvable"])),
    ]


def _notes(is_pair: bool, metrics: list[str], style: str, run: RunFolder) -> list[str]:
    units: dict[str, list[str]] = {}
    for metric in metrics if is_pair else metrics[:1]:
        known = heading(metric, run.asks, run.reward)
        units.setdefault(IN_UNITS[known.unit], []).append(known.text)
    in_units = "; ".join(f"{', '.join(names)}: {unit}" for unit, names in units.items())
    return [
        f"values, differences and intervals {next(iter(units))}" if len(units) == 1 and is_pair else in_units,
        f"differences are paired: both sides are resampled alike; {MARKS[style][0]}: p <= {ALPHA:g} after Holm's "
        "correction for all pairs of the run's recommenders",
        "resolvable: 2.8 standard errors; a true difference of that size is found in half of such logs or more",
    ]


def _told(runs: Sequence[RunFolder], publisher: str, requested: Sequence[str] | None) -> list[str]:
    """What to know of the runs, each note once."""
    notes = list(few_notes(runs[0].facts(publisher), requested or ()))
    for run in runs:
        notes += [*asking_notes(run), *leak_notes(run), *seed_notes(run), *own_notes(run)]
        apart = [name for name in run.publishers if not all(name in other.publishers for other in runs)]
        texts = [f"{name} is in {run.folder} and not in all of the runs, and is not compared" for name in apart]
        notes += [Note("note", text) for text in texts]
    return list(dict.fromkeys(note.text for note in notes))
