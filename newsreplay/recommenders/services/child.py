"""`stdin:COMMAND` as a recommender: a child process that is told on its standard input and answers on its output."""

from __future__ import annotations

import math
import os
import select
import shlex
import signal
import subprocess
import time
from contextlib import suppress

from newsreplay.durations import Duration
from newsreplay.errors import RecommenderError, SpecError
from newsreplay.recommenders.services.connection import LARGEST
from newsreplay.recommenders.services.faults import Fault, ServiceFault, Tally
from newsreplay.recommenders.services.lanes import MessageLine, check_in_time
from newsreplay.recommenders.services.service import Service
from newsreplay.recommenders.services.speech import JsonSpeech, Object, decoded

STARTING = 10.0  #: seconds that the first answer may take at least
GRACE = 1.0  #: seconds in which a process ends by itself
_TOGETHER = 1 << 16  # bytes of rows that are told at once, at the latest
_READ = 1 << 16


class StdinService(Service):
    """A command that reads JSON lines and answers those that ask, in any language.

    The command is split as a shell splits words, and no shell runs it. What it writes to its standard error is shown.
    """

    def __init__(self, command: str, timeout: Duration = "100ms", patience: Duration = "1s", scores: bool = False):
        name = f"stdin:{command}"
        if not hasattr(os, "set_blocking") or os.name != "posix":
            raise SpecError("commands as recommenders run on Linux and macOS only; elsewhere let it answer over HTTP")
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise SpecError(f"{command!r} is no command: {error}") from None
        if not self.words:
            raise SpecError('no command; write "stdin:python3 my_service.py"')
        super().__init__(name, JsonSpeech(), timeout, patience, scores)

    def lines(self) -> list[MessageLine]:
        """See `Service.lines`."""
        return [ChildLine(self.name, self.words, self.timeout, self.patience)]


class ChildLine:
    """A child process as a line. Raises `RecommenderError` where it has ended: its state cannot be had again."""

    def __init__(self, name: str, words: list[str], timeout: float, patience: float):
        self.name, self.words, self.timeout, self.patience = name, words, timeout, patience
        self.process: subprocess.Popen[bytes] | None = None
        self.out = b""  # not written yet
        self.buffer = b""  # not read as lines yet
        self.is_first = True  # the first answer cannot be late: the process has to start
        self.owed = 0  # answers that were given up, and may still come

    def open(self) -> None:
        """See `MessageLine.open`."""
        try:
            self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except (OSError, ValueError) as error:
            raise ServiceFault(Fault.REFUSED, f"it cannot be started: {error}") from None
        self.stdin, self.stdout = (stream.fileno() for stream in (self.process.stdin, self.process.stdout) if stream)
        self.reading, self.both = select.poll(), select.poll()
        self.both.register(self.stdin, select.POLLOUT)
        for poll in (self.reading, self.both):
            poll.register(self.stdout, select.POLLIN)
        os.set_blocking(self.stdin, False)
        os.set_blocking(self.stdout, False)

    def tell(self, message: bytes) -> None:
        """See `MessageLine.tell`; it is written with what is asked next, or when there is much of it."""
        self.out += message + b"\n"
        if len(self.out) > _TOGETHER:
            deadline = time.monotonic() + self.patience
            while self.out:
                self._turn(deadline)

    def ask(self, message: bytes, row: int, tally: Tally) -> Object:
        """See `MessageLine.ask`. Lines that are no answers are counted and passed over."""
        begun = time.monotonic()
        is_first, self.is_first = self.is_first, False
        deadline = begun + (max(self.patience, STARTING) if is_first else self.patience)
        self.out += message + b"\n"
        while True:
            try:
                line = self._line(deadline)
            except BaseException:  # also where it is interrupted from outside
                self.owed += 1
                raise
            if not self._is_answer(line):
                tally.note_rubbish(row, line)
            elif self.owed:
                self.owed -= 1  # to an earlier question
            else:
                if not is_first:
                    check_in_time(begun, self.timeout)
                return decoded(line)

    def close(self) -> None:
        """See `MessageLine.close`; the process has a moment to end by itself."""
        if self.process is None:
            return
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.process.kill()
        self.process.wait()

    @staticmethod
    def _is_answer(line: bytes) -> bool:
        try:
            return not {"items", "scores", "error"}.isdisjoint(decoded(line))
        except ServiceFault:
            return False

    def _line(self, deadline: float) -> bytes:
        while self.out or b"\n" not in self.buffer:
            self._turn(deadline)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def _turn(self, deadline: float) -> None:
        """Write what can be written, wait until more can be done, and read what is there."""
        with suppress(BlockingIOError):
            try:
                self.out = self.out[os.write(self.stdin, self.out[:_TOGETHER]) :] if self.out else b""
            except BrokenPipeError:
                raise self._ended() from None
        wait = max(0, math.ceil((deadline - time.monotonic()) * 1000))
        ready = (self.both if self.out else self.reading).poll(wait)
        if not ready:
            raise ServiceFault(Fault.SILENT, f"no answer within {self.patience:g} s")
        if self.stdout in dict(ready):
            more = os.read(self.stdout, _READ)
            self.buffer += more
            if not more:
                raise self._ended()
            if len(self.buffer) > LARGEST:
                raise RecommenderError(f"{self.name} wrote more than {LARGEST:,} bytes that are no lines, or unasked")

    def _ended(self) -> RecommenderError:
        """What is raised where the process has ended."""
        assert self.process is not None
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return RecommenderError(f"{self.name} closed its input or output")
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return RecommenderError(f"{self.name}: its process ended ({how}) while it was spoken to")
