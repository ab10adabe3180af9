"""How commands end on Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

INTERRUPTED = 130  #: the exit status of a process that Ctrl-C ended, 128 + 2


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """In here the first Ctrl-C raises `KeyboardInterrupt`, which ends the command with status 130; a second one ends
    it at once, whatever it does. A question that was answered no, or not at all, is no Ctrl-C: click ends it with 1.
    """
    interrupted = False

    def first(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    heard = threading.current_thread() is threading.main_thread()  # signals are not handled elsewhere
    before = signal.getsignal(signal.SIGINT)
    if heard and before is signal.default_int_handler:  # else somebody wants it ignored, as nohup does
        signal.signal(signal.SIGINT, first)
    try:
        yield
    except (KeyboardInterrupt, click.Abort) as end:
        if isinstance(end, click.Abort) and not interrupted:
            raise
        click.echo("Aborted!", err=True)
        sys.exit(INTERRUPTED)
    finally:
        if heard and before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)
