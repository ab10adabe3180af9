"""plista / CLEF NewsREEL: the message log of the Open Recommendation Platform, several publishers in one stream.

A line is one message, in one of three forms, which may be mixed within a file:

- idomaar: `type TAB message id TAB ms TAB message TAB entities TAB`;
- plista log files: `type TAB message TAB yyyy-MM-dd HH:mm:ss,SSS`;
- the bare message,

where a message is a JSON object. Facts of the format that shape this reader:

- The publisher is the domain id (`context.simple["27"]`). Names are known of few (1677 is tagesspiegel.de, 418
  ksta.de, 35774 m.sport1.de), so names cannot be the key.
- Every widget of a page sends a message of its own: an `impression`, if it shows some recommender's list, or a
  `recommendation_request`, if the team that wrote the log was asked. Both say that this reader has this article
  on screen; the list they carry is the one shown. In a log of 700 lines (97 seconds), 63 messages repeat the
  reader and article of another widget's message, up to 73 seconds later, while the count of the reader's page
  views (key 24) as a rule stands still; no widget speaks twice at one time. So a request is a page view as much
  as an impression is, and a page view is *one* read: a message of the same reader, article and publisher from a
  widget that this page view has not had yet, less than `PAGE_VIEW` from its first one, adds its list but no read.
  The same widget again is another view.
- A click (`recs.ints["3"]` of a click message: what was clicked) is a read of the clicked article, and the page
  view it causes is that same read, by the same rule. The list that was clicked is not named: its outcome is unknown.
- Item 0 or none is a page without an article, user 0 or none an unknown reader. A read by nobody known stands in a
  session of its own, named after its place in the file: it is learned from and never rewarded. The widgets of
  such a page view cannot be told to be one.
- The message ids of idomaar are counters that start again: in those 700 lines, 14 ids stand on two messages that
  have nothing else in common. Only the same id at the same time is a resend.
- `flag` of an `item_update` is 0 for an article that may be recommended; any other value says it may not.
- Message times are ms UTC; `created_at`, `updated_at` and the time at the end of a line are German clock time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.datasets import parts
from newsreplay.datasets.base import EARLIEST, LATEST, Block, Part, Plan, Reject
from newsreplay.datasets.json_lines import ARRAY, INTEGER, LINES, MISSING, OBJECT, STRING, scan
from newsreplay.errors import DataError
from newsreplay.simulator.kernels import compiled, routine
from newsreplay.simulator.log import IMPRESSION, PUBLISH, READ, Column

PAGE = "http://www.clef-newsreel.org"
PAGE_VIEW = 300_000  #: ms within which the widgets of a page send their messages
MOST_WIDGETS = 20  #: of a page
REMEMBERED = 1 << 18  #: messages that are remembered at least, to know resends and page views by
BERLIN = ZoneInfo("Europe/Berlin")

BLANK = "blank line"
ERROR = "error notification"
OTHER = "event that is neither a page view nor a click"
NO_ARTICLE = "page without an article (item 0 or none)"
RESENT = "message sent again (same message id and time)"
SAME_VIEW = "further widget of a page view, without a list"

_VIEWS = ("impression", "recommendation_request", "recommendation", "impression_empty")
_TYPES = (*_VIEWS, "click", "item_update", "error_notification")
_UNSURE, _NOTHING, _VIEW, _CLICK, _UPDATE = range(5)  # what a line is
_FACTS = {"title": "title", "body": "text", "image": "img"}
_LONGEST_ID = 100
_LONGEST_LIST = 64
_SNIFFED = 1 << 16  # bytes of a file that tell whether it is a log
_START = re.compile(rb"(?:[A-Za-z_]+\t(?:[0-9]+\t[0-9]+\t)?)?\{")
_CLOCK = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:,([0-9]{3}))?")
_MARKS = (b'"context"', b'"domainid"', b'"event_type"', b'"code"')


def plan_newsreel(path: Path) -> Plan:
    """Every page view, click and article update of a log file, an archive or a folder of them.

    Files that hold no messages in one of the three forms are left out, and named in the notes. A page view is a
    read by `context.simple["57"]` of `context.simple["25"]`; the list shown with it is an impression with unknown
    outcome. An article update is a publish row with title, body (`text`), image (`img`) and `recommendable`,
    at the line's own time or else its `updated_at` or `created_at`. Ids are kept as they stand. Resends and page
    views are known within a part of a file (some 64 MB), not beyond, and among its latest 260,000 messages at least.

    Raises `DataError` where there is no such file, or none that is a log.
    """
    found = parts.text_parts(path)
    verdicts = {part.path: _is_log_file(part) for part in found}
    left_out = sorted({part.name for part in found if not verdicts[part.path]})
    logs = [part for part in found if verdicts[part.path]]
    if not logs:
        names = f" (found {', '.join(left_out[:10])}{', …' if len(left_out) > 10 else ''})" if left_out else ""
        raise DataError(
            f"{path}: no log of plista / CLEF NewsREEL{names}. Expected lines of type, message id, ms, message and "
            "entities, or of type, message and time, separated by tabs, or bare JSON messages with a 'context'. "
            f"The data sets are described at {PAGE}"
        )
    return Plan(
        parts=logs,
        read=_read_part,
        notes=partial(_notes, left_out),
        made_up=[
            "Times without a zone (of article updates) are taken for German clock time; in the hour that is struck "
            "twice in autumn, for its first time."
        ],
        source=f"plista / CLEF NewsREEL, the news recommendation evaluation lab: {PAGE}",
        licence="For research; the terms are those under which plista gave the data. newsreplay does not pass them on.",
    )


def _is_log_file(part: Part) -> bool:
    if parts.is_archive(part.path):
        return True  # its members are looked at when they are read
    if part.end is None:
        first = next(parts.chunks(part, size=_SNIFFED), None)
        return first is not None and _is_log(first.data)
    with part.path.open("rb") as file:
        return _is_log(file.read(_SNIFFED))


def _is_log(data: bytes) -> bool:
    lines = data[:_SNIFFED].removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return any(_START.match(line.strip(b" \r")) and any(mark in line for mark in _MARKS) for line in lines)


def _notes(left_out: list[str], counts: Counter[str]) -> list[str]:
    left_out = sorted({*left_out, *(key.partition(":")[2] for key in counts if key.startswith("no log:"))})
    notes = []
    if left_out:
        more = f" and {len(left_out) - 10:,} more" if len(left_out) > 10 else ""
        notes.append(f"files that are no logs, left out: {', '.join(left_out[:10])}{more}")
    said = {
        "further": "messages of further widgets of a page view: {:,}; their lists are kept, the read is counted once",
        "nobody": "messages of unknown readers (user 0 or none): {:,}; learned from, never rewarded",
        "user": "messages whose user is no id: {:,}; taken for unknown readers",
        "list": "lists shown that hold what is no article id: {:,}; left out",
    }
    return notes + [text.format(counts[key]) for key, text in said.items() if counts[key]]


# ---- one message, exactly ----------------------------------------------------------------------------------------


class _Message(NamedTuple):
    what: int
    time: int
    publisher: str
    item: str | None = None
    user: str | None = None
    widget: str | None = None
    pool: tuple[str, ...] = ()  # of a click: what was clicked
    number: str | None = None  # the message id
    facts: dict[str, Any] | None = None


def _message(line: bytes, counts: Counter[str]) -> _Message | str:
    """The message of a line, or the rule by which it is left out; `ValueError` says why it cannot be used."""
    if not line.strip():
        return BLANK
    column, number, own, text = _framed(line)
    try:
        body = json.loads(text, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("the message is no JSON, or nested too deeply") from None
    if not isinstance(body, dict):
        raise ValueError("the message is no JSON object")
    kind = _type_of(column, body)
    if kind == "error_notification":
        return ERROR
    if kind == "item_update":
        return _update(body, number, own)
    if kind not in _TYPES:
        return OTHER
    return _event(kind == "click", body, number, own, counts)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _framed(line: bytes) -> tuple[str | None, str | None, int | None, str]:
    """Type, message id and time (ms) of a line, each if its form has it, and its message."""
    try:
        text = line.decode().strip(" \r\n")
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
    if text.startswith("{"):
        return None, None, None, text
    cells = text.removesuffix("\t").split("\t", 5)
    if len(cells) == 3 and cells[1].startswith("{"):
        return cells[0], None, _clock(cells[2]), cells[1]
    if len(cells) == 5:
        return cells[0], None if cells[1] in ("", "0") else cells[1], _ms(cells[2]), cells[3]
    raise ValueError(
        "expected are type, message id, ms, message and entities, or type, message and time, separated by tabs, or "
        f"a message alone; the line begins {text[:50]!r}"
    )


def _type_of(column: str | None, body: dict[str, Any]) -> str:
    """What kind of message it is: its own word, else the line's, else what it holds."""
    named = body.get("event_type")
    if named is None and column not in (None, "event_notification"):
        named = column
    if named is None:
        named = body.get("type", body.get("notification_type"))
    if named is not None:
        if isinstance(named, str):
            return named
        raise ValueError(f"the type {_shown(named)} is no text")
    if "context" in body:
        return "impression"
    if "domainid" in body:
        return "item_update"
    if "code" in body:
        return "error_notification"
    raise ValueError("the message has no type, context, domainid or code")


def _event(
    click: bool, body: dict[str, Any], number: str | None, own: int | None, counts: Counter[str]
) -> _Message | str:
    simple = _inside(body, "context", "simple")
    stamp = body.get("timestamp")
    if stamp is None or isinstance(stamp, bool):
        time = own
    else:
        time = _ms(stamp)
        if time is None:
            raise ValueError(f"timestamp {_shown(stamp)} is no time: ms since 1970 are expected, 1990 to 2100")
    if time is None:
        raise ValueError("timestamp is missing")
    publisher = _id(simple.get("27"), "publisher (27)")
    if publisher is None:
        raise ValueError("the publisher (27) is missing")
    shown = _inside(body, "recs", "ints").get("3")
    try:
        user = _id(simple.get("57"), "user")
    except ValueError:
        counts["user"] += 1
        user = None
    if click:
        pool = _list(shown)
        return _Message(_CLICK, time, publisher, None, user, None, pool, number) if pool else NO_ARTICLE
    item = _id(simple.get("25"), "item (25)")
    if item is None:
        return NO_ARTICLE
    try:
        pool = _list(shown)
    except ValueError:
        counts["list"] += 1
        pool = ()
    try:
        widget = _id(simple.get("39"), "widget")
    except ValueError:
        widget = None
    return _Message(_VIEW, time, publisher, item, user, widget, pool, number)


def _update(body: dict[str, Any], number: str | None, own: int | None) -> _Message | str:
    times = (own, _clock(body.get("updated_at")), _clock(body.get("created_at")))
    time = next((time for time in times if time is not None), None)
    if time is None:
        raise ValueError("no time: neither the line, updated_at nor created_at tells a usable one")
    publisher = _id(body.get("domainid"), "domainid")
    if publisher is None:
        raise ValueError("domainid is missing")
    item = _id(body.get("id"), "id")
    if item is None:
        return NO_ARTICLE
    facts = {name: _fact(body.get(key)) for name, key in _FACTS.items()}
    return _Message(_UPDATE, time, publisher, item, number=number, facts={**facts, "recommendable": _flag(body)})


def _flag(body: dict[str, Any]) -> bool | None:
    flag = body.get("flag")
    if isinstance(flag, bool):  # PHP's false is 0
        return not flag
    return not flag.strip("-0") if isinstance(flag, str) and re.fullmatch("-?[0-9]+", flag) else None


def _inside(body: dict[str, Any], *keys: str) -> dict[str, Any]:
    value: Any = body
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _id(value: Any, name: str) -> str | None:
    """An id as it stands, whether a number or a string; null, booleans, 0 and empty strings are none."""
    if value is None or isinstance(value, bool) or value in ("", "0"):
        return None
    if not isinstance(value, str) or value[0] == "-" or len(value) > _LONGEST_ID or not value.isprintable():
        raise ValueError(f"{name} {_shown(value)} is no id: a whole number or a short text is expected")
    return value


def _list(value: Any) -> tuple[str, ...]:
    """The ids of a list in its order, each once, those that are none left out."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"recs.ints.3 {_shown(value)} is no list")
    return tuple(
        dict.fromkeys(item for item in (_id(each, "item in recs.ints.3") for each in value) if item is not None)
    )


def _fact(value: Any) -> str | None:
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) and value else None


def _ms(value: Any) -> int | None:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{12,13}", value):
        return None
    return int(value) if EARLIEST <= int(value) < LATEST else None


def _clock(value: Any) -> int | None:
    """German clock time, `yyyy-MM-dd HH:mm:ss` with or without `,SSS`, in ms UTC; None if it is none."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    *clock, fraction = map(int, found.groups("0"))
    try:
        ms = int(datetime(*clock, tzinfo=BERLIN).timestamp()) * 1000 + fraction  # type: ignore[arg-type,misc]
    except (ValueError, OverflowError):
        return None
    return ms if EARLIEST <= ms < LATEST else None


def _shown(value: Any) -> str:
    return "(nested)" if isinstance(value, dict | list) else repr(value)[:50]


# ---- many messages, quickly --------------------------------------------------------------------------------------

_PATHS = (
    *(("event_type",), ("type",), ("notification_type",), ("context",), ("timestamp",), ("recs", "ints", "3")),
    *(("context", "simple", key) for key in ("25", "27", "57", "39")),
)
_WORDS = np.frombuffer("\n".join((*_VIEWS, "")).encode(), np.uint8)
_UNTOLD = np.frombuffer(b"event_notification\n", np.uint8)  # types that leave it to the message to say what it is


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
    data: Column, marks: Column, words: Column, untold: Column, line: Column, number: Column, form: Column
) -> int:
    """Blank what is no message in each line, and return how many lines there are.

    `marks` is where control characters stand. `form` is 0 where the message has to say what it is, 1 for a view,
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
                elif _is_one_of(data, start, marks[first], untold):
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
    found: Any, words: Column, form: Column, what: Column, time: Column, ids: Column, pool: Column, pool_at: Column
) -> None:
    """Fill in the lines that are page views beyond doubt; `ids` are item, publisher, user and widget."""
    data, begin, end, kind = found.data, found.begin, found.end, found.kind
    filled = 0
    for i in range(len(what)):
        pool_at[i] = filled
        what[i] = _UNSURE
        if found.doubtful[i] or form[i] == 2:
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
            what[i] = _NOTHING
            continue
        last = filled
        if kind[i, 5] == ARRAY:
            last = _pool(data, begin[i, 5] + 1, end[i, 5] - 1, pool, filled)
        elif kind[i, 5] != MISSING:
            last = -1
        if last >= 0:
            filled = last
            what[i] = _VIEW
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


class _Columns:
    """The messages of up to `LINES` lines, one place per line.

    Ids are whole numbers where they are plain ones, -1 where there is none, and else numbers of their own (`odd`).
    """

    def __init__(self, data: bytes):
        text = bytearray(data)
        if not data.endswith(b"\n"):
            text += b"\n"
        array = np.frombuffer(text, np.uint8)
        most = min(LINES, len(array))
        line = np.empty(most + 1, np.int64)
        number, form = np.empty(most, np.int64), np.empty(most, np.uint8)
        lines = _frame(array, np.flatnonzero(array < 32), _WORDS, _UNTOLD, line, number, form)
        self.line = line[: lines + 1]
        self.number = number[:lines]  #: message ids
        found = scan(cast(bytes, text if line[lines] == len(text) else text[: line[lines]]), _PATHS)
        room = int((found.end[:, 5] - found.begin[:, 5])[found.kind[:, 5] == ARRAY].sum(dtype=np.int64))
        self.what = np.empty(lines, np.uint8)
        self.time = np.empty(lines, np.int64)
        self.ids = np.empty((4, lines), np.int64)
        self.pool = np.empty(room // 2 + 1, np.int64)
        self.pool_at = np.empty(lines + 1, np.int64)
        _views(found, _WORDS, form[:lines], self.what, self.time, self.ids, self.pool, self.pool_at)
        self.odd: dict[str, int] = {}
        self.facts: dict[int, dict[str, Any]] = {}  #: by line

    def code(self, value: str | None) -> int:
        """The number that stands for an id."""
        if value is None:
            return -1
        if len(value) <= 18 and value.isascii() and value.isdigit() and value[0] != "0":
            return int(value)
        return self.odd.setdefault(value, -3 - len(self.odd))

    def texts(self, codes: Column) -> Any:
        """Ids as dictionary-encoded strings, null where there is none."""
        encoded = pa.array(codes, mask=codes == -1).dictionary_encode()
        texts = encoded.dictionary.cast(pa.string())
        if self.odd:
            texts = pa.array([str(value) for value in self.plain(encoded.dictionary.to_numpy()[None])[0]], pa.string())
        return pa.DictionaryArray.from_arrays(encoded.indices, texts)

    def plain(self, codes: Column) -> Any:
        """Rows of ids as lists, in which an id is the same in every block."""
        lists = codes.tolist()
        if not self.odd:
            return lists
        odd = {code: value for value, code in self.odd.items()}
        return [[odd.get(code, code) for code in codes] for codes in lists]

    def put(self, line: int, message: _Message) -> None:
        """Fill in a line."""
        self.what[line], self.time[line] = message.what, message.time
        told = (message.item, message.publisher, message.user, message.widget)
        self.ids[:, line] = [self.code(value) for value in told]
        self.number[line] = self.code(message.number)
        if message.facts:
            self.facts[line] = message.facts

    def insert(self, pools: list[tuple[int, list[int]]]) -> None:
        """Give lines without a pool one each, and cut off what is not filled."""
        lines = [line for line, pool in pools for _ in pool]
        added = np.array([item for _, pool in pools for item in pool], np.int64)
        self.pool = np.insert(self.pool[: self.pool_at[-1]], self.pool_at[lines], added)
        self.pool_at[1:] += np.cumsum(np.bincount(lines, minlength=len(self.what)).astype(np.int64))


class _Memory:
    """What was seen of late in a file: the messages by id and time, the page views by reader and article."""

    def __init__(self) -> None:
        self.sent: tuple[set[Any], set[Any]] = (set(), set())  # new and old
        self.views: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})

    def forget(self) -> None:
        """Forget the older half where the newer one is full."""
        if len(self.sent[0]) > REMEMBERED:
            self.sent = (set(), self.sent[0])
        if len(self.views[0]) > REMEMBERED:
            self.views = ({}, self.views[0])


def _read_part(part: Part) -> Iterator[Block]:
    """The blocks of a part; resends and page views are followed from one block to the next."""
    file, at, wanted, memory = "", part.begin, True, _Memory()
    for chunk in parts.chunks(part, size=parts.CHUNK):
        if chunk.file != file:
            file, at, memory = chunk.file, part.begin, _Memory()
            wanted = not parts.is_archive(part.path) or _is_log(chunk.data)
            if not wanted:
                yield Block(file, counts=Counter({f"no log:{file}": 1}))
        data = chunk.data
        if at == 0 and data.startswith(b"\xef\xbb\xbf"):
            data = b"   " + data[3:]
        while wanted and data:
            block, size = _block(file, data, at, memory)
            yield block
            data, at = data[size:], at + size


def _block(file: str, data: bytes, at: int, memory: _Memory) -> tuple[Block, int]:
    """The first lines of `data`, which stands at byte `at` of its file, and how many bytes they are."""
    columns = _Columns(data)
    size = min(int(columns.line[-1]), len(data))
    lines = len(columns.what)
    block = Block(file, lines=lines, records=lines)
    _look_closer(columns, data[:size], block)
    memory.forget()
    _leave_out_resends(columns, memory, block)
    further = _follow(columns, memory, block)
    block.rows = _rows(columns, further, file, at)
    block.kept = block.records - len(block.rejects) - sum(block.dropped.values())
    return block, size


def _look_closer(columns: _Columns, data: bytes, block: Block) -> None:
    """Read what is not beyond doubt line by line."""
    if not data.isascii():
        columns.what[_not_utf8(data, columns.line)] = _UNSURE
    nothing = int(np.count_nonzero(columns.what == _NOTHING))
    if nothing:
        block.dropped[NO_ARTICLE] += nothing
    unsure = np.flatnonzero(columns.what == _UNSURE)
    columns.ids[:, unsure] = columns.number[unsure] = -1
    pools: list[tuple[int, list[int]]] = []
    for line in unsure.tolist():
        text = data[columns.line[line] : columns.line[line + 1]]
        columns.what[line] = _NOTHING
        try:
            message = _message(text, block.counts)
        except ValueError as error:
            shown = text.decode("utf-8", "replace").rstrip("\r\n")[:500]
            block.rejects.append(Reject(block.file, line + 1, str(error), shown))
            continue
        if isinstance(message, str):
            block.dropped[message] += 1
            continue
        columns.put(line, message)
        if message.pool:
            pools.append((line, [columns.code(item) for item in message.pool]))
    columns.insert(pools)


def _not_utf8(data: bytes, line: Column) -> Column:
    faulty = np.zeros(len(line) - 1, np.bool_)
    try:
        data.decode()
    except UnicodeDecodeError:
        for place, (begin, end) in enumerate(zip(line[:-1].tolist(), line[1:].tolist(), strict=True)):
            faulty[place] = data[begin:end].decode("utf-8", "replace").encode() != data[begin:end]
    return faulty


def _leave_out_resends(columns: _Columns, memory: _Memory, block: Block) -> None:
    sent, before = memory.sent
    lines = np.flatnonzero((columns.what != _NOTHING) & (columns.number != -1))
    (numbers,) = columns.plain(columns.number[None, lines])
    messages = list(zip(numbers, columns.time[lines].tolist(), strict=True))
    new = set(messages)
    if len(new) < len(messages) or not sent.isdisjoint(new) or not before.isdisjoint(new):
        for line, message in zip(lines.tolist(), messages, strict=True):
            if message in sent or message in before:
                block.dropped[RESENT] += 1
                columns.what[line] = _NOTHING
            sent.add(message)
    sent |= new


def _follow(columns: _Columns, memory: _Memory, block: Block) -> Column:
    """Find out which lines belong to a page view whose read was counted before."""
    views, before = memory.views
    further = np.zeros(len(columns.what), np.bool_)
    item, publisher, user, widget = columns.plain(columns.ids)
    what, times, pool_at = columns.what.tolist(), columns.time.tolist(), columns.pool_at.tolist()
    happened = (columns.what == _VIEW) | (columns.what == _CLICK)
    known = columns.ids[2] != -1
    (pool,) = columns.plain(columns.pool[None]) if (columns.what == _CLICK).any() else ([],)
    if nobody := int(np.count_nonzero(happened & ~known)):
        block.counts["nobody"] += nobody
    for line in np.flatnonzero(happened & known).tolist():
        time = times[line]
        if what[line] == _CLICK:
            for clicked in pool[pool_at[line] : pool_at[line + 1]]:
                views[publisher[line], user[line], clicked] = (time,)
            continue
        key = (publisher[line], user[line], item[line])
        view = views.get(key) or before.get(key)
        if not view or abs(time - view[0]) >= PAGE_VIEW or widget[line] in view[1:] or len(view) > MOST_WIDGETS:
            views[key] = (time, widget[line])
            continue
        views[key] = (*view, widget[line])
        if pool_at[line] == pool_at[line + 1]:
            block.dropped[SAME_VIEW] += 1
            columns.what[line] = _NOTHING
        else:
            block.counts["further"] += 1
            further[line] = True
    return further


def _rows(columns: _Columns, further: Column, file: str, at: int) -> pa.Table:
    """The rows of the messages, line by line: a list shown stands before its read."""
    what, lengths = columns.what, np.diff(columns.pool_at)
    told = [
        (IMPRESSION, np.flatnonzero((what == _VIEW) & (lengths > 0))),
        (READ, np.flatnonzero((what == _VIEW) & ~further)),
        (PUBLISH, np.flatnonzero(what == _UPDATE)),
    ]
    clicks = np.repeat(np.flatnonzero(what == _CLICK), lengths[what == _CLICK])
    place = np.repeat(np.arange(len(what)), lengths)  # the line of everything in a pool
    clicked = what[place] == _CLICK
    line = np.concatenate([*(lines for _, lines in told), clicks])
    kind = np.repeat(
        np.array([IMPRESSION, READ, PUBLISH, READ], np.uint8), [*(len(lines) for _, lines in told), len(clicks)]
    )
    item = np.concatenate([*(columns.ids[0, lines] for _, lines in told), columns.pool[clicked]])
    nth = np.arange(len(clicks)) - np.searchsorted(clicks, clicks)  # of what one message says was clicked
    start = at + columns.line[line] + np.concatenate([np.zeros(len(line) - len(clicks), np.int64), nth])

    order = np.argsort(line, kind="stable")
    line, kind, start = line[order], kind[order], start[order]
    user = columns.ids[2, line]
    user[kind == PUBLISH] = -1
    names = pc.binary_join_element_wise(f"message:{file}:", pa.array(start).cast(pa.string()), "")
    shown = kind == IMPRESSION
    ends = np.concatenate([[0], np.cumsum(np.where(shown, lengths[line], 0))]).astype(np.int32)
    rows = {
        "kind": pa.array(kind),
        "time": pa.array(columns.time[line]),
        "publisher": columns.texts(columns.ids[1, line]),
        "user": columns.texts(user),
        "session": pc.if_else(pa.array((user == -1) & (kind != PUBLISH)), names, None),
        "item": columns.texts(item[order]),
        "pool": pa.ListArray.from_arrays(
            pa.array(ends, mask=np.append(~shown, False)), columns.texts(columns.pool[what[place] == _VIEW])
        ),
    }
    if columns.facts:
        facts = [
            columns.facts.get(number, {}) if kind == PUBLISH else {} for number, kind in zip(line, kind, strict=True)
        ]
        for name in _FACTS:
            rows[name] = pa.array([fact.get(name) for fact in facts], pa.string())
        rows["recommendable"] = pa.array([fact.get("recommendable") for fact in facts], pa.bool_())
    return pa.table(rows)
