"""The command that writes a package for a recommender of one's own."""

from __future__ import annotations

import keyword
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import click

from newsreplay.version import __version__


@click.command()
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where to.  [default: NAME]")
def new(name: str, folder: Path | None) -> None:
    """Write a package with a recommender of your own, its tests and what installs it.

    NAME is that of its module, my_recommender; specs and pip call it my-recommender. A folder that is there already is
    never written to.
    """
    from newsreplay.commands.template import files

    module = _checked(name)
    folder = folder or Path(module)
    if folder.exists() or folder.is_symlink():
        raise click.ClickException(f"{folder} is there already; choose another name, or another folder with --to")
    try:
        for path, text in files(module, __version__).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror or error}") from None
    shown, spec = shlex.quote(str(folder)), module.replace("_", "-")
    click.echo(f"wrote {folder}; its recommender is {folder / 'src' / module / 'recommender.py'}. Now run:")
    click.echo(f"  pip install -e {shlex.quote(f'{folder}[test]')}")
    click.echo(f"  pytest {shown}")
    click.echo(f"  newsreplay run --recommenders {spec},trend,popular")


def _checked(name: str) -> str:
    """The module of a name, once it can be one. Raises `ClickException`."""
    from newsreplay.recommenders.registry import PLUG_INS

    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", module) or keyword.iskeyword(module):
        raise click.ClickException(
            f"{name!r} cannot be the name of a module; write small letters, digits and single underscores: "
            "my_recommender"
        )
    if _is_taken(module):
        raise click.ClickException(f"{module!r} is a module that is there already; choose another name")
    if any(map(PLUG_INS.is_own, (module, module.replace("_", "-")))):
        raise click.ClickException(f"{name!r} is a recommender of newsreplay's own; choose another name")
    return module


def _is_taken(module: str) -> bool:
    """Whether something can be imported by that name; a mere folder does not count."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # it is imported already, and odd
        return True
    return spec is not None and spec.origin is not None
