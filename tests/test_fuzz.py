"""Damaged logs in every format end in a `DataError` that names the file, or in a valid data set with an honest account.

A small valid log (tests/small_logs.py) is damaged at random and prepared. Some 300 inputs run by default, and
20,000 in a quarter of an hour on one core with

    pytest -m slow -s tests/test_fuzz.py

NEWSREPLAY_FUZZ sets how many, NEWSREPLAY_FUZZ_SEED the seed (default 1). A failure names the input as
`seed:log:number`, which `Case.of` makes again; -s shows what became of the others.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib
import io
import os
import random
import re
import shutil
import sys
import tarfile
import threading
import traceback
import tracemalloc
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from newsreplay.datasets.preparing.prepare import prepare
from newsreplay.datasets.readers import READERS
from newsreplay.datasets.reading.sizes import ReadSizes
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import HISTORY, IMPRESSION, KIND_NAMES, OUTCOME, PUBLISH, READ
from tests.small_logs import Files, SmallLog, packed, small_logs

SEED = os.environ.get("NEWSREPLAY_FUZZ_SEED", "1")
INPUTS = int(os.environ.get("NEWSREPLAY_FUZZ", "20000"))
QUICK = 300
HANG = 10  # seconds
NAME = "fuzzed"  # of the data set
INPUT = "damaged"  # the folder

LOGS = {log.name: log for log in small_logs()}
TEXTS = [data for log in LOGS.values() for name, data in log.files.items() if not name.endswith(".parquet")]

# ---- damage to bytes -------------------------------------------------------------------------------------------

NUMBERS = (
    *("0", "-0", "-1", "1", "007", "1.5", "1e3", "1E400", "-1e400", "1e-400", "0x10", "NaN", "Infinity", "1_000"),
    *("2147483648", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *("631152000", "631151999", "4102444799", "4102444800", "631152000000", "4102444800000", "9" * 30, "9" * 5000),
    *("\u0661\u0662", "1 2", "+5", "1.", ".5", "1e", "--1", "12345678"),
)
WORDS = (
    *("", " ", "null", "None", "true", "false", '""', '"', "''", "[]", "{}", "[[]]", '{"3": null}', "-", "\\", "\\N"),
    *('"\\ud800"', '"\\udc00\\ud800"', '"a\\u0000b"', '"\\ud83d\\ude00"', "\u2028", "\x85", "\x0b", "\ufeff", "\x00"),
    *("N1-0", "N1-1", "-1", "N99999999-0", "news_1-1", "1-1", "VIEW", "item_update", "click", "error_notification"),
    *("2019-11-09 24:00:00", "2/30/2019 1:00:00 PM", "11/9/2019 13:00:00 PM", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59Z", "2019-11-09T10:00:00", "2016-12-31T23:59:60Z", "a" * 200, "-1e3", "U1\tU2", "a,b", "1;2"),
)
PIECES = (
    *(b"\0", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\n\n", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"\xc0\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"\x1a", b"\x0b", b"\x0c", b'"', b'""', b"'", b",", b"\t", b";"),
    *(b"\\", b"\\u", b"\\ud800", b"\\ud83d\\ude00", b"\\u0000", b"{", b"}", b"[", b"]", b":", b"\n\r", b'"\n"', b" "),
)
OPEN = (b"[", b'{"a":', b'{"context":', b'[{"3":[', b'"', b"(")

Damage = Callable[[random.Random, bytes], bytes]


def _place(tell: random.Random, data: bytes) -> int:
    """A place, now and then one of the first or last."""
    if tell.random() < 0.2:
        return min(tell.randrange(4), len(data)) if tell.random() < 0.5 else max(len(data) - tell.randrange(4), 0)
    return tell.randint(0, len(data))


def _span(tell: random.Random, data: bytes, most: int = 300) -> tuple[int, int]:
    begin = _place(tell, data)
    return begin, min(len(data), begin + tell.choice((1, 2, 8, tell.randint(1, most))))


def _put(tell: random.Random, data: bytes, piece: bytes) -> bytes:
    at = _place(tell, data)
    return data[:at] + piece + data[at:]


def flip(tell: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(tell.choice((1, 1, 3, 20)) if found else 0):
        at = tell.randrange(len(found))
        found[at] = tell.randrange(256) if tell.random() < 0.5 else found[at] ^ 1 << tell.randrange(8)
    return bytes(found)


def insert(tell: random.Random, data: bytes) -> bytes:
    return _put(tell, data, tell.randbytes(tell.choice((1, 2, 9, 100))))


def delete(tell: random.Random, data: bytes) -> bytes:
    begin, end = _span(tell, data)
    return data[:begin] + data[end:]


def duplicate(tell: random.Random, data: bytes) -> bytes:
    begin, end = _span(tell, data)
    return _put(tell, data, data[begin:end])


def repeat(tell: random.Random, data: bytes) -> bytes:
    begin, end = _span(tell, data)
    return data[:end] + data[begin:end] * (tell.choice((1_000, 50_000)) // max(end - begin, 1)) + data[end:]


def cut(tell: random.Random, data: bytes) -> bytes:
    at = _place(tell, data)
    return data[at:] if tell.random() < 0.2 else data[:at]


def empty(tell: random.Random, data: bytes) -> bytes:
    return tell.choice((b"", b"", b"\n", b"\r\n", b" ", b"\0", b"\xef\xbb\xbf", data.split(b"\n")[0], b"\n" * 1000))


def splice(tell: random.Random, data: bytes) -> bytes:
    other = tell.choice(TEXTS)
    begin, end = sorted((_place(tell, other), _place(tell, other)))
    return _put(tell, data, other[begin:end]) if tell.random() < 0.7 else data[: _place(tell, data)] + other[begin:]


def piece(tell: random.Random, data: bytes) -> bytes:
    for _ in range(tell.choice((1, 1, 2, 5))):
        data = _put(tell, data, tell.choice(PIECES))
    return data


def number(tell: random.Random, data: bytes) -> bytes:
    return _replaced(tell, data, rb"-?[0-9]+(?:\.[0-9]+)?", tell.choice(NUMBERS))


def word(tell: random.Random, data: bytes) -> bytes:
    cell = rb'"[^"\n]*"|\[[^\[\]\n]*\]|[^\t,; \n]+' if tell.random() < 0.5 else rb"(?<=[\t,;: ])[^\t,;\n ]*"
    return _replaced(tell, data, cell, tell.choice((*WORDS, *NUMBERS)))


def _replaced(tell: random.Random, data: bytes, pattern: bytes, text: str) -> bytes:
    found = list(re.finditer(pattern, data))
    for match in sorted(tell.sample(found, min(len(found), tell.choice((1, 1, 1, 4)))), key=lambda match: -match.end()):
        data = data[: match.start()] + text.encode() + data[match.end() :]
    return data


def quotes(tell: random.Random, data: bytes) -> bytes:
    new = tell.choice((b"'", b'""', b"", b'\\"', b"\xe2\x80\x9c", b"`"))
    return data.replace(b'"', new, tell.choice((-1, 1, 3, 7))) if tell.random() < 0.7 else _put(tell, data, b'"')


def line_ends(tell: random.Random, data: bytes) -> bytes:
    if tell.random() < 0.2:
        return data.rstrip(b"\r\n")
    return data.replace(b"\n", tell.choice((b"\r\n", b"\r", b"\n\n", b"", b"\n\r", b"\r\r\n")), tell.choice((-1, 1, 5)))


def mix_lines(tell: random.Random, data: bytes) -> bytes:
    found = data.split(b"\n")
    one, two = tell.randrange(len(found)), tell.randrange(len(found))
    way = tell.randrange(6)
    if way == 0:
        found[one], found[two] = found[two], found[one]
    elif way == 1:
        tell.shuffle(found)
    elif way == 2:
        found.insert(one, found[two])
    elif way == 3:
        del found[one]
    elif way == 4:
        found.insert(one, found[0])
    else:
        found.insert(one, tell.choice((b"", b" ", b"\t", b"\r", b",", b",,", b"{}", b"[]", b"null", b"\xef\xbb\xbf")))
    return b"\n".join(found)


def columns(tell: random.Random, data: bytes) -> bytes:
    """A cell more, less or twice, in one line or all."""
    found = data.split(b"\n")
    delimiter = tell.choice((b",", b"\t", b";"))
    which = range(len(found)) if tell.random() < 0.5 else [tell.choice((0, tell.randrange(len(found))))]
    at, way = tell.randrange(12), tell.randrange(4)
    for row in which:
        cells = found[row].split(delimiter)
        place = at % len(cells)
        if way == 0:
            cells.insert(place, b"x")
        elif way == 1:
            cells.insert(place, cells[place])
        elif way == 2:
            del cells[place]
        else:
            cells += [b""] * tell.choice((1, 1000))
        found[row] = delimiter.join(cells)
    return b"\n".join(found)


def deep(tell: random.Random, data: bytes) -> bytes:
    return _put(tell, data, tell.choice(OPEN) * tell.choice((65, 1_000, 100_000)))


def deep_value(tell: random.Random, data: bytes) -> bytes:
    depth = tell.choice((63, 64, 900, 100_000))
    text = tell.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
    return _replaced(tell, data, rb"(?<=: )[0-9]+|\[[^\[\]\n]*\]|\{\}|[^\t,\n]+", text)


def long_line(tell: random.Random, data: bytes) -> bytes:
    filler = tell.choice(
        (b"x", b"9", b'"', b",", b"\t", b" ", b"N1-0 ", b"\\", b"\\u0041", b"\xc3\xa6", b"\r", b"5,", b"\0")
    )
    return _put(tell, data, filler * (tell.choice((70_000, 130_000, 400_000)) // len(filler)))


def recode(tell: random.Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return tell.choice((text.encode("utf-16"), text.encode("utf-16-be"), text.encode("latin-1", "replace"), data[::-1]))


OFTEN: tuple[Damage, ...] = (flip, insert, delete, duplicate, splice, piece, number, word, mix_lines, columns)
SELDOM: tuple[Damage, ...] = (repeat, cut, empty, quotes, line_ends, deep, deep_value, long_line, recode)
PACKED: tuple[Damage, ...] = (flip, flip, insert, delete, duplicate, cut, empty, splice, repeat)

# ---- damage to Parquet files and to names ----------------------------------------------------------------------

VALUES: tuple[Any, ...] = (None, None, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 1.5, float("nan"), float("inf"), "", "x")
TYPES = (
    *(pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.binary()),
    *(pa.bool_(), pa.null(), pa.date32(), pa.timestamp("s"), pa.timestamp("ns", "Europe/Oslo"), pa.decimal128(38, 2)),
    *(pa.list_(pa.int64()), pa.large_list(pa.int32()), pa.list_(pa.string()), pa.dictionary(pa.int32(), pa.string())),
    *(pa.struct([("a", pa.int64())]), pa.time64("us"), pa.duration("ms"), pa.list_(pa.list_(pa.int32()))),
)


def remade(tell: random.Random, data: bytes) -> bytes:
    """A Parquet file with another column, type or value; as it was where Arrow cannot do that."""
    try:
        table = pq.read_table(io.BytesIO(data))
        for _ in range(tell.choice((1, 1, 2, 4))):
            table = _other_table(tell, table)
        sink = io.BytesIO()
        codec = tell.choice(("snappy", "none", "zstd", "gzip"))
        pq.write_table(
            table, sink, row_group_size=tell.choice((1, 3, 1000)) if table.num_rows < 100 else 1000, compression=codec
        )
    except (pa.ArrowException, OSError, OverflowError, TypeError, ValueError, IndexError):
        return data
    return sink.getvalue()


def _other_table(tell: random.Random, table: pa.Table) -> pa.Table:
    at = tell.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at)
    way = tell.randrange(9)
    if way == 0:
        return table.remove_column(at)
    if way == 1:
        return table.append_column(tell.choice((name, name.upper(), "", "x" * 100_000)), column)
    if way == 2:
        return table.slice(0, tell.choice((0, 0, 1)))
    if way == 3:
        kind = tell.choice(TYPES)
        try:
            column = column.cast(kind)
        except (pa.ArrowException, OverflowError):
            column = pa.nulls(table.num_rows, kind)
        return table.set_column(at, name, column)
    if way == 4:
        return table.take([tell.randrange(table.num_rows) for _ in range(table.num_rows)])
    if way == 5:
        return pa.concat_tables([table] * (2 if table.num_rows > 100 else 50))
    if way == 6:
        return table.rename_columns([tell.choice((name, "item", "time", "user_id")) for name in table.column_names])
    values = column.to_pylist()
    for _ in range(tell.choice((1, 3, len(values)))):
        row = tell.randrange(len(values))
        value = tell.choice(VALUES)
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
            value = tell.choice((None, [], [value], [values[row][0] if values[row] else None] * 1000))
        if pa.types.is_timestamp(kind):
            value = tell.choice((None, 0, 2**62, -(2**62)))
            value = [value] if isinstance(values[row], list) else value
        values[row] = value
    return table.set_column(at, name, pa.array(values, column.type))


NAMES = (
    "._{}",
    "{}.txt",
    "{} ",
    "Copy of {}",
    "\u00e6{}",
    "{}\n",
    "a/{}",
    "__MACOSX/{}",
    "{}.gz",
    "{}.zip",
    "\udcff{}",
)


def renamed(tell: random.Random, files: Files) -> Files:
    name = tell.choice(sorted(files))
    way = tell.randrange(4)
    data = files[name] if way else b""
    rest = {other: content for other, content in files.items() if other != name}
    if way <= 1:
        return rest
    if way == 2:  # two files change places
        other = tell.choice(sorted(files))
        return files | {name: files[other], other: data}
    folder, slash, last = name.rpartition("/")
    return rest | {f"{folder}{slash}{tell.choice(NAMES).format(last)}": data}


# ---- one input -------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A damaged log, and how it is prepared."""

    label: str  # seed:log:number
    log: SmallLog
    files: Files  # as they lie on the disk
    damage: tuple[str, ...]
    chunk: int = 0  # bytes handed to a parser at once, 0 = as ever

    @classmethod
    def of(cls, label: str) -> Case:
        _, name, _ = label.split(":")
        tell, log = random.Random(label), LOGS[name]
        files, done = dict(log.files), []
        how_many = tell.choice((1, 1, 1, 2, 3, 6))
        on_packed = bool(log.pack) and tell.random() < 0.4
        if on_packed:
            files = packed(files, log.pack)
        for _ in range(how_many):
            path = tell.choice(sorted(files)) if files else ""
            if not files or tell.random() < 0.04:
                files, did = renamed(tell, files) if files else files, "renamed"
            else:
                damage = tell.choice(PACKED if on_packed else OFTEN if tell.random() < 0.7 else SELDOM)
                if path.endswith(".parquet"):
                    damage = remade if tell.random() < 0.7 else tell.choice(PACKED)
                files, did = files | {path: damage(tell, files[path])}, damage.__name__
            done.append(did)
        if log.pack and not on_packed:
            files = packed(files, log.pack)
        size = max(map(len, files.values()), default=0)
        chunk = 1 + size // tell.choice((2, 5, 12)) if tell.random() < 0.25 else 0
        # Members of archives are known for logs by their first chunk.
        return cls(label, log, files, tuple(done), 0 if log.name == "newsreel-zip" or size > 60_000 else chunk)

    def write(self, folder: Path) -> Path:
        """Write the files; returns what is to be prepared."""
        folder.mkdir()
        for name, data in self.files.items():
            path = folder / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except (OSError, ValueError):  # another file is called like its folder, or the system has no such name
                continue
        return folder / self.log.path if self.log.path else folder


def prepared(log: SmallLog, path: Path, folder: Path, chunk: int = 0) -> Dataset:
    module, function = READERS[log.kind].split(":")
    reader = getattr(importlib.import_module(module), function)
    some = 1 + chunk // 100
    # Globo's files are read whole.
    small = {"sizes": ReadSizes(chunk=chunk, rows=some, entries=some)} if chunk and log.kind != "globo" else {}
    return prepare(reader(path, **log.options, **small), folder, name=NAME, kind=log.kind)


# ---- what must hold --------------------------------------------------------------------------------------------


def line_counts(folder: Path, kind: str) -> dict[str, int | None]:
    """How many lines (rows) there are by all that a file may be called; None where that cannot be told."""
    found: dict[str, int | None] = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        count: int | None
        if data[:4] == b"PAR1" or path.suffix == ".parquet":
            count = _rows(data)
        else:
            unpacked = _unpacked(data)
            in_archive = unpacked is None or data[:2] == b"PK"  # the only member of a table's is called as the archive
            count = None if in_archive or unpacked is None else _lines(unpacked, kind)
            members = _members(data, unpacked)
            found |= {name: None if text is None else _lines(text, kind) for name, text in members}
        found[path.relative_to(folder).as_posix()] = found[path.name] = count
    return {name.encode(errors="backslashreplace").decode(): count for name, count in found.items()} | found


def _lines(data: bytes, kind: str) -> int:
    if kind in ("globo", "table", "tianchi"):  # where a carriage return alone ends a line too
        return max(1, len(data.splitlines()))
    return max(1, data.count(b"\n") + (not data.endswith(b"\n")))


def _rows(data: bytes) -> int | None:
    try:
        return int(pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None


def _unpacked(data: bytes) -> bytes | None:
    try:
        return (
            gzip.decompress(data) if data[:2] == b"\x1f\x8b" else bz2.decompress(data) if data[:3] == b"BZh" else data
        )
    except (OSError, EOFError, ValueError, zlib.error):
        return None


def _members(data: bytes, unpacked: bytes | None) -> list[tuple[str, bytes | None]]:
    found: list[tuple[str, bytes | None]] = []
    # Whatever a damaged archive raises: its members cannot be told.
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        found += [(name, None) for name in archive.namelist()]
    with suppress(Exception), tarfile.open(fileobj=io.BytesIO(unpacked or b"")) as tar:
        found += [(member.name, None) for member in tar]
    return found


def assert_valid(dataset: Dataset) -> None:
    """The card adds up, and every publisher's log is one."""
    card = dataset.card
    assert card["rows_in"] == card["kept"] + card["rejected"] + sum(card["dropped"].values())
    assert card["publishers"]
    assert card["reads"] == sum(facts["reads"] for facts in card["publishers"])
    for name in dataset.publishers:
        assert_valid_log(dataset.publisher(name))


def assert_valid_log(publisher: Publisher) -> None:
    log = publisher.log
    assert (np.diff(log.time) >= 0).all()
    assert np.isin(log.kind, list(KIND_NAMES)).all()
    assert ((np.diff(log.time) > 0) | (np.diff(log.kind.astype(int)) >= 0)).all()
    for column, ids in (
        (log.item, publisher.articles.id),
        (log.user, publisher.users),
        (log.session, publisher.sessions.id),
        (log.category, publisher.articles.categories),
    ):
        highest = np.maximum.accumulate(np.append(-1, column))
        assert (np.diff(highest) <= 1).all(), "codes count up by first appearance"
        assert column.min() >= -1
        assert highest[-1] + 1 == len(ids)
        assert ids.null_count == 0
        assert len(set(ids.to_pylist())) == len(ids) or column is log.session
        ids.validate(full=True)
    reads = np.flatnonzero(log.kind == READ)
    told = log.kind != PUBLISH
    assert ((log.session >= 0) == (told & (log.kind != HISTORY))).all()
    assert (log.user[told] >= 0).all()
    assert (log.user[~told] == -1).all()
    assert (log.item[reads] >= 0).all()
    assert publisher.requests.row.tolist() == reads.tolist()
    previous = publisher.requests.previous
    assert (previous < np.arange(len(previous))).all()
    linked = np.flatnonzero(previous >= 0)
    assert (log.session[reads[linked]] == log.session[reads[previous[linked]]]).all()
    assert publisher.sessions.reads.sum() == len(reads)
    shown = np.flatnonzero(log.kind == IMPRESSION)
    assert log.impression[shown].tolist() == list(range(len(shown)))
    assert ((log.impression >= 0) == np.isin(log.kind, (IMPRESSION, OUTCOME))).all()
    pools = log.pools
    assert len(pools.at) == len(shown) + 1
    assert pools.at[0] == 0
    assert (np.diff(pools.at) >= 0).all()
    assert pools.at[-1] == len(pools.item) == len(pools.clicked)
    known = np.maximum.accumulate(log.item)[np.repeat(shown, np.diff(pools.at))]
    assert ((pools.item >= 0) & (pools.item <= known)).all(), "the articles of a pool are known"
    for texts, _ in publisher.articles.texts.values():
        texts.validate(full=True)


def assert_rejects(dataset: Dataset, known: dict[str, int | None]) -> None:
    with (dataset.folder / "rejects.csv").open(encoding="utf-8", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert len(rejects) == dataset.card["rejected"]
    for reject in rejects:
        assert reject["file"] in known, f"no file of the input: {reject['file']!r}"
        most = known[reject["file"]]
        assert 1 <= int(reject["line"]) <= (most or int(reject["line"])), reject
        assert reject["reason"]
        assert len(reject["reason"]) < 1000
        assert len(reject["text"]) <= 500


def assert_says_where(error: DataError, folder: Path, known: dict[str, int | None]) -> None:
    text = str(error)
    text.encode(errors="surrogateescape")  # as in names of files
    assert len(text) < 4000, f"{len(text):,} characters: {text[:200]}"
    names = [*known, folder.name]
    if re.match(f"{NAME}: none of [0-9,]+ rows is a usable read", text) and "cannot be used" not in text:
        return  # nothing is wrong with any line, all are left out by rules
    assert any(name in text for name in names), f"names no file: {text}"
    for name, line in re.findall(r"([^ ;:]+) (?:line|row) ([0-9,]+)", text):
        most = known.get(name.rpartition("/")[2])
        assert 1 <= int(line.replace(",", "")) <= (most or 1 << 60), text


def outcome_of(case: Case, folder: Path) -> str:
    """Prepare an input and check what comes of it: DataError, prepared, or prepared with rejects."""
    path = case.write(folder / INPUT)
    try:
        dataset = prepared(case.log, path, folder / "out")
    except DataError as error:
        assert_says_where(error, folder / INPUT, line_counts(folder / INPUT, case.log.kind))
        if case.chunk:
            with pytest.raises(DataError):
                prepared(case.log, path, folder / "chunked", case.chunk)
        return "DataError"
    assert_valid(dataset)
    assert_rejects(dataset, line_counts(folder / INPUT, case.log.kind))
    if case.chunk:
        again = prepared(case.log, path, folder / "chunked", case.chunk)
        assert_rejects(again, line_counts(folder / INPUT, case.log.kind))
        for told in ("rows_in", "rejected", "dropped", "digest"):
            assert again.card[told] == dataset.card[told], f"{told} depends on the size of chunks"
        rejects = [(made.folder / "rejects.csv").read_bytes() for made in (dataset, again)]
        assert rejects[0] == rejects[1], "rejects depend on the size of chunks"
    return "rejects" if dataset.card["rejected"] else "prepared"


def watched(work: Callable[[], str], label: str) -> str:
    """The result of work that is not to take longer than `HANG`, in a thread that a hang leaves behind."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(HANG)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        pytest.fail(f"{label} hangs:\n{''.join(traceback.format_stack(frame))}")
    if isinstance(found[0], BaseException):
        raise found[0]
    return str(found[0])


def fuzz(name: str, numbers: range, folder: Path) -> tuple[Counter[str], list[str]]:
    """Outcomes of a log's inputs of these numbers, and what went wrong with which."""
    outcomes: Counter[str] = Counter()
    failures = []
    for number in numbers:
        case = Case.of(f"{SEED}:{name}:{number}")
        place = folder / str(number)
        place.mkdir()
        try:
            outcomes[watched(lambda case=case, place=place: outcome_of(case, place), case.label)] += 1  # type: ignore[misc]
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            failures.append(
                f"{case.label} ({', '.join(case.damage)}; chunk {case.chunk}): "
                f"{type(error).__name__}: {str(error)[:500]} [{Path(where.filename).name}:{where.lineno}]"
            )
        shutil.rmtree(place)
    return outcomes, failures


@pytest.fixture
def log(request: pytest.FixtureRequest, tmp_path: Path) -> SmallLog:
    """A small log that was prepared once: its kernels are compiled, which a watchdog should not take for a hang."""
    found = LOGS[request.param]
    path = Case("", found, packed(found.files, found.pack), ()).write(tmp_path / "whole")
    prepared(found, path, tmp_path / "prepared")
    return found


each_log = pytest.mark.parametrize("log", LOGS, indirect=True)


@each_log
def test_a_log_without_damage_is_prepared_without_rejects(log: SmallLog, tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "prepared")
    assert_valid(dataset)
    assert dataset.card["rejected"] == 0
    assert dataset.card["reads"] >= 15


@each_log
def test_a_damaged_log_is_prepared_or_named(log: SmallLog, tmp_path: Path) -> None:
    _, failures = fuzz(log.name, range(-(-QUICK // len(LOGS))), tmp_path)
    assert not failures, "\n".join(failures)


@pytest.mark.slow
@each_log
def test_many_damaged_logs_are_prepared_or_named(log: SmallLog, tmp_path: Path) -> None:
    outcomes, failures = fuzz(log.name, range(-(-INPUTS // len(LOGS))), tmp_path)
    print(f"seed {SEED}, {log.name}: {dict(outcomes)}")
    assert not failures, "\n".join(failures)


HUGE = 200_000  # bytes
MOST = 200_000_000  # bytes of memory; MIND's tables of ids take 80 million whatever the file
MONSTERS = {
    "long word": b"x" * HUGE,
    "digits": b"9" * HUGE,
    "quotes": b'"' * HUGE,
    "delimiters": b",\t" * (HUGE // 2),
    "candidates": b"1\tU1\t11/9/2019 1:00:00 PM\tN1\t" + b"N1-0 " * (HUGE // 5),
    "arrays": b"[" * HUGE,
    "objects": b'{"context":' * (HUGE // 11),
    "empty lines": b"\n" * (HUGE // 20),
}
TEXT_LOGS = (
    *("globo", "mind", "newsreel-mixed", "table-csv"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("adressa", "deskdrop", "nemig", "streamingrec")),
)


@pytest.mark.parametrize("log", TEXT_LOGS, indirect=True)
def test_monstrous_lines_do_not_fill_the_memory(log: SmallLog, tmp_path: Path) -> None:
    file, data = next(iter(log.files.items()))
    for monster, text in MONSTERS.items():
        case = Case(monster, log, log.files | {file: data + text + b"\n" + data}, ())
        (folder := tmp_path / monster).mkdir()
        with memory() as peak:
            outcome_of(case, folder)
        assert peak[0] < MOST, monster


POOLS = []  # kept, since what Arrow holds in them may live longer than a test


@contextmanager
def memory() -> Iterator[list[int]]:
    """A list that will hold the most bytes that Python, NumPy and Arrow held at once."""
    peak: list[int] = []
    before = pa.default_memory_pool()
    POOLS.append(pa.proxy_memory_pool(before))
    pa.set_memory_pool(POOLS[-1])
    tracemalloc.start()
    try:
        yield peak
    finally:
        peak.append(tracemalloc.get_traced_memory()[1] + (POOLS[-1].max_memory() or 0))
        tracemalloc.stop()
        pa.set_memory_pool(before)
