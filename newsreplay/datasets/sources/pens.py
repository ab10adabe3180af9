"""PENS: visits to Microsoft News in June and July 2019, made for personalised headlines (Ao et al. 2021), as TSV files.

Facts of the format that shape this reader, as its page and programs that read it have them:

- `train.tsv` and `valid.tsv` have nine cells per line below a header: UserID, ClicknewsID, dwelltime, exposure_time,
  pos, neg, start, end, dwelltime_pos. `pos` are the articles clicked in the visit, in the order of the clicks, `neg`
  those passed over, both separated by blanks; `dwelltime_pos` has a number per click. ClicknewsID, dwelltime and
  exposure_time are what the reader clicked before, the times separated by `#TAB#`.
- Times are `M/D/YYYY h:mm:ss AM|PM` of no stated zone and are read as UTC.
- A line is a visit from `start` to `end`, and when in it an article was clicked is unknown. It becomes one impression
  at its `end`: at its start nobody could have learned from clicks that were still to come.
- Clicked articles are listed apart from the others, and how they were shown is unknown: in the order of the cells the
  first candidates would be the clicked ones. So candidates are sorted by their ids. An article that is in both lists,
  or twice in one, is one candidate, clicked if it is in `pos`.
- Histories have times: their clicks are rows of kind `HISTORY`. That of a later line of a reader repeats that of an
  earlier one, and the clicks of the visit between them. So of each reader's lines only the earliest by time brings its
  history. To find it all lines are read twice.
- `news.tsv` has seven cells per line below a header: News ID, Category, Topic, Headline, News body, Title entity,
  Entity content. The last two, a state of Wikidata after the log, are not read. There is no publication time.
- `personalized_test.tsv` has headlines that volunteers wrote for what they had read, without times: it is no log.

Not verified, for want of the files: whether texts are ever quoted (a cell within quotes is read as CSV has it, any
other as it stands), and the unit of the dwell times (read as seconds, which their sizes fit).
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.reading import parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.mind.impressions import exact_time
from newsreplay.datasets.sources.mind.layout import BLANK, NO_CANDIDATES, quoted, reject, text_of
from newsreplay.datasets.sources.mind.plan import found_in, notes_on
from newsreplay.errors import DataError
from newsreplay.log.rows import HISTORY, IMPRESSION

PUBLISHER = "pens"
PAGE = "https://msnews.github.io/pens_data.html"
VISITS = ("train.tsv", "valid.tsv")
NEWS, REWRITTEN = "news.tsv", "personalized_test.tsv"
_COLUMNS = (*("UserID", "ClicknewsID", "dwelltime", "exposure_time", "pos", "neg", "start", "end", "dwelltime_pos"),)
_FACTS = {"item": 0, "category": 1, "subcategory": 2, "title": 3, "body": 4}
_NEWS_WIDTH = 7
LONGEST_STAY = 10**9  #: s; a longer dwell time was not measured

NO_LOG = f"{REWRITTEN}: headlines written by hand, without event times"
REPEATED = "clicks of histories of a reader's later visits, which repeat what an earlier one has: left out"
BROKEN = "histories whose articles and times differ in number, or with a time that is none: left out"
BOTH = "articles listed twice in a visit: one candidate, clicked if one of them was"
UNMEASURED = "visits whose dwell times are not one whole number for each click: not measured"
READ_BEFORE = "clicks of histories"
MADE_UP = [
    "A visit stands at its end, when all its clicks had happened: when in it each one did is not told.",
    "Candidates are sorted by their ids: how they were shown is not told.",
    "Articles have no publication time: each is known from its first appearance as a candidate or in a history.",
]


def plan_pens(path: Path, *, sizes: ReadSizes = SIZES) -> Plan:
    """The visits of a folder with `train.tsv` and/or `valid.tsv`, and the articles of its `news.tsv`, if that is there.

    Every line of the visits is one impression at its `end` (ms UTC), with the seconds spent on each clicked article;
    the history of each reader's earliest visit becomes rows of kind `HISTORY`. Ids are kept as they stand. Records are
    the lines of all files below their headers; those of `personalized_test.tsv` are left out by a rule.

    A line with another number of cells, a NUL byte, bytes that are not UTF-8, without a reader or whose `end` is no
    time from 1990 up to 2100 is a reject. Raises `DataError` when the files are not there or not in PENS's layout.
    """
    visits = [path / name for name in VISITS if (path / name).is_file()]
    if not visits:
        raise DataError(
            f"{path}: {found_in(path)}. Expected a folder with {' and '.join(VISITS)}, and {NEWS}. Get PENS from "
            f"{PAGE} and unpack it there"
        )
    described = (path / NEWS).is_file()
    others = [(path / NEWS, "articles"), (path / REWRITTEN, "no log")]
    for file in visits:
        _check(file, len(_COLUMNS), " ".join(_COLUMNS))
    if described:
        _check(path / NEWS, _NEWS_WIDTH, "News ID, Category, Topic, Headline, News body, Title entity, Entity content")
    return Plan(
        parts=[
            *(part._replace(role="visits") for file in visits for part in parts.text_parts(file, sizes=sizes)),
            *(
                part._replace(role=role)
                for file, role in others
                if file.is_file()
                for part in parts.text_parts(file, sizes=sizes)
            ),
        ],
        read=partial(_read, first=_FirstVisits(visits, sizes), sizes=sizes),
        publisher=PUBLISHER,
        notes=partial(
            notes_on,
            [
                "times are of no stated zone and read as UTC; no session ids",
                *([] if described else [f"no {NEWS}: categories and texts of the articles are unknown"]),
            ],
        ),
        made_up=MADE_UP,
        source=f"PENS, PErsonalized News headlineS: {PAGE}",
        licence=(
            "Microsoft Research License Terms: non-commercial research only, no redistribution. newsreplay does not "
            "pass these data on."
        ),
        impressions=True,
    )


def _check(file: Path, width: int, expected: str) -> None:
    """Refuse a file whose first lines have another number of cells."""
    part = Part(file, file.name)
    head = next(parts.chunks(part, sizes=ReadSizes(chunk=64 << 10)), None)
    lines = [line for line in head.data.split(b"\n") if line.strip()] if head else []
    widths = [line.count(b"\t") + 1 for line in lines]
    if lines and width not in widths:
        raise DataError(
            f"{file.name} line 1: the lines have {widths[0]:,} cells, as {quoted(lines[0])}. "
            f"Expected are {width} separated by tabs: {expected}. Get the file from {PAGE}"
        )


# Visits


class _Visit(NamedTuple):
    user: str
    time: int  # ms UTC
    pool: list[str]
    clicked: list[bool]
    dwell: list[float | None] | None  # of each click, in the order of the pool; None = not measured
    listed_twice: int


def _visit(line: bytes) -> tuple[list[str], _Visit] | str:
    """The cells of a line and what they say, or the rule by which it is left out; `ValueError` with the reason."""
    if not line.strip():
        return BLANK
    cells = text_of(line).split("\t")
    if len(cells) != len(_COLUMNS):
        raise ValueError(f"{len(_COLUMNS)} cells are expected, the line has {len(cells):,}")
    user, clicks, passed = cells[0], cells[4].split(), cells[5].split()
    if not user:
        raise ValueError("UserID is missing")
    time = exact_time(cells[7].encode())
    if not clicks and not passed:
        return NO_CANDIDATES
    times = cells[8].split()
    measured = len(times) == len(clicks) and all(map(_WHOLE.fullmatch, times))
    # Of several clicks of an article the first counts.
    seconds = dict(zip(reversed(clicks), reversed(times if measured else clicks), strict=True))
    pool = sorted({*clicks, *passed})
    clicked = [item in seconds for item in pool]
    dwell = None
    if measured:
        dwell = [_seconds(seconds[item]) for item, click in zip(pool, clicked, strict=True) if click]
    return cells, _Visit(user, time, pool, clicked, dwell, len(clicks) + len(passed) - len(pool))


_WHOLE = re.compile(r"[0-9]{1,18}")


def _seconds(text: str) -> float | None:
    return float(text) if int(text) < LONGEST_STAY else None


def _history(cells: list[str]) -> tuple[list[int], list[str]] | None:
    """When a reader clicked what before; None where it cannot be used."""
    items, texts = cells[1].split(), [text for text in cells[3].split("#TAB#") if text.strip()]
    if len(items) != len(texts):
        return None
    try:
        return [_time(text.strip()) for text in texts], items
    except ValueError:
        return None


def _time(text: str) -> int:
    """As `exact_time`, with what it makes of a day looked up: the days of a log are few."""
    day, _, clock = text.partition(" ")
    match = _CLOCK.fullmatch(clock)
    if match is None:
        return exact_time(text.encode())
    hour, minute, second = int(match[1]), int(match[2]), int(match[3])
    return _midnight(day) + 1_000 * (3_600 * (hour % 12 + 12 * (match[4] == "P")) + 60 * minute + second)


_CLOCK = re.compile(r"(1[0-2]|0?[1-9]):([0-5][0-9]):([0-5][0-9]) ([AP])M")


@lru_cache(maxsize=1 << 12)
def _midnight(day: str) -> int:
    return exact_time(f"{day} 12:00:00 AM".encode())


class _FirstVisits:
    """Where the earliest visit of every reader stands, found when it is asked for first."""

    def __init__(self, files: list[Path], sizes: ReadSizes):
        self.files = files
        self.sizes = sizes
        self.lock = threading.Lock()
        self.found: dict[str, tuple[int, int, int]] | None = None  # reader → time, place of the file, first byte

    def is_first(self, user: str, file: Path, begin: int) -> bool:
        """Whether the line of a reader that begins at a byte of a file is the earliest by time, then by place."""
        with self.lock:
            if self.found is None:
                self.found = self._find()
        return self.found[user][1:] == (self.files.index(file), begin)

    def _find(self) -> dict[str, tuple[int, int, int]]:
        found: dict[str, tuple[int, int, int]] = {}
        for number, file in enumerate(self.files):
            for begin, line in _lines(Part(file, file.name), self.sizes):
                try:
                    told = _visit(line)
                except ValueError:
                    continue
                if not isinstance(told, str):
                    visit = told[1]
                    place = (visit.time, number, begin)
                    found[visit.user] = min(found.get(visit.user, place), place)
        return found


def _lines(part: Part, sizes: ReadSizes) -> Iterator[tuple[int, bytes]]:
    """The lines of a part without their ends, and the byte at which each begins."""
    begin = part.begin
    for chunk in parts.chunks(part, sizes=sizes):
        yield from _chunk_lines(chunk.data, begin)
        begin += len(chunk.data)


def _chunk_lines(data: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
    for line in data.removesuffix(b"\n").split(b"\n"):
        text = line if begin else line.removeprefix(b"\xef\xbb\xbf")
        yield begin, text.removesuffix(b"\r")
        begin += len(line) + 1


def _read(part: Part, first: _FirstVisits, sizes: ReadSizes) -> Iterator[Block]:
    begin = part.begin
    for chunk in parts.chunks(part, sizes=sizes):
        block = Block(part.name)
        lines = list(_chunk_lines(chunk.data, begin))
        block.lines = block.records = len(lines)
        headings = int(not begin and _is_header(lines[0][1]))
        block.records -= headings
        numbered = [(number, *line) for number, line in enumerate(lines, 1)][headings:]
        if part.role == "visits":
            _read_visits(block, part.path, numbered, first)
        elif part.role == "articles":
            _read_news(block, numbered)
        else:
            block.dropped[NO_LOG] = block.records
        yield block
        begin += len(chunk.data)


_Numbered = list[tuple[int, int, bytes]]  # lines: their numbers in the block, where they begin in the file, themselves


def _is_header(line: bytes) -> bool:
    return line.partition(b"\t")[0].strip().lower() in (b"userid", b"news id")


def _read_visits(block: Block, file: Path, lines: _Numbered, first: _FirstVisits) -> None:
    rows = _VisitRows()
    for number, begin, line in lines:
        try:
            told = _visit(line)
        except ValueError as error:
            block.rejects.append(reject(block.file, number, error, line))
            continue
        if isinstance(told, str):
            block.dropped[told] += 1
            continue
        cells, visit = told
        block.kept += 1
        block.counts += Counter({BOTH: visit.listed_twice, UNMEASURED: int(visit.dwell is None)})
        rows.add_visit(visit)
        if not first.is_first(visit.user, file, begin):
            block.counts[REPEATED] += len(cells[1].split())
            continue
        history = _history(cells)
        if history is None:
            block.counts[BROKEN] += 1
            continue
        block.counts[READ_BEFORE] += len(history[0])
        rows.add_history(visit.user, *history)
    block.rows = rows.table()


class _VisitRows:
    """Rows as columns."""

    def __init__(self) -> None:
        self.columns: dict[str, list[object]] = {
            name: [] for name in ("kind", "time", "user", "item", "pool", "clicked", "dwell")
        }

    def _add(self, rows: int, **cells: list[object]) -> None:
        for name, values in self.columns.items():
            values += cells.get(name, [None] * rows)

    def add_visit(self, visit: _Visit) -> None:
        dwell = [None] * sum(visit.clicked) if visit.dwell is None else visit.dwell
        told: dict[str, list[object]] = {"pool": [visit.pool], "clicked": [visit.clicked], "dwell": [dwell]}
        self._add(1, kind=[IMPRESSION], time=[visit.time], user=[visit.user], **told)

    def add_history(self, user: str, times: list[int], items: list[str]) -> None:
        rows = len(times)
        self._add(rows, kind=[HISTORY] * rows, time=[*times], user=[user] * rows, item=[*items])

    def table(self) -> pa.Table:
        ids = pa.dictionary(pa.int32(), pa.string())
        types = {
            "kind": pa.uint8(),
            "time": pa.int64(),
            "user": ids,
            "item": ids,
            "pool": pa.list_(pa.string()),
            "clicked": pa.list_(pa.bool_()),
            "dwell": pa.list_(pa.float32()),
        }
        return pa.table({name: pa.array(self.columns[name], kind) for name, kind in types.items()})


# Articles


def _read_news(block: Block, lines: _Numbered) -> None:
    rows: list[list[str | None]] = []
    for number, _, line in lines:
        if not line.strip():
            block.dropped[BLANK] += 1
            continue
        try:
            cells = text_of(line).split("\t")
            if len(cells) != _NEWS_WIDTH:
                raise ValueError(f"{_NEWS_WIDTH} cells are expected, the line has {len(cells):,}")
            if not _unquoted(cells[0]):
                raise ValueError("News ID is missing")
        except ValueError as error:
            block.rejects.append(reject(block.file, number, error, line))
            continue
        rows.append([_unquoted(cells[place]) or None for place in _FACTS.values()])
    block.kept = len(rows)
    columns = list(zip(*rows, strict=True)) or [()] * len(_FACTS)
    block.articles = pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(_FACTS, columns, strict=True)}
    )


def _unquoted(cell: str) -> str:
    """A cell that may be quoted as CSV has it.

    >>> _unquoted('"A ""big"" day"'), _unquoted('"A" and "B"')
    ('A "big" day', '"A" and "B"')
    """
    quoted_text = _QUOTED.fullmatch(cell)
    return quoted_text[1].replace('""', '"') if quoted_text else cell


_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
