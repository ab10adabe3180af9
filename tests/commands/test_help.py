"""The group and its help: instant, complete, and the same for every command."""

from __future__ import annotations

import click
import pytest

import newsreplay
from newsreplay.cli import COMMANDS
from newsreplay.commands.groups import GroupedCommand
from tests.commands.conftest import Cli, complaint, python

HEAVY = {"numba", "numpy", "torch", "pandas", "pyarrow"}


def test_help_imports_nothing_heavy() -> None:
    done = python("-X", "importtime", "-m", "newsreplay", "--help")
    assert done.stdout.startswith("Usage: newsreplay [OPTIONS] COMMAND")
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.count("|") == 2}
    assert "newsreplay.cli" in imported
    assert not imported & HEAVY
    assert not [name for name in imported if name.startswith("newsreplay.commands")]


def test_no_command_imports_anything_heavy_before_it_runs() -> None:
    code = (
        "import sys; from newsreplay.cli import COMMANDS\n"
        "for command in COMMANDS.values(): command.load()\n"
        "print(*sys.modules)"
    )
    modules = set(python("-c", code).stdout.split())
    assert {"newsreplay.commands.running", "newsreplay.commands.showing", "newsreplay.commands.data"} <= modules
    assert not modules & HEAVY


def test_the_version_is_that_of_the_package() -> None:
    assert python("-m", "newsreplay", "--version").stdout.strip().endswith(newsreplay.__version__)


def test_the_group_lists_every_command_with_what_it_does(cli: Cli) -> None:
    text = cli("--help").stdout
    lines = [line.strip().split("  ", 1) for line in text.split("Commands:\n")[1].splitlines()]
    assert [name for name, _ in lines] == sorted(COMMANDS)
    assert {name: short_help.strip() for name, short_help in lines} == {
        name: command.short_help for name, command in COMMANDS.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_found_under_its_own_name(name: str) -> None:
    command = COMMANDS[name].load()
    assert isinstance(command, click.Command)
    assert command.name == name


def test_there_is_no_command_of_another_name(cli: Cli) -> None:
    assert "No such command 'rnu'" in complaint(cli("rnu"))


def test_options_in_groups_have_no_arguments_among_them() -> None:
    class Documented(click.Argument):  # as click's own are from a version on
        def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
            return "PLACE", ""

    command = GroupedCommand("go", params=[Documented(["place"]), click.Option(["--limit"], help="How many.")])
    text = command.get_help(click.Context(command))
    assert "PLACE" not in text.partition("\n")[2]
    assert "--limit" in text


@pytest.mark.parametrize("command", ["run", "leaderboard", "compare", "plot", "report", "score", "verify"])
def test_every_command_explains_itself(cli: Cli, command: str) -> None:
    text = cli(command, "--help").stdout
    assert text.startswith(f"Usage: main {command} [OPTIONS]")
    assert len(text.splitlines()) > 5
