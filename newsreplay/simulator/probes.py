"""Logs that a check makes of others: shorter ones, with outcomes that come late, with pools in another order."""

from __future__ import annotations

import numpy as np

from newsreplay.log.catalog import Articles
from newsreplay.log.rows import LOG_DTYPES, OUTCOME, PUBLISH, READ, Column, Log, make_log
from newsreplay.simulator.overwritten import overwritten

DELAY = 600_000  #: ms, how much later outcomes come


def shortened(log: Log, articles: Articles, rows: int) -> tuple[Log, Articles]:
    """The log up to its `rows`-th row that is no publication, with what is known by then."""
    happened = np.flatnonzero(log.kind != PUBLISH)
    if len(happened) <= rows:
        return log, articles
    end = int(happened[rows - 1]) + 1
    return overwritten(log, articles, end, 0, end)


def held_back(log: Log, articles: Articles, delay: int = DELAY) -> tuple[Log, Articles]:
    """The same rows, but every outcome comes `delay` ms later, and the reads of its session and instant with it.

    Without outcomes the log stays as it is. A read that makes an article known stays where it is, too: codes count up
    by first appearance.
    """
    outcome = log.kind == OUTCOME
    if not outcome.any():
        return log, articles
    visit = (log.time - log.time[0]) * (int(log.session.max()) + 2) + log.session
    known = np.append(-1, np.maximum.accumulate(log.item)[:-1])
    late = outcome | ((log.kind == READ) & (log.item <= known) & np.isin(visit, visit[outcome]))
    time = log.time + np.where(late, delay, 0)
    rows = len(time)
    order = np.lexsort((np.arange(rows), log.kind, time))
    place = np.empty(rows, np.int64)
    place[order] = np.arange(rows)

    def moved(row: Column) -> Column:
        return np.where(row < rows, place[np.minimum(row, rows - 1)], row)

    columns = {name: getattr(log, name)[order] for name in LOG_DTYPES} | {"time": time[order]}
    extra = tuple(column._replace(code=column.code[order]) for column in log.extra)
    articles = articles._replace(
        category_row=moved(articles.category_row),
        texts={fact: (texts, moved(row)) for fact, (texts, row) in articles.texts.items()},
        profiles=articles.profiles and articles.profiles._replace(row=moved(articles.profiles.row)),
        updates=articles.updates and articles.updates._replace(row=moved(articles.updates.row)),
    )
    return make_log(**columns, pools=log.pools)._replace(extra=extra), articles


def with_pool_reversed(log: Log, impression: int) -> Log:
    """The same log, but the candidates of one impression are listed the other way round."""
    order = np.arange(len(log.pools.item))
    places = slice(log.pools.at[impression], log.pools.at[impression + 1])
    order[places] = order[places][::-1]
    return _listed(log, order)


def with_pools_sorted(log: Log, rank: Column) -> Log:
    """The same log, but every pool lists its candidates by `rank`, a number for each article."""
    impression = np.repeat(np.arange(len(log.pools.at) - 1), np.diff(log.pools.at))
    return _listed(log, np.lexsort((rank[log.pools.item], impression)))


def _listed(log: Log, order: Column) -> Log:
    """The same log with the candidates, and their clicks, in the order of their places `order`."""
    pools = log.pools._replace(item=log.pools.item[order], clicked=log.pools.clicked[order])
    columns = {name: getattr(log, name) for name in LOG_DTYPES}
    return make_log(**columns, pools=pools)._replace(extra=log.extra)
