"""Progress in notebooks: a bar of IPython's own display, which needs no widgets."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import Protocol

from newsreplay.escaping import escaped
from newsreplay.simulator.runs.options import Progress, quiet

OFTEN = 0.2  #: seconds between two looks of the bar


class _Bar:
    """How far it is, as HTML, and as text where that is not shown."""

    def __init__(self, what: str, done: int, total: int):
        self.what, self.done, self.total = escaped(what), done, max(total, 1)

    def __repr__(self) -> str:
        return f"{self.what}: {self.done / self.total:.0%}"

    def _repr_html_(self) -> str:
        bar = f'<progress style="width:16em" max="{self.total}" value="{self.done}"></progress>'
        return f"{bar} {self.done / self.total:.0%} {escape(self.what)}"


class _Nothing:
    """What stands in the place of the bar at the end."""

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return ""


class _Handle(Protocol):
    """What IPython's `display` returns."""

    def update(self, what: object) -> None:
        """Show something else in the place of what is displayed."""


@contextmanager
def notebook_progress(given: Progress) -> Iterator[Progress]:
    """In a notebook whose user gave no progress, a bar that goes at the end; else what was given."""
    display = _display() if given is quiet else None
    if display is None:
        yield given
        return
    handle = display(_Bar("replaying", 0, 1), display_id=True)
    shown = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - shown >= OFTEN:
            shown = time.monotonic()
            handle.update(_Bar(what, done, total))

    try:
        yield show
    finally:
        handle.update(_Nothing())


def _display() -> Callable[..., _Handle] | None:
    """IPython's `display` where a notebook shows what this process displays; else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[..., _Handle] = import_module("IPython.display").display
    return display
