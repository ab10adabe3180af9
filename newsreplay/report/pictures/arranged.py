"""The contents of a report arranged for drawing: series, colours, scales."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from newsreplay.log.rows import DAY, HOUR
from newsreplay.report.headings import Heading, heading, titled
from newsreplay.report.pictures.drawing import labels_of
from newsreplay.report.records import NOTHING, Estimate, PublisherContents, RecommenderRow, ReportContents

MOST_PUBLISHERS = 6  #: in one picture; of more, those with most scored sessions
MOST_RECOMMENDERS = 60  #: in one picture; of more, those with the best mean rank
FEW = 5  #: recommenders whose lines share one panel
NAMED_IN_NOTE = 16  #: of those left out
Floats = NDArray[np.float64]
Series = tuple[Floats, Floats, Floats]  #: values, lower and upper bounds


class ArrangedPublisher(NamedTuple):
    """One publisher of a run."""

    label: str
    rows: dict[str, RecommenderRow]  #: recommender → its row, of those that are drawn
    contents: PublisherContents


class ArrangedRun(NamedTuple):
    """A run as its pictures need it."""

    title: str
    publishers: list[ArrangedPublisher]  #: that are drawn
    ranked: list[str]  #: recommenders that are drawn, best mean rank first; their places determine their looks
    foresee: list[str]  #: recommenders that are drawn for reference only
    labels: dict[str, str]  #: of all recommenders
    able: int  #: recommenders that could be drawn, those that foresee apart
    notes: list[str]  #: publishers and failures that were left out
    contents: ReportContents


def arranged(contents: ReportContents) -> ArrangedRun:
    """The contents of a run, its recommenders in the order of their mean ranks and each with its label."""
    publishers = contents["publishers"]
    names = list(dict.fromkeys(row["recommender"] for publisher in publishers for row in publisher["rows"]))
    labels = dict(zip(names, labels_of(names), strict=True))
    done = [{row["recommender"]: row for row in rows["rows"] if row["status"] == "done"} for rows in publishers]
    foresee = [name for name in names if any(name in rows and rows[name]["foresees"] for rows in done)]
    order = [name for name, _ in contents["mean_ranks"]]
    able = [name for name in order if name not in foresee and any(name in rows for rows in done)]
    ranked = able[:MOST_RECOMMENDERS]
    sessions = [
        max((estimate_of(row, publisher["headline"])[3] for row in publisher["rows"]), default=0)
        for publisher in publishers
    ]
    largest = sorted(range(len(publishers)), key=lambda number: -sessions[number])[:MOST_PUBLISHERS]
    publisher_labels = labels_of([publisher["name"] for publisher in publishers])
    drawn = {*ranked, *foresee}
    leaking = [name for name in names if any(name in rows and rows[name]["leaks"] for rows in done)]
    return ArrangedRun(
        title=titled(labels_of([contents["title"]])[0], contents.get("asks", "reads")),
        publishers=[
            ArrangedPublisher(
                publisher_labels[number], {name: row for name, row in done[number].items() if name in drawn}, publisher
            )
            for number, publisher in enumerate(publishers)
            if number in largest
        ],
        ranked=ranked,
        foresee=foresee,
        labels=labels,
        able=len(able),
        notes=_left_out(publishers, publisher_labels, labels, leaking),
        contents=contents,
    )


def _left_out(
    publishers: Sequence[PublisherContents],
    publisher_labels: Sequence[str],
    labels: dict[str, str],
    leaking: Sequence[str],
) -> list[str]:
    """Notes on publishers and recommenders that are not drawn, or not ranked."""
    notes = []
    if len(publishers) > MOST_PUBLISHERS:
        notes.append(f"The {MOST_PUBLISHERS} publishers with most scored sessions, of {len(publishers)}.")
    failed = [
        labels[row["recommender"]] + (f" on {label}" if len(publishers) > 1 else "")
        for publisher, label in zip(publishers, publisher_labels, strict=True)
        for row in publisher["rows"]
        if row["status"] != "done"
    ]
    if failed:
        notes.append(f"Failed and left out: {_listed(failed)}.")
    few = [
        f"{label} ({publisher['few_sessions']:,})"
        for publisher, label in zip(publishers, publisher_labels, strict=True)
        if publisher["few_sessions"] is not None
    ]
    if few:
        notes.append(f"Too few scored sessions for metrics of slates, which are not drawn: {_listed(few)}.")
    if leaking:
        notes.append(f"Given the future on purpose, and so not ranked: {_listed([labels[name] for name in leaking])}.")
    return notes


def headline(publisher: ArrangedPublisher, name: str) -> float | None:
    """The value of a recommender by its publisher's headline metric, None where it has none."""
    return estimate_of(publisher.rows.get(name), publisher.contents["headline"])[0]


def best_value(publisher: PublisherContents) -> float | None:
    """The best value by the headline metric among the recommenders that can be ranked."""
    values = [
        estimate_of(row, publisher["headline"])[0]
        for row in publisher["rows"]
        if row["status"] == "done" and not row["foresees"] and not row["leaks"]
    ]
    return max((value for value in values if value is not None), default=None)


def failed_names(publisher: PublisherContents) -> set[str]:
    """The recommenders that failed on a publisher."""
    return {row["recommender"] for row in publisher["rows"] if row["status"] != "done"}


# --- estimates ------------------------------------------------------------------------------------------


def estimate_of(row: RecommenderRow | None, metric: str) -> Estimate:
    """Value, lower and upper bound and n of a row; `NOTHING` without a row or a result."""
    return NOTHING if row is None else row["results"].get(metric, NOTHING)


def heading_of(run: ArrangedRun, metric: str) -> Heading:
    """The heading of a metric in a run."""
    return heading(metric, reward=run.contents.get("reward"))


def _factor(run: ArrangedRun, metric: str) -> int:
    return 100 if heading_of(run, metric).unit == "%" else 1


def scaled(run: ArrangedRun, row: RecommenderRow | None, metric: str) -> tuple[float, float, float]:
    """Value and bounds of a row in the unit of the metric (shares in per cent), NaN where there is none."""
    factor = _factor(run, metric)
    value, low, high = (math.nan if bound is None else factor * bound for bound in estimate_of(row, metric)[:3])
    return value, low, high


def series_of(run: ArrangedRun, estimates: Sequence[Estimate], metric: str) -> Series:
    """Values and bounds of estimates in the unit of the metric; without an interval both bounds are the value."""
    columns = np.array([estimate[:3] for estimate in estimates], dtype=np.float64).reshape(-1, 3)
    columns *= _factor(run, metric)
    value = columns[:, 0]
    low, high = (np.where(np.isfinite(bound), bound, value) for bound in (columns[:, 1], columns[:, 2]))
    return value, low, high


def all_rows(run: ArrangedRun, drawn: Iterable[str]) -> Iterable[tuple[PublisherContents, RecommenderRow, bool]]:
    """Every publisher with each of its rows that did not fail, and whether the picture has it."""
    names = set(drawn)
    drawn_publishers = {publisher.contents["name"] for publisher in run.publishers}
    for publisher in run.contents["publishers"]:
        for row in publisher["rows"]:
            if row["status"] == "done":
                yield publisher, row, row["recommender"] in names and publisher["name"] in drawn_publishers


Part = TypeVar("Part")


class Best(NamedTuple, Generic[Part]):
    """A publisher with the best few of its recommenders."""

    publisher: ArrangedPublisher
    part: Part
    few: list[str]  #: best first


def best_few(
    run: ArrangedRun,
    parts: list[tuple[ArrangedPublisher, Part | None]],
    estimates: Callable[[Part, str], Sequence[Estimate]],
) -> list[Best[Part]]:
    """The publishers where recommenders have a value in a part, each with the best few of these by its headline.

    `estimates` returns what a part has of a recommender.
    """
    found = []
    for publisher, part in parts:
        if part is None:
            continue
        able = [
            name
            for name in run.ranked
            if name in publisher.rows and any(estimate[0] is not None for estimate in estimates(part, name))
        ]
        value = {name: headline(publisher, name) for name in able}
        # Of equal recommenders the first: lines upon each other cannot be distinguished.
        first = {at: name for name, at in reversed(value.items())}
        best = sorted(first.values(), key=lambda name: (-(value[name] or 0.0), run.ranked.index(name)))
        if best:
            found.append(Best(publisher, part, best[:FEW]))
    return found


def united(run: ArrangedRun, drawn: Iterable[Best[Part]]) -> list[str]:
    """All recommenders that are among some publisher's best few, best mean rank first."""
    names = {name for best in drawn for name in best.few}
    return [name for name in run.ranked if name in names]


# --- words ----------------------------------------------------------------------------------------------


def axis_label(run: ArrangedRun, metric: str) -> str:
    """The heading of a metric with its unit in brackets."""
    text, unit, *_ = heading_of(run, metric)
    return f"{text} ({unit})" if unit else text


def brief(run: ArrangedRun, value: float, metric: str) -> str:
    """A value as it is written into a cell, with two digits; shares are in per cent."""
    return f"{_factor(run, metric) * value:.2f}"


def _listed(labels: Sequence[str], count: int | None = None) -> str:
    """a, b and c; of many (`count` in all) the first, and how many more."""
    count = len(labels) if count is None else count
    if count > NAMED_IN_NOTE:
        return f"{', '.join(labels[:NAMED_IN_NOTE])} and {count - min(NAMED_IN_NOTE, len(labels))} more"
    return " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))


def outside(beyond: list[str]) -> str:
    """The note on recommenders whose values lie outside the frame; empty if there is none."""
    return f"Outside the frame, as it sees the future: {_listed(beyond)}." if beyond else ""


def duration(ms: float) -> str:
    """A length of time in words: day, 3 hours, 30 minutes."""
    for unit, name in ((DAY, "day"), (HOUR, "hour")):
        if ms >= unit:
            return name if ms == unit else f"{ms / unit:g} {name}s"
    return f"{ms / 60_000:g} minutes"


def note_below(run: ArrangedRun, *more: str, few: Sequence[str] | None = None) -> str:
    """The lines below a picture of all recommenders that are drawn, or of each publisher's best, `few` in all."""
    drawn = run.ranked if few is None else few
    others = [run.labels[name] for name in run.ranked if name not in drawn]
    left = ""
    if run.able > len(drawn):
        left = f"The best {len(drawn)} of {run.able} recommenders by mean rank"
        if few is not None:
            each = "Each publisher's" if len(run.publishers) > 1 else "The"
            left = f"{each} best {FEW} by {heading_of(run, run.publishers[0].contents['headline']).text}, of {run.able}"
        left += f"; not drawn: {_listed(others, run.able - len(drawn))}." if others else "."
    return "\n".join(line for text in (*more, left, *run.notes) if text for line in textwrap.wrap(text, 118))
