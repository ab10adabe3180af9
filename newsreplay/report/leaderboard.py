"""Leaderboards: publishers side by side, one row a recommender."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import NamedTuple

from tabulate import tabulate

from newsreplay.errors import RunError
from newsreplay.report.run_folder import Run
from newsreplay.simulator.metrics import Result

FORMATS = ("table", "json", "csv", "markdown", "latex")
SHOWN = {"E@1": "event_success@1", "P@1": "session_success@1"}
PAPER_SCALE = 100_000
LONGEST = 120  #: characters of a name; json and csv have it whole


class Board(NamedTuple):
    """The cells of a leaderboard: values by recommender and (publisher, heading)."""

    publishers: list[str]
    recommenders: list[str]  #: best mean rank first
    cells: dict[tuple[str, str, str], float]  #: (recommender, publisher, heading) → value
    ranks: dict[str, float]  #: recommender → mean rank over the publishers by E@1
    failed: set[tuple[str, str]]  #: (recommender, publisher)


def leaderboard(runs: Sequence[Run], *, style: str = "table", paper_scale: bool = False) -> str:
    """The leaderboard of one or more runs as text.

    `style` is one of `FORMATS`; json and csv hold every metric with its interval. With `paper_scale`
    E and P are multiplied by 100,000 as in Kille & Lommatzsch (2019), else they are per cent.
    """
    results, pairs = _merged(runs)
    if style == "json":
        return json.dumps([result._asdict() for result in results], indent=1, ensure_ascii=False)
    if style == "csv":
        return _csv(results)
    board = _board(results, pairs)
    table = _table(board, style, paper_scale)
    return f"{table}\n\n{_footer(runs, paper_scale)}" if style == "table" else table


Pairs = dict[tuple[str, str], bool]  #: (recommender, publisher) → failed


def _merged(runs: Sequence[Run]) -> tuple[list[Result], Pairs]:
    """The results and pairs of all runs; where two runs have the same row, the run's folder tells them apart."""
    digests: dict[str, tuple[str, Run]] = {}
    taken: dict[tuple[str, str], Run] = {}
    merged: list[Result] = []
    pairs: Pairs = {}
    for run in runs:
        for facts in run.info["publishers"]:
            digest, other = digests.setdefault(facts["publisher"], (facts["digest"], run))
            if digest != facts["digest"]:
                raise RunError(
                    f"{facts['publisher']} is another log in {run.folder} than in {other.folder}; "
                    "one table cannot hold both, show them one at a time"
                )
        names = {}
        for pair in run.info["pairs"]:
            key = (pair["recommender"], pair["publisher"])
            names[key] = key[0] if taken.setdefault(key, run) is run else f"{key[0]} [{run.folder}]"
            pairs[names[key], key[1]] = pair["status"] == "failed"
        merged += [result._replace(recommender=names[result.recommender, result.publisher]) for result in run.results]
    return merged, pairs


def _csv(results: Sequence[Result]) -> str:
    return "\n".join(_csv_line(row) for row in (Result._fields, *results))


def _csv_line(row: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # quotes what contains a carriage return, too
    return text.getvalue().removesuffix("\r\n")


def _board(results: Sequence[Result], pairs: Pairs) -> Board:
    names = list(dict.fromkeys(name for name, _ in pairs))
    publishers = list(dict.fromkeys(publisher for _, publisher in pairs))
    headings = {metric: heading for heading, metric in SHOWN.items()}
    cells = {
        (result.recommender, result.publisher, headings[result.metric]): result.value
        for result in results
        if result.metric in headings and result.value is not None
    }
    ranks = {name: _mean_rank(name, names, publishers, cells) for name in names}
    failed = {pair for pair, has_failed in pairs.items() if has_failed}
    return Board(publishers, sorted(names, key=lambda name: ranks[name]), cells, ranks, failed)


def _mean_rank(name: str, names: list[str], publishers: list[str], cells: dict[tuple[str, str, str], float]) -> float:
    """Rank by E@1, equal values sharing theirs, averaged over the publishers; a missing value comes last."""
    ranks = []
    for publisher in publishers:
        values = [cells.get((other, publisher, "E@1"), -1.0) for other in names]
        mine = cells.get((name, publisher, "E@1"), -1.0)
        better, equal = sum(value > mine for value in values), values.count(mine)
        ranks.append(better + (equal + 1) / 2)
    return sum(ranks) / len(ranks)


def _table(board: Board, style: str, paper_scale: bool) -> str:
    columns = [(publisher, heading) for publisher in board.publishers for heading in SHOWN]
    best = {
        (publisher, heading): max(
            (board.cells.get((name, publisher, heading), -1.0) for name in board.recommenders), default=-1.0
        )
        for publisher, heading in columns
    }
    rows = []
    for name in board.recommenders:
        row = [_plain_text(name, style)]
        for publisher, heading in columns:
            value = board.cells.get((name, publisher, heading))
            if value is None:
                row.append("failed " if (name, publisher) in board.failed else "- ")
            else:
                row.append(_cell(value, value == best[publisher, heading], paper_scale))
        rows.append([*row, f"{board.ranks[name]:.1f}"])
    between = "\n" if style == "table" else " "
    headers = [
        "recommender",
        *(f"{_plain_text(publisher, style)}{between}{heading} " for publisher, heading in columns),
        f"mean{between}rank" if len(board.publishers) > 1 else "rank",
    ]
    kind = {"table": "simple", "markdown": "pipe", "latex": "latex_booktabs"}[style]
    align = ("left", *("right" for _ in headers[1:]))
    # What is not the best ends in a blank, so that the points stand below each other.
    return str(tabulate(rows, headers, tablefmt=kind, colalign=align, disable_numparse=True, preserve_whitespace=True))


def _cell(value: float, best: bool, paper_scale: bool) -> str:
    text = f"{value * PAPER_SCALE:.0f}" if paper_scale else f"{100 * value:.3f}"
    return f"{text}{'*' if best else ' '}"


def _plain_text(text: str, style: str = "table", longest: int = LONGEST) -> str:
    """Strangers' words, without what would break a line, a terminal or a Markdown cell."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|") if style == "markdown" else text


def _footer(runs: Sequence[Run], paper_scale: bool) -> str:
    unit = f"times {PAPER_SCALE:,}" if paper_scale else "in per cent"
    lines = [
        f"E@1, P@1: event- and session-level success at 1, {unit}; * best of its column; rank by E@1",
    ]
    for run in runs:
        lines += [_plain_text(line, longest=2_000) for line in _run_lines(run)]
    return "\n".join(lines)


def _run_lines(run: Run) -> list[str]:
    info = run.info
    data = info["data"]
    scored = ", ".join(
        f"{facts['publisher']} {facts['scored_sessions']:,} of {facts['sessions']:,}" for facts in info["publishers"]
    )
    lines = [f"data: {data['name']}; sessions scored: {scored}"]
    lines += [f"LEAKS THE FUTURE: {text}" for text in data["leaks"]]
    lines += [f"made up: {text}" for text in data["made_up"]]
    if data["rejected"]:
        lines.append(f"rejected: {data['rejected']:,} of {data['rows_in']:,} rows could not be used")
    lines += [_long_line(facts) for facts in info["publishers"] if facts["hits"]]
    for pair in info["pairs"]:
        if pair["status"] == "failed":
            lines.append(f"FAILED: {pair['recommender']} on {pair['publisher']}: {pair['error']}")
        elif "dropped" in pair:
            drops = ", ".join(f"{count:,} {what}" for what, count in pair["dropped"].items() if count)
            lines.append(f"dropped from the slates of {pair['recommender']} on {pair['publisher']}: {drops}")
    lines.append(f"{run.timing['seconds']:.1f} s; the run lies in {run.folder}")
    return lines


def _long_line(facts: dict[str, int]) -> str:
    share = facts["hits_of_longest"] / facts["hits"]
    return f"the longest 1 % of {facts['publisher']}'s scored sessions bring {share:.1%} of all hits at 1"
