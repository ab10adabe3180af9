"""What was known at requests, as a model is told it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from newsreplay.log.rows import HOUR, Column
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.learning.samples import Samples, stretches
from newsreplay.recommenders.neural.models.model import NewsModel
from newsreplay.recommenders.neural.stream.state import Captures

CONTEXT = ("category", "age", "hour", "session")  #: names that `NewsModel.context` may have


def signals_of(model: type[NewsModel], head: Sequence[str]) -> tuple[str, ...]:
    """The signals of candidates that are noted for a model and its head, by name."""
    aged = ("known_hours",) if "age" in model.context else ()
    return tuple(dict.fromkeys([*model.signals, *head, *aged]))


class Context:
    """The context of reads and of candidates, float32[..., names]. Raises `ValueError` for an unknown name."""

    def __init__(self, names: Sequence[str], articles: ArticleTable, signals: Sequence[str]):
        unknown = {*names} - {*CONTEXT}
        if unknown:
            raise ValueError(f"no context is called {min(unknown)!r}; there are {', '.join(CONTEXT)}")
        self.names = tuple(names)
        self.articles = articles
        self._known = signals.index("known_hours") if "age" in names else -1

    def of_reads(self, slots: Column, time: Column, age: Column, session: Column) -> Column:
        """Of what was read: [B, H] each, but the time of the request, int64[B], ms."""
        columns = {
            "category": lambda: self.articles.categories(slots),
            "age": lambda: age,
            "hour": lambda: (time[:, None] / HOUR - age) % 24,
            "session": lambda: session,
        }
        return self._stacked(columns, slots)

    def of_candidates(self, slots: Column, time: Column, signals: Column) -> Column:
        """Of candidates, whose shape `slots` and `time` share; signals [..., names]."""
        columns = {
            "category": lambda: self.articles.categories(slots),
            "age": lambda: signals[..., self._known],
            "hour": lambda: (time / HOUR) % 24,
            "session": lambda: np.ones(slots.shape),
        }
        return self._stacked(columns, slots)

    def _stacked(self, columns: dict[str, Callable[[], Column]], slots: Column) -> Column:
        out = np.empty((*slots.shape, len(self.names)), np.float32)
        for place, name in enumerate(self.names):
            out[..., place] = columns[name]()
        return out


PER_PLACE = ("slot", "signals", "context")  #: fields of a `RequestBatch` that have a row a candidate


class RequestBatch(NamedTuple):
    """n requests by slot: what readers had read, and what is to be scored for them."""

    user: Column  #: int64[n], rows of the table of users
    history: Column  #: int64[n, H], 0 = padding
    history_signals: Column  #: float32[n, H, signals]
    history_context: Column  #: float32[n, H, context]
    at: Column  #: int64[n + 1]
    slot: Column  #: int64[places]
    signals: Column  #: float32[places, signals]
    context: Column  #: float32[places, context]
    time: Column  #: int64[n], ms
    reader: Column  #: int32[n], codes of the log

    def some(self, which: Column) -> RequestBatch:
        """Some of the requests, int64[m], in that order."""
        places, at = stretches(self.at, which)
        columns = {
            name: getattr(self, name)[places if name in PER_PLACE else which] for name in self._fields if name != "at"
        }
        return RequestBatch(at=at, **columns)

    def candidates(self, which: Column) -> RequestBatch:
        """The same requests with some of their candidates, bool[places]."""
        at = np.concatenate([[0], np.cumsum(which)])[self.at]
        return self._replace(at=at, slot=self.slot[which], signals=self.signals[which], context=self.context[which])


def batch_of(
    captured: Captures | Samples, articles: ArticleTable, context: Context, users_of: Callable[[Column], Column]
) -> RequestBatch:
    """Requests by slot, from what was captured at them."""
    history, slots = articles.slots(captured.history), articles.slots(captured.item)
    time = np.repeat(captured.time, np.diff(captured.at))
    return RequestBatch(
        users_of(captured.user),
        history,
        captured.history_signals,
        context.of_reads(history, captured.time, captured.history_age, captured.history_session),
        captured.at,
        slots,
        captured.signals,
        context.of_candidates(slots, time, captured.signals),
        captured.time,
        captured.user,
    )
