"""One publisher of a prepared data set: its log, its articles, its requests and sessions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from newsreplay.log.catalog import Articles
from newsreplay.log.rows import ASKING, Asks, Column, DType, ExtraColumn, Log

NOBODY = "nobody"  #: what readers and sessions are called that have no id; numbered by first appearance

REQUEST_DTYPES: dict[str, DType] = {"row": np.dtype(np.int32), "previous": np.dtype(np.int32)}
UPDATE_DTYPES: dict[str, DType] = {
    "row": np.dtype(np.int64),
    "item": np.dtype(np.int32),
    "recommendable": np.dtype(np.bool_),
}


class Requests(NamedTuple):
    """One publisher's reads in log order, each of which asked for a slate."""

    row: Column  #: int32[requests], log row
    previous: Column  #: int32[requests], the request before it in its session, -1 = none
    active: Column | None = None  #: float32[requests], seconds on the article, NaN = not measured; None = never


class Sessions(NamedTuple):
    """One publisher's sessions by code."""

    id: pa.Array  #: string[sessions]
    last: Column  #: int32[sessions], last request, -1 = none (nothing but impressions, or before the log)
    reads: Column  #: int32[sessions]
    first_time: Column  #: int64[sessions], ms, of the first read


class Publisher(NamedTuple):
    """One publisher's log with all that a run needs to know about it."""

    name: str
    log: Log
    articles: Articles
    users: pa.Array  #: string[users], ids
    requests: Requests
    sessions: Sessions
    session_ids: bool = True  #: the source has session ids; without, a session is a visit of its user
    extra: tuple[ExtraColumn, ...] = ()  #: further columns of the log that were kept

    @property
    def whole_log(self) -> Log:
        """The log with the columns that were kept, as it is replayed."""
        return self.log._replace(extra=self.extra)

    @property
    def whole_articles(self) -> Articles:
        """The articles with the ids of readers, as they are replayed."""
        return self.articles._replace(readers=self.users)


SESSION_DTYPES: dict[str, DType] = {
    "last": np.dtype(np.int32),
    "reads": np.dtype(np.int32),
    "first_time": np.dtype(np.int64),
}


def request_rows(publisher: Publisher, asks: Asks) -> Column:
    """The log rows that ask for slates: int32[requests], in log order."""
    rows: Column = publisher.requests.row
    return rows if asks == "reads" else np.flatnonzero(publisher.log.kind == ASKING[asks]).astype(np.int32)
