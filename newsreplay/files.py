"""Writing files and folders whole or not at all, what was left where that was cut short, and digests of files."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from newsreplay.errors import DataError

try:
    import fcntl
except ImportError:  # Windows: whether another process is at work can only be guessed from how old its folder is
    fcntl = None  # type: ignore[assignment]

DAY = 86_400.0  #: seconds after which a folder counts as left where nothing else tells


def digest_of(files: Iterable[Path], *words: str) -> str:
    """A digest of some files, names and contents, and of words beside them, 24 hexadecimal digits.

    Files that do not exist are left out.
    """
    digest = hashlib.blake2b(digest_size=12)
    for word in words:
        digest.update(word.encode() + b"\0")
    for file in files:
        if file.is_file():
            digest.update(f"{file.parent.name}/{file.name}".encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def cannot_write(folder: Path, error: OSError, variable: str = "NEWSREPLAY_HOME") -> DataError:
    """The error for data that cannot be written to `folder`, which a variable of the environment names."""
    full = errno.errorcode.get(error.errno or 0) in ("ENOSPC", "EDQUOT", "EFBIG")
    reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow adds words of its own
    return DataError(
        f"cannot write to {folder}: {reason}; {'make room there or ' if full else ''}set {variable} to a folder for it"
    )


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes its place once it is written; after an error nothing of it is left.

    Folders above `path` are made. Several processes may write the same file: the last one's is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield work
        work.replace(path)
    except BaseException:
        with suppress(OSError):
            work.unlink()
        raise


@contextmanager
def folder_written_whole(folder: Path, mark: str = "") -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` once it is filled; after an error nothing is left.

    Folders above are made. `folder` must not exist by then, unless another process has written it meanwhile, which
    its file `mark` shows (without a mark, that it exists): then that one's is kept. Raises `OSError`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(folder.parent, f".{folder.name}-") as work:
        yield work
        try:
            work.replace(folder)
        except OSError:
            if not (folder / mark).exists():
                raise


@contextmanager
def own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder that is this process's own and goes at the end; one that is killed leaves it to `abandoned`."""
    number, name = tempfile.mkstemp(prefix=prefix, suffix=LOCK, dir=parent)
    os.close(number)
    with held(Path(name)):  # first: there is no moment at which the folder is there and seems to be nobody's
        folder = Path(name.removesuffix(LOCK))
        folder.mkdir(0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


LOCK = ".lock"  #: what the name of a folder's lock ends in, which lies beside it


@contextmanager
def held(lock: Path) -> Iterator[bool]:
    """Whether the file `lock`, made if need be, is this process's alone while this lasts; then it goes.

    A process that ends in whatever way lets go of it. Where the system cannot tell (Windows), it is everybody's.
    """
    with lock.open("w") as file:
        mine = _locked(file)
        try:
            yield mine
        finally:
            if mine:
                lock.unlink(missing_ok=True)


def _locked(file: IO[str]) -> bool:
    """Whether this process has the file to itself now."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it before may have removed it meanwhile.
        return os.path.samestat(os.fstat(file.fileno()), Path(file.name).stat())
    except OSError:
        return False


def abandoned(parent: Path) -> list[Path]:
    """The hidden folders in `parent` that `own_folder` made, or that have such a lock, and whose process is gone."""
    folders = [path for path in sorted(parent.glob(".*")) if path.is_dir() and not path.is_symlink()]
    return [folder for folder in folders if _is_abandoned(folder)]


def _is_abandoned(folder: Path) -> bool:
    if fcntl is None:
        return age_of(folder) > DAY
    lock = folder.with_name(folder.name + LOCK)
    try:
        with lock.open("r") as file:
            return _locked(file)
    except FileNotFoundError:
        return True
    except OSError:  # somebody else's
        return False


def age_of(path: Path) -> float:
    """Seconds since a file or the list of a folder's files changed; 0 where it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def remove_abandoned(folder: Path) -> bool:
    """Remove a folder that `abandoned` found, unless somebody has taken it up since; returns whether it is gone."""
    with held(folder.with_name(folder.name + LOCK)) as mine:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
