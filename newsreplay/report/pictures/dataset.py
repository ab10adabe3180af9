"""Four pictures of what a data set holds, for papers: reads over time, session lengths, ages of articles, skew.

Imports matplotlib (`drawing.py` tells what follows from that), and so is imported only when somebody wants pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import DAY, HOUR
from newsreplay.report.pictures.curves import MINUTE, YEAR, Curves, curves, span
from newsreplay.report.pictures.drawing import (
    COLOURS,
    DASHES,
    MARKERS,
    AutoDateLocator,
    Axes,
    ConciseDateFormatter,
    Figure,
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
    Rows,
    dates,
    drawing_into,
    labels_of,
    legend,
    new_figure,
    plain,
    save,
    thousands,
    write_table,
)

MOST = 10  #: publishers in one picture; of more, those with most reads
DAILY = 60 * DAY  #: ms; logs that span more are drawn by the day


def draw(dataset: Dataset, folder: Path) -> list[Path]:
    """Draw a data set into `folder`, each picture as PNG and SVG with its numbers as CSV; the files written.

    - `reads_over_time`: reads per hour, or per day if a log spans more than 60 days, and (with a CSV of its
      own, `reads_by_hour`) the share of a publisher's reads in each hour of the day, UTC;
    - `session_lengths`: the share of sessions with at least n reads;
    - `article_ages`: the share of reads of articles at most so old when they were read, counted from when
      the article became known. By reads, not by articles, most of which are hardly read: it tells how much
      of the traffic a recommender can reach that offers only the news of the last x hours;
    - `popularity`: the share of reads of the most-read x % of the articles that were read.

    Publishers without a read are left out, and so are all but the ten with most reads. Names are shown on
    one line and shortened; the CSV files have them as they are. Raises `NewsreplayError` if there is no read, or
    `folder` cannot be written.
    """
    told = [facts["publisher"] for facts in dataset.card["publishers"] if facts["reads"]]
    reads = {facts["publisher"]: facts["reads"] for facts in dataset.card["publishers"]}
    if not told:
        raise NewsreplayError(f"{dataset.name} has no reads to draw")
    largest = set(sorted(told, key=lambda name: -reads[name])[:MOST])
    publishers = [dataset.publisher(name) for name in told if name in largest]
    width = DAY if max(span(each.log) for each in publishers) > DAILY else HOUR
    shown = [curves(each.name, each.log, each.articles.published, width) for each in publishers]
    note = f"The {MOST} publishers with most reads, of {len(told)}." if len(told) > MOST else ""
    with drawing_into(folder):
        labels = labels_of([each.name for each in shown])
        title = labels_of([dataset.name])[0]
        return [
            path
            for name, draw_one, tables in _PICTURES
            for path in (
                *save(draw_one(title, note, shown, labels), folder / name),
                *(write_table(folder / f"{table}.csv", header, rows(shown)) for table, header, rows in tables),
            )
        ]


# --- the pictures ---------------------------------------------------------------------------------------


def _over_time(title: str, note: str, shown: list[Curves], labels: list[str]) -> Figure:
    width = shown[0].width
    unit = "day" if width == DAY else "hour"
    title = f"{title}: reads per {unit}, and share of reads by hour of day (UTC)"
    figure = new_figure(title, note, 0.9 + min(1.25 * len(shown), 8.1))
    axes = figure.subplots(len(shown), 2, sharex="col", squeeze=False, width_ratios=[3, 1])
    first, last = min(each.bins[0] for each in shown), max(each.bins[-1] for each in shown) + width
    most = max(100 * each.by_hour.max() / each.reads for each in shown)
    for number, (each, label, (left, right)) in enumerate(zip(shown, labels, axes, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        edges = dates(np.append(each.bins, each.bins[-1] + width))
        left.stairs(each.over_time, edges, fill=True, color=colour, lw=0.4)  # an outline, lest one day in years is lost
        left.set_title(label)
        left.set_title(f"reads: {each.reads:,}", loc="right")
        left.set_xlim(dates(np.array([first, last])))
        left.set_ylim(0, each.over_time.max() * 1.05)
        left.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        left.yaxis.set_major_formatter(FuncFormatter(thousands))
        right.stairs(100 * each.by_hour / each.reads, np.arange(25), fill=True, color=colour, lw=0.4)
        right.set_ylim(0, most * 1.05)
        right.yaxis.set_major_locator(MaxNLocator(3))
    bottom = axes[-1]
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    bottom[0].xaxis.set_major_locator(locator)
    bottom[0].xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    bottom[0].set_xlabel("time (UTC)")
    bottom[1].set_xlim(0, 24)
    bottom[1].xaxis.set_major_locator(FixedLocator([0, 6, 12, 18, 24]))
    bottom[1].set_xlabel("hour of day (UTC)")
    for column, text in enumerate((f"reads per {unit}", "share of reads (%)")):
        axes[len(shown) // 2, column].set_ylabel(text, y=0.5 if len(shown) % 2 else 1.1)
    return figure


def _session_lengths(title: str, note: str, shown: list[Curves], labels: list[str]) -> Figure:
    figure, axes = _one(f"{title}: share of sessions with at least n reads", note, len(shown))
    lines = [
        _line(axes, number, each.lengths, 100 * each.sessions_with / each.sessions_with[0], drawstyle="steps-pre")
        for number, each in enumerate(shown)
    ]
    least = min(each.sessions_with[-1] / each.sessions_with[0] for each in shown)
    axes.set(xscale="log", yscale="log", xlabel="reads in the session, n", ylabel="sessions with at least n reads (%)")
    axes.set_xlim(0.9, max(10, 1.2 * max(each.lengths[-1] for each in shown)))
    axes.set_ylim(min(70 * least, 7), 140)
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    legend(
        axes,
        lines,
        [f"{label}\nmean {each.reads / each.sessions_with[0]:.2f}" for each, label in zip(shown, labels, strict=True)],
    )
    return figure


def _ages(title: str, note: str, shown: list[Curves], labels: list[str]) -> Figure:
    undated = sorted(each.undated / each.reads for each in shown)
    if any(undated):
        share = f"{undated[0]:.1%}" if len(shown) == 1 else f"By publisher, {undated[0]:.1%} to {undated[-1]:.1%}"
        note += (
            f"\n{share} of reads are of articles without a publication time before their first read; "
            "their age counts from it."
        )
    figure, axes = _one(f"{title}: share of reads by age of the article when read", note.strip(), len(shown))
    lines = [_line(axes, number, each.ages, 100 * each.read_by / each.reads) for number, each in enumerate(shown)]
    oldest = max(HOUR, *(int(each.ages[-1]) for each in shown))
    axes.set(xscale="log", xlabel="time since the article became known", ylabel="reads of articles at most so old (%)")
    axes.set_xlim(MINUTE, oldest)
    axes.set_ylim(0, 101)
    axes.xaxis.set_major_locator(FixedLocator([age for age in _NAMED_AGES if age <= oldest]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda age, _: _NAMED_AGES[round(age)]))
    legend(
        axes,
        lines,
        [f"{label}\nmedian {_duration(each.median_age)}" for each, label in zip(shown, labels, strict=True)],
    )
    return figure


def _popularity(title: str, note: str, shown: list[Curves], labels: list[str]) -> Figure:
    figure, axes = _one(f"{title}: share of reads that go to the most-read articles", note, len(shown))
    lines = [
        _line(axes, number, 100 * each.ranks / each.ranks[-1], 100 * each.read_of_top / each.reads)
        for number, each in enumerate(shown)
    ]
    least = min(10.0, *(100 / each.ranks[-1] for each in shown))
    alike = np.geomspace(least, 100, 100)
    axes.plot(alike, alike, color="#888888", lw=0.8)
    axes.set(xscale="log", xlabel="most-read articles (% of articles read)", ylabel="share of reads (%)")
    axes.set_xlim(least, 100)
    axes.set_ylim(0, 101)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    legend(
        axes,
        [*lines, axes.lines[-1]],
        [*(f"{label}\nGini {each.gini:.3f}" for each, label in zip(shown, labels, strict=True)), "all articles alike"],
    )
    return figure


# --- their tables ---------------------------------------------------------------------------------------


def _over_time_rows(shown: list[Curves]) -> Rows:
    for each in shown:
        for start, reads in zip(each.bins.tolist(), each.over_time.tolist(), strict=True):
            yield each.name, datetime.fromtimestamp(start / 1000, UTC).isoformat(), reads


def _by_hour_rows(shown: list[Curves]) -> Rows:
    for each in shown:
        for hour, reads in enumerate(each.by_hour.tolist()):
            yield each.name, hour, reads, reads / each.reads


def _session_length_rows(shown: list[Curves]) -> Rows:
    for each in shown:
        for length, sessions in zip(each.lengths.tolist(), each.sessions_with.tolist(), strict=True):
            yield each.name, length, sessions, sessions / int(each.sessions_with[0])


def _age_rows(shown: list[Curves]) -> Rows:
    for each in shown:
        for age, reads in zip(each.ages.tolist(), each.read_by.tolist(), strict=True):
            yield (
                each.name,
                age // MINUTE,
                reads,
                reads / each.reads,
                each.median_age / MINUTE,
                each.undated / each.reads,
            )


def _popularity_rows(shown: list[Curves]) -> Rows:
    for each in shown:
        for rank, reads in zip(each.ranks.tolist(), each.read_of_top.tolist(), strict=True):
            yield each.name, rank, rank / int(each.ranks[-1]), reads, reads / each.reads, each.gini


_Draw = Callable[[str, str, list[Curves], list[str]], Figure]
_Tables = list[tuple[str, list[str], Callable[[list[Curves]], Rows]]]
_PICTURES: list[tuple[str, _Draw, _Tables]] = [
    (
        "reads_over_time",
        _over_time,
        [
            ("reads_over_time", ["publisher", "start", "reads"], _over_time_rows),
            ("reads_by_hour", ["publisher", "hour", "reads", "share"], _by_hour_rows),
        ],
    ),
    (
        "session_lengths",
        _session_lengths,
        [("session_lengths", ["publisher", "at_least_reads", "sessions", "share"], _session_length_rows)],
    ),
    (
        "article_ages",
        _ages,
        [
            (
                "article_ages",
                ["publisher", "at_most_minutes", "reads", "share", "median_minutes", "share_undated"],
                _age_rows,
            )
        ],
    ),
    (
        "popularity",
        _popularity,
        [
            (
                "popularity",
                ["publisher", "top_articles", "share_of_articles", "reads", "share_of_reads", "gini"],
                _popularity_rows,
            )
        ],
    ),
]


# --- helpers --------------------------------------------------------------------------------------------

_NAMED_AGES = {
    MINUTE: "1 min",
    10 * MINUTE: "10 min",
    HOUR: "1 h",
    6 * HOUR: "6 h",
    DAY: "1 d",
    7 * DAY: "7 d",
    30 * DAY: "30 d",
    YEAR: "1 y",
    10 * YEAR: "10 y",
}


def _one(title: str, note: str, publishers: int) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, at least as high as the legend beside it."""
    figure = new_figure(title, note, max(3.6, 1.2 + 0.34 * (publishers + 1)))
    return figure, figure.subplots()


def _line(axes: Axes, number: int, x: Any, y: Any, **options: Any) -> Any:
    (line,) = axes.plot(
        x,
        y,
        color=COLOURS[number % len(COLOURS)],
        linestyle=DASHES[number % len(DASHES)],
        marker=MARKERS[number % len(MARKERS)],
        markevery=(0.012 * number, 0.12) if len(x) > 1 else None,
        clip_on=False,  # markers on the frame stay whole; nothing lies beyond it
        **options,
    )
    return line


def _duration(ms: float) -> str:
    for at_least, unit, name in ((YEAR, YEAR, "y"), (2 * DAY, DAY, "d"), (HOUR, HOUR, "h")):
        if ms >= at_least:
            return f"{ms / unit:.1f} {name}"
    return f"{ms / MINUTE:.1f} min"
