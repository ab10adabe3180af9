"""The contents of a report as types: `contents` writes them, the pictures and the page read them.

All of it is fit for JSON. A recommender is named as every table shows it (`facts.display_name`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, NotRequired, TypedDict

from newsreplay.log.rows import Asks
from newsreplay.simulator.judgement.measures import Reward

#: A value, the lower and upper bound of its interval, and the number of observations; None = there is none.
Estimate = tuple[float | None, float | None, float | None, int]
NOTHING: Estimate = (None, None, None, 0)

NoteKind = Literal["leak", "made up", "rejected", "failed", "dropped", "warning", "note"]


class Note(NamedTuple):
    """A sentence to be read before a number is believed, and what it is about."""

    kind: NoteKind
    text: str


class Costs(TypedDict):
    """What a recommender costs on a publisher; None = not measured."""

    train_s: float | None  #: s of fitting on the warm-up
    update_s: float | None  #: s of fitting after it
    answer_ms: float | None  #: ms an answer: the mean of answers worked out together, else the median of timed ones
    us_per_event: float | None  #: µs an event of the log, answers included
    state_bytes: int | None
    parameters: int | None  #: numbers that are fitted
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    late: float | None  #: share of answers beyond the deadline


class RecommenderRow(TypedDict):
    """A recommender on one publisher."""

    recommender: str
    status: str  #: "done" or "failed"
    error: str | None
    foresees: bool  #: an oracle, or what readers were shown: drawn for reference and not ranked
    leaks: str | None  #: what of the future it was given; then it is not ranked
    results: dict[str, Estimate]  #: by metric
    rank: tuple[float | None, float | None, float | None] | None  #: with the range that paired tests leave it
    stable: bool  #: that range is one rank
    #: difference to the best, its interval, and p after Holm's correction for all pairs
    against_best: tuple[float | None, float | None, float | None, float | None] | None
    cost: Costs | None
    pareto: bool  #: no other recommender is both better and cheaper
    misses: dict[str, float] | None  #: share of the reads that could have been hits, by cause


class TimeSeries(TypedDict):
    """Success by the time at which sessions begin."""

    label: str
    metric: str
    starts: list[int]  #: ms UTC
    width: int  #: ms
    cells: dict[str, list[Estimate]]  #: by recommender, one a start
    changes: NotRequired[dict[str, list[int]]]  #: by recommender, when it changed (`drift`), ms UTC; if asked for


class SliceValues(TypedDict):
    """Results by the groups of one dimension."""

    by: str
    label: str
    groups: list[str]
    metrics: list[str]
    cells: dict[str, dict[str, list[Estimate]]]  #: by metric and recommender, one a group


class PublisherContents(TypedDict):
    """What is shown of one publisher."""

    name: str
    facts: list[tuple[str, str]]  #: label and text
    headline: str  #: the metric that ranks
    few_sessions: int | None  #: scored sessions, where they are too few for metrics of slates; else None
    metrics: list[str]
    rows: list[RecommenderRow]
    causes: list[str]  #: of hits and misses, in the order of the bars
    ceiling: float | None  #: share of the reads that an oracle hits
    over_time: TimeSeries | None
    slices: list[SliceValues]


class ReportContents(TypedDict):
    """All that a report of a run shows."""

    format: int
    title: str
    asks: NotRequired[Asks]  #: what asked for slates, if reads did not
    reward: NotRequired[Reward]  #: what event-level success sums, if not the number of hits
    notes: list[Note]
    manifest: list[tuple[str, str]]  #: label and text
    commands: list[str]
    interval: str
    #: Recommenders with their mean ranks over the publishers, best first; a rank of None stands for one that is not
    #: ranked: it has no value, or it was given the future and stands where its values would place it.
    mean_ranks: list[tuple[str, float | None]]
    publishers: list[PublisherContents]


class TuningRow(TypedDict):
    """One recommender on one publisher in one stretch of a tuning."""

    sweep: str  #: the spec with lists, as typed
    stretch: Literal["early", "late"]
    role: Literal["candidate", "chosen", "default"]
    publisher: str
    recommender: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    difference: float | None  #: of a chosen one on the later stretch, from the default; paired
    difference_low: float | None
    difference_high: float | None
    p: float | None
