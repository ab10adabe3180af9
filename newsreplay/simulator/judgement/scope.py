"""What of a log asks for slates, and what of it is scored."""

from __future__ import annotations

from dataclasses import dataclass

from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import ASKING, EXCLUDES, Asks, Excludes
from newsreplay.simulator.judgement.clusters import KINDS
from newsreplay.simulator.judgement.measures import REWARDS, Reward


@dataclass(frozen=True)
class Scope:
    """What asks for slates, which sessions and impressions are scored, what is resampled for their intervals."""

    warmup: int = 0  #: ms from the log's first read on that are not scored
    window: int | None = None  #: ms after the warm-up in which scored sessions begin; None = until the log ends
    max_session_length: int | None = None  #: longer sessions (reads) are not scored; None = all are
    cluster: str | None = None  #: what is resampled for intervals: session, user or day; None = as fits (`fitting`)
    requests: Asks = "reads"  #: what asks for slates
    reward: Reward | None = None  #: what event-level success sums; None = the number of hits
    exclude: Excludes = "current"  #: what a request excludes

    def __post_init__(self) -> None:
        if self.warmup < 0 or (self.window is not None and self.window <= 0):
            raise NewsreplayError("the warm-up cannot be negative, and the window must be longer than nothing")
        if self.max_session_length is not None and self.max_session_length < 2:
            raise NewsreplayError("no session of fewer than 2 reads is scored; let the longest have 2 at least")
        if self.cluster is not None and self.cluster not in KINDS:
            raise NewsreplayError(f"no cluster is called {self.cluster!r}; there are {', '.join(KINDS)}")
        if self.requests not in ASKING:
            raise NewsreplayError(f"{self.requests!r} cannot ask for slates; {' or '.join(ASKING)} can")
        if self.exclude not in EXCLUDES:
            raise NewsreplayError(f"{self.exclude!r} cannot be excluded; {', '.join(EXCLUDES)} can")
        if self.reward is not None and self.reward not in REWARDS:
            raise NewsreplayError(f"a hit cannot be worth {self.reward!r}; there is {', '.join(REWARDS)}")
