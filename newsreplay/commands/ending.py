"""How commands end when they are told to."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

TERMINATED = 143  #: the exit status of a process that SIGTERM ended, 128 + 15


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """In here SIGTERM does what Ctrl-C does: `KeyboardInterrupt` in the main thread. The exit status is then 143."""
    received = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = True
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are not handled elsewhere
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        if not received:
            raise
        click.echo("Terminated", err=True)
        sys.exit(TERMINATED)
    finally:
        signal.signal(signal.SIGTERM, before)
