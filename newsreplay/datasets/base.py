"""What a source hands over: a plan of parts, read as blocks of raw rows, with a full account of what is left out.

A source is one file in `newsreplay.datasets` with a function `plan_…(path, **options) -> Plan`. Planning looks
at names, sizes and headers only; `Plan.read` turns one part (a file, or a stretch of one) into blocks. Parts
are read in parallel and in any order, so a block depends on nothing but its own bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import pyarrow as pa

from newsreplay.errors import DataError

EARLIEST = 631_152_000_000  #: 1990-01-01, ms UTC; an earlier time is an error of the source
LATEST = 4_102_444_800_000  #: 2100-01-01, ms UTC; this or a later one too
EXTRA = "extra."  #: before the names of further columns that are kept
#: Of articles, as text; `sentiment` is a number from -1, negative, to 1.
FACTS = ("category", "subcategory", "title", "abstract", "body", "entities", "image", "sentiment")

Progress = Callable[[str, int, int], None]  #: what is being done, how much of it is done, of how much


def no_progress(what: str, done: int, total: int) -> None:
    """Progress that is not followed."""


class Reject(NamedTuple):
    """One row that could not be used."""

    file: str  #: file name
    line: int  #: line in the file from 1 (text files), or row from 1 (Parquet, Arrow)
    reason: str  #: what is wrong, with the value
    text: str  #: the row as it stood, shortened to 500 characters


class Part(NamedTuple):
    """A file, or a stretch of one, that is read on its own."""

    path: Path
    name: str  #: what errors and rejects call the file
    begin: int = 0  #: first byte (row group in Parquet)
    end: int | None = None  #: first byte no more (row group), None = the end of the file
    weight: int = 0  #: bytes to read, for the progress bar
    role: str = ""  #: what a source with several sorts of files needs to know, as "articles"


class PublisherCard(TypedDict):
    """What a data set's card has of one publisher."""

    publisher: str  #: its name
    rows: int
    reads: int
    impressions: int
    outcomes: int
    candidates: int
    clicks: int
    history_reads: int
    sessions: int
    single_read_sessions: int
    mean_session_length: float
    longest_session: int
    users: int
    articles: int
    articles_read: int
    articles_unknown: int  #: described, but in no row
    categories: int
    first: int  #: ms UTC, of its first read
    last: int  #: ms UTC, of its last read
    duplicates: int  #: reads equal to another in time, reader, session and article
    inversions: int  #: rows earlier than the one before them in the source
    shared_ids: int  #: session ids under which several users occur
    shared_sessions: int  #: sessions that they are by user
    nobody: int  #: rows of the source with neither user nor session
    session_ids: bool  #: the source has session ids (of some rows at least); else sessions are visits of users
    digest: str  #: of the prepared columns, 32 hexadecimal digits
    unjoined: NotRequired[tuple[int, str, str]]  #: articles told of, if none of them is read; one read, one told of
    profiles: NotRequired[int]  #: readers with a profile
    profiles_differ: NotRequired[int]  #: readers whose history differs between their rows
    articles_untold: NotRequired[int]  #: in rows, but in none of the files of articles; missing where there are none
    extra: NotRequired[dict[str, tuple[int, int]]]  #: by column that is kept: distinct values, rows without one
    profiles_untold: NotRequired[int]  #: the same of articles that are in profiles only


class Asked(NamedTuple):
    """What `find_data` was asked for, so that it can be asked for again."""

    data: str | None  #: a name, `KIND:PATH`, a path or an address, without secrets; None: an object from Python
    columns: dict[str, str]
    preparing: dict[str, object]
    what: str = ""  #: such an object in words
    limit: int | None = None  #: rows of each publisher; None = all
    folder: str = ""  #: where paths begin; "" = the current one


class Card(TypedDict):
    """`card.json`: where a data set comes from, what was kept, left out and made up, and the facts per publisher."""

    name: str
    format: int
    kind: str
    options: dict[str, object]
    source: str
    licence: str
    rows_in: int
    kept: int
    reads: int
    rejected: int
    first_reject: tuple[str, int, str, str] | None  #: as `Reject`
    unit: str
    dropped: dict[str, int]  #: rule → records left out by it
    notes: list[str]
    made_up: list[str]
    leaks: list[str]
    splits: dict[str, tuple[int, int | None]]
    frozen: bool
    digest: str
    publishers: list[PublisherCard]


@dataclass
class Block:
    """Some raw rows of one file, in file order, before they are sorted, split into sessions and coded.

    `rows` has one row per thing that happened, with the columns

    - `kind` uint8: `PUBLISH` (an article becomes known or changes), `IMPRESSION`, `READ`, or `HISTORY` (a read
      to be learned from, which raises no request and is not scored); a missing column means reads throughout;
    - `publisher`: missing where the plan names the only one;
    - `time` int64, ms since the epoch, UTC, never null;
    - `user`, `session`: null where unknown. A row that has neither gets a session and a reader of its own; publish rows
      have neither, and `HISTORY` rows are in no session, whatever they say;
    - `item`: the article; null only on impressions, where it is the article on screen;
    - `pool` list of articles and `clicked` list of bool, equally long, on impressions (null elsewhere);
      `clicked` is null where the outcome is not known. Each click becomes a read: do not list it again;
    - `withheld` text, on impressions without an outcome that are to be answered and handed in (a competition's test
      split): the source's id of the impression, null elsewhere; it need not be the only one of its name;
    - `published` int64 (ms, null = not known) and any of `FACTS` as text (null = not known);
    - `recommendable` bool on publish rows: whether the article may be recommended from now on (null = not known);
    - `extra.NAME` text: a further column that is kept (null = none);
    - `active` float32, seconds the reader spent on the article (null = not measured); only the judge sees it;
    - `dwell` list of float32 on impressions: the same of each click, in pool order, as many as there are clicks.

    Optional columns may be missing. Ids (`publisher`, `user`, `session`, `item`, `pool`) are strings or whole
    numbers, dictionary-encoded or not. `articles` has what is known of articles outside the rows: `item`, and
    optionally `publisher`, `published` and `FACTS`. `profiles` has what users read before the log, without
    times: `user`, `time` (int64, of the row it came with), `items` (list, oldest first), optionally `publisher`, and
    `differ` (bool): whether other rows of the user's in this block came with other items. The first by time counts, and
    may be empty.

    Records in = kept + rejects + dropped; a record is what the source counts, as a line.
    """

    file: str  #: as `Part.name`, or the member of an archive
    rows: pa.Table | None = None
    articles: pa.Table | None = None
    profiles: pa.Table | None = None
    lines: int = 0  #: lines (rows) this block takes up in its file, those left out included
    records: int = 0  #: records in
    kept: int = 0  #: records that went into `rows` or `articles`
    rejects: list[Reject] = field(default_factory=list)  #: `line` counts from 1 at the start of this block
    dropped: Counter[str] = field(default_factory=Counter)  #: rule → records left out by it
    counts: Counter[str] = field(default_factory=Counter)  #: whatever the plan's notes are made of


@dataclass
class Plan:
    """How a source is read."""

    parts: list[Part]  #: in source order
    read: Callable[[Part], Iterable[Block]]  #: may be called in any thread
    publisher: str | None = None  #: where there is only one
    notes: Callable[[Counter[str]], list[str]] = lambda counts: []  #: for whoever prepares, from all blocks' counts
    #: Given the counts of all blocks, or of some: whether they belie what planning took for granted, so that all parts
    #: are to be read again, which the plan then does rightly.
    revise: Callable[[Counter[str]], bool] = lambda counts: False
    unit: str = "line"  #: what rejects count: line or row
    made_up: list[str] = field(default_factory=list)  #: what in these data was not measured
    leaks: list[str] = field(default_factory=list)  #: where these data let the future in; stands under every table
    source: str = ""  #: where the data come from, for the card
    licence: str = ""  #: licence note, for the card
    splits: dict[str, tuple[int, int | None]] = field(default_factory=dict)  #: name → scored from, until (ms UTC)
    impressions: bool = False  #: whether there may be impressions with their candidates
    frozen: bool = False  #: profiles stay as they are; else a user's reads are appended to their history


@dataclass
class Raw:
    """A small source in memory: all its blocks as one, and the facts of its plan."""

    rows: pa.Table
    articles: pa.Table | None = None
    rows_in: int = 0
    rejects: list[Reject] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    made_up: list[str] = field(default_factory=list)
    source: str = ""
    licence: str = ""
    profiles: pa.Table | None = None
    kept: int = 0


def check_kept(keep: Iterable[str], ahead: Iterable[str], source: str) -> None:
    """Whether none of the columns that are to be kept is one that is known after its row only. Raises `DataError`."""
    if late := sorted({*keep} & {*ahead}):
        raise DataError(
            f"{source}: {late[0]!r} is known after its row only, which would let recommenders see the future; leave it "
            "out of --keep"
        )


def numbered(blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks in source order, the lines of their rejects counted from the start of their file."""
    lines: Counter[str] = Counter()
    for block in blocks:
        block.rejects = [reject._replace(line=reject.line + lines[block.file]) for reject in block.rejects]
        lines[block.file] += block.lines
        yield block


def gather(plan: Plan) -> Raw:
    """Read all of a plan into memory."""
    revised = True
    while revised:
        blocks = list(numbered(block for part in plan.parts for block in plan.read(part)))
        counts: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        for block in blocks:
            counts.update(block.counts)
            dropped.update(block.dropped)
        revised = plan.revise(counts)
    rows = _joined([block.rows for block in blocks])
    return Raw(
        rows=pa.table({"time": pa.array([], pa.int64()), "item": pa.array([], pa.string())}) if rows is None else rows,
        articles=_joined([block.articles for block in blocks]),
        rows_in=sum(block.records for block in blocks),
        rejects=[reject for block in blocks for reject in block.rejects],
        dropped=dropped,
        notes=plan.notes(counts),
        made_up=plan.made_up,
        source=plan.source,
        licence=plan.licence,
        profiles=_joined([block.profiles for block in blocks]),
        kept=sum(block.kept for block in blocks),
    )


def _joined(tables: list[pa.Table | None]) -> pa.Table | None:
    filled = [table for table in tables if table is not None and table.num_rows]
    if not filled:
        return next((table for table in tables if table is not None), None)
    return pa.concat_tables(filled, promote_options="permissive").unify_dictionaries()
