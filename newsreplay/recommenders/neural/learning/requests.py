"""What was known at requests, as a model is told it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from newsreplay.errors import RecommenderError
from newsreplay.log.growing import with_room
from newsreplay.log.rows import HOUR, Column, Event
from newsreplay.recommenders.neural.articles.article_table import ArticleTable
from newsreplay.recommenders.neural.learning.samples import Samples, stretches
from newsreplay.recommenders.neural.models.model import NewsModel
from newsreplay.recommenders.neural.stream.state import Captures

#: names that `NewsModel.context` may have, beside those of `KEPT`
CONTEXT = ("category", "subcategory", "age", "hour", "session")
KEPT = "kept_"  #: before the name of a column that was kept when the data were prepared
NUMBERS = 1 << 20  #: what its texts are told apart by


def signals_of(model: type[NewsModel], head: Sequence[str]) -> tuple[str, ...]:
    """The signals of candidates that are noted for a model and its head, by name."""
    aged = ("known_hours",) if "age" in model.context else ()
    return tuple(dict.fromkeys([*model.signals, *head, *aged]))


class KeptNumbers:
    """The texts that rows have in the columns that were kept and a model is told of, as numbers, row by row.

    A text has the same number in every log, from 0 to `NUMBERS` - 1; -1 where a row has none.
    """

    def __init__(self, context: Sequence[str]):
        self.columns = [name.removeprefix(KEPT) for name in context if name.startswith(KEPT)]
        self.numbers = np.full((0, len(self.columns)), -1, np.int32)

    def note(self, event: Event) -> None:
        """Take in what was kept of a row. Raises `RecommenderError` where a column was not."""
        if not self.columns:
            return
        self.numbers = with_room(self.numbers, event.row + 1, -1)
        for place, column in enumerate(self.columns):
            if column not in event.extra:
                raise RecommenderError(
                    f"the model is told of the column {column!r}, which these data do not have: prepare them with "
                    f"--keep {column}"
                )
            text = event.extra[column]
            self.numbers[event.row, place] = -1 if text is None else number_of(text)

    def of(self, name: str, row: Column) -> Column:
        """The numbers of rows in a column, named as in the context."""
        numbers: Column = self.numbers[row, self.columns.index(name.removeprefix(KEPT))]
        return numbers


@lru_cache(1 << 16)
def number_of(text: str) -> int:
    """A number of 20 bits for a text, in every log the same: models embed it, or a remainder of it."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % NUMBERS


class Context:
    """The context of reads and of candidates, float32[..., names]. Raises `ValueError` for an unknown name."""

    def __init__(self, names: Sequence[str], articles: ArticleTable, signals: Sequence[str], kept: KeptNumbers):
        unknown = {name for name in names if not name.startswith(KEPT)} - {*CONTEXT}
        if unknown:
            raise ValueError(
                f"no context is called {min(unknown)!r}; there are {', '.join(CONTEXT)}, and {KEPT}NAME of a column"
            )
        self.names = tuple(names)
        self.articles = articles
        self.kept = kept
        self._known = signals.index("known_hours") if "age" in names else -1

    def of_reads(self, slots: Column, time: Column, age: Column, session: Column, row: Column) -> Column:
        """Of what was read: [B, H] each, but the time, ms, and the row of the request, int64[B]."""
        columns = {
            "category": lambda: self.articles.categories(slots),
            "subcategory": lambda: self.articles.subcategories(slots),
            "age": lambda: age,
            "hour": lambda: (time[:, None] / HOUR - age) % 24,
            "session": lambda: session,
        }
        return self._stacked(columns, slots, row[:, None])

    def of_candidates(self, slots: Column, time: Column, signals: Column, row: Column) -> Column:
        """Of candidates, whose shape `slots`, `time` and `row` (of the request) share; signals [..., names]."""
        columns = {
            "category": lambda: self.articles.categories(slots),
            "subcategory": lambda: self.articles.subcategories(slots),
            "age": lambda: signals[..., self._known],
            "hour": lambda: (time / HOUR) % 24,
            "session": lambda: np.ones(slots.shape),
        }
        return self._stacked(columns, slots, row)

    def _stacked(self, columns: dict[str, Callable[[], Column]], slots: Column, row: Column) -> Column:
        out = np.empty((*slots.shape, len(self.names)), np.float32)
        for place, name in enumerate(self.names):
            out[..., place] = self.kept.of(name, row) if name.startswith(KEPT) else columns[name]()
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
    lengths = np.diff(captured.at)
    time, row = np.repeat(captured.time, lengths), np.repeat(captured.row, lengths)
    return RequestBatch(
        users_of(captured.user),
        history,
        captured.history_signals,
        context.of_reads(history, captured.time, captured.history_age, captured.history_session, captured.row),
        captured.at,
        slots,
        captured.signals,
        context.of_candidates(slots, time, captured.signals, row),
        captured.time,
        captured.user,
    )
