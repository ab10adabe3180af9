"""CSV and TSV: planned as stretches of lines, the first of which show the unit of times; read some lines at a time.

A file without a quote is cut at line ends and its stretches are read in parallel. Any other one, and what is
compressed, is one stream: where a record ends depends on all that stands before it. Lines that are one record
each, which is nearly all, and records that run over lines neatly are found at once (`_quick`); the others are read
record by record (`_exact`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from itertools import islice
from os import SEEK_END
from typing import NamedTuple, NoReturn, TypeVar

import numpy as np
import pyarrow as pa

from newsreplay.arrow import room
from newsreplay.datasets.base import Part, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.fields import Fields, scan_fields, texts_of, times_of, words_of
from newsreplay.datasets.reading.forms import FormTally
from newsreplay.datasets.reading.lines import Lines, Record, count_lines, is_blank, records
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.reading.times import chunk_times
from newsreplay.datasets.reading.words import are_utf8, holds, is_utf8
from newsreplay.datasets.sources.table.columns import TIMES, Placed, lookup, place
from newsreplay.datasets.sources.table.files import File, printable, shown_text
from newsreplay.datasets.sources.table.looking import LOOK, Look, LookedAt
from newsreplay.datasets.sources.table.opening import decoded, opened
from newsreplay.datasets.sources.table.rows import TableRows, joined
from newsreplay.errors import DataError
from newsreplay.machine import cores

WINDOW = 1 << 16  #: bytes in which a line end is looked for
MARK = b"\xef\xbb\xbf"  # of byte order, which means nothing in UTF-8

MARKS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


Text = bytes | memoryview
T = TypeVar("T")


class _TableHeader(NamedTuple):
    fields: list[str]
    lines: int  # up to the first row
    size: int  # bytes


class TextTable(LookedAt):
    """A text table; making one reads its header, looks for quotes and, for the unit of its times, at some lines.

    Raises `DataError` if the file cannot be read, has no usable header, or should have rows and has none.
    """

    empty = "has a header but no rows"
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
        whole = Part(file.path, file.name, self.header.size, weight=size, role=file.role)
        self.parts = [whole] if file.is_stream else self._unquoted() or [whole]
        self.look()

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

    def _unquoted(self) -> list[Part]:
        """The stretches of a file without a quote, which are looked through in parallel; none if there is one."""
        stretches = parts.text_parts(self.file.path, skip=self.header.size, sizes=self.sizes)
        with ThreadPoolExecutor(cores()) as pool:
            if any(pool.map(self._has_quote, stretches)):
                pool.shutdown(cancel_futures=True)
                return []
        return [part._replace(name=self.file.name, role=self.file.role) for part in stretches]

    def _has_quote(self, part: Part) -> bool:
        chunks = _chunks(self.file, part.begin, part.end, LOOK, self.sizes)
        return any(holds(np.frombuffer(chunk, np.uint8), b'"') for chunk in chunks)

    def _looks(self, part: Part) -> Iterator[Look]:
        chunks = _chunks(self.file, part.begin, part.end, LOOK, self.sizes)
        if not self.times:
            return (Look({}, 1) for _ in islice(chunks, 1))
        return self._walk(_Feed(chunks), self._quick_look, self._look_at)

    def _quick_look(self, data: Text) -> tuple[Look | None, Fields]:
        """The forms of the times alone, where no value can be damaged."""
        if not is_utf8(data):
            rows, found = self._quick(data)
            return None if rows is None else self._look_at(rows), found
        found = self._fields(data, self.times)
        look = Look({name: FormTally() for name in self.times}, found.line.size)
        for at, tally in enumerate(look.tallies.values()):
            tally.add((times_of(found, at) or chunk_times(texts_of(found, at)))[1])
        return look, found

    # ---- reading

    def _walk(
        self, feed: _Feed, quick: Callable[[Text], tuple[T | None, Fields]], exact: Callable[[TableRows], T]
    ) -> Iterator[T]:
        """What `quick` makes of the records with which each chunk begins, and `exact` of the rows it cannot take."""
        for data in feed:
            result, found = quick(data)
            is_damaged = result is None
            if result is not None and found.size:
                yield result
            rest = data if is_damaged else data[found.size :]
            if not rest:
                continue
            if not is_damaged and found.is_open and (more := next(feed, b"")):
                feed.push(b"".join((rest, more)))
                continue
            first, *others = _cut(bytes(rest), self.sizes.piece)
            if is_damaged and others:
                feed.push(first, *others)
            else:
                feed.push(*others)
                yield exact(self._exact(first, feed))

    def _fields(self, data: Text, names: Iterable[str]) -> Fields:
        return scan_fields(data, self.file.delimiter, self.width, [self.places[name] for name in names])

    def _quick(self, data: Text) -> tuple[TableRows | None, Fields]:
        """The records with which some lines begin, None if a value is not UTF-8; and where their values stand."""
        found = self._fields(data, self.places)
        columns = {}
        for at, name in enumerate(self.places):
            values = texts_of(found, at) if name in TIMES else words_of(found, at)
            if not are_utf8(values if name in TIMES else values.dictionary):
                return None, found
            columns[name] = pa.chunked_array([values])
        return TableRows(columns, found.line, found.after, found.lines, data[: found.size], blank=found.blank), found

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


class _Feed(Iterator[Text]):
    """Chunks of whole lines; what was taken too soon can be put back."""

    def __init__(self, chunks: Iterator[Text]) -> None:
        self.chunks = chunks
        self.back: deque[Text] = deque()

    def __next__(self) -> Text:
        return self.back.popleft() if self.back else next(self.chunks)

    def push(self, *pieces: Text) -> None:
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
            self.lines.extend(bytes(next(self.feed)).splitlines(keepends=True))
        # bytes that are not UTF-8 become lone surrogates, to be recognised later
        return self.lines.popleft().decode(errors="surrogateescape")


def _chunks(file: File, begin: int, end: int | None, size: int, sizes: ReadSizes) -> Iterator[Text]:
    """Whole lines, some `size` bytes at a time; they end in LF, CRLF or CR."""
    size = min(size, sizes.chunk)
    if not file.is_stream:
        yield from _chunks_of_file(file, begin, end, size, sizes)
        return
    with opened(file, begin) as stream:
        rest = b""
        while data := stream.read(size):
            whole = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1  # an LF may follow the last CR
            if whole:
                yield b"".join((rest, memoryview(data)[:whole]))  # one copy, not two
                rest = data[whole:]
            else:
                rest += data
            if len(rest) > sizes.longest_line:
                _refuse_line(file, sizes)
        if rest:
            yield rest


def _chunks_of_file(file: File, begin: int, end: int | None, size: int, sizes: ReadSizes) -> Iterator[memoryview]:
    """The same of a file that can be read from anywhere: what is read is not copied."""
    with file.path.open("rb", buffering=0) as stream:
        end = stream.seek(0, SEEK_END) if end is None else end
        while begin < end:
            stop = _line_end(file, stream, begin + size, end, sizes)
            data = room(stop - begin, np.uint8)
            stream.seek(begin)
            yield data.data[: stream.readinto(data.data)]
            begin = stop


def _line_end(file: File, stream: FileIO, begin: int, end: int, sizes: ReadSizes) -> int:
    """A place from `begin` on at which a line ends, or `end`."""
    at = begin
    while at < end:
        stream.seek(at)
        data = stream.read(min(WINDOW, end - at))
        if place := data.find(b"\n") + 1 or data.find(b"\r", 0, -1) + 1:  # an LF may follow the last CR
            return at + place
        at += len(data) - 1 if at + len(data) < end else len(data)
        if at - begin > sizes.longest_line:
            _refuse_line(file, sizes)
    return end


def _refuse_line(file: File, sizes: ReadSizes) -> NoReturn:
    raise DataError(f"{file.name}: a line is longer than {sizes.longest_line >> 20} MB; is this a table of text?")


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
