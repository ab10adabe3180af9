"""The slow, obvious reader of CSV tables, for files whose quotes are in order."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from newsreplay.log.rows import READ
from tests.reading import Row

FIRST, LAST = 631_152_000_000, 4_102_444_800_000  # 1990 and 2100, ms
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Read(NamedTuple):
    rows: list[Row]
    rejects: list[int]  #: lines
    blank: int


def time_of(text: str) -> tuple[str, int] | None:
    """The form of a time and its milliseconds; None if it cannot be used."""
    text = text.strip()
    if text.isdecimal():
        for unit, per_ms in (("seconds", 0.001), ("milliseconds", 1), ("microseconds", 10**3), ("nanoseconds", 10**6)):
            if FIRST * per_ms <= int(text) < LAST * per_ms:
                return unit, int(text) * 1000 if unit == "seconds" else int(text) // int(per_ms)
        return None
    orders = {order: ms for order in ("day first", "month first") if (ms := clock_of(text, order)) is not None}
    if orders:
        return ("either", 0) if len(orders) == 2 else next(iter(orders.items()))
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "Z"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    ms = (moment - EPOCH) // timedelta(milliseconds=1)
    return ("ISO", ms) if FIRST <= ms < LAST else None


def clock_of(text: str, order: str) -> int | None:
    """A date like 31/12/2019, perhaps with hours and minutes, in this order."""
    date, _, clock = text.partition(" ")
    day, month, year = date.split("/") if date.count("/") == 2 else ("", "", "")
    if order == "month first":
        day, month = month, day
    try:
        hour, minute = map(int, clock.split(":")) if clock else (0, 0)
        return (datetime(int(year), int(month), int(day), hour, minute, tzinfo=UTC) - EPOCH) // timedelta(
            milliseconds=1
        )
    except ValueError:
        return None


def seconds_of(text: str) -> float | None:
    """How long an article was read; None if that is no number of 0 or more."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return struct.unpack("f", struct.pack("f", seconds))[0] if 0 <= seconds < 1e9 else None


def in_unit(text: str, unit: str | None) -> int | None:
    """The milliseconds of a time if it is of the column's form."""
    found = time_of(text)
    if found and found[0] == "either" and unit in ("day first", "month first"):
        return clock_of(text.strip(), unit)
    return found[1] if found and found[0] == unit else None


def majority(values: list[str]) -> str | None:
    """The form of most usable values, of the first among equals; dates of either order are as others are."""
    forms = [found[0] for found in map(time_of, values) if found]
    orders = Counter(form for form in forms if form.endswith("first")).most_common(1)
    if orders:
        forms = [orders[0][0] if form == "either" else form for form in forms]
    return Counter(forms).most_common(1)[0][0] if forms else None


def read_csv(text: str, publisher: str) -> Read | None:
    """The reads of a CSV table, None if day and month cannot be told apart; `publisher` has those that name none."""
    reader = csv.reader(io.StringIO(text, newline=""))
    names = next(reader)
    records: list[tuple[int, list[str]]] = []
    line = reader.line_num
    for cells in reader:
        records.append((line + 1, cells))
        line = reader.line_num
    whole = [dict(zip(names, cells, strict=True)) for _, cells in records if len(cells) == len(names)]
    times = [name for name in ("time", "published") if name in names]
    unit = {str(name): majority([row[name] for row in whole]) for name in times}
    if "either" in unit.values():
        return None
    return _rows_of(records, names, unit, publisher)


def read_json_lines(data: bytes, publisher: str) -> Read:
    """The reads of a table of JSON lines, whose times are epochs or ISO 8601."""
    names = ["time", "user", "item"]
    records: list[tuple[int, list[str]]] = []
    for line, raw in enumerate(data.split(b"\n")[:-1], 1):
        if not raw.strip():
            records.append((line, []))
            continue
        try:
            found = json.loads(raw, parse_int=str, parse_float=str, parse_constant=str)
            cells = ["" if found.get(name) is None else found[name] for name in names]
            whole = all(isinstance(cell, str) and cell.encode() is not None for cell in cells)
        except (ValueError, AttributeError):
            whole = False
        records.append((line, cells if whole else ["one cell, and so a reject"]))
    unit = {"time": majority([cells[0] for _, cells in records if len(cells) == len(names)])}
    return _rows_of(records, names, unit, publisher)


def _rows_of(
    records: list[tuple[int, list[str]]], names: list[str], unit: dict[str, str | None], publisher: str
) -> Read:
    rows, rejects, blank = [], [], 0
    for line, cells in records:
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            blank += 1
            continue
        if len(cells) != len(names):
            rejects.append(line)
            continue
        told = {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()}
        time = in_unit(told.get("time", ""), unit["time"])
        if time is None or "item" not in told:
            rejects.append(line)
            continue
        facts = tuple((name, told[name]) for name in ("category", "title") if name in told)
        rows.append(
            Row(
                READ,
                time,
                told["item"],
                told.get("user"),
                told.get("session"),
                told.get("publisher", publisher),
                published=in_unit(told.get("published", ""), unit.get("published")),
                facts=facts,
                active=seconds_of(told.get("dwell", "")),
            )
        )
    return Read(rows, rejects, blank)
