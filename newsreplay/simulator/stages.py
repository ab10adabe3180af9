"""Where the time of a run goes: seconds by stage, from its own clocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

Stage: TypeAlias = Literal["find", "load", "compile", "replay", "judge", "intervals", "write"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class StageClock:
    """Adds up seconds by stage.

    `now` is what it reads: `time.perf_counter` for wall time, `time.thread_time` for the processor's.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter):
        self.now = now
        self.begun = now()
        self.seconds: dict[Stage, float] = {}

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Count what the body takes, also if it raises."""
        begun = self.now()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - begun

    def in_all(self) -> float:
        """Seconds since it was made."""
        return self.now() - self.begun


def add_up(parts: Iterable[Mapping[Stage, float]]) -> dict[Stage, float]:
    """The seconds of several, stage by stage, in the order of stages."""
    counted = list(parts)
    return {
        stage: sum(part.get(stage, 0.0) for part in counted)
        for stage in STAGES
        if any(stage in part for part in counted)
    }
