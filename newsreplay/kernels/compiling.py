"""Compiling: njit as newsreplay uses it, with a disk cache whose second start is free.

numba finds a cached function by the code and the source file of that function alone. Two consequences shape
this module. A loop that calls kernels handed to it is not closed over them (such closures never hit the
cache) but copied with new globals under a name of its own (`bind`). And because numba does not notice that a
*called* kernel changed, the cache lives in a folder named after a digest of all sources that could be called.

numba itself is imported with the first kernel that is called (`dispatching`), so that defining kernels is free.
"""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import numpy as np

from newsreplay.files import digest_of
from newsreplay.locks import LOCK, in_turn
from newsreplay.machine import home

if TYPE_CHECKING:
    from newsreplay.kernels.dispatching import Dispatcher

Function: TypeAlias = Callable[..., object]
F = TypeVar("F", bound=Function)

int64 = cast(Callable[[object], int], np.int64)  #: in kernels, a 64-bit whole number; to type checkers, an int

_one_at_a_time = threading.RLock()

Hear = Callable[[str, bool], None]  #: takes what is loaded, and whether it was kept; else it is about to be compiled
_hearing: list[Hear] = []


@contextmanager
def heard_by(hear: Hear) -> Iterator[None]:
    """In here `hear` is told of every kernel that this process loads or compiles, in whichever thread."""
    _hearing.append(hear)
    try:
        yield
    finally:
        _hearing.remove(hear)


class Kernel:
    """A function that numba compiles, or loads from disk, once it is called, or a kernel that calls it is compiled.

    `sources`, of one that Python calls, are the functions in whose files a change makes its code on disk stale, besides
    the shared ones; None = it is kept within the code of its callers. Of several processes that want what is not
    compiled yet, one compiles it and the others wait.
    """

    def __init__(self, function: Function, sources: tuple[Function, ...] | None = None, *, inline: bool = False):
        functools.update_wrapper(self, function)
        self.py_func = function
        self.sources = sources
        self.inline = inline
        self.home = home()  # when it was defined
        self.called = False

    def __call__(self, *arguments: object) -> object:
        """Call it compiled."""
        if not self.called:
            self._load(arguments)
        return self.dispatcher(*arguments)

    def _load(self, arguments: tuple[object, ...]) -> None:
        from newsreplay.kernels.dispatching import compile_for

        with in_turn(self.folder and self.folder / f"{self.py_func.__qualname__}{LOCK}"):
            compile_for(self.dispatcher, arguments, self._tell)
        self.called = True

    def _tell(self, kept: bool) -> None:
        for hear in _hearing:
            hear(f"{self.py_func.__module__}.{self.py_func.__qualname__}", kept)

    @functools.cached_property
    def folder(self) -> Path | None:
        """Where its code is kept; None = nowhere, since it cannot be written or a function has no file."""
        if self.sources is None or not all(Path(_file(source)).is_file() for source in self.sources):
            return None
        folder = _folder(self.home, *self.sources)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return folder

    @functools.cached_property
    def dispatcher(self) -> Dispatcher:
        """What numba makes of it for Python."""
        return self._made("dispatcher", self.folder)

    @functools.cached_property
    def callee(self) -> Dispatcher:
        """What numba makes of it for kernels that call it."""
        return self._made("callee", None)

    def _made(self, name: str, folder: Path | None) -> Dispatcher:
        from newsreplay.kernels.dispatching import dispatcher

        with _one_at_a_time:
            before: Dispatcher | None = vars(self).get(name)  # made by another thread, which was sooner
            return before or dispatcher(self.py_func, folder, inline=self.inline, callee=name == "callee")

    @property
    def _numba_type_(self) -> object:
        """What numba takes it for in kernels that call it."""
        return self.callee._numba_type_


def kernel(function: F) -> F:
    """Compile a function that other kernels call; it is inlined into them and cached with them.

    Left to itself the compiler calls it instead, and copies the whole state for each call.
    """
    return cast(F, Kernel(function, inline=True))


def routine(function: F) -> F:
    """Compile a function that other kernels call, too large to be inlined wherever they do."""
    return cast(F, Kernel(function))


def compiled(function: F) -> F:
    """Compile a function that Python calls, and cache it on disk."""
    return cast(F, Kernel(function, (function,)))


def bind(template: F, name: str, **meanings: Function | int) -> F:
    """Compile a copy of `template` in which the global names `meanings` mean these kernels and numbers.

    `name` must be unique among the copies of a template: the cache distinguishes them by it.
    """
    return cast(F, _compile_bound(template, name, tuple(sorted(meanings.items()))))


@cache
def _compile_bound(template: Function, name: str, meanings: tuple[tuple[str, Function | int], ...]) -> Function:
    sources = tuple(meaning for _, meaning in meanings if not isinstance(meaning, int))
    return cast(Function, Kernel(rebound(template, name, **dict(meanings)), (template, *sources)))


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


def _folder(at: Path, *functions: Function) -> Path:
    return at / "kernels" / _digest(*sorted({*map(_file, functions)} - {*_package_files()}))


def _file(function: Function) -> str:
    return inspect.getfile(interpreted(function))


#: The folders whose kernels others call, with all below them; those elsewhere call only these and their own.
SHARED = ("kernels", "log", "recommenders", "simulator/judgement", "simulator/replay")


def shared_sources(package: Path = Path(__file__).parent.parent) -> tuple[str, ...]:
    """The source files whose kernels others call: if one of them changes, compiled kernels are stale."""
    return tuple(str(path) for folder in SHARED for path in sorted((package / folder).rglob("*.py")))


_package_files = cache(shared_sources)


@cache
def _digest(*elsewhere: str) -> str:
    """A digest of numba's version, the shared sources, and those elsewhere."""
    shared = (_digest(),) if elsewhere else ()  # read once
    return digest_of(map(Path, elsewhere or _package_files()), version("numba"), *shared)


def first_use() -> bool:
    """Whether the kernels of this version have not been compiled yet."""
    return not _folder(home()).exists()
