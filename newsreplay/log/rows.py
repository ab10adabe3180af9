"""The log: one publisher's rows in event-time order, as columns.

A log is sorted once, when it is prepared (`newsreplay.datasets.store`), and never again: whoever walks it
walks rows from 0 to n. Codes of articles, readers, sessions and categories are dense and given by first
appearance, so that at any row the known articles are exactly the codes 0, 1, … up to the highest one seen,
and a code holds nothing of the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt


class Kind(IntEnum):
    """The kinds of rows, in the order in which rows of equal time happen: a log is sorted by (time, kind)."""

    PUBLISH = 0  #: an article becomes known, or changes
    IMPRESSION = 1  #: these candidates were displayed to a reader
    OUTCOME = 2  #: which candidates of an impression were clicked, which were passed over
    READ = 3  #: a session opens an article
    HISTORY = 4  #: a read from before the log: to be learned from as a read, in no session, never answered or scored


# Plain numbers: what columns, events and kernels have.
PUBLISH = Kind.PUBLISH.value
IMPRESSION = Kind.IMPRESSION.value
OUTCOME = Kind.OUTCOME.value
READ = Kind.READ.value
HISTORY = Kind.HISTORY.value
KIND_NAMES = {kind.value: kind.name.lower() for kind in Kind}

Asks: TypeAlias = Literal["reads", "impressions"]  #: what asks for slates
ASKING: dict[str, int] = {"reads": READ, "impressions": IMPRESSION}  #: and the kind of these rows
#: What a request excludes: the article on screen; all that its session has read, that one included; nothing.
Excludes: TypeAlias = Literal["current", "session", "nothing"]
EXCLUDES: tuple[Excludes, ...] = get_args(Excludes)

HOUR = 3_600_000  #: milliseconds
DAY = 24 * HOUR
SESSION_GAP = HOUR  #: ms; a session ends when more than this passes without a read, unless another time is given

Column = npt.NDArray[Any]
DType = np.dtype[Any]


class Event(NamedTuple):
    """One row as plain scalars. What asks for a slate is also the request: who, when, the article on screen."""

    row: int  #: position in the log, from 0
    time: int  #: milliseconds since the epoch, UTC
    kind: int  #: a `Kind`
    session: int  #: session code, -1 on publish rows and on reads from before the log
    user: int  #: reader code, -1 on publish rows
    item: int  #: article code; on impressions and outcomes the article on screen, -1 = none
    category: int  #: category code of the article as far as it is known by now, -1 = none
    pool: Any = ()  #: article codes on impressions and their outcomes, as the source lists them; else empty
    clicked: Any = ()  #: a bool per candidate on outcomes; else empty. Both are tuples, in kernels arrays
    #: What a slate must leave out, an `Excludes`; in kernels the code of the article on screen, or -1 = nothing. What
    #: the session has read besides is taken out of the slate by the engine.
    exclude: Any = "current"

    @property
    def extra(self) -> Mapping[str, str | None]:
        """Further columns that were kept when the data were prepared, by name; None where the row has no value."""
        return NOTHING_KEPT

    @property
    def item_id(self) -> str | None:
        """The publisher's own id of `item`; None where there is none, and outside a replay."""
        return None

    @property
    def user_id(self) -> str | None:
        """The source's own id of the reader; None where there is none, and outside a replay."""
        return None

    @property
    def pool_ids(self) -> tuple[str, ...]:
        """The publisher's own ids of the candidates in `pool`; none outside a replay."""
        return ()


NOTHING_KEPT: Mapping[str, str | None] = MappingProxyType({})


class Pools(NamedTuple):
    """The candidates of all impressions of a log, one impression after the other."""

    at: Column  #: int64[impressions + 1], impression i has the places at[i] … at[i + 1] - 1
    item: Column  #: int32[places], article codes
    clicked: Column  #: bool[places]; shown with the outcome only


class ExtraColumn(NamedTuple):
    """A further column of the source that was kept."""

    name: str
    code: Column  #: int32[n], by first appearance, -1 = none
    values: tuple[str, ...]  #: the texts by code


class Log(NamedTuple):
    """One publisher's rows, struct of arrays, read-only; compiled kernels take it as it is.

    All columns have length n. `category` is the category of the row's article as far as any row up to
    this one has it.
    """

    time: Column  #: int64[n], ms since the epoch, UTC, never decreasing
    kind: Column  #: uint8[n]
    session: Column  #: int32[n], -1 on publish rows and on reads from before the log
    user: Column  #: int32[n], -1 on publish rows
    item: Column  #: int32[n], -1 on impressions and outcomes without an article on screen
    category: Column  #: int32[n], -1 = none known
    impression: Column  #: int32[n], number of the impression on impressions and outcomes, else -1
    pools: Pools
    extra: tuple[ExtraColumn, ...] = ()  #: for plain recommenders; kernels are handed none


LOG_DTYPES: dict[str, DType] = {
    "time": np.dtype(np.int64),
    "kind": np.dtype(np.uint8),
    "session": np.dtype(np.int32),
    "user": np.dtype(np.int32),
    "item": np.dtype(np.int32),
    "category": np.dtype(np.int32),
    "impression": np.dtype(np.int32),
}
POOL_DTYPES: dict[str, DType] = {
    "at": np.dtype(np.int64),
    "item": np.dtype(np.int32),
    "clicked": np.dtype(np.bool_),
}
NO_POOLS = {"at": [0], "item": [], "clicked": []}


def make_log(*, pools: Any = None, **columns: Any) -> Log:
    """A `Log` from array-likes, each cast to its dtype, contiguous and read-only.

    Without `pools` (a dict or `Pools`) there are no impressions, and `impression` may be missing.

    >>> make_log(time=[5], kind=[READ], session=[0], user=[0], item=[0], category=[-1]).item.dtype
    dtype('int32')
    """
    places = NO_POOLS if pools is None else pools._asdict() if isinstance(pools, Pools) else pools
    columns.setdefault("impression", np.full(len(columns["time"]), -1))
    fixed: dict[str, Any] = {name: _fixed(columns[name], dtype) for name, dtype in LOG_DTYPES.items()}
    return Log(
        **fixed,
        pools=Pools(*(_fixed(places[name], dtype) for name, dtype in POOL_DTYPES.items())),
    )


def cut(log: Log, end: int) -> Log:
    """The rows before a moment, ms UTC, and the impressions among them.

    >>> log = make_log(time=[5, 7, 9], kind=[READ] * 3, session=[0] * 3, user=[0] * 3, item=[0] * 3, category=[-1] * 3)
    >>> cut(log, 9).time.tolist()
    [5, 7]
    """
    return head(log, int(np.searchsorted(log.time, end)))


def end_of_first(log: Log, limit: int) -> int:
    """The row before which the first `limit` rows end, counted from the first read or impression."""
    begin = int(np.argmax((log.kind != PUBLISH) & (log.kind != HISTORY)))
    return min(begin + limit, len(log.kind))


def head(log: Log, rows: int) -> Log:
    """The first `rows` rows, and the impressions among them."""
    columns = {name: getattr(log, name)[:rows] for name in LOG_DTYPES}
    impressions = int(columns["impression"].max(initial=-1)) + 1
    at = log.pools.at[: impressions + 1]
    # A candidate's click is known by its outcome, which may lie beyond the end.
    has_outcome = np.zeros(impressions, bool)
    has_outcome[columns["impression"][columns["kind"] == OUTCOME]] = True
    clicked = log.pools.clicked[: at[-1]] & np.repeat(has_outcome, np.diff(at))
    kept = make_log(pools={"at": at, "item": log.pools.item[: at[-1]], "clicked": clicked}, **columns)
    return kept._replace(extra=tuple(_cut_extra(column, rows) for column in log.extra))


def _cut_extra(column: ExtraColumn, rows: int) -> ExtraColumn:
    code = column.code[:rows]
    return column._replace(code=code, values=column.values[: int(code.max(initial=-1)) + 1])


def _fixed(values: Any, dtype: DType) -> Column:
    array: Column = np.ascontiguousarray(np.asarray(values, dtype))
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array
