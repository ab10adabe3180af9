"""NewsREEL messages, scanned fast by compiled kernels where they are plain."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa

from newsreplay.arrow import to_numpy
from newsreplay.datasets.base import EARLIEST, LATEST
from newsreplay.datasets.reading.json_lines import ARRAY, INTEGER, MISSING, OBJECT, STRING, scan
from newsreplay.datasets.sources.newsreel.message import NOTHING, UNSURE, VIEW, VIEWS, Facts, Id, Message
from newsreplay.kernels.compiling import compiled, routine
from newsreplay.log.rows import Column

_LONGEST_LIST = 64
# ---- many messages, quickly --------------------------------------------------------------------------------------

_PATHS = (
    *(("event_type",), ("type",), ("notification_type",), ("context",), ("timestamp",), ("recs", "ints", "3")),
    *(("context", "simple", key) for key in ("25", "27", "57", "39")),
)
_WORDS = np.frombuffer("\n".join((*VIEWS, "")).encode(), np.uint8)
_NO_TYPE = np.frombuffer(b"event_notification\n", np.uint8)  # types of lines whose messages have types of their own


@routine
def _is_one_of(data: Column, begin: int, end: int, words: Column) -> bool:
    """Whether the bytes from begin up to end are one of the words, each of which ends with a line feed."""
    at = 0
    while at < len(words):
        i = begin
        while words[at] != 10 and i < end and data[i] == words[at]:
            i += 1
            at += 1
        if words[at] == 10 and i == end:
            return True
        while words[at] != 10:
            at += 1
        at += 1
    return False


@routine
def _digits(data: Column, begin: int, end: int) -> int:
    """The number that these bytes are, -1 for 0 or nothing, -2 if they are no plain number of up to 18 digits."""
    if end == begin or (end - begin == 1 and data[begin] == 48):
        return -1
    if end - begin > 18 or data[begin] == 48:
        return -2
    number = 0
    for i in range(begin, end):
        if not 48 <= data[i] <= 57:
            return -2
        number = number * 10 + (data[i] - 48)
    return number


@compiled
def _frame(
    data: Column, marks: Column, words: Column, no_type: Column, line: Column, number: Column, form: Column
) -> int:
    """Blank what is no message in each line, and return how many lines there are.

    `marks` is where control characters stand. `form` is 0 where the type stands in the message, 1 for a view,
    2 for what needs a closer look.
    """
    lines, begin, mark = 0, 0, 0
    while mark < len(marks) and lines < len(form):
        first = mark
        while data[marks[mark]] != 10:
            mark += 1
        end = marks[mark]
        start = begin
        while data[start] == 32:
            start += 1
        last = end
        while last > start and (data[last - 1] == 13 or data[last - 1] == 32):
            last -= 1
        number[lines] = -1
        form[lines] = 2
        if data[start] == 123:
            form[lines] = 0
        else:
            tabs = mark - first
            while tabs and marks[first + tabs - 1] >= last:
                tabs -= 1
            if tabs and marks[first + tabs - 1] == last - 1:
                tabs -= 1
            for at in range(first, first + tabs):
                if data[marks[at]] != 9:
                    tabs = 0
            cell = -1  # the tab before the message
            if tabs == 2 and data[marks[first] + 1] == 123:
                cell = first
            elif tabs == 4:
                cell = first + 2
                number[lines] = _digits(data, marks[first] + 1, marks[first + 1])
            if cell >= 0 and number[lines] != -2:
                if _is_one_of(data, start, marks[first], words):
                    form[lines] = 1
                elif _is_one_of(data, start, marks[first], no_type):
                    form[lines] = 0
                for i in range(begin, marks[cell] + 1):
                    data[i] = 32
                for i in range(marks[cell + 1], end):
                    data[i] = 32
        line[lines] = begin
        lines += 1
        mark += 1
        begin = end + 1
    line[lines] = begin
    return lines


@compiled
def _views(
    values: Any, words: Column, form: Column, what: Column, time: Column, ids: Column, pool: Column, pool_at: Column
) -> None:
    """Fill in the lines that are page views beyond doubt; `ids` are item, publisher, user and widget."""
    data, begin, end, kind = values.data, values.begin, values.end, values.kind
    filled = 0
    for i in range(len(what)):
        pool_at[i] = filled
        what[i] = UNSURE
        if values.doubtful[i] or form[i] == 2:
            continue
        word = -1
        if kind[i, 0] != MISSING:
            word = 0
        elif form[i] == 0 and kind[i, 1] != MISSING:
            word = 1
        elif form[i] == 0 and kind[i, 2] != MISSING:
            word = 2
        if word >= 0 and (kind[i, word] != STRING or not _is_one_of(data, begin[i, word], end[i, word], words)):
            continue
        if kind[i, 3] != OBJECT or kind[i, 4] != INTEGER:
            continue
        time[i] = _digits(data, begin[i, 4], end[i, 4])
        if not EARLIEST <= time[i] < LATEST:
            continue
        sure = True
        for k in range(4):
            ids[k, i] = -1
            if kind[i, 6 + k] == INTEGER or kind[i, 6 + k] == STRING:
                ids[k, i] = _digits(data, begin[i, 6 + k], end[i, 6 + k])
                if ids[k, i] == -2:
                    sure = False
            elif kind[i, 6 + k] != MISSING:
                sure = False
        if not sure or ids[1, i] < 0:
            continue
        if ids[0, i] == -1:
            what[i] = NOTHING
            continue
        last = filled
        if kind[i, 5] == ARRAY:
            last = _pool(data, begin[i, 5] + 1, end[i, 5] - 1, pool, filled)
        elif kind[i, 5] != MISSING:
            last = -1
        if last >= 0:
            filled = last
            what[i] = VIEW
    pool_at[len(what)] = filled


@routine
def _pool(data: Column, begin: int, end: int, pool: Column, filled: int) -> int:
    """Append the distinct ids between these bytes to `pool`; its new length, -1 if not all are plain numbers."""
    last = filled
    i = begin
    while i < end:
        while i < end and (data[i] == 32 or data[i] == 44):
            i += 1
        start = i
        while i < end and 48 <= data[i] <= 57:
            i += 1
        if start == end:
            break
        item = _digits(data, start, i)
        if i == start or item == -2 or last - filled == _LONGEST_LIST:
            return -1
        new = item >= 0
        for k in range(filled, last):
            if pool[k] == item:
                new = False
        if new:
            pool[last] = item
            last += 1
    return last


class MessageColumns:
    """The messages of up to `most` lines, one place per line.

    Ids are whole numbers where they are plain ones, -1 where there is none, and else numbers of their own (`odd`).
    """

    def __init__(self, data: bytes, most: int):
        text = bytearray(data)
        if not data.endswith(b"\n"):
            text += b"\n"
        array = np.frombuffer(text, np.uint8)
        most = min(most, len(array))
        line = np.empty(most + 1, np.int64)
        number, form = np.empty(most, np.int64), np.empty(most, np.uint8)
        lines = _frame(array, np.flatnonzero(array < 32), _WORDS, _NO_TYPE, line, number, form)
        self.line = line[: lines + 1]
        self.number = number[:lines]  #: message ids
        values = scan(cast(bytes, text if line[lines] == len(text) else text[: line[lines]]), _PATHS, lines=most)
        room = int((values.end[:, 5] - values.begin[:, 5])[values.kind[:, 5] == ARRAY].sum(dtype=np.int64))
        self.what = np.empty(lines, np.uint8)
        self.time = np.empty(lines, np.int64)
        self.ids = np.empty((4, lines), np.int64)
        self.pool = np.empty(room // 2 + 1, np.int64)
        self.pool_at = np.empty(lines + 1, np.int64)
        _views(values, _WORDS, form[:lines], self.what, self.time, self.ids, self.pool, self.pool_at)
        self.odd: dict[str, int] = {}
        self.facts: dict[int, Facts] = {}  #: by line

    def code(self, value: str | None) -> int:
        """The number that stands for an id."""
        if value is None:
            return -1
        if len(value) <= 18 and value.isascii() and value.isdigit() and value[0] != "0":
            return int(value)
        return self.odd.setdefault(value, -3 - len(self.odd))

    def texts(self, codes: Column) -> pa.DictionaryArray:
        """Ids as dictionary-encoded strings, null where there is none."""
        encoded = pa.array(codes, mask=codes == -1).dictionary_encode()
        texts = encoded.dictionary.cast(pa.string())
        if self.odd:
            texts = pa.array([str(value) for value in self.plain(to_numpy(encoded.dictionary)[None])[0]], pa.string())
        return pa.DictionaryArray.from_arrays(encoded.indices, texts)

    def plain(self, codes: Column) -> list[list[Id]]:
        """Rows of ids as lists, in which an id is the same in every block."""
        lists: list[list[Id]] = codes.tolist()
        if not self.odd:
            return lists
        odd: dict[Id, Id] = {code: value for value, code in self.odd.items()}
        return [[odd.get(code, code) for code in codes] for codes in lists]

    def put(self, line: int, message: Message) -> None:
        """Fill in a line."""
        self.what[line], self.time[line] = message.what, message.time
        ids = (message.item, message.publisher, message.user, message.widget)
        self.ids[:, line] = [self.code(value) for value in ids]
        self.number[line] = self.code(message.number)
        if message.facts:
            self.facts[line] = message.facts

    def insert(self, pools: list[tuple[int, list[int]]]) -> None:
        """Give lines without a pool one each, and cut off what is not filled."""
        lines = [line for line, pool in pools for _ in pool]
        added = np.array([item for _, pool in pools for item in pool], np.int64)
        self.pool = np.insert(self.pool[: self.pool_at[-1]], self.pool_at[lines], added)
        self.pool_at[1:] += np.cumsum(np.bincount(lines, minlength=len(self.what)).astype(np.int64))
