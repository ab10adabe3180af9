"""Logs that a check makes of others are valid, and differ from them in nothing but what is meant."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.log.catalog import bare_articles
from newsreplay.log.rows import IMPRESSION, LOG_DTYPES, OUTCOME, PUBLISH, READ, Log
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.pool_order import _falling
from newsreplay.simulator.probes import held_back, shortened, with_pool_reversed, with_pools_sorted
from tests import strategies


def rows_of(log: Log, *names: str) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(log, name).tolist() for name in names), strict=True))


@settings(max_examples=150, deadline=None)
@given(log=strategies.logs_with_impressions() | strategies.logs(), delay=st.integers(1, 10_000_000))
def test_held_back_outcomes_come_so_much_later_with_their_reads_and_all_else_stays(log: Log, delay: int) -> None:
    other, articles = held_back(log, bare_articles(log), delay)
    told = {(time, session) for time, session, kind in rows_of(log, "time", "session", "kind") if kind == OUTCOME}
    expected, known = [], -1
    for row in rows_of(log, *LOG_DTYPES):
        time, kind, session, _, item = row[:5]
        late = kind == OUTCOME or (kind == READ and item <= known and (time, session) in told)
        expected.append((time + delay * late, *row[1:]))
        known = max(known, item)
    assert rows_of(other, *LOG_DTYPES) == sorted(expected, key=lambda row: row[:2])
    for column in (other.item, other.user[other.kind != PUBLISH], other.session[other.session >= 0]):
        assert (np.diff(np.maximum.accumulate(column), prepend=-1) <= 1).all()  # codes by first appearance
    rows = range(len(log.time))
    for item, row in enumerate(articles.category_row.tolist()):
        assert row == len(log.time) or (row in rows and other.item[row] == item)


def test_a_log_whose_outcomes_are_held_back_has_requests_before_them() -> None:
    log, _ = held_back(*made_up_log(2_000))
    pending = np.cumsum((log.kind == IMPRESSION).astype(int) - (log.kind == OUTCOME))
    assert (pending[log.kind == READ] > 0).mean() > 0.3


@settings(max_examples=60, deadline=None)
@given(log=strategies.logs_with_impressions(), rows=st.integers(1, 60))
def test_a_shortened_log_is_the_beginning_of_the_log(log: Log, rows: int) -> None:
    short, articles = shortened(log, bare_articles(log), rows)
    count = len(short.time)
    assert np.count_nonzero(short.kind != PUBLISH) == min(rows, np.count_nonzero(log.kind != PUBLISH))
    assert rows_of(short, *LOG_DTYPES) == rows_of(log, *LOG_DTYPES)[:count]
    assert len(articles.id) == short.item.max(initial=-1) + 1 or count == len(log.time)


def candidates(log: Log) -> list[list[tuple[int, bool]]]:
    """Of each impression the candidates and whether they are clicked."""
    pairs = list(zip(log.pools.item.tolist(), log.pools.clicked.tolist(), strict=True))
    return [pairs[begin:end] for begin, end in zip(log.pools.at[:-1], log.pools.at[1:], strict=True)]


@settings(max_examples=60, deadline=None)
@given(log=strategies.logs_with_impressions(), seed=st.integers(0, 9))
def test_candidates_in_another_order_keep_their_clicks(log: Log, seed: int) -> None:
    before = candidates(log)
    for number in range(len(before)):
        expected = [pool[::-1] if place == number else pool for place, pool in enumerate(before)]
        assert candidates(with_pool_reversed(log, number)) == expected
    rank = np.random.default_rng(seed).permutation(int(log.item.max()) + 1)
    by_rank = candidates(with_pools_sorted(log, rank))
    assert by_rank == [sorted(pool, key=lambda one: rank[one[0]]) for pool in before]


@given(values=st.lists(st.sampled_from([-np.inf, 0.0, 1.0, 2.5]), min_size=2, max_size=12))
def test_how_far_values_fall_is_a_share_of_all_pairs(values: list[float]) -> None:
    pairs = list(combinations(values, 2))
    falls = sum(first > second for first, second in pairs) - sum(first < second for first, second in pairs)
    assert _falling(np.array(values)) == pytest.approx(falls / len(pairs))
