"""The judge against its oracles, and the worked example of the specification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.log.rows import EXCLUDES, HISTORY, HOUR, PUBLISH, READ, Column, Excludes, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.judgement.judge import (
    BELOW,
    NO_CANDIDATE,
    OFFERED_LATE,
    Frame,
    frame,
    judge,
    tally,
    with_two_reads,
)
from newsreplay.simulator.judgement.measures import SLATES, cut_offs
from newsreplay.simulator.replay.replay import replay
from tests import strategies, worked
from tests.naive import baselines as naive
from tests.naive import judge as naive_judge
from tests.naive.judge import padded, publisher_of
from tests.simulator.judgement.cases import Case

PLACES = {naive_judge.BELOW: BELOW, naive_judge.NEVER: NO_CANDIDATE, naive_judge.LATE: OFFERED_LATE}


def reads_log(*reads: tuple[int, int], known: Sequence[int] = (), times: Sequence[int] | None = None) -> Log:
    """Reads (session, article), one a millisecond unless `times` tells them; each session is a reader.

    Articles `known` are published first.
    """
    session, item = zip(*reads, strict=True)
    none = [-1] * len(known)
    return make_log(
        time=range(len(known) + len(reads)) if times is None else [0] * len(known) + list(times),
        kind=[PUBLISH] * len(known) + [READ] * len(reads),
        session=none + list(session),
        user=none + list(session),
        item=list(known) + list(item),
        category=none + [-1] * len(reads),
    )


@st.composite
def judged_cases(draw: st.DrawFn, excludes: Sequence[Excludes] = ("current",)) -> Case:
    """A log with arbitrary slates of known and unknown, but distinct, articles; some come too late.

    No replay leaves what a request excludes in a slate; the judge would not count the article on screen as relevant.
    """
    exclude = draw(st.sampled_from(excludes))
    many_items = strategies.logs(max_items=20, max_users=2)
    many_at_once = strategies.logs(max_items=20, max_users=2, palettes=[strategies.INSTANTS])
    log = draw(st.one_of(strategies.logs(), many_items, many_at_once))
    begin = draw(st.sampled_from([0, *log.time[log.kind == READ].tolist()]))
    log = log._replace(kind=np.where((log.kind == READ) & (log.time < begin), HISTORY, log.kind).astype(np.uint8))
    k = draw(st.sampled_from([1, 2, 3, 7, 8, 9, 12, 17]))
    items = int(log.item.max()) + 1
    requests = int(np.count_nonzero(log.kind == READ))
    slates = [draw(st.permutations(range(items)))[: draw(st.integers(0, k))] for _ in range(requests)]
    if exclude != "current":
        rows = np.flatnonzero(log.kind == READ).tolist()
        slates = [
            [item for item in slate if item not in naive.excluded(log, row, exclude)]
            for row, slate in zip(rows, slates, strict=True)
        ]
    late = draw(st.lists(st.booleans(), min_size=len(slates), max_size=len(slates)))
    return Case(log, slates, k, late, exclude)


def sums_at(case: Case, of: Frame, late: Column | None = None) -> Column:
    """The sums of all measures over all sessions: float64[cut-offs, measures]."""
    outcomes = judge(publisher_of(case.log), padded(case.slates, case.k), of, late, case.exclude)
    return tally(of, outcomes, np.zeros(len(of.session), np.int32), 1, cut_offs(case.k))[0]


def success(log: Log, slates: Sequence[Sequence[int]], k: int = 1) -> list[float]:
    """Hits, and sessions with a hit, at k."""
    of = frame(publisher_of(log))
    return [float(value) for value in sums_at(Case(log, [list(slate) for slate in slates], k, []), of)[-1, :2]]


# --- against the oracles -----------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(case=judged_cases(EXCLUDES), warmup=st.sampled_from([0, 1, HOUR]), window=st.sampled_from([None, 1, 2 * HOUR]))
def test_every_metric_equals_the_oracle(case: Case, warmup: int, window: int | None) -> None:
    of = frame(publisher_of(case.log), warmup, window, exclude=case.exclude)
    scored = naive.scored_sessions(case.log, warmup, window)
    assert of.session.tolist() == scored
    sums = sums_at(case, of)
    over = {"sessions": len(of.session), "requests": np.count_nonzero(of.relevant)}
    for row, cut in zip(sums, cut_offs(case.k), strict=True):
        expected = naive.measure(naive.judge(case.log, case.slates, scored, cut, case.exclude), cut)
        for (name, per), total in zip(SLATES.items(), row, strict=True):
            oracle = expected[f"{name}@{cut}"]
            assert over[per] == oracle.n
            assert total == pytest.approx(oracle.value * oracle.n if oracle.n else 0, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(case=judged_cases(EXCLUDES), timed=st.booleans(), longest=st.sampled_from([None, 2, 4]))
def test_the_fate_of_every_read_equals_the_oracle(case: Case, timed: bool, longest: int | None) -> None:
    publisher, late = publisher_of(case.log), case.late if timed else None
    of = frame(publisher, max_session_length=longest, exclude=case.exclude)
    sessions = naive_judge.scored_sessions(case.log, longest=longest)
    expected = naive_judge.fates(case.log, case.slates, case.k, late, sessions, case.exclude)
    assert of.session.tolist() == sessions
    assert np.repeat(of.session, np.diff(of.begin)).tolist() == [fate.session for fate in expected]
    assert of.request.tolist() == [fate.request for fate in expected]
    assert of.position.tolist() == [fate.position for fate in expected]
    assert of.relevant.tolist() == [fate.relevant for fate in expected]
    assert of.reachable.tolist() == [fate.reachable for fate in expected]
    assert of.again.tolist() == [fate.again for fate in expected]
    outcomes = judge(publisher, padded(case.slates, case.k), of, None if late is None else np.array(late), case.exclude)
    assert outcomes.place.tolist() == [PLACES.get(fate.place, fate.place) for fate in expected]
    assert outcomes.relevant.shape == (len(expected), -(-case.k // 8))
    bits = np.unpackbits(outcomes.relevant, axis=1, bitorder="little")
    assert [np.flatnonzero(row).tolist() for row in bits] == [
        np.flatnonzero(fate.matches).tolist() for fate in expected
    ]


@settings(max_examples=25, deadline=None)
@given(case=judged_cases())
def test_a_late_answer_counts_as_none(case: Case) -> None:
    of = frame(publisher_of(case.log))
    without = [[] if late else slate for slate, late in zip(case.slates, case.late, strict=True)]
    assert (sums_at(case, of, np.array(case.late)) == sums_at(case._replace(slates=without), of)).all()


@settings(max_examples=20, deadline=None)
@given(case=judged_cases(), data=st.data())
def test_sums_by_group_are_the_sums_of_its_sessions(case: Case, data: st.DataObject) -> None:
    publisher = publisher_of(case.log)
    of = frame(publisher)
    n = len(of.session)
    outcomes = judge(publisher, padded(case.slates, case.k), of)
    each = tally(of, outcomes, np.arange(n, dtype=np.int32), n, cut_offs(case.k))
    group = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int32)
    by = tally(of, outcomes, group, 3, cut_offs(case.k))
    for number in range(3):
        assert by[number] == pytest.approx(each[group == number].sum(axis=0), rel=1e-12)


# --- later means later in time -----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(case=judged_cases(), data=st.data())
def test_reads_of_one_instant_may_stand_in_any_order(case: Case, data: st.DataObject) -> None:
    """Each read keeps its slate and its fate if the reads of an instant and a session are told in another order."""
    log, of = case.log, frame(publisher_of(case.log))
    rows = np.flatnonzero(log.kind == READ)
    keys = data.draw(st.permutations(range(len(rows))))
    order = sorted(range(len(rows)), key=lambda n: (int(log.time[rows[n]]), keys[n]))
    items = log.item.copy()
    sessions = log.session.copy()
    items[rows], sessions[rows] = log.item[rows[order]], log.session[rows[order]]
    if len({int(item) for item in log.item[log.kind == PUBLISH]}) < int(log.item.max()) + 1:
        return  # codes are given by first appearance, and this order would give others
    again = publisher_of(log._replace(item=items, session=sessions))
    turned = frame(again)
    slates = padded(case.slates, case.k)
    fates = dict(zip(of.request.tolist(), judge(publisher_of(log), slates, of).place.tolist(), strict=True))
    others = judge(again, slates[order], turned).place.tolist()
    assert {order[n]: place for n, place in zip(turned.request.tolist(), others, strict=True)} == fates


def test_two_reads_of_one_instant_are_not_scored_and_two_of_two_instants_are() -> None:
    log = reads_log((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), known=[0, 1], times=[5, 5, 5, 6, 7])
    publisher = publisher_of(log)
    assert with_two_reads(publisher).tolist() == [True, True, False]
    assert frame(publisher).session.tolist() == [1]


def test_what_an_earlier_instant_offered_is_a_hit_for_every_read_of_a_later_one() -> None:
    log = reads_log((0, 0), (0, 1), (0, 1), (0, 2), known=range(3), times=[5, 6, 6, 6])
    assert success(log, [[1, 2], [2], [2], []], k=2) == [3, 1]


def test_reads_of_one_instant_share_their_position_and_their_past() -> None:
    log = reads_log((0, 0), (0, 1), (0, 0), (0, 1), (0, 0), known=range(2), times=[5, 5, 6, 6, 7])
    of = frame(publisher_of(log))
    assert of.position.tolist() == [1, 1, 3, 3, 5]
    assert of.again.tolist() == [False, False, True, True, True]
    assert of.reachable.tolist() == [False, False, True, True, True]
    assert of.relevant.tolist() == [1, 1, 0, 1, 0]


def test_an_article_that_an_instant_made_known_is_out_of_reach_at_it_and_can_be_reached_after_it() -> None:
    log = reads_log((0, 0), (0, 1), (0, 1), (0, 2), (0, 2), times=[5, 6, 7, 7, 8])
    of = frame(publisher_of(log))
    # Article 1 is on screen when it becomes known, at 6, and so is 2 at 7; the other request at 7 came before it.
    assert of.reachable.tolist() == [False, False, False, False, False]
    log = reads_log((0, 0), (0, 1), (0, 2), (0, 1), (0, 2), times=[5, 6, 6, 7, 7])
    assert frame(publisher_of(log)).reachable.tolist() == [False, False, False, True, False]


def test_a_full_slate_of_the_instant_itself_tells_nothing_of_what_stands_below() -> None:
    log = reads_log((0, 0), (0, 1), (0, 2), (0, 3), known=range(6), times=[5, 5, 6, 6])
    of = frame(publisher_of(log))
    place = judge(publisher_of(log), padded([[], [4], [5], [4]], 1), of).place
    assert place.tolist() == [NO_CANDIDATE, NO_CANDIDATE, BELOW, BELOW]
    place = judge(publisher_of(log), padded([[], [], [5], [4]], 1), of).place
    assert place.tolist() == [NO_CANDIDATE] * 4


def test_late_answers_are_those_of_earlier_instants() -> None:
    log = reads_log((0, 0), (0, 1), (0, 2), known=range(4), times=[5, 6, 6])
    of = frame(publisher_of(log))
    place = judge(publisher_of(log), padded([[1], [2], []], 1), of, np.array([True, True, False])).place
    assert place.tolist() == [NO_CANDIDATE, OFFERED_LATE, NO_CANDIDATE]


# --- by hand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", worked.COLUMNS)
def test_success_on_the_eleven_event_table_of_the_specification(column: str) -> None:
    log = worked.worked_log()
    assert frame(publisher_of(log)).session.tolist() == worked.SCORED
    slates = replay(log, start_list(column)[0].make(), Setting(k=1), name=column).slates
    hits, sessions = success(log, [[item] if item >= 0 else [] for item in slates[:, 0]])
    expected = worked.COLUMNS[column]
    assert (hits / 4, sessions / 4) == (expected.event_success, expected.session_success)


def test_a_single_read_session_is_learned_from_but_not_scored() -> None:
    log = reads_log((0, 0), (1, 1), (1, 0))
    of = frame(publisher_of(log))
    assert of.session.tolist() == [1]
    assert of.request.tolist() == [1, 2]
    slates = replay(log, start_list("popular")[0].make(), Setting(k=1)).slates
    assert slates.tolist() == [[-1], [0], [1]]
    outcomes = judge(publisher_of(log), slates, of)
    assert tally(of, outcomes, np.zeros(1, np.int32), 1, (1,)).tolist() == [[[1, 1, 1, 1, 1, 1]]]


def test_each_return_to_an_offered_article_is_a_hit() -> None:
    assert success(reads_log((0, 0), (0, 1), (0, 0), (0, 1), (0, 0)), [[1], [0], [], [], []]) == [4, 1]


def test_what_another_session_was_offered_is_no_hit() -> None:
    assert success(reads_log((0, 0), (1, 1), (0, 2), (1, 2)), [[2], [], [], []]) == [1, 1]


def test_a_slate_of_the_read_itself_comes_too_late_for_it() -> None:
    assert success(reads_log((0, 0), (0, 1)), [[], [0]]) == [0, 0]


def test_the_best_of_several_places_counts() -> None:
    log = reads_log((0, 0), (0, 1), (0, 2), (0, 3), known=[0, 1, 2, 3])
    of = frame(publisher_of(log))
    place = judge(publisher_of(log), padded([[1, 2, 3], [2, 0, 3], [0, 3], []], 3), of).place
    assert place.tolist() == [NO_CANDIDATE, 1, 1, 2]


def test_a_place_beyond_the_sixteenth_is_told() -> None:
    log = reads_log((0, 0), (0, 20), known=range(21))
    of = frame(publisher_of(log))
    outcomes = judge(publisher_of(log), padded([list(range(1, 21)), []], 20), of)
    assert outcomes.place.tolist() == [NO_CANDIDATE, 20]
    assert outcomes.relevant.tolist() == [[0, 0, 1 << 3], [0, 0, 0]]
    sums = tally(of, outcomes, np.zeros(1, np.int32), 1, cut_offs(20))[0]
    assert sums[:, 0].tolist() == [0, 0, 0, 1]
    assert sums[-1, 3:] == pytest.approx([1 / 20, 1 / np.log2(21), 1])


def test_an_article_was_never_a_candidate_if_no_slate_was_full_and_else_it_may_stand_below() -> None:
    log = reads_log((0, 0), (0, 1), (0, 2), (0, 3), known=range(6))
    of = frame(publisher_of(log))
    place = judge(publisher_of(log), padded([[4], [4, 5], [], []], 2), of).place
    assert place.tolist() == [NO_CANDIDATE, NO_CANDIDATE, BELOW, BELOW]


def test_a_full_slate_that_came_too_late_tells_nothing_of_what_stands_below() -> None:
    log = reads_log((0, 0), (0, 1), (0, 2), known=range(4))
    of = frame(publisher_of(log))
    late = np.array([True, False, False])
    assert judge(publisher_of(log), padded([[3], [], []], 1), of, late).place.tolist() == [
        NO_CANDIDATE,
        NO_CANDIDATE,
        NO_CANDIDATE,
    ]
    assert judge(publisher_of(log), padded([[1], [], []], 1), of, late).place.tolist() == [
        NO_CANDIDATE,
        OFFERED_LATE,
        NO_CANDIDATE,
    ]


def test_what_was_offered_in_time_as_well_is_not_late() -> None:
    log = reads_log((0, 0), (0, 1), (0, 2), known=range(4))
    of = frame(publisher_of(log))
    for late in ([True, False, False], [False, True, False]):
        place = judge(publisher_of(log), padded([[3, 2], [3, 2], []], 2), of, np.array(late)).place
        assert place.tolist() == [NO_CANDIDATE, BELOW if not late[0] else NO_CANDIDATE, 2]


def test_an_article_that_was_on_screen_whenever_it_was_known_is_out_of_reach() -> None:
    # Article 1 is read three times on end; only the second visit to 1, after 2, could have been offered.
    of = frame(publisher_of(reads_log((0, 0), (0, 1), (0, 1), (0, 2), (0, 1))))
    assert of.reachable.tolist() == [False, False, False, False, True]
    assert of.again.tolist() == [False, False, True, False, True]


def test_an_article_published_after_the_last_request_is_out_of_reach() -> None:
    log = make_log(
        time=range(4),
        kind=[READ, READ, PUBLISH, READ],
        session=[0, 0, -1, 0],
        user=[0, 0, -1, 0],
        item=[0, 1, 2, 2],
        category=[-1] * 4,
    )
    assert frame(publisher_of(log)).reachable.tolist() == [False, False, False]


def test_a_session_longer_than_the_limit_is_not_scored() -> None:
    log = reads_log((0, 0), (0, 0), (0, 0), (1, 0), (1, 0))
    assert frame(publisher_of(log), max_session_length=2).session.tolist() == [1]


def test_a_session_is_scored_if_it_begins_at_the_end_of_the_warm_up_but_not_at_that_of_the_window() -> None:
    publisher = publisher_of(reads_log((0, 0), (0, 0), (1, 0), (1, 0), (2, 0), (2, 0)))
    assert frame(publisher, warmup=2).session.tolist() == [1, 2]
    assert frame(publisher, warmup=3).session.tolist() == [2]
    assert frame(publisher, window=4).session.tolist() == [0, 1]
    assert frame(publisher, window=5).session.tolist() == [0, 1, 2]
    assert frame(publisher, warmup=2, window=2).session.tolist() == [1]


def test_the_article_on_screen_is_not_relevant_even_if_it_is_read_again() -> None:
    log = reads_log((0, 0), (0, 1), (0, 0))
    of = frame(publisher_of(log))
    assert of.relevant.tolist() == [1, 1, 0]
    assert judge(publisher_of(log), padded([[0], [], []], 1), of).relevant.tolist() == [[0], [0], [0]]


@pytest.mark.parametrize(
    ("exclude", "slates", "relevant", "reachable", "places"),
    [
        ("current", [[1, 2], [0, 2], [1, 2]], [1, 1, 0], [False, True, True], [NO_CANDIDATE, 1, 1]),
        ("session", [[1, 2], [2], [2]], [1, 0, 0], [False, True, False], [NO_CANDIDATE, 1, NO_CANDIDATE]),
        ("nothing", [[0, 1, 2]] * 3, [2, 1, 0], [False, True, True], [NO_CANDIDATE, 2, 1]),
    ],
)
def test_what_is_excluded_by_hand(
    exclude: Excludes, slates: list[list[int]], relevant: list[int], reachable: list[bool], places: list[int]
) -> None:
    publisher = publisher_of(reads_log((0, 0), (0, 1), (0, 0), known=[0, 1, 2]))
    of = frame(publisher, exclude=exclude)
    assert of.relevant.tolist() == relevant
    assert of.reachable.tolist() == reachable
    outcomes = judge(publisher, padded(slates, 3 + (exclude != "nothing")), of, None, exclude)
    assert outcomes.place.tolist() == places


def test_without_a_scored_session_there_is_nothing_to_judge() -> None:
    log = reads_log((0, 0), (1, 0))
    of = frame(publisher_of(log))
    lengths = {name: len(column) for name, column in of._asdict().items()}
    assert lengths == dict.fromkeys(Frame._fields, 0) | {"begin": 1, "asks": 1}
    outcomes = judge(publisher_of(log), padded([[], []], 9), of)
    assert outcomes.place.shape == (0,)
    assert outcomes.relevant.shape == (0, 2)
    assert tally(of, outcomes, np.empty(0, np.int32), 0, (1, 9)).shape == (0, 2, len(SLATES))
