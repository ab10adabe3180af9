"""The rows of a log as a plain-Python recommender is shown them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from newsreplay.log.rows import LOG_DTYPES, OUTCOME, Column, Event, Excludes, ExtraColumn, Log


def _with_extra(
    kind: type[Any], names: tuple[str, ...], fields: tuple[Any, ...], values: tuple[str | None, ...]
) -> Any:
    event = tuple.__new__(kind, fields)
    event.extra = dict(zip(names, values, strict=True))
    return event


def events(
    kind: type[Event],
    log: Log,
    extra: tuple[ExtraColumn, ...],
    first: int,
    end: int,
    exclude: Excludes = "current",
) -> Iterator[Event]:
    """The events of rows first … end - 1, with what was kept of their further columns."""
    fields = zip(range(first, end), *_columns(log, first, end), repeat(exclude), strict=False)
    if not extra:
        return map(partial(tuple.__new__, kind), fields)  # kind._make, without its check of the length
    texts = [(*column.values, None) for column in extra]
    values = zip(
        *([text[code] for code in column.code[first:end].tolist()] for column, text in zip(extra, texts, strict=True)),
        strict=True,
    )
    return map(partial(_with_extra, kind, tuple(column.name for column in extra)), fields, values)


def _columns(log: Log, first: int, end: int) -> Iterator[Iterable[object]]:
    """The fields of the events of rows first … end - 1 after the first one, `row`, up to `clicked`."""
    for name in LOG_DTYPES:
        if name != "impression":
            yield getattr(log, name)[first:end].tolist()
    if len(log.pools.at) == 1:
        yield repeat(())
        yield repeat(())
        return
    impressions = log.impression[first:end].tolist()
    outcomes = np.where(log.kind[first:end] == OUTCOME, log.impression[first:end], -1).tolist()
    yield map(partial(_candidates, log.pools.at, log.pools.item), impressions)
    yield map(partial(_candidates, log.pools.at, log.pools.clicked), outcomes)


def _candidates(at: Column, values: Column, impression: int) -> tuple[int | bool, ...]:
    # A copy: a view would lead to the pools and clicks of all impressions.
    return tuple(values[at[impression] : at[impression + 1]].tolist()) if impression >= 0 else ()
