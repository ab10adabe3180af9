"""What is said of a table that was read: its files, columns, units, and what of its values is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from newsreplay.datasets.reading.forms import CALENDAR, DAY_FIRST, FORMS, MONTH_FIRST
from newsreplay.datasets.sources.table.columns import TIMES
from newsreplay.datasets.sources.table.files import DELIMITERS, Found, left_out_note, printable, several_note
from newsreplay.datasets.sources.table.ids import FLOATS, IDS, NOTHING, SCIENTIFIC
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
        for name in IDS:
            notes += _odd_ids(counts, role, name)
        notes += _dwell(counts) if role == "reads" else []
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
        naive = counts[f"{role} {name} naive"] if {CALENDAR, DAY_FIRST, MONTH_FIRST} & {*forms} else 0
        zone = f"; {naive:,} values without a zone are taken as UTC" if naive else ""
        notes.append(f"{label}: {told}{zone}")
        notes += _coarse(counts, sum(forms.values())) if name == "time" else []
    if lost := counts[f"{role} {name} lost"]:
        notes.append(f"{label}: {lost:,} values cannot be used as a time and became null")
    return notes


def _coarse(counts: Counter[str], usable: int) -> list[str]:
    """Of times that tell no more than the day, or the hour."""
    for step in ("days", "hours"):
        if usable == counts[f"whole {step}"]:
            what = "dates alone" if step == "days" else "whole hours"
            lost = ", sessions and hours are made up" if step == "days" else " and sessions are made up"
            return [f"time: {what}: order within a {step[:-1]}{lost}"]
    return []


def _dwell(counts: Counter[str]) -> list[str]:
    """Of how long articles were read."""
    notes = [f"dwell: taken as seconds; {counts['dwell told']:,} reads have one"] if counts["dwell told"] else []
    if lost := counts["dwell lost"]:
        notes.append(f"dwell: {lost:,} values are no numbers of 0 or more and became null")
    return notes


def _odd_ids(counts: Counter[str], role: str, name: str) -> list[str]:
    """Of ids that are not what they seem."""
    label = name if role == "reads" else f"{role}: {name}"
    notes = []
    if floats := counts[f"{role} {name} {FLOATS}"]:
        notes.append(f"{label}: {floats:,} ids are whole floats like 1000.0 and are read as whole numbers: 1000")
    if cut := counts[f"{role} {name} {SCIENTIFIC}"]:
        notes.append(
            f"{label}: {cut:,} ids are in scientific notation, as 1.23457E+12, and have lost digits: different ones "
            "became one; export the column as text"
        )
    if words := {word: rows for word in NOTHING if (rows := counts[f"{role} {name} {word}"])}:
        told = ", ".join(f"'{word}' {rows:,} times" for word, rows in words.items())
        notes.append(f"{label}: {told} is an id like any other; leave the value empty where there is none")
    return notes
