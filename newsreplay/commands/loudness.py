"""How much a command says on stderr beside its result: --quiet and --verbose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import click

from newsreplay.escaping import escaped

Loudness: TypeAlias = Literal["quiet", "usual", "verbose"]
_KEY = "newsreplay.commands.loudness"
_WALK = re.compile(r"walk_(?:\w+\.)*(\w+)_\w+_[0-9a-f]{16}")  #: the loop with a recommender's kernels bound to it


def _keep(ctx: click.Context, parameter: click.Parameter, value: bool | None) -> None:
    ctx.meta[_KEY] = "usual" if value is None else "quiet" if value else "verbose"


loudness_option = click.option(
    "--quiet/--verbose",
    "-q/-v",
    default=None,
    expose_value=False,
    is_eager=True,
    callback=_keep,
    help="Print the result or the errors alone; or also where data and kernels lie, what is compiled, and where time "
    "goes.",
)


def loudness() -> Loudness:
    """What was asked for; `usual` outside a command."""
    ctx = click.get_current_context(silent=True)
    said: Loudness = ctx.meta.get(_KEY, "usual") if ctx else "usual"
    return said


def say(text: str, *, only: Loudness | None = None) -> None:
    """A line on stderr, what is foreign in it escaped; nothing where it is to be quiet, or not as loud as `only`."""
    if loudness() != "quiet" and only in (None, loudness()):
        click.echo(escaped(text), err=True)


@contextmanager
def compiling_said(announced: bool) -> Iterator[None]:
    """In here it is said what is compiled: each thing once, or, if it was `announced`, only to who wants all told.

    Who wants all told hears last how many kernels were loaded and compiled.
    """
    from newsreplay.kernels.compiling import heard_by
    from newsreplay.machine import home

    loud, kernels, said = loudness(), {True: 0, False: 0}, set[str]()

    def hear(kernel: str, kept: bool) -> None:  # in any thread, where there is no context
        kernels[kept] += 1
        what = _subject(kernel)
        if not kept and what not in said and (loud == "verbose" or (loud == "usual" and not announced)):
            said.add(what)
            click.echo(escaped(f"compiling {what} (once)"), err=True)

    with heard_by(hear):
        yield
    say(
        f"kernels: {kernels[True]} loaded from {home() / 'kernels'}, {kernels[False]} compiled by this process",
        only="verbose",
    )


def _subject(kernel: str) -> str:
    """What is compiled, in a word or two.

    >>> _subject("newsreplay.simulator.replay.walk.walk_newsreplay.recommenders.vsknn_recommend_fc5231b1fe05d9ce_reads")
    'the replay of vsknn'
    >>> _subject("newsreplay.simulator.judgement.judge._judge")
    'newsreplay.simulator.judgement.judge'
    """
    walk = _WALK.search(kernel)
    return f"the replay of {walk[1]}" if walk else kernel.rpartition(".")[0]
