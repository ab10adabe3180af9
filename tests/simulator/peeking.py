"""What recommenders need that know what they should not, and how they are checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import IMPRESSION, OUTCOME, Event, Log
from newsreplay.recommenders.base import Recommender
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import Check, check_entry


def checked(recommender: Recommender, **options: Any) -> Check:
    """A check in this process, where it takes a hundredth of the time."""
    return check_entry(start_list([recommender])[0], apart=False, **options)


def log_on_the_stack() -> Log:
    """The log of the replay that calls."""
    frame: Any = sys._getframe()
    while not isinstance(frame.f_locals.get("log"), Log):
        frame = frame.f_back
    log: Log = frame.f_locals["log"]
    return log


def clicks_behind(log: Log, impression: int) -> list[int]:
    """The candidates of an impression that were clicked, whether that has been told or not."""
    places = range(log.pools.at[impression], log.pools.at[impression + 1])
    return [int(log.pools.item[place]) for place in places if log.pools.clicked[place]]


class HastyClickPeeker(Recommender):
    """Recommends what was clicked in the last impression, before its outcome has been told."""

    def start(self, catalog: Catalog) -> None:
        self.clicked: list[int] = []

    def learn(self, event: Event) -> None:
        if event.kind == IMPRESSION:
            log = log_on_the_stack()
            self.clicked = clicks_behind(log, int(log.impression[event.row]))

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return self.clicked


class PatientClickReader(HastyClickPeeker):
    """Recommends the same once the outcome has told it."""

    def learn(self, event: Event) -> None:
        if event.kind == OUTCOME:
            self.clicked = [item for item, clicked in zip(event.pool, event.clicked, strict=True) if clicked]
