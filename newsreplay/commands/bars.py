"""Lines and progress bars on stderr; in a pipe there are no bars."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from newsreplay.commands.loudness import loudness, say
from newsreplay.escaping import escaped

Progress = Callable[[str, int, int], None]  #: what is being done, rows done, rows in all
Report = Callable[[str], None]  #: one line


def report_line(text: str) -> None:
    """Print a line on stderr, what is foreign in it escaped; nothing with --quiet."""
    say(text)


def _shown() -> bool:
    """Whether there is somebody to watch a bar."""
    return sys.stderr.isatty() and loudness() != "quiet"


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar for reading and replaying, with the time that remains."""
    if not _shown():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=escaped(what), completed=done, total=total)


@contextlib.contextmanager
def training_bars() -> Iterator[tuple[Progress, Report]]:
    """A bar for the replay, then one without an end beside lines on how training goes."""
    if not _shown():
        yield (lambda what, done, total: None), (lambda line: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        replaying = bar.add_task("replaying", total=None)
        fitting = bar.add_task("training", total=None, visible=False)
        yield (
            lambda what, done, total: bar.update(replaying, description=escaped(what), completed=done, total=total),
            lambda line: bar.update(fitting, description=escaped(line), visible=True),
        )


@contextlib.contextmanager
def download_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar for downloads, in bytes and with their speed; the size of one may be unknown."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal or loudness() == "quiet":
        yield lambda what, done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
