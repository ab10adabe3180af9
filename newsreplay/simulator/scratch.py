"""Scratch space: large arrays lie in temporary files that are mapped, and are worked on a stretch at a time.

So the memory of a run does not grow with its log: what lies in a mapped file is shared with the system's page cache,
which writes it out and drops it when memory is wanted for something else.

The files have no name (or lose it at once), so nothing of them is left when the process ends, however it does. Their
room on the disk is taken when they are made: a full disk is an error then, and not the end of the process at the first
write beyond it.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from newsreplay.errors import RunError
from newsreplay.log.rows import Column

_ZEROS = bytes(1 << 20)


class NoRoomError(RunError):
    """Temporary files find no room."""


class Scratch(NamedTuple):
    """Where large arrays lie, what is large, and how much is worked on at a time. Results do not depend on it."""

    folder: Path | None = None  #: None = where the system has its temporary files
    in_memory: int = 1 << 24  #: bytes; larger arrays are mapped
    stretch: int = 1 << 18  #: rows at a time


_USUAL = Scratch()
_used: ContextVar[Scratch] = ContextVar("scratch", default=_USUAL)


@contextmanager
def using(scratch: Scratch) -> Iterator[None]:
    """In here, in this thread, arrays lie and stretches are as `scratch` says."""
    before = _used.set(scratch)
    try:
        yield
    finally:
        _used.reset(before)


def beside(folder: Path) -> AbstractContextManager[None]:
    """In here large arrays lie where a run is written, or in the folder that `TMPDIR` names, if it is set."""
    return using(_used.get()._replace(folder=None if os.environ.get("TMPDIR") else folder))


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Column:
    """An array whose values are yet to be written. Raises `NoRoomError`."""
    kind, lengths = np.dtype(dtype), shape if isinstance(shape, tuple) else (shape,)
    size = kind.itemsize * math.prod(lengths)
    if size <= _used.get().in_memory or not size:
        return np.empty(lengths, kind)
    return np.frombuffer(_mapped(size), kind).reshape(lengths)


def zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Column:
    """An array of zeros. Raises `NoRoomError`."""
    array = empty(shape, dtype)
    if array.nbytes <= _used.get().in_memory:  # a new file is zeros already
        array[...] = 0
    return array


def full(shape: int | tuple[int, ...], fill: float, dtype: npt.DTypeLike) -> Column:
    """An array of one value. Raises `NoRoomError`."""
    array = empty(shape, dtype)
    array[...] = fill
    return array


def stretches(rows: int) -> Iterator[slice]:
    """So many rows, a stretch at a time.

    >>> with using(Scratch(stretch=4)):
    ...     [(part.start, part.stop) for part in stretches(10)]
    [(0, 4), (4, 8), (8, 10)]
    """
    stretch = _used.get().stretch
    return (slice(begin, min(begin + stretch, rows)) for begin in range(0, rows, stretch))


def _mapped(size: int) -> mmap.mmap:
    folder = _used.get().folder
    try:
        with cast(BinaryIO, tempfile.TemporaryFile(prefix="newsreplay-", dir=folder)) as file:
            _take_room(file, size)
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        where = "a folder for temporary files" if folder is None else folder
        raise NoRoomError(
            f"no room for {size / 1e9:,.2f} GB of temporary files in {where}: {error.strerror or error}; make room "
            "there, or set TMPDIR to a folder with more"
        ) from None


def _take_room(file: BinaryIO, size: int) -> None:
    try:
        os.posix_fallocate(file.fileno(), 0, size)
        return
    except AttributeError:  # macOS, Windows
        pass
    except OSError as error:  # some file systems cannot
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    for begin in range(0, size, len(_ZEROS)):
        file.write(_ZEROS[: size - begin])
    file.flush()
