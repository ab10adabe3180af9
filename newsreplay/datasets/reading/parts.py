"""Text files as chunks of whole lines: plain, compressed, or inside archives, in bounded memory.

A plain file is planned as stretches of some 16 MB that begin and end at line ends, so that one large file is
read in parallel and a preparation that was interrupted goes on where it stopped. What is compressed can only
be read from its start, so it is one part. Archives are streamed and never unpacked to disk.
"""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from os import SEEK_END
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, NoReturn, Self

import pyarrow as pa

from newsreplay.datasets.base import Part
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.errors import DataError

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


class Chunk(NamedTuple):
    """Whole lines of one file."""

    file: str  #: the file, or the member of an archive
    data: bytes  #: ends at a line end, except at the end of the file


def is_stray(name: str) -> bool:
    """Whether a file is an operating system's own: AppleDouble and other dot files, `__MACOSX`, Thumbs.db.

    >>> is_stray("one_week/._20170107"), is_stray("one_week/20170107")
    (True, False)
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return bool(parts) and (parts[-1].startswith(".") or "__MACOSX" in parts or parts[-1] == "Thumbs.db")


def text_parts(
    path: Path, wanted: Callable[[str], bool] = lambda name: True, *, skip: int = 0, sizes: ReadSizes = SIZES
) -> list[Part]:
    """The parts of a text file, an archive, or a folder of such files, in order of their names.

    `wanted` is called with the name of every file (with its folders below `path`) and member of an archive;
    strays (`is_stray`) are left out before. `skip` bytes at the start of plain files are no lines (a header).
    Raises `DataError` where `path` does not exist.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        names = [(file, _writable(file.relative_to(path).as_posix())) for file in files]
        return [
            part
            for file, name in names
            if not is_stray(name) and (is_archive(file) or wanted(name))
            for part in _file_parts(file, name, skip, sizes)
        ]
    if not path.is_file():
        raise DataError(f"{path}: there is no such file or folder")
    return _file_parts(path, _writable(path.name), skip, sizes)


def _writable(name: str) -> str:
    """A name of a file, with escapes for bytes that are not UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def is_archive(path: Path) -> bool:
    """Whether a file is a tar or zip archive, by its contents (`.tar.gz` may be a plain tar in truth)."""
    name = path.name.lower()
    if not name.endswith((*TAR, ".zip", ".gz")):
        return False
    if name.endswith(".zip"):
        return True
    if name.endswith(".zst"):
        return name.endswith(".tar.zst")
    try:
        with tarfile.open(path):
            return True
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return False


def _file_parts(path: Path, name: str, skip: int, sizes: ReadSizes) -> list[Part]:
    try:
        return _stretches(path, name, skip, sizes)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def _stretches(path: Path, name: str, skip: int, sizes: ReadSizes) -> list[Part]:
    size = path.stat().st_size
    if is_archive(path) or _compression(path):
        return [Part(path, name, weight=size)]
    starts = [skip]
    with path.open("rb") as file:
        while starts[-1] + 2 * sizes.stretch <= size:
            file.seek(starts[-1] + sizes.stretch)
            line = file.readline(sizes.longest_line)
            if not line.endswith(b"\n"):
                break
            starts.append(file.tell())
    return [
        Part(path, name, begin, end, end - begin)
        for begin, end in zip(starts, [*starts[1:], max(size, skip)], strict=True)
    ]


def _compression(path: Path) -> str | None:
    """By the first bytes, since `.gz` is also the name of files that are not compressed."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    if start == b"\x28\xb5\x2f\xfd":
        return "zstd"
    return "bz2" if start[:3] == b"BZh" else None


def chunks(
    part: Part, wanted: Callable[[str], bool] = lambda name: True, *, sizes: ReadSizes = SIZES
) -> Iterator[Chunk]:
    """The lines of a part, some `sizes.chunk` bytes at a time; `wanted` as in `text_parts`.

    Raises `DataError` where the file cannot be read or decompressed, or a line is longer than `sizes.longest_line`.
    """
    try:
        if is_archive(part.path):
            for stored, stream in _members(part.path):
                name = _writable(stored)
                if not is_stray(name) and wanted(name):
                    unzipped = _unzipped(stream) if name.lower().endswith(".gz") else stream.read
                    yield from whole_lines(name, unzipped, sizes)
            return
        compression = _compression(part.path)
        if compression:
            with pa.CompressedInputStream(pa.OSFile(str(part.path)), compression) as unpacked:
                yield from whole_lines(part.name, unpacked.read, sizes)
            return
        with part.path.open("rb") as file:
            yield from _lines_of_file(part, file, sizes)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError) as error:
        raise DataError(f"{part.name} cannot be read: {error}; is it complete? Copy it again") from error


def _lines_of_file(part: Part, file: IO[bytes], sizes: ReadSizes) -> Iterator[Chunk]:
    """Whole lines of a file that can be read from anywhere: what is read is not copied."""
    begin, end = part.begin, file.seek(0, SEEK_END) if part.end is None else part.end
    while begin < end:
        file.seek(begin + sizes.chunk)
        rest = file.readline(sizes.longest_line + 1) if begin + sizes.chunk < end else b""
        if len(rest) > sizes.longest_line:
            _refuse(part.name, sizes)
        stop = file.tell() if rest else end
        file.seek(begin)
        yield Chunk(part.name, file.read(stop - begin))
        begin = stop


def _refuse(name: str, sizes: ReadSizes) -> NoReturn:
    raise DataError(f"{name}: a line is longer than {sizes.longest_line >> 20} MB; is this a text file?")


def _unzipped(stream: IO[bytes]) -> Callable[[int], bytes]:
    """Reading a member of an archive that is gzip in itself, or only called so."""
    start = stream.read(2)
    whole = _Resumed(start, stream)
    if start != b"\x1f\x8b":
        return whole.read
    # Not pyarrow's, which would close the archive's stream and takes no such object.
    unzipped: IO[bytes] = gzip.GzipFile(fileobj=whole)  # type: ignore[call-overload]
    return unzipped.read


class _Resumed:
    """A stream of which some bytes were read already."""

    def __init__(self, start: bytes, stream: IO[bytes]) -> None:
        self.start = start
        self.stream = stream

    def read(self, size: int) -> bytes:
        data, self.start = self.start, b""
        return data + self.stream.read(size - len(data)) if size > len(data) else data


def limited(file: IO[bytes] | pa.NativeFile, end: int | None) -> Callable[[int], bytes]:
    """How a file is read from where it stands up to byte `end`."""

    def read(size: int) -> bytes:
        data: bytes = file.read(size if end is None else min(size, end - file.tell()))
        return data

    return read


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The regular files of an archive, in its order."""
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    with archive.open(info) as stream:
                        yield info.filename, stream
        return
    with _unpacked(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_StrictHeader) as archive:
        yield from _tar_members(archive)
        while unpacked.read(1 << 20):  # up to the end, where the sum stands
            pass


def _unpacked(path: Path) -> IO[bytes]:
    """A tar archive without its compression; not left to tarfile, which does not look at the sums."""
    compression = _compression(path)
    if compression:
        unpacked: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), compression)
        return unpacked
    with path.open("rb") as file:
        is_xz = file.read(6) == b"\xfd7zXZ\0"
    return lzma.open(path) if is_xz else path.open("rb")


class _StrictHeader(tarfile.TarInfo):
    """An archive without its end marker was cut short; tarfile alone takes that for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise OSError("the archive ends before its end marker") from error


def _tar_members(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive:
        stream = archive.extractfile(member) if member.isreg() else None
        if stream is not None:
            yield member.name, stream


def whole_lines(name: str, read: Callable[[int], bytes], sizes: ReadSizes) -> Iterator[Chunk]:
    """What `read` brings, `sizes.chunk` bytes at a time, as whole lines of the file `name`."""
    rest = b""
    while data := read(sizes.chunk):
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            if len(rest) > sizes.longest_line:
                _refuse(name, sizes)
            continue
        yield Chunk(name, b"".join((rest, memoryview(data)[:end])))
        rest = data[end:]
    if rest:
        yield Chunk(name, rest)
