"""A replay whose log has grown since goes on from the state that was kept, and answers as if nobody had stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.kernels.compiling import kernel
from newsreplay.log.rows import ASKING, Column, Log, head
from newsreplay.recommenders.base import Compiled, Setting, Sizes
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.checkpoints import RECORD, Checkpoints, opened_line
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import AnswerArrays, Replayed
from tests import strategies
from tests.simulator.replay.test_checkpoints import COMPILED, QUICK, SETTINGS, Counting

LOG, _ = made_up_log(400)


def answered(
    log: Log, make: Callable[[], Any], setting: Setting, stretch: int, folder: Path | None, said: list[str]
) -> Replayed:
    """A replay that goes on from what is kept in a folder, and keeps its state behind the last whole stretch there."""
    requests = int(np.count_nonzero(log.kind == ASKING[setting.requests]))
    last = len(log.time) // stretch * stretch
    arrays = AnswerArrays(
        np.full((requests, setting.k), -1, np.int32),
        np.full(len(log.pools.item), -np.inf),
        None if folder is None else Checkpoints(folder, float("inf"), said.append, last),
    )
    return replay(log, make(), setting, name="it", arrays=arrays, stretch=stretch)


def assert_extends(
    log: Log, make: Callable[[], Any], setting: Setting, stretch: int, *ends: int, anew: bool = False
) -> None:
    """Over the first rows, and from there over more and more, it answers as in one replay of all; beginning `anew`."""
    said: list[str] = []
    whole = answered(log, make, setting, stretch, None, said)
    with TemporaryDirectory() as folder:
        for end in ends:
            answered(head(log, end), make, setting, stretch, Path(folder), said)
            if end >= stretch:
                record = opened_line((Path(folder) / RECORD).read_bytes())
                assert record["reached"][0] == end // stretch * stretch
        again = answered(log, make, setting, stretch, Path(folder), said)
    assert bool(said) == anew
    assert again.slates.tolist() == whole.slates.tolist()
    assert (again.scores is None) == (whole.scores is None)
    if whole.scores is not None and again.scores is not None:
        assert again.scores.tobytes() == whole.scores.tobytes()
    assert again.drops == whole.drops


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in COMPILED]
)
def test_a_compiled_recommender_goes_on_over_a_longer_log(name: str) -> None:
    make = start_list(name)[0].make
    for ends in ((50,), (99, 100), (150, 399), (30, 230)):
        assert_extends(LOG, make, SETTINGS["reads"], 25, *ends)


@pytest.mark.parametrize("setting", list(SETTINGS))
@pytest.mark.parametrize("make", [start_list("trend(hours=2)")[0].make, Counting], ids=["compiled", "plain"])
def test_what_is_around_a_recommender_goes_on_over_a_longer_log(make: Callable[[], Any], setting: str) -> None:
    # Where sessions have read more by now, slates of compiled ones are longer, and they begin anew.
    anew = setting == "session" and make is not Counting
    assert_extends(LOG, make, SETTINGS[setting], 25, 120, 333, anew=anew)


@pytest.mark.parametrize(
    "name",
    [
        *("random(hours=1)", "trend(hours=3)", "minhash"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("sequences", "content", "stan")),
    ],
)
@settings(max_examples=40, deadline=None)
@given(log=strategies.logs_with_impressions(), data=st.data())
def test_any_log_can_grow_at_any_row(name: str, log: Log, data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.integers(1, len(log.time)), min_size=1, max_size=2).map(sorted))
    assert_extends(log, start_list(name)[0].make, Setting(k=2), 3, *ends)


class RingState(NamedTuple):
    """The last articles, one place an article of the log."""

    ring: Column
    reads: Column


@kernel
def _learn(state: Any, event: Any) -> None:
    state.ring[state.reads[0] % state.ring.size] = event.item
    state.reads[0] += 1


@kernel
def _recommend(state: Any, request: Any, slate: Any) -> None:
    other = state.ring[(state.reads[0] + 1) % state.ring.size]
    if other != request.exclude:
        slate[0] = other


class Ring(Compiled[RingState]):
    """Does not say that it extends, and could not."""

    learn = _learn
    recommend = _recommend

    def state(self, sizes: Sizes, key: np.uint64) -> RingState:
        return RingState(np.zeros(sizes.articles, np.int32), np.zeros(1, np.int64))


def test_a_state_that_cannot_grow_begins_anew_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    short = head(LOG, 100)
    assert int(short.item.max()) < int(LOG.item.max())
    answered(short, Ring, SETTINGS["reads"], 25, tmp_path, said)
    again = answered(LOG, Ring, SETTINGS["reads"], 25, tmp_path, said)
    assert said == ["begins anew: the log has grown since, and its state cannot"]
    assert again.slates.tolist() == answered(LOG, Ring, SETTINGS["reads"], 25, None, said).slates.tolist()
