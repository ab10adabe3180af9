"""The page as a file: nothing in it can end its data, nothing reaches outside, equal contents give equal bytes."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RunError
from newsreplay.report import colours
from newsreplay.report.page.page import embedded, page_of, write_page
from tests.report.made_up_contents import DEMO, HOSTILE, METRICS, made_up_contents


class Elements(HTMLParser):
    """The elements of a page, as a parser of HTML sees them: (tag, attributes, text)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}, ""))

    def handle_data(self, data: str) -> None:
        tag, attributes, text = self.found.pop() if self.found else ("", {}, "")
        self.found.append((tag, attributes, text + data))

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return [text for name, has, text in self.found if name == tag and attributes.items() <= has.items()]


def elements(contents: Any) -> Elements:
    return Elements(page_of(contents).decode())


def hostile() -> Any:
    notes = (("leak", "LEAKS THE FUTURE: it does"), *(("note", name) for name in HOSTILE))
    return made_up_contents(HOSTILE, tuple(HOSTILE[:3]), title=HOSTILE[0], notes=notes)


# --- escaping -------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none(), st.lists))
def test_what_is_embedded_reads_back_as_it_was_and_holds_no_sign_of_html(data: object) -> None:
    text = embedded(data)
    assert json.loads(text) == data
    assert text.isascii()
    assert not re.search("[<>&]", text)


@pytest.mark.parametrize("name", [*HOSTILE, "]]>", "--!>", "<!--<script>", "\u2028\u2029"])
def test_a_hostile_name_is_embedded_as_it_is(name: str) -> None:
    assert json.loads(embedded({name: name})) == {name: name}


def test_hostile_names_bring_no_elements_and_no_attributes_of_their_own() -> None:
    def shape(page: Elements) -> list[tuple[str, list[str]]]:
        return [(tag, list(attributes)) for tag, attributes, _ in page.found]

    assert shape(elements(hostile())) == shape(elements(made_up_contents()))


def test_the_title_is_escaped_and_what_is_no_unicode_does_no_harm() -> None:
    assert elements(hostile()).texts("title") == [HOSTILE[0]]
    assert r"<title>\ud800</title>" in page_of(made_up_contents(title="\ud800")).decode()


def test_the_data_of_the_page_are_the_contents() -> None:
    contents = hostile()
    (data,) = elements(contents).texts("script", id="data")
    shown = json.loads(data)["contents"]
    assert [row["recommender"] for row in shown["publishers"][0]["rows"]][:-2] == HOSTILE
    assert shown["notes"] == [list(note) for note in contents["notes"]]


def test_numbers_keep_seven_digits() -> None:
    contents = made_up_contents(["random"], ("A",))
    contents["publishers"][0]["rows"][0]["results"]["event_success@1"] = [0.123456789, 1e-9 / 3, None, 12_345_678_901]
    (data,) = elements(contents).texts("script", id="data")
    row = json.loads(data)["contents"]["publishers"][0]["rows"][0]
    assert row["results"]["event_success@1"] == [0.123456789, 3.33333333e-10, None, 12_345_678_901]


def test_every_metric_on_the_page_has_its_heading_and_meaning() -> None:
    contents = made_up_contents()
    contents["publishers"][1]["slices"][0]["metrics"].append("auc")
    contents["publishers"][2]["over_time"]["metric"] = "of_a_plugin@3"
    (data,) = elements(contents).texts("script", id="data")
    headings = json.loads(data)["headings"]
    assert set(headings) == {*METRICS, "auc", "of_a_plugin@3"}
    assert headings["event_success@1"]["text"] == "E@1"
    assert headings["age@10"]["unit"] == "h"
    assert headings["auc"]["meaning"].startswith("per impression: chance")


def test_a_number_that_is_none_is_refused() -> None:
    contents = made_up_contents(["random"], ("A",))
    contents["publishers"][0]["ceiling"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        page_of(contents)


# --- one file, no network -------------------------------------------------------------------------------


def test_the_policy_lets_run_what_the_page_brought_and_nothing_else() -> None:
    page = elements(made_up_contents())
    (policy,) = [
        has["content"] or "" for tag, has, _ in page.found if has.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    scripts = [text for tag, has, text in page.found if tag == "script" and not has]
    assert len(scripts) == 4
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [sha256(script) for script in scripts]
    assert rules["style-src"].split() == [sha256(style) for style in page.texts("style")]


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_nothing_on_the_page_names_an_address() -> None:
    page = elements(made_up_contents())
    assert not [attributes for _, attributes, _ in page.found if {"src", "href", "srcset", "style"} & set(attributes)]
    (style,) = page.texts("style")
    assert "url(" not in style
    assert "@import" not in style
    scripts = " ".join(text for tag, has, text in page.found if tag == "script" and not has)
    assert set(re.findall(r"https?://[^\"'\s]+", scripts)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|fetch\(", scripts)


# --- colours --------------------------------------------------------------------------------------------


def test_the_colours_of_the_page_are_those_of_the_pictures() -> None:
    (style,) = elements(made_up_contents()).texts("style")
    light, dark, printed = re.findall(r":root \{ (--s0.*?) \}", style)[:3]
    for block, series, causes, rest in (
        (light, colours.SERIES, colours.CAUSES, colours.REST),
        (dark, colours.DARK_SERIES, colours.DARK_CAUSES, colours.DARK_REST),
        (printed, colours.SERIES, colours.CAUSES, colours.REST),
    ):
        expected = {f"--s{number}": colour for number, colour in enumerate(series)}
        expected |= {f"--c{number}": colour for number, colour in enumerate(causes)} | {"--rest": rest}
        assert dict(re.findall(r"(--\w+): ([^;]+);", block)) == expected
    assert len(re.findall(r"--(?:s\d|c\d|rest):", style)) == 3 * len(expected)  # set nowhere else
    assert {*re.findall(r"\.c(\d) \{", style)} == {str(number) for number in range(len(colours.CAUSES))}
    script = " ".join(elements(made_up_contents()).texts("script"))
    assert f"n % {len(colours.CAUSES)}" in script


# --- size, bytes, writing -------------------------------------------------------------------------------


def test_the_22_baselines_at_one_publisher_take_well_under_a_megabyte() -> None:
    assert len(DEMO) == 22
    assert len(page_of(made_up_contents(publishers=("A",)))) < 400_000


def test_equal_contents_give_equal_bytes() -> None:
    contents = made_up_contents()
    turned = json.loads(json.dumps(contents), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert page_of(contents) == page_of(copy.deepcopy(contents)) == page_of(turned)


def test_a_run_without_intervals_costs_and_slices_has_a_page() -> None:
    assert page_of(made_up_contents(bare=True))


def test_a_page_is_written_whole_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_page(made_up_contents(["random"], ("A",)), path)
    write_page(made_up_contents(["recency"], ("A",)), path)
    assert path.read_bytes() == page_of(made_up_contents(["recency"], ("A",)))
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*report\.html"):
        write_page(made_up_contents(["random"], ("A",)), tmp_path / "report.html")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*page\.html"):
        write_page(made_up_contents(["random"], ("A",)), tmp_path / "file" / "page.html")


def test_the_page_takes_neither_matplotlib_nor_pandas() -> None:
    unwanted = "{'matplotlib', 'pandas', 'numba', 'pyarrow'}"
    code = f"import sys; import newsreplay.report.page.page; print({unwanted} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
