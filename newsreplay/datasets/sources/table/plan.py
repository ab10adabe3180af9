"""Any table of reads: CSV, TSV, Parquet or Arrow IPC.

Formats: `.csv`, `.tsv` (UTF-8, with a header line, either one also `.gz` or `.zst`), `.parquet`, `.arrow` and
`.feather`; or a folder that holds `reads.<ext>` and perhaps `articles.<ext>`.

Columns of reads

- `time`: ISO 8601 (a blank or `T` before the clock; without a zone it is UTC; ` UTC` is a zone too), epoch
  seconds or epoch milliseconds; in Parquet and Arrow also timestamps and dates. One column has one unit,
  found by majority; rows in another unit are rejected, and so is every time before 1990 or from 2100 on.
  What is finer than a millisecond is cut off.
- `user`, `session`: at least one of them in the file. A row in which neither is filled is a session of its own.
- `item`: the article that was read.
- `publisher`: where missing or empty, the name of the file (of the folder) without its extensions.
- `published` (as `time`, with a unit of its own; what cannot be used becomes null and is counted), `category`
  and `title` are optional. All other columns are ignored, also where they are damaged.

Columns of articles: `item`, and optionally `publisher`, `published`, `category`, `title`. Records are the rows
of both; one of the articles without a usable item is a reject too.

Quirks: ids are text and stay as they are, to the last digit and blank; a value of blanks only is empty.
Fields may be quoted with `"`, doubled inside. A quoted field may run over line ends if its record is
well-formed (as many fields as the header, a delimiter or line end after each closing quote, no quote in an
unquoted field, at most 1,000 lines); otherwise its first line alone is rejected, and the lines after it are
read as if it were not there. Blank lines are dropped. Lines end in LF, CRLF or CR. TableRows stay in the order
of the file.

Reading: a majority is known only at the end of the file, so planning looks through all of it, at several times
the speed of reading (typed times in Parquet and Arrow need no such look). TableRows are read some 8 MB of text or
200,000 at a time; plain text without quotes, row groups and record batches are read in parallel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.reading.times import CALENDAR, FORMS
from newsreplay.datasets.sources.table.binary import BinaryTable
from newsreplay.datasets.sources.table.find import File, check_names, find, printable, reading, writable
from newsreplay.datasets.sources.table.rows import ScannedTable, block_of
from newsreplay.datasets.sources.table.text import TextTable

MADE_UP = b"newsreplay.made_up"  #: metadata of a Parquet or Arrow file whose rows were not measured


def plan_table(path: Path, *, columns: Mapping[str, str] | None = None, sizes: ReadSizes = SIZES) -> Plan:
    """How a table of reads is read; the module's docstring has formats, columns, units and quirks.

    `columns` is what the columns are called in the file, ours first: `{"time": "ts", "item": "article"}`.
    A row that cannot be used is a reject, with its line in the (decompressed) file from 1, or its row from 1 in
    Parquet and Arrow.

    Raises `DataError` if the path, the format, the header or the compression is not usable, or there is no row.

    >>> import pathlib, tempfile
    >>> from newsreplay.datasets.base import gather
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gazette.csv"
    >>> _ = path.write_text("time,user,item\\n2020-01-01T08:00:00Z,ann,a1\\n")
    >>> gather(plan_table(path)).rows.to_pylist()
    [{'publisher': 'gazette', 'time': 1577865600000, 'user': 'ann', 'item': 'a1'}]
    """
    path, names = Path(path), dict(columns or {})
    check_names(names)
    reads, articles, publisher = find(path)
    tables = {file.role: _open(file, names, sizes) for file in (reads, articles) if file is not None}
    return Plan(
        parts=[part for table in tables.values() for part in table.parts],
        read=partial(_read, tables=tables, publisher=publisher),
        publisher=_only_publisher(tables, publisher),
        notes=partial(_notes, tables=tables, publisher=publisher),
        unit="line" if reads.is_text else "row",
        source=writable(path),
        made_up=_made_up(tables["reads"]),
    )


def _made_up(reads: ScannedTable) -> list[str]:
    """What the metadata of a Parquet or Arrow file has, as those of `newsreplay data synth` do."""
    metadata = (reads.schema.metadata or {}) if isinstance(reads, BinaryTable) else {}
    return [printable(metadata[MADE_UP].decode(errors="replace"), 500)] if MADE_UP in metadata else []


def _open(file: File, names: dict[str, str], sizes: ReadSizes) -> ScannedTable:
    with reading(file):
        return TextTable(file, names, sizes) if file.is_text else BinaryTable(file, names, sizes)


def _read(part: Part, tables: dict[str, ScannedTable], publisher: str) -> Iterator[Block]:
    table = tables[part.role]
    with reading(table.file):
        for rows in table.rows(part):
            yield block_of(table, rows, publisher)


def _only_publisher(tables: dict[str, ScannedTable], publisher: str) -> str | None:
    """The publisher, if there is but one; it has the articles that name none."""
    reads, articles = tables["reads"], tables.get("articles")
    if "publisher" not in reads.places:
        return publisher
    if articles is None or "publisher" in articles.places:
        return None
    publishers: set[str] = set()
    for part in reads.parts:
        for block in _read(part, tables, publisher):
            assert block.rows is not None
            publishers.update(block.rows["publisher"].unique().to_pylist())
            if len(publishers) > 1:
                return None
    return next(iter(publishers), None)


def _notes(counts: Counter[str], tables: dict[str, ScannedTable], publisher: str) -> list[str]:
    notes = []
    for role, table in tables.items():
        for name, unit in table.units.items():
            label = name if role == "reads" else f"{table.file.name}: {name}"
            if counts[f"{role} {name} usable"]:
                form = "timestamps" if name in table.typed else FORMS[unit]
                naive = counts[f"{role} {name} naive"] if unit == CALENDAR else 0
                zone = f"; {naive:,} values without a zone are taken as UTC" if naive else ""
                notes.append(f"{label}: {form}{zone}")
            if lost := counts[f"{role} {name} lost"]:
                notes.append(f"{label}: {lost:,} values cannot be used as a time and became null")
        if role == "reads" and counts["unnamed"]:
            notes.append(f"{counts['unnamed']:,} rows name no publisher; it is '{publisher}', after the file")
    return notes
