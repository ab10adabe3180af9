"""The example services answer what `circular`, which they imitate, answers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.baselines.circular import Circular
from newsreplay.recommenders.services.child import StdinService
from newsreplay.recommenders.services.web import HttpService
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay

EXAMPLES = Path(__file__).parents[3] / "examples"
LOG = made_up_log(100, seed=1)[0]
PATIENT: Any = {"timeout": "10s", "patience": "10s"}


@contextmanager
def running(*words: str) -> Iterator[str]:
    """An example that is running; its address."""
    with subprocess.Popen([*words, "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split(" at ")[1].strip()
        finally:
            process.kill()


def same(service: Any) -> bool:
    setting = Setting(k=3)
    return np.array_equal(replay(LOG, service, setting).slates, replay(LOG, Circular(), setting).slates)


def test_the_service_in_python() -> None:
    with running(sys.executable, str(EXAMPLES / "http_service.py")) as url:
        assert same(HttpService(url, **PATIENT))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the path")
def test_the_service_in_node() -> None:
    with running("node", str(EXAMPLES / "http_service.js")) as url:
        assert same(HttpService(url, **PATIENT))


def test_the_command() -> None:
    assert same(StdinService(f"'{sys.executable}' '{EXAMPLES / 'stdin_service.py'}'", **PATIENT))


@pytest.mark.parametrize("name", ["http_service.py", "http_service.js", "stdin_service.py"])
def test_none_is_longer_than_forty_lines(name: str) -> None:
    lines = (EXAMPLES / name).read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 40
