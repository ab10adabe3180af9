"""The log: one publisher's rows in event-time order, as columns.

A log is sorted once, when it is prepared (`newsreplay.datasets.store`), and never again: whoever walks it
walks rows from 0 to n. Codes of articles, readers, sessions and categories are dense and given by first
appearance, so that at any row the known articles are exactly the codes 0, 1, … up to the highest one seen,
and a code tells nothing of the future.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

PUBLISH = 0  #: an article becomes known, or changes
READ = 3  #: a session opens an article
KIND_NAMES = {PUBLISH: "publish", READ: "read"}
# 1 and 2 are kept for impressions and outcomes: kinds are numbered in the order in which they happen
# among rows of equal time, so that sorting by (time, kind) is the whole rule.

HOUR = 3_600_000  #: milliseconds
DAY = 24 * HOUR

Column = npt.NDArray[Any]


class Event(NamedTuple):
    """One row as plain scalars. A read is also the request that it raises: who, when, the article on screen."""

    row: int  #: position in the log, from 0
    time: int  #: milliseconds since the epoch, UTC
    kind: int  #: `PUBLISH` or `READ`
    session: int  #: session code, -1 on publish rows
    user: int  #: reader code, -1 on publish rows
    item: int  #: article code
    category: int  #: category code of the article as far as it is known by now, -1 = none


class Log(NamedTuple):
    """One publisher's rows, struct of arrays, read-only; compiled kernels take it as it is.

    All columns have length n. `category` is the category of the row's article as far as any row up to
    this one has told it.
    """

    time: Column  #: int64[n], ms since the epoch, UTC, never decreasing
    kind: Column  #: uint8[n]
    session: Column  #: int32[n], -1 on publish rows
    user: Column  #: int32[n], -1 on publish rows
    item: Column  #: int32[n]
    category: Column  #: int32[n], -1 = none known


LOG_DTYPES: dict[str, np.dtype[Any]] = {
    "time": np.dtype(np.int64),
    "kind": np.dtype(np.uint8),
    "session": np.dtype(np.int32),
    "user": np.dtype(np.int32),
    "item": np.dtype(np.int32),
    "category": np.dtype(np.int32),
}


def make_log(**columns: Any) -> Log:
    """A `Log` from array-likes, each cast to its dtype, contiguous and read-only.

    >>> make_log(time=[5], kind=[READ], session=[0], user=[0], item=[0], category=[-1]).item.dtype
    dtype('int32')
    """
    arrays = []
    for name, dtype in LOG_DTYPES.items():
        array: Column = np.ascontiguousarray(np.asarray(columns[name], dtype))
        if array.flags.writeable:
            array = array.view()
            array.flags.writeable = False
        arrays.append(array)
    return Log(*arrays)
