"""The contents of a report arranged for drawing: series, colours, scales."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from newsreplay.log.rows import DAY, HOUR
from newsreplay.report import headings
from newsreplay.report.pictures.drawing import labels_of

MOST_PUBLISHERS = 6  #: in one picture; of more, those with most scored sessions
MOST_RECOMMENDERS = 60  #: in one picture; of more, those with the best mean rank
FEW = 6  #: recommenders whose lines share one panel
NAMED_IN_NOTE = 16  #: of those left out
Floats = NDArray[np.float64]
Contents = dict[str, Any]


class Publisher(NamedTuple):
    """One publisher of a run."""

    label: str
    rows: dict[str, Any]  #: recommender → its row, of those that are drawn
    contents: Contents


class Run(NamedTuple):
    """A run as its pictures see it."""

    title: str
    publishers: list[Publisher]  #: that are drawn
    ranked: list[str]  #: recommenders that are drawn, best mean rank first; their places tell their looks
    foresee: list[str]  #: recommenders that are drawn for reference only
    labels: dict[str, str]  #: of all recommenders
    able: int  #: recommenders that could be drawn, those that foresee apart
    notes: list[str]  #: publishers and failures that were left out
    contents: Contents


def arranged(contents: Contents) -> Run:
    publishers = contents["publishers"]
    names = list(dict.fromkeys(row["recommender"] for each in publishers for row in each["rows"]))
    labels = dict(zip(names, labels_of(names), strict=True))
    done = [{row["recommender"]: row for row in each["rows"] if row["status"] == "done"} for each in publishers]
    foresee = [name for name in names if any(name in rows and rows[name]["foresees"] for rows in done)]
    able = [name for name in names if name not in set(foresee) and any(name in rows for rows in done)]
    ranks = dict.fromkeys(able, 0.0)
    for each, rows in zip(publishers, done, strict=True):
        for name, rank in _ranks(able, rows, each["headline"]).items():
            ranks[name] += rank
    ranked = sorted(able, key=lambda name: ranks[name])[:MOST_RECOMMENDERS]

    sessions = [max((_cell(row, each["headline"])[3] or 0 for row in each["rows"]), default=0) for each in publishers]
    largest = sorted(range(len(publishers)), key=lambda number: -sessions[number])[:MOST_PUBLISHERS]
    told = labels_of([each["name"] for each in publishers])
    shown = {*ranked, *foresee}
    notes = []
    if len(publishers) > MOST_PUBLISHERS:
        notes.append(f"The {MOST_PUBLISHERS} publishers with most scored sessions, of {len(publishers)}.")
    failed = [
        labels[row["recommender"]] + (f" on {label}" if len(publishers) > 1 else "")
        for each, label in zip(publishers, told, strict=True)
        for row in each["rows"]
        if row["status"] != "done"
    ]
    if failed:
        notes.append(f"Failed and left out: {_listed(failed)}.")
    leaking = [labels[name] for name in able if any(name in rows and rows[name]["leaks"] for rows in done)]
    if leaking:
        notes.append(f"Given the future on purpose, and so not ranked: {_listed(leaking)}.")
    return Run(
        title=labels_of([contents["title"]])[0],
        publishers=[
            Publisher(told[number], {name: row for name, row in done[number].items() if name in shown}, each)
            for number, each in enumerate(publishers)
            if number in largest
        ],
        ranked=ranked,
        foresee=foresee,
        labels=labels,
        able=len(able),
        notes=notes,
        contents=contents,
    )


def _ranks(names: list[str], rows: dict[str, Any], metric: str) -> dict[str, float]:
    """Ranks of a publisher's values, equal values sharing theirs; who has none comes last."""
    values = {name: _cell(rows.get(name), metric)[0] for name in names}
    ordered = sorted((value for value in values.values() if value is not None), reverse=True)
    first = {value: rank for rank, value in reversed(list(enumerate(ordered, start=1)))}
    last = {value: rank for rank, value in enumerate(ordered, start=1)}
    beyond = (len(ordered) + 1 + len(names)) / 2
    return {name: beyond if value is None else (first[value] + last[value]) / 2 for name, value in values.items()}


def headline(each: Publisher, name: str) -> float | None:
    value: float | None = _cell(each.rows.get(name), each.contents["headline"])[0]
    return value


def _best(publisher: Contents) -> float | None:
    values = [
        _cell(row, publisher["headline"])[0]
        for row in publisher["rows"]
        if row["status"] == "done" and not row["foresees"] and not row["leaks"]
    ]
    return max((value for value in values if value is not None), default=None)


def _failed(publisher: Contents) -> set[str]:
    return {row["recommender"] for row in publisher["rows"] if row["status"] != "done"}


Series = tuple[Floats, Floats, Floats]


# --- cells ----------------------------------------------------------------------------------------------


def _cell(row: Any, metric: str) -> list[Any]:
    """Value, low, high and n of a row; None for what there is not."""
    return (row or {}).get("results", {}).get(metric) or [None, None, None, None]


def _factor(metric: str) -> int:
    return 100 if headings.of(metric).unit == "%" else 1


def scaled(row: Any, metric: str) -> tuple[float, float, float]:
    """Value, low and high of a row as shown (shares in per cent), NaN for what there is not."""
    value, low, high = (math.nan if each is None else _factor(metric) * each for each in _cell(row, metric)[:3])
    return value, low, high


def _series(cells: Sequence[Any], metric: str) -> tuple[Floats, Floats, Floats]:
    """Values, lows and highs of cells as shown; without an interval both ends are the value."""
    found = np.array([cell[:3] for cell in cells], dtype=np.float64).reshape(-1, 3) * _factor(metric)
    value = found[:, 0]
    low, high = (np.where(np.isfinite(each), each, value) for each in (found[:, 1], found[:, 2]))
    return value, low, high


def _all(run: Run, drawn: Iterable[str]) -> Iterable[tuple[Contents, Any, bool]]:
    """Every publisher with each of its rows that did not fail, and whether the picture shows it."""
    names = set(drawn)
    shown = {each.contents["name"] for each in run.publishers}
    for each in run.contents["publishers"]:
        for row in each["rows"]:
            if row["status"] == "done":
                yield each, row, row["recommender"] in names and each["name"] in shown


def _few(
    run: Run, parts: list[tuple[Publisher, Contents | None]]
) -> tuple[list[str], list[tuple[Publisher, Contents]]]:
    """The best few recommenders that have a value in a part, and the publishers where one of them has."""

    def has(name: str, each: Publisher, part: Contents) -> bool:
        return name in each.rows and any(cell[0] is not None for cell in part["cells"].get(name, ()))

    there = [(each, part) for each, part in parts if part]
    able = [name for name in run.ranked if any(has(name, each, part) for each, part in there)]
    # Of equal ones the first: lines on top of one another tell nothing.
    first = {tuple(headline(each, name) for each in run.publishers): name for name in reversed(able)}
    few = [name for name in able if name in first.values()][:FEW]
    return few, [(each, part) for each, part in there if any(has(name, each, part) for name in few)]


# --- words ----------------------------------------------------------------------------------------------


def heading(metric: str) -> str:
    return headings.of(metric).text


def _axis(metric: str) -> str:
    return f"{heading(metric)} ({headings.of(metric).unit})" if headings.of(metric).unit else heading(metric)


def brief(value: float, metric: str) -> str:
    return f"{_factor(metric) * value:.2f}"


def _listed(labels: Sequence[str], count: int | None = None) -> str:
    """a, b and c; of many (`count` in all) the first, and how many more."""
    count = len(labels) if count is None else count
    if count > NAMED_IN_NOTE:
        return f"{', '.join(labels[:NAMED_IN_NOTE])} and {count - min(NAMED_IN_NOTE, len(labels))} more"
    return " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))


def outside(beyond: list[str]) -> str:
    return f"Outside the frame, as it sees the future: {_listed(beyond)}." if beyond else ""


def duration(ms: float) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour")):
        if ms >= unit:
            return name if ms == unit else f"{ms / unit:g} {name}s"
    return f"{ms / 60_000:g} minutes"


def _note(run: Run, *more: str, few: Sequence[str] | None = None) -> str:
    """The lines below a picture of all recommenders that are drawn, or of a few of them."""
    drawn = run.ranked if few is None else few
    others = [run.labels[name] for name in run.ranked if name not in drawn]
    left = ""
    if run.able > len(drawn):
        left = f"The best {len(drawn)} of {run.able} recommenders by mean rank"
        left += f"; not drawn: {_listed(others, run.able - len(drawn))}." if others else "."
    return "\n".join(line for text in (*more, left, *run.notes) if text for line in textwrap.wrap(text, 118))
