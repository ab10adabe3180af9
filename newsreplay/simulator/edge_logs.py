"""Logs at the edges of what a recommender may be shown: nothing, one article, strangers only, huge pools, ties."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.log.catalog import Articles, bare_articles
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log

START = 1_600_000_000_000  #: ms since the epoch
SECOND = 1_000  #: ms


class EdgeRow(NamedTuple):
    """A row to come; of an outcome, the pool is that of the impression before it."""

    kind: int
    item: int = -1
    reader: int = -1  #: user and session
    pool: int = 0  #: an impression shows the articles 0 … pool - 1


def empty_log() -> tuple[Log, Articles]:
    """No row, and no article."""
    return _log([])


def publications_only(articles: int = 5) -> tuple[Log, Articles]:
    """Articles that nobody reads."""
    return _log([EdgeRow(PUBLISH, item) for item in range(articles)])


def strangers_only(readers: int = 200) -> tuple[Log, Articles]:
    """Every reader comes once: some to be shown articles, some to read, some had read before the log."""
    rows = [EdgeRow(PUBLISH, item) for item in range(10)]
    for reader in range(readers):
        if reader % 3 == 0:
            rows += [EdgeRow(IMPRESSION, -1, reader, 5), EdgeRow(OUTCOME, -1, reader)]
        else:
            rows.append(EdgeRow(HISTORY if reader % 3 == 1 else READ, reader % 10, reader))
    return _log(rows)


def one_article(rounds: int = 50) -> tuple[Log, Articles]:
    """A single article, shown and read again and again by three readers."""
    rows = [EdgeRow(PUBLISH, 0)]
    for number in range(rounds):
        reader = number % 3
        rows += [EdgeRow(IMPRESSION, -1, reader, 1), EdgeRow(OUTCOME, -1, reader), EdgeRow(READ, 0, reader)]
    return _log(rows)


def huge_pools(candidates: int = 3_000) -> tuple[Log, Articles]:
    """Three impressions of a whole large catalogue, and reads of it."""
    rows = [EdgeRow(PUBLISH, item) for item in range(candidates)]
    for reader in range(3):
        rows += [
            EdgeRow(IMPRESSION, -1, reader, candidates),
            EdgeRow(OUTCOME, -1, reader),
            EdgeRow(READ, 7 * reader, reader),
        ]
    return _log(rows)


def ties_only(articles: int = 60) -> tuple[Log, Articles]:
    """All that may be counted is equal but clicks: every article is known, shown and read once, all at one instant."""
    rows = [EdgeRow(PUBLISH, item) for item in range(articles)]
    rows += [EdgeRow(IMPRESSION, -1, 0, articles), EdgeRow(OUTCOME, -1, 0)]
    rows += [EdgeRow(READ, item, item) for item in range(articles)]
    log, all_articles = _log(rows)
    return log._replace(time=np.full_like(log.time, START)), all_articles


def _log(rows: list[EdgeRow]) -> tuple[Log, Articles]:
    kind = np.array([row.kind for row in rows], np.uint8)
    shown = np.cumsum(kind == IMPRESSION) - 1
    reader = np.array([row.reader for row in rows], np.int32)
    # Codes count up by first appearance; reads from before the log are in no session.
    session = np.where(kind == HISTORY, -1, reader)
    seen = np.unique(session[session >= 0])
    session = np.where(session >= 0, np.searchsorted(seen, session), -1)
    pools = [row.pool for row in rows if row.kind == IMPRESSION]
    log = make_log(
        time=START + SECOND * np.arange(len(rows)),
        kind=kind,
        session=session,
        user=reader,
        item=[row.item for row in rows],
        category=np.full(len(rows), -1),
        impression=np.where((kind == IMPRESSION) | (kind == OUTCOME), shown, -1),
        pools={
            "at": np.cumsum([0, *pools]),
            "item": np.concatenate([np.arange(0), *map(np.arange, pools)]),
            "clicked": np.concatenate([np.zeros(0, bool), *(np.arange(pool) % 3 == 0 for pool in pools)]),
        },
    )
    articles = bare_articles(log)
    titles = pa.array([f"about number {item}" for item in range(len(articles.id))], pa.large_string())
    first = np.array([int(np.argmax(log.item == item)) for item in range(len(articles.id))], np.int64)
    return log, articles._replace(texts={"title": (titles, first)})
