"""Globo.com: the click log of a Brazilian news portal, one CSV file per hour of session start.

Facts of the format that shape this reader:

- A file is not a partition of click time. Rows are grouped by session, sessions are sorted by their start,
  and a click can lie hours or days after the hour its file is named for. Only a sort over all files gives
  event time, and that sort is done when a data set is prepared, not here.
- The time of the last click of every session was made up by the source: it is exactly 30 seconds after the
  click before it.
- Every cell is a whole number and nothing is quoted, so a file of digits, commas and line ends is parsed at
  full speed. Any other file is read again line by line, for the reason why each bad line cannot be used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.datasets.base import EARLIEST, LATEST, Block, Part, Plan, Reject
from newsreplay.errors import DataError

PUBLISHER = "globo"
PAGE = "https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom"
CLICK_FILES = "clicks_hour_*.csv"
ARTICLE_FILE = "articles_metadata.csv"


MADE_UP = (
    "The time of the last click of every session is imputed: the source sets it to exactly 30 seconds "
    "after the click before it. Times to the next click and reading times mean nothing in these data, and "
    "a session of two clicks has only one measured time."
)


class _Column(NamedTuple):
    heading: str  # in the file
    name: str  # in `Raw`
    is_time: bool = False
    needed: bool = True  # without it the row is rejected; else the cell is null


_CLICK = (
    _Column("user_id", "user"),
    _Column("session_id", "session"),
    _Column("click_article_id", "item"),
    _Column("click_timestamp", "time", is_time=True),
)
_ARTICLE = (
    _Column("article_id", "item"),
    _Column("created_at_ts", "published", is_time=True, needed=False),
    _Column("category_id", "category", needed=False),
)
_ID = pa.dictionary(pa.int32(), pa.string())
_FIRST_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
_WHOLE_NUMBER = re.compile(rb"-?[0-9]+")


def plan_globo(path: Path) -> Plan:
    """Every click of a folder of Globo.com hour files, in file order, and the articles' metadata.

    `path` holds `clicks/clicks_hour_*.csv`, or those files directly, and `articles_metadata.csv`, which may
    be missing. All ids are kept as they stand in the file; sessions are the source's own. Times from 1990
    up to 2100 are accepted.

    A line with a missing cell, a NUL byte, an id that is not all digits or a time that is none is a reject.
    Rows in are the clicks and the articles. An article without a usable time or category is kept, with null in
    its place.

    Raises `DataError` when the files are not there; reading them, when they cannot be read or lack a column.
    """
    files = _click_files(path)
    metadata = path / ARTICLE_FILE
    described = metadata.is_file()
    parts = [Part(file, file.name, weight=file.stat().st_size, role="clicks") for file in files]
    if described:
        parts.append(Part(metadata, ARTICLE_FILE, weight=metadata.stat().st_size, role="articles"))
    return Plan(
        parts=parts,
        read=_read,
        publisher=PUBLISHER,
        notes=lambda counts: _notes(counts, len(files), described),
        made_up=[MADE_UP],
        source=f"News Portal User Interactions by Globo.com (Kaggle): {PAGE}",
        licence=(
            "The terms of use are on the data set's Kaggle page; its description allows academic and not "
            "commercial use. newsreplay does not pass these data on."
        ),
    )


def _read(part: Part) -> Iterator[Block]:
    columns = _CLICK if part.role == "clicks" else _ARTICLE
    table, rejects = _read_file(part.path, columns)
    block = Block(part.name, records=table.num_rows + len(rejects), kept=table.num_rows, rejects=rejects)
    if part.role == "clicks":
        block.rows = table
        block.counts["clicks"] = table.num_rows
        if not block.records:
            block.counts[f"empty {part.name}"] = 1
    else:
        block.articles = table
        block.counts.update(
            articles=table.num_rows, timeless=table["published"].null_count, nameless=table["category"].null_count
        )
    yield block


def _click_files(path: Path) -> list[Path]:
    for folder in (path / "clicks", path):
        files = [file for file in folder.glob(CLICK_FILES) if file.is_file()]
        if files:
            return sorted(files, key=lambda file: (len(file.name), file.name))
    if not path.exists():
        contents = "there is no such folder"
    elif not path.is_dir():
        contents = "found a file, not a folder"
    else:
        names = sorted(entry.name for entry in path.iterdir())
        more = ", …" if len(names) > 10 else ""
        contents = f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"
    raise DataError(
        f"{path}: {contents}. Expected a folder with clicks/{CLICK_FILES} or {CLICK_FILES}, and {ARTICLE_FILE}. "
        f"Get clicks.zip and {ARTICLE_FILE} from {PAGE} and unpack them there"
    )


def _read_file(file: Path, columns: Sequence[_Column]) -> tuple[pa.Table, list[Reject]]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    if not data.strip():
        return _table({}, columns), []
    first = _FIRST_LINE.match(data)
    assert first is not None  # it matches the empty line too
    headings = first[1].decode("utf-8-sig", "replace").split(",")
    for column in columns:
        if (times := headings.count(column.heading)) != 1:
            fault = "stands there more than once" if times else "is missing"
            header = first[1][:200].decode("utf-8", "replace")
            raise DataError(
                f"{file} line 1: column {column.heading!r} {fault}; the header is {header!r}. Needed are "
                f"{', '.join(column.heading for column in columns)}, separated by commas, without quotes"
            )
    body = data[first.end() :]
    table = _parse(body, headings, columns)
    if table is not None:
        return table, []
    return _parse_lines(file.name, body, headings, columns)


def _parse(body: bytes, headings: list[str], columns: Sequence[_Column]) -> pa.Table | None:
    """The whole file at once, or None if any line of it needs a closer look."""
    if body.translate(None, b"0123456789,\r\n"):
        return None
    try:
        table = csv.read_csv(
            pa.BufferReader(body),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(body) + 1, column_names=headings),
            convert_options=csv.ConvertOptions(
                include_columns=[column.heading for column in columns],
                column_types={column.heading: pa.int64() if column.is_time else _ID for column in columns},
                null_values=[],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    for column in columns:
        values = table[column.heading].combine_chunks()
        if column.is_time:
            span = pc.min_max(values).as_py()
            if table.num_rows and not EARLIEST <= span["min"] <= span["max"] < LATEST:
                return None
        elif pc.any(pc.equal(values.dictionary, "")).as_py():
            return None
    return table.rename_columns([column.name for column in columns])


def _parse_lines(
    name: str, body: bytes, headings: list[str], columns: Sequence[_Column]
) -> tuple[pa.Table, list[Reject]]:
    places = [(headings.index(column.heading), column) for column in columns]
    rows = []
    rejects = []
    for line, text in enumerate(body.splitlines(), start=2):
        if not text.strip():
            continue
        try:
            rows.append(_row(text, len(headings), places))
        except ValueError as error:
            rejects.append(Reject(name, line, str(error), text.decode("utf-8", "replace")[:500]))
    cells = zip(*rows, strict=True)
    return _table({column.name: list(c) for column, c in zip(columns, cells, strict=False)}, columns), rejects


def _row(text: bytes, width: int, places: list[tuple[int, _Column]]) -> list[str | int | None]:
    """The wanted cells of a line; `ValueError` where it cannot be used, with the reason."""
    if b"\0" in text:
        raise ValueError("the line holds a NUL byte")
    cells = text.split(b",")
    if len(cells) != width:
        raise ValueError(f"{width} cells are expected, the line has {len(cells)}")
    row: list[str | int | None] = []
    for place, column in places:
        try:
            row.append(_time(cells[place]) if column.is_time else _id(cells[place]))
        except ValueError as error:
            if column.needed:
                value = cells[place][:50].decode("utf-8", "replace")
                raise ValueError(f"{column.heading} {value!r} {error}") from None
            row.append(None)
    return row


def _id(cell: bytes) -> str:
    if not cell.isdigit():
        raise ValueError("is not an id: digits are expected")
    return cell.decode()


def _time(cell: bytes) -> int:
    if not _WHOLE_NUMBER.fullmatch(cell):
        raise ValueError("is not a time: milliseconds since 1970, UTC, are expected")
    time = int(cell[:25])  # longer is out of range anyhow, and a very long one no int for Python
    if not EARLIEST <= time < LATEST:
        raise ValueError("is outside 1990 to 2100: milliseconds since 1970, UTC, are expected")
    return time


def _table(values: dict[str, list[str | int | None]], columns: Sequence[_Column]) -> pa.Table:
    return pa.table(
        {
            column.name: pa.array(values.get(column.name, []), pa.int64() if column.is_time else _ID)
            for column in columns
        }
    )


def _notes(counts: Counter[str], files: int, described: bool) -> list[str]:
    notes = [
        f"clicks: {counts['clicks']:,}; click files: {files:,}; times in milliseconds UTC, sessions as in the "
        "source; files are grouped by session and are no partition of click time"
    ]
    empty = sorted(name.removeprefix("empty ") for name in counts if name.startswith("empty "))
    if empty:
        more = f" and {len(empty) - 5:,} more" if len(empty) > 5 else ""
        notes.append(f"no clicks in {', '.join(empty[:5])}{more}: empty, or only a header")
    if not described:
        return [*notes, f"no {ARTICLE_FILE}: publication times and categories of the articles are unknown"]
    notes.append(f"articles with metadata: {counts['articles']:,}")
    if counts["timeless"]:
        notes.append(f"articles without a usable created_at_ts: {counts['timeless']:,}; known when first read")
    if counts["nameless"]:
        notes.append(f"articles without a usable category_id: {counts['nameless']:,}")
    return notes
