"""Feedback that is learned late: which rows wait, when they are learned, and what is known meanwhile."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.durations import Delays
from newsreplay.kernels.compiling import kernel
from newsreplay.log.catalog import Catalog
from newsreplay.log.rows import (
    ASKING,
    DAY,
    HISTORY,
    HOUR,
    IMPRESSION,
    OUTCOME,
    PUBLISH,
    READ,
    Asks,
    Column,
    Event,
    Excludes,
    Log,
    make_log,
)
from newsreplay.recommenders.base import Compiled, Recommender, Setting, Sizes
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.registry import MIXTURES, start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from tests import strategies
from tests.naive import baselines as naive
from tests.simulator.replay.latest import Latest

DELAYS = st.builds(Delays, *[st.sampled_from([0, 1, strategies.MINUTE, HOUR, DAY])] * 2)
LOG = make_log(
    time=[0, 10, 12, 12, 12, 13, 15, 17, 18, 22],
    kind=[PUBLISH, READ, IMPRESSION, OUTCOME, READ, HISTORY, READ, PUBLISH, READ, READ],
    session=[-1, 0, 0, 0, 0, -1, 1, -1, 1, 0],
    user=[-1, 0, 0, 0, 0, 1, 1, -1, 1, 0],
    item=[0, 1, 1, 1, 0, 1, 2, 3, 0, 3],
    category=[-1] * 10,
    impression=[-1, -1, 0, 0, -1, -1, -1, -1, -1, -1],
    pools={"at": [0, 2], "item": [0, 1], "clicked": [True, False]},
)


class Notebook(Recommender):
    """Writes down what it is shown, and how many articles are known then."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.known: list[int] = []

    def start(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def learn(self, event: Event) -> None:
        self.seen.append(("learn", event.row))
        self.known.append(self.catalog.known)

    def recommend(self, request: Event, k: int) -> Any:
        self.seen.append(("recommend", request.row))
        self.known.append(self.catalog.known)
        return ()

    def score(self, request: Event, pool: Any) -> Any:
        self.seen.append(("score", request.row))
        self.known.append(self.catalog.known)
        return [0.0] * len(pool)


def shown(log: Log, delays: Delays, **options: Any) -> list[tuple[str, int]]:
    notebook = Notebook()
    replay(log, notebook, Setting(k=2, feedback_delay=delays, **options), stretch=4)
    return notebook.seen


def expected(log: Log, delays: Delays, requests: Asks = "reads") -> list[tuple[str, int]]:
    """The slow way: before each row, all earlier rows that are due and have not been learned, in row order."""
    delay = {READ: delays.reads, OUTCOME: delays.outcomes}
    seen: list[tuple[str, int]] = []
    for row in range(len(log.time)):
        for held in range(row):
            d = delay.get(int(log.kind[held]), 0)
            if d and log.time[held] + d <= log.time[row] and ("learn", held) not in seen:
                seen.append(("learn", held))
        kind = int(log.kind[row])
        seen += [("score", row)] if kind == IMPRESSION else []
        seen += [("recommend", row)] if kind == IMPRESSION == ASKING[requests] else []
        seen += [("learn", row)] if not delay.get(kind) else []
        seen += [("recommend", row)] if kind == READ == ASKING[requests] else []
    return seen


def test_a_read_is_learned_before_the_first_row_that_is_so_much_later_and_all_else_at_its_place() -> None:
    assert shown(LOG, Delays(reads=5)) == [
        ("learn", 0),
        ("recommend", 1),
        *[("score", 2), ("learn", 2), ("learn", 3)],
        ("recommend", 4),
        ("learn", 5),
        *[("learn", 1), ("recommend", 6)],  # 15 is 10 + 5
        *[("learn", 4), ("learn", 7)],
        ("recommend", 8),
        *[("learn", 6), ("recommend", 9)],  # what no row comes after is not learned
    ]


def test_outcomes_may_wait_alone_or_longer_and_what_is_due_at_once_is_learned_in_row_order() -> None:
    assert shown(LOG, Delays(outcomes=3))[:9] == [
        *[("learn", 0), ("learn", 1), ("recommend", 1), ("score", 2), ("learn", 2)],
        *[("learn", 4), ("recommend", 4), ("learn", 5), ("learn", 3)],
    ]
    learned = [row for what, row in shown(LOG, Delays(7, 5)) if what == "learn"]
    assert learned == [0, 2, 5, 1, 3, 7, 4, 6]  # the outcome of row 3 and the read of row 1 are due at row 7


def test_an_article_is_known_at_its_row_whether_or_not_its_read_is_learned() -> None:
    notebook = Notebook()
    replay(LOG, notebook, Setting(k=2, feedback_delay=Delays(DAY, DAY)))
    asked = [known for (what, _), known in zip(notebook.seen, notebook.known, strict=True) if what == "recommend"]
    assert asked == [2, 2, 3, 4, 4]
    slates = replay(LOG, start_list("recency")[0].make(), Setting(k=4, feedback_delay=Delays(DAY, DAY))).slates
    assert slates[:, :3].tolist() == [[0, -1, -1], [1, -1, -1], [1, 0, -1], [3, 2, 1], [2, 1, 0]]


@pytest.mark.slow
def test_a_category_is_known_at_its_row_too() -> None:
    log = make_log(time=range(3), kind=[READ] * 3, session=range(3), user=range(3), item=[0, 1, 0], category=[0, 0, 0])
    done = replay(log, start_list("content")[0].make(), Setting(k=1, feedback_delay=Delays(DAY)))
    assert done.slates.tolist() == [[-1], [0], [1]]


@settings(max_examples=60, deadline=None)
@given(log=strategies.logs_with_impressions(), delays=DELAYS, requests=st.sampled_from(sorted(ASKING)))
def test_rows_are_learned_when_the_slow_way_does(log: Log, delays: Delays, requests: Any) -> None:
    assert shown(log, delays, requests=requests) == expected(log, delays, requests)


class Learned(NamedTuple):
    """The rows that were learned, in order, and how many those are."""

    row: Column
    count: Column


@kernel
def learn_row(state: Any, event: Any) -> None:
    if event.kind != PUBLISH:  # some are made up: of articles whose reads wait
        state.row[state.count[0]] = event.row
        state.count[0] += 1


@kernel
def recommend_nothing(state: Any, request: Any, slate: Any) -> None:
    pass


class Learner(Compiled[Learned]):
    learn, recommend = learn_row, recommend_nothing

    def __init__(self, rows: int) -> None:
        self.kept = Learned(np.zeros(rows, np.int64), np.zeros(1, np.int64))

    def state(self, sizes: Sizes, key: np.uint64) -> Learned:
        return self.kept


@settings(max_examples=60, deadline=None)
@given(log=strategies.logs_with_impressions(), delays=DELAYS)
def test_kernels_learn_the_same_rows_in_the_same_order(log: Log, delays: Delays) -> None:
    learner = Learner(len(log.time))
    replay(log, learner, Setting(k=1, feedback_delay=delays), stretch=3)
    learned = [row for what, row in expected(log, delays) if what == "learn" and log.kind[row] != PUBLISH]
    assert learner.kept.row[: learner.kept.count[0]].tolist() == learned


@settings(max_examples=30, deadline=None)
@given(
    log=strategies.logs_with_impressions(),
    k=strategies.cut_offs(),
    delay=st.sampled_from([0, 1, HOUR]),
    exclude=st.sampled_from(["current", "session", "nothing"]),
)
def test_a_plain_class_and_a_kernel_with_the_same_rule_answer_alike(
    log: Log, k: int, delay: int, exclude: Excludes
) -> None:
    slates = replay(log, Latest(), Setting(k=k, exclude=exclude, feedback_delay=Delays(delay))).slates
    assert [[item for item in slate if item >= 0] for slate in slates.tolist()] == naive.slates(
        log, "circular", k, size=1000, exclude=exclude, delay=delay
    )


# --- built-ins ------------------------------------------------------------------------------------------------

QUICK = ("circular", "recency")
COUNTING = ("popular", "sequences", "minhash", "vsknn")
ELSEWHERE = ("oracle", *MIXTURES, *(name for name, one in BUILT_IN.items() if "neural" in one.needs))
NAMES = [
    *QUICK,
    *(pytest.param(name, marks=pytest.mark.slow) for name in BUILT_IN if name not in (*ELSEWHERE, *QUICK)),
    pytest.param("blend(popular, sequences)", marks=pytest.mark.slow),
    pytest.param("lifetime(popular, hours=none)", marks=pytest.mark.slow),
    pytest.param("itemknn(hours=2, half_life=1)", marks=pytest.mark.slow),
    pytest.param("counters(model=gbdt)", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("text", NAMES)
def test_a_built_in_is_blind_to_the_future_however_late_it_learns(text: str) -> None:
    for late in ("10m", "reads=2h,outcomes=0", "reads=0,outcomes=1d", "9d"):
        check = check_entry(start_list(text)[0], cuts=4, apart=False, feedback_delay=late)
        assert check.passed, str(check)
    assert check_entry(start_list(text)[0], cuts=4, apart=False, feedback_delay="1h", exclude="session").passed


@pytest.mark.parametrize("text", NAMES)
def test_a_built_in_answers_with_distinct_known_articles_however_late_it_learns(text: str) -> None:
    made_up = made_up_log(600, 5)[0]
    delays = (Delays(1, 1), Delays(20 * strategies.MINUTE, 0), Delays(0, 5 * HOUR), Delays(3 * DAY, DAY))
    for log, late in product([made_up, with_histories(made_up)], delays):
        done = replay(log, start_list(text)[0].make(), Setting(k=5, feedback_delay=late), name=text, stretch=50)
        for row, slate in zip(np.flatnonzero(log.kind == READ).tolist(), done.slates.tolist(), strict=True):
            items = [item for item in slate if item >= 0]
            assert len({*items}) == len(items)
            assert max(items, default=0) <= log.item[: row + 1].max()
            assert log.item[row] not in items
        if done.scores is not None:
            assert not np.isnan(done.scores).any()
            assert (done.scores < np.inf).all()


@pytest.mark.parametrize("text", ["circular", *(pytest.param(name, marks=pytest.mark.slow) for name in COUNTING)])
def test_who_counts_reads_has_no_answer_where_none_is_ever_learned(text: str) -> None:
    done = replay(made_up_log(200, 1)[0], start_list(text)[0].make(), Setting(k=3, feedback_delay=Delays(10**12)))
    assert (done.slates == -1).all()


def with_histories(log: Log) -> Log:
    """The log with every third read as one from before it."""
    kind, session = log.kind.copy(), log.session.copy()
    some = np.flatnonzero(kind == READ)[::3]
    kind[some], session[some] = HISTORY, -1
    return log._replace(kind=kind, session=session)


def test_reads_from_before_the_log_that_come_in_between_are_learned_at_their_place() -> None:
    log = with_histories(made_up_log(400, 2)[0])
    done = replay(log, start_list("circular")[0].make(), Setting(k=5, feedback_delay=Delays(HOUR)))
    slates = replay(log, WithHistories(), Setting(k=5, feedback_delay=Delays(HOUR))).slates
    assert done.slates.tolist() == slates.tolist()


class WithHistories(Latest):
    def learn(self, event: Event) -> None:
        super().learn(event._replace(kind=READ) if event.kind == HISTORY else event)

    def recommend(self, request: Event, k: int) -> Any:
        self.latest = self.latest[:100]
        return super().recommend(request, k)
