"""Unpacking archives from strangers, guarded against path tricks and bombs."""

from __future__ import annotations

import functools
import gzip
import io
import re
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Self

from newsreplay.datasets.fetching.disk import LIMITS, Limits, Progress, check_room, words
from newsreplay.errors import DataError

LONGEST_NAME = 255  #: bytes, folders included
LONGEST_HEADER = 1 << 16  #: bytes of a tar header that is no file
PADDING = 16 << 20  #: bytes that may follow the last member of a tar
EXPANSION = 50  #: an archive may unpack to this many times its size


class _RefusedError(DataError):
    """An archive that is damaged or not safe to unpack."""


def unpack_once(archive: Path, target: Path, progress: Progress, limits: Limits) -> None:
    """Unpacks and removes the archive: beside its folder, a reader would read everything twice."""
    try:
        unpack(archive, target, progress, limits)
    except _RefusedError as error:
        archive.unlink()
        raise DataError(f"{error}. It was removed; run this again to download it anew") from error
    archive.unlink()


_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    RuntimeError,  # so NotImplementedError and RecursionError
)


def unpack(
    archive: Path, target: Path, progress: Progress = lambda what, done, total: None, limits: Limits = LIMITS
) -> None:
    """Unpacks a zip or tar(.gz) archive into the new folder `target`, wholly or not at all.

    Raises `DataError` where the archive is damaged, or holds what no data set needs: names that lead out of the
    folder, links, devices, the same name twice, more than `limits.members` members, or more than 50 times its own size.
    """
    fresh = target.with_name(target.name + ".unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        _write_members(archive, fresh, progress, limits)
        fresh.rename(target)
    except _DAMAGE as error:
        raise _RefusedError(f"{archive} cannot be unpacked: {words(error)}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class _Member(NamedTuple):
    name: str
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes]]


def _write_members(archive: Path, folder: Path, progress: Progress, limits: Limits) -> None:
    limit = min(limits.unpacked, EXPANSION * archive.stat().st_size)
    files: set[str] = set()
    folders: set[str] = set()
    written = 0
    members = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
    for count, member in enumerate(members(archive, limits), start=1):
        if count > limits.members:
            raise _RefusedError(f"{archive} has more than {limits.members:,} members")
        parts = _safe_parts(archive, member)
        # Case and accents are one name on some file systems: what collides anywhere is refused everywhere.
        keys = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        keys = [unicodedata.normalize("NFKC", key).casefold() for key in keys]
        above = keys if member.is_folder else keys[:-1]
        if not files.isdisjoint(above) or (member.is_file and keys[-1] in files | folders):
            raise _RefusedError(f"{archive} holds {member.name!r} twice")
        folders.update(above)
        path = folder.joinpath(*parts)
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        files.add(keys[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as stream, path.open("xb") as out:
            while data := stream.read(limits.chunk):
                written += len(data)
                if written > limit:
                    raise _RefusedError(f"{archive} unpacks to more than {limit:,} bytes: no data set does")
                check_room(folder, limits)
                out.write(data)
                progress(f"unpacking {archive.name}", written, None)
    if not files:
        raise _RefusedError(f"{archive} holds no file")


def _safe_parts(archive: Path, member: _Member) -> list[str]:
    name = member.name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not (member.is_folder or (member.is_file and parts)):
        raise _RefusedError(f"{archive}: {name[:300]!r} is no plain file but a link, a device or encrypted")
    length = len(name.encode(errors="surrogatepass"))
    outside = name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", "".join(parts[:1]))
    if outside or length > LONGEST_NAME or re.search(r"[\\\0\ud800-\udfff]", name):
        raise _RefusedError(f"{archive} holds the name {name[:300]!r}, which is not safe to unpack")
    return parts


class _Directory(io.FileIO):
    """Keeps `zipfile` from reading a list of members that is larger than any it would be let unpack."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        self.limits = limits

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > max(self.limits.chunk, self.limits.members * 2 * LONGEST_NAME):
            raise _RefusedError(f"the archive lists more than {self.limits.members:,} members")
        return super().read(-1 if size is None else size) or b""

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and position < 0:
            raise zipfile.BadZipFile("a member begins before the archive")
        return super().seek(position, whence)


def _zip_members(path: Path, limits: Limits) -> Iterator[_Member]:
    with _Directory(path, limits) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            name = info.orig_filename  # as it stands in the archive; `filename` ends at a NUL byte
            folder = name.endswith("/") and mode in (0, stat.S_IFDIR)
            plain = not name.endswith("/") and mode in (0, stat.S_IFREG) and not info.flag_bits & 1
            yield _Member(name, folder, plain, functools.partial(archive.open, info))


class _LimitedHeader(tarfile.TarInfo):
    """Keeps `tarfile` from reading long headers into memory, and from taking a damaged one for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                raise _RefusedError(f"the archive is damaged: {error}") from error
            raise
        if not header.isreg() and header.size > LONGEST_HEADER:
            raise _RefusedError(f"the archive has a header of {header.size:,} bytes")
        return header


def _tar_members(path: Path, limits: Limits) -> Iterator[_Member]:
    with path.open("rb") as start:
        gzipped = start.read(2) == b"\x1f\x8b"
    # Not tarfile's own "r|gz", which checks no checksum and takes a torn file for a whole one.
    with (
        gzip.open(path) if gzipped else path.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_LimitedHeader) as archive,
    ):
        for info in archive:
            plain = info.isreg() and not info.issparse()
            yield _Member(info.name, info.isdir(), plain, functools.partial(_tar_file, archive, info))
        for _ in range(PADDING // limits.chunk):
            if not stream.read(limits.chunk):
                return
        raise _RefusedError(f"{path} goes on after its end")


def _tar_file(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(f"{info.name!r} has no contents")
    return stream
