"""Columns of times as people write them: ISO 8601, epochs from seconds to nanoseconds, 31/12/2019; to ms UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import to_numpy
from newsreplay.datasets.reading.forms import (
    CALENDAR,
    DAY,
    DAY_FIRST,
    EITHER,
    EMPTY,
    FIRST,
    LAST,
    MICROS,
    MILLIS,
    MONTH_FIRST,
    NANOS,
    OUTSIDE,
    SECONDS,
    UNREADABLE,
)
from newsreplay.datasets.reading.usual_times import epoch_times, usual_times
from newsreplay.datasets.reading.words import are_utf8, places_of
from newsreplay.log.rows import Column

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"([+-]?[0-9]+)(?:\.([0-9]*))?")
CLOCK = re.compile(
    r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})"
    r"(?:,?[T ] ?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?: ?([AaPp])[Mm])?)?"
)
CALENDAR_TIME = re.compile(r"[0-9][0-9W-]{6,9}(?:[T ](?!24).+)?")  # Python 3.13 would take 24:00


def valid_text(values: pa.Array) -> pa.Array:
    """Strings that are UTF-8 for sure, which Parquet and Arrow files do not promise; odd bytes as `\\xff`."""
    if values.type == pa.string() and are_utf8(values):
        return values
    values = values.cast(pa.binary())
    try:
        return values.cast(pa.string())  # validates
    except pa.ArrowInvalid:
        decoded = [value and value.decode(errors="backslashreplace") for value in values.to_pylist()]
        return pa.array(decoded, pa.binary()).cast(pa.string())


def as_time(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of timestamps, dates, numbers or strings."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    for known in (pa.types.is_timestamp, pa.types.is_date, pa.types.is_integer, pa.types.is_floating):
        if known(column.type):
            return column
    if column.type not in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        column = column.cast(pa.string())
    return pa.chunked_array([valid_text(chunk) for chunk in column.chunks], pa.string())


def in_order(ms: Column, form: Column, unit: int) -> tuple[Column, Column]:
    """Times and forms in which dates of either order (read day first so far) are those of a column's unit."""
    if unit not in (DAY_FIRST, MONTH_FIRST) or not (form == EITHER).any():
        return ms, form
    either = form == EITHER
    if unit == MONTH_FIRST:
        ms = ms.copy()
        ms[either] = _swapped(ms[either])
    return ms, np.where(either, np.int8(unit), form)


def _swapped(ms: Column) -> Column:
    """Times whose day of the month is up to 12, with day and month changed for each other."""
    days = (ms // DAY).astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    day = (days - months).astype(np.int64)
    month = (months - years.astype("datetime64[M]")).astype(np.int64)
    swapped = (years.astype("datetime64[M]") + day).astype("datetime64[D]") + month
    result: Column = swapped.astype(np.int64) * DAY + ms % DAY
    return result


_Parsed = tuple[Column, Column, int]  # ms, form, naive


def chunk_times(chunk: pa.Array) -> _Parsed:
    """Milliseconds, form of each value, and how many calendar times have no zone."""
    kind = chunk.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _calendar_times(chunk)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = to_numpy(chunk, 0)
        missing = to_numpy(pc.is_null(chunk, nan_is_null=True), False)
        return _epoch_times(numbers, missing)
    return _text_times(chunk)


def _calendar_times(chunk: pa.Array) -> _Parsed:
    if pa.types.is_date(chunk.type):
        chunk = chunk.cast(pa.timestamp("s" if pa.types.is_date32(chunk.type) else "ms"))
    values = to_numpy(chunk.cast(pa.int64()), 0)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[chunk.type.unit]
    inside = (values >= FIRST // 1000 * per_second) & (values < LAST // 1000 * per_second)
    usable = np.where(inside, values, 0)
    ms = usable * 1000 if per_second == 1 else usable // (per_second // 1000)
    form = np.where(inside, CALENDAR, OUTSIDE).astype(np.int8)
    form[to_numpy(chunk.is_null(), False)] = EMPTY
    return ms, form, 0 if chunk.type.tz else int((form == CALENDAR).sum())


def _epoch_times(numbers: Column, missing: Column) -> _Parsed:
    if np.issubdtype(numbers.dtype, np.floating):
        ms, form = _float_times(np.where(missing, 0, numbers))
    else:
        if numbers.dtype == np.uint64:
            numbers = np.minimum(numbers, np.uint64(2**62))
        ms, form = epoch_times(numbers.astype(np.int64, copy=False))
    if missing.any():
        ms[missing], form[missing] = 0, EMPTY
    return ms, form, 0


def _float_times(numbers: Column) -> tuple[Column, Column]:
    seconds = (numbers >= FIRST // 1000) & (numbers < LAST // 1000)
    # a float holds microseconds of today, just: 1577836800.123 lies a little below its decimal form
    ms = np.rint(np.where(seconds, numbers, 0).astype(np.float64) * 1e6).astype(np.int64) // 1000
    finer = [(numbers >= FIRST * per) & (numbers < LAST * per) for per in (1, 1_000, 1_000_000)]
    for inside, per in zip(finer, (1, 1_000, 1_000_000), strict=True):
        if inside.any():
            ms += np.where(inside, numbers, 0).astype(np.int64) // per
    return ms, np.select([seconds, *finer], [SECONDS, MILLIS, MICROS, NANOS], OUTSIDE).astype(np.int8)


def _text_times(chunk: pa.Array) -> _Parsed:
    """All at once if they are usual or Arrow understands every value, otherwise one by one, to the same result."""
    if (usual := usual_times(*places_of(chunk.fill_null("") if chunk.null_count else chunk))) is not None:
        return usual
    texts = pc.utf8_trim_whitespace(chunk)
    given = texts = pc.if_else(pc.equal(texts, ""), None, texts)
    missing = to_numpy(texts.is_null(), False)
    if pc.all(pc.ascii_is_decimal(texts)).as_py() is not False:
        try:
            return _epoch_times(to_numpy(texts.cast(pa.int64()), 0), missing)
        except pa.ArrowInvalid:
            return _each_time(texts)
    for tidied in (False, True):
        if tidied:
            texts = pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]+", r"\1")
            texts = pc.replace_substring_regex(texts, " ?UTC$", "Z")
        try:
            return _calendar_times(_as_calendar(texts))
        except pa.ArrowInvalid:
            continue
    return _each_time(given)


def _as_calendar(texts: pa.Array) -> pa.Array:
    """Timestamps, if Arrow understands all of these texts; they have all a zone or none."""
    sample = texts[:1] if len(texts) and texts[0].is_valid else texts.drop_null()[:1]
    try:
        # a failing cast is slow, as it goes on to the last value: let it fail on the first alone
        sample.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        sample.cast(pa.timestamp("us", "UTC"))
        return texts.cast(pa.timestamp("us", "UTC"))
    return texts.cast(pa.timestamp("us"))


def _each_time(texts: pa.Array) -> _Parsed:
    parsed = [parse_time(text) for text in texts.to_pylist()]
    ms = np.array([value[0] for value in parsed], dtype=np.int64)
    form = np.array([value[1] for value in parsed], dtype=np.int8)
    return ms, form, sum(naive for _, _, naive in parsed)


def parse_time(text: str | None) -> tuple[int, int, bool]:
    """One time: milliseconds, form, and whether it lacks a zone."""
    if not text:
        return 0, EMPTY, False
    number = NUMBER.fullmatch(text)
    if number:
        return (*_parse_number(number[1], number[2] or ""), False)
    clock = CLOCK.fullmatch(text)
    if clock:
        return _parse_clock(clock)
    try:
        if not CALENDAR_TIME.fullmatch(text):
            return 0, UNREADABLE, False
        moment = datetime.fromisoformat(re.sub(" ?UTC$", "Z", text))
    except ValueError:
        return 0, UNREADABLE, False
    naive = moment.tzinfo is None
    ms = ((moment.replace(tzinfo=UTC) if naive else moment) - EPOCH) // timedelta(milliseconds=1)
    return (ms, CALENDAR, naive) if FIRST <= ms < LAST else (0, OUTSIDE, False)


def _parse_clock(clock: re.Match[str]) -> tuple[int, int, bool]:
    """A date like 31/12/2019, alone or with a clock of 24 or 12 hours; day first where it may be either."""
    first, second, year = int(clock[1]), int(clock[3]), int(clock[4])
    form = DAY_FIRST if first > 12 else MONTH_FIRST if second > 12 else EITHER
    day, month = (second, first) if form == MONTH_FIRST else (first, second)
    hour = int(clock[5] or 0)
    if clock[9]:
        if not 1 <= hour <= 12:
            return 0, UNREADABLE, False
        hour = hour % 12 + (12 if clock[9] in "Pp" else 0)
    try:
        moment = datetime(year, month, day, hour, int(clock[6] or 0), int(clock[7] or 0), tzinfo=UTC)
    except ValueError:
        return 0, UNREADABLE, False
    ms = (moment - EPOCH) // timedelta(milliseconds=1) + int(((clock[8] or "") + "000")[:3])
    return (ms, form, True) if FIRST <= ms < LAST else (0, OUTSIDE, False)


def _parse_number(whole: str, fraction: str) -> tuple[int, int]:
    if len(whole.lstrip("+-0")) > 19:
        return 0, OUTSIDE
    value = int(whole)
    if FIRST // 1000 <= value < LAST // 1000:
        return value * 1000 + int((fraction + "000")[:3]), SECONDS
    for form, per in ((MILLIS, 1), (MICROS, 1_000), (NANOS, 1_000_000)):
        if FIRST * per <= value < LAST * per:
            return value // per, form
    return 0, OUTSIDE
