"""Any table of reads: CSV, TSV, JSON lines, Parquet or Arrow IPC, in one file or in many.

Formats: `.csv`, `.tsv` and RecBole's `.inter` (with a header line), `.jsonl` and `.ndjson` (one object a line), each of
these also `.gz`, `.zst`, `.bz2`, `.xz` or alone in a `.zip`, in UTF-8, or in UTF-16 with a mark of byte order;
`.parquet`, `.arrow` and `.feather`. Fields are separated by commas, semicolons, tabs or bars: by what the extension
means if the columns are found so, else by that by which they are.

Files: one; all that a pattern names (`clicks/2020-*/part-*.csv`, `**` for any folders); or a folder with `reads.<ext>`
and perhaps `articles.<ext>`, either one also a folder of part files; or a folder of part files, which are the reads.
Several files are one table in the order of their names, with their folders. They must be of one form and have the same
of the columns that a table needs; each has a unit of times of its own, and some may be without rows. What is hidden
(`_SUCCESS`, dot files) or no table is left out and noted. What names of folders say (`publisher=gazette/day=2/`) is a
column if it has one of our names or is named, and no column of the file is called so. A Delta table is refused.

Columns are found by the names that are given, by ours, else by those they usually have (`columns.py`; upper and lower
case, `_` and RecBole's `:token` do not count), which is noted. Two that may both be meant are refused.

Columns of reads

- `time`: ISO 8601 (a blank or `T` before the clock; without a zone it is UTC; ` UTC` is a zone too); epoch seconds,
  milli-, micro- or nanoseconds, told apart by their ranges; dates like 31/12/2019 (also with `.` or `-`, and a clock of
  24 or 12 hours) if a date of the column shows whether the day or the month comes first, else the table is
  refused; in Parquet and Arrow also timestamps and dates, but no float32. One column has one unit,
  found by majority; rows in another unit are rejected, and so is every time before 1990 or from 2100 on.
  What is finer than a millisecond is cut off. Dates alone and whole hours are noted.
- `user`, `session`: at least one of them in the file. A row in which neither is filled is a session of its own.
- `item`: the article that was read.
- `publisher`: where missing or empty, the name of the file (of the folder) without its extensions.
- `dwell`: how long the article was read, in seconds; what is no number of 0 or more becomes null and is counted.
- `published` (as `time`, with a unit of its own; what cannot be used becomes null and is counted), `category`
  and `title` are optional. All other columns are ignored, also where they are damaged, but for those that are
  kept by name.

Columns of articles: `item`, and optionally `publisher`, `published`, `category`, `title`. Records are the rows
of both; one of the articles without a usable item is a reject too.

Quirks: ids are text and stay as they are, to the last digit and blank; a value of blanks only is empty. But where every
id of a file's column is written like `1000.0`, as pandas writes integers with gaps, they are whole numbers, `1000`, and
counted (ids with a leading zero never are). Sixteen bytes are a UUID. Ids in scientific notation, and words
like `NULL`, are counted and noted.
Fields may be quoted with `"`, doubled inside. A quoted field may run over line ends if its record is
well-formed (as many fields as the header, a delimiter or line end after each closing quote, no quote in an
unquoted field, at most 1,000 lines); otherwise its first line alone is rejected, and the lines after it are
read as if it were not there. Blank lines are dropped. Lines end in LF, CRLF or CR (of JSON in LF or CRLF). Rows stay in
the order of the file. Numbers of JSON lines are taken as they are written.

Reading: a majority is known only at the end of the file. Where the first lines of every stretch of some 16 MB have
times of one form (an epoch, or ISO 8601), that is assumed; should a value be in another one, the file is looked
through and, if the majority is another, read again. Where they do not, planning looks through all of the file. (Typed
times in Parquet and Arrow need no such look, nor do whole numbers in Parquet whose statistics tell.) Rows
are read some 8 MB of text or 200,000 at a time; plain text without quotes, JSON lines, row groups and record batches
are read in parallel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from newsreplay.datasets.base import Block, Part, Plan
from newsreplay.datasets.reading.forms import DAY_FIRST, EITHER, MONTH_FIRST, FormTally
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.reading.times import chunk_times
from newsreplay.datasets.sources.table.binary import BinaryTable
from newsreplay.datasets.sources.table.columns import NEEDED, TIMES, MissingError, with_kept
from newsreplay.datasets.sources.table.files import (
    JSON_LINES,
    PUBLISHED,
    File,
    Found,
    find,
    printable,
    reading,
    writable,
)
from newsreplay.datasets.sources.table.ids import IDS, are_whole_floats, as_whole_numbers
from newsreplay.datasets.sources.table.json_table import JsonTable
from newsreplay.datasets.sources.table.looking import LookedAt
from newsreplay.datasets.sources.table.notes import notes_of
from newsreplay.datasets.sources.table.rows import EmptyError, ScannedTable, TableRows, block_of, in_another_unit
from newsreplay.datasets.sources.table.text import TextTable
from newsreplay.errors import DataError

MADE_UP = b"newsreplay.made_up"  #: metadata of a Parquet or Arrow file whose rows were not measured


def plan_table(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    sizes: ReadSizes = SIZES,
) -> Plan:
    """How a table of reads is read; the module's docstring has formats, columns, units and quirks.

    `columns` is what the columns are called in the files, ours first: `{"time": "ts", "item": "article"}`; those of
    one sort of files as `reads.item` or `articles.item`. `keep` names further columns of the reads that are kept, as
    text.
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
    path, names = Path(path), with_kept(columns or {}, keep)
    return plan_files(find(path), names, source=writable(path), sizes=sizes)


def plan_files(found: Found, names: dict[str, str], *, source: str, sizes: ReadSizes = SIZES) -> Plan:
    """The same of files that are known."""
    tables = [*_open_all(found.reads, names, sizes), *_open_all(found.articles, names, sizes)]
    reads = [table for table in tables if table.file.role == "reads"]
    by_part = {(table.file.role, table.file.path): table for table in tables}
    return Plan(
        parts=[part for table in tables for part in table.parts],
        read=partial(_read, tables=by_part, publisher=found.publisher),
        publisher=_only_publisher(by_part, found.publisher),
        notes=partial(notes_of, tables=tables, found=found),
        revise=partial(_revise, tables=tables),
        unit="line" if reads[0].file.is_text else "row",
        source=source,
        made_up=list(dict.fromkeys(told for table in reads for told in _made_up(table))),
    )


def _made_up(reads: ScannedTable) -> list[str]:
    """What the metadata of a Parquet or Arrow file has, as those of `newsreplay data synth` do."""
    metadata = (reads.schema.metadata or {}) if isinstance(reads, BinaryTable) else {}
    return [printable(metadata[MADE_UP].decode(errors="replace"), 500)] if MADE_UP in metadata else []


# ---- the files


def _open_all(files: list[File], names: dict[str, str], sizes: ReadSizes) -> list[ScannedTable]:
    """Files that are one table: all have the columns that the first has to have; of several some may have no rows."""
    tables: list[ScannedTable] = []
    empty: list[EmptyError] = []
    for file in files:
        try:
            table = _open(file, names, sizes)
        except EmptyError as error:
            empty.append(error)
            continue
        except MissingError as error:
            if len(files) == 1:
                raise
            end = "" if str(error).endswith("?") else "."
            raise MissingError(f"{error}{end}{_of_several(files)}") from None
        if tables:
            _check_same(tables[0], table, files)
        tables.append(table)
    if files and not tables:
        raise empty[0]
    _check_orders(tables)
    return tables


def _open(file: File, names: dict[str, str], sizes: ReadSizes) -> ScannedTable:
    with reading(file):
        table: ScannedTable = _form_of(file)(file, names, sizes)
    for name, value in table.placed.constants.items():
        if name in TIMES:
            tally = FormTally()
            tally.add(chunk_times(pa.array([value]))[1])
            table.units[name] = tally.unit
    table.floats = {*table.floats, *_whole_floats(table)}
    return table


def _form_of(file: File) -> type[TextTable | JsonTable | BinaryTable]:
    if file.ending in JSON_LINES:
        return JsonTable
    return TextTable if file.is_text else BinaryTable


def _whole_floats(table: ScannedTable) -> set[str]:
    """Columns of ids whose every value in this file is written like 1000.0; mostly the first row tells that none is."""
    first = table.first_rows()
    found = {name for name in IDS if first and name in first.columns and are_whole_floats(first.columns[name])}
    for rows in (rows for part in table.parts if found for rows in table.rows(part)):
        found = {name for name in found if are_whole_floats(rows.columns[name])}
        if not found:
            break
    return found


def _check_orders(tables: list[ScannedTable]) -> None:
    """Dates that one file alone does not tell day from month in are read as the others are. Raises `DataError`."""
    for name in TIMES:
        orders = {unit for table in tables if (unit := table.units.get(name, 0)) in (DAY_FIRST, MONTH_FIRST)}
        for table in tables:
            if table.units.get(name) == EITHER and len(orders) == 1:
                table.units[name] = next(iter(orders))
        unsure = [table.file.name for table in tables if table.units.get(name) == EITHER and len(orders) < 2]
        if unsure or len(orders) > 1:
            where = unsure[0] if unsure else "the files"
            raise DataError(
                f"{where}: {name} may be day/month/year or month/day/year, and "
                f"{'no date decides' if unsure else 'they differ'}: 3/4/2020 would be 3 April or March 4; "
                "write it like 2020-04-03"
            )


def _check_same(first: ScannedTable, table: ScannedTable, files: list[File]) -> None:
    """Whether two files have the same of the columns that a table must have."""
    needed = (*NEEDED[table.file.role], "publisher")
    here, there = ({*one.placed.places, *one.placed.constants} & {*needed} for one in (table, first))
    if here != there:
        name = min(here ^ there)
        which, other = (table, first) if name in there else (first, table)
        raise DataError(f"{which.file.name} has no column '{name}', but {other.file.name} has one.{_of_several(files)}")


def _of_several(files: list[File]) -> str:
    if len(files) < 2:
        return ""
    return (
        f" All {len(files):,} tables there are taken for {files[0].role} of one form: name those that are, by a "
        f"pattern; {PUBLISHED}"
    )


def _read(part: Part, tables: dict[tuple[str, Path], ScannedTable], publisher: str) -> Iterator[Block]:
    table = tables[part.role, part.path]
    with reading(table.file):
        for rows in table.rows(part):
            yield block_of(table, _completed(table, rows), publisher)


def _completed(table: ScannedTable, rows: TableRows) -> TableRows:
    """Rows with the columns that their file's folders tell, and whole floats as whole numbers."""
    size, columns = rows.begin.size, dict(rows.columns)
    for name in IDS:
        if name in table.floats:
            columns[name] = as_whole_numbers(columns[name])
    for name, value in table.placed.constants.items():
        columns[name] = pa.chunked_array([pa.repeat(pa.scalar(value), size)])
    return rows._replace(columns=columns)


def _revise(counts: Counter[str], tables: list[ScannedTable]) -> bool:
    """Whether the unit of a file's times is another than was assumed; all are known then."""
    before = [dict(table.units) for table in tables]
    for table in tables:
        if counts[in_another_unit(table.file)]:
            _settle(table)
    for role in ("reads", "articles"):  # apart, as when they were opened
        _check_orders([table for table in tables if table.file.role == role])
    return [table.units for table in tables] != before


def _settle(table: ScannedTable) -> None:
    if isinstance(table, LookedAt) and table.assumed:
        with reading(table.file):
            constant = {name: unit for name, unit in table.units.items() if name in table.placed.constants}
            table.settle()
            table.units |= constant


def _only_publisher(tables: dict[tuple[str, Path], ScannedTable], publisher: str) -> str | None:
    """The publisher, if there is but one; it has the articles that name none."""
    named = {
        role for (role, _), table in tables.items() if "publisher" in {**table.placed.places, **table.placed.constants}
    }
    if "reads" not in named:
        return publisher
    if "articles" in named or all(role == "reads" for role, _ in tables):
        return None
    for table in tables.values():
        _settle(table)
    publishers: set[str] = set()
    for part in (part for (role, _), table in tables.items() if role == "reads" for part in table.parts):
        for block in _read(part, tables, publisher):
            assert block.rows is not None
            publishers.update(block.rows["publisher"].unique().to_pylist())
            if len(publishers) > 1:
                return None
    return next(iter(publishers), None)
