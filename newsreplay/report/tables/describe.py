"""What a data set holds, as text: the rows of Table 1 of Kille & Lommatzsch (2019), then its card."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from tabulate import tabulate

from newsreplay.datasets.base import PublisherCard
from newsreplay.datasets.store import Dataset
from newsreplay.escaping import escaped


def describe(dataset: Dataset) -> str:
    """A table with one column per publisher, and what was kept, left out and made up."""
    card = dataset.card
    publishers = card["publishers"]
    rows = [
        [label, *(cell(facts) for facts in publishers)]
        for label, cell, needed in _ROWS
        if needed is None or any(facts.get(needed) for facts in publishers)
    ]
    headers = [escaped(name) for name in (card["name"], *dataset.publishers)]
    align = ("left", *("right" for _ in publishers))
    table = tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True)
    return "\n".join([table, "", *map(escaped, _card_lines(dataset))])


def _card_lines(dataset: Dataset) -> list[str]:
    card = dataset.card
    origin = {"source": card["source"], "licence": card["licence"]}
    lines = [f"{label}: {text}" for label, text in origin.items() if text]
    lines += card["notes"]
    lines += [f"LEAKS THE FUTURE: {text}" for text in card["leaks"]]
    lines += [f"made up: {text}" for text in card["made_up"]]
    lines += [f"left out: {count:,} rows: {rule}" for rule, count in card["dropped"].items()]
    if card["rejected"]:
        lines.append(
            f"rejected: {card['rejected']:,} of {card['rows_in']:,} rows, see {dataset.folder / 'rejects.csv'}"
        )
    if card["splits"]:
        lines.append(f"splits: {', '.join(card['splits'])}")
    return [*lines, f"digest: {card['digest']}", f"prepared in: {dataset.folder}"]


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _share(facts: PublisherCard) -> str:
    return f"{facts['single_read_sessions'] / facts['sessions']:.1%}"


def _mean(facts: PublisherCard, what: Literal["candidates", "clicks"]) -> str:
    return f"{facts[what] / facts['impressions']:.2f}" if facts["impressions"] else "-"


# label, cell, and the fact without which no publisher has a value
_ROWS: list[tuple[str, Callable[[PublisherCard], str], str | None]] = [
    ("events (reads)", lambda facts: f"{facts['reads']:,}", None),
    ("sessions", lambda facts: f"{facts['sessions']:,}", None),
    ("single-event sessions", lambda facts: f"{facts['single_read_sessions']:,}", None),
    ("share of single-event sessions", _share, None),
    ("mean session length", lambda facts: f"{facts['mean_session_length']:.2f}", None),
    ("longest session", lambda facts: f"{facts['longest_session']:,}", None),
    ("readers", lambda facts: f"{facts['users']:,}", None),
    ("impressions", lambda facts: f"{facts['impressions']:,}", "impressions"),
    ("impressions with known outcome", lambda facts: f"{facts['outcomes']:,}", "impressions"),
    ("candidates per impression", lambda facts: _mean(facts, "candidates"), "impressions"),
    ("clicks per impression", lambda facts: _mean(facts, "clicks"), "outcomes"),
    ("reads from before the log", lambda facts: f"{facts['history_reads']:,}", "history_reads"),
    ("readers with a profile", lambda facts: f"{facts.get('profiles', 0):,}", "profiles"),
    ("articles known", lambda facts: f"{facts['articles']:,}", None),
    ("articles read", lambda facts: f"{facts['articles_read']:,}", None),
    ("categories", lambda facts: f"{facts['categories']:,}", None),
    ("first read (UTC)", lambda facts: _day(facts["first"]), None),
    ("last read (UTC)", lambda facts: _day(facts["last"]), None),
    ("span in days", lambda facts: f"{(facts['last'] - facts['first']) / 86_400_000:.1f}", None),
]
