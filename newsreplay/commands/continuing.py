"""`newsreplay run --resume` and `--add`: which of its options go with them; where `extend` looks for files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from newsreplay.commands.experiments import go_to
from newsreplay.commands.loudness import compiling_said, say
from newsreplay.commands.options import LeaderboardKeywords, LimitKeywords, check_metrics

if TYPE_CHECKING:
    from newsreplay.api import Run

_ALWAYS = {"data", "jobs", "names", "profile", *LimitKeywords.__annotations__, *LeaderboardKeywords.__annotations__}
_ADDED = {"recommenders", "publishers", "out"}


def going_on(context: click.Context, table: LeaderboardKeywords) -> Callable[..., Run]:
    """What goes on with a run, by the options that were typed; the table that is to be shown of it is checked.

    Raises `UsageError` for options that do not go with it.
    """
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
    from newsreplay.simulator.continuing import Begun

    begun = Begun.of(folder, interrupted=how == "resume")
    folder, data, out = _look_from(begun.folder, folder, typed.get("data"), typed.get("out"))
    names: dict[str, str] = typed.get("names", {})
    check_metrics(table, begun.k)
    context.with_resource(compiling_said(False))
    if how == "resume":
        from newsreplay.api import resume
        from newsreplay.spec import check_names

        check_names(begun.names | names, begun.recommenders)

        return partial(resume, folder, data=data)
    from newsreplay.api import add

    return partial(
        add,
        folder,
        typed.get("recommenders", ()),
        data=data,
        publishers=typed.get("publishers") or (),
        out=out,
        given={name: _as_written(typed[name]) for name in typed if name in OptionsRecord.__annotations__},
        names=names,
    )


def looked_from(run: Path, data: str, out: Path | None, table: LeaderboardKeywords) -> tuple[Path, str, Path | None]:
    """As `_look_from`, of a run that is to be extended; the table that is to be shown of it is checked."""
    from newsreplay.simulator.continuing import Begun

    begun = Begun.of(run, interrupted=False)
    folder, there, out = _look_from(begun.folder, run, data, out)
    check_metrics(table, begun.k)
    click.get_current_context().with_resource(compiling_said(False))
    return folder, there or data, out


def _look_from(
    begins: str | None, run: Path, data: str | None, out: Path | None
) -> tuple[Path, str | None, Path | None]:
    """What the run, `data` and `out` are called in the folder in which the paths of the run's recommenders begin.

    It becomes the current one until the command ends, if it is still there.
    """
    here = Path.cwd()
    if begins is None or Path(begins) == here or not Path(begins).is_dir():
        return run, data, out
    from newsreplay.datasets.find import seen_from

    say(f"files that recommenders name are looked for in {begins}, as they were for the run")
    go_to(Path(begins))
    return here / run, data and seen_from(here, data), out and here / out


def _as_written(value: object) -> object:
    """The value of an option as run.json has it."""
    if isinstance(value, tuple):
        return value._asdict() if hasattr(value, "_asdict") else list(value)
    return value
