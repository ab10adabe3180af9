"""What judges are tested on."""

from __future__ import annotations

from typing import NamedTuple

from newsreplay.log.rows import Excludes, Log


class Case(NamedTuple):
    """A log, the slates of its requests, of at most k articles, and which of them came too late."""

    log: Log
    slates: list[list[int]]
    k: int
    late: list[bool]
    exclude: Excludes = "current"  #: what its requests exclude, of which nothing stands in the slates
