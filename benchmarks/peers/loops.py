"""What others' libraries and a careful script make of a stream: each of these loops is all that one process does.

    python loops.py NAME clicks.csv

A read is scored by the last slate of its session, learned, and asked a slate of k; the last line says how many slates
held the next read. Nothing here imports newsreplay, and nothing leaves the log's order.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

K = 10


class Click(NamedTuple):
    """A read."""

    session: str
    user: str
    item: str


class Recommender(Protocol):
    """What every loop drives."""

    def learn(self, click: Click) -> None: ...
    def recommend(self, click: Click) -> list[str]: ...


class PopularScript:
    """Most reads so far, as a script keeps them: counts only grow, so the best k + 1 stay sorted."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.best: list[str] = []

    def learn(self, click: Click) -> None:
        item, best, count = click.item, self.best, self.count
        reads = count[item] = count.get(item, 0) + 1
        if item in best:
            best.remove(item)
        elif len(best) > K:
            if reads < count[best[-1]]:
                return
            best.pop()
        place = len(best)
        while place and count[best[place - 1]] <= reads:
            place -= 1
        best.insert(place, item)

    def recommend(self, click: Click) -> list[str]:
        return [item for item in self.best if item != click.item][:K]


class RiverBaseline:
    """`river.reco.Baseline` told of each read, asked to rank the articles read last: river has no popularity."""

    def __init__(self) -> None:
        from river import optim, reco

        self.model = reco.Baseline(optimizer=optim.SGD(0.025))
        self.recent: dict[str, None] = {}

    def learn(self, click: Click) -> None:
        self.model.learn_one(click.user, click.item, 1.0)
        self.recent.pop(click.item, None)
        self.recent[click.item] = None
        if len(self.recent) > 100:
            del self.recent[next(iter(self.recent))]

    def recommend(self, click: Click) -> list[str]:
        return self.model.rank(click.user, self.recent.keys() - {click.item})[:K]


class FlursFactors:
    """FluRS's incremental matrix factorization, asked to rank the 100 articles read last."""

    def __init__(self) -> None:
        from flurs.recommender import MFRecommender
        from flurs.types import Event, Item, User

        self.types = User, Item, Event
        self.model = MFRecommender(k=10)
        self.model.initialize()
        self.users: dict[str, Any] = {}
        self.items: dict[str, Any] = {}
        self.recent: dict[int, None] = {}

    def learn(self, click: Click) -> None:
        make_user, make_item, make_event = self.types
        user = self._known(self.users, click.user, make_user)
        item = self._known(self.items, click.item, make_item)
        self.model.update(make_event(user, item, 1.0))
        self.recent.pop(item.index, None)
        self.recent[item.index] = None
        if len(self.recent) > 100:
            del self.recent[next(iter(self.recent))]

    def recommend(self, click: Click) -> list[str]:
        import numpy as np

        candidates = np.array([*self.recent.keys() - {self.items[click.item].index}], int)
        ranked, _ = self.model.recommend(self.users[click.user], candidates)
        names = list(self.items)
        return [names[index] for index in ranked[:K]]

    def _known(self, known: dict[str, Any], name: str, make: Callable[[int], Any]) -> Any:
        if name not in known:
            known[name] = make(len(known))
            self.model.register(known[name])
        return known[name]


LOOPS: dict[str, Callable[[], Recommender]] = {
    "script": PopularScript,
    "river": RiverBaseline,
    "flurs": FlursFactors,
}


def clicks(path: Path) -> Iterator[Click]:
    """The reads of a CSV file with the columns of `stream.write`."""
    with path.open(newline="", encoding="utf-8") as file:
        for _, session, user, item in (rows := csv.reader(file)):
            if rows.line_num > 1:
                yield Click(session, user, item)


def replay(recommender: Recommender, path: Path) -> int:
    """Reads that their session's last slate held."""
    offered: dict[str, list[str]] = {}
    hits = 0
    for click in clicks(path):
        hits += click.item in offered.get(click.session, ())
        recommender.learn(click)
        offered[click.session] = recommender.recommend(click)
    return hits


if __name__ == "__main__":
    print(replay(LOOPS[sys.argv[1]](), Path(sys.argv[2])), "reads were on the slate before them")
