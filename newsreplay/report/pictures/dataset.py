"""Four pictures of what a data set holds, for papers: reads over time, session lengths, ages of articles, skew.

Imports matplotlib (see `drawing.py`), and so is imported only where pictures are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import DAY, HOUR, Column
from newsreplay.report.colours import SERIES
from newsreplay.report.pictures.curves import MINUTE, YEAR, Curves, curves, span
from newsreplay.report.pictures.drawing import (
    DASHES,
    MARKERS,
    AutoDateLocator,
    Axes,
    ConciseDateFormatter,
    Figure,
    FixedLocator,
    FuncFormatter,
    Line2D,
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


class DatasetPicture(NamedTuple):
    """A picture of a data set, and the tables of its numbers."""

    name: str  #: of its files
    #: title, note, the numbers and the label of each publisher → figure
    draw: Callable[[str, str, list[Curves], list[str]], Figure]
    tables: list[tuple[str, list[str], Callable[[list[Curves]], Rows]]]  #: name of the file, header, rows


def draw(dataset: Dataset, folder: Path, pictures: Sequence[DatasetPicture] | None = None) -> list[Path]:
    """Draw a data set into `folder`, each picture as PNG and SVG with its numbers as CSV; the files written.

    - `reads_over_time`: reads per hour, or per day if a log spans more than 60 days, and (with a CSV of its
      own, `reads_by_hour`) the share of a publisher's reads in each hour of the day, UTC;
    - `session_lengths`: the share of sessions with at least n reads;
    - `article_ages`: the share of reads of articles at most so old when they were read, counted from when
      the article became known. By reads, not by articles, most of which are hardly read: it is the share
      of the traffic that a recommender can reach which offers only the news of the last x hours;
    - `popularity`: the share of reads of the most-read x % of the articles that were read.

    `pictures` are some of `PICTURES`, by default all. Publishers without a read are left out, and so are all but the
    ten with most reads. Names are shown on one line and shortened; the CSV files have them as they are. Raises
    `NewsreplayError` if there is no read, or `folder` cannot be written.
    """
    reads = {facts["publisher"]: facts["reads"] for facts in dataset.card["publishers"] if facts["reads"]}
    if not reads:
        raise NewsreplayError(f"{dataset.name} has no reads to draw")
    largest = set(sorted(reads, key=lambda name: -reads[name])[:MOST])
    publishers = [dataset.publisher(name) for name in reads if name in largest]
    width = DAY if max(span(publisher.log) for publisher in publishers) > DAILY else HOUR
    numbers = [curves(publisher.name, publisher.log, publisher.articles.published, width) for publisher in publishers]
    note = f"The {MOST} publishers with most reads, of {len(reads)}." if len(reads) > MOST else ""
    with drawing_into(folder):
        labels = labels_of([publisher.name for publisher in numbers])
        title = labels_of([dataset.name])[0]
        return [
            path
            for picture in (PICTURES if pictures is None else pictures)
            for path in (
                *save(picture.draw(title, note, numbers, labels), folder / picture.name),
                *(
                    write_table(folder / f"{table}.csv", header, rows(numbers))
                    for table, header, rows in picture.tables
                ),
            )
        ]


# --- the pictures ---------------------------------------------------------------------------------------


def _over_time(title: str, note: str, publishers: list[Curves], labels: list[str]) -> Figure:
    width = publishers[0].width
    unit = "day" if width == DAY else "hour"
    title = f"{title}: reads per {unit}, and share of reads by hour of day (UTC)"
    figure = new_figure(title, note, 0.9 + min(1.25 * len(publishers), 8.1))
    axes = figure.subplots(len(publishers), 2, sharex="col", squeeze=False, width_ratios=[3, 1])
    first, last = (
        min(data.bins[0] for data in publishers),
        max(data.bins[-1] for data in publishers) + width,
    )
    most = max(100 * data.by_hour.max() / data.reads for data in publishers)
    for number, (data, label, (left, right)) in enumerate(zip(publishers, labels, axes, strict=True)):
        colour = SERIES[number % len(SERIES)]
        edges = dates(np.append(data.bins, data.bins[-1] + width))
        left.stairs(data.over_time, edges, fill=True, color=colour, lw=0.4)  # an outline, lest one day in years is lost
        left.set_title(label)
        left.set_title(f"reads: {data.reads:,}", loc="right")
        left.set_xlim(*dates(np.array([first, last])))
        left.set_ylim(0, data.over_time.max() * 1.05)
        left.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        left.yaxis.set_major_formatter(FuncFormatter(thousands))
        right.stairs(100 * data.by_hour / data.reads, np.arange(25), fill=True, color=colour, lw=0.4)
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
        axes[len(publishers) // 2, column].set_ylabel(text, y=0.5 if len(publishers) % 2 else 1.1)
    return figure


def _session_lengths(title: str, note: str, publishers: list[Curves], labels: list[str]) -> Figure:
    figure, axes = _figure(f"{title}: share of sessions with at least n reads", note, len(publishers))
    lines = [
        _line(
            axes,
            number,
            data.lengths,
            100 * data.sessions_with / data.sessions_with[0],
            drawstyle="steps-pre",
        )
        for number, data in enumerate(publishers)
    ]
    least = min(data.sessions_with[-1] / data.sessions_with[0] for data in publishers)
    axes.set(xscale="log", yscale="log", xlabel="reads in the session, n", ylabel="sessions with at least n reads (%)")
    axes.set_xlim(0.9, max(10, 1.2 * max(data.lengths[-1] for data in publishers)))
    axes.set_ylim(min(70 * least, 7), 140)
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    legend(
        axes,
        lines,
        [
            f"{label}\nmean {data.reads / data.sessions_with[0]:.2f}"
            for data, label in zip(publishers, labels, strict=True)
        ],
    )
    return figure


def _ages(title: str, note: str, publishers: list[Curves], labels: list[str]) -> Figure:
    undated = sorted(data.undated / data.reads for data in publishers)
    if any(undated):
        share = f"{undated[0]:.1%}" if len(publishers) == 1 else f"By publisher, {undated[0]:.1%} to {undated[-1]:.1%}"
        note += (
            f"\n{share} of reads are of articles without a publication time before their first read; "
            "their age counts from it."
        )
    figure, axes = _figure(f"{title}: share of reads by age of the article when read", note.strip(), len(publishers))
    lines = [_line(axes, number, data.ages, 100 * data.read_by / data.reads) for number, data in enumerate(publishers)]
    oldest = max(HOUR, *(int(data.ages[-1]) for data in publishers))
    axes.set(xscale="log", xlabel="time since the article became known", ylabel="reads of articles at most so old (%)")
    axes.set_xlim(MINUTE, oldest)
    axes.set_ylim(0, 101)
    axes.xaxis.set_major_locator(FixedLocator([age for age in _NAMED_AGES if age <= oldest]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda age, _: _NAMED_AGES[round(age)]))
    legend(
        axes,
        lines,
        [f"{label}\nmedian {_duration(data.median_age)}" for data, label in zip(publishers, labels, strict=True)],
    )
    return figure


def _popularity(title: str, note: str, publishers: list[Curves], labels: list[str]) -> Figure:
    figure, axes = _figure(f"{title}: share of reads that go to the most-read articles", note, len(publishers))
    lines = [
        _line(axes, number, 100 * data.ranks / data.ranks[-1], 100 * data.read_of_top / data.reads)
        for number, data in enumerate(publishers)
    ]
    least = min(10.0, *(100 / data.ranks[-1] for data in publishers))
    alike = np.geomspace(least, 100, 100)
    axes.plot(alike, alike, color="#888888", lw=0.8)
    axes.set(xscale="log", xlabel="most-read articles (% of articles read)", ylabel="share of reads (%)")
    axes.set_xlim(least, 100)
    axes.set_ylim(0, 101)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    legend(
        axes,
        [*lines, axes.lines[-1]],
        [
            *(f"{label}\nGini {data.gini:.3f}" for data, label in zip(publishers, labels, strict=True)),
            "all articles alike",
        ],
    )
    return figure


# --- their tables ---------------------------------------------------------------------------------------


def _over_time_rows(publishers: list[Curves]) -> Rows:
    for data in publishers:
        for start, reads in zip(data.bins.tolist(), data.over_time.tolist(), strict=True):
            yield data.name, datetime.fromtimestamp(start / 1000, UTC).isoformat(), reads


def _by_hour_rows(publishers: list[Curves]) -> Rows:
    for data in publishers:
        for hour, reads in enumerate(data.by_hour.tolist()):
            yield data.name, hour, reads, reads / data.reads


def _session_length_rows(publishers: list[Curves]) -> Rows:
    for data in publishers:
        for length, sessions in zip(data.lengths.tolist(), data.sessions_with.tolist(), strict=True):
            yield data.name, length, sessions, sessions / int(data.sessions_with[0])


def _age_rows(publishers: list[Curves]) -> Rows:
    for data in publishers:
        for age, reads in zip(data.ages.tolist(), data.read_by.tolist(), strict=True):
            yield (
                data.name,
                age // MINUTE,
                reads,
                reads / data.reads,
                data.median_age / MINUTE,
                data.undated / data.reads,
            )


def _popularity_rows(publishers: list[Curves]) -> Rows:
    for data in publishers:
        for rank, reads in zip(data.ranks.tolist(), data.read_of_top.tolist(), strict=True):
            yield data.name, rank, rank / int(data.ranks[-1]), reads, reads / data.reads, data.gini


PICTURES = (
    DatasetPicture(
        "reads_over_time",
        _over_time,
        [
            ("reads_over_time", ["publisher", "start", "reads"], _over_time_rows),
            ("reads_by_hour", ["publisher", "hour", "reads", "share"], _by_hour_rows),
        ],
    ),
    DatasetPicture(
        "session_lengths",
        _session_lengths,
        [("session_lengths", ["publisher", "at_least_reads", "sessions", "share"], _session_length_rows)],
    ),
    DatasetPicture(
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
    DatasetPicture(
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
)


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


def _figure(title: str, note: str, publishers: int) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, at least as high as the legend beside it."""
    figure = new_figure(title, note, max(3.6, 1.2 + 0.34 * (publishers + 1)))
    return figure, figure.subplots()


def _line(
    axes: Axes, number: int, x: Column, y: Column, drawstyle: Literal["default", "steps-pre"] = "default"
) -> Line2D:
    (line,) = axes.plot(
        x,
        y,
        color=SERIES[number % len(SERIES)],
        linestyle=DASHES[number % len(DASHES)],
        marker=MARKERS[number % len(MARKERS)],
        markevery=(0.012 * number, 0.12) if len(x) > 1 else None,
        clip_on=False,  # markers on the frame stay whole; nothing lies beyond it
        drawstyle=drawstyle,
    )
    return line


def _duration(ms: float) -> str:
    for at_least, unit, name in ((YEAR, YEAR, "y"), (2 * DAY, DAY, "d"), (HOUR, HOUR, "h")):
        if ms >= at_least:
            return f"{ms / unit:.1f} {name}"
    return f"{ms / MINUTE:.1f} min"
