"""The slow, obvious reader of CSV tables, for files whose quotes are in order."""

from __future__ import annotations

import csv
import io
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
        number = int(text)
        if FIRST // 1000 <= number < LAST // 1000:
            return "seconds", number * 1000
        return ("milliseconds", number) if FIRST <= number < LAST else None
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "Z"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    ms = (moment - EPOCH) // timedelta(milliseconds=1)
    return ("ISO", ms) if FIRST <= ms < LAST else None


def majority(values: list[str]) -> str | None:
    """The form of most usable values, of the first among equals."""
    forms = [found[0] for found in map(time_of, values) if found]
    return Counter(forms).most_common(1)[0][0] if forms else None


def read_csv(text: str, publisher: str) -> Read:
    """The reads of a CSV table; `publisher` is who has those that name none."""
    reader = csv.reader(io.StringIO(text, newline=""))
    names = next(reader)
    records: list[tuple[int, list[str]]] = []
    line = reader.line_num
    for cells in reader:
        records.append((line + 1, cells))
        line = reader.line_num
    whole = [dict(zip(names, cells, strict=True)) for _, cells in records if len(cells) == len(names)]
    unit = {name: majority([row[name] for row in whole]) for name in ("time", "published") if name in names}
    rows, rejects, blank = [], [], 0
    for line, cells in records:
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            blank += 1
            continue
        if len(cells) != len(names):
            rejects.append(line)
            continue
        told = {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()}
        time = time_of(told.get("time", ""))
        if time is None or time[0] != unit["time"] or "item" not in told:
            rejects.append(line)
            continue
        published = time_of(told.get("published", ""))
        facts = tuple((name, told[name]) for name in ("category", "title") if name in told)
        rows.append(
            Row(
                READ,
                time[1],
                told["item"],
                told.get("user"),
                told.get("session"),
                told.get("publisher", publisher),
                published=published[1] if published and published[0] == unit["published"] else None,
                facts=facts,
            )
        )
    return Read(rows, rejects, blank)
