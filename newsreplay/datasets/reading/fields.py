"""Records of delimited text at full speed: where the values of the wanted fields stand.

What is found are records as `newsreplay.datasets.reading.lines` accepts them: of one line, or of several if all quotes
stand around whole fields or are doubled inside these. It ends before the first record of another width, and before a
quote that does not close so; what to do there is left to `lines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.arrow import room
from newsreplay.datasets.reading.sizes import SIZES
from newsreplay.datasets.reading.usual_times import usual_times, whole_numbers
from newsreplay.datasets.reading.words import encoded, strings
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.octets import first_marked, octets, repeated, zeros
from newsreplay.log.rows import Column

_QUOTE, _LF, _CR, _BLANK = b'"\n\r '
LOOK = 1 << 16  #: bytes by which the number of records is guessed
# Why a scan ends: with the data, in a quoted field, before another record, for want of room.
_WHOLE, _OPEN, _DOUBT, _FULL = range(4)


class Fields(NamedTuple):
    """The well-formed records at the beginning of some whole lines."""

    data: Column  #: uint8[bytes]
    begin: Column  #: int32[fields, records]: first byte of the value; of one with doubled quotes, the quote before it
    end: Column  #: int32[fields, records]: first byte no more
    quotes: Column  #: bool[fields]: some values have quotes that are doubled or stand in their midst after others
    line: Column  #: int32[records]: the line each begins on, from 1
    after: Column  #: int32[records]: the first line after it
    lines: int  #: of all records, and blank ones
    blank: int  #: lines of nothing but blanks
    size: int  #: bytes of all these lines
    is_open: bool  #: what follows may be a record too, if more lines follow


def scan_fields(
    data: bytes | memoryview, delimiter: str, width: int, places: Sequence[int], longest: int = SIZES.longest_record
) -> Fields:
    """The records of `width` fields, of up to `longest` further lines, with which `data` begins: those `places` of it.

    >>> found = scan_fields(b'ann,"a, ""b"" c",7\\nbob,d,8\\n', ",", 3, (1, 2))
    >>> texts_of(found, 0).to_pylist(), words_of(found, 1).to_pylist()
    (['a, "b" c', 'd'], ['7', '8'])
    """
    array = np.frombuffer(data, np.uint8)
    once = list(dict.fromkeys(places))  # a field may be wanted twice: as user and as publisher
    wanted = np.full(width, -1)
    wanted[once] = range(len(once))
    quotes = np.zeros(len(once), np.bool_)
    most, fields = _records_about(array), len(once)
    while True:
        columns = room((2 * fields + 2, most), np.int32)
        records, lines, blank, size, state = _scan(array, ord(delimiter), wanted, longest, columns, quotes)
        if state != _FULL:
            break
        most *= 2
    columns = columns[:, :records]
    begin, end, line, after = columns[:fields], columns[fields:-2], columns[-2], columns[-1]
    if fields < len(places):
        again = [once.index(place) for place in places]
        begin, end, quotes = begin[again], end[again], quotes[again]
    return Fields(array, begin, end, quotes, line, after, lines, blank, size, state == _OPEN)


def _records_about(data: Column) -> int:
    """How many records there will be by the first ones, and some more."""
    start = data[:LOOK]
    ends = np.count_nonzero((start == _LF) | (start == _CR))
    return int(1.2 * ends * data.size / max(start.size, 1)) + 100


def times_of(found: Fields, field: int) -> tuple[Column, Column, int] | None:
    """The values of a field as times, if all are usual ones (`usual_times`)."""
    return usual_times(*_unquoted(found, field))


def numbers_of(found: Fields, field: int) -> Column | None:
    """The values of a field as whole numbers, if all are (`whole_numbers`)."""
    return whole_numbers(*_unquoted(found, field))


def texts_of(found: Fields, field: int) -> pa.StringArray:
    """The values of a field as strings; whether they are UTF-8 is not looked at."""
    return strings(*_unquoted(found, field))


def words_of(found: Fields, field: int) -> pa.DictionaryArray:
    """The same, dictionary-encoded by first appearance."""
    return encoded(*_unquoted(found, field))


def _unquoted(found: Fields, field: int) -> tuple[Column, Column, Column]:
    """The text in which the values stand as they are meant, and where they begin and end in it."""
    begin, end = found.begin[field], found.end[field]
    if not found.quotes[field]:
        return found.data, begin, end
    text = np.empty((end - begin).sum(), np.uint8)
    offsets = np.zeros(begin.size + 1, np.int32)
    _unquote(found.data, begin, end, text, offsets)
    return text, offsets[:-1], offsets[1:]


@kernel
def _closing(data: Any, at: int, longest: int) -> tuple[int, int, bool]:
    """Where the quote stands that closes a field, or -1; the line ends before it; whether quotes are doubled there."""
    size, lines, doubled = int64(data.size), 0, False
    while at < size and lines <= longest:
        if data[at] == _QUOTE:
            if at + 1 == size or data[at + 1] != _QUOTE:
                return at, lines, doubled
            doubled = True
            at += 1
        elif data[at] == _LF or (data[at] == _CR and not (at + 1 < size and data[at + 1] == _LF)):
            lines += 1
        at += 1
    return -1, lines, doubled


@kernel
def _marks(data: Any, at: int, delimiter: np.uint64) -> np.uint64:
    """Marks at what may end a field or quote it, among eight bytes."""
    word = octets(data, at)
    marks = zeros(word ^ delimiter) | zeros(word ^ repeated(_LF))
    return marks | zeros(word ^ repeated(_CR)) | zeros(word ^ repeated(_QUOTE))


@kernel
def _is_blank(data: Any, at: int, end: int) -> bool:
    while at < end and data[at] == _BLANK:
        at += 1
    return at == end


@kernel
def _note(
    columns: Any, quotes: Any, field: int, record: int, value: int, place: int, closing: int, is_doubled: bool
) -> None:
    """Note where a value stands that ends at a place, quoted up to `closing` unless that is -1."""
    if closing >= 0 and not is_doubled and closing == place - 1:
        value, place = value + 1, closing
    elif closing >= 0:
        quotes[field] = True
    columns[np.uint64(field), np.uint64(record)] = value
    columns[np.uint64(field + quotes.size), np.uint64(record)] = place


@compiled
def _scan(
    data: Any, delimiter: int, wanted: Any, longest: int, columns: Any, quotes: Any
) -> tuple[int, int, int, int, int]:
    """Fill `quotes` and the columns of `Fields` (begins, ends, line, after); how much was found, and why it ends there.

    What is returned are records, lines, blank ones, bytes and the reason. It is one loop over marks, as every mark may
    end a field, a record or the scan, and moves the same few places.
    """
    size, last, delimiters = int64(data.size), int64(wanted.size) - 1, repeated(delimiter)
    records, lines, blank, more = int64(0), int64(0), int64(0), int64(0)  # more: further lines of the record
    start, value, field = int64(0), int64(0), int64(0)  # where the record and its field begin; the field's number
    closing, is_neat, is_doubled = int64(-1), True, False  # of the field's quotes, of all of the record, of the field
    at, line = int64(0), np.uint64(2 * quotes.size)
    marks = _marks(data, at, delimiters)
    while start < size:
        while not marks and at < size:
            at += 8
            marks = _marks(data, at, delimiters)
        place = min(at + first_marked(marks), size) if marks else size
        marks &= marks - np.uint64(1)
        byte = int64(data[np.uint64(place)]) if place < size else _LF  # which the last line may lack
        if byte == delimiter:
            if field == last:
                return records, lines, blank, start, _DOUBT
            column = int64(wanted[np.uint64(field)])
            if column >= 0:
                _note(columns, quotes, column, records, value, place, closing, is_doubled)
            is_neat = is_neat and (closing < 0 or closing == place - 1)
            field, value, closing = field + 1, place + 1, int64(-1)
        elif byte == _QUOTE and place > value:
            is_neat = False
        elif byte == _QUOTE:
            closing, within, is_doubled = _closing(data, place + 1, longest - more)
            more += within
            if closing < 0:
                return records, lines, blank, start, _DOUBT if more > longest else _OPEN
            at = closing + 1
            marks = _marks(data, at, delimiters)
        elif byte == _LF and place == start and place > 0 and data[place - 1] == _CR:
            start = value = place + 1
        elif byte in (_LF, _CR):
            if field == 0 and _is_blank(data, start, place):
                blank += 1
            else:
                if records == columns.shape[1] - 1:  # in the last place the fields of the next record are noted
                    return records, lines, blank, start, _FULL
                is_neat = is_neat and (closing < 0 or closing == place - 1)
                if field != last or (more and not is_neat):
                    return records, lines, blank, start, _DOUBT
                column = int64(wanted[np.uint64(field)])
                if column >= 0:
                    _note(columns, quotes, column, records, value, place, closing, is_doubled)
                columns[line, np.uint64(records)] = lines + 1
                columns[line + np.uint64(1), np.uint64(records)] = lines + more + 2
                records += 1
            lines += more + 1
            start, field, closing, more, is_neat = place + 1, int64(0), int64(-1), int64(0), True
            value = start
    return records, lines, blank, size, _WHOLE


@compiled
def _unquote(data: Any, begin: Any, end: Any, text: Any, offsets: Any) -> None:
    """The values one after the other, those that begin with a quote without it, its like and the one that closes it."""
    out = int64(0)
    for i in range(begin.size):
        at, last = int64(begin[i]), int64(end[i])
        if at < last and data[at] == _QUOTE:
            at += 1
            while data[at] != _QUOTE or (at + 1 < last and data[at + 1] == _QUOTE):
                text[out] = data[at]
                out += 1
                at += 2 if data[at] == _QUOTE else 1
            at += 1
        for place in range(at, last):
            text[out] = data[place]
            out += 1
        offsets[i + 1] = out
