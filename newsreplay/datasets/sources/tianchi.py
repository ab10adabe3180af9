"""Tianchi: the click logs of Alibaba's news recommendation contest for beginners, with the columns of Globo.com's.

Facts of the format that shape this reader:

- `train_click_log.csv`, `testA_click_log.csv` and `testB_click_log.csv` have the columns `user_id`, `click_article_id`
  and `click_timestamp` (ms UTC), and six of the client. Their readers are different ones, so all files that are there
  are one log. The last click of every reader of a test file was kept back by the contest.
- There are no session ids: sessions are visits of readers, split by time when the data are prepared.
- `articles.csv` is Globo.com's `articles_metadata.csv` without the publisher. `articles_emb.csv` has vectors of the
  articles, whose training is not told; they are not read.
- All cells are whole numbers, as in Globo.com's files, whose reader reads these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from newsreplay.datasets.base import Plan
from newsreplay.datasets.reading.parts import text_parts
from newsreplay.datasets.reading.sizes import SIZES, ReadSizes
from newsreplay.datasets.sources.globo import SESSIONLESS, decimal_notes, read_part
from newsreplay.errors import DataError

PUBLISHER = "tianchi"
PAGE = "https://tianchi.aliyun.com/competition/entrance/531842"
CLICK_FILES = ("train_click_log.csv", "testA_click_log.csv", "testB_click_log.csv")
ARTICLE_FILE = "articles.csv"
TESTS = "The last click of every reader of the test files was kept back by the contest."


def plan_tianchi(path: Path, *, keep: Sequence[str] = (), sizes: ReadSizes = SIZES) -> Plan:
    """Every click of the click logs in a folder, in file order, and the articles of `articles.csv`, if that is there.

    All ids are kept as they stand in the file, decimals of whole numbers (`12.0`) apart. Times from 1990 up to 2100 are
    accepted. Rejects, rows in and columns that are kept are as `plan_globo` says.

    Raises `DataError` when no click log is there; reading them, when they cannot be read or lack a column.
    """
    files = [path / name for name in CLICK_FILES if (path / name).is_file()]
    if not files:
        raise DataError(
            f"{path}: none of {', '.join(CLICK_FILES)} is there. Get the files from {PAGE}, which wants a login, and "
            "put them into one folder"
        )
    articles = path / ARTICLE_FILE
    parts = [part._replace(role=SESSIONLESS) for file in files for part in text_parts(file, sizes=sizes)]
    if articles.is_file():
        parts += [part._replace(role="articles") for part in text_parts(articles, sizes=sizes)]
    return Plan(
        parts=parts,
        read=partial(read_part, keep=keep),
        publisher=PUBLISHER,
        notes=lambda counts: _notes(counts, [file.name for file in files], articles.is_file()),
        made_up=[TESTS] if len(files) > 1 or files[0].name != CLICK_FILES[0] else [],
        source=f"News recommendation contest for beginners (Tianchi): {PAGE}",
        licence="The terms of use are on the contest's page. newsreplay does not pass these data on.",
    )


def _notes(counts: Counter[str], files: list[str], described: bool) -> list[str]:
    notes = [f"clicks: {counts['clicks']:,}, of {', '.join(files)}; times in milliseconds UTC; no session ids"]
    notes += decimal_notes(counts)
    if not described:
        return [*notes, f"no {ARTICLE_FILE}: publication times and categories of the articles are unknown"]
    return [*notes, f"articles with metadata: {counts['articles']:,}"]
