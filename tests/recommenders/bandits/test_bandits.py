"""Bandits against their oracles, slate by slate; their draws, their regret, and what they promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from newsreplay.errors import SpecError
from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import HISTORY, HOUR, IMPRESSION, LOG_DTYPES, OUTCOME, PUBLISH, READ, Event, Log, make_log
from newsreplay.recommenders.bandits.beta import draw_beta
from newsreplay.recommenders.base import Compiled, Setting, Sizes
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.slates import tidy
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.spec import parse_spec
from tests import strategies
from tests.naive import bandits as naive
from tests.recommenders.baselines.test_baselines import dearly

EXACT = ["thompson(hours=2)", "thompson(prior=2.5, fresh=0)", "ucb", "ucb(hours=1, width=0.3, prior=4)"]
EXACT += ["epsilon(rate=0.5)", "epsilon(rate=1, hours=2, fresh=2)"]
SPECS = [*EXACT, "linucb"]
SLATES: dict[str, Callable[..., list[int]]] = {"thompson": naive.thompson, "ucb": naive.ucb, "epsilon": naive.epsilon}
SCORES: dict[str, Callable[..., list[float]]] = {
    "thompson": naive.thompson_scores,
    "ucb": naive.ucb_scores,
    "epsilon": naive.epsilon_scores,
    "linucb": naive.linucb_scores,
}


def made(text: str) -> Any:
    return start_list(text)[0].make()


def replayed(log: Log, text: str, k: int = 3, **setting: Any) -> Replayed:
    return replay(log, made(text), Setting(k=k, **setting), name=text)


def options_of(text: str, seed: int = 0) -> tuple[str, dict[str, Any]]:
    """The bandit's name, and what its oracle needs to know."""
    spec = parse_spec(text)
    key = key_of(seed, text)
    keys = {"thompson": {"key": int(key)}, "epsilon": {"key": int(key), "coin": int(key_of(key, "coin"))}}
    return spec.name, dict(spec.parameters) | keys.get(spec.name, {})


def slates_of_oracle(log: Log, text: str, k: int, kind: int = READ) -> list[list[int]]:
    name, options = options_of(text)
    return [SLATES[name](log, row, k, **options) for row in np.flatnonzero(log.kind == kind).tolist()]


def scores_of_oracle(log: Log, text: str) -> list[float]:
    name, options = options_of(text)
    if name == "thompson":
        options = {"hours": 6, "prior": 1} | {n: value for n, value in options.items() if n != "fresh"}
    return naive.scores(log, SCORES[name], **options)


def answers(slates: Any) -> list[list[int]]:
    return [[item for item in slate if item >= 0] for slate in slates.tolist()]


# --- oracles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", EXACT)
@settings(max_examples=25, deadline=None)
@given(log=strategies.logs_with_impressions(repeats=True), k=strategies.cut_offs())
def test_a_bandit_answers_reads_and_scores_impressions_like_its_oracle(text: str, log: Log, k: int) -> None:
    done = replayed(log, text, k)
    assert answers(done.slates) == slates_of_oracle(log, text, k)
    assert done.scores is not None
    np.testing.assert_allclose(done.scores, scores_of_oracle(log, text), rtol=1e-12)


@pytest.mark.parametrize("text", EXACT)
@settings(max_examples=15, deadline=None)
@given(log=strategies.logs())
def test_a_bandit_answers_a_log_of_reads_like_its_oracle(text: str, log: Log) -> None:
    assert answers(replayed(log, text).slates) == slates_of_oracle(log, text, 3)


@pytest.mark.parametrize("text", dearly(EXACT[1::2], EXACT[-1:]))
@settings(max_examples=10, deadline=None)
@given(log=strategies.logs_with_impressions())
def test_a_bandit_answers_impressions_like_its_oracle(text: str, log: Log) -> None:
    done = replayed(log, text, requests="impressions")
    assert answers(done.slates) == slates_of_oracle(log, text, 3, IMPRESSION)


@settings(max_examples=20, deadline=None)
@given(log=strategies.logs_with_impressions(max_rows=15, repeats=True), reads=strategies.cut_offs())
def test_linucb_scores_and_ranks_as_solving_its_regressions_does(log: Log, reads: int) -> None:
    log = begun_before(log, reads - 1)
    done = replayed(log, "linucb", 100)
    assert done.scores is not None
    np.testing.assert_allclose(done.scores, scores_of_oracle(log, "linucb"), rtol=1e-9, atol=1e-12)
    for slate, row in zip(answers(done.slates), np.flatnonzero(log.kind == READ).tolist(), strict=True):
        assert sorted(slate) == sorted(naive.Trials(log, row, 6).alive - {int(log.item[row])})
        bounds = naive.linucb_scores(log, row, slate)
        assert all(bounds[i] >= bounds[i + 1] - 1e-9 for i in range(len(slate) - 1))


def begun_before(log: Log, reads: int) -> Log:
    """The log with its first reads as reads from before it, which are in no session; the last stays a read.

    Of one instant, they would have to come last: so only those that have it to themselves.
    """
    alone = (np.diff(log.time, prepend=-1) > 0) & (np.diff(log.time, append=2**62) > 0)
    row = np.flatnonzero((log.kind == READ) & alone)[:-1][:reads]
    kind, session = log.kind.copy(), log.session.copy()
    kind[row], session[row] = HISTORY, -1
    return log._replace(kind=kind, session=session)


# --- draws ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 999), (3.5, 20), (400, 7), (2, 1)])
def test_draws_are_of_the_beta_distribution(a: float, b: float) -> None:
    drawn = [draw_beta(np.uint64(5), row, 3, float(a), float(b)) for row in range(4_000)]
    assert stats.kstest(drawn, "beta", (a, b)).pvalue > 0.001
    assert np.unique(drawn).size == len(drawn)
    neighbours = [draw_beta(np.uint64(5), row, 4, float(a), float(b)) for row in range(4_000)]
    assert abs(stats.spearmanr(drawn, neighbours).statistic) < 0.06


@pytest.mark.parametrize("text", ["thompson", "epsilon(rate=0.5)"])
def test_draws_depend_on_the_seed_and_on_nothing_else_that_is_asked(text: str) -> None:
    log = made_up_log(400, 2)[0]
    first = replayed(log, text)
    assert replayed(log, text).slates.tobytes() == first.slates.tobytes()
    assert replayed(log, text, seed=1).slates.tobytes() != first.slates.tobytes()
    at = np.flatnonzero(log.kind == READ)[-1]
    shorter = make_log(**{name: getattr(log, name)[: at + 1] for name in LOG_DTYPES}, pools=log.pools)
    assert replayed(log, text, k=1).slates.tolist() == first.slates[:, :1].tolist()
    assert replayed(shorter, text).slates[-1].tolist() == first.slates[np.count_nonzero(log.kind[:at] == READ)].tolist()


# --- what they promise ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", SPECS)
def test_a_bandit_is_blind_to_the_future(text: str) -> None:
    assert check_entry(start_list(text)[0], apart=False).passed


@pytest.mark.parametrize("text", dearly(SPECS, EXACT[-1:]))
def test_a_bandit_asked_at_impressions_is_blind_to_the_future(text: str) -> None:
    assert check_entry(start_list(text)[0], cuts=7, requests="impressions", apart=False).passed


@pytest.mark.parametrize("text", SPECS)
def test_room_made_on_the_way_changes_no_answer_and_shorter_slates_begin_longer_ones(text: str) -> None:
    log = made_up_log(600, 4)[0]
    whole = replayed(log, text, 8)
    pieces = replay(log, made(text), Setting(k=8), name=text, stretch=7)
    assert pieces.slates.tobytes() == whole.slates.tobytes()
    assert pieces.scores is not None
    assert whole.scores is not None
    assert pieces.scores.tobytes() == whole.scores.tobytes()
    assert replayed(log, text, 2).slates.tolist() == whole.slates[:, :2].tolist()
    assert tidy(log, READ, 0, len(log.time), whole.slates, 0)[0][:3] == (0, 0, -1)


def test_articles_without_a_trial_are_ranked_by_the_read_then_by_the_code() -> None:
    log = make_log(
        time=[0, 0, 0, 1, 2], kind=[PUBLISH] * 3 + [READ] * 2, session=[-1, -1, -1, 0, 1], user=[-1, -1, -1, 0, 1],
        item=[0, 1, 2, 1, 0], category=[-1] * 5,
    )  # fmt: skip
    for text in ("ucb", "linucb"):
        assert answers(replayed(log, text).slates) == [[2, 0], [1, 2]]


def test_of_articles_that_were_hardly_tried_one_stands_before_all_others_at_most() -> None:
    log = after_tries([(0, 10), (5, 10), (9, 10), (0, 0), (0, 0), (0, 0)])
    for seed in range(20):
        (slate,) = answers(replayed(log, "thompson", 6, seed=seed).slates)
        assert sorted(slate) == [0, 1, 2, 3, 4, 5]
        assert sum(item >= 3 for item in slate[:4]) <= 1
        assert {*slate[4:]} <= {3, 4, 5}


def after_tries(arms: Sequence[tuple[int, int]]) -> Log:
    """Articles that won so many of so many trials, and a read of another article after them."""
    rows: list[tuple[int, ...]] = [(PUBLISH, -1, item) for item in range(len(arms))]
    pools, clicked = [], []
    for item, (won, tried) in enumerate(arms):
        for number in range(tried):
            rows += [(IMPRESSION, len(pools), -1), (OUTCOME, len(pools), -1)]
            pools.append(item)
            clicked.append(number < won)
    rows.append((READ, -1, len(arms)))
    kind, impression, item_of = zip(*rows, strict=True)
    nobody = [-1 if one == PUBLISH else 0 for one in kind]
    return make_log(
        time=np.arange(len(rows)), kind=kind, session=nobody, user=nobody, item=item_of, category=[-1] * len(rows),
        impression=impression, pools={"at": np.arange(len(pools) + 1), "item": pools, "clicked": clicked},
    )  # fmt: skip


def test_an_article_is_forgotten_with_the_hour_in_which_it_was_last_touched() -> None:
    log = make_log(
        time=[0, HOUR, 2 * HOUR - 1, 2 * HOUR, 3 * HOUR], kind=[READ] * 5, session=range(5), user=range(5),
        item=[0, 1, 2, 2, 2], category=[-1] * 5,
    )  # fmt: skip
    assert [sorted(slate) for slate in answers(replayed(log, "ucb(hours=2)").slates)] == [[], [0], [0, 1], [1], []]


# --- regret -----------------------------------------------------------------------------------------------

RATES = (0.04, 0.1, 0.2, 0.06, 0.08)
ROUNDS = 4_000


class Bandit:
    """A recommender that is asked for one article, which is then shown and clicked or not: as it would be live."""

    def __init__(self, text: str) -> None:
        self.recommender: Compiled[Any] = made(text)
        sizes = Sizes(articles=len(RATES), users=1, sessions=1, categories=0, k=1)
        self.state = self.recommender.room(self.recommender.state(sizes, key_of(0, text)), 1)
        self.row = 0
        for item in range(len(RATES)):
            self.learn(PUBLISH, item)

    def event(self, kind: int, item: int, pool: Sequence[int] = (), clicked: Sequence[bool] = ()) -> Event:
        self.row += 1
        arrays = np.array(pool, np.int32), np.array(clicked, np.bool_)
        return Event(self.row, self.row * 100, kind, 0, 0, item, -1, *arrays)

    def learn(self, *event: Any) -> None:
        type(self.recommender).learn(self.state, self.event(*event))

    def choose(self) -> int:
        slate = np.full(1, -1, np.int32)
        type(self.recommender).recommend(self.state, self.event(IMPRESSION, -1), slate)
        return int(slate[0])


def regrets(text: str) -> tuple[float, float]:
    """What is lost against the best arm in either half of the rounds, clicks expected a round."""
    bandit = Bandit(text)
    rng = np.random.default_rng(1)
    lost = []
    for luck in rng.random(ROUNDS).tolist():
        chosen = bandit.choose()
        lost.append(max(RATES) - RATES[chosen])
        bandit.learn(OUTCOME, -1, [chosen], [luck < RATES[chosen]])
    half = ROUNDS // 2
    return math.fsum(lost[:half]) / half, math.fsum(lost[half:]) / half


BY_CHANCE = max(RATES) - sum(RATES) / len(RATES)


@pytest.mark.parametrize("text", ["thompson", "ucb", "linucb"])
def test_a_bandit_finds_the_best_arm(text: str) -> None:
    first, second = regrets(text)
    print(f"{text}: regret a round {first:.4f}, then {second:.4f}; by chance {BY_CHANCE:.4f}")
    assert first < BY_CHANCE / 2
    assert second < BY_CHANCE / 8
    assert second < first


# --- parameters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thompson(hours=0)", "hours must be a whole number of at least 1, not 0"),
        ("thompson(prior=0.5)", "prior must be at least 1, not 0.5"),
        ("thompson(fresh=-1)", "fresh must be a whole number of at least 0, not -1"),
        ("ucb(width=big)", "width must be a number, not 'big'"),
        ("linucb(width=-1)", "width must be at least 0, not -1"),
        ("epsilon(rate=1.5)", "rate must be at least 0 and at most 1, not 1.5"),
        ("epsilon(rate=none)", "rate must be a number, not None"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_may_be(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        start_list(text)
    assert str(caught.value) == f"{parse_spec(text)}: {message}"
