"""One temporary home for the whole session, so that kernels compile once; real logs only where they lie."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None)  # no test fails since the machine is busy
settings.load_profile("suite")

# Before any test module is imported: kernels look up their cache folder when they are defined. A worker of
# pytest-xdist inherits the home of the process that started it.
_OWN = "PYTEST_XDIST_WORKER" not in os.environ
if _OWN:
    os.environ["NEWSREPLAY_HOME"] = tempfile.mkdtemp(prefix="newsreplay-tests-")
else:
    # Workers share the cores: with threads of their own for every sum, they would wait for one another.
    for _library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Heed Ctrl-C: a shell starts what it runs in the background with it ignored, and so would every test's process."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _OWN:
        shutil.rmtree(os.environ["NEWSREPLAY_HOME"], ignore_errors=True)


#: Modules and folders, by path from the root, whose tests together end within a minute on two cores, compiling and
#: importing included; their slow tests excepted.
FAST = (
    "tests/datasets/reading/",
    "tests/log/",
    "tests/recommenders/references/",
    "tests/recommenders/test_registry.py",
    "tests/test_architecture.py",
    "tests/test_digests.py",
    "tests/test_durations.py",
    "tests/test_regression.py",
    "tests/test_spec.py",
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m fast`, import no other tests: importing them all takes as long as the fast ones."""
    if config.option.markexpr == "fast" and collection_path.is_file() and not _is_fast(collection_path, config):
        return True
    return None


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of these as fast."""
    for item in items:
        if _is_fast(item.path, config) and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.fast)


def _is_fast(path: Path, config: pytest.Config) -> bool:
    return path.relative_to(config.rootpath).as_posix().startswith(FAST)


@pytest.fixture
def real_data() -> Path:
    """The folder with real logs, which the project may not pass on."""
    folder = os.environ.get("NEWSREPLAY_TEST_DATA")
    if not folder:
        pytest.skip("NEWSREPLAY_TEST_DATA does not name a folder with real logs")
    return Path(folder)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with nothing prepared; compile no kernels in it."""
    home = tmp_path / "home"
    monkeypatch.setenv("NEWSREPLAY_HOME", str(home))
    return home
