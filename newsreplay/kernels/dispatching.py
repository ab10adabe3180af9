"""numba's side of compiling: dispatchers, and where compiled code is kept. Imported with the first kernel called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.types import IntegerLiteral


class Dispatcher(Protocol):
    """What numba makes of a function: code for every combination of types that it has been called with."""

    _numba_type_: object

    def compile(self, signature: tuple[object, ...]) -> object:
        """Compile it for arguments of these types of numba's, or load its code."""

    def __call__(self, *arguments: object) -> object:
        """Call it compiled."""


class _Kept(FunctionCache):
    """Compiled code on disk, loaded without what numba sets up for compiling, which takes as long as all imports."""

    tell: Callable[[bool], None] | None = None  #: takes whether there was code for a signature

    def load_overload(self, sig: object, target_context: object) -> object:
        """The code for a signature; None where it has not been compiled yet."""
        with self._guard_against_spurious_io_errors():
            code = self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if self.tell is not None:
            self.tell(code is not None)
        return code


def dispatcher(function: Callable[..., object], folder: Path | None, *, inline: bool, callee: bool) -> Dispatcher:
    """What compiles a function for the types that it is called with; the code is kept in `folder`, None = not at all.

    A `callee` is called by kernels alone: without the code by which Python calls it, which takes as long to compile as
    the rest. numba is told of the folder by a global: one thread at a time.
    """
    njit: Any = numba.njit  # with an option that numba does not document:
    # kernels allocate nothing, and counting references to the arrays of a state costs more than the work.
    options = {"nogil": True, "forceinline": inline, "_nrt": False}
    made = njit(**options, no_cfunc_wrapper=True, no_cpython_wrapper=callee)(function)
    if callee:
        made.get_call_template = partial(_as_numbers, made.get_call_template)
    config: Any = numba.config
    if folder is not None and not config.DISABLE_JIT:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            made._cache = _Kept(function)  # type: ignore[no-untyped-call]
        finally:
            config.CACHE_DIR = before
    return cast(Dispatcher, made)


def _as_numbers(template: Callable[..., object], arguments: Sequence[object], by_name: Mapping[str, object]) -> object:
    """What numba makes of a call, where a number that stands in the caller's source is one like any other.

    Left to itself it compiles a kernel, and all that it calls, once more for every such number.
    """
    return template([_number(kind) for kind in arguments], {name: _number(kind) for name, kind in by_name.items()})


def _number(kind: object) -> object:
    return kind.literal_type if isinstance(kind, IntegerLiteral) else kind


def compile_for(made: Dispatcher, arguments: tuple[object, ...], tell: Callable[[bool], None]) -> None:
    """Compile, or load, the code for arguments of these types; nothing where NUMBA_DISABLE_JIT is set.

    `tell` takes, before anything is compiled, whether the code was kept on disk.
    """
    config: Any = numba.config
    if not config.DISABLE_JIT:
        cache = getattr(made, "_cache", None)
        if isinstance(cache, _Kept):
            cache.tell = tell
        made.compile(tuple(map(numba.typeof, arguments)))
