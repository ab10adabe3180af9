"""Locks on what is written, and what processes left behind that were killed while they wrote it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out, and what was left is told by its age
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"  #: what the name of a lock ends in
OLD = ".old"  #: what the name of a folder ends in that is being replaced, which may be all that is left of it
DAY = 86_400.0  #: seconds after which a folder counts as left where nothing else tells
_OWN = re.compile(r"\..+-[0-9a-f]{8,}")  # what `own_folder`, and preparations that go on, call theirs


class LockedError(Exception):
    """Another process has the lock; the text names it."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """In here this process is the only one to write `folder`. Raises `LockedError` where another does, `OSError`."""
    lock = folder.with_name(f".{folder.name}{LOCK}")
    with held(lock) as mine:
        if not mine:
            holder = ""
            with suppress(OSError):
                holder = lock.read_text().strip()
            raise LockedError(holder or "another process")
        yield


@contextmanager
def held(lock: Path) -> Iterator[bool]:
    """Whether the file `lock`, made if need be, is this process's alone while this lasts; then it goes.

    The file names its process. The system lets go of it when the process ends, however that happens. On file systems
    without locks it is everybody's. Raises `OSError` where it cannot be made.
    """
    while True:
        with lock.open("a+") as file:
            mine = _lock(file) is not False
            if mine and not _is_at(file, lock):
                continue  # whoever had it before has removed it meanwhile
            if mine:
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
            try:
                yield mine
            finally:
                if mine:
                    with suppress(OSError):  # Windows removes no open file
                        lock.unlink()
                    if fcntl is not None:
                        with suppress(OSError):
                            fcntl.flock(file, fcntl.LOCK_UN)  # also of what a forked process inherited
            return


@contextmanager
def in_turn(lock: Path | None) -> Iterator[None]:
    """In here this thread is alone with the file `lock`, which stays; whoever else wants it waits.

    Without a file, where it cannot be written, and on file systems without locks nobody waits.
    """
    with ExitStack() as stack:
        if lock is not None and fcntl is not None:
            with suppress(OSError):
                fcntl.flock(stack.enter_context(lock.open("a")), fcntl.LOCK_EX)
        yield


def _lock(file: IO[str]) -> bool | None:
    """Lock a file; False where another process has it, None where the system cannot tell."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


@contextmanager
def own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder that is this process's own and goes at the end; one that is killed leaves it to `abandoned`."""
    folder = parent / f"{prefix}{secrets.token_hex(4)}"
    with held(_lock_of(folder)):  # first: there is no moment at which the folder is there and seems to be nobody's
        folder.mkdir()  # not as tempfile makes them, for this user's eyes alone
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + LOCK)


def abandoned(parent: Path) -> list[Path]:
    """The hidden folders in `parent` that `own_folder` made, or that have such a lock, and whose process is gone."""
    folders = [path for path in sorted(parent.glob(".*")) if path.is_dir() and not path.is_symlink()]
    folders = [path for path in folders if path.suffix != OLD]
    return [folder for folder in folders if _is_abandoned(folder)]


def _is_abandoned(folder: Path) -> bool:
    try:
        with _lock_of(folder).open("r") as file:
            free = _lock(file)
    except FileNotFoundError:
        return _OWN.fullmatch(folder.name) is not None  # any other is somebody else's, as .git
    except OSError:  # somebody else's
        return False
    return age_of(folder) > DAY if free is None else free


def age_of(path: Path) -> float:
    """Seconds since a file or the list of a folder's files changed; 0 where it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def remove_idle_locks(parent: Path) -> None:
    """Remove the locks in `parent` that no process has, of such folders that are gone.

    One is left by a process that is killed right after its folder took its place.
    """
    for lock in parent.glob(f".*{LOCK}"):
        folder = lock.with_suffix("")
        if _OWN.fullmatch(folder.name) and not folder.exists():
            with held(lock):
                pass


def remove_abandoned(folder: Path) -> bool:
    """Remove a folder that `abandoned` found, unless somebody has taken it up since; returns whether it is gone."""
    with held(_lock_of(folder)) as mine:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
