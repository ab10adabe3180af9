"""What a shell offers where names of data and recommenders are typed; imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


def complete_data(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The demo, what is prepared, kinds with their colon; and files."""
    from newsreplay.datasets.kept import names
    from newsreplay.datasets.readers import kinds

    offered = _beginning([*names(), *(f"{kind}:" for kind in kinds())], incomplete)
    return [*offered, CompletionItem(incomplete, type="file")]


def complete_recommenders(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of recommenders and presets, in a list behind its last comma; and files, for mine.py:Mine."""
    before, comma, last = incomplete.rpartition(",")
    return [*_beginning(_recommenders(), last, before + comma), CompletionItem(incomplete, type="file")]


def complete_recommender(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of recommenders and presets."""
    return _beginning(_recommenders(), incomplete)


def _recommenders() -> list[str]:
    from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN, PRESETS
    from newsreplay.recommenders.registry import PLUG_INS

    return [*BUILT_IN, *PRESETS, *ALIASES, *PLUG_INS.names()]


def _beginning(names: Iterable[str], text: str, before: str = "") -> list[CompletionItem]:
    return [CompletionItem(before + name) for name in names if name.startswith(text)]
