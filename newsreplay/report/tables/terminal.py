"""Tables on a terminal, as wide as it is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

import click
from tabulate import MIN_PADDING, tabulate

from newsreplay.report.tables.tables import BEST, LEVEL, Cell, ReportTable, Screen, plain_text


def terminal(table: ReportTable, screen: Screen) -> str:
    """A table with its notes; what is too wide for the screen lacks columns that are optional, or comes in parts."""
    captions = [f"{plain_text(text)}\n\n" for text in (table.title, table.caption) if text]
    notes = [plain_text(note, longest=2_000) for note in table.notes]
    parts = [table]
    if screen.width is not None and _width(table) > screen.width:
        narrow, left_out = _without_optional(table, screen.width)
        if _width(narrow) <= screen.width:
            parts = [narrow]
            notes.insert(0, f"not shown, for a line has {screen.width} characters: {', '.join(left_out)} (--metrics)")
        else:
            parts = [table.with_columns(places) for places in _parted(table, screen.width)]
    if screen.width is not None:
        notes = [textwrap.fill(note, screen.width, subsequent_indent="  ", break_on_hyphens=False) for note in notes]
    return "".join(captions) + "\n\n".join(_drawn(part, screen.colour) for part in parts) + "\n\n" + "\n".join(notes)


def _width(table: ReportTable) -> int:
    return max(map(len, _drawn(table).splitlines()))


def _without_optional(table: ReportTable, width: int) -> tuple[ReportTable, list[str]]:
    """The table with as many of its optional columns as there is room for, and the headings that it lacks."""
    left_out: list[str] = []
    narrow = table
    for heading in table.optional:
        if _width(narrow) <= width:
            break
        left_out.append(heading)
        places = [place for place, (_, head) in enumerate(table.columns) if head not in left_out]
        narrow = table.with_columns(places)
    return narrow, left_out


def _parted(table: ReportTable, width: int) -> Iterator[list[int]]:
    """The columns by parts that fit; groups stay together where they do."""
    part: list[int] = []
    for span in table.spans():
        group = [*range(span.begin, span.end)]
        pieces = [group] if _width(table.with_columns(group)) <= width else [[place] for place in group]
        for piece in pieces:
            if part and _width(table.with_columns([*part, *piece])) > width:
                yield part
                part = []
            part += piece
    yield part


def _drawn(table: ReportTable, colour: bool = False) -> str:
    columns = [[row[i] for _, row in table.rows] for i in range(len(table.columns))]
    formats = [_ColumnFormat(column, colour) for column in columns]
    rows = [
        [plain_text(name), *(form(cell) for form, cell in zip(formats, row, strict=True))] for name, row in table.rows
    ]
    heads = [plain_text(head) + form.blank for (_, head), form in zip(table.columns, formats, strict=True)]
    lines = _lines(table.first, heads, rows)
    if not any(group for group, _ in table.columns):
        return "\n".join(lines)
    for span in table.spans():  # a group that is wider than its columns widens the first of them
        begin, end = _extent(lines[1], span.begin, span.end)
        missing = len(plain_text(span.group)) - (end - begin)
        if missing > 0:
            first, last = _extent(lines[1], span.begin, span.begin + 1)
            heads[span.begin] = heads[span.begin].rjust(last - first + missing - MIN_PADDING)
    lines = _lines(table.first, heads, rows)
    return "\n".join([_group_line(table, lines[1]), *lines])


def _lines(first: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Heading, rule, rows."""
    text = tabulate(
        rows or [[""] * (1 + len(heads))],  # without a row tabulate would not know how many columns there are
        [first, *heads],
        tablefmt="simple",
        colalign=("left", *("right" for _ in heads)),
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return str(text).splitlines()


def _extent(rule: str, begin: int, end: int) -> tuple[int, int]:
    """Where columns `begin` … `end` - 1 lie in a line."""
    columns = [match.span() for match in re.finditer("-+", rule)][1:]  # the first has the names
    return columns[begin][0], columns[end - 1][1]


def _group_line(table: ReportTable, rule: str) -> str:
    """The groups, each in the middle of a line over its columns."""
    line = ""
    for span in table.spans():
        begin, end = _extent(rule, span.begin, span.end)
        name = plain_text(span.group)
        room = end - begin
        over = f" {name} ".center(room, "-") if name and len(name) + 6 <= room else name.rjust(room)
        line = line.ljust(begin) + over
    return line.rstrip()


class _ColumnFormat:
    """How the cells of a column become text, so that their points stand below each other."""

    def __init__(self, column: Sequence[Cell], colour: bool):
        self.blank = " " if any(cell.mark for cell in column) else ""  # of cells without a mark, where some have one
        self._within = max((len(cell.within) for cell in column), default=0)
        self._spread = max((len(cell.spread) for cell in column), default=0)
        self._colour = colour

    def __call__(self, cell: Cell) -> str:
        value = cell.text + {BEST: "*", LEVEL: "~"}.get(cell.mark, self.blank)
        beside = f" {cell.within:>{self._within}}" if self._within else ""
        beside += f" {cell.spread:>{self._spread}}" if self._spread else ""
        if self._colour:
            value = click.style(value, fg="green", bold=cell.mark == BEST) if cell.mark else value
            beside = click.style(beside, dim=True) if beside.strip() else beside
        return value + beside
