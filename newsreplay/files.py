"""Writing files and folders whole or not at all, and digests of files."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield work
        try:
            work.replace(folder)
        except OSError:
            if not (folder / mark).exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
