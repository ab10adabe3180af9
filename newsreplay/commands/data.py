"""Commands on data sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsreplay.commands.bars import progress_bar, report_line
from newsreplay.commands.getting import QUESTION, download, found_or_offered, prepare_fetched
from newsreplay.commands.live import send
from newsreplay.commands.options import FileOptions, file_options, split_names

if TYPE_CHECKING:
    from newsreplay.datasets.store import Dataset


@click.group()
def data() -> None:
    """List, fetch, prepare, describe, remove and synthesize data sets."""


@data.command(name="list")
def list_data() -> None:
    """List what can be named with --data: what is prepared, what can be got, and what a path can be."""
    from newsreplay.commands.listing import lines

    for line in lines():
        click.echo(line)


@data.command()
@click.argument("kind")
@click.argument("path", type=click.Path())  # text, since it may be an address
@click.option("--name", help="What to call it with --data.  [default: the kind, or the table's file name]")
@click.option("--strict", is_flag=True, help="Refuse rows that cannot be used instead of counting them.")
@file_options
def prepare(kind: str, path: str, name: str | None, strict: bool, files: FileOptions) -> None:
    """Prepare files of a KIND under a name.

    When it is interrupted, the same command goes on where it stopped.
    """
    from newsreplay.datasets import prepare_data

    with progress_bar() as progress:
        dataset = prepare_data(
            kind,
            path,
            name=name,
            columns=files.columns,
            preparing=files.preparing,
            strict=strict,
            report=report_line,
            progress=progress,
        )
    _describe(dataset)


@data.command()
@click.argument("name", default="demo")
@click.option("--draw", type=click.Path(path_type=Path), metavar="DIR", help="Draw what it holds, as PNG, SVG and CSV.")
@file_options
def describe(name: str, draw: Path | None, files: FileOptions) -> None:
    """Print what a data set holds (NAME, KIND:PATH, a table or an address): Table 1 of the 2019 paper, and its card."""
    from newsreplay.datasets import find_data

    def find(name: str) -> Dataset:
        with progress_bar() as progress:
            return find_data(
                name, columns=files.columns, preparing=files.preparing, report=report_line, progress=progress
            )

    dataset = found_or_offered(name, files, find)
    dataset.compare()  # whoever looks at what a data set holds is told if it no longer does
    _describe(dataset)
    if draw is not None:
        from newsreplay.report.pictures.dataset import draw as draw_pictures

        for path in draw_pictures(dataset, draw):
            click.echo(f"drew {path}")


def _describe(dataset: Dataset) -> None:
    from newsreplay.report.tables.describe import describe as description

    click.echo(description(dataset))


@data.command()
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--cached", is_flag=True, help="What was prepared without a name, and what was left unfinished.")
@click.option("--leftovers", is_flag=True, help="Only what was left unfinished, as 'data list' shows it.")
def remove(names: tuple[str, ...], cached: bool, leftovers: bool) -> None:
    """Remove prepared data sets; the files they were made from stay."""
    from newsreplay.datasets import remove_cached, remove_data, remove_leftovers

    if not names and not cached and not leftovers:
        raise click.UsageError("name the data sets to remove, or give --cached or --leftovers")
    for name in names:
        remove_data(name)
        click.echo(f"removed {name}")
    if leftovers:
        click.echo(f"removed {remove_leftovers():,} folders that were left unfinished")
    if cached:
        click.echo(f"removed {remove_cached():,} data sets that were prepared without a name")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--publishers", default="A,B,C", show_default=True, help="Which of the demo's publishers.")
@click.option("--reads", type=click.IntRange(1), help="Reads per publisher.  [default: as in the demo]")
@click.option("--seed", default=0, show_default=True)
def synth(folder: Path, publishers: str, reads: int | None, seed: int) -> None:
    """Write a synthetic click log of any size to FOLDER as Parquet; use it with --data FOLDER."""
    from newsreplay.datasets.sources.synthetic.newsroom import synthesize
    from newsreplay.datasets.sources.synthetic.publishers import DEMO

    names = split_names(publishers)
    unknown = [name for name in names if name not in DEMO]
    if unknown:
        raise click.BadParameter(f"no synthetic publisher {unknown[0]!r}; there are {', '.join(DEMO)}")
    try:
        synthesize(folder, {name: DEMO[name] for name in names}, reads=reads, seed=seed)
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror or error}") from None
    click.echo(f"wrote {folder}; replay it with: newsreplay run --data {folder}")


@data.command()
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to put the files.  [default: $NEWSREPLAY_HOME/raw/NAME]",
)
@click.option("--yes", is_flag=True, help="Accept the terms without being asked.")
@click.option("--prepare/--no-prepare", "prepared", default=True, help="Prepare it, too, under NAME.  [default: yes]")
def fetch(name: str, folder: Path | None, yes: bool, prepared: bool) -> None:
    """Download a public data set once its terms are accepted, and prepare it under its NAME.

    \b
    NAME is one of
      adressa, adressa-3months
      mind-demo, mind-small, mind-large
      ebnerd-demo, ebnerd-small, ebnerd-large
    or one of those that are not downloaded but described:
      globo, deskdrop, nemig, newsreel, outbrain, pens, streamingrec,
      tianchi

    A download that broke off goes on where it stopped when the same command is run again.
    """
    from newsreplay.datasets.fetching import sources

    source = sources.find_source(name)
    if source.files:
        click.echo(sources.describe(source))
        if not yes and not sys.stdin.isatty():
            raise click.ClickException("these terms must be accepted first: add --yes if you accept them")
        if not yes:
            click.confirm(QUESTION, abort=True)
    path = download(name, folder)
    if prepared:
        _describe(prepare_fetched(name, path, name))
        click.echo(f"now run: newsreplay run --data {name}")
    else:
        click.echo(f"now run: {sources.prepare_command(source, path, name)}")


data.add_command(send)
