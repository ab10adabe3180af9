"""Impressions as rankings: against written-out orders, scikit-learn and trec_eval, and which of them count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, nDCG
from sklearn.metrics import ndcg_score, roc_auc_score

from newsreplay.log.rows import HOUR, IMPRESSION, OUTCOME, READ, Log, make_log
from newsreplay.simulator.judgement.measures import IMPRESSIONS
from newsreplay.simulator.judgement.rankings import (
    Pooled,
    ScoredImpressions,
    pooled,
    rank_impressions,
    scored_impressions,
)
from tests import strategies
from tests.naive import rankings as naive
from tests.naive.judge import publisher_of

INF = math.inf


def log_of(lists: Sequence[Sequence[bool]]) -> Log:
    """A log that shows these lists of clicked (True) and passed-over candidates to one reader, one a minute."""
    n = len(lists)
    return make_log(
        time=[0, *(60_000 * (1 + row // 2) for row in range(2 * n))],
        kind=[READ, *[IMPRESSION, OUTCOME] * n],
        session=[0] * (2 * n + 1),
        user=[0] * (2 * n + 1),
        item=[0, *[-1] * (2 * n)],
        category=[-1] * (2 * n + 1),
        impression=[-1, *(row // 2 for row in range(2 * n))],
        pools={
            "at": np.cumsum([0, *map(len, lists)]),
            "item": [0] * sum(map(len, lists)),
            "clicked": [mark for marks in lists for mark in marks],
        },
    )


def rank(scores: Sequence[Sequence[float]], clicked: Sequence[Sequence[bool]]) -> np.ndarray:
    """The values of some impressions, float64[n, 6]."""
    log = log_of(clicked)
    flat = np.array([score for some in scores for score in some], np.float64)
    return rank_impressions(log, flat, scored_impressions(publisher_of(log))).values


def rank_one(scores: Sequence[float], clicked: Sequence[bool]) -> dict[str, float]:
    return dict(zip(IMPRESSIONS, rank([scores], [clicked])[0].tolist(), strict=True))


@st.composite
def impressions(draw: st.DrawFn, *, palette: Sequence[float], longest: int) -> tuple[list[float], list[bool]]:
    """Scores, and clicks of which there is at least one of either kind."""
    n = draw(st.integers(2, longest))
    clicked = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    clicked[draw(st.integers(0, n - 1))] = True
    if all(clicked):
        clicked[draw(st.integers(0, n - 1))] = False
    return draw(st.lists(st.sampled_from(palette), min_size=n, max_size=n)), clicked


def random_lists(rng: np.random.Generator, n: int, longest: int, scores: int) -> tuple[list[list[float]], list]:
    """Lists of random length with every share of clicks, and whole scores below `scores`."""
    some, marks = [], []
    for _ in range(n):
        size = int(rng.integers(2, longest + 1))
        clicked = rng.random(size) < rng.random()
        clicked[rng.choice(size, 2, replace=False)] = [True, False]
        some.append(rng.integers(0, scores, size).astype(float).tolist())
        marks.append(clicked.tolist())
    return some, marks


# --- one impression ---------------------------------------------------------------------------------------


def test_a_list_without_ties_has_the_values_worked_by_hand() -> None:
    values = rank_one([0.9, 0.8, 0.1], [True, False, True])
    assert values["auc"] == 0.5
    assert values["mrr"] == pytest.approx((1 + 1 / 3) / 2)
    assert values["mrr_first"] == 1
    assert values["ndcg@5"] == values["ndcg@10"] == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert values["ndcg@5"] == pytest.approx(0.91972, abs=1e-5)
    assert values["tied"] == 0


def test_a_tie_on_top_has_the_values_worked_by_hand() -> None:
    values = rank_one([0.5, 0.5, 0.1], [True, False, False])
    assert values["auc"] == values["mrr"] == values["mrr_first"] == 0.75
    assert values["ndcg@5"] == values["ndcg@10"] == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert values["ndcg@5"] == pytest.approx(0.81546, abs=1e-5)
    assert values["tied"] == 1


def test_the_first_of_two_clicked_in_a_tie_of_three_is_first_or_second() -> None:
    values = rank_one([1, 1, 1], [True, True, False])
    assert values["mrr_first"] == pytest.approx(2 / 3 * 1 + 1 / 3 * 1 / 2)
    assert values["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_clicked_candidates_that_tie_among_themselves_alone_are_not_tied() -> None:
    values = rank_one([2, 2, 1, 1], [True, True, False, False])
    assert list(values.values()) == [1, 0.75, 1, 1, 1, 0]


def test_candidates_not_ranked_at_all_tie_below_all_others() -> None:
    values = rank_one([-INF, -1e308, -INF], [True, False, False])
    assert values["auc"] == 0.25
    assert values["mrr"] == values["mrr_first"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert values["tied"] == 1


@pytest.mark.parametrize("n", [2, 5, 11, 300, 4000])
def test_a_perfect_ranking_is_worth_exactly_one(n: int) -> None:
    for clicks in {1, n // 2, n - 1}:
        values = rank_one([*range(n, 0, -1)], [place < clicks for place in range(n)])
        assert [values[name] for name in ("auc", "mrr_first", "ndcg@5", "ndcg@10", "tied")] == [1, 1, 1, 1, 0]


def test_a_click_far_down_counts_for_nothing_in_ndcg() -> None:
    values = rank_one([*range(11, 0, -1)], [False] * 10 + [True])
    assert list(values.values()) == [0, 1 / 11, 1 / 11, 0, 0, 0]


@settings(max_examples=200, deadline=None)
@given(impressions(palette=[0.0, -INF, 1.0, -0.0], longest=6))
def test_ties_are_the_mean_over_all_orders_of_them(case: tuple[list[float], list[bool]]) -> None:
    scores, clicked = case
    values = rank([scores], [clicked])[0]
    assert values[0] == pytest.approx(naive.auc(scores, clicked), rel=1e-14)
    assert values[1:5] == pytest.approx(naive.over_all_orders(scores, clicked), rel=1e-13)
    assert values[5] == naive.tied(scores, clicked)


@settings(max_examples=100, deadline=None)
@given(impressions(palette=[0.0, -INF, 1.0, 2.0], longest=5))
def test_the_oracle_of_long_lists_is_the_mean_over_all_orders_too(case: tuple[list[float], list[bool]]) -> None:
    assert naive.expected(*case) == pytest.approx(naive.over_all_orders(*case), rel=1e-13)


@pytest.mark.parametrize("scores", [1, 3, 40, 10**9])
def test_long_lists_equal_the_slow_oracle(scores: int) -> None:
    some, marks = random_lists(np.random.default_rng(scores), 30, 90, scores)
    values = rank(some, marks)
    for row, score, clicked in zip(values, some, marks, strict=True):
        assert row[0] == pytest.approx(naive.auc(score, clicked), rel=1e-13)
        assert row[1:5] == pytest.approx(naive.expected(score, clicked), rel=1e-12)
        assert row[5] == naive.tied(score, clicked)


@pytest.mark.parametrize("clicks", [1, 2, 1500, 2999])
def test_pools_of_thousands_equal_the_slow_oracle(clicks: int) -> None:
    rng = np.random.default_rng(clicks)
    clicked = np.arange(3000) < clicks
    rng.shuffle(clicked)
    for scores in (rng.integers(0, 50, 3000).astype(float), np.zeros(3000), rng.permutation(3000).astype(float)):
        values = rank([scores.tolist()], [clicked.tolist()])[0]
        assert values[0] == pytest.approx(roc_auc_score(clicked, scores), rel=1e-12)
        assert values[1:5] == pytest.approx(naive.expected(scores.tolist(), clicked.tolist()), rel=1e-11)


# --- other people's software ------------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [1, 4, 10**9])
def test_auc_and_ndcg_equal_scikit_learn_with_ties(scores: int) -> None:
    some, marks = random_lists(np.random.default_rng(scores), 60, 45, scores)
    for row, score, clicked in zip(rank(some, marks), some, marks, strict=True):
        assert row[0] == pytest.approx(roc_auc_score(clicked, score), rel=1e-12)
        assert row[3] == pytest.approx(ndcg_score([clicked], [score], k=5), rel=1e-12)
        assert row[4] == pytest.approx(ndcg_score([clicked], [score], k=10), rel=1e-12)


def test_mrr_first_and_ndcg_equal_trec_eval_without_ties() -> None:
    rng = np.random.default_rng(3)
    _, marks = random_lists(rng, 60, 45, 1)
    some = [rng.permutation(len(clicked)).astype(float).tolist() for clicked in marks]
    qrels = {str(q): {str(place): int(mark) for place, mark in enumerate(clicked)} for q, clicked in enumerate(marks)}
    run = {str(q): {str(place): score for place, score in enumerate(scores)} for q, scores in enumerate(some)}
    theirs = {
        (told.measure, int(told.query_id)): told.value
        for told in ir_measures.iter_calc([RR, nDCG @ 5, nDCG @ 10], qrels, run)
    }
    assert len(theirs) == 3 * len(marks)
    for q, row in enumerate(rank(some, marks)):
        expected = [theirs[measure, q] for measure in (RR, nDCG @ 5, nDCG @ 10)]
        assert row[2:5] == pytest.approx(expected, rel=1e-12)


# --- what must not matter ---------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(case=impressions(palette=[-INF, -2.5, 0.0, 1.0, 3.0, 1e300], longest=30), data=st.data())
def test_the_order_of_the_candidates_does_not_matter(case: tuple[list[float], list[bool]], data: st.DataObject) -> None:
    scores, clicked = case
    order = data.draw(st.permutations(range(len(scores))))
    again = rank([[scores[place] for place in order]], [[clicked[place] for place in order]])
    assert again.tobytes() == rank([scores], [clicked]).tobytes()


@settings(max_examples=100, deadline=None)
@given(impressions(palette=[-INF, -2.5, 0.0, 1.0, 3.0, 200.0], longest=30))
def test_only_the_order_of_the_scores_matters(case: tuple[list[float], list[bool]]) -> None:
    scores, clicked = case
    values = rank([scores], [clicked])
    for risen in ([math.exp(score) for score in scores], [score * 3 - 7 for score in scores]):
        assert rank([risen], [clicked]).tobytes() == values.tobytes()


@settings(max_examples=100, deadline=None)
@given(impressions(palette=[-INF, -2.5, 0.0, 1.0, 3.0, INF], longest=30))
def test_reversed_scores_have_the_opposite_auc(case: tuple[list[float], list[bool]]) -> None:
    scores, clicked = case
    values = rank([scores, [-score for score in scores]], [clicked, clicked])
    assert values[0, 0] + values[1, 0] == pytest.approx(1, abs=1e-15)
    assert values[0, 5] == values[1, 5]


def test_an_impression_is_judged_by_its_own_candidates_alone() -> None:
    some, marks = random_lists(np.random.default_rng(8), 40, 30, 6)
    together = rank(some, marks)
    for row, scores, clicked in zip(together, some, marks, strict=True):
        assert rank([scores], [clicked])[0].tobytes() == row.tobytes()


# --- all candidates together ------------------------------------------------------------------------------


def pool(scores: Sequence[Sequence[float]], clicked: Sequence[Sequence[bool]], group: Sequence[int]) -> Pooled:
    log = log_of(clicked)
    flat = np.array([score for some in scores for score in some], np.float64)
    return pooled(log, flat, scored_impressions(publisher_of(log)), np.array(group, np.int32), max(group) + 1)


def to_bytes(result: Pooled) -> list[bytes]:
    return [np.array(part).tobytes() for part in result]


@pytest.mark.parametrize("scores", [1, 4, 10**9])
def test_the_pooled_auc_equals_scikit_learn(scores: int) -> None:
    some, marks = random_lists(np.random.default_rng(scores), 60, 45, scores)
    result = pool(some, marks, [0] * 60)
    assert result.value == pytest.approx(roc_auc_score(np.concatenate(marks), np.concatenate(some)), rel=1e-12)


def test_pooled_scores_are_compared_across_impressions() -> None:
    scores, clicked = [[1, 0], [3, 2]], [[True, False], [True, False]]
    assert rank(scores, clicked)[:, 0].tolist() == [1, 1]
    result = pool(scores, clicked, [0, 1])
    assert result.value == 0.75
    assert result.above.tolist() == [0.5, 1]
    assert result.below.tolist() == [1, 0.5]
    assert result.clicked.tolist() == result.passed.tolist() == [1, 1]


def test_the_pooled_auc_leaves_out_impressions_that_are_not_scored() -> None:
    scores, clicked = [[1, 0], [7, 9], [3, 2]], [[True, False], [False, False], [True, False]]
    assert to_bytes(pool(scores, clicked, [0, 1])) == to_bytes(pool(scores[::2], clicked[::2], [0, 1]))


def test_nothing_scored_has_no_pooled_auc() -> None:
    log = log_of([[True]])
    chosen = scored_impressions(publisher_of(log))
    result = pooled(log, np.zeros(1), chosen, np.zeros(0, np.int32), 3)
    assert math.isnan(result.value)
    assert result.above.tolist() == result.below.tolist() == [0, 0, 0]
    assert rank_impressions(log, np.zeros(1), chosen).values.shape == (0, 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(impressions(palette=[-INF, 0.0, 1.0, 2.0], longest=5), min_size=1, max_size=6), st.data())
def test_the_sums_by_group_are_counted_pair_by_pair(
    lists: list[tuple[list[float], list[bool]]], data: st.DataObject
) -> None:
    group = [data.draw(st.integers(0, 2)) for _ in lists]
    result = pool([scores for scores, _ in lists], [clicked for _, clicked in lists], group)
    rows = [
        (score, mark, number)
        for (scores, clicked), number in zip(lists, group, strict=True)
        for score, mark in zip(scores, clicked, strict=True)
    ]
    up, down = [row for row in rows if row[1]], [row for row in rows if not row[1]]
    scores, marks = [row[0] for row in rows], [row[1] for row in rows]
    assert result.value == pytest.approx(naive.auc(scores, marks), rel=1e-14)
    for number in range(max(group) + 1):
        mine, others = [row for row in up if row[2] == number], [row for row in down if row[2] == number]
        above = sum(naive.auc([row[0] for row in [one, *down]], [True] + [False] * len(down)) for one in mine)
        below = sum(naive.auc([row[0] for row in [*up, one]], [True] * len(up) + [False]) for one in others)
        assert result.above[number] == pytest.approx(above, abs=1e-13)
        assert result.below[number] == pytest.approx(below, abs=1e-13)
        assert (result.clicked[number], result.passed[number]) == (len(mine), len(others))


def test_replicates_from_the_sums_spread_as_replicates_of_the_auc_do() -> None:
    """The scores are good in some groups and bad in others, so that a bootstrap over candidates would be far off."""
    rng = np.random.default_rng(17)
    groups, each, size = 150, 4, 12
    group = np.repeat(np.arange(groups), each)
    scores, marks = [], []
    for good in np.repeat(rng.normal(1, 1.5, size=groups), each):
        clicked = rng.random(size) < rng.random() / 2
        clicked[:2] = [True, False]
        scores.append((good * clicked + rng.normal(size=size)).round(1).tolist())
        marks.append(clicked.tolist())
    result = pool(scores, marks, group.tolist())
    flat, mark, owner = np.concatenate(scores), np.concatenate(marks), np.repeat(group, size)
    quick, slow = [], []
    for _ in range(300):
        weights = rng.poisson(1, groups)
        quick.append(
            weights @ result.above / (weights @ result.clicked)
            + weights @ result.below / (weights @ result.passed)
            - result.value
        )
        slow.append(roc_auc_score(mark, flat, sample_weight=weights[owner]))
    assert np.std(quick) == pytest.approx(np.std(slow), rel=0.01)
    assert np.corrcoef(quick, slow)[0, 1] > 0.9995
    assert np.mean(quick) == pytest.approx(np.mean(slow), abs=0.01 * np.std(slow))
    # The same groups drawn candidate by candidate: this spread is another one.
    alone = [roc_auc_score(mark, flat, sample_weight=rng.poisson(1, mark.size)) for _ in range(100)]
    assert np.std(alone) < 0.5 * np.std(slow)


def test_a_replicate_with_equal_weights_is_the_pooled_auc() -> None:
    some, marks = random_lists(np.random.default_rng(5), 60, 45, 12)
    result = pool(some, marks, [q % 7 for q in range(60)])
    assert result.above.sum() / result.clicked.sum() == pytest.approx(result.value, rel=1e-13)
    assert result.below.sum() / result.passed.sum() == pytest.approx(result.value, rel=1e-13)


def test_the_order_of_the_candidates_does_not_change_a_bit_of_the_pooled_auc() -> None:
    some, marks = random_lists(np.random.default_rng(6), 60, 45, 12)
    group = [q % 7 for q in range(60)]
    backward = pool([scores[::-1] for scores in some], [clicked[::-1] for clicked in marks], group)
    assert to_bytes(pool(some, marks, group)) == to_bytes(backward)


# --- which impressions are scored -------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    log=strategies.logs_with_impressions(),
    warmup=st.sampled_from([0, 1, HOUR]),
    window=st.sampled_from([None, 1, 2 * HOUR]),
    longest=st.sampled_from([None, 1, 2, 5]),
)
def test_what_is_scored_equals_the_oracle(log: Log, warmup: int, window: int | None, longest: int | None) -> None:
    chosen = scored_impressions(publisher_of(log), warmup=warmup, window=window, max_session_length=longest)
    expected = naive.shown(log, warmup, window, longest)
    assert chosen.impression.tolist() == expected.scored
    assert chosen.row.tolist() == expected.rows
    assert chosen.session.tolist() == [log.session[row] for row in expected.rows]
    assert chosen.time.tolist() == [log.time[row] for row in expected.rows]
    assert (chosen.unknown, chosen.single_class) == (expected.unknown, expected.single_class)
    assert [column.dtype for column in chosen[:4]] == [np.int32, np.int64, np.int32, np.int64]


def written_log(**changed: list[int]) -> Log:
    """A read at 10, then four impressions: scored, unknown, all clicked, none clicked. The last outcome comes late."""
    columns = {
        "time": [10, 20, 20, 30, 40, 40, 50, 90],
        "kind": [READ, IMPRESSION, OUTCOME, IMPRESSION, IMPRESSION, OUTCOME, IMPRESSION, OUTCOME],
        "session": [0] * 8,
        "user": [0] * 8,
        "item": [0] + [-1] * 7,
        "category": [-1] * 8,
        "impression": [-1, 0, 0, 1, 2, 2, 3, 3],
    }
    clicked = [True, False, False, False, True, True, False, False]
    return make_log(**{**columns, **changed}, pools={"at": [0, 2, 4, 6, 8], "item": [0] * 8, "clicked": clicked})


def counts(chosen: ScoredImpressions) -> tuple[list[int], int, int]:
    return chosen.impression.tolist(), chosen.unknown, chosen.single_class


def test_impressions_without_an_outcome_or_of_a_single_class_are_counted_not_scored() -> None:
    chosen = scored_impressions(publisher_of(written_log()))
    assert counts(chosen) == ([0], 1, 2)
    assert (chosen.row.tolist(), chosen.session.tolist(), chosen.time.tolist()) == ([1], [0], [20])


def test_warm_up_and_window_count_from_the_first_read_and_by_the_time_of_the_impression() -> None:
    publisher = publisher_of(written_log())
    assert counts(scored_impressions(publisher, warmup=10)) == ([0], 1, 2)
    assert counts(scored_impressions(publisher, warmup=11)) == ([], 1, 2)
    assert counts(scored_impressions(publisher, window=10)) == ([], 0, 0)
    assert counts(scored_impressions(publisher, window=11)) == ([0], 0, 0)
    assert counts(scored_impressions(publisher, warmup=10, window=31)) == (
        [0],
        1,
        2,
    )  # the outcome at 90 is of the one at 50


def test_an_impression_before_the_first_read_is_not_scored() -> None:
    early = written_log(
        time=[1, 1, 10, 30, 40, 40, 50, 90],
        kind=[IMPRESSION, OUTCOME, READ, IMPRESSION, IMPRESSION, OUTCOME, IMPRESSION, OUTCOME],
        item=[-1, -1, 0, *[-1] * 5],
        impression=[0, 0, -1, 1, 2, 2, 3, 3],
    )
    assert counts(scored_impressions(publisher_of(early))) == ([], 1, 2)


def test_impressions_of_long_sessions_are_left_out_and_of_sessions_without_a_read_scored() -> None:
    publisher = publisher_of(written_log(session=[0, 1, 1, 0, 0, 0, 0, 0]))
    publisher = publisher._replace(sessions=publisher.sessions._replace(reads=np.array([3, 0], np.int32)))
    assert counts(scored_impressions(publisher, max_session_length=3)) == ([0], 1, 2)
    assert counts(scored_impressions(publisher, max_session_length=2)) == ([0], 0, 0)


def test_a_candidate_that_stands_twice_counts_per_place() -> None:
    log = log_of([[True, False, False]])
    log = log._replace(pools=log.pools._replace(item=np.zeros(3, np.int32)))
    values = rank_impressions(log, np.array([2.0, 3.0, 1.0]), scored_impressions(publisher_of(log))).values
    assert values[0, :3].tolist() == [0.5, 0.5, 0.5]
