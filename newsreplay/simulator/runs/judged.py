"""What a metric of one's own is worked out from: the judged columns of one recommender on one publisher of a run."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from newsreplay.errors import NewsreplayError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import Asks, Column
from newsreplay.simulator.judgement.measures import IMPRESSIONS
from newsreplay.simulator.runs.columns import Impressions, Reads, ScoredRequests, ScoredSessions, scored_sessions
from newsreplay.simulator.runs.folder import RunFolder, dataset_of

Over = Literal["session", "read", "request", "impression"]


class Ratio(NamedTuple):
    """What a metric of one's own returns: it is the sum of `above` divided by the sum of `below`.

    Made by `JudgedColumns.per_session` and its like, which check it.
    """

    over: Over  #: what has an entry each
    above: Column  #: float64[n]
    below: Column  #: float64[n], 0 or more; where both are 0 nothing is counted


class ScoredColumns:
    """What is scored of one publisher, the same for all recommenders; read when it is asked for, and not to be written.

    Raises `RunError` where the run's files cannot be read.
    """

    def __init__(self, run: RunFolder, publisher: str):
        self.run, self.publisher = run, publisher

    @cached_property
    def reads(self) -> Reads:
        """The reads of the scored sessions, session by session."""
        return _fixed(self.run.reads(self.publisher))

    @cached_property
    def requests(self) -> ScoredRequests:
        """The requests of the scored sessions, session by session; the reads themselves, where reads ask."""
        return _fixed(self.run.requests(self.publisher))

    @cached_property
    def sessions(self) -> ScoredSessions:
        """The scored sessions."""
        kind = self.run.facts(self.publisher)["resampled"]
        return _fixed(scored_sessions(self.requests, self.reads, kind))

    @cached_property
    def impressions(self) -> Impressions | None:
        """The scored impressions in log order; None where there are none."""
        found = self.run.impressions(self.publisher)
        return None if found is None else _fixed(found)

    @cached_property
    def data(self) -> Publisher:
        """The prepared data of the publisher. Raises `RunError` where they do not lie where they lay."""
        return dataset_of(self.run.info, self.run.folder).publisher(self.publisher)


class JudgedColumns:
    """The judged answers of one recommender on one publisher, as a metric of one's own is handed them.

    Columns are read when they are asked for; none can be written to. Raises `RunError` where one cannot be read.
    """

    def __init__(self, scored: ScoredColumns, recommender: str):
        self._scored, self._run = scored, scored.run
        self.publisher: str = scored.publisher
        self.recommender: str = recommender  #: its spec, as the run shows it
        self.k = int(self._run.info["options"]["k"])  #: length of slates
        #: whether late answers count as none (`--strict-deadline`), though `slates` has them as they came
        self.strict_deadline = bool(self._run.info["options"]["strict_deadline"])
        self.asks: Asks = self._run.asks  #: what asked for slates: "reads" or "impressions"

    @property
    def sessions(self) -> ScoredSessions:
        """The scored sessions: `session`, `time` (ms UTC of the first request), `length` (reads), `returning` …"""
        return self._scored.sessions

    @property
    def reads(self) -> Reads:
        """The reads of the scored sessions: `row`, `time`, `session`, `position`, `age`, `category` …"""
        return self._scored.reads

    @property
    def requests(self) -> ScoredRequests:
        """The requests of the scored sessions: `row`, `time`, `session`, `relevant` …"""
        return self._scored.requests

    @property
    def impressions(self) -> Impressions:
        """The scored impressions: `row`, `time`, `session`, `candidates` … Raises `NewsreplayError` without any."""
        if self._scored.impressions is None:
            raise NewsreplayError(f"{self.publisher} has no scored impressions")
        return self._scored.impressions

    @property
    def data(self) -> Publisher:
        """The prepared data behind the run: `data.log.item[reads.row]`, `data.articles`; codes as in `slates`.

        Raises `RunError` where they do not lie where they lay.
        """
        return self._scored.data

    @cached_property
    def place(self) -> Column:
        """At which place (from 1) a slate of earlier times had the article of each read: int16[reads]; else below 1."""
        return _read_only(self._run.places(self.publisher, self.recommender))

    @cached_property
    def relevant(self) -> Column:
        """Which places of each slate hold an article that is relevant: bool[requests, k]."""
        bits = self._run.matches(self.publisher, self.recommender)
        return _read_only(np.unpackbits(bits, axis=1, count=self.k, bitorder="little").astype(bool))

    @cached_property
    def slates(self) -> Column:
        """The slates, article codes best first, -1 where a slate ends: int32[requests, k].

        Raises `RunError` where the run keeps none.
        """
        answers = np.concatenate([*self._run.slate_stretches(self.publisher, self.recommender)])
        return _read_only(answers[np.searchsorted(self._run.request_rows(self.publisher), self.requests.row)])

    @cached_property
    def rankings(self) -> dict[str, Column]:
        """`auc`, `mrr`, `mrr_first`, `ndcg@5`, `ndcg@10` and `tied` of each impression: float64[impressions].

        NaN where the recommender scores no impressions.
        """
        ranked = self._run.rankings(self.publisher, self.recommender)
        shape = len(self.impressions.row), len(IMPRESSIONS)
        values = np.full(shape, np.nan) if ranked is None else ranked.values
        return {name: _read_only(values[:, place]) for place, name in enumerate(IMPRESSIONS)}

    def sum_by_session(self, values: object, over: Literal["read", "request"] = "read") -> Column:
        """What numbers of reads, or of requests, add up to in each session: float64[sessions]."""
        numbers = self._numbers(values, over, "sum_by_session")
        codes = (self.reads if over == "read" else self.requests).session
        return np.bincount(np.searchsorted(self.sessions.session, codes), numbers, len(self.sessions.session))

    def per_session(self, above: object, below: object | None = None) -> Ratio:
        """A mean over the scored sessions: a number each, float[sessions], weighed by `below`, which is 1 if left out.

        The metric is the sum of `above` by that of `below`. A session where either is NaN does not count. Raises
        `NewsreplayError` for anything else than such columns.
        """
        return self._ratio("session", above, below)

    def per_read(self, above: object, below: object | None = None) -> Ratio:
        """The same over the reads of the scored sessions, float[reads]."""
        return self._ratio("read", above, below)

    def per_request(self, above: object, below: object | None = None) -> Ratio:
        """The same over the requests of the scored sessions, float[requests]."""
        return self._ratio("request", above, below)

    def per_impression(self, above: object, below: object | None = None) -> Ratio:
        """The same over the scored impressions, float[impressions]."""
        return self._ratio("impression", above, below)

    def _ratio(self, over: Over, above: object, below: object) -> Ratio:
        numbers = self._numbers(above, over, f"per_{over}")
        divisors = self._numbers(np.ones(len(numbers)) if below is None else below, over, f"per_{over}")
        if (divisors < 0).any():
            raise NewsreplayError(f"per_{over} divides by numbers of 0 or more, not by {np.nanmin(divisors):g}")
        counts = ~(np.isnan(numbers) | np.isnan(divisors))
        return Ratio(over, np.where(counts, numbers, 0.0), np.where(counts, divisors, 0.0))

    def _numbers(self, values: object, over: Over, name: str) -> Column:
        """A column of numbers, one for each of what it is over, float64. Raises `NewsreplayError`."""
        try:
            numbers = np.asarray(values, np.float64)
        except (TypeError, ValueError):
            raise NewsreplayError(f"{name} takes columns of numbers, not {values!r:.60}") from None
        n = self._count(over)
        if numbers.shape != (n,):
            others = [other for other in _OVER if other != over and numbers.shape == (self._count(other),)]
            hint = f"; that is one for each {others[0]}, which per_{others[0]} takes" if others else ""
            wanted = f"a number for each {over}, an array of shape ({n},)"
            raise NewsreplayError(f"{name} takes {wanted}, not one of shape {numbers.shape}{hint}")
        if np.isinf(numbers).any():
            raise NewsreplayError(f"{name} was given a number that is infinite; leave out what has none with NaN")
        return numbers

    def _count(self, over: Over) -> int:
        if over == "session":
            return len(self.sessions.session)
        if over == "impression":
            found = self._scored.impressions
            return 0 if found is None else len(found.row)
        return len(self.reads.row if over == "read" else self.requests.row)


_OVER: tuple[Over, ...] = ("session", "read", "request", "impression")
_Columns = TypeVar("_Columns", bound="tuple[Any, ...]")


def _fixed(columns: _Columns) -> _Columns:
    """The same columns, none of which can be written to: all recommenders are handed them."""
    for column in columns:
        if isinstance(column, np.ndarray):
            column.setflags(write=False)
    return columns


def _read_only(column: Column) -> Column:
    column.setflags(write=False)
    return column
