"""What tables for reading consist of, whatever they are set in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from newsreplay.escaping import escaped
from newsreplay.report.headings import LEAKS
from newsreplay.simulator.runs.folder import RunFolder

FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
LONGEST = 120  #: characters of a name; json and csv have it whole
BEST = "best"  #: the best of its column
LEVEL = "level"  #: not certainly worse than the best
Record = Mapping[str, object]  #: a row of json and csv by column
_TYPED, _SET = ("*", "~"), ("bold", "†")
#: How a table of each format marks them.
MARKS = {style: _SET if style in ("markdown", "latex", "html") else _TYPED for style in FORMATS}


class Cell(NamedTuple):
    """A number as text, what it may be off by, and how it stands to the others of its column."""

    text: str
    within: str = ""  #: ±, and half the width of its interval; or the range of a rank
    mark: str = ""  #: `BEST`, `LEVEL` or nothing
    spread: str = ""  #: s, and the standard deviation over the seeds of its recommender


class Screen(NamedTuple):
    """What tables are printed on."""

    width: int | None = None  #: in characters; None = as wide as they get
    colour: bool = False


class Span(NamedTuple):
    """Neighbouring columns of one group, `begin` … `end` - 1."""

    group: str
    begin: int
    end: int


class ReportTable(NamedTuple):
    """A table for reading."""

    first: str  #: heading of the first column
    columns: list[tuple[str, str]]  #: a group (a publisher; may be empty) and a heading each
    rows: list[tuple[str, list[Cell]]]  #: a name and a cell per column
    notes: list[str]  #: lines below it
    caption: str = ""  #: above it, where there are several: a publisher
    title: str = ""  #: above it, in somebody's own words
    label: str = ""  #: by which LaTeX refers to it
    optional: Sequence[str] = ()  #: headings of columns that a narrow screen may lack, the first to go first

    def spans(self) -> list[Span]:
        """The columns by their groups."""
        spans: list[Span] = []
        for group, columns in groupby(group for group, _ in self.columns):
            begin = spans[-1].end if spans else 0
            spans.append(Span(group, begin, begin + len([*columns])))
        return spans

    def with_columns(self, places: Collection[int]) -> ReportTable:
        """The same with some of the columns."""
        rows = [(name, [cells[place] for place in places]) for name, cells in self.rows]
        return self._replace(columns=[self.columns[place] for place in places], rows=rows)


def publisher_caption(run: RunFolder, publisher: str) -> str:
    """The caption of a publisher's table; empty in a run of one publisher."""
    return publisher if len(run.publishers) > 1 else ""


def plain_text(text: str, style: str = "table", longest: int = LONGEST) -> str:
    """Foreign text, with escapes for what would break a line, a terminal or a Markdown cell."""
    text = escaped(text)
    if len(text) > longest:
        mark = LEAKS if text.endswith(LEAKS) else ""
        text = text[: longest - 1 - len(mark)] + "…" + mark
    return "".join(f"\\{c}" if c in "\\|<>*_`[]#&~$" else c for c in text) if style == "markdown" else text


def p_text(p: float | None) -> str:
    """A p-value as it is shown.

    >>> p_text(0.0421), p_text(1e-9), p_text(None)
    ('0.042', '<0.001', '-')
    """
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
