"""MIND's `news.tsv`."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.datasets.base import Block
from newsreplay.datasets.sources.mind.layout import BLANK, Layout, reject, text_of

# Articles


def read_articles(file: str, data: bytes, layout: Layout) -> Block:
    """The block of some whole lines of `news.tsv`."""
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    block = Block(file, lines=lines, records=lines)
    table = _parse(data, lines, layout)
    if table is None:
        table = _parse_lines(block, data, layout)
    if layout.sentiments:
        column, place = table["sentiment"], table.column_names.index("sentiment")
        for word, number in layout.sentiments.items():
            column = pc.if_else(pc.equal(column, word), number, column)
        table = table.set_column(place, "sentiment", column)
    block.articles = table
    block.kept = table.num_rows
    for name in table.column_names[1:]:
        if missing := table[name].null_count:
            block.counts[f"articles without {name}"] += missing
    return block


def _parse(data: bytes, lines: int, layout: Layout) -> pa.Table | None:
    """All lines at once, or None if any of them needs a closer look."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if b"\r" in data or b"\0" in data:
        return None
    width = data.count(b"\t", 0, data.find(b"\n")) + 1
    places = {"item": 0, **layout.facts}
    if layout.entities and width == 8:
        places |= {"title_entities": 6, "abstract_entities": 7}
    headings = [str(place) for place in range(width)]
    if width not in layout.widths:
        return None
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=headings),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(
                    headings, pa.string()
                ),  # also those that are not needed, to check that they are UTF-8
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    table = pa.table({name: table[str(place)] for name, place in places.items()})
    if table.num_rows != lines or table["item"].null_count:
        return None
    if not layout.entities:
        return table
    if width != 8:
        return table.append_column("entities", pa.nulls(lines, pa.string()))
    title, abstract = table["title_entities"], table["abstract_entities"]
    ends = (
        test(cells, end) for cells in (title, abstract) for test, end in ((pc.starts_with, "["), (pc.ends_with, "]"))
    )
    usable = reduce(pc.and_, ends)
    joined = pc.binary_join_element_wise('{"title": ', title, ', "abstract": ', abstract, "}", "")
    if not pc.all(usable, skip_nulls=False).as_py():
        joined = pc.if_else(usable, joined, None)
    return table.drop_columns(["title_entities", "abstract_entities"]).append_column("entities", joined)


def _parse_lines(block: Block, data: bytes, layout: Layout) -> pa.Table:
    names = ["item", *layout.facts, *(["entities"] if layout.entities else [])]
    rows: list[list[str | None]] = []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if not line.strip():
            block.dropped[BLANK] += 1
            continue
        try:
            cells = _article(line, layout)
        except ValueError as error:
            block.rejects.append(reject(block.file, number, error, line))
            continue
        row = [cells[0], *(cells[place] or None for place in layout.facts.values())]
        rows.append([*row, _entities(cells)] if layout.entities else row)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def _article(line: bytes, layout: Layout) -> list[str]:
    text = text_of(line)
    cells = text.split("\t")
    if len(cells) not in layout.widths:
        raise ValueError(f"{' or '.join(map(str, layout.widths))} cells are expected, the line has {len(cells):,}")
    if not cells[0]:
        raise ValueError("the article id is missing")
    return cells


def _entities(cells: list[str]) -> str | None:
    """Both lists as one JSON text; whether they are JSON inside their brackets is for whoever uses them."""
    title, abstract = cells[6:] if len(cells) == 8 else ("", "")
    if not all(cell.startswith("[") and cell.endswith("]") for cell in (title, abstract)):
        return None
    return f'{{"title": {title}, "abstract": {abstract}}}'
