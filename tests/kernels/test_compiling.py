"""Compiled kernels are kept where the digest of their sources says, whoever asks for them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import pytest

from newsreplay.kernels.compiling import bind
from newsreplay.machine import home
from newsreplay.recommenders.baselines.circular import Circular
from newsreplay.simulator.replay.compiled import score_nothing
from newsreplay.simulator.replay.walk import reveal_row, walk


def test_loops_that_threads_ask_for_at_once_are_all_kept_in_the_folder_of_their_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mkdir = Path.mkdir

    def slowly(*arguments: Any, **options: Any) -> None:
        time.sleep(0.02)  # while the folder is set, so that threads meet
        mkdir(*arguments, **options)

    monkeypatch.setattr(Path, "mkdir", slowly)
    before = numba.config.CACHE_DIR

    def folder(number: int) -> Path:
        loop: Any = bind(
            walk,
            f"asked_for_at_once_{number}",
            reveal=reveal_row,
            learn=Circular.learn,
            recommend=Circular.recommend,
            score=score_nothing,
        )
        return Path(loop.dispatcher._cache.cache_path)

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(folder, range(16)))
    assert {path.is_relative_to(home() / "kernels") for path in folders} == {True}
    assert before == numba.config.CACHE_DIR
