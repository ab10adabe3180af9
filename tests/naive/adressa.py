"""Adressa day files read slowly, from the description of the format: one line after the other, with `json`."""

from __future__ import annotations

import json
import struct
from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

from newsreplay.log.rows import READ
from tests.reading import Row

FROM, UNTIL = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Found(NamedTuple):
    rows: list[Row]
    rejects: list[tuple[str, int]]
    dropped: dict[str, int]


class UnusableError(Exception):
    pass


def naive_adressa(files: list[tuple[str, bytes]]) -> Found:
    """What is to be read from these files (name, contents)."""
    rows, rejects, dropped = [], [], Counter[str]()
    for name, content in files:
        lines = content.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        for number, line in enumerate(lines, 1):
            try:
                row = _line(line)
            except UnusableError:
                rejects.append((name, number))
                continue
            if isinstance(row, str):
                dropped[row] += 1
            else:
                rows.append(row)
    return Found(rows, rejects, dict(dropped))


def _line(line: bytes) -> Row | str:
    if line.strip() == b"":
        return "blank line"
    if line.startswith(b"\xef\xbb\xbf"):
        line = line[3:]
    try:
        event = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise UnusableError from None
    if type(event) is not dict:
        raise UnusableError
    item = _name(event.get("id"))
    if item is None:
        return "home page or other page without an article id"
    user = _name(event.get("userId"))
    time: Any = event.get("time")
    if type(time) not in (int, float) or time != time or time in (float("inf"), float("-inf")):
        raise UnusableError
    if time != int(time) or not FROM.timestamp() <= time < UNTIL.timestamp():
        raise UnusableError
    facts = {}
    if _clean(event.get("title")):
        facts["title"] = event["title"]
    if _clean(event.get("category1")):
        path = [step for step in event["category1"].split("|") if step != ""]
        if path:
            facts["category"] = path[0]
        if path[1:]:
            facts["subcategory"] = "|".join(path)
    active: Any = event.get("activeTime")
    if type(active) not in (int, float) or not 0 <= active < 1_000_000_000:
        active = None
    return Row(
        kind=READ,
        time=int(time) * 1000,
        item=item,
        user=user,
        published=_published(event.get("publishtime")),
        facts=tuple(sorted(facts.items())),
        active=None if active is None else struct.unpack("f", struct.pack("f", active))[0],
    )


def _name(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if type(value) is int:
        return str(value)
    if not _clean(value):
        raise UnusableError
    return str(value)


def _clean(value: Any) -> bool:
    return type(value) is str and value != "" and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _published(value: Any) -> int | None:
    """Of the forms that tests write: `2017-01-03T08:37:46.000Z`, with or without milliseconds, or with `+01:00`."""
    if type(value) is not str:
        return None
    hours = 0
    if value.endswith("+01:00"):
        value, hours = value[:-6] + "Z", 1
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            moment = datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        ms = round(moment.timestamp() * 1000) - hours * 3_600_000
        return ms if FROM.timestamp() * 1000 <= ms < UNTIL.timestamp() * 1000 else None
    return None
