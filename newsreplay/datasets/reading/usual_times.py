"""Times in the usual ways of writing them, and whole numbers, as milliseconds at full speed."""

from __future__ import annotations

from typing import Any

import numpy as np

from newsreplay.arrow import room
from newsreplay.datasets.reading.forms import CALENDAR, EMPTY, FIRST, LAST, MICROS, MILLIS, NANOS, OUTSIDE, SECONDS
from newsreplay.kernels.compiling import compiled, int64, kernel
from newsreplay.kernels.octets import digits_of, octets
from newsreplay.log.rows import Column

_DASH, _POINT, _COLON, _PLUS, _BLANK, _T, _Z, _ZERO = b"-.:+ TZ0"
_TENS = tuple(10**digits for digits in range(8))
_DOUBT = -1
_NO_CLOCK = -(10**9)  # less than any clock in any zone
_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # days of a year without a leap day before a month


def usual_times(data: Column, begin: Column, end: Column) -> tuple[Column, Column, int] | None:
    """Milliseconds, the form of each value, and how many have no zone; None if a value is written in another way.

    The values stand from byte begin[i] up to end[i] of `data`. Usual are epochs of digits alone, and ISO 8601 as
    `2019-12-31`, alone or with a clock `T23:59:59` (or a blank before it), a fraction and a zone.
    """
    ms, form = room(begin.size, np.int64), room(begin.size, np.int8)
    naive = _parse(data, begin, end, ms, form)
    return None if naive == _DOUBT else (ms, form, naive)


def whole_numbers(data: Column, begin: Column, end: Column) -> Column | None:
    """The whole numbers of up to 19 digits that stand so (int64); None if a value is none, or has more than 64 bits."""
    numbers = room(begin.size, np.int64)
    return numbers if _parse_whole(data, begin, end, numbers) else None


@compiled
def _parse_whole(data: Any, begin: Any, ends: Any, numbers: Any) -> bool:
    least = int64(0)
    for i in range(numbers.size):
        at, end = int64(begin[i]), int64(ends[i])
        numbers[i] = _whole(data, at, end) if at < end else int64(-1)
        least = min(least, numbers[i])
    return least == 0


def epoch_times(numbers: Column) -> tuple[Column, Column]:
    """Milliseconds and the form of whole numbers (int64), which are epochs."""
    ms, form = room(numbers.size, np.int64), room(numbers.size, np.int8)
    _epochs(numbers, ms, form)
    return ms, form


@compiled
def _epochs(numbers: Any, ms: Any, form: Any) -> None:
    for i in range(numbers.size):
        ms[i], form[i] = _epoch(numbers[i])


@kernel
def _whole(data: Any, at: int, end: int) -> int:
    """The number of up to 19 digits that a value is, -1 if it is none or might take more than 64 bits."""
    if end - at > 19 or (end - at == 19 and data[at] == _ZERO + 9):
        return int64(-1)
    value = int64(0)
    while end - at >= 8:
        eight = digits_of(octets(data, at))
        if eight < 0:
            return int64(-1)
        value = value * 100_000_000 + eight
        at += 8
    return value * _TENS[end - at] + _number(data, at, end) if _digits(data, at, end) else int64(-1)


@compiled
def _parse(data: Any, begin: Any, ends: Any, ms: Any, form: Any) -> int:
    """Parse all values; how many calendar times have no zone, or `_DOUBT`."""
    naive = int64(0)
    for i in range(ms.size):
        at, end = int64(begin[i]), int64(ends[i])
        value = _whole(data, at, end) if at < end else int64(0)
        if at == end:
            ms[i], form[i] = 0, EMPTY
        elif value >= 0:
            ms[i], form[i] = _epoch(value)
        else:
            ms[i], is_naive = _calendar(data, at, end)
            form[i] = CALENDAR
            naive += is_naive
            if ms[i] < 0:
                return _DOUBT
    return naive


@kernel
def _epoch(value: int) -> tuple[int, int]:
    """The milliseconds of an epoch, and its form."""
    if value >= FIRST // 1000 and value < LAST // 1000:
        return value * 1000, SECONDS
    if value >= FIRST and value < LAST:
        return value, MILLIS
    if value >= FIRST * 1_000 and value < LAST * 1_000:
        return value // 1_000, MICROS
    if value >= FIRST * 1_000_000 and value < LAST * 1_000_000:
        return value // 1_000_000, NANOS
    return 0, OUTSIDE


@kernel
def _calendar(data: Any, at: int, end: int) -> tuple[int, bool]:
    """YYYY-MM-DD, alone or with hh:mm:ss, a fraction and a zone, of years that are inside in every zone; else -1."""
    if end - at < 10 or data[at + 4] != _DASH or data[at + 7] != _DASH:
        return _DOUBT, False
    if not (_digits(data, at, at + 4) and _digits(data, at + 5, at + 7) and _digits(data, at + 8, at + 10)):
        return _DOUBT, False
    year, month, day = _number(data, at, at + 4), _number(data, at + 5, at + 7), _number(data, at + 8, at + 10)
    if year < 1991 or year > 2098 or month < 1 or month > 12 or day < 1:
        return _DOUBT, False
    short = 1 if month == 4 or month == 6 or month == 9 or month == 11 else 0
    if day > (28 if month == 2 else 31 - short):  # a leap day is left to the calendar
        return _DOUBT, False
    is_leap = year % 4 == 0  # true of all these years
    days = (year - 1970) * 365 + (year - 1969) // 4 + _BEFORE[month - 1] + (1 if month > 2 and is_leap else 0) + day - 1
    if end == at + 10:
        return days * 86_400_000, True
    clock, is_naive = _clock(data, at + 10, end)
    return (days * 86_400_000 + clock, is_naive) if clock > _NO_CLOCK else (int64(_DOUBT), False)


@kernel
def _clock(data: Any, at: int, end: int) -> tuple[int, bool]:
    """The milliseconds of Thh:mm:ss, perhaps a fraction of up to nine digits, and Z, +hh:mm or no zone."""
    if end - at < 9 or (data[at] != _T and data[at] != _BLANK) or data[at + 3] != _COLON or data[at + 6] != _COLON:
        return _NO_CLOCK, False
    if not (_digits(data, at + 1, at + 3) and _digits(data, at + 4, at + 6) and _digits(data, at + 7, at + 9)):
        return _NO_CLOCK, False
    hour, minute, second = _number(data, at + 1, at + 3), _number(data, at + 4, at + 6), _number(data, at + 7, at + 9)
    if hour > 23 or minute > 59 or second > 59:
        return _NO_CLOCK, False
    ms = (hour * 3600 + minute * 60 + second) * 1000
    at += 9
    if at < end and data[at] == _POINT:
        begin = at + 1
        at = begin
        worth = 100
        while at < end and data[at] >= _ZERO and data[at] <= _ZERO + 9:
            ms += (int64(data[at]) - _ZERO) * worth
            worth //= 10
            at += 1
        if at == begin or at - begin > 9:
            return _NO_CLOCK, False
    if at == end or (at + 1 == end and data[at] == _Z):
        return ms, at == end
    if end - at != 6 or (data[at] != _PLUS and data[at] != _DASH) or data[at + 3] != _COLON:
        return _NO_CLOCK, False
    if not (_digits(data, at + 1, at + 3) and _digits(data, at + 4, at + 6)):
        return _NO_CLOCK, False
    hours, minutes = _number(data, at + 1, at + 3), _number(data, at + 4, at + 6)
    if hours > 23 or minutes > 59:
        return _NO_CLOCK, False
    shift = (hours * 60 + minutes) * 60_000
    return ms - shift if data[at] == _PLUS else ms + shift, False


@kernel
def _digits(data: Any, begin: int, end: int) -> bool:
    others = 0
    for at in range(begin, end):
        others += data[at] < _ZERO or data[at] > _ZERO + 9
    return others == 0


@kernel
def _number(data: Any, begin: int, end: int) -> int:
    value = int64(0)
    for at in range(begin, end):
        value = value * 10 + int64(data[at]) - _ZERO
    return value
