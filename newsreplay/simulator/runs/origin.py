"""What the answers of a run come from besides its options: data, code, and files that recommenders name."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from newsreplay.files import digest_of
from newsreplay.recommenders.registry import Entry
from newsreplay.spec import Spec, Value

_CODE = ("arrow.py", "kernels", "log", "recommenders", "simulator")  # what shapes answers and how they are judged
_CLASS = re.compile(r"(.+\.py|\w+(?:\.\w+)*):\w+")


@cache
def code_digest(package: Path = Path(__file__).parent.parent.parent) -> str:
    """A digest of newsreplay's code, as far as it shapes answers and metrics."""
    return digest_of(path for name in _CODE for path in _sources(package / name))


def _sources(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def file_digests(entries: Iterable[Entry]) -> dict[str, str]:
    """Digests of the files that recommenders name, by spec: somebody's class, weights, answers made elsewhere.

    Of a class in a module it is that module's file. Specs that name none are left out.
    """
    files = {entry.label: named_files(entry.source) for entry in entries if isinstance(entry.source, Spec)}
    return {label: digest_of(paths) for label, paths in files.items() if paths}


def named_files(spec: Spec, *, installed: bool = True) -> list[Path]:
    """The files that a spec names; those that a spec within it names, too.

    Of a class in a module it is that module's file, unless, without `installed`, it lies outside the current folder.
    """
    values = [spec.name, *spec.positional, *(value for _, value in spec.parameters)]
    return sorted({path for value in values for path in _files_of(value, installed)})


def _files_of(value: Value, installed: bool) -> list[Path]:
    if isinstance(value, tuple):
        return [path for one in value for path in _files_of(one, installed)]
    if not isinstance(value, str):
        return []
    words = [value, *re.split(r"[(),=\s]+", value)]
    homes = [match[1] for word in words if (match := _CLASS.fullmatch(word))]
    paths = [Path(word) for word in (*words, *(home for home in homes if home.endswith(".py"))) if word]
    modules = [path for home in homes if not home.endswith(".py") and (path := _file_of_module(home))]
    paths += modules if installed else filter(None, map(_in_current_folder, modules))
    return [path for path in paths if _is_file(path)]


def _file_of_module(name: str) -> Path | None:
    """The file of the module `my_pkg.ranker`; nothing is imported."""
    first, *inner = name.split(".")
    try:
        found = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None:
        return None
    below = Path(found.origin).parent.joinpath(*inner) if inner else Path(found.origin)
    return next((path for path in (below, below.with_suffix(".py"), below / "__init__.py") if _is_file(path)), None)


def _in_current_folder(path: Path) -> Path | None:
    """The file as it is seen from the current folder; None of one elsewhere, or of a package installed there."""
    here = Path.cwd()
    if not path.is_relative_to(here) or "site-packages" in path.parts:
        return None
    return path.relative_to(here)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no path at all
        return False
