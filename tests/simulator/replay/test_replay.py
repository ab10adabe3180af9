"""The loop: what recommenders are shown, and what becomes of their answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsreplay.errors import RecommenderError
from newsreplay.kernels.compiling import kernel
from newsreplay.log.catalog import Articles, Catalog, bare_articles
from newsreplay.log.rows import HISTORY, IMPRESSION, OUTCOME, PUBLISH, READ, Column, Event, Log, make_log
from newsreplay.recommenders.base import Compiled, Deferred, Recommender, SelfReport, Setting, Sizes
from newsreplay.simulator.replay.compiled import compiled_walk, interpreted_walk, pieces
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import AnswerArrays
from tests import strategies
from tests.naive import baselines as naive
from tests.simulator.replay.latest import Latest

LOG = make_log(
    time=[10, 10, 20, 30, 30],
    kind=[PUBLISH, READ, READ, PUBLISH, READ],
    session=[-1, 0, 1, -1, 0],
    user=[-1, 0, 1, -1, 0],
    item=[0, 0, 1, 2, 1],
    category=[3, 3, -1, -1, -1],
)


class Notebook(Recommender):
    """Writes down all it is shown."""

    def __init__(self, answers: Any = ()) -> None:
        self.answers = answers
        self.seen: list[tuple[str, Event]] = []

    def learn(self, event: Event) -> None:
        self.seen.append(("learn", event))

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        self.seen.append(("recommend", request))
        return self.answers(request) if callable(self.answers) else self.answers


def test_every_row_is_learned_and_every_read_asks_after_it_was_learned() -> None:
    notebook = Notebook()
    replay(LOG, notebook, Setting(k=2))
    assert [(what, event.row) for what, event in notebook.seen] == [
        ("learn", 0),
        *[("learn", 1), ("recommend", 1)],
        *[("learn", 2), ("recommend", 2)],
        ("learn", 3),
        *[("learn", 4), ("recommend", 4)],
    ]
    assert notebook.seen[2][1] == Event(row=1, time=10, kind=READ, session=0, user=0, item=0, category=3)


def test_a_recommender_is_handed_plain_scalars() -> None:
    notebook = Notebook()
    replay(LOG, notebook, Setting(k=2))
    assert all(type(value) is int for _, event in notebook.seen for value in event[:7])
    assert all(event.pool == event.clicked == () for _, event in notebook.seen)


def test_the_current_article_and_repeats_are_dropped_and_counted() -> None:
    done = replay(LOG, Notebook(lambda request: [request.item, 0, 0, request.item]), Setting(k=4))
    assert done.slates.tolist() == [[-1] * 4, [0, -1, -1, -1], [0, -1, -1, -1]]
    assert done.drops == (4 + 2 + 2, 1 + 1)


def test_answers_longer_than_k_are_cut() -> None:
    assert replay(LOG, Notebook(lambda request: range(request.item)), Setting(k=1)).slates.tolist() == [[-1], [0], [0]]


@pytest.mark.parametrize("answer", [[], (), np.array([], np.int64), range(0)])
def test_an_empty_answer_of_any_kind_is_a_miss(answer: Any) -> None:
    assert replay(LOG, Notebook(answer), Setting(k=3)).slates.max() == -1


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (None, "returned None"),
        (7, "returned 7"),
        (["a"], "'a'"),
        ([0.0], "0.0"),
        ([2], r"recommended 2 \('2'\) at row 1, where only the article codes 0 to 0 are known"),
        ([-1], "returned -1 in a slate"),
        ([2**40], "returned 1099511627776 in a slate"),
        ([[0]], "whole numbers"),
    ],
)
def test_an_answer_that_is_no_slate_is_an_error_that_names_it(answer: Any, what: str) -> None:
    with pytest.raises(RecommenderError, match=what):
        replay(LOG, Notebook(answer), Setting(k=3))


def test_the_catalog_knows_only_what_has_happened() -> None:
    knew: list[tuple[int, int, str | None]] = []

    class Curious(Recommender):
        def start(self, catalog: Catalog) -> None:
            self.catalog = catalog
            assert catalog.known == 0

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            knew.append((request.row, self.catalog.known, self.catalog.category(request.item)))
            with pytest.raises(KeyError, match="not known yet"):
                self.catalog.title(self.catalog.known)
            return []

    replay(LOG, Curious(), Setting(k=1))
    assert knew == [(1, 1, "3"), (2, 2, None), (4, 3, None)]


@settings(max_examples=50, deadline=None)
@given(log=strategies.logs())
def test_a_plain_class_and_a_kernel_with_the_same_rule_answer_alike(log: Log) -> None:
    slates = replay(log, Latest(), Setting(k=4)).slates
    assert [[item for item in slate if item >= 0] for slate in slates.tolist()] == naive.slates(
        log, "circular", 4, size=1000
    )


def test_the_catalog_of_a_log_made_by_hand_has_the_codes_as_ids() -> None:
    articles = bare_articles(LOG)
    assert articles.id.to_pylist() == ["0", "1", "2"]
    assert articles.published.tolist() == [10, 20, 30]
    assert articles.category.tolist() == [3, -1, -1]


# --- impressions ------------------------------------------------------------------------------------------

SHOWN = make_log(
    time=[10, 10, 10, 20, 20, 20, 20, 20, 30],
    kind=[PUBLISH, PUBLISH, READ, IMPRESSION, IMPRESSION, OUTCOME, READ, HISTORY, IMPRESSION],
    session=[-1, -1, 0, 0, 1, 1, 1, 0, 1],
    user=[-1, -1, 0, 0, 1, 1, 1, 0, 1],
    item=[0, 1, 1, -1, 0, 0, 1, 0, -1],
    category=[-1] * 9,
    impression=[-1, -1, -1, 0, 1, 1, -1, -1, 2],
    pools={"at": [0, 2, 5, 6], "item": [1, 0, 1, 0, 1, 0], "clicked": [True, True, False, True, True, True]},
)


def test_the_pool_is_shown_with_impression_and_outcome_and_what_was_clicked_with_the_outcome_only() -> None:
    notebook = Notebook()
    replay(SHOWN, notebook, Setting(k=2))
    learned = [event for what, event in notebook.seen if what == "learn"]
    assert [event.pool for event in learned] == [(), (), (), (1, 0), (1, 0, 1), (1, 0, 1), (), (), (0,)]
    assert [event.clicked for event in learned] == [(), (), (), (), (), (False, True, True), (), (), ()]
    assert all(type(item) is int for event in learned for item in event.pool)
    assert all(type(mark) is bool for event in learned for mark in event.clicked)


def test_only_reads_ask() -> None:
    notebook = Notebook()
    assert len(replay(SHOWN, notebook, Setting(k=2)).slates) == 2
    assert [event.row for what, event in notebook.seen if what == "recommend"] == [2, 6]


class CounterState(NamedTuple):
    """By row: how many candidates, their sum by place, how many marks, the sum of the places of those clicked."""

    seen: Column  #: int64[rows, 4]


@kernel
def count(state: Any, event: Any) -> None:
    seen = state.seen[event.row]
    for place in range(event.pool.size):
        seen[0] += 1
        seen[1] += (place + 1) * (event.pool[place] + 1)
    for place in range(event.clicked.size):
        seen[2] += 1
        if event.clicked[place]:
            seen[3] += place + 1


@kernel
def answer_nothing(state: Any, request: Any, slate: Any) -> None:
    state.seen[request.row, 0] += 1000  # so that requests are counted too


class Counting(Compiled):
    """Counts the candidates that it is shown."""

    learn = count
    recommend = answer_nothing

    def __init__(self, rows: int) -> None:
        self.kept = CounterState(np.zeros((rows, 4), np.int64))

    def state(self, sizes: Sizes, key: np.uint64) -> CounterState:
        return self.kept


def counted(log: Log) -> list[list[int]]:
    """What `Counting` should have seen."""
    rows = []
    for row in range(len(log.time)):
        pool, clicked = naive.pool_of(log, row), naive.clicked_of(log, row)
        rows.append(
            [
                len(pool) + 1000 * int(log.kind[row] == READ),
                sum(place * (item + 1) for place, item in enumerate(pool, start=1)),
                len(clicked),
                sum(place for place, mark in enumerate(clicked, start=1) if mark),
            ]
        )
    return rows


@settings(max_examples=60, deadline=None)
@given(log=strategies.logs_with_impressions() | strategies.logs())
def test_a_plain_and_a_compiled_recommender_are_shown_the_same_pools_and_clicks(log: Log) -> None:
    notebook, counting = Notebook(), Counting(len(log.time))
    replay(log, notebook, Setting(k=2))
    replay(log, counting, Setting(k=2))
    learned = [event for what, event in notebook.seen if what == "learn"]
    assert [list(event.pool) for event in learned] == [naive.pool_of(log, row) for row in range(len(log.time))]
    assert [list(event.clicked) for event in learned] == [naive.clicked_of(log, row) for row in range(len(log.time))]
    assert counting.kept.seen.tolist() == counted(log)


def test_kernels_are_shown_the_same_whether_they_are_compiled_or_interpreted() -> None:
    for walk in (compiled_walk, interpreted_walk):
        counting = Counting(len(SHOWN.time))
        slates, scores = np.full((2, 1), -1, np.int32), np.empty(0)
        walk(Counting)(SHOWN, 0, len(SHOWN.time), counting.kept, slates, scores, 0, 0)
        assert counting.kept.seen.tolist() == counted(SHOWN)


def test_the_catalog_of_a_log_with_impressions_ignores_rows_without_an_article() -> None:
    articles = bare_articles(SHOWN)
    assert articles.id.to_pylist() == ["0", "1"]
    assert articles.published.tolist() == [10, 10]


# --- scores -----------------------------------------------------------------------------------------------


class Scorer(Notebook):
    """Writes down what it is asked to score, too."""

    def __init__(self, scores: Any) -> None:
        super().__init__()
        self.scores = scores

    def score(self, request: Event, pool: Sequence[int]) -> Any:
        self.seen.append(("score", request))
        return self.scores(request, pool) if callable(self.scores) else self.scores


def test_an_impression_is_scored_before_it_is_learned() -> None:
    scorer = Scorer(lambda request, pool: [0.0] * len(pool))
    replay(SHOWN, scorer, Setting(k=2))
    assert [(what, event.row) for what, event in scorer.seen if event.kind == IMPRESSION] == [
        *[("score", 3), ("learn", 3)],
        *[("score", 4), ("learn", 4)],
        *[("score", 8), ("learn", 8)],
    ]
    first = scorer.seen[4][1]
    assert (first.pool, first.clicked, first.item) == ((1, 0), (), -1)


def test_scores_lie_as_the_candidates_do() -> None:
    done = replay(SHOWN, Scorer(lambda request, pool: [10 * request.row + item for item in pool]), Setting(k=2))
    assert done.scores is not None
    assert done.scores.dtype == np.float64
    assert done.scores.tolist() == [31, 30, 41, 40, 41, 80]


@pytest.mark.parametrize("stretch", [1, 4, 100])
def test_scores_are_the_same_whatever_the_stretches(stretch: int) -> None:
    scorer = Scorer(lambda request, pool: [10 * request.row + item for item in pool])
    done = replay(SHOWN, scorer, Setting(k=2), stretch=stretch)
    assert done.scores is not None
    assert done.scores.tolist() == [31, 30, 41, 40, 41, 80]


def test_who_has_no_score_scores_nothing() -> None:
    assert replay(SHOWN, Notebook(), Setting(k=2)).scores is None
    assert replay(SHOWN, Counting(9), Setting(k=2)).scores is None


def test_a_log_without_impressions_has_no_scores_to_give() -> None:
    done = replay(LOG, Scorer(None), Setting(k=2))
    assert done.scores is not None
    assert done.scores.size == 0


def test_the_catalog_has_come_to_the_impression_when_it_is_scored() -> None:
    class Curious(Recommender):
        def start(self, catalog: Catalog) -> None:
            self.catalog = catalog

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return []

        def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
            return [float(self.catalog.category(item) is not None) + self.catalog.row for item in pool]

    log = SHOWN._replace(category=np.where(SHOWN.impression == 1, np.int32(0), np.int32(-1)))
    done = replay(log, Curious(), Setting(k=1))
    assert done.scores is not None
    assert done.scores.tolist() == [3, 3, 4, 5, 4, 9]  # row 4 tells the category of article 0


@pytest.mark.parametrize(
    ("good", "values"),
    [
        (lambda pool: np.arange(len(pool), dtype=np.float32), [0, 1, 0, 1, 2, 0]),
        (lambda pool: range(len(pool)), [0, 1, 0, 1, 2, 0]),
        (lambda pool: [item == 1 for item in pool], [1, 0, 1, 0, 1, 0]),
        (lambda pool: [-np.inf] * len(pool), [-np.inf] * 6),
        (lambda pool: [2**70] * len(pool), [2.0**70] * 6),
    ],
)
def test_any_sequence_of_numbers_will_do(good: Any, values: list[float]) -> None:
    done = replay(SHOWN, Scorer(lambda request, pool: good(pool)), Setting(k=2))
    assert done.scores is not None
    assert done.scores.tolist() == values


def test_an_answer_may_be_written_to_again_once_it_is_given() -> None:
    kept, room = [0.0], np.zeros(9)

    def in_a_list(request: Event, pool: Sequence[int]) -> Any:
        kept[:] = [10 * request.row + item for item in pool]
        return kept

    def in_an_array(request: Event, pool: Sequence[int]) -> Any:
        room[: len(pool)] = in_a_list(request, pool)
        return room[: len(pool)]

    for write in (in_a_list, in_an_array):
        done = replay(SHOWN, Scorer(write), Setting(k=2))
        assert done.scores is not None
        assert done.scores.tolist() == [31, 30, 41, 40, 41, 80]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (None, "returned None at row 4"),
        (7.5, "returned 7.5 at row 4"),
        (np.array(7.5), "returned 7.5 at row 4"),
        ([1, 2], "returned 2 scores for 3 candidates at row 4"),
        ([], "returned 0 scores for 3 candidates at row 4"),
        ([1, 2, float("nan")], "returned nan as a score at row 4"),
        ([float("inf"), 2, 3], "returned inf as a score at row 4"),
        ([1, "2", 3], "returned '2' as a score at row 4"),
        ([1, None, 3], "returned None as a score at row 4"),
        ([1, 2j, 3], "returned 2j as a score at row 4"),
        ([1, [2], 3], "returned [2] as a score at row 4"),
        ([[1], [2], [3]], "returned [1] as a score at row 4"),
        ([1, 2, 1 << 1024], f"returned {1 << 1024} as a score at row 4"),
    ],
)
def test_scores_that_are_none_are_an_error_that_names_them(bad: Any, what: str) -> None:
    with pytest.raises(RecommenderError) as raised:
        replay(SHOWN, Scorer(lambda request, pool: bad if request.row == 4 else [0.0] * len(pool)), Setting(k=3))
    wanted = "return one finite number per candidate, or -inf for one that is not to be ranked"
    assert str(raised.value).startswith(f"Scorer.score {what}; {wanted} (test_replay.py:")


@kernel
def score_places(state: Any, request: Any, out: Any) -> None:
    for place in range(out.size):
        out[place] = 100 * request.row + 10 * place + request.pool[place]
        if request.row == 4 and state.seen[0, 1] < 0:
            out[place] = np.inf


class Placing(Counting):
    """Scores each candidate by row, place and code; with a state below 0 one impression's inf."""

    score = score_places


def test_a_kernel_scores_as_a_method_does() -> None:
    done = replay(SHOWN, Placing(9), Setting(k=2))
    assert done.scores is not None
    assert done.scores.tolist() == [301, 310, 401, 410, 421, 800]


def test_a_kernel_that_scores_inf_is_an_error_too() -> None:
    placing = Placing(9)
    placing.kept.seen[0, 1] = -1
    with pytest.raises(RecommenderError, match=r"Placing\.score returned inf as a score at row 4"):
        replay(SHOWN, placing, Setting(k=2))


def test_slates_and_scores_are_written_where_the_caller_wants_them() -> None:
    slates, scores = np.full((2, 1), -1, np.int32), np.full(6, -np.inf)
    done = replay(SHOWN, Placing(9), arrays=AnswerArrays(slates, scores))
    assert done.slates is slates
    assert done.scores is scores
    assert scores[0] == 301


# --- what it costs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("recommender", [Placing(9), Scorer(lambda request, pool: [1.0] * len(pool))])
def test_the_clock_changes_no_answer_and_sees_every_call(recommender: Any) -> None:
    plain = replay(SHOWN, recommender, Setting(k=2))
    timed = replay(SHOWN, recommender, Setting(k=2, timed=True))
    assert plain.times is None
    assert timed.times is not None
    assert timed.slates.tolist() == plain.slates.tolist()
    assert timed.scores is not None
    assert plain.scores is not None
    assert timed.scores.tolist() == plain.scores.tolist()
    assert (timed.times.recommend.dtype, timed.times.recommend.shape) == (np.int64, (2,))
    assert (timed.times.score.dtype, timed.times.score.shape) == (np.int64, (3,))
    assert min(timed.times.recommend.min(), timed.times.score.min()) >= 0
    assert timed.times.learn > 0


@pytest.mark.parametrize("recommender", [Counting(9), Notebook()])
def test_who_cannot_score_has_no_times_of_scoring(recommender: Any) -> None:
    times = replay(SHOWN, recommender, Setting(k=2, timed=True)).times
    assert times is not None
    assert (times.recommend.shape, times.score.shape) == ((2,), (0,))


class Sleeper(Recommender):
    """Takes its time, a different one for each task."""

    def learn(self, event: Event) -> None:
        time.sleep(0.001)

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        time.sleep(0.002)
        return []

    def score(self, request: Event, pool: Sequence[int]) -> Sequence[float]:
        time.sleep(0.004)
        return [0] * len(pool)


def test_each_task_has_the_time_that_it_took() -> None:
    times = replay(SHOWN, Sleeper(), Setting(k=2, timed=True)).times
    assert times is not None
    assert times.learn >= 9 * 1_000_000
    assert times.recommend.min() >= 2_000_000
    assert times.score.min() >= 4_000_000


def test_the_state_is_measured_at_the_end_and_without_the_catalog() -> None:
    class Keeper(Recommender):
        def start(self, catalog: Catalog) -> None:
            self.catalog = catalog
            self.kept = np.empty(0, np.uint8)

        def learn(self, event: Event) -> None:
            self.kept = np.zeros(1_000_000 * (event.row + 1), np.uint8)

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return []

    articles = bare_articles(SHOWN)._replace(published=np.zeros(10_000_000, np.int64))
    assert 9_000_000 < replay(SHOWN, Keeper(), Setting(k=2), articles=articles).state_bytes < 9_010_000
    assert 9 * 4 * 8 < replay(SHOWN, Counting(9), Setting(k=2)).state_bytes < 9 * 4 * 8 + 1_000


class Told(Recommender):
    """Keeps its setting as it stands when the replay starts, and tells of it."""

    def start(self, catalog: Catalog) -> None:
        self.at_start = self.setting

    def learn(self, event: Event) -> None:
        self.setting.report(f"row {event.row}")

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []


def test_a_plain_recommender_is_told_the_setting_before_it_starts() -> None:
    lines: list[str] = []
    recommender = Told()
    replay(LOG, recommender, Setting(k=3, seed=4, warmup=60_000, timed=True, report=lines.append))
    assert recommender.at_start[:4] == (4, 3, 60_000, True)
    assert lines == [f"row {row}" for row in range(5)]


class Stranger:
    """Has nothing but what the protocol asks for; `setting` means something of its own, if anything."""

    __slots__ = ("setting",)

    setting: str

    def start(self, catalog: Catalog) -> None:
        pass

    def learn(self, event: Event) -> None:
        pass

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return []


def test_a_stranger_s_own_setting_is_left_alone() -> None:
    stranger = Stranger()
    replay(LOG, stranger, Setting(k=1))
    assert not hasattr(stranger, "setting")
    stranger.setting = "dark"
    replay(LOG, stranger, Setting(k=1))
    assert stranger.setting == "dark"


class Waiting(Scorer):
    """Scores by place and answers the newest articles, all later and in one go, a reused array for each sort."""

    def __init__(self, kind: Any = tuple) -> None:
        super().__init__(None)
        self.kind = kind
        self.waiting: list[tuple[Deferred, Any]] = []
        self.settled: list[int] = []

    def _later(self, answer: Any) -> Deferred:
        late = Deferred()
        self.waiting.append((late, answer))
        return late

    def score(self, request: Event, pool: Sequence[int]) -> Any:
        return self._later([float(request.row + place) for place in range(len(pool))])

    def recommend(self, request: Event, k: int) -> Any:
        return self._later([item for item in range(request.item) if item != 1][:k])

    def settle(self) -> None:
        self.settled.append(len(self.waiting))
        for late, answer in self.waiting:
            late.answer = self.kind(answer)
        self.waiting.clear()


class Prompt(Waiting):
    """The same at once."""

    def _later(self, answer: Any) -> Any:
        return answer

    settle = None  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [tuple, list, np.array])
@pytest.mark.parametrize("timed", [False, True])
@settings(max_examples=20, deadline=None)
@given(log=strategies.logs_with_impressions())
def test_late_answers_count_as_those_given_at_once(kind: Any, timed: bool, log: Log) -> None:
    late, prompt = (replay(log, one, Setting(k=3, timed=timed)) for one in (Waiting(kind), Prompt()))
    assert late.slates.tolist() == prompt.slates.tolist()
    assert late.scores is not None
    assert prompt.scores is not None
    assert late.scores.tolist() == prompt.scores.tolist()


@pytest.mark.parametrize("stretch", [1, 2, 100])
def test_late_answers_are_settled_at_the_end_of_every_stretch(stretch: int) -> None:
    waiting = Waiting()
    slates = replay(LOG, waiting, Setting(k=2), stretch=stretch).slates
    assert waiting.settled == {1: [0, 1, 1, 0, 1], 2: [1, 1, 1], 100: [3]}[stretch]
    assert slates.tolist() == [[-1, -1], [0, -1], [0, -1]]


def test_a_late_answer_is_settled_at_once_and_inside_the_clock_if_it_is_timed() -> None:
    class Slow(Waiting):
        def settle(self) -> None:
            if self.waiting:
                time.sleep(0.002)
            super().settle()

    slow = Slow()
    times = replay(SHOWN, slow, Setting(k=2, timed=True)).times
    assert max(slow.settled) == 1
    assert times is not None
    assert times.recommend.min() >= 2_000_000
    assert times.score.min() >= 2_000_000


def test_a_late_answer_that_nobody_settles_is_an_error_that_says_so() -> None:
    class Hopeful(Notebook):
        settle = None

    with pytest.raises(RecommenderError, match=r"Hopeful gave a late answer at row 1, but has no settle\(\)"):
        replay(LOG, Hopeful(lambda request: Deferred()), Setting(k=1))

    class Scoring(Hopeful):
        def score(self, request: Event, pool: Sequence[int]) -> Any:
            return Deferred()

    with pytest.raises(RecommenderError, match="Scoring gave a late answer at row"):
        replay(SHOWN, Scoring(), Setting(k=1))


def test_a_settled_answer_that_is_no_slate_is_an_error_that_names_it() -> None:
    class Wrong(Waiting):
        def recommend(self, request: Event, k: int) -> Any:
            return self._later(["news"])

    with pytest.raises(RecommenderError, match=r"recommend returned 'news' in a slate"):
        replay(LOG, Wrong(list), Setting(k=1))


def test_an_account_is_asked_for_after_the_last_row() -> None:
    class Accountant(Notebook):
        def self_report(self) -> SelfReport:
            return SelfReport(notes=(f"{len(self.seen)} calls",), answers=3)

    assert replay(LOG, Accountant(), Setting(k=1)).self_report == SelfReport(("8 calls",), answers=3)
    assert replay(LOG, Notebook(), Setting(k=1)).self_report is None
    assert replay(LOG, Counting(9), Setting(k=1)).self_report is None


def test_an_account_that_is_none_is_an_error() -> None:
    class Vague(Notebook):
        def self_report(self) -> Any:
            return {"answers": 3}

    with pytest.raises(RecommenderError, match=r"Vague.self_report returned \{'answers': 3\}; return a SelfReport"):
        replay(LOG, Vague(), Setting(k=1))


class Seer(Recommender):
    """Is handed the log before it starts, and keeps all it is handed."""

    def foresee(self, log: Log, articles: Articles) -> None:
        self.log, self.articles, self.reads = log, articles, log.item
        self.tell = self.setting.report

    def start(self, catalog: Catalog) -> None:
        self.next = {row: self.log.item[row] for row in range(len(self.log.item))}

    def recommend(self, request: Event, k: int) -> Sequence[int]:
        return [item for row, item in self.next.items() if row > request.row and 0 <= item < request.item]


def test_who_foresees_is_handed_the_whole_log_before_the_start_and_is_known_for_it() -> None:
    answered = replay(LOG, Seer(), Setting(k=1))
    assert answered.foresight == "given"
    assert answered.slates.tolist() == [[-1], [-1], [-1]]
    assert replay(LOG, Notebook(), Setting(k=1)).foresight is None


def test_what_a_recommender_was_lent_is_not_its_state() -> None:
    log = make_log(
        time=range(100_000), kind=[READ] * 100_000, session=[0] * 100_000, user=[0] * 100_000,
        item=[0] * 100_000, category=[-1] * 100_000,
    )  # fmt: skip

    class Lent(Seer):
        def start(self, catalog: Catalog) -> None:
            pass

        def recommend(self, request: Event, k: int) -> Sequence[int]:
            return []

    lines = [str(number) for number in range(10_000)]
    assert replay(log, Lent(), Setting(k=1, report=lines.append)).state_bytes < 2_000


@settings(max_examples=50, deadline=None)
@given(times=st.lists(st.integers(0, 40), min_size=1, max_size=30), stretch=st.integers(1, 9), every=st.integers(0, 9))
def test_a_stretch_is_cut_where_a_compiled_recommender_is_fitted_again(
    times: list[int], stretch: int, every: int
) -> None:
    times.sort()
    n = len(times)
    log = make_log(time=times, kind=[READ] * n, session=[0] * n, user=[0] * n, item=list(range(n)), category=[-1] * n)
    cut = list(pieces(log, stretch, every))
    assert [row for first, end, _ in cut for row in range(first, end)] == list(range(n))
    assert all(end > first for first, end, _ in cut)
    due = {first for first, _, again in cut if again}
    assert due == {row for row in range(1, n) if every and times[row] // every != times[row - 1] // every}
