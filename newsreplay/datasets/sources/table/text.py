"""CSV and TSV: planned as stretches of lines, looked through once for the unit of times, read some lines at a time.

A file without a quote is cut at line ends and its stretches are read in parallel. Any other one, and what is
compressed, is one stream: where a record ends depends on all that stands before it. Lines that are one record
each, which is nearly all, and records that run over lines neatly are parsed at once (`_quick`); the others are read
record by record (`_exact`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.datasets.base import Part, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.lines import Lines, Record, count_lines, ends_well, is_blank, records
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.reading.times import FormTally, chunk_times
from newsreplay.datasets.sources.table.columns import TIMES, Placed, lookup, place
from newsreplay.datasets.sources.table.files import File, printable, shown_text
from newsreplay.datasets.sources.table.forms import count_forms
from newsreplay.datasets.sources.table.neat import neat_records
from newsreplay.datasets.sources.table.opening import decoded, opened
from newsreplay.datasets.sources.table.rows import EmptyError, TableRows, joined
from newsreplay.errors import DataError
from newsreplay.machine import cores

LOOK = 1 << 20  #: bytes looked through at once
MARK = b"\xef\xbb\xbf"  # of byte order, which means nothing in UTF-8

MARKS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

T = TypeVar("T")


class _TableHeader(NamedTuple):
    fields: list[str]
    lines: int  # up to the first row
    size: int  # bytes


class _Look(NamedTuple):
    """What a look through a file has counted."""

    tallies: dict[str, FormTally]
    records: int  # lines that are not blank


class _QuotedError(Exception):
    """A quote, where there must be none."""


class TextTable:
    """A text table; making one reads its header and, for the unit of its times, looks through all of it.

    Raises `DataError` if the file cannot be read, has no usable header, or should have rows and has none.
    """

    typed: Set[str] = frozenset()
    floats: Set[str] = frozenset()

    def __init__(self, file: File, names: dict[str, str], sizes: ReadSizes) -> None:
        self.sizes = sizes
        self.file, self.header, self.placed = _delimited(file, names, sizes)
        file = self.file
        self.width = len(self.header.fields)
        self.places = self.placed.places
        self.times = [name for name in TIMES if name in self.places]
        size = file.path.stat().st_size
        self.parts = [Part(file.path, file.name, self.header.size, weight=size, role=file.role)]
        self.cut = not file.is_stream
        self.over_lines = False  # records of earlier chunks ran over lines, so those of later ones will
        look = self._look_at_stretches() if self.cut else None
        self.cut = look is not None
        if look is None and self.times:
            look = self._look_at(_chunks(file, self.header.size, None, LOOK, sizes))
        if look is not None and not look.records and file.role == "reads":
            raise EmptyError(f"{file.name} has a header but no rows; export it again")
        self.units = {name: look.tallies[name].unit for name in self.times} if look else {}

    def rows(self, part: Part) -> Iterator[TableRows]:
        """The rows of a part, those of some 8 MB at a time."""
        if part.begin == self.header.size:
            none = np.zeros(0, np.int64)
            yield TableRows({name: _strings([]) for name in self.places}, none, none, self.header.lines)
        feed = _Feed(_chunks(self.file, part.begin, part.end, self.sizes.chunk, self.sizes))
        waiting: list[TableRows] = []
        taken = 0
        for rows in self._walk(feed, self._quick, lambda rows: rows):
            waiting.append(rows)
            taken += len(rows.text)
            if not feed.back or taken >= self.sizes.chunk:
                yield joined(waiting)
                waiting, taken = [], 0
        if waiting:
            yield joined(waiting)

    def first_rows(self) -> TableRows | None:
        """The rows of the first lines."""
        feed = _Feed(_chunks(self.file, self.header.size, None, self.sizes.piece, self.sizes))
        return next((rows for rows in self._walk(feed, self._quick, lambda rows: rows) if rows.begin.size), None)

    # ---- looking through

    def _look_at_stretches(self) -> _Look | None:
        """All stretches, in parallel; None if there is a quote."""
        stretches = parts.text_parts(self.file.path, skip=self.header.size, sizes=self.sizes)
        looks: list[_Look] = []
        with ThreadPoolExecutor(cores()) as pool:
            try:
                looks += pool.map(self._look_at_stretch, stretches)
            except _QuotedError:
                pool.shutdown(cancel_futures=True)
                return None
        self.parts = [part._replace(name=self.file.name, role=self.file.role) for part in stretches]
        tallies = {name: FormTally() for name in self.times}
        for look in looks:
            for name, tally in tallies.items():
                tally.append(look.tallies[name])
        return _Look(tallies, sum(look.records for look in looks))

    def _look_at_stretch(self, part: Part) -> _Look:
        return self._look_at(_unquoted(_chunks(self.file, part.begin, part.end, LOOK, self.sizes)))

    def _look_at(self, chunks: Iterator[bytes]) -> _Look:
        tallies = {name: FormTally() for name in self.times}
        if not tallies:
            return _Look(tallies, sum(1 for _ in chunks))
        records = 0
        for look in self._walk(_Feed(chunks), self._count, self._tally):
            records += look.records
            for name, tally in tallies.items():
                tally.append(look.tallies[name])
        return _Look(tallies, records)

    def _count(self, data: bytes) -> _Look | None:
        places = [self.places[name] for name in self.times]
        tallies = count_forms(data, self.file.delimiter, self.width, places)
        if tallies is not None:
            return _Look(dict(zip(self.times, tallies, strict=True)), tallies[0].values)
        rows = self._quick(data)
        return None if rows is None else self._tally(rows)

    def _tally(self, rows: TableRows) -> _Look:
        tallies = {name: FormTally() for name in self.times}
        for name, tally in tallies.items():
            for chunk in rows.columns[name].chunks:
                tally.add(chunk_times(chunk)[1])
        return _Look(tallies, rows.begin.size + len(rows.rejects))

    # ---- reading

    def _walk(self, feed: _Feed, quick: Callable[[bytes], T | None], exact: Callable[[TableRows], T]) -> Iterator[T]:
        """What `quick` makes of each chunk, or of each piece of one it cannot take, else `exact` of its rows."""
        for data in feed:
            result = quick(data)
            if result is not None:
                yield result
            elif pieces := self._pieces(data, feed):
                feed.push(*pieces)
            else:
                first = _cut(data, self.sizes.piece)[0]
                feed.push(data[len(first) :])
                yield exact(self._exact(first, feed))

    def _pieces(self, data: bytes, feed: _Feed) -> list[bytes]:
        """What a chunk is to be read as in its place; nothing where its first lines can only be read record by record.

        Pieces end where records do, if these are neat; a chunk that ends within its first one is put together with the
        next chunk.
        """
        if b'"' not in data:
            pieces = _cut(data, self.sizes.piece)
            return pieces if len(pieces) > 1 else []
        neat = neat_records(data, self.file.delimiter, self.width)
        if 0 < neat.size < len(data):
            return [data[: neat.size], data[neat.size :]]
        if neat.size:
            last = np.searchsorted(neat.at, np.arange(self.sizes.piece, len(data), self.sizes.piece), "right") - 1
            ends = [*np.unique(neat.at[last][neat.at[last] > 0]).tolist(), len(data)]
            return [data[begin:end] for begin, end in pairwise([0, *ends])] if len(ends) > 1 else []
        more = next(feed, b"") if neat.is_open else b""
        return [data + more] if more else []

    def _quick(self, data: bytes) -> TableRows | None:
        """Arrow's reader, for one record per line or for neat ones; None if this may be something else."""
        if data.startswith(MARK):
            return None  # of the first id, in the middle of a file; Arrow would take it away
        is_quoted = b'"' in data
        if self.over_lines and is_quoted and (found := self._quick_over_lines(data)) is not None:
            return found
        table = self._parsed(data, newlines=False)
        # a quote that opens and never closes swallows lines, but at the end of the data there are none left
        lines = count_lines(data)
        if table is None or table.num_rows != lines or (is_quoted and not ends_well(data, self.file.delimiter)):
            return self._quick_over_lines(data) if is_quoted else None
        begin = np.arange(1, lines + 1)
        item = table.column(str(self.places["item"]))
        if any(pc.any(pc.equal(pc.utf8_trim_whitespace(chunk.dictionary), "")).as_py() for chunk in item.chunks):
            filled = np.array([bool(line.strip(b" \r\n")) for line in data.splitlines()])
            table, begin = table.filter(pa.array(filled)), begin[filled]
        return TableRows(self._columns_of(table), begin, begin + 1, lines, data, blank=lines - begin.size)

    def _quick_over_lines(self, data: bytes) -> TableRows | None:
        """The same for neat records that run over lines."""
        neat = neat_records(data, self.file.delimiter, self.width)
        if neat.size < len(data):
            return None
        table = self._parsed(data, newlines=True)
        if table is None or table.num_rows != len(neat.begin):
            return None
        self.over_lines = True
        lines = count_lines(data)
        end = np.append(neat.begin[1:], lines + 1)
        filled = ~neat.blank
        columns = self._columns_of(table if filled.all() else table.filter(pa.array(filled)))
        blank = int(np.count_nonzero(neat.blank))
        return TableRows(columns, neat.begin[filled], end[filled], lines, data, blank=blank)

    def _columns_of(self, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        return {name: table.column(str(at)) for name, at in self.places.items()}

    def _parsed(self, data: bytes, *, newlines: bool) -> pa.Table | None:
        """The wanted columns as Arrow reads them, called by their places; None if it cannot."""
        types = {
            str(at): pa.string() if name in TIMES else pa.dictionary(pa.int32(), pa.string())
            for name, at in self.places.items()
        }
        try:
            return csv.read_csv(
                pa.BufferReader(data),
                read_options=csv.ReadOptions(
                    column_names=[str(at) for at in range(self.width)],
                    use_threads=not self.cut,  # else parts are read in parallel
                    block_size=len(data) + 1 if self.cut or newlines else LOOK,
                ),
                parse_options=csv.ParseOptions(
                    delimiter=self.file.delimiter, ignore_empty_lines=False, newlines_in_values=newlines
                ),
                convert_options=csv.ConvertOptions(column_types=types, include_columns=list(types)),
            )
        except pa.ArrowInvalid:
            return None

    def _exact(self, data: bytes, feed: _Feed) -> TableRows:
        """Record by record, those that begin in `data`; what was read ahead goes back to the feed."""
        ahead = _Ahead(data, feed)
        own = len(ahead.lines)
        lines = Lines(ahead)
        begin, end, kept, rejects, texts, blank = [], [], [], [], [], 0
        for record in records(lines, self.file.delimiter, self.width):
            texts.append(record.text.encode(errors="surrogateescape"))
            after = record.line + count_lines(texts[-1])
            if is_blank(record.text):
                blank += 1
            elif reason := self._misshapen(record):
                rejects.append(Reject(self.file.name, record.line, reason, shown_text(record.text)))
            else:
                kept.append(record.fields or [])
                begin.append(record.line)
                end.append(after)
            if after > own:
                break
        feed.push(b"".join([text.encode(errors="surrogateescape") for _, text in lines.put_back] + list(ahead.lines)))
        return TableRows(
            {name: _strings([fields[at] for fields in kept]) for name, at in self.places.items()},
            np.array(begin, np.int64),
            np.array(end, np.int64),
            after - 1,
            b"".join(texts),
            tuple(rejects),
            blank,
        )

    def _misshapen(self, record: Record) -> str | None:
        fields = record.fields
        if fields is None:
            return "a quote opens a field and does not close it; close it, or double it inside a quoted field"
        if len(fields) != self.width:
            mark = MARKS[self.file.delimiter]
            return (
                f"{len(fields)} fields where the header has {self.width}: '{printable(record.text.rstrip(), 80)}'; "
                f"quote fields that hold a {mark}, or correct the line"
            )
        if record.text.isascii() or _is_utf8(record.text):
            return None
        for name, at in self.places.items():
            if not _is_utf8(fields[at]):
                byte = next(ord(mark) - 0xDC00 for mark in fields[at] if "\udc80" <= mark <= "\udcff")
                return (
                    f"{name} '{printable(fields[at], 80)}' has the byte 0x{byte:02X}, which is not UTF-8; convert it, "
                    f"from Latin-1 for example: iconv -f latin1 -t utf-8 {self.file.stem}{self.file.ending}"
                )
        return None


def _strings(values: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- bytes and lines


class _Feed:
    """Chunks of whole lines; what was taken too soon can be put back."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.back: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self.back.popleft() if self.back else next(self.chunks)

    def push(self, *pieces: bytes) -> None:
        self.back.extendleft(piece for piece in reversed(pieces) if piece)


class _Ahead:
    """The lines of some bytes, and then of what the feed has next."""

    def __init__(self, data: bytes, feed: _Feed) -> None:
        self.lines = deque(data.splitlines(keepends=True))
        self.feed = feed

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.lines:
            self.lines.extend(next(self.feed).splitlines(keepends=True))
        # bytes that are not UTF-8 become lone surrogates, to be recognised later
        return self.lines.popleft().decode(errors="surrogateescape")


def _chunks(file: File, begin: int, end: int | None, size: int, sizes: ReadSizes) -> Iterator[bytes]:
    """Whole lines, some `size` bytes at a time; they end in LF, CRLF or CR."""
    size = min(size, sizes.chunk)
    with opened(file, begin) as stream:
        at, rest = begin, b""
        while data := stream.read(size if end is None else min(size, end - at)):
            at += len(data)
            whole = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1  # an LF may follow the last CR
            if whole:
                yield b"".join((rest, memoryview(data)[:whole]))  # one copy, not two
                rest = data[whole:]
            else:
                rest += data
            if len(rest) > sizes.longest_line:
                raise DataError(
                    f"{file.name}: a line is longer than {sizes.longest_line >> 20} MB; is this a table of text?"
                )
        if rest:
            yield rest


def _unquoted(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if b'"' in chunk:
            raise _QuotedError
        yield chunk


def _cut(data: bytes, size: int) -> list[bytes]:
    """Some whole lines as pieces of at least `size` bytes, but for the last."""
    pieces, begin = [], 0
    while begin < len(data):
        ends = [at for mark in (b"\n", b"\r") if (at := data.find(mark, begin + size)) >= 0]
        end = min(ends, default=len(data) - 1) + 1
        if data[end - 1 : end + 1] == b"\r\n":
            end += 1
        pieces.append(data[begin:end])
        begin = end
    return pieces


def _delimited(file: File, names: dict[str, str], sizes: ReadSizes) -> tuple[File, _TableHeader, Placed]:
    """A file with what separates its fields: that by which the columns are found, first what its extension means."""
    file = decoded(file)
    headers = {}
    for mark in sorted(MARKS, key=lambda mark: mark != file.delimiter):
        tried = file._replace(delimiter=mark)
        headers[mark] = header = _header(tried, sizes)
        placed, missing = lookup(tried, header.fields, names)
        if not missing:
            return tried, header, placed
    mark = max(headers, key=lambda mark: len(headers[mark].fields))
    tried = file._replace(delimiter=mark)
    return tried, headers[mark], place(tried, headers[mark].fields, names)  # which raises


def _header(file: File, sizes: ReadSizes) -> _TableHeader:
    with opened(file) as stream:
        start = stream.read(1024)
    if not start:
        raise DataError(f"{file.name} is empty; export it again, with a header line")
    if b"\0" in start.splitlines()[0]:
        raise DataError(
            f"{file.name} is not UTF-8 but looks like UTF-16; convert it: "
            f"iconv -f utf-16 -t utf-8 {file.stem}{file.ending}"
        )
    size = len(MARK) if start.startswith(MARK) else 0
    lines = 0
    for record in records(Lines(_Ahead(b"", _Feed(_chunks(file, size, None, sizes.piece, sizes)))), file.delimiter):
        if record.fields is None:
            raise DataError(f"{file.name} line {record.line}: a quote in the header does not close; correct it")
        text = record.text.encode(errors="surrogateescape")
        size += len(text)
        lines += count_lines(text)
        if not is_blank(record.text):
            return _TableHeader(record.fields, lines, size)
    raise DataError(f"{file.name} holds nothing but blank lines; export it again, with a header line")
