"""Tables in HTML, for notebooks: no style sheet, no script."""

from __future__ import annotations

from html import escape

from newsreplay.report.tables.tables import BEST, LEVEL, Cell, ReportTable, plain_text

_RIGHT = ' style="text-align: right"'
_BESIDE = '<span style="font-size: smaller; opacity: 0.7">{}</span>'


def html(table: ReportTable) -> str:
    """A table with its notes; whatever names hold is shown and obeyed by nothing."""
    captions = [f"<p><b>{_text(text)}</b></p>" for text in (table.title, table.caption) if text]
    body = [
        f"<tr><td>{_text(name)}</td>{''.join(f'<td{_RIGHT}>{_cell(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in table.rows
    ]
    notes = "<br>".join(_text(note, 2_000) for note in table.notes)
    lines = [*captions, "<table>", "<thead>", *_head(table), "</thead>", "<tbody>", *body, "</tbody>", "</table>"]
    return "\n".join([*lines, f'<p style="font-size: smaller">{notes}</p>'])


def _head(table: ReportTable) -> list[str]:
    spans = table.spans()
    groups = "".join(
        f'<th colspan="{span.end - span.begin}" style="text-align: center">{_text(span.group)}</th>' for span in spans
    )
    heads = "".join(f"<th{_RIGHT}>{_text(heading)}</th>" for _, heading in table.columns)
    first = f'<th style="text-align: left">{_text(table.first)}</th>'
    grouped = [f"<tr><th></th>{groups}</tr>"] if any(span.group for span in spans) else []
    return [*grouped, f"<tr>{first}{heads}</tr>"]


def _cell(cell: Cell) -> str:
    text = _text(cell.text)
    text = {BEST: f"<b>{text}</b>", LEVEL: f"{text}&nbsp;†"}.get(cell.mark, text)
    beside = " ".join(filter(None, (cell.within, cell.spread)))
    return f"{text} {_BESIDE.format(_text(beside))}" if beside else text


def _text(text: str, longest: int = 120) -> str:
    return escape(plain_text(text, longest=longest))
