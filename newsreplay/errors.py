"""The errors that newsreplay raises on purpose: each names the thing, the value and the way out.

    NewsreplayError          catch this one for all that is the input's fault
    ├── DataError            a data set cannot be found, read or prepared: find_data, prepare_data, run, check
    ├── SpecError            a recommender's spec names something that does not exist: run, check
    ├── RecommenderError     a recommender broke its contract while it was replayed: check
    └── RunError             a run folder cannot be written or read: run, Run, compare, leaderboard

`NewsreplayError` itself is raised for options that make no sense, as a negative warm-up or an unknown metric. A
recommender that raises during `run` does not end the run: its error stands in the results. Whatever else is raised
(`KeyError` of `Catalog` apart) is a defect of newsreplay. The command line prints these errors as one line and leaves
with status 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NewsreplayError(Exception):
    """Any error that is the input's and not newsreplay's; the command line prints it without a traceback."""


class DataError(NewsreplayError):
    """A data set cannot be found, read or prepared, or does not tell what is asked of it."""


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
