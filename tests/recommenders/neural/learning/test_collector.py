"""From captures to samples: outcomes find their impressions, and nothing is held for ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from newsreplay.log.rows import DAY, IMPRESSION, OUTCOME, Event
from newsreplay.recommenders.neural.learning.collector import Collector, join_captures, shown_alone
from newsreplay.recommenders.neural.stream.state import SAMPLED, Captures


def captures(rows: list[int], kind: int = IMPRESSION, time: int = 0, pool: int = 2, shown: int = 2) -> Captures:
    """Captures of these rows, each of a pool of the articles 0, 1 … of which the first were shown."""
    n = len(rows)
    return Captures(
        row=np.array(rows),
        kind=np.full(n, kind, np.uint8),
        time=np.full(n, time),
        user=np.zeros(n, np.int32),
        history=np.full((n, 1), -1, np.int32),
        length=np.zeros(n, np.int32),
        history_signals=np.zeros((n, 1, 0), np.float32),
        history_age=np.zeros((n, 0), np.float32),
        history_session=np.zeros((n, 0), bool),
        alive=np.full(n, pool, np.int32),
        shown=np.full(n, 1 if kind == SAMPLED else shown, np.int32),
        at=np.arange(n + 1) * pool,
        item=np.tile(np.arange(pool, dtype=np.int32), n),
        chance=np.linspace(0, 1, n * pool, dtype=np.float32),
        signals=np.zeros((n * pool, 0), np.float32),
    )


def event(row: int, kind: int, session: int = 0, pool: Any = (0, 1), clicked: Any = ()) -> Event:
    return Event(row, 0, kind, session, session, -1, -1, pool, clicked)


def shown(collector: Collector, *rows: int, **what: Any) -> None:
    for row in rows:
        collector.add_impression(event(row, IMPRESSION, **what))


def test_outcomes_find_the_oldest_impression_of_their_session_and_pool() -> None:
    collector = Collector(0)
    shown(collector, 1, 2)
    shown(collector, 3, session=1)
    collector.add_outcome(event(4, OUTCOME, clicked=(True, False)))
    collector.add_outcome(event(5, OUTCOME, clicked=(False, True)))
    collector.take(captures([1, 2, 3]))
    samples = collector.complete(0)
    assert samples is not None
    assert samples.clicked.tolist() == [True, False, False, True]
    collector.add_outcome(event(6, OUTCOME, session=1, clicked=(True, False)))
    later = collector.complete(0)
    assert later is not None
    assert later.clicked.tolist() == [True, False]
    assert collector.complete(0) is None


def test_an_impression_without_clicks_or_without_passed_over_candidates_is_no_sample() -> None:
    collector = Collector(0)
    shown(collector, 1, 2)
    collector.add_outcome(event(3, OUTCOME, clicked=(False, False)))
    collector.add_outcome(event(4, OUTCOME, clicked=(True, True)))
    collector.take(captures([1, 2]))
    assert collector.complete(0) is None


def test_a_read_among_drawn_articles_is_complete_at_once() -> None:
    collector = Collector(0)
    collector.take(captures([7], SAMPLED, pool=3))
    samples = collector.complete(0)
    assert samples is not None
    assert samples.clicked.tolist() == [True, False, False]
    assert samples.drawn.tolist() == [False, True, True]


def test_what_was_drawn_beside_an_impression_was_neither_clicked_nor_passed_over() -> None:
    collector = Collector(0)
    shown(collector, 1, 2)
    collector.add_outcome(event(3, OUTCOME, clicked=(False, True)))
    collector.add_outcome(event(4, OUTCOME, clicked=(True, True)))
    collector.take(captures([1, 2], pool=4))
    samples = collector.complete(0)
    assert samples is not None
    assert samples.clicked.tolist() == [False, True, False, False, True, True, False, False]
    assert samples.drawn.tolist() == [False, False, True, True] * 2


def test_candidates_that_were_drawn_are_left_out_of_what_is_answered() -> None:
    drawn = captures([1, 2], pool=4)
    answered = shown_alone(drawn)
    assert answered.at.tolist() == [0, 2, 4]
    assert answered.item.tolist() == [0, 1, 0, 1]
    assert shown_alone(answered) is answered


def test_only_drawn_candidates_are_negatives_where_they_alone_are_asked_for() -> None:
    collector = Collector(0, passed_over=False)
    shown(collector, 1, 2)
    collector.add_outcome(event(3, OUTCOME, clicked=(False, True)))
    collector.add_outcome(event(4, OUTCOME, clicked=(True, False)))
    collector.take(join_captures([captures([1], pool=4), captures([2], pool=2)]))
    samples = collector.complete(0)
    assert samples is not None
    assert samples.time.size == 1
    assert samples.item.tolist() == [1, 2, 3]
    assert samples.clicked.tolist() == [True, False, False]


def test_an_outcome_that_never_comes_is_given_up_after_a_day() -> None:
    collector = Collector(0)
    shown(collector, 1)
    collector.take(captures([1], time=5))
    assert collector.complete(5 + DAY - 1) is None
    assert collector.held == 1
    assert collector.complete(5 + DAY) is None
    assert (collector.held, collector.parts, collector.waiting) == (0, [], {})
    collector.add_outcome(event(9, OUTCOME, clicked=(True, False)))  # too late
    assert collector.outcomes == {}


def test_no_more_is_held_than_there_is_room_for_and_the_rest_is_counted() -> None:
    collector = Collector(0, most=40)
    for first in range(0, 100, 10):
        collector.take(captures(list(range(first, first + 10)), SAMPLED))
        assert collector.held <= 50
    samples = collector.complete(0)
    assert samples is not None
    assert len(samples.time) + collector.dropped == 100


def test_the_same_key_drops_the_same() -> None:
    kept = []
    for key in (1, 1, 2):
        collector = Collector(key, most=10)
        collector.take(captures(list(range(50)), SAMPLED))
        kept.append(collector.parts[0].row.tolist())
    assert kept[0] == kept[1] != kept[2]
