"""The command that measures what recommenders cost on this machine."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout

import click

from newsreplay.commands.bars import progress_bar, report_line
from newsreplay.commands.options import data_option, format_option, k_option
from newsreplay.commands.screens import screen


@click.command()
@click.argument("recommenders", default="baselines", metavar="[SPECS]")
@data_option
@click.option("--publisher", help="Which of the data set's publishers.  [default: the first]")
@click.option(
    "--rows",
    default=200_000,
    show_default=True,
    type=click.IntRange(1),
    help="So many of its log's rows, counted from the first read.",
)
@k_option
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(1), help="Replays; medians are shown.")
@click.option("--timed", is_flag=True, help="Replay once more, to tell learning and answering apart.")
@format_option
def bench(
    recommenders: str,
    data: str,
    publisher: str | None,
    rows: int,
    k: int,
    repeats: int,
    timed: bool,
    style: str,
) -> None:
    """Measure what recommenders cost on this machine: SPECS, comma-separated, by default the 22 baselines.

    Events per second and start-up, in processor time, and memory, beside the replay loop itself and a loop in Python.
    """
    from newsreplay.kernels.compiling import first_use

    first = first_use()  # before the imports that make the kernels' folder
    from newsreplay.datasets import find_data
    from newsreplay.recommenders.registry import start_list
    from newsreplay.report.tables.bench import bench_table
    from newsreplay.simulator.bench import bench as measure

    entries = start_list(recommenders)
    with ExitStack() as stack:

        def compile_kernels(impressions: bool) -> None:
            if first:
                from newsreplay.simulator.warm import compiling

                report_line("compiling the kernels (once after installation, less than a minute)")
                stack.enter_context(compiling(entries, impressions))

        with progress_bar() as progress:
            dataset = find_data(data, report=report_line, progress=progress, planned=compile_kernels)
        with redirect_stdout(sys.stderr):  # whatever recommenders print
            measured = measure(
                dataset.name,
                dataset.publisher(publisher or dataset.publishers[0]),
                entries,
                rows=rows,
                k=k,
                repeats=repeats,
                timed=timed,
            )
    click.echo(bench_table(measured, style=style, screen=screen()))
