"""What is said of a table that was read: its files, columns, units, and what of its values is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from newsreplay.datasets.reading.times import CALENDAR, FORMS
from newsreplay.datasets.sources.table.columns import TIMES
from newsreplay.datasets.sources.table.files import DELIMITERS, Found, left_out_note, printable, several_note
from newsreplay.datasets.sources.table.rows import ScannedTable

SPELT = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def notes_of(counts: Counter[str], tables: Sequence[ScannedTable], found: Found) -> list[str]:
    """Lines for whoever prepares the table, from the counts of all its blocks."""
    notes = [*several_note(found.reads), *several_note(found.articles), *left_out_note(found), *_separated(tables)]
    for role in ("reads", "articles"):
        some = [table for table in tables if table.file.role == role]
        notes += _columns(some) + _partitions(some)
        for name in TIMES:
            notes += _times(counts, some, name, len(found.articles) == 1)
        if role == "reads" and counts["unnamed"]:
            notes.append(
                f"{counts['unnamed']:,} rows name no publisher; it is '{found.publisher}', after the {found.after}"
            )
    return notes


def _separated(tables: Sequence[ScannedTable]) -> list[str]:
    """Of text whose extension means another delimiter."""
    odd = {table.file.delimiter: table.file for table in tables if _is_odd(table)}
    return [f"{printable(file.name)}: fields are separated by {SPELT[mark]}" for mark, file in odd.items()]


def _is_odd(table: ScannedTable) -> bool:
    return table.file.delimiter != DELIMITERS.get(table.file.ending, table.file.delimiter)


def _columns(tables: Sequence[ScannedTable]) -> list[str]:
    """Of columns that were found by the names that they usually have."""
    aliases = {name: other for table in reversed(tables) for name, other in table.placed.aliases.items()}
    if not aliases:
        return []
    told = ", ".join(f"{name}={printable(other, 50)}" for name, other in aliases.items())
    return [f"{tables[0].file.role}: columns found by their usual names: {told} (--columns names others)"]


def _partitions(tables: Sequence[ScannedTable]) -> list[str]:
    """Of what the names of folders say and is not read."""
    taken = {(name, value) for table in tables for name, value in table.placed.constants.items()}
    ignored = {
        name: value
        for table in reversed(tables)
        for name, value in table.file.partitions
        if (name, value) not in taken and value not in table.placed.constants.values()
    }
    return [
        f"{tables[0].file.role}: columns of folders, not read unless they are named: {printable(f'{name}={value}')} …"
        for name, value in ignored.items()
    ]


def _times(counts: Counter[str], tables: Sequence[ScannedTable], name: str, alone: bool) -> list[str]:
    if not tables:
        return []
    role = tables[0].file.role
    label = name if role == "reads" else f"{tables[0].file.name if alone else role}: {name}"
    typed = any(name in table.typed for table in tables)
    forms = {form: rows for form in FORMS if (rows := counts[f"{role} {name} usable {form}"])}
    notes = []
    if forms:
        said = {form: "timestamps" if form == CALENDAR and typed else FORMS[form] for form in forms}
        told = next(iter(said.values()))
        if len(forms) > 1:
            told = ", ".join(f"{said[form]} ({rows:,} rows)" for form, rows in forms.items()) + ", by file"
        naive = counts[f"{role} {name} naive"] if CALENDAR in forms else 0
        zone = f"; {naive:,} values without a zone are taken as UTC" if naive else ""
        notes.append(f"{label}: {told}{zone}")
    if lost := counts[f"{role} {name} lost"]:
        notes.append(f"{label}: {lost:,} values cannot be used as a time and became null")
    return notes
