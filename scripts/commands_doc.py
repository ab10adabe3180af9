"""docs/commands.md: every command with its arguments and options, as `--help` prints them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from newsreplay.cli import main

WIDTH = 100  #: columns of the fenced blocks, whatever the terminal has
INTRODUCTION = """# Commands

<!-- Written by scripts/make_docs.py from newsreplay/cli.py and newsreplay/commands/: change the text there. -->

`newsreplay COMMAND --help` prints what stands here. Durations are written 1d, 36h, 90m, 1d12h or 100ms.
"""


def documents() -> dict[Path, str]:
    """The page of commands."""
    pages = [(context, _section(context)) for context in _contexts(main, None, "newsreplay")]
    links = [f"- [{context.command_path}](#{context.command_path.replace(' ', '-')})" for context, _ in pages]
    return {Path("docs/commands.md"): "\n".join([INTRODUCTION, *links, "", *(section for _, section in pages)])}


def _contexts(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    """The context of a command and of all below it."""
    context = click.Context(
        command, parent, name, terminal_width=WIDTH, max_content_width=WIDTH, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for name_below in command.list_commands(context):
            below = command.get_command(context, name_below)
            assert below is not None
            yield from _contexts(below, context, name_below)


def _section(context: click.Context) -> str:
    """Heading, help text, and usage and options in a fence."""
    formatter = context.make_formatter()
    context.command.format_usage(context, formatter)
    context.command.format_options(context, formatter)
    paragraphs = inspect.cleandoc(context.command.help or "").split("\n\n")
    text = "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs)
    return f"## {context.command_path}\n\n{text}\n\n```\n{formatter.getvalue().strip()}\n```\n"


def _paragraph(text: str) -> str:
    """A paragraph of a help text as Markdown; click's mark for one whose lines stay as they are becomes a fence."""
    mark, _, kept = text.partition("\n")
    return f"```\n{kept}\n```" if mark == "\b" else text
