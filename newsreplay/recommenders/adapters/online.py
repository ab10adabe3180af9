"""A model that learns example by example, as a recommender: what it is asked, what it learns from and when.

There are two copies of the model, since which of the articles shown is clicked is another question than which of all
alive is read: one rates the candidates of impressions, the other the articles alive for slates.

- An impression is asked at its row and learned from when its outcome is known, with the features that it was asked
  with: the copy for impressions learns what was clicked beside what was passed over, the one for slates what was
  clicked beside `negatives` articles alive, drawn at random at the impression.
- In a log without impressions the copy for slates learns from reads: the article of each, beside `negatives` articles
  alive, from what was known just before.

In a replay no answer changes the log, so rows wait until there are many (`Deferred`) and one compiled kernel counts
what was known at each; then the copies are asked and taught in the order in which that happened.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from newsreplay.kernels.mixing import key_of
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import ASKING, DAY, HOUR, IMPRESSION, OUTCOME, Column, Event
from newsreplay.recommenders.adapters.features import Categories, features
from newsreplay.recommenders.base import Deferred, Recommender, SelfReport
from newsreplay.recommenders.neural.stream.signals import ROLLING
from newsreplay.recommenders.neural.stream.state import ASKED, SAMPLED, StreamOptions, rows_of_events
from newsreplay.recommenders.neural.stream.stream import Stream
from newsreplay.spec import whole

HISTORY = 30  #: latest reads of a reader that features are made of
WAITING = 512  #: rows that are taken in together
PATIENCE = DAY  #: an impression without an outcome by then is given up


class OfferedArticles(NamedTuple):
    """Articles that a model is asked about, or learns from."""

    user: int
    items: list[int]
    features: Column  #: float64[articles, features], see `newsreplay.recommenders.adapters.features.FEATURES`
    read: Sequence[int]  #: what the reader had read lately, by code or handle, oldest first

    def some(self, places: Sequence[int]) -> OfferedArticles:
        """Those at some places."""
        return OfferedArticles(self.user, [self.items[place] for place in places], self.features[[*places]], self.read)


class Learner(Protocol):
    """A model of one replay."""

    def rate(self, offered: OfferedArticles) -> Sequence[float]:
        """How likely each article is to be read, or clicked, on any scale; higher is better."""
        ...

    def learn(self, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """Learn which of them were."""
        ...


Key = tuple[int, tuple[int, ...]]  #: an impression's session and pool, by which its outcome is found


class _OpenImpression(NamedTuple):
    """An impression whose outcome is not known."""

    key: Key
    time: int
    shown: int  # how many of the articles; those behind were drawn
    offered: OfferedArticles


class _TakenOutcome(NamedTuple):
    """An outcome that has not been learned from."""

    number: int
    impression: int
    clicked: tuple[bool, ...]


class Online(Recommender):
    """Base class of recommenders made of an online model; a subclass says which one.

    Rows are numbered in the order in which they are taken in: a read that is held back comes behind later rows.
    """

    slow: ClassVar[bool] = True

    def __init__(self, candidates: int, negatives: int, hours: int):
        self.candidates = whole("candidates", candidates, at_least=1)
        self.negatives = whole("negatives", negatives, at_least=1)
        self.hours = whole("hours", hours, at_least=1)

    def learner(self) -> Learner:
        """A model that has learned nothing of this replay."""
        raise NotImplementedError(f"{type(self).__name__} has no learner()")

    def described(self, catalog: Catalog) -> Categories:
        """What is known of articles besides what is counted."""
        return Categories(catalog)

    def start(self, catalog: Catalog) -> None:
        """See `Recommender.start`."""
        self.catalog = catalog
        self.categories = self.described(catalog)
        self.of_impressions, self.of_slates = self.learner(), self.learner()
        self.known = self.users = 0
        self.taken = 0  # rows that the stream has taken in
        self.queue: list[Event] = []
        # By number, and whether it is a slate; beside each how many articles were asked for.
        self.deferred: dict[tuple[int, bool], tuple[Deferred, int]] = {}
        self.waiting: dict[Key, deque[tuple[int, int]]] = {}  # numbers and times of impressions without an outcome
        self.asked: dict[int, _OpenImpression] = {}
        self.told: deque[_TakenOutcome] = deque()
        self.seconds = {"updating": 0.0, "answering": 0.0}
        self.answers = 0
        delays, requests = self.setting.feedback_delay, self.setting.requests
        self.patience = PATIENCE + delays.outcomes
        self.asks = ASKED if delays.reads and requests == "reads" else ASKING[requests]
        self.stream = Stream(
            StreamOptions(
                HISTORY,
                alive_ms=self.hours * HOUR,
                candidates=self.candidates,
                sampled=self.negatives,
                drawn=True,
                slates=self.asks,
                leaves_out=self.setting.exclude != "nothing",
                ages=True,
                keep_reads=not catalog.frozen,
                key=np.uint64(int(key_of(self.setting.seed, "sampled")) >> 1),
            ),
            signals=ROLLING,
        )

    def score(self, request: Event, pool: Sequence[int]) -> Deferred:
        """How the model rates each candidate."""
        self._make_room(request)
        waiting = self.waiting.setdefault((request.session, request.pool), deque())
        waiting.append((self.taken + len(self.queue), request.time))
        self.queue.append(request)
        return self._defer(slate=False, k=0)

    def learn(self, event: Event) -> None:
        """Take in a row; impressions are taken in by `score`."""
        if event.kind != IMPRESSION:
            self._make_room(event)
        self._take_category(event)
        if event.kind == IMPRESSION:
            return
        if event.kind == OUTCOME:
            self._take_outcome(event)
        self.queue.append(event)

    def recommend(self, request: Event, k: int) -> Deferred:
        """Those articles alive that the model rates highest, of equal ones the one read last."""
        if self.asks == ASKED:  # its read will be learned later
            self._make_room(request)
            self._take_category(request)
            self.queue.append(request._replace(kind=ASKED))
        return self._defer(slate=True, k=k)

    def settle(self) -> None:
        """Ask and teach the model what waits, in order."""
        if not self.queue:
            return
        events, first = self.queue, self.taken
        self.queue = []
        self.taken += len(events)
        captures = self.stream.advance(rows_of_events(events)._replace(row=np.arange(first, self.taken)))
        told = features(captures, self.categories)
        items, at = captures.item.tolist(), captures.at.tolist()
        columns = (captures.row, captures.kind, captures.time, captures.user, captures.shown)
        reads = [row[:length].tolist() for row, length in zip(captures.history, captures.length.tolist(), strict=True)]
        asked = zip(reads, *(column.tolist() for column in columns), at[:-1], at[1:], strict=True)
        for read, number, kind, when, user, shown, begin, end in asked:
            self._learn_outcomes(number)
            offered = OfferedArticles(user, items[begin:end], told[begin:end], read)
            if kind == SAMPLED:
                self._teach(self.of_slates, offered, [True] * shown)
            elif kind == IMPRESSION:
                rates = self._rate(self.of_impressions, offered.some(range(shown)))
                self.deferred.pop((number, False))[0].answer = rates
                event = events[number - first]
                self.asked[number] = _OpenImpression((event.session, event.pool), when, shown, offered)
            else:
                rated = np.asarray(self._rate(self.of_slates, offered))
                deferred, k = self.deferred.pop((number, True))
                best = np.argsort(-rated, kind="stable")[:k]
                deferred.answer = [offered.items[place] for place in best.tolist()]
        self._learn_outcomes(self.taken)
        self._give_up(events[-1].time)

    def self_report(self) -> SelfReport:
        """What it learned from, and what that cost."""
        drawn = f"each beside {self.negatives} articles alive, drawn at random"
        notes = () if self.stream.impressions_seen else (f"no impressions in this log: it learns from reads, {drawn}",)
        return SelfReport(
            notes, updating=self.seconds["updating"], answering=self.seconds["answering"], answers=self.answers
        )

    def _defer(self, slate: bool, k: int) -> Deferred:
        """The answer to the row taken in last."""
        deferred = Deferred()
        self.deferred[self.taken + len(self.queue) - 1, slate] = deferred, k
        return deferred

    def _make_room(self, event: Event) -> None:
        """What must be done before a row is taken in."""
        if len(self.queue) >= WAITING:
            self.settle()
        if event.user >= self.users:
            self.users = event.user + 1
            before = self.catalog.before(event.user)[-HISTORY:]
            for item in before:
                self.categories.note(item)
            if before:
                self.stream.profile(event.user, before)

    def _take_category(self, event: Event) -> None:
        """What a row adds to what is known of its article; requests that wait are answered from what was before."""
        if event.item >= self.known:
            self.known = event.item + 1
            self.categories.note(event.item)
        elif event.item >= 0 and self.categories.has_more(event):
            self.settle()
            self.categories.note(event.item)

    def _take_outcome(self, event: Event) -> None:
        """That of the oldest such impression in its session."""
        waiting = self.waiting.get((event.session, event.pool))
        if waiting:
            impression, when = waiting.popleft()
            if when > event.time - self.patience:
                self.told.append(_TakenOutcome(self.taken + len(self.queue), impression, event.clicked))

    def _learn_outcomes(self, before: int) -> None:
        while self.told and self.told[0].number < before:
            _, impression, clicked = self.told.popleft()
            _, _, shown, offered = self.asked.pop(impression)
            self._teach(self.of_impressions, offered.some(range(shown)), clicked)
            hits = [place for place in range(shown) if clicked[place]]
            if hits:
                with_drawn = offered.some([*hits, *range(shown, len(offered.items))])
                self._teach(self.of_slates, with_drawn, [True] * len(hits))

    def _teach(self, learner: Learner, offered: OfferedArticles, clicked: Sequence[bool]) -> None:
        """Teach a model which were clicked; those behind were not."""
        begun = time.perf_counter()
        learner.learn(offered, (*clicked, *(False,) * (len(offered.items) - len(clicked))))
        self.seconds["updating"] += time.perf_counter() - begun

    def _rate(self, learner: Learner, offered: OfferedArticles) -> Sequence[float]:
        begun = time.perf_counter()
        rates = learner.rate(offered) if offered.items else ()
        self.seconds["answering"] += time.perf_counter() - begun
        self.answers += 1
        return rates

    def _give_up(self, now: int) -> None:
        """Forget the impressions that no outcome has come of for long."""
        while self.asked:
            number, asked = next(iter(self.asked.items()))
            if asked.time > now - self.patience:
                return
            del self.asked[number]
            waiting = self.waiting.get(asked.key)
            if waiting and waiting[0][0] == number:
                waiting.popleft()
            if waiting is not None and not waiting:
                del self.waiting[asked.key]
