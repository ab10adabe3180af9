"""The catalog: what a plain-Python recommender may ask about articles, and nothing that is not known yet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.simulator.log import Column, Log


class Articles(NamedTuple):
    """One publisher's articles by code, with the rows from which on each fact is known."""

    id: pa.Array  #: string[articles], the publisher's own ids
    published: Column  #: int64[articles], ms: the time of the row that made it known
    category: Column  #: int32[articles], -1 = none
    category_row: Column  #: int64[articles], first row that tells it
    title: pa.Array  #: string[articles], null = none
    title_row: Column  #: int64[articles], first row that tells it
    categories: pa.Array  #: string[categories], names by code


def bare_articles(log: Log) -> Articles:
    """Articles without ids and titles of their own, for logs made by hand.

    Ids and category names are the codes as text.
    """
    items, first = np.unique(log.item, return_index=True)
    n, rows = len(items), len(log.item)
    category = np.full(n, -1, np.int32)
    category_row = np.full(n, rows, np.int64)
    told = np.flatnonzero(log.category >= 0)[::-1]
    category[log.item[told]] = log.category[told]
    category_row[log.item[told]] = told
    count = int(category.max(initial=-1)) + 1
    return Articles(
        pa.array([str(item) for item in range(n)], pa.large_string()),
        log.time[first],
        category,
        category_row,
        pa.nulls(n, pa.large_string()),
        np.full(n, rows, np.int64),
        pa.array([str(code) for code in range(count)], pa.large_string()),
    )


class Catalog:
    """The known articles: codes 0 … `known` - 1. Asking for any other raises KeyError."""

    __slots__ = ("_articles", "known", "row")

    def __init__(self, articles: Articles):
        self._articles = articles
        self.row = -1  #: the row shown last; the engine moves it along
        self.known = 0  #: number of known articles

    def _check(self, item: int) -> int:
        if not 0 <= item < self.known:
            raise KeyError(f"article {item} is not known yet; known are the codes 0 to {self.known - 1}")
        return item

    def id(self, item: int) -> str:
        """The publisher's own id of an article."""
        return str(self._articles.id[self._check(item)].as_py())

    def published(self, item: int) -> int:
        """When the article became known, ms since the epoch, UTC."""
        return int(self._articles.published[self._check(item)])

    def category(self, item: int) -> str | None:
        """The article's category, if it has been told by now."""
        if self._articles.category_row[self._check(item)] > self.row:
            return None
        return str(self._articles.categories[int(self._articles.category[item])].as_py())

    def title(self, item: int) -> str | None:
        """The article's title, if it has been told by now."""
        if self._articles.title_row[self._check(item)] > self.row:
            return None
        return str(self._articles.title[item].as_py())
