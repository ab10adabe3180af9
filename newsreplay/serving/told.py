"""What a message says, whatever protocol it came in: rows to learn, and questions."""

from __future__ import annotations

from typing import NamedTuple

from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import Excludes


class UnclearMessageError(NewsreplayError):
    """A message cannot be understood; its text says why."""


class ToldRow(NamedTuple):
    """One thing that happened. Ids are text, None = not told."""

    kind: int  #: a `Kind`
    time: int | None  #: ms since the epoch, UTC; None = now
    user: str | None = None
    session: str | None = None
    item: str | None = None
    facts: tuple[tuple[str, str], ...] = ()  #: category, title … of the item
    pool: tuple[str, ...] = ()  #: candidates of an impression
    clicked: tuple[bool, ...] | None = None  #: of an outcome: one for each candidate
    clicks: tuple[str, ...] = ()  #: of an outcome whose pool is not told: what was clicked
    recommendable: bool | None = None  #: of a publication


class Ask(NamedTuple):
    """A request for a slate, or for the scores of a pool."""

    row: ToldRow  #: who, when, the article on screen
    k: int | None = None  #: length of the slate; None = as long as slates are
    scores: bool = False


class Start(NamedTuple):
    """A replay begins: what was learned of the publisher is forgotten. None = as the server was told."""

    k: int | None = None
    seed: int | None = None
    warmup: int | None = None
    exclude: Excludes | None = None  #: what requests exclude


class Told(NamedTuple):
    """What a message says."""

    publisher: str = ""
    start: Start | None = None
    rows: tuple[ToldRow, ...] = ()  #: to be learned, before anything is answered
    ask: Ask | None = None
    error: str = ""  #: what the other side complains of
