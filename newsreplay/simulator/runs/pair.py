"""What a worker needs to know of a pair, and what it brings back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from newsreplay.recommenders.base import SelfReport
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.judgement.scoring import Tally
from newsreplay.simulator.replay.slates import Drops
from newsreplay.simulator.runs.options import Options


class Pair(NamedTuple):
    """One recommender on one publisher: what a worker needs to know."""

    data: Path
    publisher: str
    entry: Entry
    options: Options
    folder: Path  #: the run folder
    of: str | None = None  #: the spec without its seed, where it is repeated with several


class Times(NamedTuple):
    """How long answers took, in ms."""

    answers: int
    p50: float
    p95: float
    p99: float
    longest: float
    late: float | None  #: share of the answers beyond the deadline; None without one


class Judged(NamedTuple):
    """What a worker brings back."""

    publisher: str
    recommender: str
    tally: Tally | None  #: None where the recommender failed, and once it is measured
    hits: tuple[int, int] | None  #: hits at 1 of all scored sessions, and of the longest 1 %
    error: str | None  #: one line
    details: str | None  #: the traceback
    drops: Drops
    seconds: float  #: replay alone
    rows: int
    state_bytes: int | None
    times: Times | None  #: of answers, where they were timed
    learning: float | None  #: seconds in `learn`, where it was timed
    foresees: bool = False  #: the oracle
    self_report: SelfReport | None = None  #: what a plain recommender tells of itself
    foresaw: bool = False  #: it was handed the whole log
    of: str | None = None  #: the spec without its seed, where it is repeated with several
