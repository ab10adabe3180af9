"""What shapes a run besides its data and recommenders: what is scored, how it is answered, what is kept."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict, cast

from newsreplay.durations import NO_DELAYS, Delays, Duration
from newsreplay.errors import NewsreplayError
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.runs.records import OptionsRecord
from newsreplay.simulator.stages import StageClock

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from newsreplay.datasets.store import Dataset

DataSource: TypeAlias = "str | Path | pd.DataFrame | Dataset"  #: what `newsreplay.datasets.find_data` finds

CHECKPOINT_EVERY = 60_000  #: ms
MOST = 32_767  #: the longest slates: places are kept as int16

Progress: TypeAlias = Callable[[str, int, int], None]  #: what is being done, how much of it is done, how much there is


@dataclass(frozen=True)
class Answering:
    """How recommenders are asked for answers."""

    k: int = 10  #: slate length
    seed: int = 0  #: of random choices and intervals
    seeds: tuple[int, ...] = ()  #: recommenders that take a seed and have none are repeated with each of these
    timed: bool = False  #: measure every answer's time
    deadline: float | None = None  #: ms; an answer that takes longer is late
    strict_deadline: bool = False  #: a late answer counts as none
    feedback_delay: Delays = NO_DELAYS  #: how long reads and outcomes are held back from learning
    answer_timeout: int | None = None  #: ms after which a plain-Python recommender's answer is given up

    def __post_init__(self) -> None:
        if self.k < 1:
            raise NewsreplayError(f"k must be at least 1, not {self.k}")
        if self.k > MOST:
            raise NewsreplayError(f"k must be at most {MOST}, not {self.k}")
        if self.deadline is not None and not 0 < self.deadline < math.inf:
            raise NewsreplayError("a deadline must be longer than nothing and end")
        if self.strict_deadline and self.deadline is None:
            raise NewsreplayError("there is no deadline to be strict about; give one with --deadline 100ms")
        if self.answer_timeout is not None and self.answer_timeout < 1:
            raise NewsreplayError("an answer needs some time; give --answer-timeout more than nothing, 100ms")
        if len(set(self.seeds)) < len(self.seeds):
            raise NewsreplayError(f"a seed stands twice in {', '.join(map(str, self.seeds))}; name it once")


@dataclass(frozen=True)
class Keeping:
    """What is kept in the run folder besides results."""

    slates: bool = True  #: every answer: slates, and scores of impressions
    states: bool = False  #: what recommenders knew at the end, so that `extend` goes on from there


#: Options that are written only where they are others.
_USUAL: dict[str, object] = {
    "requests": "reads",
    "exclude": "current",
    "reward": None,
    "feedback_delay": NO_DELAYS._asdict(),
    "answer_timeout": None,
    "states": False,
}


class Options(NamedTuple):
    """All three together: what a run folder keeps of how it came about."""

    scope: Scope = Scope()
    answering: Answering = Answering()
    keeping: Keeping = Keeping()

    def flat(self) -> OptionsRecord:
        """The options by name, as in run.json."""
        flat = self.all()
        for name, usual in _USUAL.items():  # as ever, and not written
            if flat[name] == usual:
                del flat[name]
        return cast(OptionsRecord, flat)

    def all(self) -> dict[str, object]:
        """All options by name, those as well that run.json leaves out."""
        flat = asdict(self.answering) | asdict(self.scope) | asdict(self.keeping)
        return flat | {"feedback_delay": self.answering.feedback_delay._asdict(), "seeds": list(self.answering.seeds)}

    @classmethod
    def from_flat(cls, options: OptionsRecord) -> Options:
        """The options whose `flat` this is."""
        given: dict[str, Any] = {**_USUAL, **options, "seeds": tuple(options["seeds"])}
        given["feedback_delay"] = Delays(**given["feedback_delay"])
        scope, answering, keeping = (
            {field.name: given[field.name] for field in fields(group)} for group in (Scope, Answering, Keeping)
        )
        return cls(Scope(**scope), Answering(**answering), Keeping(**keeping))


class PairLimits(TypedDict, total=False):
    """What a recommender may take on a publisher, and what becomes of the run where it fails."""

    pair_timeout: Duration | None  #: a pair that takes longer fails; one in this process every 16,384 rows at most
    memory_limit: str | int | None  #: what the process of a plain recommender may take, "2GB" or bytes
    checkpoint_every: Duration | None  #: how often states are kept for `resume`, "1m" by default; None = never
    on_error: Literal["keep", "raise"]  #: "raise": the first recommender that fails ends the run with what it raised


class Continuing(PairLimits, total=False):
    """Keywords of `resume` and `add`: where pairs are replayed, and who follows it."""

    jobs: int | None  #: as in `run`
    progress: Progress | None
    report: Callable[[str], None] | None
    clock: StageClock | None


class RunLimits(PairLimits, total=False):
    """Keywords of `run`: how long answers and recommenders may take, and what becomes of one that fails.

    Where an answer that takes too long becomes a miss, results depend on the machine.
    """

    timed: bool  #: measure how long every answer takes
    deadline: Duration | None  #: beyond it an answer is late; measures, too
    strict_deadline: bool  #: a late answer counts as none
    answer_timeout: Duration | None  #: a plain-Python recommender's answer that takes longer is given up, a miss


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def unheard(line: str) -> None:
    """A report that nobody hears."""


@dataclass(frozen=True)
class Execution:
    """Where pairs are replayed, and who follows it; changes nothing of the results."""

    jobs: int | None = None  #: pairs at a time; None = one a core, all in this process
    executor: Executor | None = None  #: replays the pairs in place of this process
    progress: Progress = quiet
    report: Callable[[str], None] = unheard  #: takes lines on what became of folders
    command: str | None = None  #: what reproduces the run, kept in run.json
    pair_timeout: int | None = None  #: ms after which a pair is given up
    memory_limit: int | None = None  #: bytes that a process of a plain recommender's own may take
    fail_fast: bool = False  #: the first recommender that fails ends the run
    checkpoint_every: int | None = CHECKPOINT_EVERY  #: ms between two checkpoints of a pair; None = none are kept
    clock: StageClock = field(default_factory=StageClock)  #: wall seconds of what this process does itself

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise NewsreplayError(
                f"{self.jobs} jobs replay nothing; give jobs=1 or more, or leave it out for one a core"
            )
        if self.pair_timeout is not None and self.pair_timeout < 1:
            raise NewsreplayError("a pair needs some time; give --pair-timeout more than nothing, 10m")
        if self.memory_limit is not None and self.memory_limit < 1:
            raise NewsreplayError("a process needs some memory; give --memory-limit more than nothing, 2GB")
        if self.memory_limit is not None and sys.platform != "linux":
            raise NewsreplayError("memory can be limited on Linux only; leave --memory-limit out")
        if self.limited and self.executor is not None:
            raise NewsreplayError(
                "pairs that an executor runs cannot be given up; leave pair_timeout and memory_limit out, or executor"
            )

    @property
    def apart(self) -> bool:
        """Whether plain recommenders, and strangers', get processes of their own."""
        return self.executor is None and (self.jobs is not None or self.limited)

    @property
    def limited(self) -> bool:
        """Whether what a pair may take is limited."""
        return self.pair_timeout is not None or self.memory_limit is not None
