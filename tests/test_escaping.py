"""Foreign text obeys nobody: terminals, tables and spreadsheets show what it holds."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsreplay.escaping import NAMES, escaped, for_spreadsheet
from newsreplay.report.tables.rendering import render
from newsreplay.report.tables.tables import Cell, ReportTable

HARMFUL = {
    "\x1b[2J": r"\x1b[2J",  # clears a terminal
    "\x9b31m": r"\x9b31m",  # the same in one character
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "a\nb": r"a\nb",
    "a\r\nb": r"a\r\nb",
    "a\tb": r"a\tb",
    "\x00\x7f\x08": r"\x00\x7f\x08",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2066left\u2069": r"\u2066left\u2069",
    "\u2028\u2029\x85": r"\u2028\u2029\x85",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "no\xa0break": r"no\xa0break",
    "\ud800": r"\ud800",
    "\U000e0041": r"\U000e0041",  # a tag
}


@pytest.mark.parametrize(("text", "shown"), HARMFUL.items())
def test_what_would_be_obeyed_or_is_not_seen_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escaped(text) == escaped(shown) == shown


@pytest.mark.parametrize("text", ["", "plain", r"back\slash", "Ærøskøbing", "新聞", "\U0001f4f0", "שלום", "Z\u0301"])
def test_what_can_be_shown_stays(text: str) -> None:
    assert escaped(text) == text


@given(st.text())
def test_all_that_is_shown_can_be_printed_and_lines_are_kept_where_they_are_wanted(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped(text, keep="\n").split("\n") == [escaped(line) for line in text.split("\n")]


@pytest.mark.parametrize("style", ["table", "markdown", "latex", "html"])
@pytest.mark.parametrize(("text", "shown"), HARMFUL.items())
def test_every_format_for_reading_shows_names_notes_and_captions_escaped(style: str, text: str, shown: str) -> None:
    table = ReportTable("name", [(text, text)], [(text, [Cell("1")])], [text], text)
    rendered = render([table], [], style)
    assert all(c == "\n" or c.isprintable() for c in rendered)
    escape = {"latex": r"\textbackslash{}", "markdown": r"\\"}.get(style, "\\")
    assert rendered.count(f"{escape}{shown.split(chr(92))[1][:3]}") >= 4


@pytest.mark.parametrize("column", sorted(NAMES))
@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@cmd", "\t=1", "\r=1", "=", '=HYPERLINK("http://x")'])
def test_a_name_is_no_formula_to_a_spreadsheet(column: str, name: str) -> None:
    assert for_spreadsheet(column, name) == f"'{name}"


@pytest.mark.parametrize("value", [-1.5, -2, 0, None, True, "a=1", "1-2", "", "'=1", " =1"])
def test_what_is_no_formula_stays(value: object) -> None:
    assert for_spreadsheet("recommender", value) is value


@pytest.mark.parametrize("column", ["value", "low", "metric", "user", "item", "session", "id", "start"])
def test_numbers_and_ids_are_never_touched(column: str) -> None:
    assert for_spreadsheet(column, "-1") == "-1"
    assert for_spreadsheet(column, "=1") == "=1"


def test_csv_has_names_that_are_no_formulas_and_json_has_them_as_they_are() -> None:
    records = [{"publisher": "=A", "recommender": "-b", "value": -0.5, "metric": "-c"}]
    assert render([], records, "csv").split("\n")[1] == "'=A,'-b,-0.5,-c"
    assert '"publisher": "=A"' in render([], records, "json")


def test_every_character_that_is_escaped_is_of_a_kind_that_is_not_seen() -> None:
    kinds = {unicodedata.category(chr(code)) for code in range(0x3000) if escaped(chr(code)) != chr(code)}
    assert kinds <= {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
