"""What a run starts with: its recommenders, its data, and kernels that are compiled meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from newsreplay.commands.bars import progress_bar, report_line
from newsreplay.commands.getting import found_or_offered
from newsreplay.commands.loudness import compiling_said, say
from newsreplay.commands.options import FileOptions, LeaderboardKeywords, check_metrics

if TYPE_CHECKING:
    from newsreplay.api import Run
    from newsreplay.datasets.store import Dataset
    from newsreplay.recommenders.registry import Entry


def start_list_of(
    recommenders: str, names: dict[str, str], table: LeaderboardKeywords, k: int
) -> tuple[bool, list[Entry]]:
    """Whether no kernel was ever compiled, and the start list; what cannot be run is refused."""
    from newsreplay.kernels.compiling import first_use

    first = first_use()  # before the imports that make the kernels' folder
    from newsreplay.recommenders.registry import is_strange, start_list
    from newsreplay.spec import check_names, parse_specs

    if any(map(is_strange, parse_specs(recommenders))):
        from newsreplay.processes import warm_up

        warm_up()
        import newsreplay.api  # noqa: F401 - which takes a second, as it does there
    entries = start_list(recommenders, apart=True)
    check_names(names, [entry.label for entry in entries])
    check_metrics(table, k)
    entries = [entry._replace(name=names.get(entry.label)) for entry in entries]
    _report_passed_over()
    return first, entries


def find_and_compile(data: str, files: FileOptions, limit: int | None, entries: list[Entry], first: bool) -> Dataset:
    """The data set; if kernels were never compiled, they are compiled until the command ends."""
    from newsreplay.datasets import find_data
    from newsreplay.datasets.first_rows import first_rows

    click.get_current_context().with_resource(compiling_said(first))

    def find(name: str) -> Dataset:
        def compile_kernels(impressions: bool) -> None:
            if first:
                from newsreplay.simulator.warm import compiling

                report_line("compiling the kernels (once after installation, less than a minute)")
                click.get_current_context().with_resource(compiling(entries, impressions))

        with progress_bar() as progress:
            return find_data(
                name,
                columns=files.columns,
                preparing=files.preparing,
                report=report_line,
                progress=progress,
                planned=compile_kernels,
            )

    dataset = found_or_offered(data, files, find)
    say(f"data: {dataset.name}, prepared in {dataset.folder}", only="verbose")
    return first_rows(dataset, limit)


def replaying(
    dataset: Dataset, entries: list[Entry], out: Path | None, runs: Path, **options: Any
) -> Callable[..., Run]:
    """What replays, as `newsreplay.run` with these options: into `out`, or where runs of the data are numbered."""
    from newsreplay.api import run
    from newsreplay.files import file_name
    from newsreplay.simulator.runs.place import Numbered

    return partial(run, dataset, entries, out=out or Numbered(runs / file_name(dataset.name)), **options)


def _report_passed_over() -> None:
    """Say what installed packages offer in vain, since newsreplay has something of that name."""
    from newsreplay.datasets import readers
    from newsreplay.plug_ins import passed_over
    from newsreplay.recommenders import registry
    from newsreplay.simulator.runs import own_metrics

    for line in passed_over(registry.PLUG_INS, readers.PLUG_INS, own_metrics.PLUG_INS):
        report_line(line)
