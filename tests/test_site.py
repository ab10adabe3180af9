"""The site: every page of the docs in its navigation, and built without a warning where mkdocs is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import newsreplay
from tests.scripts import script

ROOT = Path(__file__).parent.parent


def test_the_navigation_has_every_page_once() -> None:
    named = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(named) == sorted([*pages, "python.md"])


def test_the_page_of_the_python_interface_begins_with_what_one_begins_with() -> None:
    page = script("site_pages", "scripts").python_page()
    assert "```" not in page  # the docstring is Markdown
    assert f"\n{(newsreplay.__doc__ or '').splitlines()[4]}\n" in page
    listed = re.findall(r"^::: newsreplay\.api\.(\w+)$", page, re.M)
    assert listed[:8] == ["run", "resume", "add", "extend", "Run", "open", "leaderboard", "compare"]
    assert {*listed} == {name for name in newsreplay.__all__ if not name.isupper() and not name.startswith("_")}


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed (extra docs): the site was not built")
def test_the_site_is_built_without_a_warning_and_has_the_python_interface(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "python" / "index.html").read_text("utf-8")
    for name in newsreplay.__all__:
        assert name.startswith("__") or name in page, name
    tutorial = (tmp_path / "tutorial" / "index.html").read_text("utf-8")
    assert "https://github.com/newsreplay/newsreplay/blob/main/examples/clicks.csv" in tutorial
    assert not re.search(r'(src|href)="https?://(?!github\.com/newsreplay|squidfunk|[\w.]+/)', page)
