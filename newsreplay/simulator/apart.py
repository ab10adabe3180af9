"""A recommender replayed in a process that is sent logs and holds nothing else.

The process is an interpreter of its own, not a copy of this one: no log that was read here lies in its memory, and
what one replay leaves behind in a class or a module is not there in another process. It is started by a command and
not through `newsreplay.processes`, so that a script which checks its recommender needs no guard around `__main__`.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

from newsreplay.errors import RecommenderError
from newsreplay.log.catalog import Articles
from newsreplay.log.rows import Column, Log
from newsreplay.processes import end_with_parent
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import Entry
from newsreplay.simulator.replay.replay import replay
from newsreplay.traces import one_line


class Given(NamedTuple):
    """What a recommender answered to a log."""

    slates: Column  #: int32[requests, k], padded with -1
    scores: Column | None  #: float64[places of the pools]; None = it cannot score


class NotSentError(Exception):
    """A recommender cannot be sent to another process."""


class Here:
    """A recommender replayed in this process."""

    def __init__(self, entry: Entry, setting: Setting):
        self.entry, self.setting = entry, setting

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left to end."""

    def answers(self, log: Log, articles: Articles) -> Given:
        """Replay a log before a fresh recommender. Raises `RecommenderError`, whatever it raises itself."""
        try:
            done = replay(log, self.entry.make(), self.setting, articles=articles, name=self.entry.label)
        except (KeyboardInterrupt, RecommenderError):
            raise
        except BaseException as error:  # a stranger's class may raise anything, SystemExit too
            raise RecommenderError(one_line(error)) from error
        return Given(done.slates, done.scores)


class Apart:
    """The same in a process of its own, which ends with the block."""

    def __init__(self, entry: Entry, setting: Setting, **environment: str):
        """Start the process, with further variables in its `environment`.

        Raises `NotSentError` where the recommender cannot be sent there.
        """
        try:
            wanted = pickle.dumps((entry, setting))
        except Exception as error:
            raise NotSentError from error
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from newsreplay.simulator.apart import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        )
        self._send(wanted)

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error: object) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.communicate()

    def answers(self, log: Log, articles: Articles) -> Given:
        """Replay a log before a fresh recommender.

        Raises `RecommenderError`, whatever it raises itself and also where its process ends, and `NotSentError` where
        the process could not make sense of an object that it was sent.
        """
        self._send(pickle.dumps((log, articles), pickle.HIGHEST_PROTOCOL))
        try:
            answer = pickle.load(self._stream(self.process.stdout))
        except (EOFError, OSError, pickle.UnpicklingError):
            raise RecommenderError(f"its process {self._end()}") from None
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Given)
        return answer

    def _send(self, what: bytes) -> None:
        with suppress(OSError):  # it has ended, as the answer that does not come will say
            stream = self._stream(self.process.stdin)
            stream.write(what)
            stream.flush()

    def _end(self) -> str:
        status = self.process.wait()
        if status >= 0:
            return f"ended with exit status {status}"
        return f"was ended by {signal.Signals(-status).name}"

    @staticmethod
    def _stream(stream: Any) -> BinaryIO:
        pipe: BinaryIO = stream
        return pipe


def serve() -> None:
    """The process's side: replay every log that comes, until none does."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to all; the first process ends the others
    logs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the recommender prints is no answer
    try:
        here, fault = Here(*pickle.load(logs)), None
    except Exception as error:  # a class of the caller's __main__, for one, is not to be found here
        here, fault = None, NotSentError(str(error))
    with suppress(EOFError):
        while True:
            log, articles = pickle.load(logs)
            answer: Given | Exception
            try:
                answer = here.answers(log, articles) if here is not None else fault or NotSentError()
            except RecommenderError as error:
                answer = RecommenderError(str(error))
            answers.write(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
            answers.flush()
