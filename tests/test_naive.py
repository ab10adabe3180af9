"""The oracle against the worked example, values worked by hand, and what must hold of any log."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.log.rows import DAY, HOUR, PUBLISH, READ, Log, make_log
from tests.naive.baselines import (
    BASELINES,
    GOLDEN,
    Past,
    clusters,
    code_by_first_appearance,
    draw,
    draw_without_replacement,
    hit_rows,
    judge,
    measure,
    mix,
    reads_of,
    scored_sessions,
    slates,
    split_sessions,
    vote_weight,
)
from tests.strategies import cut_offs, keys, logs
from tests.worked import COLUMNS, SCORED, Column, worked_log

MINUTE = 60_000
some = settings(max_examples=30, deadline=None)

SPECS: list[tuple[str, dict[str, int]]] = [
    ("random", {"key": 7}),
    ("random", {"key": 7, "hours": 6}),
    ("popular", {}),
    ("popular", {"hours": 6}),
    ("recency", {}),
    ("circular", {"size": 3}),
    ("sequences", {}),
    ("content", {"key": 7}),
    ("minhash", {}),
    ("trend", {"hours": 2}),
    ("trend", {}),
]


def reads_log(*reads: tuple[int, int, int], category: list[int] | None = None) -> Log:
    """A log of (time, session, item) reads whose sessions are the users."""
    return make_log(
        time=[time for time, _, _ in reads],
        kind=[READ for _ in reads],
        session=[session for _, session, _ in reads],
        user=[session for _, session, _ in reads],
        item=[item for _, _, item in reads],
        category=category or [-1 for _ in reads],
    )


# --- the worked example -----------------------------------------------------------------------------------


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
def test_every_cell_of_the_worked_example(column: Column) -> None:
    assert slates(worked_log(), column.name, 1, **column.options) == column.slates


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
def test_every_hit_of_the_worked_example(column: Column) -> None:
    log = worked_log()
    hits = hit_rows(log, column.slates, 1)
    assert [read.row in hits for read in reads_of(log)] == column.hits


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
def test_the_success_rates_of_the_worked_example(column: Column) -> None:
    log = worked_log()
    values = measure(judge(log, column.slates, scored_sessions(log), 1), 1)
    assert values["event_success@1"] == (column.event_success, 4)
    assert values["session_success@1"] == (column.session_success, 4)


def test_the_sessions_of_the_worked_example() -> None:
    log = worked_log()
    reads = reads_of(log)
    assert split_sessions([r.time for r in reads], [r.user for r in reads]) == [r.session for r in reads]
    assert scored_sessions(log) == SCORED


def test_recency_hits_twice_in_one_session_of_the_worked_example() -> None:
    log = worked_log()
    judgements = judge(log, slates(log, "recency", 1), SCORED, 1)
    assert {session: judgement.hits for session, judgement in judgements.items()} == {0: 2, 1: 0, 2: 0, 4: 1}


# --- sessions ---------------------------------------------------------------------------------------------


def test_exactly_sixty_minutes_continue_a_session() -> None:
    assert split_sessions([0, HOUR, 2 * HOUR], [5, 5, 5]) == [0, 0, 0]


def test_a_millisecond_more_starts_a_new_session() -> None:
    assert split_sessions([0, HOUR + 1], [5, 5]) == [0, 1]


def test_sessions_are_split_per_user_and_coded_by_first_appearance() -> None:
    times = [0, 10 * MINUTE, 70 * MINUTE, 71 * MINUTE, 72 * MINUTE]
    assert split_sessions(times, ["b", "a", "a", "b", "a"]) == [0, 1, 1, 2, 1]


def test_the_session_gap_is_configurable() -> None:
    assert split_sessions([0, 5, 11], [0, 0, 0], gap_ms=5) == [0, 0, 1]


def test_codes_are_dense_by_first_appearance() -> None:
    assert code_by_first_appearance(["x", "a", "x", "b", "a"]) == [0, 1, 0, 2, 1]


def test_a_single_read_session_is_not_scored() -> None:
    assert scored_sessions(reads_log((0, 0, 0), (1, 1, 0), (2, 0, 1))) == [0]


def test_warm_up_and_window_count_from_the_first_read_and_look_at_first_reads() -> None:
    log = make_log(
        time=[0, 100, 110, 110, 120, 120, 130, 900],
        kind=[PUBLISH] + [READ] * 7,
        session=[-1, 0, 0, 1, 1, 2, 2, 1],
        user=[-1, 0, 0, 1, 1, 2, 2, 1],
        item=[0] * 8,
        category=[-1] * 8,
    )
    assert scored_sessions(log) == [0, 1, 2]
    assert scored_sessions(log, warmup_ms=10) == [1, 2]
    assert scored_sessions(log, warmup_ms=11) == [2]
    assert scored_sessions(log, warmup_ms=10, window_ms=10) == [1]  # 120 is no longer before the end
    assert scored_sessions(log, window_ms=10) == [0]


# --- the judge --------------------------------------------------------------------------------------------


def test_every_read_of_an_offered_article_is_a_hit_each_time() -> None:
    log = reads_log((0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 1))
    judgements = judge(log, [[1], [], [], []], [0], 1)
    assert judgements[0].hits == 2  # both reads of 1; event-level success may exceed 1
    assert measure(judgements, 1)["event_success@1"] == (2.0, 1)
    assert measure(judgements, 1)["session_success@1"] == (1.0, 1)


def test_a_hit_needs_an_earlier_slate_of_the_same_session_within_k() -> None:
    log = reads_log((0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1))
    assert hit_rows(log, [[], [1], [], []], 1) == [3]  # session 0 was never offered 1
    assert hit_rows(log, [[2, 1], [], [1], [1]], 1) == []  # too far down; too late
    assert hit_rows(log, [[2, 1], [], [1], [1]], 2) == [2]


def test_the_metrics_of_a_session_by_hand() -> None:
    # Articles read: 0 1 2 1. Relevant: {1, 2}, then {2} (1 is the current article), then {1}, then nothing.
    log = reads_log((0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 1))
    first, second, third = judge(log, [[3, 1, 2], [1, 0, 2], [0, 3, 4, 1], [2]], [0], 3)[0].requests
    assert (first.row, first.hit_rate, first.mrr, first.recall) == (0, 1.0, 1 / 2, 1.0)
    assert first.ndcg == pytest.approx((1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3)))
    assert (second.row, second.hit_rate, second.mrr, second.ndcg, second.recall) == (1, 1.0, 1 / 3, 0.5, 1.0)
    assert (third.row, third.hit_rate, third.mrr, third.ndcg, third.recall) == (2, 0.0, 0.0, 0.0, 0.0)


def test_recall_divides_by_all_relevant_and_ndcg_by_the_best_that_fits_in_k() -> None:
    log = reads_log((0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3))
    request = judge(log, [[2], [], [], []], [0], 1)[0].requests[0]
    assert (request.hit_rate, request.mrr, request.ndcg) == (1.0, 1.0, 1.0)
    assert request.recall == pytest.approx(1 / 3)


def test_overall_values_average_sessions_or_requests() -> None:
    # Session 0 has two requests with something relevant, session 1 one, session 2 is not scored.
    log = reads_log((0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1), (4, 0, 2), (5, 2, 0))
    values = measure(judge(log, [[1], [], [], [], [], []], scored_sessions(log), 1), 1)
    assert values == {
        "event_success@1": (0.5, 2),
        "session_success@1": (0.5, 2),
        "session_hit_rate@1": (pytest.approx(1 / 3), 3),
        "session_mrr@1": (pytest.approx(1 / 3), 3),
        "session_ndcg@1": (pytest.approx(1 / 3), 3),
        "session_recall@1": (pytest.approx(1 / 6), 3),  # half of {1, 2}, nothing, nothing
    }


def test_a_session_that_stays_on_one_article_has_no_ranking_request_but_counts_for_success() -> None:
    log = reads_log((0, 0, 0), (1, 0, 0))
    values = measure(judge(log, [[], []], scored_sessions(log), 1), 1)
    assert values["session_success@1"] == (0.0, 1)
    assert values["session_mrr@1"].n == 0
    assert math.isnan(values["session_mrr@1"].value)


@some
@given(logs(max_rows=25), cut_offs())
def test_a_longer_slate_never_loses_a_hit(log: Log, k: int) -> None:
    answers = slates(log, "recency", k + 1)
    assert set(hit_rows(log, answers, k)) <= set(hit_rows(log, answers, k + 1))


@some
@given(logs(max_rows=25), cut_offs())
def test_shares_stay_between_zero_and_one(log: Log, k: int) -> None:
    values = measure(judge(log, slates(log, "circular", k), scored_sessions(log), k), k)
    del values[f"event_success@{k}"]
    assert all(metric.n == 0 or 0 <= metric.value <= 1 + 1e-12 for metric in values.values())


# --- random choices ---------------------------------------------------------------------------------------


def test_mix_is_the_finaliser_of_splitmix64() -> None:
    # The first three outputs of splitmix64 seeded with 0.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [mix(n * GOLDEN) for n in (1, 2, 3)] == published


def test_draws_are_64_bit_and_depend_on_key_row_and_place() -> None:
    numbers = {draw(key, row, j) for key in (0, 1, 2**64 - 1) for row in range(5) for j in range(5)}
    assert len(numbers) == 75
    assert all(0 <= number < 2**64 for number in numbers)


@some
@given(st.integers(0, 12), st.integers(1, 12), keys(), st.integers(0, 10**9))
def test_a_draw_without_replacement_is_the_start_of_a_permutation(n: int, k: int, key: int, row: int) -> None:
    candidates = list(range(100, 100 + n))
    slate = draw_without_replacement(candidates, k, key, row)
    assert len(slate) == len(set(slate)) == min(k, n)
    assert set(slate) <= set(candidates)
    assert slate == draw_without_replacement(candidates, n, key, row)[:k]


def test_a_draw_without_replacement_is_uniform() -> None:
    count = Counter(tuple(draw_without_replacement([0, 1, 2, 3], 2, 99, row)) for row in range(12_000))
    assert len(count) == 12  # ordered pairs
    assert all(850 < times < 1150 for times in count.values())  # 1000 expected, five standard deviations


def test_random_draws_from_publications_in_the_window_open_at_its_old_end() -> None:
    log = reads_log((0, 0, 0), (1, 0, 1), (6 * HOUR, 0, 2))
    assert slates(log, "random", 5, hours=6, key=3)[-1] == [1]
    assert set(slates(log, "random", 5, key=3)[-1]) == {0, 1}


def test_content_draws_from_the_category_and_abstains_without_one() -> None:
    log = reads_log((0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 0), category=[0, 1, -1, 0])
    assert slates(log, "content", 5, key=1) == [[], [], [], []]
    log = reads_log((0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 1), category=[-1, 0, 0, 0])
    assert slates(log, "content", 5, key=1) == [[], [], [1], [0]]  # 0 joins the category at its second row


def test_content_orders_candidates_by_when_their_category_became_known() -> None:
    log = reads_log((0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 2), category=[-1, 0, 0, 0])
    assert list(Past(log, 3).category) == [1, 0, 2]
    assert slates(log, "content", 5, key=4)[-1] == draw_without_replacement([1, 0], 5, 4, 3)


# --- baselines that count ---------------------------------------------------------------------------------


def test_ties_go_to_the_article_read_last_then_to_the_one_known_last() -> None:
    log = make_log(
        time=[0, 0, 0, 0, 1, 2, 3],
        kind=[PUBLISH, PUBLISH, PUBLISH, PUBLISH, READ, READ, READ],
        session=[-1, -1, -1, -1, 0, 0, 0],
        user=[-1, -1, -1, -1, 0, 0, 0],
        item=[0, 1, 2, 3, 1, 0, 2],
        category=[-1] * 7,
    )
    assert slates(log, "recency", 5) == [[3, 2, 0], [1, 3, 2], [0, 1, 3]]
    assert slates(log, "popular", 5) == [[], [1], [0, 1]]


def test_a_window_leaves_out_a_read_exactly_its_width_ago() -> None:
    log = reads_log((0, 0, 0), (1, 0, 1), (HOUR, 0, 2))
    assert slates(log, "popular", 5, hours=1)[-1] == [1]
    assert slates(log, "trend", 5, hours=1)[-1] == [1]


def test_a_bin_of_a_trend_counts_full_hours_back() -> None:
    # At the last read: 0 was read exactly one hour ago (older bin, -1), 1 a millisecond later (newer, +1).
    log = reads_log((0, 0, 0), (1, 0, 1), (HOUR, 0, 2))
    assert slates(log, "trend", 5, hours=2)[-1] == [1, 0]


def test_a_circular_buffer_holds_reads_only_and_names_each_article_once() -> None:
    log = make_log(
        time=[0, 1, 2, 3, 4, 5],
        kind=[READ, READ, READ, PUBLISH, READ, READ],
        session=[0, 0, 0, -1, 0, 0],
        user=[0, 0, 0, -1, 0, 0],
        item=[0, 1, 2, 3, 1, 4],
        category=[-1] * 6,
    )
    assert slates(log, "circular", 5, size=4)[-1] == [1, 2]
    assert slates(log, "circular", 5)[-1] == [1, 2, 0]


def test_sequences_ignore_repetitions_and_other_sessions() -> None:
    log = reads_log((0, 0, 0), (1, 1, 1), (2, 0, 0), (3, 0, 2), (4, 1, 0))
    assert slates(log, "sequences", 5) == [[], [], [], [], [2]]


def test_readers_of_the_same_articles_share_all_clusters() -> None:
    reads = Past(reads_log((0, 0, 0), (1, 0, 1), (2, 1, 1), (3, 1, 0)), 3).reads
    assert clusters(reads, 0) == clusters(reads, 1)
    assert len(set(clusters(reads, 0))) == 10
    assert not set(clusters(reads[:1], 0)) & set(clusters(reads[:3], 1))  # one has read 0, the other 1


def test_clusters_by_hand() -> None:
    past = Past(reads_log((0, 0, 0), (1, 0, 1)), 1)
    h = [[mix(mix(x * GOLDEN + 1) + (j + 1) * GOLDEN) for x in (0, 1)] for j in range(20)]
    assert clusters(past.reads, 0) == [(g, min(h[2 * g]), min(h[2 * g + 1])) for g in range(10)]


def test_a_vote_halves_in_a_day_exactly() -> None:
    time = 1_488_326_400_000 + 12_345_678
    assert vote_weight(0) == 2**32
    assert vote_weight(time + DAY) == 2 * vote_weight(time)
    assert vote_weight(time + 4 * DAY) == 16 * vote_weight(time)


def common(profile: set[int], other: set[int]) -> int:
    """How many of the 10 clusters two sets of articles share."""
    h = [[mix(mix(x * GOLDEN + 1) + (j + 1) * GOLDEN) for x in range(9)] for j in range(20)]
    low = [[min(h[j][x] for x in articles) for j in range(20)] for articles in (profile, other)]
    return sum(low[0][j : j + 2] == low[1][j : j + 2] for j in range(0, 20, 2))


@pytest.mark.parametrize(("age", "slate"), [(96 * HOUR, [1]), (96 * HOUR + 1, [])])
def test_a_vote_counts_up_to_ninety_six_hours(age: int, slate: list[int]) -> None:
    assert common({0}, {0, 1}) > 0  # or reader 1 would not see the vote for 1
    log = reads_log((0, 0, 0), (50, 0, 1), (50 + age, 1, 0))
    assert slates(log, "minhash", 5)[-1] == slate


def test_minhash_scores_by_decayed_votes_in_shared_clusters() -> None:
    # Readers 0 to 3 read article 0 and then one of 1 to 4, on four days; reader 4 reads 0 two days later.
    followers = [read for n in range(4) for read in [(n * DAY, n, 0), (n * DAY, n, n + 1)]]
    log = reads_log(*followers, (5 * DAY, 4, 0))
    score = {n + 1: common({0}, {0, n + 1}) * Fraction(1, 2 ** (5 - n)) for n in range(1, 4)}  # 1: too old
    ranked = sorted((item for item in score if score[item]), key=lambda item: (-score[item], -item))
    assert len(ranked) >= 2
    assert slates(log, "minhash", 5)[-1] == ranked


def test_a_read_updates_its_readers_clusters_before_it_votes() -> None:
    # Reader 0's vote for 1 stands in the clusters of {0, 1}, not of {0}: reader 2 shares only some.
    log = reads_log((0, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 2), (DAY, 2, 0))
    expected = sorted([1, 2], key=lambda item: (-common({0}, {0, item}), -item))
    assert slates(log, "minhash", 5)[-1] == expected


@pytest.mark.parametrize("hours", [2, 3, 6])
@some
@given(log=logs(max_rows=20))
def test_trend_ranks_by_the_least_squares_slope(hours: int, log: Log) -> None:
    for read, slate in zip(reads_of(log), slates(log, "trend", 10, hours=hours), strict=True):
        slopes = [_slope(log, read.row, item, hours) for item in slate]
        assert slopes == sorted(slopes, reverse=True)


def _slope(log: Log, row: int, item: int, hours: int) -> Fraction:
    """The slope of an article's hourly reads in the window that ends at a row, by the textbook."""
    now = int(log.time[row])
    y = [0] * hours
    for read in reads_of(log):
        if read.row <= row and read.item == item:
            for k in range(hours):  # the oldest first; each is (from, to]
                end = now - (hours - 1 - k) * HOUR
                y[k] += end - HOUR < read.time <= end
    x_mean, y_mean = Fraction(hours - 1, 2), Fraction(sum(y), hours)
    covariance = sum(((k - x_mean) * (y[k] - y_mean) for k in range(hours)), Fraction(0))
    return covariance / sum((k - x_mean) ** 2 for k in range(hours))


# --- what holds of every baseline on every log ------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), SPECS)
@some
@given(log=logs(max_rows=20), k=cut_offs())
def test_a_slate_holds_distinct_known_articles_without_the_current_one(
    name: str, options: dict[str, int], log: Log, k: int
) -> None:
    answers = slates(log, name, k, **options)
    for read, slate in zip(reads_of(log), answers, strict=True):
        assert len(slate) == len(set(slate)) <= k
        assert read.item not in slate
        assert set(slate) <= set(log.item[: read.row + 1].tolist())


@pytest.mark.parametrize(("name", "options"), SPECS)
@some
@given(log=logs(max_rows=20), k=cut_offs(), data=st.data())
def test_a_slate_depends_on_nothing_later(
    name: str, options: dict[str, int], log: Log, k: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(log.time)))
    answers = slates(log, name, k, **options)
    head = slates(Log(*(column[:cut] for column in log[:7]), pools=log.pools), name, k, **options)
    assert head == answers[: len(head)]


@pytest.mark.parametrize(("name", "options"), SPECS)
@some
@given(log=logs(max_rows=20), k=cut_offs())
def test_a_shorter_slate_is_the_start_of_a_longer_one(name: str, options: dict[str, int], log: Log, k: int) -> None:
    longer = slates(log, name, k + 1, **options)
    assert slates(log, name, k, **options) == [slate[:k] for slate in longer]


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_one_article_is_never_recommended(name: str) -> None:
    options = {"key": 5} if name in ("random", "content") else {}
    log = reads_log((0, 0, 0), (5, 0, 0), (9 * DAY, 1, 0), category=[0, 0, 0])
    assert slates(log, name, 3, **options) == [[], [], []]


# --- the strategy -----------------------------------------------------------------------------------------


def is_dense_by_first_appearance(column: np.ndarray) -> bool:
    codes = [code for code in column.tolist() if code >= 0]
    return code_by_first_appearance(codes) == codes


@settings(max_examples=200, deadline=None)
@given(logs())
def test_drawn_logs_are_valid(log: Log) -> None:
    reading = log.kind == READ
    assert 1 <= len(log.time) <= 60
    assert reading.any()
    assert set(log.kind.tolist()) <= {PUBLISH, READ}
    assert all(is_dense_by_first_appearance(c) for c in (log.item, log.user, log.session, log.category))
    assert (log.item >= 0).all()
    assert ((log.session >= 0) == reading).all()
    assert ((log.user >= 0) == reading).all()
    order = list(zip(log.time.tolist(), log.kind.tolist(), strict=True))
    assert order == sorted(order)
    told: dict[int, int] = {}
    reader: dict[int, int] = {}
    for item, category in zip(log.item.tolist(), log.category.tolist(), strict=True):
        assert category == told.get(item, category)  # once told, never changed or forgotten
        if category >= 0:
            told[item] = category
    for session, user in zip(log.session[reading].tolist(), log.user[reading].tolist(), strict=True):
        assert reader.setdefault(session, user) == user
