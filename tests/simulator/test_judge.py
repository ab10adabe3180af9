"""The judge against its oracle, and the worked example of the specification."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.datasets.store import Publisher, Requests, Sessions
from newsreplay.registry import start_list
from newsreplay.simulator.catalog import bare_articles
from newsreplay.simulator.judge import MEASURES, cut_offs, judge, scope
from newsreplay.simulator.log import READ, Log, make_log
from newsreplay.simulator.metrics import NAMES, measure
from newsreplay.simulator.replay import replay
from tests import naive, strategies, worked


def publisher_of(log: Log, name: str = "A") -> Publisher:
    """A publisher around a log made by hand, its trail walked the slow way."""
    rows = [row for row in range(len(log.time)) if log.kind[row] == READ]
    latest: dict[int, int] = {}
    previous, reads, first = [], {}, {}
    for request, row in enumerate(rows):
        session = int(log.session[row])
        previous.append(latest.get(session, -1))
        latest[session] = request
        reads[session] = reads.get(session, 0) + 1
        first.setdefault(session, int(log.time[row]))
    codes = range(len(reads))
    return Publisher(
        name,
        log,
        bare_articles(log),
        pa.array([str(user) for user in range(int(log.user.max()) + 1)]),
        Requests(np.array(rows, np.int32), np.array(previous, np.int32)),
        Sessions(
            pa.array([str(code) for code in codes]),
            np.array([latest[code] for code in codes], np.int32),
            np.array([reads[code] for code in codes], np.int32),
            np.array([first[code] for code in codes], np.int64),
        ),
    )


@st.composite
def judged_cases(draw: st.DrawFn) -> tuple[Log, list[list[int]], int]:
    """A log with arbitrary slates of known and unknown, but distinct and not current, articles."""
    log = draw(strategies.logs())
    k = draw(st.sampled_from([1, 2, 3, 7, 12]))
    items = int(log.item.max()) + 1
    slates = []
    for row in range(len(log.time)):
        if log.kind[row] == READ:
            others = [item for item in range(items) if item != log.item[row]]
            order = draw(st.permutations(others)) if others else []
            slates.append(list(order)[: draw(st.integers(0, k))])
    return log, slates, k


def padded(slates: list[list[int]], k: int) -> np.ndarray:
    return np.array([slate + [-1] * (k - len(slate)) for slate in slates], np.int32).reshape(len(slates), k)


@settings(max_examples=150, deadline=None)
@given(
    case=judged_cases(),
    warmup=st.sampled_from([0, 1, 3_600_000]),
    window=st.sampled_from([None, 1, 7_200_000]),
)
def test_every_metric_equals_the_oracle(
    case: tuple[Log, list[list[int]], int], warmup: int, window: int | None
) -> None:
    log, slates, k = case
    publisher = publisher_of(log)
    chosen = scope(publisher, warmup=warmup, window=window)
    scored = naive.scored_sessions(log, warmup, window)
    assert chosen.session.tolist() == sorted(scored)
    outcomes = judge(publisher, padded(slates, k), chosen)
    results = measure("A", cut_offs(k), {"mine": outcomes}, chosen.unit, seed=0)
    assert len(results) == len(cut_offs(k)) * len(MEASURES)
    for cut in cut_offs(k):
        expected = naive.measure(naive.judge(log, slates, scored, cut), cut)
        for name, _ in NAMES.values():
            result = next(r for r in results if r.metric == f"{name}@{cut}")
            oracle = expected[f"{name}@{cut}"]
            assert result.n == oracle.n
            if oracle.n:
                assert result.value == pytest.approx(oracle.value, rel=1e-11)  # 12 digits are kept
            else:
                assert result.value is None


@pytest.mark.parametrize("column", worked.COLUMNS)
def test_success_on_the_eleven_event_table_of_the_specification(column: str) -> None:
    publisher = publisher_of(worked.worked_log())
    chosen = scope(publisher)
    assert chosen.session.tolist() == worked.SCORED
    slates = replay(publisher.log, start_list(column)[0].make(), 1, name=column).slates
    sums = judge(publisher, slates, chosen).sums.sum(axis=0)
    expected = worked.COLUMNS[column]
    assert sums[0, 0] / 4 == expected.event_success
    assert sums[0, 1] / 4 == expected.session_success


def test_a_single_read_session_is_learned_from_but_not_scored() -> None:
    log = make_log(
        time=[1, 2, 3], kind=[READ] * 3, session=[0, 1, 1], user=[0, 1, 1], item=[0, 1, 0], category=[-1] * 3
    )
    publisher = publisher_of(log)
    assert scope(publisher).session.tolist() == [1]
    slates = replay(log, start_list("popular")[0].make(), 1).slates
    assert slates.tolist() == [[-1], [0], [1]]
    outcomes = judge(publisher, slates, scope(publisher))
    assert outcomes.sums[0, 0].tolist() == [1, 1, 1, 1, 1, 1]


def test_each_return_to_an_offered_article_is_a_hit() -> None:
    item = [0, 1, 0, 1, 0]
    log = make_log(time=range(5), kind=[READ] * 5, session=[0] * 5, user=[0] * 5, item=item, category=[-1] * 5)
    publisher = publisher_of(log)
    outcomes = judge(publisher, padded([[1], [0], [], [], []], 1), scope(publisher))
    assert outcomes.sums[0, 0, :2].tolist() == [4, 1]


def test_a_session_longer_than_the_limit_is_not_scored() -> None:
    log = make_log(
        time=range(5), kind=[READ] * 5, session=[0, 0, 0, 1, 1], user=[0] * 5, item=[0] * 5, category=[-1] * 5
    )
    assert scope(publisher_of(log), max_session_length=2).session.tolist() == [1]


def test_the_longest_percent_of_the_sessions_is_at_least_one() -> None:
    log = make_log(
        time=range(5),
        kind=[READ] * 5,
        session=[0, 0, 0, 1, 1],
        user=[0] * 5,
        item=[0, 1, 0, 1, 0],
        category=[-1] * 5,
    )
    publisher = publisher_of(log)
    assert scope(publisher).longest.tolist() == [True, False]
    outcomes = judge(publisher, padded([[1], [0], [1], [0], [1]], 1), scope(publisher))
    assert outcomes.hits.tolist() == [3, 2]


def test_many_sessions_are_judged_in_groups_with_the_same_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    item = naive.code_by_first_appearance(rng.integers(0, 9, 400).tolist())
    session = naive.code_by_first_appearance(rng.integers(0, 80, 400).tolist())
    log = make_log(time=range(400), kind=[READ] * 400, session=session, user=session, item=item, category=[-1] * 400)
    publisher = publisher_of(log)
    slates = replay(log, start_list("popular")[0].make(), 5).slates
    alone = judge(publisher, slates, scope(publisher))
    monkeypatch.setattr("newsreplay.simulator.judge.LARGE", 50)
    monkeypatch.setattr("newsreplay.simulator.judge.GROUPS", 16)
    grouped = scope(publisher)
    together = judge(publisher, slates, grouped)
    assert len(grouped.unit) == 16
    assert together.sessions.sum() == alone.sessions.sum() == (publisher.sessions.reads >= 2).sum()
    assert together.sums.sum(axis=0) == pytest.approx(alone.sums.sum(axis=0))
