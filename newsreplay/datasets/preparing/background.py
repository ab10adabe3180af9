"""What other cores do meanwhile: work done ahead of its use, and sums of files that are written."""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from newsreplay.datasets.checksums import BLOCK
from newsreplay.machine import cores

Given = TypeVar("Given")
Made = TypeVar("Made")


def made_ahead(make: Callable[[Given], Made], given: Iterable[Given], count: int) -> Iterator[Made]:
    """What `make` makes of each, in order; the next `count` are made while one is used."""
    with ThreadPoolExecutor(count) as pool:
        coming: deque[Future[Made]] = deque()
        for each in given:
            coming.append(pool.submit(make, each))
            if len(coming) > count:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


class FileSums(NamedTuple):
    """What a file is told by."""

    digest: str  #: blake2b, 32 hexadecimal digits
    blocks: list[int]  #: CRC-32 of each `checksums.BLOCK` bytes


class Summing:
    """Sums of the files of a data set, each read once, in the background, as soon as it is written."""

    def __init__(self, result: Path):
        self.result = result
        self.pool = ThreadPoolExecutor(cores())
        self.sums: dict[str, Future[FileSums]] = {}  # by path below `result`

    def __enter__(self) -> Summing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(cancel_futures=True)

    def begin(self, folder: Path) -> list[str]:
        """Take in the files that lie in a folder and below; their paths below the data set's, sorted."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(self.result).as_posix() for path in paths]
        for name, path in zip(names, paths, strict=True):
            if name not in self.sums:
                self.sums[name] = self.pool.submit(_sums_of, path)
        return names

    def digest(self, folder: Path) -> str:
        """Of the files in a folder, all written: equal for equal data, wherever they came from."""
        below = len(folder.relative_to(self.result).as_posix()) + 1
        lines = [f"{name[below:]} {self.sums[name].result().digest}" for name in self.begin(folder)]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    def checksums(self) -> dict[str, list[int]]:
        """The checksums of what was taken in, by path below the data set's folder."""
        return {name: sums.result().blocks for name, sums in self.sums.items()}


def _sums_of(path: Path) -> FileSums:
    digest, blocks = hashlib.blake2b(digest_size=16), []
    room = memoryview(bytearray(BLOCK))
    with path.open("rb") as file:
        while count := file.readinto(room):
            digest.update(room[:count])
            blocks.append(zlib.crc32(room[:count]))
    return FileSums(digest.hexdigest(), blocks)
