"""The slow, obvious reader of Globo.com's hour files, written from the format's description."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from newsreplay.log.rows import READ
from tests.reading import Article, Row

FIRST, LAST = 631_152_000_000, 4_102_444_800_000  # 1990 and 2100, ms


class Read(NamedTuple):
    rows: list[Row]
    articles: list[Article]
    rejects: list[tuple[str, int]]  #: file, line


def is_id(cell: str) -> bool:
    return cell != "" and all("0" <= c <= "9" for c in cell)


def is_time(cell: str) -> bool:
    return is_id(cell.removeprefix("-")) and FIRST <= int(cell[:25]) < LAST


def lines_of(path: Path) -> list[tuple[int, dict[str, str] | None]]:
    """Number and cells by heading of every line that is not blank; None for a line that is no row."""
    lines = path.read_bytes().decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    names = lines[0].split(",")
    found: list[tuple[int, dict[str, str] | None]] = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split(",")
        if line.strip(" \t\n\r\x0b\x0c") and ("\0" in line or len(cells) != len(names)):
            found.append((number, None))
        elif line.strip(" \t\n\r\x0b\x0c"):
            found.append((number, dict(zip(names, cells, strict=True))))
    return found


def read_globo(folder: Path) -> Read:
    rows, articles, rejects = [], [], []
    for path in sorted((folder / "clicks").glob("clicks_hour_*.csv"), key=lambda file: (len(file.name), file.name)):
        for number, cells in lines_of(path):
            ids = ("user_id", "session_id", "click_article_id")
            if cells is None or not all(is_id(cells[name]) for name in ids) or not is_time(cells["click_timestamp"]):
                rejects.append((path.name, number))
                continue
            user, session, item = (cells[name] for name in ids)
            rows.append(Row(READ, int(cells["click_timestamp"]), item, user, session))
    for number, cells in lines_of(folder / "articles_metadata.csv"):
        if cells is None or not is_id(cells["article_id"]):
            rejects.append(("articles_metadata.csv", number))
            continue
        time, category = cells["created_at_ts"], cells["category_id"]
        facts = (("category", category),) if is_id(category) else ()
        articles.append(Article(cells["article_id"], None, int(time) if is_time(time) else None, facts))
    return Read(rows, articles, rejects)
