"""BeyondAccuracy accuracy: a log worked by hand, the oracle on random ones, and what must change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.log.catalog import bare_articles
from newsreplay.log.publisher import Publisher, Requests, Sessions
from newsreplay.log.rows import HISTORY, HOUR, IMPRESSION, PUBLISH, READ, Log, make_log
from newsreplay.simulator.judgement import beyond_accuracy as module
from newsreplay.simulator.judgement.beyond_accuracy import BeyondAccuracy, beyond_accuracy
from tests import strategies
from tests.naive import beyond_accuracy as naive_beyond

Slates = Sequence[Sequence[int]]


def publisher_of(log: Log) -> Publisher:
    """A publisher around a log made by hand; its sessions play no part here."""
    row = np.flatnonzero(log.kind == READ).astype(np.int32)
    nothing = np.empty(0, np.int32)
    no_ids = pa.array([], pa.large_string())
    sessions = Sessions(no_ids, nothing, nothing, nothing.astype(np.int64))
    return Publisher("A", log, bare_articles(log), no_ids, Requests(row, np.full(len(row), -1, np.int32)), sessions)


def measured(
    log: Log,
    slates: Slates,
    scored: Sequence[bool] | None = None,
    group: Sequence[int] | None = None,
    kind: int = READ,
    groups: int = 1,
) -> BeyondAccuracy:
    """All requests are scored, and in one group, unless told otherwise."""
    k = max(1, *map(len, slates), 1)
    return beyond_accuracy(
        publisher_of(log),
        np.flatnonzero(log.kind == kind).astype(np.int32),
        np.array([[*slate, *[-1] * (k - len(slate))] for slate in slates], np.int32).reshape(len(slates), k),
        np.where([True] * len(slates) if scored is None else scored, group or [0] * len(slates), -1).astype(np.int32),
        groups,
    )


def reads(item: list[int], category: list[int] | None = None) -> Log:
    """A log of nothing but reads, one an hour."""
    n = len(item)
    return make_log(
        time=np.arange(n) * HOUR,
        kind=[READ] * n,
        session=[0] * n,
        user=[0] * n,
        item=item,
        category=category or [-1] * n,
    )


# --- by hand -------------------------------------------------------------------------------------------------

WORKED = [  # hour, kind, article, its category as known by then
    (0, PUBLISH, 0, 0),
    (1, HISTORY, 1, 1),
    (2, READ, 0, 0),  # request 0
    (3, PUBLISH, 2, -1),
    (4, READ, 1, 1),  # request 1
    (5, READ, 3, 0),  # request 2
    (6, READ, 2, 1),  # request 3
    (7, PUBLISH, 4, 2),
    (8, READ, 0, 0),  # request 4
    (9, READ, 5, 3),  # request 5, not scored
]


def worked_log() -> Log:
    hour, kind, item, category = zip(*WORKED, strict=True)
    reader = [0 if one >= READ else -1 for one in kind]
    return make_log(time=np.array(hour) * HOUR, kind=kind, session=reader, user=reader, item=item, category=category)


def worked() -> BeyondAccuracy:
    slates = [[1], [0, 2], [0, 1, 2], [1, 0, 3], [2, 1], [4]]
    return measured(worked_log(), slates, [True] * 5 + [False], [0, 1, 0, 1, 0, -1], groups=2)


def test_novelty_is_the_information_of_the_reads_known_at_the_request_plus_one() -> None:
    # All reads plus known articles: 2 + 2, 3 + 3, 4 + 4, 5 + 4, 6 + 5. An article's reads plus one are divided by that.
    first = [4 / 2, 8 / 2, 8 / 3, 8 / 1, 11 / 2, 11 / 3]
    second = [6 / 2, 6 / 1, 9 / 3, 9 / 2, 9 / 2]
    sums = worked().sums[:, 0]
    assert sums == pytest.approx([sum(map(log2, first)), sum(map(log2, second))], rel=1e-14)
    assert worked().counts[:, 0].tolist() == [6, 5]


def test_popularity_is_the_mid_percentile_by_reads_among_the_known_articles() -> None:
    # Reads by article, in the order of the requests: 1 1, 1 2 0, 1 2 0 1, 1 2 1 1, 2 2 1 1 0.
    first = [(2 / 2) / 2, (1 + 2 / 2) / 4, (3 + 1 / 2) / 4, (1 / 2) / 4, (1 + 2 / 2) / 5, (3 + 2 / 2) / 5]
    second = [(1 + 1 / 2) / 3, (1 / 2) / 3, (3 + 1 / 2) / 4, (3 / 2) / 4, (3 / 2) / 4]
    assert worked().sums[:, 1] == pytest.approx([sum(first), sum(second)], rel=1e-14)
    assert worked().counts[:, 1].tolist() == [6, 5]


def test_age_counts_from_the_row_that_made_the_article_known() -> None:
    first, second = [1, 5, 4, 2, 5, 7], [4, 1, 5, 6, 1]
    assert worked().sums[:, 2].tolist() == [sum(first), sum(second)]
    assert worked().counts[:, 2].tolist() == [6, 5]


def test_diversity_leaves_out_pairs_with_a_category_that_is_not_known_yet() -> None:
    # Request 0 has no pair, request 1 none with two categories; article 2 gets its category with request 3.
    assert worked().sums[:, 3].tolist() == [1 + 0, 2 / 3]
    assert worked().counts[:, 3].tolist() == [2, 1]


def test_coverage_and_gini_are_over_the_articles_known_at_the_last_scored_request() -> None:
    # Article 4 is known and was recommended to a request that is not scored; article 5 came later.
    assert worked().coverage == 4 / 5
    times = [3, 4, 3, 1, 0]
    differences = [abs(a - b) for a in times for b in times]
    assert worked().gini == pytest.approx(sum(differences) / 25 / 2 / (11 / 5)) == pytest.approx(4 / 11)


def test_category_diversity_is_relative_to_the_categories_known_at_the_last_scored_request() -> None:
    # Category 0: article 0 three times, 3 once. Category 1: article 1 four times, 2 once (twice before it had one).
    entropy = -(4 / 9) * log2(4 / 9) - (5 / 9) * log2(5 / 9)
    assert worked().category_diversity == pytest.approx(entropy / log2(3), rel=1e-14)


def test_a_category_that_the_last_scored_request_itself_tells_is_known() -> None:
    found = measured(reads([0, 1, 2], [0, 1, 2]), [[], [0], [0, 1]])
    assert found.category_diversity == pytest.approx(((2 / 3) * log2(3 / 2) + (1 / 3) * log2(3)) / log2(3))


# --- the oracle ----------------------------------------------------------------------------------------------


@st.composite
def with_history(draw: st.DrawFn) -> Log:
    """A log whose reads before some moment, but never all, are reads from before the log."""
    log = draw(st.one_of(strategies.logs(max_rows=40), strategies.logs_with_impressions(max_rows=25)))
    begin = draw(st.sampled_from([0, *log.time[log.kind == READ].tolist()]))
    return log._replace(kind=np.where((log.kind == READ) & (log.time < begin), HISTORY, log.kind).astype(np.uint8))


@st.composite
def cases(
    draw: st.DrawFn, kinds: Sequence[int] = (READ, IMPRESSION)
) -> tuple[Log, list[list[int]], list[bool], list[int], int]:
    """A log, slates of articles known at requests, which of these are scored, groups of three, the kind that asks."""
    log, kind = draw(with_history()), draw(st.sampled_from(kinds))
    rows = np.flatnonzero(log.kind == kind).tolist()
    k = draw(strategies.cut_offs())
    slates = []
    for row in rows:
        known = range(int(log.item[: row + 1].max()) + 1)
        slates.append(draw(st.permutations(known))[: draw(st.integers(0, k))])
    scored = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    group = [draw(st.integers(0, 2)) if counts else -1 for counts in scored]
    return log, slates, scored, group, kind


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_every_number_equals_the_oracle(case: tuple[Log, list[list[int]], list[bool], list[int], int]) -> None:
    found, expected = measured(*case, groups=3), naive_beyond.beyond(*case[:4], groups=3, kind=case[4])
    assert found.counts.tolist() == expected.counts
    assert found.sums == pytest.approx(np.array(expected.sums), rel=1e-12, abs=1e-12)
    assert found[2:] == pytest.approx(expected[2:], rel=1e-12, abs=1e-12, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_the_order_inside_a_slate_changes_nothing(
    case: tuple[Log, list[list[int]], list[bool], list[int], int],
) -> None:
    log, slates, scored, group, kind = case
    found = measured(log, slates, scored, group, kind, groups=3)
    turned = measured(log, [slate[::-1] for slate in slates], scored, group, kind, groups=3)
    assert turned.counts.tolist() == found.counts.tolist()
    assert turned.sums == pytest.approx(found.sums, rel=1e-12, abs=1e-12)
    assert turned[2:] == pytest.approx(found[2:], nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(case=cases([READ]), data=st.data())
def test_what_happens_later_changes_nothing(
    case: tuple[Log, list[list[int]], list[bool], list[int], int], data: st.DataObject
) -> None:
    log, slates, scored, group, _ = case
    end = data.draw(st.sampled_from(np.flatnonzero(log.kind == READ).tolist())) + 1
    before = make_log(
        pools=log.pools, **{name: column[:end] for name, column in log._asdict().items() if name != "pools"}
    )
    n = int((before.kind == READ).sum())
    early = [counts and request < n for request, counts in enumerate(scored)]
    of_all = measured(log, slates, early, group, groups=3)
    of_some = measured(before, slates[:n], early[:n], group[:n], groups=3)
    assert of_all.sums.tolist() == of_some.sums.tolist()
    assert of_all[2:] == pytest.approx(of_some[2:], rel=0, abs=0, nan_ok=True)


@given(counts=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_gini_is_half_the_mean_difference_of_all_pairs_over_the_mean(counts: list[int]) -> None:
    assert module.gini(np.array(counts)) == pytest.approx(naive_beyond.gini(counts), nan_ok=True)


# --- corners -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7])
def test_recommending_everything_equally_often_covers_all_with_gini_zero(n: int) -> None:
    articles = list(range(n))
    log = reads(articles + articles, articles + articles)
    slates = [[] for _ in articles] + [[other for other in articles if other != one] for one in articles]
    found = measured(log, slates)
    assert found.gini == 0
    assert found.coverage == 1
    assert found.category_diversity == pytest.approx(1)
    assert found.sums[0, 3] == found.counts[0, 3] == (n if n > 2 else 0)  # a slate of one has no pair


def test_recommending_one_article_only_has_the_largest_gini_there_is() -> None:
    log = reads([0, 1, 2, 3, 1])
    found = measured(log, [[], [0], [0], [0], [0]])
    assert found.gini == 3 / 4
    assert found.coverage == 1 / 4


def test_a_read_from_before_the_log_counts_as_a_read_and_asks_for_nothing() -> None:
    log = reads([0, 1, 1, 0])
    found = measured(log._replace(kind=np.array([READ, HISTORY, HISTORY, READ], np.uint8)), [[], [1]])
    assert found.sums[0, :2].tolist() == [-log2(3 / 6), 1 / 2]
    assert found.counts[0].tolist() == [1, 1, 1, 0]


def test_an_article_without_reads_stands_at_the_middle_of_those_without() -> None:
    log = make_log(
        time=[0, 0, 0, HOUR],
        kind=[PUBLISH, PUBLISH, PUBLISH, READ],
        session=[-1, -1, -1, 0],
        user=[-1, -1, -1, 0],
        item=[0, 1, 2, 0],
        category=[-1] * 4,
    )
    assert measured(log, [[2]]).sums[0, :3].tolist() == [2, 1 / 3, 1]


def test_empty_slates_cover_nothing_and_have_no_means() -> None:
    found = measured(reads([0, 1, 0]), [[], [], []])
    assert not found.counts.any()
    assert not found.sums.any()
    assert found.coverage == 0
    assert np.isnan([found.gini, found.category_diversity]).all()


def test_without_a_scored_request_there_is_no_value() -> None:
    found = measured(reads([0, 1, 0]), [[], [0], [1]], [False] * 3, [-1] * 3)
    assert not found.counts.any()
    assert np.isnan(found[2:]).all()


def test_without_categories_there_is_no_diversity_but_all_the_rest() -> None:
    found = measured(reads([0, 1, 2]), [[], [0], [0, 1]])
    assert found.counts.tolist() == [[3, 3, 3, 0]]
    assert np.isnan(found.category_diversity)
    assert found.coverage == 2 / 3


def test_a_single_category_has_pairs_that_agree_and_no_entropy_to_compare_with() -> None:
    found = measured(reads([0, 1, 2], [0, 0, 0]), [[], [0], [0, 1]])
    assert found.counts[0, 3] == 1
    assert found.sums[0, 3] == 0
    assert np.isnan(found.category_diversity)
