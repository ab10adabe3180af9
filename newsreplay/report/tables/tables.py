"""Tables as text: for a terminal, for Markdown, for LaTeX, and as records for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tabulate import tabulate

from newsreplay.escaping import escaped, for_spreadsheet
from newsreplay.report.headings import LEAKS
from newsreplay.simulator.runs.folder import RunFolder

FORMATS = ("table", "json", "csv", "markdown", "latex")
LONGEST = 120  #: characters of a name; json and csv have it whole
BEST = "best"  #: the best of its column
LEVEL = "level"  #: not certainly worse than the best
Record = Mapping[str, object]  #: a row of json and csv by column
_TYPED, _SET = ("*", "~"), ("bold", "†")
#: How a table of each format marks them.
MARKS = {"table": _TYPED, "markdown": _SET, "latex": _SET, "json": _TYPED, "csv": _TYPED}


class Cell(NamedTuple):
    """A number as text, what it may be off by, and how it stands to the others of its column."""

    text: str
    within: str = ""  #: ±, and half the width of its interval; or the range of a rank
    mark: str = ""  #: `BEST`, `LEVEL` or nothing
    spread: str = ""  #: s, and the standard deviation over the seeds of its recommender


class ReportTable(NamedTuple):
    """A table for reading, and the same as records."""

    first: str  #: heading of the first column
    columns: list[tuple[str, str]]  #: a group (a publisher; may be empty) and a heading each
    rows: list[tuple[str, list[Cell]]]  #: a name and a cell per column
    notes: list[str]  #: lines below it
    records: list[Record]  #: what json and csv show
    caption: str = ""  #: above it, where there are several: a publisher


def publisher_caption(run: RunFolder, publisher: str) -> str:
    """The caption of a publisher's table; empty in a run of one publisher."""
    return publisher if len(run.publishers) > 1 else ""


def render(table: ReportTable, style: str) -> str:
    """A table in one of `FORMATS`."""
    if style == "json":
        return json.dumps(table.records, indent=1, ensure_ascii=False)
    if style == "csv":
        return _csv(table.records)
    if style == "latex":
        return _latex(table)
    if style == "markdown":
        caption = f"**{plain_text(table.caption, style)}**\n\n" if table.caption else ""
        notes = "  \n".join(plain_text(note, style, 2_000) for note in table.notes)
        return f"{caption}{_markdown(table)}\n\n{notes}"
    caption = f"{plain_text(table.caption)}\n\n" if table.caption else ""
    return f"{caption}{_terminal(table)}\n\n" + "\n".join(plain_text(note, longest=2_000) for note in table.notes)


def _csv(records: Sequence[Record]) -> str:
    header = list(dict.fromkeys(key for record in records for key in record))
    rows = ([for_spreadsheet(key, record.get(key)) for key in header] for record in records)
    return "\n".join([_csv_line(header), *map(_csv_line, rows)])


def _csv_line(row: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # quotes what contains a carriage return, too
    return text.getvalue().removesuffix("\r\n")


def plain_text(text: str, style: str = "table", longest: int = LONGEST) -> str:
    """Foreign text, with escapes for what would break a line, a terminal or a Markdown cell."""
    text = escaped(text)
    if len(text) > longest:
        mark = LEAKS if text.endswith(LEAKS) else ""
        text = text[: longest - 1 - len(mark)] + "…" + mark
    return "".join(f"\\{c}" if c in "\\|<>*_`[]#&~$" else c for c in text) if style == "markdown" else text


def _terminal(table: ReportTable) -> str:
    columns = [[row[i] for _, row in table.rows] for i in range(len(table.columns))]
    # Where some bear a mark the others end in a blank, so that the points stand below each other.
    blank = [" " if any(cell.mark for cell in column) else "" for column in columns]
    widths = [max((len(cell.within) for cell in column), default=0) for column in columns]
    spreads = [max((len(cell.spread) for cell in column), default=0) for column in columns]

    def cell_text(cell: Cell, place: int) -> str:
        text = cell.text + {BEST: "*", LEVEL: "~"}.get(cell.mark, blank[place])
        text += f" {cell.within:>{widths[place]}}" if widths[place] else ""
        return text + (f" {cell.spread:>{spreads[place]}}" if spreads[place] else "")

    rows = [[plain_text(name), *map(cell_text, row, range(len(row)))] for name, row in table.rows]
    grouped = any(group for group, _ in table.columns)
    headers = [
        "\n".join([plain_text(group)] * grouped + [plain_text(heading) + blank[place]])
        for place, (group, heading) in enumerate(table.columns)
    ]
    align = ("left", *("right" for _ in headers))
    # Without a row tabulate would not know how many columns there are.
    text = tabulate(
        rows or [[""] * (1 + len(headers))],
        [table.first, *headers],
        tablefmt="simple",
        colalign=align,
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return str(text)


def _markdown(table: ReportTable) -> str:
    def cell_text(cell: Cell) -> str:
        text = " ".join(filter(None, (cell.text, cell.within, cell.spread)))
        return {BEST: f"**{text}**", LEVEL: f"{text} †"}.get(cell.mark, text)

    headers = [
        f"{plain_text(group, 'markdown')} {plain_text(heading, 'markdown')}".strip() for group, heading in table.columns
    ]
    rows = [[plain_text(name, "markdown"), *(cell_text(cell) for cell in row)] for name, row in table.rows]
    align = ("left", *("right" for _ in headers))
    return str(tabulate(rows, [table.first, *headers], tablefmt="pipe", colalign=align, disable_numparse=True))


def _latex(table: ReportTable) -> str:
    """A tabular that needs \\usepackage{booktabs} and nothing else."""

    def cell_text(cell: Cell) -> str:
        text = latex_text(cell.text)
        if cell.mark == BEST:
            text = rf"\textbf{{{text}}}"
        beside = " ".join(filter(None, (cell.within, cell.spread)))
        within = rf"{{\scriptsize\,{latex_text(beside)}}}" if beside else ""
        return text + (r"$^{\dagger}$" if cell.mark == LEVEL else "") + within

    lines = ["% needs \\usepackage{booktabs}", rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    spans = _spans([group or table.caption for group, _ in table.columns])
    if any(group for group, _, _ in spans):
        heads = [rf"\multicolumn{{{end - begin}}}{{c}}{{{latex_text(group)}}}" for group, begin, end in spans]
        lines.append(" & ".join(["", *heads]) + r" \\")
        lines.append(" ".join(rf"\cmidrule(lr){{{2 + begin}-{1 + end}}}" for group, begin, end in spans if group))
    lines.append(" & ".join([latex_text(table.first), *(latex_text(head) for _, head in table.columns)]) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join([latex_text(name), *map(cell_text, row)]) + r" \\" for name, row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = r"\newline ".join(latex_text(note, 2_000) for note in table.notes)
    if notes:  # below it, not in it: a row as wide as the page would stretch the last column
        lines.append(rf"\par\smallskip\noindent\parbox{{\linewidth}}{{\footnotesize {notes}}}")
    return "\n".join(lines)


def _spans(groups: Sequence[str]) -> list[tuple[str, int, int]]:
    """Runs of equal groups, with where each begins and ends."""
    spans: list[tuple[str, int, int]] = []
    for place, group in enumerate(groups):
        if spans and spans[-1][0] == group:
            spans[-1] = (group, spans[-1][1], place + 1)
        else:
            spans.append((group, place, place + 1))
    return spans


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",  # straight, whatever the font encoding or babel make of it
    "[": "{[}",  # a row that begins with one would lend it to the line before, as an argument
    "]": "{]}",
    "*": "{*}",
    "'": r"'{}",
    "`": r"`{}",
    "-": r"-{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "–": "--",
    "…": r"\dots{}",
    "†": r"$^{\dagger}$",
    "%": r"\%",
    "µ": r"$\mu$",
} | {c: "\\" + c for c in "&$#_"}


def latex_text(text: str, longest: int = LONGEST) -> str:
    """Text that LaTeX sets as it is, whatever it holds: what pdfLaTeX has no glyph for becomes its code point.

    >>> latex_text("a_b & 50 % 日")
    'a\\\\_b \\\\& 50 \\\\% \\\\texttt{U+65E5}'
    """
    return "".join(
        _LATEX.get(c, c if c.isascii() and c.isprintable() else rf"\texttt{{U+{ord(c):04X}}}")
        for c in plain_text(text, longest=longest)
    )


def p_text(p: float | None) -> str:
    """A p-value as it is shown.

    >>> p_text(0.0421), p_text(1e-9), p_text(None)
    ('0.042', '<0.001', '-')
    """
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
