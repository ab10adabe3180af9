"""What commands import: what they do not need costs nobody a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli, python

CODE = """
import sys
from newsreplay.cli import main
main({words}, standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""


def imported_by(*words: str) -> set[str]:
    """All modules that are there after a command in a process of its own."""
    return set(python("-c", CODE.format(words=list(words))).stderr.split("\n")[-2].split())


@pytest.mark.parametrize(
    "words",
    [
        ("recommenders",),
        ("recommenders", "trend"),
        ("data", "list"),
        ("data", "describe", "clicks.csv"),
        ("leaderboard", "tuesday"),
    ],
)
def test_what_only_shows_something_imports_neither_compiler_nor_networks(
    cli: Cli, folder: Path, words: tuple[str, ...]
) -> None:
    assert cli("run", "--data", "clicks.csv", "--recommenders", "recency,popular", "--out", "tuesday").exit_code == 0
    modules = imported_by(*words)
    assert "newsreplay.cli" in modules
    assert not modules & {"numba", "llvmlite", "torch", "pandas", "matplotlib", "river", "sklearn", "pyarrow.compute"}


def test_a_run_whose_kernels_are_kept_sets_up_nothing_for_compiling(cli: Cli, folder: Path) -> None:
    words = "run", "--data", "clicks.csv", "--recommenders", "recency", "--out"
    assert cli(*words, "first").exit_code == 0
    modules = imported_by(*words, "second")
    assert "numba" in modules
    assert not modules & {"numba.np.linalg", "numba.typed.typedlist", "torch", "pandas", "pyarrow.dataset"}
