"""Files of word vectors, GloVe's or fastText's text format, indexed once and mapped."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from newsreplay.errors import DataError, SpecError
from newsreplay.files import folder_written_whole
from newsreplay.machine import home


class WordVectors:
    """Pretrained word vectors of a text file: a word and its numbers in each line, the first line of a word counts.

    Words are known by 64 bits of their BLAKE2b digests.
    """

    def __init__(self, path: Path, index: _Index):
        self.path = path
        self.width = index.vectors.shape[1]
        self.skipped = index.skipped  #: lines of the file that are no word with `width` numbers
        self._index = index

    @classmethod
    def open(cls, path: str | Path) -> WordVectors:
        """The vectors of a GloVe file or of fastText's `.vec`, plain or gzipped.

        The file is read through once and kept as arrays in newsreplay's home, from where they are memory-mapped; in
        memory where that cannot be written. Lines that are no word with its numbers are skipped and counted.
        Raises `SpecError` if it cannot be read, `DataError` if it is none of word vectors.
        """
        path = Path(path).expanduser()
        try:
            facts = path.stat()
            if not path.is_file():
                raise SpecError(f"{path} is no file of word vectors; name a GloVe file or one of fastText's .vec")
            key = f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{_FORMAT}"
            folder = home() / "words" / blake2b(key.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
            if not folder.exists():
                try:
                    _write(path, folder)
                except OSError:
                    return cls(path, _in_memory(path))
            return cls(path, _mapped(folder))
        except (OSError, EOFError, zlib.error) as error:
            raise SpecError(f"the word vectors of {path} cannot be read: {error}") from None

    def look_up(self, words: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """float32[n, width] and bool[n]: the vectors of words, or of their lower-cased forms, and which there are.

        Words without a vector have zeros.
        """
        row, known = self._rows(words)
        unknown = np.flatnonzero(~known)
        if len(unknown):
            row[unknown], known[unknown] = self._rows([words[place].lower() for place in unknown.tolist()])
        vectors = np.zeros((len(words), self.width), np.float32)
        vectors[known] = self._index.vectors[row[known]]
        return vectors, known

    def _rows(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        digests = _digests(word.encode("utf-8", "surrogatepass") for word in words)
        at = np.minimum(np.searchsorted(self._index.digest, digests), len(self._index.digest) - 1)
        return self._index.row[at], self._index.digest[at] == digests


# --- the text files -------------------------------------------------------------------------------------

_FORMAT = 1  #: of the folder
_BLOCK = 1 << 24  #: bytes read at a time
_LONGEST = 1 << 20  #: bytes; whatever has a longer first line is no such file
_HEAD = 100  #: lines from which the width of vectors is found
_EXPECTED = (
    "expected is a word and its numbers, separated by blanks, in each line, as in GloVe's files and fastText's .vec "
    "(plain or .gz; unpack a .zip first, and convert a .bin)"
)


class _Index(NamedTuple):
    digest: npt.NDArray[np.uint64]  #: [words], ascending
    row: npt.NDArray[np.int64]  #: [words], of the word's vector
    vectors: npt.NDArray[np.float32]  #: [words, width], in the file's order
    skipped: int


class _Head(NamedTuple):
    width: int  #: numbers of a vector
    header: bool  #: whether the first line has the number of words and the width


def _write(path: Path, folder: Path) -> None:
    """The folder of a file, whole or not at all; another process may be quicker."""
    with folder_written_whole(folder) as work:
        with (work / "vectors.f32").open("wb") as file:
            parts = []
            for words, vectors, skipped in _blocks(path):
                vectors.tofile(file)
                parts.append((_digests(words), vectors.shape[1], skipped))
        digest, row = _sorted(np.concatenate([part[0] for part in parts]))
        np.save(work / "digest.npy", digest)
        np.save(work / "row.npy", row)
        facts = {"path": str(path), "width": parts[0][1], "skipped": sum(part[2] for part in parts)}
        (work / "facts.json").write_text(json.dumps(facts), "utf-8")


def _mapped(folder: Path) -> _Index:
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        digest = np.load(folder / "digest.npy", mmap_mode="r", allow_pickle=False)
        row = np.load(folder / "row.npy", mmap_mode="r", allow_pickle=False)
        vectors = np.memmap(folder / "vectors.f32", np.float32, "r", shape=(len(row), facts["width"]))
    except (OSError, ValueError) as error:
        raise DataError(f"the word vectors kept in {folder} are damaged, delete the folder: {error}") from None
    return _Index(digest, row, vectors, facts["skipped"])


def _in_memory(path: Path) -> _Index:
    blocks = list(_blocks(path))
    digest, row = _sorted(np.concatenate([_digests(words) for words, _, _ in blocks]))
    return _Index(digest, row, np.concatenate([block[1] for block in blocks]), sum(block[2] for block in blocks))


def _digests(words: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(blake2b(word, digest_size=8).digest() for word in words), "<u8").astype(np.uint64)


def _sorted(digest: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    row = np.argsort(digest, kind="stable")  # a search from the left finds the first line of a word
    return digest[row], row


def _blocks(path: Path) -> Iterator[tuple[list[bytes], npt.NDArray[np.float32], int]]:
    """Words, their vectors, and the number of lines skipped, some thousand lines at a time."""
    with _text(path) as file:
        width, header = _head(path, file)
    with _text(path) as file:
        if header:
            file.readline()
        while lines := file.readlines(_BLOCK):
            yield _parsed(lines, width)


def _text(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _head(path: Path, file: BinaryIO) -> _Head:
    first = file.readline(_LONGEST)
    if len(first) == _LONGEST:
        raise DataError(f"{path} line 1 has more than {_LONGEST:,} bytes, so these are no word vectors; {_EXPECTED}")
    header = re.fullmatch(rb"\d+ +(\d+)\s*", first)
    lines = [] if header else [first]
    lines += islice(file, _HEAD - len(lines))
    sizes = Counter(line.rstrip().count(b" ") for line in lines)
    width = max(sizes, key=lambda size: (sizes[size], -size), default=0)
    start = 2 if header else 1
    if header and width != int(header[1]):
        text = first.decode(errors="replace").strip()
        raise DataError(
            f"{path} line 1 says {text!r}, {int(header[1])} numbers a word, but most of the lines behind it have "
            f"{width}; {_EXPECTED}"
        )
    if not width or 2 * len(_parsed(lines, width)[0]) <= len(lines):
        bad = next((place for place, line in enumerate(lines) if not width or not _parsed([line], width)[0]), 0)
        text = lines[bad][:60].decode(errors="replace").strip() if lines else ""
        raise DataError(f"{path} line {start + bad} is {text!r}: no word with its numbers; {_EXPECTED}")
    return _Head(width, header is not None)


def _parsed(lines: list[bytes], width: int) -> tuple[list[bytes], npt.NDArray[np.float32], int]:
    words, numbers = [], []
    for line in lines:
        word, _, rest = line.rstrip().partition(b" ")
        if rest.count(b" ") != width - 1:  # words have blanks now and then
            parts = line.rstrip().rsplit(b" ", width)
            word, rest = (parts[0], b" ".join(parts[1:])) if len(parts) == width + 1 else (b"", b"")
        if word and rest:
            words.append(word)
            numbers.append(rest)
    vectors = _numbers(numbers, [str(column) for column in range(width)])
    good = np.asarray(np.isfinite(vectors).all(axis=1))
    kept = [words[place] for place in np.flatnonzero(good).tolist()]
    return kept, vectors[good], len(lines) - len(kept)


def _numbers(lines: list[bytes], columns: list[str]) -> npt.NDArray[np.float32]:
    """float32[lines, columns]; NaN for a line that is not all numbers."""
    if not lines:
        return np.empty((0, len(columns)), np.float32)
    try:
        table: Any = csv.read_csv(
            pa.BufferReader(b"\n".join(lines) + b"\n"),
            csv.ReadOptions(column_names=columns),
            csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.float64())),
        )
        if table.num_rows != len(lines):  # a carriage return within a line ends one, too
            raise pa.ArrowInvalid
    except pa.ArrowInvalid:
        if len(lines) == 1:
            return np.full((1, len(columns)), np.nan, np.float32)
        half = len(lines) // 2
        return np.concatenate([_numbers(lines[:half], columns), _numbers(lines[half:], columns)])
    vectors = np.empty((len(lines), len(columns)), np.float32)
    with np.errstate(over="ignore"):  # to infinity
        for place, column in enumerate(table.columns):
            vectors[:, place] = column.to_numpy()
    return vectors
