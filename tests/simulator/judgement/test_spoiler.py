"""Whoever repeats what an outcome row has just told gains nothing: slates are judged by later times alone.

An impression's clicks become reads of its own instant, after the outcome row that names them all. A recommender that
answers the first of these reads with the other clicks foresees nothing; it reads what it was told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Event, Log, make_log
from newsreplay.recommenders.base import Recommender, Setting
from newsreplay.simulator.judgement.judge import judge
from newsreplay.simulator.judgement.measures import SLATES, cut_offs
from newsreplay.simulator.judgement.metrics import measure
from newsreplay.simulator.judgement.oracle import foresee
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from newsreplay.simulator.replay.replay import replay
from tests.naive.judge import publisher_of


class Spoiler(Recommender):
    """Offers, on the reads of an instant, what the outcome of that instant says was clicked."""

    def __init__(self) -> None:
        self.clicked: dict[int, tuple[int, list[int]]] = {}  # session -> time of its last outcome, clicks

    def learn(self, event: Event) -> None:
        if event.kind == OUTCOME:
            named = [item for item, click in zip(event.pool, event.clicked, strict=True) if click]
            time, before = self.clicked.get(event.session, (event.time, []))
            self.clicked[event.session] = event.time, [*(before if time == event.time else []), *named]

    def recommend(self, event: Event, k: int) -> list[int]:
        time, clicked = self.clicked.get(event.session, (event.time, []))
        others = dict.fromkeys(item for item in clicked if time == event.time and item != event.item)
        return list(others)[:k]


class Impression(NamedTuple):
    session: int
    time: int
    clicks: list[int]


def log_of(impressions: list[Impression], articles: int) -> Log:
    """Impressions of all articles with their outcomes, and a read a click; all articles are known before."""
    rows: list[tuple[int, int, int, int, int]] = [(0, PUBLISH, -1, item, -1) for item in range(articles)]
    for number, (session, time, clicks) in enumerate(impressions):
        rows += [(time, IMPRESSION, session, -1, number), (time, OUTCOME, session, -1, number)]
        rows += [(time, READ, session, item, -1) for item in clicks]
    rows.sort(key=lambda row: row[:2])
    time, kind, session, item, impression = (list(column) for column in zip(*rows, strict=True))
    pool = list(range(articles))
    return make_log(
        time=time,
        kind=kind,
        session=session,
        user=session,
        item=item,
        category=[-1] * len(rows),
        impression=impression,
        pools={
            "at": [articles * n for n in range(len(impressions) + 1)],
            "item": pool * len(impressions),
            "clicked": [item in clicks for _, _, clicks in impressions for item in pool],
        },
    )


def metrics_of(log: Log, slates: Any, k: int) -> dict[str, float | None]:
    """All metrics of slates."""
    publisher = publisher_of(log)
    scored = select_scored(publisher, Scope())
    sums = score(publisher, scored, Answers(slates, None)).sums
    results = measure("A", k, scored, {"it": sums}, 0).results
    return {result.metric: result.value for result in results if result.metric.partition("@")[0] in SLATES}


@st.composite
def stories(draw: st.DrawFn) -> tuple[Log, int]:
    """Sessions whose impressions have several clicks each; no article is clicked at two times of a session."""
    impressions = []
    articles = draw(st.integers(4, 12))
    for session in range(draw(st.integers(1, 3))):
        left = draw(st.permutations(range(articles)))
        for time in draw(st.lists(st.integers(1, 5), min_size=2, max_size=4)):
            count = draw(st.integers(1, 3))
            impressions.append(Impression(session, time, left[:count]))
            left = left[count:]
    impressions.sort(key=lambda impression: impression.time)
    order = list(dict.fromkeys(impression.session for impression in impressions))  # codes by first appearance
    named = [impression._replace(session=order.index(impression.session)) for impression in impressions]
    return log_of([impression for impression in named if impression.clicks], articles), draw(
        st.sampled_from([1, 2, 10])
    )


@settings(max_examples=40, deadline=None)
@given(story=stories())
def test_who_repeats_the_outcome_has_nothing_by_any_metric_of_slates(story: tuple[Log, int]) -> None:
    log, k = story
    slates = replay(log, Spoiler(), Setting(k=k)).slates
    metrics = metrics_of(log, slates, k)
    assert set(metrics) == {f"{name}@{cut}" for name in SLATES for cut in cut_offs(k)}
    assert not any(metrics.values())


@pytest.mark.parametrize("k", [1, 2, 10])
def test_a_session_of_two_instants_gives_the_spoiler_no_hit_and_the_oracle_all(k: int) -> None:
    log = log_of([Impression(0, 5, [0, 1, 2]), Impression(0, 9, [3, 4, 5])], 6)
    publisher = publisher_of(log)
    slates = replay(log, Spoiler(), Setting(k=k)).slates
    assert (slates[:, 0] >= 0).all()  # it does answer, with articles that are read at that instant
    of = select_scored(publisher, Scope()).frame
    assert (judge(publisher, slates, of).place <= 0).all()
    assert not any(metrics_of(log, slates, k).values())
    best = np.full((6, k), -1, np.int32)
    foresee(publisher, best, np.empty(len(log.pools.item)))
    # Three requests at 5 begin at three places of one list, so that at 1 already all three reads at 9 are hits.
    assert metrics_of(log, best, k)["event_success@1"] == 3
    assert metrics_of(log, best, k)["session_success@1"] == 1


def test_a_session_of_one_instant_is_not_scored_whatever_is_offered() -> None:
    log = log_of([Impression(0, 5, [0, 1, 2]), Impression(1, 5, [3]), Impression(1, 6, [4])], 6)
    scored = select_scored(publisher_of(log), Scope())
    assert scored.frame.session.tolist() == [1]
    assert scored.one_instant == 1
