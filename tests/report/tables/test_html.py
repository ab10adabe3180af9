"""Tables as notebooks show them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from newsreplay.report.tables.html import html
from newsreplay.report.tables.tables import BEST, LEVEL, Cell, ReportTable, plain_text


def parsed(table: ReportTable) -> ET.Element:
    text = html(table).replace("&nbsp;", " ").replace("<br>", "<br/>")  # as XML has them
    return ET.fromstring(f"<div>{text}</div>")


def texts(rows: list[ET.Element]) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in rows]


def test_it_has_the_groups_the_marks_the_intervals_and_the_notes() -> None:
    row = [Cell("1.0", "±0.5", BEST), Cell("2.0", "", LEVEL, "s0.1"), Cell("3.0", "(1–2)")]
    table = ReportTable("name", [("A", "E@1"), ("A", "P@1"), ("", "rank")], [("x", row)], ["one", "two"], title="Title")
    tree = parsed(table)
    assert texts(tree.findall(".//thead/tr")) == [["", "A", ""], ["name", "E@1", "P@1", "rank"]]
    assert [cell.get("colspan") for cell in tree.findall(".//thead/tr/th")[1:3]] == ["2", "1"]
    assert texts(tree.findall(".//tbody/tr")) == [["x", "1.0 ±0.5", "2.0 † s0.1", "3.0 (1–2)"]]
    assert [bold.text for bold in tree.iter("b")] == ["Title", "1.0"]
    assert ["".join(paragraph.itertext()) for paragraph in tree.findall("p")] == ["Title", "onetwo"]


@given(st.text(max_size=30))
def test_whatever_names_hold_is_shown_and_nothing_else_is_there(text: str) -> None:
    table = ReportTable(text, [(text, text)], [(text, [Cell("1")])], [text], caption=text)
    tree = parsed(table)
    assert {element.tag for element in tree.iter()} <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert texts(tree.findall(".//tbody/tr")) == [[plain_text(text), "1"]]
