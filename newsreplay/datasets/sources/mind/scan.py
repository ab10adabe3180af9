"""MIND's behaviours, scanned fast by a compiled kernel where they are clean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from newsreplay.kernels.compiling import compiled, kernel, routine
from newsreplay.log.rows import Column

DIGITS = 7  # of an id that the scanner takes
_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NEWLINE, _RETURN, _SPACE, _DASH, _POINT, _SLASH, _ZERO, _COLON, _TAB = b"\n\r -./0:\t"
_A, _P, _M, _T = b"APMT"


# Impressions: the compiled scanner, which takes what is clean


class ArticleRows(NamedTuple):
    """Ids met in a block, coded by first appearance."""

    prefix: Column  # uint8: what ids the scanner takes begin with
    table: Column  # int32: code + 1 by the number that follows the prefix, 0 = not met
    text: Column  # uint8: the ids one after the other
    ends: Column  # int32: where each ends in `text`, after a first 0
    size: Column  # int64[1]: how many


class ImpressionColumns(NamedTuple):
    """The lines of a block; numbers first, then codes."""

    at: Column  # int64[3]: next byte, next line, rows so far
    cell: Column  # int64[rows, 2], where the impression's id begins and ends in the data
    time: Column  # int64 per row, ms UTC, or the line's number where the layout has no time
    user: Column  # int32 per row
    history: Column  # int32, of all rows
    history_end: Column  # int32 per row, after a first 0
    pool: Column  # int32, of all rows
    clicked: Column  # bool, as `pool`
    pool_end: Column  # int32 per row, after a first 0


def empty_ids(prefix: bytes, most: int, size: int) -> ArticleRows:
    """Room for `most` ids of `size` bytes in all."""
    return ArticleRows(
        np.frombuffer(prefix, np.uint8),
        np.zeros(10**DIGITS, np.int32),
        np.empty(size, np.uint8),
        np.zeros(most + 1, np.int32),
        np.zeros(1, np.int64),
    )


def empty_columns(lines: int, size: int) -> ImpressionColumns:
    """Room for so many lines of `size` bytes in all."""
    most = size // 2 + 1  # every id takes a byte, and one that parts it from the next
    return ImpressionColumns(
        np.zeros(3, np.int64),
        np.empty((lines, 2), np.int64),
        np.empty(lines, np.int64),
        np.empty(lines, np.int32),
        np.empty(most, np.int32),
        np.zeros(lines + 1, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.bool_),
        np.zeros(lines + 1, np.int32),
    )


@kernel
def _byte(data: Column, at: int) -> int:
    """A byte, without the check for places counted from the end, which costs a fifth of the time."""
    byte: int = data[np.uint64(at)]
    return byte


@kernel
def _number(data: Column, at: int, most: int) -> tuple[int, int]:
    """The whole number of at most so many digits at a place, -1 if there is none, and the place after it."""
    value = 0
    begin = at
    while at < begin + most and _ZERO <= _byte(data, at) <= _ZERO + 9:
        value = value * 10 + _byte(data, at) - _ZERO
        at += 1
    return value if at > begin else -1, at


@kernel
def _clean_id(data: Column, at: int, ids: ArticleRows) -> tuple[int, int]:
    """The number of an id that is the prefix and a number as it would be printed, else -1; the place after it."""
    for byte in ids.prefix:
        if _byte(data, at) != byte:
            return -1, at
        at += 1
    value, end = _number(data, at, DIGITS)
    if _byte(data, at) == _ZERO and end > at + 1:
        return -1, end
    return value, end


@kernel
def _clean_time(data: Column, at: int) -> tuple[int, int]:
    """The time at a place as ms UTC, -1 if it is not certainly one; the place after it."""
    begin = at
    month, at = _number(data, begin, 4)
    if _byte(data, at) == _DASH:
        return _iso_time(data, at, month)
    if _byte(data, at) != _SLASH or at > begin + 2:
        return -1, at
    day, at = _number(data, at + 1, 2)
    if _byte(data, at) != _SLASH:
        return -1, at
    year, at = _number(data, at + 1, 4)
    if _byte(data, at) != _SPACE:
        return -1, at
    hour, at = _number(data, at + 1, 2)
    seconds, at = _clock(data, at)
    if (
        seconds < 0
        or _byte(data, at) != _SPACE
        or (_byte(data, at + 1) != _A and _byte(data, at + 1) != _P)
        or _byte(data, at + 2) != _M
        or not 1 <= hour <= 12
    ):
        return -1, at
    days = _days(year, month, day)
    hours = days * 24 + hour % 12 + (12 if _byte(data, at + 1) == _P else 0)
    return (hours * 3600 + seconds) * 1000 if days >= 0 else -1, at + 3


@routine
def _iso_time(data: Column, at: int, year: int) -> tuple[int, int]:
    """The rest of `2019-11-12 09:05:58`, or with a T, and without a fraction or a zone, from its first dash on."""
    begin = at + 1
    month, at = _number(data, begin, 2)
    if _byte(data, at) != _DASH or at != begin + 2:
        return -1, at
    begin = at + 1
    day, at = _number(data, begin, 2)
    if (_byte(data, at) != _SPACE and _byte(data, at) != _T) or at != begin + 2:
        return -1, at
    begin = at + 1
    hour, at = _number(data, begin, 2)
    if at != begin + 2 or hour > 23:
        return -1, at
    seconds, at = _clock(data, at)
    days = _days(year, month, day)
    return ((days * 24 + hour) * 3600 + seconds) * 1000 if seconds >= 0 and days >= 0 else -1, at


@kernel
def _clock(data: Column, at: int) -> tuple[int, int]:
    """The seconds of `:05:58`, which follows an hour, -1 if they are none; the place after them."""
    if _byte(data, at) != _COLON:
        return -1, at
    begin = at + 1
    minute, at = _number(data, begin, 2)
    if _byte(data, at) != _COLON or at != begin + 2:
        return -1, at
    begin = at + 1
    second, at = _number(data, begin, 2)
    if at != begin + 2 or minute > 59 or second > 59:
        return -1, at
    return minute * 60 + second, at


@kernel
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970, -1 where it is no day of 1990 to 2099."""
    if not (1990 <= year < 2100 and 1 <= month <= 12):
        return -1
    leap = year % 4 == 0  # true of all these years
    if not 1 <= day <= _MONTH[month - 1] + (1 if month == 2 and leap else 0):
        return -1
    days = (year - 1970) * 365 + (year - 1969) // 4 + day - 1
    for before in range(month - 1):
        days += _MONTH[before]
    return days + 1 if month > 2 and leap else days


@routine
def _add_id(ids: ArticleRows, number: int) -> None:
    code = ids.size[0]
    at = ids.ends[code]
    for byte in ids.prefix:
        ids.text[at] = byte
        at += 1
    power = 1
    while power * 10 <= number:
        power *= 10
    while power:
        ids.text[at] = _ZERO + number // power % 10
        at += 1
        power //= 10
    ids.ends[code + 1] = at
    ids.size[0] = code + 1
    ids.table[number] = code + 1


@kernel
def _label(data: Column, at: int) -> tuple[int, int]:
    """1 or 0 for a label at a place, -1 if there is none, and the place after it; pandas makes -1.0 of labels."""
    if _byte(data, at) != _DASH or not _ZERO <= _byte(data, at + 1) <= _ZERO + 1:
        return -1, at
    end = at + 2
    if _byte(data, end) == _POINT and _byte(data, end + 1) == _ZERO:
        end += 2
    return _byte(data, at + 1) - _ZERO, end


@kernel
def _coded(ids: ArticleRows, number: int) -> int:
    if not ids.table[number]:
        _add_id(ids, number)
    code: int = ids.table[number] - 1
    return code


@routine
def _code(ids: ArticleRows, numbers: Column, begin: int, end: int) -> None:
    """Numbers of ids become their codes."""
    for place in range(begin, end):
        numbers[place] = _coded(ids, numbers[place])


@compiled
def scan(
    data: Column, timed: bool, labelled: bool, users: ArticleRows, items: ArticleRows, columns: ImpressionColumns
) -> None:
    """Take lines up to the end, or up to a line that is not clean; `data` ends at a line end, which stops all.

    Where candidates are not `labelled` none is clicked, and every impression has an id.
    """
    at, line, row = columns.at[0], columns.at[1], columns.at[2]
    while at < len(data):
        cell = at
        while _SPACE < _byte(data, at) < 127:
            at += 1
        columns.cell[row, 0], columns.cell[row, 1] = cell, at
        if _byte(data, at) != _TAB or (cell == at and not labelled):
            return
        user, at = _clean_id(data, at + 1, users)
        if user < 0 or _byte(data, at) != _TAB:
            return
        time = line
        if timed:
            time, at = _clean_time(data, at + 1)
            if time < 0 or _byte(data, at) != _TAB:
                return

        begin = read = columns.history_end[row]
        at += 1
        while _byte(data, at) != _TAB:
            item, at = _clean_id(data, at, items)
            if item < 0:
                return
            columns.history[read] = item
            read += 1
            if _byte(data, at) == _SPACE and _byte(data, at + 1) != _TAB:
                at += 1
            elif _byte(data, at) != _TAB:
                return

        first = candidate = columns.pool_end[row]
        while _byte(data, at) == _TAB if candidate == first else _byte(data, at) == _SPACE:
            item, at = _clean_id(data, at + 1, items)
            label, at = _label(data, at) if labelled else (0, at)
            if item < 0 or label < 0:
                return
            columns.pool[candidate] = item
            columns.clicked[candidate] = label == 1
            candidate += 1
        if _byte(data, at) == _RETURN:
            at += 1
        if _byte(data, at) != _NEWLINE:
            return

        # Codes only now, so that a line that is left out leaves no ids behind.
        _code(items, columns.history, begin, read)
        _code(items, columns.pool, first, candidate)
        columns.time[row] = time
        columns.user[row] = _coded(users, user)
        at, line, row = at + 1, line + 1, row + 1
        columns.history_end[row] = read
        columns.pool_end[row] = candidate
        columns.at[0], columns.at[1], columns.at[2] = at, line, row


@compiled
def earliest(user: Column, time: Column, history_end: Column, history: Column, chosen: Column, differ: Column) -> None:
    """The row of each user's earliest history, an empty one too, and whether another row of the user's has another.

    `chosen`, int32[users], holds -1 for users without a row; user -1 is nobody.
    """
    for row in range(len(user)):
        if user[row] < 0:
            continue
        before = chosen[user[row]]
        if before < 0:
            chosen[user[row]] = row
            continue
        # What equals one history equals all of them, as long as none differs.
        if not differ[user[row]]:
            differ[user[row]] = _differ(history, history_end, before, row)
        if time[row] < time[before]:
            chosen[user[row]] = row


@kernel
def _differ(history: Column, end: Column, one: int, other: int) -> bool:
    length = end[one + 1] - end[one]
    if end[other + 1] - end[other] != length:
        return True
    differ = False
    for place in range(length):
        differ |= history[end[one] + place] != history[end[other] + place]
    return differ
