"""Room on the disk, and sizes in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from newsreplay.errors import DataError

Report = Callable[[str], None]  #: takes one line of text
Progress = Callable[[str, int, int | None], None]  #: what, bytes done, of how many if that is known


@dataclass(frozen=True)
class Limits:
    """How much is taken from strangers at most."""

    spare: int = 100 << 20  #: bytes of the disk that stay free
    largest: int = 200 * 10**9  #: bytes of a download whose size nobody publishes
    members: int = 100_000  #: of an archive
    unpacked: int = 500 * 10**9  #: bytes that an archive may unpack to, whatever its size
    chunk: int = 1 << 20  #: bytes read at once
    window: float = 60.0  #: seconds within which an answer must begin, and over which its pace is taken
    slowest: int = 500  #: bytes a second over that time; a slower connection counts as broken

    @property
    def least(self) -> int:
        """Bytes that a connection must bring in a window."""
        return int(self.slowest * self.window)


LIMITS = Limits()
FETCHING = "make room or choose another folder with --to, then run this again: what is whole is kept"


def check_room(folder: Path, limits: Limits, needed: int = 0, way_out: str = FETCHING) -> None:
    """Raise `DataError` unless the disk has room for `needed` bytes more and `limits.spare` to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed + limits.spare:
        raise DataError(
            f"{folder}: {free / 1e9:.1f} GB are free and {(needed + limits.spare) / 1e9:.1f} GB are needed; {way_out}"
        )


def words(error: object) -> str:
    """What an error is called where it carries no message."""
    return str(error) or type(error).__name__
