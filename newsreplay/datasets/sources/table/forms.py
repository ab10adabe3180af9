"""The forms of a text table's times, counted at full speed: what decides on a column's unit before it is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from newsreplay.datasets.reading.sizes import SIZES
from newsreplay.datasets.reading.times import (
    CALENDAR,
    EMPTY,
    FIRST,
    KINDS_OF_FORMS,
    LAST,
    MICROS,
    MILLIS,
    NANOS,
    NOWHERE,
    OUTSIDE,
    SECONDS,
    FormTally,
)
from newsreplay.kernels.compiling import compiled, int64, kernel

DOUBT = -1
LONGEST = SIZES.longest_record


def count_forms(data: bytes, delimiter: str, width: int, places: list[int]) -> list[FormTally] | None:
    """Tallies of one or two columns of some whole lines; None if a record or a time needs a closer look.

    Records may run over lines as far as they are neat (`neat.py`).
    """
    if not _is_utf8(data):
        return None
    tallies = [FormTally() for _ in places]
    counts, first = np.zeros((2, KINDS_OF_FORMS), np.int64), np.full((2, KINDS_OF_FORMS), NOWHERE)
    bytes_ = np.frombuffer(data, np.uint8)
    rows = _count(bytes_, ord(delimiter), width, places[0], places[-1], counts, first)
    if rows == DOUBT:
        return None
    for number, place in enumerate(places):
        tally, column = tallies[number], int(place != places[0])
        tally.values, tally.counts, tally.first = rows, counts[column], first[column]
    return tallies


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@compiled
def _count(data: Any, delimiter: int, width: int, first_place: int, second_place: int, counts: Any, first: Any) -> int:
    """Count the forms of two columns (which may be the same); the number of rows, or `DOUBT`."""
    rows, field, at = 0, 0, int64(0)
    size = int64(data.size)
    highest = max(44, delimiter)  # nothing that ends a field lies above
    while at < size or field > 0:
        begin, end = at, at
        if at < size and data[at] == 34:  # "
            begin = at + 1
            end = _closing(data, begin)
            if end == DOUBT:
                return DOUBT
            at = end + 1
        else:
            while at < size and (data[at] > highest or (data[at] != delimiter and data[at] != 10 and data[at] != 13)):
                if data[at] == 34:
                    return DOUBT
                at += 1
            end = at
        if field in (first_place, second_place):
            form = _form(data, begin, end)
            if form == DOUBT:
                return DOUBT
            column = 0 if field == first_place else 1
            counts[column, form] += 1
            if first[column, form] > rows:
                first[column, form] = rows
        if at < size and data[at] == delimiter:
            field += 1
            at += 1
            continue
        if at < size and data[at] == 13:
            at += 1
        if field != width - 1 or (at < size and data[at] != 10):
            return DOUBT
        at += 1
        field = 0
        rows += 1
    return rows


@kernel
def _closing(data: Any, at: int) -> int:
    """Where the quote is that closes a field, if it does so within the lines that a record may have, else `DOUBT`."""
    size, lines = int64(data.size), 0
    while at < size and lines <= LONGEST:
        if data[at] == 34:
            if at + 1 == size or data[at + 1] != 34:
                return at
            at += 1
        elif data[at] == 10 or (data[at] == 13 and not (at + 1 < size and data[at + 1] == 10)):
            lines += 1
        at += 1
    return DOUBT


@kernel
def _form(data: Any, begin: int, end: int) -> int:
    """The form of a value as `times` sees it, for values in the usual ways of writing; others are in doubt."""
    if end == begin:
        return EMPTY
    if end - begin <= 19 and _digits(data, begin, end):
        if end - begin == 19 and data[begin] > 52:  # 5 or more: beyond nanoseconds, and perhaps beyond int64
            return OUTSIDE
        value = _number(data, begin, end)
        if value >= FIRST // 1000 and value < LAST // 1000:
            return SECONDS
        if value >= FIRST and value < LAST:
            return MILLIS
        if value >= FIRST * 1_000 and value < LAST * 1_000:
            return MICROS
        return NANOS if value >= FIRST * 1_000_000 and value < LAST * 1_000_000 else OUTSIDE
    return CALENDAR if _is_calendar(data, begin, end) else DOUBT


@kernel
def _is_calendar(data: Any, at: int, end: int) -> bool:
    """YYYY-MM-DD, alone or with hh:mm:ss, a fraction and a zone, of years that are inside in every zone."""
    if end - at < 10 or data[at + 4] != 45 or data[at + 7] != 45:  # -
        return False
    if not (_digits(data, at, at + 4) and _digits(data, at + 5, at + 7) and _digits(data, at + 8, at + 10)):
        return False
    year, month, day = _number(data, at, at + 4), _number(data, at + 5, at + 7), _number(data, at + 8, at + 10)
    if year < 1991 or year > 2098 or month < 1 or month > 12 or day < 1:
        return False
    short = 1 if month == 4 or month == 6 or month == 9 or month == 11 else 0
    if day > (28 if month == 2 else 31 - short):  # a leap day is left to the calendar
        return False
    return end == at + 10 or _is_clock(data, at + 10, end)


@kernel
def _is_clock(data: Any, at: int, end: int) -> bool:
    """Thh:mm:ss, perhaps a fraction of up to nine digits, and Z, +hh:mm or no zone."""
    if end - at < 9 or (data[at] != 84 and data[at] != 32) or data[at + 3] != 58 or data[at + 6] != 58:  # T, blank, :
        return False
    if not (_digits(data, at + 1, at + 3) and _digits(data, at + 4, at + 6) and _digits(data, at + 7, at + 9)):
        return False
    if _number(data, at + 1, at + 3) > 23 or data[at + 4] > 53 or data[at + 7] > 53:
        return False
    at += 9
    if at < end and data[at] == 46:  # .
        begin = at + 1
        at = begin
        while at < end and data[at] >= 48 and data[at] <= 57:
            at += 1
        if at == begin or at - begin > 9:
            return False
    if at == end or (at + 1 == end and data[at] == 90):  # Z
        return True
    if end - at != 6 or (data[at] != 43 and data[at] != 45) or data[at + 3] != 58:  # + - :
        return False
    if not (_digits(data, at + 1, at + 3) and _digits(data, at + 4, at + 6)):
        return False
    return _number(data, at + 1, at + 3) < 24 and data[at + 4] <= 53


@kernel
def _digits(data: Any, begin: int, end: int) -> bool:
    others = 0
    for at in range(begin, end):
        others += data[at] < 48 or data[at] > 57
    return others == 0


@kernel
def _number(data: Any, begin: int, end: int) -> int:
    value = int64(0)
    for at in range(begin, end):
        value = value * 10 + (int64(data[at]) - 48)
    return value
