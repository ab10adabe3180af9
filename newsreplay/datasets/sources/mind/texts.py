"""`news_text.csv`: MIND's articles as samples of it are passed round, their texts cut into cleaned words.

Columns `News_ID,Category,SubCategory,Title,Abstract`, the last two as lists of quoted words: `"['storm', 'hits']"`.
It may stand beside a `news.tsv` that has only some of the articles; its facts come first.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from newsreplay.datasets.base import Block, Part, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.errors import DataError

NEWS_TEXT = "news_text.csv"
ROLE = "texts"
_HEADER = ["News_ID", "Category", "SubCategory", "Title", "Abstract"]
_FACTS = ("item", "category", "subcategory", "title", "abstract")
_WORD = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def text_parts(file: Path, name: str, sizes: ReadSizes) -> list[Part]:
    """The parts of a `news_text.csv`; `DataError` where its first line is not its header."""
    planned = [part._replace(name=name, role=ROLE) for part in parts.text_parts(file, sizes=sizes)]
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = next(csv.reader([lines.readline(1_000)]), [])
    if header != _HEADER:
        raise DataError(
            f"{name} line 1: expected the header {','.join(_HEADER)}, found {','.join(header)[:100]!r}. "
            "Mend it, or move the file elsewhere: texts are then those of news.tsv alone"
        )
    return planned


def text_blocks(part: Part, sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of a part."""
    start = part.begin
    for chunk in parts.chunks(part, sizes=sizes):
        yield _block(part.name, chunk.data, first=start == 0)
        start += len(chunk.data)


def _block(name: str, data: bytes, first: bool) -> Block:
    lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
    block = Block(name, lines=len(lines), records=len(lines) - first)
    columns: list[list[str | None]] = [[] for _ in _FACTS]
    for number, line in enumerate(lines, 1):
        if first and number == 1:
            continue
        if not line.strip():
            block.dropped["blank line"] += 1
            continue
        try:
            cells = _cells(line)
        except ValueError as error:
            block.rejects.append(Reject(name, number, str(error), line[:500]))
            continue
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell or None)
    block.articles = pa.table({fact: pa.array(cells, pa.string()) for fact, cells in zip(_FACTS, columns, strict=True)})
    block.kept = block.articles.num_rows
    return block


def _cells(line: str) -> list[str]:
    try:
        cells = next(csv.reader([line.removesuffix("\r")], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"it is no line of a CSV file: {error}") from None
    if len(cells) != len(_HEADER):
        raise ValueError(f"{len(_HEADER)} cells are expected, the line has {len(cells):,}")
    if not cells[0]:
        raise ValueError("the article id is missing")
    return [*cells[:3], _words(cells[3]), _words(cells[4])]


def _words(cell: str) -> str:
    """The words of a list as a text.

    >>> _words("['storm', 'hits', \\"coast's\\"]")
    "storm hits coast's"
    """
    if not cell:
        return ""
    if not (cell.startswith("[") and cell.endswith("]")):
        raise ValueError(f"a list of quoted words is expected, not {cell[:40]!r}")
    return " ".join(ast.literal_eval(word[0]) if "\\" in word[0] else word[0][1:-1] for word in _WORD.finditer(cell))
