"""The kinds of source that can be prepared, and what reads each: newsreplay's own, and those of installed packages.

A package offers a kind with an entry point that names a function as `Plan` in `newsreplay.datasets.base` describes:

    [project.entry-points."newsreplay.datasets"]
    morning_post = "my_pkg.clicks:plan_morning_post"
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from newsreplay.errors import DataError, NewsreplayError
from newsreplay.files import digest_of
from newsreplay.plug_ins import PlugIn, PlugIns
from newsreplay.traces import one_line

if TYPE_CHECKING:
    from newsreplay.datasets.base import Block, Part, Plan

#: By kind, the module and the function that plans its reading.
READERS = {
    "adressa": "newsreplay.datasets.sources.adressa:plan_adressa",
    "deskdrop": "newsreplay.datasets.sources.deskdrop:plan_deskdrop",
    "ebnerd": "newsreplay.datasets.sources.ebnerd.plan:plan_ebnerd",
    "globo": "newsreplay.datasets.sources.globo:plan_globo",
    "mind": "newsreplay.datasets.sources.mind.plan:plan_mind",
    "nemig": "newsreplay.datasets.sources.nemig:plan_nemig",
    "newsreel": "newsreplay.datasets.sources.newsreel.plan:plan_newsreel",
    "outbrain": "newsreplay.datasets.sources.outbrain:plan_outbrain",
    "pens": "newsreplay.datasets.sources.pens:plan_pens",
    "streamingrec": "newsreplay.datasets.sources.streamingrec:plan_streamingrec",
    "table": "newsreplay.datasets.sources.table.plan:plan_table",
    "tianchi": "newsreplay.datasets.sources.tianchi:plan_tianchi",
}


_OWN = {*READERS, "s3", "gs", "http", "https", "file"}  #: and what stands before the colon of an address
PLUG_INS = PlugIns("newsreplay.datasets", "kind of data", lambda name: _plain(name) in _OWN)
Reader: TypeAlias = "Callable[..., Plan]"  #: takes a path, and options by name


def _plain(name: str) -> str:
    """A kind as it is compared: whoever types MIND_ means mind."""
    return "".join(c for c in name.lower() if c.isalnum())


def kinds() -> list[str]:
    """The kinds of source that can be prepared."""
    return [*READERS, *PLUG_INS.names()]


def reader_of(kind: str) -> Reader:
    """The function that plans the reading of a kind. Raises `DataError` where that of a package cannot be had."""
    if kind in READERS:
        module, function = READERS[kind].split(":")
        reader: Reader = getattr(importlib.import_module(module), function)
        return reader
    offer = _offer(kind)
    try:
        module, _, function = offer.target.partition(":")
        found = getattr(importlib.import_module(module), function)
        inspect.signature(found)
    except Exception as error:
        raise DataError(
            f"{kind} of the package {offer.package} cannot be read: {offer.target}: {one_line(error)}"
        ) from error
    return _guarded(found, offer)


def sources_of(kind: str) -> str:
    """A digest of what reads a kind of an installed package, all of whose code counts; "" of newsreplay's own."""
    if kind in READERS:
        return ""
    spec = find_spec(_offer(kind).target.partition(":")[0].partition(".")[0])
    if spec is None or spec.origin is None:
        return ""
    file = Path(spec.origin)
    return digest_of(sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file])


def _offer(kind: str) -> PlugIn:
    try:
        offer = PLUG_INS.find(kind)
    except NewsreplayError as error:
        raise DataError(str(error)) from None
    if offer is None:
        raise DataError(f"there is no kind of data called {kind!r}; there are {', '.join(kinds())}")
    return offer


def _guarded(reader: Reader, offer: PlugIn) -> Reader:
    """The same, but what it raises is a `DataError` that says whose it is and where."""
    from newsreplay.datasets.base import Plan

    @functools.wraps(reader)
    def plan(*args: object, **options: object) -> Plan:
        try:
            made = reader(*args, **options)
        except DataError:
            raise
        except Exception as error:
            raise _defect(offer, "planning", error) from error
        if not isinstance(made, Plan):
            raise DataError(f"{offer.name} of the package {offer.package} planned a {type(made).__name__}, not a Plan")
        return replace(made, read=lambda part: read(made, part))

    def read(made: Plan, part: Part) -> Iterator[Block]:
        try:
            yield from made.read(part)
        except DataError:
            raise
        except Exception as error:
            raise _defect(offer, f"reading {part.name}", error) from error

    return plan


def _defect(offer: PlugIn, doing: str, error: Exception) -> DataError:
    return DataError(f"{offer.name} of the package {offer.package}: {doing} failed: {one_line(error)}")
