"""What a recommender may have besides `recommend`: one protocol for each further method.

The engine checks for them once, before the first row, with `isinstance`; a class need not inherit from any. What
counts are methods that the object or its class has: one that only `__getattr__` would make up is not seen by every
version of Python, so an object that wraps another should define the methods that it passes on.

    >>> class Newest:
    ...     def recommend(self, request, k): ...
    ...     def score(self, request, pool): ...
    >>> isinstance(Newest(), SupportsScore), isinstance(Newest(), SupportsFit)
    (True, False)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from newsreplay.log.catalog import Articles
    from newsreplay.log.rows import Event, Log
    from newsreplay.recommenders.base import Scores, SelfReport


@runtime_checkable
class SupportsScore(Protocol):
    """Ranks the candidates of impressions."""

    def score(self, request: Event, pool: Sequence[int], /) -> Scores:
        """One number per candidate of `pool`, higher is better; see `newsreplay.recommenders.base.Recommender`."""
        ...


@runtime_checkable
class SupportsSettle(Protocol):
    """May return `Deferred` answers."""

    def settle(self) -> None:
        """Set the `answer` of every `Deferred` that is still without one."""
        ...


@runtime_checkable
class SupportsSelfReport(Protocol):
    """Has something to add to the tables that its rows stand in."""

    def self_report(self) -> SelfReport:
        """Notes, costs and how training went; called once, after the last row."""
        ...


@runtime_checkable
class SupportsForesee(Protocol):
    """Needs the future; its rows are marked in every table."""

    def foresee(self, log: Log, articles: Articles, /) -> None:
        """Take in the whole log; called once, before `start`."""
        ...


@runtime_checkable
class SupportsFit(Protocol):
    """Can be fitted on demand, which `newsreplay train` does."""

    def fit(self) -> None:
        """Fit to all rows learned so far. Raises `NewsreplayError` where they are too few."""
        ...


@runtime_checkable
class SupportsSaveWeights(Protocol):
    """Can keep what was fitted in a file, which `newsreplay train` does."""

    def save_weights(self, path: Path, /) -> None:
        """Write the file, whole or not at all. Raises `NewsreplayError` where nothing has been fitted."""
        ...


@runtime_checkable
class SupportsStateDict(Protocol):
    """Can be stopped between two rows and go on in another process with the same answers, from a checkpoint."""

    def state_dict(self) -> dict[str, object]:
        """All that it has learned so far: None, numbers, texts, lists, tuples, dicts and NumPy arrays, by name."""
        ...

    def load_state_dict(self, state: Mapping[str, object], /) -> None:
        """Go on from what `state_dict` returned; called once, after `start`."""
        ...
