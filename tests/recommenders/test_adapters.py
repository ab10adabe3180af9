"""river's and scikit-learn's models: what they are asked and taught, that they learn, and that nothing leaks."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from river import base, compose, linear_model, preprocessing, reco
from sklearn.linear_model import SGDClassifier

from newsreplay.errors import SpecError
from newsreplay.log.catalog import Articles, Profiles, bare_articles
from newsreplay.log.rows import DAY, IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from newsreplay.recommenders.adapters.features import FEATURES
from newsreplay.recommenders.adapters.river import River
from newsreplay.recommenders.adapters.sklearn import Sklearn
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.overwritten import made_up_log
from newsreplay.simulator.replay.replay import replay
from newsreplay.simulator.replay.walk import Replayed
from tests import strategies
from tests.naive.online import OnlineByHand, Step

RANKER = "river(model=river.reco.BiasedMF)"
MODELS = [
    "river",
    RANKER,
    "river(model=river.linear_model.LinearRegression)",
    "river(model=river.linear_model.PAClassifier)",
    "river(model=river.tree.HoeffdingTreeClassifier, ids=true)",
    "river(model=river.compose.Pipeline(river.preprocessing.StandardScaler(), river.linear_model.Perceptron()))",
    "sklearn(batch=5)",
    "sklearn(model=sklearn.linear_model.SGDRegressor, batch=5)",
    "sklearn(model=sklearn.naive_bayes.GaussianNB, batch=5)",
]


def replayed(log: Log, recommender: Any, k: int = 5, articles: Articles | None = None, **options: Any) -> Replayed:
    made = start_list(recommender)[0].make()
    stretch = options.pop("stretch", 16_384)
    return replay(log, made, Setting(k=k, **options), name="online", stretch=stretch, articles=articles)


def same_answers(one: Replayed, other: Replayed) -> bool:
    assert one.scores is not None
    assert other.scores is not None
    return one.slates.tobytes() == other.slates.tobytes() and one.scores.tobytes() == other.scores.tobytes()


# --- what they are asked and taught -----------------------------------------------------------------------


class Noting(base.Classifier):
    """Notes what it is asked and taught; never learns."""

    noted: ClassVar[list[tuple[dict[str, Any], bool | None]]] = []

    def learn_one(self, x: dict[str, Any], y: Any) -> None:
        self.noted.append((x, y))

    def predict_proba_one(self, x: dict[str, Any], **_: Any) -> dict[Any, float]:
        self.noted.append((x, None))
        return {True: 1 / (1 + int(x["article"])), False: 0.5}


@pytest.fixture
def noted() -> Iterator[list[tuple[dict[str, Any], bool | None]]]:
    Noting.noted.clear()
    yield Noting.noted
    Noting.noted.clear()


def agree(log: Log, candidates: int = 4, negatives: int = 2, hours: int = 3) -> list[Step]:
    """Compare all that a model is asked and taught with the oracle's steps, which are returned."""
    Noting.noted.clear()
    replayed(log, River(Noting(), candidates=candidates, negatives=negatives, hours=hours, ids=True))
    calls = iter(Noting.noted)
    steps = [*OnlineByHand(log, candidates=candidates, hours=hours).steps()]
    for step in steps:
        drawn = min(negatives, len(step.drawable)) if step.what == "taught" else 0
        noted = [next(calls) for _ in range(len(step.items) + drawn)]
        items = [int(x["article"]) for x, _ in noted]
        assert items[: len(step.items)] == step.items
        assert set(items[len(step.items) :]) <= step.drawable
        assert len(set(items[len(step.items) :])) == drawn
        flags: list[bool | None] = [*step.clicked, *[False] * drawn] if step.what == "taught" else [None] * len(items)
        assert [y for _, y in noted] == flags
        for item, (x, _) in zip(items, noted, strict=True):
            assert x["reader"] == str(log.user[step.row])
            assert [*x][: len(FEATURES)] == [*FEATURES]
            assert {name: x[name] for name in FEATURES} == pytest.approx(step.told[item], rel=1e-5, abs=1e-6)
    assert next(calls, None) is None
    return steps


def test_a_busy_log_is_told_as_its_oracle_tells_it() -> None:
    steps = agree(made_up_log(100, 3)[0])
    assert sum(step.what == "taught" and len(step.items) > 1 for step in steps) > 5


@settings(max_examples=15, deadline=None)
@given(log=strategies.logs(max_rows=30))
def test_small_logs_of_reads_are_told_as_their_oracle_tells_them(log: Log) -> None:
    agree(log)


@settings(max_examples=15, deadline=None)
@given(log=strategies.logs_with_impressions(max_rows=20, repeats=True))
def test_small_logs_with_impressions_are_told_as_their_oracle_tells_them(log: Log) -> None:
    agree(log)


def test_a_slate_is_of_the_articles_rated_highest(noted: list[Any]) -> None:
    log = make_log(
        time=[0, 1, 2, 3],
        kind=[READ] * 4,
        session=[0, 1, 2, 3],
        user=[0, 1, 2, 3],
        item=[0, 1, 2, 3],
        category=[-1] * 4,
    )
    done = replayed(log, River(Noting(), ids=True), k=2)
    assert done.slates.tolist() == [[-1, -1], [0, -1], [0, 1], [0, 1]]  # codes count against an article


def test_the_article_on_screen_is_an_answer_where_nothing_is_excluded(noted: list[Any]) -> None:
    log = make_log(time=[0, 1], kind=[READ] * 2, session=[0, 1], user=[0, 1], item=[0, 1], category=[-1] * 2)
    assert replayed(log, River(Noting(), ids=True), k=2, exclude="nothing").slates.tolist() == [[0, -1], [0, 1]]


def test_what_a_reader_read_before_the_log_is_taste(noted: list[Any]) -> None:
    log = make_log(
        time=[0, 1, 2], kind=[PUBLISH, PUBLISH, IMPRESSION], session=[-1, -1, 0], user=[-1, -1, 0], item=[0, 1, -1],
        category=[0, 1, -1], impression=[-1, -1, 0], pools={"at": [0, 2], "item": [0, 1], "clicked": [False, True]},
    )  # fmt: skip
    profiles = Profiles(
        np.array([0]), np.array([2]), np.array([0, 3]), np.array([0, -2, 1]),
        pa.record_batch({"id": ["old"], "category": ["1"]}), False,
    )  # fmt: skip
    replayed(log, River(Noting(), ids=True), articles=bare_articles(log)._replace(profiles=profiles))
    told = {x["article"]: (x["taste"], x["same_category"], x["read_before"]) for x, _ in noted}
    assert told["0"] == (pytest.approx(1 / 3), 0, 1)
    assert told["1"] == (pytest.approx(2 / 3), 1, 1)


# --- what they answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", MODELS)
def test_answers_do_not_depend_on_when_they_are_worked_out(spec: str) -> None:
    log = made_up_log(250, 3)[0]
    whole = replayed(log, spec)
    assert same_answers(whole, replayed(log, spec, stretch=7))
    assert same_answers(whole, replayed(log, spec, timed=True))
    assert len(np.unique(whole.scores)) > 5


@pytest.mark.parametrize("spec", ["river", RANKER, "sklearn(batch=5)"])
def test_an_online_model_is_blind_to_the_future(spec: str) -> None:
    log, articles = made_up_log(250, 3)
    entry = start_list(spec)[0]
    assert check_entry(entry, log=log, articles=articles, apart=False, cuts=6).passed
    assert check_entry(entry, log=log, articles=articles, apart=False, cuts=3, requests="impressions").passed


def arms(rounds: int, *, of: int = READ) -> Log:
    """Twenty articles, of which a geometric law is read, or shown and clicked; every round by another reader."""
    rng = np.random.default_rng(1)
    best = np.minimum(rng.geometric(0.4, rounds), 20) - 1
    count = 20
    head: dict[str, list[int]] = {
        "time": [0] * count, "kind": [PUBLISH] * count, "session": [-1] * count, "user": [-1] * count,
        "item": [*range(count)], "category": [-1] * count,
    }  # fmt: skip
    if of == READ:
        rows = {
            "time": [60_000 * (1 + i) for i in range(rounds)], "kind": [READ] * rounds, "session": [*range(rounds)],
            "user": [*range(rounds)], "item": best.tolist(), "category": [-1] * rounds,
        }  # fmt: skip
        return make_log(**{name: [*head[name], *rows[name]] for name in head})
    twice = [i // 2 for i in range(2 * rounds)]
    rows = {
        "time": [60_000 * (1 + i) for i in twice], "kind": [IMPRESSION, OUTCOME] * rounds, "session": twice,
        "user": twice, "item": [-1] * 2 * rounds, "category": [-1] * 2 * rounds,
    }  # fmt: skip
    return make_log(
        **{name: [*head[name], *rows[name]] for name in head},
        impression=[-1] * count + twice,
        pools={
            "at": count * np.arange(rounds + 1),
            "item": [*range(count)] * rounds,
            "clicked": (np.arange(count) == best[:, None]).ravel(),
        },
    )


@pytest.mark.parametrize("spec", ["river", RANKER, "sklearn"])
def test_what_is_read_most_is_learned_from_reads(spec: str) -> None:
    log = arms(600)
    slates = replayed(log, spec, k=1).slates[300:, 0]
    read = log.item[log.kind == READ][300:]
    expected = np.where(read == 0, 1, 0)  # the best article but the current one
    assert np.mean(slates == expected) > 0.4  # at random 0.05


@pytest.mark.parametrize("spec", ["river", RANKER, "sklearn"])
def test_what_is_clicked_most_is_learned_from_outcomes(spec: str) -> None:
    scores = replayed(arms(300, of=OUTCOME), spec).scores
    assert scores is not None
    assert np.mean(scores.reshape(300, 20)[150:].argmax(1) == 0) > 0.8


def test_an_outcome_that_comes_a_day_late_is_not_learned_from(noted: list[Any]) -> None:
    def log_with_outcome_after(wait: int) -> Log:
        return make_log(
            time=[0, 0, wait], kind=[PUBLISH, IMPRESSION, OUTCOME], session=[-1, 0, 0], user=[-1, 0, 0],
            item=[0, -1, -1], category=[-1] * 3, impression=[-1, 0, 0],
            pools={"at": [0, 1], "item": [0], "clicked": [True]},
        )  # fmt: skip

    replayed(log_with_outcome_after(DAY), River(Noting(), ids=True))
    assert [y for _, y in noted] == [None]
    replayed(log_with_outcome_after(DAY - 1), River(Noting(), ids=True))
    assert [y for _, y in noted] == [None, None, True, True]  # both copies learn


# --- models -----------------------------------------------------------------------------------------------


def test_a_model_of_a_spec_gets_the_seed_of_the_run_and_an_object_keeps_its_own() -> None:
    log = made_up_log(200, 3)[0]
    first, again, other = (replayed(log, RANKER, seed=seed) for seed in (1, 1, 2))
    assert same_answers(first, again)
    assert not same_answers(first, other)
    assert River(reco.BiasedMF(seed=3)).learner().model.seed == 3  # type: ignore[attr-defined]


def test_an_object_learns_on_from_what_it_had_learned_and_stays_as_it_is() -> None:
    log = made_up_log(200, 3)[0]
    fresh = compose.Pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    taught = copy.deepcopy(fresh)
    for i in range(50):
        taught.learn_one(dict.fromkeys(FEATURES, float(i % 2)), i % 2 == 1)
    before = dict(taught["LogisticRegression"].weights)
    assert not same_answers(replayed(log, River(taught)), replayed(log, River(fresh)))
    assert dict(taught["LogisticRegression"].weights) == before


def test_objects_are_shown_with_their_models() -> None:
    pipeline = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    labels = [entry.label for entry in start_list([River(pipeline), Sklearn(SGDClassifier(loss="log_loss"))])]
    assert labels == [
        "River(model='StandardScaler | LogisticRegression', candidates=100, negatives=4, hours=24, ids=False)",
        "Sklearn(model=\"SGDClassifier(loss='log_loss')\", candidates=100, negatives=4, hours=24, batch=100)",
    ]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("river(model=river.stats.Mean)", "model must be a classifier, regressor or ranker of river, not Mean"),
        ("river(model=sklearn.linear_model.SGDClassifier)", "model must be a classifier, regressor or ranker of river"),
        ("river(model=trend)", "model must be a classifier, regressor or ranker of river, not <"),
        ("river(negatives=0)", "negatives must be a whole number of at least 1, not 0"),
        ("river(ids=yes)", "ids must be true or false, not 'yes'"),
        ("sklearn(model=sklearn.svm.SVC)", "model must have partial_fit(X, y), which sklearn.svm.SVC has not"),
        ("sklearn(batch=0)", "batch must be a whole number of at least 1, not 0"),
    ],
)
def test_what_is_no_online_model_is_refused(typed: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        start_list(typed)
    assert str(caught.value).startswith(f"{typed}: {message}")


@pytest.mark.parametrize("package", ["river", "sklearn"])
def test_without_its_package_a_model_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    class NotInstalled:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name.split(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=package)

    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled, *sys.meta_path])
    with pytest.raises(
        SpecError, match=rf'needs {package}, which is not installed: pip install "newsreplay\[{package}\]"$'
    ):
        start_list(package)
    monkeypatch.undo()
    assert start_list(package)
