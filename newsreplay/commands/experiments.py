"""An experiment file in place of options: what the command line does not say, the file does."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from newsreplay.simulator.runs.experiment import Experiment


def _take_defaults(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Experiment | None:
    """Read the file, and let its values be the command's defaults, once each is what its option takes."""
    if path is None:
        return None
    from newsreplay.simulator.runs.experiment import read_experiment

    experiment = read_experiment(path)
    options = {option.name: option for option in ctx.command.params}
    for name, value in experiment.values.items():
        try:
            options[name].process_value(ctx, value)
        except click.BadParameter as error:
            raise click.UsageError(f"{experiment.places[name]}: {error.message}") from None
    ctx.default_map = experiment.values
    return experiment


experiment_argument = click.argument(
    "experiment",
    type=click.Path(path_type=Path),
    metavar="[EXPERIMENT.toml]",
    required=False,
    is_eager=True,
    callback=_take_defaults,
)


def look_from(experiment: Experiment | None, data: str, out: Path | None) -> tuple[str, Path, Path | None]:
    """What data, the folder of runs and `out` are called where the command goes on.

    That is the experiment's folder, in which the paths of its recommenders begin, or the one in which recommenders were
    typed; it becomes the current one until the command ends.
    """
    runs = Path("runs")
    if experiment is None:
        return data, runs, out
    from newsreplay.datasets.find import seen_from

    ctx, here = click.get_current_context(), Path.cwd()
    typed = {name: ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("data", "recommenders")}
    if typed["recommenders"]:
        return (data if typed["data"] else seen_from(experiment.folder, data)), runs, out
    go_to(experiment.folder)
    return (seen_from(here, data) if typed["data"] else data), here / runs, out and here / out


def go_to(folder: Path) -> None:
    """Make it the current folder until the command ends."""
    here = Path.cwd()
    os.chdir(folder)
    click.get_current_context().call_on_close(lambda: os.chdir(here))
    sys.path.insert(0, str(folder))  # as the current folder is (cli.py)
