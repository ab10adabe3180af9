"""Processes of their own start wherever temporary files lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ASKED = """
from multiprocessing.connection import wait
from newsreplay.processes import OwnProcess
from tests.test_processes import tell

process = OwnProcess(tell, "here I am")
wait(process.handles())
print(*process.receive())
process.end()
"""


def tell(words: str, wire: object) -> None:
    wire.send(words)  # type: ignore[attr-defined]


def test_a_process_starts_where_the_path_of_temporary_files_is_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    environment = os.environ | {"TMPDIR": str(deep), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == "here I am\n", done.stderr
