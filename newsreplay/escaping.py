"""Foreign text where people read it: on terminals, in tables, on pages, and in what a spreadsheet opens."""

from __future__ import annotations

#: Columns of CSV files that hold names which somebody else gave; ids and numbers are in none of them.
NAMES = frozenset(("publisher", "recommender", "a", "b", "slice", "group", "category", "title"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  #: what a spreadsheet takes for the beginning of a formula


def escaped(text: str, keep: str = "") -> str:
    r"""Text in which whatever a terminal or a page would obey, or show in another place, is an escape as in Python.

    So control characters, line ends, marks of direction, half surrogates, blanks that look like others. Characters in
    `keep` stay.

    >>> print(escaped("\x1b[31mred\n \u202eleft"))
    \x1b[31mred\n \u202eleft
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def for_spreadsheet(column: str, value: object) -> object:
    """A cell of a CSV column; a name that a spreadsheet would take for a formula gets an apostrophe in front.

    Numbers and ids stay as they are: they are no names, and programs read them back.

    >>> for_spreadsheet("recommender", "=1+1"), for_spreadsheet("difference", "-0.5"), for_spreadsheet("a", "trend")
    ("'=1+1", '-0.5', 'trend')
    """
    if column in NAMES and isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
