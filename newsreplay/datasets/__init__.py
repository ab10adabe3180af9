"""Data sets: sources read a publisher's files, the store prepares them into logs."""

from newsreplay.datasets.find import find_data, kinds, prepare_data
from newsreplay.datasets.kept import leftovers, prepared, remove_cached, remove_data, remove_leftovers

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
