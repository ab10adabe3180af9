"""Compiling ahead fills the cache that later runs read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from newsreplay.kernels.compiling import first_use
from newsreplay.log.rows import READ, make_log
from newsreplay.machine import home
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.baselines.recency import Recency
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.replay.compiled import compiled_walk
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.warm import compile_walk, compiling


def compiled(name: str) -> int:
    """How many functions are kept whose names begin so."""
    return len({path.name for path in (home() / "kernels").rglob(f"{name}*.nbi")})


@pytest.mark.slow
def test_the_named_built_ins_are_compiled_in_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path))
    assert first_use()
    wanted = start_list("recency,fallback('circular(size=5)', 'circular(size=6)')")
    with compiling(wanted, impressions=False, processes=2):
        while compiled("walk.walk_") < 2 or not compiled("judge."):  # until the test's time is up
            time.sleep(0.1)
    assert not first_use()
    assert compiled("walk.walk_") == 2


@pytest.mark.parametrize("impressions", [False, True])
def test_compiling_ahead_compiles_what_a_run_then_loads(impressions: bool) -> None:
    compile_walk("recency", impressions)
    loop: Any = compiled_walk(Recency, scored=impressions)
    before = loop.dispatcher.signatures
    assert before
    pools = {"at": [0, 1], "item": [0], "clicked": [True]} if impressions else None
    reads = {"kind": [READ] * 9, "time": range(9), "item": [0] * 9, "session": [0] * 9, "user": [0] * 9}
    replay(make_log(**reads, category=[-1] * 9, pools=pools), Recency(), Setting(k=5))
    assert loop.dispatcher.signatures == before


def test_one_recommender_is_left_to_the_run_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path))
    with compiling(start_list("trend,popular(hours=6)"), impressions=False, processes=2):
        pass
    assert first_use()  # no process has compiled anything
