"""Tables as text: for a terminal, Markdown, LaTeX and HTML, and as records for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from tabulate import tabulate

from newsreplay.escaping import for_spreadsheet
from newsreplay.report.tables.html import html
from newsreplay.report.tables.latex import latex
from newsreplay.report.tables.tables import BEST, LEVEL, Cell, Record, ReportTable, Screen, plain_text
from newsreplay.report.tables.terminal import terminal


def render(
    tables: Sequence[ReportTable], records: Sequence[Record], style: str = "table", screen: Screen | None = None
) -> str:
    """Tables in one of `FORMATS`, one below the other; json and csv have the records in place of them.

    A `screen` says how wide a terminal is, and whether it shows colours.
    """
    if style == "json":
        return json.dumps(records, indent=1, ensure_ascii=False)
    if style == "csv":
        return _csv(records)
    if style == "table":
        return "\n\n".join(terminal(table, screen or Screen()) for table in tables)
    write = {"latex": latex, "markdown": _markdown, "html": html}[style]
    return "\n\n".join(map(write, tables))


def _csv(records: Sequence[Record]) -> str:
    header = list(dict.fromkeys(key for record in records for key in record))
    rows = ([for_spreadsheet(key, record.get(key)) for key in header] for record in records)
    return "\n".join([_csv_line(header), *map(_csv_line, rows)])


def _csv_line(row: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # quotes what contains a carriage return, too
    return text.getvalue().removesuffix("\r\n")


def _markdown(table: ReportTable) -> str:
    captions = [f"**{plain_text(text, 'markdown')}**\n\n" for text in (table.title, table.caption) if text]
    notes = "  \n".join(plain_text(note, "markdown", 2_000) for note in table.notes)
    return f"{''.join(captions)}{_pipes(table)}\n\n{notes}"


def _pipes(table: ReportTable) -> str:
    def cell_text(cell: Cell) -> str:
        text = " ".join(filter(None, (cell.text, cell.within, cell.spread)))
        return {BEST: f"**{text}**", LEVEL: f"{text} †"}.get(cell.mark, text)

    headers = [
        f"{plain_text(group, 'markdown')} {plain_text(heading, 'markdown')}".strip() for group, heading in table.columns
    ]
    rows = [[plain_text(name, "markdown"), *(cell_text(cell) for cell in row)] for name, row in table.rows]
    align = ("left", *("right" for _ in headers))
    return str(tabulate(rows, [table.first, *headers], tablefmt="pipe", colalign=align, disable_numparse=True))
