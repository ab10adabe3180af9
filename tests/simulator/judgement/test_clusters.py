"""What is resampled together: sessions, readers or days, against the oracle; many in groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import NewsreplayError
from newsreplay.log.rows import DAY, READ, Log, make_log
from newsreplay.simulator.judgement.clusters import KINDS, Clusters, ClusterSizes, clusters
from tests import strategies
from tests.naive import judge as naive_judge
from tests.naive.judge import publisher_of


def reads_of(session: list[int], user: list[int], time: list[int]) -> Log:
    n = len(session)
    return make_log(time=time, kind=[READ] * n, session=session, user=user, item=[0] * n, category=[-1] * n)


def of_all(log: Log, kind: str, seed: int = 0, name: str = "A", sizes: ClusterSizes = ClusterSizes()) -> Clusters:
    """The clusters of all sessions."""
    publisher = publisher_of(log, name)
    sessions = np.arange(len(publisher.sessions.reads), dtype=np.int32)
    return clusters(publisher, sessions, publisher.sessions.first_time, kind, seed, sizes)


@settings(max_examples=30, deadline=None)
@given(log=strategies.logs_with_impressions(), kind=st.sampled_from(KINDS), data=st.data())
def test_clusters_equal_the_oracle(log: Log, kind: str, data: st.DataObject) -> None:
    rows = np.flatnonzero(log.session >= 0)
    row = rows[data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))]  # sessions may repeat
    found = clusters(publisher_of(log), log.session[row], log.time[row], kind)
    assert found.unit[found.group].tolist() == [
        naive_judge.cluster(log, kind, int(log.session[i]), int(log.time[i])) for i in row
    ]
    assert sorted(set(found.group.tolist())) == list(range(len(found.unit)))


def test_sessions_of_one_reader_are_one_cluster_by_user() -> None:
    found = of_all(reads_of([0, 1, 2, 1], [0, 1, 0, 1], [0, 1, 2, 3]), "user")
    assert found.unit.tolist() == [0, 1]
    assert found.group.tolist() == [0, 1, 0]


def test_a_day_ends_at_midnight_utc_and_is_named_by_its_number() -> None:
    found = of_all(reads_of([0, 1, 2], [0, 0, 0], [3 * DAY - 1, 3 * DAY, 4 * DAY - 1]), "day")
    assert found.unit[found.group].tolist() == [2, 3, 3]


def test_another_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NewsreplayError, match=r"no cluster is called 'week'; there are session, user, day"):
        of_all(reads_of([0], [0], [0]), "week")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_has_no_cluster(kind: str) -> None:
    nothing = np.empty(0, np.int32)
    found = clusters(publisher_of(reads_of([0], [0], [0])), nothing, nothing.astype(np.int64), kind)
    assert (len(found.group), len(found.unit)) == (0, 0)


def many(sessions: int) -> Log:
    return reads_of(list(range(sessions)), list(range(sessions)), list(range(sessions)))


def test_up_to_the_limit_clusters_stand_for_themselves() -> None:
    sizes = ClusterSizes(most=50, groups=16)
    assert of_all(many(50), "session", sizes=sizes).unit.tolist() == list(range(50))
    assert of_all(many(51), "session", sizes=sizes).unit.tolist() == list(range(16))


@pytest.mark.parametrize("kind", ["session", "user"])
def test_many_clusters_are_spread_over_groups_evenly_and_whole(kind: str) -> None:
    sizes = ClusterSizes(most=100, groups=16)
    found = of_all(reads_of(list(range(800)), [n // 4 for n in range(800)], list(range(800))), kind, sizes=sizes)
    assert found.group.dtype == np.int32
    units = range(800) if kind == "session" else [n // 4 for n in range(800)]
    assert found.group.tolist() == [naive_judge.hashed(unit, 16) for unit in units]
    members = np.bincount(found.group, minlength=16)
    assert len(members) == 16
    assert 10 <= members.min() <= members.max() <= 100  # 50 on average
    if kind == "user":
        assert (found.group.reshape(200, 4) == found.group[::4, None]).all()


def test_groups_depend_on_seed_and_publisher_and_nothing_else() -> None:
    sizes = ClusterSizes(most=50, groups=16)
    log = many(200)
    mine = of_all(log, "session", sizes=sizes).group
    assert (of_all(log, "session", sizes=sizes).group == mine).all()
    assert (of_all(many(120), "session", sizes=sizes).group == mine[:120]).all()
    assert (of_all(log, "session", sizes=sizes, seed=1).group != mine).any()
    assert (of_all(log, "session", sizes=sizes, name="B").group != mine).any()
