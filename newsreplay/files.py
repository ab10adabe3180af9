"""Writing files whole or not at all."""

from __future__ import annotations

import hashlib
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
def whole(path: Path) -> Iterator[Path]:
    """A path to write to that takes its place once it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(path.name + ".part")
    try:
        yield work
        work.replace(path)
    except BaseException:
        with suppress(OSError):
            work.unlink()
        raise
