"""What is shipped: a wheel that works from anywhere, with types and without tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import newsreplay

ROOT = Path(__file__).parent.parent


def python(*words: str, cwd: Path = ROOT, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


def test_the_wheel_has_the_package_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"newsreplay-{newsreplay.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"newsreplay", f"newsreplay-{newsreplay.__version__}.dist-info"}
    shipped = {name for name in names if name.startswith("newsreplay/")}
    assert shipped == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "newsreplay").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "newsreplay/py.typed" in shipped


def test_the_sdist_has_what_it_takes_to_test_it(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "newsreplay/py.typed",
        "tests/conftest.py",
        "docs/limits.md",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("runs/", ".git/")) or "__pycache__" in name]


def test_the_wheel_works_from_a_folder_of_its_own(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    target = tmp_path / "target"
    python("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    where = "import newsreplay; print(newsreplay.__file__)"
    assert Path(python("-c", where, cwd=tmp_path, PYTHONPATH=str(target))).is_relative_to(target)
    assert python("-m", "newsreplay", "--version", cwd=tmp_path, PYTHONPATH=str(target)).endswith(
        newsreplay.__version__
    )
    names = "import newsreplay; print(*(name for name in newsreplay.__all__ if hasattr(newsreplay, name)))"
    assert python("-c", names, cwd=tmp_path, PYTHONPATH=str(target)).split() == newsreplay.__all__


def test_the_metadata_name_the_command(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        info = f"newsreplay-{newsreplay.__version__}.dist-info"
        assert "newsreplay = newsreplay.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert f"Version: {newsreplay.__version__}" in archive.read(f"{info}/METADATA").decode()
