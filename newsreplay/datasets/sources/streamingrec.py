"""StreamingRec: click logs in the files that the StreamingRec framework (2018) reads and writes, plista's and others.

Facts of the format that shape this reader:

- `Clicks.csv` has `ItemID,UserId,TimeStamp` (milliseconds UTC), or, in the older form for plista,
  `Publisher,Category,ItemID,Cookie,Timestamp,keywords`; its header shows which. In the older form Cookie 0 is
  an unknown reader, ItemID 0 (and the word null) no article, Category 0 no category.
- `Items.csv` has 5 headings, `Publisher,CreatedAt,ItemID,URL,Title`, above up to 8 cells: category, text
  and keywords come after them. A text may be the word null. Empty cells at the end may be missing.
- Nothing is quoted: commas in texts were made blanks, a quote is a letter as any other. A line is a record.
- CreatedAt was written by a 12-hour clock without AM or PM (and in local time, zone unknown). It is read as it
  stands, 12:xx as 00:xx as the framework itself does, so it may be 12 hours too early.
- The framework leaves out a second click of a reader on an article within 60 seconds, and clicks on articles
  that `Items.csv` does not know; it splits sessions by a gap. None of that is applied here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.datasets.base import EARLIEST, LATEST, Block, Part, Plan, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.errors import DataError

PAGE = "https://github.com/mjugo/StreamingRec"
CLICK_FILE = "Clicks.csv"
ITEM_FILE = "Items.csv"

BLANK = "blank line"
NO_ARTICLE = "click on no article (ItemID null, or 0 in plista's form)"
UNDATED = "articles without a usable CreatedAt; known when first read"
MADE_UP = (
    "Publication times come from a 12-hour clock without AM or PM, in local time: an article may seem published up to "
    "12 hours before it was."
)

_IDS = frozenset(["publisher", "item", "user"])
_TIMES = frozenset(["time", "published"])
_NO_FACT = {"category": ("", "null", "0"), "title": ("", "null"), "body": ("", "null")}
_FACTS = _NO_FACT.keys()
_NUMBER = re.compile(r"0*([0-9]{1,18})")
_CREATED = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")


class _Form(NamedTuple):
    """How a file's lines are read: its header, all its cells, and those wanted by what they are called in a block."""

    role: str
    header: str
    cells: tuple[str, ...]
    least: int  # cells that a line has at least
    columns: dict[str, str]
    nothing: frozenset[str]  # what stands for no article, reader or fact


_NEW = _Form(
    "clicks",
    "ItemID,UserId,TimeStamp",
    ("ItemID", "UserId", "TimeStamp"),
    3,
    {"item": "ItemID", "user": "UserId", "time": "TimeStamp"},
    frozenset(["null"]),
)
_PLISTA = _Form(
    "plista clicks",
    "Publisher,Category,ItemID,Cookie,Timestamp,keywords",
    ("Publisher", "Category", "ItemID", "Cookie", "Timestamp", "keywords"),
    5,
    {"publisher": "Publisher", "category": "Category", "item": "ItemID", "user": "Cookie", "time": "Timestamp"},
    frozenset(["null", "0"]),
)
_ITEMS = _Form(
    "items",
    "Publisher,CreatedAt,ItemID,URL,Title",
    ("Publisher", "CreatedAt", "ItemID", "URL", "Title", "category", "text", "keywords"),
    5,
    {
        "publisher": "Publisher",
        "published": "CreatedAt",
        "item": "ItemID",
        "title": "Title",
        "category": "category",
        "body": "text",
    },
    frozenset(["null"]),
)


def plan_streamingrec(path: Path, *, sizes: ReadSizes = SIZES) -> Plan:
    """How a StreamingRec folder is read: `Clicks.csv` and, if it is there, `Items.csv`.

    A click becomes a read; there are no sessions. The publisher is the older form's column, else "streamingrec".
    Times from 1990 up to 2100 are accepted. A click of an unknown reader (empty, null, or Cookie 0) is kept; one
    without an article is left out by a rule. A line with a missing or surplus cell, a NUL byte, bytes that are not
    UTF-8, an empty id of an article or a publisher, or a time that is none is a reject. An article whose CreatedAt or
    texts are not usable is kept, with null in their place.

    Raises `DataError` when the files are not there, cannot be read or have another header.
    """
    file = path / CLICK_FILE
    if not file.is_file():
        fault = f"no {CLICK_FILE} in this folder" if path.is_dir() else "there is no such folder"
        raise DataError(
            f"{path}: {fault}. Expected {CLICK_FILE} and, optionally, {ITEM_FILE} as the StreamingRec framework "
            f"writes them: {PAGE}"
        )
    clicks = _form(file, _NEW, _PLISTA)
    files = [(file, clicks)]
    items = path / ITEM_FILE
    if items.is_file():
        files.append((items, _form(items, _ITEMS)))
    return Plan(
        parts=[part._replace(role=form.role) for file, form in files for part in parts.text_parts(file, sizes=sizes)],
        read=partial(_read, with_publisher=clicks is _PLISTA, sizes=sizes),
        publisher=None if clicks is _PLISTA else "streamingrec",
        notes=partial(_notes, articles=items.is_file()),
        made_up=[MADE_UP] if items.is_file() else [],
        source=f"click logs in the form of the StreamingRec framework: {PAGE}",
        licence="Those of the log that was converted; ask whoever gave it out.",
    )


def _form(file: Path, *forms: _Form) -> _Form:
    """Which form a file has, by its header."""
    if parts.is_archive(file):
        raise DataError(f"{file} is an archive: unpack it first")
    first = next(
        (chunk.data for chunk in parts.chunks(Part(file, file.name), sizes=ReadSizes(chunk=1 << 16))), b""
    ).split(b"\n", 1)[0]
    header = first.decode("utf-8-sig", "replace").rstrip("\r ")
    for form in forms:
        if header == form.header:
            return form
    expected = " or ".join(repr(form.header) for form in forms)
    raise DataError(f"{file} line 1: the header is {header[:200]!r}; expected {expected}, as in {PAGE}")


def _read(part: Part, *, with_publisher: bool, sizes: ReadSizes) -> Iterator[Block]:
    form = next(form for form in (_NEW, _PLISTA, _ITEMS) if form.role == part.role)
    if form is _ITEMS and not with_publisher:
        form = form._replace(columns={name: cell for name, cell in form.columns.items() if name != "publisher"})
    header = part.begin == 0
    for chunk in parts.chunks(part, sizes=sizes):
        data = chunk.data
        if header:
            data, header = data.partition(b"\n")[2], False
            yield Block(part.name, lines=1)
        if data:
            yield _fast(part.name, data, form) or _exact(part.name, data, form)


def _fast(name: str, data: bytes, form: _Form) -> Block | None:
    """Clean lines at once, or None if one of them needs a closer look."""
    if b"\0" in data or not _is_utf8(data) or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
        return None
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=form.cells),
            parse_options=csv.ParseOptions(quote_char=False),
            convert_options=csv.ConvertOptions(
                include_columns=list(form.columns.values()),
                # times too, since Arrow's whole numbers may have blanks or be hexadecimal
                column_types=dict.fromkeys(form.columns.values(), pa.string()),
                null_values=[],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        columns = {column: table[cell].combine_chunks() for column, cell in form.columns.items()}
        if "time" in columns:
            if not pc.all(pc.utf8_is_decimal(columns["time"])).as_py():
                return None
            columns["time"] = columns["time"].cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    if table.num_rows != lines or any(_any(pc.equal(columns[column], "")) for column in _IDS & columns.keys()):
        return None  # a blank line, an empty id
    for column in _FACTS & columns.keys():
        empty = pc.is_in(columns[column], pa.array(_NO_FACT[column]))
        columns[column] = pc.if_else(empty, None, columns[column])
    block = Block(name, lines=lines, records=lines)
    if form.role == _ITEMS.role:
        if _any(_is(columns["item"], form.nothing)):
            return None
        created = columns["published"].dictionary_encode()
        known = pa.array([_created(text) for text in created.dictionary.to_pylist()], pa.int64())
        columns["published"] = known.take(created.indices)
        return _with(block, form, pa.table(columns))
    span = pc.min_max(columns["time"]).as_py()
    if not EARLIEST <= span["min"] <= span["max"] < LATEST:
        return None
    rows = pa.table(columns)
    nothing = _is(rows["item"], form.nothing)
    if _any(nothing):
        rows = rows.filter(pc.invert(nothing))
        block.dropped[NO_ARTICLE] = lines - rows.num_rows
    readers = rows["user"]
    unknown = pc.if_else(_is(readers, form.nothing), None, readers)
    return _with(block, form, rows.set_column(rows.column_names.index("user"), "user", unknown))


def _is(values: pa.Array, words: frozenset[str]) -> pa.Array:
    mask = None
    for word in sorted(words):
        same = pc.equal(values, word)
        mask = same if mask is None else pc.or_(mask, same)
    return mask


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _exact(name: str, data: bytes, form: _Form) -> Block:
    """Line by line, with the reason why each bad line cannot be used."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    block = Block(name, lines=len(lines), records=len(lines))
    rows = []
    for number, line in enumerate(lines, 1):
        line = line.removesuffix(b"\r")
        if not line.strip(b" \r"):
            block.dropped[BLANK] += 1
            continue
        try:
            row = _row(line, form)
        except ValueError as error:
            block.rejects.append(Reject(name, number, str(error), line.decode("utf-8", "replace")[:500]))
            continue
        if isinstance(row, str):
            block.dropped[row] += 1
        else:
            rows.append(row)
    cells = zip(*rows, strict=True) if rows else [()] * len(form.columns)
    table = pa.table(
        {
            column: pa.array(values, pa.int64() if column in _TIMES else pa.string())
            for column, values in zip(form.columns, cells, strict=True)
        }
    )
    return _with(block, form, table)


def _row(line: bytes, form: _Form) -> list[str | int | None] | str:
    """A line's cells in the order of `form.columns`, or the rule that leaves it out; else `ValueError`."""
    if b"\0" in line:
        raise ValueError("the line holds a NUL byte")
    if not _is_utf8(line):
        raise ValueError("the line holds bytes that are not UTF-8")
    cells = line.decode().split(",")
    most = len(form.cells)
    if not form.least <= len(cells) <= most:
        expected = f"{form.least} to {most}" if form.least < most else f"{most}"
        raise ValueError(f"{expected} cells are expected, the line has {len(cells)}")
    values = dict(zip(form.cells, cells + [""] * (most - len(cells)), strict=True))
    row: list[str | int | None] = []
    for column, heading in form.columns.items():
        cell = values[heading]
        value: str | int | None = cell
        if column == "time":
            match = _NUMBER.fullmatch(cell)
            value = int(match[1]) if match else 0
            if not EARLIEST <= value < LATEST:
                raise ValueError(f"{heading} {cell[:50]!r} is no time: milliseconds from 1990 up to 2100 are expected")
        elif column == "published":
            value = _created(cell)
        elif column in _FACTS:
            value = None if cell in _NO_FACT[column] else cell
        elif column == "user":
            value = None if not cell or cell in form.nothing else cell
        elif not cell or (column == "item" and form.role == _ITEMS.role and cell in form.nothing):
            raise ValueError(f"{heading} {cell!r} is no id")
        row.append(value)
    if "time" in form.columns and values[form.columns["item"]] in form.nothing:
        return NO_ARTICLE
    return row


def _created(text: str) -> int | None:
    """CreatedAt in ms UTC; None if it is no time or outside 1990 to 2100.

    >>> _created("1990-01-01 12:00:01") - EARLIEST
    1000
    """
    match = _CREATED.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        moment = datetime(year, month, day, 0 if hour == 12 else hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    time = int(moment.timestamp()) * 1_000
    return time if EARLIEST <= time < LATEST else None


def _with(block: Block, form: _Form, table: pa.Table) -> Block:
    block.kept = table.num_rows
    if form.role == _ITEMS.role:
        block.articles = table
        block.counts += Counter({UNDATED: table["published"].null_count})
    else:
        block.rows = table
    return block


def _notes(counts: Counter[str], articles: bool) -> list[str]:
    if not articles:
        return [f"no {ITEM_FILE}: publication times and texts of the articles are unknown"]
    notes = [
        "CreatedAt was written by a 12-hour clock without AM or PM and is read as it stands, 12 as 0: a publication "
        "may be given up to 12 hours too early"
    ]
    return notes + ([f"{UNDATED}: {counts[UNDATED]:,}"] if counts[UNDATED] else [])
