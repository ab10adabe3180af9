"""The documentation says what the code does, and leads somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import newsreplay
from newsreplay.cli import main
from newsreplay.simulator.replay.walk import walk

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
ONE_EVENT = (ROOT / "docs" / "one-event.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?<!\\)\[[^][]*\]\(([^()\s]+)\)")


def prose(page: Path) -> str:
    """A page without its blocks and snippets of code."""
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ +(.+)$", BLOCK.sub("", page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """The relative links of a page, pictures included."""
    return [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page_and_picture_of_the_docs_once() -> None:
    index = ROOT / "docs" / "index.md"
    named = [link for link in links(index) if not link.startswith("..")]
    assert sorted(named) == sorted(set(named))
    pages = {page.relative_to(index.parent).as_posix() for page in index.parent.rglob("*.md")} - {index.name}
    assert {link for link in named if link.endswith(".md")} == pages


def test_the_readme_is_shorter_than_two_screens() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 110
    assert max(map(len, lines)) <= 120


def test_the_loop_on_the_page_of_one_event_is_the_loop() -> None:
    [quoted] = [code for language, code in BLOCK.findall(ONE_EVENT) if language == "python"]
    source = re.sub(r" +# (type: ignore|noqa).*$", "", inspect.getsource(walk), flags=re.M)  # notes to linters
    assert quoted == source


def cells(text: str, heading: str) -> list[list[str]]:
    """The rows of the page's table with this heading."""
    table = text[text.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip("* ") for cell in line.strip("|").split("|")] for line in table]


def test_one_event_becomes_what_its_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [lines] = [code for language, code in BLOCK.findall(ONE_EVENT) if language == "csv"]
    commands, table = (code for language, code in BLOCK.findall(ONE_EVENT) if not language)
    monkeypatch.chdir(tmp_path)
    Path("clicks.csv").write_text(lines)

    done = CliRunner().invoke(main, commands.split()[1:])
    assert done.exit_code == 0, done.output
    assert table in re.sub(r" +$", "", done.output, flags=re.M)

    log = newsreplay.find_data("clicks.csv").publisher("clicks").log
    columns = (np.arange(6), log.time, log.kind, log.session, log.user, log.item, log.category)
    shown = cells(ONE_EVENT, "| row | time | kind |")
    assert [[row[2], *map(int, row[:2]), *map(int, row[3:])] for row in shown] == [
        ["read", *row[:2], *row[3:]] for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    assert set(log.kind.tolist()) == {newsreplay.READ}

    slates = newsreplay.Run("runs/six").slates("clicks", "circular")
    [[row, time, session, user, item, slate]] = cells(ONE_EVENT, "| row | time | session | user | item | slate |")
    one = slates[slates.row == int(row)].iloc[0]
    assert (str(one.time), one.session, one.user, one["item"]) == (f"{time}+00:00", session, user, item)
    assert f"[{', '.join(one.slate)}]" == slate
