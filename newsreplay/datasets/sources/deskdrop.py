"""CI&T Deskdrop: twelve months of a company's internal news portal, two comma-separated files.

Facts of the format that shape this reader:

- `users_interactions.csv` has every interaction: `timestamp` (seconds, UTC), `eventType`, `contentId`, `personId`,
  `sessionId` and the agent and place of the reader. Only a VIEW is a read; the other types are left out, each
  by a rule of its own. Ids go beyond 2^53 and may be negative: they are text.
- `shared_articles.csv` has the articles that were shared (published) and removed. Its texts are quoted, hold
  doubled quotes and run over lines.
- A view is often logged twice in one second, with and without the client's description (agent, region and country), up
  to some thousand records apart: one view, of which the record with more description is kept. Views that are alike to
  the last cell are duplicates, and kept.
- User agents are quoted too, since they hold commas. A line end within quotes is no end of a record, so the
  files (some 10 MB each) are read from the start and cut where no quote is open. A chunk whose quotes all
  stand where they should is parsed at full speed; any other record by record.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.arrow import to_numpy
from newsreplay.datasets import base
from newsreplay.datasets.base import EXTRA, Block, Part, Plan, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.lines import Lines, is_blank, records
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.errors import DataError

PAGE = "https://www.kaggle.com/datasets/gspmoreira/articles-sharing-reading-from-cit-deskdrop"
CLICK_FILE = "users_interactions.csv"
ARTICLE_FILE = "shared_articles.csv"
EARLIEST, LATEST = base.EARLIEST // 1000, base.LATEST // 1000  #: seconds

BLANK = "blank line"
UNDATED = "shared articles without a usable timestamp; known when first read"
NO_SESSION = "reads without a sessionId"
RESENT = "view logged again in the same second, with less of the client's description"

_ID = pa.dictionary(pa.int32(), pa.string())
_BEFORE = np.isin(np.arange(256), list(b',\n"'))  # what may stand before a quote that opens
_AFTER = np.isin(np.arange(256), list(b',\r\n"'))  # and after one that closes
_NUMBER = re.compile(r"0*([0-9]{1,18})")


class _Kind(NamedTuple):
    """How one of the two files is read: the event that is kept, and columns by what they are called in a block."""

    kept: str
    dropped: dict[str, str]  # event type → rule
    columns: dict[str, str]
    needed: tuple[str, ...]
    clock: str

    @property
    def of_clicks(self) -> bool:
        return self.clock == "time"


_CLICKS = _Kind(
    "VIEW",
    {event: f"{event}: not a read" for event in ("LIKE", "BOOKMARK", "FOLLOW", "COMMENT CREATED")},
    {"time": "timestamp", "item": "contentId", "user": "personId", "session": "sessionId"},
    ("time", "item"),
    "time",
)
_ARTICLES = _Kind(
    "CONTENT SHARED",
    {"CONTENT REMOVED": "CONTENT REMOVED: not a publication"},
    {"published": "timestamp", "item": "contentId", "title": "title", "body": "text"},
    ("item",),
    "published",
)
_EVENT = "eventType"
_CLIENT = ("userAgent", "userRegion", "userCountry")  #: what describes it; may be missing
_DESCRIBED = "described"  #: the column that counts how many of them are filled, until resends are left out


def plan_deskdrop(path: Path, *, keep: Sequence[str] = (), sizes: ReadSizes = SIZES) -> Plan:
    """How Deskdrop is read: the folder with `users_interactions.csv`, or that file alone.

    `shared_articles.csv` is read if it lies in the folder. A VIEW becomes a read with the source's session; a
    CONTENT SHARED has an article's publication time, title and text. Times from 1990 up to 2100 are accepted. `keep`
    names further columns of the interactions that are kept, as `userCountry`: of a view that was logged twice those of
    the record with more description.

    A record with an unclosed quote, a missing or surplus cell, a NUL byte, bytes that are not UTF-8, an unknown
    event type, without article, or whose time is none is a reject. A read without reader or session and an article
    without a usable time, title or text are kept, with null in its place.

    Raises `DataError` when the files are not there, cannot be read or lack a column, one that is to be kept among them.
    """
    clicks = path / CLICK_FILE if path.is_dir() else path
    if not clicks.is_file():
        fault = f"no {CLICK_FILE} in this folder" if path.is_dir() else "there is no such file or folder"
        raise DataError(f"{path}: {fault}. Get {CLICK_FILE} and {ARTICLE_FILE} from {PAGE} and unpack them")
    articles = path / ARTICLE_FILE
    found_articles = path.is_dir() and articles.is_file()
    files = [(clicks, _CLICKS)] + ([(articles, _ARTICLES)] if found_articles else [])
    headers = [_header(file, kind) for file, kind in files]
    names = headers[0]
    for name in keep:
        if names.count(name) != 1:
            raise DataError(f"{clicks.name} has no column {name!r} to keep; it has {', '.join(names)}")
    return Plan(
        parts=[
            Part(file, file.name, weight=file.stat().st_size, role="" if kind.of_clicks else "articles")
            for file, kind in files
        ],
        read=partial(_read, keep=keep, sizes=sizes),
        publisher="deskdrop",
        notes=partial(_notes, articles=found_articles),
        source=f"CI&T Deskdrop: articles sharing and reading (Kaggle): {PAGE}",
        licence=(
            "Open Database License for the database, Database Contents License for its contents; see the data "
            "set's Kaggle page. newsreplay does not pass these data on."
        ),
    )


def _header(file: Path, kind: _Kind) -> list[str]:
    if parts.is_archive(file):
        raise DataError(f"{file} is an archive: unpack it first; expected is the file {CLICK_FILE} itself")
    part = Part(file, file.name)
    first = next((chunk.data for chunk in parts.chunks(part, sizes=ReadSizes(chunk=1 << 16))), b"").split(b"\n", 1)[0]
    names = first.decode("utf-8-sig", "replace").rstrip("\r").split(",")
    for column in (_EVENT, *kind.columns.values()):
        if (times := names.count(column)) != 1:
            fault = "stands there more than once" if times else "is missing"
            raise DataError(
                f"{file} line 1: column {column!r} {fault}; the header is {','.join(names)[:200]!r}. "
                f"Get {file.name} from {PAGE}"
            )
    return names


def _read(part: Part, keep: Sequence[str], sizes: ReadSizes) -> Iterator[Block]:
    extra = {f"{EXTRA}{name}": name for name in keep}
    kind = _ARTICLES if part.role == "articles" else _CLICKS._replace(columns={**extra, **_CLICKS.columns})
    names = _header(part.path, kind)
    rest, header = b"", True
    blocks = []
    for chunk in parts.chunks(part, sizes=sizes):
        data = rest + chunk.data
        if header:
            data, header = data.partition(b"\n")[2], False
            blocks.append(Block(part.name, lines=1))
        block, used = _block(part.name, data, names, kind, sizes, last=len(data) > sizes.longest_line)
        rest = data[used:]
        if used:
            blocks.append(block)
    if rest:
        blocks.append(_block(part.name, rest, names, kind, sizes, last=True)[0])
    if kind.of_clicks:
        _leave_out_resends(blocks)
    yield from blocks


def _leave_out_resends(blocks: list[Block]) -> None:
    """Leave out views that another one of the same second, reader, session and article describes better."""
    tables = [block.rows for block in blocks if block.rows is not None]
    views = [list(zip(*(table[name].to_pylist() for name in _CLICKS.columns), strict=True)) for table in tables]
    described = [to_numpy(table[_DESCRIBED]) for table in tables]
    most: dict[tuple[object, ...], int] = {}
    for view, filled in zip(chain(*views), chain(*described), strict=True):
        most[view] = max(filled, most.get(view, 0))
    for block in blocks:
        if block.rows is None:
            continue
        own = [most[view] for view in views.pop(0)]
        best = described.pop(0) == np.array(own, np.int8)
        block.rows = block.rows.drop_columns([_DESCRIBED]).filter(pa.array(best))
        block.dropped += Counter({RESENT: int(np.count_nonzero(~best))})  # `+=` leaves out zeros
        block.kept = block.rows.num_rows
        block.counts += Counter({NO_SESSION: block.rows["session"].null_count})


def _block(name: str, data: bytes, names: list[str], kind: _Kind, sizes: ReadSizes, *, last: bool) -> tuple[Block, int]:
    """The records of some bytes, and how many of these bytes they are: unless `last`, the end may be incomplete."""
    shape = _clean(data, sizes.longest_record, last=last)
    block = _fast(name, data[: shape.used], names, kind, shape) if shape else None
    return (block, shape.used) if shape and block else _exact(name, data, names, kind, sizes.longest_record, last=last)


class _Shape(NamedTuple):
    used: int  # bytes up to the end of the last whole record
    lines: int
    records: int
    blank: int  # of them


def _clean(data: bytes, longest: int, *, last: bool) -> _Shape | None:
    """What the records of some bytes are, or None unless all quotes and line ends stand as they should."""
    raw = np.frombuffer(data, np.uint8)
    returns = np.flatnonzero(raw == ord("\r"))
    if b"\0" in data or data.endswith(b"\r") or (raw[returns + 1] != ord("\n")).any() or not _is_utf8(data):
        return None
    quotes, ends = np.flatnonzero(raw == ord('"')), np.flatnonzero(raw == ord("\n"))
    of_records = np.flatnonzero(np.searchsorted(quotes, ends) % 2 == 0)
    if not of_records.size or np.diff(of_records, prepend=-1).max() >= longest:
        return None
    stops = ends[of_records]
    used = len(data) if last else int(stops[-1]) + 1
    quotes = quotes[quotes < used]
    if quotes.size % 2:
        return None
    # A quote opens a field or is the second of two that mean one; the next closes it or is the first of such two.
    opening, closing = quotes[::2], quotes[1::2]
    before, after = raw[opening[opening > 0] - 1], raw[closing[closing < raw.size - 1] + 1]
    if not _BEFORE[before].all() or not _AFTER[after].all():
        return None
    starts = np.concatenate([[0], stops[:-1] + 1])
    blank = (stops == starts) | ((stops == starts + 1) & (raw[starts] == ord("\r")))
    unfinished = int(used > stops[-1] + 1)
    lines = int(np.count_nonzero(ends < used)) + unfinished
    return _Shape(used, lines, stops.size + unfinished, int(np.count_nonzero(blank)))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fast(name: str, data: bytes, names: list[str], kind: _Kind, shape: _Shape) -> Block | None:
    """Clean bytes at once, or None if a record of them needs a closer look."""
    clock = kind.clock  # read as text, since Arrow's whole numbers may have blanks or be hexadecimal
    types = {_EVENT: _ID} | {heading: _type(column) for column, heading in kind.columns.items()}
    types[kind.columns[clock]] = pa.string()
    client = [name for name in _CLIENT if name in names and kind.of_clicks]
    types |= dict.fromkeys(client, pa.string())
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                include_columns=list(types), column_types=types, null_values=[], strings_can_be_null=False
            ),
        )
        events = {entry["values"]: entry["counts"] for entry in table[_EVENT].value_counts().to_pylist()}
        table = table.filter(pc.equal(table[_EVENT], kind.kept))
        columns = {column: table[heading].combine_chunks() for column, heading in kind.columns.items()}
        if not pc.all(pc.utf8_is_decimal(columns[clock])).as_py():
            return None
        time = columns[clock].cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    span = pc.min_max(time).as_py()
    if table.num_rows and not EARLIEST <= span["min"] <= span["max"] < LATEST:
        return None
    if not events.keys() <= {kind.kept, *kind.dropped} or sum(events.values()) != shape.records - shape.blank:
        return None
    for column, values in columns.items():
        if values.type == _ID and column in kind.needed:
            if pc.any(pc.equal(values.dictionary, "")).as_py():
                return None
        elif values.type == _ID:
            indices = pc.if_else(pc.equal(values.cast(pa.string()), ""), None, values.indices)
            columns[column] = pa.DictionaryArray.from_arrays(indices, values.dictionary)
        else:
            columns[column] = pc.if_else(pc.equal(values, ""), None, values)
    columns[clock] = pc.multiply(time, 1_000)
    if kind.of_clicks:
        filled = np.zeros(table.num_rows, np.int8)
        for name_of_cell in client:
            filled += to_numpy(pc.not_equal(table[name_of_cell], ""))
        columns[_DESCRIBED] = pa.array(filled)
    block = Block(name, lines=shape.lines, records=shape.records, kept=table.num_rows)
    block.dropped += Counter({rule: events.get(event, 0) for event, rule in kind.dropped.items()})
    block.dropped += Counter({BLANK: shape.blank})
    # A column that is an id and kept besides was read as ids are.
    columns |= {column: values.cast(pa.string()) for column, values in columns.items() if column.startswith(EXTRA)}
    return _with(block, kind, pa.table(columns))


def _exact(name: str, data: bytes, names: list[str], kind: _Kind, longest: int, *, last: bool) -> tuple[Block, int]:
    """Record by record. What a record is depends on its first line and `longest` more at most."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        lines.pop()
    decidable = len(lines) if last else len(lines) - longest
    block = Block(name)
    kept: list[list[str | int | None]] = []
    filled: list[int] = []
    used = 0
    text_lines = Lines(line.decode("utf-8", "surrogateescape") for line in lines)
    for record in records(text_lines, ",", len(names), longest=longest):
        if record.line > decidable:
            break
        used += len(record.text.encode("utf-8", "surrogateescape"))
        block.lines += record.text.count("\n") or 1
        block.records += 1
        if is_blank(record.text):
            block.dropped[BLANK] += 1
            continue
        try:
            row = _row(record.text, record.fields, names, kind)
        except ValueError as error:
            text = record.text.rstrip("\r\n")[:500].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            block.rejects.append(Reject(name, record.line, str(error), text))
            continue
        if isinstance(row, str):
            block.dropped[row] += 1
        else:
            kept.append(row)
            cells = dict(zip(names, record.fields or [], strict=True))
            filled.append(sum(bool(cells.get(name)) for name in _CLIENT))
    block.kept = len(kept)
    columns = zip(*kept, strict=True) if kept else [()] * len(kind.columns)
    table = pa.table(
        {column: pa.array(values, _type(column)) for column, values in zip(kind.columns, columns, strict=True)}
    )
    if kind.of_clicks:
        table = table.append_column(_DESCRIBED, pa.array(filled, pa.int8()))
    return _with(block, kind, table), used


def _row(text: str, fields: list[str] | None, names: list[str], kind: _Kind) -> list[str | int | None] | str:
    """A record's cells in the order of `kind.columns`, or the rule that leaves it out; else `ValueError`."""
    if fields is None:
        raise ValueError("a quote is opened and not closed")
    if "\0" in text:
        raise ValueError("the line holds a NUL byte")
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        raise ValueError("the line holds bytes that are not UTF-8")
    if len(fields) != len(names):
        raise ValueError(f"{len(names)} cells are expected, the line has {len(fields)}")
    cells = dict(zip(names, fields, strict=True))
    event = cells[_EVENT]
    if event in kind.dropped:
        return kind.dropped[event]
    if event != kind.kept:
        raise ValueError(f"eventType {event[:50]!r}: expected {', '.join([kind.kept, *kind.dropped])}")
    row: list[str | int | None] = []
    for column, heading in kind.columns.items():
        value: str | int | None = cells[heading] or None
        if column == kind.clock:
            value = _time(cells[heading])
        if value is None and column in kind.needed:
            fault = "is no time: seconds from 1990 up to 2100 are expected" if column == "time" else "is no id"
            raise ValueError(f"{heading} {cells[heading][:50]!r} {fault}")
        row.append(value)
    return row


def _time(cell: str) -> int | None:
    match = _NUMBER.fullmatch(cell)
    seconds = int(match[1]) if match else 0
    return seconds * 1_000 if EARLIEST <= seconds < LATEST else None


def _type(column: str) -> pa.DataType:
    if column in ("time", "published"):
        return pa.int64()
    return _ID if column in ("item", "user", "session") else pa.string()


def _with(block: Block, kind: _Kind, table: pa.Table) -> Block:
    if not kind.of_clicks:
        block.articles = table
        block.counts += Counter({UNDATED: table["published"].null_count})
    else:
        block.rows = table
    return block


def _notes(counts: Counter[str], articles: bool) -> list[str]:
    notes = ["times in seconds UTC, sessions as in the source; only VIEW is a read"]
    notes += [f"{what}: {counts[what]:,}" for what in (NO_SESSION, UNDATED) if counts[what]]
    if not articles:
        notes.append(f"no {ARTICLE_FILE}: publication times and texts of the articles are unknown")
    return notes
