"""Vectors as text: a word or id and its numbers in each line, as GloVe, fastText and MIND's TransE have them."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from newsreplay.errors import DataError
from newsreplay.recommenders.neural.articles.vector_files.base import BLOCK, LONGEST, VectorBlock, block_of, shown

_HEAD = 100  #: lines from which separator and width are found
_EXPECTED = (
    "expected is a word or id and its numbers, separated by single blanks or by tabs, in each line, as in GloVe's "
    "files and fastText's .vec (plain or .gz; unpack a .zip first, and convert a .bin)"
)


class _Layout(NamedTuple):
    separator: bytes  #: a tab or a blank
    width: int  #: numbers of a vector
    header: bool  #: whether the first line has the number of words and the width


def read_text(path: Path) -> Iterator[VectorBlock]:
    """The lines of a file, plain or gzipped whatever its ending.

    Tabs or single blanks separate the numbers; blanks behind them are nothing. A first line of two whole numbers, the
    second of which is the width, is fastText's header. Names may have blanks; where blanks separate, such a line is in
    doubt, since it may have more numbers than others.
    Raises `OSError`, `EOFError` and `zlib.error` if the file cannot be read, `DataError` if it is none of vectors.
    """
    with _opened(path) as file:
        parts = _lines(path, file)
        lines = next(parts, [])
        layout = _layout(path, lines[:_HEAD])
        number = 1
        if layout.header:
            lines, number = lines[1:], 2
        while lines:
            yield _parsed(lines, number, layout)
            number += len(lines)
            lines = next(parts, [])


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _lines(path: Path, file: BinaryIO) -> Iterator[list[bytes]]:
    number, size = 0, 0
    lines: list[bytes] = []
    while line := file.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            raise DataError(
                f"{path} line {number} has more than {LONGEST:,} bytes, so these are no vectors; {_EXPECTED}"
            )
        lines.append(line)
        size += len(line)
        if size >= BLOCK:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _layout(path: Path, lines: list[bytes]) -> _Layout:
    first = lines[0] if lines else b""
    header = re.fullmatch(rb"\d+ +(\d+)\s*", first)
    start = 1
    if header:
        lines, start = lines[1:], 2
    tabs = sum(b"\t" in line.rstrip() for line in lines)
    separator = b"\t" if 2 * tabs > len(lines) else b" "
    sizes = Counter(line.rstrip().count(separator) for line in lines)
    width = max(sizes, key=lambda size: (sizes[size], -size), default=0)
    if header and width != int(header[1]):
        raise DataError(
            f"{path} line 1 says {shown(first)}, {int(header[1])} numbers a word, but most of the lines behind it have "
            f"{width}; {_EXPECTED}"
        )
    layout = _Layout(separator, width, header is not None)
    if not width or 2 * len(_parsed(lines, start, layout).names) <= len(lines):
        bad = next((at for at, line in enumerate(lines) if not width or not _parsed([line], 1, layout).names), 0)
        text = lines[bad] if lines else b""
        raise DataError(f"{path} line {start + bad} is {shown(text)}: no name with its numbers; {_EXPECTED}")
    return layout


def _parsed(lines: list[bytes], number: int, layout: _Layout) -> VectorBlock:
    """Lines, the first of which is line `number` of the file."""
    separator, width, _ = layout
    names: list[bytes | None] = [None] * len(lines)
    places, numbers, blanks = [], [], []
    for place, line in enumerate(lines):
        name, _, rest = line.rstrip().partition(separator)
        if rest.count(separator) != width - 1:
            parts = line.rstrip().rsplit(separator, width)
            if separator == b"\t" or len(parts) <= width:
                continue
            name, rest = parts[0], b" ".join(parts[1:])
            blanks.append(place)
        if name and rest:
            names[place] = name
            places.append(place)
            numbers.append(rest)
    vectors = np.full((len(lines), width), np.nan, np.float32)
    vectors[places] = _numbers(numbers, separator, width)
    return block_of(names, vectors, lambda place: f"line {number + place} {_fault(lines[place], layout)}", blanks)


def _numbers(lines: list[bytes], separator: bytes, width: int) -> npt.NDArray[np.float32]:
    """float32[lines, width]; NaN for a line that is not all numbers."""
    if not lines:
        return np.empty((0, width), np.float32)
    columns = [str(column) for column in range(width)]
    try:
        table: Any = csv.read_csv(
            pa.BufferReader(b"\n".join(lines) + b"\n"),
            csv.ReadOptions(column_names=columns),
            csv.ParseOptions(delimiter=separator.decode(), quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.float64())),
        )
        if table.num_rows != len(lines):  # a carriage return within a line ends one, too
            raise pa.ArrowInvalid
    except pa.ArrowInvalid:
        if len(lines) == 1:
            return np.full((1, width), np.nan, np.float32)
        half = len(lines) // 2
        return np.concatenate([_numbers(part, separator, width) for part in (lines[:half], lines[half:])])
    vectors = np.empty((len(lines), width), np.float32)
    with np.errstate(over="ignore"):  # to infinity
        for place, column in enumerate(table.columns):
            vectors[:, place] = column.to_numpy()
    return vectors


def _fault(line: bytes, layout: _Layout) -> str:
    name, *numbers = line.rstrip().split(layout.separator)
    if not name:
        return f"is {shown(line)}: no name with its numbers"
    if len(numbers) != layout.width:
        return f"is no vector: {shown(name)} has width {len(numbers)}, most lines have {layout.width}"
    bad = next((at for at, text in enumerate(numbers) if not np.isfinite(_numbers([text], b" ", 1)).all()), 0)
    return f"is no vector: number {bad + 1} of {shown(name)} is {shown(numbers[bad])}"
