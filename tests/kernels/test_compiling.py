"""Compiled kernels are kept where the digest of their sources says, whoever asks for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from newsreplay.kernels.compiling import bind
from newsreplay.kernels.mixing import below
from newsreplay.machine import home
from newsreplay.recommenders.baselines.circular import Circular
from newsreplay.simulator.replay.compiled import score_nothing
from newsreplay.simulator.replay.walk import reveal_row, walk

MODULE = """
from newsreplay.kernels.compiling import compiled, kernel

@kernel
def twice(number):
    return 2 * number

@compiled
def four_times(number):
    return twice(twice(number))
"""


def test_defining_kernels_imports_no_compiler() -> None:
    code = "import sys, newsreplay.api, newsreplay.recommenders.baselines.minhash; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_of_processes_that_want_a_kernel_at_once_one_compiles_it(tmp_path: Path) -> None:
    (tmp_path / "kernels_of_test.py").write_text(MODULE)
    code = "from kernels_of_test import *; print(four_times(3), sum(four_times.dispatcher.stats.cache_misses.values()))"
    words, home = [sys.executable, "-c", code], {"NEWSREPLAY_HOME": str(tmp_path / "home")}
    at_once = [
        subprocess.Popen(words, cwd=tmp_path, env=os.environ | home, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(process.communicate()[0] for process in at_once) == ["12 0\n", "12 1\n"]


def test_a_kernel_is_compiled_once_for_all_numbers_that_its_callers_name(tmp_path: Path) -> None:
    (tmp_path / "kernels_of_test.py").write_text(
        MODULE + "\n@compiled\ndef eighteen(number):\n    return twice(4) + twice(5) + twice(number - number)\n"
    )
    code = "from kernels_of_test import *; print(eighteen(3), len(twice.callee.signatures))"
    words, home = [sys.executable, "-c", code], {"NEWSREPLAY_HOME": str(tmp_path / "home")}
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | home, check=True, capture_output=True, text=True)
    assert done.stdout == "18 1\n"


def test_a_kernel_can_be_called_by_python_too() -> None:
    assert int(below(10, np.uint64(1 << 63))) == 5


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
