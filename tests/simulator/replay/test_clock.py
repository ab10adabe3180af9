"""The clock of kernels."""

from __future__ import annotations

import subprocess
import sys
import time
from array import array
from typing import Any

import numpy as np

from newsreplay.kernels.compiling import compiled
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.baselines.recency import Recency
from newsreplay.simulator.replay.clock import clock_calls
from newsreplay.simulator.replay.compiled import compiled_walk
from newsreplay.simulator.replay.nanoseconds import nanoseconds
from newsreplay.simulator.replay.replay import replay
from tests.worked import worked_log


@compiled
def read_often(times: Any) -> None:
    for i in range(times.size):
        times[i] = nanoseconds()


def test_the_clock_of_kernels_is_the_monotonic_clock_of_python() -> None:
    times = np.zeros(1_000, np.int64)
    read_often(times[:1])  # compiles
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    read_often(times)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert before <= times[0]
    assert times[-1] <= after
    assert (np.diff(times) >= 0).all()
    assert times[-1] > times[0]


REPLAY = """
from newsreplay.recommenders.baselines.recency import Recency
from newsreplay.simulator.replay.compiled import compiled_walk
from newsreplay.simulator.replay.replay import replay
from newsreplay.recommenders.base import Setting
from tests.worked import worked_log
for timed in (False, True):
    replay(worked_log(), Recency(), Setting(k=1, timed=timed))
    stats = compiled_walk(Recency, timed, scored=False).dispatcher.stats
    print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_a_timed_walk_is_found_in_the_cache_of_an_earlier_process() -> None:
    for timed in (False, True):
        replay(worked_log(), Recency(), Setting(k=1, timed=timed))
    assert compiled_walk(Recency, True) is not compiled_walk(Recency, False)
    later = subprocess.run([sys.executable, "-c", REPLAY], check=True, capture_output=True, text=True)
    assert later.stdout.split() == ["1", "0", "1", "0"]


def test_a_clocked_method_answers_as_ever() -> None:
    taken = array("q")
    power = clock_calls(pow, taken)
    assert [power(2, 3), power(3, 2)] == [8, 9]
    assert len(taken) == 2
