"""Tables in LaTeX."""

from __future__ import annotations

from newsreplay.report.tables.tables import BEST, LEVEL, LONGEST, Cell, ReportTable, plain_text


def latex(table: ReportTable) -> str:
    """A tabular that needs \\usepackage{booktabs} and nothing else; in a table environment if it has a title or label.

    Its notes stand below it.
    """
    lines = ["% needs \\usepackage{booktabs}"]
    floats = bool(table.title or table.label)
    if floats:
        label = rf"\label{{{table.label}}}" if table.label else ""
        title = " – ".join(filter(None, (table.title, table.caption)))
        lines += [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(title, 2_000)}}}{label}"]
    lines += _tabular(table)
    notes = r"\newline ".join(latex_text(note, 2_000) for note in table.notes)
    if notes:  # below it, not in it: a row as wide as the page would stretch the last column
        lines.append(rf"\par\smallskip\noindent\parbox{{\linewidth}}{{\footnotesize {notes}}}")
    return "\n".join([*lines, *([r"\end{table}"] if floats else [])])


def _tabular(table: ReportTable) -> list[str]:
    lines = [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    spans = [span._replace(group=span.group or table.caption) for span in table.spans()]
    if any(span.group for span in spans):
        heads = [rf"\multicolumn{{{end - begin}}}{{c}}{{{latex_text(group)}}}" for group, begin, end in spans]
        lines.append(" & ".join(["", *heads]) + r" \\")
        lines.append(" ".join(rf"\cmidrule(lr){{{2 + begin}-{1 + end}}}" for group, begin, end in spans if group))
    lines.append(" & ".join([latex_text(table.first), *(latex_text(head) for _, head in table.columns)]) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join([latex_text(name), *map(_cell, cells)]) + r" \\" for name, cells in table.rows]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _cell(cell: Cell) -> str:
    text = latex_text(cell.text)
    if cell.mark == BEST:
        text = rf"\textbf{{{text}}}"
    beside = " ".join(filter(None, (cell.within, cell.spread)))
    within = rf"{{\scriptsize\,{latex_text(beside)}}}" if beside else ""
    return text + (r"$^{\dagger}$" if cell.mark == LEVEL else "") + within


#: Latin letters that every font encoding has or composes, and those that only T1 has.
_LETTERS = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿĀāĂăĆćĈĉĊċČčĎďĒēĔĕĖėĚěĜĝĞğĠġĢģĤĥĨĩĪīĬĭİıĴĵĶķĹĺĻļĽľŁł"
    "ŃńŅņŇňŌōŎŏŐőŒœŔŕŖŗŘřŚśŜŝŞşŠšŢţŤťŨũŪūŬŭŮůŰűŴŵŶŷŸŹźŻżŽžȘșȚț"
)
_T1_LETTERS = frozenset("ÐÞðþĄąĐđĘęĮįŊŋŲų")
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
    **{c: "\\" + c for c in "&$#_"},
    **{c: rf"{{\fontencoding{{T1}}\selectfont {c}}}" for c in _T1_LETTERS},
}


def latex_text(text: str, longest: int = LONGEST) -> str:
    """Text that LaTeX sets as it is, whatever it holds: what pdfLaTeX has no glyph for becomes its code point.

    >>> latex_text("a_b & Å 日")
    'a\\\\_b \\\\& Å \\\\texttt{U+65E5}'
    """

    def set_as(c: str) -> str:
        itself = c in _LETTERS or (c.isascii() and c.isprintable())
        return _LATEX.get(c, c if itself else rf"\texttt{{U+{ord(c):04X}}}")

    return "".join(map(set_as, plain_text(text, longest=longest)))
