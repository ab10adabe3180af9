"""Tables of JSON lines: one object a line, of which the wanted keys are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import replace
from itertools import islice
from typing import NoReturn

import numpy as np
import pyarrow as pa

from newsreplay.datasets.base import EXTRA, Part, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.json_lines import (
    ARRAY,
    BOOLEAN,
    ESCAPED,
    FRACTION,
    INTEGER,
    OBJECT,
    STRING,
    Scan,
    scan,
    texts,
)
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.sources.table.columns import TIMES, place
from newsreplay.datasets.sources.table.files import File, printable, shown_text
from newsreplay.datasets.sources.table.looking import LOOK, Look, LookedAt
from newsreplay.datasets.sources.table.opening import decoded, opened
from newsreplay.datasets.sources.table.rows import TableRows
from newsreplay.errors import DataError

MARK = b"\xef\xbb\xbf"  # of byte order, which means nothing in UTF-8
HEAD = 1_000  #: lines whose keys are the columns
WRITTEN = (STRING, ESCAPED, INTEGER, FRACTION)  #: values that are taken as they are written


class JsonTable(LookedAt):
    """A table of JSON lines; making one looks at some of them for the unit of its times.

    The columns are the keys of its first 1,000 lines. Raises `DataError` if the file cannot be read, lacks a column, or
    should have rows and has none.
    """

    empty = "has no rows"
    typed: Set[str] = frozenset()
    floats: Set[str] = frozenset()

    def __init__(self, file: File, names: dict[str, str], sizes: ReadSizes) -> None:
        self.file = file = decoded(file)
        self.sizes = sizes
        self.begin = self._begin()
        keys = self._keys()
        self.placed = place(file, keys, names)
        self.paths = {name: (keys[at],) for name, at in self.placed.places.items()}
        size = file.path.stat().st_size
        if file.is_stream:
            self.parts = [Part(file.path, file.name, self.begin, weight=size, role=file.role)]
        else:
            stretches = parts.text_parts(file.path, skip=self.begin, sizes=sizes)
            self.parts = [part._replace(name=file.name, role=file.role) for part in stretches]
        self.times = [name for name in TIMES if name in self.paths]
        self.look()

    def rows(self, part: Part) -> Iterator[TableRows]:
        """The rows of a part, those of some 8 MB at a time."""
        yield from self._rows(part, self.sizes)

    def _looks(self, part: Part) -> Iterator[Look]:
        sizes = replace(self.sizes, chunk=min(self.sizes.chunk, LOOK))
        return (self._look_at(rows) for rows in self._rows(part, sizes))

    def _rows(self, part: Part, sizes: ReadSizes) -> Iterator[TableRows]:
        for data in self._chunks(part.begin, part.end, sizes):
            start = 0
            while start < len(data):
                found = scan(data, tuple(self.paths.values()), start, lines=self.sizes.lines)
                yield self._rows_of(found, data[start : found.stop])
                start = found.stop

    def first_rows(self) -> TableRows | None:
        """The rows of the first lines."""
        part = Part(self.file.path, self.file.name, self.begin)
        return next((rows for rows in self.rows(part) if rows.begin.size), None)

    def _begin(self) -> int:
        with opened(self.file) as stream:
            return len(MARK) if stream.read(len(MARK)) == MARK else 0

    def _chunks(self, begin: int, end: int | None, sizes: ReadSizes) -> Iterator[bytes]:
        with opened(self.file, begin) as stream:
            read = stream.read if end is None else parts.limited(stream, end)
            for chunk in parts.whole_lines(self.file.name, read, sizes):
                yield chunk.data

    def _lines(self) -> Iterator[bytes]:
        """All lines that are not blank."""
        for data in self._chunks(self.begin, None, replace(self.sizes, chunk=min(self.sizes.chunk, self.sizes.piece))):
            yield from (line for line in data.split(b"\n") if line.strip())

    def _keys(self) -> list[str]:
        """The keys of the objects on the first lines, in their order."""
        first = b""
        keys: dict[str, None] = {}
        for line in islice(self._lines(), HEAD):
            first = first or line
            try:
                keys |= dict.fromkeys(_object(line))
            except ValueError:
                continue
        if not first:
            raise DataError(f"{self.file.name} is empty; export it again, with an object on each line")
        if not keys:
            shown = printable(shown_text(first.decode(errors="surrogateescape")), 80)
            raise DataError(
                f"{self.file.name} has no object on its first lines: '{shown}'; write JSON lines, one object a line"
            )
        return list(keys)

    def _rows_of(self, found: Scan, data: bytes) -> TableRows:
        lines = len(found.kind)
        columns = [texts(found, at, WRITTEN) for at in range(len(self.paths))]
        odd = found.doubtful | np.isin(found.kind, (BOOLEAN, OBJECT, ARRAY)).any(axis=1)
        kept = np.ones(lines, bool)
        rejects: list[Reject] = []
        blank = 0
        if odd.any():
            values = [column.to_pylist() for column in columns]
            begins = found.line.tolist()
            for line in np.flatnonzero(odd).tolist():
                text = found.data[begins[line] : begins[line + 1]].tobytes()
                try:
                    told = self._values(text)
                except ValueError as error:
                    kept[line] = False
                    if text.strip():
                        shown = shown_text(text.decode(errors="surrogateescape"))
                        rejects.append(Reject(self.file.name, line + 1, str(error), shown))
                    else:
                        blank += 1
                    continue
                for column, value in zip(values, told, strict=True):
                    column[line] = value
            columns = [pa.array(column, pa.string()).dictionary_encode() for column in values]
        if not kept.all():
            columns = [column.filter(pa.array(kept)) for column in columns]
        begin = np.flatnonzero(kept) + 1
        named = {name: pa.chunked_array([column]) for name, column in zip(self.paths, columns, strict=True)}
        return TableRows(named, begin, begin + 1, lines, data, tuple(rejects), blank)

    def _values(self, line: bytes) -> list[str | None]:
        """The wanted values of one line. Raises `ValueError` with the reason where they are none."""
        record = _object(line)
        values: list[str | None] = []
        for name, (key,) in self.paths.items():
            value = record.get(key)
            if isinstance(value, bool) and name.startswith(EXTRA):
                value = str(value).lower()
            if not isinstance(value, str | None):
                kind = {bool: "true or false", list: "a list", dict: "an object"}.get(type(value), "no text")
                raise ValueError(f"{name} is {kind}; write a string or a number")
            if value is not None and not _is_text(value):
                raise ValueError(f"{name} holds half a surrogate pair, which is no character; correct it")
            values.append(value)
        return values


def _object(line: bytes) -> dict[str, object]:
    """The object on a line, its numbers as they are written. Raises `ValueError` with the reason if there is none."""
    try:
        value = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except UnicodeDecodeError:
        _refuse("the line is not UTF-8; convert the file")
    except (ValueError, RecursionError) as error:
        _refuse(f"the line is no JSON ({error}); correct it")
    if not isinstance(value, dict):
        _refuse("the line is no JSON object; write one object a line")
    return value


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason) from None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
