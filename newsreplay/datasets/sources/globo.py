"""Globo.com: the click log of a Brazilian news portal, one CSV file per hour of session start.

Kaggle's page has the hour files in `clicks/clicks/`, and beside them `clicks_sample.csv`, their first rows, which is
read only where there is nothing else; others pass round all clicks as one `clicks.csv`.

Facts of the format that shape this reader:

- A file is not a partition of click time. Rows are grouped by session, sessions are sorted by their start,
  and a click can lie hours or days after the hour its file is named for. Only a sort over all files gives
  event time, and that sort is done when a data set is prepared, not here.
- The time of the last click of every session was made up by the source: it is exactly 30 seconds after the
  click before it.
- Every cell is a whole number and nothing is quoted, so a file of digits, commas and line ends is parsed at
  full speed. Any other file is read again line by line, for the reason why each bad line cannot be used.
- What went through pandas may have whole numbers as decimals, `12.0`. Where the first value of a column of a file has
  that form, all of that column must, and are read as the whole numbers; in any other column `12.0` is no id.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import dictionary_of, to_arrow, to_numpy
from newsreplay.datasets.base import EARLIEST, EXTRA, LATEST, Block, Part, Plan, Reject, check_kept
from newsreplay.datasets.reading.fields import Fields, numbers_of, scan_fields, words_of
from newsreplay.datasets.reading.lines import count_lines
from newsreplay.datasets.reading.parts import text_parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.reading.usual_times import whole_numbers
from newsreplay.datasets.reading.words import places_of
from newsreplay.errors import DataError
from newsreplay.log.rows import Column

PUBLISHER = "globo"
PAGE = "https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom"
CLICK_FILES = "clicks_hour_*.csv"
MERGED, SAMPLE = "clicks.csv", "clicks_sample.csv"
HEAD = 64 << 10  #: bytes of a file by which the form of its numbers is known
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
SESSIONLESS = "clicks without sessions"  #: a role
AHEAD = ("session_size",)  #: how many clicks the session will have
_COLUMNS: dict[str, tuple[_Column, ...]] = {
    "clicks": _CLICK,
    SESSIONLESS: tuple(column for column in _CLICK if column.name != "session"),
    "articles": _ARTICLE,
}
_ID = pa.dictionary(pa.int32(), pa.string())
_FIRST_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
_WHOLE_NUMBER = re.compile(rb"-?[0-9]+")
_DECIMALS = r"^(0|[1-9][0-9]*)\.0$"
_DECIMAL = re.compile(_DECIMALS.encode())


class _Written(NamedTuple):
    """How the lines of a file are written."""

    headings: list[str]
    decimal: frozenset[str]  # the columns that hold whole numbers as 12.0
    begin: int  # first byte after the header


def plan_globo(path: Path, *, keep: Sequence[str] = (), sizes: ReadSizes = SIZES) -> Plan:
    """Every click of a folder of Globo.com hour files, in file order, and the articles' metadata.

    `path` holds `clicks/clicks_hour_*.csv`, or those files directly or in `clicks/clicks/`, else one `clicks.csv`, else
    `clicks_sample.csv`; and `articles_metadata.csv`, which may be missing. All ids are kept as they stand in the file,
    decimals of whole numbers (`12.0`) apart; sessions are the source's own. Times from 1990 up to 2100 are accepted.
    `keep` names further columns of the clicks that are kept, as `click_deviceGroup`; what is no whole number in them is
    null.

    A line with a missing cell, a NUL byte, an id that is not all digits or a time that is none is a reject.
    Rows in are the clicks and the articles. An article without a usable time or category is kept, with null in
    its place.

    Raises `DataError` when the files are not there; reading them, when they cannot be read or lack a column.
    """
    check_kept(keep, AHEAD, "Globo.com's clicks")
    files, beside = _click_files(path)
    metadata = path / ARTICLE_FILE
    described = metadata.is_file()
    parts = [part._replace(role="clicks") for file in files for part in text_parts(file, sizes=sizes)]
    if described:
        parts += [part._replace(role="articles") for part in text_parts(metadata, sizes=sizes)]
    return Plan(
        parts=parts,
        read=partial(read_part, keep=keep),
        publisher=PUBLISHER,
        notes=lambda counts: _notes(counts, files, beside, described),
        made_up=[MADE_UP],
        source=f"News Portal User Interactions by Globo.com (Kaggle): {PAGE}",
        licence=(
            "The terms of use are on the data set's Kaggle page; its description allows academic and not "
            "commercial use. newsreplay does not pass these data on."
        ),
    )


def read_part(part: Part, keep: Sequence[str] = ()) -> Iterator[Block]:
    """The block of a part in one of the roles clicks, clicks without sessions, articles, with columns that are kept."""
    columns = _COLUMNS[part.role]
    if part.role != "articles":
        columns += tuple(_Column(heading, f"{EXTRA}{heading}", needed=False) for heading in keep)
    form = _form_of(part.path, columns)
    data = _bytes_of(part)
    block = Block(part.name, lines=count_lines(data))
    table = _table({}, columns)
    if form is not None:
        skip = max(form.begin - part.begin, 0)
        body = data[skip:]
        parsed = _parse(body, form, columns)
        if parsed is None:
            parsed, block.rejects = _parse_lines(part.name, body, form, columns, 1 + bool(skip))
        table = parsed
        for column in columns:
            if column.heading in form.decimal:
                block.counts[f"decimal {column.heading}"] = table.num_rows - table[column.name].null_count
    block.records, block.kept = table.num_rows + len(block.rejects), table.num_rows
    if part.role != "articles":
        block.rows = table
        block.counts["clicks"] = table.num_rows
        if not block.records and not part.begin:
            block.counts[f"empty {part.name}"] = 1
    else:
        block.articles = table
        block.counts.update(
            articles=table.num_rows, timeless=table["published"].null_count, nameless=table["category"].null_count
        )
    yield block


def _click_files(path: Path) -> tuple[list[Path], list[str]]:
    """The files of clicks in their order, and the names of others that hold the same clicks."""
    folders = (path / "clicks", path / "clicks" / "clicks", path)
    hours = next((files for folder in folders if (files := _files(folder, CLICK_FILES))), [])
    whole = [file for name in (MERGED, SAMPLE) for folder in folders for file in _files(folder, name)]
    if hours or whole:
        files = hours or whole[:1]
        beside = [file.relative_to(path).as_posix() for file in whole if file not in files]
        return sorted(files, key=lambda file: (len(file.name), file.name)), beside
    if not path.exists():
        contents = "there is no such folder"
    elif not path.is_dir():
        contents = "found a file, not a folder"
    else:
        names = sorted(entry.name for entry in path.iterdir())
        more = ", …" if len(names) > 10 else ""
        contents = f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"
    raise DataError(
        f"{path}: {contents}. Expected a folder with clicks/{CLICK_FILES}, {CLICK_FILES}, {MERGED} or {SAMPLE}, and "
        f"{ARTICLE_FILE}. Get clicks.zip and {ARTICLE_FILE} from {PAGE} and unpack them there"
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    return [file for file in folder.glob(pattern) if file.is_file()]


def _bytes_of(part: Part) -> bytes:
    try:
        with part.path.open("rb") as file:
            file.seek(part.begin)
            return file.read() if part.end is None else file.read(part.end - part.begin)
    except OSError as error:
        raise DataError(f"{part.path}: cannot be read: {error.strerror}") from error


def _form_of(file: Path, columns: Sequence[_Column]) -> _Written | None:
    """How a file is written, by its first lines; None where it is empty. `DataError` where it lacks a column."""
    head = _bytes_of(Part(file, file.name, end=HEAD))
    if not head.strip():
        return None
    first = _FIRST_LINE.match(head)
    assert first is not None  # it matches the empty line too
    if first.end() == HEAD:
        raise DataError(f"{file} line 1 is longer than {HEAD:,} bytes, and so no header; is the file damaged?")
    headings = first[1].decode("utf-8-sig", "replace").split(",")
    for column in columns:
        if (times := headings.count(column.heading)) != 1:
            fault = "stands there more than once" if times else "is missing"
            header = first[1][:200].decode("utf-8", "replace")
            raise DataError(
                f"{file} line 1: column {column.heading!r} {fault}; the header is {header!r}. Needed are "
                f"{', '.join(column.heading for column in columns)}, separated by commas, without quotes"
            )
    firsts = dict.fromkeys((column.heading for column in columns), b"")
    for line in head[first.end() :].splitlines():
        cells = line.split(b",")
        if len(cells) == len(headings):
            firsts |= {name: cells[headings.index(name)] for name, value in firsts.items() if not value}
        if all(firsts.values()):
            break
    decimal = frozenset(column.heading for column in columns if _DECIMAL.fullmatch(firsts[column.heading]))
    return _Written(headings, decimal, first.end())


def _parse(body: bytes, form: _Written, columns: Sequence[_Column]) -> pa.Table | None:
    """All lines at once, or None if any of them needs a closer look."""
    if body.translate(None, b"0123456789.,\r\n" if form.decimal else b"0123456789,\r\n"):
        return None
    found = scan_fields(body, ",", len(form.headings), [form.headings.index(column.heading) for column in columns])
    if found.size < len(body):
        return None
    values = [_values(found, at, column, form) for at, column in enumerate(columns)]
    return None if any(value is None for value in values) else pa.table(values, [column.name for column in columns])


def _values(found: Fields, at: int, column: _Column, form: _Written) -> pa.Array | None:
    """A column whose cells are digits, None if they are something else or no time."""
    is_decimal = column.heading in form.decimal
    if column.is_time and not is_decimal:
        return _as_times(numbers_of(found, at))
    if (found.begin[at] == found.end[at]).any():
        return None
    values = words_of(found, at)
    if form.decimal:  # else there are no points
        pattern = _DECIMALS if is_decimal else "^[0-9]+$"
        if pc.all(pc.match_substring_regex(values.dictionary, pattern)).as_py() is False:
            return None
    if is_decimal:
        values = dictionary_of(to_numpy(values), pc.utf8_slice_codeunits(values.dictionary, 0, -2))
    return _as_times(whole_numbers(*places_of(values.cast(pa.string())))) if column.is_time else values


def _as_times(ms: Column | None) -> pa.Array | None:
    return None if ms is None or not ((ms >= EARLIEST) & (ms < LATEST)).all() else to_arrow(ms)


def _parse_lines(
    name: str, body: bytes, form: _Written, columns: Sequence[_Column], start: int
) -> tuple[pa.Table, list[Reject]]:
    places = [(form.headings.index(column.heading), column) for column in columns]
    rows = []
    rejects = []
    for line, text in enumerate(body.splitlines(), start):
        if not text.strip():
            continue
        try:
            rows.append(_row(text, form, places))
        except ValueError as error:
            rejects.append(Reject(name, line, str(error), text.decode("utf-8", "replace")[:500]))
    cells = zip(*rows, strict=True)
    return _table({column.name: list(c) for column, c in zip(columns, cells, strict=False)}, columns), rejects


def _row(text: bytes, form: _Written, places: list[tuple[int, _Column]]) -> list[str | int | None]:
    """The wanted cells of a line; `ValueError` where it cannot be used, with the reason."""
    if b"\0" in text:
        raise ValueError("the line holds a NUL byte")
    cells = text.split(b",")
    if len(cells) != len(form.headings):
        raise ValueError(f"{len(form.headings)} cells are expected, the line has {len(cells)}")
    row: list[str | int | None] = []
    for place, column in places:
        try:
            cell = _without_decimal(cells[place]) if column.heading in form.decimal else cells[place]
            row.append(_time(cell) if column.is_time else _id(cell))
        except ValueError as error:
            if column.needed:
                value = cells[place][:50].decode("utf-8", "replace")
                raise ValueError(f"{column.heading} {value!r} {error}") from None
            row.append(None)
    return row


def _without_decimal(cell: bytes) -> bytes:
    match = _DECIMAL.fullmatch(cell)
    if match is None:
        raise ValueError("is not of the form 12.0, as the first value of its column is")
    return match[1]


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


def _notes(counts: Counter[str], files: list[Path], beside: list[str], described: bool) -> list[str]:
    notes = [
        f"clicks: {counts['clicks']:,}; click files: {len(files):,}; times in milliseconds UTC, sessions as in the "
        "source; files are grouped by session and are no partition of click time"
    ]
    empty = sorted(name.removeprefix("empty ") for name in counts if name.startswith("empty "))
    if empty:
        more = f" and {len(empty) - 5:,} more" if len(empty) > 5 else ""
        notes.append(f"no clicks in {', '.join(empty[:5])}{more}: empty, or only a header")
    if files[0].name == SAMPLE:
        notes.append(f"{SAMPLE} holds the first clicks of these data only")
    if beside:
        notes.append(f"not read, since it holds the same clicks again: {', '.join(beside)}")
    notes += decimal_notes(counts)
    if not described:
        return [*notes, f"no {ARTICLE_FILE}: publication times and categories of the articles are unknown"]
    notes.append(f"articles with metadata: {counts['articles']:,}")
    if counts["timeless"]:
        notes.append(f"articles without a usable created_at_ts: {counts['timeless']:,}; known when first read")
    if counts["nameless"]:
        notes.append(f"articles without a usable category_id: {counts['nameless']:,}")
    return notes


def decimal_notes(counts: Counter[str]) -> list[str]:
    """What is said of whole numbers that were written as decimals."""
    return [
        f"{name.removeprefix('decimal ')} written as 12.0, read as 12: {count:,}"
        for name, count in sorted(counts.items())
        if name.startswith("decimal ") and count
    ]
