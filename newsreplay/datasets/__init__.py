"""Data sets: sources read a publisher's files, the store prepares them into logs."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsreplay.datasets.find import find_data, prepare_data
    from newsreplay.datasets.kept import leftovers, prepared, remove_cached, remove_data, remove_leftovers
    from newsreplay.datasets.readers import kinds

__all__ = [
    "find_data",
    "kinds",
    "leftovers",
    "prepare_data",
    "prepared",
    "remove_cached",
    "remove_data",
    "remove_leftovers",
]
_MODULES = {"find_data": "find", "prepare_data": "find", "kinds": "readers"}


def __getattr__(name: str) -> object:
    # Imported on first use, so that a list of what is prepared needs no kernels.
    if name in __all__:
        return getattr(import_module(f"newsreplay.datasets.{_MODULES.get(name, 'kept')}"), name)
    raise AttributeError(f"module 'newsreplay.datasets' has no attribute {name!r}")
