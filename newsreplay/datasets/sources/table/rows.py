"""Rows of a table, as they stand in the file, are judged and become a block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.arrow import dictionary_of, to_arrow, to_numpy
from newsreplay.datasets.base import EXTRA, Block, Part, Reject
from newsreplay.datasets.reading.forms import CALENDAR, DAY, EMPTY, FORMS, HOUR, OUTSIDE, UNREADABLE
from newsreplay.datasets.reading.times import as_time, chunk_times, in_order, valid_text
from newsreplay.datasets.reading.words import are_utf8, bytes_of, first_bytes, holds
from newsreplay.datasets.sources.table.columns import ARTICLE_COLUMNS, READ_COLUMNS, TIMES, Placed
from newsreplay.datasets.sources.table.files import File, printable, shown_text
from newsreplay.datasets.sources.table.ids import FLOATS, IDS, CodedWords, odd_ids
from newsreplay.errors import DataError
from newsreplay.kernels.compiling import compiled
from newsreplay.log.rows import Column

LONGEST = 1e9  #: seconds of dwell that are believed, at most


class EmptyError(DataError):
    """A table that should have rows and has none."""


class TableRows(NamedTuple):
    """Well-formed rows and what else stands between them, of some whole lines (or rows) of a file."""

    columns: dict[str, pa.ChunkedArray]  #: by our names: text, or any type of time
    begin: Column  #: int64, the line each row begins on, from 1
    end: Column  #: int64, the first line after it
    lines: int
    text: bytes | memoryview = b""  #: all of it, of text files
    rejects: tuple[Reject, ...] = ()  #: lines that are no rows
    blank: int = 0


class ScannedTable(Protocol):
    """A file that has been looked through: where its parts are, and which unit its times have."""

    file: File
    parts: list[Part]
    placed: Placed
    units: dict[str, int]  #: column of times → the form of most of its values, 0 if none can be used
    assumed: bool  #: the units are those of some rows, and may be others in truth
    typed: Set[str]  #: columns of times that are timestamps or dates, not text or numbers
    floats: Set[str]  #: columns of ids all of whose values are whole floats

    def first_rows(self) -> TableRows | None:
        """Some rows, with all columns of text: a look that costs nothing; None if there are none."""

    def rows(self, part: Part) -> Iterator[TableRows]:
        """The rows of a part in file order, some at a time."""


class _Times(NamedTuple):
    ms: Column  # int64
    form: Column  # int8: EMPTY … MILLIS
    naive: int  # calendar times without a zone
    raw: pa.ChunkedArray


class _Judged(NamedTuple):
    """Every row's values, and which rows can be used."""

    times: dict[str, _Times]
    words: dict[str, CodedWords]
    units: dict[str, int]
    ok: Column

    def usable(self, name: str) -> Column:
        """Where a column of times has one, in its unit."""
        unit = self.units[name]
        return self.times[name].form == unit if unit >= CALENDAR else np.zeros(self.ok.size, bool)


def joined(parts: list[TableRows]) -> TableRows:
    """Rows that follow each other, as one."""
    if len(parts) == 1:
        return parts[0]
    at = np.cumsum([0, *(rows.lines for rows in parts)]).tolist()
    return TableRows(
        {name: _concat([rows.columns[name] for rows in parts]) for name in parts[0].columns},
        np.concatenate([rows.begin + before for rows, before in zip(parts, at, strict=False)]),
        np.concatenate([rows.end + before for rows, before in zip(parts, at, strict=False)]),
        at[-1],
        b"".join(rows.text for rows in parts),
        tuple(
            reject._replace(line=reject.line + before)
            for rows, before in zip(parts, at, strict=False)
            for reject in rows.rejects
        ),
        sum(rows.blank for rows in parts),
    )


def _concat(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Columns of one type, or of strings and their codes."""
    kinds = [column.type for column in columns]
    wanted = next((kind for kind in kinds if pa.types.is_dictionary(kind)), kinds[0])
    columns = [column if column.type == wanted else column.dictionary_encode() for column in columns]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], wanted)


def block_of(table: ScannedTable, rows: TableRows, publisher: str) -> Block:
    """What of some rows is usable, and why the rest is not."""
    file = table.file
    judged = _judge(file, rows, table.units)
    rejects = sorted([*rows.rejects, *_rejects(file, rows, judged)], key=lambda reject: reject.line)
    kept = int(judged.ok.sum())
    block = Block(
        file.name,
        lines=rows.lines,
        records=kept + len(rejects) + rows.blank,
        kept=kept,
        rejects=rejects,
        dropped=Counter({"blank line": rows.blank} if rows.blank else {}),
        counts=_counts(table, judged),
    )
    if file.role == "reads":
        extra = tuple(name for name in judged.words if name.startswith(EXTRA))
        block.rows = _table(judged, (*READ_COLUMNS, *extra), publisher)
    else:
        block.articles = _table(judged, ARTICLE_COLUMNS, publisher)
    return block


# ---- judging the values


def _judge(file: File, rows: TableRows, units: dict[str, int]) -> _Judged:
    times = {name: _times(file, name, column, units[name]) for name, column in rows.columns.items() if name in TIMES}
    words = {name: _words(column) for name, column in rows.columns.items() if name not in TIMES}
    ok = words["item"].codes >= 0
    judged = _Judged(times, words, units, ok)
    if "time" in times:
        ok &= judged.usable("time")
    for column in words.values():
        if column.damaged.any():
            ok &= ~(column.damaged[column.codes] & (column.codes >= 0))
    return judged


def _words(column: pa.ChunkedArray) -> CodedWords:
    """A column of text as codes; a code is given by first appearance."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    chunks = column.unify_dictionaries().chunks
    if not chunks:
        return CodedWords(np.zeros(0, np.int32), pa.array([], pa.string()), np.zeros(0, bool))
    codes = _as_one([to_numpy(chunk.indices, -1) for chunk in chunks]).astype(np.int32, copy=False)
    words, damaged = _checked(chunks[0].dictionary)
    if (blank := _blank(words)).size:
        is_blank = np.zeros(len(words), bool)
        is_blank[blank] = True
        codes = np.where(is_blank[codes] | (codes < 0), np.int32(-1), codes)
    return CodedWords(codes, words, damaged)


def _as_one(columns: list[Column]) -> Column:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _checked(words: pa.Array) -> tuple[pa.StringArray, Column]:
    """Words as strings, and which of them are no text: bytes that are not UTF-8, or NUL among them."""
    raw = words.view(pa.binary()) if words.type == pa.string() else words.cast(pa.binary())
    strings = raw.view(pa.string())
    damaged = np.zeros(len(words), bool)
    if not are_utf8(strings):
        strings = valid_text(words)
        damaged = ~to_numpy(pc.equal(strings.cast(pa.binary()), raw), True)
    if holds(bytes_of(strings), b"\0"):
        damaged = damaged | to_numpy(pc.match_substring(strings, "\0"), False)
    return strings, damaged


def _blank(words: pa.StringArray) -> Column:
    """The codes of words that are nothing but blanks; few have to be looked at for that."""
    first = first_bytes(words)
    may_be = np.flatnonzero((first <= ord(" ")) | (first > 127))
    return may_be[to_numpy(pc.equal(pc.utf8_trim_whitespace(words.take(pa.array(may_be))), ""), False)]


def _times(file: File, name: str, column: pa.ChunkedArray, unit: int) -> _Times:
    column = time_column(file, name, column)
    parts = [chunk_times(chunk) for chunk in column.chunks] or [(np.zeros(0, np.int64), np.zeros(0, np.int8), 0)]
    ms, form = _as_one([part[0] for part in parts]), _as_one([part[1] for part in parts])
    ms, form = in_order(ms, form, unit)
    return _Times(ms, form, sum(part[2] for part in parts), column)


def time_column(file: File, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of timestamps, dates, numbers or strings. Raises `DataError` if it is none."""
    if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
        raise DataError(
            f"{file.name}: {name} is of type {column.type}, which tells times of today to two minutes at best; write "
            "int64 or float64"
        )
    try:
        return as_time(column)
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"{file.name}: {name} is of type {column.type}; write timestamps, ISO 8601 or epoch milliseconds"
        ) from error


# ---- saying what is wrong


def _rejects(file: File, rows: TableRows, judged: _Judged) -> list[Reject]:
    wrong = np.flatnonzero(~judged.ok)
    if not wrong.size:
        return []
    reasons = _reasons(judged, wrong)
    texts = _texts_of_lines(rows, wrong) if file.is_text else _texts_of_rows(rows, ~judged.ok)
    return [Reject(file.name, *facts) for facts in zip(rows.begin[wrong].tolist(), reasons, texts, strict=True)]


def _reasons(judged: _Judged, wrong: Column) -> list[str]:
    if "time" not in judged.times:
        return [_word_reason(judged, row) for row in wrong.tolist()]
    times, unit = judged.times["time"], judged.units["time"]
    bad_times = (times.form[wrong] != unit) | (times.form[wrong] < CALENDAR)
    mask = np.zeros(judged.ok.size, bool)
    mask[wrong] = True
    texts = _as_texts(times.raw, mask)
    return [
        _time_reason(form, unit, text) if bad else _word_reason(judged, row)
        for row, bad, form, text in zip(wrong.tolist(), bad_times, times.form[wrong].tolist(), texts, strict=True)
    ]


def _time_reason(form: int, unit: int, text: str) -> str:
    if form == EMPTY:
        return "time is empty; every read needs one"
    what = f"time '{printable(text, 80)}'"
    if form == UNREADABLE:
        return f"{what} is not ISO 8601, epoch seconds or milliseconds; write it like 2019-12-31T23:59:59Z"
    if form == OUTSIDE:
        return f"{what} lies outside 1990-01-01 to 2100-01-01 (UTC); correct it, or delete the row"
    return f"{what} is in {FORMS[form]}, but the column is in {FORMS[unit]}; write all times in one unit"


def _word_reason(judged: _Judged, row: int) -> str:
    filled = {name: int(column.codes[row]) for name, column in judged.words.items()}
    for name, code in filled.items():
        if code >= 0 and judged.words[name].damaged[code]:
            word = judged.words[name].words[code].as_py()
            flaw = "holds a NUL byte" if "\0" in word else "is not UTF-8"
            return f"{name} '{printable(word, 80)}' {flaw}; the file was damaged: copy or export it again"
    return "item is empty; every row needs one"


def _as_texts(column: pa.ChunkedArray, mask: Column) -> list[str]:
    column = column.filter(pa.array(mask))
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp(column.type.unit))  # in UTC; zones would need a database
    return [text or "" for text in column.cast(pa.string()).to_pylist()]


def _texts_of_lines(rows: TableRows, wrong: Column) -> list[str]:
    lines = bytes(rows.text).splitlines(keepends=True)
    return [
        shown_text(b"".join(lines[begin - 1 : end - 1]).decode(errors="surrogateescape"))
        for begin, end in zip(rows.begin[wrong].tolist(), rows.end[wrong].tolist(), strict=True)
    ]


def _texts_of_rows(rows: TableRows, mask: Column) -> list[str]:
    texts = {}
    for name, column in rows.columns.items():
        try:
            texts[name] = _as_texts(column, mask)
        except (pa.ArrowInvalid, UnicodeDecodeError):
            texts[name] = ["(not text)"] * int(mask.sum())
    return [
        shown_text(", ".join(f"{name}={printable(text)}" for name, text in zip(texts, values, strict=True)))
        for values in zip(*texts.values(), strict=True)
    ]


# ---- handing over


def _table(judged: _Judged, names: tuple[str, ...], publisher: str) -> pa.Table:
    """The usable rows; columns that are null throughout are left out."""
    ok = slice(None) if judged.ok.all() else judged.ok
    columns: dict[str, pa.Array] = {}
    for name in names:
        if name == "publisher" and ("publisher" in judged.words or "time" in judged.times):
            columns[name] = _publishers(judged, ok, publisher)
        elif name in judged.times:
            times = judged.times[name]
            columns[name] = _filled(times.ms[ok], judged.usable(name)[ok])
        elif name == "dwell" and name in judged.words:
            seconds = _seconds(judged.words[name])[ok]
            columns["active"] = _filled(seconds, ~np.isnan(seconds))
        elif name in judged.words:
            columns[name] = _encoded(judged.words[name].codes[ok], judged.words[name].words)
    must = ("publisher", "time", "item")
    return pa.table(
        {
            name: column
            for name, column in columns.items()
            if name in must or name.startswith(EXTRA) or column.null_count < len(column)
        }
    )


def _filled(values: Column, valid: Column) -> pa.Array:
    return to_arrow(values, valid=None if valid.all() else valid)


def _seconds(column: CodedWords) -> Column:
    """The seconds that a column of numbers tells: float32[rows], NaN where it has none that can be."""
    values = [*map(_number, column.words.to_pylist()), np.nan]
    return np.array(values, np.float32)[column.codes]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if 0 <= value < LONGEST else np.nan


def _publishers(judged: _Judged, ok: slice | Column, default: str) -> pa.DictionaryArray:
    if "publisher" not in judged.words:
        return dictionary_of(np.zeros(judged.ok[ok].size, np.int32), pa.array([default]))
    column = judged.words["publisher"]
    codes, words = column.codes[ok], column.words
    if (codes < 0).any():
        named = words.index(default).as_py()
        if named < 0:
            named, words = len(words), pa.concat_arrays([words, pa.array([default])])
        codes = np.where(codes < 0, np.int32(named), codes)
    return _encoded(codes, words)


def _encoded(codes: Column, words: pa.StringArray) -> pa.DictionaryArray:
    """Dictionary-encoded, with the words that occur and no others."""
    used = np.zeros(len(words) + 1, bool)
    _mark(codes, used)  # -1 marks the last one, which is no word
    missing, used = used[-1], used[:-1]
    if not used.all():
        words = words.filter(pa.array(used))
        codes = np.where(codes < 0, -1, np.append(np.cumsum(used) - 1, -1)[codes]).astype(np.int32)
    return dictionary_of(codes, words, valid=codes >= 0 if missing else None)


@compiled
def _mark(codes: Any, used: Any) -> None:
    for code in codes:
        used[code] = True


def _whole_hours(ms: Column) -> Column:
    """The times that are whole hours, if all of them may be: nobody asks for some."""
    return ms[ms % HOUR == 0] if (ms[:100] % HOUR == 0).all() else ms[:0]


def in_another_unit(file: File) -> str:
    """What times of a file that are usable, but not in the unit that is assumed, are counted under."""
    return f"{file.role} in another unit: {file.name}"


def _counts(table: ScannedTable, judged: _Judged) -> Counter[str]:
    counts: Counter[str] = Counter()
    file, floats = table.file, table.floats
    for name, times in judged.times.items():
        unit, form, usable = judged.units[name], times.form, judged.usable(name)
        if table.assumed and (others := int(((form >= CALENDAR) & (form != unit)).sum())):
            counts[in_another_unit(file)] += others
        counts[f"{file.role} {name} usable {unit}"] = int(usable.sum())
        counts[f"{file.role} {name} naive"] = times.naive
        counts[f"{file.role} {name} lost"] = int((judged.ok & (form != unit) & (form != EMPTY)).sum())
        if name == "time":
            hours = _whole_hours(times.ms[usable])
            counts["whole hours"], counts["whole days"] = hours.size, int((hours % DAY == 0).sum())
    for name in IDS:
        if name in judged.words:
            counts.update({f"{file.role} {name} {what}": n for what, n in odd_ids(judged.words[name]).items()})
            if name in floats:
                counts[f"{file.role} {name} {FLOATS}"] = int((judged.words[name].codes >= 0).sum())
    if "dwell" in judged.words:
        empty = judged.words["dwell"].codes[judged.ok] < 0
        unknown = np.isnan(_seconds(judged.words["dwell"])[judged.ok])
        counts["dwell told"], counts["dwell lost"] = int((~unknown).sum()), int((unknown & ~empty).sum())
    if file.role == "reads":
        column = judged.words.get("publisher")
        unnamed = judged.ok if column is None else judged.ok & (column.codes < 0)
        counts["unnamed"] = int(unnamed.sum())
    return counts
