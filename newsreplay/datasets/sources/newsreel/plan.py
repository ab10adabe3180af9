"""plista / CLEF NewsREEL: the message log of the Open Recommendation Platform, several publishers in one stream.

A line is one message, in one of three forms, which may be mixed within a file:

- idomaar: `type TAB message id TAB ms TAB message TAB entities TAB`;
- plista log files: `type TAB message TAB yyyy-MM-dd HH:mm:ss,SSS`;
- the bare message,

where a message is a JSON object. Facts of the format that shape this reader:

- The publisher is the domain id (`context.simple["27"]`). Names are known of few (1677 is tagesspiegel.de, 418
  ksta.de, 35774 m.sport1.de), so names cannot be the key.
- Every widget of a page sends a message of its own: an `impression`, if it shows some recommender's list, or a
  `recommendation_request`, if the team that wrote the log was to recommend. Both mean that this reader has this
  article on screen; the list they carry is the one shown. In a log of 700 lines (97 seconds), 63 messages repeat the
  reader and article of another widget's message, up to 73 seconds later, while the count of the reader's page
  views (key 24) as a rule stands still; no widget sends two messages at one time. So a request is a page view as much
  as an impression is, and a page view is *one* read: a message of the same reader, article and publisher from a
  widget that this page view has not had yet, less than `PAGE_VIEW` from its first one, adds its list but no read.
  The same widget again is another view.
- A click (`recs.ints["3"]` of a click message: what was clicked) is a read of the clicked article, and the page
  view it causes is that same read, by the same rule. The list that was clicked is not named: its outcome is unknown.
- Item 0 or none is a page without an article, user 0 or none an unknown reader. A read by nobody known stands in a
  session of its own, named after its place in the file: it is learned from and never rewarded. The widgets of
  such a page view cannot be recognised as one.
- The message ids of idomaar are counters that start again: in those 700 lines, 14 ids stand on two messages that
  have nothing else in common. Only the same id at the same time is a resend.
- `flag` of an `item_update` is 0 for an article that may be recommended; any other value means it may not.
- Message times are ms UTC; `created_at`, `updated_at` and the time at the end of a line are German clock time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.datasets.base import Block, Part, Plan, Reject
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.newsreel.message import (
    CLICK,
    FACTS,
    NO_ARTICLE,
    NOTHING,
    UNSURE,
    UPDATE,
    VIEW,
    parse_message,
)
from newsreplay.datasets.sources.newsreel.page_views import RecentMessages, follow, leave_out_resends
from newsreplay.datasets.sources.newsreel.scan import MessageColumns
from newsreplay.errors import DataError
from newsreplay.log.rows import IMPRESSION, PUBLISH, READ, Column

PAGE = "http://www.clef-newsreel.org"
_SNIFFED = 1 << 16  # bytes of a file that are looked at
_START = re.compile(rb"(?:[A-Za-z_]+\t(?:[0-9]+\t[0-9]+\t)?)?\{")
_MARKS = (b'"context"', b'"domainid"', b'"event_type"', b'"code"')


def plan_newsreel(path: Path, *, sizes: ReadSizes = SIZES) -> Plan:
    """Every page view, click and article update of a log file, an archive or a folder of them.

    Files that hold no messages in one of the three forms are left out, and named in the notes. A page view is a
    read by `context.simple["57"]` of `context.simple["25"]`; the list shown with it is an impression with unknown
    outcome. An article update is a publish row with title, body (`text`), image (`img`) and `recommendable`,
    at the line's own time or else its `updated_at` or `created_at`. Ids are kept as they stand. Resends and page
    views are known within a part of a file (some 64 MB), not beyond, and among its latest 260,000 messages at least.

    Raises `DataError` where there is no such file, or none that is a log.
    """
    planned = parts.text_parts(path, sizes=sizes)
    is_log = {part.path: _is_log_file(part) for part in planned}
    left_out = sorted({part.name for part in planned if not is_log[part.path]})
    logs = [part for part in planned if is_log[part.path]]
    if not logs:
        names = f" (found {', '.join(left_out[:10])}{', …' if len(left_out) > 10 else ''})" if left_out else ""
        raise DataError(
            f"{path}: no log of plista / CLEF NewsREEL{names}. Expected lines of type, message id, ms, message and "
            "entities, or of type, message and time, separated by tabs, or bare JSON messages with a 'context'. "
            f"The data sets are described at {PAGE}"
        )
    return Plan(
        parts=logs,
        read=partial(_read_part, sizes=sizes),
        notes=partial(_notes, left_out),
        made_up=[
            "Times without a zone (of article updates) are taken for German clock time; in the hour that is struck "
            "twice in autumn, for its first time."
        ],
        source=f"plista / CLEF NewsREEL, the news recommendation evaluation lab: {PAGE}",
        licence="For research; the terms are those under which plista gave the data. newsreplay does not pass them on.",
        impressions=True,
    )


def _is_log_file(part: Part) -> bool:
    if parts.is_archive(part.path):
        return True  # its members are looked at when they are read
    if part.end is None:
        first = next(parts.chunks(part, sizes=ReadSizes(chunk=_SNIFFED)), None)
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
    texts = {
        "further": "messages of further widgets of a page view: {:,}; their lists are kept, the read is counted once",
        "nobody": "messages of unknown readers (user 0 or none): {:,}; learned from, never rewarded",
        "user": "messages whose user is no id: {:,}; taken for unknown readers",
        "list": "lists shown that hold what is no article id: {:,}; left out",
    }
    return notes + [text.format(counts[key]) for key, text in texts.items() if counts[key]]


def _read_part(part: Part, sizes: ReadSizes) -> Iterator[Block]:
    """The blocks of a part; resends and page views are followed from one block to the next."""
    file, at, wanted, memory = "", part.begin, True, RecentMessages(sizes.remembered)
    for chunk in parts.chunks(part, sizes=sizes):
        if chunk.file != file:
            file, at, memory = chunk.file, part.begin, RecentMessages(sizes.remembered)
            wanted = not parts.is_archive(part.path) or _is_log(chunk.data)
            if not wanted:
                yield Block(file, counts=Counter({f"no log:{file}": 1}))
        data = chunk.data
        if at == 0 and data.startswith(b"\xef\xbb\xbf"):
            data = b"   " + data[3:]
        while wanted and data:
            block, size = _block(file, data, at, memory, sizes.lines)
            yield block
            data, at = data[size:], at + size


def _block(file: str, data: bytes, at: int, memory: RecentMessages, most: int) -> tuple[Block, int]:
    """Up to `most` lines of `data`, which stands at byte `at` of its file, and how many bytes they are."""
    columns = MessageColumns(data, most)
    size = min(int(columns.line[-1]), len(data))
    lines = len(columns.what)
    block = Block(file, lines=lines, records=lines)
    _look_closer(columns, data[:size], block)
    memory.forget()
    leave_out_resends(columns, memory, block)
    further = follow(columns, memory, block)
    block.rows = _rows(columns, further, file, at)
    block.kept = block.records - len(block.rejects) - sum(block.dropped.values())
    return block, size


def _look_closer(columns: MessageColumns, data: bytes, block: Block) -> None:
    """Read what is not beyond doubt line by line."""
    if not data.isascii():
        columns.what[_not_utf8(data, columns.line)] = UNSURE
    nothing = int(np.count_nonzero(columns.what == NOTHING))
    if nothing:
        block.dropped[NO_ARTICLE] += nothing
    unsure = np.flatnonzero(columns.what == UNSURE)
    columns.ids[:, unsure] = columns.number[unsure] = -1
    pools: list[tuple[int, list[int]]] = []
    for line in unsure.tolist():
        text = data[columns.line[line] : columns.line[line + 1]]
        columns.what[line] = NOTHING
        try:
            message = parse_message(text, block.counts)
        except ValueError as error:
            shortened = text.decode("utf-8", "replace").rstrip("\r\n")[:500]
            block.rejects.append(Reject(block.file, line + 1, str(error), shortened))
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


def _rows(columns: MessageColumns, further: Column, file: str, at: int) -> pa.Table:
    """The rows of the messages, line by line: a list shown stands before its read."""
    what, lengths = columns.what, np.diff(columns.pool_at)
    kinds = [
        (IMPRESSION, np.flatnonzero((what == VIEW) & (lengths > 0))),
        (READ, np.flatnonzero((what == VIEW) & ~further)),
        (PUBLISH, np.flatnonzero(what == UPDATE)),
    ]
    clicks = np.repeat(np.flatnonzero(what == CLICK), lengths[what == CLICK])
    place = np.repeat(np.arange(len(what)), lengths)  # the line of everything in a pool
    clicked = what[place] == CLICK
    line = np.concatenate([*(lines for _, lines in kinds), clicks])
    kind = np.repeat(
        np.array([IMPRESSION, READ, PUBLISH, READ], np.uint8), [*(len(lines) for _, lines in kinds), len(clicks)]
    )
    item = np.concatenate([*(columns.ids[0, lines] for _, lines in kinds), columns.pool[clicked]])
    nth = np.arange(len(clicks)) - np.searchsorted(clicks, clicks)  # of what was clicked by one message
    start = at + columns.line[line] + np.concatenate([np.zeros(len(line) - len(clicks), np.int64), nth])

    order = np.argsort(line, kind="stable")
    line, kind, start = line[order], kind[order], start[order]
    user = columns.ids[2, line]
    user[kind == PUBLISH] = -1
    names = pc.binary_join_element_wise(f"message:{file}:", pa.array(start).cast(pa.string()), "")
    has_pool = kind == IMPRESSION
    ends = np.concatenate([[0], np.cumsum(np.where(has_pool, lengths[line], 0))]).astype(np.int32)
    rows = {
        "kind": pa.array(kind),
        "time": pa.array(columns.time[line]),
        "publisher": columns.texts(columns.ids[1, line]),
        "user": columns.texts(user),
        "session": pc.if_else(pa.array((user == -1) & (kind != PUBLISH)), names, None),
        "item": columns.texts(item[order]),
        "pool": pa.ListArray.from_arrays(
            pa.array(ends, mask=np.append(~has_pool, False)), columns.texts(columns.pool[what[place] == VIEW])
        ),
    }
    if columns.facts:
        facts = [
            columns.facts.get(number, {}) if kind == PUBLISH else {} for number, kind in zip(line, kind, strict=True)
        ]
        for name in FACTS:
            rows[name] = pa.array([fact.get(name) for fact in facts], pa.string())
        rows["recommendable"] = pa.array([fact.get("recommendable") for fact in facts], pa.bool_())
    return pa.table(rows)
