"""What a worker is handed of a pair, and what it brings back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from newsreplay.datasets.base import Asked
from newsreplay.recommenders.base import SelfReport
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.judgement.scoring import Sums
from newsreplay.simulator.replay.foresight import Foresight
from newsreplay.simulator.replay.slates import NO_DROPS, Drops
from newsreplay.simulator.runs.options import Options
from newsreplay.simulator.stages import Stage


class Pair(NamedTuple):
    """One recommender on one publisher, as a worker is handed it."""

    data: Path
    publisher: str
    entry: Entry
    options: Options
    folder: Path  #: the run folder
    without_seed: str | None = None  #: the spec without its seed, where it is repeated with several
    checkpoint_every: float | None = None  #: seconds between two checkpoints; None = none are kept
    asked: Asked | None = None  #: what the data were found by, for machines that do not see them


class AnswerTimes(NamedTuple):
    """How long answers took, in ms."""

    answers: int
    p50: float
    p95: float
    p99: float
    longest: float
    late: float | None  #: share of the answers beyond the deadline; None without one


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One recommender on one publisher, judged, or why it failed."""

    publisher: str
    recommender: str
    without_seed: str | None = None  #: the spec without its seed, where it is repeated with several
    sums: Sums | None = None  #: None where the recommender failed, and once it is measured
    hits: tuple[int, int] | None = None  #: hits at 1 of all scored sessions, and of the longest 1 %
    error: str | None = None  #: one line
    details: str | None = None  #: the traceback
    raised: BaseException | None = None  #: what the recommender raised, where it was asked to be kept
    drops: Drops = NO_DROPS
    seconds: float = 0.0  #: replay alone
    rows: int = 0
    state_bytes: int | None = None
    times: AnswerTimes | None = None  #: of answers, where they were timed
    learning: float | None = None  #: seconds in `learn`, where it was timed
    foresight: Foresight = None  #: what of the future it was given
    leaks: str = ""  #: the same in words, where the foresight is "given" or "leaky"
    self_report: SelfReport | None = None  #: what a plain recommender reports of itself
    stages: Mapping[Stage, float] = field(default_factory=dict)  #: processor seconds of its thread, or of its process

    def without_sums(self) -> Judged:
        """The same once it is measured: sums take room."""
        return replace(self, sums=None)
