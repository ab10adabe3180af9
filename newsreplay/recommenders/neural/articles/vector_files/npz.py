"""Vectors in NumPy's .npz: arrays `ids` and `vectors`, read a stretch at a time, and never unpickled."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from newsreplay.errors import DataError, did_you_mean
from newsreplay.recommenders.neural.articles.vector_files.base import BLOCK, LONGEST, VectorBlock, block_of, fault_of

_SAVE = (
    "save it with np.savez(path, ids=ids, vectors=vectors), ids whole numbers or strings, vectors floats [ids, width]"
)
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError),  # zipfile's, of ways to compress that it does not know, and of passwords
)


class _Rows(NamedTuple):
    """An array of an archive, of which the numbers are still to be read."""

    name: str
    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return self.dtype.itemsize * (self.shape[1] if len(self.shape) > 1 else 1)

    def next(self, rows: int) -> npt.NDArray[np.generic]:
        data = self.file.read(rows * self.size)
        if len(data) < rows * self.size:
            raise EOFError(f"{self.name!r} ends too early")
        return np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])


def read_npz(path: Path) -> Iterator[VectorBlock]:
    """The rows of `ids` ([n], whole numbers or strings) and `vectors` ([n, width], floats).

    Raises `OSError` if the file cannot be read, `DataError` if it is damaged, lacks an array or has Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            ids, vectors = (_rows(path, archive, name) for name in ("ids", "vectors"))
            _check(path, ids, vectors)
            at_a_time = max(1, BLOCK // (ids.size + vectors.size))
            for first in range(0, ids.shape[0], at_a_time):
                rows = min(at_a_time, ids.shape[0] - first)
                yield _block(ids.next(rows), vectors.next(rows), first)
    except _DAMAGE as error:
        raise DataError(f"{path} cannot be read: {error}; {_SAVE}") from None


def _rows(path: Path, archive: zipfile.ZipFile, name: str) -> _Rows:
    names = [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")]
    if name not in names:
        there = ", ".join(map(repr, names)) or "nothing"
        near = did_you_mean(name, names)
        raise DataError(f"{path} has no array {name!r}, but {there}; {near + ' Or ' if near else ''}{_SAVE}")
    file = archive.open(f"{name}.npy")
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise DataError(f"{path} array {name!r} has Python objects, which are never unpickled; {_SAVE}")
    if by_columns:
        raise DataError(f"{path} array {name!r} lies by columns; make it np.ascontiguousarray({name}), and {_SAVE}")
    return _Rows(name, file, shape, dtype)


def _check(path: Path, ids: _Rows, vectors: _Rows) -> None:
    for array, kinds, dimensions in ((ids, "iuSU", 1), (vectors, "f", 2)):
        if array.dtype.kind not in kinds or len(array.shape) != dimensions or min(array.shape[1:], default=1) < 1:
            raise DataError(f"{path} array {array.name!r} is {array.dtype}{list(array.shape)}; {_SAVE}")
        if array.size > LONGEST:
            raise DataError(f"{path} array {array.name!r} has more than {LONGEST:,} bytes a row; {_SAVE}")
    if ids.shape[0] != vectors.shape[0]:
        raise DataError(f"{path} has {ids.shape[0]} ids, but {vectors.shape[0]} vectors; {_SAVE}")


def _block(ids: npt.NDArray[np.generic], numbers: npt.NDArray[np.generic], first: int) -> VectorBlock:
    """Rows, the first of which is row `first` of the arrays, from 0."""
    with np.errstate(over="ignore"):  # to infinity
        vectors = numbers.astype(np.float32)
    if ids.dtype.kind == "S":
        names = ids.tolist()
    else:
        names = [str(name).encode("utf-8", "surrogatepass") for name in ids.tolist()]
    return block_of(names, vectors, lambda place: f"vectors[{first + place}] {fault_of(names[place], vectors[place])}")
