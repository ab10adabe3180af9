"""The oracle's rows: what its slates are, and that nobody can have more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RecommenderError
from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import EXCLUDES, READ, Column, Excludes, Log, make_log
from newsreplay.recommenders.references.oracle import Oracle
from newsreplay.simulator.judgement.judge import Frame, frame, judge, tally
from newsreplay.simulator.judgement.oracle import foresee
from newsreplay.simulator.judgement.rankings import rank_impressions, scored_impressions
from tests import strategies
from tests.naive import judge as naive_judge
from tests.naive.judge import padded, publisher_of

LOGS = st.one_of(strategies.logs(), strategies.logs(palettes=[strategies.INSTANTS]))


def foreseen(publisher: Publisher, k: int, exclude: Excludes = "current") -> tuple[Column, Column]:
    slates = np.full((len(publisher.requests.row), k), -1, np.int32)
    scores = np.full(len(publisher.log.pools.item), np.nan)
    foresee(publisher, slates, scores, exclude=exclude)
    return slates, scores


def by_session(of: Frame, publisher: Publisher, slates: Column, cut: int) -> tuple[Column, Column]:
    """Hits at a cut-off, and whether there is one, of each scored session."""
    n = len(of.session)
    sums = tally(of, judge(publisher, slates, of), np.arange(n, dtype=np.int32), n, (cut,))
    return sums[:, 0, 0], sums[:, 0, 1]


@settings(max_examples=30, deadline=None)
@given(
    log=st.one_of(strategies.logs_with_impressions(), strategies.logs_with_impressions(palettes=[strategies.INSTANTS])),
    k=strategies.cut_offs(),
    exclude=st.sampled_from(EXCLUDES),
)
def test_its_slates_equal_the_slow_way(log: Log, k: int, exclude: Excludes) -> None:
    slates, scores = foreseen(publisher_of(log), k, exclude)
    assert slates.tolist() == padded(naive_judge.oracle_slates(log, k, exclude), k).tolist()
    assert scores.tolist() == log.pools.clicked.tolist()


@settings(max_examples=30, deadline=None)
@given(log=LOGS, exclude=st.sampled_from(EXCLUDES))
def test_whole_slates_of_its_hit_every_reachable_read_and_no_other(log: Log, exclude: Excludes) -> None:
    publisher = publisher_of(log)
    of = frame(publisher, exclude=exclude)
    k = int(log.item.max()) + 1
    place = judge(publisher, foreseen(publisher, k, exclude)[0], of, None, exclude).place
    assert (place > 0).tolist() == of.reachable.tolist()


@settings(max_examples=30, deadline=None)
@given(log=LOGS, k=strategies.cut_offs())
def test_its_first_place_hits_every_reachable_read_of_sessions_without_two_reads_at_once(log: Log, k: int) -> None:
    publisher = publisher_of(log)
    of = frame(publisher)
    hits, _ = by_session(of, publisher, foreseen(publisher, k)[0], 1)
    session = np.repeat(np.arange(len(of.session)), np.diff(of.begin))
    reachable = np.bincount(session, of.reachable, len(of.session))
    lengths = np.diff(of.begin)
    instants = [len(set(positions.tolist())) for positions in np.split(of.position, of.begin[1:-1])][: len(lengths)]
    alone = lengths == np.array(instants, np.int64)
    assert (hits <= reachable).all()
    assert hits[alone].tolist() == reachable[alone].tolist()


@settings(max_examples=30, deadline=None)
@given(log=LOGS, k=strategies.cut_offs(), data=st.data())
def test_no_slates_of_known_articles_bring_any_session_more_than_can_be_reached(
    log: Log, k: int, data: st.DataObject
) -> None:
    publisher = publisher_of(log)
    of = frame(publisher)
    slates = []
    for row in np.flatnonzero(log.kind == READ).tolist():
        known = sorted(naive_judge.known_at(log, row) - {int(log.item[row])})
        slates.append(data.draw(st.permutations(known))[: data.draw(st.integers(0, k))] if known else [])
    hits, some = by_session(of, publisher, padded(slates, k), k)
    session = np.repeat(np.arange(len(of.session)), np.diff(of.begin))
    most = np.bincount(session, of.reachable, len(of.session))
    assert (hits <= most).all()
    assert (some <= (most > 0)).all()


@settings(max_examples=20, deadline=None)
@given(log=strategies.logs_with_impressions())
def test_its_scores_rank_every_impression_perfectly(log: Log) -> None:
    publisher = publisher_of(log)
    seen = scored_impressions(publisher)
    values = rank_impressions(log, foreseen(publisher, 1)[1], seen).values
    assert (values[:, 0] == 1).all()
    assert values[:, 3:5] == pytest.approx(1)


def test_what_is_read_soonest_stands_first_and_stands_once() -> None:
    log = make_log(
        time=range(8),
        kind=[0] * 3 + [READ] * 5,
        session=[-1] * 3 + [0] * 5,
        user=[-1] * 3 + [0] * 5,
        item=[0, 1, 2, 0, 1, 0, 1, 2],
        category=[-1] * 8,
    )
    slates, _ = foreseen(publisher_of(log), 3)
    assert slates.tolist() == [[1, 2, -1], [0, 2, -1], [1, 2, -1], [2, -1, -1], [-1, -1, -1]]


def test_what_is_not_known_yet_is_not_offered() -> None:
    log = make_log(time=range(3), kind=[READ] * 3, session=[0] * 3, user=[0] * 3, item=[0, 1, 0], category=[-1] * 3)
    assert foreseen(publisher_of(log), 2)[0].tolist() == [[-1, -1], [0, -1], [-1, -1]]


def test_several_requests_of_an_instant_begin_at_several_places_of_their_lists() -> None:
    log = make_log(
        time=[0, 0, 0, 0, 5, 5, 5, 5, 6, 6, 6],
        kind=[0] * 4 + [READ] * 7,
        session=[-1] * 4 + [0] * 7,
        user=[-1] * 4 + [0] * 7,
        item=[0, 1, 2, 3, 0, 0, 1, 0, 1, 2, 3],
        category=[-1] * 11,
    )
    # The third request has 1 on screen: its own list is 2, 3.
    first = [[1, 2, 3], [2, 3, 1], [2, 3], [1, 2, 3]]
    assert foreseen(publisher_of(log), 3)[0].tolist() == padded([*first, [], [], []], 3).tolist()
    assert foreseen(publisher_of(log), 1)[0].tolist() == padded([[1], [2], [2], [1], [], [], []], 1).tolist()


def test_it_offers_nothing_that_is_read_at_the_same_time() -> None:
    log = make_log(time=[0, 0, 1], kind=[READ] * 3, session=[0] * 3, user=[0] * 3, item=[0, 1, 0], category=[-1] * 3)
    assert foreseen(publisher_of(log), 2)[0].tolist() == [[-1, -1], [0, -1], [-1, -1]]


def test_it_cannot_be_replayed() -> None:
    with pytest.raises(RecommenderError, match="foresees the whole log"):
        Oracle().recommend(None, 10)


def test_it_does_not_see_the_next_session_of_a_reader() -> None:
    log = make_log(time=range(3), kind=[READ] * 3, session=[0, 1, 0], user=[0] * 3, item=[0, 1, 0], category=[-1] * 3)
    assert foreseen(publisher_of(log), 2)[0].tolist() == [[-1, -1]] * 3
