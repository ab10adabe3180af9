"""What makes compiled kernels and prepared data stale: any source file they depend on, in sub-folders too."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import newsreplay
from newsreplay.datasets.kept import preparing_sources
from newsreplay.files import digest_of
from newsreplay.kernels.compiling import Kernel, shared_sources

PACKAGE = Path(newsreplay.__file__).parent
FOLDERS = sorted({str(file.parent.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py")})
KERNELS = ("kernels", "log", "recommenders", "simulator/judgement", "simulator/replay")
PREPARING = ("kernels", "log", "datasets/preparing", "datasets/reading", "datasets/sources")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "newsreplay", ignore=shutil.ignore_patterns("__pycache__")))


def is_below(folder: str, folders: Iterable[str]) -> bool:
    return any(folder == other or folder.startswith(f"{other}/") for other in folders)


def assert_seen(sources: Callable[[Path], Iterable[str | Path]], package: Path, file: Path, seen: bool) -> None:
    before = digest_of(map(Path, sources(package)))
    text = file.read_bytes()
    file.write_bytes(text + b"# changed\n")
    assert (digest_of(map(Path, sources(package))) != before) == seen, file
    file.write_bytes(text)
    assert digest_of(map(Path, sources(package))) == before


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_change_in_any_folder_that_kernels_depend_on_makes_them_stale(folder: str, package: Path) -> None:
    file = next((package / folder).glob("*.py"))
    assert_seen(shared_sources, package, file, is_below(folder, KERNELS))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_change_in_any_folder_that_preparing_depends_on_makes_prepared_data_stale(folder: str, package: Path) -> None:
    files = [file for file in (package / folder).glob("*.py") if folder != "datasets" or file.name == "find.py"]
    files = [file for file in files if file.name != "arrow.py"]
    assert_seen(preparing_sources, package, files[0], is_below(folder, PREPARING))


@pytest.mark.parametrize("name", ["arrow.py", "datasets/base.py", "datasets/checksums.py", "datasets/store.py"])
def test_so_do_the_single_files_that_preparing_depends_on(name: str, package: Path) -> None:
    assert_seen(preparing_sources, package, package / name, True)


@pytest.mark.parametrize("folder", ["datasets/fetching", "report", "report/tables"])
def test_downloads_and_reports_make_nothing_stale(folder: str, package: Path) -> None:
    for file in (package / folder).glob("*.py"):
        assert_seen(shared_sources, package, file, False)
        assert_seen(preparing_sources, package, file, False)


def test_a_new_file_in_a_sub_folder_counts(package: Path) -> None:
    before = digest_of(preparing_sources(package))
    (package / "datasets" / "sources" / "mind" / "new.py").write_text("")
    assert digest_of(preparing_sources(package)) != before


def test_kernels_elsewhere_call_only_shared_kernels_and_those_of_their_own_file() -> None:
    seen = 0
    for info in pkgutil.walk_packages(newsreplay.__path__, "newsreplay."):
        if _in_shared_folder(info.name) or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for function in vars(module).values():
            if not isinstance(function, Kernel) or function.py_func.__module__ != info.name:
                continue
            called = [vars(module).get(name) for name in function.py_func.__code__.co_names]
            for other in called:
                if isinstance(other, Kernel):
                    home = other.py_func.__module__
                    assert home == info.name or _in_shared_folder(home), f"{function} calls {other}"
                    seen += 1
    assert seen > 10


def _in_shared_folder(module: str) -> bool:
    return is_below("/".join(module.split(".")[1:-1]), KERNELS)
