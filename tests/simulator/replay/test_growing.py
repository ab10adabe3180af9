"""A replay of a log that grows answers what the replay of the whole log answers, wherever the log was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RecommenderError
from newsreplay.log.catalog import bare_articles
from newsreplay.log.rows import LOG_DTYPES, READ, Asks, Event, Log, make_log
from newsreplay.recommenders.base import Deferred, Recommender, Setting, Sizes
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.replay.growing import growing_replay
from newsreplay.simulator.replay.replay import replay
from tests.strategies import logs_with_impressions

FEW = ["circular", "blend('circular', recency)"]
MANY = [
    *(
        name
        for name, one in BUILT_IN.items()
        if "neural" not in one.needs and one.family != "mixtures" and name != "replayed"
    ),
    "blend('trend(hours=2)', sequences, counters)",
    "fallback(sequences, content)",
    "random(hours=6)",
    "lifetime(trend, hours=none)",
]
SPECS = [*FEW, *(pytest.param(spec, marks=pytest.mark.slow) for spec in MANY if spec not in (*FEW, "oracle"))]
TINY = Sizes(1, 1, 1, 1, 0)


def beginning(log: Log, rows: int) -> Log:
    """The first rows of a log, with a copy of their own."""
    columns = {name: getattr(log, name)[:rows].copy() for name in LOG_DTYPES}
    impressions = int(columns["impression"].max(initial=-1)) + 1
    at = log.pools.at[: impressions + 1].copy()
    pools = {"at": at, "item": log.pools.item[: at[-1]].copy(), "clicked": log.pools.clicked[: at[-1]].copy()}
    return make_log(pools=pools, **columns)


def cuts(log: Log, marks: list[float]) -> list[int]:
    return sorted({*(round(mark * len(log.time)) for mark in marks), len(log.time)})


def assert_answers_alike(recommender: object, again: object, name: str, log: Log, ends: list[int], asks: Asks) -> None:
    setting = Setting(k=3, requests=asks)
    whole = replay(log, recommender, setting, name=name)  # type: ignore[arg-type]
    empty = beginning(log, 0)
    growing = growing_replay(again, setting, name, empty, bare_articles(empty), TINY)  # type: ignore[arg-type]
    for end in ends:
        part = beginning(log, end)
        growing.advance(part, bare_articles(part))
    done = growing.done()
    assert done.slates.tolist() == whole.slates.tolist()
    assert (done.scores is None) == (whole.scores is None)
    if whole.scores is not None:
        assert np.asarray(done.scores).tobytes() == whole.scores.tobytes()
    assert done.drops == whole.drops


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=15)
@given(
    log=logs_with_impressions(max_rows=30),
    marks=st.lists(st.floats(0, 1), max_size=6),
    asks=st.sampled_from(["reads", "impressions"]),
)
def test_every_recommender_answers_as_on_the_whole_log(spec: str, log: Log, marks: list[float], asks: Asks) -> None:
    entry = start_list(spec)[0]
    assert_answers_alike(entry.make(), entry.make(), entry.label, log, cuts(log, marks), asks)


class Names(Recommender):
    """Recommends the articles of the reader's reads by id, late, and scores pools by what it counted."""

    answers = "ids"

    def start(self, catalog: object) -> None:
        self.catalog, self.reads, self.late = catalog, {}, []  # type: ignore[var-annotated]

    def learn(self, event: Event) -> None:
        if event.kind == READ:
            self.reads.setdefault(event.user_id, []).append(event.item_id)

    def recommend(self, request: Event, k: int) -> Deferred:
        answer = Deferred()
        self.late.append((answer, list(self.reads.get(request.user_id, []))[::-1]))
        return answer

    def score(self, request: Event, pool: tuple[int, ...]) -> list[int]:
        return [sum(item in reads for reads in self.reads.values()) for item in request.pool_ids]

    def settle(self) -> None:
        for answer, items in self.late:
            answer.answer = items
        self.late.clear()


@given(log=logs_with_impressions(), marks=st.lists(st.floats(0, 1), max_size=6))
def test_a_plain_recommender_with_ids_and_late_answers_does_so_too(log: Log, marks: list[float]) -> None:
    assert_answers_alike(Names(), Names(), "Names", log, cuts(log, marks), "reads")


def test_what_foresees_the_log_is_refused() -> None:
    empty = make_log(time=[], kind=[], session=[], user=[], item=[], category=[])
    with pytest.raises(RecommenderError, match="foresees"):
        growing_replay(start_list("oracle")[0].make(), Setting(), "oracle", empty, bare_articles(empty))
