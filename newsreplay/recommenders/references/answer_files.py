"""Files of answers made elsewhere, read whole as tables: TREC runs, Parquet, Arrow, CSV, lines of JSON.

docs/answers-made-elsewhere.md says which columns there may be, and what they mean. Text files are read as text, so that
an id like 007 stays what it is; `answer_columns` makes numbers of what should be one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.errors import RecommenderError

#: Columns that say what an answer answers, whose it is, and what it is.
WHOLE, NUMBER, TEXT = ("row", "rank"), ("score",), ("time", "user", "publisher", "item")
LISTS = {"slate": pa.string(), "items": pa.string(), "candidates": pa.string(), "scores": pa.float64()}
NUMBERED = re.compile(r"item[1-9]\d*")  #: item1, item2 …: a slate in a row of its own, a column a place

_TREC = ("row", "Q0", "item", "rank", "score", "tag")
_BLANKS = bytes.maketrans(b"\t\r", b"  ")
_PIECE = 1 << 24  #: bytes of a text file that are read at a time
_LINES = 1 << 16  #: lines of JSON that are read at a time where they are read one by one


class AnswerTable(NamedTuple):
    """A file as it is written: the columns that count here, and how its rows are called in errors."""

    path: Path
    table: pa.Table
    first_line: int | None  #: the line of the first row; None where a file has no lines

    def place(self, row: int) -> str:
        """Where a row lies."""
        return f"{self.path} " + (f"row {row + 1}" if self.first_line is None else f"line {self.first_line + row}")


def counts(name: str) -> bool:
    """Whether a column of this name is read at all."""
    return name in (*WHOLE, *NUMBER, *TEXT, *LISTS) or NUMBERED.fullmatch(name) is not None


def read_names(path: Path) -> list[str]:
    """The names of a file's columns. Raises `RecommenderError` where there is no such file, or it cannot be read."""
    with _readable(path):
        return _form_of(path).names(path)


def read_answers(path: Path, names: list[str]) -> AnswerTable:
    """Some columns of a file. Raises `RecommenderError` where it cannot be read."""
    with _readable(path):
        form = _form_of(path)
        return AnswerTable(path, form.read(path, names), form.first_line)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RecommenderError(f"there is no file {path} (looked in {Path.cwd()})") from None
    except (OSError, EOFError, zlib.error, ValueError, OverflowError, pa.ArrowException, csv.Error) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecommenderError(f"{path} cannot be read: {text}") from None


# --- Parquet and Arrow ----------------------------------------------------------------------------------


def _parquet_names(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).names)


def _parquet(path: Path, names: list[str]) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).read(columns=names)


def _arrow_all(path: Path) -> pa.Table:
    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid:  # a stream, as other tools send it
        source.seek(0)
        return pa.ipc.open_stream(source).read_all()


def _arrow(path: Path, names: list[str]) -> pa.Table:
    return _arrow_all(path).select(names)


# --- CSV ------------------------------------------------------------------------------------------------


def _header(path: Path) -> tuple[list[str], str]:
    """The names in the first line, and what stands between them."""
    with _text(path) as file:
        line = file.readline()
    delimiter = max(",", "\t", ";", key=line.count)
    return next(csv.reader([line], delimiter=delimiter), []), delimiter


def _csv(path: Path, names: list[str]) -> pa.Table:
    from pyarrow import csv as arrow_csv

    header, delimiter = _header(path)
    table = arrow_csv.read_csv(
        pa.input_stream(str(path), compression="gzip" if _is_packed(path) else None),
        arrow_csv.ReadOptions(block_size=_PIECE, column_names=header, skip_rows=1),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), include_columns=names, strings_can_be_null=False
        ),
    )
    for name in set(names) & set(LISTS):
        cells = pa.chunked_array([_cells(path, name, table, begin) for begin in range(0, max(len(table), 1), _LINES)])
        table = table.set_column(table.column_names.index(name), name, cells)
    return table


def _cells(path: Path, name: str, table: pa.Table, begin: int) -> pa.Array:
    """The lists of a column whose cells are JSON, as `newsreplay export` writes them; _LINES of them."""
    column = table.column(name).slice(begin, _LINES)
    lists = [
        _list_of(name, _loaded(f"{path} line {begin + number + 2}", cell), f"{path} line {begin + number + 2}")
        for number, cell in enumerate(column.to_pylist())
    ]
    return pa.array(lists, pa.list_(LISTS[name]))


# --- lines of JSON --------------------------------------------------------------------------------------


def _json_names(path: Path) -> list[str]:
    with _text(path) as file:
        line = file.readline()
    return list(_object(f"{path} line 1", line)) if line else []


def _json(path: Path, names: list[str]) -> pa.Table:
    """The columns, by Arrow where all have the type that they should, else line by line."""
    from pyarrow import json as arrow_json

    schema = pa.schema([pa.field(name, _json_type(name)) for name in names])
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        with pa.input_stream(str(path), compression="gzip" if _is_packed(path) else None) as file:
            return arrow_json.read_json(file, arrow_json.ReadOptions(block_size=_PIECE), options).select(names)
    except (pa.ArrowInvalid, KeyError):
        return pa.Table.from_batches(list(_json_by_line(path, schema)), schema)


def _json_type(name: str) -> pa.DataType:
    if name in LISTS:
        return pa.list_(LISTS[name])
    return pa.int64() if name in WHOLE else pa.float64() if name in NUMBER else pa.string()


def _json_by_line(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The same with ids that are numbers, and errors that name the line."""
    columns: dict[str, list[object]] = {name: [] for name in schema.names}
    with _text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            place = f"{path} line {number}"
            told = _object(place, line)
            for name, values in columns.items():
                values.append(_value_of(name, told.get(name), place))
            if number % _LINES == 0:
                yield pa.record_batch([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
                columns = {name: [] for name in schema.names}
    yield pa.record_batch([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _object(place: str, line: str) -> dict[str, object]:
    told = _loaded(place, line)
    if not isinstance(told, dict):
        raise RecommenderError(f"{place} is no JSON object; write one a line, with the columns by name")
    return told


def _loaded(place: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecommenderError(f"{place} is no JSON ({error}): {text[:60]!r}") from None


def _value_of(name: str, value: object, place: str) -> object:
    if name in LISTS:
        return _list_of(name, value, place)
    wanted = int if name in WHOLE else int | float if name in NUMBER else int | str
    if value is not None and (isinstance(value, bool) or not isinstance(value, wanted)):
        raise _wrong(place, name, value)
    return str(value) if value is not None and name in TEXT else value


def _list_of(name: str, values: object, place: str) -> list[object]:
    wanted = int | str if LISTS[name] == pa.string() else int | float | None
    if not isinstance(values, list) or any(isinstance(v, bool) or not isinstance(v, wanted) for v in values):
        raise _wrong(place, name, values)
    return [str(value) for value in values] if LISTS[name] == pa.string() else values


def _wrong(place: str, name: str, value: object) -> RecommenderError:
    kind = "a whole number" if name in WHOLE else "a number" if name in NUMBER else "an id, as text"
    if name in LISTS:
        kind = "a list of numbers" if name == "scores" else "a list of ids, as text"
    return RecommenderError(f"{place}: {json.dumps(value)[:60]} as {name}; it must be {kind}")


# --- TREC runs ------------------------------------------------------------------------------------------


def _trec_names(path: Path) -> list[str]:
    with _open(path) as file:
        file.read(1)
    return [name for name in _TREC if counts(name)]


def _trec(path: Path, names: list[str]) -> pa.Table:
    """A run as trec_eval reads it: six columns with blanks or tabs between them."""
    from pyarrow import csv as arrow_csv

    pieces, line = [], 1
    for data in _pieces(path):
        try:
            table = arrow_csv.read_csv(
                io.BytesIO(_neat(data)),
                arrow_csv.ReadOptions(column_names=_TREC, block_size=_PIECE),
                arrow_csv.ParseOptions(delimiter=" ", quote_char=False),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(_TREC, pa.string()), strings_can_be_null=False),
            )
        except pa.ArrowInvalid:
            raise _no_trec(path, data, line) from None
        pieces.append(table.select(names))
        line += data.count(b"\n")
    return pa.concat_tables(pieces) if pieces else pa.table({name: pa.array([], pa.string()) for name in names})


def _neat(data: bytes) -> bytes:
    """The same lines with one blank between words and none at their ends."""
    data = data.translate(_BLANKS)
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip(b" ")


def _no_trec(path: Path, data: bytes, first: int) -> RecommenderError:
    for number, line in enumerate(data.split(b"\n"), first):
        if line.strip() and (len(line.split()) != len(_TREC) or not _is_utf8(line)):
            return RecommenderError(
                f"{path} line {number}: {line[:80]!r} is no line of a TREC run; it has {len(_TREC)} words: "
                "row Q0 id rank score tag"
            )
    return RecommenderError(f"{path}: the lines {first} and after are no TREC run: row Q0 id rank score tag")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _pieces(path: Path) -> Iterator[bytes]:
    """A file in pieces that end where a line does; pieces of nothing but blanks are left out."""
    rest = b""
    with _open(path) as file:
        while data := file.read(_PIECE):
            whole, newline, begun = data.rpartition(b"\n")
            if newline:
                yield from filter(bytes.strip, [rest + whole + newline])
                rest = begun
            else:
                rest += data
    yield from filter(bytes.strip, [rest])


# --- which it is ----------------------------------------------------------------------------------------


class _AnswerForm(NamedTuple):
    """How files of one form are read."""

    names: Callable[[Path], list[str]]
    read: Callable[[Path, list[str]], pa.Table]
    first_line: int | None


_FORMS = {
    "parquet": _AnswerForm(_parquet_names, _parquet, None),
    "arrow": _AnswerForm(lambda path: list(_arrow_all(path).column_names), _arrow, None),
    "csv": _AnswerForm(lambda path: _header(path)[0], _csv, 2),
    "json": _AnswerForm(_json_names, _json, 1),
    "trec": _AnswerForm(_trec_names, _trec, 1),
}
_ENDINGS = (
    dict.fromkeys((".parquet", ".pq"), "parquet")
    | dict.fromkeys((".arrow", ".feather", ".ipc"), "arrow")
    | dict.fromkeys((".csv", ".tsv"), "csv")
    | dict.fromkeys((".json", ".jsonl", ".ndjson"), "json")
    | dict.fromkeys((".run", ".trec"), "trec")
)
_PACKED = ("csv", "json", "trec")


def _form_of(path: Path) -> _AnswerForm:
    packed = _is_packed(path)
    form = _ENDINGS.get((path.with_suffix("") if packed else path).suffix.lower())
    if form is None or (packed and form not in _PACKED):
        raise RecommenderError(
            f"{path} has none of the endings by which answers are read: {', '.join(_ENDINGS)}; texts also as .gz"
        )
    return _FORMS[form]


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if _is_packed(path) else path.open("rb")  # type: ignore[return-value]


@contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    with _open(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        yield text


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of ids as text; whole numbers are written out. Raises `pa.ArrowException` where they are neither."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise pa.ArrowTypeError(f"a column of type {kind}")
    return pc.cast(pc.cast(column, kind), pa.large_string())
