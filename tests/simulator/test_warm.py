"""Compiling ahead fills the cache that later runs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsreplay.kernels.compiling import first_use
from newsreplay.machine import home
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.warm import compiling


@pytest.mark.slow
def test_the_named_built_ins_are_compiled_in_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path))
    assert first_use()
    with compiling(start_list("recency,fallback('circular(size=5)', 'circular(size=6)')"), processes=2):
        pass
    assert not first_use()
    names = {path.name for path in (home() / "kernels").rglob("*.nbi")}
    assert sum(name.startswith("walk.walk_") for name in names) == 2
    assert any("judge" in name for name in names)


def test_one_recommender_is_left_to_the_run_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSREPLAY_HOME", str(tmp_path))
    with compiling(start_list("trend,popular(hours=6)"), processes=2):
        pass
    assert first_use()  # no process has compiled anything
