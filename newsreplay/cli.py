"""The command line's entry point: the group of commands, each imported when it is called.

numba, pyarrow and pandas are imported inside the commands that need them, so that `--help` is instant.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NamedTuple

import click

from newsreplay.errors import NewsreplayError
from newsreplay.escaping import escaped
from newsreplay.version import __version__


class LazyCommand(NamedTuple):
    """A command that is not imported yet."""

    target: str  #: "module:function"
    short_help: str  #: its line in the group's help

    def load(self) -> click.Command:
        """Import the command."""
        module, name = self.target.split(":")
        command: click.Command = getattr(import_module(module), name)
        return command


COMMANDS = {
    "run": LazyCommand("newsreplay.commands.running:run", "Replay a data set, print the leaderboard."),
    "live": LazyCommand("newsreplay.commands.live:live", "Listen to a topic, judge recommenders in shadow mode."),
    "extend": LazyCommand("newsreplay.commands.running:extend", "Go on with a run over its log as it has grown."),
    "train": LazyCommand("newsreplay.commands.running:train", "Fit a neural recommender and save it."),
    "tune": LazyCommand("newsreplay.commands.tuning:tune", "Choose parameters early in a log, report on what follows."),
    "score": LazyCommand("newsreplay.commands.running:score", "Score a run once more, without replaying."),
    "verify": LazyCommand("newsreplay.commands.running:verify", "Replay a run and compare every answer."),
    "check": LazyCommand("newsreplay.commands.running:check", "Test that recommenders do not look ahead."),
    "bench": LazyCommand("newsreplay.commands.benching:bench", "Measure what recommenders cost on this machine."),
    "leaderboard": LazyCommand("newsreplay.commands.showing:leaderboard", "Print the leaderboard of finished runs."),
    "certificates": LazyCommand(
        "newsreplay.commands.certifying:certificates", "Show the certificates of many people's runs as a page."
    ),
    "compare": LazyCommand("newsreplay.commands.showing:compare", "Compare recommenders of a run, or of several."),
    "gate": LazyCommand("newsreplay.commands.showing:gate", "Say whether a candidate may replace an incumbent."),
    "explain": LazyCommand("newsreplay.commands.showing:explain", "Tell one request of a run whole."),
    "plot": LazyCommand("newsreplay.commands.showing:plot", "Draw a run."),
    "report": LazyCommand("newsreplay.commands.showing:report", "Write a run as one HTML page."),
    "export": LazyCommand("newsreplay.commands.showing:export", "Write the answers of a run for other tools."),
    "submit": LazyCommand("newsreplay.commands.showing:submit", "Write the competition's file for a test split."),
    "recommenders": LazyCommand(
        "newsreplay.commands.showing:recommenders", "List the recommenders, what they need and cost, presets."
    ),
    "new": LazyCommand("newsreplay.commands.new:new", "Write a package for a recommender of your own."),
    "serve": LazyCommand("newsreplay.commands.serving:serve", "Let a recommender answer over HTTP."),
    "data": LazyCommand("newsreplay.commands.data:data", "Get, prepare, describe data sets."),
}


class LazyGroup(click.Group):
    """The commands of `COMMANDS`, imported by name; help on the group imports none of them.

    An error that newsreplay raises on purpose is printed as one line, and the exit status is 1. Ctrl-C makes
    it 130, SIGTERM 143.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported; None if there is none."""
        return COMMANDS[cmd_name].load() if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and short helps from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].short_help) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was called."""
        from newsreplay.commands.ending import ended_by_signals

        try:
            with ended_by_signals():
                return super().invoke(ctx)
        except NewsreplayError as error:
            raise click.ClickException(escaped(str(error), keep="\n")) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Replay a news publisher's click log and judge recommenders on what readers did next.

    \b
    newsreplay run                                       three synthetic publishers, 22 baselines
    newsreplay run --data clicks.csv --recommenders trend,mine.py:Mine
    newsreplay leaderboard runs/demo --format latex
    """
    # As with python -m, a user's own module:Class is looked for in the current folder first.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
