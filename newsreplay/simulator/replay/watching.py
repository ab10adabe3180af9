"""What is around the calls of a plain-Python recommender: progress by time, the row of an error, limits of time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeAlias

from newsreplay.errors import NewsreplayError, RecommenderError
from newsreplay.log.catalog import Revealed
from newsreplay.log.rows import Event
from newsreplay.simulator.replay.answers import Answer
from newsreplay.traces import AT_ROW, defined_at

Method: TypeAlias = Callable[..., Answer]

EVERY = 1.0  #: seconds between two reports of progress


@contextmanager
def told_by_time(progress: Callable[[int], None], revealed: Revealed, every: float = EVERY) -> Iterator[None]:
    """In here, `progress` takes the row that was revealed last, every so many seconds."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(every):
            try:
                progress(revealed.row)
            except Exception:  # nobody waits any more, as the replay is told after its stretch
                return

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def at_row(revealed: Revealed, recommender: object) -> Iterator[None]:
    """In here, what a recommender raises gets a note on the row that was revealed last.

    Where it breaks its contract newsreplay's words name the row; they get the line at which its method begins.
    """
    try:
        yield
    except RecommenderError as error:
        scored = str(error).startswith(f"{type(recommender).__name__}.score ")
        line = defined_at(getattr(recommender, "score" if scored else "recommend"))
        if line:
            raise RecommenderError(f"{error} ({line})") from None
        raise
    except (NewsreplayError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if revealed.row >= 0:
            with suppress(Exception):  # a stranger's error may refuse it
                error.add_note(f"{AT_ROW}{revealed.row}")
        raise


class _OutOfTimeError(BaseException):
    """An answer took too long. No `Exception`, so that a recommender which catches those does not catch it."""


def limited(method: Method, timeout: int, given_up: list[int], otherwise: Method) -> Method:
    """A method of an answer that gives up after `timeout` ms and answers `otherwise`; `given_up` gets the row then.

    It is interrupted between two steps of Python: what hangs within a library goes on until that returns. Raises
    `RecommenderError` in a thread that signals do not reach.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        raise RecommenderError(
            "an answer can be given up only in a process of the recommender's own, on Linux and macOS: leave "
            "--answer-timeout out, or name a class that can be imported, my_file.py:Mine"
        )
    signal.signal(signal.SIGALRM, _give_up)

    def call(request: Event, *arguments: object) -> Answer:
        try:
            signal.setitimer(signal.ITIMER_REAL, timeout / 1000)
            try:
                return method(request, *arguments)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _OutOfTimeError:
            given_up.append(request.row)
            return otherwise(request, *arguments)

    return call


def _give_up(number: int, frame: FrameType | None) -> None:
    raise _OutOfTimeError
