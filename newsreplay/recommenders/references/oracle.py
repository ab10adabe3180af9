"""The oracle as a name on the start list; what it answers is worked out from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from newsreplay.errors import RecommenderError
from newsreplay.recommenders.base import Recommender

if TYPE_CHECKING:
    from newsreplay.log.rows import Event


class Oracle(Recommender):
    """Foresees what each reader reads and clicks next: the ceiling, not a recommender."""

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        """There is nothing to replay: raises `RecommenderError`."""
        raise RecommenderError("the oracle foresees the whole log; it has no place in a replay")
