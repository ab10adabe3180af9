"""`counters` against its oracle: every logit, and whether it learns what there is to be learned."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from newsreplay.errors import SpecError
from newsreplay.kernels.mixing import key_of
from newsreplay.log.rows import IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from newsreplay.spec import parse_spec
from tests import strategies
from tests.naive.counters import CountersByHand, TreesByHand

TREES = "counters(model=gbdt, every=1)"


def replayed(log: Log, text: str, k: int = 5, stretch: int = 16_384) -> Replayed:
    return replay(log, start_list(text)[0].make(), Setting(k=k), name=text, stretch=stretch)


def agree(log: Log, text: str) -> CountersByHand:
    """Compare all scores and slates with the oracle's, which is returned."""
    done = replayed(log, text, 100)
    options = {"hours": 24, "rate": 0.1, "l1": 0, "l2": 1, "leaky": False} | dict(parse_spec(text).parameters)
    by_hand = TreesByHand if options.pop("model", "logistic") == "gbdt" else CountersByHand
    oracle = by_hand(log, int(key_of(0, text)), **options)  # type: ignore[arg-type]
    scores: list[float] = []
    slates = iter(done.slates.tolist())
    for row, kind in enumerate(log.kind.tolist()):
        oracle.refit(row)
        scores += oracle.score(row) if kind == IMPRESSION else []
        oracle.learn(row)
        if kind == READ:
            logits = oracle.slate(row)
            slate = [item for item in next(slates) if item >= 0]
            assert sorted(slate) == sorted(logits)
            falling = [logits[item] for item in slate]
            assert all(a >= b - 1e-9 for a, b in pairwise(falling))
    assert done.scores is not None
    difference = np.abs(done.scores - scores) / np.maximum(np.abs(scores), 1e-9)
    largest = float(difference.max(initial=0.0))
    print(f"{text}: {len(scores)} logits, largest relative difference {largest:.1e}")
    assert largest <= 1e-5
    return oracle


@pytest.mark.parametrize(
    "text",
    [
        "counters",
        pytest.param("counters(hours=2, rate=0.5, l1=0.2, l2=0)", marks=pytest.mark.slow),
        pytest.param("counters(leaky=True)", marks=pytest.mark.slow),
        pytest.param(TREES, marks=pytest.mark.slow),
        pytest.param("counters(model=gbdt, every=1, rows=150, leaky=True)", marks=pytest.mark.slow),
    ],
)
def test_counters_answers_a_busy_log_like_its_oracle(text: str) -> None:
    log = made_up_log(220, 3)[0]
    assert (log.kind == OUTCOME).sum() > 10
    agree(log, text)


@settings(max_examples=10, deadline=None)
@given(log=strategies.logs_with_impressions(max_rows=15, repeats=True))
def test_counters_answers_small_logs_like_its_oracle(log: Log) -> None:
    agree(log, "counters")


@pytest.mark.slow
def test_counters_asked_at_impressions_is_blind_to_the_future() -> None:
    assert check_entry(start_list("counters")[0], apart=False, cuts=6, requests="impressions").passed


def test_counters_is_blind_to_the_future_unless_it_is_leaky() -> None:
    assert check_entry(start_list("counters")[0], apart=False).passed
    leaky = start_list("counters(leaky=true)")[0]
    assert not check_entry(leaky, apart=False).passed
    assert replay(made_up_log(50)[0], leaky.make(), Setting(k=3)).foresight == "given"
    assert replay(made_up_log(50)[0], start_list("counters")[0].make(), Setting(k=3)).foresight is None


def test_trees_are_blind_to_the_future_unless_they_are_leaky() -> None:
    log, articles = made_up_log(300, 5)
    entry = start_list("counters(model=gbdt, every=3)")[0]
    assert check_entry(entry, log=log, articles=articles, apart=False, cuts=6).passed
    assert replayed(log, "counters", 100).slates.tolist() != replayed(log, entry.label, 100).slates.tolist()
    leaky = start_list("counters(model=gbdt, every=3, leaky=true)")[0]
    assert not check_entry(leaky, log=log, articles=articles, apart=False, cuts=6).passed


@pytest.mark.parametrize("text", ["counters", TREES])
def test_room_made_on_the_way_changes_no_answer(text: str) -> None:
    log = made_up_log(300, 4)[0]
    whole, pieces = replayed(log, text), replayed(log, text, stretch=7)
    assert pieces.slates.tobytes() == whole.slates.tobytes()
    assert pieces.scores is not None
    assert whole.scores is not None
    assert pieces.scores.tobytes() == whole.scores.tobytes()


def arms_shown(rounds: int, arms: int) -> Log:
    """Every other minute two impressions of the same articles, each likelier to be clicked than the one before."""
    rng = np.random.default_rng(0)
    clicked = rng.random((rounds, arms)) < np.linspace(0.02, 0.5, arms)
    return make_log(
        time=[0] * arms + [60_000 * (1 + i // 2) for i in range(2 * rounds)],
        kind=[PUBLISH] * arms + [IMPRESSION, OUTCOME] * rounds,
        session=[-1] * arms + [0] * 2 * rounds, user=[-1] * arms + [0] * 2 * rounds,
        item=[*range(arms)] + [-1] * 2 * rounds, category=[-1] * (arms + 2 * rounds),
        impression=[-1] * arms + [i // 2 for i in range(2 * rounds)],
        pools={"at": arms * np.arange(rounds + 1), "item": [*range(arms)] * rounds, "clicked": clicked.ravel()},
    )  # fmt: skip


def test_trees_answer_impressions_like_lightgbm_fitted_to_the_same_rows_by_hand() -> None:
    oracle = agree(arms_shown(70, 4), TREES)
    assert isinstance(oracle, TreesByHand)
    assert set(oracle.booster) == {"clicks"}


def test_trees_answer_reads_like_lightgbm_fitted_to_the_same_rows_by_hand() -> None:
    reads, articles = 80, 6
    rng = np.random.default_rng(1)
    item = np.minimum(rng.geometric(0.4, reads), articles) - 1
    oracle = agree(
        make_log(
            time=[0] * articles + [60_000 * (1 + i) for i in range(reads)],
            kind=[PUBLISH] * articles + [READ] * reads,
            session=[-1] * articles + [i // 3 for i in range(reads)],
            user=[-1] * articles + [i // 6 for i in range(reads)],
            item=[*range(articles), *item.tolist()], category=[i % 2 for i in [*range(articles), *item.tolist()]],
        ),
        TREES,
    )  # fmt: skip
    assert isinstance(oracle, TreesByHand)
    assert set(oracle.booster) == {"reads"}


@pytest.mark.parametrize("text", ["counters", TREES])
def test_counters_learns_which_of_the_articles_shown_are_clicked(text: str) -> None:
    rounds, arms = 300, 6
    done = replayed(arms_shown(rounds, arms), text)
    assert done.scores is not None
    late = done.scores.reshape(rounds, arms)[rounds // 2 :]
    assert np.corrcoef(late.mean(0), np.arange(arms))[0, 1] > 0.9
    assert np.mean(late[:, -1] > late[:, 0]) > 0.95


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("counters(rate=0)", "rate must be at least 1e-06, not 0"),
        ("counters(l2=-1)", "l2 must be at least 0, not -1"),
        ("counters(leaky=yes)", "leaky must be true or false, not 'yes'"),
        ("counters(model=trees)", "model must be logistic or gbdt, not 'trees'"),
        ("counters(model=gbdt, every=0)", "every must be a whole number of at least 1, not 0"),
        ("counters(model=gbdt, rows=0)", "rows must be a whole number of at least 1, not 0"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_may_be(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        start_list(text)
    assert str(caught.value) == f"{text}: {message}"


def test_without_lightgbm_trees_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # as if it were not installed
    with pytest.raises(SpecError, match=r'model=gbdt needs lightgbm.* pip install "newsreplay\[gbdt\]"$'):
        start_list("counters(model=gbdt)")
    assert start_list("counters")


def test_before_the_first_fit_trees_answer_as_the_logistic_model() -> None:
    log = made_up_log(120, 3)[0]
    logistic, trees = replayed(log, "counters"), replayed(log, "counters(model=gbdt, every=100000)")
    assert logistic.scores is not None
    assert trees.scores is not None
    assert logistic.scores.tobytes() == trees.scores.tobytes()
