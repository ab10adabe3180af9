"""How commands end when they are told to, by Ctrl-C or by SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

#: By signal, the last line, and the exit status of a process that it ended: 128 and its number.
ENDINGS = {signal.SIGINT: ("Aborted!", 130), signal.SIGTERM: ("Terminated", 143)}


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """In here the first Ctrl-C or SIGTERM raises `KeyboardInterrupt`; the command ends as `ENDINGS` has it.

    The same signal again ends it at once, whatever it does. A question that was answered no, or not at all, is no
    Ctrl-C: click ends it with 1.
    """
    heard: list[signal.Signals] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        heard.append(signal.Signals(number))
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    with _handled(interrupt):
        try:
            yield
        except (KeyboardInterrupt, click.Abort) as end:
            if isinstance(end, click.Abort) and not heard:
                raise
            words, status = ENDINGS[heard[0] if heard else signal.SIGINT]
            click.echo(words, err=True)
            sys.exit(status)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals that nobody else does or wants ignored, as nohup; only the main thread can."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in ENDINGS if here and signal.getsignal(number) in usual}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, usual_handler in before.items():
            signal.signal(number, usual_handler)
