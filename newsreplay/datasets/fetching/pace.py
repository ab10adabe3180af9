"""What comes over a line is drawn by a thread of its own, so that nobody waits for a server that sends a byte a second.

A time limit of a socket is of silence: it begins anew with every byte, of the names of headers and the lengths of
chunks, too. Here it is the answer as a whole that must come at a pace.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from queue import Empty, Full, Queue
from time import monotonic
from typing import NamedTuple, TypeVar

T = TypeVar("T")
Items = Generator[tuple[T, bytes], None, None]  #: something, and the bytes that came of it

WAKE = 0.1  #: seconds after which a thread that cannot go on looks whether anybody still wants it to


class TooSlowError(Exception):
    """Too little came within the time."""


class _End(NamedTuple):
    error: BaseException | None


def at_pace(items: Items[T], window: float, least: int) -> Items[T]:
    """The items as they come, at least `least` bytes of them in every `window` seconds, the first one in the first.

    Raises `TooSlowError` where fewer come, and what drawing the items raises. Whoever draws them is let go then, and
    ends with the next that comes.
    """
    found: Queue[tuple[T, bytes] | _End] = Queue(4)
    stopped = threading.Event()
    threading.Thread(target=_draw, args=(items, found, stopped), daemon=True).start()
    begun, brought, answered = monotonic(), 0, False
    try:
        while True:
            try:
                item = found.get(timeout=max(0.0, begun + window - monotonic()))
            except Empty:
                item = None
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            if item is not None:
                answered = True
                brought += len(item[1])
            if monotonic() - begun >= window:
                if not answered or brought < least:
                    raise TooSlowError
                begun, brought = monotonic(), 0
            if item is not None:
                yield item
    finally:
        stopped.set()


def _draw(items: Items[T], found: Queue[tuple[T, bytes] | _End], stopped: threading.Event) -> None:
    def hand_over(item: tuple[T, bytes] | _End) -> None:
        while not stopped.is_set():
            try:
                found.put(item, timeout=WAKE)
            except Full:
                continue
            return

    error = None
    try:
        for item in items:
            hand_over(item)
            if stopped.is_set():
                break
        items.close()
    except BaseException as caught:  # whoever waits raises it
        error = caught
    hand_over(_End(error))
