"""Adressa: the event log of a Norwegian newspaper, one file of JSON lines per local day.

Facts of the format that shape this reader:

- `time` is in whole seconds since 1970, UTC, while the files are cut at midnight in Oslo: `20170101` begins at
  2016-12-31T23:00:00Z. Files are named for their day, usually without an extension, and come in an archive
  (`one_week.tar.gz`, which may be a tar that is not compressed). macOS archivers leave `._20170107` beside them.
- An event is a page view by `userId`. Only views of articles have an `id`; the front page and section pages do not.
  There is no session id: `sessionStart` and `sessionStop` are flags of single events, both false for most, and
  are not used.
- What is known of the article is repeated with every view of it: `title`, `publishtime` (ISO 8601, with zone) and
  `category1`, a path as `nyheter|trondheim`. Any of it may be missing. `activeTime` is in seconds.
- Keys come in any order, and most of a line, the article's `profile`, is not needed. So the lines are read by a
  scanner that finds the wanted values only; lines that it leaves in doubt are read one by one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np
import pyarrow as pa

from newsreplay.datasets import base
from newsreplay.datasets.base import EXTRA, Block, Part, Plan, Reject, check_kept
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.json_lines import (
    ESCAPED,
    FRACTION,
    INTEGER,
    MISSING,
    NULL,
    STRING,
    Scan,
    integers,
    scan,
    texts,
)
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.errors import DataError
from newsreplay.log.rows import Column

PUBLISHER = "adressa"
PAGE = "http://reclab.idi.ntnu.no/dataset/"

EARLIEST, LATEST = base.EARLIEST // 1000, base.LATEST // 1000  #: seconds
LONGEST_STAY = 10**9  #: s; a longer `activeTime` was not measured

BLANK = "blank line"
AHEAD = ("activeTime", "sessionStop")  #: keys that tell how long the reader will stay, and that nothing follows
NO_ARTICLE = "home page or other page without an article id"

_KEYS = ("id", "time", "userId", "publishtime", "title", "category1", "activeTime")
_ITEM, _TIME, _USER, _PUBLISHED, _TITLE, _CATEGORY, _ACTIVE = range(len(_KEYS))
_OPTIONAL = {_PUBLISHED: "published", _TITLE: "title", _CATEGORY: "category", _ACTIVE: "active"}  # as columns
_PATHS = tuple((key,) for key in _KEYS)
_TEXT = pa.dictionary(pa.int32(), pa.string())
_COLUMNS = {
    "time": pa.int64(),
    "user": _TEXT,
    "item": _TEXT,
    "published": pa.int64(),
    "title": _TEXT,
    "category": _TEXT,
    "subcategory": _TEXT,
    "active": pa.float32(),
}
_DAY_FILE = re.compile(r"[0-9]{8}(?:\.jsonl?)?(?:\.gz)?")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])(?::[0-9]{2}){2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def plan_adressa(path: Path, *, keep: Sequence[str] = (), sizes: ReadSizes = SIZES) -> Plan:
    """How to read the day files of Adressa: all of a folder or an archive, or one by name.

    Day files are named by eight digits, perhaps with `.json` or `.jsonl` and `.gz`; other files of a folder or an
    archive are ignored, and named in the notes. A single file is read whatever its name.

    Every event with an article's `id` is a read. Events without one are dropped. A line that is no JSON object, or
    has an `id` that is neither text nor a whole number, and an article's line with such a `userId` or without a
    `time` in whole seconds from 1990 up to 2100 is a reject. An empty id is none; without a `userId` the reader is
    unknown. Titles, categories, publication and active times that are missing or unusable are null, and counted. `keep`
    names further keys of events whose texts are kept, as `deviceType`; what is no text is null.

    Raises `DataError` when there is no day file; reading raises it when a file cannot be read.
    """
    check_kept(keep, AHEAD, "Adressa's events")
    ignored: Counter[str] = Counter()
    days = parts.text_parts(path, lambda name: _is_day(name, ignored), sizes=sizes)
    archives = [part for part in days if parts.is_archive(part.path)]
    if len(archives) == len(days) and not any(map(_holds_a_day, archives)):
        raise DataError(
            f"{path}: {_contents(path)}. Expected files of JSON lines named for their day, as 20170101, in a folder or "
            f"in an archive, as one_week.tar.gz. Get them from {PAGE}"
        )
    return Plan(
        parts=days,
        read=partial(_read, keep=tuple(keep), sizes=sizes),
        publisher=PUBLISHER,
        notes=lambda counts: _notes(counts + ignored),
        source=f"Adressa (Adresseavisen and the SmartMedia programme at NTNU): {PAGE}",
        licence=f"The terms of use are with the data, {PAGE}. newsreplay does not pass these data on.",
    )


def _is_day(name: str, ignored: Counter[str]) -> bool:
    """Whether a file is a day's; names of others are noted."""
    if _DAY_FILE.fullmatch(PurePosixPath(name).name):
        return True
    ignored["ignored"] += 1
    if ignored["ignored"] <= 5:
        ignored["ignored: " + name[:200].encode(errors="replace").decode()] += 1
    return False


def _holds_a_day(archive: Part) -> bool:
    days = []

    def wanted(name: str) -> bool:
        is_day = _is_day(name, Counter())
        days.extend([name] * is_day)
        return is_day

    # The first lines of the first day are enough; days without any line are known by their names.
    return any(True for _ in parts.chunks(archive, wanted)) or bool(days)


def _contents(path: Path) -> str:
    if path.is_file():
        return "no such file is in this archive"
    names = sorted(entry.name for entry in path.iterdir())
    more = ", …" if len(names) > 10 else ""
    return f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"


def _read(part: Part, keep: tuple[str, ...], sizes: ReadSizes) -> Iterator[Block]:
    ignored: Counter[str] = Counter()
    paths = (*_PATHS, *((key,) for key in keep))
    for chunk in parts.chunks(part, lambda name: _is_day(name, ignored), sizes=sizes):
        start = 0
        while start < len(chunk.data):
            lines = scan(chunk.data, paths, start, lines=sizes.lines)
            yield _block(chunk.file, chunk.data, lines, keep)
            start = lines.stop
    if ignored:
        yield Block(part.name, counts=ignored)


def _block(file: str, data: bytes, lines: Scan, keep: tuple[str, ...]) -> Block:
    count = len(lines.doubtful)
    block = Block(file, lines=count, records=count)
    lines.kind[(lines.kind == STRING) & (lines.begin == lines.end)] = MISSING
    missing = (lines.kind == MISSING) | (lines.kind == NULL)
    text = (lines.kind == STRING) | (lines.kind == ESCAPED)
    time, whole = integers(lines, _TIME)

    pages = missing[:, _ITEM] & ~lines.doubtful
    if pages.any():
        block.dropped[NO_ARTICLE] = int(pages.sum())
    reads = text[:, _ITEM] & (text | missing)[:, _USER] & whole & (time >= EARLIEST) & (time < LATEST)
    clean = np.flatnonzero(reads)
    block.rows = _table(lines, clean, time, keep)
    for path, column in _OPTIONAL.items():
        without = int(missing[clean, path].sum())
        block.counts[f"without {_KEYS[path]}"] = without
        block.counts[f"unusable {_KEYS[path]}"] = block.rows[column].null_count - without

    numbers, records = [], []
    for number in np.flatnonzero(~reads & ~pages).tolist():
        line = data[lines.line[number] : lines.line[number + 1]]
        try:
            record = _exact(line, block, keep)
        except ValueError as error:
            text_of_line = line[:2000].decode(errors="replace").rstrip("\r\n")[:500]
            block.rejects.append(Reject(file, number + 1, str(error), text_of_line))
            continue
        if record is not None:
            numbers.append(number)
            records.append(record)
    if records:
        more = pa.Table.from_pylist(records, block.rows.schema)
        order = np.argsort(np.concatenate([clean, numbers]), kind="stable")
        block.rows = pa.concat_tables([block.rows, more]).unify_dictionaries().combine_chunks().take(order)
    block.kept = block.counts["reads"] = block.rows.num_rows
    return block


def _table(lines: Scan, reads: Column, time: Column, keep: tuple[str, ...]) -> pa.Table:
    """The lines that are reads for sure."""

    def values(path: int, kinds: tuple[int, ...] = (STRING, ESCAPED)) -> pa.DictionaryArray:
        return texts(lines, path, kinds, reads)

    category = values(_CATEGORY)
    columns = (
        pa.array(time[reads] * 1000),
        values(_USER),
        values(_ITEM),
        _mapped(_published, values(_PUBLISHED), pa.int64()),
        values(_TITLE),
        _mapped(_category, category),
        _mapped(_subcategory, category),
        _mapped(lambda number: _active(json.loads(number)), values(_ACTIVE, (INTEGER, FRACTION)), pa.float32()),
    )
    kept = {f"{EXTRA}{key}": values(path) for path, key in enumerate(keep, len(_PATHS))}
    return pa.table(dict(zip(_COLUMNS, columns, strict=True)) | kept)


def _mapped(function: Callable[[str], object], values: pa.DictionaryArray, kind: pa.DataType | None = None) -> pa.Array:
    """A function of every value, called once per entry of the dictionary; text unless another type is given."""
    results = pa.array(map(function, values.dictionary.to_pylist()), kind or pa.string())
    if kind:
        return results.take(values.indices)
    coded = results.dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices.take(values.indices), coded.dictionary)


def _exact(line: bytes, block: Block, keep: tuple[str, ...]) -> dict[str, Any] | None:
    """The read of a line, or None where it is dropped; `ValueError` where the line cannot be used, with the reason."""
    if not line.strip():
        block.dropped[BLANK] += 1
        return None
    record = _loaded(line)
    item = _id(record, "id")
    if item is None:
        block.dropped[NO_ARTICLE] += 1
        return None
    time = _time(record.get("time"))
    user = _id(record, "userId")
    read = {
        "time": time * 1000,
        "user": user,
        "item": item,
        "published": _published(record.get("publishtime")),
        "title": record["title"] if _is_text(record.get("title")) else None,
        "category": _category(record.get("category1")),
        "subcategory": _subcategory(record.get("category1")),
        "active": _active(record.get("activeTime")),
        **{f"{EXTRA}{key}": record[key] if _is_text(record.get(key)) else None for key in keep},
    }
    for path, column in _OPTIONAL.items():
        if read[column] is None:
            given = record.get(_KEYS[path]) not in (None, "")
            block.counts[f"{'unusable' if given else 'without'} {_KEYS[path]}"] += 1
    return read


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.removeprefix(_BYTE_ORDER_MARK).decode())
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
    except RecursionError:
        raise ValueError("the line is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the line is not JSON: {error.msg} at character {error.pos + 1:,}") from None
    except ValueError as error:  # Python's limit to the length of integers
        raise ValueError(f"the line is not JSON that can be read: {error}"[:200]) from None
    if not isinstance(record, dict):
        raise ValueError(f"a JSON object is expected, the line is {_quoted(record)}")
    return record


def _id(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not _is_text(value):
        raise ValueError(f"{key} {_quoted(value)} is not an id: text or a whole number is expected")
    return str(value)


def _time(value: Any) -> int:
    if value is None:
        raise ValueError("time is missing: seconds since 1970, UTC, are expected")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"time {_quoted(value)} is not a time: whole seconds since 1970, UTC, are expected")
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"time {_quoted(value)} is outside 1990 to 2100: seconds since 1970, UTC, are expected")
    return int(value)


def _quoted(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return repr(value[:50] if isinstance(value, str) else value)[:60]


def _is_text(value: object) -> TypeGuard[str]:
    """Whether a value is text that can be written: JSON may hold halves of a pair of surrogates."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False


def _category(value: object) -> str | None:
    return next(iter(_elements(value)), None)


def _subcategory(value: object) -> str | None:
    elements = _elements(value)
    return "|".join(elements) if len(elements) > 1 else None


def _elements(value: object) -> list[str]:
    return [element for element in value.split("|") if element] if _is_text(value) else []


def _published(value: object) -> int | None:
    return _moment(value) if isinstance(value, str) and len(value) <= 40 else None


@lru_cache(1 << 16)
def _moment(text: str) -> int | None:
    """A time with a zone in ms; articles are read many times, so most come again."""
    try:
        since = datetime.fromisoformat(text) - _EPOCH if _MOMENT.fullmatch(text) else timedelta()
    except (ValueError, OverflowError):
        return None
    ms = since // timedelta(milliseconds=1)
    return ms if EARLIEST * 1000 <= ms < LATEST * 1000 else None


def _active(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < LONGEST_STAY else None


def _notes(counts: Counter[str]) -> list[str]:
    notes = [
        f"reads: {counts['reads']:,}; times in whole seconds UTC; the files are days of Oslo, cut at midnight there",
        "the source has no session ids; its flags sessionStart and sessionStop are not used",
    ]
    for path in _OPTIONAL:
        key = _KEYS[path]
        without, unusable = counts[f"without {key}"], counts[f"unusable {key}"]
        if without or unusable:
            then = "; articles without one are known from their first read" if path == _PUBLISHED else ""
            notes.append(f"reads without {key}: {without:,}; with one that is unusable: {unusable:,}{then}")
    if counts["ignored"]:
        names = sorted(count.removeprefix("ignored: ") for count in counts if count.startswith("ignored: "))
        more = ", …" if counts["ignored"] > len(names[:5]) else ""
        notes.append(f"files that are no day files, ignored: {counts['ignored']:,}: {', '.join(names[:5])}{more}")
    return notes
