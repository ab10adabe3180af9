"""A recommender that is a service: rows and requests go out as messages, and answers come back as articles' codes."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from newsreplay.durations import Duration, duration_text, milliseconds
from newsreplay.errors import NewsreplayError, RecommenderError, SpecError
from newsreplay.log.rows import Event
from newsreplay.recommenders.base import Deferred, Recommender, Scores, SelfReport, Slate
from newsreplay.recommenders.services.faults import ServiceFault, Tally
from newsreplay.recommenders.services.lanes import Found, Lane, MessageLine, Question, Read, ThreadedLane
from newsreplay.recommenders.services.speech import Object, Speech, scores

if TYPE_CHECKING:
    from newsreplay.log.catalog import Catalog


class Service(Recommender):
    """Base class of recommenders that are services; a subclass has the lines to one."""

    def __init__(self, name: str, speech: Speech, timeout: Duration, patience: Duration, ranks: bool):
        """`name`: as it may be shown; `timeout`: an answer that takes longer is late, and a miss; `patience`: for how
        long any answer is waited for, so that the next message finds a service that is done; `ranks`: it scores pools.
        """
        self.name, self.speech = name, speech
        limit, wait = _duration("timeout", timeout), _duration("patience", patience)
        self.late, self.timeout, self.patience = duration_text(limit), limit / 1000, max(limit, wait) / 1000
        if not isinstance(ranks, bool):
            raise SpecError(f"scores must be true or false, not {ranks!r}")
        if ranks:  # else there is no such method, and nobody asks
            self.score = self._score

    def lines(self) -> list[MessageLine]:
        """The lines to the service, at least one."""
        raise NotImplementedError

    def start(self, catalog: Catalog) -> None:
        """Connect, and say that a replay begins. Raises `RecommenderError` where nobody is there."""
        self.catalog = catalog
        self.codes: dict[str, int] = {}  # of the known articles by id
        self.tallies: list[Tally] = []
        self.lanes: list[Lane] = []
        for line in self.lines():
            try:
                line.open()
            except ServiceFault as fault:
                raise RecommenderError(f"{self.name}: {fault}; is the service running?") from None
            tally = Tally(self.name, self.late)
            self.tallies.append(tally)
            self.lanes.append(Lane(line, self.speech, tally))
        slots = threading.Semaphore(len(self.lanes))
        self.threads = [ThreadedLane(lane, slots) for lane in self.lanes] if len(self.lanes) > 1 else []
        for thread in self.threads:
            thread.start()
        self.end = weakref.finalize(self, _close, self.threads or self.lanes)  # also where the replay breaks off
        for message in self.speech.start(catalog, self.setting):
            self._tell(-1, -1, message)

    def learn(self, event: Event) -> None:
        """Tell the service of a row."""
        for message in self.speech.learn(event):
            self._tell(event.row, event.session, message)

    def recommend(self, request: Event, k: int) -> Slate:
        """Ask the service for a slate."""
        self._look_up()
        known = len(self.codes)

        def read(answer: Object, tally: Tally) -> list[int]:
            return self._slate(answer, request.row, k, known, tally)

        return cast(Slate, self._ask(request, self.speech.recommend(request, k), read, []))

    def _score(self, request: Event, pool: Sequence[int]) -> Scores:
        """Ask the service for the scores of a pool."""

        def read(answer: Object, tally: Tally) -> list[float]:
            return scores(answer, len(pool))

        return self._ask(request, self.speech.score(request), read, [-math.inf] * len(pool))

    def _look_up(self) -> None:
        """Note the ids of articles that became known; codes are given by first appearance."""
        for code in range(len(self.codes), self.catalog.known):
            self.codes[self.catalog.id(code)] = code

    def settle(self) -> None:
        """See `SupportsSettle.settle`."""
        for thread in self.threads:
            thread.wait()

    def self_report(self) -> SelfReport:
        """See `SupportsSelfReport.self_report`; the service is told nothing more."""
        self.settle()
        self.end()
        tally = Tally(self.name, self.late)
        for one in self.tallies:
            tally.add(one)
        ahead = len(self.lanes) - 1
        leaks = f"up to {ahead} messages of what comes right after a request ({ahead + 1} connections)" if ahead else ""
        return SelfReport(notes=(*tally.notes(), *self.speech.notes(self.name)), leaks=leaks)

    def _tell(self, row: int, session: int, message: bytes) -> None:
        if not self.threads:
            self.lanes[0].tell(row, message)
        elif session >= 0:
            self.threads[session % len(self.threads)].tell(row, message)
        else:  # what is no session's is told after all before it, and before all after it
            self.settle()
            self.threads[0].tell(row, message)
            self.threads[0].wait()

    def _ask(self, request: Event, messages: list[bytes], read: Read, miss: Found) -> Found | Deferred:
        for message in messages[:-1]:
            self._tell(request.row, request.session, message)
        question = Question(request.row, messages[-1], read, miss)
        if not self.threads:
            return self.lanes[0].ask(question)
        return self.threads[request.session % len(self.threads)].ask(question)

    def _slate(self, answer: Object, row: int, k: int, known: int, tally: Tally) -> list[int]:
        """The codes of a slate's first k ids, those left out that no article known at the request has."""
        slate, unknown = [], []
        for id in self.speech.items(answer)[:k]:
            code = self.codes.get(id, known)
            if code < known:
                slate.append(code)
            else:
                unknown.append(id)
        if unknown:
            tally.note_unknown(row, unknown)
        return slate


def _close(lanes: Sequence[Lane | ThreadedLane]) -> None:
    for lane in lanes:
        lane.close()


def _duration(name: str, value: Duration) -> int:
    try:
        duration = milliseconds(value)
    except NewsreplayError as error:
        raise SpecError(f"{name}: {error}") from None
    if duration < 1:
        raise SpecError(f"{name} must be at least 1ms, not {value!r}")
    return duration
