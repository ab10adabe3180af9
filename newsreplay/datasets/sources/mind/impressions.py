"""MIND's behaviours, line by line where they are in doubt."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.datasets.base import EARLIEST, LATEST, Block
from newsreplay.datasets.sources.mind.layout import BLANK, NO_CANDIDATES, Layout, quoted, reject, text_of
from newsreplay.datasets.sources.mind.scan import (
    DIGITS,
    ArticleRows,
    ImpressionColumns,
    earliest,
    empty_columns,
    empty_ids,
    scan,
)
from newsreplay.log.rows import IMPRESSION, Column

_ID = pa.dictionary(pa.int32(), pa.string())
_TIME = re.compile(rb"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d):(\d\d) ([AP])M")
_HALF_A_CLOCK = re.compile(rb"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d(?::\d\d)?")
_ISO_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LABELS = {b"0": False, b"1": True, b"0.0": False, b"1.0": True}
_BY_COMMAS = re.compile(rb"-[01](?:\.0)?,")
_NOTHING = (b"nan", b"null", b"none")
_LIST = re.compile(rb"""["\s]*[\[(](.*)[\])]["\s]*""")
_PRINTED = re.compile(rb"[!-~]+")
_WORD = re.compile(rb"""[^\s,'"]+""")
AS_NOTHING = "histories written as nan, NULL or None, read as empty"
AS_LIST = "histories written as lists, as ['N1', 'N2'], read as their articles"
ZONED = "times with a zone, read as such"
WITHHELD = "impressions whose clicks are withheld (the test split): answered, never judged"


# Impressions: any line, exactly


class _Impression(NamedTuple):
    user: bytes  # empty = unknown
    time: int
    history: list[bytes]
    forms: tuple[str, ...]  # what is to be counted of how the line is written
    pool: list[bytes]
    clicked: list[bool]


def _exact(line: bytes, number: int, layout: Layout, labelled: bool) -> _Impression | str:
    """A line, or the rule by which it is left out; `ValueError` where it cannot be used, with the reason."""
    if not line.strip():
        return BLANK
    text_of(line)
    cells = line.split(b"\t")
    if len(cells) != len(layout.cells):
        raise ValueError(f"{len(layout.cells)} cells are expected, the line has {len(cells):,}")
    time = exact_time(cells[2]) if "time" in layout.cells else number
    words = [word for word in cells[-1].split(b" ") if word]
    if not words:
        return NO_CANDIDATES
    pool, clicked = _labelled(words) if labelled else _unlabelled(words, cells[0])
    history, form = _history(cells[-2], layout.prefix)
    iso = _ISO_TIME.fullmatch(cells[2])
    zoned = (ZONED,) if iso and iso[1] else ()
    return _Impression(cells[1], time, history, (*form, *zoned), pool, clicked)


def _labelled(words: list[bytes]) -> tuple[list[bytes], list[bool]]:
    pool, clicked = [], []
    for word in words:
        item, dash, label = word.rpartition(b"-")
        if _BY_COMMAS.search(word):
            raise ValueError(f"candidates {quoted(word)} are separated by commas: spaces are expected")
        if not dash or label not in _LABELS:
            raise ValueError(f"candidate {quoted(word)} has no label: -1 (clicked) or -0 is expected")
        if not item:
            raise ValueError(f"candidate {quoted(word)} has no article id")
        pool.append(item)
        clicked.append(_LABELS[label])
    return pool, clicked


def _unlabelled(words: list[bytes], number: bytes) -> tuple[list[bytes], list[bool]]:
    if not _PRINTED.fullmatch(number):
        raise ValueError(f"impression id {quoted(number)} is none: answers could not be handed in under it")
    for word in words:
        if b"," in word:
            raise ValueError(f"candidates {quoted(word)} are separated by commas: spaces are expected")
        if word.rpartition(b"-")[2] in _LABELS and b"-" in word:
            raise ValueError(f"candidate {quoted(word)} has a label, unlike those of the file's first lines")
    return words, [False] * len(words)


def _history(cell: bytes, prefix: bytes) -> tuple[list[bytes], tuple[str, ...]]:
    """The articles of a history, and whether it is written in one of the forms that pandas makes of it."""
    if cell.strip().lower() in _NOTHING:
        return [], (AS_NOTHING,)
    among = _LIST.fullmatch(cell)
    by_commas = b"," in cell and re.fullmatch(rb"(?:%b\d+(?:[,\s]+|$))+" % re.escape(prefix), cell)
    if among or by_commas:
        return _WORD.findall(among[1] if among else cell), (AS_LIST,)
    return [item for item in cell.split(b" ") if item], ()


def exact_time(cell: bytes) -> int:
    """A time of MIND's as ms UTC; `ValueError` where it is none, with the reason."""
    if _ISO_TIME.fullmatch(cell):
        return _iso_time(cell)
    match = _TIME.fullmatch(cell)
    if not match and _HALF_A_CLOCK.fullmatch(cell):
        raise ValueError(
            f"time {quoted(cell)} has neither AM nor PM: M/D/YYYY h:mm:ss AM or PM, or ISO 8601, is expected"
        )
    if not match:
        raise ValueError(f"time {quoted(cell)} is not of the form M/D/YYYY h:mm:ss AM or PM, and not ISO 8601")
    month, day, year, hour, minute, second = map(int, match.groups()[:-1])
    try:
        if not 1 <= hour <= 12:
            raise ValueError
        time = datetime(year, month, day, hour % 12 + 12 * (match[7] == b"P"), minute, second, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"time {quoted(cell)} is in no calendar") from None
    return _inside(cell, time)


def _iso_time(cell: bytes) -> int:
    try:
        time = datetime.fromisoformat(cell.decode())
    except ValueError:
        raise ValueError(f"time {quoted(cell)} is in no calendar") from None
    return _inside(cell, time.replace(tzinfo=UTC) if time.tzinfo is None else time)


def _inside(cell: bytes, time: datetime) -> int:
    ms = (time - _EPOCH) // timedelta(milliseconds=1)
    if not EARLIEST <= ms < LATEST:
        raise ValueError(f"time {quoted(cell)} is outside 1990 to 2100")
    return ms


class _Coder:
    """Codes for ids of any form, in the same dictionary as the scanner's."""

    def __init__(self, ids: ArticleRows) -> None:
        self.ids = ids
        self.clean = re.compile(re.escape(ids.prefix.tobytes()) + rb"(0|[1-9]\d{0,%d})" % (DIGITS - 1))
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


def read_lines(file: str, data: bytes, layout: Layout, labelled: bool = True) -> Block:
    """The block of some whole lines of `behaviors.tsv`; candidates of a test split are not `labelled`."""
    if not data.endswith(b"\n"):
        data += b"\n"
    lines = data.count(b"\n")
    columns = empty_columns(lines, len(data))
    users, items = empty_ids(b"U", lines, len(data)), empty_ids(layout.prefix, len(data) // 2 + 1, len(data))
    user_code, item_code = _Coder(users), _Coder(items)
    block = Block(file, lines=lines, records=lines)
    view = np.frombuffer(data, np.uint8)
    while True:
        scan(view, "time" in layout.cells, labelled, users, items, columns)
        at, line, row = map(int, columns.at)
        if at == len(data):
            break
        end = data.index(b"\n", at)
        text = data[at:end].removesuffix(b"\r")
        columns.at[:2] = end + 1, line + 1
        try:
            impression = _exact(text, line, layout, labelled)
        except ValueError as error:
            block.rejects.append(reject(file, line + 1, error, text))
            continue
        if isinstance(impression, str):
            block.dropped[impression] += 1
            continue
        block.counts.update(impression.forms)
        columns.cell[row] = at, at + len(text.partition(b"\t")[0])
        columns.time[row] = impression.time
        columns.user[row] = user_code(impression.user) if impression.user else -1
        _append(columns.history, columns.history_end, row, [item_code(item) for item in impression.history])
        _append(columns.pool, columns.pool_end, row, [item_code(item) for item in impression.pool])
        begin, until = columns.pool_end[row : row + 2]
        columns.clicked[begin:until] = impression.clicked
        columns.at[2] = row + 1
    _fill(block, columns, users, items)
    if not labelled:
        _withhold(block, data, columns.cell[: block.kept].tolist())
    return block


def _withhold(block: Block, data: bytes, cells: list[list[int]]) -> None:
    """Give impressions whose clicks are not known their ids in place of clicks."""
    ids = pa.array([data[begin:end].decode("ascii") for begin, end in cells], pa.string())
    assert block.rows is not None
    block.rows = block.rows.drop_columns(["clicked"]).append_column("withheld", ids)
    block.counts[WITHHELD] += len(ids)


def _append(values: Column, ends: Column, row: int, more: list[int]) -> None:
    ends[row + 1] = ends[row] + len(more)
    values[ends[row] : ends[row + 1]] = more


def _fill(block: Block, columns: ImpressionColumns, users: ArticleRows, items: ArticleRows) -> None:
    rows = block.kept = int(columns.at[2])
    user_names, item_names = _names(users), _names(items)
    time, user = columns.time[:rows], columns.user[:rows]
    history_end, pool_end = columns.history_end[: rows + 1], columns.pool_end[: rows + 1]
    pool = columns.pool[: pool_end[-1]]
    block.rows = pa.table(
        {
            "kind": np.full(rows, IMPRESSION, np.uint8),
            "time": time,
            "user": pa.DictionaryArray.from_arrays(pa.array(user, mask=user < 0), user_names),
            "item": pa.nulls(rows, _ID),
            "pool": _lists(pool_end, pool, item_names),
            "clicked": pa.ListArray.from_arrays(pool_end, pa.array(columns.clicked[: len(pool)])),
        }
    )
    chosen, differ = np.full(len(user_names), -1, np.int32), np.zeros(len(user_names), np.bool_)
    earliest(user, time, history_end, columns.history, chosen, differ)
    chosen = np.sort(chosen[chosen >= 0])
    histories = _lists(history_end, columns.history[: history_end[-1]], item_names)
    block.profiles = pa.table(
        {
            "user": pa.DictionaryArray.from_arrays(user[chosen], user_names),
            "time": time[chosen],
            "items": histories.take(pa.array(chosen)),
            "differ": pa.array(differ[user[chosen]]),
        }
    )
    if empty := int(np.count_nonzero(np.diff(history_end) == 0)):
        block.counts["impressions with an empty history"] += empty


def _names(ids: ArticleRows) -> pa.StringArray:
    size = int(ids.size[0])
    ends = ids.ends[: size + 1]
    return pa.StringArray.from_buffers(size, pa.py_buffer(ends), pa.py_buffer(ids.text[: ends[-1]]))


def _lists(ends: Column, codes: Column, names: pa.StringArray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(ends), pa.DictionaryArray.from_arrays(codes, names))
