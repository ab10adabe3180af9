"""Files of vectors by name or id, of words, entities and articles: indexed once and mapped."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from newsreplay.errors import DataError, SpecError
from newsreplay.files import folder_written_whole
from newsreplay.machine import home
from newsreplay.recommenders.neural.articles.vector_files.base import VectorBlock
from newsreplay.recommenders.neural.articles.vector_files.registry import reader_of


class Vectors:
    """Vectors of a file, by name or id; the first row of a name counts.

    Names are compared as text, so that 123 in one file is "123" in another, and known by 64 bits of their BLAKE2b
    digests.
    """

    def __init__(self, path: Path, index: _Index):
        self.path = path
        self.width = index.vectors.shape[1]
        self._index = index

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The vectors of a file, whose ending says how it is read: text (.txt, .vec, .gz), .parquet or .npz.

        The file is read through once and kept as arrays in newsreplay's home, from where they are memory-mapped; in
        memory where that cannot be written. Raises `SpecError` if it cannot be read or has another ending, `DataError`
        if it is none of vectors, or a row of it has no name or not as many finite numbers as others.
        """
        path = Path(path).expanduser()
        index = _index_of(path)
        if index.fault is not None:
            raise DataError(f"{path} {index.fault}; correct the row or leave it out")
        return cls(path, index)

    def look_up(self, names: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """float32[n, width] and bool[n]: the vectors of names, and which there are; zeros where there is none."""
        row, known = self._rows(names)
        vectors = np.zeros((len(names), self.width), np.float32)
        vectors[known] = self._index.vectors[row[known]]
        return vectors, known

    def _rows(self, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        digests = _digests(name.encode("utf-8", "surrogatepass") for name in names)
        at = np.minimum(np.searchsorted(self._index.digest, digests), len(self._index.digest) - 1)
        return self._index.row[at], self._index.digest[at] == digests


class WordVectors(Vectors):
    """Pretrained word vectors, as GloVe's and fastText's, looked up in lower case where the word itself is missing.

    Files of the web have some lines that are no word with its numbers: they are skipped and counted.
    """

    def __init__(self, path: Path, index: _Index):
        super().__init__(path, index)
        self.skipped = index.skipped  #: rows of the file that are no word with `width` numbers

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The vectors of a file of any kind, as of `Vectors.open`, which raises the same but for single rows."""
        path = Path(path).expanduser()
        return cls(path, _index_of(path))

    def _rows(self, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        row, known = super()._rows(names)
        unknown = np.flatnonzero(~known)
        if len(unknown):
            row[unknown], known[unknown] = super()._rows([names[place].lower() for place in unknown.tolist()])
        return row, known


# --- what is kept of a file -----------------------------------------------------------------------------

_FORMAT = 2  #: of the folder


class _Index(NamedTuple):
    digest: npt.NDArray[np.uint64]  #: [names], ascending
    row: npt.NDArray[np.int64]  #: [names], of the name's vector
    vectors: npt.NDArray[np.float32]  #: [names, width], in the file's order
    skipped: int
    fault: str | None  #: of the first row that has one


def _index_of(path: Path) -> _Index:
    """Kept, or read and kept."""
    try:
        facts = path.stat()
        if not path.is_file():
            raise SpecError(f"{path} is no file of vectors; name a file, such as GloVe's or one of fastText's .vec")
        key = f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{_FORMAT}"
        folder = home() / "vectors" / blake2b(key.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        if not folder.exists():
            try:
                _write(path, folder)
            except OSError:
                return _in_memory(path)
        return _mapped(folder)
    except (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError) as error:
        raise SpecError(f"the vectors of {path} cannot be read: {error}") from None


def _write(path: Path, folder: Path) -> None:
    """The folder of a file, whole or not at all; another process may be quicker."""
    with folder_written_whole(folder) as work:
        with (work / "vectors.f32").open("wb") as file:
            width, skipped = 0, 0
            fault = None
            digests = []
            for block in _blocks(path):
                block.vectors.tofile(file)
                digests.append(_digests(block.names))
                width, skipped, fault = block.vectors.shape[1], skipped + block.skipped, fault or block.fault
        digest, row = _sorted(np.concatenate(digests))
        np.save(work / "digest.npy", digest)
        np.save(work / "row.npy", row)
        facts = {"path": str(path), "width": width, "skipped": skipped, "fault": fault}
        (work / "facts.json").write_text(json.dumps(facts), "utf-8")


def _mapped(folder: Path) -> _Index:
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        digest = np.load(folder / "digest.npy", mmap_mode="r", allow_pickle=False)
        row = np.load(folder / "row.npy", mmap_mode="r", allow_pickle=False)
        vectors = np.memmap(folder / "vectors.f32", np.float32, "r", shape=(len(row), facts["width"]))
    except (OSError, ValueError) as error:
        raise DataError(f"the vectors kept in {folder} are damaged, delete the folder: {error}") from None
    return _Index(digest, row, vectors, facts["skipped"], facts["fault"])


def _in_memory(path: Path) -> _Index:
    blocks = list(_blocks(path))
    digest, row = _sorted(np.concatenate([_digests(block.names) for block in blocks]))
    fault = next((block.fault for block in blocks if block.fault), None)
    vectors = np.concatenate([block.vectors for block in blocks])
    return _Index(digest, row, vectors, sum(block.skipped for block in blocks), fault)


def _blocks(path: Path) -> Iterator[VectorBlock]:
    """The blocks of a file that has a vector at all."""
    rows, fault = 0, None
    for block in reader_of(path)(path):
        rows, fault = rows + len(block.names), fault or block.fault
        yield block
    if not rows:
        raise DataError(f"{path} {fault or 'has no row with a vector'}; expected are names or ids with their vectors")


def _digests(names: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(blake2b(name, digest_size=8).digest() for name in names), "<u8").astype(np.uint64)


def _sorted(digest: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    row = np.argsort(digest, kind="stable")  # a search from the left finds the first row of a name
    return digest[row], row
