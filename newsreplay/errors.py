"""The errors newsreplay raises on purpose: each names the thing, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NewsreplayError(Exception):
    """Any error that is the input's and not newsreplay's; the command line prints it without a traceback."""


class DataError(NewsreplayError):
    """A data set cannot be found, read or prepared."""


class SpecError(NewsreplayError):
    """A recommender or data spec names something that does not exist or cannot be parsed."""


class RecommenderError(NewsreplayError):
    """A recommender broke its contract: it recommended something unknown or not an article at all."""


class RunError(NewsreplayError):
    """A run folder cannot be written or read."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A suggestion, or nothing.

    >>> did_you_mean("hour", ["hours", "size"])
    "Did you mean 'hours'?"
    """
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else ""
