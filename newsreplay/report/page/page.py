"""One HTML file that shows a run: tables, plots and all, with nothing fetched from anywhere.

The numbers are embedded as JSON and everything seen is drawn from them in the browser, by the `SCRIPTS` beside
this file, as text nodes: a name is never read as HTML. A content security policy lets the page run these scripts
and nothing else, and forbids it any request.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from newsreplay.errors import RunError
from newsreplay.escaping import escaped
from newsreplay.files import written_whole
from newsreplay.report import colours
from newsreplay.report.headings import heading, titled
from newsreplay.report.ranking import RULE
from newsreplay.report.records import ReportContents

DIGITS = 9  #: significant digits of the numbers on the page, so that they round as in a table

SCRIPTS = ("basics.js", "plots.js", "leaderboard.js", "page.js")


def write_page(contents: ReportContents, path: Path) -> None:
    """Write `contents` (of `newsreplay.report.contents`) as a page to `path`: whole, or not at all.

    Equal contents give equal bytes. Raises `RunError` if `path` cannot be written, ValueError if a number is
    neither finite nor None.
    """
    page = page_of(contents)
    try:
        with written_whole(path) as work:
            work.write_bytes(page)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def page_of(contents: ReportContents) -> bytes:
    """The page in UTF-8; what the names hold is escaped to ASCII, so that they need not be Unicode at all."""
    style = _colours() + asset("page.css")
    scripts = [asset(name) for name in SCRIPTS]
    title = titled(contents["title"], contents.get("asks", "reads"))
    shown = {**contents, "title": title}
    hashes = " ".join(source_hash(script) for script in scripts)
    parts = {
        "policy": f"default-src 'none'; script-src {hashes}; style-src {source_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        "title": html.escape(escaped(title)).encode("ascii", "xmlcharrefreplace").decode(),
        "style": style,
        "data": embedded({"contents": _rounded(shown), "headings": _headings(contents), "ranking": RULE}),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda part: parts[part[1]], asset("page.html")).encode()


def embedded(data: object) -> str:
    r"""JSON that can stand in a script element: no text in it can end the element or open a comment.

    >>> embedded({"name": "</script>\u2028"})
    '{"name":"\\u003c/script\\u003e\\u2028"}'
    """
    text = json.dumps(data, separators=(",", ":"), sort_keys=True, allow_nan=False)  # ASCII, so U+2028 is escaped
    return re.sub("[<>&]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _colours() -> str:
    """The colours of series and causes as variables of CSS, on light ground, on dark ground and in print."""
    light = _variables(colours.SERIES, colours.CAUSES, colours.REST)
    dark = _variables(colours.DARK_SERIES, colours.DARK_CAUSES, colours.DARK_REST)
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {light} }}\n"


def _variables(series: Sequence[str], causes: Sequence[str], rest: str) -> str:
    variables = [f"--s{number}: {colour};" for number, colour in enumerate(series)]
    variables += [f"--c{number}: {colour};" for number, colour in enumerate(causes)]
    return f":root {{ {' '.join(variables)} --rest: {rest}; }}"


def asset(name: str) -> str:
    """A file beside this one."""
    return (files("newsreplay.report.page") / name).read_text("utf-8")


def source_hash(text: str) -> str:
    """What a content security policy knows a script or a style sheet by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _rounded(data: object) -> object:
    if isinstance(data, float):
        return float(f"{data:.{DIGITS}g}")
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_rounded(value) for value in data]
    return data


def _headings(contents: ReportContents) -> dict[str, dict[str, object]]:
    metrics = set()
    for publisher in contents["publishers"]:
        metrics |= {publisher["headline"], *publisher["metrics"]}
        metrics |= {metric for cut in publisher["slices"] for metric in cut["metrics"]}
        if publisher["over_time"]:
            metrics.add(publisher["over_time"]["metric"])
    asks, reward = contents.get("asks", "reads"), contents.get("reward")
    return {metric: heading(metric, asks, reward)._asdict() for metric in metrics}
