"""Deskdrop and StreamingRec read the slow, obvious way, from the formats' descriptions."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from newsreplay.log.rows import READ
from tests.reading import Article, Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FROM, UNTIL = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Naive(NamedTuple):
    rows: list[Row]
    articles: list[Article]
    rejects: list[tuple[str, int]]
    dropped: Counter[str]
    client: list[tuple[str | None, ...]] = []  # noqa: RUF012  # of Deskdrop's rows: agent, region, country


def ms(number: str, per_second: int) -> int | None:
    """A whole number of seconds or milliseconds as ms, if it lies from 1990 up to 2100."""
    if not number or set(number) - set("0123456789") or len(number.lstrip("0")) > 18:
        return None
    time = int(number.lstrip("0") or "0") * 1000 // per_second
    return time if FROM <= EPOCH + timedelta(milliseconds=min(time, 10**14)) < UNTIL else None


def facts(**told: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in told.items() if text))


def read_deskdrop(folder: Path) -> Naive:
    """Files whose quotes stand where they should: what is a record is Python's csv module's business."""
    naive = Naive([], [], [], Counter(), [])
    for name in ("users_interactions.csv", "shared_articles.csv"):
        if not (folder / name).exists():
            continue
        with (folder / name).open(newline="", encoding="utf-8-sig", errors="replace") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader)
            line = reader.line_num + 1
            for cells in reader:
                _interaction(naive, name, line, header, cells)
                line = reader.line_num + 1
    views = list(zip(naive.rows, naive.client, strict=True))
    most: dict[Row, int] = {}
    for row, client in views:
        most[row] = max(_filled(client), most.get(row, 0))
    kept = [(row, client) for row, client in views if _filled(client) == most[row]]
    if len(kept) < len(views):
        left_out = len(views) - len(kept)
        naive.dropped["view logged again in the same second, with less of the client's description"] = left_out
    return naive._replace(rows=[row for row, _ in kept], client=[client for _, client in kept])


def _filled(client: tuple[str | None, ...]) -> int:
    return sum(cell is not None for cell in client)


def _interaction(naive: Naive, name: str, line: int, header: list[str], cells: list[str]) -> None:
    if not "".join(cells).strip(" ") and len(cells) <= 1:
        naive.dropped["blank line"] += 1
        return
    cell = dict(zip(header, cells, strict=False))
    articles = name == "shared_articles.csv"
    left_out = ("CONTENT REMOVED",) if articles else ("LIKE", "BOOKMARK", "FOLLOW", "COMMENT CREATED")
    kept = "CONTENT SHARED" if articles else "VIEW"
    wrong = len(cells) != len(header) or any("\0" in c or "\N{REPLACEMENT CHARACTER}" in c for c in cells)
    if wrong or cell["eventType"] not in (kept, *left_out):
        naive.rejects.append((name, line))
    elif cell["eventType"] != kept:
        rule = "not a publication" if articles else "not a read"
        naive.dropped[f"{cell['eventType']}: {rule}"] += 1
    elif articles:
        if not cell["contentId"]:
            naive.rejects.append((name, line))
            return
        told = facts(title=cell["title"], body=cell["text"])
        naive.articles.append(Article(cell["contentId"], None, ms(cell["timestamp"], 1), told))
    else:
        time = ms(cell["timestamp"], 1)
        if time is None or not cell["contentId"]:
            naive.rejects.append((name, line))
        else:
            naive.rows.append(Row(READ, time, cell["contentId"], cell["personId"] or None, cell["sessionId"] or None))
            naive.client.append(tuple(cell[name] or None for name in ("userAgent", "userRegion", "userCountry")))


def read_streamingrec(folder: Path) -> Naive:
    naive = Naive([], [], [], Counter())
    plista = False
    for name in ("Clicks.csv", "Items.csv"):
        if not (folder / name).exists():
            continue
        lines = (folder / name).read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if name == "Clicks.csv":
            plista = lines[0].startswith(b"Publisher")
        for number, raw in enumerate(lines[1:], 2):
            line = raw.decode("utf-8", "replace").removesuffix("\r")
            cells = line.split(",")
            if number == len(lines) and not raw:
                continue
            if not line.strip(" \r"):
                naive.dropped["blank line"] += 1
            elif "\0" in line or "\N{REPLACEMENT CHARACTER}" in line:
                naive.rejects.append((name, number))
            elif name == "Items.csv":
                _item(naive, number, cells, plista)
            else:
                _click(naive, number, cells, plista)
    return naive


def _click(naive: Naive, number: int, cells: list[str], plista: bool) -> None:
    publisher, category = None, None
    if plista and len(cells) in (5, 6):
        publisher, category, item, user, time = cells[:5]
    elif not plista and len(cells) == 3:
        item, user, time = cells
    else:
        naive.rejects.append(("Clicks.csv", number))
        return
    nothing = ("null", "0") if plista else ("null",)
    if not item or publisher == "" or ms(time, 1000) is None:
        naive.rejects.append(("Clicks.csv", number))
    elif item in nothing:
        naive.dropped["click on no article (ItemID null, or 0 in plista's form)"] += 1
    else:
        reader = None if not user or user in nothing else user
        told = facts(category="" if category in (None, "null", "0") else category)
        naive.rows.append(Row(READ, ms(time, 1000) or 0, item, reader, publisher=publisher, facts=told))


def _item(naive: Naive, number: int, cells: list[str], plista: bool) -> None:
    if not 5 <= len(cells) <= 8 or cells[2] in ("", "null") or (plista and not cells[0]):
        naive.rejects.append(("Items.csv", number))
        return
    publisher, created, item, _, title, category, text, _ = cells + [""] * (8 - len(cells))
    told = facts(
        title="" if title == "null" else title,
        category="" if category in ("null", "0") else category,
        body="" if text == "null" else text,
    )
    naive.articles.append(Article(item, publisher if plista else None, created_at(created), told))


def created_at(text: str) -> int | None:
    """On a clock of 12 hours, 12 is 0."""
    shape = "".join("9" if letter in "0123456789" else letter for letter in text)
    if shape != "9999-99-99 99:99:99":
        return None
    if " 12:" in text:
        text = text.replace(" 12:", " 00:")
    try:
        time = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (time - EPOCH) // timedelta(milliseconds=1) if FROM <= time < UNTIL else None
