"""Fetching public data once their terms are accepted, and the offer to do so where a name means such data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsreplay.commands.bars import download_bar, progress_bar, report_line
from newsreplay.commands.options import FileOptions

if TYPE_CHECKING:
    from newsreplay.datasets.addresses import NotPreparedError
    from newsreplay.datasets.store import Dataset

QUESTION = "Do you accept these terms?"


def download(name: str, folder: Path | None) -> Path:
    """The path of a public data set's files, downloaded to a folder, or to where such files lie by default."""
    from newsreplay.datasets.fetching import download, sources

    with download_bar() as progress:
        return download.fetch(name, folder or sources.default_folder(name), report=report_line, progress=progress)


def prepare_fetched(name: str, path: Path, called: str) -> Dataset:
    """The files of a public data set, prepared under a name."""
    from newsreplay.datasets import prepare_data
    from newsreplay.datasets.fetching.sources import find_source

    with progress_bar() as progress:
        return prepare_data(find_source(name).kind, path, name=called, report=report_line, progress=progress)


def found_or_offered(data: str, files: FileOptions, find: Callable[[str], Dataset]) -> Dataset:
    """What `find` finds; on a terminal, public data that are not prepared are offered to be fetched and prepared."""
    from newsreplay.datasets.addresses import NotPreparedError

    try:
        return find(data)
    except NotPreparedError as error:
        if not error.fetchable or files.columns or files.preparing or not on_terminal():
            raise
        return find(_offer(error))


def on_terminal() -> bool:
    """Whether somebody is there who reads what is asked, and answers."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _offer(error: NotPreparedError) -> str:
    """Fetch and prepare what is meant, once its terms are accepted; returns what it is called."""
    from newsreplay.datasets.fetching import sources

    click.echo(f"{error}\n", err=True)
    name = error.fetchable[0]
    if len(error.fetchable) > 1:
        name = click.prompt("Which one", type=click.Choice(error.fetchable), default=name, err=True)
    called = error.called or name
    click.echo(sources.describe(sources.find_source(name)), err=True)
    click.echo(f"It can be fetched now, and prepared as {called}.", err=True)
    click.confirm(QUESTION, abort=True, err=True)
    prepare_fetched(name, download(name, None), called)
    return called
