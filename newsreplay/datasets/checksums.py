"""Checksums of a prepared data set: written when it is whole, compared when it is opened.

Columns are mapped, not parsed: a flipped byte in one would be a code that nothing has, and so other results, or an
access outside of an array. `checksums.json` has the size of every file and a CRC-32 of every block of it, so that the
cores share the work: it costs less than reading the file from disk, and only once per process.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from newsreplay.errors import DataError
from newsreplay.machine import cores, home

NAME = "checksums.json"
FREE = (NAME, "rejects.csv")  #: rejects are for people, who may sort or remove them
BLOCK = 4 << 20  #: bytes


class _Sum(NamedTuple):
    """What a file must be."""

    size: int  #: bytes
    blocks: list[int]  #: CRC-32 of each block


#: Files that were compared by this process, by device, inode, size and times of change; the blocks they had.
_compared: dict[tuple[int, ...], list[int]] = {}


class Checksums:
    """What the files of a data set must be; `files` has them by their paths below `folder`."""

    def __init__(self, folder: Path, block: int, files: dict[str, _Sum]):
        self.folder = folder
        self.block = block
        self.files = files

    @classmethod
    def read(cls, folder: Path) -> Checksums:
        """The checksums of a prepared data set. Raises `DataError` if they are missing or damaged themselves."""
        path = folder / NAME
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ValueError("it is no plain file")
            told = json.loads(path.read_text("utf-8"))
            block = told["block"]
            if told["sum"] != _sum_of(block, told["files"]):
                raise ValueError("it is not what was written")
            files = {name: _Sum(size, blocks) for name, (size, blocks) in told["files"].items()}
        except FileNotFoundError:
            raise damaged(folder, NAME, "it is missing") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise damaged(folder, NAME, str(error) or type(error).__name__) from None
        return cls(folder, block, files)

    def compare(self, below: str = "") -> None:
        """Compare the files whose paths begin with `below`: sizes first, then what has not been compared yet.

        Raises `DataError` that names the first file that is missing or not what was prepared.
        """
        found: list[tuple[str, tuple[int, ...]]] = []
        for name in sorted(name for name in self.files if name.startswith(below)):
            state = self._state(name)
            if _compared.get(state) != self.files[name].blocks:
                found.append((name, state))
        blocks = [(name, at) for name, _ in found for at in range(len(self.files[name].blocks))]
        if len(blocks) < 2:  # as for a card
            for name, at in blocks:
                self._compare_block(name, at)
        else:
            with ThreadPoolExecutor(cores()) as pool:
                for _ in pool.map(lambda block: self._compare_block(*block), blocks):
                    pass
        for name, state in found:
            _compared[state] = self.files[name].blocks

    def _state(self, name: str) -> tuple[int, ...]:
        """What tells a file from others, and from what it was before; refuses one of another size."""
        try:
            found = (self.folder / name).stat()
        except OSError as error:
            raise damaged(self.folder, name, error.strerror or str(error)) from None
        if not stat.S_ISREG(found.st_mode):
            raise damaged(self.folder, name, "it is no plain file")
        if found.st_size != self.files[name].size:
            raise damaged(self.folder, name, f"it has {found.st_size:,} bytes, not {self.files[name].size:,}")
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _compare_block(self, name: str, number: int) -> None:
        begin = number * self.block
        try:
            with (self.folder / name).open("rb", buffering=0) as file:
                file.seek(begin)
                data = file.read(self.block) or b""
        except OSError as error:
            raise damaged(self.folder, name, error.strerror or str(error)) from None
        if zlib.crc32(data) != self.files[name].blocks[number]:
            raise damaged(self.folder, name, f"bytes {begin:,} to {begin + len(data):,} are not what was written")


def write_checksums(folder: Path, known: Mapping[str, list[int]] = MappingProxyType({}), block: int = BLOCK) -> None:
    """Write the checksums of all files of a data set, `block` bytes at a time, to its `checksums.json`.

    `known` has those of files that need not be read again, by their paths below the folder.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    names = [name for name in names if name not in FREE]
    blocks = [known[name] if name in known else list(_sums(folder / name, block)) for name in names]
    sizes = [(folder / name).stat().st_size for name in names]
    files = {name: [size, sums] for name, size, sums in zip(names, sizes, blocks, strict=True)}
    # A line per file: whoever looks at it finds the one that an error names.
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(told)}" for name, told in files.items())
    text = f'{{"sum": {_sum_of(block, files)}, "block": {block}, "files": {{\n{lines}\n}}}}\n'
    (folder / NAME).write_text(text, "utf-8")


def _sum_of(block: object, files: object) -> int:
    """The checksum of the checksums themselves."""
    return zlib.crc32(json.dumps([block, files]).encode())


def _sums(path: Path, block: int) -> Iterator[int]:
    with path.open("rb") as file:
        while data := file.read(block):
            yield zlib.crc32(data)


def damaged(folder: Path, name: str, why: str) -> DataError:
    """The error for a file of a data set that is not what was prepared: what is wrong with it, and the way out."""
    return DataError(f"{folder / name} is damaged: {why}; {way_out(folder)}")


def way_out(folder: Path) -> str:
    """How to get a data set again, in words that follow a semicolon."""
    if os.path.abspath(folder.parent) != os.path.abspath(home() / "data"):  # noqa: PTH100 - links stay as they are
        return f"remove the folder {folder}, and these data are prepared again when they are next asked for"
    try:
        card = json.loads((folder / "card.json").read_bytes())
        words = [shlex.quote(str(word)) for word in (card["kind"], card["options"]["path"])]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        words = ["KIND", "PATH"]
    return f"prepare it again: newsreplay data prepare {' '.join(words)} --name {shlex.quote(folder.name)}"
