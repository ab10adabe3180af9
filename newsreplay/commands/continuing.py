"""`newsreplay run --resume` and `--add`: which of its options go with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from newsreplay.commands.options import LeaderboardKeywords, LimitKeywords

if TYPE_CHECKING:
    from newsreplay.api import Run

_ALWAYS = {"data", "jobs", "names", "profile", *LimitKeywords.__annotations__, *LeaderboardKeywords.__annotations__}
_ADDED = {"recommenders", "publishers", "out"}


def going_on(context: click.Context) -> Callable[..., Run]:
    """What goes on with a run, by the options that were typed. Raises `UsageError` for those that do not go with it."""
    typed = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    how = "resume" if "resume" in typed else "add"
    folder: Path = typed.pop(how)
    from newsreplay.simulator.runs.records import OptionsRecord

    allowed = _ALWAYS if how == "resume" else _ALWAYS | _ADDED | OptionsRecord.__annotations__.keys()
    refused = typed.keys() - allowed
    if refused:
        flags = [param.opts[0] for param in context.command.params if param.name in refused]
        raise click.UsageError(f"--{how} goes on with the options of {folder}; leave {', '.join(flags)} out")
    data = typed.get("data")
    if how == "resume":
        from newsreplay.api import resume

        return partial(resume, folder, data=data)
    from newsreplay.api import add

    return partial(
        add,
        folder,
        typed.get("recommenders", ()),
        data=data,
        publishers=typed.get("publishers") or (),
        out=typed.get("out"),
        given={name: _as_written(typed[name]) for name in typed if name in OptionsRecord.__annotations__},
    )


def _as_written(value: object) -> object:
    """The value of an option as run.json has it."""
    if isinstance(value, tuple):
        return value._asdict() if hasattr(value, "_asdict") else list(value)
    return value
