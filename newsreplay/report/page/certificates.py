"""A page of many people's certificates: static HTML without a script; whatever strangers wrote is shown, not obeyed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from newsreplay.errors import RunError
from newsreplay.escaping import escaped
from newsreplay.files import written_whole
from newsreplay.report.headings import HEADLINE, format_interval, format_value, heading
from newsreplay.report.page.page import asset, source_hash
from newsreplay.simulator.certificates import Certificate, CertifiedPair, ReadCertificates, digest_of_json

LONGEST = 160  #: characters of a stranger's text
METRICS = (HEADLINE, "session_success@1", "auc", "ndcg@10")
STYLE = """
table { border-collapse: collapse; width: 100%; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
"""
SAYS = (
    "A certificate proves nothing by itself: whoever writes one can write anything into it. Digests that add up and "
    "certificates that agree tell of no mistake; only replaying a run proves what it says. Rows marked “replayed "
    "here” gave these answers and results when the machine that wrote this page ran them itself, "
    "with newsreplay verify RUN --certificate."
)


class _Row(NamedTuple):
    file: str
    certificate: Certificate
    pair: CertifiedPair
    replayed: bool


def write_certificates(read: ReadCertificates, path: Path) -> None:
    """Write the page, whole or not at all. Raises `RunError` if it cannot be written."""
    try:
        with written_whole(path) as work:
            work.write_bytes(certificates_page(read))
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def certificates_page(read: ReadCertificates) -> bytes:
    """The page in UTF-8: a table per log, options and publisher, best first, then what was refused and why."""
    groups: dict[tuple[str, str], list[_Row]] = {}
    for file, certificate in read.kept.items():
        key = certificate["data"]["digest"], digest_of_json(certificate["options"])
        for place, pair in enumerate(certificate["pairs"]):
            groups.setdefault(key, []).append(_Row(file, certificate, pair, (file, place) in read.replayed))
    style = asset("page.css") + STYLE
    body = ["<h1>Certified runs</h1>", f'<p class="note">{_text(SAYS, len(SAYS))}</p>']
    for rows in sorted(groups.values(), key=lambda rows: (rows[0].certificate["data"]["name"], rows[0].file)):
        body += _group(rows)
    if read.refused:
        items = (f"<li><b>{_text(one.file)}</b>: {_text(one.why)}</li>" for one in read.refused)
        body += ["<h2>Refused</h2>", "<ul>", *items, "</ul>"]
    policy = f"default-src 'none'; style-src {source_hash(style)}; base-uri 'none'; form-action 'none'"
    head = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Certified runs</title>\n<style>{style}</style>\n</head>\n<body>\n<main>",
    ]
    return "\n".join([*head, *body, "</main>\n</body>\n</html>\n"]).encode()


def _group(rows: Sequence[_Row]) -> list[str]:
    first = rows[0].certificate
    options = ", ".join(f"{name} {json.dumps(value)}" for name, value in first["options"].items() if value)
    lines = [
        f"<h2>{_text(first['data']['name'])} ({_text(first['data']['kind'])})</h2>",
        f'<p class="note">log {_text(first["data"]["digest"])}; options: {_text(options, 600)}</p>',
    ]
    for publisher in dict.fromkeys(row.pair["publisher"] for row in rows):
        lines += _table(publisher, [row for row in rows if row.pair["publisher"] == publisher])
    return lines


def _table(publisher: str, rows: Sequence[_Row]) -> list[str]:
    metrics = [metric for metric in METRICS if any(_value(row, metric) is not None for row in rows)]
    best = metrics[0] if metrics else ""
    ordered = sorted(rows, key=lambda row: (bool(row.pair["leaks"]), -(_value(row, best) or 0.0), row.file))
    heads = [*map(_headed, metrics), "check", "replayed here", "by", "newsreplay", "file"]
    lines = [f"<h3>{_text(publisher)}</h3>", '<div class="box"><table><thead><tr><th>recommender</th>']
    lines += [*(f"<th>{_text(head)}</th>" for head in heads), "</tr></thead><tbody>"]
    for row in ordered:
        check = row.certificate["checks"].get(row.pair["recommender"])
        name = row.pair["recommender"] + (f" (leaks: {row.pair['leaks']})" if row.pair["leaks"] else "")
        name += " FAILED" if row.pair["status"] != "done" else ""
        verdict = "none" if check is None else "passed" if check["passed"] else "not passed"
        title = "" if check is None else check["verdict"]
        cells = [
            *(_cell(row, metric) for metric in metrics),
            f'<span title="{_text(title, 600)}">{verdict}</span>',
            '<span class="badge certain">replayed here</span>' if row.replayed else "no",
            _text(row.certificate["by"]) or "-",
            _text(f"{row.certificate['newsreplay']}, code {row.certificate['code'][:8]}"),
            _text(row.file),
        ]
        lines.append(f"<tr><td>{_text(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return [*lines, "</tbody></table></div>"]


def _headed(metric: str) -> str:
    known = heading(metric)
    return f"{known.text}, {known.unit}" if known.unit else known.text


def _value(row: _Row, metric: str) -> float | None:
    result = row.pair["results"].get(metric)
    return None if result is None else result[0]


def _cell(row: _Row, metric: str) -> str:
    value, low, high, _ = row.pair["results"].get(metric, [None] * 4)
    text = format_value(value, metric)
    if value is None or low is None or high is None:
        return _text(text)
    return _text(f"{text} {format_interval(value, low, high, metric)}")


def _text(text: str, longest: int = LONGEST) -> str:
    """A stranger's text: escapes for what a page or a terminal would obey, cut where it is too long."""
    text = escaped(text)
    text = escape(text if len(text) <= longest else f"{text[: longest - 1]}…")
    return text.encode("ascii", "xmlcharrefreplace").decode()
