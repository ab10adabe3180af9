"""The judge where impressions ask for slates, against its oracles and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.log.publisher import Publisher
from newsreplay.log.rows import EXCLUDES, HOUR, IMPRESSION, OUTCOME, PUBLISH, READ, Excludes, Log, make_log
from newsreplay.simulator.judgement.at_impressions import frame_at_impressions, judge_at_impressions
from newsreplay.simulator.judgement.clusters import KINDS
from newsreplay.simulator.judgement.judge import BELOW, NO_CANDIDATE, OFFERED_LATE, tally
from newsreplay.simulator.judgement.measures import SLATES, cut_offs
from newsreplay.simulator.judgement.metrics import measure
from newsreplay.simulator.judgement.oracle import foresee
from newsreplay.simulator.judgement.scope import Scope
from newsreplay.simulator.judgement.scoring import Answers, score, select_scored
from tests import strategies
from tests.naive import judge as naive
from tests.naive.baselines import excluded, judge_request
from tests.naive.judge import padded, publisher_of
from tests.simulator.judgement.cases import Case

PLACES = {naive.BELOW: BELOW, naive.NEVER: NO_CANDIDATE, naive.LATE: OFFERED_LATE}


@st.composite
def clicked_logs(draw: st.DrawFn) -> Log:
    """Logs with impressions whose clicks bring reads of their instant, beside reads that nothing shown brings."""
    palettes = [strategies.INSTANTS, strategies.CALM]
    log = draw(strategies.logs_with_impressions(max_rows=15, palettes=palettes, repeats=True))
    brings = draw(st.lists(st.booleans(), min_size=len(log.time), max_size=len(log.time)))
    rows: list[tuple[int, ...]] = []
    for row in range(len(log.time)):
        columns = (log.time, log.kind, log.session, log.user, log.item, log.category, log.impression)
        rows.append(tuple(int(column[row]) for column in columns))
        if log.kind[row] == OUTCOME and brings[row]:
            time, _, session, user, *_, number = rows[-1]
            places = range(int(log.pools.at[number]), int(log.pools.at[number + 1]))
            clicked = [int(log.pools.item[place]) for place in places if log.pools.clicked[place]]
            rows += [(time, READ, session, user, item, -1, -1) for item in clicked]
    return log_of(sorted(rows, key=lambda row: row[:2]), log.pools)


def log_of(rows: list[tuple[int, ...]], pools: Any) -> Log:
    """A log of rows of (time, kind, session, user, item, category, impression)."""
    names = ("time", "kind", "session", "user", "item", "category", "impression")
    return make_log(pools=pools, **dict(zip(names, zip(*rows, strict=True), strict=True)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A log with arbitrary slates of distinct articles; some come too late."""
    log = draw(clicked_logs())
    k = draw(st.sampled_from([1, 2, 3, 8, 9]))
    items = range(int(log.item.max()) + 1)
    exclude = draw(st.sampled_from(EXCLUDES))
    slates = []
    for row in np.flatnonzero(log.kind == IMPRESSION).tolist():
        drawn = draw(st.permutations(items))[: draw(st.integers(0, k))]
        slates.append([item for item in drawn if item not in excluded(log, row, exclude)])  # as every replay does
    late = draw(st.lists(st.booleans(), min_size=len(slates), max_size=len(slates)))
    return Case(log, slates, k, late, exclude)


def frame_of(log: Log, **limits: Any) -> Any:
    return frame_at_impressions(publisher_of(log), **limits)


# --- against the oracles -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(case=cases(), timed=st.booleans(), longest=st.sampled_from([None, 0, 2, 4]))
def test_the_fate_of_every_read_and_slate_equals_the_oracle(case: Case, timed: bool, longest: int | None) -> None:
    log, slates, k, _, exclude = case
    late = case.late if timed else [False] * len(slates)
    of = frame_of(log, max_session_length=longest, exclude=exclude)
    sessions = naive.sessions_at_impressions(log, longest=longest)
    expected = naive.fates_at_impressions(log, slates, k, late, sessions, exclude)
    assert of.session.tolist() == sessions
    assert np.repeat(of.session, np.diff(of.begin)).tolist() == [fate.session for fate in expected]
    assert publisher_of(log).requests.row[of.read].tolist() == [fate.row for fate in expected]
    for name in ("position", "reachable", "again", "asked"):
        assert getattr(of, name).tolist() == [getattr(fate, name) for fate in expected]
    asking = [one for session in sessions for one in naive.impressions_of(log, exclude) if one.session == session]
    assert of.request.tolist() == [one.number for one in asking]
    assert of.relevant.tolist() == [len(one.relevant(log)) for one in asking]
    outcomes = judge_at_impressions(
        publisher_of(log), padded(slates, k), of, np.array(late) if timed else None, exclude
    )
    assert outcomes.place.tolist() == [PLACES.get(fate.place, fate.place) for fate in expected]
    bits = np.unpackbits(outcomes.relevant, axis=1, bitorder="little")
    matches = [
        match for session in sessions for match in naive.matches_at_impressions(log, slates, late, session, exclude)
    ]
    assert [np.flatnonzero(row).tolist() for row in bits] == [np.flatnonzero(match).tolist() for match in matches]


@settings(max_examples=20, deadline=None)
@given(case=cases(), warmup=st.sampled_from([0, 1, HOUR]), window=st.sampled_from([None, 1, 2 * HOUR]))
def test_every_metric_equals_the_oracle(case: Case, warmup: int, window: int | None) -> None:
    publisher, slates = publisher_of(case.log), padded(case.slates, case.k)
    scored = select_scored(publisher, Scope(warmup, window, requests="impressions", exclude=case.exclude))
    sessions = naive.sessions_at_impressions(case.log, warmup, window)
    assert scored.frame.session.tolist() == sessions
    totals = score(publisher, scored, Answers(slates, None)).sums.totals
    over = {"sessions": len(sessions), "requests": int(scored.requests.sum())}
    for row, cut in zip(totals, cut_offs(case.k), strict=True):
        expected = naive.measured_at_impressions(case.log, case.slates, sessions, cut, case.exclude)
        for (name, per), total in zip(SLATES.items(), row, strict=True):
            oracle = expected[f"{name}@{cut}"]
            assert over[per] == oracle.n
            assert total == pytest.approx(oracle.value * oracle.n if oracle.n else 0, rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(case=cases(), cluster=st.sampled_from(KINDS))
def test_replicates_equal_the_slow_way_whatever_is_the_cluster(case: Case, cluster: str) -> None:
    log, slates, k, _, exclude = case
    publisher = publisher_of(log)
    scored = select_scored(publisher, Scope(cluster=cluster, requests="impressions", exclude=exclude))
    measured = measure("A", k, scored, {"mine": score(publisher, scored, Answers(padded(slates, k), None)).sums}, 0)
    found = {result.metric: row[:40] for result, row in zip(measured.results, measured.replicates[0], strict=True)}

    def same(metric: str, values: list[float], units: list[int]) -> None:
        slow = naive.replicated(values, units, replicates=40) if values else [None] * 40
        expected = np.array([np.nan if value is None else value for value in slow])
        assert found[f"{metric}@{k}"] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)

    sessions, impressions = naive.sessions_at_impressions(log), naive.impressions_of(log, exclude)
    first = {s: next(one.time for one in impressions if one.session == s) for s in sessions}
    units = {s: naive.cluster(log, cluster, s, first[s]) for s in sessions}
    fates = naive.fates_at_impressions(log, slates, k, [False] * len(slates), sessions, exclude)
    hits = [sum(isinstance(fate.place, int) for fate in fates if fate.session == s) for s in sessions]
    same("event_success", [float(n) for n in hits], list(units.values()))
    relevant = [(one, one.relevant(log)) for s in sessions for one in impressions if one.session == s]
    ranked = [(judge_request(one.row, slates[one.number], some, k), one.session) for one, some in relevant if some]
    same("session_ndcg", [request.ndcg for request, _ in ranked], [units[s] for _, s in ranked])


def foreseen(log: Log, k: int, exclude: Excludes = "current") -> list[list[int]]:
    slates = np.full((int(np.count_nonzero(log.kind == IMPRESSION)), k), -1, np.int32)
    foresee(publisher_of(log), slates, np.empty(len(log.pools.item)), "impressions", exclude)
    return [[item for item in slate if item >= 0] for slate in slates.tolist()]


@settings(max_examples=40, deadline=None)
@given(log=clicked_logs(), k=strategies.cut_offs(), exclude=st.sampled_from(EXCLUDES))
def test_what_the_oracle_foresees_equals_the_slow_way(log: Log, k: int, exclude: Excludes) -> None:
    assert foreseen(log, k, exclude) == naive.oracle_at_impressions(log, k, exclude)


@settings(max_examples=30, deadline=None)
@given(log=clicked_logs(), exclude=st.sampled_from(EXCLUDES))
def test_whole_slates_of_the_oracle_hit_every_reachable_read_and_no_other(log: Log, exclude: Excludes) -> None:
    k, of = int(log.item.max()) + 1, frame_of(log, exclude=exclude)
    place = judge_at_impressions(publisher_of(log), padded(foreseen(log, k, exclude), k), of, None, exclude).place
    assert (place > 0).tolist() == of.reachable.tolist()


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_no_slates_hit_what_cannot_be_reached(case: Case) -> None:
    of = frame_of(case.log, exclude=case.exclude)
    place = judge_at_impressions(publisher_of(case.log), padded(case.slates, case.k), of, None, case.exclude).place
    assert not ((place > 0) & ~of.reachable).any()
    assert not (of.reachable & ~of.asked).any()


# --- the worked example -----------------------------------------------------------------------------------------

A, B, C, D, E = range(5)


def worked() -> Log:
    """One reader: an opening read, then three impressions, of which the second shows an article that is new.

    5: A is read. 6: C and B are shown, B is clicked. 7: with B on screen D (new at 7) and A are shown and clicked. 8: E
    and C are shown, nothing is clicked. 9: C and E are read without having been clicked.
    """
    return log_of(
        [
            *((0, PUBLISH, -1, -1, item, -1, -1) for item in (A, B, C)),
            (5, READ, 0, 0, A, -1, -1),
            (6, IMPRESSION, 0, 0, -1, -1, 0),
            (6, OUTCOME, 0, 0, -1, -1, 0),
            (6, READ, 0, 0, B, -1, -1),
            (7, PUBLISH, -1, -1, D, -1, -1),
            (7, IMPRESSION, 0, 0, B, -1, 1),
            (7, OUTCOME, 0, 0, B, -1, 1),
            (7, READ, 0, 0, D, -1, -1),
            (7, READ, 0, 0, A, -1, -1),
            (8, PUBLISH, -1, -1, E, -1, -1),
            (8, IMPRESSION, 0, 0, -1, -1, 2),
            (8, OUTCOME, 0, 0, -1, -1, 2),
            (9, READ, 0, 0, C, -1, -1),
            (9, READ, 0, 0, E, -1, -1),
        ],
        {
            "at": [0, 2, 4, 6],
            "item": [C, B, D, A, E, C],
            "clicked": [False, True, True, True, False, False],
        },
    )


def test_the_worked_example_by_hand() -> None:
    log = worked()
    of = frame_of(log)
    assert of.session.tolist() == [0]
    # Reads: A at 5, before any impression; B; D and A; C and E.
    assert of.asked.tolist() == [False, True, True, True, True, True]
    assert of.position.tolist() == [1, 2, 3, 3, 5, 5]
    # D and E became known with the impressions that would have to offer them.
    assert of.reachable.tolist() == [False, True, False, True, True, False]
    assert of.again.tolist() == [False, False, False, True, False, False]
    assert of.relevant.tolist() == [1, 1, 0]
    slates = padded([[B, A], [D, A], [C, E]], 2)
    outcomes = judge_at_impressions(publisher_of(log), slates, of)
    # B by its own impression at 1; A at 2 (offered at 6 and at 7); C at 1 by the last impression.
    assert outcomes.place.tolist() == [NO_CANDIDATE, 1, BELOW, 2, 1, BELOW]
    sums = tally(of, outcomes, np.zeros(1, np.int32), 1, (1, 2))[0]
    assert sums[:, 0].tolist() == [2, 3]  # hits
    assert sums[:, 1].tolist() == [1, 1]  # sessions with one
    # As rankings the first two impressions count: B at place 1, and A at place 2.
    assert sums[:, 2].tolist() == [1, 2]
    assert sums[1, 3] == pytest.approx(1 + 1 / 2)
    assert sums[1, 4] == pytest.approx(1 + 1 / np.log2(3))
    assert sums[1, 5] == 2


def test_the_oracle_of_the_worked_example_by_hand() -> None:
    # Its own click first, then what is read later: D and E are not known yet, nor D at its own instant.
    assert foreseen(worked(), 3) == [[B, A, C], [A, C], [C]]


# --- which sessions -------------------------------------------------------------------------------------------


def test_a_session_of_one_clicked_impression_is_scored_and_one_without_a_click_is_not() -> None:
    shown = [(5, 0, True), (5, 1, False), (6, 2, True)]
    rows: list[tuple[int, ...]] = [(0, PUBLISH, -1, -1, A, -1, -1), (1, READ, 3, 3, A, -1, -1)]
    for number, (time, session, clicked) in enumerate(shown):
        rows += [(time, kind, session, session, -1, -1, number) for kind in (IMPRESSION, OUTCOME)]
        rows += [(time, READ, session, session, A, -1, -1)] * clicked
    pools = {"at": [0, 1, 2, 3], "item": [A, A, A], "clicked": [clicked for _, _, clicked in shown]}
    log = log_of(sorted(rows, key=lambda row: row[:2]), pools)
    assert frame_of(log).session.tolist() == [0, 2]
    assert frame_of(log, warmup=5).session.tolist() == [2]
    assert frame_of(log, window=5).session.tolist() == [0]


def named(log: Log, name: str) -> Publisher:
    """A publisher whose first session and reader are called so."""
    publisher = publisher_of(log)
    names = pa.array([name, *publisher.sessions.id.to_pylist()[1:]], pa.large_string())
    return publisher._replace(users=names, sessions=publisher.sessions._replace(id=names))


def test_what_is_nobodys_is_never_scored() -> None:
    assert frame_at_impressions(named(worked(), "nobody.1")).session.tolist() == []
    assert frame_at_impressions(named(worked(), "somebody")).session.tolist() == [0]


def test_a_session_whose_clicks_are_read_in_another_is_scored_with_no_reads() -> None:
    rows = [row for row in zip(*worked()[:7], strict=True) if row[1] != READ]
    rows.append((9, READ, 1, 1, A, -1, -1))
    rows.insert(0, (0, READ, 1, 1, A, -1, -1))
    log = log_of(sorted((tuple(map(int, row)) for row in rows), key=lambda row: row[:2]), worked().pools)
    scored = select_scored(publisher_of(log), Scope(requests="impressions"))
    assert scored.frame.session.tolist() == [0]
    assert scored.frame.begin.tolist() == [0, 0]
    sums = score(publisher_of(log), scored, Answers(padded([[B], [A], [C]], 1), None)).sums
    assert sums.totals[0, :3].tolist() == [0, 0, 2]
    assert sums.counted.sessions == 1


def test_users_are_resampled_where_sessions_are_made_of_visits() -> None:
    with_ids, at_impressions = publisher_of(worked()), Scope(requests="impressions")
    without = with_ids._replace(session_ids=False)
    assert select_scored(without, at_impressions).resampled == ("user", "user")
    assert select_scored(without, Scope()).resampled == ("session", "user")
    assert select_scored(with_ids, at_impressions).resampled == ("session", "session")
