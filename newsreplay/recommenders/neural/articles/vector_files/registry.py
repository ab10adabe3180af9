"""Which reader a file of vectors has: its ending says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from newsreplay.errors import SpecError, did_you_mean
from newsreplay.recommenders.neural.articles.vector_files.base import VectorBlock
from newsreplay.recommenders.neural.articles.vector_files.npz import read_npz
from newsreplay.recommenders.neural.articles.vector_files.parquet import read_parquet
from newsreplay.recommenders.neural.articles.vector_files.text import read_text

#: A reader takes a path and yields blocks of some megabytes; it says which errors it raises.
READERS: dict[str, Callable[[Path], Iterator[VectorBlock]]] = {
    ".gz": read_text,
    ".npz": read_npz,
    ".parquet": read_parquet,
    ".txt": read_text,
    ".vec": read_text,
}


def reader_of(path: Path) -> Callable[[Path], Iterator[VectorBlock]]:
    """The reader of a file's ending, in upper or lower case. Raises `SpecError` for an ending without one."""
    ending = path.suffix.lower()
    if ending not in READERS:
        near = did_you_mean(ending, READERS)
        raise SpecError(
            f"{path} has no ending of a file of vectors, which are {', '.join(READERS)}. "
            f"{near + ' ' if near else ''}Rename a text file, convert others"
        )
    return READERS[ending]
