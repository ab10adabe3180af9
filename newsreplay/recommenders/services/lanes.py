"""Lanes: messages go out on a line one after the other, and what becomes of them is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple, Protocol, TypeAlias

from newsreplay.recommenders.base import Deferred
from newsreplay.recommenders.services.faults import Fault, ServiceFault, Tally
from newsreplay.recommenders.services.speech import Object, Speech

Found: TypeAlias = list[int] | list[float]  #: a slate's codes, or scores
Read: TypeAlias = Callable[[Object, Tally], Found]  # of an answer


class MessageLine(Protocol):
    """A connection, or a pipe."""

    def open(self) -> None:
        """Make ready. Raises `ServiceFault` where nobody is there."""

    def tell(self, message: bytes) -> None:
        """Say what wants no answer. Raises `ServiceFault`."""

    def ask(self, message: bytes, row: int, tally: Tally) -> Object:
        """Say what wants an answer, and wait for it. Raises `ServiceFault`."""

    def close(self) -> None:
        """Say nothing more."""


def check_in_time(begun: float, timeout: float) -> None:
    """Raise `ServiceFault` if more than `timeout` seconds have passed since `begun`, as `time.monotonic` tells it."""
    took = time.monotonic() - begun
    if took > timeout:
        raise ServiceFault(Fault.LATE, f"an answer after {took * 1000:,.0f} ms")


class Question(NamedTuple):
    """What is asked, and how its answer is read."""

    row: int
    message: bytes
    read: Read  #: raises `ServiceFault`
    miss: Found  #: the answer where there is none


class Lane:
    """One line to a service."""

    def __init__(self, line: MessageLine, speech: Speech, tally: Tally):
        self.line, self.speech, self.tally = line, speech, tally

    def tell(self, row: int, message: bytes) -> None:
        """Tell of a row."""
        self.tally.told += 1
        try:
            self.line.tell(message)
            self.tally.in_a_row[False] = 0
        except ServiceFault as fault:
            self.tally.note(row, fault, miss=False)

    def ask(self, question: Question) -> Found:
        """The answer to a question, a miss where there is none that is of use."""
        self.tally.asked += 1
        try:
            answer = self.line.ask(question.message, question.row, self.tally)
            found = question.read(answer, self.tally)
            self.tally.in_a_row[True] = 0
        except ServiceFault as fault:
            self._complain(str(fault), fault.kind)
            self.tally.note(question.row, fault, miss=True)
            return question.miss
        return found

    def _complain(self, what: str, kind: Fault) -> None:
        complaint = None if kind is Fault.REFUSED else self.speech.complain(what, kind)
        if complaint is not None:
            with suppress(ServiceFault):  # the fault is counted; whether this is heard is not
                self.line.tell(complaint)

    def close(self) -> None:
        """Nothing more is to be done."""
        self.line.close()


class ThreadedLane(threading.Thread):
    """A lane with a thread of its own: what it is handed is done in order."""

    def __init__(self, lane: Lane, slots: threading.Semaphore):
        """`slots`: as many as messages may be on their way at once, on all lanes together."""
        super().__init__(daemon=True)
        self.lane, self.slots = lane, slots
        self.queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.error: Exception | None = None

    def run(self) -> None:
        """Do what is handed in, until that is None."""
        while (job := self.queue.get()) is not None:
            try:
                if self.error is None:
                    job()
            except Exception as error:  # raised where somebody waits
                self.error = error
            finally:
                self.slots.release()
        self.lane.close()

    def tell(self, row: int, message: bytes) -> None:
        """See `Lane.tell`; it is told meanwhile. Waits for a slot."""
        self._hand_in(lambda: self.lane.tell(row, message))

    def ask(self, question: Question) -> Deferred:
        """See `Lane.ask`; it is asked meanwhile. Waits for a slot."""
        deferred = Deferred()

        def answer() -> None:
            deferred.answer = self.lane.ask(question)

        self._hand_in(answer)
        return deferred

    def wait(self) -> None:
        """Wait until all that was handed in is done. Raises what went wrong there."""
        done = threading.Event()
        self._hand_in(done.set)
        while not done.wait(0.1) and self.error is None:
            pass
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Nothing more is to be done."""
        self.queue.put(None)

    def _hand_in(self, job: Callable[[], None]) -> None:
        self.slots.acquire()
        self.queue.put(job)
