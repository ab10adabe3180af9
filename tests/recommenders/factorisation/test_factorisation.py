"""LibFM and DeepFM: by their equations, and blind in the stream."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from newsreplay.errors import SpecError
from newsreplay.log.rows import DAY, READ
from newsreplay.recommenders.adapters.online import OfferedArticles
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.factorisation.deepfm import DeepFM, DeepLearner, Network
from newsreplay.recommenders.factorisation.described import Described
from newsreplay.recommenders.factorisation.libfm import FIELDS, LibFM, MachineLearner
from newsreplay.recommenders.factorisation.machine import FactorisationMachine
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log, with_facts
from newsreplay.simulator.replay.replay import replay
from tests.naive import factorisation as naive

COMMON = {(0, 7): 1.0, (1, "rain"): 0.8, (1, "city"): 0.3}
OWN = [
    {(2, 1): 1.0, (3, 2): 1.0, (4, "rain"): 0.6, (4, "in"): 0.8},
    {(2, 2): 1.0, (4, "sun"): 1.0},
    {(2, 3): 1.0, (3, 2): 1.0},
]
CLICKED = [False, True, False]


class Given(MachineLearner):
    """Is told the features themselves."""

    common, own = COMMON, OWN

    def _described(self, offered: object) -> Any:
        return self.common, self.own


class DeepGiven(Given, DeepLearner):
    """The same with a network."""


def learners(penalty: float = 0.03) -> list[Any]:
    made = []
    for kind in (Given, DeepGiven):
        machine = FactorisationMachine(FIELDS, 3, 0.1, penalty, 5)
        machine.meet([COMMON, *OWN[:2]])
        rng = np.random.default_rng(1)
        machine.vector[:] = rng.normal(0, 0.5, machine.vector.shape)
        machine.weight[:] = rng.normal(0, 0.5, machine.weight.shape)
        machine.bias[:] = 0.3
        parts = () if kind is Given else (Network(FIELDS * 3, 4, 0.1, 2),)
        made.append(kind(None, machine, *parts))  # type: ignore[arg-type]
    return made


def expected(learner: Any) -> list[float]:
    machine = learner.machine
    weight = {feature: machine.weight[row] for feature, row in machine.rows.items()}
    vector = {feature: machine.vector[row] for feature, row in machine.rows.items()}
    logits = []
    for own in OWN:
        values = {**COMMON, **own}
        logit = naive.machine(float(machine.bias[0]), weight, vector, values)
        if isinstance(learner, DeepGiven):
            sums = [
                sum(
                    (x * vector[name] for name, x in values.items() if name[0] == field and name in vector), np.zeros(3)
                )
                for field in range(FIELDS)
            ]
            logit += naive.network(learner.network.weights, learner.network.biases, sums)
        logits.append(logit)
    return logits


def test_logits_are_those_of_the_equations_and_what_was_never_learned_is_not_there() -> None:
    for learner in learners():
        assert learner.rate(None) == pytest.approx(expected(learner), rel=1e-9)
    assert (2, 3) not in learner.machine.rows
    learner.machine.meet(OWN)
    assert (2, 3) in learner.machine.rows


def test_a_network_that_says_nothing_leaves_the_machine() -> None:
    plain, deep = learners()
    deep.network.weights[-1][:] = 0
    assert deep.rate(None) == plain.rate(None)


def test_a_step_is_adagrads_on_the_log_loss() -> None:
    """After the first step the sums of squares are the squared derivatives, and each weight has moved by the rate."""
    for learner, again in zip(learners(), learners(), strict=True):
        for one in (learner, again):
            one.machine.meet(OWN)
        machine = again.machine
        tables = [(machine.weight, 0), (machine.vector, 1), (machine.bias, 2)]
        sums = learner.machine.squares

        def loss(again: Any = again) -> float:
            rows = list(again.machine.rows.values())
            penalty = 0.5 * 0.03 * ((again.machine.vector[rows] ** 2).sum() + (again.machine.weight[rows] ** 2).sum())
            return naive.log_loss(expected(again), CLICKED) + float(penalty)

        learner.learn(None, CLICKED)
        moved = [learner.machine.weight, learner.machine.vector, learner.machine.bias]
        if isinstance(learner, DeepGiven):
            tables += [(t, 3 + n) for n, t in enumerate([*again.network.weights, *again.network.biases])]
            sums = [*sums, *learner.network.squares]
            moved += [*learner.network.weights, *learner.network.biases]
        rows = len(machine.rows)
        for table, number in tables:
            for place in np.ndindex(table.shape):
                if number < 2 and place[0] >= rows:
                    continue
                slope = naive.slope(loss, table, place)
                assert sums[number][place] == pytest.approx(slope**2, rel=1e-3, abs=1e-9)
                if abs(slope) > 1e-4:
                    assert moved[number][place] == pytest.approx(table[place] - 0.1 * np.sign(slope), rel=1e-3)


def test_clicks_are_learned() -> None:
    for learner in learners(0.0):
        for _ in range(200):
            learner.learn(None, CLICKED)
        assert np.argmax(learner.rate(None)) == 1
        assert learner.rate(None)[1] > 1 > -1 > learner.rate(None)[0]


class Facts:
    """A catalog of what is said of articles so far."""

    def __init__(self, titles: dict[int, str]):
        self.titles = titles

    def category(self, item: int) -> str | None:
        return "news"

    def text(self, item: int, fact: str) -> str | None:
        return self.titles.get(item) if fact == "title" else None

    def has_fact(self, fact: str) -> bool:
        return fact == "title"


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_terms_are_weighed_by_what_was_known_when_they_were_weighed_last() -> None:
    titles = {0: "Rain in the city, rain!", 1: "The city", -2: "Snow in town"}
    texts = Described(Facts(titles))  # type: ignore[arg-type]
    for item in titles:
        texts.note(item)
    assert texts.terms(1) == pytest.approx(naive.tfidf(words(titles[1]), []))
    texts.weigh()
    known = [words(title) for title in titles.values()]
    titles[2] = "Rain and hail"
    texts.note(2)
    for item, title in titles.items():
        assert texts.terms(item) == pytest.approx(naive.tfidf(words(title), known))
    texts.weigh()
    assert texts.terms(0) == pytest.approx(naive.tfidf(words(titles[0]), [*known, words(titles[2])]))
    each = [texts.terms(item) for item in (0, 1, -2)]
    assert texts.together([0, 1, -2]) == {
        term: max(terms.get(term, 0.0) for terms in each) for term in {term for terms in each for term in terms}
    }


def test_a_title_that_comes_later_is_taken_in_then() -> None:
    titles: dict[int, str] = {}
    texts = Described(Facts(titles))  # type: ignore[arg-type]
    texts.note(0)
    event: Any = type("Row", (), {"item": 0, "category": -1})()
    assert not texts.has_more(event)
    assert texts.terms(0) == {}
    titles[0] = "Rain"
    assert texts.has_more(event)
    texts.note(0)
    assert texts.terms(0) == {"rain": 1.0}
    assert not texts.has_more(event)
    assert texts.documents == {"rain": 1}


@pytest.mark.parametrize("text", ["libfm(width=3)", "deepfm(width=3, hidden=4)"])
def test_overwriting_the_future_changes_no_bit_of_an_answer(text: str) -> None:
    log, articles = made_up_log(500, 3)
    assert (log.time[-1] - log.time[0]) > DAY
    check = check_entry(start_list(text)[0], log=log, articles=with_facts(articles, 500), cuts=3, k=5, apart=False)
    assert check.passed, str(check)


def test_answers_one_by_one_are_those_of_many_at_once_and_tell_articles_apart() -> None:
    log, articles = made_up_log(400, 4)
    together, single = (
        replay(log, DeepFM(width=3, hidden=4), Setting(k=3, timed=timed), articles=articles) for timed in (False, True)
    )
    assert together.slates.tolist() == single.slates.tolist()
    assert together.scores is not None
    assert single.scores is not None
    assert together.scores.tobytes() == single.scores.tobytes()
    assert len(np.unique(together.scores)) > 50


def test_a_reader_is_known_by_what_was_read() -> None:
    told: list[Sequence[int]] = []

    class Watched(LibFM):
        def _rate(self, learner: Any, offered: OfferedArticles) -> Sequence[float]:
            told.append(offered.read)
            return super()._rate(learner, offered)

    log, articles = made_up_log(300, 4)
    log = log._replace(kind=np.where(log.kind > READ, READ, log.kind))
    replay(log, Watched(width=2), Setting(k=3), articles=articles)
    assert max(map(len, told)) > 5


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("libfm(width=0)", "width must be"),
        ("libfm(rate=0)", "rate must be"),
        ("deepfm(hidden=0)", "hidden must be"),
        ("deepfm(penalty=-1)", "penalty must be"),
    ],
)
def test_what_cannot_be_is_refused(typed: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        start_list(typed)
