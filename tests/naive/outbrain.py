"""Outbrain's page views read slowly and obviously, from the format's description alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from newsreplay.log.rows import READ
from tests.reading import Article, Row

WIDTHS = {"page_views_sample": 6, "documents_meta": 4, "documents_categories": 3, "documents_topics": 3}


class Naive(NamedTuple):
    rows: list[Row]
    articles: list[Article]
    rejects: list[tuple[str, int]]
    dropped: Counter[str]
    kept: list[dict[str, str | None]]  #: further columns of the rows


def naive_outbrain(path: Path, most: int = 1000) -> Naive:
    naive = Naive([], [], [], Counter(), [])
    files = {name: lines_of(path, name, naive) for name in WIDTHS}
    meta = files["documents_meta"]
    publisher_of: dict[str, str] = {}
    for cells in meta:
        publisher_of.setdefault(cells[0], cells[2] if is_number(cells[2]) else "")
    sizes = Counter(publisher for publisher in publisher_of.values() if publisher)
    kept = sorted(sizes, key=lambda publisher: (-sizes[publisher], int(publisher)))[:most]
    for user, item, ms, *others in files["page_views_sample"]:
        publisher = publisher_of.get(item, "")
        if publisher == "":
            naive.dropped["page view of a document without a publisher"] += 1
        elif publisher not in kept:
            naive.dropped["page view at a publisher that is not among the 1,000 with most documents"] += 1
        else:
            naive.rows.append(Row(READ, int(ms) + 1465876799998, item, user or None, publisher=publisher))
            names = ("platform", "geo_location", "traffic_source")
            naive.kept.append({name: other or None for name, other in zip(names, others, strict=True)})
    untold = "document without a publisher, or of one whose page views are left out"
    for item, _, _, published in meta:
        if publisher_of[item] in kept:
            naive.articles.append(Article(item, publisher_of[item], ms_of(published)))
        else:
            naive.dropped[untold] += 1
    for name, fact in (("documents_categories", "category"), ("documents_topics", "subcategory")):
        for place, (item, value, sure) in enumerate(files[name]):
            others = [(-float(other[2]), n) for n, other in enumerate(files[name]) if other[0] == item]
            if min(others) != (-float(sure), place):
                naive.dropped["category or topic of less confidence than another of the same document"] += 1
            elif publisher_of.get(item, "") in kept:
                naive.articles.append(Article(item, publisher_of[item], None, ((fact, value),)))
            else:
                naive.dropped[untold] += 1
    return naive


def lines_of(path: Path, name: str, naive: Naive) -> list[list[str]]:
    """The cells of the usable lines below the header."""
    found = []
    for number, line in enumerate((path / f"{name}.csv").read_bytes().removesuffix(b"\n").split(b"\n")[1:], 2):
        line = line.removesuffix(b"\r")
        if not line.strip():
            naive.dropped["blank line"] += 1
            continue
        try:
            cells = line.decode().split(",")
        except UnicodeDecodeError:
            cells = []
        good = len(cells) == WIDTHS[name] and b"\0" not in line and is_number(cells[0 if "documents" in name else 1])
        if good and name == "page_views_sample":
            good = cells[2].isascii() and cells[2].isdigit() and len(cells[2]) <= 12
        if good and WIDTHS[name] == 3:
            good = is_number(cells[1]) and is_share(cells[2])
        if good:
            found.append(cells)
        else:
            naive.rejects.append((f"{name}.csv", number))
    return found


def is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= 18 and (cell == "0" or cell[0] != "0")


def is_share(cell: str) -> bool:
    whole, _, fraction = cell.partition(".")
    fits = whole.isascii() and whole.isdigit() and len(whole) <= 9
    return fits and ("." not in cell or (fraction.isascii() and fraction.isdigit() and len(fraction) <= 30))


def ms_of(cell: str) -> int | None:
    try:
        time = datetime.strptime(cell, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(time.timestamp()) * 1000 if len(cell) == 19 and 1990 <= time.year < 2100 else None
