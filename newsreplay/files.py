"""Writing files and folders whole or not at all, names of files, and their digests."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from newsreplay.errors import DataError
from newsreplay.locks import OLD, own_folder


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
    full = is_full(error)
    reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow adds words of its own
    return DataError(
        f"cannot write to {folder}: {reason}; {'make room there or ' if full else ''}set {variable} to a folder for it"
    )


def is_full(error: BaseException | None) -> bool:
    """Whether an error is that there is no room left to write to."""
    return isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in ("ENOSPC", "EDQUOT", "EFBIG")


def file_name(name: str) -> str:
    """A name as a file name that cannot leave its folder.

    >>> file_name("trend(hours=6)"), file_name("../mine.py:Mine")
    ('trend(hours=6)', '%2E.%2Fmine.py%3AMine')
    """
    quoted = quote(name, safe=" ()=,+@'", errors="backslashreplace")
    if len(quoted) > 200:  # file systems allow 255
        quoted = f"{quoted[:160]}~{hashlib.blake2b(name.encode(errors='backslashreplace'), digest_size=16).hexdigest()}"
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


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
def folder_written_whole(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` once it is filled; after an error nothing is left.

    Folders above are made. If there is a `folder` by then, it stays, since another process has written it meanwhile;
    or, with `replace`, goes. Raises `OSError`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(folder.parent, f".{folder.name}-") as work:
        yield work
        if replace:
            replace_folder(work, folder)
            return
        try:
            work.replace(folder)
        except OSError:
            if not folder.exists():
                raise


def replace_folder(new: Path, folder: Path) -> None:
    """Put a folder in the place of another, which goes, if there is one. Raises `OSError`.

    Whenever the process is killed, `folder` is the old or the new one, whole: the two change names in one call of the
    system. Where it has none (Linux has), there is an instant in which the old one lies at `old_of(folder)` alone;
    `recover` brings it back.
    """
    old = old_of(folder)
    _remove(old)
    try:
        new.rename(folder)  # there is none, or an empty one
        return
    except OSError:
        if not folder.exists():
            raise
    try:
        _exchange(new, folder)
        new.rename(old)  # so that a name that is looked at never has half of what is removed
    except NotImplementedError:
        folder.rename(old)
        new.rename(folder)
    _remove(old)


def old_of(folder: Path) -> Path:
    """Where a folder lies that is being replaced."""
    return folder.with_name(f".{folder.name}{OLD}")


def recover(folder: Path) -> None:
    """Undo what a process left that was killed while it replaced a folder; for whoever holds the folder's lock."""
    old = old_of(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _exchange(one: Path, other: Path) -> None:
    """Two paths change names at once. Raises `NotImplementedError` where system or file system cannot do it."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2  # renameat2(2): Linux 3.15, glibc 2.28
    except (AttributeError, OSError, TypeError):
        raise NotImplementedError from None
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if rename(here, os.fsencode(one), here, os.fsencode(other), both):
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise NotImplementedError
        raise OSError(number, os.strerror(number), str(other))


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """The same file under a second name, or a copy where the file system has no hard links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)
