"""Histories, counters and articles alive: equal to a recount, and blind to the future."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsreplay.log.rows import DAY, HISTORY, HOUR, IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from newsreplay.recommenders.neural.stream.published import Published, published_table
from newsreplay.recommenders.neural.stream.signals import SIGNALS, wanted
from newsreplay.recommenders.neural.stream.state import NONE, SAMPLED, SLATE, Captures, StreamOptions, StreamRows
from newsreplay.recommenders.neural.stream.stream import Stream
from tests.naive import neural_stream as naive
from tests.naive.neural_stream import Row, Rules

KINDS = {"impression": IMPRESSION, "slate": SLATE, "read": READ, "sampled": SAMPLED}
START = 1_573_300_800_000 - 20 * 60_000  # twenty minutes before noon
EXPOSURE, AVOIDANCE, CLICKS, RATE, AGE = range(5)


def packed(rows: Sequence[Row], first: int = 0, end: int | None = None) -> StreamRows:
    some = rows[first:end]
    pools = [row.pool for row in some]
    clicks = [row.clicked or (False,) * len(row.pool) for row in some]
    return StreamRows(
        np.array([row.time for row in some], np.int64),
        np.array([row.kind for row in some], np.uint8),
        np.array([row.session for row in some], np.int32),
        np.array([row.user for row in some], np.int32),
        np.array([row.item for row in some], np.int32),
        np.arange(first, first + len(some)),
        np.cumsum([0, *map(len, pools)]),
        np.array([item for pool in pools for item in pool], np.int32),
        np.array([click for many in clicks for click in many], bool),
    )


def log_of(rows: Sequence[Row]) -> Log:
    shown = [row for row in rows if row.kind == IMPRESSION]
    clicked = {row.impression: row.clicked for row in rows if row.kind == OUTCOME}
    number = {row.impression: i for i, row in enumerate(shown)}
    pools = [clicked.get(row.impression, (False,) * len(row.pool)) for row in shown]
    return make_log(
        time=[row.time for row in rows],
        kind=[row.kind for row in rows],
        session=[row.user for row in rows],
        user=[row.user for row in rows],
        item=[row.item for row in rows],
        category=[-1] * len(rows),
        impression=[number.get(row.impression, -1) for row in rows],
        pools={
            "at": np.cumsum([0, *map(len, pools)]),
            "item": [item for row in shown for item in row.pool],
            "clicked": [click for pool in pools for click in pool],
        },
    )


RULES = Rules()


def stream(rules: Rules = RULES, published: Published | None = None, **more: Any) -> Stream:
    given = rules._asdict()
    per_bucket = given.pop("counting") == "per_bucket"
    return Stream(StreamOptions(**given, per_bucket=per_bucket, ages=True, **more), SIGNALS, SIGNALS, published)


def walk(rows: Sequence[Row], made: Stream, cuts: Sequence[int] = ()) -> list[list[Any]]:
    """Captures one by one, as lists of what they hold."""
    ends = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    return [one for first, end in pairwise(ends) for one in listed(made.advance(packed(rows, first, end)))]


def listed(captures: Captures) -> list[list[Any]]:
    found = []
    for i in range(captures.row.size):
        length, places = captures.length[i], slice(captures.at[i], captures.at[i + 1])
        assert (captures.history[i, length:] == NONE).all()
        assert (captures.history_signals[i, length:] == 0).all()
        found.append(
            [
                *(int(column[i]) for column in captures[:4]),
                captures.history[i, :length].tolist(), captures.history_signals[i, :length],
                captures.item[places].tolist(), captures.signals[places],
                captures.history_age[i, :length], captures.history_session[i, :length].tolist(),
                int(captures.shown[i]), int(captures.alive[i]), captures.chance[places],
            ]
        )  # fmt: skip
    return found


def same(found: Sequence[Any], expected: Sequence[Any]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one[:4] == other[:4]
        for i in (4, 6):
            assert one[i] == other[i]
            np.testing.assert_array_equal(one[i + 1], other[i + 1])
        np.testing.assert_array_equal(one[8], other[8])
        assert one[9:12] == other[9:12]


def shaped(captures: Sequence[naive.Capture]) -> list[list[Any]]:
    return [
        [
            one.row, KINDS[one.kind], one.time, one.user,
            one.history, np.array(one.history_signals, np.float32).reshape(-1, len(SIGNALS)),
            one.pool, np.array(one.signals, np.float32).reshape(-1, len(SIGNALS)),
            np.array(one.ages, np.float32), one.sessions, one.shown, one.alive,
        ]
        for one in captures
    ]  # fmt: skip


ITEMS = 6
GAPS = [0, 0, 1, 10 * 60_000, 20 * 60_000, 40 * 60_000, HOUR, HOUR - 1, 3 * HOUR, 5 * HOUR, 2 * DAY + 1]
LATER = [0, 0, 1, 40 * 60_000, HOUR, 3 * HOUR]


@st.composite
def stories(draw: st.DrawFn, kinds: Sequence[int] = (IMPRESSION, IMPRESSION, READ, HISTORY, PUBLISH)) -> list[Row]:
    """Small logs: outcomes come at once or in a later bucket, pools may name an article twice."""
    items, users = st.integers(0, ITEMS - 1), st.integers(0, 2)
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(GAPS), st.sampled_from(kinds), users,
                st.lists(st.tuples(items, st.booleans()), min_size=1, max_size=5), st.sampled_from(LATER),
            ),
            min_size=1,
            max_size=25,
        )
    )  # fmt: skip
    rows, time = [], START
    for number, (gap, kind, user, places, later) in enumerate(steps):
        time += gap
        item = places[0][0]
        if kind != IMPRESSION:
            rows.append(Row(time, kind, -1 if kind == PUBLISH else user, item))
            continue
        pool, clicked = zip(*places, strict=True)
        rows += [Row(time, PUBLISH, item=article) for article in pool]
        rows.append(Row(time, IMPRESSION, user, -1, number, pool))
        rows.append(Row(time + later, OUTCOME, user, -1, number, pool, clicked))
        rows += [Row(time + later, READ, user, article) for article, click in places if click]
    rows.sort(key=lambda row: row[:2])
    return rows


rules_of_any_kind = st.builds(
    Rules,
    history=st.integers(1, 4),
    bucket_ms=st.sampled_from([HOUR, 5 * HOUR]),
    lag=st.integers(0, 2),
    counting=st.sampled_from(["cumulative", "per_bucket"]),
    alive_ms=st.sampled_from([HOUR, 3 * HOUR, DAY]),
    candidates=st.integers(0, ITEMS),
    sampled=st.just(0),
    drawn=st.just(False),
    slates=st.sampled_from([NONE, READ, IMPRESSION]),
    keep_reads=st.booleans(),
    by_session=st.booleans(),
    kept=st.sampled_from([1.0, 0.5]),  # powers of which are exact
)
cuts = st.lists(st.integers(0, 60), max_size=4)
profiles = st.dictionaries(
    st.integers(0, 3), st.lists(st.integers(-4, ITEMS + 1).filter(lambda item: item != -1), max_size=6), max_size=2
)


@settings(deadline=None, max_examples=50)
@given(stories(), rules_of_any_kind, cuts, profiles)
def test_every_capture_equals_a_recount_however_the_rows_are_cut(
    rows: list[Row], rules: Rules, cuts: list[int], profiles: dict[int, list[int]]
) -> None:
    made = stream(rules)
    for user, items in profiles.items():
        made.profile(user, items)
    same(walk(rows, made, cuts), shaped(naive.captures(rows, profiles, rules)))
    assert made.impressions_seen == any(row.kind == IMPRESSION for row in rows)


@settings(deadline=None, max_examples=40)
@given(stories(kinds=(READ,)), rules_of_any_kind, cuts)
@example([Row(START + hours * HOUR, READ, 0, item) for hours, item in ((0, 0), (0, 0), (2, 0), (3, 1))], Rules(), [])
def test_without_impressions_reads_are_the_clicks(rows: list[Row], rules: Rules, cuts: list[int]) -> None:
    rules = rules._replace(slates=READ)
    found = walk(rows, stream(rules), cuts)
    same(found, shaped(naive.captures(rows, {}, rules)))
    told = np.concatenate([one[5] for one in found] + [one[7] for one in found])
    assert np.isnan(told[:, [EXPOSURE, AVOIDANCE]]).all()
    assert (told[:, RATE] <= 1).all()


@settings(deadline=None, max_examples=40)
@given(stories(), stories(), st.data())
def test_what_comes_after_a_request_changes_nothing_of_it(
    rows: list[Row], others: list[Row], data: st.DataObject
) -> None:
    rules = Rules(sampled=2)
    time = data.draw(st.sampled_from([row.time for row in rows]))
    kept = [row for row in rows if row.time <= time]
    shift = time - START
    changed = kept + [row._replace(time=row.time + shift + 1) for row in others]
    same([one for one in walk(changed, stream(rules)) if one[2] <= time], walk(kept, stream(rules)))
    # An impression sees no outcome and no read of its own instant.
    earlier = [row for row in rows if row.time < time]
    now = [row for row in kept if row.time == time and row.kind < OUTCOME]
    asked = [one for one in walk(earlier + now, stream(rules)) if one[2] == time]
    same([one for one in walk(kept, stream(rules)) if one[2] == time and one[1] == IMPRESSION], asked)


def shown(time: int, *pool: int, clicked: Sequence[int] = (), user: int = 0, number: int = 0) -> list[Row]:
    clicks = tuple(item in clicked for item in pool)
    return [Row(time, IMPRESSION, user, -1, number, pool), Row(time, OUTCOME, user, -1, number, pool, clicks)]


def test_the_papers_example_of_exposure_and_avoidance() -> None:
    rows = [Row(START, PUBLISH, item=item) for item in range(2)]
    for number in range(100):
        pool = (0, 1) if number < 50 else (1,)
        rows += shown(START + number, *pool, clicked=[0] if number < 20 else [], number=number)
    rows += shown(START + HOUR, 0, number=100)
    exposure, avoidance, clicks, rate, age = walk(rows, stream())[-1][7][0, :5]
    assert [exposure, avoidance, clicks, age] == [0.5, np.float32(0.6), 20, 1]
    assert rate == np.float32(20 / 50.01)


def test_only_completed_buckets_are_read_and_the_lag_leaves_out_more() -> None:
    opening = START + 20 * 60_000
    rows = [Row(START, PUBLISH, item=0), *shown(opening - 1, 0, clicked=[0])]
    for number, time in enumerate((opening - 1, opening, opening + HOUR - 1, opening + HOUR), 1):
        rows += shown(time, 0, number=number)
    rows.sort(key=lambda row: row[:2])

    def clicks(lag: int) -> list[float]:
        return [one[7][0, CLICKS] for one in walk(rows, stream(Rules(lag=lag)))]

    assert clicks(lag=0) == [0, 0, 1, 1, 1]
    assert clicks(lag=1) == [0, 0, 0, 0, 1]


def test_an_article_not_shown_lately_keeps_its_counts_unless_buckets_stand_alone() -> None:
    rows = [Row(START, PUBLISH, item=0), *shown(START, 0, clicked=[0]), *shown(START + 400 * DAY, 0, number=1)]
    kept, alone = (
        walk(rows, stream(Rules(counting=counting)))[-1][7][0, :5] for counting in ("cumulative", "per_bucket")
    )
    assert kept[:4].tolist() == [1, 0, 1, 0]
    assert np.isnan(alone[:2]).all()
    assert alone[2:4].tolist() == [0, 0]


def test_more_clicks_than_exposures_in_a_bucket_are_no_negative_avoidance() -> None:
    pool, clicked = (0,), (True,)
    rows = [Row(START, PUBLISH, item=0), Row(START, IMPRESSION, 0, -1, 0, pool), Row(START, IMPRESSION, 1, -1, 1, pool)]
    rows += [Row(START + HOUR, IMPRESSION, 2, -1, 2, pool)]
    rows += [Row(START + HOUR, OUTCOME, user, -1, user, pool, clicked) for user in (0, 1)]
    rows += [Row(START + 2 * HOUR, IMPRESSION, 0, -1, 3, pool)]
    assert walk(rows, stream(Rules(counting="per_bucket")))[-1][7][0, :5].tolist() == [1, 0, 2, 1, 2]
    exposure, avoidance, clicks, rate, age = walk(rows, stream())[-1][7][0, :5]
    assert [exposure, avoidance, clicks, rate, age] == [1, np.float32(1 / 3), 2, 1, 2]


def test_clicks_before_the_first_impression_stay_clicks_but_are_no_answer_to_an_exposure() -> None:
    rows = [
        Row(START, HISTORY, 1, 0),
        Row(START, HISTORY, 2, 0),
        *shown(START + HOUR, 0),
        Row(START + HOUR, READ, 0, 0),
    ]
    rows += shown(START + 2 * HOUR, 0, number=1)
    assert walk(rows, stream(Rules(slates=NONE)))[-1][7][0, :5].tolist() == [1, 1, 2, 0, 2]


def test_a_history_keeps_the_newest_reads_and_no_read_twice_in_a_row() -> None:
    made = stream(Rules(history=3))
    made.profile(0, [-3, -2])
    rows = [Row(START + i, READ, 0, item) for i, item in enumerate([4, 4, 5, 4, 6])]
    histories = [one[4] for one in walk(rows, made)]
    assert histories == [[-3, -2, 4], [-3, -2, 4], [-2, 4, 5], [4, 5, 4], [5, 4, 6]]


def test_what_was_read_before_the_log_has_been_known_for_a_day() -> None:
    made = stream()
    made.profile(0, [-2, 7])
    rows = [Row(START, PUBLISH, item=0), *shown(START + 1, 0)]
    told = walk(rows, made)[0][5]
    assert np.isnan(told[:, :2]).all()
    assert told[:, 2:5].tolist() == [[0, 0, 25], [0, 0, 25]]


def test_articles_alive_are_those_read_lately_the_last_read_first() -> None:
    rows = [Row(START + i * HOUR, READ, i, item) for i, item in enumerate([0, 1, 2, 1])]
    made = stream(Rules(alive_ms=4 * HOUR, candidates=2))
    assert [one[6] for one in walk(rows, made)] == [[], [0], [1, 0], [2, 0]]
    assert made.alive(START + 3 * HOUR).tolist() == [1, 2]
    assert made.alive(START + 3 * HOUR, but=1).tolist() == [2, 0]
    assert made.alive(START + 4 * HOUR, but=1).tolist() == [2]
    assert made.alive(START + 7 * HOUR).tolist() == []


@settings(deadline=None, max_examples=80)
@given(
    stories(kinds=(READ, READ, READ, HISTORY, IMPRESSION)), rules_of_any_kind, cuts, st.integers(1, 4), st.booleans()
)
@example(  # articles come to life and die between drawings
    [Row(START + i * HOUR // 9, READ, i % 31, i**3 // 5 % 12) for i in range(150)], Rules(alive_ms=HOUR), [], 2, False
)
def test_negatives_are_distinct_alive_unread_and_as_many_as_there_are(
    rows: list[Row], rules: Rules, cuts: list[int], sampled: int, drawn: bool
) -> None:
    rules = rules._replace(sampled=sampled, drawn=drawn)
    found, expected = walk(rows, stream(rules), cuts), shaped(naive.captures(rows, {}, rules))
    same(found, walk(rows, stream(rules)))
    for one, other in zip(found, expected, strict=True):
        if one[1] == SAMPLED or (one[1] == IMPRESSION and drawn):
            may, own = other[6], other[10]
            others = one[6][own:]
            assert one[6][:own] == may[:own]
            assert len(set(others)) == len(others) == min(sampled, len(may) - own)
            assert set(others) <= set(may[own:])
            other[7] = other[7][[*range(own), *(own + may[own:].index(item) for item in others)]]
            other[6] = one[6]
    same(found, expected)
    for one in found:
        draws = one[1] == SAMPLED or (one[1] == IMPRESSION and drawn)
        chances = [naive.chance(rows, one[0], item, rules) if draws else 0 for item in one[6]]
        np.testing.assert_allclose(one[12], chances, rtol=1e-6)


def test_negatives_are_drawn_by_the_key_and_the_row_half_of_them_evenly_half_by_reads() -> None:
    popular = [item for item in range(5) for _ in range(1 + 4 * item)]
    rows = [Row(START + i, READ, i, item) for i, item in enumerate(popular * 40)]

    def drawn(key: int, sampled: int) -> list[list[Any]]:
        made = stream(Rules(sampled=sampled, slates=NONE, alive_ms=DAY), key=np.uint64(key))
        return walk(rows, made)[-1_500:]

    once, again, other = ([one[6][1:] for one in drawn(key, 3)] for key in (1, 1, 2))
    assert once == again != other
    counts, expected = np.zeros(5), np.zeros(5)
    for one in drawn(1, 1):
        own, item = one[6]
        counts[item] += 1
        chances = np.array([naive.chance(rows, one[0], of, Rules(alive_ms=DAY)) for of in range(5)])
        chances[own] = 0  # what is read is drawn anew
        expected += chances / chances.sum()
    assert (abs(counts - expected) <= 4 * np.sqrt(expected)).all()
    assert expected[3] > 1.3 * expected[0]  # they are not even


def test_only_signals_that_are_wanted_are_noted_in_the_order_of_their_names() -> None:
    rows = [Row(START, PUBLISH, item=0), *shown(START, 0, clicked=[0]), Row(START, READ, 0, 0)]
    captures = Stream(StreamOptions(3), (), ("known_hours", "reads_1h")).advance(packed(rows))
    assert captures.history_signals.shape == (2, 3, 0)
    assert captures.history_age.shape == captures.history_session.shape == (2, 0)
    assert captures.signals.tolist() == [[0, 0]]
    assert captures.item.tolist() == [0]
    with pytest.raises(ValueError, match=r"no signal is called 'reads_2h'; there are exposure, "):
        wanted(("age",), ("reads_2h",))


def test_a_window_holds_what_happened_after_its_beginning() -> None:
    minutes = [0, 50, 60, 61]
    rows = [Row(START + minute * 60_000, READ, 0, 0) for minute in minutes]
    made = Stream(StreamOptions(3, candidates=1), (), ("reads_10m", "reads_1h"))
    # The slates of another reader are asked for with another article on screen.
    asked = [Row(rows[-1].time, READ, 1, 1), Row(START + 70 * 60_000, READ, 1, 1)]
    told = [one[7][0].tolist() for one in walk([*rows, *asked], made) if one[6]]
    assert told == [[2, 3], [1, 3]]  # at 61 minutes the reads of 60 and 61, and of 50, 60, 61; at 70 that of 61 …


def test_an_article_is_no_positive_before_it_could_have_been_recommended() -> None:
    rows = [Row(START + i, READ, i, item) for i, item in enumerate([0, 0, 1, 1])]
    rows += [Row(START + DAY + 4, READ, 9, 1)]  # everything is dead by then
    made = stream(Rules(sampled=1, slates=NONE, alive_ms=DAY))
    assert [one[0] for one in walk(rows, made)] == [1, 3]


def test_no_rows_make_no_captures() -> None:
    captures = stream().advance(packed([]))
    assert captures.row.size == captures.item.size == 0
    assert captures.at.tolist() == [0]


def test_only_completed_buckets_may_be_counted_unless_the_statistics_are_published_ones() -> None:
    with pytest.raises(ValueError, match="lag is -1"):
        stream(Rules(lag=-1))
    Stream(StreamOptions(3, lag=-1), published=published_table(log_of([Row(START, READ, 0, 0)]), HOUR, -1))


@settings(deadline=None, max_examples=80)
@given(stories(), st.sampled_from([HOUR, 5 * HOUR]), st.integers(-1, 2))
def test_published_statistics_equal_a_recount_of_the_release(rows: list[Row], bucket_ms: int, lag: int) -> None:
    rules = Rules(bucket_ms=bucket_ms, lag=lag)
    made = stream(rules, published=published_table(log_of(rows), bucket_ms, lag))
    made.profile(0, [-2])
    expected = shaped(naive.captures(rows, {0: [-2]}, rules._replace(lag=max(lag, 0))))
    for one in expected:
        for items, told in ((one[4], one[5]), (one[6], one[7])):
            for item, values in zip(items, told, strict=True):
                values[:3] = naive.published(rows, one[2], item, rules)
    same(walk(rows, made), expected)


def test_published_statistics_see_the_future() -> None:
    rows = [Row(START, PUBLISH, item=0), Row(START, PUBLISH, item=1), *shown(START, 0, 1), *shown(START, 0, number=1)]
    rows.sort(key=lambda row: row[:2])
    later = [*shown(START + 9 * HOUR, 0, number=2), *shown(START + 9 * HOUR, 0, number=3)]

    def told(log: list[Row]) -> list[float]:
        made = stream(Rules(lag=-1), published=published_table(log_of(log), HOUR, -1))
        return [float(value) for value in walk(rows, made)[0][7][:, EXPOSURE]]

    assert told(rows) == [1, 0]
    assert told(rows + later) == pytest.approx([(2 / 3 - 1 / 3) / (4 / 5 - 1 / 3), 0])
