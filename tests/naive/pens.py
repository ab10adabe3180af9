"""PENS read slowly and obviously, from the format's description alone."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from newsreplay.log.rows import HISTORY, IMPRESSION
from tests.naive.mind import Naive, NotUsableError, need, text_of, time_of
from tests.reading import Article, Row

VISITS = ("train.tsv", "valid.tsv")


def naive_pens(path: Path) -> Naive:
    found = Naive()
    visits = [
        (name, number, cells)
        for name in VISITS
        if (path / name).exists()
        for number, cells in cells_of(path / name, 9, found)
    ]
    usable = []
    for name, number, cells in visits:
        try:
            need(cells is not None)
            assert cells is not None
            need(cells[0] != "")
            time = time_of(cells[7])
        except NotUsableError:
            found.rejects.append((name, number))
            continue
        if cells[4].split() + cells[5].split():
            usable.append((time, cells))
        else:
            found.dropped["impression without candidates"] += 1
    for place, (time, cells) in enumerate(usable):
        found.rows.append(impression_of(time, cells))
        theirs = [(other, n) for n, (other, more) in enumerate(usable) if more[0] == cells[0]]
        if min(theirs) == (time, place):
            found.rows += history_of(cells)
    if (path / "news.tsv").exists():
        for number, cells in cells_of(path / "news.tsv", 7, found):
            if cells is None or unquoted(cells[0]) == "":
                found.rejects.append(("news.tsv", number))
                continue
            texts = [unquoted(cell) for cell in cells]
            facts = dict(zip(("category", "subcategory", "title", "body"), texts[1:5], strict=True))
            told = tuple(sorted((name, text) for name, text in facts.items() if text))
            found.articles.append(Article(texts[0], facts=told))
    if (path / "personalized_test.tsv").exists():
        rest = len((path / "personalized_test.tsv").read_bytes().removesuffix(b"\n").split(b"\n")) - 1
        found.dropped += Counter({"personalized_test.tsv: headlines written by hand, without event times": rest})
        found.lines += rest
    return found


def cells_of(file: Path, width: int, found: Naive) -> list[tuple[int, list[str] | None]]:
    """The cells of the lines below the header, which is there; None where a line has another number of them."""
    kept: list[tuple[int, list[str] | None]] = []
    for number, line in enumerate(file.read_bytes().removesuffix(b"\n").split(b"\n")[1:], 2):
        found.lines += 1
        line = line.removesuffix(b"\r")
        if not line.strip():
            found.dropped["blank line"] += 1
            continue
        try:
            cells = text_of(line).split("\t")
        except NotUsableError:
            cells = []
        kept.append((number, cells if len(cells) == width else None))
    return kept


def impression_of(time: int, cells: list[str]) -> Row:
    clicks, passed, spent = cells[4].split(), cells[5].split(), cells[8].split()
    measured = len(spent) == len(clicks) and all(text.isascii() and text.isdigit() and len(text) < 19 for text in spent)
    pool = tuple(sorted(set(clicks + passed)))
    clicked = tuple(item in clicks for item in pool)
    dwell = []
    for item in pool:
        if item in clicks:
            seconds = float(spent[clicks.index(item)]) if measured else None
            dwell.append(seconds if seconds is not None and seconds < 10**9 else None)
    return Row(
        IMPRESSION,
        time,
        None,
        user=cells[0],
        pool=pool,
        clicked=clicked,
        dwell=tuple(dwell) if any(dwell) else None,
    )


def history_of(cells: list[str]) -> list[Row]:
    items, times = cells[1].split(), [text.strip() for text in cells[3].split("#TAB#") if text.strip()]
    if len(items) != len(times):
        return []
    try:
        return [Row(HISTORY, time_of(text), item, user=cells[0]) for item, text in zip(items, times, strict=True)]
    except NotUsableError:
        return []


def unquoted(cell: str) -> str:
    inner = cell[1:-1].replace('""', "")
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner:
        return next(csv.reader([cell], delimiter="\x1f"))[0]
    return cell
