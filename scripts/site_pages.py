"""What the site has beyond the pages of docs/: a page of the Python interface, and links that lead out of docs/.

A hook of mkdocs (mkdocs.yml).
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

import newsreplay

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

REPOSITORY = "https://github.com/newsreplay/newsreplay/blob/main/"
_LINK = re.compile(r"(?<=\]\()(?!\w+:)([^()\s#]+)")
_MODULES = ("newsreplay.testing", "newsreplay.datasets.base", "newsreplay.errors")


def on_files(files: Files, config: Any) -> Files:
    """Add the page of the Python interface."""
    from mkdocs.structure.files import File  # make_docs.py imports all scripts, with mkdocs or without

    files.append(File.generated(config, "python.md", content=python_page()))
    return files


def python_page() -> str:
    """The page in Markdown: the package's docstring, what it names in that order, modules for authors of packages."""
    text = (newsreplay.__doc__ or "").strip()
    first = {name: place for place, name in enumerate(re.findall(r"`(\w+)`", text))}
    names = [name for name in newsreplay.__all__ if not name.startswith("_") and not name.isupper()]
    names.sort(key=lambda name: first.get(name, len(first)))  # the rest stays in its order
    kinds = [f"`{name}`" for name in newsreplay.__all__ if name.isupper()]
    blocks = [
        f"::: newsreplay.api.{name}\n    options:\n      heading: newsreplay.{name}\n      toc_label: {name}"
        for name in names
    ]
    errors = f"Kinds of rows: {', '.join(kinds)}."
    modules = [f"## {module}\n\n::: {module}\n    options:\n      heading_level: 3" for module in _MODULES]
    return "\n\n".join([f"# Python\n\n{text}", errors, "## newsreplay", *blocks, *modules]) + "\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files outside docs/ lead to the repository."""
    here = posixpath.dirname(f"docs/{page.file.src_uri}")

    def led(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[1]))
        return link[1] if target.startswith("docs/") else REPOSITORY + target

    return _LINK.sub(led, markdown)
