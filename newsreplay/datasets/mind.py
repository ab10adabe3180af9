"""MIND: the impression log of Microsoft News, sizes demo, small and large, as TSV files.

Facts of the format that shape this reader:

- `behaviors.tsv` has five cells per line and no header: impression id, user, time, history (articles, oldest
  first, may be empty) and candidates (`N123-1` clicked, `N123-0` passed over), separated by spaces and
  shuffled. Quoting is off: titles hold lone quotes. Lines are in no order of time.
- Times are `M/D/YYYY h:mm:ss AM|PM` of no stated zone and are read as UTC.
- A user's history is the same in all lines of a split: it was frozen before the split and lacks the clicks of
  the split itself. It has no times, so it is a profile and not a row.
- `news.tsv` has eight cells (the prose that comes with it counts seven), and no publication time.
- Article and user ids differ between demo, small and large. A folder must not hold folders of two sizes: the
  same id would mean two articles, and nothing in the files tells.

A line is nearly all ids such as `N123`. A compiled scanner turns those into codes at once; the line on which it
stumbles is read by `_exact`, which takes any id, and says what is wrong with the lines that cannot be used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial, reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from newsreplay.datasets import parts
from newsreplay.datasets.base import Block, Part, Plan, Reject
from newsreplay.datasets.mind_texts import NEWS_TEXT, ROLE, text_blocks, text_parts
from newsreplay.errors import DataError
from newsreplay.simulator.kernels import compiled, kernel, routine
from newsreplay.simulator.log import DAY, IMPRESSION, Column

PUBLISHER = "mind"
PAGE = "https://msnews.github.io/"
BEHAVIORS = "behaviors.tsv"
NEWS = "news.tsv"

BLANK = "blank line"
NO_CANDIDATES = "impression without candidates"
HEAD = 64 << 10  #: bytes of a file that planning looks at

_NOV_10 = 1_573_344_000_000  # 2019-11-10 00:00, ms UTC
SPLITS: dict[str, tuple[int, int | None]] = {
    "official": (_NOV_10 + 5 * DAY, _NOV_10 + 6 * DAY),
    "awrs": (_NOV_10 + 5 * DAY, _NOV_10 + 6 * DAY),
    "awrs-validation": (_NOV_10 + 4 * DAY, _NOV_10 + 5 * DAY),
    "stream": (_NOV_10, None),
}

_ID = pa.dictionary(pa.int32(), pa.string())
_MARK = b"\xef\xbb\xbf"  # of byte order, which says nothing in UTF-8
_DIGITS = 7  # of an id that the scanner takes
_TIME = re.compile(rb"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d):(\d\d) ([AP])M")
_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NEWLINE, _RETURN, _SPACE, _DASH, _SLASH, _ZERO, _COLON, _TAB = b"\n\r -/0:\t"
_A, _P, _M = b"APM"


class Layout(NamedTuple):
    """What sets one log in MIND's layout apart from another."""

    cells: tuple[str, ...]  #: of a line of `behaviors.tsv`; without a time, its number in the block stands for it
    prefix: bytes  #: of article ids; what follows is a number
    facts: dict[str, int]  #: what the cells of a line of `news.tsv` tell, counted from 0
    widths: tuple[int, ...]  #: how many cells a line of `news.tsv` may have
    entities: bool  #: whether its cells 6 and 7 hold the entities of title and abstract
    page: str  #: where to get the data


MIND = Layout(
    cells=("impression id", "user", "time", "history", "candidates"),
    prefix=b"N",
    facts={"category": 1, "subcategory": 2, "title": 3, "abstract": 4},
    widths=(6, 7, 8),
    entities=True,
    page=PAGE,
)


def plan_mind(path: Path, *, history: str = "dynamic") -> Plan:
    """The impressions of a folder with `behaviors.tsv` and `news.tsv`, or of a folder of such folders.

    A `news_text.csv` beside them (`newsreplay.datasets.mind_texts`) tells of articles what `news.tsv` does not.

    Folders are read by name, `train` before `dev` or `valid`. All must be of one size (demo, small or large).
    Every line of `behaviors.tsv` is one impression; times are ms UTC. Ids are kept as they stand. A user's
    history is their profile; with `history="dynamic"` their reads are appended to it as they happen, with
    `"static"` it stays as it was, as in published numbers. Users without a history are kept.

    The splits: `official` scores the dev file's day, 15 November 2019; `awrs` is the same day and
    `awrs-validation` the day before, the last of the training week, as in the AWRS paper, which also leaves out
    impressions with an empty history (here they stay: some 3 % more impressions than in that paper); `stream` scores
    all after a first day of warming up.

    Raises `DataError` when the files are not there or not in MIND's layout, when candidates carry no labels (the
    test split), and when `history` is neither word.
    """
    if history not in ("dynamic", "static"):
        raise DataError(f"history={history!r}: expected dynamic (reads are appended) or static (as in the files)")
    behaviors = sorted(
        (file for file in path.rglob(BEHAVIORS) if file.is_file() and not parts.is_stray(_name(file, path))),
        key=lambda file: (_is_late(_name(file, path)), _name(file, path)),
    )
    if not behaviors:
        raise DataError(
            f"{path}: {found_in(path)}. Expected a folder with {BEHAVIORS} and {NEWS}, or a folder of such folders, "
            f"as MINDsmall_train and MINDsmall_dev. Get the archives from {PAGE} and unpack them there"
        )
    news = [file.with_name(NEWS) for file in behaviors]
    told = [file for file in news if file.is_file()]
    texts = [file for file in (each.with_name(NEWS_TEXT) for each in behaviors) if file.is_file()]
    return Plan(
        parts=[
            *(part for file in behaviors for part in behavior_parts(file, _name(file, path), MIND)),
            *(part for file in told for part in article_parts(file, _name(file, path), MIND)),
            *(part for file in texts for part in text_parts(file, _name(file, path))),
        ],
        read=partial(blocks, layout=MIND),
        publisher=PUBLISHER,
        notes=partial(_notes, [_name(file, path) for file in news if file not in told]),
        made_up=["Articles have no publication time: each is known from its first appearance as a candidate."],
        source=f"MIND, the Microsoft News Dataset: {PAGE}",
        licence=(
            "Microsoft Research License Terms: non-commercial research only, no redistribution. newsreplay does not "
            "pass these data on."
        ),
        splits=SPLITS,
        frozen=history == "static",
    )


def _name(file: Path, path: Path) -> str:
    return file.relative_to(path).as_posix()


def _is_late(name: str) -> bool:
    name = name.lower()
    return "train" not in name and ("dev" in name or "valid" in name)


def found_in(path: Path) -> str:
    """What lies at a path that is no data set, for an error."""
    if not path.exists():
        return "there is no such folder"
    if not path.is_dir():
        return "found a file, not a folder"
    names = sorted(entry.name for entry in path.iterdir())
    more = ", …" if len(names) > 10 else ""
    return f"found {', '.join(names[:10])}{more}" if names else "found an empty folder"


def _notes(without_news: list[str], counts: Counter[str]) -> list[str]:
    return ["times are of no stated zone and read as UTC", *notes_on(without_news, counts)]


def notes_on(without_news: list[str], counts: Counter[str]) -> list[str]:
    """What to say of files of articles that are not there, and of what blocks counted."""
    return [
        *(f"no {name}: categories and texts of its articles are unknown" for name in without_news),
        *(f"{what}: {count:,}" for what, count in sorted(counts.items())),
    ]


def blocks(part: Part, layout: Layout) -> Iterator[Block]:
    """The blocks of a part of any role."""
    if part.role == ROLE:
        yield from text_blocks(part)
        return
    read = _read_articles if part.role == "articles" else _read_lines
    start = part.begin
    for chunk in parts.chunks(part, size=parts.CHUNK):
        yield read(part.name, chunk.data if start else chunk.data.removeprefix(_MARK), layout)
        start += len(chunk.data)


# Planning


def behavior_parts(file: Path, name: str, layout: Layout) -> list[Part]:
    """The parts of a `behaviors.tsv`; `DataError` where its first lines are not in the layout."""
    planned = [part._replace(name=name, role="behaviors") for part in parts.text_parts(file)]
    lines = _head(planned[0])
    if not lines:
        raise DataError(f"{name} is empty. Get it again from {layout.page}")
    width = len(layout.cells)
    header = lines[0].count(b"\t") + 1 >= width and not re.search(rb"\d", lines[0])
    expected = f"{width} cells separated by tabs ({', '.join(layout.cells)}) and no header row"
    _check(name, lines, header, (width,), expected, layout)
    cells = (line.split(b"\t") for line in lines)
    candidates = b" ".join(found[-1] for found in cells if len(found) == width).split()
    if candidates and not any(word.endswith((b"-0", b"-1")) for word in candidates):
        raise DataError(
            f"{name}: the candidates carry no labels (-1 clicked, -0 not), as {_shown(candidates[0])}: this is the "
            "test split, whose clicks are not public, and nothing can be judged on it. Use train and dev, "
            "and move this folder elsewhere"
        )
    return planned


def article_parts(file: Path, name: str, layout: Layout) -> list[Part]:
    """The parts of a `news.tsv`; `DataError` where its first lines are not in the layout."""
    found = [part._replace(name=name, role="articles") for part in parts.text_parts(file)]
    lines = _head(found[0])
    cells = lines[0].lower().split(b"\t") if lines else []
    header = len(cells) > 1 and cells[1] in (b"category", b"topic") and not re.search(rb"\d", cells[0])
    expected = f"{' or '.join(map(str, layout.widths))} cells separated by tabs and no header row"
    _check(name, lines, header, layout.widths, expected, layout)
    return found


def _head(part: Part) -> list[bytes]:
    chunk = next(parts.chunks(part, size=HEAD), None)
    return [line for line in chunk.data.split(b"\n") if line.strip()] if chunk else []


def _check(name: str, lines: list[bytes], header: bool, widths: tuple[int, ...], expected: str, layout: Layout) -> None:
    counts = Counter(line.count(b"\t") + 1 for line in lines)
    faults = [f"a header row stands there: {_shown(lines[0])}"] if header else []
    if lines and all(b"\0" in line for line in lines):
        faults.append("there are NUL bytes: it is no UTF-8 text")
    ways = [f"tail -n +2 {Path(name).name}"] if header else []
    if lines and not counts.keys() & set(widths):
        width = counts.most_common(1)[0][0]
        faults.append(f"the lines have {width:,} cells")
        ways += [f"cut -f 1-{max(widths)}"] if width > max(widths) else []
    if faults:
        way = f"Make it so with `{' | '.join(ways)}`, or get" if ways else "Get"
        raise DataError(f"{name} line 1: {' and '.join(faults)}. Expected {expected}. {way} it from {layout.page}")


# Impressions: the compiled scanner, which takes what is clean


class _Ids(NamedTuple):
    """Ids met in a block, coded by first appearance."""

    prefix: Column  # uint8: what ids the scanner takes begin with
    table: Column  # int32: code + 1 by the number that follows the prefix, 0 = not met
    text: Column  # uint8: the ids one after the other
    ends: Column  # int32: where each ends in `text`, after a first 0
    size: Column  # int64[1]: how many


class _Columns(NamedTuple):
    """The lines of a block; numbers first, then codes."""

    at: Column  # int64[3]: next byte, next line, rows so far
    time: Column  # int64 per row, ms UTC, or the line's number where the layout has no time
    user: Column  # int32 per row
    history: Column  # int32, of all rows
    history_end: Column  # int32 per row, after a first 0
    pool: Column  # int32, of all rows
    clicked: Column  # bool, as `pool`
    pool_end: Column  # int32 per row, after a first 0


def _ids(prefix: bytes, most: int, size: int) -> _Ids:
    return _Ids(
        np.frombuffer(prefix, np.uint8),
        np.zeros(10**_DIGITS, np.int32),
        np.empty(size, np.uint8),
        np.zeros(most + 1, np.int32),
        np.zeros(1, np.int64),
    )


def _columns(lines: int, size: int) -> _Columns:
    most = size // 2 + 1  # every id takes a byte, and one that parts it from the next
    return _Columns(
        np.zeros(3, np.int64),
        np.empty(lines, np.int64),
        np.empty(lines, np.int32),
        np.empty(most, np.int32),
        np.zeros(lines + 1, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.bool_),
        np.zeros(lines + 1, np.int32),
    )


@kernel
def _byte(data: Column, at: int) -> int:
    """A byte, without the check for places counted from the end, which costs a fifth of the time."""
    byte: int = data[np.uint64(at)]
    return byte


@kernel
def _number(data: Column, at: int, most: int) -> tuple[int, int]:
    """The whole number of at most so many digits at a place, -1 if there is none, and the place after it."""
    value = 0
    begin = at
    while at < begin + most and _ZERO <= _byte(data, at) <= _ZERO + 9:
        value = value * 10 + _byte(data, at) - _ZERO
        at += 1
    return value if at > begin else -1, at


@kernel
def _clean_id(data: Column, at: int, ids: _Ids) -> tuple[int, int]:
    """The number of an id that is the prefix and a number as it would be printed, else -1; the place after it."""
    for byte in ids.prefix:
        if _byte(data, at) != byte:
            return -1, at
        at += 1
    value, end = _number(data, at, _DIGITS)
    if _byte(data, at) == _ZERO and end > at + 1:
        return -1, end
    return value, end


@kernel
def _clean_time(data: Column, at: int) -> tuple[int, int]:
    """The time at a place as ms UTC, -1 if it is not certainly one; the place after it."""
    month, at = _number(data, at, 2)
    if _byte(data, at) != _SLASH:
        return -1, at
    day, at = _number(data, at + 1, 2)
    if _byte(data, at) != _SLASH:
        return -1, at
    year, at = _number(data, at + 1, 4)
    if _byte(data, at) != _SPACE:
        return -1, at
    hour, at = _number(data, at + 1, 2)
    if _byte(data, at) != _COLON:
        return -1, at
    begin = at + 1
    minute, at = _number(data, begin, 2)
    if _byte(data, at) != _COLON or at != begin + 2:
        return -1, at
    begin = at + 1
    second, at = _number(data, begin, 2)
    if (
        _byte(data, at) != _SPACE
        or at != begin + 2
        or (_byte(data, at + 1) != _A and _byte(data, at + 1) != _P)
        or _byte(data, at + 2) != _M
    ):
        return -1, at
    afternoon = _byte(data, at + 1) == _P
    if not (1990 <= year < 2100 and 1 <= month <= 12 and 1 <= hour <= 12 and minute < 60 and second < 60):
        return -1, at
    leap = year % 4 == 0  # true of all these years
    if not 1 <= day <= _MONTH[month - 1] + (1 if month == 2 and leap else 0):
        return -1, at
    days = (year - 1970) * 365 + (year - 1969) // 4 + day - 1
    for before in range(month - 1):
        days += _MONTH[before]
    if month > 2 and leap:
        days += 1
    hours = days * 24 + hour % 12 + (12 if afternoon else 0)
    return ((hours * 60 + minute) * 60 + second) * 1000, at + 3


@routine
def _met(ids: _Ids, number: int) -> None:
    code = ids.size[0]
    at = ids.ends[code]
    for byte in ids.prefix:
        ids.text[at] = byte
        at += 1
    power = 1
    while power * 10 <= number:
        power *= 10
    while power:
        ids.text[at] = _ZERO + number // power % 10
        at += 1
        power //= 10
    ids.ends[code + 1] = at
    ids.size[0] = code + 1
    ids.table[number] = code + 1


@kernel
def _coded(ids: _Ids, number: int) -> int:
    if not ids.table[number]:
        _met(ids, number)
    code: int = ids.table[number] - 1
    return code


@compiled
def _scan(data: Column, timed: bool, users: _Ids, items: _Ids, columns: _Columns) -> None:
    """Take lines up to the end, or up to a line that is not clean; `data` ends at a line end, which stops all."""
    at, line, row = columns.at[0], columns.at[1], columns.at[2]
    while at < len(data):
        while _SPACE < _byte(data, at) < 127:
            at += 1
        if _byte(data, at) != _TAB:
            return
        user, at = _clean_id(data, at + 1, users)
        if user < 0 or _byte(data, at) != _TAB:
            return
        time = line
        if timed:
            time, at = _clean_time(data, at + 1)
            if time < 0 or _byte(data, at) != _TAB:
                return

        begin = read = columns.history_end[row]
        at += 1
        while _byte(data, at) != _TAB:
            item, at = _clean_id(data, at, items)
            if item < 0:
                return
            columns.history[read] = item
            read += 1
            if _byte(data, at) == _SPACE and _byte(data, at + 1) != _TAB:
                at += 1
            elif _byte(data, at) != _TAB:
                return

        first = shown = columns.pool_end[row]
        while _byte(data, at) == _TAB if shown == first else _byte(data, at) == _SPACE:
            item, at = _clean_id(data, at + 1, items)
            if item < 0 or _byte(data, at) != _DASH or not _ZERO <= _byte(data, at + 1) <= _ZERO + 1:
                return
            columns.pool[shown] = item
            columns.clicked[shown] = _byte(data, at + 1) == _ZERO + 1
            shown += 1
            at += 2
        if _byte(data, at) == _RETURN:
            at += 1
        if _byte(data, at) != _NEWLINE:
            return

        # Codes only now, so that a line that is left out leaves no ids behind.
        for place in range(begin, read):
            columns.history[place] = _coded(items, columns.history[place])
        for place in range(first, shown):
            columns.pool[place] = _coded(items, columns.pool[place])
        columns.time[row] = time
        columns.user[row] = _coded(users, user)
        at += 1
        line += 1
        row += 1
        columns.history_end[row] = read
        columns.pool_end[row] = shown
        columns.at[0] = at
        columns.at[1] = line
        columns.at[2] = row


@compiled
def _earliest(user: Column, time: Column, history_end: Column, chosen: Column) -> None:
    """The row of each user's earliest history, -1 if there is none."""
    for row in range(len(user)):
        if history_end[row + 1] > history_end[row]:
            before = chosen[user[row]]
            if before < 0 or time[row] < time[before]:
                chosen[user[row]] = row


# Impressions: any line, exactly


class _Impression(NamedTuple):
    user: bytes
    time: int
    history: list[bytes]
    pool: list[bytes]
    clicked: list[bool]


def _exact(line: bytes, number: int, layout: Layout) -> _Impression | str:
    """A line, or the rule by which it is left out; `ValueError` says why it cannot be used."""
    if not line.strip():
        return BLANK
    _text(line)
    cells = line.split(b"\t")
    if len(cells) != len(layout.cells):
        raise ValueError(f"{len(layout.cells)} cells are expected, the line has {len(cells):,}")
    if not cells[1]:
        raise ValueError("the user id is missing")
    time = _exact_time(cells[2]) if "time" in layout.cells else number
    words = [word for word in cells[-1].split(b" ") if word]
    if not words:
        return NO_CANDIDATES
    pool, clicked = [], []
    for word in words:
        item, dash, label = word.rpartition(b"-")
        if not dash or label not in (b"0", b"1"):
            raise ValueError(f"candidate {_shown(word)} has no label: -1 (clicked) or -0 is expected")
        if not item:
            raise ValueError(f"candidate {_shown(word)} has no article id")
        pool.append(item)
        clicked.append(label == b"1")
    return _Impression(cells[1], time, [item for item in cells[-2].split(b" ") if item], pool, clicked)


def _text(line: bytes) -> str:
    if b"\0" in line:
        raise ValueError("the line holds a NUL byte")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1:,} of the line is not UTF-8") from None


def _exact_time(cell: bytes) -> int:
    match = _TIME.fullmatch(cell)
    if not match:
        raise ValueError(f"time {_shown(cell)} is not of the form M/D/YYYY h:mm:ss AM or PM")
    month, day, year, hour, minute, second = map(int, match.groups()[:-1])
    try:
        if not 1 <= hour <= 12:
            raise ValueError
        time = datetime(year, month, day, hour % 12 + 12 * (match[7] == b"P"), minute, second, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"time {_shown(cell)} is in no calendar") from None
    if not 1990 <= year < 2100:
        raise ValueError(f"time {_shown(cell)} is outside 1990 to 2100")
    return int(time.timestamp()) * 1000


def _shown(value: bytes) -> str:
    return repr(value[:60].decode("utf-8", "replace"))


class _Coder:
    """Codes for ids of any form, in the same dictionary as the scanner's."""

    def __init__(self, ids: _Ids) -> None:
        self.ids = ids
        self.clean = re.compile(re.escape(ids.prefix.tobytes()) + rb"(0|[1-9]\d{0,%d})" % (_DIGITS - 1))
        self.known: dict[bytes, int] = {}

    def __call__(self, word: bytes) -> int:
        code = self.known.get(word)
        if code is None:
            code = self.known[word] = self._look_up(word)
        return code

    def _look_up(self, word: bytes) -> int:
        match = self.clean.fullmatch(word)
        number = int(match[1]) if match else None
        if number is not None and self.ids.table[number]:
            return int(self.ids.table[number]) - 1
        code = int(self.ids.size[0])
        begin = int(self.ids.ends[code])
        self.ids.text[begin : begin + len(word)] = np.frombuffer(word, np.uint8)
        self.ids.ends[code + 1] = begin + len(word)
        self.ids.size[0] = code + 1
        if number is not None:
            self.ids.table[number] = code + 1
        return code


def _read_lines(file: str, data: bytes, layout: Layout) -> Block:
    if not data.endswith(b"\n"):
        data += b"\n"
    lines = data.count(b"\n")
    columns = _columns(lines, len(data))
    users, items = _ids(b"U", lines, len(data)), _ids(layout.prefix, len(data) // 2 + 1, len(data))
    user_code, item_code = _Coder(users), _Coder(items)
    block = Block(file, lines=lines, records=lines)
    view = np.frombuffer(data, np.uint8)
    while True:
        _scan(view, "time" in layout.cells, users, items, columns)
        at, line, row = map(int, columns.at)
        if at == len(data):
            break
        end = data.index(b"\n", at)
        text = data[at:end].removesuffix(b"\r")
        columns.at[:2] = end + 1, line + 1
        try:
            found = _exact(text, line, layout)
        except ValueError as error:
            block.rejects.append(_reject(file, line + 1, error, text))
            continue
        if isinstance(found, str):
            block.dropped[found] += 1
            continue
        columns.time[row] = found.time
        columns.user[row] = user_code(found.user)
        _append(columns.history, columns.history_end, row, [item_code(item) for item in found.history])
        _append(columns.pool, columns.pool_end, row, [item_code(item) for item in found.pool])
        begin, until = columns.pool_end[row : row + 2]
        columns.clicked[begin:until] = found.clicked
        columns.at[2] = row + 1
    _fill(block, columns, users, items)
    return block


def _append(values: Column, ends: Column, row: int, more: list[int]) -> None:
    ends[row + 1] = ends[row] + len(more)
    values[ends[row] : ends[row + 1]] = more


def _reject(file: str, line: int, error: ValueError, text: bytes) -> Reject:
    return Reject(file, line, str(error), text[:2000].decode("utf-8", "replace")[:500])


def _fill(block: Block, columns: _Columns, users: _Ids, items: _Ids) -> None:
    rows = block.kept = int(columns.at[2])
    user_names, item_names = _names(users), _names(items)
    time, user = columns.time[:rows], columns.user[:rows]
    history_end, pool_end = columns.history_end[: rows + 1], columns.pool_end[: rows + 1]
    pool = columns.pool[: pool_end[-1]]
    block.rows = pa.table(
        {
            "kind": np.full(rows, IMPRESSION, np.uint8),
            "time": time,
            "user": pa.DictionaryArray.from_arrays(user, user_names),
            "item": pa.nulls(rows, _ID),
            "pool": _lists(pool_end, pool, item_names),
            "clicked": pa.ListArray.from_arrays(pool_end, pa.array(columns.clicked[: len(pool)])),
        }
    )
    chosen = np.full(len(user_names), -1, np.int32)
    _earliest(user, time, history_end, chosen)
    chosen = np.sort(chosen[chosen >= 0])
    histories = _lists(history_end, columns.history[: history_end[-1]], item_names)
    block.profiles = pa.table(
        {
            "user": pa.DictionaryArray.from_arrays(user[chosen], user_names),
            "time": time[chosen],
            "items": histories.take(pa.array(chosen)),
        }
    )
    if empty := int(np.count_nonzero(np.diff(history_end) == 0)):
        block.counts["impressions with an empty history"] += empty


def _names(ids: _Ids) -> pa.StringArray:
    size = int(ids.size[0])
    ends = ids.ends[: size + 1]
    return pa.StringArray.from_buffers(size, pa.py_buffer(ends), pa.py_buffer(ids.text[: ends[-1]]))


def _lists(ends: Column, codes: Column, names: pa.StringArray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(ends), pa.DictionaryArray.from_arrays(codes, names))


# Articles


def _read_articles(file: str, data: bytes, layout: Layout) -> Block:
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    block = Block(file, lines=lines, records=lines)
    table = _parse(data, lines, layout)
    if table is None:
        table = _parse_lines(block, data, layout)
    block.articles = table
    block.kept = table.num_rows
    for name in table.column_names[1:]:
        if missing := table[name].null_count:
            block.counts[f"articles without {name}"] += missing
    return block


def _parse(data: bytes, lines: int, layout: Layout) -> pa.Table | None:
    """All lines at once, or None if any of them needs a closer look."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if b"\r" in data or b"\0" in data:
        return None
    width = data.count(b"\t", 0, data.find(b"\n")) + 1
    places = {"item": 0, **layout.facts}
    if layout.entities and width == 8:
        places |= {"title_entities": 6, "abstract_entities": 7}
    headings = [str(place) for place in range(width)]
    if width not in layout.widths:
        return None
    try:
        found = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=headings),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(headings, pa.string()),  # those that nobody wants too: are they UTF-8?
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    found = pa.table({name: found[str(place)] for name, place in places.items()})
    if found.num_rows != lines or found["item"].null_count:
        return None
    if not layout.entities:
        return found
    if width != 8:
        return found.append_column("entities", pa.nulls(lines, pa.string()))
    title, abstract = found["title_entities"], found["abstract_entities"]
    ends = (
        test(cells, end) for cells in (title, abstract) for test, end in ((pc.starts_with, "["), (pc.ends_with, "]"))
    )
    usable = reduce(pc.and_, ends)
    joined = pc.binary_join_element_wise('{"title": ', title, ', "abstract": ', abstract, "}", "")
    if not pc.all(usable, skip_nulls=False).as_py():
        joined = pc.if_else(usable, joined, None)
    return found.drop_columns(["title_entities", "abstract_entities"]).append_column("entities", joined)


def _parse_lines(block: Block, data: bytes, layout: Layout) -> pa.Table:
    names = ["item", *layout.facts, *(["entities"] if layout.entities else [])]
    rows: list[list[str | None]] = []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if not line.strip():
            block.dropped[BLANK] += 1
            continue
        try:
            cells = _article(line, layout)
        except ValueError as error:
            block.rejects.append(_reject(block.file, number, error, line))
            continue
        row = [cells[0], *(cells[place] or None for place in layout.facts.values())]
        rows.append([*row, _entities(cells)] if layout.entities else row)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def _article(line: bytes, layout: Layout) -> list[str]:
    text = _text(line)
    cells = text.split("\t")
    if len(cells) not in layout.widths:
        raise ValueError(f"{' or '.join(map(str, layout.widths))} cells are expected, the line has {len(cells):,}")
    if not cells[0]:
        raise ValueError("the article id is missing")
    return cells


def _entities(cells: list[str]) -> str | None:
    """Both lists as one JSON text; whether they are JSON inside their brackets is for whoever uses them."""
    title, abstract = cells[6:] if len(cells) == 8 else ("", "")
    if not all(cell.startswith("[") and cell.endswith("]") for cell in (title, abstract)):
        return None
    return f'{{"title": {title}, "abstract": {abstract}}}'
