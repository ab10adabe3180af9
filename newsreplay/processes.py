"""Processes of their own for what may go wrong in them: they cost nobody else anything, and end with their parent.

On Linux they are forked from one that has imported newsreplay and nothing of anybody else's (Python's fork server), so
that each costs some hundredths of a second in place of the second that the imports take; elsewhere each imports anew.
"""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

GRACE = 5.0  #: seconds that a process has to end after its last message
_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_EAGER = 500  # of 1,000: where memory runs out, the system ends this process before the one that started it

_spawn = multiprocessing.get_context("spawn")
_fork = multiprocessing.get_context("forkserver") if _LINUX else None
_homes: list[str | None] = []  # NEWSREPLAY_HOME of what is forked from: kernels look it up when they are imported
_keepers: list[threading.Thread] = []  # the thread that started it, where that is not the main one
_keeping = threading.Lock()
_serving = threading.Event()  # whether there is such a process


def end_with_parent() -> None:
    """See to it that this process ends when the one that started it does, however that one ends."""
    if _LINUX:  # by the system, whatever this process does
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if wait([parent.sentinel], 0):  # it ended meanwhile
        os._exit(1)
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def warm_up() -> None:
    """Start what processes are forked from, where that can be had; it imports while others work."""
    if _fork is None:
        return
    if not _homes:
        _homes.append(os.environ.get("NEWSREPLAY_HOME"))
        _fork.set_forkserver_preload(["newsreplay.preload"])
    if threading.current_thread() is threading.main_thread():
        _start_server()
        return
    # It ends with the thread that started it, and other threads may want it still.
    with _keeping:
        if not any(keeper.is_alive() for keeper in _keepers):
            started = threading.Event()
            _keepers[:] = [threading.Thread(target=_keep_server, args=(started,), daemon=True)]
            _keepers[0].start()
            started.wait()
            return
    _start_server()  # where it has ended meanwhile


def _keep_server(started: threading.Event) -> None:
    try:
        _start_server()
    finally:
        started.set()
    threading.Event().wait()


def _start_server() -> None:
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"  # a random.py in the current folder is not what it shall import
    try:
        forkserver.ensure_running()
        _serving.set()
    except OSError:  # its socket lies where temporary files do, and a path of more than some 100 characters has no room
        _serving.clear()
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


class OwnProcess:
    """A call in a process of its own: `function(*args, wire)`, which tells what it finds with `wire.send`.

    What is printed there goes to stderr. `Unreadable` is told where the function or its arguments cannot be made there.
    """

    def __init__(self, function: Callable[..., None], *args: object):
        """Start it. Raises whatever pickling the function and its arguments raises."""
        call = pickle.dumps((function, args))
        warm_up()
        self.wire, theirs = _spawn.Pipe(duplex=False)
        args = (dict(os.environ), call, theirs)
        self.process: BaseProcess
        if _fork is not None and _serving.is_set() and _homes == [os.environ.get("NEWSREPLAY_HOME")]:
            self.process = _fork.Process(target=_begin, args=args)
        else:
            self.process = _spawn.Process(target=_begin, args=args)
        self.process.start()
        theirs.close()
        self.listening = True  # whether more may come

    def handles(self) -> list[Connection | int]:
        """What `multiprocessing.connection.wait` waits for: a message, or the end of the process."""
        return [self.wire, self.process.sentinel] if self.listening else [self.process.sentinel]

    def receive(self) -> list[object]:
        """The messages that are in."""
        messages: list[object] = []
        try:
            while self.listening and self.wire.poll():
                messages.append(self.wire.recv())
        except Exception:  # its end, or somebody else wrote into the wire
            self.listening = False
        return messages

    def has_ended(self) -> bool:
        """Whether the process is no more; messages may still be in."""
        return bool(wait([self.process.sentinel], 0))

    def why(self) -> str:
        """How it ended, in words."""
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"exit status {code}"
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"{name}, as when memory runs out" if name == "SIGKILL" else name
        return f"signal {-code}"

    def kill(self) -> None:
        """End it at once, with all that it started itself."""
        self._end()

    def end(self) -> None:
        """Let it end after its last message; kill it where it does not."""
        self.process.join(GRACE)
        self._end()

    def _end(self) -> None:
        pid = self.process.pid
        if pid is not None and hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.wire.close()


class Unreadable:
    """What a process tells that could not make what it was to call, or to call it with."""


def _begin(environment: dict[str, str], call: bytes, wire: Connection) -> None:
    """The first and last that a process does."""
    end_with_parent()
    with suppress(AttributeError, OSError):
        os.setpgid(0, 0)  # killed together with what it starts
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is told to all; the first process ends the others
    if _LINUX:
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_EAGER))
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        function, args = pickle.loads(call)
    except BaseException:
        wire.send(Unreadable())
        return
    try:
        function(*args, wire)
    finally:
        atexit._run_exitfuncs()  # what a process of the fork server leaves out before Python 3.13
