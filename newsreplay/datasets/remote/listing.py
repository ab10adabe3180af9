"""What lies at an address: files by name, with what tells a changed one from what it was."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from newsreplay.datasets.remote.address import Address
from newsreplay.errors import DataError

ROOM = "make room, or set NEWSREPLAY_HOME to a folder with room, then run this again: what is copied is kept"
Tell = Callable[[int], None]  #: takes how many bytes of a file have come


class Stored(NamedTuple):
    """A file at an address."""

    name: str  #: with its folders, the first of which is the address's own; or the address's own name
    size: int | None  #: bytes; None where nobody says
    state: tuple[str | int | None, ...]  #: changes whenever the file does


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """A copy that nobody waits for any more."""


@dataclass(frozen=True)
class Listing:
    """The files at an address, by name."""

    address: Address
    files: tuple[Stored, ...]
    copy: Callable[[Stored, Path, Tell, threading.Event], None] = field(repr=False)
    """Copies a file to a path, where it stands whole or not at all. Raises `DataError`, `OSError`, `Stopped`."""
    is_pattern: bool = False

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return self.address.shown

    @property
    def name(self) -> str:
        """What the copy is called: the file, the folder, or the folder below which a pattern looks."""
        return self.address.name

    @property
    def state(self) -> list[tuple[str | int | None, ...]]:
        """The address and its files as they are."""
        return [(self.address.identity,), *((file.name, file.size, *file.state) for file in self.files)]

    def path_in(self, folder: Path) -> Path:
        """What the address means where its files were copied to a folder."""
        pattern = self.address.place[len(self.address.fixed) :].lstrip("/") if self.is_pattern else ""
        return folder / self.name / pattern


def checked(address: Address, files: list[Stored], most: int) -> tuple[Stored, ...]:
    """The files by name, if all of them can be files of a folder of this machine. Raises `DataError`."""
    if len(files) > most:
        raise DataError(f"{address.shown} holds more than {most:,} files; name a folder of it, or a part of its files")
    above: set[str] = set()
    for file in files:
        parts = file.name.split("/")
        path = Path("folder", *parts)
        strange = any(part in ("", os.curdir, os.pardir) for part in (*parts, *path.parts))
        if strange or "\0" in file.name or path.parts[:1] != ("folder",) or _longest(parts) > 255:
            raise DataError(
                f"{address.shown} holds {file.name!r}, which cannot be the name of a file here, so nothing is copied; "
                "rename it, or name what you want by a folder or a pattern"
            )
        above.update("/".join(parts[:end]) for end in range(1, len(parts)))
    both = sorted(above & {file.name for file in files})
    if both:
        raise DataError(
            f"{address.shown} holds {both[0]!r} both as a file and as a folder, so it cannot be copied; rename one"
        )
    return tuple(sorted(files))


def _longest(parts: list[str]) -> int:
    return max(len(part.encode(errors="surrogatepass")) for part in parts)
