"""Room on the disk, and sizes in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from newsreplay.errors import DataError

Say = Callable[[str], None]
Progress = Callable[[str, int, int | None], None]  #: what, bytes done, of how many if that is known
CHUNK = 1 << 20  #: bytes
SPARE = 100 << 20  #: bytes of the disk that stay free


def check_room(folder: Path, needed: int = 0) -> None:
    """Raise `DataError` unless the disk has room for `needed` bytes more and leaves some to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise DataError(
            f"{folder}: {free / 1e9:.1f} GB are free and {(needed + SPARE) / 1e9:.1f} GB are needed; make room or "
            "choose another folder with --to, then run this again: what is whole is kept"
        )


def words(error: object) -> str:
    """What an error is called where it carries no message."""
    return str(error) or type(error).__name__
