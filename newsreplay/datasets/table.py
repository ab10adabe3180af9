"""Any table of reads: CSV, TSV, Parquet or Arrow IPC.

Formats: `.csv`, `.tsv` (UTF-8, with a header line, either one also `.gz` or `.zst`), `.parquet`, `.arrow` and
`.feather`; or a folder that holds `reads.<ext>` and, if it likes, `articles.<ext>`.

Columns of reads

- `time`: ISO 8601 (a blank or `T` before the clock; without a zone it is UTC; ` UTC` is a zone too), epoch
  seconds or epoch milliseconds; in Parquet and Arrow also timestamps and dates. One column has one unit,
  found by majority; rows in another unit are rejected, and so is every time before 1990 or from 2100 on.
  What is finer than a millisecond is cut off.
- `user`, `session`: at least one of them in the file, and at least one of them filled in every row.
- `item`: the article that was read.
- `publisher`: where missing or empty, the name of the file (of the folder) without its extensions.
- `published` (as `time`, with a unit of its own; what cannot be used becomes null and is counted), `category`
  and `title` are optional. All other columns are ignored, also where they are damaged.

Columns of articles: `item`, and optionally `publisher`, `published`, `category`, `title`. Articles without
a usable item are left out, which the notes say.

Quirks: ids are text and stay as they are, to the last digit and blank; a value of blanks only is empty.
Fields may be quoted with `"`, doubled inside. A quoted field may run over line ends if its record is
well-formed (as many fields as the header, a delimiter or line end after each closing quote, no quote in an
unquoted field, at most 1,000 lines); otherwise its first line alone is rejected, and the lines after it are
read as if it were not there. Blank lines are dropped. Lines end in LF, CRLF or CR. Rows stay in the order
of the file.
"""

from __future__ import annotations

import difflib
import io
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from newsreplay.datasets.base import Raw, Reject
from newsreplay.datasets.lines import Lines, Record, Watched, is_blank, records
from newsreplay.datasets.times import (
    CALENDAR,
    EMPTY,
    FORMS,
    OUTSIDE,
    UNREADABLE,
    as_time,
    chunk_times,
    to_numpy,
    unit_of,
    valid_text,
)
from newsreplay.errors import DataError
from newsreplay.simulator.log import Column

DELIMITERS = {".csv": ",", ".tsv": "\t"}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BINARY = {".parquet": "Parquet", ".arrow": "Arrow IPC", ".feather": "Arrow IPC"}
ENDINGS = ".csv, .tsv (each also .gz or .zst), .parquet, .arrow or .feather"

TIMES = ("time", "published")
WORDS = ("publisher", "user", "session", "item", "category", "title")
READ_COLUMNS = ("publisher", "time", "user", "session", "item", "published", "category", "title")
ARTICLE_COLUMNS = ("item", "publisher", "published", "category", "title")
OTHER_NAMES = {
    "ts": "time",
    "timestamp": "time",
    "datetime": "time",
    "date": "time",
    "event_time": "time",
    "time_ms": "time",
    "article": "item",
    "article_id": "item",
    "item_id": "item",
    "news_id": "item",
    "document_id": "item",
    "url": "item",
    "user_id": "user",
    "userid": "user",
    "reader": "user",
    "cookie": "user",
    "visitor_id": "user",
    "session_id": "session",
    "sessionid": "session",
    "visit": "session",
}

BATCH = 50_000  # rows


class _File(NamedTuple):
    path: Path
    ending: str  # .csv, .parquet …
    compression: str | None
    stem: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def delimiter(self) -> str:
        return DELIMITERS[self.ending]

    @property
    def is_text(self) -> bool:
        return self.ending in DELIMITERS


class _Rows(NamedTuple):
    """Rows as they stand in the file; `columns` by our names, `lines` the line (or row) each comes from."""

    columns: dict[str, Any]  # pa.ChunkedArray
    lines: Column
    rejects: list[Reject]
    blank: int = 0


class _Times(NamedTuple):
    ms: Column  # int64
    form: Column  # int8: EMPTY … MILLIS
    unit: int  # the form of the column, 0 if no value can be used
    naive: int  # calendar times without a zone
    raw: Any  # pa.ChunkedArray


class _Words(NamedTuple):
    codes: Column  # int32, -1 = empty
    words: Any  # pa.StringArray
    damaged: Column  # bool per word


class _Judged(NamedTuple):
    """Every row's values, and which rows can be used."""

    times: dict[str, _Times]
    words: dict[str, _Words]
    ok: Column


def read_table(path: Path, *, columns: Mapping[str, str] | None = None, strict: bool = False) -> Raw:
    """Read a table of reads; the module's docstring has formats, columns, units and quirks.

    `columns` says what the columns are called in the file, ours first: `{"time": "ts", "item": "article"}`.
    A row that cannot be used is kept in `Raw.rejects`, with its line in the (decompressed) file from 1, or
    its row from 1 in Parquet and Arrow; with `strict` the first one is raised.

    Raises `DataError` if the path, the format, the header or the compression is not usable, or no row is.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gazette.csv"
    >>> _ = path.write_text("time,user,item\\n2020-01-01T08:00:00Z,ann,a1\\n")
    >>> read_table(path).rows.to_pylist()
    [{'publisher': 'gazette', 'time': 1577865600000, 'user': 'ann', 'item': 'a1'}]
    """
    path, names = Path(path), dict(columns or {})
    _check_names(names)
    reads, articles, publisher = _find(path)
    raw = _reads(reads, names, publisher, strict)
    if articles is not None:
        raw.articles = _articles(articles, names, publisher, strict, raw.notes)
    raw.source = path.name
    return raw


def _reads(file: _File, names: dict[str, str], publisher: str, strict: bool) -> Raw:
    rows, judged = _load(file, names, ("time", "user", "session", "item"))
    rejects = sorted([*rows.rejects, *_rejects(file, names, rows, judged)], key=lambda reject: reject.line)
    rows_in = rows.lines.size + len(rows.rejects) + rows.blank
    if strict and rejects:
        raise DataError(_where(file, rejects[0]))
    if rows_in == rows.blank:
        raise DataError(f"{file.name} has a header but no rows; export it again")
    if not judged.ok.any():
        raise DataError(f"{file.name}: none of its {rows_in:,} rows can be used. The first: {_where(file, rejects[0])}")
    table = _table(judged, READ_COLUMNS, publisher)
    return Raw(
        rows=table,
        rows_in=rows_in,
        rejects=rejects,
        dropped=Counter({"blank line": rows.blank} if rows.blank else {}),
        notes=_notes(file, judged, table, publisher),
    )


def _articles(file: _File, names: dict[str, str], publisher: str, strict: bool, notes: list[str]) -> Any:
    rows, judged = _load(file, names, ("item",))
    rejects = sorted([*rows.rejects, *_rejects(file, names, rows, judged)], key=lambda reject: reject.line)
    if rejects and strict:
        raise DataError(_where(file, rejects[0]))
    if rejects:
        notes.append(f"{file.name}: {len(rejects):,} rows left out. The first: {_where(file, rejects[0])}")
    notes += _time_notes(file, judged)
    return _table(judged, ARTICLE_COLUMNS, publisher)


def _where(file: _File, reject: Reject) -> str:
    return f"{reject.file} {'line' if file.is_text else 'row'} {reject.line}: {reject.reason}"


# ---- finding the file


def _find(path: Path) -> tuple[_File, _File | None, str]:
    """The reads, the articles and the name of a publisher that has none."""
    if path.is_dir():
        reads, articles = _member(path, "reads"), _member(path, "articles")
        if reads is None:
            there = sorted(entry.name for entry in path.iterdir())
            more = ", …" if len(there) > 10 else ""
            raise DataError(
                f"{path.name or path} is a folder without reads: expected reads{ENDINGS}, found "
                f"{', '.join(there[:10]) + more or 'nothing'}; name the table itself, or rename it"
            )
        return reads, articles, path.resolve().name
    if not path.exists():
        raise DataError(f"{path} does not exist; {_near(path)}")
    file = _file(path)
    if file is None:
        raise DataError(f"{path.name}: the extension '{path.suffix}' is unknown; expected {ENDINGS}")
    return file, None, file.stem


def _file(path: Path) -> _File | None:
    stem, compression = path.name, COMPRESSIONS.get(path.suffix.lower())
    if compression:
        stem = stem[: -len(path.suffix)]
    ending = Path(stem).suffix.lower()
    if ending not in (DELIMITERS if compression else {**DELIMITERS, **BINARY}):
        return None
    return _File(path, ending, compression, stem[: -len(ending)])


def _member(folder: Path, stem: str) -> _File | None:
    files = [_file(entry) for entry in sorted(folder.glob(f"{stem}.*"))]
    members = [file for file in files if file is not None and file.stem == stem]
    if len(members) > 1:
        found = " and ".join(member.name for member in members)
        raise DataError(f"{folder.name} holds {found}; keep one of them")
    return members[0] if members else None


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist either"
    near = difflib.get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()])
    return f"did you mean {' or '.join(near)}?" if near else f"nothing in {path.parent} is called like that"


# ---- finding the columns


def _check_names(names: dict[str, str]) -> None:
    for name in names:
        if name not in TIMES + WORDS:
            near = difflib.get_close_matches(name, TIMES + WORDS, 1) or [OTHER_NAMES.get(name, "")]
            raise DataError(
                f"columns: '{name}' is none of {', '.join(TIMES + WORDS)}; write ours first, as in time=ts"
                + (f". Did you mean '{near[0]}'?" if near[0] else "")
            )


def _place(file: _File, found: list[str], names: dict[str, str], needed: tuple[str, ...]) -> dict[str, int]:
    """Our name → position in the file, of every column there is."""
    clean, allowed = [name.strip() for name in found], TIMES + WORDS if "time" in needed else ARTICLE_COLUMNS
    places = {}
    for name in allowed:
        source = names.get(name, name)
        if "time" not in needed and source not in clean:
            source = name  # names are those of the reads; articles may go by others
        if clean.count(source) > 1:
            raise DataError(f"{file.name} has {clean.count(source)} columns called '{source}'; rename all but one")
        if source in clean:
            places[name] = clean.index(source)
        elif name in names and "time" in needed:
            raise DataError(f"{file.name} has no column '{source}' (for {name}); {_has(clean)}{_hint(source, clean)}")
    _check_needed(file, clean, places, needed)
    return places


def _check_needed(file: _File, found: list[str], places: dict[str, int], needed: tuple[str, ...]) -> None:
    missing: list[tuple[str, ...]] = [(name,) for name in needed if name not in (*places, "user", "session")]
    if "user" in needed and not {"user", "session"} & set(places):
        missing.append(("user", "session"))
    if not missing:
        return
    if file.is_text:
        _check_delimiter(file, found)
    what = ", ".join("'" + "' or '".join(either) + "'" for either in missing)
    raise DataError(f"{file.name}: no column {what}; {_has(found)}. {_way_out(missing, found)}")


def _check_delimiter(file: _File, found: list[str]) -> None:
    header, spoken = file.delimiter.join(found), {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    other = max(";\t|,", key=lambda mark: header.count(mark) if mark != file.delimiter else -1)
    if header.count(other) + 1 > len(found):
        way_out = {",": "rename it to .csv", "\t": "rename it to .tsv"}
        way = way_out.get(other, f"export it again with {spoken[file.delimiter]}")
        raise DataError(
            f"{file.name} is separated by {spoken[other]} ('{_plain(header)}'), but {file.ending} "
            f"means {spoken[file.delimiter]}; {way}"
        )


def _has(found: list[str]) -> str:
    return f"it has {', '.join(_plain(name) or chr(39) * 2 for name in found) or 'no columns'}"


def _way_out(missing: list[tuple[str, ...]], found: list[str]) -> str:
    pairs = [pair for either in missing for pair in [_suggestion(either, found)] if pair]
    if pairs:
        return f"Did you mean --columns {' and '.join(pairs)}?"
    if not set(found) & set(TIMES + WORDS):
        return f"If the first line is no header, add one; else say --columns {missing[0][0]}=…"
    return f"Say which one it is with --columns {missing[0][0]}=…"


def _suggestion(either: tuple[str, ...], found: list[str]) -> str | None:
    for name in either:
        alias = [other for other in found if OTHER_NAMES.get(other.lower(), other.lower()) == name]
        near = alias or difflib.get_close_matches(name, found, 1)
        if near:
            return f"{name}={_plain(near[0])}"
    return None


def _hint(name: str, found: list[str]) -> str:
    near = difflib.get_close_matches(name, found, 1)
    return f". Did you mean '{_plain(near[0])}'?" if near else ""


# ---- reading the rows


def _load(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> tuple[_Rows, _Judged]:
    try:
        return _load_text(file, names, needed) if file.is_text else _load_binary(file, names, needed)
    except pa.ArrowCapacityError as error:
        raise DataError(f"{file.name} is too large for one table ({error}); split it by publisher") from error
    except PermissionError as error:
        raise DataError(f"{file.name} may not be read ({error}); ask for permission") from error
    except OSError as error:
        raise DataError(f"{file.name} cannot be read: {error}; is it complete? Copy it again") from error


def _load_text(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> tuple[_Rows, _Judged]:
    """The quick way if every row turns out to be usable, otherwise the exact one."""
    fast = _read_fast(file, names, needed)
    if fast is not None:
        judged = _judge(file, fast)
        if judged.ok.all():
            return fast, judged
    rows = _read_exact(file, names, needed)
    return rows, _judge(file, rows)


def _load_binary(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> tuple[_Rows, _Judged]:
    rows = _read_binary(file, names, needed)
    return rows, _judge(file, rows)


def _open(file: _File) -> Any:
    stream = pa.OSFile(str(file.path))
    return pa.CompressedInputStream(stream, file.compression) if file.compression else stream


def _lines(file: _File) -> Lines:
    # utf-8-sig takes a byte order mark off; bytes that are not UTF-8 become lone surrogates, to be told later
    return Lines(io.TextIOWrapper(_open(file), encoding="utf-8-sig", errors="surrogateescape", newline=""))


def _header(file: _File) -> tuple[Lines, Record]:
    """The lines after the header, and the header."""
    with _open(file) as stream:
        start = stream.read(1024)
    if not start:
        raise DataError(f"{file.name} is empty; export it again, with a header line")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start.splitlines()[0]:
        raise DataError(
            f"{file.name} is not UTF-8 but looks like UTF-16; convert it: "
            f"iconv -f utf-16 -t utf-8 {file.stem}{file.ending}"
        )
    lines = _lines(file)
    for record in records(lines, file.delimiter):
        if record.fields is None:
            raise DataError(f"{file.name} line {record.line}: a quote in the header does not close; correct it")
        if not is_blank(record.text):
            return lines, record
    raise DataError(f"{file.name} holds nothing but blank lines; export it again, with a header line")


def _read_fast(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> _Rows | None:
    """Arrow's reader, for files with one record per line; None if this may be something else."""
    _, header = _header(file)
    fields = header.fields or []
    places = _place(file, fields, names, needed)
    if header.line != 1 or len(header.text.splitlines()) > 1:
        return None
    types = {
        str(place): pa.string() if name in TIMES else pa.dictionary(pa.int32(), pa.string())
        for name, place in places.items()
    }
    stream = Watched(_open(file))
    try:
        table = pyarrow.csv.read_csv(
            stream,
            read_options=pyarrow.csv.ReadOptions(
                column_names=[str(place) for place in range(len(fields))], skip_rows=1
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=file.delimiter, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types)),
        )
    except pa.ArrowInvalid:
        return None
    # a quote that opens and never closes swallows lines, but at the end of the file there are none left
    if table.num_rows != stream.lines - 1 or not stream.ends_well(file.delimiter):
        return None
    columns = {name: table.column(str(place)) for name, place in places.items()}
    return _Rows(columns, np.arange(2, table.num_rows + 2), [])


def _read_exact(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> _Rows:
    """Line by line, with true line numbers."""
    lines, header = _header(file)
    width = len(header.fields or [])
    places = _place(file, header.fields or [], names, needed)
    parts: dict[str, list[Any]] = {name: [] for name in places}
    kept, batch, rejects, blank = [], [], [], 0
    for record in records(lines, file.delimiter, width):
        if is_blank(record.text):
            blank += 1
            continue
        reason = _misshapen(file, record, width, places)
        if reason:
            rejects.append(Reject(file.name, record.line, reason, _shown_text(record.text)))
            continue
        kept.append(record.line)
        batch.append(record.fields or [])
        if len(batch) == BATCH:
            _store(batch, places, parts)
    _store(batch, places, parts)
    columns = {name: pa.chunked_array(part, pa.string()) for name, part in parts.items()}
    return _Rows(columns, np.array(kept, dtype=np.int64), rejects, blank)


def _store(batch: list[list[str]], places: dict[str, int], parts: dict[str, list[Any]]) -> None:
    for name, place in places.items():
        parts[name].append(pa.array([fields[place] for fields in batch], pa.string()))
    batch.clear()


def _misshapen(file: _File, record: Record, width: int, places: dict[str, int]) -> str | None:
    fields = record.fields
    if fields is None:
        return "a quote opens a field and does not close it; close it, or double it inside a quoted field"
    if len(fields) != width:
        mark = {",": "comma", "\t": "tab"}[file.delimiter]
        return (
            f"{len(fields)} fields where the header has {width}: '{_plain(record.text.rstrip(), 80)}'; "
            f"quote fields that hold a {mark}, or correct the line"
        )
    if record.text.isascii() or _is_utf8(record.text):
        return None
    for name, place in places.items():
        if not _is_utf8(fields[place]):
            byte = next(ord(mark) - 0xDC00 for mark in fields[place] if "\udc80" <= mark <= "\udcff")
            return (
                f"{name} '{_plain(fields[place], 80)}' has the byte 0x{byte:02X}, which is not UTF-8; "
                f"convert it, from Latin-1 for example: iconv -f latin1 -t utf-8 {file.stem}{file.ending}"
            )
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(text: str, longest: int = 200) -> str:
    """Text that can be printed anywhere, on one line."""
    text = _shown_text(text)
    text = "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text[: longest + 1])
    return text if len(text) <= longest else text[:longest] + "…"


def _shown_text(text: str) -> str:
    text = text.rstrip("\r\n")[:500]
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")[:500]


def _read_binary(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> _Rows:
    try:
        table = _read_parquet(file, names, needed) if file.ending == ".parquet" else _read_arrow(file)
        places = _place(file, table.column_names, names, needed)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(
            f"{file.name} cannot be read as {BINARY[file.ending]}: {_plain(str(error))}; "
            "is it complete, and is the extension right? Copy or write it again"
        ) from error
    if not table.num_rows and "time" in needed:
        raise DataError(f"{file.name} has columns but no rows; export it again")
    columns = {name: table.column(place) for name, place in places.items()}
    return _Rows(columns, np.arange(1, table.num_rows + 1), [])


def _read_parquet(file: _File, names: dict[str, str], needed: tuple[str, ...]) -> Any:
    with pq.ParquetFile(file.path) as opened:
        schema = opened.schema_arrow
    places = _place(file, schema.names, names, needed)
    words = [
        schema.names[place]
        for name, place in places.items()
        if name in WORDS and schema.types[place] in (pa.string(), pa.large_string())
    ]
    with pq.ParquetFile(file.path, read_dictionary=words) as opened:
        return opened.read(columns=[schema.names[place] for place in places.values()])


def _read_arrow(file: _File) -> Any:
    with pa.OSFile(str(file.path)) as stream:
        try:
            table = pa.ipc.open_file(stream).read_all()
        except pa.ArrowInvalid:
            stream.seek(0)
            table = pa.ipc.open_stream(stream).read_all()
    # dictionaries of other hands may hold nulls and the same word twice
    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(plain, names=table.column_names)


# ---- judging the values


def _judge(file: _File, rows: _Rows) -> _Judged:
    times = {name: _times(file, name, column) for name, column in rows.columns.items() if name in TIMES}
    words = {name: _words(file, name, column) for name, column in rows.columns.items() if name in WORDS}
    ok = words["item"].codes >= 0
    if "time" in times:
        ok &= (times["time"].form == times["time"].unit) & (times["time"].form >= CALENDAR)
        ok &= np.any([words[name].codes >= 0 for name in ("user", "session") if name in words], axis=0)
    for column in words.values():
        if column.damaged.any():
            ok &= ~(column.damaged[column.codes] & (column.codes >= 0))
    return _Judged(times, words, ok)


def _words(file: _File, name: str, column: Any) -> _Words:
    """A column of any type as codes of text; a code is given by first appearance."""
    column = _as_text(file, name, column)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    chunks = column.unify_dictionaries().chunks
    if not chunks:
        return _Words(np.zeros(0, np.int32), pa.array([], pa.string()), np.zeros(0, bool))
    codes = np.concatenate([to_numpy(chunk.indices, -1) for chunk in chunks]).astype(np.int32, copy=False)
    words, damaged = _checked(chunks[0].dictionary)
    if len(words):
        blank = to_numpy(pc.equal(pc.utf8_trim_whitespace(words), ""), False)
        if blank.any():
            codes = np.where(blank[codes] | (codes < 0), np.int32(-1), codes)
    return _Words(codes, words, damaged)


def _as_text(file: _File, name: str, column: Any) -> Any:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column if pa.types.is_string(kind) else column.cast(kind)
    if pa.types.is_floating(kind):
        return _whole_numbers(file, name, column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return column
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{file.name}: {name} is of type {kind}, which is no id; write it as strings") from error


def _whole_numbers(file: _File, name: str, column: Any) -> Any:
    """Ids that became floats, as pandas makes them of integers with a gap."""
    values = np.nan_to_num(to_numpy(column.cast(pa.float64()).combine_chunks(), 0.0), nan=0.0)
    wrong = (values != np.floor(values)) | (np.abs(values) > 2**53)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{file.name} row {row + 1}: {name} {values[row]} is a float, in which ids cannot be told apart "
            "beyond 2^53 or with a fraction; write the column as int64 or strings"
        )
    missing = pc.is_null(column, nan_is_null=True)
    return pc.if_else(missing, None, pa.array(values.astype(np.int64))).cast(pa.string())


def _checked(words: Any) -> tuple[Any, Column]:
    """Words as strings, and which of them are no text: bytes that are not UTF-8, or NUL among them."""
    strings = valid_text(words)
    damaged = to_numpy(pc.match_substring(strings, "\0"), False)
    return strings, damaged | ~to_numpy(pc.equal(strings.cast(pa.binary()), words.cast(pa.binary())), True)


def _times(file: _File, name: str, column: Any) -> _Times:
    try:
        column = as_time(column)
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"{file.name}: {name} is of type {column.type}; write timestamps, ISO 8601 or epoch milliseconds"
        ) from error
    parts = [chunk_times(chunk) for chunk in column.chunks] or [(np.zeros(0, np.int64), np.zeros(0, np.int8), 0)]
    ms, form = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    return _Times(ms, form, unit_of(form), sum(part[2] for part in parts), column)


# ---- saying what is wrong


def _rejects(file: _File, names: dict[str, str], rows: _Rows, judged: _Judged) -> list[Reject]:
    wrong = np.flatnonzero(~judged.ok)
    if not wrong.size:
        return []
    reasons = _reasons(judged, wrong)
    lines = rows.lines[wrong].tolist()
    texts = _texts_of_lines(file, lines) if file.is_text else _texts_of_rows(rows, ~judged.ok)
    return [Reject(file.name, *each) for each in zip(lines, reasons, texts, strict=True)]


def _reasons(judged: _Judged, wrong: Column) -> list[str]:
    if "time" not in judged.times:
        return [_word_reason(judged, row) for row in wrong.tolist()]
    times = judged.times["time"]
    unit = times.unit
    bad_times = (times.form[wrong] != unit) | (times.form[wrong] < CALENDAR)
    mask = np.zeros(judged.ok.size, bool)
    mask[wrong] = True
    shown = _shown(times.raw, mask)
    return [
        _time_reason(form, unit, text) if bad else _word_reason(judged, row)
        for row, bad, form, text in zip(wrong.tolist(), bad_times, times.form[wrong].tolist(), shown, strict=True)
    ]


def _time_reason(form: int, unit: int, text: str) -> str:
    if form == EMPTY:
        return "time is empty; every read needs one"
    what = f"time '{_plain(text, 80)}'"
    if form == UNREADABLE:
        return f"{what} is not ISO 8601, epoch seconds or milliseconds; write it like 2019-12-31T23:59:59Z"
    if form == OUTSIDE:
        finer = re.fullmatch(r"[0-9]{15,19}", text)
        hint = "it looks like microseconds or less; give milliseconds" if finer else "correct it, or delete the row"
        return f"{what} lies outside 1990-01-01 to 2100-01-01 (UTC); {hint}"
    return f"{what} is in {FORMS[form]}, but the column is in {FORMS[unit]}; write all times in one unit"


def _word_reason(judged: _Judged, row: int) -> str:
    filled = {name: int(column.codes[row]) for name, column in judged.words.items()}
    for name, code in filled.items():
        if code >= 0 and judged.words[name].damaged[code]:
            word = judged.words[name].words[code].as_py()
            flaw = "holds a NUL byte" if "\0" in word else "is not UTF-8"
            return f"{name} '{_plain(word, 80)}' {flaw}; the file was damaged: copy or export it again"
    if filled["item"] < 0:
        return "item is empty; every row needs one"
    return "user and session are both empty; every read needs one of them"


def _shown(column: Any, mask: Column) -> list[str]:
    column = column.filter(pa.array(mask))
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp(column.type.unit))  # in UTC; zones would need a database
    return [text or "" for text in column.cast(pa.string()).to_pylist()]


def _texts_of_lines(file: _File, wanted: list[int]) -> list[str]:
    lines, header = _header(file)
    wanted_set = set(wanted)
    rest = records(lines, file.delimiter, len(header.fields or []))
    return [_shown_text(record.text) for record in rest if record.line in wanted_set]


def _texts_of_rows(rows: _Rows, mask: Column) -> list[str]:
    shown = {}
    for name, column in rows.columns.items():
        try:
            shown[name] = _shown(column, mask)
        except (pa.ArrowInvalid, UnicodeDecodeError):
            shown[name] = ["(not text)"] * int(mask.sum())
    return [
        _shown_text(", ".join(f"{name}={_plain(text)}" for name, text in zip(shown, values, strict=True)))
        for values in zip(*shown.values(), strict=True)
    ]


# ---- handing over


def _table(judged: _Judged, names: tuple[str, ...], publisher: str) -> Any:
    """The usable rows; columns that are null throughout are left out."""
    columns: dict[str, Any] = {}
    for name in names:
        if name == "publisher" and ("publisher" in judged.words or "time" in judged.times):
            columns[name] = _publishers(judged, publisher)
        elif name in judged.times:
            times = judged.times[name]
            missing = (times.form != times.unit) | (times.form < CALENDAR)
            columns[name] = pa.array(times.ms[judged.ok], pa.int64(), mask=missing[judged.ok])
        elif name in judged.words:
            columns[name] = _encoded(judged.words[name].codes[judged.ok], judged.words[name].words)
    must = ("publisher", "time", "item")
    return pa.table(
        {name: column for name, column in columns.items() if name in must or column.null_count < len(column)}
    )


def _publishers(judged: _Judged, default: str) -> Any:
    if "publisher" not in judged.words:
        return _encoded(np.zeros(int(judged.ok.sum()), np.int32), pa.array([default]))
    column = judged.words["publisher"]
    codes, words = column.codes[judged.ok], column.words
    if (codes < 0).any():
        named = words.index(default).as_py()
        if named < 0:
            named, words = len(words), pa.concat_arrays([words, pa.array([default])])
        codes = np.where(codes < 0, np.int32(named), codes)
    return _encoded(codes, words)


def _encoded(codes: Column, words: Any) -> Any:
    """Dictionary-encoded, with the words that occur and no others."""
    used = np.zeros(len(words) + 1, bool)
    used[codes] = True  # -1 marks the last one, which is no word
    used = used[:-1]
    if not used.all():
        words = words.filter(pa.array(used))
        codes = np.where(codes < 0, -1, np.append(np.cumsum(used) - 1, -1)[codes]).astype(np.int32)
    indices = pa.array(codes, pa.int32(), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, words)


def _notes(file: _File, judged: _Judged, table: Any, publisher: str) -> list[str]:
    notes = _time_notes(file, judged)
    column = judged.words.get("publisher")
    unnamed = table.num_rows if column is None else int((column.codes[judged.ok] < 0).sum())
    if unnamed:
        notes.append(f"{unnamed:,} rows name no publisher; it is '{publisher}', after the file")
    return notes


def _time_notes(file: _File, judged: _Judged) -> list[str]:
    notes = []
    for name, times in judged.times.items():
        label = name if "time" in judged.times else f"{file.name}: {name}"
        if times.unit:
            form = "timestamps" if times.unit == CALENDAR and not _is_text(times.raw) else FORMS[times.unit]
            zone = (
                f"; {times.naive:,} values without a zone are taken as UTC"
                if times.naive and times.unit == CALENDAR
                else ""
            )
            notes.append(f"{label}: {form}{zone}")
        lost = int(((times.form[judged.ok] != times.unit) & (times.form[judged.ok] != EMPTY)).sum())
        if lost:
            notes.append(f"{label}: {lost:,} values cannot be used as a time and became null")
    return notes


def _is_text(column: Any) -> bool:
    return bool(pa.types.is_string(column.type))
