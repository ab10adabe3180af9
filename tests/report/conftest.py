"""A run that holds all that a report has to show, under names chosen to break it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import newsreplay
from newsreplay.api import Run

WORDS = (
    "\\ % & _ ^ ~ $ # {}",
    "\"quotes\" 'and' `ticks` < > | --- ?`",
    "[1em]\\\\",
    "*emph* **bold** ~~gone~~ $x$ &amp; &lt;",
    "日本語 \U0001f389 שלום é ß µ",
    "two\nlines\r\x1b[31m\u202eeht",
    "<script>alert(1)</script>",
    "n" * 300,
)


class Plain(newsreplay.Recommender):
    """Newest first; scores by code."""

    def start(self, catalog: Any) -> None:
        self.catalog = catalog

    def recommend(self, request: Any, k: int) -> Any:
        return range(self.catalog.known - 1, -1, -1)

    def score(self, request: Any, pool: Any) -> Any:
        return [float(item) for item in pool]


class Failing(Plain):
    def recommend(self, request: Any, k: int) -> Any:
        raise ValueError(WORDS[0] + WORDS[1])


def _named(kind: type, name: str) -> Any:
    return type(name, (kind,), {})()


def story(publishers: tuple[str, ...]) -> pd.DataFrame:
    """Some 300 reads of 23 readers over two days; articles and categories bear the hostile names too."""
    rows = []
    for number in range(300):
        item = (number * number + number // 7) % 17
        rows.append(
            {
                "time": pd.Timestamp("2020-01-01", tz="UTC") + pd.Timedelta(minutes=9 * number),
                "publisher": publishers[number // 40 % len(publishers)],
                "user": f"u{number // 2 % 23}",
                "item": f"{item} {WORDS[item % len(WORDS)]}",
                "category": WORDS[item % len(WORDS)] if item else "",
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two publishers, impressions, answer times with a deadline, the oracle, and a recommender that fails."""
    folder: Path = tmp_path_factory.mktemp("hostile") / "run"
    run: Run = newsreplay.run(
        story(("A", WORDS[0] + WORDS[4])),
        ["recency", "circular(size=3)", "oracle", *(_named(Plain, word) for word in WORDS), _named(Failing, "%_&")],
        k=5,
        timed=True,
        deadline=100,
        preparing={"impressions": "sampled"},
        out=folder,
    )
    return run
