"""Compiling: njit as newsreplay uses it, with a disk cache whose second start is free.

numba finds a cached function by the code and the source file of that function alone. Two consequences shape
this module. A loop that calls kernels handed to it is not closed over them (such closures never hit the
cache) but copied with new globals under a name of its own (`bind`). And because numba does not notice that a
*called* kernel changed, the cache lives in a folder named after a digest of all sources that could be called.
"""

from __future__ import annotations

import inspect
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

from newsreplay.files import digest_of
from newsreplay.machine import home

Function: TypeAlias = Callable[..., object]
F = TypeVar("F", bound=Function)

int64 = cast(Callable[[object], int], np.int64)  #: in kernels, a 64-bit whole number; to type checkers, an int


def _njit(**options: Any) -> Callable[[F], F]:
    # Kernels allocate nothing, and counting references to the arrays of a state costs more than the work.
    without_references: Any = {"_nrt": False}  # an option that numba does not document
    return cast(Callable[[F], F], numba.njit(nogil=True, **without_references, **options))


def kernel(function: F) -> F:
    """Compile a function that other kernels call; it is inlined into them and cached with them.

    Left to itself the compiler calls it instead, and copies the whole state for each call.
    """
    return _njit(forceinline=True)(function)


def routine(function: F) -> F:
    """Compile a function that other kernels call, too large to be inlined wherever they do."""
    return _njit()(function)


def compiled(function: F) -> F:
    """Compile a function that Python calls, and cache it on disk."""
    with _cache_folder(function):
        return _njit(cache=_cacheable(function))(function)


def bind(template: F, name: str, **meanings: Function | int) -> F:
    """Compile a copy of `template` in which the global names `meanings` mean these kernels and numbers.

    `name` must be unique among the copies of a template: the cache distinguishes them by it.
    """
    return cast(F, _compile_bound(template, name, tuple(sorted(meanings.items()))))


@cache
def _compile_bound(template: Function, name: str, meanings: tuple[tuple[str, Function | int], ...]) -> Function:
    copy = rebound(template, name, **dict(meanings))
    sources = tuple(meaning for _, meaning in meanings if not isinstance(meaning, int))
    with _cache_folder(template, *sources):
        return _njit(cache=_cacheable(template, *sources))(copy)


def rebound(template: F, name: str, **meanings: Function | int) -> F:
    """A plain-Python copy of `template` whose global names `meanings` mean the ones given."""
    template = interpreted(template)
    copy = types.FunctionType(template.__code__, {**template.__globals__, **meanings}, template.__name__)
    copy.__module__ = template.__module__
    copy.__qualname__ = f"{template.__name__}_{name}"
    return cast(F, copy)


def interpreted(function: F) -> F:
    """The plain-Python function behind a kernel, or the function itself."""
    return cast(F, getattr(function, "py_func", function))


_one_at_a_time = threading.RLock()


@contextmanager
def _cache_folder(*functions: Function) -> Iterator[None]:
    """Point numba's cache at the folder for these functions while a dispatcher is made.

    One thread at a time: left to another's setting, a dispatcher would be cached beside its source, where a
    change of a kernel that it calls goes unnoticed.
    """
    config: Any = numba.config
    with _one_at_a_time:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(_folder(*functions))
        try:
            yield
        finally:
            config.CACHE_DIR = before


def _folder(*functions: Function) -> Path:
    return home() / "kernels" / _digest(tuple(sorted({*_package_files(), *map(_file, functions)})))


def _cacheable(*functions: Function) -> bool:
    """Whether the cache folder can be written and every function has a file to be recognised by."""
    try:
        _folder(*functions).mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return all(Path(_file(function)).is_file() for function in functions)


def _file(function: Function) -> str:
    return inspect.getfile(interpreted(function))


#: The folders whose kernels others call, with all below them; those elsewhere call only these and their own.
SHARED = ("kernels", "log", "recommenders", "simulator/judgement", "simulator/replay")


def shared_sources(package: Path = Path(__file__).parent.parent) -> tuple[str, ...]:
    """The source files whose kernels others call: if one of them changes, compiled kernels are stale."""
    return tuple(str(path) for folder in SHARED for path in sorted((package / folder).rglob("*.py")))


_package_files = cache(shared_sources)


@cache
def _digest(files: tuple[str, ...]) -> str:
    return digest_of(map(Path, files), numba.__version__)


def first_use() -> bool:
    """Whether the kernels of this version have not been compiled yet."""
    return not _folder().exists()
