"""What shapes a run besides its data and recommenders."""

from __future__ import annotations

import math
from dataclasses import dataclass

from newsreplay.errors import NewsreplayError
from newsreplay.simulator.judgement.clusters import KINDS

MOST = 32_767  #: the longest slates: places are kept as int16


@dataclass(frozen=True)
class Options:
    """The options of a run; times in ms."""

    k: int = 10
    warmup: int = 0
    window: int | None = None
    max_session_length: int | None = None
    seed: int = 0
    slates: bool = True  #: keep every answer in the run folder
    cluster: str = "session"  #: what is resampled for intervals: session, user or day
    timed: bool = False  #: measure every answer's time
    deadline: float | None = None  #: an answer that takes longer is late
    strict_deadline: bool = False  #: a late answer counts as none
    seeds: tuple[int, ...] = ()  #: with which recommenders that take a seed are repeated

    def __post_init__(self) -> None:
        if self.k < 1:
            raise NewsreplayError(f"k must be at least 1, not {self.k}")
        if self.k > MOST:
            raise NewsreplayError(f"k must be at most {MOST}, not {self.k}")
        if self.warmup < 0 or (self.window is not None and self.window <= 0):
            raise NewsreplayError("the warm-up cannot be negative, and the window must be longer than nothing")
        if self.max_session_length is not None and self.max_session_length < 2:
            raise NewsreplayError("no session of fewer than 2 reads is scored; let the longest have 2 at least")
        if self.cluster not in KINDS:
            raise NewsreplayError(f"no cluster is called {self.cluster!r}; there are {', '.join(KINDS)}")
        if self.deadline is not None and not 0 < self.deadline < math.inf:
            raise NewsreplayError("a deadline must be longer than nothing and end")
        if self.strict_deadline and self.deadline is None:
            raise NewsreplayError("there is no deadline to be strict about; give one with --deadline 100ms")
        if len(set(self.seeds)) < len(self.seeds):
            raise NewsreplayError(f"a seed stands twice in {', '.join(map(str, self.seeds))}; name it once")
